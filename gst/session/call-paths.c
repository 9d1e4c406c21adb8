/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The network paths of a call: what arrives on them goes to QUIC, what becomes
 * of them to the mover, which moves the connection once it is up, and the moves
 * to the call's owner.  Transport thread only. */
#include "roq/roq.h"
#include "session/call-private.h"
#include "session/session-private.h"

#define GST_CAT_DEFAULT qp_session_debug

/* The exporter's label for the key that path offers are made with. */
#define PATHS_KEY_LABEL "EXPORTER-quicp2p-paths"

static void
on_path_writable (gpointer user)
{
  QpCall *call = user;

  if (call->quic)
    qp_quic_writable (call->quic);
}

static void
on_paths_signal (QpMessage *message, gpointer user)
{
  QpCall *call = user;

  if (qp_call_is_over (call))
    return;
  /* What concerns further paths goes both ways: whichever arrives first counts,
   * and one of the two may be cut. Else, once the call is up, the peer believes
   * the control stream only. */
  if (!qp_call_send (call, message) || message->path != QP_CALL_FIRST_PATH)
    call->callbacks.signal (call, message, call->user);
}

static void
first_path_connected (QpCall *call)
{
  /* The QUIC client speaks first, once its side can send; the server waits for
   * it since the answer came. */
  if (!call->quic && !qp_call_is_over (call))
    qp_call_start_quic (call);
  if (call->state == QP_CALL_CHECKING)
    qp_call_set_state (call, QP_CALL_HANDSHAKING);
}

static void
first_path_failed (QpCall *call, const char *cause)
{
  qp_call_end (call,
      g_error_new (QP_SESSION_ERROR, QP_SESSION_ERROR_NO_PATH,
          "no network path to %s: %s", call->name, cause));
}

static void
on_path_state (guint number, QpPathState state, const char *cause,
    gpointer user)
{
  QpCall *call = user;

  if (qp_call_is_over (call))
    return;
  if (state == QP_PATH_CONNECTED) {
    if (number == QP_CALL_FIRST_PATH)
      first_path_connected (call);
    if (call->mover)
      qp_mover_path_usable (call->mover, number);
    if (!qp_call_is_over (call) && number == qp_call_get_active_path (call))
      call->callbacks.path_selected (call, call->user);
  } else if (state == QP_PATH_FAILED) {
    if (call->mover)
      qp_mover_path_lost (call->mover, number, cause);
    else if (number == QP_CALL_FIRST_PATH)
      first_path_failed (call, cause);
  }
}

static void
on_path_pair (guint number, gpointer user)
{
  QpCall *call = user;

  if (qp_call_is_over (call))
    return;
  if (call->mover)
    qp_mover_path_answers (call->mover, number);
}

static void
on_path_received (guint number, const guint8 *data, gsize size, gpointer user)
{
  QpCall *call = user;

  if (!call->quic || qp_call_is_over (call))
    return;
  call->last_received_us = g_get_monotonic_time ();
  if (call->mover)
    number = qp_mover_receive (call->mover, number);
  qp_quic_receive (call->quic, number, data, size);
}

static void
on_path_received_all (gpointer user)
{
  QpCall *call = user;

  if (qp_call_is_over (call))
    return;
  if (call->receiver)
    qp_receiver_flush (call->receiver);
  if (call->mover && !qp_call_is_over (call))
    qp_mover_received_all (call->mover);
  if (call->quic)
    qp_quic_flush (call->quic);
  qp_call_watch_rate (call);
}

static void
on_path_lost (guint number, const char *why, gpointer user)
{
  QpCall *call = user;

  if (!qp_call_is_over (call) && call->mover)
    qp_mover_path_lost (call->mover, number, why);
}

const QpPathsCallbacks qp_call_paths_callbacks = {
  .signal = on_paths_signal,
  .received = on_path_received,
  .received_all = on_path_received_all,
  .state_changed = on_path_state,
  .pair_changed = on_path_pair,
  .writable = on_path_writable,
  .lost = on_path_lost,
};

static void
on_mover_moved (guint from, guint to, const char *cause, gint64 gap_us,
    gpointer user)
{
  QpCall *call = user;

  if (!qp_call_is_over (call))
    call->callbacks.moved (call, from, to, cause, gap_us, call->user);
}

static void
on_mover_lost (guint number, const char *cause, gpointer user)
{
  QpCall *call = user;

  if (!qp_call_is_over (call))
    call->callbacks.path_lost (call, number, cause, call->user);
}

static void
on_mover_cut (gboolean cut, gpointer user)
{
  QpCall *call = user;

  GST_INFO ("%s: %s", call->name, cut ? "no path works" : "a path works again");
  if (!qp_call_is_over (call))
    call->callbacks.cut (call, cut, call->user);
}

static void
on_mover_ping (gpointer user)
{
  QpCall *call = user;
  g_autoptr (QpMessage) ping = qp_message_new (QP_MESSAGE_PING);

  if (qp_call_send (call, ping))
    qp_quic_flush (call->quic);
}

static const QpMoverCallbacks mover_callbacks = {
  .moved = on_mover_moved,
  .lost = on_mover_lost,
  .cut = on_mover_cut,
  .ping = on_mover_ping,
};

/* Between two of us only: a plain RoQ peer knows nothing of further paths. */
void
qp_call_start_paths (QpCall *call)
{
  guint8 key[QP_PATHS_KEY_SIZE];

  if (!g_str_equal (call->alpn, QP_ROQ_ALPN_P2P) ||
      !qp_quic_export_key (call->quic, PATHS_KEY_LABEL, key, sizeof key))
    return;
  call->mover = qp_mover_new (call->context, call->paths, call->quic,
      !call->offerer, call->name, &mover_callbacks, call);
  qp_paths_start (call->paths, key);
}

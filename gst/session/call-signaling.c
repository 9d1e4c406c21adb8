/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Setting a call up: the offer, the answer and the candidates of both sides.
 * They come through a server that nobody need trust, so that a call which is up
 * no longer listens to it.  Transport thread only. */
#include "session/call-private.h"
#include "session/session-private.h"

#define GST_CAT_DEFAULT qp_session_debug

/* What the server may still say of a call that is up: what the peer sent before
 * it knew so itself. */
#define LATE_SIGNALS_US ((gint64) G_USEC_PER_SEC)

static QpMessage *
describe_self (QpCall *call, QpMessageType type)
{
  QpMessage *message = qp_message_new (type);

  message->call = g_strdup (call->id);
  message->path = QP_CALL_FIRST_PATH;
  message->fingerprint =
      g_strdup (qp_identity_get_fingerprint (call->identity));
  message->ufrag = g_strdup (qp_path_get_ufrag (qp_call_get_first_path (call)));
  message->password =
      g_strdup (qp_path_get_password (qp_call_get_first_path (call)));
  return message;
}

/* Takes the peer's half: its fingerprint and ICE credentials. */
static gboolean
take_description (QpCall *call, const QpMessage *message)
{
  g_autoptr (GError) error = NULL;

  call->peer_fingerprint = g_strdup (message->fingerprint);
  if (!qp_path_set_remote_credentials (qp_call_get_first_path (call),
          message->ufrag, message->password, &error)) {
    qp_call_end (call,
        g_error_new (QP_SESSION_ERROR, QP_SESSION_ERROR_NO_PATH,
            "%s sent unusable ICE credentials: %s", call->name,
            error->message));
    return FALSE;
  }
  if (call->peer_gathered_early)
    qp_path_remote_gathering_done (qp_call_get_first_path (call));
  return TRUE;
}

void
qp_call_start (QpCall *call)
{
  g_autoptr (QpMessage) offer = describe_self (call, QP_MESSAGE_OFFER);

  qp_call_begin (call);
  qp_call_set_state (call, QP_CALL_OFFERING);
  /* The offer leaves before its candidates. */
  call->callbacks.signal (call, offer, call->user);
  qp_path_gather (qp_call_get_first_path (call));
}

void
qp_call_accept (QpCall *call, const QpMessage *offer, const char *sdp)
{
  g_autoptr (QpMessage) answer = describe_self (call, QP_MESSAGE_ANSWER);

  qp_call_begin (call);
  answer->sdp = g_strdup (sdp);
  call->callbacks.signal (call, answer, call->user);
  if (!take_description (call, offer))
    return;
  qp_call_set_state (call, QP_CALL_CHECKING);
  qp_path_gather (qp_call_get_first_path (call));
}

static void
handle_answer (QpCall *call, const QpMessage *answer)
{
  if (call->state != QP_CALL_OFFERING) {
    QP_CALL_COMPLAIN (call, "a second answer was ignored");
    return;
  }
  if (!take_description (call, answer))
    return;
  call->answer_sdp = g_strdup (answer->sdp);
  qp_call_set_state (call, QP_CALL_CHECKING);
  if (!call->quic)
    qp_call_start_quic (call);
}

void
qp_call_handle_candidate (QpCall *call, const QpMessage *message)
{
  if (message->path == QP_CALL_FIRST_PATH && message->candidate[0] == '\0' &&
      !call->peer_fingerprint)
    call->peer_gathered_early = TRUE;
  else
    qp_paths_handle (call->paths, message);
}

/* A call that is up takes no orders from the server: with a candidate of its
 * own, whose checks it can answer because it has seen the ICE credentials, it
 * could lead the call away. */
static gboolean
is_late (QpCall *call)
{
  return call->state == QP_CALL_CONNECTED &&
      g_get_monotonic_time () > call->connected_us + LATE_SIGNALS_US;
}

/* What concerns further paths proves by its MAC who made it. */
void
qp_call_handle_path (QpCall *call, const QpMessage *message)
{
  if (g_str_equal (message->call, call->id))
    qp_paths_handle (call->paths, message);
}

static gboolean
is_path_message (const QpMessage *message)
{
  return message->type == QP_MESSAGE_PATH_OFFER ||
      message->type == QP_MESSAGE_PATH_ANSWER ||
      message->type == QP_MESSAGE_PATH_GONE;
}

void
qp_call_handle (QpCall *call, const QpMessage *message)
{
  if (qp_call_is_over (call))
    return;
  if (is_path_message (message)) {
    qp_call_handle_path (call, message);
  } else if (message->type == QP_MESSAGE_CANDIDATE &&
      message->path != QP_CALL_FIRST_PATH) {
    qp_call_handle_candidate (call, message);
  } else if (is_late (call)) {
    QP_CALL_COMPLAIN (call, "%s by signaling ignored: the call is up",
        qp_message_type_to_string (message->type));
  } else if (message->type == QP_MESSAGE_ANSWER && call->offerer) {
    handle_answer (call, message);
  } else if (message->type == QP_MESSAGE_CANDIDATE) {
    qp_call_handle_candidate (call, message);
  }
}

void
qp_call_signaling_returned (QpCall *call)
{
  if (qp_call_is_over (call))
    return;
  if (call->state == QP_CALL_OFFERING) {
    g_autoptr (QpMessage) offer = describe_self (call, QP_MESSAGE_OFFER);

    call->callbacks.signal (call, offer, call->user);
    qp_paths_repeat_first (call->paths);
  }
  qp_paths_repeat (call->paths);
}

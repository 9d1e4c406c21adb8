/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The call with a peer: made when the peer is wanted, followed while it lasts,
 * tried again with growing pauses when it ends.  A call that is connected takes
 * the place of the one before it; the application hears of every step.
 * Transport thread only. */
#include <string.h>

#include "roq/roq.h"
#include "session/peer-private.h"
#include "session/session-private.h"

#define GST_CAT_DEFAULT qp_session_debug

#define RETRY_MIN_MS 500
#define RETRY_MAX_MS 5000

/* --- Up --------------------------------------------------------------------- */

static void
on_signal (QpCall *call, QpMessage *message, gpointer user)
{
  QpPeer *peer = user;

  if (!qp_session_signal (peer->session, peer->id, message))
    GST_INFO ("%s: %s was not sent: not connected to signaling", peer->id,
        qp_message_type_to_string (message->type));
}

/* A connected call takes the place of the one before it. */
static void
promote_next (QpPeer *peer)
{
  QpCall *old = peer->call;

  peer->call = g_steal_pointer (&peer->next);
  qp_session_retire_call (peer->session, old, QP_ROQ_NO_ERROR,
      "replaced by a new call");
}

static void
call_connected (QpPeer *peer)
{
  const char *sdp;

  peer->failures = 0;
  qp_peer_forget_held (peer);
  g_clear_pointer (&peer->sdp, g_free);
  memset (peer->samples, 0, sizeof peer->samples);
  peer->n_samples = 0;

  qp_peer_set_presence (peer, QP_PEER_HERE, NULL);
  /* The client's first message opens the control stream for both sides. */
  if (!qp_call_is_offerer (peer->call) ||
      qp_session_get_producer (peer->session))
    qp_peer_send_media (peer);
  for (guint i = 0; i < peer->session->tracks->len; i++) {
    QpTrack *track = g_ptr_array_index (peer->session->tracks, i);

    if (track->announced)
      qp_peer_start_track (peer, track);
  }

  sdp = peer->early_sdp ? peer->early_sdp : qp_call_get_answer_sdp (peer->call);
  if (sdp)
    qp_peer_take_media (peer, sdp);
  g_clear_pointer (&peer->early_sdp, g_free);
  qp_call_flush (peer->call);
}

static void
post_state (QpPeer *peer, QpCallState old_state, QpCallState state,
    const char *reason)
{
  qp_session_post (peer->session,
      gst_structure_new ("peer-state", "peer-id", G_TYPE_STRING, peer->id,
          "peer-name", G_TYPE_STRING, peer->name, "old-state", G_TYPE_STRING,
          qp_call_state_to_string (old_state), "new-state", G_TYPE_STRING,
          qp_call_state_to_string (state), "reason", G_TYPE_STRING, reason,
          NULL));
}

static void
on_state_changed (QpCall *call, QpCallState old_state, QpCallState state,
    gpointer user)
{
  QpPeer *peer = user;

  if (state == QP_CALL_CONNECTED) {
    if (call == peer->next)
      promote_next (peer);
    qp_session_connected (peer->session, peer);
    call_connected (peer);
  }
  /* The end is told with its reason, in qp_peer_call_ended(). */
  if (call == peer->call && state < QP_CALL_FAILED)
    post_state (peer, old_state, state, NULL);
  qp_session_review (peer->session);
}

/* --- Over, and again -------------------------------------------------------- */

static gboolean
on_retry (gpointer data)
{
  QpPeer *peer = data;

  qp_clear_source (&peer->retry);
  qp_session_review (peer->session);
  return G_SOURCE_REMOVE;
}

static void
retry_later (QpPeer *peer)
{
  guint delay = MIN (RETRY_MIN_MS << MIN (peer->failures, 4), RETRY_MAX_MS);

  qp_clear_source (&peer->retry);
  peer->retry = g_timeout_source_new (delay);
  g_source_set_callback (peer->retry, on_retry, peer, NULL);
  g_source_attach (peer->retry, peer->session->context);
}

/* A sentence that a message may carry: UTF-8 without control characters, cut
 * between two characters. (transfer full) */
static char *
clean_text (const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  GString *clean = g_string_new (NULL);

  for (const char *p = valid; *p; p = g_utf8_next_char (p)) {
    gunichar c = g_utf8_get_char (p);

    if (clean->len + 6 > QP_MESSAGE_MAX_TEXT)
      break;
    g_string_append_unichar (clean, g_unichar_iscntrl (c) ? ' ' : c);
  }
  return g_string_free (clean, FALSE);
}

void
qp_peer_send_bye (QpPeer *peer, const char *call, const char *code,
    const char *text)
{
  g_autoptr (QpMessage) bye = qp_message_new (QP_MESSAGE_BYE);

  bye->call = g_strdup (call);
  bye->code = g_strdup (code);
  bye->text = clean_text (text);
  qp_session_signal (peer->session, peer->id, bye);
}

void
qp_peer_call_ended (QpPeer *peer, QpCall *call, const GError *error)
{
  gboolean was_connected = qp_call_get_connect_time (call) > 0;
  const char *reason = error ? error->message : "the peer ended the call";

  if (!was_connected && error)
    qp_peer_send_bye (peer, qp_call_get_id (call), "call-failed", reason);

  if (call == peer->next) {
    peer->next = NULL;
    GST_WARNING ("%s: a new call failed, the old one goes on: %s", peer->id,
        reason);
    qp_session_retire_call (peer->session, call, QP_ROQ_GENERAL_ERROR, reason);
    return;
  }

  for (guint i = peer->flows->len; i > 0; i--) {
    QpPeerFlow *flow = g_ptr_array_index (peer->flows, i - 1);

    if (flow->local)
      g_ptr_array_remove (peer->flows, flow);
  }
  qp_peer_forget_held (peer);
  peer->call = g_steal_pointer (&peer->next);
  if (!peer->call) {
    qp_peer_remove_remote (peer, QP_TRACK_PEER_GONE);
    qp_peer_set_presence (peer, error ? QP_PEER_LOST : QP_PEER_AWAY, reason);
  }
  post_state (peer, was_connected ? QP_CALL_CONNECTED : QP_CALL_CHECKING,
      error ? QP_CALL_FAILED : QP_CALL_CLOSED, reason);
  qp_session_retire_call (peer->session, call,
      error ? QP_ROQ_GENERAL_ERROR : QP_ROQ_NO_ERROR, reason);
  retry_later (peer);
  peer->failures++;
  if (error)
    qp_session_call_failed (peer->session, peer, error);
  qp_session_review (peer->session);
}

static void
on_ended (QpCall *call, const GError *error, gpointer user)
{
  qp_peer_call_ended (user, call, error);
}

/* --- What happens meanwhile ------------------------------------------------- */

/* Tells the bus where the connection is now. */
static void
post_path (QpPeer *peer, guint from, guint to, const char *cause, double gap_ms)
{
  QpPathInfo path;
  QpQuicInfo quic;

  qp_call_get_info (peer->call, &path, &quic);
  GST_INFO ("%s: path %u → %u, %s %s ↔ %s %s: %s, gap %.1f ms", peer->id, from,
      to, path.local.type, path.local.address, path.remote.type,
      path.remote.address, cause, gap_ms);
  qp_session_post (peer->session,
      gst_structure_new ("path-changed", "peer-id", G_TYPE_STRING, peer->id,
          "peer-name", G_TYPE_STRING, peer->name, "old-path", G_TYPE_UINT, from,
          "new-path", G_TYPE_UINT, to, "local-candidate-type", G_TYPE_STRING,
          path.local.type, "local-address", G_TYPE_STRING, path.local.address,
          "remote-candidate-type", G_TYPE_STRING, path.remote.type,
          "remote-address", G_TYPE_STRING, path.remote.address, "cause",
          G_TYPE_STRING, cause, "gap-ms", G_TYPE_DOUBLE, gap_ms, NULL));
}

static void
on_path_selected (QpCall *call, gpointer user)
{
  QpPeer *peer = user;
  QpPathInfo path;
  QpQuicInfo quic;

  if (call != peer->call)
    return;
  qp_call_get_info (call, &path, &quic);
  post_path (peer, quic.path, quic.path, "selected by ICE", 0);
}

static void
on_moved (QpCall *call, guint from, guint to, const char *cause, gint64 gap_us,
    gpointer user)
{
  QpPeer *peer = user;

  if (call == peer->call)
    post_path (peer, from, to, cause, gap_us / 1000.0);
}

static void
on_path_lost (QpCall *call, guint path, const char *cause, gpointer user)
{
  QpPeer *peer = user;

  if (call != peer->call)
    return;
  qp_session_post (peer->session,
      gst_structure_new ("path-lost", "peer-id", G_TYPE_STRING, peer->id,
          "peer-name", G_TYPE_STRING, peer->name, "path", G_TYPE_UINT, path,
          "cause", G_TYPE_STRING, cause, NULL));
}

static void
on_cut (QpCall *call, gboolean cut, gpointer user)
{
  QpPeer *peer = user;

  qp_session_review (peer->session);
}

static void
on_message (QpCall *call, const QpMessage *message, gpointer user)
{
  QpPeer *peer = user;

  if (call != peer->call)
    return;
  /* The client has opened the control stream: now the server can write. */
  if (peer->media_waits)
    qp_peer_send_media (peer);
  if (message->type == QP_MESSAGE_MEDIA)
    qp_peer_take_media (peer, message->sdp);
}

static void
on_keyframe (QpTrack *track, gboolean newcomer, gpointer user)
{
  QpPeer *peer = user;

  qp_session_keyframe (peer->session, track, newcomer);
}

/* --- Wanted or not ---------------------------------------------------------- */

static void
on_rate_changed (QpCall *call, gpointer user)
{
  QpPeer *peer = user;

  if (call == peer->call)
    qp_session_rates_changed (peer->session);
}

static const QpCallCallbacks call_callbacks = {
  .signal = on_signal,
  .state_changed = on_state_changed,
  .ended = on_ended,
  .message = on_message,
  .path_selected = on_path_selected,
  .path_lost = on_path_lost,
  .moved = on_moved,
  .cut = on_cut,
  .rate_changed = on_rate_changed,
  .keyframe = on_keyframe,
  .rtp = qp_peer_receive_rtp,
  .rtcp = qp_peer_receive_rtcp,
};

QpCall *
qp_peer_make_call (QpPeer *peer, gboolean offerer, const char *id)
{
  g_autofree char *name = g_strdup_printf ("%s (%.8s)",
      peer->name ? peer->name : "peer", peer->id);
  QpCallConfig config = { .context = peer->session->context,
    .offerer = offerer,
    .id = id,
    .name = name };

  qp_session_fill_call_config (peer->session, &config);
  return qp_call_new (&config, &call_callbacks, peer);
}

static char *
new_call_id (void)
{
  return g_strdup_printf ("%08x%08x%08x%08x", g_random_int (), g_random_int (),
      g_random_int (), g_random_int ());
}

gboolean
qp_peer_want (QpPeer *peer)
{
  g_autofree char *id = NULL;

  peer->wanted = TRUE;
  if (peer->sdp && !peer->sdp_applied && qp_peer_is_connected (peer))
    qp_peer_apply_media (peer, peer->sdp);
  if (peer->call || peer->retry || !peer->present || !peer->produces)
    return TRUE;
  if (peer->refused || !qp_peer_is_accepted (peer, NULL))
    return FALSE;
  id = new_call_id ();
  peer->offered_us = g_get_monotonic_time ();
  peer->call = qp_peer_make_call (peer, TRUE, id);
  qp_call_start (peer->call);
  return TRUE;
}

static gboolean
is_half_open (QpCall *call)
{
  return call && qp_call_get_state (call) < QP_CALL_CONNECTED;
}

static void
drop_calls (QpPeer *peer, const char *reason)
{
  QpCall *call = g_steal_pointer (&peer->call);
  QpCall *next = g_steal_pointer (&peer->next);

  qp_clear_source (&peer->retry);
  if (call)
    qp_session_retire_call (peer->session, call, QP_ROQ_NO_ERROR, reason);
  if (next)
    qp_session_retire_call (peer->session, next, QP_ROQ_NO_ERROR, reason);
}

void
qp_peer_drop (QpPeer *peer, const char *reason)
{
  g_autofree char *why = g_strdup (peer->lost_reason ? peer->lost_reason
                                                     : reason);

  peer->wanted = FALSE;
  qp_peer_remove_remote (peer, QP_TRACK_PEER_GONE);
  g_ptr_array_set_size (peer->flows, 0);
  qp_peer_forget_held (peer);
  drop_calls (peer, reason);
  g_clear_pointer (&peer->sdp, g_free);
  qp_peer_set_presence (peer, QP_PEER_AWAY, why);
}

void
qp_peer_turn_away (QpPeer *peer)
{
  if (is_half_open (peer->call))
    qp_peer_send_bye (peer, qp_call_get_id (peer->call), "not-accepted",
        QP_PEER_NOT_ACCEPTED);
  qp_peer_drop (peer, "not accepted by this application");
  qp_session_review (peer->session);
}

void
qp_peer_unwant (QpPeer *peer, const char *reason)
{
  if (!qp_peer_is_connected (peer) || !peer->consumes ||
      !qp_session_get_producer (peer->session)) {
    qp_peer_drop (peer, reason);
    return;
  }
  peer->wanted = FALSE;
  qp_peer_remove_remote (peer, QP_TRACK_PEER_GONE);
}

void
qp_peer_send_no_more (QpPeer *peer, const char *reason)
{
  if (!peer->wanted || !peer->produces)
    qp_peer_drop (peer, reason);
}

guint
qp_peer_count_half_open (QpPeer *peer)
{
  return is_half_open (peer->call) + is_half_open (peer->next);
}

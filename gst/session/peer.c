/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See peer.h. */
#include "session/peer.h"

#include <string.h>

#include "roq/roq.h"
#include "session/media.h"
#include "session/remote-track.h"
#include "session/session-private.h"

#define GST_CAT_DEFAULT qp_session_debug

#define RETRY_MIN_MS 500
#define RETRY_MAX_MS 5000
#define BITRATE_SAMPLES 11 /* 100 ms apart: one second between first and last */

/* Offers of one peer that are followed, or refused with a bye: somebody who
 * retries as we do stays below it. */
#define OFFERS_BURST 5
#define OFFERS_US ((gint64) G_USEC_PER_SEC)
/* Media descriptions of one peer that are read at once: each may add and remove
 * every pad that it has. Of those that come faster the newest is read. */
#define MEDIA_BURST 10
#define MEDIA_US ((gint64) G_USEC_PER_SEC / 5)

/* Where packets of one flow belong: exactly one of the tracks is set. */
typedef struct {
  QpPeer *peer;
  QpTrack *local;        /* RTCP about what we send */
  QpRemoteTrack *remote; /* RTP and RTCP of what we are sent */
} PeerFlow;

typedef struct {
  gint64 time;
  guint64 sent, received;
} Sample;

struct _QpPeer {
  QpSession *session;
  char *id, *name;
  gboolean produces, present;
  gboolean wanted;

  QpCall *call;      /* the newest that works, else the newest */
  QpCall *next;      /* to replace `call`, which is connected */
  gint64 offered_us; /* when we called it last */
  guint failures;
  GSource *retry;

  GPtrArray *flows;     /* of PeerFlow* */
  char *early_sdp;      /* `media` that came before the call was connected */
  char *unwanted_sdp;   /* the newest that came while it was not wanted */
  gboolean media_waits; /* ours, for the control stream to open */
  char *held_sdp;       /* the newest of those that came too fast; NULL: none */
  GSource *hold;        /* when `held_sdp` is due */

  QpRateLimit offers, refusals, media;

  Sample samples[BITRATE_SAMPLES];
  guint n_samples;
};

/* --- Flows -------------------------------------------------------------- */

/* Both directions of a connection share one space of flow IDs (RTCP goes the
 * other way under the ID of its RTP), so the side is in the lowest bit. */
static guint64
flow_id_of (QpPeer *peer, QpTrack *track)
{
  return 2 * track->media_number + (qp_call_is_offerer (peer->call) ? 1 : 0);
}

static PeerFlow *
find_local (QpPeer *peer, QpTrack *track)
{
  for (guint i = 0; i < peer->flows->len; i++) {
    PeerFlow *flow = g_ptr_array_index (peer->flows, i);

    if (flow->local == track)
      return flow;
  }
  return NULL;
}

static PeerFlow *
find_remote (QpPeer *peer, const char *mid)
{
  for (guint i = 0; i < peer->flows->len; i++) {
    PeerFlow *flow = g_ptr_array_index (peer->flows, i);

    if (flow->remote &&
        g_str_equal (qp_remote_track_get_mid (flow->remote), mid))
      return flow;
  }
  return NULL;
}

static PeerFlow *
add_flow (QpPeer *peer)
{
  PeerFlow *flow = g_new0 (PeerFlow, 1);

  flow->peer = peer;
  g_ptr_array_add (peer->flows, flow);
  return flow;
}

static void
forget_flow (QpPeer *peer, PeerFlow *flow)
{
  if (qp_peer_is_connected (peer))
    qp_receiver_remove_flow (qp_call_get_receiver (peer->call), flow);
  g_ptr_array_remove (peer->flows, flow);
}

/* --- What we send ------------------------------------------------------- */

/* Describes our tracks to this peer; NULL if there is nothing to say it with. */
static char *
describe_media (QpPeer *peer)
{
  g_autoptr (GPtrArray)
      media = g_ptr_array_new_with_free_func ((GDestroyNotify) qp_media_free);
  g_autoptr (GError) error = NULL;
  char *sdp;

  for (guint i = 0; i < peer->session->tracks->len; i++) {
    QpTrack *track = g_ptr_array_index (peer->session->tracks, i);

    if (track->announced)
      g_ptr_array_add (media,
          qp_media_new (flow_id_of (peer, track), track->mid, track->caps));
  }
  sdp = qp_media_to_sdp (media, peer->session->config->display_name, &error);
  if (!sdp)
    GST_ERROR ("our tracks cannot be described: %s", error->message);
  return sdp;
}

static void
send_media (QpPeer *peer)
{
  g_autoptr (QpMessage) message = NULL;
  char *sdp = describe_media (peer);

  if (!sdp)
    return;
  message = qp_message_new (QP_MESSAGE_MEDIA);
  message->call = g_strdup (qp_call_get_id (peer->call));
  message->sdp = sdp;
  peer->media_waits = !qp_call_send (peer->call, message);
  /* A plain RoQ peer has no control stream and never will. */
  if (peer->media_waits &&
      g_str_equal (qp_call_get_alpn (peer->call), QP_ROQ_ALPN)) {
    peer->media_waits = FALSE;
    qp_session_signal (peer->session, peer->id, message);
  }
}

static void
start_track (QpPeer *peer, QpTrack *track)
{
  PeerFlow *flow = find_local (peer, track);
  guint64 id = flow_id_of (peer, track);

  if (!flow) {
    flow = add_flow (peer);
    flow->local = track;
  }
  qp_receiver_add_flow (qp_call_get_receiver (peer->call), id, flow);
  qp_sender_set_flow (qp_call_get_sender (peer->call), track, id);
}

void
qp_peer_set_track (QpPeer *peer, QpTrack *track)
{
  if (!qp_peer_is_connected (peer))
    return;
  /* The description first: on the same connection it mostly arrives first. */
  send_media (peer);
  start_track (peer, track);
}

void
qp_peer_remove_track (QpPeer *peer, QpTrack *track)
{
  PeerFlow *flow = find_local (peer, track);

  if (!flow)
    return;
  if (qp_peer_is_connected (peer)) {
    qp_sender_remove (qp_call_get_sender (peer->call), track);
    send_media (peer);
  }
  forget_flow (peer, flow);
}

void
qp_peer_push_item (QpPeer *peer, QpTrack *track, const QpTrackItem *item)
{
  QpSender *sender;

  if (item->type == QP_TRACK_ITEM_CAPS)
    qp_peer_set_track (peer, track);
  if (!qp_peer_is_connected (peer) || !find_local (peer, track))
    return;
  sender = qp_call_get_sender (peer->call);
  switch (item->type) {
    case QP_TRACK_ITEM_CHUNK:
      qp_sender_push (sender, track, item->chunk);
      break;
    case QP_TRACK_ITEM_RTCP:
      qp_sender_push_rtcp (sender, flow_id_of (peer, track), item->rtcp);
      break;
    case QP_TRACK_ITEM_LOSS:
      qp_sender_push_loss (sender, track);
      break;
    case QP_TRACK_ITEM_END:
      qp_sender_finish (sender, track);
      break;
    case QP_TRACK_ITEM_CAPS:
      break;
  }
}

gboolean
qp_peer_is_drained (QpPeer *peer, QpTrack *track)
{
  return !qp_peer_is_connected (peer) ||
      qp_sender_is_drained (qp_call_get_sender (peer->call), track);
}

void
qp_peer_flush (QpPeer *peer)
{
  if (qp_peer_is_connected (peer))
    qp_call_flush (peer->call);
}

/* --- What we are sent --------------------------------------------------- */

static void
send_remote_rtcp (QpRemoteTrack *track, GBytes *packet, gpointer user)
{
  QpPeer *peer = user;

  if (!qp_peer_is_connected (peer))
    return;
  qp_sender_push_rtcp (qp_call_get_sender (peer->call),
      qp_remote_track_get_flow_id (track), packet);
  qp_call_flush (peer->call);
}

static void
remove_remote (QpPeer *peer, PeerFlow *flow, QpTrackEnd end)
{
  QpMember *consumer = qp_session_get_consumer (peer->session);
  QpRemoteTrack *track = flow->remote;

  forget_flow (peer, flow);
  if (consumer)
    consumer->callbacks.remote_track_removed (track, end, consumer->user);
  qp_remote_track_free (track);
}

static void
remove_all_remote (QpPeer *peer, QpTrackEnd end)
{
  for (guint i = peer->flows->len; i > 0; i--) {
    PeerFlow *flow = g_ptr_array_index (peer->flows, i - 1);

    if (flow->remote)
      remove_remote (peer, flow, end);
  }
}

static void
add_remote (QpPeer *peer, const QpMedia *media)
{
  QpMember *consumer = qp_session_get_consumer (peer->session);
  PeerFlow *flow = add_flow (peer);

  flow->remote = qp_remote_track_new (media, peer->id, peer->name,
      peer->session->context, send_remote_rtcp, peer);
  consumer->callbacks.remote_track_added (flow->remote, consumer->user);
}

static void
apply_one (QpPeer *peer, const QpMedia *media)
{
  QpMember *consumer = qp_session_get_consumer (peer->session);
  PeerFlow *flow = find_remote (peer, media->mid);

  if (flow && !qp_remote_track_is_compatible (flow->remote, media)) {
    remove_remote (peer, flow, QP_TRACK_REPLACED);
    flow = NULL;
  }
  if (!flow)
    add_remote (peer, media);
  else if (qp_remote_track_update (flow->remote, media))
    consumer->callbacks.remote_track_caps (flow->remote, media->caps,
        consumer->user);

  qp_receiver_add_flow (qp_call_get_receiver (peer->call), media->flow_id,
      find_remote (peer, media->mid));
}

static gboolean
describes (GPtrArray *media, const char *mid)
{
  for (guint i = 0; i < media->len; i++) {
    if (g_str_equal (((QpMedia *) g_ptr_array_index (media, i))->mid, mid))
      return TRUE;
  }
  return FALSE;
}

static void
apply_media (QpPeer *peer, const char *sdp)
{
  g_autoptr (GPtrArray) media = NULL;
  g_autoptr (GError) error = NULL;

  /* Who has called us may only later be somebody we want to see. */
  if (!qp_session_get_consumer (peer->session) || !peer->wanted) {
    g_free (peer->unwanted_sdp);
    peer->unwanted_sdp = g_strdup (sdp);
    return;
  }
  media = qp_media_from_sdp (sdp, strlen (sdp), &error);
  if (!media) {
    GST_WARNING ("%s: media description ignored: %s", peer->id, error->message);
    return;
  }

  /* What came before this description belongs to the old one. */
  qp_receiver_flush (qp_call_get_receiver (peer->call));
  for (guint i = peer->flows->len; i > 0; i--) {
    PeerFlow *flow = g_ptr_array_index (peer->flows, i - 1);

    if (flow->remote &&
        !describes (media, qp_remote_track_get_mid (flow->remote)))
      remove_remote (peer, flow, QP_TRACK_ENDED);
  }
  for (guint i = 0; i < media->len; i++)
    apply_one (peer, g_ptr_array_index (media, i));
}

static void
forget_held (QpPeer *peer)
{
  g_clear_pointer (&peer->held_sdp, g_free);
  qp_clear_source (&peer->hold);
}

static gboolean
on_hold (gpointer data)
{
  QpPeer *peer = data;
  g_autofree char *sdp = g_steal_pointer (&peer->held_sdp);

  qp_clear_source (&peer->hold);
  qp_rate_limit_take (&peer->media, g_get_monotonic_time ());
  if (qp_peer_is_connected (peer))
    apply_media (peer, sdp);
  return G_SOURCE_REMOVE;
}

static void
take_media (QpPeer *peer, const char *sdp)
{
  gint64 now = g_get_monotonic_time ();

  if (!peer->held_sdp && qp_rate_limit_take (&peer->media, now)) {
    apply_media (peer, sdp);
    return;
  }
  g_free (peer->held_sdp);
  peer->held_sdp = g_strdup (sdp);
  if (peer->hold)
    return;
  GST_INFO ("%s: its media changes too often, only the newest counts",
      peer->id);
  peer->hold = g_timeout_source_new (
      MAX (qp_rate_limit_due (&peer->media) - now, 0) / 1000 + 1);
  g_source_set_callback (peer->hold, on_hold, peer, NULL);
  g_source_attach (peer->hold, peer->session->context);
}

static void
on_rtp (gpointer data, GstBufferList *list, gpointer user)
{
  PeerFlow *flow = data;
  QpMember *consumer = qp_session_get_consumer (flow->peer->session);

  if (flow->remote && consumer)
    consumer->callbacks.remote_rtp (flow->remote, list, consumer->user);
  else
    gst_buffer_list_unref (list);
}

static void
on_rtcp (gpointer data, GstBuffer *buffer, gpointer user)
{
  PeerFlow *flow = data;
  QpMember *consumer = qp_session_get_consumer (flow->peer->session);
  QpMember *producer = qp_session_get_producer (flow->peer->session);

  if (flow->remote && consumer)
    consumer->callbacks.remote_rtcp (flow->remote, buffer, consumer->user);
  else if (flow->local && producer)
    producer->callbacks.track_rtcp (flow->local, buffer, producer->user);
  else
    gst_buffer_unref (buffer);
}

/* --- The call ----------------------------------------------------------- */

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
  /* The review may come too late to see it. */
  peer->session->was_connected = TRUE;
  forget_held (peer);
  g_clear_pointer (&peer->unwanted_sdp, g_free);
  memset (peer->samples, 0, sizeof peer->samples);
  peer->n_samples = 0;

  /* The client's first message opens the control stream for both sides. */
  if (!qp_call_is_offerer (peer->call) ||
      qp_session_get_producer (peer->session))
    send_media (peer);
  for (guint i = 0; i < peer->session->tracks->len; i++) {
    QpTrack *track = g_ptr_array_index (peer->session->tracks, i);

    if (track->announced)
      start_track (peer, track);
  }

  sdp = peer->early_sdp ? peer->early_sdp : qp_call_get_answer_sdp (peer->call);
  if (sdp)
    take_media (peer, sdp);
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
    qp_session_connected (peer->session);
    call_connected (peer);
  }
  /* The end is told with its reason, in on_ended(). */
  if (call == peer->call && state < QP_CALL_FAILED)
    post_state (peer, old_state, state, NULL);
  qp_session_review (peer->session);
}

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

static void
send_bye (QpPeer *peer, const char *call, const char *code, const char *text)
{
  g_autoptr (QpMessage) bye = qp_message_new (QP_MESSAGE_BYE);

  bye->call = g_strdup (call);
  bye->code = g_strdup (code);
  bye->text = clean_text (text);
  qp_session_signal (peer->session, peer->id, bye);
}

static void
on_ended (QpCall *call, const GError *error, gpointer user)
{
  QpPeer *peer = user;
  gboolean was_connected = qp_call_get_connect_time (call) > 0;
  const char *reason = error ? error->message : "the peer ended the call";

  if (!was_connected && error)
    send_bye (peer, qp_call_get_id (call), "call-failed", reason);

  if (call == peer->next) {
    peer->next = NULL;
    GST_WARNING ("%s: a new call failed, the old one goes on: %s", peer->id,
        reason);
    qp_session_retire_call (peer->session, call, QP_ROQ_GENERAL_ERROR, reason);
    return;
  }

  for (guint i = peer->flows->len; i > 0; i--) {
    PeerFlow *flow = g_ptr_array_index (peer->flows, i - 1);

    if (flow->local)
      g_ptr_array_remove (peer->flows, flow);
  }
  forget_held (peer);
  peer->call = g_steal_pointer (&peer->next);
  if (!peer->call)
    remove_all_remote (peer, QP_TRACK_PEER_GONE);
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
          "old-path", G_TYPE_UINT, from, "new-path", G_TYPE_UINT, to,
          "local-candidate-type", G_TYPE_STRING, path.local.type,
          "local-address", G_TYPE_STRING, path.local.address,
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
          "path", G_TYPE_UINT, path, "cause", G_TYPE_STRING, cause, NULL));
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
    send_media (peer);
  if (message->type == QP_MESSAGE_MEDIA)
    take_media (peer, message->sdp);
}

static void
on_keyframe (QpTrack *track, gboolean newcomer, gpointer user)
{
  QpPeer *peer = user;

  qp_session_keyframe (peer->session, track, newcomer);
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
  .keyframe = on_keyframe,
  .rtp = on_rtp,
  .rtcp = on_rtcp,
};

static QpCall *
make_call (QpPeer *peer, gboolean offerer, const char *id)
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

/* --- Signaling ---------------------------------------------------------- */

static char *
new_call_id (void)
{
  return g_strdup_printf ("%08x%08x%08x%08x", g_random_int (), g_random_int (),
      g_random_int (), g_random_int ());
}

void
qp_peer_want (QpPeer *peer)
{
  g_autofree char *id = NULL;
  g_autofree char *sdp = g_steal_pointer (&peer->unwanted_sdp);

  peer->wanted = TRUE;
  if (sdp && qp_peer_is_connected (peer))
    apply_media (peer, sdp);
  if (peer->call || peer->retry || !peer->present)
    return;
  id = new_call_id ();
  peer->offered_us = g_get_monotonic_time ();
  peer->call = make_call (peer, TRUE, id);
  qp_call_start (peer->call);
}

static QpCall *
find_call (QpPeer *peer, const char *id)
{
  if (peer->call && g_str_equal (qp_call_get_id (peer->call), id))
    return peer->call;
  if (peer->next && g_str_equal (qp_call_get_id (peer->next), id))
    return peer->next;
  return NULL;
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
  peer->wanted = FALSE;
  remove_all_remote (peer, QP_TRACK_PEER_GONE);
  g_ptr_array_set_size (peer->flows, 0);
  forget_held (peer);
  drop_calls (peer, reason);
}

/* Says no to an offer, and nothing at all to the many that follow it: our own
 * share of the server's patience is for calls. */
static gboolean
refuse (QpPeer *peer, const QpMessage *offer, const char *code,
    const char *text)
{
  gint64 now = g_get_monotonic_time ();

  if (qp_rate_limit_take (&peer->refusals, now) &&
      qp_rate_limit_take (&peer->session->refusals, now)) {
    GST_INFO ("%s: offer refused: %s", peer->id, text);
    send_bye (peer, offer->call, code, text);
  }
  return FALSE;
}

/* Whether one more call may be made for the peer. */
static gboolean
admit (QpPeer *peer, const QpMessage *offer)
{
  const char *reason;

  if (!qp_rate_limit_take (&peer->offers, g_get_monotonic_time ()))
    return refuse (peer, offer, "too-many",
        "too many offers: wait a second before the next");
  reason = qp_session_admit_call (peer->session);
  return reason ? refuse (peer, offer, "busy", reason) : TRUE;
}

/* Whether an offer may be followed, given the call there is. */
static gboolean
may_accept (QpPeer *peer, const QpMessage *offer)
{
  QpSession *session = peer->session;

  if (!qp_session_get_producer (session))
    return refuse (peer, offer, "no-media", "this member sends no media");
  if (find_call (peer, offer->call))
    return FALSE;

  if (qp_peer_is_connected (peer)) {
    const char *known = qp_call_get_peer_fingerprint (peer->call);

    /* Whoever speaks for signaling cannot put another in the peer's place. */
    if (!qp_fingerprint_equal (known, offer->fingerprint))
      return refuse (peer, offer, "wrong-peer",
          "a call with another fingerprint is up, and goes on");
  } else if (peer->call && qp_call_is_offerer (peer->call) &&
      strcmp (qp_session_get_own_id (session), peer->id) < 0) {
    /* Both offered at once: the lower id's offer stands. */
    return FALSE;
  }
  return admit (peer, offer);
}

static void
handle_offer (QpPeer *peer, const QpMessage *offer)
{
  g_autofree char *sdp = NULL;
  QpCall *call;

  if (!may_accept (peer, offer))
    return;

  call = make_call (peer, FALSE, offer->call);
  qp_clear_source (&peer->retry);
  if (qp_peer_is_connected (peer)) {
    if (peer->next)
      qp_session_retire_call (peer->session, peer->next, QP_ROQ_NO_ERROR,
          "a newer offer came");
    peer->next = call;
    qp_call_accept (call, offer, NULL);
  } else {
    if (peer->call)
      qp_session_retire_call (peer->session, peer->call, QP_ROQ_NO_ERROR,
          "a newer offer came");
    peer->call = call;
    sdp = describe_media (peer);
    qp_call_accept (call, offer, sdp);
  }
}

static void
handle_bye (QpPeer *peer, QpCall *call, const QpMessage *bye)
{
  g_autoptr (GError) error = NULL;

  /* A call that is up ends by its own connection's word only. */
  if (qp_call_get_state (call) == QP_CALL_CONNECTED)
    return;
  error = g_error_new (QP_SESSION_ERROR, QP_SESSION_ERROR_NO_PATH,
      "%s ended the call: %s", peer->id, bye->text);
  on_ended (call, error, peer);
}

void
qp_peer_handle (QpPeer *peer, const QpMessage *message)
{
  QpCall *call;

  if (message->type == QP_MESSAGE_OFFER) {
    handle_offer (peer, message);
    return;
  }
  call = find_call (peer, message->call);
  if (!call)
    return;
  if (message->type == QP_MESSAGE_MEDIA) {
    if (qp_call_get_state (call) != QP_CALL_CONNECTED) {
      g_free (peer->early_sdp);
      peer->early_sdp = g_strdup (message->sdp);
    } else if (g_str_equal (qp_call_get_alpn (call), QP_ROQ_ALPN)) {
      /* With a control stream, the peer's own word counts, not signaling's. */
      take_media (peer, message->sdp);
    }
  } else if (message->type == QP_MESSAGE_BYE) {
    handle_bye (peer, call, message);
  } else {
    qp_call_handle (call, message);
  }
}

/* --- Life and insight ---------------------------------------------------- */

QpPeer *
qp_peer_new (QpSession *session, const char *id)
{
  QpPeer *peer = g_new0 (QpPeer, 1);

  peer->session = session;
  peer->id = g_strdup (id);
  peer->flows = g_ptr_array_new_with_free_func (g_free);
  qp_rate_limit_init (&peer->offers, OFFERS_BURST, OFFERS_US);
  qp_rate_limit_init (&peer->refusals, OFFERS_BURST, OFFERS_US);
  qp_rate_limit_init (&peer->media, MEDIA_BURST, MEDIA_US);
  return peer;
}

void
qp_peer_free (QpPeer *peer, const char *reason)
{
  qp_peer_drop (peer, reason);
  g_ptr_array_unref (peer->flows);
  g_free (peer->early_sdp);
  g_free (peer->unwanted_sdp);
  g_free (peer->id);
  g_free (peer->name);
  g_free (peer);
}

void
qp_peer_update (QpPeer *peer, const char *name, gboolean produces,
    gboolean present)
{
  if (name && g_strcmp0 (peer->name, name) != 0) {
    g_free (peer->name);
    peer->name = g_strdup (name);
  }
  peer->produces = produces;
  peer->present = present;
}

const char *
qp_peer_get_id (QpPeer *peer)
{
  return peer->id;
}

const char *
qp_peer_get_name (QpPeer *peer)
{
  return peer->name;
}

gboolean
qp_peer_is_present (QpPeer *peer)
{
  return peer->present;
}

gboolean
qp_peer_is_producer (QpPeer *peer)
{
  return peer->produces;
}

QpCallState
qp_peer_get_state (QpPeer *peer)
{
  return peer->call ? qp_call_get_state (peer->call) : QP_CALL_NEW;
}

gboolean
qp_peer_is_connected (QpPeer *peer)
{
  return peer->call && qp_call_get_state (peer->call) == QP_CALL_CONNECTED;
}

gboolean
qp_peer_is_cut (QpPeer *peer)
{
  return qp_peer_is_connected (peer) && qp_call_is_cut (peer->call);
}

void
qp_peer_network_changed (QpPeer *peer)
{
  if (peer->call)
    qp_call_network_changed (peer->call);
}

void
qp_peer_signaling_returned (QpPeer *peer)
{
  if (peer->call)
    qp_call_signaling_returned (peer->call);
}

static gboolean
is_half_open (QpCall *call)
{
  return call && qp_call_get_state (call) < QP_CALL_CONNECTED;
}

guint
qp_peer_count_half_open (QpPeer *peer)
{
  return is_half_open (peer->call) + is_half_open (peer->next);
}

guint
qp_peer_get_failures (QpPeer *peer)
{
  return peer->failures;
}

gboolean
qp_peer_has_remote_tracks (QpPeer *peer)
{
  for (guint i = 0; i < peer->flows->len; i++) {
    if (((PeerFlow *) g_ptr_array_index (peer->flows, i))->remote)
      return TRUE;
  }
  return FALSE;
}

gint64
qp_peer_get_silence (QpPeer *peer, gint64 now)
{
  if (qp_peer_is_connected (peer))
    return now - qp_call_get_last_received (peer->call);
  if (qp_peer_get_state (peer) == QP_CALL_OFFERING)
    return now - peer->offered_us;
  return 0;
}

QpCall *
qp_peer_get_call (QpPeer *peer)
{
  return peer->call;
}

void
qp_peer_tick (QpPeer *peer, gint64 now)
{
  QpPathInfo path;
  QpQuicInfo quic;
  Sample *sample = &peer->samples[peer->n_samples % BITRATE_SAMPLES];

  if (!qp_peer_is_connected (peer))
    return;
  qp_call_get_info (peer->call, &path, &quic);
  sample->time = now;
  sample->sent = quic.bytes_sent;
  sample->received = quic.bytes_received;
  peer->n_samples++;
}

void
qp_peer_get_bitrates (QpPeer *peer, guint64 *sent, guint64 *received)
{
  const Sample *newest, *oldest;
  guint64 span;

  *sent = *received = 0;
  if (peer->n_samples < 2 || !qp_peer_is_connected (peer))
    return;
  newest = &peer->samples[(peer->n_samples - 1) % BITRATE_SAMPLES];
  oldest = &peer->samples[peer->n_samples > BITRATE_SAMPLES
          ? peer->n_samples % BITRATE_SAMPLES
          : 0];
  span = (guint64) MAX (newest->time - oldest->time, 1);
  *sent = gst_util_uint64_scale (newest->sent - oldest->sent,
      8 * G_USEC_PER_SEC, span);
  *received = gst_util_uint64_scale (newest->received - oldest->received,
      8 * G_USEC_PER_SEC, span);
}

void
qp_peer_foreach_flow (QpPeer *peer,
    void (*func) (QpTrack *local, QpRemoteTrack *remote, gpointer flow,
        gpointer user),
    gpointer user)
{
  for (guint i = 0; i < peer->flows->len; i++) {
    PeerFlow *flow = g_ptr_array_index (peer->flows, i);

    func (flow->local, flow->remote, flow, user);
  }
}

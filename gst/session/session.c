/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See session.h.  This file is the transport thread: its life, what the
 * elements hand it, whom it calls and when it gives up.  The registry of named
 * sessions is in registry.c, peers in peer.c, the snapshot for `stats` in
 * stats.c. */
#include "session/session-private.h"

#include <string.h>

#include "session/membership.h"

#define GST_CAT_DEFAULT qp_session_debug

#define CALL_TIMEOUT_MS 12000
#define TICK_MS 100
#define DRAIN_MS 10
#define GOODBYE_MS 300
/* A producer that said nothing for so long is taken for dead when another of
 * its name joins: a camera that was restarted. */
#define SILENCE_US (2 * G_USEC_PER_SEC)

GstDebugCategory *qp_session_debug;

G_DEFINE_QUARK (qp_session_error, qp_session_error)

/* --- State ---------------------------------------------------------------- */

static QpMember *
find_member (QpSession *session, gboolean producer)
{
  for (guint i = 0; i < session->members->len; i++) {
    QpMember *member = g_ptr_array_index (session->members, i);

    if (producer ? member->producer : member->consumer)
      return member;
  }
  return NULL;
}

QpMember *
qp_session_get_producer (QpSession *session)
{
  return find_member (session, TRUE);
}

QpMember *
qp_session_get_consumer (QpSession *session)
{
  return find_member (session, FALSE);
}

void
qp_session_post (QpSession *session, GstStructure *message)
{
  for (guint i = 0; i < session->members->len; i++) {
    QpMember *member = g_ptr_array_index (session->members, i);

    member->callbacks.message (gst_structure_copy (message), member->user);
  }
  gst_structure_free (message);
}

static void
set_state (QpSession *session, QpSessionState state, const char *reason)
{
  QpSessionState old = session->state;

  if (old == state)
    return;
  GST_INFO ("session: %s → %s%s%s", qp_session_state_to_string (old),
      qp_session_state_to_string (state), reason ? ": " : "",
      reason ? reason : "");
  session->state = state;
  g_free (session->reason);
  session->reason = g_strdup (reason);
  qp_session_post (session,
      gst_structure_new ("session-state", "old-state", G_TYPE_STRING,
          qp_session_state_to_string (old), "new-state", G_TYPE_STRING,
          qp_session_state_to_string (state), "reason", G_TYPE_STRING, reason,
          NULL));
}

static void
clear_source (GSource **source)
{
  if (!*source)
    return;
  g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

static GSource *
add_timeout (QpSession *session, guint ms, GSourceFunc func)
{
  GSource *source = g_timeout_source_new (ms);

  g_source_set_callback (source, func, session, NULL);
  g_source_attach (source, session->context);
  return source;
}

/* Gives up. Peers stay as they are until the members leave. */
static void
fail (QpSession *session, const GError *error)
{
  if (session->state == QP_SESSION_FAILED || session->leaving)
    return;
  clear_source (&session->connect_timeout);
  clear_source (&session->producer_timeout);
  set_state (session, QP_SESSION_FAILED, error->message);
  for (guint i = 0; i < session->members->len; i++) {
    QpMember *member = g_ptr_array_index (session->members, i);

    member->callbacks.failed (error, member->user);
  }
}

/* --- Whom to call --------------------------------------------------------- */

static gboolean
matches (QpSession *session, QpPeer *peer)
{
  const char *wish = session->config->producer;

  return !wish || g_str_equal (wish, qp_peer_get_id (peer)) ||
      g_strcmp0 (wish, qp_peer_get_name (peer)) == 0;
}

static gboolean
wants_all (QpSession *session)
{
  return g_strcmp0 (session->config->producer, "all") == 0;
}

static gboolean
is_candidate (QpSession *session, QpPeer *peer)
{
  return qp_peer_is_present (peer) && qp_peer_is_producer (peer) &&
      matches (session, peer);
}

/* The first producer that fits, those that failed least before the others. */
static QpPeer *
choose_producer (QpSession *session)
{
  QpPeer *best = NULL;

  for (guint i = 0; i < session->peers->len; i++) {
    QpPeer *peer = g_ptr_array_index (session->peers, i);

    if (is_candidate (session, peer) &&
        (!best || qp_peer_get_failures (peer) < qp_peer_get_failures (best)))
      best = peer;
  }
  return best;
}

/* A producer of the same name that joined after the played one fell silent. */
static QpPeer *
find_successor (QpSession *session, gint64 now)
{
  QpPeer *old = session->selected;

  if (qp_peer_get_silence (old, now) < SILENCE_US)
    return NULL;
  for (guint i = session->peers->len; i > 0; i--) {
    QpPeer *peer = g_ptr_array_index (session->peers, i - 1);

    if (peer == old)
      break;
    if (is_candidate (session, peer) &&
        g_strcmp0 (qp_peer_get_name (peer), qp_peer_get_name (old)) == 0)
      return peer;
  }
  return NULL;
}

static void
select_producer (QpSession *session, gint64 now)
{
  QpPeer *old = session->selected, *chosen = old;

  if (!old ||
      (!qp_peer_is_connected (old) && qp_peer_get_state (old) == QP_CALL_NEW))
    chosen = choose_producer (session);
  else if (find_successor (session, now))
    chosen = find_successor (session, now);
  if (!chosen && old)
    chosen = old;

  if (chosen != old) {
    session->selected = chosen;
    if (old)
      qp_peer_drop (old, "another producer is played");
  }
  if (chosen)
    qp_peer_want (chosen);
}

static void
want_peers (QpSession *session)
{
  if (!qp_session_get_consumer (session) || session->state == QP_SESSION_FAILED)
    return;
  if (!wants_all (session)) {
    select_producer (session, g_get_monotonic_time ());
    return;
  }
  for (guint i = 0; i < session->peers->len; i++) {
    QpPeer *peer = g_ptr_array_index (session->peers, i);

    if (qp_peer_is_present (peer) && qp_peer_is_producer (peer))
      qp_peer_want (peer);
  }
}

/* --- Timeouts ------------------------------------------------------------- */

static gboolean
on_producer_timeout (gpointer data)
{
  QpSession *session = data;
  QpMember *consumer = qp_session_get_consumer (session);

  g_clear_pointer (&session->producer_timeout, g_source_unref);
  GST_INFO ("the producer has been gone for %u ms",
      session->config->producer_timeout_ms);
  if (consumer)
    consumer->callbacks.producer_timeout (consumer->user);
  return G_SOURCE_REMOVE;
}

/* Runs while a consumer that was connected is not. */
static void
watch_producer (QpSession *session, gboolean connected)
{
  if (connected || !session->was_connected ||
      session->config->producer_timeout_ms == 0 ||
      !qp_session_get_consumer (session) || session->state == QP_SESSION_FAILED)
    clear_source (&session->producer_timeout);
  else if (!session->producer_timeout)
    session->producer_timeout = add_timeout (session,
        session->config->producer_timeout_ms, on_producer_timeout);
}

static gboolean
on_connect_timeout (gpointer data)
{
  QpSession *session = data;
  guint ms = session->config->connect_timeout_ms;
  g_autoptr (GError) error = NULL;

  g_clear_pointer (&session->connect_timeout, g_source_unref);
  if (qp_signaling_client_get_state (session->client) != QP_SIGNALING_JOINED)
    error = g_error_new (QP_SESSION_ERROR, QP_SESSION_ERROR_SIGNALING,
        "signaling server %s:%u was not reached within %u ms: %s",
        session->uri->host, session->uri->port, ms,
        session->reason ? session->reason : "no answer");
  else if (session->last_error)
    error = g_error_copy (session->last_error);
  else if (session->peers->len == 0)
    error = g_error_new (QP_SESSION_ERROR, QP_SESSION_ERROR_NO_PEER,
        "nobody else came to room \"%s\" on %s:%u within %u ms",
        session->uri->room, session->uri->host, session->uri->port, ms);
  else
    error = g_error_new (QP_SESSION_ERROR, QP_SESSION_ERROR_NO_PEER,
        "no call was connected in room \"%s\" within %u ms: %u other member%s there, %s",
        session->uri->room, ms, session->peers->len,
        session->peers->len == 1 ? "" : "s",
        session->selected ? "the call is not finished"
                          : "none offers what is wanted");
  fail (session, error);
  return G_SOURCE_REMOVE;
}

/* --- Review --------------------------------------------------------------- */

static void
review_state (QpSession *session)
{
  gboolean connecting = FALSE, connected = FALSE;

  for (guint i = 0; i < session->peers->len; i++) {
    QpPeer *peer = g_ptr_array_index (session->peers, i);
    QpCallState state = qp_peer_get_state (peer);

    connected |= state == QP_CALL_CONNECTED;
    connecting |= state > QP_CALL_NEW && state < QP_CALL_CONNECTED;
  }
  session->was_connected |= connected;
  watch_producer (session, connected);
  if (session->state == QP_SESSION_FAILED)
    return;

  if (connected) {
    clear_source (&session->connect_timeout);
    g_clear_error (&session->last_error);
    set_state (session, QP_SESSION_CONNECTED, NULL);
  } else if (session->was_connected && qp_session_get_consumer (session)) {
    set_state (session, QP_SESSION_DISCONNECTED, "the producer is gone");
  } else if (connecting) {
    set_state (session, QP_SESSION_CONNECTING, NULL);
  } else if (qp_signaling_client_get_state (session->client) ==
      QP_SIGNALING_JOINED) {
    set_state (session, QP_SESSION_WAITING, NULL);
  } else {
    set_state (session, QP_SESSION_SIGNALING, NULL);
  }
}

/* Members that left the room and have no connected call are forgotten. */
static void
forget_gone_peers (QpSession *session)
{
  for (guint i = session->peers->len; i > 0; i--) {
    QpPeer *peer = g_ptr_array_index (session->peers, i - 1);

    if (qp_peer_is_present (peer) || qp_peer_is_connected (peer))
      continue;
    if (session->selected == peer)
      session->selected = NULL;
    g_ptr_array_remove_index (session->peers, i - 1);
    qp_peer_free (peer, "left the room");
  }
}

static gboolean
on_review (gpointer data)
{
  QpSession *session = data;

  clear_source (&session->review);
  if (session->leaving || !session->client)
    return G_SOURCE_REMOVE;
  forget_gone_peers (session);
  want_peers (session);
  review_state (session);
  return G_SOURCE_REMOVE;
}

/* From an idle: whoever asks may be in the middle of a peer's own change. */
void
qp_session_review (QpSession *session)
{
  if (session->review || session->leaving)
    return;
  session->review = g_idle_source_new ();
  g_source_set_priority (session->review, G_PRIORITY_DEFAULT);
  g_source_set_callback (session->review, on_review, session, NULL);
  g_source_attach (session->review, session->context);
}

static gboolean
is_refusal (const GError *error)
{
  return error->domain == QP_QUIC_ERROR &&
      (error->code == QP_QUIC_ERROR_TLS ||
          error->code == QP_QUIC_ERROR_FINGERPRINT ||
          error->code == QP_QUIC_ERROR_CERTIFICATE ||
          error->code == QP_QUIC_ERROR_ALPN);
}

void
qp_session_call_failed (QpSession *session, QpPeer *peer, const GError *error)
{
  g_autoptr (GError) told = NULL;

  if (is_refusal (error))
    told = g_error_new (QP_SESSION_ERROR, QP_SESSION_ERROR_REFUSED,
        "the connection with %s (%.8s) was refused: %s",
        qp_peer_get_name (peer) ? qp_peer_get_name (peer) : "a peer",
        qp_peer_get_id (peer), error->message);
  else if (error->domain == QP_SESSION_ERROR)
    told = g_error_copy (error);
  else
    told = g_error_new (QP_SESSION_ERROR, QP_SESSION_ERROR_LOST, "%s",
        error->message);

  g_clear_error (&session->last_error);
  session->last_error = g_error_copy (told);

  /* Who waits for this one producer waits in vain: it will be refused again. */
  if (is_refusal (error) && peer == session->selected) {
    fail (session, told);
    return;
  }
  for (guint i = 0; i < session->members->len; i++) {
    QpMember *member = g_ptr_array_index (session->members, i);

    member->callbacks.warning (told, member->user);
  }
}

/* --- Retired calls --------------------------------------------------------- */

typedef struct {
  QpCall *call;
  guint64 code;
  char *reason;
} Retired;

static void
on_path_closed (gpointer data)
{
  QpSession *session = data;

  session->open_paths--;
}

static void
free_retired (QpSession *session)
{
  Retired *retired;

  while ((retired = g_queue_pop_head (&session->retired))) {
    session->open_paths++;
    qp_call_free (retired->call, retired->code, retired->reason, on_path_closed,
        session);
    g_free (retired->reason);
    g_free (retired);
  }
}

static gboolean
on_retire (gpointer data)
{
  QpSession *session = data;

  clear_source (&session->retire);
  free_retired (session);
  return G_SOURCE_REMOVE;
}

void
qp_session_retire_call (QpSession *session, QpCall *call, guint64 code,
    const char *reason)
{
  Retired *retired = g_new0 (Retired, 1);

  qp_call_abandon (call);
  retired->call = call;
  retired->code = code;
  retired->reason = g_strdup (reason);
  g_queue_push_tail (&session->retired, retired);
  if (session->retire)
    return;
  session->retire = g_idle_source_new ();
  g_source_set_priority (session->retire, G_PRIORITY_DEFAULT);
  g_source_set_callback (session->retire, on_retire, session, NULL);
  g_source_attach (session->retire, session->context);
}

void
qp_session_fill_call_config (QpSession *session, QpCallConfig *config)
{
  const QpConfig *settings = session->config;

  config->identity = session->identity;
  config->pinned_fingerprint = settings->peer_fingerprint;
  config->ca_file = settings->ca_file;
  config->peer_name = settings->peer_name;
  config->congestion_control = settings->congestion_control;
  config->qlog_dir = settings->qlog_dir;
  config->timeout_ms = CALL_TIMEOUT_MS;
  config->path.stun_host = session->servers->stun_host;
  config->path.stun_port = session->servers->stun_port;
  config->path.turn_servers = session->servers->turn;
  config->path.relay_only = settings->ice_policy == QP_ICE_POLICY_RELAY;
  config->path.min_port = settings->min_port;
  config->path.max_port = settings->max_port;
}

/* --- Signaling ------------------------------------------------------------- */

const char *
qp_session_get_own_id (QpSession *session)
{
  return qp_signaling_client_get_id (session->client);
}

gboolean
qp_session_signal (QpSession *session, const char *peer_id, QpMessage *message)
{
  g_free (message->to);
  message->to = g_strdup (peer_id);
  return session->client && qp_signaling_client_send (session->client, message);
}

static QpPeer *
find_peer (QpSession *session, const char *id)
{
  for (guint i = 0; i < session->peers->len; i++) {
    QpPeer *peer = g_ptr_array_index (session->peers, i);

    if (g_str_equal (qp_peer_get_id (peer), id))
      return peer;
  }
  return NULL;
}

static QpPeer *
ensure_peer (QpSession *session, const char *id)
{
  QpPeer *peer = find_peer (session, id);

  if (!peer && session->peers->len < QP_SESSION_MAX_PEERS) {
    peer = qp_peer_new (session, id);
    g_ptr_array_add (session->peers, peer);
  }
  return peer;
}

static void
peer_seen (QpSession *session, const QpPeerInfo *info)
{
  QpPeer *peer = ensure_peer (session, info->id);

  if (peer)
    qp_peer_update (peer, info->name, info->produces, TRUE);
}

static void
on_joined (QpSession *session, const QpMessage *joined)
{
  g_clear_pointer (&session->servers, qp_ice_servers_free);
  session->servers = qp_ice_servers_new ();
  qp_session_read_own_servers (session->config, session->servers, NULL);
  for (guint i = 0; i < joined->ice_servers->len; i++)
    qp_ice_servers_add_offered (session->servers,
        g_ptr_array_index (joined->ice_servers, i));

  for (guint i = 0; i < session->peers->len; i++) {
    QpPeer *peer = g_ptr_array_index (session->peers, i);

    qp_peer_update (peer, NULL, qp_peer_is_producer (peer), FALSE);
  }
  for (guint i = 0; i < joined->peers->len; i++)
    peer_seen (session, g_ptr_array_index (joined->peers, i));
}

static void
on_relayed (QpSession *session, const QpMessage *message)
{
  /* An offer may overtake the word that its sender has joined. */
  QpPeer *peer = message->type == QP_MESSAGE_OFFER
      ? ensure_peer (session, message->from)
      : find_peer (session, message->from);

  if (peer)
    qp_peer_handle (peer, message);
}

static void
on_message (QpSignalingClient *client, const QpMessage *message, gpointer user)
{
  QpSession *session = user;
  QpPeer *peer;

  if (session->leaving)
    return;
  switch (message->type) {
    case QP_MESSAGE_JOINED:
      on_joined (session, message);
      break;
    case QP_MESSAGE_PEER_JOINED:
      peer_seen (session, message->peer);
      break;
    case QP_MESSAGE_PEER_LEFT:
      if ((peer = find_peer (session, message->id)))
        qp_peer_update (peer, NULL, qp_peer_is_producer (peer), FALSE);
      break;
    case QP_MESSAGE_ERROR:
      GST_WARNING ("signaling server: %s (%s)", message->text, message->code);
      break;
    default:
      if (qp_message_type_is_relayed (message->type) && message->from)
        on_relayed (session, message);
      break;
  }
  qp_session_review (session);
}

static void
on_signaling_state (QpSignalingClient *client, QpSignalingState state,
    const GError *why, gpointer user)
{
  QpSession *session = user;

  if (session->leaving)
    return;
  qp_session_post (session,
      gst_structure_new ("signaling-state", "state", G_TYPE_STRING,
          qp_signaling_state_to_string (state), "reason", G_TYPE_STRING,
          why ? why->message : NULL, NULL));
  if (why) {
    g_free (session->reason);
    session->reason = g_strdup (why->message);
  }
  /* Calls that are up do not need signaling; without any, trying again the
   * same way cannot help. */
  if (state == QP_SIGNALING_FAILED && session->state != QP_SESSION_CONNECTED) {
    g_autoptr (GError) error = g_error_new (QP_SESSION_ERROR,
        QP_SESSION_ERROR_SIGNALING, "%s", why->message);

    fail (session, error);
  }
  qp_session_review (session);
}

static gboolean
start_server (QpSession *session, GError **error)
{
  gboolean loopback = g_str_equal (session->uri->host, "localhost") ||
      g_str_equal (session->uri->host, "::1") ||
      g_str_has_prefix (session->uri->host, "127.");
  QpSignalingServerConfig config = {
    .address = loopback && !g_str_equal (session->uri->host, "localhost")
        ? session->uri->host
        : loopback ? "127.0.0.1"
                   : NULL,
    .port = session->uri->port,
    .certificate_file = session->uri->tls ? session->config->certificate_file
                                          : NULL,
    .key_file = session->uri->tls ? session->config->key_file : NULL,
    .hub = { .default_secret = session->config->room_secret },
  };

  session->server = qp_signaling_server_new (&config, error);
  return session->server != NULL;
}

static gboolean
start_client (QpSession *session, GError **error)
{
  static const QpSignalingClientCallbacks callbacks = {
    .state_changed = on_signaling_state,
    .message = on_message
  };
  QpSignalingClientConfig config = {
    /* Our own server is reached without asking the network. */
    .host = session->server && !session->uri->tls ? "127.0.0.1"
                                                  : session->uri->host,
    .port = session->uri->port,
    .tls = session->uri->tls,
    .room = session->uri->room,
    .token = session->token,
    .name = session->config->display_name,
    .secret = session->config->room_secret,
    .produces = qp_session_get_producer (session) != NULL,
    .consumes = qp_session_get_consumer (session) != NULL,
    .ca_file = session->config->ca_file,
  };

  if (session->server && g_str_equal (session->uri->host, "::1"))
    config.host = "::1";
  session->client = qp_signaling_client_new (&config, &callbacks, session,
      error);
  if (!session->client)
    return FALSE;
  qp_signaling_client_start (session->client);
  return TRUE;
}

/* --- Tracks ---------------------------------------------------------------- */

void
qp_session_keyframe (QpSession *session, QpTrack *track)
{
  QpMember *producer = qp_session_get_producer (session);
  QpKeyframeLimiter *limiter = g_hash_table_lookup (session->keyframes, track);

  if (!producer || !limiter ||
      !qp_keyframe_limiter_ask (limiter, g_get_monotonic_time ()))
    return;
  session->keyframe_requests++;
  producer->callbacks.track_keyframe (track, producer->user);
}

static void
poll_keyframes (QpSession *session, gint64 now)
{
  QpMember *producer = qp_session_get_producer (session);
  GHashTableIter iter;
  gpointer track, limiter;

  g_hash_table_iter_init (&iter, session->keyframes);
  while (producer && g_hash_table_iter_next (&iter, &track, &limiter)) {
    if (!qp_keyframe_limiter_poll (limiter, now))
      continue;
    session->keyframe_requests++;
    producer->callbacks.track_keyframe (track, producer->user);
  }
}

static void
for_each_peer (QpSession *session, QpTrack *track, const QpTrackItem *item)
{
  for (guint i = 0; i < session->peers->len; i++)
    qp_peer_push_item (g_ptr_array_index (session->peers, i), track, item);
}

static void
end_track (QpSession *session, QpTrack *track)
{
  track->end_by_us = 0;
  track->announced = FALSE;
  for (guint i = 0; i < session->peers->len; i++)
    qp_peer_remove_track (g_ptr_array_index (session->peers, i), track);
  qp_track_set_ended (track);
}

static gboolean
is_drained (QpSession *session, QpTrack *track)
{
  for (guint i = 0; i < session->peers->len; i++) {
    if (!qp_peer_is_drained (g_ptr_array_index (session->peers, i), track))
      return FALSE;
  }
  return TRUE;
}

static gboolean
on_drain (gpointer data)
{
  QpSession *session = data;
  gint64 now = g_get_monotonic_time ();
  gboolean ending = FALSE;

  for (guint i = 0; i < session->tracks->len; i++) {
    QpTrack *track = g_ptr_array_index (session->tracks, i);

    if (track->end_by_us == 0)
      continue;
    if (now >= track->end_by_us || is_drained (session, track))
      end_track (session, track);
    else
      ending = TRUE;
  }
  for (guint i = 0; i < session->peers->len; i++)
    qp_peer_flush (g_ptr_array_index (session->peers, i));
  if (ending)
    return G_SOURCE_CONTINUE;
  g_clear_pointer (&session->drain, g_source_unref);
  return G_SOURCE_REMOVE;
}

/* Media of an announced track after its end: it goes on. */
static void
announce (QpSession *session, QpTrack *track, GstCaps *caps)
{
  gst_caps_replace (&track->caps, caps);
  track->media_number = session->next_media++;
  track->announced = TRUE;
  track->end_by_us = 0;
}

static void
take_item (QpSession *session, QpTrack *track, const QpTrackItem *item)
{
  if (item->type == QP_TRACK_ITEM_CAPS) {
    announce (session, track, item->caps);
  } else if (item->type == QP_TRACK_ITEM_END) {
    track->end_by_us = item->deadline_us;
    if (!session->drain)
      session->drain = add_timeout (session, DRAIN_MS, on_drain);
  }
  for_each_peer (session, track, item);
}

static void
take_track (QpSession *session, QpTrack *track)
{
  GQueue items;
  QpTrackItem *item;

  qp_track_take (track, &items);
  while ((item = g_queue_pop_head (&items))) {
    take_item (session, track, item);
    qp_track_item_free (item);
  }
}

static gboolean
on_wake (gpointer data)
{
  QpSession *session = data;

  g_source_set_ready_time (session->wake, -1);
  for (guint i = 0; i < session->tracks->len; i++)
    take_track (session, g_ptr_array_index (session->tracks, i));
  for (guint i = 0; i < session->peers->len; i++)
    qp_peer_flush (g_ptr_array_index (session->peers, i));
  return G_SOURCE_CONTINUE;
}

/* Streaming threads, without a lock of ours. */
static void
wake (gpointer data)
{
  g_source_set_ready_time (((QpSession *) data)->wake, 0);
}

static gboolean
dispatch_ready (GSource *source, GSourceFunc callback, gpointer data)
{
  return callback (data);
}

static GSourceFuncs wake_funcs = { .dispatch = dispatch_ready };

/* --- Tick ------------------------------------------------------------------ */

static gboolean
on_tick (gpointer data)
{
  QpSession *session = data;
  gint64 now = g_get_monotonic_time ();
  GstStructure *stats;

  for (guint i = 0; i < session->peers->len; i++)
    qp_peer_tick (g_ptr_array_index (session->peers, i), now);
  poll_keyframes (session, now);
  if (session->selected && find_successor (session, now))
    qp_session_review (session);

  stats = qp_session_make_stats (session);
  g_mutex_lock (&session->lock);
  gst_structure_free (session->stats);
  session->stats = stats;
  g_mutex_unlock (&session->lock);
  return G_SOURCE_CONTINUE;
}

/* --- The thread ------------------------------------------------------------ */

static gboolean
start (gpointer data)
{
  QpSession *session = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) told = NULL;

  set_state (session, QP_SESSION_SIGNALING, NULL);
  session->tick = add_timeout (session, TICK_MS, on_tick);
  if (session->config->connect_timeout_ms > 0)
    session->connect_timeout = add_timeout (session,
        session->config->connect_timeout_ms, on_connect_timeout);

  if ((!session->config->run_signaling_server ||
          start_server (session, &error)) &&
      start_client (session, &error))
    return G_SOURCE_REMOVE;

  told = g_error_new (QP_SESSION_ERROR,
      session->config->run_signaling_server ? QP_SESSION_ERROR_SIGNALING
                                            : QP_SESSION_ERROR_SETTINGS,
      "%s", error->message);
  fail (session, told);
  return G_SOURCE_REMOVE;
}

static gpointer
run (gpointer data)
{
  QpSession *session = data;

  g_main_context_push_thread_default (session->context);
  start (session);
  g_main_loop_run (session->loop);
  g_main_context_pop_thread_default (session->context);
  return NULL;
}

static gboolean
mark_true (gpointer data)
{
  *(gboolean *) data = TRUE;
  return G_SOURCE_REMOVE;
}

/* Goodbyes: CONNECTION_CLOSE to every peer, leave to the server, the relays
 * given back; nobody is waited for longer than GOODBYE_MS. */
static void
say_goodbye (QpSession *session)
{
  gboolean left = session->client == NULL, late = FALSE;
  GSource *limit = g_timeout_source_new (GOODBYE_MS);

  session->leaving = TRUE;
  for (guint i = 0; i < session->peers->len; i++)
    qp_peer_free (g_ptr_array_index (session->peers, i), "the member left");
  g_ptr_array_set_size (session->peers, 0);
  session->selected = NULL;
  free_retired (session);
  if (session->client)
    qp_signaling_client_leave (session->client, mark_true, &left);

  g_source_set_callback (limit, mark_true, &late, NULL);
  g_source_attach (limit, session->context);
  while (!late && (!left || session->open_paths > 0))
    g_main_context_iteration (session->context, TRUE);
  g_source_destroy (limit);
  g_source_unref (limit);

  g_clear_pointer (&session->client, qp_signaling_client_free);
  g_clear_pointer (&session->server, qp_signaling_server_free);
}

static void
clear_sources (QpSession *session)
{
  clear_source (&session->connect_timeout);
  clear_source (&session->producer_timeout);
  clear_source (&session->tick);
  clear_source (&session->drain);
  clear_source (&session->review);
  clear_source (&session->retire);
  clear_source (&session->wake);
}

/* On the transport thread, the last member having left. */
static void
stop (QpSession *session)
{
  say_goodbye (session);
  clear_sources (session);
  g_main_loop_quit (session->loop);
}

void
qp_session_free (QpSession *session)
{
  if (session->thread)
    g_thread_join (session->thread);
  /* What is still attached (a relay that never answered) ends with the
   * context. */
  clear_sources (session);
  g_clear_pointer (&session->loop, g_main_loop_unref);
  g_clear_pointer (&session->context, g_main_context_unref);

  g_ptr_array_unref (session->members);
  g_ptr_array_unref (session->peers);
  g_ptr_array_unref (session->tracks);
  g_hash_table_unref (session->keyframes);
  g_clear_pointer (&session->servers, qp_ice_servers_free);
  g_clear_pointer (&session->identity, qp_identity_unref);
  g_clear_pointer (&session->uri, qp_signaling_uri_free);
  g_clear_error (&session->last_error);
  g_clear_pointer (&session->stats, gst_structure_free);
  g_mutex_clear (&session->lock);
  qp_config_free (session->config);
  g_free (session->reason);
  g_free (session->token);
  g_free (session->name);
  g_free (session);
}

QpSession *
qp_session_new (const char *name, const QpConfig *config, GError **error)
{
  QpSession *session = g_new0 (QpSession, 1);

  session->name = g_strdup (name);
  session->config = qp_config_copy (config);
  session->members = g_ptr_array_new ();
  session->peers = g_ptr_array_new ();
  session->tracks =
      g_ptr_array_new_with_free_func ((GDestroyNotify) qp_track_free);
  session->keyframes = g_hash_table_new_full (NULL, NULL, NULL, g_free);
  session->servers = qp_ice_servers_new ();
  session->token = qp_signaling_token_new ();
  g_queue_init (&session->retired);
  g_mutex_init (&session->lock);
  session->stats = gst_structure_new ("application/x-quicp2p-stats", "state",
      G_TYPE_STRING, qp_session_state_to_string (QP_SESSION_IDLE), NULL);
  session->context = g_main_context_new ();
  session->loop = g_main_loop_new (session->context, FALSE);

  session->wake = g_source_new (&wake_funcs, sizeof (GSource));
  g_source_set_name (session->wake, "quicp2p tracks");
  g_source_set_callback (session->wake, on_wake, session, NULL);
  g_source_attach (session->wake, session->context);

  if (!qp_session_read_settings (session, error)) {
    qp_session_free (session);
    return NULL;
  }
  return session;
}

void
qp_session_start (QpSession *session)
{
  session->thread = g_thread_new ("quicp2p", run, session);
}

/* --- Calls from other threads ------------------------------------------------ */

typedef struct {
  void (*func) (QpSession *session, gpointer data);
  QpSession *session;
  gpointer data;
  GMutex lock;
  GCond done_cond;
  gboolean done;
} SyncCall;

static gboolean
run_sync_call (gpointer data)
{
  SyncCall *call = data;

  call->func (call->session, call->data);
  g_mutex_lock (&call->lock);
  call->done = TRUE;
  g_cond_signal (&call->done_cond);
  g_mutex_unlock (&call->lock);
  return G_SOURCE_REMOVE;
}

/* The transport thread never waits for anybody, so this is short. */
static void
call_and_wait (QpSession *session, void (*func) (QpSession *, gpointer),
    gpointer data)
{
  SyncCall call = { .func = func, .session = session, .data = data };

  g_mutex_init (&call.lock);
  g_cond_init (&call.done_cond);
  g_main_context_invoke_full (session->context, G_PRIORITY_HIGH, run_sync_call,
      &call, NULL);
  g_mutex_lock (&call.lock);
  while (!call.done)
    g_cond_wait (&call.done_cond, &call.lock);
  g_mutex_unlock (&call.lock);
  g_cond_clear (&call.done_cond);
  g_mutex_clear (&call.lock);
}

static void
restart_signaling (QpSession *session)
{
  g_autoptr (GError) error = NULL;

  if (!session->client)
    return;
  /* The same token: the seat and the id stay, what we produce and consume is
   * told anew. */
  g_clear_pointer (&session->client, qp_signaling_client_free);
  if (!start_client (session, &error))
    fail (session, error);
}

static void
add_member (QpSession *session, gpointer data)
{
  g_ptr_array_add (session->members, data);
  restart_signaling (session);
}

void
qp_session_add_member (QpSession *session, QpMember *member)
{
  if (session->thread)
    call_and_wait (session, add_member, member);
  else
    g_ptr_array_add (session->members, member);
}

static void
drop_remote_media (QpSession *session)
{
  for (guint i = 0; i < session->peers->len; i++)
    qp_peer_drop (g_ptr_array_index (session->peers, i),
        "the member plays no more");
  session->selected = NULL;
}

static void
remove_track (QpSession *session, gpointer data)
{
  QpTrack *track = data;

  for (guint i = 0; i < session->peers->len; i++)
    qp_peer_remove_track (g_ptr_array_index (session->peers, i), track);
  g_hash_table_remove (session->keyframes, track);
  g_ptr_array_remove (session->tracks, track);
}

static void
remove_member (QpSession *session, gpointer data)
{
  QpMember *member = data;

  g_ptr_array_remove (session->members, member);
  if (session->members->len == 0) {
    stop (session);
    return;
  }
  while (member->producer && session->tracks->len > 0)
    remove_track (session, g_ptr_array_index (session->tracks, 0));
  if (member->consumer)
    drop_remote_media (session);
  restart_signaling (session);
}

gboolean
qp_session_remove_member (QpSession *session, QpMember *member)
{
  call_and_wait (session, remove_member, member);
  return session->members->len == 0;
}

char *
qp_session_get_fingerprint (QpMember *member)
{
  return g_strdup (qp_identity_get_fingerprint (member->session->identity));
}

static void
add_track (QpSession *session, gpointer data)
{
  QpTrack *track = data;
  QpKeyframeLimiter *limiter = g_new0 (QpKeyframeLimiter, 1);

  qp_keyframe_limiter_init (limiter, QP_KEYFRAME_INTERVAL_US);
  g_hash_table_insert (session->keyframes, track, limiter);
  g_ptr_array_add (session->tracks, track);
}

QpTrack *
qp_session_add_track (QpMember *member, const QpTrackConfig *config,
    gpointer track_user)
{
  QpTrack *track = qp_track_new (config, track_user, wake, member->session);

  call_and_wait (member->session, add_track, track);
  return track;
}

void
qp_session_remove_track (QpMember *member, QpTrack *track)
{
  call_and_wait (member->session, remove_track, track);
}

GstStructure *
qp_session_get_stats (QpMember *member)
{
  QpSession *session = member->session;
  GstStructure *stats;

  g_mutex_lock (&session->lock);
  stats = gst_structure_copy (session->stats);
  g_mutex_unlock (&session->lock);
  return stats;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See session.h.  This file is the session's life: its thread, its state, its
 * members, and the end of calls.  Beside it, registry.c finds sessions by name,
 * review.c decides whom to call and when to give up, session-signaling.c talks
 * to the server, session-tracks.c moves media from the elements to the peers,
 * peer.c is one remote member, stats.c the snapshot for `stats`. */
#include "session/session-private.h"

#include <string.h>

#include "session/membership.h"

#define GST_CAT_DEFAULT qp_session_debug

#define CALL_TIMEOUT_MS 12000
#define TICK_MS 100
#define GOODBYE_MS 300

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

void
qp_session_set_state (QpSession *session, QpSessionState state,
    const char *reason)
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

void
qp_clear_source (GSource **source)
{
  if (!*source)
    return;
  g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

GSource *
qp_session_add_timeout (QpSession *session, guint ms, GSourceFunc func)
{
  GSource *source = g_timeout_source_new (ms);

  g_source_set_callback (source, func, session, NULL);
  g_source_attach (source, session->context);
  return source;
}

/* Gives up. Peers stay as they are until the members leave. */
void
qp_session_fail (QpSession *session, const GError *error)
{
  if (session->state == QP_SESSION_FAILED || session->leaving)
    return;
  qp_clear_source (&session->connect_timeout);
  qp_clear_source (&session->producer_timeout);
  qp_clear_source (&session->disconnect_timeout);
  qp_session_set_state (session, QP_SESSION_FAILED, error->message);
  for (guint i = 0; i < session->members->len; i++) {
    QpMember *member = g_ptr_array_index (session->members, i);

    member->callbacks.failed (error, member->user);
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

  qp_clear_source (&session->retire);
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
qp_session_spare_retired (QpSession *session, QpTrack *track)
{
  for (GList *link = session->retired.head; link; link = link->next) {
    QpSender *sender = qp_call_get_sender (((Retired *) link->data)->call);

    if (sender)
      qp_sender_remove (sender, track);
  }
}

/* --- What strangers may ask for -------------------------------------------- */

static guint
count_half_open (QpSession *session)
{
  /* A call that is over costs as much until its sockets are gone. */
  guint n = session->open_paths + session->retired.length;

  for (guint i = 0; i < session->peers->len; i++)
    n += qp_peer_count_half_open (g_ptr_array_index (session->peers, i));
  return n;
}

const char *
qp_session_admit_call (QpSession *session)
{
  if (count_half_open (session) >= QP_SESSION_MAX_HALF_OPEN)
    return "too many calls are being set up: try again later";
  if (!qp_rate_limit_take (&session->offers, g_get_monotonic_time ()))
    return "too many calls in this second: try again later";
  return NULL;
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
  config->interfaces = settings->interfaces;
  config->timeout_ms = CALL_TIMEOUT_MS;
  config->path.stun_host = session->servers->stun_host;
  config->path.stun_port = session->servers->stun_port;
  config->path.turn_servers = session->servers->turn;
  config->path.relay_only = settings->ice_policy == QP_ICE_POLICY_RELAY;
  config->path.min_port = settings->min_port;
  config->path.max_port = settings->max_port;
}

/* --- Tick ------------------------------------------------------------------ */

static gboolean
on_tick (gpointer data)
{
  QpSession *session = data;
  gint64 now = g_get_monotonic_time ();
  GstStructure *stats;

  for (guint i = 0; i < session->peers->len; i++)
    qp_peer_tick (g_ptr_array_index (session->peers, i), now);
  qp_session_rates_changed (session); /* of who has come or gone */
  qp_session_watch_silence (session, now);

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

  qp_session_set_state (session, QP_SESSION_SIGNALING, NULL);
  session->tick = qp_session_add_timeout (session, TICK_MS, on_tick);
  qp_session_start_connect_timeout (session);
  qp_session_start_network (session);

  if ((!session->config->run_signaling_server ||
          qp_session_start_server (session, &error)) &&
      qp_session_start_client (session, &error))
    return G_SOURCE_REMOVE;

  told = g_error_new (QP_SESSION_ERROR,
      session->config->run_signaling_server ? QP_SESSION_ERROR_SIGNALING
                                            : QP_SESSION_ERROR_SETTINGS,
      "%s", error->message);
  qp_session_fail (session, told);
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
  qp_clear_source (&session->connect_timeout);
  qp_clear_source (&session->producer_timeout);
  qp_clear_source (&session->disconnect_timeout);
  qp_clear_source (&session->tick);
  qp_clear_source (&session->drain);
  qp_clear_source (&session->review);
  qp_clear_source (&session->retire);
  qp_clear_source (&session->wake);
  qp_clear_source (&session->keyframes);
}

/* On the transport thread, the last member having left. */
static void
stop (QpSession *session)
{
  qp_session_stop_network (session);
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
  session->servers = qp_ice_servers_new ();
  session->token = qp_signaling_token_new ();
  g_queue_init (&session->retired);
  qp_rate_limit_init (&session->offers, QP_SESSION_OFFERS_BURST,
      QP_SESSION_OFFERS_US);
  qp_rate_limit_init (&session->refusals, QP_SESSION_REFUSALS_BURST,
      QP_SESSION_REFUSALS_US);
  qp_rate_limit_init (&session->warnings, QP_SESSION_WARNINGS_BURST,
      QP_SESSION_WARNINGS_US);
  g_mutex_init (&session->lock);
  session->stats = gst_structure_new ("application/x-quicp2p-stats", "state",
      G_TYPE_STRING, qp_session_state_to_string (QP_SESSION_IDLE), NULL);
  session->context = g_main_context_new ();
  session->loop = g_main_loop_new (session->context, FALSE);

  qp_session_init_tracks (session);

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
void
qp_session_call_and_wait (QpSession *session,
    void (*func) (QpSession *, gpointer), gpointer data)
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
update_signaling (QpSession *session)
{
  if (session->client)
    qp_signaling_client_set_parts (session->client,
        qp_session_get_producer (session) != NULL,
        qp_session_get_consumer (session) != NULL);
}

static void
add_member (QpSession *session, gpointer data)
{
  QpMember *member = data;

  g_ptr_array_add (session->members, member);
  if (member->consumer) {
    session->played = FALSE;
    if (session->state != QP_SESSION_CONNECTED)
      qp_session_start_connect_timeout (session);
  }
  for (guint i = 0; i < session->peers->len; i++)
    qp_peer_meet_member (g_ptr_array_index (session->peers, i), member);
  update_signaling (session);
}

void
qp_session_add_member (QpSession *session, QpMember *member)
{
  if (session->thread)
    qp_session_call_and_wait (session, add_member, member);
  else
    g_ptr_array_add (session->members, member);
}

/* Another member goes on: the calls that it needs stay. */
static void
end_part (QpSession *session, QpMember *member)
{
  if (member->consumer) {
    session->selected = NULL;
    session->played = FALSE;
  }
  for (guint i = 0; i < session->peers->len; i++) {
    QpPeer *peer = g_ptr_array_index (session->peers, i);

    if (member->consumer)
      qp_peer_unwant (peer, "the member plays no more");
    else
      qp_peer_send_no_more (peer, "the member sends no more");
  }
  while (member->producer && session->tracks->len > 0)
    qp_session_forget_track (session, g_ptr_array_index (session->tracks, 0));
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
  end_part (session, member);
  update_signaling (session);
}

gboolean
qp_session_remove_member (QpSession *session, QpMember *member)
{
  qp_session_call_and_wait (session, remove_member, member);
  return session->members->len == 0;
}

char *
qp_session_get_fingerprint (QpMember *member)
{
  return g_strdup (qp_identity_get_fingerprint (member->session->identity));
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

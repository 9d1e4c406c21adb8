/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The life of a path: construction, its one state variable, the moment when
 * what was noted elsewhere is acted upon, and the end, which outlives
 * qp_path_free() until libnice has given its relays back.  Runs on the thread
 * of the path's context. */
#include "path/path-private.h"

#include <string.h>

GstDebugCategory *qp_path_debug;

/* How long an owner waits for relays at most; see qp_path_free(). */
#define CLOSE_TIMEOUT 250 /* ms */

static void begin_close (QpPath *path);

static const char *const state_names[] = {
  [QP_PATH_NEW] = "new",
  [QP_PATH_GATHERING] = "gathering",
  [QP_PATH_CHECKING] = "checking",
  [QP_PATH_CONNECTED] = "connected",
  [QP_PATH_FAILED] = "failed",
  [QP_PATH_CLOSED] = "closed",
};

const char *
qp_path_state_to_string (QpPathState state)
{
  g_return_val_if_fail (state < G_N_ELEMENTS (state_names), NULL);
  return state_names[state];
}

QpTurnServer *
qp_turn_server_copy (const QpTurnServer *server)
{
  QpTurnServer *copy = g_new0 (QpTurnServer, 1);

  copy->host = g_strdup (server->host);
  copy->port = server->port;
  copy->tcp = server->tcp;
  copy->username = g_strdup (server->username ? server->username : "");
  copy->password = g_strdup (server->password ? server->password : "");
  return copy;
}

void
qp_turn_server_free (QpTurnServer *server)
{
  if (!server)
    return;
  g_free (server->host);
  g_free (server->username);
  g_free (server->password);
  g_free (server);
}

/* State */

gboolean
qp_path_is_over (QpPath *path)
{
  return path->state == QP_PATH_FAILED || path->state == QP_PATH_CLOSED;
}

static void
log_state (QpPath *path, QpPathState state, const char *cause)
{
  const char *from = qp_path_state_to_string (path->state);
  const char *to = qp_path_state_to_string (state);

  if (state == QP_PATH_CONNECTED)
    GST_INFO ("path %u: %s → %s, %s %s ↔ %s %s", path->id, from, to,
        path->pair_local.type, path->pair_local.address, path->pair_remote.type,
        path->pair_remote.address);
  else if (state == QP_PATH_FAILED)
    GST_WARNING ("path %u: %s → %s, %s", path->id, from, to, cause);
  else
    GST_INFO ("path %u: %s → %s", path->id, from, to);
}

static void
set_state (QpPath *path, QpPathState state)
{
  g_autofree char *cause = NULL;

  /* FAILED ends in CLOSED only, and CLOSED nowhere. */
  if (path->state == state || path->state == QP_PATH_CLOSED ||
      (path->state == QP_PATH_FAILED && state != QP_PATH_CLOSED))
    return;
  if (state == QP_PATH_FAILED)
    cause = qp_path_describe_failure (path);
  log_state (path, state, cause);
  path->state = state;
  if (state == QP_PATH_FAILED || state == QP_PATH_CLOSED)
    qp_path_stop_sending (path);
  if (state != QP_PATH_CLOSED)
    path->callbacks.state_changed (path, state, cause, path->user);
}

/* libnice leaves FAILED again when new candidates come, so before the peer is
 * done, its FAILED means only that nothing worked so far. */
static gboolean
has_failed (QpPath *path)
{
  if (path->gather_fault)
    return TRUE;
  if (qp_path_has_gathered (path) && path->local->len == 0)
    return TRUE;
  return path->component_state == NICE_COMPONENT_STATE_FAILED &&
      (path->have_pair || path->remote_done);
}

static void
take_pair (QpPath *path)
{
  path->pair_changed = FALSE;
  qp_path_tune_sockets (path);
  qp_path_use_pair (path);
  if (path->state != QP_PATH_CONNECTED)
    return;
  GST_INFO ("path %u: moves to %s %s ↔ %s %s", path->id, path->pair_local.type,
      path->pair_local.address, path->pair_remote.type,
      path->pair_remote.address);
  if (path->callbacks.pair_changed)
    path->callbacks.pair_changed (path, path->user);
}

static void
update_state (QpPath *path)
{
  if (qp_path_is_over (path))
    return;
  if (has_failed (path)) {
    set_state (path, QP_PATH_FAILED);
    return;
  }
  if (path->pair_changed)
    take_pair (path);
  if (path->have_pair)
    set_state (path, QP_PATH_CONNECTED);
  else if (path->remote_applied)
    set_state (path, QP_PATH_CHECKING);
  else if (path->gather_asked)
    set_state (path, QP_PATH_GATHERING);
}

/* Work */

static void
tell_local_candidates (QpPath *path)
{
  while (!qp_path_is_over (path) && path->local_told < path->local->len) {
    g_autofree char *line = qp_candidate_format (&g_array_index (path->local,
        QpCandidate, path->local_told++));

    GST_DEBUG ("path %u: local %s", path->id, line);
    path->callbacks.local_candidate (path, line, path->user);
  }
  if (qp_path_is_over (path) || !qp_path_has_gathered (path) || path->end_told)
    return;
  path->end_told = TRUE;
  path->callbacks.local_candidate (path, NULL, path->user);
}

/* Everything that was noted is acted upon here. Any callback may free the
 * path, which then is CLOSED; each step looks at the state itself. */
static void
work (QpPath *path)
{
  path->burst = 0;
  if (path->state == QP_PATH_CLOSED) {
    begin_close (path);
    return;
  }
  qp_path_end_batch (path);
  if (path->gather_asked && path->state == QP_PATH_NEW) {
    update_state (path);
    if (!qp_path_is_over (path))
      qp_path_begin_gathering (path);
  }
  if (!qp_path_is_over (path))
    qp_path_apply_remote (path);
  update_state (path);
  tell_local_candidates (path);
  qp_path_deliver_early (path);
  qp_path_end_batch (path);
}

typedef struct {
  GSource source;
  QpPath *path;
} WorkSource;

static gboolean
work_prepare (GSource *source, int *timeout)
{
  *timeout = -1;
  return ((WorkSource *) source)->path->work_wanted;
}

static gboolean
work_check (GSource *source)
{
  return ((WorkSource *) source)->path->work_wanted;
}

static gboolean
work_dispatch (GSource *source, GSourceFunc callback, gpointer user)
{
  QpPath *path = ((WorkSource *) source)->path;

  path->work_wanted = FALSE;
  work (path);
  return G_SOURCE_CONTINUE;
}

static GSourceFuncs work_funcs = {
  work_prepare,
  work_check,
  work_dispatch,
  NULL,
};

/* A flag that prepare() looks at, and not a ready time, which would write to
 * the context's eventfd for each batch: all is on one thread. Its priority
 * lets it run before the sockets are read again, so that each batch is
 * answered before the next. */
static void
make_work_source (QpPath *path)
{
  path->work = g_source_new (&work_funcs, sizeof (WorkSource));
  ((WorkSource *) path->work)->path = path;
  g_source_set_priority (path->work, G_PRIORITY_HIGH);
  g_source_set_name (path->work, "qp-path");
  g_source_attach (path->work, path->context);
}

void
qp_path_wake (QpPath *path)
{
  path->work_wanted = TRUE;
}

/* Life */

static void
init_debug (void)
{
  static gsize once = 0;

  if (g_once_init_enter (&once)) {
    GST_DEBUG_CATEGORY_INIT (qp_path_debug, "quicp2p-path", 0,
        "ICE paths: candidates, pairs, datagrams");
    g_once_init_leave (&once, 1);
  }
}

static void
copy_config (QpPath *path, const QpPathConfig *config)
{
  path->controlling = config->controlling;
  path->relay_only = config->relay_only;
  path->interface = g_strdup (config->interface);
  path->stun_host = g_strdup (config->stun_host);
  path->stun_port = config->stun_port;
  path->password = g_strdup (config->password);
  if (config->min_port || config->max_port) {
    path->min_port = MAX (config->min_port, 1);
    path->max_port = config->max_port ? config->max_port : G_MAXUINT16;
    if (path->min_port > path->max_port) {
      guint16 swap = path->min_port;

      path->min_port = path->max_port;
      path->max_port = swap;
    }
  }
  path->turn_servers =
      g_ptr_array_new_with_free_func ((GDestroyNotify) qp_turn_server_free);
  for (guint i = 0; config->turn_servers && i < config->turn_servers->len;
       i++) {
    const QpTurnServer *server = config->turn_servers->pdata[i];

    if (i >= QP_PATH_MAX_TURN_SERVERS) {
      GST_WARNING ("path %u: only the first %d TURN servers are used", path->id,
          QP_PATH_MAX_TURN_SERVERS);
      break;
    }
    if (server->host && server->port)
      g_ptr_array_add (path->turn_servers, qp_turn_server_copy (server));
  }
}

QpPath *
qp_path_new (GMainContext *context, const QpPathConfig *config,
    const QpPathCallbacks *callbacks, gpointer user)
{
  static int last_id; /* atomic */
  QpPath *path;

  init_debug ();
  path = g_new0 (QpPath, 1);
  path->id = g_atomic_int_add (&last_id, 1) + 1;
  path->context = context ? g_main_context_ref (context)
                          : g_main_context_ref_thread_default ();
  path->callbacks = *callbacks;
  path->user = user;
  copy_config (path, config);
  path->server_names =
      g_ptr_array_new_with_free_func (qp_path_server_name_free);
  path->local = g_array_new (FALSE, FALSE, sizeof (QpCandidate));
  path->remote = g_ptr_array_new_with_free_func (qp_path_remote_candidate_free);
  g_queue_init (&path->early);
  make_work_source (path);
  qp_path_make_agent (path);
  return path;
}

void
qp_path_gather (QpPath *path)
{
  if (path->gather_asked)
    return;
  path->gather_asked = TRUE;
  path->begun = g_get_monotonic_time ();
  qp_path_wake (path);
}

static void
tell_closed (QpPath *path)
{
  void (*closed) (gpointer) = path->closed;

  path->closed = NULL;
  if (path->close_timeout) {
    g_source_destroy (path->close_timeout);
    g_clear_pointer (&path->close_timeout, g_source_unref);
  }
  if (closed)
    closed (path->closed_user);
}

static void
destroy (QpPath *path)
{
  g_source_destroy (path->work);
  g_source_unref (path->work);
  g_object_unref (path->agent);
  g_clear_pointer (&path->elsewhere, g_main_context_unref);
  g_ptr_array_unref (path->server_names);
  g_ptr_array_unref (path->turn_servers);
  g_ptr_array_unref (path->remote);
  g_array_unref (path->local);
  g_queue_clear_full (&path->early, (GDestroyNotify) g_bytes_unref);
  g_free (path->interface);
  g_free (path->stun_host);
  g_free (path->gather_fault);
  g_free (path->ufrag);
  g_free (path->password);
  g_free (path->remote_ufrag);
  g_free (path->remote_password);
  g_main_context_unref (path->context);
  g_free (path);
}

static gboolean
on_close_timeout (gpointer user)
{
  QpPath *path = user;

  GST_INFO ("path %u: a relay does not confirm its end", path->id);
  tell_closed (path);
  return G_SOURCE_REMOVE;
}

/* The path belongs to this call alone by now, so another path's agent cannot
 * be meant. */
static void
on_agent_closed (GObject *agent, GAsyncResult *result, gpointer user)
{
  QpPath *path = user;

  tell_closed (path);
  destroy (path);
}

/* Not in qp_path_free() itself, which may be on libnice's stack. */
static void
begin_close (QpPath *path)
{
  if (path->closing)
    return;
  path->closing = TRUE;
  g_signal_handlers_disconnect_by_data (path->agent, path);
  qp_path_forget_servers (path);
  g_ptr_array_set_size (path->remote, 0);
  path->close_timeout = g_timeout_source_new (CLOSE_TIMEOUT);
  g_source_set_callback (path->close_timeout, on_close_timeout, path, NULL);
  g_source_attach (path->close_timeout, path->context);

  g_main_context_push_thread_default (path->context);
  nice_agent_close_async (path->agent, on_agent_closed, path);
  g_main_context_pop_thread_default (path->context);
}

void
qp_path_free (QpPath *path, void (*closed) (gpointer user), gpointer user)
{
  if (!path)
    return;
  g_return_if_fail (path->state != QP_PATH_CLOSED);
  path->closed = closed;
  path->closed_user = user;
  set_state (path, QP_PATH_CLOSED);
  qp_path_wake (path);
}

/* Questions */

const char *
qp_path_get_ufrag (QpPath *path)
{
  return path->ufrag;
}

const char *
qp_path_get_password (QpPath *path)
{
  return path->password;
}

gsize
qp_path_get_max_payload (QpPath *path)
{
  return QP_PATH_SAFE_PAYLOAD;
}

void
qp_path_get_info (QpPath *path, QpPathInfo *info)
{
  memset (info, 0, sizeof *info);
  info->state = path->state;
  info->local = path->pair_local;
  g_strlcpy (info->base, path->pair_base, sizeof info->base);
  info->remote = path->pair_remote;
  info->local_candidates = path->local->len;
  info->remote_candidates = path->remote->len;
  info->bytes_sent = path->bytes_sent;
  info->bytes_received = path->bytes_received;
  info->datagrams_sent = path->datagrams_sent;
  info->datagrams_received = path->datagrams_received;
  info->send_errors = path->send_errors;
}

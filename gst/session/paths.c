/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See paths.h. */
#include "session/paths-private.h"

#include <string.h>

#include "session/session-private.h"

#define GST_CAT_DEFAULT qp_session_debug

/* --- Entries ---------------------------------------------------------------- */

QpPathEntry *
qp_paths_find (QpPaths *paths, guint number)
{
  for (guint i = 0; i < paths->entries->len; i++) {
    QpPathEntry *entry = g_ptr_array_index (paths->entries, i);

    if (entry->number == number && !entry->dead)
      return entry;
  }
  return NULL;
}

gboolean
qp_path_entry_is_ours (const QpPathEntry *entry)
{
  return entry->role == QP_PATH_ROLE_INTERFACE ||
      entry->role == QP_PATH_ROLE_RELAY;
}

gboolean
qp_path_entry_is_usable (const QpPathEntry *entry)
{
  QpPathInfo info;

  if (entry->dead || entry->lost || entry->refused)
    return FALSE;
  qp_path_get_info (entry->path, &info);
  return info.state == QP_PATH_CONNECTED;
}

static void
finalize_if_closed (QpPaths *paths)
{
  if (!paths->freed || paths->open > 0)
    return;
  if (paths->closed)
    paths->closed (paths->closed_user);
  g_main_context_unref (paths->context);
  g_free (paths);
}

static void
on_path_closed (gpointer data)
{
  QpPaths *paths = data;

  paths->open--;
  finalize_if_closed (paths);
}

static void
entry_free (gpointer data)
{
  QpPathEntry *entry = data;

  entry->paths->open++;
  if (entry->path == entry->paths->first)
    entry->paths->first = NULL;
  qp_path_free (entry->path, on_path_closed, entry->paths);
  g_ptr_array_unref (entry->candidates);
  g_free (entry->interface);
  g_free (entry);
}

static gboolean
on_idle (gpointer data)
{
  QpPaths *paths = data;

  qp_clear_source (&paths->idle);
  for (guint i = paths->entries->len; i > 0; i--) {
    QpPathEntry *entry = g_ptr_array_index (paths->entries, i - 1);

    if (entry->dead) {
      g_ptr_array_remove_index (paths->entries, i - 1);
    } else if (entry->untold) {
      entry->untold = FALSE;
      paths->callbacks.lost (entry->number, "the system refuses to send there",
          paths->user);
    }
  }
  return G_SOURCE_REMOVE;
}

static void
wake_idle (QpPaths *paths)
{
  if (paths->idle)
    return;
  paths->idle = g_idle_source_new ();
  g_source_set_priority (paths->idle, G_PRIORITY_DEFAULT);
  g_source_set_callback (paths->idle, on_idle, paths, NULL);
  g_source_attach (paths->idle, paths->context);
}

void
qp_path_entry_drop (QpPathEntry *entry, const char *why)
{
  QpPaths *paths = entry->paths;

  if (entry->dead)
    return;
  GST_INFO ("%s: path %u is dropped: %s", paths->name, entry->number, why);
  if (!entry->peer_gave_up)
    qp_path_entry_send_gone (entry);
  entry->dead = TRUE;
  wake_idle (paths);
}

void
qp_path_entry_lose (QpPathEntry *entry, const char *why)
{
  QpPaths *paths = entry->paths;
  gboolean was_usable = qp_path_entry_is_usable (entry);

  if (entry->dead || entry->lost)
    return;
  entry->lost = TRUE;
  if (was_usable)
    paths->callbacks.lost (entry->number, why, paths->user);
  if (entry->number != paths->active)
    qp_path_entry_drop (entry, why);
}

/* --- From the paths --------------------------------------------------------- */

static void
on_local_candidate (QpPath *path, const char *candidate, gpointer user)
{
  QpPathEntry *entry = user;

  if (entry->dead)
    return;
  g_ptr_array_add (entry->candidates, g_strdup (candidate ? candidate : ""));
  qp_path_entry_send_candidate (entry, candidate ? candidate : "");
}

static void
on_state_changed (QpPath *path, QpPathState state, const char *cause,
    gpointer user)
{
  QpPathEntry *entry = user;
  QpPaths *paths = entry->paths;

  if (entry->dead)
    return;
  if (state == QP_PATH_CONNECTED && entry->usable_us == 0) {
    entry->usable_us = g_get_monotonic_time ();
    qp_paths_note_usable (entry);
  }
  paths->callbacks.state_changed (entry->number, state, cause, paths->user);
  /* The first connection's failure is the call's to judge. */
  if (state == QP_PATH_FAILED && paths->started)
    qp_path_entry_drop (entry, cause);
}

static void
on_received (QpPath *path, const guint8 *data, gsize size, gpointer user)
{
  QpPathEntry *entry = user;

  if (!entry->dead)
    entry->paths->callbacks.received (entry->number, data, size,
        entry->paths->user);
}

static void
on_received_all (QpPath *path, gpointer user)
{
  QpPathEntry *entry = user;

  if (!entry->dead)
    entry->paths->callbacks.received_all (entry->paths->user);
}

static void
on_pair_changed (QpPath *path, gpointer user)
{
  QpPathEntry *entry = user;

  if (!entry->dead)
    entry->paths->callbacks.pair_changed (entry->number, entry->paths->user);
}

static const QpPathCallbacks path_callbacks = {
  .local_candidate = on_local_candidate,
  .state_changed = on_state_changed,
  .pair_changed = on_pair_changed,
  .received = on_received,
  .received_all = on_received_all,
};

QpPathEntry *
qp_paths_add (QpPaths *paths, guint number, QpPathRole role,
    const char *interface)
{
  g_autofree char *password = NULL;
  QpPathConfig config = paths->config;
  QpPathEntry *entry = g_new0 (QpPathEntry, 1);

  /* Path 0 is older than the key: its credentials are in the call's offer. */
  if (number > 0)
    password = qp_paths_make_password (paths, number,
        paths->config.controlling);
  config.password = password;
  config.interface = interface;
  config.relay_only |= role == QP_PATH_ROLE_RELAY;
  entry->paths = paths;
  entry->number = number;
  entry->role = role;
  entry->interface = g_strdup (interface);
  entry->candidates = g_ptr_array_new_with_free_func (g_free);
  entry->born_us = g_get_monotonic_time ();
  entry->rtt_us = -1;
  entry->path = qp_path_new (paths->context, &config, &path_callbacks, entry);
  g_ptr_array_add (paths->entries, entry);
  return entry;
}

/* --- In use ----------------------------------------------------------------- */

gboolean
qp_paths_is_usable (QpPaths *paths, guint number)
{
  QpPathEntry *entry = qp_paths_find (paths, number);

  return entry && qp_path_entry_is_usable (entry);
}

void
qp_paths_set_active (QpPaths *paths, guint number)
{
  QpPathEntry *former = qp_paths_find (paths, paths->active);

  paths->active = number;
  if (former && former->role == QP_PATH_ROLE_FIRST)
    paths->left_first_us = g_get_monotonic_time ();
  if (former && former->lost && former->number != number)
    qp_path_entry_drop (former, "its network went away");
}

/* --- Sending ---------------------------------------------------------------- */

static void
on_writable (QpPath *path, gpointer user)
{
  QpPathEntry *entry = user;

  if (!entry->dead)
    entry->paths->callbacks.writable (entry->paths->user);
}

/* A route that is gone, an address, a firewall's rule: the system says so at
 * once. Not told from here, where QUIC is at work. */
static void
note_refusal (QpPathEntry *entry, gboolean refused)
{
  QpPathInfo info;

  if (entry->refused == refused)
    return;
  qp_path_get_info (entry->path, &info);
  if (refused && info.state != QP_PATH_CONNECTED)
    return;
  entry->refused = entry->untold = refused;
  if (refused)
    wake_idle (entry->paths);
}

QpPathSendResult
qp_paths_send (QpPaths *paths, guint number, const guint8 *data, gsize size,
    gsize segment, gsize *sent)
{
  QpPathEntry *entry = qp_paths_find (paths, number);
  QpPathSendResult result;

  if (!entry || entry->lost)
    return QP_PATH_SEND_ERROR;
  result = qp_path_send (entry->path, data, size, segment, sent);
  note_refusal (entry, result == QP_PATH_SEND_ERROR);
  if (result == QP_PATH_SEND_AGAIN)
    qp_path_notify_writable (entry->path, on_writable);
  return result;
}

gboolean
qp_paths_check (QpPaths *paths, guint number)
{
  QpPathEntry *entry = qp_paths_find (paths, number);

  return entry && !entry->lost && qp_path_check (entry->path);
}

/* --- Life ------------------------------------------------------------------- */

static gpointer
copy_turn_server (gconstpointer server, gpointer user)
{
  return qp_turn_server_copy (server);
}

QpPaths *
qp_paths_new (GMainContext *context, const QpPathConfig *config,
    const char *call, const char *name, const char *interfaces,
    const QpPathsCallbacks *callbacks, gpointer user)
{
  QpPaths *paths = g_new0 (QpPaths, 1);

  paths->context = g_main_context_ref (context);
  paths->config = *config;
  paths->config.interface = NULL;
  paths->stun_host = g_strdup (config->stun_host);
  paths->config.stun_host = paths->stun_host;
  if (config->turn_servers)
    paths->turn = g_ptr_array_copy (config->turn_servers, copy_turn_server,
        NULL);
  if (paths->turn)
    g_ptr_array_set_free_func (paths->turn,
        (GDestroyNotify) qp_turn_server_free);
  paths->config.turn_servers = paths->turn;
  paths->call = g_strdup (call);
  paths->name = g_strdup (name);
  paths->interfaces = g_strdup (interfaces);
  paths->callbacks = *callbacks;
  paths->user = user;
  paths->entries = g_ptr_array_new_with_free_func (entry_free);
  paths->present = g_ptr_array_new ();
  paths->memory = qp_interface_memory_new ();
  paths->next_number = config->controlling ? 2 : 1;
  paths->tokens = QP_PATHS_OFFER_BURST;
  paths->tokens_us = g_get_monotonic_time ();
  paths->first = qp_paths_add (paths, 0, QP_PATH_ROLE_FIRST, NULL)->path;
  return paths;
}

void
qp_paths_free (QpPaths *paths, void (*closed) (gpointer), gpointer user)
{
  qp_paths_stop_supply (paths);
  qp_clear_source (&paths->idle);
  paths->closed = closed;
  paths->closed_user = user;
  g_ptr_array_unref (paths->entries);
  qp_interface_memory_free (paths->memory);
  g_ptr_array_unref (paths->present);
  g_clear_pointer (&paths->turn, g_ptr_array_unref);
  g_free (paths->stun_host);
  g_free (paths->interfaces);
  g_free (paths->call);
  g_free (paths->name);
  paths->freed = TRUE;
  finalize_if_closed (paths);
}

QpPath *
qp_paths_get_first (QpPaths *paths)
{
  return paths->first;
}

void
qp_paths_start (QpPaths *paths, const guint8 *key)
{
  memcpy (paths->key, key, sizeof paths->key);
  paths->started = TRUE;
  paths->started_us = g_get_monotonic_time ();
  qp_paths_start_supply (paths);
}

gboolean
qp_paths_get_info (QpPaths *paths, guint number, QpPathInfo *info)
{
  QpPathEntry *entry = qp_paths_find (paths, number);

  memset (info, 0, sizeof *info);
  if (entry)
    qp_path_get_info (entry->path, info);
  return entry != NULL;
}

char *
qp_paths_describe (QpPaths *paths)
{
  return paths->first ? qp_path_describe (paths->first)
                      : g_strdup ("its first path is gone");
}

void
qp_paths_set_rtt (QpPaths *paths, guint number, gint64 rtt_us)
{
  QpPathEntry *entry = qp_paths_find (paths, number);

  if (entry)
    entry->rtt_us = rtt_us;
}

void
qp_paths_foreach (QpPaths *paths,
    void (*func) (guint number, const char *interface, gboolean usable,
        gint64 rtt_us, const QpPathInfo *info, gpointer user),
    gpointer user)
{
  for (guint i = 0; i < paths->entries->len; i++) {
    QpPathEntry *entry = g_ptr_array_index (paths->entries, i);
    QpPathInfo info;

    if (entry->dead)
      continue;
    qp_path_get_info (entry->path, &info);
    func (entry->number, entry->interface, qp_path_entry_is_usable (entry),
        entry->rtt_us, &info, user);
  }
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which paths a call should have: one for each usable network interface, made
 * when the interface appears and dropped when it goes.  See paths.h. */
#include "session/paths-private.h"

#include <string.h>

#include "session/session-private.h"

#define GST_CAT_DEFAULT qp_session_debug

/* An interface whose path did not come up is tried again after this. */
#define RETRY_US (2 * G_USEC_PER_SEC)
/* A path that is not connected by then makes room. */
#define ATTEMPT_US (12 * G_USEC_PER_SEC)
#define UPKEEP_MS 1000

static QpInterface *
find_interface_of (GPtrArray *interfaces, const char *address)
{
  for (guint i = 0; i < interfaces->len; i++) {
    QpInterface *interface = g_ptr_array_index (interfaces, i);

    for (guint j = 0; j < interface->addresses->len; j++) {
      GInetAddress *inet = g_inet_socket_address_get_address (
          g_ptr_array_index (interface->addresses, j));
      g_autofree char *text = g_inet_address_to_string (inet);

      if (g_str_equal (address, text))
        return interface;
    }
  }
  return NULL;
}

static QpInterface *
find_interface (GPtrArray *interfaces, const char *name)
{
  for (guint i = 0; i < interfaces->len; i++) {
    QpInterface *interface = g_ptr_array_index (interfaces, i);

    if (g_str_equal (interface->name, name))
      return interface;
  }
  return NULL;
}

gboolean
qp_path_entry_locate (const QpPathEntry *entry, GPtrArray *interfaces, QpInterface **found)
{
  QpPathInfo info;

  qp_path_get_info (entry->path, &info);
  if (info.state == QP_PATH_CONNECTED &&
      !g_str_equal (info.local.type, "relay"))
    *found = find_interface_of (interfaces, info.base);
  else if (entry->interface)
    *found = find_interface (interfaces, entry->interface);
  else
    return FALSE;
  return TRUE;
}

/* Finds the paths whose network has gone away. */
static void
find_losses (QpPaths *paths, GPtrArray *interfaces)
{
  for (guint i = 0; i < paths->entries->len; i++) {
    QpPathEntry *entry = g_ptr_array_index (paths->entries, i);
    gboolean was_usable = qp_path_entry_is_usable (entry);
    QpInterface *interface;

    if (entry->dead || !qp_path_entry_locate (entry, interfaces, &interface))
      continue;
    if (interface || entry->lost) {
      /* The address is back before anything better was found. */
      entry->lost = interface == NULL;
      continue;
    }
    entry->lost = TRUE;
    if (was_usable)
      paths->callbacks.lost (entry->number,
          "its network interface is down or has lost its address", paths->user);
    if (entry->number != paths->active)
      qp_path_entry_drop (entry, "its network went away");
  }
}

static gboolean
is_covered (QpPaths *paths, GPtrArray *interfaces, QpInterface *interface)
{
  for (guint i = 0; i < paths->entries->len; i++) {
    QpPathEntry *entry = g_ptr_array_index (paths->entries, i);
    QpInterface *found = NULL;

    if (!entry->dead && !entry->lost && qp_path_entry_locate (entry, interfaces, &found) &&
        found == interface)
      return TRUE;
  }
  return FALSE;
}

gboolean
qp_paths_make_room (QpPaths *paths)
{
  guint alive = 0;
  QpPathEntry *victim = NULL;

  for (guint i = 0; i < paths->entries->len; i++) {
    QpPathEntry *entry = g_ptr_array_index (paths->entries, i);

    if (entry->dead)
      continue;
    alive++;
    if (!victim && entry->number != paths->active && !qp_path_entry_is_usable (entry))
      victim = entry;
  }
  if (alive < QP_PATHS_MAX)
    return TRUE;
  if (victim)
    qp_path_entry_drop (victim, "another path needs its place");
  return victim != NULL;
}

static gboolean
was_tried_lately (QpPaths *paths, const char *name, gint64 now)
{
  gint64 *when = g_hash_table_lookup (paths->tried, name);

  return when && now - *when < RETRY_US;
}

static void
offer_path (QpPaths *paths, const char *interface, gint64 now)
{
  QpPathEntry *entry;

  if (paths->next_number > QP_MESSAGE_MAX_PATH || !qp_paths_make_room (paths))
    return;
  g_hash_table_insert (paths->tried, g_strdup (interface),
      g_memdup2 (&now, sizeof now));
  entry = qp_paths_add (paths, paths->next_number, QP_PATH_ROLE_INTERFACE,
      interface);
  paths->next_number += 2;
  GST_INFO ("%s: offering path %u on %s", paths->name, entry->number,
      interface);
  qp_path_entry_send_description (entry, QP_MESSAGE_PATH_OFFER);
  qp_path_gather (entry->path);
}

static void
offer_new (QpPaths *paths, GPtrArray *interfaces, gboolean even_covered)
{
  gint64 now = g_get_monotonic_time ();

  for (guint i = 0; i < interfaces->len; i++) {
    QpInterface *interface = g_ptr_array_index (interfaces, i);
    guint rank;

    if (interface->loopback ||
        !qp_interface_rank (paths->interfaces, interface->name, &rank) ||
        (!even_covered && is_covered (paths, interfaces, interface)) ||
        was_tried_lately (paths, interface->name, now))
      continue;
    offer_path (paths, interface->name, now);
  }
}

void
qp_paths_update (QpPaths *paths)
{
  g_autoptr (GPtrArray) interfaces = NULL;

  if (!paths->started)
    return;
  interfaces = qp_interfaces_list ();
  find_losses (paths, interfaces);
  offer_new (paths, interfaces, FALSE);
}

void
qp_paths_renew (QpPaths *paths)
{
  g_autoptr (GPtrArray) interfaces = qp_interfaces_list ();

  if (paths->started)
    offer_new (paths, interfaces, TRUE);
}

static gboolean
on_upkeep (gpointer data)
{
  QpPaths *paths = data;
  gint64 now = g_get_monotonic_time ();

  for (guint i = 0; i < paths->entries->len; i++) {
    QpPathEntry *entry = g_ptr_array_index (paths->entries, i);

    if (entry->number != paths->active && !qp_path_entry_is_usable (entry) &&
        now - entry->born_us > ATTEMPT_US)
      qp_path_entry_drop (entry, "it did not come up");
  }
  qp_paths_update (paths);
  return G_SOURCE_CONTINUE;
}

void
qp_paths_start_supply (QpPaths *paths)
{
  paths->upkeep = g_timeout_source_new (UPKEEP_MS);
  g_source_set_callback (paths->upkeep, on_upkeep, paths, NULL);
  g_source_attach (paths->upkeep, paths->context);
  qp_paths_update (paths);
}

void
qp_paths_stop_supply (QpPaths *paths)
{
  qp_clear_source (&paths->upkeep);
}

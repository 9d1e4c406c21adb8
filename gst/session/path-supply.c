/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which paths a call should have, made and dropped as networks come and go:
 *
 *   one for each usable network interface, so that there is somewhere to go;
 *   one through a TURN server only, where there is one, for when packets pass
 *   nowhere else;
 *   and none for long whose ICE password the signaling server knows: the first
 *   path is replaced by a twin on the same interface.
 *
 * See paths.h. */
#include "session/paths-private.h"

#include <string.h>

#include "path/routes.h"
#include "session/session-private.h"

#define GST_CAT_DEFAULT qp_session_debug

/* A path that is not connected by then makes room. */
#define ATTEMPT_US (12 * G_USEC_PER_SEC)
/* The first path stays so long after the connection has left it: what was sent
 * on it still comes in. */
#define FIRST_GRACE_US (5 * G_USEC_PER_SEC)
/* The relayed standby is made when the call has settled, by the controlling side
 * first, so that both sides do not make one each. */
#define RELAY_CONTROLLING_US (1 * G_USEC_PER_SEC)
#define RELAY_CONTROLLED_US (4 * G_USEC_PER_SEC)
/* Its name in the memory of interfaces, which no interface can have. */
#define RELAY_NAME "(relay)"
#define UPKEEP_MS 1000

/* --- Where paths lead through ----------------------------------------------- */

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
qp_path_entry_locate (const QpPathEntry *entry, GPtrArray *interfaces,
    QpInterface **found)
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

/* --- What is gone ----------------------------------------------------------- */

static void
remember_loss (const QpPathEntry *entry, gint64 now)
{
  if (entry->interface && entry->usable_us > 0)
    qp_interface_memory_lost (entry->paths->memory, entry->interface, now);
}

/* Finds the paths whose network has gone away, or returned. */
static void
find_losses (QpPaths *paths, GPtrArray *interfaces)
{
  gint64 now = g_get_monotonic_time ();

  for (guint i = 0; i < paths->entries->len; i++) {
    QpPathEntry *entry = g_ptr_array_index (paths->entries, i);
    QpInterface *interface;

    if (entry->dead || !qp_path_entry_locate (entry, interfaces, &interface))
      continue;
    if (interface) {
      /* The address is back before anything better was found. */
      entry->lost = entry->peer_gave_up || entry->unrouted;
    } else if (!entry->lost) {
      remember_loss (entry, now);
      qp_path_entry_lose (entry,
          "its network interface is down or has lost its address");
    }
  }
}

/* The interface and its address may stay while the way out goes. */
static gboolean
has_route (const QpPathEntry *entry, const QpInterface *interface)
{
  g_autofree char *remote = NULL;
  QpPathInfo info;
  const char *port;

  qp_path_get_info (entry->path, &info);
  port = strrchr (info.remote.address, ':');
  if (!port || g_str_equal (info.local.type, "relay"))
    return FALSE;
  remote = info.remote.address[0] == '['
      ? g_strndup (info.remote.address + 1,
            (gsize) (port - info.remote.address - 2))
      : g_strndup (info.remote.address, (gsize) (port - info.remote.address));
  return qp_routes_lead (interface->name, remote);
}

static void
find_lost_routes (QpPaths *paths)
{
  for (guint i = 0; i < paths->entries->len; i++) {
    QpPathEntry *entry = g_ptr_array_index (paths->entries, i);
    gboolean routed;
    QpInterface *interface;

    if (entry->dead || entry->usable_us == 0 ||
        !qp_path_entry_locate (entry, paths->present, &interface) || !interface)
      continue;
    routed = has_route (entry, interface);
    entry->unrouted = !routed && (entry->routed || entry->unrouted);
    if (entry->routed && !routed) {
      remember_loss (entry, g_get_monotonic_time ());
      qp_path_entry_lose (entry, "the route to the peer is gone");
    }
    entry->routed = routed;
  }
}

/* Both sides make paths while none works, and all may come up: one in reserve for
 * each pair of networks will do; both sides keep the same. */
static gboolean
is_surplus (QpPaths *paths, const QpPathEntry *entry)
{
  if (!qp_path_entry_is_ours (entry) || !qp_path_entry_is_usable (entry))
    return FALSE;
  for (guint i = 0; i < paths->entries->len; i++) {
    const QpPathEntry *other = g_ptr_array_index (paths->entries, i);

    if (other->number != paths->active && other->role != QP_PATH_ROLE_FIRST &&
        other->number > entry->number && qp_path_entry_is_usable (other) &&
        qp_paths_are_twins (paths, other->number, entry->number))
      return TRUE;
  }
  return FALSE;
}

static void
drop_useless (QpPaths *paths, gint64 now)
{
  for (guint i = 0; i < paths->entries->len; i++) {
    QpPathEntry *entry = g_ptr_array_index (paths->entries, i);

    if (entry->dead || entry->number == paths->active)
      continue;
    /* A system that refused to send may have changed its mind. */
    if (entry->refused && qp_path_check (entry->path))
      entry->refused = FALSE;
    if (entry->role == QP_PATH_ROLE_FIRST && paths->left_first_us > 0 &&
        now - paths->left_first_us > FIRST_GRACE_US)
      qp_path_entry_drop (entry, "others have taken its place");
    else if (!qp_path_entry_is_usable (entry) &&
        now - entry->born_us > ATTEMPT_US)
      qp_path_entry_drop (entry, "it did not come up");
    else if (is_surplus (paths, entry))
      qp_path_entry_drop (entry, "another one is like it");
  }
}

gboolean
qp_paths_make_room (QpPaths *paths, gboolean for_ours)
{
  guint alive = 0;
  QpPathEntry *idle = NULL, *foreign = NULL;

  for (guint i = 0; i < paths->entries->len; i++) {
    QpPathEntry *entry = g_ptr_array_index (paths->entries, i);

    if (entry->dead)
      continue;
    alive++;
    if (entry->number == paths->active)
      continue;
    if (!idle && !qp_path_entry_is_usable (entry))
      idle = entry;
    if (!foreign && entry->role == QP_PATH_ROLE_PEER)
      foreign = entry;
  }
  if (alive < QP_PATHS_MAX)
    return TRUE;
  if (!idle && for_ours)
    idle = foreign;
  if (idle)
    qp_path_entry_drop (idle, "another path needs its place");
  return idle != NULL;
}

/* --- What is missing -------------------------------------------------------- */

/* Whether the path is the one that its interface should have. */
static gboolean
covers (const QpPathEntry *entry, GPtrArray *interfaces,
    const QpInterface *interface)
{
  QpInterface *found = NULL;

  if (entry->dead || entry->lost || entry->role == QP_PATH_ROLE_RELAY)
    return FALSE;
  /* Path 0 needs a successor; one side is enough to make it. */
  if (entry->role == QP_PATH_ROLE_FIRST && entry->paths->config.controlling)
    return FALSE;
  /* Where the peer needs a relay to reach us, we may not. */
  if (entry->role == QP_PATH_ROLE_PEER &&
      qp_paths_is_relayed (entry->paths, entry->number))
    return FALSE;
  return qp_path_entry_locate (entry, interfaces, &found) && found == interface;
}

static gboolean
is_covered (QpPaths *paths, GPtrArray *interfaces, const QpInterface *interface)
{
  for (guint i = 0; i < paths->entries->len; i++) {
    if (covers (g_ptr_array_index (paths->entries, i), interfaces, interface))
      return TRUE;
  }
  return FALSE;
}

/* The same for the same addresses in any order. */
static guint
sum_up_addresses (const QpInterface *interface)
{
  guint sum = 0;

  for (guint i = 0; i < interface->addresses->len; i++) {
    g_autofree char *text =
        g_inet_address_to_string (g_inet_socket_address_get_address (
            g_ptr_array_index (interface->addresses, i)));

    sum += g_str_hash (text);
  }
  return sum;
}

static void
offer_path (QpPaths *paths, QpPathRole role, const char *interface)
{
  QpPathEntry *entry;

  if (paths->next_number > QP_MESSAGE_MAX_PATH ||
      !qp_paths_make_room (paths, TRUE))
    return;
  entry = qp_paths_add (paths, paths->next_number, role, interface);
  paths->next_number += 2;
  GST_INFO ("%s: offering path %u on %s%s", paths->name, entry->number,
      interface, role == QP_PATH_ROLE_RELAY ? ", through a relay" : "");
  qp_path_entry_offer (entry);
}

static void
offer_new (QpPaths *paths, GPtrArray *interfaces, gboolean even_covered)
{
  gint64 now = g_get_monotonic_time ();

  for (guint i = 0; i < interfaces->len; i++) {
    const QpInterface *interface = g_ptr_array_index (interfaces, i);
    guint addresses = sum_up_addresses (interface);
    guint rank;

    if (interface->loopback ||
        !qp_interface_rank (paths->interfaces, interface->name, &rank) ||
        (!even_covered && is_covered (paths, interfaces, interface)) ||
        !qp_interface_memory_may_try (paths->memory, interface->name, addresses,
            now))
      continue;
    qp_interface_memory_tried (paths->memory, interface->name, addresses, now);
    offer_path (paths, QP_PATH_ROLE_INTERFACE, interface->name);
  }
}

static gboolean
has_relay (QpPaths *paths)
{
  for (guint i = 0; i < paths->entries->len; i++) {
    const QpPathEntry *entry = g_ptr_array_index (paths->entries, i);

    if (entry->dead || entry->lost || entry->role == QP_PATH_ROLE_FIRST)
      continue;
    if (entry->role == QP_PATH_ROLE_RELAY ||
        (qp_path_entry_is_usable (entry) &&
            qp_paths_is_relayed (entry->paths, entry->number)))
      return TRUE;
  }
  return FALSE;
}

/* Beside the path in use, which is where our packets get out. */
static const char *
choose_relay_interface (QpPaths *paths, GPtrArray *interfaces)
{
  QpPathEntry *active = qp_paths_find (paths, paths->active);
  QpInterface *found = NULL;

  if (!active || !qp_path_entry_locate (active, interfaces, &found) || !found ||
      found->loopback)
    return NULL;
  return found->name;
}

static void
offer_relay (QpPaths *paths, GPtrArray *interfaces)
{
  gint64 now = g_get_monotonic_time ();
  const char *interface;

  /* With the policy "relay" every path is a relayed one. */
  if (!paths->turn || paths->turn->len == 0 || paths->config.relay_only ||
      now - paths->started_us < (paths->config.controlling
                                        ? RELAY_CONTROLLING_US
                                        : RELAY_CONTROLLED_US) ||
      has_relay (paths))
    return;
  interface = choose_relay_interface (paths, interfaces);
  if (!interface ||
      !qp_interface_memory_may_try (paths->memory, RELAY_NAME, 0, now))
    return;
  qp_interface_memory_tried (paths->memory, RELAY_NAME, 0, now);
  offer_path (paths, QP_PATH_ROLE_RELAY, interface);
}

void
qp_paths_note_usable (QpPathEntry *entry)
{
  QpInterface *interface;

  if (qp_path_entry_locate (entry, entry->paths->present, &interface) &&
      interface)
    entry->routed = has_route (entry, interface);
  if (entry->role == QP_PATH_ROLE_RELAY)
    qp_interface_memory_worked (entry->paths->memory, RELAY_NAME);
  else if (entry->interface)
    qp_interface_memory_worked (entry->paths->memory, entry->interface);
}

/* --- When -------------------------------------------------------------------- */

static void
update (QpPaths *paths, gboolean routes)
{
  g_ptr_array_unref (paths->present);
  paths->present = qp_interfaces_list ();
  if (routes)
    find_lost_routes (paths);
  find_losses (paths, paths->present);
  offer_new (paths, paths->present, FALSE);
  offer_relay (paths, paths->present);
}

void
qp_paths_network_changed (QpPaths *paths)
{
  if (paths->started)
    update (paths, TRUE);
}

void
qp_paths_renew (QpPaths *paths)
{
  if (paths->started)
    offer_new (paths, paths->present, TRUE);
}

static gboolean
on_upkeep (gpointer data)
{
  QpPaths *paths = data;
  gint64 now = g_get_monotonic_time ();

  drop_useless (paths, now);
  qp_interface_memory_forget (paths->memory, now);
  update (paths, FALSE);
  return G_SOURCE_CONTINUE;
}

void
qp_paths_start_supply (QpPaths *paths)
{
  paths->upkeep = g_timeout_source_new (UPKEEP_MS);
  g_source_set_callback (paths->upkeep, on_upkeep, paths, NULL);
  g_source_attach (paths->upkeep, paths->context);
  qp_paths_network_changed (paths);
}

void
qp_paths_stop_supply (QpPaths *paths)
{
  qp_clear_source (&paths->upkeep);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What one address may have of the server: connections, joins a second, and
 * seats in a room, so that whoever floods it leaves room for the others. An
 * IPv6 host has a whole /64 to itself, so that counts as one address. See
 * hub-private.h.
 */

#include "signaling/hub-private.h"

#include <arpa/inet.h>
#include <string.h>

/* Joins that may come at once, in seconds' worth: everybody behind one NAT
 * comes back when the server was restarted. */
#define JOIN_BURST_SECONDS 16

struct _Address {
  char *name; /* key in the hub */
  guint n_connections;
  guint n_seats; /* in all rooms, absent members' too */
  gint64 earned; /* when the whole burst of joins is there again */
};

static void
address_free (Address *address)
{
  g_free (address->name);
  g_free (address);
}

GHashTable *
qp_addresses_new (void)
{
  return g_hash_table_new_full (g_str_hash, g_str_equal, NULL,
      (GDestroyNotify) address_free);
}

/* (transfer full): what @printable counts as. */
static char *
make_name (const char *printable)
{
  struct in6_addr v6;
  char text[INET6_ADDRSTRLEN];

  if (inet_pton (AF_INET6, printable, &v6) != 1)
    return g_strdup (printable);
  memset (v6.s6_addr + 8, 0, 8);
  inet_ntop (AF_INET6, &v6, text, sizeof text);
  return g_strconcat (text, "/64", NULL);
}

Address *
qp_address_connect (QpHub *hub, const char *printable, GError **error)
{
  g_autofree char *name = make_name (printable);
  Address *address = g_hash_table_lookup (hub->addresses, name);

  if (address &&
      address->n_connections >= hub->config.max_connections_per_address) {
    g_set_error (error, QP_SIGNALING_ERROR,
        QP_SIGNALING_ERROR_TOO_MANY_CONNECTIONS,
        "%s has %u connections to this server, no more are accepted", name,
        address->n_connections);
    return NULL;
  }
  if (g_hash_table_size (hub->connections) >= hub->config.max_connections) {
    g_set_error (error, QP_SIGNALING_ERROR,
        QP_SIGNALING_ERROR_TOO_MANY_CONNECTIONS,
        "This server has all of its %u connections in use",
        hub->config.max_connections);
    return NULL;
  }
  if (!address) {
    address = g_new0 (Address, 1);
    address->name = g_steal_pointer (&name);
    g_hash_table_insert (hub->addresses, address->name, address);
  }
  address->n_connections++;
  return address;
}

void
qp_address_disconnect (Address *address)
{
  address->n_connections--;
}

gboolean
qp_address_take_join (const QpHub *hub, Address *address, gint64 now,
    GError **error)
{
  gint64 interval = G_USEC_PER_SEC / hub->config.joins_per_second;
  gint64 burst = JOIN_BURST_SECONDS * G_USEC_PER_SEC;

  if (address->earned > now + burst - interval) {
    g_set_error (error, QP_SIGNALING_ERROR,
        QP_SIGNALING_ERROR_TOO_MANY_CONNECTIONS,
        "%s joins too often: more than %u times a second are not accepted",
        address->name, hub->config.joins_per_second);
    return FALSE;
  }
  address->earned = MAX (address->earned, now) + interval;
  return TRUE;
}

gboolean
qp_address_may_sit (const QpHub *hub, const Address *address, const Room *room,
    GError **error)
{
  guint n = 0;

  for (guint i = 0; i < room->members->len; i++)
    n += ((const Member *) room->members->pdata[i])->host == address;
  if (n < hub->config.max_seats_per_address)
    return TRUE;
  g_set_error (error, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_ROOM_FULL,
      "%s has %u seats in room \"%s\", no more are given to it", address->name,
      n, room->name);
  return FALSE;
}

void
qp_address_sit (Address *address, Member *member)
{
  if (address)
    address->n_seats++;
  if (member->host)
    member->host->n_seats--;
  member->host = address;
}

void
qp_addresses_forget (QpHub *hub, gint64 now)
{
  GHashTableIter iter;
  Address *address;

  g_hash_table_iter_init (&iter, hub->addresses);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &address)) {
    if (address->n_connections == 0 && address->n_seats == 0 &&
        now >= address->earned)
      g_hash_table_iter_remove (&iter);
  }
}

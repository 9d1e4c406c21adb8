/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lists usable local interfaces with getifaddrs().  Keeps no state; any thread
 * may use it. */
#include "path/interfaces.h"

#include <ifaddrs.h>
#include <netinet/in.h>
#include <string.h>

static void
interface_free (gpointer data)
{
  QpInterface *interface = data;

  g_ptr_array_unref (interface->addresses);
  g_free (interface);
}

static QpInterface *
find_or_add (GPtrArray *interfaces, const struct ifaddrs *entry)
{
  QpInterface *interface;

  for (guint i = 0; i < interfaces->len; i++) {
    interface = interfaces->pdata[i];
    if (strcmp (interface->name, entry->ifa_name) == 0)
      return interface;
  }
  interface = g_new0 (QpInterface, 1);
  g_strlcpy (interface->name, entry->ifa_name, sizeof interface->name);
  interface->index = if_nametoindex (entry->ifa_name);
  interface->loopback = (entry->ifa_flags & IFF_LOOPBACK) != 0;
  interface->addresses = g_ptr_array_new_with_free_func (g_object_unref);
  g_ptr_array_add (interfaces, interface);
  return interface;
}

static GSocketAddress *
entry_address (const struct ifaddrs *entry)
{
  const guint up = IFF_UP | IFF_RUNNING;
  gsize size;

  if (!entry->ifa_addr || (entry->ifa_flags & up) != up)
    return NULL;
  if (entry->ifa_addr->sa_family == AF_INET)
    size = sizeof (struct sockaddr_in);
  else if (entry->ifa_addr->sa_family == AF_INET6)
    size = sizeof (struct sockaddr_in6);
  else
    return NULL;
  return g_socket_address_new_from_native (entry->ifa_addr, size);
}

static gboolean
is_link_local_ipv6 (GInetSocketAddress *address)
{
  GInetAddress *inet = g_inet_socket_address_get_address (address);

  return g_inet_address_get_family (inet) == G_SOCKET_FAMILY_IPV6 &&
      g_inet_address_get_is_link_local (inet);
}

/* What a pass over the table takes in. */
typedef struct {
  gboolean loopback;
  gboolean link_local; /* IPv6 */
} Scope;

static GPtrArray *
collect (const struct ifaddrs *table, const char *name, Scope scope)
{
  GPtrArray *interfaces = g_ptr_array_new_with_free_func (interface_free);

  for (const struct ifaddrs *entry = table; entry; entry = entry->ifa_next) {
    GSocketAddress *address;

    if (name && strcmp (name, entry->ifa_name) != 0)
      continue;
    if ((entry->ifa_flags & IFF_LOOPBACK) && !scope.loopback)
      continue;
    address = entry_address (entry);
    if (!address)
      continue;
    if (is_link_local_ipv6 (G_INET_SOCKET_ADDRESS (address)) &&
        !scope.link_local) {
      g_object_unref (address);
      continue;
    }
    g_ptr_array_add (find_or_add (interfaces, entry)->addresses, address);
  }
  return interfaces;
}

static GPtrArray *
list (const char *name)
{
  /* From what reaches furthest to what reaches least. */
  static const Scope scopes[] = {
    { FALSE, FALSE },
    { FALSE, TRUE },
    { TRUE, TRUE },
  };
  struct ifaddrs *table;
  GPtrArray *interfaces = NULL;

  if (getifaddrs (&table) < 0)
    return g_ptr_array_new_with_free_func (interface_free);
  for (guint i = 0; i < G_N_ELEMENTS (scopes); i++) {
    g_clear_pointer (&interfaces, g_ptr_array_unref);
    interfaces = collect (table, name, scopes[i]);
    if (interfaces->len > 0)
      break;
  }
  freeifaddrs (table);
  return interfaces;
}

GPtrArray *
qp_interfaces_list (void)
{
  return list (NULL);
}

/* One address of each interface in turn, so that an interface with dozens of
 * temporary IPv6 addresses does not push the others out. */
GPtrArray *
qp_interfaces_addresses (const char *name, guint max_addresses)
{
  g_autoptr (GPtrArray) interfaces = list (name);
  GPtrArray *addresses = g_ptr_array_new_with_free_func (g_object_unref);
  gboolean more = TRUE;

  for (guint round = 0; more; round++) {
    more = FALSE;
    for (guint i = 0; i < interfaces->len; i++) {
      QpInterface *interface = interfaces->pdata[i];

      if (round >= interface->addresses->len)
        continue;
      if (addresses->len == max_addresses)
        return addresses;
      g_ptr_array_add (addresses,
          g_object_ref (interface->addresses->pdata[round]));
      more = TRUE;
    }
  }
  return addresses;
}

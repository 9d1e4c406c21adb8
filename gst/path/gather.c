/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The start of gathering: local addresses are chosen, libnice is told to begin,
 * and what stands in the way of that is put into words.  Runs on the path's
 * thread. */
#include "path/path-private.h"

#include "path/interfaces.h"

static gboolean
can_bind (GSocketAddress *address)
{
  g_autoptr (GSocket)
      socket = g_socket_new (g_socket_address_get_family (address),
          G_SOCKET_TYPE_DATAGRAM, G_SOCKET_PROTOCOL_UDP, NULL);

  return socket && g_socket_bind (socket, address, FALSE, NULL);
}

static gboolean
add_address (QpPath *path, GSocketAddress *address)
{
  struct sockaddr_storage native;
  NiceAddress nice;

  /* With an address that cannot be bound, such as an IPv6 address that is
   * still tentative, libnice would try each port of the range. */
  if (!can_bind (address) ||
      !g_socket_address_to_native (address, &native, sizeof native, NULL))
    return FALSE;
  nice_address_init (&nice);
  nice_address_set_from_sockaddr (&nice, (struct sockaddr *) &native);
  nice_address_set_port (&nice, 0);
  return nice_agent_add_local_address (path->agent, &nice);
}

static void
add_addresses (QpPath *path)
{
  g_autoptr (GPtrArray) addresses = qp_interfaces_addresses (path->interface,
      QP_PATH_MAX_LOCAL_ADDRESSES);

  for (guint i = 0; i < addresses->len; i++) {
    GInetAddress *inet =
        g_inet_socket_address_get_address (addresses->pdata[i]);

    if (!add_address (path, addresses->pdata[i]))
      continue;
    path->loopback |= g_inet_address_get_is_loopback (inet);
    if (g_inet_address_get_family (inet) == G_SOCKET_FAMILY_IPV6)
      path->have_ipv6 = TRUE;
    else
      path->have_ipv4 = TRUE;
  }
}

static char *
describe_no_address (QpPath *path)
{
  if (path->interface)
    return g_strdup_printf ("the network interface %s is down or has no "
                            "address",
        path->interface);
  return g_strdup ("this machine has no network interface that is up and has "
                   "an address");
}

static char *
describe_no_socket (QpPath *path)
{
  if (path->min_port)
    return g_strdup_printf ("no UDP port from %u to %u is free; widen "
                            "min-port and max-port",
        path->min_port, path->max_port);
  return g_strdup ("no UDP socket could be opened");
}

void
qp_path_start_agent (QpPath *path)
{
  add_addresses (path);
  if (!path->have_ipv4 && !path->have_ipv6) {
    path->gather_fault = describe_no_address (path);
    return;
  }
  qp_path_ask_servers (path);
  path->gathering = TRUE;
  if (nice_agent_gather_candidates (path->agent, path->stream))
    qp_path_tune_sockets (path);
  else
    path->gather_fault = describe_no_socket (path);
}

void
qp_path_begin_gathering (QpPath *path)
{
  if (qp_path_resolve_servers (path))
    qp_path_start_agent (path);
}

gboolean
qp_path_has_gathered (QpPath *path)
{
  return path->gathering_done && !qp_path_expects_servers (path);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The start of gathering: names of STUN and TURN servers are resolved (libnice
 * would do it without a time limit), local addresses are chosen, and libnice is
 * told to begin.  A server whose name leads nowhere is left out; the path goes
 * on with what it has.  Runs on the path's thread. */
#include "path/path-private.h"

#include "path/interfaces.h"

/* libnice before 0.1.23 takes a STUN server's answer for a broken one of a TURN
 * server that it asked earlier from the same socket. So TURN is asked second,
 * one Ta later, as the pacing would have it anyway; otherwise the address seen
 * by the STUN server would come a round trip later, out of TURN's answer. */
#define TURN_AFTER_STUN 5 /* ms */

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

static GInetAddress *
address_of_family (GList *addresses, GSocketFamily family)
{
  for (GList *item = addresses; item; item = item->next) {
    if (g_inet_address_get_family (item->data) == family)
      return item->data;
  }
  return NULL;
}

static void
add_stun_server (QpPath *path, GInetAddress *address)
{
  g_autofree char *text = g_inet_address_to_string (address);

  g_object_set (path->agent, "stun-server", text, "stun-server-port",
      (guint) path->stun_port, NULL);
}

static void
add_turn_server (QpPath *path, const QpTurnServer *server,
    GInetAddress *address)
{
  g_autofree char *text = g_inet_address_to_string (address);

  nice_agent_set_relay_info (path->agent, path->stream, QP_PATH_COMPONENT, text,
      server->port, server->username, server->password,
      server->tcp ? NICE_RELAY_TYPE_TURN_TCP : NICE_RELAY_TYPE_TURN_UDP);
}

/* libnice asks a server from the local addresses of the same family. It takes
 * one STUN server: IPv4, because that is where the NATs are. Returns TRUE if
 * the server can be asked. */
static gboolean
add_server (QpPath *path, const QpServerName *name)
{
  GInetAddress *ipv4 = path->have_ipv4
      ? address_of_family (name->addresses, G_SOCKET_FAMILY_IPV4)
      : NULL;
  GInetAddress *ipv6 = path->have_ipv6
      ? address_of_family (name->addresses, G_SOCKET_FAMILY_IPV6)
      : NULL;

  if (!ipv4 && !ipv6) {
    GST_WARNING ("path %u: gathers without the %s server %s%s", path->id,
        name->turn ? "TURN" : "STUN", name->host,
        name->addresses ? ", which has no address of a family that we have"
                        : "");
    return FALSE;
  }
  if (!name->turn) {
    add_stun_server (path, ipv4 ? ipv4 : ipv6);
    return TRUE;
  }
  if (ipv4)
    add_turn_server (path, name->turn, ipv4);
  if (ipv6)
    add_turn_server (path, name->turn, ipv6);
  return TRUE;
}

static void
add_turn_servers (QpPath *path)
{
  for (guint i = 0; i < path->server_names->len; i++) {
    const QpServerName *name = path->server_names->pdata[i];

    if (name->turn)
      add_server (path, name);
  }
  g_ptr_array_set_size (path->server_names, 0);
}

static gboolean
on_turn_time (gpointer user)
{
  QpPath *path = user;

  g_clear_pointer (&path->turn_delay, g_source_unref);
  /* STUN may be done by now; with TURN, libnice gathers on, and tells again. */
  path->gathering_done = FALSE;
  add_turn_servers (path);
  qp_path_wake (path);
  return G_SOURCE_REMOVE;
}

/* Returns TRUE if there is a STUN server to ask, so that TURN comes later. */
static gboolean
add_stun (QpPath *path)
{
  for (guint i = 0; i < path->server_names->len; i++) {
    const QpServerName *name = path->server_names->pdata[i];

    if (!name->turn)
      return add_server (path, name);
  }
  return FALSE;
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

static void
start_agent (QpPath *path)
{
  add_addresses (path);
  if (!path->have_ipv4 && !path->have_ipv6) {
    path->gather_fault = describe_no_address (path);
    return;
  }
  if (add_stun (path) && path->turn_servers->len > 0) {
    path->turn_delay = g_timeout_source_new (TURN_AFTER_STUN);
    g_source_set_callback (path->turn_delay, on_turn_time, path, NULL);
    g_source_attach (path->turn_delay, path->context);
  } else {
    add_turn_servers (path);
  }

  path->gathering = TRUE;
  if (nice_agent_gather_candidates (path->agent, path->stream))
    qp_path_tune_sockets (path);
  else
    path->gather_fault = describe_no_socket (path);
}

static void
start_agent_when_resolved (QpPath *path)
{
  for (guint i = 0; i < path->server_names->len; i++) {
    const QpServerName *name = path->server_names->pdata[i];

    if (name->resolution)
      return;
  }
  start_agent (path);
  qp_path_wake (path);
}

static void
on_server_resolved (GList *addresses, const GError *error, gpointer user)
{
  QpServerName *name = user;

  name->resolution = NULL;
  name->addresses = g_list_copy (addresses);
  g_list_foreach (name->addresses, (GFunc) (GCallback) g_object_ref, NULL);
  if (error)
    GST_WARNING ("path %u: %s server %s: %s", name->path->id,
        name->turn ? "TURN" : "STUN", name->host, error->message);
  start_agent_when_resolved (name->path);
}

static void
add_server_name (QpPath *path, const char *host, QpTurnServer *turn)
{
  QpServerName *name = g_new0 (QpServerName, 1);
  GInetAddress *address = g_inet_address_new_from_string (host);

  name->path = path;
  name->turn = turn;
  name->host = host;
  g_ptr_array_add (path->server_names, name);
  if (address)
    name->addresses = g_list_prepend (NULL, address);
  else
    name->resolution = qp_resolve (path->context, host, QP_PATH_RESOLVE_TIMEOUT,
        on_server_resolved, name);
}

void
qp_path_begin_gathering (QpPath *path)
{
  /* With relay-only, libnice would not ask it. */
  if (path->stun_host && !path->relay_only)
    add_server_name (path, path->stun_host, NULL);
  for (guint i = 0; i < path->turn_servers->len; i++) {
    QpTurnServer *turn = path->turn_servers->pdata[i];

    add_server_name (path, turn->host, turn);
  }
  start_agent_when_resolved (path);
}

void
qp_path_stop_gathering (QpPath *path)
{
  if (path->turn_delay) {
    g_source_destroy (path->turn_delay);
    g_clear_pointer (&path->turn_delay, g_source_unref);
  }
  g_ptr_array_set_size (path->server_names, 0);
}

void
qp_path_server_name_free (gpointer data)
{
  QpServerName *name = data;

  if (name->resolution)
    qp_resolution_cancel (name->resolution);
  g_list_free_full (name->addresses, g_object_unref);
  g_free (name);
}

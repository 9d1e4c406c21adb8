/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* STUN and TURN servers: their names are resolved (libnice would do it without
 * a time limit), and libnice is told of them at the right moment.  A server
 * whose name leads nowhere is left out; the path goes on with what it has.
 * Runs on the path's thread. */
#include "path/path-private.h"

/* libnice takes a STUN server before it starts only, and until then not even a
 * host candidate is known: in a network without DNS this is what it costs. TURN
 * servers may come later. */
#define STUN_RESOLVE_TIMEOUT 1000 /* ms */

/* libnice before 0.1.23 takes a STUN server's answer for a broken one of a TURN
 * server that it asked earlier from the same socket. So TURN is asked second,
 * one Ta later, as the pacing would have it anyway; otherwise the address seen
 * by the STUN server would come a round trip later, out of TURN's answer. */
#define TURN_AFTER_STUN 5 /* ms */

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
ask (QpPath *path, const QpServerName *name)
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
ask_turn (QpPath *path, QpServerName *name)
{
  if (name->asked || name->resolution)
    return;
  name->asked = TRUE;
  /* libnice may be done with the rest; it goes on, and tells again. */
  if (ask (path, name))
    path->gathering_done = FALSE;
}

static void
open_turn (QpPath *path)
{
  path->turn_open = TRUE;
  for (guint i = 0; i < path->server_names->len; i++) {
    QpServerName *name = path->server_names->pdata[i];

    if (name->turn)
      ask_turn (path, name);
  }
}

static gboolean
on_turn_time (gpointer user)
{
  QpPath *path = user;

  g_clear_pointer (&path->turn_delay, g_source_unref);
  open_turn (path);
  qp_path_wake (path);
  return G_SOURCE_REMOVE;
}

/* Returns TRUE if there is a STUN server to ask. */
static gboolean
ask_stun (QpPath *path)
{
  for (guint i = 0; i < path->server_names->len; i++) {
    const QpServerName *name = path->server_names->pdata[i];

    if (!name->turn)
      return ask (path, name);
  }
  return FALSE;
}

void
qp_path_ask_servers (QpPath *path)
{
  if (!ask_stun (path)) {
    open_turn (path);
    return;
  }
  if (path->turn_servers->len == 0)
    return;
  path->turn_delay = g_timeout_source_new (TURN_AFTER_STUN);
  g_source_set_callback (path->turn_delay, on_turn_time, path, NULL);
  g_source_attach (path->turn_delay, path->context);
}

static void
on_server_resolved (GList *addresses, const GError *error, gpointer user)
{
  QpServerName *name = user;
  QpPath *path = name->path;

  name->resolution = NULL;
  name->addresses = g_list_copy (addresses);
  g_list_foreach (name->addresses, (GFunc) (GCallback) g_object_ref, NULL);
  if (error)
    GST_WARNING ("path %u: %s server %s: %s", path->id,
        name->turn ? "TURN" : "STUN", name->host, error->message);
  if (!name->turn)
    qp_path_start_agent (path);
  else if (path->turn_open)
    ask_turn (path, name);
  qp_path_wake (path);
}

/* Returns TRUE if the address is known at once. */
static gboolean
add_name (QpPath *path, const char *host, const QpTurnServer *turn)
{
  QpServerName *name = g_new0 (QpServerName, 1);
  GInetAddress *address = g_inet_address_new_from_string (host);

  name->path = path;
  name->turn = turn;
  name->host = host;
  g_ptr_array_add (path->server_names, name);
  if (address) {
    name->addresses = g_list_prepend (NULL, address);
    return TRUE;
  }
  name->resolution = qp_resolve (path->context, host,
      turn ? QP_PATH_RESOLVE_TIMEOUT : STUN_RESOLVE_TIMEOUT, on_server_resolved,
      name);
  return FALSE;
}

gboolean
qp_path_resolve_servers (QpPath *path)
{
  gboolean ready = TRUE;

  for (guint i = 0; i < path->turn_servers->len; i++) {
    const QpTurnServer *turn = path->turn_servers->pdata[i];

    add_name (path, turn->host, turn);
  }
  /* With relay-only, libnice would not ask it. */
  if (path->stun_host && !path->relay_only)
    ready = add_name (path, path->stun_host, NULL);
  return ready;
}

gboolean
qp_path_expects_servers (QpPath *path)
{
  if (path->turn_delay)
    return TRUE;
  for (guint i = 0; i < path->server_names->len; i++) {
    const QpServerName *name = path->server_names->pdata[i];

    if (name->resolution)
      return TRUE;
  }
  return FALSE;
}

void
qp_path_forget_servers (QpPath *path)
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

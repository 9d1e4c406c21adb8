/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See ice-servers.h. */
#include "session/ice-servers.h"

#include <string.h>

#include "session/session-private.h"

#define GST_CAT_DEFAULT qp_session_debug
#define DEFAULT_PORT 3478
#define MAX_HOST 253 /* bytes of a domain name, RFC 1035 */

QpIceServers *
qp_ice_servers_new (void)
{
  QpIceServers *servers = g_new0 (QpIceServers, 1);

  servers->turn =
      g_ptr_array_new_with_free_func ((GDestroyNotify) qp_turn_server_free);
  return servers;
}

void
qp_ice_servers_free (QpIceServers *servers)
{
  g_free (servers->stun_host);
  g_ptr_array_unref (servers->turn);
  g_free (servers);
}

/* Names and address literals; GUri lets more through. */
static gboolean
is_host (const char *host)
{
  return host && host[0] != '\0' && strlen (host) <= MAX_HOST &&
      strspn (host,
          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
          "0123456789.-_:%") == strlen (host);
}

/* Reads scheme:[//]host[:port][?query], whatever of it is there, into a GUri
 * with an authority. */
static GUri *
parse (const char *text, const char *scheme, GError **error)
{
  g_autofree char *prefix = g_strconcat (scheme, ":", NULL);
  g_autofree char *normal = NULL;
  g_autoptr (GUri) uri = NULL;

  if (g_ascii_strncasecmp (text, prefix, strlen (prefix)) == 0)
    text += strlen (prefix);
  if (g_str_has_prefix (text, "//"))
    text += 2;
  normal = g_strconcat (scheme, "://", text, NULL);
  uri = g_uri_parse (normal, G_URI_FLAGS_HAS_PASSWORD, NULL);
  if (!uri || !is_host (g_uri_get_host (uri)) || g_uri_get_port (uri) == 0 ||
      strlen (g_uri_get_path (uri)) > 0) {
    g_set_error (error, QP_SESSION_ERROR, QP_SESSION_ERROR_SETTINGS,
        "not a %s server: expected %s://host:port", scheme, scheme);
    return NULL;
  }
  return g_steal_pointer (&uri);
}

static guint16
port_of (GUri *uri)
{
  int port = g_uri_get_port (uri);

  return port > 0 ? port : DEFAULT_PORT;
}

gboolean
qp_ice_servers_set_stun (QpIceServers *servers, const char *text,
    GError **error)
{
  g_autoptr (GUri) uri = parse (text, "stun", error);

  if (!uri)
    return FALSE;
  g_free (servers->stun_host);
  servers->stun_host = g_strdup (g_uri_get_host (uri));
  servers->stun_port = port_of (uri);
  return TRUE;
}

gboolean
qp_ice_servers_add_turn (QpIceServers *servers, const char *text,
    const char *username, const char *password, GError **error)
{
  g_autoptr (GUri) uri = parse (text, "turn", error);
  const char *query;
  QpTurnServer *server;

  if (!uri)
    return FALSE;
  query = g_uri_get_query (uri);
  if (query && strcmp (query, "transport=udp") != 0 &&
      strcmp (query, "transport=tcp") != 0) {
    g_set_error (error, QP_SESSION_ERROR, QP_SESSION_ERROR_SETTINGS,
        "TURN server %s: only ?transport=udp or ?transport=tcp is understood",
        g_uri_get_host (uri));
    return FALSE;
  }
  if (!username)
    username = g_uri_get_user (uri);
  if (!password)
    password = g_uri_get_password (uri);
  if (!username || !password) {
    g_set_error (error, QP_SESSION_ERROR, QP_SESSION_ERROR_SETTINGS,
        "TURN server %s: user and password are missing: expected turn://user:password@host:port",
        g_uri_get_host (uri));
    return FALSE;
  }

  server = g_new0 (QpTurnServer, 1);
  server->host = g_strdup (g_uri_get_host (uri));
  server->port = port_of (uri);
  server->tcp = query && strcmp (query, "transport=tcp") == 0;
  server->username = g_strdup (username);
  server->password = g_strdup (password);
  g_ptr_array_add (servers->turn, server);
  return TRUE;
}

void
qp_ice_servers_add_offered (QpIceServers *servers, const QpIceServer *offered)
{
  for (guint i = 0; offered->urls[i]; i++) {
    const char *url = offered->urls[i];
    g_autoptr (GError) error = NULL;
    gboolean taken = TRUE;

    if (g_str_has_prefix (url, "stun:")) {
      if (!servers->stun_host)
        taken = qp_ice_servers_set_stun (servers, url, &error);
    } else if (g_str_has_prefix (url, "turn:")) {
      if (servers->turn->len < QP_ICE_SERVERS_MAX_OFFERED_TURN)
        taken = qp_ice_servers_add_turn (servers, url, offered->username,
            offered->credential, &error);
    } else {
      GST_INFO ("ICE server of an unknown kind was left out: %.16s", url);
    }
    if (!taken)
      GST_WARNING ("an ICE server from signaling was left out: %s",
          error->message);
  }
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Reading of quicp2p:// URIs; see uri.h. */

#include "signaling/uri.h"

#include <gio/gio.h>
#include <string.h>

#include "signaling/message.h"

gboolean
qp_signaling_room_check (const char *room, GError **error)
{
  const char *what = NULL;
  gsize size = strlen (room);

  if (size == 0)
    what = "is missing: write quicp2p://host/room";
  else if (size > QP_MESSAGE_MAX_ROOM)
    what = "is longer than 128 bytes";
  else if (!g_utf8_validate (room, size, NULL))
    what = "is not UTF-8";
  else if (room[0] == '/' || room[size - 1] == '/' || strstr (room, "//"))
    what = "begins or ends with '/', or has two in a row";
  for (const char *c = room; !what && *c; c = g_utf8_next_char (c)) {
    if (g_unichar_iscntrl (g_utf8_get_char (c)))
      what = "has a control character";
  }
  if (!what)
    return TRUE;
  g_set_error (error, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_BAD_ROOM,
      "The name of the room %s", what);
  return FALSE;
}

char *
qp_signaling_room_from_path (const char *path, GError **error)
{
  g_autofree char *room = NULL;

  if (strlen (path) <= 1 + 3 * QP_MESSAGE_MAX_ROOM)
    room = g_uri_unescape_string (path[0] == '/' ? path + 1 : path, NULL);
  if (!room) {
    g_set_error_literal (error, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_BAD_ROOM,
        "The name of the room is too long or wrongly percent-encoded");
    return NULL;
  }
  if (!qp_signaling_room_check (room, error))
    return NULL;
  return g_steal_pointer (&room);
}

char *
qp_signaling_room_to_path (const char *room)
{
  g_autofree char *escaped = g_uri_escape_string (room, "/", FALSE);

  return g_strconcat ("/", escaped, NULL);
}

static gboolean
bad_uri (GError **error, const char *what)
{
  g_set_error (error, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_BAD_URI,
      "%s; expected quicp2p://host[:port]/room or quicp2ps://…", what);
  return FALSE;
}

static gboolean
is_host (const char *host)
{
  if (g_hostname_is_ip_address (host))
    return TRUE;
  if (host[0] == '\0' || host[0] == '.' || strlen (host) > 253)
    return FALSE;
  for (const char *c = host; *c; c++) {
    if (!g_ascii_isalnum (*c) && !strchr ("-._", *c))
      return FALSE;
  }
  return TRUE;
}

static gboolean
read_scheme (QpSignalingUri *self, GUri *uri, GError **error)
{
  const char *scheme = g_uri_get_scheme (uri);

  self->tls = g_str_equal (scheme, QP_URI_SCHEME_TLS);
  if (!self->tls && !g_str_equal (scheme, QP_URI_SCHEME))
    return bad_uri (error, "The URI's scheme is unknown");
  return TRUE;
}

static gboolean
read_authority (QpSignalingUri *self, GUri *uri, GError **error)
{
  const char *host = g_uri_get_host (uri);
  int port = g_uri_get_port (uri);

  if (g_uri_get_userinfo (uri))
    return bad_uri (error, "The URI may not name a user or password");
  if (!host || host[0] == '\0')
    return bad_uri (error, "The URI names no host");
  /* NULL for what IDNA cannot write. */
  self->host = g_hostname_is_non_ascii (host) ? g_hostname_to_ascii (host)
                                              : g_strdup (host);
  if (!self->host || !is_host (self->host))
    return bad_uri (error, "The URI's host is not a valid name or address");
  if (port == 0 || port > 65535)
    return bad_uri (error, "The URI's port is not in 1 to 65535");
  self->port = port < 0 ? QP_URI_DEFAULT_PORT : port;
  return TRUE;
}

static gboolean
read_room (QpSignalingUri *self, GUri *uri, GError **error)
{
  g_autoptr (GError) cause = NULL;

  self->room = qp_signaling_room_from_path (g_uri_get_path (uri), &cause);
  return self->room || bad_uri (error, cause->message);
}

static gboolean
read_query (QpSignalingUri *self, GUri *uri, GError **error)
{
  const char *query = g_uri_get_query (uri);

  if (g_uri_get_fragment (uri))
    return bad_uri (error, "The URI may not have a fragment");
  if (query && query[0] != '\0')
    self->query = g_uri_parse_params (query, -1, "&", G_URI_PARAMS_NONE, NULL);
  else
    self->query = g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
        g_free);
  return self->query ||
      bad_uri (error, "The URI's query is not name=value&name=value");
}

QpSignalingUri *
qp_signaling_uri_parse (const char *string, GError **error)
{
  g_autoptr (QpSignalingUri) self = g_new0 (QpSignalingUri, 1);
  g_autoptr (GUri) uri = NULL;
  g_autoptr (GError) cause = NULL;

  if (strlen (string) > QP_URI_MAX_SIZE) {
    bad_uri (error, "The URI is longer than 2048 bytes");
    return NULL;
  }
  uri = g_uri_parse (string,
      G_URI_FLAGS_ENCODED_PATH | G_URI_FLAGS_ENCODED_QUERY, &cause);
  if (!uri) {
    g_autofree char *what = g_strconcat ("Not a URI: ", cause->message, NULL);

    bad_uri (error, what);
    return NULL;
  }
  if (!read_scheme (self, uri, error) || !read_authority (self, uri, error) ||
      !read_room (self, uri, error) || !read_query (self, uri, error))
    return NULL;
  return g_steal_pointer (&self);
}

void
qp_signaling_uri_free (QpSignalingUri *uri)
{
  if (!uri)
    return;
  g_free (uri->host);
  g_free (uri->room);
  g_clear_pointer (&uri->query, g_hash_table_unref);
  g_free (uri);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * quicp2p://host[:port]/room[?name=value&…], the URI that names a room of a
 * signaling server (quicp2ps:// for TLS). Pure; any thread.
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define QP_URI_SCHEME "quicp2p"
#define QP_URI_SCHEME_TLS "quicp2ps"
#define QP_URI_DEFAULT_PORT 8443
#define QP_URI_MAX_SIZE 2048

typedef struct {
  gboolean tls;
  char *host;        /* a name, or an IP literal without brackets */
  guint port;        /* 1 to 65535 */
  char *room;        /* decoded: 1 to 128 bytes of UTF-8 */
  GHashTable *query; /* char* → char*, decoded; empty if there is no query */
} QpSignalingUri;

/*
 * Returns: (transfer full): the parts of @uri, or NULL with
 * QP_SIGNALING_ERROR_BAD_URI and a sentence that says which part is wrong.
 * Whoever does not know a name in the query refuses it.
 */
QpSignalingUri *qp_signaling_uri_parse (const char *uri, GError **error);
void qp_signaling_uri_free (QpSignalingUri *uri);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (QpSignalingUri, qp_signaling_uri_free)

/*
 * The room that the path of a WebSocket URL ("/front%20door") names. A name is
 * 1 to 128 bytes of UTF-8 after decoding, without control characters; '/' may
 * be inside it, but not at either end and not twice in a row.
 *
 * Returns: (transfer full): the decoded name; NULL with QP_SIGNALING_ERROR_BAD_ROOM.
 */
char *qp_signaling_room_from_path (const char *path, GError **error);

/* The inverse. Returns: (transfer full): "/front%20door". */
char *qp_signaling_room_to_path (const char *room);

/* FALSE with QP_SIGNALING_ERROR_BAD_ROOM if @room (decoded) is no name of a room. */
gboolean qp_signaling_room_check (const char *room, GError **error);

G_END_DECLS

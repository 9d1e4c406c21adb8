/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A signaling server: the hub (hub.h) behind libsoup's HTTP and WebSocket
 * server. Used by the program quicp2p-signaling and, in process, by
 * run-signaling-server=true.
 *
 * Threads: it lives on the GMainContext that is thread-default when
 * qp_signaling_server_new() is called; call everything from the thread that
 * runs it.
 */

#pragma once

#include <gio/gio.h>

#include "signaling/hub.h"

G_BEGIN_DECLS

typedef struct _QpSignalingServer QpSignalingServer;

/* Copied by qp_signaling_server_new(). Zero or NULL means the default. */
typedef struct {
  const char *address; /* IP address to listen on; default all, IPv6 and IPv4 */
  guint port;          /* 0: any free one, see qp_signaling_server_get_port() */
  const char *certificate_file; /* PEM; with key_file: wss instead of ws */
  const char *key_file;         /* PEM */
  guint
      keepalive_seconds; /* WebSocket pings; three unanswered: gone; default 20 */
  guint max_queue_bytes; /* queued for one slow client, default 1 MiB */
  guint upgrade_seconds; /* until a connection is a WebSocket, default 10 */
  QpHubConfig hub;

  /* Readable lines, no secrets; nullable. */
  void (*log) (const char *line, gpointer user_data);
  gpointer user_data;
} QpSignalingServerConfig;

/*
 * Returns: (transfer full): a server that listens already, or NULL with
 * QP_SIGNALING_ERROR_IN_USE, _CONFIG (certificate, key, address or a limit is
 * wrong: the text names it and says what to do) or an error of G_IO_ERROR.
 */
QpSignalingServer *qp_signaling_server_new (
    const QpSignalingServerConfig *config, GError **error);

/* The port it listens on. */
guint qp_signaling_server_get_port (const QpSignalingServer *server);

/* Returns: (transfer full): such as "ws://[::]:8443" or "wss://192.0.2.1:8443". */
char *qp_signaling_server_get_uri (const QpSignalingServer *server);

/*
 * Stops listening, tells every client that it drains and closes with code 1001.
 * @done (nullable) is called once from the main context when the last client is
 * gone, 2 s from now at the latest.
 */
void qp_signaling_server_drain (QpSignalingServer *server, GSourceFunc done,
    gpointer user_data);

/* Stops at once: clients see a broken connection. No callback afterwards. */
void qp_signaling_server_free (QpSignalingServer *server);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (QpSignalingServer, qp_signaling_server_free)

/*
 * Reads a file of room secrets for QpHubConfig: a line ROOM:SECRET each, where
 * ROOM ends at the first ':' and * stands for all rooms without a line of their
 * own; empty lines and lines that start with # are skipped.
 *
 * Returns: FALSE with QP_SIGNALING_ERROR_CONFIG naming file and line.
 * @secrets: (out) (transfer full): char* → char*; @default_secret: (out)
 * (transfer full) (nullable).
 */
gboolean qp_signaling_secrets_load (const char *file, GHashTable **secrets,
    char **default_secret, GError **error);

G_END_DECLS

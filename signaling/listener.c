/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* See listener.h. */

#include "signaling/listener.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include "signaling/error.h"

#define BACKLOG 256

struct _QpListener {
  GSocketService *service;
  guint port;
  GTlsCertificate *certificate; /* nullable */
  guint max_connections;
  gsize max_bytes;
  guint upgrade_seconds;
  QpListenerFunc incoming;
  gpointer user_data;
  /* QpMeterStream * (not owned, leaves when it is finalized) → gint64 *: when
   * it is cut off, G_MAXINT64 once it may stay. */
  GHashTable *deadlines;
};

static void
on_stream_gone (gpointer user_data, GObject *stream)
{
  QpListener *listener = user_data;

  g_hash_table_remove (listener->deadlines, stream);
}

static void
track (QpListener *listener, QpMeterStream *stream)
{
  gint64 deadline = g_get_monotonic_time () +
      listener->upgrade_seconds * G_USEC_PER_SEC;

  g_object_weak_ref (G_OBJECT (stream), on_stream_gone, listener);
  g_hash_table_insert (listener->deadlines, stream,
      g_memdup2 (&deadline, sizeof deadline));
}

static GIOStream *
start_tls (QpListener *listener, GSocketConnection *connection)
{
  GIOStream *tls;

  if (!listener->certificate)
    return g_object_ref (G_IO_STREAM (connection));
  /* Cannot fail with a certificate; the handshake comes with the first read. */
  tls = g_tls_server_connection_new (G_IO_STREAM (connection),
      listener->certificate, NULL);
  if (tls)
    g_tls_connection_set_require_close_notify (G_TLS_CONNECTION (tls), FALSE);
  return tls;
}

static gboolean
on_incoming (GSocketService *service, GSocketConnection *connection,
    GObject *source, gpointer user_data)
{
  QpListener *listener = user_data;
  g_autoptr (GIOStream) base = NULL;
  g_autoptr (QpMeterStream) stream = NULL;
  g_autoptr (GSocketAddress)
      local = g_socket_connection_get_local_address (connection, NULL);
  g_autoptr (GSocketAddress)
      remote = g_socket_connection_get_remote_address (connection, NULL);

  /* Not even an error: answering is what an attacker has more of than we. */
  if (g_hash_table_size (listener->deadlines) >= listener->max_connections ||
      !local || !remote)
    return TRUE;
  g_socket_set_option (g_socket_connection_get_socket (connection), IPPROTO_TCP,
      TCP_NODELAY, 1, NULL);
  base = start_tls (listener, connection);
  if (!base)
    return TRUE;
  stream = qp_meter_stream_new (base, listener->max_bytes);
  track (listener, stream);
  listener->incoming (stream, local, remote, listener->user_data);
  return TRUE;
}

/* --- listening -------------------------------------------------------------- */

static void
listen_error (const QpListenerConfig *config, const GError *cause,
    GError **error)
{
  const char *address = config->address ? config->address : "all addresses";

  if (g_error_matches (cause, G_IO_ERROR, G_IO_ERROR_ADDRESS_IN_USE))
    g_set_error (error, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_IN_USE,
        "Cannot listen on port %u of %s: another program does. Stop it or "
        "choose another port",
        config->port, address);
  else if (g_error_matches (cause, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED))
    g_set_error (error, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_CONFIG,
        "Cannot listen on port %u of %s: not permitted. Choose a port over "
        "1023",
        config->port, address);
  else
    g_set_error (error, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_CONFIG,
        "Cannot listen on port %u of %s: %s", config->port, address,
        cause->message);
}

/* Returns the port, 0 with @error. */
static guint
listen_on_address (GSocketListener *sockets, const QpListenerConfig *config,
    GError **error)
{
  g_autoptr (GSocketAddress)
      address = g_inet_socket_address_new_from_string (config->address,
          config->port);
  g_autoptr (GSocketAddress) effective = NULL;

  if (!address) {
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
        "that is not an IP address");
    return 0;
  }
  if (!g_socket_listener_add_address (sockets, address, G_SOCKET_TYPE_STREAM,
          G_SOCKET_PROTOCOL_TCP, NULL, &effective, error))
    return 0;
  return g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (effective));
}

static guint
listen_on_all (GSocketListener *sockets, guint port, GError **error)
{
  if (port == 0)
    return g_socket_listener_add_any_inet_port (sockets, NULL, error);
  return g_socket_listener_add_inet_port (sockets, port, NULL, error) ? port
                                                                      : 0;
}

QpListener *
qp_listener_new (const QpListenerConfig *config, QpListenerFunc incoming,
    gpointer user_data, GError **error)
{
  g_autoptr (QpListener) listener = g_new0 (QpListener, 1);
  g_autoptr (GError) cause = NULL;
  GSocketListener *sockets;

  listener->service = g_socket_service_new ();
  listener->max_connections = config->max_connections;
  listener->max_bytes = config->max_bytes;
  listener->upgrade_seconds = config->upgrade_seconds;
  listener->incoming = incoming;
  listener->user_data = user_data;
  listener->deadlines = g_hash_table_new_full (NULL, NULL, NULL, g_free);
  g_set_object (&listener->certificate, config->certificate);
  sockets = G_SOCKET_LISTENER (listener->service);
  g_socket_listener_set_backlog (sockets, BACKLOG);
  g_signal_connect (listener->service, "incoming", G_CALLBACK (on_incoming),
      listener);
  listener->port = config->address
      ? listen_on_address (sockets, config, &cause)
      : listen_on_all (sockets, config->port, &cause);
  if (listener->port != 0)
    return g_steal_pointer (&listener);
  listen_error (config, cause, error);
  return NULL;
}

void
qp_listener_stop (QpListener *listener)
{
  g_socket_service_stop (listener->service);
  g_socket_listener_close (G_SOCKET_LISTENER (listener->service));
}

void
qp_listener_free (QpListener *listener)
{
  GHashTableIter iter;
  GObject *stream;

  if (!listener)
    return;
  g_signal_handlers_disconnect_by_data (listener->service, listener);
  qp_listener_stop (listener);
  g_object_unref (listener->service);
  g_hash_table_iter_init (&iter, listener->deadlines);
  while (g_hash_table_iter_next (&iter, (gpointer *) &stream, NULL))
    g_object_weak_unref (stream, on_stream_gone, listener);
  g_hash_table_unref (listener->deadlines);
  g_clear_object (&listener->certificate);
  g_free (listener);
}

guint
qp_listener_get_port (const QpListener *listener)
{
  return listener->port;
}

/* --- time ------------------------------------------------------------------- */

void
qp_listener_keep (QpListener *listener, QpMeterStream *stream)
{
  gint64 *deadline = g_hash_table_lookup (listener->deadlines, stream);

  if (deadline)
    *deadline = G_MAXINT64;
}

void
qp_listener_advance (QpListener *listener, gint64 now)
{
  GHashTableIter iter;
  QpMeterStream *stream;
  gint64 *deadline;

  g_hash_table_iter_init (&iter, listener->deadlines);
  while (g_hash_table_iter_next (&iter, (gpointer *) &stream,
      (gpointer *) &deadline)) {
    GIOStream *base = qp_meter_stream_get_base (stream);
    GIOStream *connection = NULL;

    if (*deadline > now)
      continue;
    /* Reading now ends, at which libsoup lets go of it. */
    if (G_IS_TLS_CONNECTION (base))
      g_object_get (base, "base-io-stream", &connection, NULL);
    else
      connection = g_object_ref (base);
    g_socket_shutdown (
        g_socket_connection_get_socket (G_SOCKET_CONNECTION (connection)), TRUE,
        TRUE, NULL);
    g_object_unref (connection);
  }
}

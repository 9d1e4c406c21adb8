/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The hub on libsoup's server; see server.h. It answers for sockets: upgrading,
 * bounded queues towards slow clients, clients that went silent, draining. Every
 * rule about what a client may say is the hub's.
 */

#include "signaling/server.h"

#include <libsoup/soup.h>

#include "signaling/listener.h"
#include "signaling/outbox.h"

#define DRAIN_SECONDS 2
/* A client that does not answer our close is cut off after this. */
#define CLOSE_TIMEOUT (2 * G_USEC_PER_SEC)
#define DEFAULT_KEEPALIVE_SECONDS 20
#define UNANSWERED_KEEPALIVES 3
#define DEFAULT_UPGRADE_SECONDS 10
#define DEFAULT_QUEUE_BYTES (1024 * 1024)
#define HTTP_UPGRADE_REQUIRED 426
#define MAPPED "::ffff:"
/* Larger frames libsoup cuts off without a word that arrives; those between the
 * hub's limit and this one are answered with an error. */
#define MAX_FRAME (4 * QP_MESSAGE_MAX_SIZE)
/* Of a message in fragments, or of HTTP. */
#define MAX_UNFINISHED (2 * MAX_FRAME)
/* As in the hub; the spare ones hear from it why they are refused. */
#define DEFAULT_MAX_CONNECTIONS 4096
#define SPARE_CONNECTIONS 64

typedef struct {
  QpSignalingServer *server;
  guint64 number; /* key in server->clients, known to the hub */
  SoupWebsocketConnection *websocket;
  QpOutbox *outbox;
  QpMeterStream *meter;
  gint64 heard;      /* when anything last came from it */
  gint64 abort_at;   /* when it is cut off; G_MAXINT64 while it is open */
  gboolean too_slow; /* its queue ran over; the next tick drops it */
  gboolean broken;   /* while the hub was sending: on_settle() tells it */
  gboolean closed;   /* likewise, and there is no more to come */
} Client;

struct _QpSignalingServer {
  SoupServer *soup;
  QpListener *listener;
  QpHub *hub;
  GHashTable *clients; /* guint64 * number → Client, owned */
  guint64 last_number;
  char *address; /* nullable */
  gboolean tls;
  guint keepalive_seconds;
  guint max_queue_bytes;
  GSource *tick;
  guint sending;   /* depth of calls out of the hub, which is not reentrant */
  GSource *settle; /* on_settle() is to run */
  void (*log) (const char *line, gpointer user_data);
  gpointer user_data;

  /* draining */
  gint64 drained_at; /* the latest; 0 while not draining */
  GSourceFunc drained;
  gpointer drained_data;
};

/* --- clients ----------------------------------------------------------------- */

static void
client_free (Client *client)
{
  g_signal_handlers_disconnect_by_data (client->websocket, client);
  qp_outbox_free (client->outbox);
  g_object_unref (client->meter);
  g_object_unref (client->websocket);
  g_free (client);
}

static void
check_drained (QpSignalingServer *server)
{
  GSourceFunc drained = server->drained;

  if (!drained || server->drained_at == 0)
    return;
  if (g_hash_table_size (server->clients) > 0 &&
      g_get_monotonic_time () < server->drained_at)
    return;
  server->drained = NULL;
  drained (server->drained_data);
}

static void
on_message (SoupWebsocketConnection *websocket, SoupWebsocketDataType type,
    GBytes *message, Client *client)
{
  gint64 now = g_get_monotonic_time ();
  gsize size;
  const char *data = g_bytes_get_data (message, &size);

  client->heard = now;
  /* Not upon a pong: those may come between the fragments of a message. */
  qp_meter_stream_restart (client->meter);
  if (type == SOUP_WEBSOCKET_DATA_TEXT) {
    qp_hub_received (client->server->hub, client->number, data ? data : "",
        size, now);
  } else {
    g_autoptr (GError) why = g_error_new_literal (QP_SIGNALING_ERROR,
        QP_SIGNALING_ERROR_BAD_MESSAGE,
        "Binary messages are not accepted, only text");

    qp_hub_refuse (client->server->hub, client->number, why, now);
  }
}

static void
on_pong (SoupWebsocketConnection *websocket, GBytes *message, Client *client)
{
  client->heard = g_get_monotonic_time ();
}

static void
clear_source (GSource **source)
{
  if (!*source)
    return;
  g_source_destroy (*source);
  g_source_unref (*source);
  *source = NULL;
}

/* Tells the hub what broke while it was sending. */
static gboolean
on_settle (gpointer user_data)
{
  QpSignalingServer *server = user_data;
  gint64 now = g_get_monotonic_time ();
  GHashTableIter iter;
  gpointer value;

  clear_source (&server->settle);
  /* What breaks meanwhile waits for another turn, so that nothing is removed
   * behind the iterator's back. */
  server->sending++;
  g_hash_table_iter_init (&iter, server->clients);
  while (g_hash_table_iter_next (&iter, NULL, &value)) {
    Client *client = value;
    gboolean closed = client->closed;

    if (!client->broken)
      continue;
    client->broken = FALSE;
    qp_hub_disconnected (server->hub, client->number, now);
    if (closed)
      g_hash_table_iter_remove (&iter);
  }
  server->sending--;
  return G_SOURCE_REMOVE;
}

/* Sending finds out that a connection is broken, and libsoup says so in the
 * middle of it: neither the hub nor the outbox is ready to lose it then. */
static gboolean
settle_later (Client *client, gboolean closed)
{
  QpSignalingServer *server = client->server;

  if (server->sending == 0)
    return FALSE;
  client->broken = TRUE;
  client->closed |= closed;
  if (!server->settle) {
    server->settle = g_idle_source_new ();
    g_source_set_priority (server->settle, G_PRIORITY_HIGH);
    g_source_set_callback (server->settle, on_settle, server, NULL);
    g_source_attach (server->settle, g_main_context_get_thread_default ());
  }
  return TRUE;
}

/* As soon as a connection breaks or begins to close, what is meant for its
 * member shall wait in the mailbox. */
static void
on_state (SoupWebsocketConnection *websocket, GParamSpec *property,
    Client *client)
{
  if (client->abort_at == G_MAXINT64 &&
      soup_websocket_connection_get_state (websocket) !=
          SOUP_WEBSOCKET_STATE_OPEN &&
      !settle_later (client, FALSE))
    qp_hub_disconnected (client->server->hub, client->number,
        g_get_monotonic_time ());
}

static void
on_closed (SoupWebsocketConnection *websocket, Client *client)
{
  QpSignalingServer *server = client->server;

  if (settle_later (client, TRUE))
    return;
  qp_hub_disconnected (server->hub, client->number, g_get_monotonic_time ());
  g_hash_table_remove (server->clients, &client->number);
}

static void
refuse (QpSignalingServer *server, SoupWebsocketConnection *websocket,
    const GError *why)
{
  g_autoptr (QpMessage) message = qp_message_new (QP_MESSAGE_ERROR);
  g_autofree char *json = NULL;
  const char *code = qp_signaling_error_to_string (why->code);

  message->code = g_strdup (code);
  message->text = g_strdup (why->message);
  json = qp_message_to_json (message);
  soup_websocket_connection_send_text (websocket, json);
  soup_websocket_connection_close (websocket,
      why->code == QP_SIGNALING_ERROR_BAD_ROOM ? QP_HUB_CLOSE_POLICY
                                               : QP_HUB_CLOSE_TRY_LATER,
      code);
}

/* (transfer full): libsoup has put its own wrapper around the stream that it was
 * given; the type of that is private. */
static QpMeterStream *
find_meter (SoupWebsocketConnection *websocket)
{
  GIOStream *wrapper = soup_websocket_connection_get_io_stream (websocket);
  GIOStream *stream = NULL;

  if (QP_IS_METER_STREAM (wrapper))
    return g_object_ref (QP_METER_STREAM (wrapper));
  g_object_get (wrapper, "base-iostream", &stream, NULL);
  return QP_METER_STREAM (stream);
}

/* One client has one address, whether the socket is IPv4 or both. */
static const char *
printable_address (SoupServerMessage *message)
{
  const char *address = soup_server_message_get_remote_host (message);

  if (!address)
    return "an unknown address";
  return g_str_has_prefix (address, MAPPED) ? address + strlen (MAPPED)
                                            : address;
}

static void
on_websocket (SoupServer *soup, SoupServerMessage *message, const char *path,
    SoupWebsocketConnection *websocket, gpointer user_data)
{
  QpSignalingServer *server = user_data;
  const char *address = printable_address (message);
  gint64 now = g_get_monotonic_time ();
  guint64 number = ++server->last_number;
  g_autoptr (GError) why = NULL;
  Client *client;

  soup_websocket_connection_set_max_incoming_payload_size (websocket,
      MAX_FRAME);

  client = g_new0 (Client, 1);
  client->server = server;
  client->number = number;
  client->websocket = g_object_ref (websocket);
  client->outbox = qp_outbox_new (websocket, server->max_queue_bytes);
  client->meter = find_meter (websocket);
  qp_listener_keep (server->listener, client->meter);
  client->heard = now;
  client->abort_at = G_MAXINT64;
  g_hash_table_insert (server->clients, &client->number, client);
  g_signal_connect (websocket, "closed", G_CALLBACK (on_closed), client);

  if (!qp_hub_connected (server->hub, number, path, address, now, &why)) {
    refuse (server, websocket, why);
    client->abort_at = now + CLOSE_TIMEOUT;
    return;
  }
  soup_websocket_connection_set_keepalive_interval (websocket,
      server->keepalive_seconds);
  g_signal_connect (websocket, "message", G_CALLBACK (on_message), client);
  g_signal_connect (websocket, "notify::state", G_CALLBACK (on_state), client);
  g_signal_connect (websocket, "pong", G_CALLBACK (on_pong), client);
}

/* --- the hub's callbacks ----------------------------------------------------- */

static void
hub_send (guint64 number, const char *text, gsize size, gpointer user_data)
{
  QpSignalingServer *server = user_data;
  Client *client = g_hash_table_lookup (server->clients, &number);

  /* The hub is in the middle of something: the tick tells it. */
  if (!client || client->too_slow)
    return;
  server->sending++;
  client->too_slow = !qp_outbox_send (client->outbox, text, size);
  server->sending--;
}

static void
hub_close (guint64 number, guint code, const char *reason, gpointer user_data)
{
  QpSignalingServer *server = user_data;
  Client *client = g_hash_table_lookup (server->clients, &number);

  if (!client)
    return;
  client->abort_at = g_get_monotonic_time () + CLOSE_TIMEOUT;
  server->sending++;
  qp_outbox_close (client->outbox, code, reason);
  server->sending--;
}

static void
hub_log (const char *line, gpointer user_data)
{
  QpSignalingServer *server = user_data;

  if (server->log)
    server->log (line, server->user_data);
}

static gint64
hub_unix_time (gpointer user_data)
{
  return g_get_real_time () / G_USEC_PER_SEC;
}

static const QpHubCallbacks hub_callbacks = {
  .send = hub_send,
  .close = hub_close,
  .log = hub_log,
  .unix_time = hub_unix_time,
};

/* --- time -------------------------------------------------------------------- */

static void
check_client (QpSignalingServer *server, Client *client, gint64 now)
{
  gint64 patience = (gint64) server->keepalive_seconds * UNANSWERED_KEEPALIVES *
      G_USEC_PER_SEC;

  if (client->too_slow && client->abort_at == G_MAXINT64) {
    g_autoptr (GError)
        why = g_error_new (QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_TOO_SLOW,
            "It does not read: more than %u bytes are waiting for it",
            server->max_queue_bytes);

    qp_hub_refuse (server->hub, client->number, why, now);
    client->abort_at = now;
  } else if (client->abort_at == G_MAXINT64 && now - client->heard > patience) {
    qp_hub_disconnected (server->hub, client->number, now);
    client->abort_at = now;
  }
  if (client->abort_at <= now)
    qp_outbox_abort (client->outbox);
}

static gboolean
on_tick (gpointer user_data)
{
  QpSignalingServer *server = user_data;
  g_autoptr (GList) clients = g_hash_table_get_values (server->clients);
  gint64 now = g_get_monotonic_time ();

  /* Nothing below removes a client: libsoup tells of a close from its own
   * source. */
  for (GList *item = clients; item; item = item->next)
    check_client (server, item->data, now);
  qp_hub_advance (server->hub, now);
  qp_listener_advance (server->listener, now);
  check_drained (server);
  return G_SOURCE_CONTINUE;
}

static void
start_tick (QpSignalingServer *server, guint interval_ms)
{
  clear_source (&server->tick);
  server->tick = g_timeout_source_new (interval_ms);
  g_source_set_callback (server->tick, on_tick, server, NULL);
  g_source_attach (server->tick, g_main_context_get_thread_default ());
}

/* --- HTTP -------------------------------------------------------------------- */

static void
on_request (SoupServer *soup, SoupServerMessage *message, const char *path,
    GHashTable *query, gpointer user_data)
{
  const char *method = soup_server_message_get_method (message);
  const char *text;
  guint status = SOUP_STATUS_OK;

  /* A status set here would keep libsoup from upgrading. */
  if (soup_message_headers_header_contains (
          soup_server_message_get_request_headers (message), "Upgrade",
          "websocket"))
    return;

  /* Left to libsoup, which upgrades a request that no handler answered. */
  if (soup_message_headers_header_contains (
          soup_server_message_get_request_headers (message), "Upgrade",
          "websocket"))
    return;
  if (method != SOUP_METHOD_GET && method != SOUP_METHOD_HEAD) {
    soup_server_message_set_status (message, SOUP_STATUS_METHOD_NOT_ALLOWED,
        NULL);
    return;
  }
  if (g_str_equal (path, "/healthz")) {
    text = "ok\n";
  } else if (g_str_equal (path, "/")) {
    text = "This is a quicp2p signaling server. Join a room with "
           "quicp2psrc uri=quicp2p://host:port/room\n";
  } else {
    status = HTTP_UPGRADE_REQUIRED;
    text = "A room is joined by WebSocket.\n";
    soup_message_headers_replace (
        soup_server_message_get_response_headers (message), "Upgrade",
        "websocket");
  }
  soup_server_message_set_status (message, status, NULL);
  soup_server_message_set_response (message, "text/plain; charset=utf-8",
      SOUP_MEMORY_STATIC, text, strlen (text));
}

/* --- construction ------------------------------------------------------------ */

static gboolean
load_certificate (const QpSignalingServerConfig *config,
    GTlsCertificate **certificate, GError **error)
{
  g_autoptr (GError) cause = NULL;

  *certificate = NULL;
  if (!config->certificate_file && !config->key_file)
    return TRUE;
  if (!config->certificate_file || !config->key_file) {
    g_set_error_literal (error, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_CONFIG,
        "TLS needs both a certificate and its key, as two PEM files");
    return FALSE;
  }
  *certificate = g_tls_certificate_new_from_files (config->certificate_file,
      config->key_file, &cause);
  if (*certificate)
    return TRUE;
  g_set_error (error, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_CONFIG,
      "Cannot use the certificate %s with the key %s: %s. Both must be readable PEM files",
      config->certificate_file, config->key_file, cause->message);
  return FALSE;
}

static void
on_incoming (QpMeterStream *stream, GSocketAddress *local,
    GSocketAddress *remote, gpointer user_data)
{
  QpSignalingServer *server = user_data;
  g_autoptr (GError) error = NULL;

  if (!soup_server_accept_iostream (server->soup, G_IO_STREAM (stream), local,
          remote, &error))
    hub_log (error->message, server);
}

static gboolean
start_listening (QpSignalingServer *server,
    const QpSignalingServerConfig *config, GTlsCertificate *certificate,
    GError **error)
{
  guint n = config->hub.max_connections ? config->hub.max_connections
                                        : DEFAULT_MAX_CONNECTIONS;
  QpListenerConfig listener = { .address = config->address,
    .port = config->port,
    .certificate = certificate,
    .max_connections = n + SPARE_CONNECTIONS,
    .max_bytes = MAX_UNFINISHED,
    .upgrade_seconds = config->upgrade_seconds ? config->upgrade_seconds
                                               : DEFAULT_UPGRADE_SECONDS };

  server->listener = qp_listener_new (&listener, on_incoming, server, error);
  return server->listener != NULL;
}

QpSignalingServer *
qp_signaling_server_new (const QpSignalingServerConfig *config, GError **error)
{
  g_autoptr (QpSignalingServer) server = NULL;
  g_autoptr (GTlsCertificate) certificate = NULL;

  if (config->port > 65535) {
    g_set_error (error, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_CONFIG,
        "Port %u is not in 0 to 65535", config->port);
    return NULL;
  }
  if (!load_certificate (config, &certificate, error))
    return NULL;

  server = g_new0 (QpSignalingServer, 1);
  server->log = config->log;
  server->user_data = config->user_data;
  server->address = g_strdup (config->address);
  server->tls = certificate != NULL;
  server->keepalive_seconds = config->keepalive_seconds
      ? config->keepalive_seconds
      : DEFAULT_KEEPALIVE_SECONDS;
  server->max_queue_bytes = config->max_queue_bytes ? config->max_queue_bytes
                                                    : DEFAULT_QUEUE_BYTES;
  server->clients = g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL,
      (GDestroyNotify) client_free);
  server->hub = qp_hub_new (&config->hub, &hub_callbacks, server, error);
  if (!server->hub)
    return NULL;

  server->soup = soup_server_new ("server-header", "quicp2p-signaling",
      "raw-paths", TRUE, NULL);
  /* Compression would only add memory per connection and a way to attack it. */
  soup_server_remove_websocket_extension (server->soup,
      SOUP_TYPE_WEBSOCKET_EXTENSION_DEFLATE);
  soup_server_add_handler (server->soup, "/", on_request, server, NULL);
  soup_server_add_websocket_handler (server->soup, "/", NULL, NULL,
      on_websocket, server, NULL);
  if (!start_listening (server, config, certificate, error))
    return NULL;
  start_tick (server, 1000);
  return g_steal_pointer (&server);
}

guint
qp_signaling_server_get_port (const QpSignalingServer *server)
{
  return qp_listener_get_port (server->listener);
}

char *
qp_signaling_server_get_uri (const QpSignalingServer *server)
{
  const char *address = server->address ? server->address : "::";
  gboolean v6 = strchr (address, ':') != NULL;

  return g_strdup_printf ("%s://%s%s%s:%u", server->tls ? "wss" : "ws",
      v6 ? "[" : "", address, v6 ? "]" : "",
      qp_listener_get_port (server->listener));
}

void
qp_signaling_server_drain (QpSignalingServer *server, GSourceFunc done,
    gpointer user_data)
{
  gint64 now = g_get_monotonic_time ();

  server->drained = done;
  server->drained_data = user_data;
  if (server->drained_at != 0)
    return;
  server->drained_at = now + DRAIN_SECONDS * G_USEC_PER_SEC;
  qp_listener_stop (server->listener);
  qp_hub_drain (server->hub, now);
  start_tick (server, 20);
}

void
qp_signaling_server_free (QpSignalingServer *server)
{
  if (!server)
    return;
  clear_source (&server->tick);
  if (server->soup) {
    soup_server_disconnect (server->soup);
    soup_server_remove_handler (server->soup, "/");
    g_object_unref (server->soup);
  }
  g_hash_table_unref (server->clients);
  qp_listener_free (server->listener);
  clear_source (&server->settle);
  qp_hub_free (server->hub);
  g_free (server->address);
  g_free (server);
}

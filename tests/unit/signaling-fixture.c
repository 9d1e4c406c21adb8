/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* See signaling-fixture.h. */

#include "signaling-fixture.h"

#include <string.h>
#include <sys/socket.h>

#define PATIENCE_US (20 * G_USEC_PER_SEC)

GString *server_log;

/* --- waiting ----------------------------------------------------------------- */

static gboolean
on_wake (gpointer user_data)
{
  return G_SOURCE_CONTINUE;
}

typedef gboolean (*Condition) (gconstpointer data, int value);

static void
wait_until (Condition condition, gconstpointer data, int value,
    const char *what)
{
  gint64 end = g_get_monotonic_time () + PATIENCE_US;
  guint wake = g_timeout_add (20, on_wake, NULL);

  while (!condition (data, value)) {
    if (g_get_monotonic_time () > end)
      g_error ("waited in vain for %s; the server's log:\n%s", what,
          server_log ? server_log->str : "");
    g_main_context_iteration (NULL, TRUE);
  }
  g_source_remove (wake);
}

static gboolean
is_set (gconstpointer data, int value)
{
  return *(const gboolean *) data;
}

void
wait_for (const gboolean *flag, const char *what)
{
  wait_until (is_set, flag, 0, what);
}

static gboolean
is_past (gconstpointer data, int value)
{
  return g_get_monotonic_time () >= *(const gint64 *) data;
}

void
run_for (guint ms)
{
  gint64 end = g_get_monotonic_time () + (gint64) ms * 1000;

  wait_until (is_past, &end, 0, "time to pass");
}

/* --- members ----------------------------------------------------------------- */

static void
on_state (QpSignalingClient *client, QpSignalingState state, const GError *why,
    gpointer user_data)
{
  Peer *peer = user_data;

  g_assert_true ((why != NULL) ==
      (state == QP_SIGNALING_WAITING || state == QP_SIGNALING_FAILED));
  g_assert_cmpint (qp_signaling_client_get_state (client), ==, state);
  g_array_append_val (peer->states, state);
  if (why) {
    g_clear_error (&peer->why);
    peer->why = g_error_copy (why);
  }
  if (state == QP_SIGNALING_JOINED)
    peer->n_joined++;
}

static void
on_message (QpSignalingClient *client, const QpMessage *message,
    gpointer user_data)
{
  Peer *peer = user_data;

  g_ptr_array_add (peer->messages, qp_message_copy (message));
}

Peer *
peer_new (const QpSignalingClientConfig *given)
{
  static const QpSignalingClientCallbacks callbacks = { on_state, on_message };
  QpSignalingClientConfig config = *given;
  Peer *peer = g_new0 (Peer, 1);
  g_autoptr (GError) error = NULL;

  if (!config.host)
    config.host = "127.0.0.1";
  if (!config.room)
    config.room = "door";
  peer->messages =
      g_ptr_array_new_with_free_func ((GDestroyNotify) qp_message_free);
  peer->states = g_array_new (FALSE, FALSE, sizeof (QpSignalingState));
  peer->client = qp_signaling_client_new (&config, &callbacks, peer, &error);
  g_assert_no_error (error);
  qp_signaling_client_start (peer->client);
  return peer;
}

Peer *
peer_join (guint port, const char *token)
{
  QpSignalingClientConfig config = { .port = port,
    .token = token,
    .consumes = TRUE };
  Peer *peer = peer_new (&config);

  peer_wait_message (peer, QP_MESSAGE_JOINED);
  return peer;
}

void
peer_free (Peer *peer)
{
  qp_signaling_client_free (peer->client);
  g_ptr_array_unref (peer->messages);
  g_array_unref (peer->states);
  g_clear_error (&peer->why);
  g_free (peer);
}

const QpMessage *
peer_find (const Peer *peer, QpMessageType type)
{
  for (guint i = peer->messages->len; i > 0; i--) {
    const QpMessage *message = peer->messages->pdata[i - 1];

    if (message->type == type)
      return message;
  }
  return NULL;
}

static gboolean
is_in_state (gconstpointer data, int value)
{
  const Peer *peer = data;

  return (int) qp_signaling_client_get_state (peer->client) == value;
}

void
peer_wait_state (Peer *peer, QpSignalingState state)
{
  wait_until (is_in_state, peer, state, qp_signaling_state_to_string (state));
}

static gboolean
has_why (gconstpointer data, int value)
{
  return g_error_matches (((const Peer *) data)->why, QP_SIGNALING_ERROR,
      value);
}

void
peer_wait_why (Peer *peer, QpSignalingError why)
{
  wait_until (has_why, peer, (int) why, qp_signaling_error_to_string (why));
}

static gboolean
has_message (gconstpointer data, int value)
{
  return peer_find (data, value) != NULL;
}

const QpMessage *
peer_wait_message (Peer *peer, QpMessageType type)
{
  wait_until (has_message, peer, type, qp_message_type_to_string (type));
  return peer_find (peer, type);
}

void
peer_forget (Peer *peer)
{
  g_ptr_array_set_size (peer->messages, 0);
  g_array_set_size (peer->states, 0);
  g_clear_error (&peer->why);
}

GError *
try_port (guint port, gboolean tls, const char *ca_file, const char *host,
    guint timeout_ms)
{
  QpSignalingClientConfig config = { .host = host,
    .port = port,
    .token = TOKEN_A,
    .tls = tls,
    .ca_file = ca_file,
    .connect_timeout_ms = timeout_ms };
  g_autoptr (Peer) peer = peer_new (&config);

  peer_wait_state (peer, QP_SIGNALING_WAITING);
  g_test_message ("%s", peer->why->message);
  return g_steal_pointer (&peer->why);
}

QpMessage *
new_offer (const char *to)
{
  QpMessage *offer = qp_message_new (QP_MESSAGE_OFFER);

  offer->to = g_strdup (to);
  offer->call = g_strdup ("00112233445566778899aabbccddeeff");
  offer->fingerprint =
      g_strdup ("sha-256 "
                "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:"
                "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF");
  offer->ufrag = g_strdup ("abcd");
  offer->password = g_strdup ("0123456789012345678901");
  offer->path = 1;
  return offer;
}

/* --- the server -------------------------------------------------------------- */

static void
on_log (const char *line, gpointer user_data)
{
  g_string_append_printf (server_log, "%s\n", line);
}

QpSignalingServer *
start_server (QpSignalingServerConfig config)
{
  g_autoptr (GError) error = NULL;
  QpSignalingServer *server;

  if (!server_log)
    server_log = g_string_new (NULL);
  g_string_truncate (server_log, 0);
  if (!config.address)
    config.address = "127.0.0.1";
  config.log = on_log;
  server = qp_signaling_server_new (&config, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (qp_signaling_server_get_port (server), !=, 0);
  return server;
}

/* --- WebSockets without our client -------------------------------------------- */

static void
on_raw_message (SoupWebsocketConnection *websocket, SoupWebsocketDataType type,
    GBytes *bytes, RawClient *raw)
{
  gsize size;
  const char *data = g_bytes_get_data (bytes, &size);

  g_assert_cmpint (type, ==, SOUP_WEBSOCKET_DATA_TEXT);
  g_ptr_array_add (raw->texts, g_strndup (data, size));
}

static void
on_raw_closed (SoupWebsocketConnection *websocket, RawClient *raw)
{
  raw->closed = TRUE;
}

static void
on_raw_connected (GObject *session, GAsyncResult *result, gpointer user_data)
{
  RawClient *raw = user_data;
  g_autoptr (GError) error = NULL;

  raw->websocket =
      soup_session_websocket_connect_finish (SOUP_SESSION (session), result,
          &error);
  g_assert_no_error (error);
  soup_websocket_connection_set_max_incoming_payload_size (raw->websocket, 0);
  g_signal_connect (raw->websocket, "message", G_CALLBACK (on_raw_message),
      raw);
  g_signal_connect (raw->websocket, "closed", G_CALLBACK (on_raw_closed), raw);
}

static gboolean
has_websocket (gconstpointer data, int value)
{
  return ((const RawClient *) data)->websocket != NULL;
}

RawClient *
raw_client_new (guint port, const char *path)
{
  RawClient *raw = g_new0 (RawClient, 1);
  g_autofree char *uri = g_strdup_printf ("ws://127.0.0.1:%u%s", port, path);
  g_autoptr (SoupMessage) request = soup_message_new ("GET", uri);

  raw->texts = g_ptr_array_new_with_free_func (g_free);
  raw->session = soup_session_new ();
  soup_session_websocket_connect_async (raw->session, request, NULL, NULL,
      G_PRIORITY_DEFAULT, NULL, on_raw_connected, raw);
  wait_until (has_websocket, raw, 0, "the upgrade");
  return raw;
}

void
raw_client_send (RawClient *raw, const char *text)
{
  soup_websocket_connection_send_text (raw->websocket, text);
}

static int
find_text (const RawClient *raw, const char *prefix)
{
  for (guint i = 0; i < raw->texts->len; i++) {
    if (g_str_has_prefix (raw->texts->pdata[i], prefix))
      return i;
  }
  return -1;
}

typedef struct {
  const RawClient *raw;
  const char *prefix;
} Expected;

static gboolean
has_text (gconstpointer data, int value)
{
  const Expected *expected = data;

  return find_text (expected->raw, expected->prefix) >= 0;
}

const char *
raw_client_wait_text (RawClient *raw, const char *prefix)
{
  Expected expected = { raw, prefix };

  wait_until (has_text, &expected, 0, prefix);
  return raw->texts->pdata[find_text (raw, prefix)];
}

void
raw_client_free (RawClient *raw)
{
  g_signal_handlers_disconnect_by_data (raw->websocket, raw);
  g_object_unref (raw->websocket);
  g_object_unref (raw->session);
  g_ptr_array_unref (raw->texts);
  g_free (raw);
}

static gboolean
is_readable (gconstpointer data, int value)
{
  GSocketConnection *deaf = (GSocketConnection *) data;
  GSocket *socket = g_socket_connection_get_socket (deaf);

  return g_socket_condition_check (socket, G_IO_IN) != 0;
}

GSocketConnection *
tcp_client_new (guint port)
{
  g_autoptr (GSocket) socket = g_socket_new (G_SOCKET_FAMILY_IPV4,
      G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL);
  g_autoptr (GSocketAddress)
      address = g_inet_socket_address_new_from_string ("127.0.0.1", port);
  g_autoptr (GError) error = NULL;
  GSocketConnection *client;

  /* So that little fits on the way. */
  g_socket_set_option (socket, SOL_SOCKET, SO_RCVBUF, 4096, NULL);
  client = g_socket_connection_factory_create_connection (socket);
  g_socket_connection_connect (client, address, NULL, &error);
  g_assert_no_error (error);
  return client;
}

gboolean
tcp_client_write (GSocketConnection *client, const void *data, gsize size)
{
  GSocket *socket = g_socket_connection_get_socket (client);

  while (size > 0) {
    g_autoptr (GError) error = NULL;
    gssize n = g_socket_send_with_blocking (socket, data, size, FALSE, NULL,
        &error);

    if (n < 0 && !g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
      return FALSE;
    data = (const char *) data + MAX (n, 0);
    size -= MAX (n, 0);
    /* The server runs in this thread. */
    g_main_context_iteration (NULL, FALSE);
  }
  return TRUE;
}

void
tcp_client_wait_end (GSocketConnection *client)
{
  GSocket *socket = g_socket_connection_get_socket (client);
  char buffer[512];

  do {
    wait_until (is_readable, client, 0, "the end of a connection");
  } while (g_socket_receive (socket, buffer, sizeof buffer, NULL, NULL) > 0);
}

GSocketConnection *
deaf_client_new (guint port, const char *path)
{
  g_autofree char *request =
      g_strdup_printf ("GET %s HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
                       "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                       "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
          path);
  GSocketConnection *deaf = tcp_client_new (port);
  GSocket *socket = g_socket_connection_get_socket (deaf);
  char response[16];

  g_assert_true (tcp_client_write (deaf, request, strlen (request)));
  wait_until (is_readable, deaf, 0, "the upgrade");
  g_assert_cmpint (g_socket_receive (socket, response, sizeof response, NULL,
                       NULL),
      >, 0);
  g_assert_true (memcmp (response, "HTTP/1.1 101", 12) == 0);
  return deaf;
}

void
deaf_client_send (GSocketConnection *deaf, const char *text)
{
  guint8 size = strlen (text);
  guint8 header[8] = { 0x81, 0x80 | MIN (size, 126) };
  g_autoptr (GByteArray) frame = g_byte_array_new ();

  g_assert_cmpuint (strlen (text), <, 256);
  /* The mask is all zero, so that the payload goes as it is. */
  header[3] = size < 126 ? 0 : size;
  g_byte_array_append (frame, header, size < 126 ? 6 : 8);
  g_byte_array_append (frame, (const guint8 *) text, size);
  g_assert_true (tcp_client_write (deaf, frame->data, frame->len));
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The signaling server and client on real sockets of the loopback interface:
 * meeting, restarts, draining, secrets, slow and hostile clients.
 */

#include "signaling-fixture.h"

#include <string.h>

/* ms; never waited for unless something is wrong. */
#define PATIENT 8000

static const QpSignalingServerConfig plain = { 0 };

#define JOIN_A                                            \
  "{\"type\":\"join\",\"version\":1,\"token\":\"" TOKEN_A \
  "\",\"produces\":true,\"consumes\":false}"

/* --- members ----------------------------------------------------------------- */

static void
test_meet (void)
{
  g_autoptr (QpSignalingServer) server = start_server (plain);
  guint port = qp_signaling_server_get_port (server);
  g_autoptr (Peer) a = peer_join (port, TOKEN_A);
  g_autoptr (Peer) b = peer_join (port, TOKEN_B);
  const char *id_a = qp_signaling_client_get_id (a->client);
  const char *id_b = qp_signaling_client_get_id (b->client);
  g_autoptr (QpMessage) offer = new_offer (id_a);
  g_autoptr (QpMessage) lost = new_offer ("00000000000000000000000000000000");
  const QpMessage *message;
  const QpPeerInfo *info;

  message = peer_find (a, QP_MESSAGE_JOINED);
  g_assert_cmpstr (message->id, ==, id_a);
  g_assert_cmpstr (message->room, ==, "door");
  g_assert_cmpuint (message->peers->len, ==, 0);
  message = peer_find (b, QP_MESSAGE_JOINED);
  g_assert_cmpuint (message->peers->len, ==, 1);
  info = message->peers->pdata[0];
  g_assert_cmpstr (info->id, ==, id_a);
  g_assert_true (info->consumes && !info->produces && !info->away);
  message = peer_wait_message (a, QP_MESSAGE_PEER_JOINED);
  g_assert_cmpstr (message->peer->id, ==, id_b);

  g_assert_true (qp_signaling_client_send (b->client, offer));
  message = peer_wait_message (a, QP_MESSAGE_OFFER);
  g_assert_cmpstr (message->from, ==, id_b);
  g_assert_null (message->to);
  g_assert_cmpstr (message->fingerprint, ==, offer->fingerprint);

  g_assert_true (qp_signaling_client_send (b->client, lost));
  message = peer_wait_message (b, QP_MESSAGE_ERROR);
  g_assert_cmpstr (message->code, ==, "no-such-peer");
  g_assert_cmpstr (message->call, ==, lost->call);
  g_assert_cmpint (qp_signaling_client_get_state (b->client), ==,
      QP_SIGNALING_JOINED);

  g_clear_pointer (&b, peer_free);
  message = peer_wait_message (a, QP_MESSAGE_PEER_LEFT);
  g_assert_cmpstr (message->reason, ==, "left");
  /* The room's log has no token in it. */
  g_assert_null (strstr (server_log->str, TOKEN_A));
}

static gboolean
on_done (gpointer user_data)
{
  *(gboolean *) user_data = TRUE;
  return G_SOURCE_REMOVE;
}

static void
test_leave (void)
{
  g_autoptr (QpSignalingServer) server = start_server (plain);
  guint port = qp_signaling_server_get_port (server);
  g_autoptr (Peer) a = peer_join (port, TOKEN_A);
  g_autoptr (Peer) b = peer_join (port, TOKEN_B);
  g_autoptr (QpMessage) offer = new_offer (TOKEN_A);
  gboolean done = FALSE;
  guint n_states = b->states->len;

  qp_signaling_client_leave (b->client, on_done, &done);
  g_assert_false (done);
  g_assert_cmpint (qp_signaling_client_get_state (b->client), ==,
      QP_SIGNALING_DISCONNECTED);
  g_assert_false (qp_signaling_client_send (b->client, offer));
  wait_for (&done, "the goodbye");
  g_assert_cmpuint (b->states->len, ==, n_states);
  peer_wait_message (a, QP_MESSAGE_PEER_LEFT);

  /* And it may come back. */
  qp_signaling_client_start (b->client);
  peer_wait_state (b, QP_SIGNALING_JOINED);

  /* With nothing to give up it is done soon, too. */
  g_clear_pointer (&server, qp_signaling_server_free);
  peer_wait_state (a, QP_SIGNALING_WAITING);
  done = FALSE;
  qp_signaling_client_leave (a->client, on_done, &done);
  wait_for (&done, "the goodbye to nobody");
}

static void
test_restart (void)
{
  QpSignalingServerConfig config = plain;
  QpSignalingServer *server = start_server (config);
  g_autofree char *id = NULL;
  g_autoptr (Peer) a = NULL;
  g_autoptr (Peer) b = NULL;

  config.port = qp_signaling_server_get_port (server);
  a = peer_join (config.port, TOKEN_A);
  b = peer_join (config.port, TOKEN_B);
  id = g_strdup (peer_find (a, QP_MESSAGE_JOINED)->id);
  peer_wait_message (a, QP_MESSAGE_PEER_JOINED);
  peer_forget (a);
  peer_forget (b);

  qp_signaling_server_free (server);
  peer_wait_state (a, QP_SIGNALING_WAITING);
  peer_wait_state (b, QP_SIGNALING_WAITING);
  g_assert_error (a->why, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_LOST);
  run_for (300);
  g_assert_error (a->why, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_REFUSED);

  server = start_server (config);
  g_assert_cmpstr (peer_wait_message (a, QP_MESSAGE_JOINED)->id, ==, id);
  peer_wait_message (b, QP_MESSAGE_JOINED);
  run_for (100);
  /* Whoever came second found the first, who was told. */
  g_assert_cmpuint (peer_find (a, QP_MESSAGE_JOINED)->peers->len +
          peer_find (b, QP_MESSAGE_JOINED)->peers->len,
      ==, 1);
  g_assert_true (peer_find (a, QP_MESSAGE_PEER_JOINED) ||
      peer_find (b, QP_MESSAGE_PEER_JOINED));
  qp_signaling_server_free (server);
}

static void
test_reconnect (void)
{
  g_autoptr (QpSignalingServer) server = start_server (plain);
  guint port = qp_signaling_server_get_port (server);
  g_autoptr (Peer) a = peer_join (port, TOKEN_A);
  g_autoptr (Peer) b = peer_join (port, TOKEN_B);

  peer_wait_message (a, QP_MESSAGE_PEER_JOINED);
  peer_forget (a);
  peer_forget (b);
  qp_signaling_client_reconnect (a->client, "127.0.0.2");
  g_assert_cmpuint (a->states->len, ==, 0);
  peer_wait_message (a, QP_MESSAGE_JOINED);
  g_assert_cmpint (g_array_index (a->states, QpSignalingState, 0), ==,
      QP_SIGNALING_CONNECTING);
  g_assert_nonnull (strstr (server_log->str, "is back from 127.0.0.2"));
  run_for (50);
  /* b heard nothing of it. */
  g_assert_cmpuint (b->messages->len, ==, 0);
}

static void
test_mailbox (void)
{
  g_autoptr (QpSignalingServer) server = start_server (plain);
  guint port = qp_signaling_server_get_port (server);
  g_autofree char *id = qp_member_id_from_token (TOKEN_A);
  g_autoptr (QpMessage) offer = new_offer (id);
  g_autoptr (Peer) b = peer_join (port, TOKEN_B);
  g_autoptr (RawClient) before = raw_client_new (port, "/door");
  g_autoptr (RawClient) after = NULL;

  raw_client_send (before, JOIN_A);
  raw_client_wait_text (before, "{\"type\":\"joined\"");
  soup_websocket_connection_close (before->websocket, 1001, NULL);
  wait_for (&before->closed, "the close");
  g_assert_true (qp_signaling_client_send (b->client, offer));
  run_for (50);

  after = raw_client_new (port, "/door");
  raw_client_send (after, JOIN_A);
  raw_client_wait_text (after, "{\"type\":\"offer\"");
  g_assert_true (g_str_has_prefix (after->texts->pdata[0],
      "{\"type\":\"joined\""));
  g_assert_null (peer_find (b, QP_MESSAGE_ERROR));
  g_assert_null (peer_find (b, QP_MESSAGE_PEER_LEFT));
}

static void
test_drain (void)
{
  QpSignalingServerConfig config = plain;
  QpSignalingServer *server = start_server (config);
  gint64 start;
  gboolean drained = FALSE;
  g_autoptr (Peer) a = NULL;
  g_autoptr (RawClient) raw = NULL;
  g_autoptr (GSocketConnection) deaf = NULL;

  config.port = qp_signaling_server_get_port (server);
  a = peer_join (config.port, TOKEN_A);
  raw = raw_client_new (config.port, "/elsewhere");
  deaf = deaf_client_new (config.port, "/deaf");
  start = g_get_monotonic_time ();
  qp_signaling_server_drain (server, on_done, &drained);
  peer_wait_state (a, QP_SIGNALING_WAITING);
  g_assert_error (a->why, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_DRAINING);
  wait_for (&raw->closed, "the close");
  wait_for (&drained, "the end of draining");
  g_assert_cmpuint (soup_websocket_connection_get_close_code (raw->websocket),
      ==, 1001);
  g_assert_cmpstr (soup_websocket_connection_get_close_data (raw->websocket),
      ==, "draining");
  g_assert_cmpint (g_get_monotonic_time () - start, <, 2500 * 1000);
  qp_signaling_server_free (server);

  server = start_server (config);
  peer_wait_state (a, QP_SIGNALING_JOINED);
  qp_signaling_server_free (server);
}

static void
test_secret (void)
{
  QpSignalingServerConfig config = { .hub.default_secret = "open sesame" };
  g_autoptr (QpSignalingServer) server = start_server (config);
  QpSignalingClientConfig member = { .token = TOKEN_A, .secret = "sesame" };
  g_autoptr (Peer) wrong = NULL;
  g_autoptr (Peer) none = NULL;
  g_autoptr (Peer) right = NULL;

  member.port = qp_signaling_server_get_port (server);
  wrong = peer_new (&member);
  peer_wait_state (wrong, QP_SIGNALING_FAILED);
  g_assert_error (wrong->why, QP_SIGNALING_ERROR,
      QP_SIGNALING_ERROR_WRONG_SECRET);
  member.secret = NULL;
  none = peer_new (&member);
  peer_wait_state (none, QP_SIGNALING_FAILED);
  g_assert_error (none->why, QP_SIGNALING_ERROR,
      QP_SIGNALING_ERROR_WRONG_SECRET);
  member.secret = "open sesame";
  right = peer_new (&member);
  peer_wait_state (right, QP_SIGNALING_JOINED);
  /* Final: no further try. */
  run_for (300);
  g_assert_cmpint (qp_signaling_client_get_state (wrong->client), ==,
      QP_SIGNALING_FAILED);
  g_assert_null (strstr (server_log->str, "sesame"));
}

/* A connection that was given up on another network is heard of late: its join,
 * which the system goes on sending, takes the seat, and the one in use comes
 * back. */
static void
test_replaced (void)
{
  g_autoptr (QpSignalingServer) server = start_server (plain);
  guint port = qp_signaling_server_get_port (server);
  g_autoptr (Peer) used = peer_join (port, TOKEN_A);
  g_autoptr (Peer) late = peer_join (port, TOKEN_A);

  peer_wait_why (used, QP_SIGNALING_ERROR_REPLACED);
  g_clear_pointer (&late, peer_free);
  peer_wait_state (used, QP_SIGNALING_JOINED);
}

static void
test_full (void)
{
  QpSignalingServerConfig config = { .hub.max_peers = 1 };
  g_autoptr (QpSignalingServer) server = start_server (config);
  QpSignalingClientConfig member = { .token = TOKEN_B };
  g_autoptr (Peer)
      a = peer_join (qp_signaling_server_get_port (server), TOKEN_A);
  g_autoptr (Peer) b = NULL;

  member.port = qp_signaling_server_get_port (server);
  b = peer_new (&member);
  peer_wait_state (b, QP_SIGNALING_WAITING);
  g_assert_error (b->why, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_ROOM_FULL);
  /* Place is made, and the client finds it by itself. */
  g_clear_pointer (&a, peer_free);
  peer_wait_state (b, QP_SIGNALING_JOINED);
}

/* A callback may free its client. */
static void
free_on_state (QpSignalingClient *client, QpSignalingState state,
    const GError *why, gpointer user_data)
{
  if (state == QP_SIGNALING_JOINED) {
    qp_signaling_client_free (client);
    *(gboolean *) user_data = TRUE;
  }
}

static void
test_free (void)
{
  static const QpSignalingClientCallbacks callbacks = {
    .state_changed = free_on_state
  };
  g_autoptr (QpSignalingServer) server = start_server (plain);
  QpSignalingClientConfig config = { .host = "127.0.0.1",
    .room = "door",
    .token = TOKEN_A };
  QpSignalingClient *client;
  gboolean freed = FALSE;

  config.port = qp_signaling_server_get_port (server);
  client = qp_signaling_client_new (&config, &callbacks, &freed, NULL);
  qp_signaling_client_start (client);
  wait_for (&freed, "the free within a callback");

  /* In the middle of connecting, at various moments. */
  for (guint i = 0; i < 20; i++) {
    freed = FALSE;
    client = qp_signaling_client_new (&config, &callbacks, &freed, NULL);
    qp_signaling_client_start (client);
    for (guint j = 0; j < i; j++)
      g_main_context_iteration (NULL, FALSE);
    if (!freed)
      qp_signaling_client_free (client);
  }
  run_for (100);
}

/* --- what is no signaling server ----------------------------------------------- */

static gboolean
on_garbage_incoming (GSocketService *service, GSocketConnection *connection,
    GObject *source, gpointer user_data)
{
  GOutputStream *output =
      g_io_stream_get_output_stream (G_IO_STREAM (connection));
  const char *garbage = user_data;

  if (garbage)
    g_output_stream_write_all (output, garbage, strlen (garbage), NULL, NULL,
        NULL);
  else
    g_object_set_data_full (G_OBJECT (service), "kept",
        g_object_ref (connection), g_object_unref);
  return TRUE;
}

static void
test_not_signaling (void)
{
  g_autoptr (SoupServer) http = soup_server_new (NULL, NULL);
  g_autoptr (GSocketService) silent = g_socket_service_new ();
  g_autoptr (GSocketService) garbage = g_socket_service_new ();
  g_autoptr (GError) why = NULL;
  GSList *uris;
  guint port;

  g_assert_true (soup_server_listen_local (http, 0,
      SOUP_SERVER_LISTEN_IPV4_ONLY, NULL));
  uris = soup_server_get_uris (http);
  port = g_uri_get_port (uris->data);
  g_slist_free_full (uris, (GDestroyNotify) g_uri_unref);
  why = try_port (port, FALSE, NULL, NULL, PATIENT);
  g_assert_error (why, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_NOT_SIGNALING);
  g_assert_nonnull (strstr (why->message, "404"));
  g_clear_error (&why);

  soup_server_disconnect (http);
  why = try_port (port, FALSE, NULL, NULL, PATIENT);
  g_assert_error (why, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_REFUSED);
  g_clear_error (&why);

  port = g_socket_listener_add_any_inet_port (G_SOCKET_LISTENER (silent), NULL,
      NULL);
  g_signal_connect (silent, "incoming", G_CALLBACK (on_garbage_incoming), NULL);
  why = try_port (port, FALSE, NULL, NULL, 300);
  g_assert_error (why, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_TIMED_OUT);
  g_clear_error (&why);

  port = g_socket_listener_add_any_inet_port (G_SOCKET_LISTENER (garbage), NULL,
      NULL);
  g_signal_connect (garbage, "incoming", G_CALLBACK (on_garbage_incoming),
      (gpointer) "SSH-2.0-OpenSSH\r\n\r\n");
  why = try_port (port, FALSE, NULL, NULL, PATIENT);
  g_assert_error (why, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_NOT_SIGNALING);
  g_clear_error (&why);
  why = try_port (port, TRUE, NULL, NULL, PATIENT);
  g_assert_error (why, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_TLS);
}

static void
test_in_use (void)
{
  QpSignalingServerConfig config = plain;
  g_autoptr (QpSignalingServer) server = start_server (config);
  g_autoptr (GError) error = NULL;

  config.address = "127.0.0.1";
  config.port = qp_signaling_server_get_port (server);
  g_assert_null (qp_signaling_server_new (&config, &error));
  g_assert_error (error, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_IN_USE);
  g_clear_error (&error);
  config.address = "localhost";
  g_assert_null (qp_signaling_server_new (&config, &error));
  g_assert_error (error, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_CONFIG);
  g_clear_error (&error);
  config = plain;
  config.certificate_file = "/nonexistent.pem";
  g_assert_null (qp_signaling_server_new (&config, &error));
  g_assert_error (error, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_CONFIG);
}

/* --- HTTP -------------------------------------------------------------------- */

typedef struct {
  GBytes *body;
  gboolean done;
} Response;

static void
on_response (GObject *session, GAsyncResult *result, gpointer user_data)
{
  Response *response = user_data;

  response->body = soup_session_send_and_read_finish (SOUP_SESSION (session),
      result, NULL);
  response->done = TRUE;
}

static void
assert_get (guint port, const char *path, guint status, const char *text)
{
  g_autoptr (SoupSession) session = soup_session_new ();
  g_autofree char *uri = g_strdup_printf ("http://127.0.0.1:%u%s", port, path);
  g_autoptr (SoupMessage) message = soup_message_new ("GET", uri);
  g_autofree char *body = NULL;
  Response response = { 0 };

  soup_session_send_and_read_async (session, message, G_PRIORITY_DEFAULT, NULL,
      on_response, &response);
  wait_for (&response.done, "the response");
  g_assert_cmpuint (soup_message_get_status (message), ==, status);
  g_assert_nonnull (response.body);
  body = g_strndup (g_bytes_get_data (response.body, NULL),
      g_bytes_get_size (response.body));
  g_assert_nonnull (strstr (body, text));
  g_bytes_unref (response.body);
}

static void
test_http (void)
{
  g_autoptr (QpSignalingServer) server = start_server (plain);
  guint port = qp_signaling_server_get_port (server);

  assert_get (port, "/healthz", 200, "ok\n");
  assert_get (port, "/", 200, "signaling server");
  assert_get (port, "/door", 426, "WebSocket");
}

/* --- hostile and untyped clients ----------------------------------------------- */

static void
test_garbage (void)
{
  g_autoptr (QpSignalingServer) server = start_server (plain);
  guint port = qp_signaling_server_get_port (server);
  g_autoptr (Peer) a = peer_join (port, TOKEN_A);
  g_autoptr (RawClient) raw = raw_client_new (port, "/door");
  g_autoptr (RawClient) huge = raw_client_new (port, "/door");
  g_autoptr (RawClient) binary = raw_client_new (port, "/door");
  g_autoptr (RawClient) badly_named = raw_client_new (port, "/%01");
  g_autofree char *big = g_strnfill (QP_MESSAGE_MAX_SIZE + 1, 'x');
  g_autofree char *deep = g_strnfill (10000, '[');

  raw_client_send (raw, "{\"type\":\"ping\"}");
  g_assert_cmpstr (raw_client_wait_text (raw, "{\"type\":\"pong\""), ==,
      "{\"type\":\"pong\"}");
  raw_client_send (raw, deep);
  g_assert_nonnull (strstr (raw_client_wait_text (raw, "{\"type\":\"error\""),
      "bad-message"));
  g_ptr_array_set_size (raw->texts, 0);
  raw_client_send (raw, "{\"type\":\"offer\"}");
  g_assert_nonnull (strstr (raw_client_wait_text (raw, "{\"type\":\"error\""),
      "is missing"));
  g_ptr_array_set_size (raw->texts, 0);
  raw_client_send (raw, "{\"type\":\"joined\"}");
  raw_client_wait_text (raw, "{\"type\":\"error\"");
  g_assert_false (raw->closed);

  raw_client_send (huge, big);
  wait_for (&huge->closed, "the close for size");
  g_assert_cmpuint (soup_websocket_connection_get_close_code (huge->websocket),
      ==, 1009);
  soup_websocket_connection_send_binary (binary->websocket, "x", 1);
  wait_for (&binary->closed, "the close for a binary frame");
  raw_client_wait_text (badly_named,
      "{\"type\":\"error\",\"code\":\"bad-room\"");
  wait_for (&badly_named->closed, "the close for a bad room");

  /* The member felt nothing. */
  run_for (50);
  g_assert_cmpuint (a->n_joined, ==, 1);
  g_assert_cmpuint (a->messages->len, ==, 1);
}

static void
test_untyped (void)
{
  static const char offer[] = "{\"candidates\": [\"1 1 udp 1 192.0.2.1 9 typ "
                              "host\"],\n \"username\":\"\\u0041\" }";
  g_autoptr (QpSignalingServer) server = start_server (plain);
  guint port = qp_signaling_server_get_port (server);
  g_autoptr (RawClient) silent = raw_client_new (port, "/");
  g_autoptr (RawClient) sender = raw_client_new (port, "/");
  g_autoptr (RawClient) elsewhere = raw_client_new (port, "/elsewhere");

  raw_client_send (sender, offer);
  g_assert_cmpstr (raw_client_wait_text (silent, "{"), ==, offer);
  raw_client_send (silent,
      "[1, 2]"); /* not an object: it is no untyped client */
  raw_client_wait_text (silent, "{\"type\":\"error\"");
  run_for (50);
  g_assert_cmpuint (sender->texts->len, ==, 0);
  g_assert_cmpuint (elsewhere->texts->len, ==, 0);
}

static char *
new_media (const char *to)
{
  g_autofree char *sdp = g_strnfill (40000, 'v');

  return g_strdup_printf ("{\"type\":\"media\",\"to\":\"%s\","
                          "\"call\":\"0011223344556677\",\"sdp\":\"%s\"}",
      to, sdp);
}

/* A member that does not read costs its own connection, and a bounded amount of
 * memory; nobody waits for it. */
static void
test_slow_reader (void)
{
  QpSignalingServerConfig config = { .max_queue_bytes = 256 * 1024 };
  g_autoptr (QpSignalingServer) server = start_server (config);
  guint port = qp_signaling_server_get_port (server);
  g_autofree char *deaf_id = qp_member_id_from_token (TOKEN_A);
  g_autofree char *text = new_media (deaf_id);
  g_autoptr (GSocketConnection) deaf = deaf_client_new (port, "/door");
  g_autoptr (Peer) b = NULL;
  g_autoptr (Peer) c = NULL;
  g_autoptr (QpMessage) media = NULL;
  g_autoptr (QpMessage) offer = NULL;

  deaf_client_send (deaf, JOIN_A);
  b = peer_join (port, TOKEN_B);
  c = peer_join (port, TOKEN_A "01");
  peer_wait_message (b, QP_MESSAGE_JOINED);
  g_assert_nonnull (strstr (server_log->str, "produces"));
  media = qp_message_parse (text, strlen (text), NULL);
  g_assert_nonnull (media);
  /* More than the kernel's buffers may take, 6 MB here. */
  for (guint i = 0; i < 300 && !strstr (server_log->str, "does not read");
       i++) {
    g_assert_true (qp_signaling_client_send (b->client, media));
    run_for (5);
  }
  for (guint i = 0; i < 30 && !strstr (server_log->str, "does not read"); i++)
    run_for (100);
  g_assert_nonnull (strstr (server_log->str, "does not read"));

  offer = new_offer (qp_signaling_client_get_id (c->client));
  g_assert_true (qp_signaling_client_send (b->client, offer));
  peer_wait_message (c, QP_MESSAGE_OFFER);
}

/* A message in fragments that never ends, and a request with a body that never
 * ends, are cut off while they are small. */
static void
test_endless (void)
{
  static const char post[] =
      "POST /door HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n";
  g_autoptr (QpSignalingServer) server = start_server (plain);
  guint port = qp_signaling_server_get_port (server);
  g_autoptr (GSocketConnection) fragments = deaf_client_new (port, "/door");
  g_autoptr (GSocketConnection) body = tcp_client_new (port);
  g_autoptr (Peer) a = peer_join (port, TOKEN_A);
  guint8 fragment[8 + 16384] = { 0x01, 0x80 | 126, 16384 >> 8, 0 };
  guint8 pong[6] = { 0x8a, 0x80 };
  guint n = 0;

  while (n < 1000 && tcp_client_write (fragments, fragment, sizeof fragment) &&
      tcp_client_write (fragments, pong, sizeof pong)) {
    fragment[0] = 0x00; /* continuation, and never the final one */
    n++;
  }
  /* 512 KiB are 32 of them, and newer libsoups cut off sooner; the rest was in the
   * kernel's buffers. A message that is allowed has 4. */
  g_assert_cmpuint (n, >, 4);
  g_assert_cmpuint (n, <, 1000);

  g_assert_true (tcp_client_write (body, post, strlen (post)));
  for (n = 0; n < 1000; n++) {
    if (!tcp_client_write (body, fragment, sizeof fragment))
      break;
  }
  g_assert_cmpuint (n, <, 1000);
  run_for (20);
  g_assert_cmpint (qp_signaling_client_get_state (a->client), ==,
      QP_SIGNALING_JOINED);
}

/* Connections that become no WebSocket. */
static void
test_no_upgrade (void)
{
  QpSignalingServerConfig config = { .upgrade_seconds = 1 };
  g_autoptr (QpSignalingServer) server = start_server (config);
  guint port = qp_signaling_server_get_port (server);
  g_autoptr (GSocketConnection) silent = tcp_client_new (port);
  g_autoptr (GSocketConnection) slow = tcp_client_new (port);
  g_autoptr (RawClient) websocket = raw_client_new (port, "/");

  g_assert_true (tcp_client_write (slow, "GET / HT", 8));
  tcp_client_wait_end (silent);
  tcp_client_wait_end (slow);
  run_for (1500);
  g_assert_false (websocket->closed);
}

/* Answers no WebSocket ping: dead, whatever its TCP connection says. */
static void
test_dead_client (void)
{
  QpSignalingServerConfig config = { .keepalive_seconds = 1,
    .hub.seat_seconds = 1 };
  g_autoptr (QpSignalingServer) server = start_server (config);
  guint port = qp_signaling_server_get_port (server);
  g_autoptr (GSocketConnection) deaf = deaf_client_new (port, "/door");
  g_autoptr (Peer) b = NULL;
  const QpMessage *left;

  deaf_client_send (deaf, JOIN_A);
  b = peer_join (port, TOKEN_B);
  left = peer_wait_message (b, QP_MESSAGE_PEER_LEFT);
  g_assert_cmpstr (left->reason, ==, "expired");
  g_assert_cmpint (qp_signaling_client_get_state (b->client), ==,
      QP_SIGNALING_JOINED);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/signaling/server/meet", test_meet);
  g_test_add_func ("/signaling/server/leave", test_leave);
  g_test_add_func ("/signaling/server/restart", test_restart);
  g_test_add_func ("/signaling/server/reconnect", test_reconnect);
  g_test_add_func ("/signaling/server/mailbox", test_mailbox);
  g_test_add_func ("/signaling/server/drain", test_drain);
  g_test_add_func ("/signaling/server/secret", test_secret);
  g_test_add_func ("/signaling/server/replaced", test_replaced);
  g_test_add_func ("/signaling/server/full", test_full);
  g_test_add_func ("/signaling/server/free", test_free);
  g_test_add_func ("/signaling/server/not-signaling", test_not_signaling);
  g_test_add_func ("/signaling/server/in-use", test_in_use);
  g_test_add_func ("/signaling/server/http", test_http);
  g_test_add_func ("/signaling/server/garbage", test_garbage);
  g_test_add_func ("/signaling/server/untyped", test_untyped);
  g_test_add_func ("/signaling/server/slow-reader", test_slow_reader);
  g_test_add_func ("/signaling/server/endless", test_endless);
  g_test_add_func ("/signaling/server/no-upgrade", test_no_upgrade);
  g_test_add_func ("/signaling/server/dead-client", test_dead_client);
  return g_test_run ();
}

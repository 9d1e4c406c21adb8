/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A signaling server that lies: it has relayed a call's setup faithfully, knows
 * all that went through it, and turns against the call once it is up.  The call
 * must neither move nor end, and no media reach another. */
#include <libsoup/soup.h>
#include <nice/agent.h>
#include <string.h>

#include "tests/unit/hostile.h"

/* In which a hundred messages are read. */
#if defined(__SANITIZE_ADDRESS__)
#define PAUSE_MS 100
#else
#define PAUSE_MS 5
#endif

/* --- The liar ------------------------------------------------------------- */

typedef struct _Liar Liar;

typedef struct {
  Liar *liar;
  SoupWebsocketConnection *socket; /* NULL: gone */
  QpPeerInfo *info;                /* NULL: not joined */
} Client;

struct _Liar {
  GSocketService *service;
  SoupServer *server;
  guint port;
  GPtrArray *clients;     /* of Client* */
  GPtrArray *ice_servers; /* of QpIceServer*, for the next who joins */
  GPtrArray *relayed;     /* of QpMessage*: with `from` and `to` */
};

static void
client_free (gpointer data)
{
  Client *client = data;

  if (client->socket) {
    g_signal_handlers_disconnect_by_data (client->socket, client);
    g_object_unref (client->socket);
  }
  qp_peer_info_free (client->info);
  g_free (client);
}

static void
client_send_text (Client *client, const char *text)
{
  if (client->socket &&
      soup_websocket_connection_get_state (client->socket) ==
          SOUP_WEBSOCKET_STATE_OPEN)
    soup_websocket_connection_send_text (client->socket, text);
}

/* Takes the message. */
static void
client_send (Client *client, QpMessage *message)
{
  g_autofree char *json = qp_message_to_json (message);

  client_send_text (client, json);
  qp_message_free (message);
}

/* `from` may be anybody. Takes the message. */
static void
forge (Client *client, const char *from, QpMessage *message)
{
  g_free (message->from);
  message->from = g_strdup (from);
  client_send (client, message);
}

static Client *
liar_find (Liar *liar, const char *id)
{
  for (guint i = 0; i < liar->clients->len; i++) {
    Client *client = liar->clients->pdata[i];

    if (client->socket && client->info && g_str_equal (client->info->id, id))
      return client;
  }
  return NULL;
}

static Client *
liar_get (Liar *liar, gboolean producer)
{
  for (guint i = 0; i < liar->clients->len; i++) {
    Client *client = liar->clients->pdata[i];

    if (client->socket && client->info && client->info->produces == producer)
      return client;
  }
  g_assert_not_reached ();
}

/* The message of that type that `from` sent last. */
static const QpMessage *
liar_last (Liar *liar, const char *from, QpMessageType type)
{
  for (guint i = liar->relayed->len; i > 0; i--) {
    const QpMessage *message = liar->relayed->pdata[i - 1];

    if (message->type == type && g_str_equal (message->from, from))
      return message;
  }
  g_assert_not_reached ();
}

static QpMessage *
make_joined (Liar *liar, Client *client)
{
  QpMessage *joined = qp_message_new (QP_MESSAGE_JOINED);

  joined->id = g_strdup (client->info->id);
  joined->room = g_strdup ("room");
  for (guint i = 0; i < liar->ice_servers->len; i++) {
    QpIceServer *server = liar->ice_servers->pdata[i];

    g_ptr_array_add (joined->ice_servers,
        qp_ice_server_new ((const char *const *) server->urls, server->username,
            server->credential));
  }
  return joined;
}

static void
on_join (Liar *liar, Client *client, const QpMessage *join)
{
  g_autofree char *id = qp_member_id_from_token (join->token);
  QpMessage *joined;

  client->info = qp_peer_info_new (id, join->name, join->produces,
      join->consumes);
  joined = make_joined (liar, client);
  for (guint i = 0; i < liar->clients->len; i++) {
    Client *other = liar->clients->pdata[i];
    QpMessage *peer_joined;

    if (other == client || !other->socket || !other->info)
      continue;
    g_ptr_array_add (joined->peers, qp_peer_info_copy (other->info));
    peer_joined = qp_message_new (QP_MESSAGE_PEER_JOINED);
    peer_joined->peer = qp_peer_info_copy (client->info);
    client_send (other, peer_joined);
  }
  client_send (client, joined);
}

static void
relay (Liar *liar, Client *client, const QpMessage *message)
{
  QpMessage *copy = qp_message_copy (message);
  Client *to = message->to ? liar_find (liar, message->to) : NULL;

  copy->from = g_strdup (client->info->id);
  g_ptr_array_add (liar->relayed, qp_message_copy (copy));
  g_clear_pointer (&copy->to, g_free);
  if (to)
    client_send (to, copy);
  else
    qp_message_free (copy);
}

static void
on_text (SoupWebsocketConnection *socket, SoupWebsocketDataType type,
    GBytes *bytes, Client *client)
{
  gsize size;
  const char *data = g_bytes_get_data (bytes, &size);
  g_autoptr (QpMessage) message = qp_message_parse (data, size, NULL);

  if (!message)
    return;
  if (message->type == QP_MESSAGE_JOIN && !client->info)
    on_join (client->liar, client, message);
  else if (message->type == QP_MESSAGE_PING)
    client_send (client, qp_message_new (QP_MESSAGE_PONG));
  else if (qp_message_type_is_relayed (message->type) && client->info)
    relay (client->liar, client, message);
}

static void
on_closed (SoupWebsocketConnection *socket, Client *client)
{
  g_clear_object (&client->socket);
}

static void
on_websocket (SoupServer *server, SoupServerMessage *message, const char *path,
    SoupWebsocketConnection *socket, gpointer user)
{
  Liar *liar = user;
  Client *client = g_new0 (Client, 1);

  client->liar = liar;
  client->socket = g_object_ref (socket);
  g_signal_connect (socket, "message", G_CALLBACK (on_text), client);
  g_signal_connect (socket, "closed", G_CALLBACK (on_closed), client);
  g_ptr_array_add (liar->clients, client);
}

static gboolean
on_incoming (GSocketService *service, GSocketConnection *connection,
    GObject *source, gpointer user)
{
  Liar *liar = user;
  g_autoptr (GSocketAddress)
      local = g_socket_connection_get_local_address (connection, NULL);
  g_autoptr (GSocketAddress)
      remote = g_socket_connection_get_remote_address (connection, NULL);

  soup_server_accept_iostream (liar->server, G_IO_STREAM (connection), local,
      remote, NULL);
  return TRUE;
}

static void
liar_init (Liar *liar)
{
  g_autoptr (GInetAddress)
      loopback = g_inet_address_new_loopback (G_SOCKET_FAMILY_IPV4);
  g_autoptr (GSocketAddress) address = g_inet_socket_address_new (loopback, 0);
  g_autoptr (GSocketAddress) bound = NULL;
  g_autoptr (GError) error = NULL;

  liar->clients = g_ptr_array_new_with_free_func (client_free);
  liar->ice_servers =
      g_ptr_array_new_with_free_func ((GDestroyNotify) qp_ice_server_free);
  liar->relayed =
      g_ptr_array_new_with_free_func ((GDestroyNotify) qp_message_free);
  liar->server = soup_server_new (NULL, NULL);
  soup_server_add_websocket_handler (liar->server, NULL, NULL, NULL,
      on_websocket, liar, NULL);
  /* Not libsoup's own listener, which leaks the sockets that it accepts. */
  liar->service = g_socket_service_new ();
  g_socket_listener_add_address (G_SOCKET_LISTENER (liar->service), address,
      G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL, &bound, &error);
  g_assert_no_error (error);
  liar->port = g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (bound));
  g_signal_connect (liar->service, "incoming", G_CALLBACK (on_incoming), liar);
  g_socket_service_start (liar->service);
}

static gboolean
has_clients (Liar *liar)
{
  for (guint i = 0; i < liar->clients->len; i++) {
    if (((Client *) liar->clients->pdata[i])->socket)
      return TRUE;
  }
  return FALSE;
}

static void
liar_clear (Liar *liar)
{
  gint64 until = g_get_monotonic_time () + SIDE_WAIT_US;

  /* libsoup keeps what it serves when it is cut off. */
  while (has_clients (liar)) {
    g_assert_cmpint (g_get_monotonic_time (), <, until);
    run_once ();
  }
  g_socket_service_stop (liar->service);
  g_socket_listener_close (G_SOCKET_LISTENER (liar->service));
  g_object_unref (liar->service);
  soup_server_disconnect (liar->server);
  g_object_unref (liar->server);
  g_ptr_array_unref (liar->clients);
  g_ptr_array_unref (liar->ice_servers);
  g_ptr_array_unref (liar->relayed);
}

/* --- Lies ----------------------------------------------------------------- */

typedef struct {
  Liar liar;
  Victims victims;
  Client *camera, *viewer;
  const char *camera_id, *viewer_id;
  char *call;        /* the call's id */
  char *fingerprint; /* the viewer's */
} Scene;

static void
scene_start (Scene *scene)
{
  const QpMessage *offer;

  liar_init (&scene->liar);
  victims_start_at (&scene->victims, scene->liar.port);
  scene->camera = liar_get (&scene->liar, TRUE);
  scene->viewer = liar_get (&scene->liar, FALSE);
  scene->camera_id = scene->camera->info->id;
  scene->viewer_id = scene->viewer->info->id;
  offer = liar_last (&scene->liar, scene->viewer_id, QP_MESSAGE_OFFER);
  scene->call = g_strdup (offer->call);
  scene->fingerprint = g_strdup (offer->fingerprint);
  /* So long the server's word on the setup counts. */
  run_for (1200);
  victims_mark (&scene->victims);
}

static void
scene_end (Scene *scene, const Cost *cost)
{
  /* All that was said has been heard. */
  run_for (300);
  victims_survived (&scene->victims, cost);
  liar_clear (&scene->liar);
  g_free (scene->call);
  g_free (scene->fingerprint);
}

static void
tell_left (Client *client, const char *id)
{
  QpMessage *left = qp_message_new (QP_MESSAGE_PEER_LEFT);

  left->id = g_strdup (id);
  left->reason = g_strdup ("left");
  client_send (client, left);
}

static void
tell_joined (Client *client, const char *id, gboolean produces)
{
  QpMessage *joined = qp_message_new (QP_MESSAGE_PEER_JOINED);

  joined->peer = qp_peer_info_new (id, "somebody else", produces, !produces);
  client_send (client, joined);
}

static void
tell_error (Client *client, const char *code, const char *call)
{
  QpMessage *error = qp_message_new (QP_MESSAGE_ERROR);

  error->code = g_strdup (code);
  error->text = g_strdup ("a lie");
  error->call = g_strdup (call);
  client_send (client, error);
}

/* Who is in the room, and who is what. */
static void
test_membership (void)
{
  static const char *const codes[] = { "no-such-peer", "peer-away", "internal",
    "bad-message", "room-full" };
  const Cost cost = { .fds = 8, .messages = 32, .warnings = 0 };
  Scene scene = { 0 };

  scene_start (&scene);
  for (guint i = 0; i < 50; i++) {
    tell_left (scene.camera, scene.viewer_id);
    tell_left (scene.viewer, scene.camera_id);
    tell_joined (scene.camera, scene.viewer_id, i % 2);
    tell_joined (scene.viewer, scene.camera_id, i % 2);
    client_send (scene.camera, make_joined (&scene.liar, scene.camera));
    client_send (scene.viewer, make_joined (&scene.liar, scene.viewer));
    tell_error (scene.camera, codes[i % G_N_ELEMENTS (codes)], scene.call);
    tell_error (scene.viewer, codes[i % G_N_ELEMENTS (codes)], scene.call);
    run_for (4);
  }
  tell_left (scene.camera, scene.viewer_id);
  tell_left (scene.viewer, scene.camera_id);
  scene_end (&scene, &cost);
}

/* The setup's messages, of the call itself. */
static void
test_setup (void)
{
  const Cost cost = { .fds = 8, .messages = 4, .warnings = 0 };
  g_autofree char *sdp = make_sdp ("stolen", 60, 0);
  Scene scene = { 0 };

  scene_start (&scene);
  for (guint i = 0; i < 50; i++) {
    QpMessage *answer = new_offer (scene.call);

    answer->type = QP_MESSAGE_ANSWER;
    answer->sdp = g_strdup (sdp);
    forge (scene.viewer, scene.camera_id, qp_message_copy (answer));
    forge (scene.camera, scene.viewer_id, answer);
    forge (scene.camera, scene.viewer_id, new_offer (scene.call));
    forge (scene.viewer, scene.camera_id, new_offer (scene.call));
    forge (scene.camera, scene.viewer_id, new_media (scene.call, sdp));
    forge (scene.viewer, scene.camera_id, new_media (scene.call, sdp));
    forge (scene.camera, scene.viewer_id, new_bye (scene.call));
    forge (scene.viewer, scene.camera_id, new_bye (scene.call));
    forge (scene.camera, scene.viewer_id, new_candidate (scene.call, ""));
    forge (scene.viewer, scene.camera_id, new_candidate (scene.call, ""));
    run_for (4);
  }
  scene_end (&scene, &cost);
}

/* Further paths: without the connection's key nobody can offer one. */
static void
test_paths (void)
{
  const Cost cost = { .fds = 4, .messages = 4, .warnings = 0 };
  Scene scene = { 0 };

  scene_start (&scene);
  for (guint i = 0; i < 200; i++) {
    QpMessage *offer = qp_message_new (i % 2 ? QP_MESSAGE_PATH_OFFER
                                             : QP_MESSAGE_PATH_ANSWER);
    QpMessage *candidate = new_candidate (scene.call,
        "candidate:1 1 udp 2130706431 ::1 9 typ host");

    offer->call = g_strdup (scene.call);
    offer->path = candidate->path = i % 20;
    offer->ufrag = g_strdup ("abcd");
    offer->mac = i % 3 ? g_strnfill (64, 'a') : NULL;
    forge (scene.camera, scene.viewer_id, qp_message_copy (offer));
    forge (scene.viewer, scene.camera_id, offer);
    forge (scene.camera, scene.viewer_id, qp_message_copy (candidate));
    forge (scene.viewer, scene.camera_id, candidate);
    if (i % 10 == 0) {
      run_for (10);
      victims_watch (&scene.victims);
    }
  }
  scene_end (&scene, &cost);
}

/* New calls in the viewer's name: under another fingerprint they are refused,
 * under the viewer's own they come to nothing for want of its key. */
static void
test_offers (void)
{
  const Cost cost = { .heap = 8 * 1024 * 1024,
    .fds = 24,
    .messages = 8,
    .warnings = 8 };
  const QpMessage *bye;
  Scene scene = { 0 };

  scene_start (&scene);
  forge (scene.camera, scene.viewer_id, new_offer (NULL));
  run_for (300);
  bye = liar_last (&scene.liar, scene.camera_id, QP_MESSAGE_BYE);
  g_assert_cmpstr (bye->code, ==, "wrong-peer");
  for (guint i = 0; i < 100; i++) {
    QpMessage *offer = new_offer (NULL);

    if (i % 2) {
      g_free (offer->fingerprint);
      offer->fingerprint = g_strdup (scene.fingerprint);
    }
    forge (scene.camera, scene.viewer_id, offer);
    forge (scene.viewer, scene.camera_id, new_offer (NULL));
    run_for (4);
    victims_watch (&scene.victims);
  }
  /* The last of them is given up when its time is over. */
  forge (scene.camera, scene.viewer_id,
      new_bye (liar_last (&scene.liar, scene.camera_id, QP_MESSAGE_ANSWER)
                   ->call));
  scene_end (&scene, &cost);
}

/* People who do not exist. */
static void
test_strangers (void)
{
  const Cost cost = { .heap = 48 * 1024 * 1024,
    .fds = 64 * 4 + 8,
    .messages = 700,
    .warnings = 12 };
  Scene scene = { 0 };
  g_autoptr (GPtrArray) ids = g_ptr_array_new_with_free_func (g_free);

  scene_start (&scene);
  for (guint i = 0; i < 300; i++) {
    char *id = new_id ();

    g_ptr_array_add (ids, id);
    if (i % 3)
      tell_joined (scene.camera, id, FALSE);
    forge (scene.camera, id, new_offer (NULL));
    forge (scene.viewer, id, new_offer (NULL));
    if (i % 10 == 0) {
      run_for (10);
      victims_watch (&scene.victims);
    }
  }
  run_for (200);
  victims_watch (&scene.victims);
  for (guint i = 0; i < ids->len; i++)
    tell_left (scene.camera, ids->pdata[i]);
  scene_end (&scene, &cost);
}

/* Written by hand: there are many. */
static void
forge_candidate (Client *client, const char *from, const char *call,
    const char *candidate)
{
  g_autofree char *json = g_strdup_printf (
      "{\"type\":\"candidate\",\"from\":\"%s\",\"call\":\"%s\","
      "\"path\":0,\"candidate\":\"%s\"}",
      from, call, candidate);

  client_send_text (client, json);
}

/* Thousands of candidates, for a call of a stranger's and for the one that is
 * up. */
static void
test_candidates (void)
{
  const Cost cost = { .heap = 8 * 1024 * 1024,
    .fds = 8,
    .messages = 4,
    .warnings = 2 };
  g_autofree char *stranger = new_id ();
  g_autofree char *call = new_id ();
  Scene scene = { 0 };

  scene_start (&scene);
  tell_joined (scene.camera, stranger, FALSE);
  forge (scene.camera, stranger, new_offer (call));
  for (guint i = 0; i < 4000; i++) {
    g_autofree char *line =
        g_strdup_printf ("candidate:%u 1 udp %u 127.0.%u.%u 9 typ host", i,
            2130706431 - i, i / 250, i % 250 + 2);

    forge_candidate (scene.camera, stranger, call, line);
    if (i % 10 == 0)
      forge_candidate (scene.camera, scene.viewer_id, scene.call, line);
    /* No faster than they are read, or the camera would hang up. */
    if (i % 50 == 0) {
      run_for (PAUSE_MS);
      victims_watch (&scene.victims);
    }
  }
  /* It tells when it has read all of them. */
  forge (scene.camera, stranger, new_bye (call));
  RUN_UNTIL (&scene.victims.camera, scene.victims.camera.warnings > 0);
  tell_left (scene.camera, stranger);
  scene_end (&scene, &cost);
}

/* More than can be read, in every sense: the camera hangs up, comes back, and
 * its media never waited. */
static void
test_flood (void)
{
  const Cost cost = { .heap = 64 * 1024 * 1024, .fds = 8, .messages = 40 };
  static const char start[] = "{\"type\":\"flood\",\"x\":[1,2,3]}";
  g_autofree char *text = g_strnfill (16000, ' ');
  Scene scene = { 0 };
  guint n;

  memcpy (text, start, strlen (start));
  scene_start (&scene);
  n = scene.liar.clients->len;
  for (guint i = 0; i < 2000; i++)
    client_send_text (scene.camera, text);
  RUN_UNTIL (&scene.victims.camera,
      scene.liar.clients->len > n &&
          ((Client *) scene.liar.clients->pdata[n])->info);
  victims_watch (&scene.victims);
  scene_end (&scene, &cost);
}

/* After a reconnection: an empty room, and servers that lead nowhere. The call
 * goes on, and later ones are possible. */
static void
test_ice_servers (void)
{
  g_autofree char *host = g_strnfill (500, 'h');
  g_autofree char *stun = g_strconcat ("stun:", host, NULL);
  g_autofree char *turn = g_strconcat ("turn:", host, NULL);
  const char *urls[] = { stun, turn, "turn:127.0.0.1:0", "turn:127.0.0.1:9",
    "turn:127.0.0.1:9?transport=tcp", "turn:224.0.0.1:9", "turns:127.0.0.1",
    "gopher:x", NULL };
  const Cost cost = { .heap = 8 * 1024 * 1024,
    .fds = 64,
    .messages = 16,
    .warnings = 2 };
  g_autofree char *stranger = new_id ();
  Scene scene = { 0 };
  guint n;

  scene_start (&scene);
  for (guint i = 0; i < QP_MESSAGE_MAX_ICE_SERVERS; i++)
    g_ptr_array_add (scene.liar.ice_servers,
        qp_ice_server_new (urls, "name", "secret"));
  n = scene.liar.clients->len;
  soup_websocket_connection_close (scene.camera->socket,
      SOUP_WEBSOCKET_CLOSE_GOING_AWAY, NULL);
  soup_websocket_connection_close (scene.viewer->socket,
      SOUP_WEBSOCKET_CLOSE_GOING_AWAY, NULL);
  RUN_UNTIL (&scene.victims.camera,
      scene.liar.clients->len == n + 2 &&
          ((Client *) scene.liar.clients->pdata[n])->info &&
          ((Client *) scene.liar.clients->pdata[n + 1])->info);
  scene.camera = liar_get (&scene.liar, TRUE);
  tell_joined (scene.camera, stranger, FALSE);
  forge (scene.camera, stranger, new_offer (NULL));
  run_for (500);
  victims_watch (&scene.victims);
  tell_left (scene.camera, stranger);
  scene_end (&scene, &cost);
}

/* --- With the credentials -------------------------------------------------- */

typedef struct {
  NiceAgent *agent;
  guint stream;
  guint received;
} Thief;

static void
on_stolen (NiceAgent *agent, guint stream, guint component, guint size,
    char *data, gpointer user)
{
  ((Thief *) user)->received++;
}

static void
thief_init (Thief *thief, gboolean controlling, const QpMessage *mine,
    const QpMessage *theirs)
{
  NiceAddress address;

  thief->agent = nice_agent_new (g_main_context_default (),
      NICE_COMPATIBILITY_RFC5245);
  g_object_set (thief->agent, "controlling-mode", controlling, "upnp", FALSE,
      "ice-tcp", FALSE, NULL);
  nice_address_init (&address);
  nice_address_set_from_string (&address, "::1");
  nice_agent_add_local_address (thief->agent, &address);
  thief->stream = nice_agent_add_stream (thief->agent, 1);
  nice_agent_set_local_credentials (thief->agent, thief->stream, mine->ufrag,
      mine->password);
  nice_agent_attach_recv (thief->agent, thief->stream, 1,
      g_main_context_default (), on_stolen, thief);
  nice_agent_gather_candidates (thief->agent, thief->stream);
  nice_agent_set_remote_credentials (thief->agent, thief->stream, theirs->ufrag,
      theirs->password);
}

static char *
thief_get_candidate (Thief *thief)
{
  GSList *local = nice_agent_get_local_candidates (thief->agent, thief->stream,
      1);
  NiceCandidate *candidate = local->data;
  char *line = g_strdup_printf ("candidate:77 1 udp 2147483647 ::1 %u typ host",
      nice_address_get_port (&candidate->addr));

  g_slist_free_full (local, (GDestroyNotify) nice_candidate_free);
  return line;
}

/* The server answers checks in a peer's name, for candidates of its own: the
 * call stays where it is. */
static void
test_thief (void)
{
  const Cost cost = { .fds = 16, .messages = 4, .warnings = 0 };
  g_autofree char *line = NULL;
  const QpMessage *offer, *answer;
  Thief thief = { 0 };
  Scene scene = { 0 };

  scene_start (&scene);
  offer = liar_last (&scene.liar, scene.viewer_id, QP_MESSAGE_OFFER);
  answer = liar_last (&scene.liar, scene.camera_id, QP_MESSAGE_ANSWER);
  thief_init (&thief, FALSE, answer, offer);
  line = thief_get_candidate (&thief);
  forge (scene.viewer, scene.camera_id, new_candidate (scene.call, line));
  forge (scene.camera, scene.viewer_id, new_candidate (scene.call, line));
  run_for (1500);
  g_object_unref (thief.agent);
  g_assert_cmpuint (thief.received, ==, 0);
  scene_end (&scene, &cost);
}

int
main (int argc, char **argv)
{
  hostile_init (&argc, &argv);
  g_test_add_func ("/hostile-server/membership", test_membership);
  g_test_add_func ("/hostile-server/setup", test_setup);
  g_test_add_func ("/hostile-server/paths", test_paths);
  g_test_add_func ("/hostile-server/offers", test_offers);
  g_test_add_func ("/hostile-server/strangers", test_strangers);
  g_test_add_func ("/hostile-server/candidates", test_candidates);
  g_test_add_func ("/hostile-server/flood", test_flood);
  g_test_add_func ("/hostile-server/ice-servers", test_ice_servers);
  g_test_add_func ("/hostile-server/thief", test_thief);
  return g_test_run ();
}

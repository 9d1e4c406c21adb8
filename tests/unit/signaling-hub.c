/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The rules of the signaling hub, with a simulated clock and no sockets. */

#include "signaling/hub.h"

#include <string.h>

#define S G_USEC_PER_SEC
#define UNIX_NOW G_GINT64_CONSTANT (1700000000)
#define N_CONNECTIONS 16

static const char *const tokens[] = {
  "00000000000000000000000000000000",
  "11111111111111111111111111111111",
  "22222222222222222222222222222222",
  "33333333333333333333333333333333",
};

/* Records what the hub says to each connection. */
typedef struct {
  QpHub *hub;
  gint64 now;
  GQueue sent[N_CONNECTIONS]; /* of char * */
  guint closed[N_CONNECTIONS];
  GString *log;
} World;

static void
on_send (guint64 connection, const char *text, gsize size, gpointer user_data)
{
  World *world = user_data;

  g_assert_cmpuint (connection, <, N_CONNECTIONS);
  g_assert_cmpuint (world->closed[connection], ==, 0);
  g_assert_cmpint (text[size], ==, '\0');
  g_queue_push_tail (&world->sent[connection], g_strndup (text, size));
}

static void
on_close (guint64 connection, guint code, const char *reason,
    gpointer user_data)
{
  World *world = user_data;

  g_assert_cmpuint (world->closed[connection], ==, 0);
  world->closed[connection] = code;
}

static void
on_log (const char *line, gpointer user_data)
{
  World *world = user_data;

  g_string_append_printf (world->log, "%s\n", line);
}

static gint64
on_unix_time (gpointer user_data)
{
  return UNIX_NOW;
}

static void
world_init (World *world, QpHubConfig config)
{
  static const QpHubCallbacks callbacks = { on_send, on_close, on_log,
    on_unix_time };
  g_autoptr (GError) error = NULL;

  memset (world, 0, sizeof *world);
  world->now = 1000 * S;
  world->log = g_string_new (NULL);
  world->hub = qp_hub_new (&config, &callbacks, world, &error);
  g_assert_no_error (error);
}

static void
world_clear (World *world)
{
  qp_hub_free (world->hub);
  for (guint i = 0; i < N_CONNECTIONS; i++)
    g_queue_clear_full (&world->sent[i], g_free);
  g_string_free (world->log, TRUE);
}

static void
connect_at (World *world, guint connection, const char *path)
{
  g_autoptr (GError) error = NULL;

  world->closed[connection] = 0;
  g_assert_true (qp_hub_connected (world->hub, connection, path, "192.0.2.1",
      world->now, &error));
  g_assert_no_error (error);
}

static void
say (World *world, guint connection, const char *text)
{
  /* Exactly the bytes, so that a sanitizer sees a read past them. */
  g_autofree char *bytes = g_strdup (text);

  qp_hub_received (world->hub, connection, bytes, strlen (bytes), world->now);
}

static void
join_as (World *world, guint connection, guint token, const char *more)
{
  g_autofree char *text = g_strdup_printf (
      "{\"type\":\"join\",\"version\":1,\"token\":\"%s\",\"produces\":true,"
      "\"consumes\":false%s}",
      tokens[token], more);

  say (world, connection, text);
}

static void
connect_and_join (World *world, guint connection, guint token)
{
  connect_at (world, connection, "/door");
  join_as (world, connection, token, "");
}

static char *
id_of (guint token)
{
  return qp_member_id_from_token (tokens[token]);
}

/* (transfer full): the next message to @connection, which must be of @type. */
static QpMessage *
next (World *world, guint connection, QpMessageType type)
{
  g_autofree char *json = g_queue_pop_head (&world->sent[connection]);
  g_autoptr (GError) error = NULL;
  QpMessage *message;

  if (!json)
    g_error ("nothing was said to %u, expected %s", connection,
        qp_message_type_to_string (type));
  message = qp_message_parse (json, strlen (json), &error);
  g_assert_no_error (error);
  if (message->type != type)
    g_error ("expected %s, got %s", qp_message_type_to_string (type), json);
  return message;
}

static void
skip (World *world, guint connection, QpMessageType type)
{
  qp_message_free (next (world, connection, type));
}

static void
assert_error (World *world, guint connection, const char *code)
{
  g_autoptr (QpMessage) message = next (world, connection, QP_MESSAGE_ERROR);

  g_assert_cmpstr (message->code, ==, code);
  g_assert_cmpuint (strlen (message->text), >, 10);
}

static void
assert_silence (World *world)
{
  for (guint i = 0; i < N_CONNECTIONS; i++) {
    if (world->sent[i].length > 0)
      g_error ("unexpected, to %u: %s", i, (char *) world->sent[i].head->data);
  }
}

/* Forgets what was said so far. */
static void
hush (World *world)
{
  for (guint i = 0; i < N_CONNECTIONS; i++)
    g_queue_clear_full (&world->sent[i], g_free);
}

static char *
candidate_to (guint token, const char *candidate)
{
  g_autofree char *id = id_of (token);

  return g_strdup_printf (
      "{\"type\":\"candidate\",\"to\":\"%s\",\"call\":\"0011223344556677\","
      "\"path\":1,\"candidate\":\"%s\",\"unknown\":[1]}",
      id, candidate);
}

/* --- members ---------------------------------------------------------------- */

static void
test_join (void)
{
  World world;
  g_autoptr (QpMessage) joined_a = NULL;
  g_autoptr (QpMessage) joined_b = NULL;
  g_autoptr (QpMessage) told_a = NULL;
  g_autofree char *id_a = id_of (0);
  g_autofree char *id_b = id_of (1);

  world_init (&world, (QpHubConfig){ 0 });
  connect_at (&world, 1, "/front%20door");
  assert_silence (&world);
  join_as (&world, 1, 0, ",\"name\":\"cam\"");
  joined_a = next (&world, 1, QP_MESSAGE_JOINED);
  g_assert_cmpstr (joined_a->id, ==, id_a);
  g_assert_cmpstr (joined_a->room, ==, "front door");
  g_assert_cmpuint (joined_a->peers->len, ==, 0);
  g_assert_cmpuint (joined_a->ice_servers->len, ==, 0);

  connect_at (&world, 2, "/front%20door");
  join_as (&world, 2, 1, "");
  joined_b = next (&world, 2, QP_MESSAGE_JOINED);
  g_assert_cmpuint (joined_b->peers->len, ==, 1);
  g_assert_cmpstr (((QpPeerInfo *) joined_b->peers->pdata[0])->name, ==, "cam");
  told_a = next (&world, 1, QP_MESSAGE_PEER_JOINED);
  g_assert_cmpstr (told_a->peer->id, ==, id_b);
  g_assert_true (told_a->peer->produces && !told_a->peer->consumes);

  /* Another room hears nothing. */
  connect_at (&world, 3, "/other");
  join_as (&world, 3, 2, "");
  skip (&world, 3, QP_MESSAGE_JOINED);
  assert_silence (&world);
  g_assert_cmpuint (qp_hub_get_n_rooms (world.hub), ==, 2);
  g_assert_cmpuint (qp_hub_get_n_members (world.hub), ==, 3);

  join_as (&world, 1, 0, "");
  assert_error (&world, 1, "already-joined");
  world_clear (&world);
}

static void
test_leave (void)
{
  World world;
  g_autoptr (QpMessage) left = NULL;
  g_autofree char *id_b = id_of (1);

  world_init (&world, (QpHubConfig){ 0 });
  connect_and_join (&world, 1, 0);
  connect_and_join (&world, 2, 1);
  skip (&world, 1, QP_MESSAGE_JOINED);
  skip (&world, 1, QP_MESSAGE_PEER_JOINED);
  skip (&world, 2, QP_MESSAGE_JOINED);
  say (&world, 2, "{\"type\":\"leave\"}");
  g_assert_cmpuint (world.closed[2], ==, QP_HUB_CLOSE_NORMAL);
  left = next (&world, 1, QP_MESSAGE_PEER_LEFT);
  g_assert_cmpstr (left->id, ==, id_b);
  g_assert_cmpstr (left->reason, ==, "left");
  assert_silence (&world);
  say (&world, 1, "{\"type\":\"leave\"}");
  g_assert_cmpuint (qp_hub_get_n_rooms (world.hub), ==, 0);
  g_assert_cmpuint (qp_hub_get_n_connections (world.hub), ==, 0);
  /* Late words of a closed connection are nobody's. */
  say (&world, 1, "{\"type\":\"ping\"}");
  qp_hub_disconnected (world.hub, 1, world.now);
  assert_silence (&world);
  world_clear (&world);
}

static void
test_relay (void)
{
  World world;
  g_autofree char *to_b = candidate_to (1, "");
  g_autofree char *to_self = candidate_to (0, "");
  g_autofree char *to_nobody = candidate_to (3, "");
  g_autofree char *id_a = id_of (0);
  g_autofree char *id_nobody = id_of (3);
  g_autoptr (QpMessage) got = NULL;
  g_autoptr (QpMessage) error = NULL;

  world_init (&world, (QpHubConfig){ 0 });
  connect_at (&world, 1, "/door");
  say (&world, 1, to_b);
  assert_error (&world, 1, "not-joined");
  join_as (&world, 1, 0, "");
  connect_and_join (&world, 2, 1);
  skip (&world, 1, QP_MESSAGE_JOINED);
  skip (&world, 1, QP_MESSAGE_PEER_JOINED);
  skip (&world, 2, QP_MESSAGE_JOINED);

  say (&world, 1, to_b);
  got = next (&world, 2, QP_MESSAGE_CANDIDATE);
  g_assert_cmpstr (got->from, ==, id_a);
  g_assert_null (got->to);
  g_assert_cmpuint (got->path, ==, 1);

  say (&world, 1, to_nobody);
  error = next (&world, 1, QP_MESSAGE_ERROR);
  g_assert_cmpstr (error->code, ==, "no-such-peer");
  g_assert_cmpstr (error->id, ==, id_nobody);
  g_assert_cmpstr (error->call, ==, "0011223344556677");
  say (&world, 1, to_self);
  assert_error (&world, 1, "no-such-peer");
  say (&world, 1,
      "{\"type\":\"candidate\",\"call\":\"0011223344556677\",\"path\":1,"
      "\"candidate\":\"\"}");
  assert_error (&world, 1, "bad-message");
  assert_silence (&world);
  world_clear (&world);
}

/* Nobody speaks in another's name: "from" is the server's alone. */
static void
test_forged_from (void)
{
  World world;
  g_autofree char *id_a = id_of (0);
  g_autofree char *id_b = id_of (1);
  g_autofree char *id_c = id_of (2);
  g_autofree char *forged = g_strdup_printf (
      "{\"type\":\"bye\",\"to\":\"%s\",\"from\":\"%s\","
      "\"call\":\"0011223344556677\",\"code\":\"x\",\"message\":\"\"}",
      id_b, id_c);
  g_autoptr (QpMessage) got = NULL;

  world_init (&world, (QpHubConfig){ 0 });
  connect_and_join (&world, 1, 0);
  connect_and_join (&world, 2, 1);
  hush (&world);
  say (&world, 1, forged);
  got = next (&world, 2, QP_MESSAGE_BYE);
  g_assert_cmpstr (got->from, ==, id_a);
  world_clear (&world);
}

/* --- seats ------------------------------------------------------------------ */

static void
test_seat (void)
{
  World world;
  g_autofree char *first = candidate_to (1, "candidate:1");
  g_autofree char *second = candidate_to (1, "candidate:2");
  g_autofree char *id_a = id_of (0);
  g_autoptr (QpMessage) joined = NULL;
  g_autoptr (QpMessage) one = NULL;
  g_autoptr (QpMessage) two = NULL;
  g_autoptr (QpMessage) third = NULL;

  world_init (&world, (QpHubConfig){ 0 });
  connect_and_join (&world, 1, 0);
  connect_and_join (&world, 2, 1);
  skip (&world, 1, QP_MESSAGE_JOINED);
  skip (&world, 1, QP_MESSAGE_PEER_JOINED);
  skip (&world, 2, QP_MESSAGE_JOINED);

  /* Lost: the others hear nothing, and what they say waits. */
  qp_hub_disconnected (world.hub, 2, world.now);
  say (&world, 1, first);
  say (&world, 1, second);
  world.now += 59 * S;
  qp_hub_advance (world.hub, world.now);
  assert_silence (&world);
  g_assert_cmpuint (qp_hub_get_n_members (world.hub), ==, 2);

  /* Who comes meanwhile sees that it is away. */
  connect_and_join (&world, 3, 2);
  third = next (&world, 3, QP_MESSAGE_JOINED);
  g_assert_cmpuint (third->peers->len, ==, 2);
  g_assert_false (((QpPeerInfo *) third->peers->pdata[0])->away);
  g_assert_true (((QpPeerInfo *) third->peers->pdata[1])->away);
  skip (&world, 1, QP_MESSAGE_PEER_JOINED);

  /* Back: joined, then the mailbox; nothing to the others. */
  connect_and_join (&world, 4, 1);
  joined = next (&world, 4, QP_MESSAGE_JOINED);
  g_assert_cmpuint (joined->peers->len, ==, 2);
  one = next (&world, 4, QP_MESSAGE_CANDIDATE);
  g_assert_cmpstr (one->candidate, ==, "candidate:1");
  g_assert_cmpstr (one->from, ==, id_a);
  two = next (&world, 4, QP_MESSAGE_CANDIDATE);
  g_assert_cmpstr (two->candidate, ==, "candidate:2");
  assert_silence (&world);

  /* The mailbox is empty the next time. */
  qp_hub_disconnected (world.hub, 4, world.now);
  connect_and_join (&world, 5, 1);
  skip (&world, 5, QP_MESSAGE_JOINED);
  assert_silence (&world);
  world_clear (&world);
}

static void
test_seat_expires (void)
{
  World world;
  g_autoptr (QpMessage) left = NULL;

  world_init (&world, (QpHubConfig){ .seat_seconds = 5 });
  connect_and_join (&world, 1, 0);
  connect_and_join (&world, 2, 1);
  skip (&world, 1, QP_MESSAGE_JOINED);
  skip (&world, 1, QP_MESSAGE_PEER_JOINED);
  qp_hub_disconnected (world.hub, 2, world.now);
  world.now += 5 * S - 1;
  qp_hub_advance (world.hub, world.now);
  g_assert_cmpuint (world.sent[1].length, ==, 0);
  world.now += 1;
  qp_hub_advance (world.hub, world.now);
  left = next (&world, 1, QP_MESSAGE_PEER_LEFT);
  g_assert_cmpstr (left->reason, ==, "expired");
  /* And the last seat takes the room with it. */
  qp_hub_disconnected (world.hub, 1, world.now);
  g_assert_cmpuint (qp_hub_get_n_rooms (world.hub), ==, 1);
  world.now += 5 * S;
  qp_hub_advance (world.hub, world.now);
  g_assert_cmpuint (qp_hub_get_n_rooms (world.hub), ==, 0);
  world_clear (&world);
}

static void
test_mailbox_is_bounded (void)
{
  World world;
  g_autofree char *text = candidate_to (1, "candidate:1");
  g_autofree char *sdp = g_strnfill (40000, 'v');
  g_autofree char *id_b = id_of (1);
  g_autofree char *large = g_strdup_printf (
      "{\"type\":\"media\",\"to\":\"%s\",\"call\":\"0011223344556677\","
      "\"sdp\":\"%s\"}",
      id_b, sdp);
  guint n = 0;

  world_init (&world, (QpHubConfig){ .max_mailbox = 10 });
  connect_and_join (&world, 1, 0);
  connect_and_join (&world, 2, 1);
  hush (&world);
  qp_hub_disconnected (world.hub, 2, world.now);
  for (guint i = 0; i < 10; i++)
    say (&world, 1, text);
  assert_silence (&world);
  say (&world, 1, text);
  assert_error (&world, 1, "peer-away");

  /* In bytes, too: 256 KiB. */
  connect_and_join (&world, 3, 1);
  hush (&world);
  qp_hub_disconnected (world.hub, 3, world.now);
  while (world.sent[1].length == 0 && n < 10) {
    say (&world, 1, large);
    n++;
  }
  assert_error (&world, 1, "peer-away");
  g_assert_cmpuint (n, ==, 7);
  world_clear (&world);
}

static void
test_replaced (void)
{
  World world;

  world_init (&world, (QpHubConfig){ 0 });
  connect_and_join (&world, 1, 0);
  connect_and_join (&world, 2, 1);
  skip (&world, 1, QP_MESSAGE_JOINED);
  skip (&world, 1, QP_MESSAGE_PEER_JOINED);
  skip (&world, 2, QP_MESSAGE_JOINED);
  connect_and_join (&world, 3, 1);
  assert_error (&world, 2, "replaced");
  g_assert_cmpuint (world.closed[2], ==, QP_HUB_CLOSE_POLICY);
  skip (&world, 3, QP_MESSAGE_JOINED);
  assert_silence (&world);
  /* The old connection's end does not touch the seat. */
  qp_hub_disconnected (world.hub, 2, world.now);
  world.now += 61 * S;
  qp_hub_advance (world.hub, world.now);
  assert_silence (&world);
  g_assert_cmpuint (qp_hub_get_n_members (world.hub), ==, 2);
  world_clear (&world);
}

/* Back with another name: that is worth telling. */
static void
test_changed (void)
{
  World world;
  g_autoptr (QpMessage) told = NULL;

  world_init (&world, (QpHubConfig){ 0 });
  connect_and_join (&world, 1, 0);
  connect_and_join (&world, 2, 1);
  skip (&world, 1, QP_MESSAGE_JOINED);
  skip (&world, 1, QP_MESSAGE_PEER_JOINED);
  qp_hub_disconnected (world.hub, 2, world.now);
  connect_at (&world, 3, "/door");
  join_as (&world, 3, 1, ",\"name\":\"new\"");
  told = next (&world, 1, QP_MESSAGE_PEER_JOINED);
  g_assert_cmpstr (told->peer->name, ==, "new");
  g_assert_false (told->peer->away);
  world_clear (&world);
}

/* --- limits ----------------------------------------------------------------- */

static void
test_full (void)
{
  World world;
  g_autoptr (QpMessage) left = NULL;
  g_autofree char *id_b = id_of (1);

  world_init (&world, (QpHubConfig){ .max_peers = 2 });
  connect_and_join (&world, 1, 0);
  connect_and_join (&world, 2, 1);
  connect_and_join (&world, 3, 2);
  assert_error (&world, 3, "room-full");
  g_assert_cmpuint (world.closed[3], ==, QP_HUB_CLOSE_TRY_LATER);
  /* A member that is away makes place. */
  hush (&world);
  qp_hub_disconnected (world.hub, 2, world.now);
  connect_and_join (&world, 4, 2);
  skip (&world, 4, QP_MESSAGE_JOINED);
  left = next (&world, 1, QP_MESSAGE_PEER_LEFT);
  g_assert_cmpstr (left->id, ==, id_b);
  skip (&world, 1, QP_MESSAGE_PEER_JOINED);
  assert_silence (&world);
  world_clear (&world);
}

static void
test_rooms (void)
{
  World world;
  g_autoptr (GError) error = NULL;

  world_init (&world, (QpHubConfig){ .max_rooms = 2 });
  connect_at (&world, 1, "/a");
  connect_at (&world, 2, "/b");
  connect_at (&world, 3, "/b");
  g_assert_false (qp_hub_connected (world.hub, 4, "/c", "192.0.2.1", world.now,
      &error));
  g_assert_error (error, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_TOO_MANY_ROOMS);
  g_clear_error (&error);
  qp_hub_disconnected (world.hub, 1, world.now);
  connect_at (&world, 5, "/c");
  g_assert_false (qp_hub_connected (world.hub, 6, "/%zz", "192.0.2.1",
      world.now, &error));
  g_assert_error (error, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_BAD_ROOM);
  world_clear (&world);
}

static void
test_connections (void)
{
  World world;
  g_autoptr (GError) error = NULL;

  world_init (&world,
      (QpHubConfig){ .max_connections = 3, .max_connections_per_address = 2 });
  connect_at (&world, 1, "/a");
  connect_at (&world, 2, "/a");
  g_assert_false (qp_hub_connected (world.hub, 3, "/a", "192.0.2.1", world.now,
      &error));
  g_assert_error (error, QP_SIGNALING_ERROR,
      QP_SIGNALING_ERROR_TOO_MANY_CONNECTIONS);
  g_clear_error (&error);
  g_assert_true (qp_hub_connected (world.hub, 4, "/a", "192.0.2.2", world.now,
      &error));
  g_assert_false (qp_hub_connected (world.hub, 5, "/a", "192.0.2.3", world.now,
      &error));
  g_assert_error (error, QP_SIGNALING_ERROR,
      QP_SIGNALING_ERROR_TOO_MANY_CONNECTIONS);
  qp_hub_disconnected (world.hub, 1, world.now);
  connect_at (&world, 6, "/a");
  world_clear (&world);
}

static void
test_rate (void)
{
  World world;
  static const char ping[] = "{\"type\":\"ping\"}";

  world_init (&world,
      (QpHubConfig){ .messages_per_second = 10, .message_burst = 20 });
  connect_at (&world, 1, "/door");
  for (guint i = 0; i < 25; i++)
    say (&world, 1, ping);
  for (guint i = 0; i < 20; i++)
    skip (&world, 1, QP_MESSAGE_PONG);
  /* Told once, not five times. */
  assert_error (&world, 1, "rate-limited");
  assert_silence (&world);
  g_assert_cmpuint (world.closed[1], ==, 0);

  /* After half a second, five more. */
  world.now += S / 2;
  for (guint i = 0; i < 6; i++)
    say (&world, 1, ping);
  g_assert_cmpuint (world.sent[1].length, ==, 5);
  hush (&world);

  /* Who does not listen is dropped. */
  for (guint i = 0; i < 20; i++)
    say (&world, 1, ping);
  assert_error (&world, 1, "rate-limited");
  g_assert_cmpuint (world.closed[1], ==, QP_HUB_CLOSE_POLICY);
  world_clear (&world);
}

static void
test_size (void)
{
  World world;
  g_autofree char *large = g_strnfill (1001, ' ');

  world_init (&world, (QpHubConfig){ .max_message_size = 1000 });
  connect_and_join (&world, 1, 0);
  skip (&world, 1, QP_MESSAGE_JOINED);
  say (&world, 1, large);
  assert_error (&world, 1, "too-big");
  g_assert_cmpuint (world.closed[1], ==, QP_HUB_CLOSE_TOO_BIG);
  /* The seat is held: it may come back and behave. */
  g_assert_cmpuint (qp_hub_get_n_members (world.hub), ==, 1);
  world_clear (&world);
}

static void
test_idle (void)
{
  World world;

  world_init (&world, (QpHubConfig){ 0 });
  connect_at (&world, 1, "/door");
  connect_at (&world, 2, "/door");
  say (&world, 2, "{\"type\":\"ping\"}");
  skip (&world, 2, QP_MESSAGE_PONG);
  connect_and_join (&world, 3, 0);
  skip (&world, 3, QP_MESSAGE_JOINED);
  world.now += 30 * S;
  qp_hub_advance (world.hub, world.now);
  assert_error (&world, 2, "idle");
  g_assert_cmpuint (world.closed[2], ==, QP_HUB_CLOSE_POLICY);
  g_assert_cmpuint (world.closed[1], ==, 0);
  world.now += 570 * S;
  qp_hub_advance (world.hub, world.now);
  g_assert_cmpuint (world.closed[1], ==, QP_HUB_CLOSE_POLICY);
  g_assert_cmpuint (world.closed[3], ==, 0);
  assert_silence (&world);
  world_clear (&world);
}

static void
test_bad_messages (void)
{
  World world;
  static const struct {
    const char *text;
    const char *code;
  } bad[] = {
    { "", "bad-message" },
    { "hello", "bad-message" },
    { "[[[[[[[[[[[[[[", "bad-message" },
    { "{\"type\":\"x\"}", "unknown-type" },
    { "{\"type\":\"joined\",\"id\":\"00000000000000000000000000000000\","
      "\"room\":\"r\",\"peers\":[],\"ice-servers\":[]}",
        "bad-message" },
    { "{\"type\":\"pong\"}", "bad-message" },
    { "{}", "no-type" },
  };

  world_init (&world, (QpHubConfig){ 0 });
  connect_and_join (&world, 1, 0);
  skip (&world, 1, QP_MESSAGE_JOINED);
  connect_and_join (&world, 2, 1);
  skip (&world, 2, QP_MESSAGE_JOINED);
  skip (&world, 1, QP_MESSAGE_PEER_JOINED);
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
    say (&world, 1, bad[i].text);
    assert_error (&world, 1, bad[i].code);
  }
  /* Only the one who sent it hears of it, and it goes on. */
  assert_silence (&world);
  g_assert_cmpuint (world.closed[1], ==, 0);

  connect_at (&world, 3, "/door");
  say (&world, 3, "{\"type\":\"join\",\"version\":2}");
  assert_error (&world, 3, "bad-version");
  g_assert_cmpuint (world.closed[3], ==, QP_HUB_CLOSE_POLICY);
  connect_at (&world, 4, "/");
  join_as (&world, 4, 2, "");
  assert_error (&world, 4, "bad-room");
  world_clear (&world);
}

/* --- secrets and TURN ------------------------------------------------------- */

static void
test_secret (void)
{
  World world;
  g_autoptr (GHashTable) secrets = g_hash_table_new (g_str_hash, g_str_equal);

  g_hash_table_insert (secrets, (gpointer) "door", (gpointer) "sesame");
  world_init (&world,
      (QpHubConfig){ .secrets = secrets, .default_secret = "other" });
  connect_at (&world, 1, "/door");
  join_as (&world, 1, 0, "");
  assert_error (&world, 1, "wrong-secret");
  g_assert_cmpuint (world.closed[1], ==, QP_HUB_CLOSE_POLICY);
  connect_at (&world, 2, "/door");
  join_as (&world, 2, 0, ",\"secret\":\"other\"");
  assert_error (&world, 2, "wrong-secret");
  connect_at (&world, 3, "/door");
  join_as (&world, 3, 0, ",\"secret\":\"sesame\"");
  skip (&world, 3, QP_MESSAGE_JOINED);
  connect_at (&world, 4, "/hall");
  join_as (&world, 4, 0, ",\"secret\":\"sesame\"");
  assert_error (&world, 4, "wrong-secret");
  connect_at (&world, 5, "/hall");
  join_as (&world, 5, 0, ",\"secret\":\"other\"");
  skip (&world, 5, QP_MESSAGE_JOINED);
  /* Untyped clients cannot name one: they are shut out, both ways. */
  connect_at (&world, 6, "/door");
  connect_at (&world, 7, "/door");
  say (&world, 6, "{\"username\":\"x\"}");
  g_assert_cmpuint (world.closed[6], ==, QP_HUB_CLOSE_POLICY);
  assert_silence (&world);
  g_assert_null (strstr (world.log->str, "sesame"));
  world_clear (&world);
}

static void
test_ice_servers (void)
{
  World world;
  static const char *const stun[] = { "stun:192.0.2.1:3478", NULL };
  static const char *const turn[] = { "turn:192.0.2.1:3478?transport=udp",
    "turns:192.0.2.1:443", NULL };
  static const QpHubCallbacks callbacks = { 0 };
  QpHubConfig config = { .stun_uris = stun,
    .turn_uris = turn,
    .turn_secret = "north",
    .turn_ttl_seconds = 3600 };
  g_autoptr (QpMessage) joined = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *id = id_of (0);
  g_autofree char *username = g_strdup_printf ("1700003600:%s", id);
  const QpIceServer *server;

  world_init (&world, config);
  connect_and_join (&world, 1, 0);
  joined = next (&world, 1, QP_MESSAGE_JOINED);
  g_assert_cmpuint (joined->ice_servers->len, ==, 2);
  server = joined->ice_servers->pdata[0];
  g_assert_cmpstr (server->urls[0], ==, stun[0]);
  g_assert_null (server->username);
  server = joined->ice_servers->pdata[1];
  g_assert_cmpstr (server->urls[1], ==, turn[1]);
  g_assert_cmpstr (server->username, ==, username);
  /* printf 1700003600:ID | openssl dgst -sha1 -hmac north -binary | base64 */
  g_assert_cmpstr (server->credential, ==, "YCPEaqNrsKoH/t5u9a9M2JdTUAY=");
  g_assert_null (strstr (world.log->str, "north"));
  g_assert_null (strstr (world.log->str, server->credential));
  world_clear (&world);

  config.turn_secret = NULL;
  g_assert_null (qp_hub_new (&config, &callbacks, NULL, &error));
  g_assert_error (error, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_CONFIG);
  g_clear_error (&error);
  config.turn_secret = "north";
  config.stun_uris = turn;
  g_assert_null (qp_hub_new (&config, &callbacks, NULL, &error));
  g_assert_error (error, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_CONFIG);
}

/* --- untyped clients -------------------------------------------------------- */

static void
assert_verbatim (World *world, guint connection, const char *text)
{
  g_autofree char *got = g_queue_pop_head (&world->sent[connection]);

  g_assert_cmpstr (got, ==, text);
}

static void
test_untyped (void)
{
  World world;
  static const char offer[] = " {\"candidates\" : [],\t\"username\":\"u\",\n"
                              "\"password\":\"\\u0070\", \"n\": 1.50 } ";

  world_init (&world, (QpHubConfig){ 0 });
  connect_at (&world, 1, "/");     /* offerer */
  connect_at (&world, 2, "/");     /* answerer, waits silently */
  connect_at (&world, 3, "/");     /* another */
  connect_at (&world, 4, "/door"); /* elsewhere */
  connect_at (&world, 5, "/");     /* speaks our protocol */
  say (&world, 5, "{\"type\":\"ping\"}");
  skip (&world, 5, QP_MESSAGE_PONG);

  say (&world, 1, offer);
  assert_verbatim (&world, 2, offer);
  assert_verbatim (&world, 3, offer);
  assert_silence (&world);
  say (&world, 2, "{\"candidates\":[]}");
  assert_verbatim (&world, 1, "{\"candidates\":[]}");
  assert_verbatim (&world, 3, "{\"candidates\":[]}");

  /* Once untyped, anything goes. */
  say (&world, 1, "[1,2]");
  say (&world, 1, "not JSON \xc3\xbc");
  say (&world, 1, "{\"type\":\"leave\"}");
  assert_verbatim (&world, 2, "[1,2]");
  assert_verbatim (&world, 2, "not JSON \xc3\xbc");
  assert_verbatim (&world, 2, "{\"type\":\"leave\"}");
  hush (&world);
  assert_silence (&world);

  /* Members of a room hear nothing of it. */
  connect_and_join (&world, 6, 0);
  skip (&world, 6, QP_MESSAGE_JOINED);
  say (&world, 4, "{\"a\":1}");
  assert_silence (&world);
  world_clear (&world);
}

static void
test_untyped_limits (void)
{
  World world;
  g_autofree char *large = g_strnfill (1001, ' ');

  world_init (&world,
      (QpHubConfig){ .messages_per_second = 1,
          .message_burst = 3,
          .max_message_size = 1000 });
  connect_at (&world, 1, "/");
  connect_at (&world, 2, "/");
  for (guint i = 0; i < 4; i++)
    say (&world, 1, "{}");
  /* No JSON of ours: it would be taken for the peer's. */
  g_assert_cmpuint (world.sent[1].length, ==, 0);
  g_assert_cmpuint (world.closed[1], ==, QP_HUB_CLOSE_POLICY);
  g_assert_cmpuint (world.sent[2].length, ==, 3);
  hush (&world);

  say (&world, 2, large);
  g_assert_cmpuint (world.closed[2], ==, QP_HUB_CLOSE_TOO_BIG);

  /* Traffic in either direction keeps a pair alive. */
  connect_at (&world, 3, "/");
  connect_at (&world, 4, "/");
  world.now += 500 * S;
  say (&world, 3, "{}");
  world.now += 500 * S;
  qp_hub_advance (world.hub, world.now);
  g_assert_cmpuint (world.closed[3], ==, 0);
  g_assert_cmpuint (world.closed[4], ==, 0);
  world.now += 100 * S;
  qp_hub_advance (world.hub, world.now);
  g_assert_cmpuint (world.closed[3], ==, QP_HUB_CLOSE_POLICY);
  g_assert_cmpuint (world.closed[4], ==, QP_HUB_CLOSE_POLICY);
  world_clear (&world);
}

/* --- the end ---------------------------------------------------------------- */

static void
test_drain (void)
{
  World world;
  g_autoptr (GError) error = NULL;

  world_init (&world, (QpHubConfig){ 0 });
  connect_and_join (&world, 1, 0);
  connect_and_join (&world, 2, 1);
  connect_at (&world, 3, "/door");
  qp_hub_disconnected (world.hub, 2, world.now);
  hush (&world);
  qp_hub_drain (world.hub, world.now);
  skip (&world, 1, QP_MESSAGE_DRAINING);
  assert_silence (&world);
  g_assert_cmpuint (world.closed[1], ==, QP_HUB_CLOSE_GOING_AWAY);
  g_assert_cmpuint (world.closed[3], ==, QP_HUB_CLOSE_GOING_AWAY);
  g_assert_cmpuint (qp_hub_get_n_connections (world.hub), ==, 0);
  g_assert_false (qp_hub_connected (world.hub, 4, "/door", "192.0.2.1",
      world.now, &error));
  g_assert_error (error, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_DRAINING);
  world_clear (&world);
}

static void
test_refuse (void)
{
  World world;
  g_autoptr (GError) why = g_error_new_literal (QP_SIGNALING_ERROR,
      QP_SIGNALING_ERROR_TOO_SLOW, "It does not read");

  world_init (&world, (QpHubConfig){ 0 });
  connect_and_join (&world, 1, 0);
  skip (&world, 1, QP_MESSAGE_JOINED);
  qp_hub_refuse (world.hub, 1, why, world.now);
  g_assert_cmpuint (world.closed[1], ==, QP_HUB_CLOSE_POLICY);
  g_assert_cmpuint (qp_hub_get_n_members (world.hub), ==, 1);
  g_assert_cmpuint (qp_hub_get_n_connections (world.hub), ==, 0);
  qp_hub_refuse (world.hub, 1, why, world.now);
  world_clear (&world);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/signaling/hub/join", test_join);
  g_test_add_func ("/signaling/hub/leave", test_leave);
  g_test_add_func ("/signaling/hub/relay", test_relay);
  g_test_add_func ("/signaling/hub/forged-from", test_forged_from);
  g_test_add_func ("/signaling/hub/seat", test_seat);
  g_test_add_func ("/signaling/hub/seat-expires", test_seat_expires);
  g_test_add_func ("/signaling/hub/mailbox", test_mailbox_is_bounded);
  g_test_add_func ("/signaling/hub/replaced", test_replaced);
  g_test_add_func ("/signaling/hub/changed", test_changed);
  g_test_add_func ("/signaling/hub/full", test_full);
  g_test_add_func ("/signaling/hub/rooms", test_rooms);
  g_test_add_func ("/signaling/hub/connections", test_connections);
  g_test_add_func ("/signaling/hub/rate", test_rate);
  g_test_add_func ("/signaling/hub/size", test_size);
  g_test_add_func ("/signaling/hub/idle", test_idle);
  g_test_add_func ("/signaling/hub/bad-messages", test_bad_messages);
  g_test_add_func ("/signaling/hub/secret", test_secret);
  g_test_add_func ("/signaling/hub/ice-servers", test_ice_servers);
  g_test_add_func ("/signaling/hub/untyped", test_untyped);
  g_test_add_func ("/signaling/hub/untyped-limits", test_untyped_limits);
  g_test_add_func ("/signaling/hub/drain", test_drain);
  g_test_add_func ("/signaling/hub/refuse", test_refuse);
  return g_test_run ();
}

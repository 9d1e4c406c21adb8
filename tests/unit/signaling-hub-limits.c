/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the signaling hub bounds and refuses: members, rooms, rates, sizes, bad
 * messages, secrets; and the TURN credentials that it makes. */
#include "tests/unit/signaling-hub-world.h"

#include <string.h>

/* --- limits ----------------------------------------------------------------- */

static void
test_full (void)
{
  HubWorld world;
  g_autoptr (QpMessage) left = NULL;
  g_autofree char *id_b = hub_world_id_of (1);

  hub_world_init (&world, (QpHubConfig){ .max_peers = 2 });
  hub_world_connect_and_join (&world, 1, 0);
  hub_world_connect_and_join (&world, 2, 1);
  hub_world_connect_and_join (&world, 3, 2);
  hub_world_assert_error (&world, 3, "room-full");
  g_assert_cmpuint (world.closed[3], ==, QP_HUB_CLOSE_TRY_LATER);
  /* A member that is away makes place. */
  hub_world_hush (&world);
  qp_hub_disconnected (world.hub, 2, world.now);
  hub_world_connect_and_join (&world, 4, 2);
  hub_world_skip (&world, 4, QP_MESSAGE_JOINED);
  left = hub_world_next (&world, 1, QP_MESSAGE_PEER_LEFT);
  g_assert_cmpstr (left->id, ==, id_b);
  hub_world_skip (&world, 1, QP_MESSAGE_PEER_JOINED);
  hub_world_assert_silence (&world);
  hub_world_clear (&world);
}

static void
test_rooms (void)
{
  HubWorld world;
  g_autoptr (GError) error = NULL;

  hub_world_init (&world, (QpHubConfig){ .max_rooms = 2 });
  hub_world_connect (&world, 1, "/a");
  hub_world_connect (&world, 2, "/b");
  hub_world_connect (&world, 3, "/b");
  g_assert_false (qp_hub_connected (world.hub, 4, "/c", "192.0.2.1", world.now,
      &error));
  g_assert_error (error, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_TOO_MANY_ROOMS);
  g_clear_error (&error);
  qp_hub_disconnected (world.hub, 1, world.now);
  hub_world_connect (&world, 5, "/c");
  g_assert_false (qp_hub_connected (world.hub, 6, "/%zz", "192.0.2.1",
      world.now, &error));
  g_assert_error (error, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_BAD_ROOM);
  hub_world_clear (&world);
}

static void
test_connections (void)
{
  HubWorld world;
  g_autoptr (GError) error = NULL;

  hub_world_init (&world,
      (QpHubConfig){ .max_connections = 3, .max_connections_per_address = 2 });
  hub_world_connect (&world, 1, "/a");
  hub_world_connect (&world, 2, "/a");
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
  hub_world_connect (&world, 6, "/a");
  hub_world_clear (&world);
}

/* One address may have half of a room, absent members' seats included. */
static void
test_seats_of_an_address (void)
{
  HubWorld world;
  g_autoptr (GError) error = NULL;

  hub_world_init (&world,
      (QpHubConfig){ .max_peers = 4, .max_seats_per_address = 2 });
  hub_world_connect_and_join (&world, 1, 0);
  hub_world_connect_and_join (&world, 2, 1);
  hub_world_hush (&world);
  qp_hub_disconnected (world.hub, 2, world.now);
  hub_world_connect_and_join (&world, 3, 2);
  hub_world_assert_error (&world, 3, "room-full");
  g_assert_cmpuint (world.closed[3], ==, QP_HUB_CLOSE_TRY_LATER);
  /* Its own seat is always there, and the other half for others. */
  hub_world_connect_and_join (&world, 4, 1);
  hub_world_skip (&world, 4, QP_MESSAGE_JOINED);
  g_assert_true (qp_hub_connected (world.hub, 5, "/door", "192.0.2.2",
      world.now, &error));
  hub_world_join (&world, 5, 2, "");
  hub_world_skip (&world, 5, QP_MESSAGE_JOINED);
  /* A seat goes where its member goes. */
  g_assert_true (qp_hub_connected (world.hub, 6, "/door", "192.0.2.2",
      world.now, &error));
  hub_world_join (&world, 6, 1, "");
  hub_world_skip (&world, 6, QP_MESSAGE_JOINED);
  hub_world_hush (&world);
  hub_world_connect_and_join (&world, 7, 3);
  hub_world_skip (&world, 7, QP_MESSAGE_JOINED);
  hub_world_clear (&world);
}

/* Comes and goes all the time: the others hear of it a few times a second. */
static void
test_join_flood (void)
{
  HubWorld world;
  guint heard = 0, refused = 0;

  hub_world_init (&world, (QpHubConfig){ .joins_per_second = 2 });
  g_assert_true (qp_hub_connected (world.hub, 1, "/door", "192.0.2.9",
      world.now, NULL));
  hub_world_join (&world, 1, 0, "");
  hub_world_hush (&world);
  for (guint i = 0; i < 10000; i++) {
    hub_world_connect_and_join (&world, 2, 1);
    refused += world.closed[2] == QP_HUB_CLOSE_TRY_LATER;
    hub_world_say (&world, 2, "{\"v\":1,\"type\":\"leave\"}");
    heard += g_queue_get_length (&world.sent[1]);
    hub_world_hush (&world);
    world.now += S / 1000;
    qp_hub_advance (world.hub, world.now);
  }
  /* 32 at once and two a second for ten seconds, each with its leaving. */
  g_assert_cmpuint (10000 - refused, >=, 32 + 19);
  g_assert_cmpuint (10000 - refused, <=, 32 + 21);
  g_assert_cmpuint (heard, ==, 2 * (10000 - refused));

  /* Everybody else may join. */
  g_assert_true (qp_hub_connected (world.hub, 3, "/door", "192.0.2.9",
      world.now, NULL));
  hub_world_join (&world, 3, 2, "");
  hub_world_skip (&world, 3, QP_MESSAGE_JOINED);
  hub_world_clear (&world);
}

/* A host has a /64 of IPv6 addresses to choose from. */
static void
test_ipv6_hosts (void)
{
  HubWorld world;
  g_autoptr (GError) error = NULL;

  hub_world_init (&world, (QpHubConfig){ .max_connections_per_address = 2 });
  g_assert_true (qp_hub_connected (world.hub, 1, "/a", "2001:db8:0:1::1",
      world.now, NULL));
  g_assert_true (qp_hub_connected (world.hub, 2, "/a", "2001:db8:0:1:ffff::2",
      world.now, NULL));
  g_assert_false (qp_hub_connected (world.hub, 3, "/a", "2001:db8:0:1::3",
      world.now, &error));
  g_assert_error (error, QP_SIGNALING_ERROR,
      QP_SIGNALING_ERROR_TOO_MANY_CONNECTIONS);
  g_assert_true (qp_hub_connected (world.hub, 4, "/a", "2001:db8:0:2::1",
      world.now, NULL));
  hub_world_clear (&world);
}

static void
test_rate (void)
{
  HubWorld world;
  static const char ping[] = "{\"type\":\"ping\"}";

  hub_world_init (&world,
      (QpHubConfig){ .messages_per_second = 10, .message_burst = 20 });
  hub_world_connect (&world, 1, "/door");
  for (guint i = 0; i < 25; i++)
    hub_world_say (&world, 1, ping);
  for (guint i = 0; i < 20; i++)
    hub_world_skip (&world, 1, QP_MESSAGE_PONG);
  /* Told once, not five times. */
  hub_world_assert_error (&world, 1, "rate-limited");
  hub_world_assert_silence (&world);
  g_assert_cmpuint (world.closed[1], ==, 0);

  /* After half a second, five more. */
  world.now += S / 2;
  for (guint i = 0; i < 6; i++)
    hub_world_say (&world, 1, ping);
  g_assert_cmpuint (world.sent[1].length, ==, 5);
  hub_world_hush (&world);

  /* Who does not listen is dropped. */
  for (guint i = 0; i < 20; i++)
    hub_world_say (&world, 1, ping);
  hub_world_assert_error (&world, 1, "rate-limited");
  g_assert_cmpuint (world.closed[1], ==, QP_HUB_CLOSE_POLICY);
  hub_world_clear (&world);
}

static void
test_size (void)
{
  HubWorld world;
  g_autofree char *large = g_strnfill (1001, ' ');

  hub_world_init (&world, (QpHubConfig){ .max_message_size = 1000 });
  hub_world_connect_and_join (&world, 1, 0);
  hub_world_skip (&world, 1, QP_MESSAGE_JOINED);
  hub_world_say (&world, 1, large);
  hub_world_assert_error (&world, 1, "too-big");
  g_assert_cmpuint (world.closed[1], ==, QP_HUB_CLOSE_TOO_BIG);
  /* The seat is held: it may come back and behave. */
  g_assert_cmpuint (qp_hub_get_n_members (world.hub), ==, 1);
  hub_world_clear (&world);
}

static void
test_idle (void)
{
  HubWorld world;

  hub_world_init (&world, (QpHubConfig){ 0 });
  hub_world_connect (&world, 1, "/door");
  hub_world_connect (&world, 2, "/door");
  hub_world_say (&world, 2, "{\"type\":\"ping\"}");
  hub_world_skip (&world, 2, QP_MESSAGE_PONG);
  hub_world_connect_and_join (&world, 3, 0);
  hub_world_skip (&world, 3, QP_MESSAGE_JOINED);
  world.now += 30 * S;
  qp_hub_advance (world.hub, world.now);
  hub_world_assert_error (&world, 2, "idle");
  g_assert_cmpuint (world.closed[2], ==, QP_HUB_CLOSE_POLICY);
  g_assert_cmpuint (world.closed[1], ==, 0);
  world.now += 570 * S;
  qp_hub_advance (world.hub, world.now);
  g_assert_cmpuint (world.closed[1], ==, QP_HUB_CLOSE_POLICY);
  g_assert_cmpuint (world.closed[3], ==, 0);
  hub_world_assert_silence (&world);
  hub_world_clear (&world);
}

static void
test_bad_messages (void)
{
  HubWorld world;
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

  hub_world_init (&world, (QpHubConfig){ 0 });
  hub_world_connect_and_join (&world, 1, 0);
  hub_world_skip (&world, 1, QP_MESSAGE_JOINED);
  hub_world_connect_and_join (&world, 2, 1);
  hub_world_skip (&world, 2, QP_MESSAGE_JOINED);
  hub_world_skip (&world, 1, QP_MESSAGE_PEER_JOINED);
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
    hub_world_say (&world, 1, bad[i].text);
    hub_world_assert_error (&world, 1, bad[i].code);
  }
  /* Only the one who sent it hears of it, and it goes on. */
  hub_world_assert_silence (&world);
  g_assert_cmpuint (world.closed[1], ==, 0);

  hub_world_connect (&world, 3, "/door");
  hub_world_say (&world, 3, "{\"type\":\"join\",\"version\":2}");
  hub_world_assert_error (&world, 3, "bad-version");
  g_assert_cmpuint (world.closed[3], ==, QP_HUB_CLOSE_POLICY);
  hub_world_connect (&world, 4, "/");
  hub_world_join (&world, 4, 2, "");
  hub_world_assert_error (&world, 4, "bad-room");
  hub_world_clear (&world);
}

/* --- secrets and TURN ------------------------------------------------------- */

static void
test_secret (void)
{
  HubWorld world;
  g_autoptr (GHashTable) secrets = g_hash_table_new (g_str_hash, g_str_equal);

  g_hash_table_insert (secrets, (gpointer) "door", (gpointer) "sesame");
  hub_world_init (&world,
      (QpHubConfig){ .secrets = secrets, .default_secret = "other" });
  hub_world_connect (&world, 1, "/door");
  hub_world_join (&world, 1, 0, "");
  hub_world_assert_error (&world, 1, "wrong-secret");
  g_assert_cmpuint (world.closed[1], ==, QP_HUB_CLOSE_POLICY);
  hub_world_connect (&world, 2, "/door");
  hub_world_join (&world, 2, 0, ",\"secret\":\"other\"");
  hub_world_assert_error (&world, 2, "wrong-secret");
  hub_world_connect (&world, 3, "/door");
  hub_world_join (&world, 3, 0, ",\"secret\":\"sesame\"");
  hub_world_skip (&world, 3, QP_MESSAGE_JOINED);
  hub_world_connect (&world, 4, "/hall");
  hub_world_join (&world, 4, 0, ",\"secret\":\"sesame\"");
  hub_world_assert_error (&world, 4, "wrong-secret");
  hub_world_connect (&world, 5, "/hall");
  hub_world_join (&world, 5, 0, ",\"secret\":\"other\"");
  hub_world_skip (&world, 5, QP_MESSAGE_JOINED);
  /* Untyped clients cannot name one: they are shut out, both ways. */
  hub_world_connect (&world, 6, "/door");
  hub_world_connect (&world, 7, "/door");
  hub_world_say (&world, 6, "{\"username\":\"x\"}");
  g_assert_cmpuint (world.closed[6], ==, QP_HUB_CLOSE_POLICY);
  hub_world_assert_silence (&world);
  g_assert_null (strstr (world.log->str, "sesame"));
  hub_world_clear (&world);
}

static void
test_ice_servers (void)
{
  HubWorld world;
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
  g_autofree char *id = hub_world_id_of (0);
  g_autofree char *username = g_strdup_printf ("1700003600:%s", id);
  const QpIceServer *server;

  hub_world_init (&world, config);
  hub_world_connect_and_join (&world, 1, 0);
  joined = hub_world_next (&world, 1, QP_MESSAGE_JOINED);
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
  hub_world_clear (&world);

  config.turn_secret = NULL;
  g_assert_null (qp_hub_new (&config, &callbacks, NULL, &error));
  g_assert_error (error, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_CONFIG);
  g_clear_error (&error);
  config.turn_secret = "north";
  config.stun_uris = turn;
  g_assert_null (qp_hub_new (&config, &callbacks, NULL, &error));
  g_assert_error (error, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_CONFIG);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/signaling/hub/full", test_full);
  g_test_add_func ("/signaling/hub/rooms", test_rooms);
  g_test_add_func ("/signaling/hub/connections", test_connections);
  g_test_add_func ("/signaling/hub/seats-of-an-address",
      test_seats_of_an_address);
  g_test_add_func ("/signaling/hub/join-flood", test_join_flood);
  g_test_add_func ("/signaling/hub/ipv6-hosts", test_ipv6_hosts);
  g_test_add_func ("/signaling/hub/rate", test_rate);
  g_test_add_func ("/signaling/hub/size", test_size);
  g_test_add_func ("/signaling/hub/idle", test_idle);
  g_test_add_func ("/signaling/hub/bad-messages", test_bad_messages);
  g_test_add_func ("/signaling/hub/secret", test_secret);
  g_test_add_func ("/signaling/hub/ice-servers", test_ice_servers);
  return g_test_run ();
}

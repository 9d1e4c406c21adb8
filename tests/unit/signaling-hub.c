/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who is in which room of the signaling hub, what is passed on, and to whom. */
#include "tests/unit/signaling-hub-world.h"

#include <string.h>

/* --- members ---------------------------------------------------------------- */

static void
test_join (void)
{
  HubWorld world;
  g_autoptr (QpMessage) joined_a = NULL;
  g_autoptr (QpMessage) joined_b = NULL;
  g_autoptr (QpMessage) told_a = NULL;
  g_autofree char *id_a = hub_world_id_of (0);
  g_autofree char *id_b = hub_world_id_of (1);

  hub_world_init (&world, (QpHubConfig){ 0 });
  hub_world_connect (&world, 1, "/front%20door");
  hub_world_assert_silence (&world);
  hub_world_join (&world, 1, 0, ",\"name\":\"cam\"");
  joined_a = hub_world_next (&world, 1, QP_MESSAGE_JOINED);
  g_assert_cmpstr (joined_a->id, ==, id_a);
  g_assert_cmpstr (joined_a->room, ==, "front door");
  g_assert_cmpuint (joined_a->peers->len, ==, 0);
  g_assert_cmpuint (joined_a->ice_servers->len, ==, 0);

  hub_world_connect (&world, 2, "/front%20door");
  hub_world_join (&world, 2, 1, "");
  joined_b = hub_world_next (&world, 2, QP_MESSAGE_JOINED);
  g_assert_cmpuint (joined_b->peers->len, ==, 1);
  g_assert_cmpstr (((QpPeerInfo *) joined_b->peers->pdata[0])->name, ==, "cam");
  told_a = hub_world_next (&world, 1, QP_MESSAGE_PEER_JOINED);
  g_assert_cmpstr (told_a->peer->id, ==, id_b);
  g_assert_true (told_a->peer->produces && !told_a->peer->consumes);

  /* Another room hears nothing. */
  hub_world_connect (&world, 3, "/other");
  hub_world_join (&world, 3, 2, "");
  hub_world_skip (&world, 3, QP_MESSAGE_JOINED);
  hub_world_assert_silence (&world);
  g_assert_cmpuint (qp_hub_get_n_rooms (world.hub), ==, 2);
  g_assert_cmpuint (qp_hub_get_n_members (world.hub), ==, 3);

  hub_world_join (&world, 1, 0, "");
  hub_world_assert_error (&world, 1, "already-joined");
  hub_world_clear (&world);
}

static void
test_leave (void)
{
  HubWorld world;
  g_autoptr (QpMessage) left = NULL;
  g_autofree char *id_b = hub_world_id_of (1);

  hub_world_init (&world, (QpHubConfig){ 0 });
  hub_world_connect_and_join (&world, 1, 0);
  hub_world_connect_and_join (&world, 2, 1);
  hub_world_skip (&world, 1, QP_MESSAGE_JOINED);
  hub_world_skip (&world, 1, QP_MESSAGE_PEER_JOINED);
  hub_world_skip (&world, 2, QP_MESSAGE_JOINED);
  hub_world_say (&world, 2, "{\"type\":\"leave\"}");
  g_assert_cmpuint (world.closed[2], ==, QP_HUB_CLOSE_NORMAL);
  left = hub_world_next (&world, 1, QP_MESSAGE_PEER_LEFT);
  g_assert_cmpstr (left->id, ==, id_b);
  g_assert_cmpstr (left->reason, ==, "left");
  hub_world_assert_silence (&world);
  hub_world_say (&world, 1, "{\"type\":\"leave\"}");
  g_assert_cmpuint (qp_hub_get_n_rooms (world.hub), ==, 0);
  g_assert_cmpuint (qp_hub_get_n_connections (world.hub), ==, 0);
  /* Late words of a closed connection are nobody's. */
  hub_world_say (&world, 1, "{\"type\":\"ping\"}");
  qp_hub_disconnected (world.hub, 1, world.now);
  hub_world_assert_silence (&world);
  hub_world_clear (&world);
}

static void
test_relay (void)
{
  HubWorld world;
  g_autofree char *to_b = hub_world_candidate_to (1, "");
  g_autofree char *to_self = hub_world_candidate_to (0, "");
  g_autofree char *to_nobody = hub_world_candidate_to (3, "");
  g_autofree char *id_a = hub_world_id_of (0);
  g_autofree char *id_nobody = hub_world_id_of (3);
  g_autoptr (QpMessage) got = NULL;
  g_autoptr (QpMessage) error = NULL;

  hub_world_init (&world, (QpHubConfig){ 0 });
  hub_world_connect (&world, 1, "/door");
  hub_world_say (&world, 1, to_b);
  hub_world_assert_error (&world, 1, "not-joined");
  hub_world_join (&world, 1, 0, "");
  hub_world_connect_and_join (&world, 2, 1);
  hub_world_skip (&world, 1, QP_MESSAGE_JOINED);
  hub_world_skip (&world, 1, QP_MESSAGE_PEER_JOINED);
  hub_world_skip (&world, 2, QP_MESSAGE_JOINED);

  hub_world_say (&world, 1, to_b);
  got = hub_world_next (&world, 2, QP_MESSAGE_CANDIDATE);
  g_assert_cmpstr (got->from, ==, id_a);
  g_assert_null (got->to);
  g_assert_cmpuint (got->path, ==, 1);

  hub_world_say (&world, 1, to_nobody);
  error = hub_world_next (&world, 1, QP_MESSAGE_ERROR);
  g_assert_cmpstr (error->code, ==, "no-such-peer");
  g_assert_cmpstr (error->id, ==, id_nobody);
  g_assert_cmpstr (error->call, ==, "0011223344556677");
  hub_world_say (&world, 1, to_self);
  hub_world_assert_error (&world, 1, "no-such-peer");
  hub_world_say (&world, 1,
      "{\"type\":\"candidate\",\"call\":\"0011223344556677\",\"path\":1,"
      "\"candidate\":\"\"}");
  hub_world_assert_error (&world, 1, "bad-message");
  hub_world_assert_silence (&world);
  hub_world_clear (&world);
}

/* Nobody speaks in another's name: "from" is the server's alone. */
static void
test_forged_from (void)
{
  HubWorld world;
  g_autofree char *id_a = hub_world_id_of (0);
  g_autofree char *id_b = hub_world_id_of (1);
  g_autofree char *id_c = hub_world_id_of (2);
  g_autofree char *forged = g_strdup_printf (
      "{\"type\":\"bye\",\"to\":\"%s\",\"from\":\"%s\","
      "\"call\":\"0011223344556677\",\"code\":\"x\",\"message\":\"\"}",
      id_b, id_c);
  g_autoptr (QpMessage) got = NULL;

  hub_world_init (&world, (QpHubConfig){ 0 });
  hub_world_connect_and_join (&world, 1, 0);
  hub_world_connect_and_join (&world, 2, 1);
  hub_world_hush (&world);
  hub_world_say (&world, 1, forged);
  got = hub_world_next (&world, 2, QP_MESSAGE_BYE);
  g_assert_cmpstr (got->from, ==, id_a);
  hub_world_clear (&world);
}

/* --- seats ------------------------------------------------------------------ */

static void
test_seat (void)
{
  HubWorld world;
  g_autofree char *first = hub_world_candidate_to (1, "candidate:1");
  g_autofree char *second = hub_world_candidate_to (1, "candidate:2");
  g_autofree char *id_a = hub_world_id_of (0);
  g_autoptr (QpMessage) joined = NULL;
  g_autoptr (QpMessage) one = NULL;
  g_autoptr (QpMessage) two = NULL;
  g_autoptr (QpMessage) third = NULL;

  hub_world_init (&world, (QpHubConfig){ 0 });
  hub_world_connect_and_join (&world, 1, 0);
  hub_world_connect_and_join (&world, 2, 1);
  hub_world_skip (&world, 1, QP_MESSAGE_JOINED);
  hub_world_skip (&world, 1, QP_MESSAGE_PEER_JOINED);
  hub_world_skip (&world, 2, QP_MESSAGE_JOINED);

  /* Lost: the others hear nothing, and what they say waits. */
  qp_hub_disconnected (world.hub, 2, world.now);
  hub_world_say (&world, 1, first);
  hub_world_say (&world, 1, second);
  world.now += 59 * S;
  qp_hub_advance (world.hub, world.now);
  hub_world_assert_silence (&world);
  g_assert_cmpuint (qp_hub_get_n_members (world.hub), ==, 2);

  /* Who comes meanwhile sees that it is away. */
  hub_world_connect_and_join (&world, 3, 2);
  third = hub_world_next (&world, 3, QP_MESSAGE_JOINED);
  g_assert_cmpuint (third->peers->len, ==, 2);
  g_assert_false (((QpPeerInfo *) third->peers->pdata[0])->away);
  g_assert_true (((QpPeerInfo *) third->peers->pdata[1])->away);
  hub_world_skip (&world, 1, QP_MESSAGE_PEER_JOINED);

  /* Back: joined, then the mailbox; nothing to the others. */
  hub_world_connect_and_join (&world, 4, 1);
  joined = hub_world_next (&world, 4, QP_MESSAGE_JOINED);
  g_assert_cmpuint (joined->peers->len, ==, 2);
  one = hub_world_next (&world, 4, QP_MESSAGE_CANDIDATE);
  g_assert_cmpstr (one->candidate, ==, "candidate:1");
  g_assert_cmpstr (one->from, ==, id_a);
  two = hub_world_next (&world, 4, QP_MESSAGE_CANDIDATE);
  g_assert_cmpstr (two->candidate, ==, "candidate:2");
  hub_world_assert_silence (&world);

  /* The mailbox is empty the next time. */
  qp_hub_disconnected (world.hub, 4, world.now);
  hub_world_connect_and_join (&world, 5, 1);
  hub_world_skip (&world, 5, QP_MESSAGE_JOINED);
  hub_world_assert_silence (&world);
  hub_world_clear (&world);
}

static void
test_seat_expires (void)
{
  HubWorld world;
  g_autoptr (QpMessage) left = NULL;

  hub_world_init (&world, (QpHubConfig){ .seat_seconds = 5 });
  hub_world_connect_and_join (&world, 1, 0);
  hub_world_connect_and_join (&world, 2, 1);
  hub_world_skip (&world, 1, QP_MESSAGE_JOINED);
  hub_world_skip (&world, 1, QP_MESSAGE_PEER_JOINED);
  qp_hub_disconnected (world.hub, 2, world.now);
  world.now += 5 * S - 1;
  qp_hub_advance (world.hub, world.now);
  g_assert_cmpuint (world.sent[1].length, ==, 0);
  world.now += 1;
  qp_hub_advance (world.hub, world.now);
  left = hub_world_next (&world, 1, QP_MESSAGE_PEER_LEFT);
  g_assert_cmpstr (left->reason, ==, "expired");
  /* And the last seat takes the room with it. */
  qp_hub_disconnected (world.hub, 1, world.now);
  g_assert_cmpuint (qp_hub_get_n_rooms (world.hub), ==, 1);
  world.now += 5 * S;
  qp_hub_advance (world.hub, world.now);
  g_assert_cmpuint (qp_hub_get_n_rooms (world.hub), ==, 0);
  hub_world_clear (&world);
}

static void
test_mailbox_is_bounded (void)
{
  HubWorld world;
  g_autofree char *text = hub_world_candidate_to (1, "candidate:1");
  g_autofree char *sdp = g_strnfill (40000, 'v');
  g_autofree char *id_b = hub_world_id_of (1);
  g_autofree char *large = g_strdup_printf (
      "{\"type\":\"media\",\"to\":\"%s\",\"call\":\"0011223344556677\","
      "\"sdp\":\"%s\"}",
      id_b, sdp);
  guint n = 0;

  hub_world_init (&world, (QpHubConfig){ .max_mailbox = 10 });
  hub_world_connect_and_join (&world, 1, 0);
  hub_world_connect_and_join (&world, 2, 1);
  hub_world_hush (&world);
  qp_hub_disconnected (world.hub, 2, world.now);
  for (guint i = 0; i < 10; i++)
    hub_world_say (&world, 1, text);
  hub_world_assert_silence (&world);
  hub_world_say (&world, 1, text);
  hub_world_assert_error (&world, 1, "peer-away");

  /* In bytes, too: 256 KiB. */
  hub_world_connect_and_join (&world, 3, 1);
  hub_world_hush (&world);
  qp_hub_disconnected (world.hub, 3, world.now);
  while (world.sent[1].length == 0 && n < 10) {
    hub_world_say (&world, 1, large);
    n++;
  }
  hub_world_assert_error (&world, 1, "peer-away");
  g_assert_cmpuint (n, ==, 7);
  hub_world_clear (&world);
}

static void
test_replaced (void)
{
  HubWorld world;

  hub_world_init (&world, (QpHubConfig){ 0 });
  hub_world_connect_and_join (&world, 1, 0);
  hub_world_connect_and_join (&world, 2, 1);
  hub_world_skip (&world, 1, QP_MESSAGE_JOINED);
  hub_world_skip (&world, 1, QP_MESSAGE_PEER_JOINED);
  hub_world_skip (&world, 2, QP_MESSAGE_JOINED);
  hub_world_connect_and_join (&world, 3, 1);
  hub_world_assert_error (&world, 2, "replaced");
  g_assert_cmpuint (world.closed[2], ==, QP_HUB_CLOSE_POLICY);
  hub_world_skip (&world, 3, QP_MESSAGE_JOINED);
  hub_world_assert_silence (&world);
  /* The old connection's end does not touch the seat. */
  qp_hub_disconnected (world.hub, 2, world.now);
  world.now += 61 * S;
  qp_hub_advance (world.hub, world.now);
  hub_world_assert_silence (&world);
  g_assert_cmpuint (qp_hub_get_n_members (world.hub), ==, 2);
  hub_world_clear (&world);
}

/* Back with another name: that is worth telling. */
static void
test_changed (void)
{
  HubWorld world;
  g_autoptr (QpMessage) told = NULL;

  hub_world_init (&world, (QpHubConfig){ 0 });
  hub_world_connect_and_join (&world, 1, 0);
  hub_world_connect_and_join (&world, 2, 1);
  hub_world_skip (&world, 1, QP_MESSAGE_JOINED);
  hub_world_skip (&world, 1, QP_MESSAGE_PEER_JOINED);
  qp_hub_disconnected (world.hub, 2, world.now);
  hub_world_connect (&world, 3, "/door");
  hub_world_join (&world, 3, 1, ",\"name\":\"new\"");
  told = hub_world_next (&world, 1, QP_MESSAGE_PEER_JOINED);
  g_assert_cmpstr (told->peer->name, ==, "new");
  g_assert_false (told->peer->away);
  hub_world_clear (&world);
}

/* --- untyped clients -------------------------------------------------------- */

static void
assert_verbatim (HubWorld *world, guint connection, const char *text)
{
  g_autofree char *got = g_queue_pop_head (&world->sent[connection]);

  g_assert_cmpstr (got, ==, text);
}

static void
test_untyped (void)
{
  HubWorld world;
  static const char offer[] = " {\"candidates\" : [],\t\"username\":\"u\",\n"
                              "\"password\":\"\\u0070\", \"n\": 1.50 } ";

  hub_world_init (&world, (QpHubConfig){ 0 });
  hub_world_connect (&world, 1, "/");     /* offerer */
  hub_world_connect (&world, 2, "/");     /* answerer, waits silently */
  hub_world_connect (&world, 3, "/");     /* another */
  hub_world_connect (&world, 4, "/door"); /* elsewhere */
  hub_world_connect (&world, 5, "/");     /* speaks our protocol */
  hub_world_say (&world, 5, "{\"type\":\"ping\"}");
  hub_world_skip (&world, 5, QP_MESSAGE_PONG);

  hub_world_say (&world, 1, offer);
  assert_verbatim (&world, 2, offer);
  assert_verbatim (&world, 3, offer);
  hub_world_assert_silence (&world);
  hub_world_say (&world, 2, "{\"candidates\":[]}");
  assert_verbatim (&world, 1, "{\"candidates\":[]}");
  assert_verbatim (&world, 3, "{\"candidates\":[]}");

  /* Once untyped, anything goes. */
  hub_world_say (&world, 1, "[1,2]");
  hub_world_say (&world, 1, "not JSON \xc3\xbc");
  hub_world_say (&world, 1, "{\"type\":\"leave\"}");
  assert_verbatim (&world, 2, "[1,2]");
  assert_verbatim (&world, 2, "not JSON \xc3\xbc");
  assert_verbatim (&world, 2, "{\"type\":\"leave\"}");
  hub_world_hush (&world);
  hub_world_assert_silence (&world);

  /* Members of a room hear nothing of it. */
  hub_world_connect_and_join (&world, 6, 0);
  hub_world_skip (&world, 6, QP_MESSAGE_JOINED);
  hub_world_say (&world, 4, "{\"a\":1}");
  hub_world_assert_silence (&world);
  hub_world_clear (&world);
}

static void
test_untyped_limits (void)
{
  HubWorld world;
  g_autofree char *large = g_strnfill (1001, ' ');

  hub_world_init (&world,
      (QpHubConfig){ .messages_per_second = 1,
          .message_burst = 3,
          .max_message_size = 1000 });
  hub_world_connect (&world, 1, "/");
  hub_world_connect (&world, 2, "/");
  for (guint i = 0; i < 4; i++)
    hub_world_say (&world, 1, "{}");
  /* No JSON of ours: it would be taken for the peer's. */
  g_assert_cmpuint (world.sent[1].length, ==, 0);
  g_assert_cmpuint (world.closed[1], ==, QP_HUB_CLOSE_POLICY);
  g_assert_cmpuint (world.sent[2].length, ==, 3);
  hub_world_hush (&world);

  hub_world_say (&world, 2, large);
  g_assert_cmpuint (world.closed[2], ==, QP_HUB_CLOSE_TOO_BIG);

  /* Traffic in either direction keeps a pair alive. */
  hub_world_connect (&world, 3, "/");
  hub_world_connect (&world, 4, "/");
  world.now += 500 * S;
  hub_world_say (&world, 3, "{}");
  world.now += 500 * S;
  qp_hub_advance (world.hub, world.now);
  g_assert_cmpuint (world.closed[3], ==, 0);
  g_assert_cmpuint (world.closed[4], ==, 0);
  world.now += 100 * S;
  qp_hub_advance (world.hub, world.now);
  g_assert_cmpuint (world.closed[3], ==, QP_HUB_CLOSE_POLICY);
  g_assert_cmpuint (world.closed[4], ==, QP_HUB_CLOSE_POLICY);
  hub_world_clear (&world);
}

/* --- the end ---------------------------------------------------------------- */

static void
test_drain (void)
{
  HubWorld world;
  g_autoptr (GError) error = NULL;

  hub_world_init (&world, (QpHubConfig){ 0 });
  hub_world_connect_and_join (&world, 1, 0);
  hub_world_connect_and_join (&world, 2, 1);
  hub_world_connect (&world, 3, "/door");
  qp_hub_disconnected (world.hub, 2, world.now);
  hub_world_hush (&world);
  qp_hub_drain (world.hub, world.now);
  hub_world_skip (&world, 1, QP_MESSAGE_DRAINING);
  hub_world_assert_silence (&world);
  g_assert_cmpuint (world.closed[1], ==, QP_HUB_CLOSE_GOING_AWAY);
  g_assert_cmpuint (world.closed[3], ==, QP_HUB_CLOSE_GOING_AWAY);
  g_assert_cmpuint (qp_hub_get_n_connections (world.hub), ==, 0);
  g_assert_false (qp_hub_connected (world.hub, 4, "/door", "192.0.2.1",
      world.now, &error));
  g_assert_error (error, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_DRAINING);
  hub_world_clear (&world);
}

static void
test_refuse (void)
{
  HubWorld world;
  g_autoptr (GError) why = g_error_new_literal (QP_SIGNALING_ERROR,
      QP_SIGNALING_ERROR_TOO_SLOW, "It does not read");

  hub_world_init (&world, (QpHubConfig){ 0 });
  hub_world_connect_and_join (&world, 1, 0);
  hub_world_skip (&world, 1, QP_MESSAGE_JOINED);
  qp_hub_refuse (world.hub, 1, why, world.now);
  g_assert_cmpuint (world.closed[1], ==, QP_HUB_CLOSE_POLICY);
  g_assert_cmpuint (qp_hub_get_n_members (world.hub), ==, 1);
  g_assert_cmpuint (qp_hub_get_n_connections (world.hub), ==, 0);
  qp_hub_refuse (world.hub, 1, why, world.now);
  hub_world_clear (&world);
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
  g_test_add_func ("/signaling/hub/untyped", test_untyped);
  g_test_add_func ("/signaling/hub/untyped-limits", test_untyped_limits);
  g_test_add_func ("/signaling/hub/drain", test_drain);
  g_test_add_func ("/signaling/hub/refuse", test_refuse);
  return g_test_run ();
}

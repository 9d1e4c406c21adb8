/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Hostile members of a room, and hostile clients of a camera's own signaling
 * server, beside a call that is up: it goes on, and their noise costs little. */
#include <libsoup/soup.h>
#include <string.h>

#include "tests/unit/hostile.h"

/* An offer that the camera followed. */
static char *
make_call (Member *member)
{
  QpMessage *offer = new_offer (NULL);
  char *call = g_strdup (offer->call);

  member_send (member, member->camera, offer);
  member_wait (member, QP_MESSAGE_ANSWER, 1);
  return call;
}

/* The camera has read all that was sent before when it ends the call. */
static void
end_call (Victims *victims, Member *member, const char *call)
{
  guint warnings = victims->camera.warnings;

  member_send (member, member->camera, new_bye (call));
  RUN_UNTIL (&victims->camera, victims->camera.warnings > warnings);
  victims_watch (victims);
  member_leave (member);
}

static void
test_candidates (void)
{
  static const char *const absurd[] = {
    "candidate:1 1 udp 2130706431 127.0.0.1 9 typ host",
    "candidate:1 1 udp 2130706431 224.0.0.1 5000 typ host",
    "candidate:1 1 udp 2130706431 255.255.255.255 5000 typ host",
    "candidate:1 1 udp 2130706431 0.0.0.0 5000 typ host",
    "candidate:1 1 udp 2130706431 :: 5000 typ host",
    "candidate:1 1 udp 2130706431 ff02::1 5000 typ host",
    "candidate:1 1 udp 2130706431 ::ffff:10.0.0.1 5000 typ host",
    "candidate:1 1 udp 2130706431 127.0.0.1 0 typ host",
    "candidate:1 1 udp 2130706431 127.0.0.1 65536 typ host",
    "candidate:1 1 udp 2130706431 127.0.0.1 -1 typ host",
    "candidate:1 1 udp 99999999999999999999 127.0.0.1 9 typ host",
    "candidate:1 256 udp 1 127.0.0.1 9 typ host",
    "candidate:1 1 tcp 1 127.0.0.1 9 typ host tcptype active",
    "candidate:1 1 udp 1 example.org 9 typ host",
    "candidate:1 1 udp 1 a.b.local 9 typ host",
    "candidate:1 1 udp 1 127.0.0.1 9 typ relay raddr",
    "candidate:1 1 udp 1 127.0.0.1 9 typ mars",
    "candidate:1 1 udp 1 127.0.0.1",
    "candidate:",
    "candidate",
    "%s%n%x",
  };
  QpSignalingServer *server = hostile_server_new ();
  guint port = qp_signaling_server_get_port (server);
  const Cost cost = { .heap = 8 * 1024 * 1024,
    .fds = 8,
    .messages = 8,
    .warnings = 1 };
  g_autofree char *call = NULL, *own = NULL;
  Victims victims;
  Member member = { 0 };

  victims_start_at (&victims, port);
  member_join (&member, port, "hostile", FALSE);
  victims_mark (&victims);
  call = make_call (&member);
  for (guint i = 0; i < G_N_ELEMENTS (absurd); i++)
    member_send (&member, member.camera, new_candidate (call, absurd[i]));
  /* TCP's port of the server, which STUN checks cannot harm. */
  own = g_strdup_printf ("candidate:1 1 udp 2130706431 127.0.0.1 %u typ host",
      port);
  member_send (&member, member.camera, new_candidate (call, own));
  for (guint i = 0; i < 300; i++) {
    g_autofree char *line =
        g_strdup_printf ("candidate:%u 1 udp %u 127.0.0.%u %u typ host", i,
            2130706431 - i, i % 250 + 2, 1000 + i);

    member_send (&member, member.camera, new_candidate (call, line));
    if (i % 20 == 0)
      victims_watch (&victims);
  }
  end_call (&victims, &member, call);
  victims_survived (&victims, &cost);
  qp_signaling_server_free (server);
}

/* New calls by the hundred: a few are followed, a few refused with the reason,
 * the rest is not worth an answer. */
static void
test_offers (void)
{
  QpSignalingServer *server = hostile_server_new ();
  guint port = qp_signaling_server_get_port (server);
  const Cost cost = { .heap = 8 * 1024 * 1024,
    .fds = 24,
    .messages = 64,
    .warnings = 12 };
  Victims victims;
  Member member = { 0 };
  guint answers, byes;
  gint64 start, allowed;

  victims_start_at (&victims, port);
  member_join (&member, port, "hostile", FALSE);
  victims_mark (&victims);
  start = g_get_monotonic_time ();
  for (guint i = 0; i < 200; i++) {
    member_send (&member, member.camera, new_offer (NULL));
    if (i % 20 == 0) {
      run_for (20);
      victims_watch (&victims);
    }
  }
  member_wait (&member, QP_MESSAGE_ANSWER, 5);
  g_assert_nonnull (strstr (member_wait (&member, QP_MESSAGE_BYE, 5)->text,
      "too many offers"));
  run_for (1000);
  answers = member_count (&member, QP_MESSAGE_ANSWER);
  byes = member_count (&member, QP_MESSAGE_BYE);
  allowed = 5 + (g_get_monotonic_time () - start) / G_USEC_PER_SEC + 1;
  g_test_message ("%u answers, %u byes", answers, byes);
  g_assert_cmpuint (answers, <=, allowed);
  g_assert_cmpuint (byes, <=, allowed);
  member_leave (&member);
  victims_survived (&victims, &cost);
  qp_signaling_server_free (server);
}

/* A viewer has nothing that one could ask for. */
static void
test_offers_to_viewer (void)
{
  QpSignalingServer *server = hostile_server_new ();
  guint port = qp_signaling_server_get_port (server);
  const Cost cost = { .fds = 2 };
  Victims victims;
  Member member = { 0 };

  victims_start_at (&victims, port);
  member_join (&member, port, "hostile", TRUE);
  victims_mark (&victims);
  for (guint i = 0; i < 100; i++)
    member_send (&member, member.viewer, new_offer (NULL));
  g_assert_cmpstr (member_wait (&member, QP_MESSAGE_BYE, 5)->code, ==,
      "no-media");
  run_for (300);
  g_assert_cmpuint (member_count (&member, QP_MESSAGE_BYE), <, 20);
  g_assert_cmpuint (member_count (&member, QP_MESSAGE_ANSWER), ==, 0);
  member_leave (&member);
  victims_survived (&victims, &cost);
  qp_signaling_server_free (server);
}

/* A crowd under many names has no more than its share either, and a viewer who
 * comes after it is served. */
static void
test_crowd (void)
{
  QpSignalingServer *server = hostile_server_new ();
  guint port = qp_signaling_server_get_port (server);
  /* A call has two sockets (IPv4 and IPv6) and a timer, and the WebSockets have
   * both ends in this process. */
  const Cost cost = { .heap = 48 * 1024 * 1024,
    .fds = 64 * 4 + 2 * 30,
    .messages = 1000,
    .warnings = 12 };
  g_autoptr (QpConfig) config = side_make_config (port, FALSE);
  static Member crowd[30];
  Victims victims;
  Side late;

  victims_start_at (&victims, port);
  victims_mark (&victims);
  memset (crowd, 0, sizeof crowd);
  for (guint i = 0; i < G_N_ELEMENTS (crowd); i++)
    member_join (&crowd[i], port, NULL, FALSE);
  for (guint round = 0; round < 6; round++) {
    for (guint i = 0; i < G_N_ELEMENTS (crowd); i++)
      member_send (&crowd[i], crowd[i].camera, new_offer (NULL));
    run_for (100);
    victims_watch (&victims);
  }
  for (guint i = 0; i < G_N_ELEMENTS (crowd); i++)
    member_leave (&crowd[i]);
  side_init (&late);
  side_join (&late, config, FALSE);
  RUN_UNTIL (&late, late.packets > 10);
  qp_session_leave (late.member);
  side_clear (&late);
  victims_survived (&victims, &cost);
  qp_signaling_server_free (server);
}

/* A crowd of producers who never answer: who wants all calls a share of them at
 * a time, and finds the one that is real, though it came last. */
static void
test_mute_producers (void)
{
  QpSignalingServer *server = hostile_server_new ();
  guint port = qp_signaling_server_get_port (server);
  g_autoptr (QpConfig) config = side_make_config (port, FALSE);
  g_autoptr (GstCaps) caps = side_video_caps ("H264");
  QpTrackConfig track_config = { .mid = "sink_0" };
  static Member crowd[120];
  Side camera, viewer;
  guint fds, calls = 0;
  QpTrack *track;

  memset (crowd, 0, sizeof crowd);
  for (guint i = 0; i < G_N_ELEMENTS (crowd); i++)
    member_join (&crowd[i], port, NULL, TRUE);
  config->producer = g_strdup ("all");
  fds = hostile_count_fds ();
  side_init (&viewer);
  side_join (&viewer, config, FALSE);
  run_for (3000);
  for (guint i = 0; i < G_N_ELEMENTS (crowd); i++)
    calls += member_count (&crowd[i], QP_MESSAGE_OFFER) > 0;
  g_test_message ("%u of %u called, %u descriptors", calls,
      (guint) G_N_ELEMENTS (crowd), hostile_count_fds () - fds);
  g_assert_cmpuint (calls, >, 0);
  g_assert_cmpuint (calls, <=, 64);
  g_assert_cmpuint (hostile_count_fds () - fds, <=, 64 * 6 + 32);

  side_init (&camera);
  side_join (&camera, config, TRUE);
  track = qp_session_add_track (camera.member, &track_config, NULL);
  qp_track_set_caps (track, caps);
  /* After those of the crowd have been given up, in 12 s. */
  RUN_UNTIL (&viewer, viewer.added == 1);

  qp_session_leave (viewer.member);
  qp_session_leave (camera.member);
  side_clear (&viewer);
  side_clear (&camera);
  for (guint i = 0; i < G_N_ELEMENTS (crowd); i++)
    member_leave (&crowd[i]);
  qp_signaling_server_free (server);
}

static void
send_stray (Member *member, const char *to)
{
  g_autofree char *call = new_id ();
  g_autofree char *sdp = make_sdp ("x", 60, 0);
  QpMessage *answer = new_offer (call);

  answer->type = QP_MESSAGE_ANSWER;
  member_send (member, to, answer);
  member_send (member, to, new_bye (call));
  member_send (member, to, new_media (call, sdp));
  member_send (member, to, new_candidate (call, "candidate:"));
  member_send (member, to, new_candidate (call, ""));
}

/* What belongs to no call of the sender's. */
static void
test_strays (void)
{
  QpSignalingServer *server = hostile_server_new ();
  guint port = qp_signaling_server_get_port (server);
  const Cost cost = { .fds = 2 };
  Victims victims;
  Member viewer = { 0 }, camera = { 0 };

  victims_start_at (&victims, port);
  member_join (&viewer, port, NULL, FALSE);
  member_join (&camera, port, NULL, TRUE);
  victims_mark (&victims);
  for (guint i = 0; i < 30; i++) {
    send_stray (&viewer, viewer.camera);
    send_stray (&viewer, viewer.viewer);
    send_stray (&camera, camera.camera);
    send_stray (&camera, camera.viewer);
    run_for (5);
  }
  member_leave (&viewer);
  member_leave (&camera);
  victims_survived (&victims, &cost);
  qp_signaling_server_free (server);
}

/* A description before its call is up is kept until then, one of them. */
static void
test_early_media (void)
{
  QpSignalingServer *server = hostile_server_new ();
  guint port = qp_signaling_server_get_port (server);
  const Cost cost = { .heap = 8 * 1024 * 1024,
    .fds = 4,
    .messages = 8,
    .warnings = 1 };
  g_autofree char *call = NULL;
  g_autofree char *sdp = g_strnfill (QP_MESSAGE_MAX_SDP, 'v');
  Victims victims;
  Member member = { 0 };

  victims_start_at (&victims, port);
  member_join (&member, port, NULL, FALSE);
  victims_mark (&victims);
  call = make_call (&member);
  for (guint i = 0; i < 100; i++) {
    member_send (&member, member.camera, new_media (call, sdp));
    run_for (2);
    victims_watch (&victims);
  }
  end_call (&victims, &member, call);
  victims_survived (&victims, &cost);
  qp_signaling_server_free (server);
}

/* --- A camera that runs the server itself --------------------------------- */

typedef struct {
  SoupSession *session;
  SoupWebsocketConnection *socket;
  gboolean failed;
} Raw;

static void
on_raw_connected (GObject *session, GAsyncResult *result, gpointer user)
{
  Raw *raw = user;

  raw->socket = soup_session_websocket_connect_finish (SOUP_SESSION (session),
      result, NULL);
  raw->failed = raw->socket == NULL;
}

/* FALSE: the server would not have it. */
static gboolean
raw_connect (Raw *raw, guint port)
{
  g_autofree char *uri = g_strdup_printf ("ws://127.0.0.1:%u/room", port);
  g_autoptr (SoupMessage) message = soup_message_new ("GET", uri);
  gint64 until = g_get_monotonic_time () + SIDE_WAIT_US;

  memset (raw, 0, sizeof *raw);
  raw->session = soup_session_new ();
  soup_session_websocket_connect_async (raw->session, message, NULL, NULL,
      G_PRIORITY_DEFAULT, NULL, on_raw_connected, raw);
  while (!raw->socket && !raw->failed) {
    g_assert_cmpint (g_get_monotonic_time (), <, until);
    run_once ();
  }
  return !raw->failed;
}

static gboolean
raw_is_open (Raw *raw)
{
  return soup_websocket_connection_get_state (raw->socket) ==
      SOUP_WEBSOCKET_STATE_OPEN;
}

static void
raw_send (Raw *raw, const char *text, gsize size)
{
  g_autoptr (GBytes) bytes = g_bytes_new (text, size);

  if (raw_is_open (raw))
    soup_websocket_connection_send_message (raw->socket,
        SOUP_WEBSOCKET_DATA_TEXT, bytes);
}

static void
raw_free (Raw *raw)
{
  if (raw->socket && raw_is_open (raw))
    soup_websocket_connection_close (raw->socket, SOUP_WEBSOCKET_CLOSE_NORMAL,
        NULL);
  run_for (20);
  g_clear_object (&raw->socket);
  soup_session_abort (raw->session);
  g_object_unref (raw->session);
}

/* Texts that the codec would not make. */
static GPtrArray *
make_texts (void)
{
  static const char *const texts[] = { "", "{", "[]", "null", "0", "\"",
    "{\"type\":1}", "{\"type\":\"join\"}",
    "{\"type\":\"join\",\"version\":-1,\"token\":\"x\"}",
    "{\"type\":\"join\",\"version\":1e999,\"token\":[]}",
    "{\"type\":\"joined\",\"id\":\"x\"}",
    "{\"type\":\"offer\",\"to\":{},\"call\":[[[[[[[[[[]]]]]]]]]]}",
    "{\"type\":\"offer\",\"call\":\"0123456789abcdef0123456789abcdef\","
    "\"path\":0,\"fingerprint\":\"sha-256 AB\",\"ufrag\":\"a\","
    "\"password\":\"b\"}",
    "{\"type\":\"offer\",\"call\":\"0123456789abcdef0123456789abcdef\","
    "\"path\":0,\"fingerprint\":\"md5 AB:CD\",\"ufrag\":\"abcd\","
    "\"password\":\"short\"}",
    "{\"type\":\"candidate\",\"call\":\"x\",\"path\":4294967296}" };
  GPtrArray *all = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *deep = g_strnfill (30000, '[');

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    g_ptr_array_add (all, g_strdup (texts[i]));
  g_ptr_array_add (all, g_strdup (deep));
  g_ptr_array_add (all, g_strconcat ("{\"type\":", deep, NULL));
  g_ptr_array_add (all, g_strnfill (QP_MESSAGE_MAX_SIZE, ' '));
  g_ptr_array_add (all, g_strnfill (QP_MESSAGE_MAX_SIZE + 1, '{'));
  return all;
}

static void
test_own_server (void)
{
  guint port = side_next_port ();
  g_autoptr (QpConfig) camera = side_make_config (port, TRUE);
  g_autoptr (QpConfig) viewer = side_make_config (port, FALSE);
  g_autoptr (GPtrArray) texts = make_texts ();
  const Cost cost = { .heap = 16 * 1024 * 1024, .fds = 64, .messages = 0 };
  Victims victims;

  victims_start (&victims, camera, viewer, QP_MAPPING_STREAM_PER_FRAME);
  victims_mark (&victims);
  for (guint i = 0; i < 40; i++) {
    Raw raw;

    if (raw_connect (&raw, port)) {
      /* One at a time, then all at once, as fast as the socket takes them. */
      for (guint j = 0; j < (i % 2 ? 300 : 3); j++) {
        const char *text = texts->pdata[(i + j) % texts->len];

        raw_send (&raw, text, strlen (text));
      }
      run_for (20);
      victims_watch (&victims);
    }
    raw_free (&raw);
  }
  victims_survived (&victims, &cost);
}

int
main (int argc, char **argv)
{
  hostile_init (&argc, &argv);
  g_test_add_func ("/hostile-members/candidates", test_candidates);
  g_test_add_func ("/hostile-members/offers", test_offers);
  g_test_add_func ("/hostile-members/offers-to-viewer", test_offers_to_viewer);
  g_test_add_func ("/hostile-members/crowd", test_crowd);
  g_test_add_func ("/hostile-members/mute-producers", test_mute_producers);
  g_test_add_func ("/hostile-members/strays", test_strays);
  g_test_add_func ("/hostile-members/early-media", test_early_media);
  g_test_add_func ("/hostile-members/own-server", test_own_server);
  return g_test_run ();
}

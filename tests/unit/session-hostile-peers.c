/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Peers that have a connection, or nearly one, and misbehave on it: that costs
 * them theirs, and nobody else anything. */
#include <string.h>

#include "roq/framer.h"
#include "roq/roq.h"
#include "tests/unit/hostile-peer.h"

/* A camera, a viewer, and a rogue with a connection to the camera. */
typedef struct {
  QpSignalingServer *server;
  guint port;
  Victims victims;
  Rogue rogue;
} Scene;

static void
scene_start_mapped (Scene *scene, QpMapping mapping)
{
  g_autoptr (QpConfig) config = NULL;

  scene->server = hostile_server_new ();
  scene->port = qp_signaling_server_get_port (scene->server);
  config = side_make_config (scene->port, FALSE);
  victims_start (&scene->victims, config, config, mapping);
  rogue_connect (&scene->rogue, scene->port);
  victims_mark (&scene->victims);
}

static void
scene_start (Scene *scene)
{
  scene_start_mapped (scene, QP_MAPPING_STREAM_PER_FRAME);
}

static void
scene_end (Scene *scene, const Cost *cost)
{
  victims_watch (&scene->victims);
  rogue_leave (&scene->rogue);
  victims_survived (&scene->victims, cost);
  qp_signaling_server_free (scene->server);
}

static gsize
put_rtp (guint8 *data, gsize size, guint16 seq)
{
  memset (data, 0xaa, size);
  data[0] = 0x80;
  data[1] = 96;
  GST_WRITE_UINT16_BE (data + 2, seq);
  return size;
}

/* --- What is tolerated ------------------------------------------------------ */

/* Flows that nobody described: a megabyte is kept, then the streams are refused
 * (RoQ, "Unknown Flow Identifiers"). */
static void
test_unknown_flows (void)
{
  const Cost cost = { .heap = 12 * 1024 * 1024, .fds = 4, .messages = 4 };
  Scene scene = { 0 };
  guint8 data[8 + 3 * 1100], packet[1000];

  scene_start (&scene);
  for (guint i = 0; i < 800; i++) {
    gint64 stream = rogue_open (&scene.rogue, FALSE);
    guint8 *end = qp_roq_put_flow_id (data, 5000 + i);

    for (guint j = 0; j < 3; j++)
      end = qp_roq_put_packet (end, packet,
          put_rtp (packet, sizeof packet, (guint16) (3 * i + j)));
    rogue_write (&scene.rogue, stream, data, end - data, FALSE);
    if (i % 20 == 0) {
      run_for (2);
      victims_watch (&scene.victims);
    }
  }
  ROGUE_WAIT (scene.rogue.stopped[QP_ROQ_UNKNOWN_FLOW_ID] > 100);
  g_assert_false (scene.rogue.closed);
  scene_end (&scene, &cost);
}

/* Lengths are believed only as far as bytes have come. */
static void
test_hoard (void)
{
  const Cost cost = { .heap = 8 * 1024 * 1024, .fds = 4, .messages = 4 };
  Scene scene = { 0 };

  scene_start (&scene);
  for (guint i = 0; i < 500; i++) {
    guint8 data[16], *end = qp_roq_put_flow_id (data, i);

    end = qp_roq_put_length (end, QP_ROQ_MAX_PACKET_SIZE);
    *end++ = 0x80;
    rogue_write (&scene.rogue, rogue_open (&scene.rogue, FALSE), data,
        end - data, FALSE);
  }
  run_for (300);
  g_assert_false (scene.rogue.closed);
  scene_end (&scene, &cost);
}

/* Packets that are neither RTP nor RTCP are dropped one by one, as they would
 * be from a socket. */
static void
test_garbage (void)
{
  static const struct {
    guint8 data[16];
    gsize size;
  } packets[] = {
    { { 0x00, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0 }, 12 },
    { { 0x80, 96, 0, 1 }, 4 },
    { { 0x8f, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0 }, 12 },
    { { 0x90, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff }, 16 },
    { { 0xa0, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff }, 16 },
    { { 0x80, 201, 0xff, 0xff, 1, 2, 3, 4 }, 8 },
    { { 0x80, 201, 0, 1, 1, 2, 3, 4, 0x80, 96, 0, 0 }, 12 },
    { { 0x00, 200, 0, 1, 1, 2, 3, 4 }, 8 },
    { { 0x80, 203, 0, 0, 0x80 }, 5 },
  };
  const Cost cost = { .fds = 4, .messages = 4 };
  Scene scene = { 0 };
  guint64 flow;
  guint rtcp;

  scene_start (&scene);
  flow = rogue_flow_id (&scene.rogue);
  rtcp = scene.victims.camera.rtcp;
  for (guint i = 0; i < 900; i++) {
    guint8 data[64], *end = qp_roq_put_flow_id (data, flow);
    guint n = i % G_N_ELEMENTS (packets);

    memcpy (end, packets[n].data, packets[n].size);
    rogue_datagram (&scene.rogue, data, end - data + packets[n].size);
    end = qp_roq_put_flow_id (data, flow);
    end = qp_roq_put_packet (end, packets[n].data, packets[n].size);
    rogue_write (&scene.rogue, rogue_open (&scene.rogue, FALSE), data,
        end - data, TRUE);
    if (i % 20 == 0)
      run_for (2);
  }
  run_for (300);
  g_assert_false (scene.rogue.closed);
  g_assert_cmpuint (scene.victims.camera.rtcp, ==, rtcp);
  scene_end (&scene, &cost);
}

/* Of RTCP as much as one connection needs is passed on. */
static void
test_rtcp_flood (void)
{
  static const guint8 report[] = { 0x80, 201, 0, 1, 1, 2, 3, 4 };
  const Cost cost = { .heap = 8 * 1024 * 1024, .fds = 4, .messages = 4 };
  Scene scene = { 0 };
  guint8 data[32], *end;
  gint64 start;
  guint rtcp;

  scene_start (&scene);
  end = qp_roq_put_flow_id (data, rogue_flow_id (&scene.rogue));
  memcpy (end, report, sizeof report);
  rtcp = scene.victims.camera.rtcp;
  start = g_get_monotonic_time ();
  for (guint i = 0; i < 6000; i++) {
    rogue_datagram (&scene.rogue, data, end - data + sizeof report);
    if (i % 50 == 0)
      run_once ();
  }
  run_for (300);
  rtcp = scene.victims.camera.rtcp - rtcp;
  g_test_message ("%u passed on", rtcp);
  g_assert_cmpuint (rtcp, >=, 500);
  g_assert_cmpuint (rtcp, <=,
      500 + 500 * (g_get_monotonic_time () - start) / G_USEC_PER_SEC + 1);
  scene_end (&scene, &cost);
}

static void
test_resets (void)
{
  const Cost cost = { .heap = 8 * 1024 * 1024, .fds = 4, .messages = 4 };
  Scene scene = { 0 };

  scene_start (&scene);
  for (guint i = 0; i < 4000; i++) {
    gint64 stream = rogue_open (&scene.rogue, FALSE);

    if (i % 2)
      rogue_write (&scene.rogue, stream, "\x01\x40\x80", 3, FALSE);
    qp_quic_reset (scene.rogue.quic, stream, i);
    if (i % 50 == 0)
      run_once ();
  }
  run_for (300);
  g_assert_false (scene.rogue.closed);
  scene_end (&scene, &cost);
}

/* Each stream that is refused wants a keyframe, the encoder is asked once a
 * second. */
static void
test_stop_all (void)
{
  const Cost cost = { .fds = 4, .messages = 4 };
  Scene scene = { .rogue = { .stop_all = TRUE } };
  guint keyframes;
  gint64 start;

  /* A frame here is sent whole before it can be refused. */
  scene_start_mapped (&scene, QP_MAPPING_STREAM);
  keyframes = scene.victims.camera.keyframes;
  start = g_get_monotonic_time ();
  run_for (2500);
  keyframes = scene.victims.camera.keyframes - keyframes;
  g_test_message ("%u keyframes", keyframes);
  g_assert_cmpuint (keyframes, >=, 1);
  g_assert_cmpuint (keyframes, <=,
      (g_get_monotonic_time () - start) / G_USEC_PER_SEC + 1);
  scene_end (&scene, &cost);
}

/* Hears nothing, says nothing: the kind that keeps everything waiting. */
static void
test_deaf (void)
{
  const Cost cost = { .heap = 8 * 1024 * 1024,
    .fds = 4,
    .messages = 8,
    .warnings = 1 };
  Scene scene = { 0 };

  scene_start (&scene);
  scene.rogue.deaf = TRUE;
  run_for (2500);
  scene_end (&scene, &cost);
}

/* --- What ends the rogue's connection --------------------------------------- */

typedef void (*Misdeed) (Rogue *rogue);

static void
send_bytes (Rogue *rogue, const char *bytes, gsize size)
{
  rogue_write (rogue, rogue_open (rogue, FALSE), bytes, size, TRUE);
}

static void
end_in_flow_id (Rogue *rogue)
{
  send_bytes (rogue, "\xc0\x01", 2);
}

static void
end_in_length (Rogue *rogue)
{
  send_bytes (rogue, "\x01\x40", 2);
}

static void
end_in_packet (Rogue *rogue)
{
  send_bytes (rogue, "\x01\x0c\x80\x60", 4);
}

static void
send_length_zero (Rogue *rogue)
{
  send_bytes (rogue, "\x01\x00", 2);
}

static void
send_length_huge (Rogue *rogue)
{
  send_bytes (rogue, "\x01\xff\xff\xff\xff\xff\xff\xff\xff", 9);
}

static void
send_tiny_datagram (Rogue *rogue)
{
  rogue_datagram (rogue, "\x01", 1);
}

static void
open_bidirectional (Rogue *rogue)
{
  rogue_write (rogue, rogue_open (rogue, TRUE), "hello", 5, FALSE);
}

static void
announce_huge_message (Rogue *rogue)
{
  ROGUE_WAIT (rogue->sdp);
  rogue_write (rogue, 0, "\xff\xff\xff\xff", 4, FALSE);
}

static void
send_json_bomb (Rogue *rogue)
{
  g_autofree char *bomb = g_strnfill (QP_MESSAGE_MAX_SIZE, '[');

  ROGUE_WAIT (rogue->sdp);
  rogue_control (rogue, bomb);
}

static void
send_no_json (Rogue *rogue)
{
  ROGUE_WAIT (rogue->sdp);
  rogue_control (rogue, "GET / HTTP/1.1");
}

/* Each is told why, by a code of RoQ's where it has one. */
static void
test_closed (void)
{
  static const struct {
    Misdeed misdeed;
    const char *words;
    guint code;
  } cases[] = {
    { end_in_flow_id, "flow ID", QP_ROQ_PACKET_ERROR },
    { end_in_length, "length", QP_ROQ_PACKET_ERROR },
    { end_in_packet, "packet", QP_ROQ_PACKET_ERROR },
    { send_length_zero, "too short", QP_ROQ_PACKET_ERROR },
    { send_length_huge, "more than", QP_ROQ_PACKET_ERROR },
    { send_tiny_datagram, "datagram", QP_ROQ_PACKET_ERROR },
    { open_bidirectional, "bidirectional", QP_ROQ_STREAM_CREATION_ERROR },
    { announce_huge_message, "64 KiB", QP_ROQ_GENERAL_ERROR },
    { send_json_bomb, "control stream", QP_ROQ_GENERAL_ERROR },
    { send_no_json, "control stream", QP_ROQ_GENERAL_ERROR },
  };
  const guint n = G_N_ELEMENTS (cases);
  const Cost cost = { .heap = 8 * 1024 * 1024,
    .fds = 24,
    .messages = 8 * n,
    .warnings = n };
  QpSignalingServer *server = hostile_server_new ();
  guint port = qp_signaling_server_get_port (server);
  Victims victims;

  victims_start_at (&victims, port);
  victims_mark (&victims);
  for (guint i = 0; i < n; i++) {
    Rogue rogue = { 0 };
    g_autofree char *code = g_strdup_printf ("%u", cases[i].code);

    rogue_connect (&rogue, port);
    cases[i].misdeed (&rogue);
    ROGUE_WAIT (rogue.closed);
    victims_watch (&victims);
    g_assert_error (rogue.error, QP_QUIC_ERROR, QP_QUIC_ERROR_PEER_CLOSED);
    g_assert_nonnull (strstr (rogue.error->message, cases[i].words));
    g_assert_nonnull (strstr (rogue.error->message, code));
    rogue_leave (&rogue);
  }
  victims_survived (&victims, &cost);
  qp_signaling_server_free (server);
}

/* Types of a later version are not a crime, however many. */
static void
test_unknown_types (void)
{
  const Cost cost = { .fds = 4, .messages = 4 };
  Scene scene = { 0 };

  scene_start (&scene);
  ROGUE_WAIT (scene.rogue.sdp);
  for (guint i = 0; i < 1000; i++) {
    rogue_control (&scene.rogue, "{\"type\":\"dance\",\"call\":\"x\"}");
    if (i % 20 == 0)
      run_once ();
  }
  run_for (300);
  g_assert_false (scene.rogue.closed);
  scene_end (&scene, &cost);
}

/* --- What a camera keeps for one that takes nothing ------------------------- */

/* Without a deadline nothing but the bound stands between a peer that takes
 * nothing and all of our memory. */
static void
keep_nothing (QpMapping mapping, gboolean deaf)
{
  QpSignalingServer *server = hostile_server_new ();
  guint port = qp_signaling_server_get_port (server);
  g_autoptr (QpConfig) config = side_make_config (port, FALSE);
  g_autoptr (GstCaps) caps = side_video_caps ("H264");
  QpTrackConfig track_config = { .mid = "sink_0", .mapping = mapping };
  Rogue rogue = { .tight = !deaf };
  gsize before, most;
  QpTrack *track;
  Side camera;

  side_init (&camera);
  side_join (&camera, config, TRUE);
  track = qp_session_add_track (camera.member, &track_config, NULL);
  qp_track_set_caps (track, caps);
  RUN_UNTIL (&camera, camera.messages > 3);
  run_for (100);
  rogue_connect (&rogue, port);
  RUN_UNTIL (&camera, camera.keyframes > 0);
  rogue.deaf = deaf;
  before = most = hostile_heap_size ();
  /* 96 MiB, of which a third may wait for this peer, and a little more for
   * the transport thread. */
  for (guint i = 0; i < 1600; i++) {
    side_push_frame (track, i, 60, 1024);
    run_for (1);
    most = MAX (most, hostile_heap_size ());
  }
  most -= before;
  g_test_message ("%.1f MiB at most", most / 1048576.0);
  g_assert_cmpuint (most, >, 16 * 1024 * 1024);
  g_assert_cmpuint (most, <, 48 * 1024 * 1024);
  g_assert_null (camera.failure);
  rogue_leave (&rogue);
  qp_session_leave (camera.member);
  side_clear (&camera);
  qp_signaling_server_free (server);
}

static void
test_keep_frames (void)
{
  keep_nothing (QP_MAPPING_STREAM_PER_FRAME, FALSE);
}

static void
test_keep_stream (void)
{
  keep_nothing (QP_MAPPING_STREAM, FALSE);
}

static void
test_keep_datagrams (void)
{
  keep_nothing (QP_MAPPING_DATAGRAM, TRUE);
}

/* --- Producers -------------------------------------------------------------- */

static const char *const no_alpn[] = { "roq-99", NULL };

/* A viewer that plays everybody, beside the victims. */
static void
join_all (Side *side, guint port)
{
  g_autoptr (QpConfig) config = side_make_config (port, FALSE);

  config->producer = g_strdup ("all");
  side_init (side);
  side_join (side, config, FALSE);
}

/* The warning of a side that met a rogue of this kind names the cause. */
static void
refuse_producer (Rogue rogue, const char *words)
{
  QpSignalingServer *server = hostile_server_new ();
  guint port = qp_signaling_server_get_port (server);
  const Cost cost = { .heap = 8 * 1024 * 1024, .fds = 64, .messages = 8 };
  Victims victims;
  Side all;

  victims_start_at (&victims, port);
  victims_mark (&victims);
  rogue_join (&rogue, port, "rogue", TRUE);
  join_all (&all, port);
  RUN_UNTIL (&all, all.warnings > 0);
  g_assert_nonnull (strstr (all.last_warning, words));
  /* It plays the camera all the same. */
  RUN_UNTIL (&all, all.packets > 10);
  g_assert_null (all.failure);
  rogue_leave (&rogue);
  qp_session_leave (all.member);
  side_clear (&all);
  victims_survived (&victims, &cost);
  qp_signaling_server_free (server);
}

static void
test_no_certificate (void)
{
  refuse_producer ((Rogue){ .nameless = TRUE }, "certificate");
}

static void
test_wrong_alpn_of_client (void)
{
  refuse_producer ((Rogue){ .alpn = no_alpn }, "ALPN");
}

static void
test_wrong_alpn_of_server (void)
{
  QpSignalingServer *server = hostile_server_new ();
  guint port = qp_signaling_server_get_port (server);
  const Cost cost = { .heap = 8 * 1024 * 1024,
    .fds = 24,
    .messages = 8,
    .warnings = 1 };
  Rogue rogue = { .alpn = no_alpn };
  Victims victims;

  victims_start_at (&victims, port);
  victims_mark (&victims);
  rogue_join (&rogue, port, "rogue", FALSE);
  rogue_call_camera (&rogue);
  RUN_UNTIL (&victims.camera, victims.camera.warnings > 0);
  g_assert_nonnull (strstr (victims.camera.last_warning, "ALPN"));
  rogue_leave (&rogue);
  victims_survived (&victims, &cost);
  qp_signaling_server_free (server);
}

/* Sixty pads that change a hundred times a second. */
static void
test_media_churn (void)
{
  QpSignalingServer *server = hostile_server_new ();
  guint port = qp_signaling_server_get_port (server);
  const Cost cost = { .heap = 48 * 1024 * 1024, .fds = 64, .messages = 8 };
  static const char *const absurd[] = { "v", "v=0", "v=0\r\nm=",
    "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=video 9 UDP 1\r\n" };
  Rogue rogue = { 0 };
  g_autofree char *many = make_sdp ("m", 100, 0);
  GString *twice;
  g_autofree char *once = make_sdp ("t", 2, 7);
  Victims victims;
  gint64 start, most;
  Side all;
  guint added;

  victims_start_at (&victims, port);
  victims_mark (&victims);
  rogue_join (&rogue, port, "rogue", TRUE);
  join_all (&all, port);
  ROGUE_WAIT (rogue.established);
  RUN_UNTIL (&all, all.added == 1);
  /* A producer is the QUIC client, which opens the control stream. */
  g_assert_cmpint (rogue_open (&rogue, TRUE), ==, 0);
  for (guint i = 0; i < G_N_ELEMENTS (absurd); i++) {
    g_autoptr (QpMessage) media = new_media (rogue.call, absurd[i]);
    g_autofree char *json = qp_message_to_json (media);

    rogue_control (&rogue, json);
  }
  twice = g_string_new (once);
  g_string_replace (twice, "a=roq-flow-id:8", "a=roq-flow-id:7", 0);
  for (guint i = 0; i < 2; i++) {
    g_autoptr (QpMessage) media = new_media (rogue.call, i ? many : twice->str);
    g_autofree char *json = qp_message_to_json (media);

    rogue_control (&rogue, json);
  }
  g_string_free (twice, TRUE);
  run_for (200);
  g_assert_cmpuint (all.added, ==, 1);

  start = g_get_monotonic_time ();
  for (guint i = 0; i < 250; i++) {
    g_autofree char *sdp = make_sdp (i % 2 ? "a" : "b", 60, 60 * i);
    g_autoptr (QpMessage) media = new_media (rogue.call, sdp);
    g_autofree char *json = qp_message_to_json (media);

    rogue_control (&rogue, json);
    run_for (10);
    victims_watch (&victims);
  }
  run_for (300);
  /* Ten at once, then five a second. */
  most = 10 + 5 * (g_get_monotonic_time () - start) / G_USEC_PER_SEC + 1;
  g_mutex_lock (&all.lock);
  added = all.added;
  g_mutex_unlock (&all.lock);
  g_test_message ("%u tracks, %d descriptions", added, (int) most);
  g_assert_cmpuint (added, >, 60);
  g_assert_cmpuint (added, <=, 1 + 60 * most);
  g_assert_false (rogue.closed);
  rogue_leave (&rogue);
  qp_session_leave (all.member);
  side_clear (&all);
  victims_survived (&victims, &cost);
  qp_signaling_server_free (server);
}

/* One that comes first and refuses everybody does not shut viewers out. */
static void
test_impostor (void)
{
  QpSignalingServer *server = hostile_server_new ();
  guint port = qp_signaling_server_get_port (server);
  g_autoptr (QpConfig) config = side_make_config (port, FALSE);
  g_autoptr (GstCaps) caps = side_video_caps ("H264");
  QpTrackConfig track_config = { .mid = "sink_0" };
  Rogue rogue = { .alpn = no_alpn };
  Side camera, viewer;
  QpTrack *track;

  side_init (&camera);
  side_init (&viewer);
  rogue_join (&rogue, port, NULL, TRUE);
  side_join (&camera, config, TRUE);
  track = qp_session_add_track (camera.member, &track_config, NULL);
  qp_track_set_caps (track, caps);
  run_for (300);
  side_join (&viewer, config, FALSE);
  RUN_UNTIL (&viewer, viewer.added == 1);
  g_assert_cmpuint (viewer.warnings, >=, 1);
  g_assert_null (viewer.failure);
  rogue_leave (&rogue);
  qp_session_leave (viewer.member);
  qp_session_leave (camera.member);
  side_clear (&viewer);
  side_clear (&camera);
  qp_signaling_server_free (server);
}

/* A camera that has nothing to say is not dead: who joins under its name does
 * not take its place. */
static void
test_namesake (void)
{
  QpSignalingServer *server = hostile_server_new ();
  guint port = qp_signaling_server_get_port (server);
  g_autoptr (QpConfig) config = side_make_config (port, FALSE);
  g_autoptr (GstCaps) caps = side_video_caps ("H264");
  QpTrackConfig track_config = { .mid = "sink_0" };
  Member namesake = { 0 };
  Side camera, viewer;
  QpTrack *track;

  side_init (&camera);
  side_init (&viewer);
  side_join (&camera, config, TRUE);
  track = qp_session_add_track (camera.member, &track_config, NULL);
  qp_track_set_caps (track, caps);
  side_join (&viewer, config, FALSE);
  RUN_UNTIL (&viewer, viewer.added == 1);
  member_join (&namesake, port, NULL, TRUE);
  run_for (4000);
  g_assert_cmpuint (viewer.removed, ==, 0);
  g_assert_cmpuint (member_count (&namesake, QP_MESSAGE_OFFER), ==, 0);
  member_leave (&namesake);
  qp_session_leave (viewer.member);
  qp_session_leave (camera.member);
  side_clear (&viewer);
  side_clear (&camera);
  qp_signaling_server_free (server);
}

int
main (int argc, char **argv)
{
  hostile_init (&argc, &argv);
  g_test_add_func ("/hostile-peers/unknown-flows", test_unknown_flows);
  g_test_add_func ("/hostile-peers/hoard", test_hoard);
  g_test_add_func ("/hostile-peers/garbage", test_garbage);
  g_test_add_func ("/hostile-peers/rtcp-flood", test_rtcp_flood);
  g_test_add_func ("/hostile-peers/resets", test_resets);
  g_test_add_func ("/hostile-peers/stop-all", test_stop_all);
  g_test_add_func ("/hostile-peers/deaf", test_deaf);
  g_test_add_func ("/hostile-peers/closed", test_closed);
  g_test_add_func ("/hostile-peers/unknown-types", test_unknown_types);
  g_test_add_func ("/hostile-peers/keep-frames", test_keep_frames);
  g_test_add_func ("/hostile-peers/keep-stream", test_keep_stream);
  g_test_add_func ("/hostile-peers/keep-datagrams", test_keep_datagrams);
  g_test_add_func ("/hostile-peers/no-certificate", test_no_certificate);
  g_test_add_func ("/hostile-peers/wrong-alpn-of-client",
      test_wrong_alpn_of_client);
  g_test_add_func ("/hostile-peers/wrong-alpn-of-server",
      test_wrong_alpn_of_server);
  g_test_add_func ("/hostile-peers/media-churn", test_media_churn);
  g_test_add_func ("/hostile-peers/impostor", test_impostor);
  g_test_add_func ("/hostile-peers/namesake", test_namesake);
  return g_test_run ();
}

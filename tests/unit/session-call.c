/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two sessions in one process meet over loopback through a signaling server
 * that one of them runs, and carry packets: everything below the elements, for
 * real. */
#include <string.h>

#include <gst/gst.h>

#include "tests/own-namespace.h"
#include "tests/unit/session-side.h"

static gboolean own_namespace;

static guint64
count_oversized (const GstStructure *stats)
{
  const GValue *peers = gst_structure_get_value (stats, "peers");
  const GstStructure *peer =
      gst_value_get_structure (gst_value_array_get_value (peers, 0));
  const GValue *flows = gst_structure_get_value (peer, "flows");
  guint64 sum = 0;

  g_assert_cmpuint (gst_value_array_get_size (flows), >, 0);
  for (guint i = 0; i < gst_value_array_get_size (flows); i++) {
    const GstStructure *flow =
        gst_value_get_structure (gst_value_array_get_value (flows, i));
    guint64 oversized = 0;

    g_assert_true (gst_structure_get_uint64 (flow, "packets-oversized",
        &oversized));
    sum += oversized;
  }
  return sum;
}

/* Payloaders make packets of 1400 bytes unless told otherwise; once the path
 * is probed, a datagram takes them. */
static void
assert_path_mtu (Side *camera)
{
  g_autoptr (GstStructure) stats = qp_session_get_stats (camera->member);
  guint mtu = 0;

  g_assert_true (gst_structure_get_uint (stats, "mtu-bytes", &mtu));
  g_assert_cmpuint (mtu, ==, 1452);
  g_assert_cmpuint (count_oversized (stats), ==, 0);
}

static void
carry (QpMapping mapping)
{
  guint port = side_next_port ();
  g_autoptr (QpConfig) server = side_make_config (port, TRUE);
  g_autoptr (QpConfig) client = side_make_config (port, FALSE);
  g_autoptr (GstCaps) caps = side_video_caps ("H264");
  g_autoptr (GstCaps) other = side_video_caps ("VP8");
  g_autoptr (GstStructure) stats = NULL;
  QpTrackConfig track_config = { .mid = "sink_0", .mapping = mapping };
  Side camera, viewer;
  QpTrack *track;
  guint missing = 0;

  side_init (&camera);
  side_init (&viewer);
  side_join (&camera, server, TRUE);
  track = qp_session_add_track (camera.member, &track_config, NULL);
  /* Caps may come before the viewer or after it is connected. */
  if (mapping != QP_MAPPING_STREAM)
    qp_track_set_caps (track, caps);
  side_join (&viewer, client, FALSE);
  if (mapping == QP_MAPPING_STREAM) {
    SIDE_WAIT_FOR (&viewer, viewer.connected);
    qp_track_set_caps (track, caps);
  }
  SIDE_WAIT_FOR (&viewer, viewer.added == 1);
  SIDE_WAIT_FOR (&camera, camera.keyframes == 1);

  for (guint i = 0; i < 100; i++) {
    side_push_frame (track, i, 5, i % 2 ? 1000 : 100);
    g_usleep (1000);
  }
  SIDE_WAIT_FOR (&viewer, viewer.packets == 500);
  for (guint i = 0; i < 500; i++) {
    if (g_array_index (viewer.seqs, guint16, i) != i)
      missing++;
  }
  /* Each packet came; on one stream in order as well. */
  if (mapping == QP_MAPPING_STREAM)
    g_assert_cmpuint (missing, ==, 0);

  qp_rtcp_return_push (viewer.rtcp_return, side_make_rtcp ());
  SIDE_WAIT_FOR (&camera, camera.rtcp == 1);
  qp_track_push_rtcp (track, side_make_rtcp ());
  SIDE_WAIT_FOR (&viewer, viewer.rtcp == 1);

  /* Another codec is another track; the packets behind it follow. */
  qp_track_set_caps (track, other);
  side_push_frame (track, 100, 5, 700);
  SIDE_WAIT_FOR (&viewer, viewer.added == 2 && viewer.packets == 505);
  g_assert_cmpint (viewer.last_end, ==, QP_TRACK_REPLACED);
  side_push_frame (track, 101, 5, 1400);
  SIDE_WAIT_FOR (&viewer, viewer.packets == 510);

  g_usleep (150 * 1000);
  assert_path_mtu (&camera);
  stats = qp_session_get_stats (viewer.member);
  g_assert_cmpstr (gst_structure_get_string (stats, "state"), ==, "connected");
  g_assert_cmpstr (gst_structure_get_string (stats, "local-candidate-type"), ==,
      "host");

  qp_track_end (track, 2000);
  SIDE_WAIT_FOR (&viewer, viewer.removed == 2);
  g_assert_cmpint (viewer.last_end, ==, QP_TRACK_ENDED);

  qp_session_leave (viewer.member);
  qp_session_leave (camera.member);
  g_assert_null (viewer.failure);
  side_clear (&viewer);
  side_clear (&camera);
}

static void
test_stream_per_frame (void)
{
  carry (QP_MAPPING_STREAM_PER_FRAME);
}

static void
test_stream (void)
{
  carry (QP_MAPPING_STREAM);
}

static void
test_datagram (void)
{
  carry (QP_MAPPING_DATAGRAM);
}

static gboolean
set_loopback_mtu (guint mtu)
{
  g_autofree char *command = g_strdup_printf ("ip link set lo mtu %u", mtu);
  int status = -1;

  return g_spawn_command_line_sync (command, NULL, NULL, &status, NULL) &&
      g_spawn_check_wait_status (status, NULL);
}

static guint
get_mtu (Side *side)
{
  g_autoptr (GstStructure) stats = qp_session_get_stats (side->member);
  guint mtu = 0;

  g_assert_true (gst_structure_get_uint (stats, "mtu-bytes", &mtu));
  return mtu;
}

static guint
count_packets (Side *side)
{
  guint packets;

  g_mutex_lock (&side->lock);
  packets = side->packets;
  g_mutex_unlock (&side->lock);
  return packets;
}

/* The network becomes narrower under a call that is up: packets shrink, and
 * the call goes on. */
static void
narrow (QpMapping mapping)
{
  guint port = side_next_port ();
  g_autoptr (QpConfig) server = side_make_config (port, TRUE);
  g_autoptr (QpConfig) client = side_make_config (port, FALSE);
  g_autoptr (GstCaps) caps = side_video_caps ("H264");
  QpTrackConfig track_config = { .mid = "sink_0", .mapping = mapping };
  Side camera, viewer;
  QpTrack *track;
  guint frame, end, before;

  if (!own_namespace || !set_loopback_mtu (1500)) {
    g_test_skip ("needs a network namespace of its own");
    return;
  }
  side_init (&camera);
  side_init (&viewer);
  side_join (&camera, server, TRUE);
  track = qp_session_add_track (camera.member, &track_config, NULL);
  qp_track_set_caps (track, caps);
  side_join (&viewer, client, FALSE);
  SIDE_WAIT_FOR (&viewer, viewer.added == 1);
  /* How long the search takes depends on how busy the machine is. */
  for (frame = 0; frame < 30 || (frame < 500 && get_mtu (&camera) < 1452);
       frame++) {
    side_push_frame (track, frame, 10, 1400);
    g_usleep (20 * 1000);
  }
  g_assert_cmpuint (get_mtu (&camera), ==, 1452);
  g_assert_true (set_loopback_mtu (1300));
  for (end = frame + 50;
       frame < end || (frame < end + 500 && get_mtu (&camera) > 1200);
       frame++) {
    side_push_frame (track, frame, 10, 1400);
    g_usleep (20 * 1000);
  }
  g_assert_cmpuint (get_mtu (&camera), ==, 1200);
  before = count_packets (&viewer);
  for (end = frame + 20; frame < end; frame++) {
    side_push_frame (track, frame, 10, 1400);
    g_usleep (20 * 1000);
  }
  SIDE_WAIT_FOR (&viewer, viewer.packets >= before + 190);
  if (mapping != QP_MAPPING_DATAGRAM)
    SIDE_WAIT_FOR (&viewer, viewer.packets == frame * 10);
  g_test_message ("%u of %u packets arrived", count_packets (&viewer),
      frame * 10);
  g_assert_cmpuint (viewer.removed, ==, 0);
  qp_session_leave (viewer.member);
  qp_session_leave (camera.member);
  g_assert_null (viewer.failure);
  g_assert_null (camera.failure);
  side_clear (&viewer);
  side_clear (&camera);
  g_assert_true (set_loopback_mtu (65536));
}

static void
test_narrow_stream_per_frame (void)
{
  narrow (QP_MAPPING_STREAM_PER_FRAME);
}

static void
test_narrow_datagram (void)
{
  narrow (QP_MAPPING_DATAGRAM);
}

static void
test_viewer_returns (void)
{
  guint port = side_next_port ();
  g_autoptr (QpConfig) server = side_make_config (port, TRUE);
  g_autoptr (QpConfig) client = side_make_config (port, FALSE);
  g_autoptr (GstCaps) caps = side_video_caps ("H264");
  QpTrackConfig track_config = { .mid = "sink_0" };
  Side camera;
  QpTrack *track;

  side_init (&camera);
  side_join (&camera, server, TRUE);
  track = qp_session_add_track (camera.member, &track_config, NULL);
  qp_track_set_caps (track, caps);
  for (guint i = 0; i < 20; i++) {
    gint64 start = g_get_monotonic_time ();
    Side viewer;

    side_init (&viewer);
    side_join (&viewer, client, FALSE);
    SIDE_WAIT_FOR (&viewer, viewer.added == 1);
    side_push_frame (track, i, 3, 500);
    SIDE_WAIT_FOR (&viewer, viewer.packets == 3);
    qp_session_leave (viewer.member);
    side_clear (&viewer);
    g_test_message ("round %u: %.1f ms", i,
        (g_get_monotonic_time () - start) / 1000.0);
  }
  qp_session_leave (camera.member);
  side_clear (&camera);
}

static void
test_camera_returns (void)
{
  guint port = side_next_port ();
  g_autoptr (QpConfig) server = side_make_config (port, TRUE);
  g_autoptr (QpConfig) client = side_make_config (port, FALSE);
  g_autoptr (GstCaps) caps = side_video_caps ("H264");
  QpTrackConfig track_config = { .mid = "sink_0" };
  Side viewer;

  side_init (&viewer);
  client->producer_timeout_ms = 3000;
  side_join (&viewer, client, FALSE);
  for (guint i = 0; i < 3; i++) {
    QpTrack *track;
    Side camera;

    side_init (&camera);
    side_join (&camera, server, TRUE);
    track = qp_session_add_track (camera.member, &track_config, NULL);
    qp_track_set_caps (track, caps);
    SIDE_WAIT_FOR (&viewer, viewer.added == i + 1);
    side_push_frame (track, i, 3, 500);
    SIDE_WAIT_FOR (&viewer, viewer.packets == 3 * (i + 1));
    qp_session_leave (camera.member);
    SIDE_WAIT_FOR (&viewer, viewer.removed == i + 1);
    g_assert_cmpint (viewer.last_end, ==, QP_TRACK_PEER_GONE);
    side_clear (&camera);
  }
  SIDE_WAIT_FOR (&viewer, viewer.producer_timeout);
  qp_session_leave (viewer.member);
  side_clear (&viewer);
}

static void
test_wrong_pin (void)
{
  guint port = side_next_port ();
  g_autoptr (QpConfig) server = side_make_config (port, TRUE);
  g_autoptr (QpConfig) client = side_make_config (port, FALSE);
  Side camera, viewer;

  side_init (&camera);
  side_init (&viewer);
  client->peer_fingerprint =
      g_strdup ("sha-256 00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:"
                "00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F");
  side_join (&camera, server, TRUE);
  side_join (&viewer, client, FALSE);
  SIDE_WAIT_FOR (&viewer, viewer.failure != NULL);
  g_assert_cmpint (viewer.failure_code, ==, QP_SESSION_ERROR_REFUSED);
  g_assert_nonnull (strstr (viewer.failure, "fingerprint"));
  /* The camera is told, and goes on. */
  SIDE_WAIT_FOR (&camera, camera.warnings == 1);
  g_assert_null (camera.failure);
  qp_session_leave (viewer.member);
  qp_session_leave (camera.member);
  side_clear (&viewer);
  side_clear (&camera);
}

static void
expect_timeout (QpConfig *config, int code, const char *words)
{
  Side viewer;

  side_init (&viewer);
  config->connect_timeout_ms = 700;
  side_join (&viewer, config, FALSE);
  SIDE_WAIT_FOR (&viewer, viewer.failure != NULL);
  g_assert_cmpint (viewer.failure_code, ==, code);
  g_assert_nonnull (strstr (viewer.failure, words));
  qp_session_leave (viewer.member);
  side_clear (&viewer);
}

static void
test_nobody_there (void)
{
  guint port = side_next_port ();
  g_autoptr (QpConfig)
      unreachable = side_make_config (side_next_port (), FALSE);
  g_autoptr (QpConfig) alone = side_make_config (port, TRUE);

  expect_timeout (unreachable, QP_SESSION_ERROR_SIGNALING, "127.0.0.1");
  expect_timeout (alone, QP_SESSION_ERROR_NO_PEER, "nobody");
}

static void
test_settings (void)
{
  static const struct {
    const char *uri, *turn, *pin, *certificate, *words;
  } cases[] = {
    { NULL, NULL, NULL, NULL, "uri is not set" },
    { "http://host/room", NULL, NULL, NULL, "quicp2p" },
    { "quicp2p://host", NULL, NULL, NULL, "room" },
    { "quicp2p://host/room", "turn://secretuser@host", NULL, NULL, "password" },
    { "quicp2p://host/room", NULL, "sha-256 AB", NULL, "peer-fingerprint" },
    { "quicp2p://host/room", NULL, NULL, "/nonexistent.pem", "certificate" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (QpConfig) config = qp_config_new ();
    g_autoptr (GError) error = NULL;
    QpMember *member;

    config->uri = g_strdup (cases[i].uri);
    config->turn_server = g_strdup (cases[i].turn);
    config->peer_fingerprint = g_strdup (cases[i].pin);
    config->certificate_file = g_strdup (cases[i].certificate);
    member = qp_session_join (NULL, config, TRUE, FALSE, &side_callbacks, NULL,
        &error);
    g_assert_null (member);
    g_assert_error (error, QP_SESSION_ERROR, QP_SESSION_ERROR_SETTINGS);
    g_test_message ("%s", error->message);
    g_assert_nonnull (strstr (error->message, cases[i].words));
    g_assert_null (strstr (error->message, "secretuser"));
  }
}

/* One name, two members: one membership of the room; settings must agree. */
static void
test_shared_session (void)
{
  guint port = side_next_port ();
  g_autoptr (QpConfig) config = side_make_config (port, TRUE);
  g_autoptr (QpConfig) other = side_make_config (side_next_port (), TRUE);
  g_autoptr (GError) error = NULL;
  Side sink, src;

  side_init (&sink);
  side_init (&src);
  sink.member = qp_session_join ("me", config, TRUE, FALSE, &side_callbacks,
      &sink, &error);
  g_assert_no_error (error);
  g_assert_null (qp_session_join ("me", other, FALSE, TRUE, &side_callbacks,
      &src, &error));
  g_assert_error (error, QP_SESSION_ERROR, QP_SESSION_ERROR_SETTINGS);
  g_assert_nonnull (strstr (error->message, "uri"));
  g_clear_error (&error);
  g_assert_null (qp_session_join ("me", config, TRUE, FALSE, &side_callbacks,
      &src, &error));
  g_assert_error (error, QP_SESSION_ERROR, QP_SESSION_ERROR_SETTINGS);
  g_clear_error (&error);
  src.member = qp_session_join ("me", config, FALSE, TRUE, &side_callbacks,
      &src, &error);
  g_assert_no_error (error);
  qp_session_leave (sink.member);
  qp_session_leave (src.member);
  side_clear (&sink);
  side_clear (&src);
}

int
main (int argc, char **argv)
{
  own_namespace = own_namespace_enter ();
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/session/settings", test_settings);
  g_test_add_func ("/session/stream-per-frame", test_stream_per_frame);
  g_test_add_func ("/session/stream", test_stream);
  g_test_add_func ("/session/datagram", test_datagram);
  g_test_add_func ("/session/narrow/stream-per-frame",
      test_narrow_stream_per_frame);
  g_test_add_func ("/session/narrow/datagram", test_narrow_datagram);
  g_test_add_func ("/session/viewer-returns", test_viewer_returns);
  g_test_add_func ("/session/camera-returns", test_camera_returns);
  g_test_add_func ("/session/wrong-pin", test_wrong_pin);
  g_test_add_func ("/session/nobody-there", test_nobody_there);
  g_test_add_func ("/session/shared", test_shared_session);
  return g_test_run ();
}

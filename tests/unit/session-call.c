/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two sessions in one process meet over loopback through a signaling server
 * that one of them runs, and carry packets: everything below the elements, for
 * real. */
#include <string.h>

#include <gst/gst.h>

#include "session/session.h"
#include "tests/own-namespace.h"

#define WAIT_US (20 * G_USEC_PER_SEC)

/* What one side saw; its callbacks run on that session's transport thread. */
typedef struct {
  GMutex lock;
  GCond changed;
  QpMember *member;
  QpRemoteTrack *remote;
  QpRtcpReturn *rtcp_return;
  guint added, removed, caps_changes;
  QpTrackEnd last_end;
  guint packets, rtcp, keyframes, warnings;
  GByteArray *payload; /* of all RTP packets, in order of arrival */
  GArray *seqs;
  char *failure;
  int failure_code;
  gboolean producer_timeout, connected;
} Side;

static void
side_init (Side *side)
{
  memset (side, 0, sizeof *side);
  g_mutex_init (&side->lock);
  g_cond_init (&side->changed);
  side->payload = g_byte_array_new ();
  side->seqs = g_array_new (FALSE, FALSE, sizeof (guint16));
}

static void
side_clear (Side *side)
{
  g_clear_pointer (&side->rtcp_return, qp_rtcp_return_unref);
  g_byte_array_unref (side->payload);
  g_array_unref (side->seqs);
  g_free (side->failure);
  g_cond_clear (&side->changed);
  g_mutex_clear (&side->lock);
}

#define CHANGE(side, statement)          \
  G_STMT_START                           \
  {                                      \
    g_mutex_lock (&(side)->lock);        \
    statement;                           \
    g_cond_broadcast (&(side)->changed); \
    g_mutex_unlock (&(side)->lock);      \
  }                                      \
  G_STMT_END

#define WAIT_FOR(side, condition)                                      \
  G_STMT_START                                                         \
  {                                                                    \
    gint64 until = g_get_monotonic_time () + WAIT_US;                  \
    g_mutex_lock (&(side)->lock);                                      \
    while (!(condition)) {                                             \
      if (!g_cond_wait_until (&(side)->changed, &(side)->lock, until)) \
        g_error ("timed out waiting for: %s", #condition);             \
    }                                                                  \
    g_mutex_unlock (&(side)->lock);                                    \
  }                                                                    \
  G_STMT_END

static void
on_message (GstStructure *structure, gpointer user)
{
  g_autofree char *text = gst_structure_to_string (structure);
  Side *side = user;

  if (gst_structure_has_name (structure, "session-state") &&
      g_str_equal (gst_structure_get_string (structure, "new-state"),
          "connected"))
    CHANGE (side, side->connected = TRUE);
  g_test_message ("%s", text);
  gst_structure_free (structure);
}

static void
on_warning (const GError *error, gpointer user)
{
  Side *side = user;

  g_test_message ("warning: %s", error->message);
  CHANGE (side, side->warnings++);
}

static void
on_failed (const GError *error, gpointer user)
{
  Side *side = user;

  g_test_message ("failed: %s", error->message);
  CHANGE (side, g_free (side->failure);
          side->failure = g_strdup (error->message);
          side->failure_code = error->code);
}

static void
on_track_rtcp (QpTrack *track, GstBuffer *buffer, gpointer user)
{
  Side *side = user;

  gst_buffer_unref (buffer);
  CHANGE (side, side->rtcp++);
}

static void
on_track_keyframe (QpTrack *track, gpointer user)
{
  Side *side = user;

  CHANGE (side, side->keyframes++);
}

static void
on_added (QpRemoteTrack *track, gpointer user)
{
  Side *side = user;

  CHANGE (side, side->remote = track; side->added++;
          g_clear_pointer (&side->rtcp_return, qp_rtcp_return_unref);
          side->rtcp_return = qp_remote_track_ref_rtcp_return (track));
}

static void
on_caps (QpRemoteTrack *track, GstCaps *caps, gpointer user)
{
  Side *side = user;

  CHANGE (side, side->caps_changes++);
}

static void
on_removed (QpRemoteTrack *track, QpTrackEnd end, gpointer user)
{
  Side *side = user;

  CHANGE (side, side->remote = NULL; side->removed++; side->last_end = end);
}

static void
on_rtp (QpRemoteTrack *track, GstBufferList *list, gpointer user)
{
  Side *side = user;

  g_mutex_lock (&side->lock);
  for (guint i = 0; i < gst_buffer_list_length (list); i++) {
    GstMapInfo map;
    guint16 seq;

    gst_buffer_map (gst_buffer_list_get (list, i), &map, GST_MAP_READ);
    seq = GST_READ_UINT16_BE (map.data + 2);
    g_array_append_val (side->seqs, seq);
    g_byte_array_append (side->payload, map.data, map.size);
    gst_buffer_unmap (gst_buffer_list_get (list, i), &map);
    side->packets++;
  }
  g_cond_broadcast (&side->changed);
  g_mutex_unlock (&side->lock);
  gst_buffer_list_unref (list);
}

static void
on_rtcp (QpRemoteTrack *track, GstBuffer *buffer, gpointer user)
{
  Side *side = user;

  gst_buffer_unref (buffer);
  CHANGE (side, side->rtcp++);
}

static void
on_producer_timeout (gpointer user)
{
  Side *side = user;

  CHANGE (side, side->producer_timeout = TRUE);
}

static const QpSessionCallbacks callbacks = {
  .message = on_message,
  .warning = on_warning,
  .failed = on_failed,
  .track_rtcp = on_track_rtcp,
  .track_keyframe = on_track_keyframe,
  .remote_track_added = on_added,
  .remote_track_caps = on_caps,
  .remote_track_removed = on_removed,
  .remote_rtp = on_rtp,
  .remote_rtcp = on_rtcp,
  .producer_timeout = on_producer_timeout,
};

static guint
next_port (void)
{
  static guint port;

  if (port == 0)
    port = 20000 + g_random_int_range (0, 20000);
  return port++;
}

static QpConfig *
make_config (guint port, gboolean server)
{
  QpConfig *config = qp_config_new ();

  config->uri = g_strdup_printf ("quicp2p://127.0.0.1:%u/room", port);
  config->run_signaling_server = server;
  return config;
}

static void
join (Side *side, const QpConfig *config, gboolean producer)
{
  g_autoptr (GError) error = NULL;

  side->member = qp_session_join (NULL, config, producer, !producer, &callbacks,
      side, &error);
  g_assert_no_error (error);
}

static GstCaps *
video_caps (const char *encoding)
{
  return gst_caps_new_simple ("application/x-rtp", "media", G_TYPE_STRING,
      "video", "encoding-name", G_TYPE_STRING, encoding, "clock-rate",
      G_TYPE_INT, 90000, "payload", G_TYPE_INT, 96, NULL);
}

static GstBuffer *
make_packet (guint16 seq, guint32 timestamp, gboolean marker, gsize size)
{
  guint8 *data = g_malloc (size);

  for (gsize i = 12; i < size; i++)
    data[i] = (guint8) (seq + i);
  data[0] = 0x80;
  data[1] = 96 | (marker ? 0x80 : 0);
  GST_WRITE_UINT16_BE (data + 2, seq);
  GST_WRITE_UINT32_BE (data + 4, timestamp);
  GST_WRITE_UINT32_BE (data + 8, 0x12345678);
  return gst_buffer_new_wrapped (data, size);
}

static GstBuffer *
make_rtcp (void)
{
  static const guint8 receiver_report[] = { 0x80, 201, 0, 1, 1, 2, 3, 4 };

  return gst_buffer_new_memdup (receiver_report, sizeof receiver_report);
}

/* One frame of `n` packets. */
static void
push_frame (QpTrack *track, guint frame, guint n, gsize size)
{
  GstBufferList *list = gst_buffer_list_new ();

  for (guint i = 0; i < n; i++)
    gst_buffer_list_add (list,
        make_packet ((guint16) (frame * n + i), frame * 3000, i == n - 1,
            size));
  qp_track_push (track, list);
}

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
  guint port = next_port ();
  g_autoptr (QpConfig) server = make_config (port, TRUE);
  g_autoptr (QpConfig) client = make_config (port, FALSE);
  g_autoptr (GstCaps) caps = video_caps ("H264");
  g_autoptr (GstCaps) other = video_caps ("VP8");
  g_autoptr (GstStructure) stats = NULL;
  QpTrackConfig track_config = { .mid = "sink_0", .mapping = mapping };
  Side camera, viewer;
  QpTrack *track;
  guint missing = 0;

  side_init (&camera);
  side_init (&viewer);
  join (&camera, server, TRUE);
  track = qp_session_add_track (camera.member, &track_config, NULL);
  /* Caps may come before the viewer or after it is connected. */
  if (mapping != QP_MAPPING_STREAM)
    qp_track_set_caps (track, caps);
  join (&viewer, client, FALSE);
  if (mapping == QP_MAPPING_STREAM) {
    WAIT_FOR (&viewer, viewer.connected);
    qp_track_set_caps (track, caps);
  }
  WAIT_FOR (&viewer, viewer.added == 1);
  WAIT_FOR (&camera, camera.keyframes == 1);

  for (guint i = 0; i < 100; i++) {
    push_frame (track, i, 5, i % 2 ? 1000 : 100);
    g_usleep (1000);
  }
  WAIT_FOR (&viewer, viewer.packets == 500);
  for (guint i = 0; i < 500; i++) {
    if (g_array_index (viewer.seqs, guint16, i) != i)
      missing++;
  }
  /* Each packet came; on one stream in order as well. */
  if (mapping == QP_MAPPING_STREAM)
    g_assert_cmpuint (missing, ==, 0);

  qp_rtcp_return_push (viewer.rtcp_return, make_rtcp ());
  WAIT_FOR (&camera, camera.rtcp == 1);
  qp_track_push_rtcp (track, make_rtcp ());
  WAIT_FOR (&viewer, viewer.rtcp == 1);

  /* Another codec is another track; the packets behind it follow. */
  qp_track_set_caps (track, other);
  push_frame (track, 100, 5, 700);
  WAIT_FOR (&viewer, viewer.added == 2 && viewer.packets == 505);
  g_assert_cmpint (viewer.last_end, ==, QP_TRACK_REPLACED);
  push_frame (track, 101, 5, 1400);
  WAIT_FOR (&viewer, viewer.packets == 510);

  g_usleep (150 * 1000);
  assert_path_mtu (&camera);
  stats = qp_session_get_stats (viewer.member);
  g_assert_cmpstr (gst_structure_get_string (stats, "state"), ==, "connected");
  g_assert_cmpstr (gst_structure_get_string (stats, "local-candidate-type"), ==,
      "host");

  qp_track_end (track, 2000);
  WAIT_FOR (&viewer, viewer.removed == 2);
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

static void
test_viewer_returns (void)
{
  guint port = next_port ();
  g_autoptr (QpConfig) server = make_config (port, TRUE);
  g_autoptr (QpConfig) client = make_config (port, FALSE);
  g_autoptr (GstCaps) caps = video_caps ("H264");
  QpTrackConfig track_config = { .mid = "sink_0" };
  Side camera;
  QpTrack *track;

  side_init (&camera);
  join (&camera, server, TRUE);
  track = qp_session_add_track (camera.member, &track_config, NULL);
  qp_track_set_caps (track, caps);
  for (guint i = 0; i < 20; i++) {
    gint64 start = g_get_monotonic_time ();
    Side viewer;

    side_init (&viewer);
    join (&viewer, client, FALSE);
    WAIT_FOR (&viewer, viewer.added == 1);
    push_frame (track, i, 3, 500);
    WAIT_FOR (&viewer, viewer.packets == 3);
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
  guint port = next_port ();
  g_autoptr (QpConfig) server = make_config (port, TRUE);
  g_autoptr (QpConfig) client = make_config (port, FALSE);
  g_autoptr (GstCaps) caps = video_caps ("H264");
  QpTrackConfig track_config = { .mid = "sink_0" };
  Side viewer;

  side_init (&viewer);
  client->producer_timeout_ms = 3000;
  join (&viewer, client, FALSE);
  for (guint i = 0; i < 3; i++) {
    QpTrack *track;
    Side camera;

    side_init (&camera);
    join (&camera, server, TRUE);
    track = qp_session_add_track (camera.member, &track_config, NULL);
    qp_track_set_caps (track, caps);
    WAIT_FOR (&viewer, viewer.added == i + 1);
    push_frame (track, i, 3, 500);
    WAIT_FOR (&viewer, viewer.packets == 3 * (i + 1));
    qp_session_leave (camera.member);
    WAIT_FOR (&viewer, viewer.removed == i + 1);
    g_assert_cmpint (viewer.last_end, ==, QP_TRACK_PEER_GONE);
    side_clear (&camera);
  }
  WAIT_FOR (&viewer, viewer.producer_timeout);
  qp_session_leave (viewer.member);
  side_clear (&viewer);
}

static void
test_wrong_pin (void)
{
  guint port = next_port ();
  g_autoptr (QpConfig) server = make_config (port, TRUE);
  g_autoptr (QpConfig) client = make_config (port, FALSE);
  Side camera, viewer;

  side_init (&camera);
  side_init (&viewer);
  client->peer_fingerprint =
      g_strdup ("sha-256 00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:"
                "00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F");
  join (&camera, server, TRUE);
  join (&viewer, client, FALSE);
  WAIT_FOR (&viewer, viewer.failure != NULL);
  g_assert_cmpint (viewer.failure_code, ==, QP_SESSION_ERROR_REFUSED);
  g_assert_nonnull (strstr (viewer.failure, "fingerprint"));
  /* The camera is told, and goes on. */
  WAIT_FOR (&camera, camera.warnings == 1);
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
  join (&viewer, config, FALSE);
  WAIT_FOR (&viewer, viewer.failure != NULL);
  g_assert_cmpint (viewer.failure_code, ==, code);
  g_assert_nonnull (strstr (viewer.failure, words));
  qp_session_leave (viewer.member);
  side_clear (&viewer);
}

static void
test_nobody_there (void)
{
  guint port = next_port ();
  g_autoptr (QpConfig) unreachable = make_config (next_port (), FALSE);
  g_autoptr (QpConfig) alone = make_config (port, TRUE);

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
    member = qp_session_join (NULL, config, TRUE, FALSE, &callbacks, NULL,
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
  guint port = next_port ();
  g_autoptr (QpConfig) config = make_config (port, TRUE);
  g_autoptr (QpConfig) other = make_config (next_port (), TRUE);
  g_autoptr (GError) error = NULL;
  Side sink, src;

  side_init (&sink);
  side_init (&src);
  sink.member = qp_session_join ("me", config, TRUE, FALSE, &callbacks, &sink,
      &error);
  g_assert_no_error (error);
  g_assert_null (qp_session_join ("me", other, FALSE, TRUE, &callbacks, &src,
      &error));
  g_assert_error (error, QP_SESSION_ERROR, QP_SESSION_ERROR_SETTINGS);
  g_assert_nonnull (strstr (error->message, "uri"));
  g_clear_error (&error);
  g_assert_null (qp_session_join ("me", config, TRUE, FALSE, &callbacks, &src,
      &error));
  g_assert_error (error, QP_SESSION_ERROR, QP_SESSION_ERROR_SETTINGS);
  g_clear_error (&error);
  src.member = qp_session_join ("me", config, FALSE, TRUE, &callbacks, &src,
      &error);
  g_assert_no_error (error);
  qp_session_leave (sink.member);
  qp_session_leave (src.member);
  side_clear (&sink);
  side_clear (&src);
}

int
main (int argc, char **argv)
{
  own_namespace_enter ();
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/session/settings", test_settings);
  g_test_add_func ("/session/stream-per-frame", test_stream_per_frame);
  g_test_add_func ("/session/stream", test_stream);
  g_test_add_func ("/session/datagram", test_datagram);
  g_test_add_func ("/session/viewer-returns", test_viewer_returns);
  g_test_add_func ("/session/camera-returns", test_camera_returns);
  g_test_add_func ("/session/wrong-pin", test_wrong_pin);
  g_test_add_func ("/session/nobody-there", test_nobody_there);
  g_test_add_func ("/session/shared", test_shared_session);
  return g_test_run ();
}

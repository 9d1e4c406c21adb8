/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The elements' life with a real session but without a peer: state changes,
 * pads that come and go, and what the clock has to do with sending. */
#include <gio/gio.h>
#include <gst/check/gstcheck.h>
#include <gst/check/gstharness.h>

#include "fixture.h"

/* --- State changes --------------------------------------------------------- */

/* A server that takes connections and never says a word. */
static char *
start_mute_server (GSocket **socket)
{
  g_autoptr (GInetAddress)
      loopback = g_inet_address_new_loopback (G_SOCKET_FAMILY_IPV4);
  g_autoptr (GSocketAddress) any = g_inet_socket_address_new (loopback, 0);
  g_autoptr (GSocketAddress) bound = NULL;

  *socket = g_socket_new (G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_STREAM,
      G_SOCKET_PROTOCOL_TCP, NULL);
  fail_unless (g_socket_bind (*socket, any, FALSE, NULL));
  fail_unless (g_socket_listen (*socket, NULL));
  bound = g_socket_get_local_address (*socket, NULL);
  return g_strdup_printf ("quicp2p://127.0.0.1:%u/room",
      g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (bound)));
}

static void
change_states (const char *description)
{
  static const GstState ways[][4] = {
    { GST_STATE_PLAYING, GST_STATE_NULL },
    { GST_STATE_PAUSED, GST_STATE_NULL },
    { GST_STATE_PLAYING, GST_STATE_PAUSED, GST_STATE_PLAYING, GST_STATE_READY },
    { GST_STATE_PAUSED, GST_STATE_READY, GST_STATE_PLAYING, GST_STATE_NULL },
  };
  g_autoptr (Pipe) pipe = pipe_new ("%s", description);

  for (guint way = 0; way < G_N_ELEMENTS (ways); way++) {
    for (guint i = 0; i < 4 && (i == 0 || ways[way][i]); i++) {
      guint ms = pipe_time_set_state (pipe, ways[way][i]);

      fail_unless (ms < PIPE_MAX_STATE_MS, "%s: to %s took %u ms", description,
          gst_element_state_get_name (ways[way][i]), ms);
      g_usleep (way % 2 ? 0 : 50000);
    }
  }
}

#define CAMERA                                                                            \
  "videotestsrc is-live=true ! video/x-raw,format=I420,width=160,height=120 ! jpegenc ! " \
  "rtpjpegpay ! quicp2psink name=sink "

GST_START_TEST (test_states_mute_server)
{
  g_autoptr (GSocket) socket = NULL;
  g_autofree char *uri = start_mute_server (&socket);
  g_autofree char *camera = g_strdup_printf (CAMERA "uri=%s", uri);
  g_autofree char *viewer = g_strdup_printf ("quicp2psrc uri=%s", uri);

  change_states (camera);
  change_states (viewer);
}
GST_END_TEST

GST_START_TEST (test_states_no_server)
{
  g_autofree char *uri = fixture_new_uri ();
  g_autofree char *camera = g_strdup_printf (CAMERA "uri=%s", uri);
  g_autofree char *viewer = g_strdup_printf ("quicp2psrc uri=%s", uri);

  change_states (camera);
  change_states (viewer);
}
GST_END_TEST

GST_START_TEST (test_states_own_server)
{
  g_autofree char *uri = fixture_new_uri ();
  g_autofree char *camera = g_strdup_printf (CAMERA
      "run-signaling-server=true uri=%s",
      uri);

  change_states (camera);
}
GST_END_TEST

/* Live and not live, as a pipeline sees it. */
GST_START_TEST (test_state_returns)
{
  g_autofree char *uri = fixture_new_uri ();
  GstElement *src = gst_element_factory_make ("quicp2psrc", NULL);
  g_autoptr (Pipe) file = pipe_new (
      "videotestsrc ! video/x-raw,format=I420,width=160,height=120 ! jpegenc ! rtpjpegpay "
      "! quicp2psink run-signaling-server=true uri=%s",
      uri);

  /* Nobody waits for the sink, and it waits for nobody. */
  fail_unless_equals_int (gst_element_set_state (file->pipeline,
                              GST_STATE_PAUSED),
      GST_STATE_CHANGE_SUCCESS);
  fail_unless_equals_int (gst_element_set_state (file->pipeline,
                              GST_STATE_PLAYING),
      GST_STATE_CHANGE_SUCCESS);

  g_object_set (src, "uri", uri, NULL);
  fail_unless_equals_int (gst_element_set_state (src, GST_STATE_PAUSED),
      GST_STATE_CHANGE_NO_PREROLL);
  fail_unless_equals_int (gst_element_set_state (src, GST_STATE_PLAYING),
      GST_STATE_CHANGE_SUCCESS);
  fail_unless_equals_int (gst_element_set_state (src, GST_STATE_PAUSED),
      GST_STATE_CHANGE_NO_PREROLL);
  gst_element_set_state (src, GST_STATE_NULL);
  gst_object_unref (src);
}
GST_END_TEST

GST_START_TEST (test_fingerprint_and_stats)
{
  g_autofree char *uri = fixture_new_uri ();
  g_autoptr (Pipe)
      pipe = pipe_new ("quicp2psink name=sink run-signaling-server=true uri=%s",
          uri);
  g_autoptr (GstElement) sink = pipe_get (pipe, "sink");
  g_autofree char *fingerprint = NULL;
  g_autoptr (GstStructure) stats = NULL;

  g_object_get (sink, "fingerprint", &fingerprint, NULL);
  fail_unless (fingerprint == NULL);
  pipe_set_state (pipe, GST_STATE_PLAYING);
  g_object_get (sink, "fingerprint", &fingerprint, NULL);
  fail_unless (g_str_has_prefix (fingerprint, "sha-256 "));
  fail_unless_equals_int (strlen (fingerprint), 8 + 32 * 3 - 1);

  pipe_wait_for_element_message (pipe, "session-state", "new-state", "waiting");
  g_usleep (200000); /* statistics may be 100 ms old */
  stats = pipe_get_stats (pipe, "sink");
  fail_unless (gst_structure_has_name (stats, "application/x-quicp2p-stats"));
  fail_unless_equals_string (gst_structure_get_string (stats, "fingerprint"),
      fingerprint);
}
GST_END_TEST

/* --- Errors ---------------------------------------------------------------- */

static void
check_error (Pipe *pipe, gint code, const char *because, guint timeout_ms)
{
  g_autoptr (GstMessage)
      message = pipe_wait_for_message (pipe, GST_MESSAGE_ERROR, timeout_ms);
  g_autoptr (GError) error = NULL;

  gst_message_parse_error (message, &error, NULL);
  fail_unless (g_error_matches (error, GST_RESOURCE_ERROR, code), "%s, code %d",
      error->message, error->code);
  fail_unless (strstr (error->message, because) != NULL, "%s", error->message);
}

GST_START_TEST (test_error_no_server)
{
  g_autofree char *uri = fixture_new_uri ();
  g_autoptr (Pipe)
      pipe = pipe_new ("quicp2psrc connect-timeout=700 uri=%s", uri);

  pipe_set_state (pipe, GST_STATE_PLAYING);
  check_error (pipe, GST_RESOURCE_ERROR_OPEN_READ, "127.0.0.1", 5000);
}
GST_END_TEST

GST_START_TEST (test_error_no_peer)
{
  g_autofree char *uri = fixture_new_uri ();
  g_autoptr (Pipe) server =
      pipe_new ("quicp2psink name=sink run-signaling-server=true uri=%s", uri);
  g_autofree char *elsewhere = g_strdup_printf ("%s-elsewhere", uri);
  g_autoptr (Pipe)
      pipe = pipe_new ("quicp2psrc connect-timeout=700 uri=%s", elsewhere);

  pipe_set_state (server, GST_STATE_PLAYING);
  pipe_wait_for_element_message (server, "session-state", "new-state",
      "waiting");
  pipe_set_state (pipe, GST_STATE_PLAYING);
  check_error (pipe, GST_RESOURCE_ERROR_NOT_FOUND, "", 5000);
}
GST_END_TEST

GST_START_TEST (test_error_settings)
{
  static const char *const settings[] = { "certificate=/nonexistent.pem",
    "peer-name=x", "peer-fingerprint=x", "min-port=5000 max-port=4000",
    "stun-server=http://x" };

  for (guint i = 0; i < G_N_ELEMENTS (settings); i++) {
    g_autoptr (Pipe)
        pipe = pipe_new ("quicp2psrc uri=quicp2p://127.0.0.1:1/room %s",
            settings[i]);

    fail_unless_equals_int (gst_element_set_state (pipe->pipeline,
                                GST_STATE_PLAYING),
        GST_STATE_CHANGE_FAILURE);
    check_error (pipe, GST_RESOURCE_ERROR_SETTINGS, "", 0);
  }
}
GST_END_TEST

/* --- Pads ------------------------------------------------------------------ */

static GstBuffer *
new_rtp_packet (guint16 seqnum, GstClockTime pts)
{
  guint8 *packet = g_malloc0 (112);
  GstBuffer *buffer;

  packet[0] = 0x80;
  packet[1] = 0x80 | 96;
  GST_WRITE_UINT16_BE (packet + 2, seqnum);
  GST_WRITE_UINT32_BE (packet + 4,
      gst_util_uint64_scale (pts, 90000, GST_SECOND));
  GST_WRITE_UINT32_BE (packet + 8, 0x12345678);
  buffer = gst_buffer_new_wrapped (packet, 112);
  GST_BUFFER_PTS (buffer) = pts;
  return buffer;
}

#define RTP_CAPS \
  "application/x-rtp,media=video,clock-rate=90000,encoding-name=H264,payload=96"

typedef struct {
  GstElement *sink;
  GstPad *pad; /* ours, a source pad */
  gint stop;   /* atomic */
} Pusher;

static void
push_initial_events (GstPad *pad, GstCaps *caps)
{
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_pad_push_event (pad, gst_event_new_stream_start ("test"));
  gst_pad_push_event (pad, gst_event_new_caps (caps));
  gst_pad_push_event (pad, gst_event_new_segment (&segment));
}

/* Pushes whatever it is answered: nobody else stops when a pad goes. */
static gpointer
push_until_stopped (gpointer data)
{
  Pusher *pusher = data;
  g_autoptr (GstCaps) caps = gst_caps_from_string (RTP_CAPS);

  push_initial_events (pusher->pad, caps);
  for (guint i = 0; !g_atomic_int_get (&pusher->stop); i++) {
    gst_pad_push (pusher->pad, new_rtp_packet (i, i * GST_MSECOND));
    g_usleep (1000);
  }
  return NULL;
}

/* With data in flight when the pad goes. */
static void
stream_through_new_pad (GstElement *sink)
{
  Pusher pusher = { .sink = sink, .pad = gst_pad_new ("src", GST_PAD_SRC) };
  g_autoptr (GstPad) pad = gst_element_request_pad_simple (sink, "sink_%u");
  GThread *thread;

  fail_unless (pad != NULL);
  gst_pad_set_active (pusher.pad, TRUE);
  fail_unless_equals_int (gst_pad_link (pusher.pad, pad), GST_PAD_LINK_OK);
  thread = g_thread_new ("pusher", push_until_stopped, &pusher);
  g_usleep (g_random_int_range (0, 30000));
  gst_element_release_request_pad (sink, pad);
  g_atomic_int_set (&pusher.stop, TRUE);
  g_thread_join (thread);
  gst_object_unref (pusher.pad);
}

GST_START_TEST (test_hundred_pads_playing)
{
  g_autofree char *uri = fixture_new_uri ();
  g_autoptr (Pipe) pipe = pipe_new (
      "quicp2psink name=sink run-signaling-server=true uri=%s "
      "videotestsrc is-live=true ! video/x-raw,format=I420,width=32,height=32 ! "
      "jpegenc ! rtpjpegpay ! sink.",
      uri);
  g_autoptr (GstElement) sink = pipe_get (pipe, "sink");
  gint children;

  pipe_set_state (pipe, GST_STATE_PLAYING);
  fail_unless_equals_int (gst_element_get_state (pipe->pipeline, NULL, NULL,
                              5 * GST_SECOND),
      GST_STATE_CHANGE_SUCCESS);
  children = GST_BIN (sink)->numchildren;
  for (guint i = 0; i < 100; i++) {
    stream_through_new_pad (sink);
    /* Nothing that comes or goes may stop what plays. */
    fail_unless_equals_int (gst_element_get_state (pipe->pipeline, NULL, NULL,
                                5 * GST_SECOND),
        GST_STATE_CHANGE_SUCCESS);
  }
  fail_unless_equals_int (GST_BIN (sink)->numchildren, children);
  fail_unless_equals_int (GST_ELEMENT (sink)->numpads, 1);
  pipe_check_no_error (pipe);
}
GST_END_TEST

/* --- The clock ------------------------------------------------------------- */

/* With the system's clock. */
static GstHarness *
new_sink_harness (GstElement **element)
{
  g_autofree char *uri = fixture_new_uri ();
  g_autoptr (GstClock) clock = gst_system_clock_obtain ();
  GstHarness *harness;

  *element = gst_element_factory_make ("quicp2psink", NULL);
  g_object_set (*element, "uri", uri, "run-signaling-server", TRUE, NULL);
  gst_element_set_clock (*element, clock);
  gst_element_set_base_time (*element, gst_clock_get_time (clock));
  gst_element_set_state (*element, GST_STATE_PLAYING);
  harness = gst_harness_new_with_element (*element, "sink_%u", NULL);
  gst_harness_use_systemclock (harness);
  gst_harness_set_src_caps_str (harness, RTP_CAPS);
  return harness;
}

static GstClockTime
running_time (GstElement *element)
{
  return gst_clock_get_time (GST_ELEMENT_CLOCK (element)) -
      gst_element_get_base_time (element);
}

/* How long it takes to push a packet that is to be shown in @ahead_ms, in ms. */
static guint
time_push (GstHarness *harness, GstElement *element, guint16 seqnum,
    guint ahead_ms)
{
  GstClockTime now = running_time (element);
  gint64 start = g_get_monotonic_time ();

  fail_unless_equals_int (gst_harness_push (harness,
                              new_rtp_packet (seqnum,
                                  now + ahead_ms * GST_MSECOND)),
      GST_FLOW_OK);
  return (g_get_monotonic_time () - start) / 1000;
}

/* What is of now leaves now, whatever the pipeline's latency; what is early, as
 * from a file, waits for its time. */
GST_START_TEST (test_pacing)
{
  GstElement *sink;
  GstHarness *harness = new_sink_harness (&sink);
  guint ms;

  fail_unless (gst_element_send_event (sink,
      gst_event_new_latency (2 * GST_SECOND)));
  time_push (harness, sink, 0, 0); /* negotiates */
  for (guint i = 1; i < 5; i++) {
    ms = time_push (harness, sink, i, 0);
    fail_unless (ms < 300, "a live packet was held for %u ms", ms);
  }
  ms = time_push (harness, sink, 5, 400);
  fail_unless (ms >= 350 && ms < 1200, "a packet of a file was held for %u ms",
      ms);
  gst_object_unref (sink);
  gst_harness_teardown (harness);
}
GST_END_TEST

/* The event reaches those upstream, which may want to know. */
GST_START_TEST (test_latency_event_goes_upstream)
{
  GstElement *sink;
  GstHarness *harness = new_sink_harness (&sink);
  GstClockTime latency = 0;
  guint n;

  fail_unless (gst_element_send_event (sink,
      gst_event_new_latency (123 * GST_MSECOND)));
  n = gst_harness_upstream_events_received (harness);
  while (n--) {
    g_autoptr (GstEvent) event = gst_harness_pull_upstream_event (harness);

    if (GST_EVENT_TYPE (event) == GST_EVENT_LATENCY)
      gst_event_parse_latency (event, &latency);
  }
  fail_unless_equals_uint64 (latency, 123 * GST_MSECOND);
  gst_object_unref (sink);
  gst_harness_teardown (harness);
}
GST_END_TEST

/* The sink needs no time of its own. */
GST_START_TEST (test_sink_latency)
{
  g_autofree char *uri = fixture_new_uri ();
  g_autoptr (Pipe)
      pipe = pipe_new (CAMERA "run-signaling-server=true uri=%s", uri);
  g_autoptr (GstElement) sink = pipe_get (pipe, "sink");
  g_autoptr (GstPad) pad = gst_element_get_static_pad (sink, "sink_0");
  g_autoptr (GstQuery) upstream = gst_query_new_latency ();
  g_autoptr (GstQuery) query = gst_query_new_latency ();
  GstClockTime upstream_min, min;
  gboolean live;

  pipe_set_state (pipe, GST_STATE_PLAYING);
  /* The first packets have passed: everybody upstream knows what it needs. */
  for (guint i = 0; i < 100 && !gst_pad_has_current_caps (pad); i++)
    g_usleep (20000);
  fail_unless (gst_pad_peer_query (pad, upstream));
  gst_query_parse_latency (upstream, NULL, &upstream_min, NULL);
  fail_unless (gst_element_query (sink, query));
  gst_query_parse_latency (query, &live, &min, NULL);
  fail_unless (live);
  fail_unless_equals_uint64 (min, upstream_min);
}
GST_END_TEST

/* Nobody is there: the camera goes on. */
GST_START_TEST (test_discards_without_peers)
{
  g_autofree char *uri = fixture_new_uri ();
  g_autoptr (Pipe) pipe = pipe_new (
      "videotestsrc is-live=true ! video/x-raw,format=I420,width=160,height=120 ! jpegenc "
      "! rtpjpegpay ! identity name=count ! quicp2psink "
      "run-signaling-server=true uri=%s",
      uri);

  pipe_set_state (pipe, GST_STATE_PLAYING);
  pipe_wait_for_buffers (pipe, 0, 40);
}
GST_END_TEST

GST_START_TEST (test_eos_without_peers)
{
  g_autofree char *uri = fixture_new_uri ();
  g_autoptr (Pipe) pipe = pipe_new (
      "videotestsrc num-buffers=10 ! video/x-raw,format=I420,width=160,height=120 ! jpegenc "
      "! rtpjpegpay ! q.sink_0 audiotestsrc num-buffers=10 ! opusenc ! "
      "rtpopuspay ! q.sink_1 quicp2psink name=q run-signaling-server=true "
      "uri=%s",
      uri);

  pipe_set_state (pipe, GST_STATE_PLAYING);
  gst_message_unref (pipe_wait_for_message (pipe, GST_MESSAGE_EOS, 5000));
}
GST_END_TEST

static Suite *
life_suite (void)
{
  Suite *suite = suite_create ("life");
  TCase *tcase = tcase_create ("general");

  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase, test_states_mute_server);
  tcase_add_test (tcase, test_states_no_server);
  tcase_add_test (tcase, test_states_own_server);
  tcase_add_test (tcase, test_state_returns);
  tcase_add_test (tcase, test_fingerprint_and_stats);
  tcase_add_test (tcase, test_error_no_server);
  tcase_add_test (tcase, test_error_no_peer);
  tcase_add_test (tcase, test_error_settings);
  tcase_add_test (tcase, test_hundred_pads_playing);
  tcase_add_test (tcase, test_pacing);
  tcase_add_test (tcase, test_latency_event_goes_upstream);
  tcase_add_test (tcase, test_sink_latency);
  tcase_add_test (tcase, test_discards_without_peers);
  tcase_add_test (tcase, test_eos_without_peers);
  return suite;
}

GST_CHECK_MAIN (life)

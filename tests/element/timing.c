/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* When a viewer shows what a camera sends: how late, and what belongs together at
 * the same time; with the real session between them on loopback. */
#include <gst/check/gstcheck.h>

#include "fixture.h"

#define VIDEO                    \
  "videotestsrc is-live=true ! " \
  "video/x-raw,format=I420,width=160,height=120,framerate=50/1 ! jpegenc ! "
#define CAMERA "quicp2psink name=sink run-signaling-server=true uri=%s "

/* --- Latency --------------------------------------------------------------- */

/* How old packets are where they pass. */
typedef struct {
  Pipe *camera, *viewer;
  gint64 ms[200];
  gint n; /* atomic */
} Ages;

static void
note_age (Ages *ages, GstClockTime born)
{
  g_autoptr (GstClock) clock = gst_element_get_clock (ages->viewer->pipeline);
  gint n = g_atomic_int_get (&ages->n);

  if (n == G_N_ELEMENTS (ages->ms))
    return;
  ages->ms[n] = GST_CLOCK_DIFF (born, gst_clock_get_time (clock)) /
      (gint64) GST_MSECOND;
  g_atomic_int_set (&ages->n, n + 1);
}

/* Since they came from the network. */
static GstPadProbeReturn
note_arrival (GstPad *pad, GstPadProbeInfo *info, gpointer user)
{
  Ages *ages = user;

  note_age (ages,
      gst_element_get_base_time (ages->viewer->pipeline) +
          GST_BUFFER_PTS (GST_PAD_PROBE_INFO_BUFFER (info)));
  return GST_PAD_PROBE_OK;
}

/* Since they were captured. */
static void
note_rendering (GstElement *sink, GstBuffer *buffer, GstPad *pad, gpointer user)
{
  Ages *ages = user;
  guint8 header[8];

  gst_buffer_extract (buffer, 0, header, sizeof header);
  note_age (ages,
      gst_element_get_base_time (ages->camera->pipeline) +
          gst_util_uint64_scale (GST_READ_UINT32_BE (header + 4), GST_SECOND,
              90000));
}

/* As applications do when an element says that its latency is another now. */
static void
follow_latency (Pipe *pipe)
{
  GstMessage *message;

  while ((message = gst_bus_pop_filtered (pipe->bus, GST_MESSAGE_LATENCY))) {
    gst_message_unref (message);
    gst_bin_recalculate_latency (GST_BIN (pipe->pipeline));
  }
}

/* The youngest tells what is made to wait; the others may have waited for the
 * processor too. */
static void
check_ages (Ages *ages, gint64 least, gint64 most, const char *what)
{
  gint64 youngest = G_MAXINT64;

  fail_unless_equals_int (ages->n, G_N_ELEMENTS (ages->ms));
  for (gint i = 0; i < ages->n; i++)
    youngest = MIN (youngest, ages->ms[i]);
  fail_unless (youngest >= least && youngest <= most, "%s after %d ms", what,
      (int) youngest);
  fail_unless (ages->ms[0] <= most + 1000, "the first one %s after %d ms", what,
      (int) ages->ms[0]);
}

/* What a sink that keeps time renders is `latency` old, from the first picture
 * on.  The packets reach it at once: nothing is held back on its way, neither
 * the first one, in case that another was before it, nor the rest. */
GST_START_TEST (test_latency)
{
  static const gint64 latencies[] = { 0, 2000 };
  /* A sink has 20 ms of its own to render in. */
  gint64 latency = latencies[__i__], rendered = latency + 20;
  g_autofree char *uri = fixture_new_uri ();
  g_autoptr (Pipe)
      camera = pipe_new (VIDEO "rtpjpegpay timestamp-offset=0 ! " CAMERA, uri);
  g_autoptr (Pipe) viewer =
      pipe_new ("quicp2psrc latency=%u uri=%s ! identity name=come ! queue "
                "max-size-buffers=0 max-size-time=0 ! "
                "fakesink name=show sync=true signal-handoffs=true",
          (guint) latency, uri);
  g_autoptr (GstElement) come = pipe_get (viewer, "come");
  g_autoptr (GstElement) show = pipe_get (viewer, "show");
  g_autoptr (GstPad) pad = gst_element_get_static_pad (come, "src");
  g_autoptr (GstQuery) query = gst_query_new_latency ();
  Ages come_ages = { camera, viewer }, show_ages = { camera, viewer };
  GstClockTime min;

  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, note_arrival, &come_ages,
      NULL);
  g_signal_connect (show, "handoff", G_CALLBACK (note_rendering), &show_ages);
  pipe_set_state (camera, GST_STATE_PLAYING);
  pipe_set_state (viewer, GST_STATE_PLAYING);
  for (guint i = 0; i < 2000; i++) {
    if (g_atomic_int_get (&show_ages.n) == G_N_ELEMENTS (show_ages.ms))
      break;
    pipe_check_no_error (viewer);
    follow_latency (viewer);
    g_usleep (10000);
  }
  fail_unless (gst_element_query (viewer->pipeline, query));
  gst_query_parse_latency (query, NULL, &min, NULL);
  fail_unless_equals_uint64 (min, rendered * GST_MSECOND);
  pipe_set_state (viewer, GST_STATE_NULL);

  /* The jitter buffer's idea of the arrival may be a little off. */
  check_ages (&come_ages, -50, 50, "came");
  check_ages (&show_ages, latency, rendered + 50, "is shown");
}
GST_END_TEST

/* --- Sound and picture together -------------------------------------------- */

typedef struct {
  Pipe *camera, *viewer;
  gint clock_rate;
  gint delay_ms; /* atomic: from capture until it is to be shown */
} Track;

static GstPadProbeReturn
note_delay (GstPad *pad, GstPadProbeInfo *info, gpointer user)
{
  Track *track = user;
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER (info);
  GstClockTime captured, shown;
  guint8 header[8];

  gst_buffer_extract (buffer, 0, header, sizeof header);
  captured = gst_element_get_base_time (track->camera->pipeline) +
      gst_util_uint64_scale (GST_READ_UINT32_BE (header + 4), GST_SECOND,
          track->clock_rate);
  shown = gst_element_get_base_time (track->viewer->pipeline) +
      GST_BUFFER_PTS (buffer);
  g_atomic_int_set (&track->delay_ms,
      GST_CLOCK_DIFF (captured, shown) / (gint64) GST_MSECOND);
  return GST_PAD_PROBE_OK;
}

static void
watch_delay (Track *track, const char *name)
{
  g_autoptr (GstElement) element = pipe_get (track->viewer, name);
  g_autoptr (GstPad) pad = gst_element_get_static_pad (element, "src");

  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, note_delay, track, NULL);
}

/* The camera's pictures come 300 ms after their sound.  Once the viewer has
 * reports about both, they are shown together again. */
GST_START_TEST (test_lip_sync)
{
  g_autofree char *uri = fixture_new_uri ();
  g_autoptr (Pipe) camera = pipe_new (VIDEO
      "queue min-threshold-time=300000000 max-size-time=0 max-size-buffers=0 ! "
      "rtpjpegpay timestamp-offset=0 ! sink.sink_0 audiotestsrc is-live=true "
      "samplesperbuffer=960 ! opusenc ! rtpopuspay timestamp-offset=0 ! "
      "sink.sink_1 " CAMERA,
      uri);
  g_autoptr (Pipe) viewer = pipe_new (
      "quicp2psrc name=src latency=500 uri=%s src. ! "
      "application/x-rtp,media=video ! identity name=v ! fakesink src. ! "
      "application/x-rtp,media=audio ! identity name=a ! fakesink",
      uri);
  Track video = { camera, viewer, 90000, 0 },
        audio = { camera, viewer, 48000, 0 };
  gint apart = G_MAXINT;
  guint together = 0;

  watch_delay (&video, "v");
  watch_delay (&audio, "a");
  pipe_set_state (camera, GST_STATE_PLAYING);
  pipe_set_state (viewer, GST_STATE_PLAYING);
  for (guint i = 0; i < 150 && together < 10; i++) {
    gint v = g_atomic_int_get (&video.delay_ms);
    gint a = g_atomic_int_get (&audio.delay_ms);

    if (v && a)
      apart = ABS (v - a);
    together = apart <= 40 ? together + 1 : 0;
    g_usleep (100000);
  }
  fail_unless (together == 10, "%d ms apart: video %d ms, audio %d ms", apart,
      video.delay_ms, audio.delay_ms);
  pipe_set_state (viewer, GST_STATE_NULL);
}
GST_END_TEST

GST_START_TEST (test_pad_latency_query)
{
  g_autofree char *uri = fixture_new_uri ();
  g_autoptr (Pipe) camera = pipe_new (VIDEO "rtpjpegpay ! " CAMERA, uri);
  g_autoptr (Pipe)
      viewer = pipe_new ("quicp2psrc name=src latency=150 uri=%s ! "
                         "rtpjpegdepay ! fakesink name=count sync=false",
          uri);
  g_autoptr (GstElement) src = pipe_get (viewer, "src");
  g_autoptr (GstPad) pad = NULL;
  g_autoptr (GstQuery) query = gst_query_new_latency ();
  GstClockTime min;
  gboolean live;

  pipe_set_state (camera, GST_STATE_PLAYING);
  pipe_set_state (viewer, GST_STATE_PLAYING);
  pipe_wait_for_buffers (viewer, 0, 1);
  pad = gst_element_get_static_pad (src, "src_0");
  fail_unless (pad && gst_pad_query (pad, query));
  gst_query_parse_latency (query, &live, &min, NULL);
  fail_unless (live);
  fail_unless_equals_uint64 (min, 150 * GST_MSECOND);
}
GST_END_TEST

static Suite *
timing_suite (void)
{
  Suite *suite = suite_create ("timing");
  TCase *tcase = tcase_create ("general");

  suite_add_tcase (suite, tcase);
  tcase_set_timeout (tcase, 120);
  tcase_add_loop_test (tcase, test_latency, 0, 2);
  tcase_add_test (tcase, test_lip_sync);
  tcase_add_test (tcase, test_pad_latency_query);
  return suite;
}

GST_CHECK_MAIN (timing)

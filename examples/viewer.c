/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A viewer: plays what a room's camera sends, in a window or (--headless)
 * without one, and tells once a second how it goes.
 *
 *   viewer --uri=quicp2p://host:8443/door
 *
 * quicp2psrc shows a pad for each stream that the camera sends, with caps that
 * tell all a decoder must know; decodebin does the rest.  The latency shown is
 * from the picture's capture to the moment it is due on the screen; it needs a
 * camera that sends RFC 6051's header extension, as the one beside this file
 * does, and clocks that agree.  One main loop; pads appear and pictures pass on
 * other threads, and what they count is guarded by `lock`. */
#include <glib-unix.h>
#include <gst/gst.h>
#include <gst/rtp/rtp.h>
#include <gst/video/video.h>
#include <locale.h>
#include <stdio.h>

#include "devices.h"
#include "report.h"

#define NTP_UNIX_OFFSET (G_GUINT64_CONSTANT (2208988800) * GST_SECOND)

#define VIDEO_BRANCH "decodebin name=decoder ! videoconvert ! %s name=screen"
#define AUDIO_BRANCH \
  "decodebin name=decoder ! audioconvert ! audioresample ! %s"

typedef struct {
  GMainLoop *loop;
  GstElement *pipeline;
  GstElement *src;
  GstCaps *ntp;
  char *screen, *speaker; /* what shows and plays, for gst_parse_*() */
  gboolean failed;
  gint64 started;           /* monotonic, µs */
  GstClockTime min_latency; /* of the pipeline; written by the main thread */

  GMutex lock;
  guint64 frames;      /* decoded; guarded by lock */
  guint64 lost;        /* RTP packets that never came; guarded by lock */
  gint64 first_frame;  /* monotonic, µs, 0 before; guarded by lock */
  GArray *latencies;   /* double, ms; guarded by lock */
  GstElement *picture; /* the screen last used; guarded by lock */
} Viewer;

/* What is followed of one stream, on its streaming thread only. */
typedef struct {
  Viewer *viewer;
  gboolean seen;
  guint16 seqnum;
} Stream;

static gboolean
count_packet (GstBuffer **buffer, guint index, gpointer user_data)
{
  Stream *stream = user_data;
  GstRTPBuffer rtp = GST_RTP_BUFFER_INIT;
  guint16 seqnum, missing;

  if (!gst_rtp_buffer_map (*buffer, GST_MAP_READ, &rtp))
    return TRUE;
  seqnum = gst_rtp_buffer_get_seq (&rtp);
  gst_rtp_buffer_unmap (&rtp);
  missing = stream->seen ? seqnum - stream->seqnum - 1 : 0;
  /* The jitter buffer has sorted them: a large step is a camera that started
   * anew, and not a loss. */
  if (missing < 1000) {
    g_mutex_lock (&stream->viewer->lock);
    stream->viewer->lost += missing;
    g_mutex_unlock (&stream->viewer->lock);
  }
  stream->seen = TRUE;
  stream->seqnum = seqnum;
  return TRUE;
}

static GstPadProbeReturn
on_packets (GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
  if (GST_PAD_PROBE_INFO_TYPE (info) & GST_PAD_PROBE_TYPE_BUFFER_LIST) {
    gst_buffer_list_foreach (GST_PAD_PROBE_INFO_BUFFER_LIST (info),
        count_packet, user_data);
  } else {
    GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER (info);

    count_packet (&buffer, 0, user_data);
  }
  return GST_PAD_PROBE_OK;
}

/* How long from now until `buffer` is shown: the sink waits for the running
 * time of the buffer plus the pipeline's latency, and shows late ones at once. */
static GstClockTimeDiff
time_to_show (Viewer *viewer, GstPad *pad, GstBuffer *buffer)
{
  g_autoptr (GstEvent)
      event = gst_pad_get_sticky_event (pad, GST_EVENT_SEGMENT, 0);
  g_autoptr (GstClock) clock = gst_element_get_clock (viewer->pipeline);
  const GstSegment *segment;
  GstClockTime running;

  if (!event || !clock)
    return 0;
  gst_event_parse_segment (event, &segment);
  running = gst_segment_to_running_time (segment, GST_FORMAT_TIME,
      GST_BUFFER_PTS (buffer));
  if (!GST_CLOCK_TIME_IS_VALID (running))
    return 0;
  return MAX (0,
      GST_CLOCK_DIFF (gst_clock_get_time (clock),
          gst_element_get_base_time (viewer->pipeline) + running +
              viewer->min_latency));
}

static GstPadProbeReturn
on_picture (GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
  Viewer *viewer = user_data;
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER (info);
  GstReferenceTimestampMeta *captured =
      gst_buffer_get_reference_timestamp_meta (buffer, viewer->ntp);
  double latency;

  g_mutex_lock (&viewer->lock);
  if (viewer->frames++ == 0)
    viewer->first_frame = g_get_monotonic_time ();
  if (captured && captured->timestamp > 0) {
    latency = GST_CLOCK_DIFF (captured->timestamp,
                  g_get_real_time () * GST_USECOND + NTP_UNIX_OFFSET) +
        time_to_show (viewer, pad, buffer);
    latency /= GST_MSECOND;
    g_array_append_val (viewer->latencies, latency);
  }
  g_mutex_unlock (&viewer->lock);
  return GST_PAD_PROBE_OK;
}

static void
watch_screen (Viewer *viewer, GstElement *branch)
{
  GstElement *screen = gst_bin_get_by_name (GST_BIN (branch), "screen");
  g_autoptr (GstPad) pad = gst_element_get_static_pad (screen, "sink");

  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, on_picture, viewer, NULL);
  g_mutex_lock (&viewer->lock);
  gst_clear_object (&viewer->picture);
  viewer->picture = screen;
  g_mutex_unlock (&viewer->lock);
}

/* A decoder and a screen or speaker, in a bin with one pad, "sink". */
static GstElement *
make_branch (Viewer *viewer, gboolean is_video)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *description = NULL;
  g_autoptr (GstElement) decoder = NULL;
  g_autoptr (GstPad) pad = NULL;
  GstElement *branch;

  if (is_video)
    description = g_strdup_printf (VIDEO_BRANCH, viewer->screen);
  else
    description = g_strdup_printf (AUDIO_BRANCH, viewer->speaker);
  branch = gst_parse_bin_from_description (description, FALSE, &error);
  if (!branch) {
    GST_ELEMENT_ERROR (viewer->pipeline, CORE, MISSING_PLUGIN, (NULL),
        ("%s", error->message));
    return NULL;
  }
  decoder = gst_bin_get_by_name (GST_BIN (branch), "decoder");
  pad = gst_element_get_static_pad (decoder, "sink");
  gst_element_add_pad (branch, gst_ghost_pad_new ("sink", pad));
  if (is_video)
    watch_screen (viewer, branch);
  return branch;
}

/* A stream has appeared: decode and show it. */
static void
on_stream (GstElement *src, GstPad *pad, Viewer *viewer)
{
  g_autoptr (GstCaps) caps = gst_pad_query_caps (pad, NULL);
  const GstStructure *format = gst_caps_get_structure (caps, 0);
  const char *media = gst_structure_get_string (format, "media");
  g_autoptr (GstPad) in = NULL;
  GstElement *branch = make_branch (viewer, g_strcmp0 (media, "video") == 0);
  Stream *stream;

  if (!branch)
    return;
  stream = g_new0 (Stream, 1);
  stream->viewer = viewer;
  gst_pad_add_probe (pad,
      GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST, on_packets,
      stream, g_free);
  g_object_set_data (G_OBJECT (pad), "branch", branch);
  gst_bin_add (GST_BIN (viewer->pipeline), branch);
  in = gst_element_get_static_pad (branch, "sink");
  gst_element_sync_state_with_parent (branch);
  gst_pad_link (pad, in);
}

/* The stream is gone, and what showed it goes too. */
static void
on_stream_gone (GstElement *src, GstPad *pad, Viewer *viewer)
{
  GstElement *branch = g_object_steal_data (G_OBJECT (pad), "branch");

  if (!branch)
    return;
  gst_element_set_locked_state (branch, TRUE);
  gst_element_set_state (branch, GST_STATE_NULL);
  gst_bin_remove (GST_BIN (viewer->pipeline), branch);
}

static gboolean
on_message (GstBus *bus, GstMessage *message, gpointer user_data)
{
  Viewer *viewer = user_data;
  g_autoptr (GError) error = NULL;
  g_autofree char *debug = NULL;
  g_autofree char *line = NULL;

  switch (GST_MESSAGE_TYPE (message)) {
    case GST_MESSAGE_ELEMENT:
      line = report_message (gst_message_get_structure (message));
      if (line)
        g_print ("%s\n", line);
      break;
    case GST_MESSAGE_ERROR:
      gst_message_parse_error (message, &error, &debug);
      g_printerr ("viewer: error: %s\n%s\n", error->message,
          debug ? debug : "");
      viewer->failed = TRUE;
      g_main_loop_quit (viewer->loop);
      break;
    case GST_MESSAGE_WARNING:
      gst_message_parse_warning (message, &error, &debug);
      g_printerr ("viewer: warning: %s\n", error->message);
      break;
    case GST_MESSAGE_EOS:
      g_main_loop_quit (viewer->loop);
      break;
    case GST_MESSAGE_LATENCY:
      gst_bin_recalculate_latency (GST_BIN (viewer->pipeline));
      break;
    default:
      break;
  }
  return G_SOURCE_CONTINUE;
}

static gboolean
on_tick (gpointer user_data)
{
  Viewer *viewer = user_data;
  g_autoptr (GstQuery) query = gst_query_new_latency ();

  if (gst_element_query (viewer->pipeline, query))
    gst_query_parse_latency (query, NULL, &viewer->min_latency, NULL);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_second (gpointer user_data)
{
  Viewer *viewer = user_data;
  g_autofree char *line = report_line (viewer->src, "receive-bitrate");
  guint64 frames, lost;

  g_mutex_lock (&viewer->lock);
  frames = viewer->frames;
  lost = viewer->lost;
  g_mutex_unlock (&viewer->lock);
  g_print ("%4d s  %s  %" G_GUINT64_FORMAT " frames, %" G_GUINT64_FORMAT
           " packets lost\n",
      (int) ((g_get_monotonic_time () - viewer->started) / G_USEC_PER_SEC),
      line, frames, lost);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_stop (gpointer user_data)
{
  Viewer *viewer = user_data;

  g_main_loop_quit (viewer->loop);
  return G_SOURCE_REMOVE;
}

static int
compare_doubles (gconstpointer a, gconstpointer b)
{
  double x = *(const double *) a, y = *(const double *) b;

  return (x > y) - (x < y);
}

static void
print_summary (Viewer *viewer)
{
  GArray *latencies = viewer->latencies;
  guint n = latencies->len;

  g_print ("frames decoded: %" G_GUINT64_FORMAT "\n", viewer->frames);
  g_print ("packets lost: %" G_GUINT64_FORMAT "\n", viewer->lost);
  if (viewer->first_frame)
    g_print ("time to first frame: %.0f ms\n",
        (viewer->first_frame - viewer->started) / 1000.0);
  if (n > 0) {
    g_array_sort (latencies, compare_doubles);
    g_print ("latency, capture to screen: median %.0f ms, 95 %% within %.0f ms "
             "(%.0f ms of it is the pipeline's buffering)\n",
        g_array_index (latencies, double, n / 2),
        g_array_index (latencies, double, n * 95 / 100),
        viewer->min_latency / (double) GST_MSECOND);
  }
}

static int
run (Viewer *viewer, int seconds, const char *snapshot)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (viewer->pipeline);
  g_autoptr (GError) error = NULL;

  gst_bus_add_watch (bus, on_message, viewer);
  g_unix_signal_add (SIGINT, on_stop, viewer);
  g_unix_signal_add (SIGTERM, on_stop, viewer);
  g_timeout_add_seconds (1, on_second, viewer);
  g_timeout_add (100, on_tick, viewer);
  if (seconds > 0)
    g_timeout_add_seconds (seconds, on_stop, viewer);

  viewer->started = g_get_monotonic_time ();
  gst_element_set_state (viewer->pipeline, GST_STATE_PLAYING);
  g_main_loop_run (viewer->loop);
  if (snapshot && !device_write_picture (viewer->picture, snapshot, &error)) {
    g_printerr ("viewer: %s\n", error->message);
    viewer->failed = TRUE;
  }
  gst_element_set_state (viewer->pipeline, GST_STATE_NULL);
  gst_bus_remove_watch (bus);
  print_summary (viewer);
  return viewer->failed || viewer->frames == 0 ? 1 : 0;
}

int
main (int argc, char **argv)
{
  g_autofree char *uri = g_strdup ("quicp2p://localhost:8443/demo");
  g_autofree char *snapshot = NULL;
  g_auto (GStrv) settings = NULL;
  g_autoptr (GError) error = NULL;
  gboolean headless = FALSE;
  int seconds = 0, status = 2;
  const GOptionEntry options[] = {
    { "uri", 'u', 0, G_OPTION_ARG_STRING, &uri,
        "the room (quicp2p://localhost:8443/demo)", "URI" },
    { "headless", 0, 0, G_OPTION_ARG_NONE, &headless,
        "decode and count, but show nothing", NULL },
    { "snapshot", 0, 0, G_OPTION_ARG_FILENAME, &snapshot,
        "with --headless: write the last picture", "FILE.png" },
    { "seconds", 0, 0, G_OPTION_ARG_INT, &seconds, "stop after so long", "N" },
    { "set", 0, 0, G_OPTION_ARG_STRING_ARRAY, &settings,
        "set a property of quicp2psrc", "NAME=VALUE" },
    { NULL }
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("- a viewer");
  Viewer viewer = { 0 };
  guint i;

  setlocale (LC_ALL, "");
  g_option_context_add_main_entries (context, options, NULL);
  g_option_context_add_group (context, gst_init_get_option_group ());
  if (!g_option_context_parse (context, &argc, &argv, &error)) {
    g_printerr ("viewer: %s\n", error->message);
    return 2;
  }
  setvbuf (stdout, NULL, _IOLBF, 0);

  viewer.src = gst_element_factory_make ("quicp2psrc", NULL);
  if (!viewer.src) {
    g_printerr ("viewer: no quicp2psrc: is GST_PLUGIN_PATH set?\n");
    return 2;
  }
  viewer.screen = headless ? g_strdup (DEVICE_NOTHING)
                           : device_choose_sink ("autovideosink");
  viewer.speaker = headless ? g_strdup (DEVICE_NOTHING)
                            : device_choose_sink ("autoaudiosink");
  viewer.ntp = gst_caps_new_empty_simple ("timestamp/x-ntp");
  viewer.latencies = g_array_new (FALSE, FALSE, sizeof (double));
  g_mutex_init (&viewer.lock);
  viewer.loop = g_main_loop_new (NULL, FALSE);
  viewer.pipeline = gst_pipeline_new ("viewer");
  gst_bin_add (GST_BIN (viewer.pipeline), viewer.src);
  g_object_set (viewer.src, "uri", uri, "display-name", "viewer", NULL);
  g_signal_connect (viewer.src, "pad-added", G_CALLBACK (on_stream), &viewer);
  g_signal_connect (viewer.src, "pad-removed", G_CALLBACK (on_stream_gone),
      &viewer);
  for (i = 0; settings && settings[i] && !error; i++)
    report_set_property (viewer.src, settings[i], &error);

  if (error)
    g_printerr ("viewer: %s\n", error->message);
  else
    status = run (&viewer, seconds, headless ? snapshot : NULL);
  gst_clear_object (&viewer.picture);
  gst_object_unref (viewer.pipeline);
  gst_caps_unref (viewer.ntp);
  g_free (viewer.screen);
  g_free (viewer.speaker);
  g_array_unref (viewer.latencies);
  g_mutex_clear (&viewer.lock);
  g_main_loop_unref (viewer.loop);
  return status;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A camera: plays a device, a file (over and over) or a test picture into a
 * room, and tells once a second how it goes.
 *
 *   camera --uri=quicp2p://host:8443/door --source=/dev/video0
 *
 * The whole of the transport is one element, quicp2psink: each stream asks it
 * for a pad, everything else happens inside.  One main loop; pads appear on
 * GStreamer's streaming threads, all else runs on the main thread. */
#include <glib-unix.h>
#include <gst/gst.h>
#include <gst/rtp/rtp.h>
#include <locale.h>
#include <stdio.h>

#include "report.h"
#include "source.h"

/* From 1 January 1900 (NTP, RFC 5905) to 1970 (Unix). */
#define NTP_UNIX_OFFSET (G_GUINT64_CONSTANT (2208988800) * GST_SECOND)

#define VIDEO_ENCODER                                                          \
  "queue ! videoconvert ! video/x-raw,format=I420 ! x264enc tune=zerolatency " \
  "speed-preset=veryfast key-int-max=60 bitrate=%u ! rtph264pay name=pay "     \
  "aggregate-mode=zero-latency config-interval=-1"
#define AUDIO_ENCODER \
  "queue ! audioconvert ! audioresample ! opusenc ! rtpopuspay name=pay"

typedef struct {
  GMainLoop *loop;
  GstElement *pipeline;
  GstElement *sink;
  Source *source;
  guint bitrate; /* of the video, kbit/s */
  guint64 video_frames;
  gint64 started; /* monotonic, µs */
  gboolean failed;
} Camera;

/* Writes the time of capture beside each picture.  The payloader sends it as
 * RFC 6051's header extension, and a viewer on a machine with the same time
 * knows how old a picture is. */
static GstPadProbeReturn
stamp_capture_time (GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
  GstCaps *ntp = user_data;
  GstBuffer *buffer =
      gst_buffer_make_writable (GST_PAD_PROBE_INFO_BUFFER (info));

  gst_buffer_add_reference_timestamp_meta (buffer, ntp,
      g_get_real_time () * GST_USECOND + NTP_UNIX_OFFSET, GST_CLOCK_TIME_NONE);
  GST_PAD_PROBE_INFO_DATA (info) = buffer;
  return GST_PAD_PROBE_OK;
}

static void
send_capture_time (GstElement *bin)
{
  g_autoptr (GstElement) pace = gst_bin_get_by_name (GST_BIN (bin), "pace");
  g_autoptr (GstElement) pay = gst_bin_get_by_name (GST_BIN (bin), "pay");
  g_autoptr (GstPad) pad = gst_element_get_static_pad (pace, "src");
  GstRTPHeaderExtension *extension =
      gst_rtp_header_extension_create_from_uri (GST_RTP_HDREXT_BASE "ntp-64");

  if (!extension)
    return;
  gst_rtp_header_extension_set_id (extension, 1);
  /* Some depayloaders (GStreamer 1.22) look at the last packet only. */
  g_object_set (extension, "every-packet", TRUE, NULL);
  g_signal_emit_by_name (pay, "add-extension", extension);
  gst_object_unref (extension);
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, stamp_capture_time,
      gst_caps_new_empty_simple ("timestamp/x-ntp"),
      (GDestroyNotify) gst_caps_unref);
}

/* Puts `description`, with one raw stream going in and RTP coming out, between
 * `src` and the sink. */
static void
add_stream (Camera *camera, GstPad *src, const char *description,
    gboolean is_video)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GstPad) in = NULL;
  GstElement *bin = gst_parse_bin_from_description (description, TRUE, &error);

  if (!bin) {
    GST_ELEMENT_ERROR (camera->pipeline, CORE, MISSING_PLUGIN, (NULL),
        ("%s", error->message));
    return;
  }
  if (is_video)
    send_capture_time (bin);
  gst_bin_add (GST_BIN (camera->pipeline), bin);
  in = gst_element_get_static_pad (bin, "sink");
  if (!gst_element_link (bin, camera->sink) ||
      GST_PAD_LINK_FAILED (gst_pad_link (src, in)))
    GST_ELEMENT_ERROR (camera->pipeline, CORE, NEGOTIATION, (NULL),
        ("cannot link %s", GST_PAD_NAME (src)));
  gst_element_sync_state_with_parent (bin);
}

static void
on_stream (GstPad *pad, gboolean is_video, gpointer user_data)
{
  Camera *camera = user_data;

  if (is_video) {
    g_autofree char *description = g_strdup_printf (SOURCE_PACE
        " ! " VIDEO_ENCODER,
        camera->bitrate);

    add_stream (camera, pad, description, TRUE);
  } else {
    add_stream (camera, pad, SOURCE_PACE " ! " AUDIO_ENCODER, FALSE);
  }
}

static gboolean
on_message (GstBus *bus, GstMessage *message, gpointer user_data)
{
  Camera *camera = user_data;
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
      g_printerr ("camera: error: %s\n%s\n", error->message,
          debug ? debug : "");
      camera->failed = TRUE;
      g_main_loop_quit (camera->loop);
      break;
    case GST_MESSAGE_WARNING:
      gst_message_parse_warning (message, &error, &debug);
      g_printerr ("camera: warning: %s\n", error->message);
      break;
    case GST_MESSAGE_EOS:
      g_main_loop_quit (camera->loop);
      break;
    case GST_MESSAGE_SEGMENT_DONE:
      source_play_again (camera->source);
      break;
    default:
      break;
  }
  return G_SOURCE_CONTINUE;
}

static void
count_frames (Camera *camera)
{
  /* A viewer that left takes its counts along: keep the most seen. */
  camera->video_frames = MAX (camera->video_frames,
      report_flow_total (camera->sink, "video", "frames-sent"));
}

static gboolean
on_second (gpointer user_data)
{
  Camera *camera = user_data;
  g_autofree char *line = report_line (camera->sink, "send-bitrate");

  g_print ("%4d s  %s  %" G_GUINT64_FORMAT " frames, %" G_GUINT64_FORMAT
           " cancelled\n",
      (int) ((g_get_monotonic_time () - camera->started) / G_USEC_PER_SEC),
      line, camera->video_frames,
      report_flow_total (camera->sink, "video", "frames-cancelled"));
  return G_SOURCE_CONTINUE;
}

static gboolean
on_tick (gpointer user_data)
{
  count_frames (user_data);
  return G_SOURCE_CONTINUE;
}

static gboolean
give_up (gpointer user_data)
{
  Camera *camera = user_data;

  g_main_loop_quit (camera->loop);
  return G_SOURCE_REMOVE;
}

static gboolean
on_stop (gpointer user_data)
{
  Camera *camera = user_data;

  source_end_streams (camera->sink);
  g_timeout_add_seconds (2, give_up, camera);
  return G_SOURCE_REMOVE;
}

static int
run (Camera *camera, int seconds)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (camera->pipeline);

  gst_bus_add_watch (bus, on_message, camera);
  g_unix_signal_add (SIGINT, on_stop, camera);
  g_unix_signal_add (SIGTERM, on_stop, camera);
  g_timeout_add_seconds (1, on_second, camera);
  g_timeout_add (100, on_tick, camera);
  if (seconds > 0)
    g_timeout_add_seconds (seconds, on_stop, camera);

  camera->started = g_get_monotonic_time ();
  gst_element_set_state (camera->pipeline, GST_STATE_PLAYING);
  g_main_loop_run (camera->loop);
  count_frames (camera);
  gst_element_set_state (camera->pipeline, GST_STATE_NULL);
  gst_bus_remove_watch (bus);
  g_print ("frames sent: %" G_GUINT64_FORMAT "\n", camera->video_frames);
  return camera->failed ? 1 : 0;
}

int
main (int argc, char **argv)
{
  g_autofree char *uri = g_strdup ("quicp2p://localhost:8443/demo");
  g_autofree char *source = g_strdup ("test");
  g_auto (GStrv) settings = NULL;
  g_autoptr (GError) error = NULL;
  int seconds = 0, bitrate = 2000, status = 2;
  const GOptionEntry options[] = {
    { "uri", 'u', 0, G_OPTION_ARG_STRING, &uri,
        "the room (quicp2p://localhost:8443/demo)", "URI" },
    { "source", 's', 0, G_OPTION_ARG_FILENAME, &source, "what to show (test)",
        "DEVICE|FILE|test" },
    { "bitrate", 'b', 0, G_OPTION_ARG_INT, &bitrate, "of the video (2000)",
        "KBIT/S" },
    { "seconds", 0, 0, G_OPTION_ARG_INT, &seconds, "stop after so long", "N" },
    { "set", 0, 0, G_OPTION_ARG_STRING_ARRAY, &settings,
        "set a property of quicp2psink", "NAME=VALUE" },
    { NULL }
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("- a camera");
  const SourceTest test = { 1280, 720, 0xff000000 };
  Camera camera = { 0 };
  guint i;

  setlocale (LC_ALL, "");
  g_option_context_add_main_entries (context, options, NULL);
  g_option_context_add_group (context, gst_init_get_option_group ());
  if (!g_option_context_parse (context, &argc, &argv, &error)) {
    g_printerr ("camera: %s\n", error->message);
    return 2;
  }
  setvbuf (stdout, NULL, _IOLBF, 0);

  camera.sink = gst_element_factory_make ("quicp2psink", NULL);
  if (!camera.sink) {
    g_printerr ("camera: no quicp2psink: is GST_PLUGIN_PATH set?\n");
    return 2;
  }
  camera.bitrate = CLAMP (bitrate, 1, 100000);
  camera.loop = g_main_loop_new (NULL, FALSE);
  camera.pipeline = gst_pipeline_new ("camera");
  gst_bin_add (GST_BIN (camera.pipeline), camera.sink);
  g_object_set (camera.sink, "uri", uri, "display-name", "camera", NULL);
  for (i = 0; settings && settings[i] && !error; i++)
    report_set_property (camera.sink, settings[i], &error);
  if (!error)
    camera.source = source_add (camera.pipeline, source, &test, on_stream,
        &camera, &error);

  if (error)
    g_printerr ("camera: %s\n", error->message);
  else
    status = run (&camera, seconds);
  g_clear_pointer (&camera.source, source_free);
  gst_object_unref (camera.pipeline);
  g_main_loop_unref (camera.loop);
  return status;
}

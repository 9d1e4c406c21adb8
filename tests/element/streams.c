/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Streams from cameras to viewers, with the real session between them on
 * loopback. */
#include <gst/check/gstcheck.h>
#include <gst/video/video.h>

#include "fixture.h"

#define JPEG                                                                  \
  "videotestsrc is-live=true ! video/x-raw,format=I420,width=160,height=120," \
  "framerate=50/1 ! jpegenc ! rtpjpegpay ! "
#define OPUS \
  "audiotestsrc is-live=true samplesperbuffer=960 ! opusenc ! rtpopuspay ! "
#define CAMERA "quicp2psink name=sink run-signaling-server=true uri=%s "
#define SHOW_JPEG "rtpjpegdepay ! jpegdec ! fakesink name=count sync=false "

static gboolean
have_elements (const char *first, ...)
{
  va_list names;
  gboolean all = TRUE;

  va_start (names, first);
  for (const char *name = first; name; name = va_arg (names, const char *)) {
    g_autoptr (GstElementFactory) factory = gst_element_factory_find (name);

    if (!factory) {
      g_print ("not tested: there is no %s\n", name);
      all = FALSE;
    }
  }
  va_end (names);
  return all;
}

static Pipe *
start (Pipe *pipe)
{
  pipe_set_state (pipe, GST_STATE_PLAYING);
  return pipe;
}

/* A server that is neither the camera nor the viewer; its room is "server". */
static Pipe *
start_server (const char *uri)
{
  return start (pipe_new (CAMERA, uri));
}

/* --- Formats and mappings -------------------------------------------------- */

GST_START_TEST (test_h264)
{
  g_autofree char *uri = fixture_new_uri ();
  g_autoptr (Pipe) camera = NULL;
  g_autoptr (Pipe) viewer = NULL;

  if (!have_elements ("x264enc", "avdec_h264", NULL))
    return;
  camera = start (pipe_new (
      "videotestsrc is-live=true ! video/x-raw,width=320,height=240 ! x264enc "
      "tune=zerolatency key-int-max=1000 ! rtph264pay ! " CAMERA,
      uri));
  /* The only keyframe of itself is long gone. */
  g_usleep (500000);
  viewer = start (pipe_new ("quicp2psrc uri=%s ! rtph264depay ! avdec_h264 ! "
                            "fakesink name=count sync=false",
      uri));
  pipe_wait_for_buffers (viewer, 0, 30);
}
GST_END_TEST

GST_START_TEST (test_mappings)
{
  static const char *const mappings[] = { "stream-per-frame", "stream",
    "datagram" };
  g_autofree char *uri = fixture_new_uri ();
  g_autofree char *watched = g_strconcat (uri, "/watched", NULL);
  g_autoptr (Pipe) server = start_server (uri);
  const char *mapping = mappings[__i__];
  g_autoptr (Pipe)
      camera = start (pipe_new (JPEG "quicp2psink name=sink mapping=%s uri=%s",
          mapping, watched));
  g_autoptr (Pipe)
      viewer = start (pipe_new ("quicp2psrc uri=%s ! " SHOW_JPEG, watched));
  g_autoptr (GstStructure) stats = NULL;
  g_autofree char *text = NULL;

  pipe_wait_for_buffers (viewer, 0, 30);
  stats = pipe_get_stats (camera, "sink");
  text = gst_structure_to_string (stats);
  fail_unless (strstr (text, mapping) != NULL, "%s", text);
}
GST_END_TEST

GST_START_TEST (test_sound_and_picture)
{
  g_autofree char *uri = fixture_new_uri ();
  g_autoptr (Pipe) camera = start (pipe_new (JPEG
      "sink.sink_0 " OPUS "sink.sink_1 " CAMERA "sink_1::mapping=datagram",
      uri));
  g_autoptr (Pipe) viewer = start (
      pipe_new ("quicp2psrc name=src uri=%s src. ! rtpjpegdepay ! fakesink "
                "name=count_0 src. ! rtpopusdepay ! fakesink name=count_1",
          uri));

  g_autoptr (GstStructure) stats = NULL;
  g_autofree char *text = NULL;

  pipe_wait_for_buffers (viewer, 0, 30);
  pipe_wait_for_buffers (viewer, 1, 30);
  /* Each pad as it wants. */
  stats = pipe_get_stats (camera, "sink");
  text = gst_structure_to_string (stats);
  fail_unless (strstr (text, "stream-per-frame") && strstr (text, "datagram"),
      "%s", text);
}
GST_END_TEST

/* A stream that nobody wants holds nobody up. */
GST_START_TEST (test_unlinked_pad)
{
  g_autofree char *uri = fixture_new_uri ();
  g_autoptr (Pipe)
      camera = start (pipe_new (JPEG "sink.sink_0 " OPUS "sink.sink_1 " CAMERA,
          uri));
  const char *latency = __i__ ? "latency=0" : "";
  g_autoptr (Pipe) viewer = start (pipe_new (
      "quicp2psrc %s uri=%s ! application/x-rtp,media=video ! " SHOW_JPEG,
      latency, uri));

  pipe_wait_for_buffers (viewer, 0, 100);
}
GST_END_TEST

GST_START_TEST (test_two_viewers)
{
  g_autofree char *uri = fixture_new_uri ();
  g_autoptr (Pipe) camera = start (pipe_new (JPEG CAMERA, uri));
  g_autoptr (Pipe)
      one = start (pipe_new ("quicp2psrc uri=%s ! " SHOW_JPEG, uri));
  g_autoptr (Pipe)
      other = start (pipe_new ("quicp2psrc uri=%s ! " SHOW_JPEG, uri));

  pipe_wait_for_buffers (one, 0, 20);
  pipe_wait_for_buffers (other, 0, 20);
}
GST_END_TEST

/* As gst-play-1.0 does it. */
GST_START_TEST (test_playbin)
{
  static const char *const players[] = { "playbin", "playbin3" };
  g_autofree char *uri = fixture_new_uri ();
  g_autofree char *played = g_strconcat (uri, "?latency=100", NULL);
  g_autoptr (Pipe)
      camera = start (pipe_new (JPEG "sink.sink_0 " OPUS "sink.sink_1 " CAMERA,
          uri));
  Pipe viewer = { 0 };
  GstElement *video_sink = gst_element_factory_make ("fakesink", "count_0");
  GstElement *audio_sink = gst_element_factory_make ("fakesink", "count_1");

  viewer.pipeline = gst_element_factory_make (players[__i__], NULL);
  viewer.bus = gst_element_get_bus (viewer.pipeline);
  g_object_set (video_sink, "sync", TRUE, NULL);
  g_object_set (audio_sink, "sync", TRUE, NULL);
  pipe_count_at (&viewer, video_sink, 0);
  pipe_count_at (&viewer, audio_sink, 1);
  g_object_set (viewer.pipeline, "uri", played, "video-sink", video_sink,
      "audio-sink", audio_sink, NULL);
  start (&viewer);
  pipe_wait_for_buffers (&viewer, 0, 30);
  pipe_wait_for_buffers (&viewer, 1, 30);
  fail_unless (pipe_time_set_state (&viewer, GST_STATE_NULL) <
      PIPE_MAX_STATE_MS);
  gst_object_unref (viewer.bus);
  gst_object_unref (viewer.pipeline);
}
GST_END_TEST

/* --- Changes and ends ------------------------------------------------------ */

GST_START_TEST (test_eos)
{
  g_autofree char *uri = fixture_new_uri ();
  const char *latency = __i__ ? "latency=0" : "";
  g_autoptr (Pipe) viewer = NULL;
  g_autoptr (Pipe) camera = pipe_new (
      "videotestsrc is-live=true num-buffers=100 ! "
      "video/x-raw,format=I420,width=160,height=120,framerate=50/1 ! jpegenc ! "
      "rtpjpegpay ! identity name=count ! sink.sink_0 audiotestsrc "
      "is-live=true num-buffers=100 samplesperbuffer=960 ! opusenc ! "
      "rtpopuspay ! sink.sink_1 " CAMERA,
      uri);
  g_autoptr (GstMessage) camera_eos = NULL;
  g_autoptr (GstMessage) viewer_eos = NULL;

  /* Without waiting for the viewer's pads a short stream would be over. */
  start (camera);
  viewer = start (pipe_new (
      "quicp2psrc name=src %s uri=%s src. ! rtpjpegdepay ! fakesink "
      "name=count_0 sync=false src. ! rtpopusdepay ! fakesink name=count_1 "
      "sync=false",
      latency, uri));
  pipe_wait_for_buffers (viewer, 0, 10);
  camera_eos = pipe_wait_for_message (camera, GST_MESSAGE_EOS, 20000);
  viewer_eos = pipe_wait_for_message (viewer, GST_MESSAGE_EOS, 20000);
}
GST_END_TEST

/* The sequence numbers that pass somewhere. */
typedef struct {
  gint n, first, last;
} Sequence;

static GstPadProbeReturn
note_seqnum (GstPad *pad, GstPadProbeInfo *info, gpointer user)
{
  Sequence *sequence = user;
  guint8 header[4];

  gst_buffer_extract (GST_PAD_PROBE_INFO_BUFFER (info), 0, header, 4);
  sequence->last = GST_READ_UINT16_BE (header + 2);
  if (sequence->n++ == 0)
    sequence->first = sequence->last;
  return GST_PAD_PROBE_OK;
}

static void
watch_seqnums (Pipe *pipe, const char *name, Sequence *sequence)
{
  g_autoptr (GstElement) element = pipe_get (pipe, name);
  g_autoptr (GstPad) pad = gst_element_get_static_pad (element, "src");

  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, note_seqnum, sequence,
      NULL);
}

/* From the first packet that came on, nothing is missing, and the last that
 * was sent is the last that came. */
GST_START_TEST (test_eos_loses_nothing)
{
  g_autofree char *uri = fixture_new_uri ();
  g_autoptr (Pipe) camera = pipe_new (
      "videotestsrc is-live=true num-buffers=150 ! "
      "video/x-raw,format=I420,width=160,height=120,framerate=50/1 ! jpegenc ! "
      "rtpjpegpay ! identity name=sent ! " CAMERA,
      uri);
  g_autoptr (Pipe) viewer =
      pipe_new ("quicp2psrc uri=%s ! identity name=came ! fakesink sync=false",
          uri);
  Sequence sent = { 0 }, came = { 0 };
  g_autoptr (GstMessage) camera_eos = NULL;
  g_autoptr (GstMessage) viewer_eos = NULL;

  watch_seqnums (camera, "sent", &sent);
  watch_seqnums (viewer, "came", &came);
  start (camera);
  start (viewer);
  camera_eos = pipe_wait_for_message (camera, GST_MESSAGE_EOS, 20000);
  viewer_eos = pipe_wait_for_message (viewer, GST_MESSAGE_EOS, 20000);
  fail_unless (came.n > 20);
  fail_unless_equals_int (came.last, sent.last);
  fail_unless_equals_int (came.n, ((came.last - came.first) & 0xffff) + 1);
}
GST_END_TEST

/* The application ends what it plays, as gst-launch-1.0 -e does. */
GST_START_TEST (test_eos_by_application)
{
  g_autofree char *uri = fixture_new_uri ();
  const char *latency = __i__ ? "latency=0" : "";
  g_autoptr (Pipe) camera = start (pipe_new (JPEG CAMERA, uri));
  g_autoptr (Pipe)
      viewer = start (pipe_new ("quicp2psrc name=src %s uri=%s ! " SHOW_JPEG,
          latency, uri));

  pipe_wait_for_buffers (viewer, 0, 10);
  fail_unless (gst_element_send_event (viewer->pipeline, gst_event_new_eos ()));
  gst_message_unref (pipe_wait_for_message (viewer, GST_MESSAGE_EOS, 5000));
}
GST_END_TEST

static gint
get_width (Pipe *viewer)
{
  g_autoptr (GstElement) sink = pipe_get (viewer, "count");
  g_autoptr (GstPad) pad = gst_element_get_static_pad (sink, "sink");
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (pad);
  gint width = 0;

  if (caps)
    gst_structure_get_int (gst_caps_get_structure (caps, 0), "width", &width);
  return width;
}

GST_START_TEST (test_new_resolution)
{
  g_autofree char *uri = fixture_new_uri ();
  g_autoptr (Pipe) camera = start (
      pipe_new ("videotestsrc is-live=true ! capsfilter name=size "
                "caps=video/x-raw,format=I420,width=160,height=120 ! jpegenc ! "
                "rtpjpegpay ! " CAMERA,
          uri));
  g_autoptr (Pipe)
      viewer = start (pipe_new ("quicp2psrc uri=%s ! " SHOW_JPEG, uri));
  g_autoptr (GstElement) size = pipe_get (camera, "size");

  pipe_wait_for_buffers (viewer, 0, 10);
  fail_unless_equals_int (get_width (viewer), 160);
  gst_util_set_object_arg (G_OBJECT (size), "caps",
      "video/x-raw,format=I420,width=320,height=240");
  for (guint i = 0; i < 200 && get_width (viewer) != 320; i++)
    g_usleep (20000);
  fail_unless_equals_int (get_width (viewer), 320);
  pipe_wait_for_buffers (viewer, 0, 10);
}
GST_END_TEST

/* --- Another codec --------------------------------------------------------- */

typedef struct {
  Pipe *viewer;
  gint added, removed; /* atomic */
  GstElement *sinks[2];
} CodecViewer;

static void
show_new_pad (GstElement *src, GstPad *pad, gpointer user)
{
  CodecViewer *self = user;
  gint index = g_atomic_int_add (&self->added, 1);
  g_autoptr (GstPad) sinkpad = NULL;

  fail_unless (index < 2);
  self->sinks[index] = gst_element_factory_make ("fakesink", NULL);
  g_object_set (self->sinks[index], "async", FALSE, "sync", FALSE, NULL);
  gst_bin_add (GST_BIN (self->viewer->pipeline), self->sinks[index]);
  gst_element_sync_state_with_parent (self->sinks[index]);
  sinkpad = gst_element_get_static_pad (self->sinks[index], "sink");
  fail_unless_equals_int (gst_pad_link (pad, sinkpad), GST_PAD_LINK_OK);
}

static void
note_removed_pad (GstElement *src, GstPad *pad, gpointer user)
{
  CodecViewer *self = user;

  g_atomic_int_inc (&self->removed);
}

static void
push_packets (GstElement *appsrc, const char *caps_string, guint16 from,
    guint n)
{
  g_autoptr (GstCaps) caps = gst_caps_from_string (caps_string);

  g_object_set (appsrc, "caps", caps, NULL);
  for (guint i = 0; i < n; i++) {
    guint8 *packet = g_malloc0 (200);
    GstBuffer *buffer = gst_buffer_new_wrapped (packet, 200);
    GstFlowReturn flow;

    packet[0] = 0x80;
    packet[1] = 0x80 | 96;
    GST_WRITE_UINT16_BE (packet + 2, from + i);
    GST_WRITE_UINT32_BE (packet + 4, (from + i) * 900);
    GST_WRITE_UINT32_BE (packet + 8, 0xdecade);
    g_signal_emit_by_name (appsrc, "push-buffer", buffer, &flow);
    gst_buffer_unref (buffer);
    fail_unless_equals_int (flow, GST_FLOW_OK);
    g_usleep (10000);
  }
}

static void
wait_for_int (gint *value, gint wanted)
{
  for (guint i = 0; i < 500 && g_atomic_int_get (value) != wanted; i++)
    g_usleep (20000);
  fail_unless_equals_int (g_atomic_int_get (value), wanted);
}

GST_START_TEST (test_new_codec)
{
  g_autofree char *uri = fixture_new_uri ();
  g_autoptr (Pipe) camera = start (pipe_new (
      "appsrc name=a is-live=true format=time do-timestamp=true ! " CAMERA,
      uri));
  g_autoptr (GstElement) appsrc = pipe_get (camera, "a");
  g_autoptr (Pipe) viewer = pipe_new ("quicp2psrc name=src uri=%s", uri);
  g_autoptr (GstElement) src = pipe_get (viewer, "src");
  CodecViewer pads = { .viewer = viewer };
  g_autoptr (GstPad) old_pad = NULL;
  g_autoptr (GstPad) new_pad = NULL;
  g_autoptr (GstCaps) caps = NULL;

  g_signal_connect (src, "pad-added", G_CALLBACK (show_new_pad), &pads);
  g_signal_connect (src, "pad-removed", G_CALLBACK (note_removed_pad), &pads);
  start (viewer);
  pipe_wait_for_element_message (viewer, "session-state", "new-state",
      "connected");
  push_packets (appsrc,
      "application/x-rtp,media=video,clock-rate=90000,encoding-name=H264,"
      "payload=96",
      0, 60);
  wait_for_int (&pads.added, 1);
  push_packets (appsrc,
      "application/x-rtp,media=video,clock-rate=90000,encoding-name=VP8,"
      "payload=96",
      60, 60);
  wait_for_int (&pads.added, 2);
  wait_for_int (&pads.removed, 1);

  /* The media goes on: the end of the old stream must not be taken for the end
   * of everything. */
  old_pad = gst_element_get_static_pad (pads.sinks[0], "sink");
  fail_if (GST_PAD_IS_EOS (old_pad));
  new_pad = gst_element_get_static_pad (pads.sinks[1], "sink");
  fail_if (GST_PAD_IS_EOS (new_pad));
  caps = gst_pad_get_current_caps (new_pad);
  fail_unless_equals_string (
      gst_structure_get_string (gst_caps_get_structure (caps, 0),
          "encoding-name"),
      "VP8");
  pipe_set_state (viewer, GST_STATE_NULL);
}
GST_END_TEST

/* --- Coming and going ------------------------------------------------------ */

#define RESTARTS 20

GST_START_TEST (test_viewer_restarts)
{
  g_autofree char *uri = fixture_new_uri ();
  g_autoptr (Pipe) camera = start (pipe_new (JPEG CAMERA, uri));

  for (guint i = 0; i < RESTARTS; i++) {
    g_autoptr (Pipe)
        viewer = start (pipe_new ("quicp2psrc latency=%u uri=%s ! " SHOW_JPEG,
            i % 2 ? 0 : 50, uri));

    pipe_wait_for_buffers (viewer, 0, 5);
    pipe_check_no_error (camera);
  }
}
GST_END_TEST

static void
link_new_pad (GstElement *src, GstPad *pad, gpointer depayloader)
{
  g_autoptr (GstPad) sinkpad = gst_element_get_static_pad (depayloader, "sink");

  fail_unless_equals_string (GST_PAD_NAME (pad), "src_0");
  fail_unless_equals_int (gst_pad_link (pad, sinkpad), GST_PAD_LINK_OK);
}

/* The same element again, rather than a new one. */
GST_START_TEST (test_viewer_starts_again)
{
  g_autofree char *uri = fixture_new_uri ();
  g_autoptr (Pipe) camera = start (pipe_new (JPEG CAMERA, uri));
  g_autoptr (Pipe) viewer = pipe_new (
      "quicp2psrc name=src latency=50 uri=%s rtpjpegdepay name=depay ! fakesink "
      "name=count sync=false",
      uri);
  g_autoptr (GstElement) src = pipe_get (viewer, "src");
  g_autoptr (GstElement) depayloader = pipe_get (viewer, "depay");

  g_signal_connect (src, "pad-added", G_CALLBACK (link_new_pad), depayloader);
  for (guint i = 0; i < 5; i++) {
    pipe_set_state (viewer, GST_STATE_PLAYING);
    pipe_wait_for_buffers (viewer, 0, 5);
    fail_unless (pipe_time_set_state (viewer, GST_STATE_READY) <
        PIPE_MAX_STATE_MS);
    fail_unless_equals_int (src->numsrcpads, 0);
  }
}
GST_END_TEST

GST_START_TEST (test_camera_restarts)
{
  g_autofree char *uri = fixture_new_uri ();
  g_autofree char *watched = g_strconcat (uri, "/watched", NULL);
  const char *latency = __i__ ? "latency=0" : "latency=50";
  g_autoptr (Pipe) server = start_server (uri);
  g_autoptr (Pipe) viewer =
      start (pipe_new ("quicp2psrc name=src %s uri=%s src. ! " SHOW_JPEG
                       "src. ! rtpopusdepay ! fakesink name=count_1 sync=false",
          latency, watched));
  g_autoptr (GstElement) src = pipe_get (viewer, "src");

  for (guint i = 0; i < RESTARTS; i++) {
    g_autoptr (Pipe) camera = start (pipe_new (JPEG
        "sink.sink_0 " OPUS "sink.sink_1 quicp2psink name=sink uri=%s",
        watched));

    pipe_wait_for_buffers (viewer, 0, 5);
    pipe_wait_for_buffers (viewer, 1, 5);
    fail_unless_equals_int (src->numsrcpads, 2);
  }
}
GST_END_TEST

GST_START_TEST (test_producer_timeout)
{
  g_autofree char *uri = fixture_new_uri ();
  g_autofree char *watched = g_strconcat (uri, "/watched", NULL);
  g_autoptr (Pipe) server = start_server (uri);
  Pipe *camera = start (pipe_new (JPEG "quicp2psink name=sink uri=%s",
      watched));
  g_autoptr (Pipe) viewer =
      start (pipe_new ("quicp2psrc producer-timeout=600 uri=%s ! " SHOW_JPEG,
          watched));
  gint64 gone_us;

  pipe_wait_for_buffers (viewer, 0, 10);
  pipe_free (camera);
  gone_us = g_get_monotonic_time ();
  gst_message_unref (pipe_wait_for_message (viewer, GST_MESSAGE_EOS, 20000));
  fail_unless (g_get_monotonic_time () - gone_us > 300 * 1000);
}
GST_END_TEST

/* --- Keyframes ------------------------------------------------------------- */

static GstPadProbeReturn
count_key_requests (GstPad *pad, GstPadProbeInfo *info, gpointer counter)
{
  if (gst_video_event_is_force_key_unit (GST_PAD_PROBE_INFO_EVENT (info)))
    g_atomic_int_inc ((gint *) counter);
  return GST_PAD_PROBE_OK;
}

static void
watch_key_requests (Pipe *camera, gint *counter)
{
  g_autoptr (GstElement) pay = pipe_get (camera, "pay");
  g_autoptr (GstPad) pad = gst_element_get_static_pad (pay, "src");

  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_EVENT_UPSTREAM, count_key_requests,
      counter, NULL);
}

static void
wait_for_more (gint *counter, gint than)
{
  for (guint i = 0; i < 500 && g_atomic_int_get (counter) <= than; i++)
    g_usleep (20000);
  fail_unless (g_atomic_int_get (counter) > than, "no keyframe was asked for");
}

#define KEY_CAMERA                                                            \
  "videotestsrc is-live=true ! video/x-raw,format=I420,width=160,height=120," \
  "framerate=50/1 ! jpegenc ! rtpjpegpay name=pay ! "

/* What a decoder sends up the pipeline arrives at the encoder. */
GST_START_TEST (test_key_request)
{
  g_autofree char *uri = fixture_new_uri ();
  const char *latency = __i__ ? "latency=0" : "";
  g_autoptr (Pipe) camera = pipe_new (KEY_CAMERA CAMERA, uri);
  g_autoptr (Pipe)
      viewer = pipe_new ("quicp2psrc %s uri=%s ! " SHOW_JPEG, latency, uri);
  g_autoptr (GstElement) sink = pipe_get (viewer, "count");
  g_autoptr (GstPad) pad = gst_element_get_static_pad (sink, "sink");
  gint requests = 0, before;

  watch_key_requests (camera, &requests);
  start (camera);
  start (viewer);
  pipe_wait_for_buffers (viewer, 0, 50);
  g_usleep (1500000); /* what was asked for the viewer's arrival is answered */
  before = g_atomic_int_get (&requests);
  gst_pad_push_event (pad,
      gst_video_event_new_upstream_force_key_unit (GST_CLOCK_TIME_NONE, TRUE,
          1));
  wait_for_more (&requests, before);
  pipe_set_state (camera, GST_STATE_NULL);
}
GST_END_TEST

/* So does a loss that only the viewer can see. */
GST_START_TEST (test_loss_asks_for_keyframe)
{
  g_autofree char *uri = fixture_new_uri ();
  const char *latency = __i__ ? "latency=0" : "";
  g_autoptr (Pipe)
      camera = pipe_new (KEY_CAMERA "identity name=loss ! " CAMERA, uri);
  g_autoptr (Pipe)
      viewer = pipe_new ("quicp2psrc %s uri=%s ! " SHOW_JPEG, latency, uri);
  g_autoptr (GstElement) loss = pipe_get (camera, "loss");
  gint requests = 0, before;

  watch_key_requests (camera, &requests);
  start (camera);
  start (viewer);
  pipe_wait_for_buffers (viewer, 0, 50);
  g_usleep (1500000);
  before = g_atomic_int_get (&requests);
  g_usleep (500000);
  fail_unless_equals_int (g_atomic_int_get (&requests), before);
  g_object_set (loss, "drop-probability", 0.1f, NULL);
  wait_for_more (&requests, before);
  pipe_set_state (camera, GST_STATE_NULL);
}
GST_END_TEST

/* --- Trouble --------------------------------------------------------------- */

static GstPadProbeReturn
block (GstPad *pad, GstPadProbeInfo *info, gpointer user)
{
  return GST_PAD_PROBE_OK;
}

/* A decoder that stalls costs packets, and nothing else. */
GST_START_TEST (test_stalled_decoder)
{
  g_autofree char *uri = fixture_new_uri ();
  g_autoptr (Pipe) camera = start (pipe_new (JPEG CAMERA, uri));
  g_autoptr (Pipe) viewer =
      start (pipe_new ("quicp2psrc name=src latency=0 uri=%s ! " SHOW_JPEG,
          uri));
  g_autoptr (Pipe)
      other = start (pipe_new ("quicp2psrc uri=%s ! " SHOW_JPEG, uri));
  g_autoptr (GstElement) src = pipe_get (viewer, "src");
  g_autoptr (GstPad) pad = NULL;
  guint64 dropped = 0;
  gulong probe;

  pipe_wait_for_buffers (viewer, 0, 10);
  pad = gst_element_get_static_pad (src, "src_0");
  probe = gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BLOCK_DOWNSTREAM, block,
      NULL, NULL);
  for (guint i = 0; i < 200 && dropped == 0; i++) {
    g_autoptr (GstStructure) stats = pipe_get_stats (viewer, "src");

    gst_structure_get_uint64 (stats, "queue-dropped-packets", &dropped);
    g_usleep (50000);
  }
  fail_unless (dropped > 0);
  pipe_wait_for_buffers (other, 0, 30);

  gst_pad_remove_probe (pad, probe);
  pipe_wait_for_buffers (viewer, 0, 30);

  /* And it can be left as it is. */
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BLOCK_DOWNSTREAM, block, NULL,
      NULL);
  pipe_wait_for_silence (viewer, 0);
}
GST_END_TEST

/* Wherever the viewer is on its way, it can be stopped. */
GST_START_TEST (test_stop_any_time)
{
  g_autofree char *uri = fixture_new_uri ();
  g_autoptr (Pipe) camera = start (pipe_new (JPEG CAMERA, uri));

  for (guint i = 0; i < 30; i++) {
    g_autoptr (Pipe)
        viewer = start (pipe_new ("quicp2psrc latency=%u uri=%s ! " SHOW_JPEG,
            i % 2 ? 0 : 50, uri));

    g_usleep (i * 7000);
  }
}
GST_END_TEST

GST_START_TEST (test_paused_viewer)
{
  g_autofree char *uri = fixture_new_uri ();
  g_autoptr (Pipe) camera = start (pipe_new (JPEG CAMERA, uri));
  g_autoptr (Pipe)
      viewer = start (pipe_new ("quicp2psrc latency=%u uri=%s ! " SHOW_JPEG,
          __i__ ? 50 : 0, uri));

  pipe_wait_for_buffers (viewer, 0, 10);
  fail_unless (pipe_time_set_state (viewer, GST_STATE_PAUSED) <
      PIPE_MAX_STATE_MS);
  g_usleep (500000);
  pipe_set_state (viewer, GST_STATE_PLAYING);
  pipe_wait_for_buffers (viewer, 0, 30);
}
GST_END_TEST

static Suite *
streams_suite (void)
{
  Suite *suite = suite_create ("streams");
  TCase *tcase = tcase_create ("general");

  suite_add_tcase (suite, tcase);
  tcase_set_timeout (tcase, 120);
  tcase_add_test (tcase, test_h264);
  tcase_add_loop_test (tcase, test_mappings, 0, 3);
  tcase_add_test (tcase, test_sound_and_picture);
  tcase_add_loop_test (tcase, test_unlinked_pad, 0, 2);
  tcase_add_test (tcase, test_two_viewers);
  tcase_add_loop_test (tcase, test_playbin, 0, 2);
  tcase_add_loop_test (tcase, test_eos, 0, 2);
  tcase_add_test (tcase, test_eos_loses_nothing);
  tcase_add_loop_test (tcase, test_eos_by_application, 0, 2);
  tcase_add_test (tcase, test_new_resolution);
  tcase_add_test (tcase, test_new_codec);
  tcase_add_test (tcase, test_viewer_restarts);
  tcase_add_test (tcase, test_viewer_starts_again);
  tcase_add_loop_test (tcase, test_camera_restarts, 0, 2);
  tcase_add_test (tcase, test_producer_timeout);
  tcase_add_loop_test (tcase, test_key_request, 0, 2);
  tcase_add_loop_test (tcase, test_loss_asks_for_keyframe, 0, 2);
  tcase_add_test (tcase, test_stalled_decoder);
  tcase_add_test (tcase, test_stop_any_time);
  tcase_add_loop_test (tcase, test_paused_viewer, 0, 2);
  return suite;
}

GST_CHECK_MAIN (streams)

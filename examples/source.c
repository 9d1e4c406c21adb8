/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pictures and sound for the examples: decodebin for devices, uridecodebin for
 * files, and seeks in segments that let a file go on from its start without a
 * gap.  Seeks run on a thread of gst_element_call_async(): they wait until what
 * was read before has been played. */
#include "source.h"

#include <sys/stat.h>

#include "devices.h"

struct _Source {
  GstElement *pipeline; /* not owned: it outlives this */
  GstPad *file_pad; /* of the file's decoder; owned; NULL if there is none */
  gboolean looping; /* seek_to_start() has run; only it uses this */
  SourceStream callback;
  gpointer user;
};

static void
on_decoded (GstElement *decoder, GstPad *pad, Source *source)
{
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (pad);
  const char *name;

  if (!caps)
    caps = gst_pad_query_caps (pad, NULL);
  name = gst_structure_get_name (gst_caps_get_structure (caps, 0));
  if (g_str_has_prefix (name, "video/"))
    source->callback (pad, TRUE, source->user);
  else if (g_str_has_prefix (name, "audio/"))
    source->callback (pad, FALSE, source->user);
}

static gboolean
set_offset (GstElement *decoder, GstPad *pad, gpointer now)
{
  gst_pad_set_offset (pad, *(GstClockTime *) now);
  return TRUE;
}

/* A file's first picture is meant for running time 0, but it took a while to get
 * there: without this all of it would be late by as much. */
static void
begin_now (Source *source)
{
  g_autoptr (GstElement)
      decoder = gst_pad_get_parent_element (source->file_pad);
  GstClockTime now = gst_element_get_current_running_time (source->pipeline);

  if (decoder && GST_CLOCK_TIME_IS_VALID (now))
    gst_element_foreach_src_pad (decoder, set_offset, &now);
}

/* Plays from the start, at the end of which SEGMENT_DONE comes instead of EOS.
 * Only the first such seek flushes: the later ones join on without a gap. */
static void
seek_to_start (GstElement *pipeline, gpointer user_data)
{
  Source *source = user_data;
  GstSeekFlags flags = source->looping ? 0 : GST_SEEK_FLAG_FLUSH;

  if (!source->looping)
    begin_now (source);
  source->looping = TRUE;
  gst_pad_send_event (source->file_pad,
      gst_event_new_seek (1.0, GST_FORMAT_TIME, GST_SEEK_FLAG_SEGMENT | flags,
          GST_SEEK_TYPE_SET, 0, GST_SEEK_TYPE_NONE, 0));
}

void
source_play_again (Source *source)
{
  if (source->file_pad)
    gst_element_call_async (source->pipeline, seek_to_start, source, NULL);
}

static void
on_file_ready (GstElement *decoder, Source *source)
{
  GST_OBJECT_LOCK (decoder);
  if (decoder->srcpads && !source->file_pad)
    source->file_pad = gst_object_ref (decoder->srcpads->data);
  GST_OBJECT_UNLOCK (decoder);
  source_play_again (source);
}

static void
add_live (Source *source, GstElement *element, gboolean is_video)
{
  g_autoptr (GstPad) pad = gst_element_get_static_pad (element, "src");

  gst_bin_add (GST_BIN (source->pipeline), element);
  source->callback (pad, is_video, source->user);
}

static void
add_test (Source *source, const SourceTest *test)
{
  g_autoptr (GstCaps) caps = gst_caps_new_simple ("video/x-raw", "width",
      G_TYPE_INT, test->width, "height", G_TYPE_INT, test->height, "framerate",
      GST_TYPE_FRACTION, 30, 1, NULL);
  GstElement *video = gst_element_factory_make ("videotestsrc", NULL);
  GstElement *size = gst_element_factory_make ("capsfilter", NULL);
  GstElement *audio = gst_element_factory_make ("audiotestsrc", NULL);

  g_object_set (video, "is-live", TRUE, "background-color", test->background,
      NULL);
  gst_util_set_object_arg (G_OBJECT (video), "pattern", "ball");
  g_object_set (size, "caps", caps, NULL);
  gst_bin_add (GST_BIN (source->pipeline), video);
  add_live (source, size, TRUE);
  gst_element_link (video, size);

  g_object_set (audio, "is-live", TRUE, NULL);
  gst_util_set_object_arg (G_OBJECT (audio), "wave", "ticks");
  add_live (source, audio, FALSE);
}

/* A camera, which may give JPEG or H.264, and the microphone if there is one. */
static void
add_device (Source *source, const char *path)
{
  GstElement *camera = gst_element_factory_make ("v4l2src", NULL);
  GstElement *decoder = gst_element_factory_make ("decodebin", NULL);
  g_autofree char *microphone = device_choose ("autoaudiosrc");

  g_object_set (camera, "device", path, NULL);
  gst_bin_add_many (GST_BIN (source->pipeline), camera, decoder, NULL);
  gst_element_link (camera, decoder);
  g_signal_connect (decoder, "pad-added", G_CALLBACK (on_decoded), source);
  if (microphone)
    add_live (source, gst_element_factory_make (microphone, NULL), FALSE);
}

static void
add_file (Source *source, const char *uri)
{
  GstElement *decoder = gst_element_factory_make ("uridecodebin", NULL);

  g_object_set (decoder, "uri", uri, NULL);
  gst_bin_add (GST_BIN (source->pipeline), decoder);
  g_signal_connect (decoder, "pad-added", G_CALLBACK (on_decoded), source);
  g_signal_connect (decoder, "no-more-pads", G_CALLBACK (on_file_ready),
      source);
}

Source *
source_add (GstElement *pipeline, const char *what, const SourceTest *test,
    SourceStream callback, gpointer user, GError **error)
{
  gboolean is_test = g_str_equal (what, "test");
  g_autofree char *uri = NULL;
  struct stat info = { 0 };
  Source *source;

  if (!is_test && stat (what, &info) != 0) {
    g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (errno), "%s: %s",
        what, g_strerror (errno));
    return NULL;
  }
  if (!is_test && !S_ISCHR (info.st_mode)) {
    uri = gst_filename_to_uri (what, error);
    if (!uri)
      return NULL;
  }

  source = g_new0 (Source, 1);
  source->pipeline = pipeline;
  source->callback = callback;
  source->user = user;
  if (is_test)
    add_test (source, test);
  else if (uri)
    add_file (source, uri);
  else
    add_device (source, what);
  return source;
}

void
source_free (Source *source)
{
  gst_clear_object (&source->file_pad);
  g_free (source);
}

static GstPadProbeReturn
drop (GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
  return GST_PAD_PROBE_DROP;
}

/* A source that has just started would take it for an error that nothing can
 * follow the end, so what follows is dropped. */
static gboolean
end_stream (GstElement *sink, GstPad *pad, gpointer user_data)
{
  g_autoptr (GstPad) peer = gst_pad_get_peer (pad);

  if (peer)
    gst_pad_add_probe (peer, GST_PAD_PROBE_TYPE_DATA_DOWNSTREAM, drop, NULL,
        NULL);
  gst_pad_send_event (pad, gst_event_new_eos ());
  return TRUE;
}

void
source_end_streams (GstElement *sink)
{
  gst_element_foreach_sink_pad (sink, end_stream, NULL);
}

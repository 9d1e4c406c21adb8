/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Measures whether sound and picture stay together.
 *
 *   sync-probe camera [--ppm=N] PIPELINE
 *   sync-probe viewer PIPELINE
 *
 * PIPELINE is as for gst-launch-1.0 and has two identities: "flash" with GRAY8
 * or I420 video and "beep" with mono S16LE audio.  The camera blackens and
 * silences what passes them but for one white frame and 20 ms of noise at each
 * full second of running time; the viewer looks for both.  Each is printed as
 * a line of JSON of type "flash" or "beep" with "time", the running time in
 * seconds; on the viewer's side that is when the sink behind is to show it, less
 * the latency, which is the same for both.
 *
 * --ppm lets the pipeline's clock run so many millionths too fast.
 *
 * Bus errors are told as type "error", our element messages as "element".  It
 * ends with its input.  Probes run on streaming threads, the rest on the main
 * thread. */

#include "tests/net/probe-json.h"

#include <glib-unix.h>
#include <stdlib.h>
#include <string.h>

#define BEEP (20 * GST_MSECOND)
#define LOUD 0x2000
#define BRIGHT 128

typedef struct {
  gboolean camera;
  GstElement *pipeline;
  GMainLoop *loop;
  /* Each on one streaming thread. */
  GstSegment video_segment, audio_segment;
  guint64 flashes; /* camera: seconds that have had theirs */
  guint64 rate;    /* of the audio, Hz */
  gboolean bright, loud;
  GstClockTime silent_since;
} Probe;

static void
print_mark (const char *type, GstClockTime time)
{
  JsonBuilder *builder = probe_json_begin (type);

  json_builder_set_member_name (builder, "time");
  json_builder_add_double_value (builder, (double) time / GST_SECOND);
  probe_json_print (builder);
}

/* --- Video ------------------------------------------------------------------ */

static gboolean
is_bright (const GstMapInfo *map)
{
  /* The first line of luma will do. */
  guint64 sum = 0;
  gsize n = MIN (map->size, 64);

  for (gsize i = 0; i < n; i++)
    sum += map->data[i];
  return n > 0 && sum / n >= BRIGHT;
}

static void
paint (Probe *probe, GstMapInfo *map, GstClockTime time)
{
  gboolean flash = time / GST_SECOND >= probe->flashes;

  if (flash) {
    probe->flashes = time / GST_SECOND + 1;
    print_mark ("flash", time);
  }
  memset (map->data, flash ? 235 : 16, map->size);
}

static void
watch (Probe *probe, const GstMapInfo *map, GstClockTime time)
{
  gboolean bright = is_bright (map);

  if (bright && !probe->bright)
    print_mark ("flash", time);
  probe->bright = bright;
}

/* --- Audio ------------------------------------------------------------------ */

static void
sound (Probe *probe, GstMapInfo *map, GstClockTime start)
{
  gint16 *samples = (gint16 *) map->data;

  for (gsize i = 0; i < map->size / sizeof *samples; i++) {
    GstClockTime time = start + i * GST_SECOND / probe->rate;
    gboolean beep = time % GST_SECOND < BEEP;

    if (beep && !probe->loud)
      print_mark ("beep", time);
    probe->loud = beep;
    samples[i] = beep ? (i % 2 ? G_MAXINT16 / 2 : G_MININT16 / 2) : 0;
  }
}

static void
listen (Probe *probe, const GstMapInfo *map, GstClockTime start)
{
  const gint16 *samples = (const gint16 *) map->data;

  for (gsize i = 0; i < map->size / sizeof *samples; i++) {
    GstClockTime time = start + i * GST_SECOND / probe->rate;

    if (ABS (samples[i]) < LOUD)
      continue;
    /* The noise crosses zero. */
    if (probe->silent_since + GST_SECOND / 2 < time || !probe->loud)
      print_mark ("beep", time);
    probe->loud = TRUE;
    probe->silent_since = time;
  }
}

/* --- Probes ------------------------------------------------------------------ */

static void
take_event (Probe *probe, GstEvent *event, GstSegment *segment)
{
  GstCaps *caps;
  gint rate;

  if (GST_EVENT_TYPE (event) == GST_EVENT_SEGMENT) {
    gst_event_copy_segment (event, segment);
  } else if (GST_EVENT_TYPE (event) == GST_EVENT_CAPS) {
    gst_event_parse_caps (event, &caps);
    if (gst_structure_get_int (gst_caps_get_structure (caps, 0), "rate", &rate))
      probe->rate = rate;
  }
}

static GstPadProbeReturn
on_buffer (Probe *probe, GstPadProbeInfo *info, GstSegment *segment,
    void (*write) (Probe *, GstMapInfo *, GstClockTime),
    void (*read) (Probe *, const GstMapInfo *, GstClockTime))
{
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER (info);
  GstClockTime time = gst_segment_to_running_time (segment, GST_FORMAT_TIME,
      GST_BUFFER_PTS (buffer));
  GstMapInfo map;

  if (!GST_CLOCK_TIME_IS_VALID (time))
    return GST_PAD_PROBE_OK;
  if (probe->camera) {
    GST_PAD_PROBE_INFO_DATA (info) = buffer = gst_buffer_make_writable (buffer);
    gst_buffer_map (buffer, &map, GST_MAP_READWRITE);
    write (probe, &map, time);
  } else {
    gst_buffer_map (buffer, &map, GST_MAP_READ);
    read (probe, &map, time);
  }
  gst_buffer_unmap (buffer, &map);
  return GST_PAD_PROBE_OK;
}

static GstPadProbeReturn
on_video (GstPad *pad, GstPadProbeInfo *info, gpointer user)
{
  Probe *probe = user;

  if (info->type & GST_PAD_PROBE_TYPE_BUFFER)
    return on_buffer (probe, info, &probe->video_segment, paint, watch);
  take_event (probe, GST_PAD_PROBE_INFO_EVENT (info), &probe->video_segment);
  return GST_PAD_PROBE_OK;
}

static GstPadProbeReturn
on_audio (GstPad *pad, GstPadProbeInfo *info, gpointer user)
{
  Probe *probe = user;

  if (info->type & GST_PAD_PROBE_TYPE_BUFFER)
    return on_buffer (probe, info, &probe->audio_segment, sound, listen);
  take_event (probe, GST_PAD_PROBE_INFO_EVENT (info), &probe->audio_segment);
  return GST_PAD_PROBE_OK;
}

static void
add_probe (Probe *probe, const char *name, GstPadProbeCallback callback)
{
  g_autoptr (GstElement)
      element = gst_bin_get_by_name (GST_BIN (probe->pipeline), name);
  g_autoptr (GstPad) pad = NULL;

  if (!element) {
    g_printerr ("no element named %s in the pipeline\n", name);
    exit (2);
  }
  pad = gst_element_get_static_pad (element, "src");
  gst_pad_add_probe (pad,
      GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, callback,
      probe, NULL);
}

/* --- The main thread ---------------------------------------------------------- */

static gboolean
on_message (GstBus *bus, GstMessage *message, gpointer user)
{
  Probe *probe = user;

  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
    g_autoptr (GError) error = NULL;
    JsonBuilder *builder = probe_json_begin ("error");

    gst_message_parse_error (message, &error, NULL);
    probe_json_add_string (builder, "text", error->message);
    probe_json_print (builder);
    g_main_loop_quit (probe->loop);
  } else if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ELEMENT) {
    JsonBuilder *builder = probe_json_begin ("element");

    json_builder_set_member_name (builder, "message");
    probe_json_add_structure (builder, gst_message_get_structure (message));
    probe_json_print (builder);
  }
  return G_SOURCE_CONTINUE;
}

static gboolean
on_input (gint fd, GIOCondition condition, gpointer user)
{
  g_main_loop_quit (((Probe *) user)->loop);
  return G_SOURCE_REMOVE;
}

static void
use_fast_clock (Probe *probe, int ppm)
{
  g_autoptr (GstClock)
      clock = g_object_new (GST_TYPE_SYSTEM_CLOCK, "name", "fast", NULL);
  GstClockTime now = gst_clock_get_internal_time (clock);

  gst_object_ref_sink (clock);
  gst_clock_set_calibration (clock, now, now, 1000000 + ppm, 1000000);
  gst_pipeline_use_clock (GST_PIPELINE (probe->pipeline), clock);
}

int
main (int argc, char **argv)
{
  static int ppm;
  static const GOptionEntry options[] = {
    { "ppm", 0, 0, G_OPTION_ARG_INT, &ppm,
        "How much too fast the camera's clock runs", "N" },
    { NULL }
  };
  g_autoptr (GOptionContext)
      context = g_option_context_new ("camera|viewer PIPELINE");
  g_autoptr (GError) error = NULL;
  g_autoptr (GstBus) bus = NULL;
  Probe probe = { 0 };

  g_option_context_add_main_entries (context, options, NULL);
  g_option_context_add_group (context, gst_init_get_option_group ());
  if (!g_option_context_parse (context, &argc, &argv, &error) || argc != 3) {
    g_printerr ("%s\n",
        error ? error->message : "usage: sync-probe camera|viewer PIPELINE");
    return 2;
  }
  probe.camera = g_str_equal (argv[1], "camera");
  probe.pipeline = gst_parse_launch (argv[2], &error);
  if (error) {
    g_printerr ("%s\n", error->message);
    return 2;
  }
  probe.loop = g_main_loop_new (NULL, FALSE);
  add_probe (&probe, "flash", on_video);
  add_probe (&probe, "beep", on_audio);
  if (ppm)
    use_fast_clock (&probe, ppm);
  bus = gst_element_get_bus (probe.pipeline);
  gst_bus_add_watch (bus, on_message, &probe);
  g_unix_fd_add (0, G_IO_IN | G_IO_HUP, on_input, &probe);

  gst_element_set_state (probe.pipeline, GST_STATE_PLAYING);
  g_main_loop_run (probe.loop);
  gst_element_set_state (probe.pipeline, GST_STATE_NULL);
  gst_bus_remove_watch (bus);
  gst_object_unref (probe.pipeline);
  g_main_loop_unref (probe.loop);
  return 0;
}

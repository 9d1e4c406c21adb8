/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A conference: everybody in the room sends pictures and sound, sees all others
 * in a grid with their names, and hears them.
 *
 *   conference --name Ada quicp2p://host:8443/room
 *
 * quicp2psink and quicp2psrc with the same `session` are one member of the room
 * with one connection to each other member.  Each of them shows as pads of
 * quicp2psrc, which the grid decodes; what else there is to know comes as
 * messages on the bus, each of which becomes one line here.  The bitrate follows
 * the network by itself: quicp2psink sets the encoder.
 *
 * One main loop; pads come and go on other threads, which only call the grid. */
#include <glib-unix.h>
#include <gst/gst.h>
#include <locale.h>
#include <stdio.h>

#include "devices.h"
#include "grid.h"
#include "report.h"
#include "source.h"

#define SESSION "conference"
#define FRAME_RATE 30
#define CAMERA "/dev/video0"

/* How long we wait for the others to have everything when we leave. */
#define GOODBYE_MS 1000

/* One picture, encoded once for all others and shown to ourselves. */
#define VIDEO                                                       \
  SOURCE_PACE                                                       \
  " ! videoconvert ! videoscale ! videorate ! capsfilter "          \
  "caps=video/x-raw,format=I420,width=%d,height=%d,"                \
  "pixel-aspect-ratio=1/1,framerate=%d/1 ! tee name=picture "       \
  "picture. ! queue leaky=downstream max-size-buffers=5 ! x264enc " \
  "tune=zerolatency speed-preset=ultrafast key-int-max=60 "         \
  "bitrate=800 ! rtph264pay name=pay aggregate-mode=zero-latency "  \
  "config-interval=-1"
#define AUDIO                                                      \
  SOURCE_PACE " ! queue ! audioconvert ! audioresample ! opusenc " \
              "bitrate=48000 ! rtpopuspay name=pay"

typedef struct {
  GMainLoop *loop;
  GstElement *pipeline, *sink, *src;
  Source *source;
  Grid *grid;
  char *name;
  gint64 started;  /* monotonic, µs */
  guint64 bitrate; /* told last, bit/s */
  gboolean failed;
} Conference;

static void say (Conference *self, const char *format, ...)
    G_GNUC_PRINTF (2, 3);

/* What has happened, and how many seconds after the start. */
static void
say (Conference *self, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  g_print ("%8.3f  %s\n",
      (g_get_monotonic_time () - self->started) / (double) G_USEC_PER_SEC,
      text);
}

/* --- What we send ----------------------------------------------------------- */

/* Gives `bin` the pad `name` for `pad`, of an element inside. */
static GstPad *
add_ghost (GstElement *bin, const char *name, GstPad *pad)
{
  gst_element_add_pad (bin, gst_ghost_pad_new (name, pad));
  return gst_element_get_static_pad (bin, name);
}

static GstPad *
add_static_ghost (GstElement *bin, const char *element, const char *name)
{
  g_autoptr (GstElement) inside = gst_bin_get_by_name (GST_BIN (bin), element);
  g_autoptr (GstPad) pad = gst_element_get_static_pad (inside, name);

  return add_ghost (bin, name, pad);
}

static void
show_own_picture (Conference *self, GstElement *bin)
{
  g_autoptr (GstElement) tee = gst_bin_get_by_name (GST_BIN (bin), "picture");
  g_autoptr (GstPad) pad = gst_element_request_pad_simple (tee, "src_%u");
  g_autoptr (GstPad) preview = add_ghost (bin, "preview", pad);

  grid_add_own (self->grid, preview, self->name);
}

/* A raw stream of our camera, microphone or file: encode and send it. */
static void
on_own_stream (GstPad *pad, gboolean is_video, gpointer user_data)
{
  Conference *self = user_data;
  g_autoptr (GError) error = NULL;
  g_autofree char *description = NULL;
  g_autoptr (GstPad) in = NULL, out = NULL;
  GstElement *bin;

  description = is_video
      ? g_strdup_printf (VIDEO, GRID_CELL_WIDTH, GRID_CELL_HEIGHT, FRAME_RATE)
      : g_strdup (AUDIO);
  bin = gst_parse_bin_from_description (description, FALSE, &error);
  if (!bin) {
    GST_ELEMENT_ERROR (self->pipeline, CORE, MISSING_PLUGIN, (NULL),
        ("%s", error->message));
    return;
  }
  in = add_static_ghost (bin, "pace", "sink");
  out = add_static_ghost (bin, "pay", "src");
  gst_bin_add (GST_BIN (self->pipeline), bin);
  if (is_video)
    show_own_picture (self, bin);
  if (!gst_element_link_pads (bin, "src", self->sink, NULL) ||
      GST_PAD_LINK_FAILED (gst_pad_link (pad, in)))
    GST_ELEMENT_ERROR (self->pipeline, CORE, NEGOTIATION, (NULL),
        ("cannot link %s", GST_PAD_NAME (pad)));
  gst_element_sync_state_with_parent (bin);
}

/* --- What we receive -------------------------------------------------------- */

static void
on_stream (GstElement *src, GstPad *pad, Conference *self)
{
  grid_add_stream (self->grid, pad);
}

static void
on_stream_gone (GstElement *src, GstPad *pad, Conference *self)
{
  grid_remove_stream (self->grid, pad);
}

/* --- Messages --------------------------------------------------------------- */

/* What the network carries, when it is not about what it was. */
static void
tell_bitrate (Conference *self, const GstStructure *message)
{
  guint64 bitrate = 0;

  gst_structure_get_uint64 (message, "bitrate", &bitrate);
  if (bitrate > self->bitrate / 2 * 3 || bitrate < self->bitrate / 3 * 2) {
    say (self, "the network carries %.2f Mb/s", bitrate / 1e6);
    self->bitrate = bitrate;
  }
}

/* Who comes, goes, moves.  Both elements tell of the session that they share. */
static void
on_element_message (Conference *self, GstObject *origin,
    const GstStructure *message)
{
  g_autofree char *line = NULL;

  if (gst_structure_has_name (message, "estimated-bitrate"))
    tell_bitrate (self, message);
  else if (origin == GST_OBJECT (self->src))
    line = report_message (message);
  if (line)
    say (self, "%s", line);
}

static void
on_application_message (Conference *self, const GstStructure *message)
{
  if (gst_structure_has_name (message, "first-picture"))
    say (self, "first picture of %s",
        gst_structure_get_string (message, "name"));
  else if (gst_structure_has_name (message, "goodbye-said"))
    g_main_loop_quit (self->loop);
}

/* An error in what shows one stream costs that stream only. */
static void
on_error (Conference *self, GstMessage *message)
{
  g_autofree char *name = grid_give_up_stream (self->grid,
      GST_MESSAGE_SRC (message));
  g_autoptr (GError) error = NULL;
  g_autofree char *debug = NULL;

  gst_message_parse_error (message, &error, &debug);
  if (name) {
    say (self, "cannot show a stream of %s: %s", name, error->message);
    return;
  }
  g_printerr ("conference: error: %s\n%s\n", error->message,
      debug ? debug : "");
  self->failed = TRUE;
  g_main_loop_quit (self->loop);
}

static gboolean
on_message (GstBus *bus, GstMessage *message, gpointer user_data)
{
  Conference *self = user_data;
  g_autoptr (GError) error = NULL;

  switch (GST_MESSAGE_TYPE (message)) {
    case GST_MESSAGE_ELEMENT:
      on_element_message (self, GST_MESSAGE_SRC (message),
          gst_message_get_structure (message));
      break;
    case GST_MESSAGE_APPLICATION:
      on_application_message (self, gst_message_get_structure (message));
      break;
    case GST_MESSAGE_ERROR:
      on_error (self, message);
      break;
    case GST_MESSAGE_WARNING:
      gst_message_parse_warning (message, &error, NULL);
      say (self, "warning: %s", error->message);
      break;
    case GST_MESSAGE_LATENCY:
      gst_bin_recalculate_latency (GST_BIN (self->pipeline));
      break;
    case GST_MESSAGE_SEGMENT_DONE:
      source_play_again (self->source);
      break;
    default:
      break;
  }
  return G_SOURCE_CONTINUE;
}

/* --- Life ------------------------------------------------------------------- */

/* Waits until the others have it, hence on a thread of its own. */
static void
end_streams (GstElement *sink, gpointer user_data)
{
  source_end_streams (sink);
  gst_element_post_message (sink,
      gst_message_new_application (GST_OBJECT (sink),
          gst_structure_new_empty ("goodbye-said")));
}

static gboolean
give_up (gpointer user_data)
{
  Conference *self = user_data;

  g_main_loop_quit (self->loop);
  return G_SOURCE_REMOVE;
}

/* Ends our streams, so that the others see us leave at once. */
static gboolean
on_stop (gpointer user_data)
{
  Conference *self = user_data;

  gst_element_call_async (self->sink, end_streams, NULL, NULL);
  g_timeout_add (GOODBYE_MS, give_up, self);
  return G_SOURCE_REMOVE;
}

static int
run (Conference *self, int seconds, const char *picture)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (self->pipeline);
  g_autoptr (GError) error = NULL;
  g_autofree char *summary = NULL;

  gst_bus_add_watch (bus, on_message, self);
  g_unix_signal_add (SIGINT, on_stop, self);
  g_unix_signal_add (SIGTERM, on_stop, self);
  if (seconds > 0)
    g_timeout_add_seconds (seconds, on_stop, self);

  self->started = g_get_monotonic_time ();
  gst_element_set_state (self->pipeline, GST_STATE_PLAYING);
  g_main_loop_run (self->loop);
  summary = grid_describe (self->grid);
  if (picture && !grid_write_picture (self->grid, picture, &error)) {
    g_printerr ("conference: %s\n", error->message);
    self->failed = TRUE;
  }
  gst_element_set_state (self->pipeline, GST_STATE_NULL);
  gst_bus_remove_watch (bus);
  g_print ("%s", summary);
  return self->failed ? 1 : 0;
}

/* --- Setting up ------------------------------------------------------------- */

/* Sets "name=value" on each of the two elements that knows it. */
static gboolean
set_property (Conference *self, const char *assignment, GError **error)
{
  gboolean sink_knows = report_set_property (self->sink, assignment, NULL);
  gboolean src_knows = report_set_property (self->src, assignment, NULL);

  if (!sink_knows && !src_knows)
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
        "%s: not of the form property=value with a property of quicp2psink or "
        "quicp2psrc and a value of its type",
        assignment);
  return sink_knows || src_knows;
}

static gboolean
make_elements (Conference *self, const char *uri, GError **error)
{
  self->sink = gst_element_factory_make ("quicp2psink", NULL);
  self->src = gst_element_factory_make ("quicp2psrc", NULL);
  if (!self->sink || !self->src) {
    g_set_error (error, GST_CORE_ERROR, GST_CORE_ERROR_MISSING_PLUGIN,
        "no quicp2psink: is GST_PLUGIN_PATH set?");
    return FALSE;
  }
  gst_bin_add_many (GST_BIN (self->pipeline), self->sink, self->src, NULL);
  g_object_set (self->sink, "uri", uri, "session", SESSION, "display-name",
      self->name, NULL);
  /* Nobody may be there yet, and everybody may leave. */
  g_object_set (self->src, "uri", uri, "session", SESSION, "display-name",
      self->name, "producer", "all", "connect-timeout", 0, NULL);
  g_signal_connect (self->src, "pad-added", G_CALLBACK (on_stream), self);
  g_signal_connect (self->src, "pad-removed", G_CALLBACK (on_stream_gone),
      self);
  return TRUE;
}

static gboolean
make_grid (Conference *self, gboolean headless, GError **error)
{
  g_autofree char *screen = NULL, *speaker = NULL;
  guint latency_ms;

  screen = headless ? g_strdup (DEVICE_NOTHING)
                    : device_choose_sink ("autovideosink");
  speaker = headless ? g_strdup (DEVICE_NOTHING)
                     : device_choose_sink ("autoaudiosink");
  if (!headless && g_str_equal (screen, DEVICE_NOTHING))
    g_print ("there is no screen to show the others on\n");
  g_object_get (self->src, "latency", &latency_ms, NULL);
  self->grid = grid_new (self->pipeline, screen, speaker,
      latency_ms * GST_MSECOND, error);
  return self->grid != NULL;
}

/* A dark colour that is hardly ever another's, to tell test pictures apart. */
static guint32
own_colour (Conference *self)
{
  guint32 hash = g_str_hash (self->name) * 2654435761u;

  return 0xff202020 + (hash >> 8 & 0x5f5f5f);
}

static gboolean
make_source (Conference *self, const char *what, GError **error)
{
  const SourceTest test = { GRID_CELL_WIDTH, GRID_CELL_HEIGHT,
    own_colour (self) };

  if (!what) {
    what = g_file_test (CAMERA, G_FILE_TEST_EXISTS) ? CAMERA : "test";
    g_print ("sending %s (--source names something else)\n",
        g_str_equal (what, "test") ? "a test picture: there is no " CAMERA
                                   : what);
  }
  self->source = source_add (self->pipeline, what, &test, on_own_stream, self,
      error);
  return self->source != NULL;
}

int
main (int argc, char **argv)
{
  g_autofree char *name = NULL, *what = NULL, *picture = NULL;
  g_auto (GStrv) settings = NULL;
  g_autoptr (GError) error = NULL;
  gboolean headless = FALSE, ready;
  int seconds = 0, status = 2;
  const GOptionEntry options[] = {
    { "name", 'n', 0, G_OPTION_ARG_STRING, &name,
        "what the others see below our picture (the user's name)", "NAME" },
    { "source", 's', 0, G_OPTION_ARG_FILENAME, &what,
        "what to send (/dev/video0 and the microphone, or else test)",
        "DEVICE|FILE|test" },
    { "headless", 0, 0, G_OPTION_ARG_NONE, &headless,
        "no window and no sound, but all else", NULL },
    { "picture", 0, 0, G_OPTION_ARG_FILENAME, &picture,
        "with --headless: write the last picture of the grid", "FILE.png" },
    { "seconds", 0, 0, G_OPTION_ARG_INT, &seconds, "leave after so long", "N" },
    { "set", 0, 0, G_OPTION_ARG_STRING_ARRAY, &settings,
        "set a property of quicp2psink and quicp2psrc", "NAME=VALUE" },
    { NULL }
  };
  g_autoptr (GOptionContext)
      context = g_option_context_new ("URI - a conference");
  Conference self = { 0 };
  guint i;

  setlocale (LC_ALL, "");
  g_option_context_add_main_entries (context, options, NULL);
  g_option_context_add_group (context, gst_init_get_option_group ());
  if (!g_option_context_parse (context, &argc, &argv, &error)) {
    g_printerr ("conference: %s\n", error->message);
    return 2;
  }
  if (argc != 2) {
    g_printerr ("conference: expected one URI, quicp2p://host[:port]/room; "
                "--help tells of the options\n");
    return 2;
  }
  setvbuf (stdout, NULL, _IOLBF, 0);

  self.name = g_strdup (name ? name : g_get_user_name ());
  self.loop = g_main_loop_new (NULL, FALSE);
  self.pipeline = gst_pipeline_new ("conference");
  self.started = g_get_monotonic_time ();
  ready = make_elements (&self, argv[1], &error);
  for (i = 0; ready && settings && settings[i]; i++)
    ready = set_property (&self, settings[i], &error);
  ready = ready && make_grid (&self, headless, &error) &&
      make_source (&self, what, &error);

  if (ready)
    status = run (&self, seconds, headless ? picture : NULL);
  else
    g_printerr ("conference: %s\n", error->message);
  g_clear_pointer (&self.grid, grid_free);
  g_clear_pointer (&self.source, source_free);
  gst_object_unref (self.pipeline);
  g_main_loop_unref (self.loop);
  g_free (self.name);
  return status;
}

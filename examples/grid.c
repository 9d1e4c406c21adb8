/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A compositor, an audiomixer, and for each stream a bin that decodes it into
 * one of them.
 *
 * Both mixers are live: what is not there when its time has come is left out,
 * so that nobody can hold up the others.  They are told beforehand how late
 * remote streams will be (min-upstream-latency): otherwise the picture would
 * stop for as long when the first of them arrives.  Their sinks do not take part
 * in prerolling (async=false): a mixer that waits in its sink for the pipeline to
 * play answers no queries, without which our own picture does not start, and
 * without that the pipeline does not play.
 *
 * Streams come on quicp2psrc's streaming threads and go on others; `lock` guards
 * the list of cells and is never held while a thread is waited for. */
#include "grid.h"

#include <gst/video/video.h>

#include "devices.h"

#define WIDTH (2 * GRID_CELL_WIDTH)
#define HEIGHT (2 * GRID_CELL_HEIGHT)
#define FRAME_RATE 30

/* For decoding, beyond the jitter buffer's latency. */
#define DECODING_TIME (60 * GST_MSECOND)

/* In front of a mixer that waits for the slowest, the others need a place. */
#define ROOM                                                    \
  "queue leaky=downstream max-size-buffers=0 max-size-bytes=0 " \
  "max-size-time=1000000000"
#define HEARD                                                        \
  "textoverlay halignment=right valignment=top shaded-background=1 " \
  "font-desc=Sans,11 name=heard"
#define LABEL                                                          \
  "textoverlay halignment=left valignment=bottom shaded-background=1 " \
  "font-desc=Sans,22 name=out"
#define VIDEO_STREAM                                                                           \
  "decodebin name=in ! " ROOM " ! videoconvert ! videoscale ! capsfilter "                     \
  "caps=video/x-raw,format=I420,width=" G_STRINGIFY (GRID_CELL_WIDTH) ",height=" G_STRINGIFY ( \
      GRID_CELL_HEIGHT) ",pixel-aspect-ratio=1/1 ! " LABEL
#define AUDIO_STREAM \
  "decodebin name=in ! audioconvert ! audioresample ! " ROOM " name=out"

typedef struct {
  Grid *grid;
  GstPad *stream;  /* what it was made for; owned */
  GstElement *bin; /* owned by the pipeline */
  GstElement *mixer;
  GstPad *mixer_pad; /* owned */
  char *peer;        /* its id; NULL: our own */
  char *name;        /* guarded by grid->lock */
  gboolean is_video;
  guint64 pictures; /* shown when there is one; guarded by grid->lock */
} Cell;

struct _Grid {
  GstElement *pipeline;                /* not owned: it outlives this */
  GstElement *compositor, *audiomixer; /* owned by the pipeline */
  GstElement *screen, *heard;          /* owned */

  GMutex lock;      /* guards cells, their names and pictures */
  GPtrArray *cells; /* of Cell: our own, then in order of arrival */
};

/* --- Cells ------------------------------------------------------------------ */

/* Textoverlay reads markup, and a name is anything. */
static void
set_text (GstElement *overlay, const char *plain)
{
  g_autofree char *text = g_markup_escape_text (plain, -1);

  g_object_set (overlay, "text", text, NULL);
}

/* With the lock. */
static gboolean
is_seen (Grid *grid, const char *peer)
{
  guint i;

  for (i = 0; i < grid->cells->len; i++) {
    Cell *cell = grid->cells->pdata[i];

    if (cell->pictures > 0 && g_strcmp0 (cell->peer, peer) == 0)
      return TRUE;
  }
  return FALSE;
}

/* Names those who send sound only.  With the lock. */
static void
name_heard (Grid *grid)
{
  g_autoptr (GString) names = g_string_new (NULL);
  guint i;

  for (i = 0; i < grid->cells->len; i++) {
    Cell *cell = grid->cells->pdata[i];

    if (!cell->is_video && !is_seen (grid, cell->peer))
      g_string_append_printf (names, "%s%s",
          names->len > 0 ? ", " : "only heard: ", cell->name);
  }
  set_text (grid->heard, names->str);
}

/* Rows of equal length, the last one centred.  Even numbers, because two pixels
 * share a colour.  With the lock. */
static void
lay_out (Grid *grid)
{
  guint shown = 0, columns = 1, rows, width, height, number = 0, i;

  for (i = 0; i < grid->cells->len; i++)
    shown += ((Cell *) grid->cells->pdata[i])->pictures > 0;
  while (columns * columns < shown)
    columns++;
  rows = (shown + columns - 1) / columns;
  width = WIDTH / columns & ~1u;
  height = width * GRID_CELL_HEIGHT / GRID_CELL_WIDTH & ~1u;

  for (i = 0; i < grid->cells->len; i++) {
    Cell *cell = grid->cells->pdata[i];
    guint row = number / columns;
    guint in_row = MIN (columns, shown - row * columns);

    if (cell->pictures == 0)
      continue;
    g_object_set (cell->mixer_pad, "width", width, "height", height, "xpos",
        ((WIDTH - in_row * width) / 2 & ~1u) + number % columns * width, "ypos",
        ((HEIGHT - rows * height) / 2 & ~1u) + row * height, NULL);
    number++;
  }
  name_heard (grid);
}

/* A cell takes its place when there is something to show in it. */
static GstPadProbeReturn
on_picture (GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
  Cell *cell = user_data;
  Grid *grid = cell->grid;
  GstStructure *news = NULL;

  g_mutex_lock (&grid->lock);
  if (cell->pictures++ == 0) {
    lay_out (grid);
    news = gst_structure_new ("first-picture", "name", G_TYPE_STRING,
        cell->name, NULL);
  }
  g_mutex_unlock (&grid->lock);
  if (news)
    gst_element_post_message (grid->pipeline,
        gst_message_new_application (GST_OBJECT (grid->pipeline), news));
  return GST_PAD_PROBE_OK;
}

static GstPadProbeReturn
drop (GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
  return GST_PAD_PROBE_DROP;
}

/* Members have names; without one the beginning of the id must do. */
static char *
get_name (GstPad *stream)
{
  g_autofree char *id = NULL;
  g_autofree char *name = NULL;

  g_object_get (stream, "peer-id", &id, "peer-name", &name, NULL);
  return name && *name ? g_steal_pointer (&name) : g_strndup (id, 8);
}

static void
set_label (Cell *cell)
{
  g_autoptr (GstElement)
      label = gst_bin_get_by_name (GST_BIN (cell->bin), "out");

  if (cell->is_video)
    set_text (label, cell->name);
}

static void
on_renamed (GstPad *stream, GParamSpec *property, Grid *grid)
{
  guint i;

  g_mutex_lock (&grid->lock);
  for (i = 0; i < grid->cells->len; i++) {
    Cell *cell = grid->cells->pdata[i];

    if (cell->stream != stream)
      continue;
    g_free (cell->name);
    cell->name = get_name (stream);
    set_label (cell);
  }
  name_heard (grid);
  g_mutex_unlock (&grid->lock);
}

/* The order matters: what still comes is dropped, so that nobody sees an
 * unlinked pad; the mixer's pad goes first, so that a thread which waits there
 * for room comes back; then the bin's threads can be stopped. */
static void
cell_free (Cell *cell)
{
  g_autoptr (GstPad) out = gst_element_get_static_pad (cell->bin, "src");

  g_signal_handlers_disconnect_by_func (cell->stream, on_renamed, cell->grid);
  gst_pad_add_probe (out, GST_PAD_PROBE_TYPE_DATA_DOWNSTREAM, drop, NULL, NULL);
  gst_element_release_request_pad (cell->mixer, cell->mixer_pad);
  gst_element_set_locked_state (cell->bin, TRUE);
  gst_element_set_state (cell->bin, GST_STATE_NULL);
  gst_bin_remove (GST_BIN (cell->grid->pipeline), cell->bin);
  gst_object_unref (cell->stream);
  gst_object_unref (cell->mixer_pad);
  g_free (cell->peer);
  g_free (cell->name);
  g_free (cell);
}

/* A bin with the pads "sink", of the element "in", and "src", of "out" if there
 * is one. */
static GstElement *
make_bin (const char *description, GError **error)
{
  static const char *const names[][2] = { { "in", "sink" }, { "out", "src" } };
  GstElement *bin = gst_parse_bin_from_description (description, FALSE, error);
  guint i;

  for (i = 0; bin && i < G_N_ELEMENTS (names); i++) {
    g_autoptr (GstElement)
        element = gst_bin_get_by_name (GST_BIN (bin), names[i][0]);
    g_autoptr (GstPad) pad = NULL;

    if (!element)
      continue;
    pad = gst_element_get_static_pad (element, names[i][1]);
    gst_element_add_pad (bin, gst_ghost_pad_new (names[i][1], pad));
  }
  return bin;
}

/* Two taps: a third of the work of the default when a picture is made smaller,
 * and the difference does not show at these sizes. */
static void
scale_cheaply (GstPad *mixer_pad)
{
  g_autoptr (GstStructure) config = gst_structure_new ("GstVideoConverter",
      GST_VIDEO_CONVERTER_OPT_RESAMPLER_METHOD, GST_TYPE_VIDEO_RESAMPLER_METHOD,
      GST_VIDEO_RESAMPLER_METHOD_LINEAR, GST_VIDEO_RESAMPLER_OPT_MAX_TAPS,
      G_TYPE_INT, 2, NULL);

  g_object_set (mixer_pad, "converter-config", config, NULL);
}

/* What shows or plays `stream` with `bin` (transfer full); its peer and name are
 * left to the caller. */
static Cell *
cell_new (Grid *grid, GstPad *stream, GstElement *bin, gboolean is_video)
{
  Cell *cell = g_new0 (Cell, 1);

  cell->grid = grid;
  cell->stream = gst_object_ref (stream);
  cell->bin = bin;
  cell->is_video = is_video;
  cell->mixer = is_video ? grid->compositor : grid->audiomixer;
  cell->mixer_pad = gst_element_request_pad_simple (cell->mixer, "sink_%u");
  if (is_video)
    scale_cheaply (cell->mixer_pad);
  return cell;
}

/* Takes it (transfer full) into the list, at `index`, and lets it play.  From
 * the moment it is in the list another thread may take it out and free it. */
static void
add_cell (Grid *grid, Cell *cell, int index)
{
  g_autoptr (GstPad) stream = gst_object_ref (cell->stream);
  g_autoptr (GstElement) bin = gst_object_ref_sink (cell->bin);
  g_autoptr (GstPad) in = gst_element_get_static_pad (bin, "sink");
  g_autoptr (GstPad) out = gst_element_get_static_pad (bin, "src");

  set_label (cell);
  if (cell->is_video)
    gst_pad_add_probe (out, GST_PAD_PROBE_TYPE_BUFFER, on_picture, cell, NULL);
  gst_bin_add (GST_BIN (grid->pipeline), bin);
  gst_pad_link (out, cell->mixer_pad);

  g_mutex_lock (&grid->lock);
  g_ptr_array_insert (grid->cells, index, cell);
  name_heard (grid);
  g_mutex_unlock (&grid->lock);
  gst_element_sync_state_with_parent (bin);
  gst_pad_link (stream, in);
}

/* Takes the cell of `stream`, or the one that `origin` is in, out of the list;
 * whoever has it frees it, without the lock. */
static Cell *
take_cell (Grid *grid, GstPad *stream, GstObject *origin)
{
  Cell *cell = NULL;
  guint i;

  g_mutex_lock (&grid->lock);
  for (i = 0; i < grid->cells->len && !cell; i++) {
    Cell *candidate = grid->cells->pdata[i];

    if (candidate->stream == stream ||
        (origin &&
            gst_object_has_as_ancestor (origin, GST_OBJECT (candidate->bin))))
      cell = g_ptr_array_remove_index (grid->cells, i);
  }
  if (cell)
    lay_out (grid);
  g_mutex_unlock (&grid->lock);
  return cell;
}

/* --- Streams ---------------------------------------------------------------- */

/* A mixer that is flushed by one of its streams stops for all, and does not go on
 * if another comes meanwhile.  And what is told that pictures come too late for
 * our screen (QoS) leaves them out for the others too, for whom it makes them. */
static GstPadProbeReturn
on_own_event (GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
  switch (GST_EVENT_TYPE (GST_PAD_PROBE_INFO_EVENT (info))) {
    case GST_EVENT_FLUSH_START:
    case GST_EVENT_FLUSH_STOP:
    case GST_EVENT_QOS:
      return GST_PAD_PROBE_DROP;
    default:
      return GST_PAD_PROBE_OK;
  }
}

void
grid_add_own (Grid *grid, GstPad *pad, const char *name)
{
  GstElement *bin = make_bin (ROOM " name=in ! videoconvert ! " LABEL, NULL);
  g_autoptr (GstPad) out = gst_element_get_static_pad (bin, "src");
  Cell *cell = cell_new (grid, pad, bin, TRUE);

  cell->name = g_strdup (name);
  gst_pad_add_probe (out,
      GST_PAD_PROBE_TYPE_EVENT_BOTH | GST_PAD_PROBE_TYPE_EVENT_FLUSH,
      on_own_event, NULL, NULL);
  add_cell (grid, cell, 0);
}

void
grid_add_stream (Grid *grid, GstPad *pad)
{
  g_autofree char *kind = NULL;
  g_autoptr (GError) error = NULL;
  gboolean is_video;
  GstElement *bin;
  Cell *cell;

  g_object_get (pad, "kind", &kind, NULL);
  is_video = g_strcmp0 (kind, "video") == 0;
  bin = make_bin (is_video ? VIDEO_STREAM : AUDIO_STREAM, &error);
  if (!bin) {
    GST_ELEMENT_ERROR (grid->pipeline, CORE, MISSING_PLUGIN, (NULL),
        ("%s", error->message));
    return;
  }
  cell = cell_new (grid, pad, bin, is_video);
  g_object_get (pad, "peer-id", &cell->peer, NULL);
  cell->name = get_name (pad);
  g_signal_connect (pad, "notify::peer-name", G_CALLBACK (on_renamed), grid);
  add_cell (grid, cell, -1);
}

void
grid_remove_stream (Grid *grid, GstPad *pad)
{
  Cell *cell = take_cell (grid, pad, NULL);

  if (cell)
    cell_free (cell);
}

char *
grid_give_up_stream (Grid *grid, GstObject *origin)
{
  Cell *cell = take_cell (grid, NULL, origin);
  char *name;

  if (!cell)
    return NULL;
  name = g_strdup (cell->name);
  cell_free (cell);
  return name;
}

/* --- The whole -------------------------------------------------------------- */

/* A live mixer in the pipeline, whose output goes on as `description` says. */
static GstElement *
add_mixer (Grid *grid, const char *type, GstClockTime latency,
    const char *description, GError **error)
{
  GstElement *mixer, *output;

  output = make_bin (description, error);
  if (!output)
    return NULL;
  mixer = gst_element_factory_make_full (type, "force-live", TRUE, "latency",
      DECODING_TIME, "min-upstream-latency", latency, NULL);
  if (!mixer) {
    g_set_error (error, GST_CORE_ERROR, GST_CORE_ERROR_MISSING_PLUGIN,
        "there is no element %s: is gstreamer1.0-plugins-base installed?",
        type);
    gst_object_unref (output);
    return NULL;
  }
  gst_bin_add_many (GST_BIN (grid->pipeline), mixer, output, NULL);
  gst_element_link (mixer, output);
  return mixer;
}

Grid *
grid_new (GstElement *pipeline, const char *screen, const char *speaker,
    GstClockTime latency, GError **error)
{
  g_autofree char *video = g_strdup_printf (
      "capsfilter name=in caps=video/x-raw,format=I420,width=%d,height=%d,"
      "framerate=%d/1 ! " HEARD " ! videoconvert ! %s name=screen async=false",
      WIDTH, HEIGHT, FRAME_RATE, screen);
  g_autofree char *audio = g_strdup_printf (
      "capsfilter name=in caps=audio/x-raw,rate=48000,channels=2 ! "
      "audioconvert ! "
      "audioresample ! %s async=false",
      speaker);
  Grid *grid = g_new0 (Grid, 1);

  g_mutex_init (&grid->lock);
  grid->cells = g_ptr_array_new ();
  grid->pipeline = pipeline;
  grid->compositor = add_mixer (grid, "compositor", latency, video, error);
  if (grid->compositor) {
    gst_util_set_object_arg (G_OBJECT (grid->compositor), "background",
        "black");
    grid->screen = gst_bin_get_by_name (GST_BIN (pipeline), "screen");
    grid->heard = gst_bin_get_by_name (GST_BIN (pipeline), "heard");
    grid->audiomixer = add_mixer (grid, "audiomixer", latency, audio, error);
  }
  if (!grid->audiomixer)
    g_clear_pointer (&grid, grid_free);
  return grid;
}

void
grid_free (Grid *grid)
{
  g_ptr_array_set_free_func (grid->cells, (GDestroyNotify) cell_free);
  g_ptr_array_unref (grid->cells);
  gst_clear_object (&grid->screen);
  gst_clear_object (&grid->heard);
  g_mutex_clear (&grid->lock);
  g_free (grid);
}

char *
grid_describe (Grid *grid)
{
  GString *text = g_string_new (NULL);
  guint i;

  g_mutex_lock (&grid->lock);
  for (i = 0; i < grid->cells->len; i++) {
    Cell *cell = grid->cells->pdata[i];

    if (cell->is_video)
      g_string_append_printf (text, "%s: %" G_GUINT64_FORMAT " pictures\n",
          cell->name, cell->pictures);
  }
  g_mutex_unlock (&grid->lock);
  return g_string_free (text, FALSE);
}

gboolean
grid_write_picture (Grid *grid, const char *path, GError **error)
{
  return device_write_picture (grid->screen, path, error);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pads come and go on streaming threads or on the element's own; counts are
 * read from the main thread: `lock` guards the list of taps. */

#include "tests/net/probe-plug.h"
#include "tests/net/probe-json.h"

#include <string.h>

#define PLUG_KEY "probe-plug"

struct _ProbePlug {
  GstBin *pipeline; /* not owned: it outlives this */
  GstElement *element;
  char *description;

  GMutex lock;     /* guards taps */
  GPtrArray *taps; /* of ProbeTap, owned */
};

static void
print_pad (const char *type, GstPad *pad)
{
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (pad);
  g_autofree char *text = caps ? gst_caps_to_string (caps) : NULL;
  g_autofree char *name = gst_pad_get_name (pad);
  JsonBuilder *builder = probe_json_begin (type);

  probe_json_add_string (builder, "pad", name);
  probe_json_add_string (builder, "caps", text);
  probe_json_print (builder);
}

static ProbeTap *
tap_sink (GstBin *bin, const char *name)
{
  g_autoptr (GstElement) sink = gst_bin_get_by_name (bin, "out");
  g_autoptr (GstPad) pad = NULL;

  if (sink)
    pad = gst_element_get_static_pad (sink, "sink");
  return pad ? probe_tap_new_for_pad (pad, name) : NULL;
}

/* Not gst_parse_bin_from_description()'s own way: before a delayed link is made
 * the sink's pad is unlinked as well. */
static GstElement *
make_bin (const char *description, GError **error)
{
  GstElement *bin = gst_parse_bin_from_description (description, FALSE, error);
  g_autoptr (GstElement) first = NULL;
  g_autoptr (GstPad) entry = NULL;

  if (!bin)
    return NULL;
  first = gst_bin_get_by_name (GST_BIN (bin), "in");
  if (first)
    entry = gst_element_get_static_pad (first, "sink");
  if (!entry) {
    g_set_error (error, GST_CORE_ERROR, GST_CORE_ERROR_PAD,
        "no element named in with a sink pad in '%s'", description);
    gst_object_unref (bin);
    return NULL;
  }
  gst_element_add_pad (bin, gst_ghost_pad_new ("sink", entry));
  return bin;
}

static void
on_pad_added (GstElement *element, GstPad *pad, ProbePlug *plug)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GstPad) entry = NULL;
  g_autofree char *name = NULL;
  g_autofree char *tap_name = NULL;
  GstElement *bin;
  ProbeTap *tap;

  if (gst_pad_get_direction (pad) != GST_PAD_SRC)
    return;
  print_pad ("pad-added", pad);
  bin = make_bin (plug->description, &error);
  if (!bin) {
    GST_ELEMENT_ERROR (element, CORE, FAILED, ("%s", error->message), (NULL));
    return;
  }

  g_mutex_lock (&plug->lock);
  name = g_strdup_printf ("plug%u", plug->taps->len);
  tap_name = g_strdup_printf ("%s.sink", name);
  gst_object_set_name (GST_OBJECT (bin), name);
  tap = tap_sink (GST_BIN (bin), tap_name);
  if (tap)
    g_ptr_array_add (plug->taps, tap);
  g_mutex_unlock (&plug->lock);

  gst_bin_add (plug->pipeline, bin);
  gst_element_sync_state_with_parent (bin);
  entry = gst_element_get_static_pad (bin, "sink");
  if (!entry || gst_pad_link (pad, entry) != GST_PAD_LINK_OK)
    GST_ELEMENT_ERROR (element, CORE, PAD, ("%s does not take the pad", name),
        (NULL));
  g_object_set_data_full (G_OBJECT (pad), PLUG_KEY, gst_object_ref (bin),
      gst_object_unref);
}

static void
stop_bin (GstElement *bin, gpointer user)
{
  gst_element_set_state (bin, GST_STATE_NULL);
}

static void
on_pad_removed (GstElement *element, GstPad *pad, ProbePlug *plug)
{
  GstElement *bin = g_object_get_data (G_OBJECT (pad), PLUG_KEY);

  if (!bin)
    return;
  print_pad ("pad-removed", pad);
  /* Its own thread: this one may be the one that feeds the bin. */
  gst_element_set_locked_state (bin, TRUE);
  gst_object_ref (bin);
  gst_bin_remove (plug->pipeline, bin);
  gst_element_call_async (bin, stop_bin, NULL, NULL);
  gst_object_unref (bin);
}

ProbePlug *
probe_plug_new (GstBin *pipeline, const char *spec, GError **error)
{
  g_auto (GStrv) parts = g_strsplit (spec, "=", 2);
  g_autoptr (GstElement) element = NULL;
  ProbePlug *plug;

  if (g_strv_length (parts) == 2)
    element = gst_bin_get_by_name (pipeline, parts[0]);
  if (!element) {
    g_set_error (error, GST_CORE_ERROR, GST_CORE_ERROR_FAILED,
        "'%s' is not ELEMENT=DESCRIPTION with an element of the pipeline",
        spec);
    return NULL;
  }

  plug = g_new0 (ProbePlug, 1);
  plug->pipeline = pipeline;
  plug->element = g_steal_pointer (&element);
  plug->description = g_strdup (parts[1]);
  plug->taps = g_ptr_array_new_with_free_func ((GDestroyNotify) probe_tap_free);
  g_mutex_init (&plug->lock);
  g_signal_connect (plug->element, "pad-added", G_CALLBACK (on_pad_added),
      plug);
  g_signal_connect (plug->element, "pad-removed", G_CALLBACK (on_pad_removed),
      plug);
  return plug;
}

void
probe_plug_add_counts (ProbePlug *plug, JsonBuilder *builder)
{
  g_mutex_lock (&plug->lock);
  for (guint i = 0; i < plug->taps->len; i++)
    probe_tap_add_counts (g_ptr_array_index (plug->taps, i), builder);
  g_mutex_unlock (&plug->lock);
}

void
probe_plug_free (ProbePlug *plug)
{
  g_signal_handlers_disconnect_by_data (plug->element, plug);
  gst_object_unref (plug->element);
  g_ptr_array_unref (plug->taps);
  g_mutex_clear (&plug->lock);
  g_free (plug->description);
  g_free (plug);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Runs a pipeline given as for gst-launch-1.0 and tells a test about it.
 *
 *   pipe-probe [OPTION…] PIPELINE…
 *
 * PIPELINE is one text, or several that are joined with spaces.
 *
 * Prints JSON, one object a line, each with "t" (CLOCK_MONOTONIC, seconds) and
 * "type": the bus messages ("error", "warning", "element", "state", "eos"),
 * "first-buffer" of a tapped pad, and each second "stats" with the `stats`
 * property of every element that is ours and the counts of the tapped pads.
 *
 * Commands on the standard input, one a line, each answered by a line of type
 * "done" with the time it took:
 *
 *   play | pause | null     change the pipeline's state; null waits for its end
 *   eos                     send EOS into the pipeline's sources
 *   stats                   print them now
 *   set ELEMENT PROPERTY VALUE
 *   get ELEMENT PROPERTY
 *   quit                    also what the end of the input means
 *
 * Exit code: 0 after EOS or quit, 1 after an error message, 2 if the pipeline
 * or an option is wrong. Everything but the taps runs on the main thread.
 */

#include "tests/net/probe-json.h"
#include "tests/net/probe-plug.h"
#include "tests/net/probe-tap.h"

#include <errno.h>
#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

typedef struct {
  GMainLoop *loop;
  GstElement *pipeline;
  GPtrArray *taps; /* of ProbeTap, owned */
  ProbePlug *plug; /* NULL without --plug */
  FILE *arrivals;  /* NULL without --arrivals */
  gboolean keep;
  int code;
} Probe;

static char **count_specs;
static char **data_specs;
static char **rtp_specs;
static char *plug_spec;
static char *arrivals_path;
static gboolean keep;
static gboolean wait_for_play;
static char **words;

static const GOptionEntry options[] = {
  { "count", 0, 0, G_OPTION_ARG_STRING_ARRAY, &count_specs,
      "Count what passes the pad", "ELEMENT.PAD" },
  { "dump", 0, 0, G_OPTION_ARG_STRING_ARRAY, &data_specs,
      "Write each buffer of the pad to FILE", "ELEMENT.PAD=FILE" },
  { "rtp", 0, 0, G_OPTION_ARG_STRING_ARRAY, &rtp_specs,
      "Write when each RTP packet passed the pad to FILE", "ELEMENT.PAD=FILE" },
  { "plug", 0, 0, G_OPTION_ARG_STRING, &plug_spec,
      "Link this to each pad that the element adds, and count in its sink",
      "ELEMENT=DESCRIPTION" },
  { "arrivals", 0, 0, G_OPTION_ARG_FILENAME, &arrivals_path,
      "Write when each RTP packet left the transport, before any jitter "
      "buffer, to FILE",
      "FILE" },
  { "keep", 0, 0, G_OPTION_ARG_NONE, &keep,
      "Neither an error nor EOS ends the program", NULL },
  { "wait", 0, 0, G_OPTION_ARG_NONE, &wait_for_play,
      "Start with the command play", NULL },
  { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_STRING_ARRAY, &words, NULL,
      "PIPELINE" },
  { NULL }
};

static void
finish (Probe *probe, int code)
{
  probe->code = code;
  g_main_loop_quit (probe->loop);
}

static gboolean
is_ours (GstElement *element)
{
  GstElementFactory *factory = gst_element_get_factory (element);

  return factory && g_str_has_prefix (GST_OBJECT_NAME (factory), "quicp2p");
}

static void
add_element_stats (const GValue *item, gpointer user)
{
  GstElement *element = g_value_get_object (item);
  JsonBuilder *builder = user;
  GstStructure *stats = NULL;

  if (!is_ours (element))
    return;
  g_object_get (element, "stats", &stats, NULL);
  if (!stats)
    return;
  json_builder_set_member_name (builder, GST_OBJECT_NAME (element));
  probe_json_add_structure (builder, stats);
  gst_structure_free (stats);
}

static gboolean
print_stats (gpointer user)
{
  Probe *probe = user;
  JsonBuilder *builder = probe_json_begin ("stats");
  g_autoptr (GstIterator)
      elements = gst_bin_iterate_recurse (GST_BIN (probe->pipeline));

  json_builder_set_member_name (builder, "elements");
  json_builder_begin_object (builder);
  while (gst_iterator_foreach (elements, add_element_stats, builder) ==
      GST_ITERATOR_RESYNC)
    gst_iterator_resync (elements);
  json_builder_end_object (builder);

  json_builder_set_member_name (builder, "pads");
  json_builder_begin_object (builder);
  for (guint i = 0; i < probe->taps->len; i++)
    probe_tap_add_counts (g_ptr_array_index (probe->taps, i), builder);
  if (probe->plug)
    probe_plug_add_counts (probe->plug, builder);
  json_builder_end_object (builder);
  probe_json_print (builder);
  return G_SOURCE_CONTINUE;
}

static void
print_problem (GstMessage *message, const char *type)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *debug = NULL;
  const GstStructure *details = NULL;
  JsonBuilder *builder = probe_json_begin (type);

  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
    gst_message_parse_error (message, &error, &debug);
    gst_message_parse_error_details (message, &details);
  } else {
    gst_message_parse_warning (message, &error, &debug);
    gst_message_parse_warning_details (message, &details);
  }
  probe_json_add_string (builder, "source", GST_MESSAGE_SRC_NAME (message));
  probe_json_add_string (builder, "domain", g_quark_to_string (error->domain));
  json_builder_set_member_name (builder, "code");
  json_builder_add_int_value (builder, error->code);
  probe_json_add_string (builder, "text", error->message);
  probe_json_add_string (builder, "debug", debug);
  if (details) {
    json_builder_set_member_name (builder, "details");
    probe_json_add_structure (builder, details);
  }
  probe_json_print (builder);
}

static void
print_element_message (GstMessage *message)
{
  const GstStructure *structure = gst_message_get_structure (message);
  JsonBuilder *builder;

  if (!structure)
    return;
  builder = probe_json_begin ("element");
  probe_json_add_string (builder, "source", GST_MESSAGE_SRC_NAME (message));
  json_builder_set_member_name (builder, "message");
  probe_json_add_structure (builder, structure);
  probe_json_print (builder);
}

static void
print_state (Probe *probe, GstMessage *message)
{
  GstState old;
  GstState new;
  JsonBuilder *builder;

  if (GST_MESSAGE_SRC (message) != GST_OBJECT (probe->pipeline))
    return;
  gst_message_parse_state_changed (message, &old, &new, NULL);
  builder = probe_json_begin ("state");
  probe_json_add_string (builder, "old", gst_element_state_get_name (old));
  probe_json_add_string (builder, "new", gst_element_state_get_name (new));
  probe_json_print (builder);
}

static gboolean
on_message (GstBus *bus, GstMessage *message, gpointer user)
{
  Probe *probe = user;

  switch (GST_MESSAGE_TYPE (message)) {
    case GST_MESSAGE_ERROR:
      print_problem (message, "error");
      if (!probe->keep)
        finish (probe, 1);
      break;
    case GST_MESSAGE_WARNING:
      print_problem (message, "warning");
      break;
    case GST_MESSAGE_ELEMENT:
      print_element_message (message);
      break;
    case GST_MESSAGE_STATE_CHANGED:
      print_state (probe, message);
      break;
    case GST_MESSAGE_LATENCY:
      gst_bin_recalculate_latency (GST_BIN (probe->pipeline));
      break;
    case GST_MESSAGE_EOS:
      print_stats (probe);
      probe_json_print (probe_json_begin ("eos"));
      if (!probe->keep)
        finish (probe, 0);
      break;
    default:
      break;
  }
  return G_SOURCE_CONTINUE;
}

/* gst_util_set_object_arg() knows no pads, of which an input-selector's
 * active-pad is one. */
static void
set_property (GstElement *element, GParamSpec *pspec, const char *text)
{
  if (G_PARAM_SPEC_VALUE_TYPE (pspec) == GST_TYPE_PAD) {
    g_autoptr (GstPad) pad = gst_element_get_static_pad (element, text);

    g_object_set (element, pspec->name, pad, NULL);
  } else {
    gst_util_set_object_arg (G_OBJECT (element), pspec->name, text);
  }
}

static gboolean
command_set (Probe *probe, char **args)
{
  g_autoptr (GstElement)
      element = gst_bin_get_by_name (GST_BIN (probe->pipeline), args[1]);

  GParamSpec *pspec = element
      ? g_object_class_find_property (G_OBJECT_GET_CLASS (element), args[2])
      : NULL;

  if (!pspec)
    return FALSE;
  set_property (element, pspec, args[3]);
  return TRUE;
}

static gboolean
command_get (Probe *probe, char **args, JsonBuilder *reply)
{
  g_autoptr (GstElement)
      element = gst_bin_get_by_name (GST_BIN (probe->pipeline), args[1]);
  g_auto (GValue) value = G_VALUE_INIT;

  if (!element ||
      !g_object_class_find_property (G_OBJECT_GET_CLASS (element), args[2]))
    return FALSE;
  g_object_get_property (G_OBJECT (element), args[2], &value);
  json_builder_set_member_name (reply, "value");
  probe_json_add_value (reply, &value);
  return TRUE;
}

static gboolean
command_state (Probe *probe, const char *name)
{
  static const struct {
    const char *name;
    GstState state;
  } states[] = { { "play", GST_STATE_PLAYING }, { "pause", GST_STATE_PAUSED },
    { "null", GST_STATE_NULL } };

  for (guint i = 0; i < G_N_ELEMENTS (states); i++) {
    if (g_str_equal (states[i].name, name))
      return gst_element_set_state (probe->pipeline, states[i].state) !=
          GST_STATE_CHANGE_FAILURE;
  }
  return FALSE;
}

static void
command_run (Probe *probe, const char *line)
{
  g_auto (GStrv) args = g_strsplit (line, " ", 4);
  guint count = g_strv_length (args);
  JsonBuilder *reply = probe_json_begin ("done");
  gint64 started = g_get_monotonic_time ();
  gboolean ok = TRUE;

  if (g_str_equal (line, "quit"))
    finish (probe, 0);
  else if (g_str_equal (line, "stats"))
    print_stats (probe);
  else if (g_str_equal (line, "eos"))
    ok = gst_element_send_event (probe->pipeline, gst_event_new_eos ());
  else if (count == 4 && g_str_equal (args[0], "set"))
    ok = command_set (probe, args);
  else if (count == 3 && g_str_equal (args[0], "get"))
    ok = command_get (probe, args, reply);
  else
    ok = command_state (probe, line);

  probe_json_add_string (reply, "command", line);
  json_builder_set_member_name (reply, "ok");
  json_builder_add_boolean_value (reply, ok);
  json_builder_set_member_name (reply, "seconds");
  json_builder_add_double_value (reply,
      (g_get_monotonic_time () - started) / 1e6);
  probe_json_print (reply);
}

static gboolean
on_command (GIOChannel *channel, GIOCondition condition, gpointer user)
{
  Probe *probe = user;
  g_autofree char *line = NULL;
  gsize end = 0;
  GIOStatus status;

  status = g_io_channel_read_line (channel, &line, NULL, &end, NULL);
  if (status == G_IO_STATUS_EOF || status == G_IO_STATUS_ERROR) {
    finish (probe, 0);
    return G_SOURCE_REMOVE;
  }
  if (status == G_IO_STATUS_NORMAL) {
    line[end] = '\0';
    command_run (probe, line);
  }
  return G_SOURCE_CONTINUE;
}

static gboolean
on_terminate (gpointer user)
{
  finish (user, 0);
  return G_SOURCE_CONTINUE;
}

static gboolean
add_taps (Probe *probe, char **specs, ProbeTapKind kind, GError **error)
{
  for (guint i = 0; specs && specs[i]; i++) {
    ProbeTap *tap = probe_tap_new (GST_BIN (probe->pipeline), specs[i], kind,
        error);

    if (!tap)
      return FALSE;
    g_ptr_array_add (probe->taps, tap);
  }
  return TRUE;
}

/* The transport thread, or whichever adds the element. */
static void
on_element_added (GstBin *bin, GstBin *sub_bin, GstElement *element,
    gpointer file)
{
  g_autoptr (GstPad) pad = NULL;

  if (!g_str_equal (G_OBJECT_TYPE_NAME (element), "GstQuicP2PPacketSrc") ||
      !g_str_has_prefix (GST_OBJECT_NAME (element), "rtp_"))
    return;
  pad = gst_element_get_static_pad (element, "src");
  probe_tap_record_arrivals (pad, file);
}

static gboolean
watch_arrivals (Probe *probe, GError **error)
{
  probe->arrivals = fopen (arrivals_path, "wb");
  if (!probe->arrivals) {
    g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_WRITE,
        "cannot write '%s': %s", arrivals_path, g_strerror (errno));
    return FALSE;
  }
  setvbuf (probe->arrivals, NULL, _IONBF, 0);
  g_signal_connect (probe->pipeline, "deep-element-added",
      G_CALLBACK (on_element_added), probe->arrivals);
  return TRUE;
}

static gboolean
build (Probe *probe, GError **error)
{
  g_autofree char *description = g_strjoinv (" ", words);
  GstElement *made = gst_parse_launch_full (description, NULL,
      GST_PARSE_FLAG_FATAL_ERRORS, error);

  if (!made)
    return FALSE;
  if (GST_IS_PIPELINE (made)) {
    probe->pipeline = made;
  } else {
    probe->pipeline = gst_pipeline_new (NULL);
    gst_bin_add (GST_BIN (probe->pipeline), made);
  }
  if (plug_spec) {
    probe->plug = probe_plug_new (GST_BIN (probe->pipeline), plug_spec, error);
    if (!probe->plug)
      return FALSE;
  }
  if (arrivals_path && !watch_arrivals (probe, error))
    return FALSE;
  return add_taps (probe, count_specs, PROBE_TAP_COUNT, error) &&
      add_taps (probe, data_specs, PROBE_TAP_DATA, error) &&
      add_taps (probe, rtp_specs, PROBE_TAP_RTP, error);
}

static void
run (Probe *probe)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (probe->pipeline);
  g_autoptr (GIOChannel) input = g_io_channel_unix_new (STDIN_FILENO);
  guint sources[4];

  gst_bus_add_watch (bus, on_message, probe);
  /* Non-blocking, so that half a line does not stop everything. */
  g_io_channel_set_flags (input, G_IO_FLAG_NONBLOCK, NULL);
  sources[0] = g_io_add_watch (input, G_IO_IN | G_IO_HUP, on_command, probe);
  sources[1] = g_timeout_add_seconds (1, print_stats, probe);
  sources[2] = g_unix_signal_add (SIGTERM, on_terminate, probe);
  sources[3] = g_unix_signal_add (SIGINT, on_terminate, probe);

  if (!wait_for_play)
    gst_element_set_state (probe->pipeline, GST_STATE_PLAYING);
  g_main_loop_run (probe->loop);

  gst_bus_remove_watch (bus);
  for (guint i = 1; i < 4; i++)
    g_source_remove (sources[i]);
}

int
main (int argc, char **argv)
{
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;
  Probe probe = { 0 };

  g_option_context_add_main_entries (context, options, NULL);
  g_option_context_add_group (context, gst_init_get_option_group ());
  if (!g_option_context_parse (context, &argc, &argv, &error) || !words) {
    g_printerr ("pipe-probe: %s\n", error ? error->message : "no pipeline");
    return 2;
  }

  probe.keep = keep;
  probe.taps = g_ptr_array_new_with_free_func ((GDestroyNotify) probe_tap_free);
  probe.loop = g_main_loop_new (NULL, FALSE);
  if (build (&probe, &error)) {
    run (&probe);
    gst_element_set_state (probe.pipeline, GST_STATE_NULL);
  } else {
    g_printerr ("pipe-probe: %s\n", error->message);
    probe.code = 2;
  }

  g_ptr_array_unref (probe.taps);
  g_clear_pointer (&probe.plug, probe_plug_free);
  g_clear_object (&probe.pipeline);
  if (probe.arrivals)
    fclose (probe.arrivals);
  g_main_loop_unref (probe.loop);
  g_strfreev (count_specs);
  g_strfreev (data_specs);
  g_strfreev (rtp_specs);
  g_free (plug_spec);
  g_free (arrivals_path);
  g_strfreev (words);
  gst_deinit ();
  return probe.code;
}

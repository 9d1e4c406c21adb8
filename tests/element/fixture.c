/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See fixture.h. */
#include "fixture.h"

#include <gio/gio.h>

/* Far more than anything takes on a loaded machine. */
#define PATIENCE_MS 20000

char *
fixture_new_uri (void)
{
  g_autoptr (GSocket) socket = g_socket_new (G_SOCKET_FAMILY_IPV4,
      G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL);
  g_autoptr (GInetAddress)
      loopback = g_inet_address_new_loopback (G_SOCKET_FAMILY_IPV4);
  g_autoptr (GSocketAddress) any = g_inet_socket_address_new (loopback, 0);
  g_autoptr (GSocketAddress) bound = NULL;

  fail_unless (g_socket_bind (socket, any, FALSE, NULL));
  bound = g_socket_get_local_address (socket, NULL);
  return g_strdup_printf ("quicp2p://127.0.0.1:%u/room",
      g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (bound)));
}

static GstPadProbeReturn
count (GstPad *pad, GstPadProbeInfo *info, gpointer counter)
{
  gint n = 1;

  if (info->type & GST_PAD_PROBE_TYPE_BUFFER_LIST)
    n = gst_buffer_list_length (GST_PAD_PROBE_INFO_BUFFER_LIST (info));
  g_atomic_int_add ((gint *) counter, n);
  return GST_PAD_PROBE_OK;
}

void
pipe_count_at (Pipe *pipe, GstElement *element, guint index)
{
  /* Lists that an element cannot take whole pass its sink pad twice. */
  g_autoptr (GstPad) pad = gst_element_get_static_pad (element, "src");

  if (!pad)
    pad = gst_element_get_static_pad (element, "sink");
  gst_pad_add_probe (pad,
      GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST, count,
      &pipe->counts[index], NULL);
}

static void
count_at_name (Pipe *pipe, const char *name, guint index)
{
  g_autoptr (GstElement)
      element = gst_bin_get_by_name (GST_BIN (pipe->pipeline), name);

  if (element)
    pipe_count_at (pipe, element, index);
}

Pipe *
pipe_new (const char *description, ...)
{
  Pipe *pipe = g_new0 (Pipe, 1);
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, description);
  text = g_strdup_vprintf (description, args);
  va_end (args);

  pipe->pipeline = gst_parse_launch_full (text, NULL,
      GST_PARSE_FLAG_FATAL_ERRORS, &error);
  fail_if (error, "%s: %s", text, error ? error->message : "");
  if (!GST_IS_PIPELINE (pipe->pipeline)) {
    GstElement *alone = pipe->pipeline;

    pipe->pipeline = gst_pipeline_new (NULL);
    gst_bin_add (GST_BIN (pipe->pipeline), alone);
  }
  pipe->bus = gst_element_get_bus (pipe->pipeline);

  count_at_name (pipe, "count", 0);
  for (guint i = 0; i < G_N_ELEMENTS (pipe->counts); i++) {
    g_autofree char *name = g_strdup_printf ("count_%u", i);

    count_at_name (pipe, name, i);
  }
  return pipe;
}

guint
pipe_time_set_state (Pipe *pipe, GstState state)
{
  gint64 start = g_get_monotonic_time ();
  GstStateChangeReturn result = gst_element_set_state (pipe->pipeline, state);

  fail_if (result == GST_STATE_CHANGE_FAILURE, "state %s refused",
      gst_element_state_get_name (state));
  return (g_get_monotonic_time () - start) / 1000;
}

void
pipe_set_state (Pipe *pipe, GstState state)
{
  pipe_time_set_state (pipe, state);
}

void
pipe_free (Pipe *pipe)
{
  guint ms = pipe_time_set_state (pipe, GST_STATE_NULL);

  fail_unless (ms < PIPE_MAX_STATE_MS, "to NULL took %u ms", ms);
  gst_object_unref (pipe->bus);
  gst_object_unref (pipe->pipeline);
  g_free (pipe);
}

GstElement *
pipe_get (Pipe *pipe, const char *name)
{
  GstElement *element = gst_bin_get_by_name (GST_BIN (pipe->pipeline), name);

  fail_unless (element != NULL, "there is no %s", name);
  return element;
}

GstStructure *
pipe_get_stats (Pipe *pipe, const char *name)
{
  g_autoptr (GstElement) element = pipe_get (pipe, name);
  GstStructure *stats = NULL;

  g_object_get (element, "stats", &stats, NULL);
  fail_unless (stats != NULL);
  return stats;
}

gint
pipe_get_count (Pipe *pipe, guint index)
{
  return g_atomic_int_get (&pipe->counts[index]);
}

void
pipe_check_no_error (Pipe *pipe)
{
  g_autoptr (GstMessage)
      message = gst_bus_pop_filtered (pipe->bus, GST_MESSAGE_ERROR);
  g_autoptr (GError) error = NULL;
  g_autofree char *debug = NULL;

  if (!message)
    return;
  gst_message_parse_error (message, &error, &debug);
  fail ("%s: %s (%s)", GST_OBJECT_NAME (GST_MESSAGE_SRC (message)),
      error->message, debug);
}

void
pipe_wait_for_buffers (Pipe *pipe, guint index, gint n)
{
  gint target = pipe_get_count (pipe, index) + n;
  gint64 end = g_get_monotonic_time () + PATIENCE_MS * 1000;

  while (pipe_get_count (pipe, index) < target) {
    fail_unless (g_get_monotonic_time () < end,
        "%d more buffers did not come, %d are missing", n,
        target - pipe_get_count (pipe, index));
    pipe_check_no_error (pipe);
    g_usleep (5000);
  }
}

void
pipe_wait_for_silence (Pipe *pipe, guint index)
{
  gint64 end = g_get_monotonic_time () + PATIENCE_MS * 1000;
  gint64 since = g_get_monotonic_time ();
  gint last = pipe_get_count (pipe, index);

  while (g_get_monotonic_time () - since < 500 * 1000) {
    fail_unless (g_get_monotonic_time () < end, "buffers still come");
    g_usleep (10000);
    if (pipe_get_count (pipe, index) != last) {
      last = pipe_get_count (pipe, index);
      since = g_get_monotonic_time ();
    }
  }
}

GstMessage *
pipe_wait_for_message (Pipe *pipe, GstMessageType types, guint timeout_ms)
{
  GstMessage *message = gst_bus_timed_pop_filtered (pipe->bus,
      timeout_ms * GST_MSECOND, types | GST_MESSAGE_ERROR);

  fail_unless (message != NULL, "no %s came",
      gst_message_type_get_name (types));
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR &&
      !(types & GST_MESSAGE_ERROR)) {
    gst_bus_post (pipe->bus, message);
    pipe_check_no_error (pipe);
  }
  return message;
}

void
pipe_wait_for_element_message (Pipe *pipe, const char *name, const char *field,
    const char *value)
{
  gint64 end = g_get_monotonic_time () + PATIENCE_MS * 1000;

  for (;;) {
    gint64 left_ms = (end - g_get_monotonic_time ()) / 1000;
    g_autoptr (GstMessage) message = NULL;
    const GstStructure *structure;

    fail_unless (left_ms > 0, "no %s with %s=%s came", name, field, value);
    message = pipe_wait_for_message (pipe, GST_MESSAGE_ELEMENT, left_ms);
    structure = gst_message_get_structure (message);
    if (gst_structure_has_name (structure, name) &&
        g_strcmp0 (gst_structure_get_string (structure, field), value) == 0)
      return;
  }
}

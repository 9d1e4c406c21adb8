/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * See outbox.h. How it knows that libsoup has written what it was handed:
 * libsoup keeps a source on the output stream, at the default priority, for as
 * long as it has anything to write. A source on the same stream at a lower
 * priority is therefore dispatched only when libsoup's queue is empty.
 */

#include "signaling/outbox.h"

#include <string.h>

#include "signaling/meter.h"

#define WINDOW (64 * 1024)
#define PRIORITY_AFTER_LIBSOUP (G_PRIORITY_DEFAULT + 1)

struct _QpOutbox {
  SoupWebsocketConnection *websocket;
  gsize max_bytes;
  GQueue waiting; /* of GBytes */
  gsize waiting_bytes;
  gsize handed_bytes; /* since libsoup's queue was last seen empty */
  GSource *written;   /* nullable: attached while handed_bytes > 0 */
  gboolean closing;   /* close once waiting is empty */
  guint close_code;
  char *close_reason;
};

QpOutbox *
qp_outbox_new (SoupWebsocketConnection *websocket, gsize max_bytes)
{
  QpOutbox *outbox = g_new0 (QpOutbox, 1);

  outbox->websocket = g_object_ref (websocket);
  outbox->max_bytes = max_bytes;
  g_queue_init (&outbox->waiting);
  return outbox;
}

static void
clear_source (GSource **source)
{
  if (*source)
    g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

void
qp_outbox_free (QpOutbox *outbox)
{
  if (!outbox)
    return;
  clear_source (&outbox->written);
  g_queue_clear_full (&outbox->waiting, (GDestroyNotify) g_bytes_unref);
  g_object_unref (outbox->websocket);
  g_free (outbox->close_reason);
  g_free (outbox);
}

static gboolean
is_open (const QpOutbox *outbox)
{
  return soup_websocket_connection_get_state (outbox->websocket) ==
      SOUP_WEBSOCKET_STATE_OPEN;
}

static void
hand_over (QpOutbox *outbox, GBytes *message)
{
  soup_websocket_connection_send_message (outbox->websocket,
      SOUP_WEBSOCKET_DATA_TEXT, message);
  outbox->handed_bytes += g_bytes_get_size (message);
}

static void
close_now (QpOutbox *outbox)
{
  soup_websocket_connection_close (outbox->websocket, outbox->close_code,
      outbox->close_reason);
}

static gboolean
on_written (GObject *stream, gpointer user_data)
{
  QpOutbox *outbox = user_data;

  outbox->handed_bytes = 0;
  while (is_open (outbox) && outbox->handed_bytes < WINDOW &&
      outbox->waiting.length > 0) {
    g_autoptr (GBytes) message = g_queue_pop_head (&outbox->waiting);

    outbox->waiting_bytes -= g_bytes_get_size (message);
    hand_over (outbox, message);
  }
  if (is_open (outbox) && outbox->closing && outbox->waiting.length == 0)
    close_now (outbox);
  if (is_open (outbox) && outbox->handed_bytes > 0)
    return G_SOURCE_CONTINUE;
  clear_source (&outbox->written);
  return G_SOURCE_REMOVE;
}

static void
watch (QpOutbox *outbox)
{
  GIOStream *stream =
      soup_websocket_connection_get_io_stream (outbox->websocket);
  GPollableOutputStream *output;

  if (outbox->written)
    return;
  output = G_POLLABLE_OUTPUT_STREAM (g_io_stream_get_output_stream (stream));
  outbox->written = g_pollable_output_stream_create_source (output, NULL);
  g_source_set_callback (outbox->written, G_SOURCE_FUNC (on_written), outbox,
      NULL);
  g_source_set_priority (outbox->written, PRIORITY_AFTER_LIBSOUP);
  g_source_attach (outbox->written, g_main_context_get_thread_default ());
}

gboolean
qp_outbox_send (QpOutbox *outbox, const char *text, gsize size)
{
  GBytes *message;

  if (!is_open (outbox) || outbox->closing)
    return TRUE;
  if (outbox->waiting.length == 0 && outbox->handed_bytes < WINDOW) {
    message = g_bytes_new (text, size);
    hand_over (outbox, message);
    g_bytes_unref (message);
  } else if (outbox->waiting_bytes + size > outbox->max_bytes) {
    return FALSE;
  } else {
    g_queue_push_tail (&outbox->waiting, g_bytes_new (text, size));
    outbox->waiting_bytes += size;
  }
  /* libsoup writes at once, and closes the socket if that fails. */
  if (is_open (outbox))
    watch (outbox);
  return TRUE;
}

void
qp_outbox_close (QpOutbox *outbox, guint code, const char *reason)
{
  if (!is_open (outbox) || outbox->closing)
    return;
  outbox->closing = TRUE;
  outbox->close_code = code;
  outbox->close_reason = g_strdup (reason);
  if (outbox->waiting.length == 0)
    close_now (outbox);
}

/* The socket under libsoup's, our and GIO's wrappers, or NULL. */
static GSocket *
find_socket (GIOStream *stream)
{
  /* libsoup's, whose type is private, has the first one; TLS the second. */
  static const char *const properties[] = { "base-iostream", "base-io-stream" };
  g_autoptr (GIOStream) current = g_object_ref (stream);

  while (current && !G_IS_SOCKET_CONNECTION (current)) {
    GObjectClass *klass = G_OBJECT_GET_CLASS (current);
    GIOStream *base = NULL;

    if (QP_IS_METER_STREAM (current))
      base =
          g_object_ref (qp_meter_stream_get_base (QP_METER_STREAM (current)));
    for (guint i = 0; !base && i < G_N_ELEMENTS (properties); i++) {
      if (g_object_class_find_property (klass, properties[i]))
        g_object_get (current, properties[i], &base, NULL);
    }
    g_object_unref (current);
    current = base;
  }
  return current
      ? g_socket_connection_get_socket (G_SOCKET_CONNECTION (current))
      : NULL;
}

void
qp_outbox_abort (QpOutbox *outbox)
{
  GIOStream *stream =
      soup_websocket_connection_get_io_stream (outbox->websocket);
  GSocket *socket = stream ? find_socket (stream) : NULL;

  outbox->closing = TRUE;
  clear_source (&outbox->written);
  g_queue_clear_full (&outbox->waiting, (GDestroyNotify) g_bytes_unref);
  outbox->waiting_bytes = 0;
  /* Reading now ends, at which libsoup closes. */
  if (socket)
    g_socket_shutdown (socket, TRUE, TRUE, NULL);
}

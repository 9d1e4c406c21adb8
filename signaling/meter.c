/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* See meter.h. Only the input stream is wrapped, output goes straight through. */

#include "signaling/meter.h"

/* --- the input stream ------------------------------------------------------- */

#define QP_TYPE_METER_INPUT (qp_meter_input_get_type ())
G_DECLARE_FINAL_TYPE (QpMeterInput, qp_meter_input, QP, METER_INPUT,
    GFilterInputStream)

struct _QpMeterInput {
  GFilterInputStream parent;
  gsize limit;
  gsize n_read; /* since the last restart */
};

static void qp_meter_input_pollable_init (GPollableInputStreamInterface
        *interface);

G_DEFINE_TYPE_WITH_CODE (QpMeterInput, qp_meter_input,
    G_TYPE_FILTER_INPUT_STREAM,
    G_IMPLEMENT_INTERFACE (G_TYPE_POLLABLE_INPUT_STREAM,
        qp_meter_input_pollable_init))

static GInputStream *
get_base_input (gpointer self)
{
  return g_filter_input_stream_get_base_stream (G_FILTER_INPUT_STREAM (self));
}

static gboolean
check_limit (QpMeterInput *self, GError **error)
{
  if (self->n_read <= self->limit)
    return TRUE;
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_MESSAGE_TOO_LARGE,
      "More than %" G_GSIZE_FORMAT " bytes without a whole message",
      self->limit);
  return FALSE;
}

static gssize
qp_meter_input_read (GInputStream *stream, void *buffer, gsize count,
    GCancellable *cancellable, GError **error)
{
  QpMeterInput *self = QP_METER_INPUT (stream);
  gssize n;

  if (!check_limit (self, error))
    return -1;
  n = g_input_stream_read (get_base_input (self), buffer, count, cancellable,
      error);
  self->n_read += MAX (n, 0);
  return n;
}

static gssize
qp_meter_input_read_nonblocking (GPollableInputStream *stream, void *buffer,
    gsize count, GError **error)
{
  QpMeterInput *self = QP_METER_INPUT (stream);
  gssize n;

  if (!check_limit (self, error))
    return -1;
  n = g_pollable_input_stream_read_nonblocking (
      G_POLLABLE_INPUT_STREAM (get_base_input (self)), buffer, count, NULL,
      error);
  self->n_read += MAX (n, 0);
  return n;
}

static gboolean
qp_meter_input_can_poll (GPollableInputStream *stream)
{
  GInputStream *base = get_base_input (stream);

  return G_IS_POLLABLE_INPUT_STREAM (base) &&
      g_pollable_input_stream_can_poll (G_POLLABLE_INPUT_STREAM (base));
}

static gboolean
qp_meter_input_is_readable (GPollableInputStream *stream)
{
  return g_pollable_input_stream_is_readable (
      G_POLLABLE_INPUT_STREAM (get_base_input (stream)));
}

static GSource *
qp_meter_input_create_source (GPollableInputStream *stream,
    GCancellable *cancellable)
{
  g_autoptr (GSource) base = g_pollable_input_stream_create_source (
      G_POLLABLE_INPUT_STREAM (get_base_input (stream)), NULL);

  return g_pollable_source_new_full (stream, base, cancellable);
}

static void
qp_meter_input_class_init (QpMeterInputClass *klass)
{
  G_INPUT_STREAM_CLASS (klass)->read_fn = qp_meter_input_read;
}

static void
qp_meter_input_pollable_init (GPollableInputStreamInterface *interface)
{
  interface->can_poll = qp_meter_input_can_poll;
  interface->is_readable = qp_meter_input_is_readable;
  interface->create_source = qp_meter_input_create_source;
  interface->read_nonblocking = qp_meter_input_read_nonblocking;
}

static void
qp_meter_input_init (QpMeterInput *self)
{
}

/* --- the stream ------------------------------------------------------------- */

struct _QpMeterStream {
  GIOStream parent;
  GIOStream *base;
  QpMeterInput *input;
};

G_DEFINE_TYPE (QpMeterStream, qp_meter_stream, G_TYPE_IO_STREAM)

QpMeterStream *
qp_meter_stream_new (GIOStream *base, gsize limit)
{
  QpMeterStream *self = g_object_new (QP_TYPE_METER_STREAM, NULL);

  self->base = g_object_ref (base);
  self->input = g_object_new (QP_TYPE_METER_INPUT, "base-stream",
      g_io_stream_get_input_stream (base), "close-base-stream", FALSE, NULL);
  self->input->limit = limit;
  return self;
}

void
qp_meter_stream_restart (QpMeterStream *self)
{
  self->input->n_read = 0;
}

GIOStream *
qp_meter_stream_get_base (QpMeterStream *self)
{
  return self->base;
}

static GInputStream *
qp_meter_stream_get_input (GIOStream *stream)
{
  return G_INPUT_STREAM (QP_METER_STREAM (stream)->input);
}

static GOutputStream *
qp_meter_stream_get_output (GIOStream *stream)
{
  return g_io_stream_get_output_stream (QP_METER_STREAM (stream)->base);
}

static gboolean
qp_meter_stream_close (GIOStream *stream, GCancellable *cancellable,
    GError **error)
{
  return g_io_stream_close (QP_METER_STREAM (stream)->base, cancellable, error);
}

static void
on_base_closed (GObject *base, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;

  if (g_io_stream_close_finish (G_IO_STREAM (base), result, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

/* The default runs close_fn in another thread: not for a stream of ours. */
static void
qp_meter_stream_close_async (GIOStream *stream, int priority,
    GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (stream, cancellable, callback, user_data);

  g_task_set_priority (task, priority);
  g_io_stream_close_async (QP_METER_STREAM (stream)->base, priority,
      cancellable, on_base_closed, task);
}

static gboolean
qp_meter_stream_close_finish (GIOStream *stream, GAsyncResult *result,
    GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
qp_meter_stream_dispose (GObject *object)
{
  QpMeterStream *self = QP_METER_STREAM (object);

  /* Closes, for which it needs the base. */
  G_OBJECT_CLASS (qp_meter_stream_parent_class)->dispose (object);
  g_clear_object (&self->input);
  g_clear_object (&self->base);
}

static void
qp_meter_stream_class_init (QpMeterStreamClass *klass)
{
  GIOStreamClass *stream_class = G_IO_STREAM_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = qp_meter_stream_dispose;
  stream_class->get_input_stream = qp_meter_stream_get_input;
  stream_class->get_output_stream = qp_meter_stream_get_output;
  stream_class->close_fn = qp_meter_stream_close;
  stream_class->close_async = qp_meter_stream_close_async;
  stream_class->close_finish = qp_meter_stream_close_finish;
}

static void
qp_meter_stream_init (QpMeterStream *self)
{
}

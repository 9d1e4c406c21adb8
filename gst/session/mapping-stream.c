/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The stream mapping: all frames of a flow follow each other on one
 * unidirectional stream.  A frame is complete or absent: when the oldest unsent
 * one is past its deadline the whole stream is reset and the next frame opens
 * another.
 *
 * Transport thread only; see sender-private.h. */
#include "session/sender-private.h"

/* The end of a frame on the stream, until it was sent. */
typedef struct {
  guint64 end;     /* offset behind the frame's last byte so far */
  gint64 deadline; /* monotonic µs, G_MAXINT64: none */
} Mark;

static void
forget_stream (QpOutFlow *flow)
{
  flow->stream = -1;
  flow->queued_bytes = 0;
  g_queue_clear_full (&flow->frames, g_free);
}

/* Forgets the frames that have left. */
static void
pop_sent (QpOutFlow *flow)
{
  gssize unsent = qp_quic_get_unsent (flow->sender->quic, flow->stream);
  guint64 sent = flow->queued_bytes - (guint64) MAX (unsent, 0);
  Mark *mark;

  while ((mark = g_queue_peek_head (&flow->frames)) && mark->end <= sent)
    g_free (g_queue_pop_head (&flow->frames));
}

static void
push (QpOutFlow *flow, QpChunk *chunk)
{
  Mark *mark;

  if (!chunk->framed)
    return;

  if (flow->stream < 0) {
    if (chunk->starts)
      flow->stream = qp_out_flow_open (flow);
    if (flow->stream < 0) {
      flow->skipping = TRUE;
      qp_out_flow_lost (flow, 1, FALSE);
      return;
    }
    flow->queued_bytes = g_bytes_get_size (flow->header);
  }

  /* Without deadlines nothing else looks what has left. */
  if (chunk->starts)
    pop_sent (flow);
  if (chunk->starts || g_queue_is_empty (&flow->frames)) {
    mark = g_new0 (Mark, 1);
    mark->deadline = qp_out_flow_deadline (flow, chunk->born_us);
    g_queue_push_tail (&flow->frames, mark);
  } else {
    mark = g_queue_peek_tail (&flow->frames);
  }
  flow->queued_bytes += g_bytes_get_size (chunk->framed);
  mark->end = flow->queued_bytes;
  qp_quic_write (flow->sender->quic, flow->stream, chunk->framed, FALSE);
}

static void
cancel_all (QpOutFlow *flow)
{
  if (flow->stream < 0)
    return;
  if (flow->in_frame)
    flow->skipping = TRUE;
  qp_out_flow_reset (flow, flow->stream);
  forget_stream (flow);
}

static gint64
expire (QpOutFlow *flow, gint64 now)
{
  Mark *mark;

  if (flow->stream < 0)
    return G_MAXINT64;
  pop_sent (flow);
  mark = g_queue_peek_head (&flow->frames);
  if (mark && mark->deadline <= now) {
    guint lost = g_queue_get_length (&flow->frames);

    cancel_all (flow);
    qp_out_flow_lost (flow, lost, FALSE);
    return G_MAXINT64;
  }
  return mark ? mark->deadline : G_MAXINT64;
}

static void
streams_available (QpOutFlow *flow)
{
  /* The next frame opens the stream. */
}

static void
on_stream_gone (QpOutFlow *flow, gint64 stream, gint64 code)
{
  guint lost;

  if (stream != flow->stream)
    return;
  lost = g_queue_get_length (&flow->frames);
  if (flow->in_frame)
    flow->skipping = TRUE;
  forget_stream (flow);
  if (code >= 0)
    qp_out_flow_lost (flow, MAX (lost, 1), FALSE);
}

static void
finish (QpOutFlow *flow)
{
  /* The stream lives on in sender->streams until it is acknowledged. */
  if (flow->stream >= 0)
    qp_quic_write (flow->sender->quic, flow->stream, NULL, TRUE);
  forget_stream (flow);
}

static gboolean
is_drained (QpOutFlow *flow)
{
  return !qp_out_flow_has_streams (flow);
}

static void
clear (QpOutFlow *flow)
{
  qp_out_flow_reset_all (flow);
  forget_stream (flow);
}

const QpMappingOps qp_mapping_stream = {
  .push = push,
  .cancel_open = cancel_all,
  .expire = expire,
  .streams_available = streams_available,
  .stream_gone = on_stream_gone,
  .finish = finish,
  .is_drained = is_drained,
  .clear = clear,
};

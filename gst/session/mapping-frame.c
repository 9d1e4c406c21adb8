/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The stream-per-frame mapping: each frame opens a unidirectional stream, writes
 * its packets as they come and ends it, so that a lost packet delays its own
 * frame only and a late frame can be reset alone.  Frames for which the peer
 * allows no stream yet wait, oldest first.
 *
 * Transport thread only; see sender-private.h. */
#include "session/sender-private.h"

/* A frame from its first chunk until everything is acknowledged. */
typedef struct {
  gint64 stream;   /* -1: waits for the peer to allow one */
  GQueue waiting;  /* of QpChunk*: only while there is no stream */
  gboolean ended;  /* its last chunk came */
  gboolean key;    /* needs no other frame */
  gint64 deadline; /* monotonic µs, G_MAXINT64: none */
} Frame;

static gsize
chunk_size (const QpChunk *chunk)
{
  return chunk->framed ? g_bytes_get_size (chunk->framed) : 0;
}

static QpChunk *
pop_waiting (QpOutFlow *flow, Frame *frame)
{
  QpChunk *chunk = g_queue_pop_head (&frame->waiting);

  if (chunk)
    flow->sender->waiting -= chunk_size (chunk);
  return chunk;
}

static void
free_frame (QpOutFlow *flow, Frame *frame)
{
  QpChunk *chunk;

  while ((chunk = pop_waiting (flow, frame)))
    qp_chunk_unref (chunk);
  g_free (frame);
}

static void
write_chunk (QpOutFlow *flow, Frame *frame, QpChunk *chunk)
{
  if (chunk->framed || chunk->ends)
    qp_quic_write (flow->sender->quic, frame->stream, chunk->framed,
        chunk->ends);
}

/* FALSE: still no stream. */
static gboolean
open_frame (QpOutFlow *flow, Frame *frame)
{
  QpChunk *chunk;

  frame->stream = qp_out_flow_open (flow);
  if (frame->stream < 0)
    return FALSE;
  while ((chunk = pop_waiting (flow, frame))) {
    write_chunk (flow, frame, chunk);
    qp_chunk_unref (chunk);
  }
  return TRUE;
}

/* Streams are opened in the order of frames, so only the last frame matters. */
static gboolean
older_frame_waits (QpOutFlow *flow)
{
  Frame *last = g_queue_peek_tail (&flow->frames);

  return last && last->stream < 0;
}

static void
push (QpOutFlow *flow, QpChunk *chunk)
{
  Frame *frame;

  if (chunk->starts) {
    gboolean wait = older_frame_waits (flow);

    frame = g_new0 (Frame, 1);
    frame->stream = -1;
    frame->key = chunk->key;
    frame->deadline = qp_out_flow_deadline (flow, chunk->born_us);
    g_queue_push_tail (&flow->frames, frame);
    if (!wait)
      open_frame (flow, frame);
  } else {
    frame = g_queue_peek_tail (&flow->frames);
    /* Cancelled in its middle: nothing of the rest is sent. */
    if (!frame || frame->ended)
      return;
  }

  frame->ended = chunk->ends;
  if (frame->stream >= 0) {
    write_chunk (flow, frame, chunk);
  } else {
    g_queue_push_tail (&frame->waiting, qp_chunk_ref (chunk));
    flow->sender->waiting += chunk_size (chunk);
  }
}

/* Takes the frame off the flow and the wire; whether that was a loss is the
 * caller's to say. */
static void
cancel (QpOutFlow *flow, GList *link)
{
  Frame *frame = link->data;

  if (!frame->ended)
    flow->skipping = TRUE;
  if (frame->stream >= 0)
    qp_out_flow_reset (flow, frame->stream);
  g_queue_delete_link (&flow->frames, link);
  free_frame (flow, frame);
}

static void
cancel_open (QpOutFlow *flow)
{
  Frame *frame = g_queue_peek_tail (&flow->frames);

  if (frame && !frame->ended)
    cancel (flow, flow->frames.tail);
}

/* TRUE if all of the frame that there is was sent once. */
static gboolean
is_sent (QpOutFlow *flow, const Frame *frame)
{
  return frame->ended && frame->stream >= 0 &&
      qp_quic_get_unsent (flow->sender->quic, frame->stream) == 0;
}

/* Frames behind a lost one cannot be decoded up to the next keyframe: what is
 * not sent yet of them would only take its place on the wire. */
static void
after_loss (QpOutFlow *flow, guint lost)
{
  GList *link = flow->frames.head;

  while (link && flow->has_deltas && !((Frame *) link->data)->key) {
    GList *following = link->next;

    if (!is_sent (flow, link->data)) {
      cancel (flow, link);
      lost++;
    }
    link = following;
  }

  qp_out_flow_lost (flow, lost, link != NULL);
}

static gint64
expire (QpOutFlow *flow, gint64 now)
{
  gint64 next = G_MAXINT64, grace = -1;
  guint lost = 0;

  for (GList *link = flow->frames.head; link;) {
    GList *following = link->next;
    Frame *frame = link->data;
    gint64 due = frame->deadline;

    if (due > now) {
      /* Deadlines grow from frame to frame. */
      next = MIN (next, due);
      break;
    }
    if (is_sent (flow, frame)) {
      if (grace < 0)
        grace = qp_out_flow_ack_grace (flow);
      due += grace;
    }
    if (due <= now) {
      cancel (flow, link);
      lost++;
    } else {
      next = MIN (next, due);
    }
    link = following;
  }
  if (lost > 0)
    after_loss (flow, lost);
  return next;
}

static void
streams_available (QpOutFlow *flow)
{
  for (GList *link = flow->frames.head; link; link = link->next) {
    Frame *frame = link->data;

    if (frame->stream < 0 && !open_frame (flow, frame))
      break;
  }
}

static void
on_stream_gone (QpOutFlow *flow, gint64 stream, gint64 code)
{
  for (GList *link = flow->frames.head; link; link = link->next) {
    Frame *frame = link->data;

    if (frame->stream != stream)
      continue;
    if (!frame->ended)
      flow->skipping = TRUE;
    g_queue_delete_link (&flow->frames, link);
    free_frame (flow, frame);
    if (code >= 0)
      qp_out_flow_lost (flow, 1, FALSE);
    return;
  }
}

static void
finish (QpOutFlow *flow)
{
  /* The last frame has ended by itself: nothing is kept open between frames. */
}

static gboolean
is_drained (QpOutFlow *flow)
{
  return g_queue_is_empty (&flow->frames);
}

static void
clear (QpOutFlow *flow)
{
  while (flow->frames.head)
    cancel (flow, flow->frames.head);
}

const QpMappingOps qp_mapping_stream_per_frame = {
  .push = push,
  .cancel_open = cancel_open,
  .expire = expire,
  .streams_available = streams_available,
  .stream_gone = on_stream_gone,
  .finish = finish,
  .is_drained = is_drained,
  .clear = clear,
};

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The datagram mapping: each packet goes once, in a DATAGRAM frame.  The packets
 * of a flow wait in one queue of the connection's; when a part of a frame is
 * still there at the frame's deadline, it is taken back with all that needs the
 * frame, so that what is sent are whole frames.
 *
 * RoQ lets a flow mix both forms, so a packet larger than the path's datagrams
 * goes on a stream of its own, counted, rather than nowhere.
 *
 * Transport thread only; see sender-private.h. */
#include "session/sender-private.h"

#include "roq/varint.h"
#include "session/session-private.h"

#define GST_CAT_DEFAULT qp_session_debug

/* A frame of which something was not sent yet. */
typedef struct {
  guint64 end;     /* flow->queued_datagrams behind its last one so far */
  GArray *streams; /* of gint64; NULL: none of its packets needed one */
  gboolean ended;  /* its last chunk came */
  gboolean key;    /* needs no other frame */
  gint64 deadline; /* monotonic µs, G_MAXINT64: none */
} Frame;

static void
free_frame (Frame *frame)
{
  g_clear_pointer (&frame->streams, g_array_unref);
  g_free (frame);
}

/* How many of the flow's datagrams have left the queue, one way or the other. */
static guint64
datagrams_gone (QpOutFlow *flow)
{
  return flow->datagrams
      ? flow->queued_datagrams - qp_datagram_queue_get_unsent (flow->datagrams)
      : 0;
}

static gboolean
has_unsent (QpOutFlow *flow, const Frame *frame)
{
  if (frame->end > datagrams_gone (flow))
    return TRUE;
  for (guint i = 0; frame->streams && i < frame->streams->len; i++) {
    gint64 stream = g_array_index (frame->streams, gint64, i);

    if (qp_quic_get_unsent (flow->sender->quic, stream) > 0)
      return TRUE;
  }
  return FALSE;
}

/* Forgets the frames that have left; one that is open stays, for its rest. */
static void
pop_sent (QpOutFlow *flow)
{
  Frame *frame;

  while ((frame = g_queue_peek_head (&flow->frames)) && frame->ended &&
      !has_unsent (flow, frame))
    free_frame (g_queue_pop_head (&flow->frames));
}

/* Takes back what is left of the oldest frame. */
static void
cancel_oldest (QpOutFlow *flow)
{
  Frame *frame = g_queue_pop_head (&flow->frames);
  guint64 gone = datagrams_gone (flow);

  if (frame->end > gone)
    qp_datagram_queue_drop (flow->datagrams, (guint) (frame->end - gone));
  for (guint i = 0; frame->streams && i < frame->streams->len; i++) {
    gint64 stream = g_array_index (frame->streams, gint64, i);

    if (qp_quic_get_unsent (flow->sender->quic, stream) > 0)
      qp_out_flow_reset (flow, stream);
  }
  if (!frame->ended)
    flow->skipping = TRUE;
  free_frame (frame);
}

/* Frames behind a lost one cannot be decoded up to the next keyframe. */
static void
after_loss (QpOutFlow *flow, guint lost)
{
  Frame *frame;

  while ((frame = g_queue_peek_head (&flow->frames)) && flow->has_deltas &&
      !frame->key) {
    cancel_oldest (flow);
    lost++;
  }

  qp_out_flow_lost (flow, lost, frame != NULL);
}

/* The connection drops what the path has become too narrow for. */
static void
look_for_too_large (QpOutFlow *flow)
{
  guint64 too_large = flow->datagrams
      ? qp_datagram_queue_get_too_large (flow->datagrams)
      : 0;

  if (too_large > flow->too_large) {
    flow->too_large = too_large;
    after_loss (flow, 1);
  }
}

/* Not while larger datagrams may yet turn out to pass: a connection's first
 * packets are nothing to change a pipeline for. */
static void
warn_oversized (QpOutFlow *flow)
{
  QpQuicInfo info;

  if (flow->oversized_told)
    return;
  qp_quic_get_info (flow->sender->quic, &info);
  if (info.searching)
    return;
  flow->oversized_told = TRUE;
  GST_WARNING (
      "%s: packets are larger than the %" G_GSIZE_FORMAT
      " bytes a datagram takes on this path and go on streams; lower the payloader's mtu",
      flow->track->mid, qp_quic_get_max_datagram (flow->sender->quic));
}

static void
send_on_stream (QpOutFlow *flow, Frame *frame, GBytes *framed)
{
  gint64 stream = qp_out_flow_open (flow);

  if (stream < 0) {
    qp_out_flow_lost (flow, 1, FALSE);
    return;
  }
  if (!frame->streams)
    frame->streams = g_array_new (FALSE, FALSE, sizeof (gint64));
  g_array_append_val (frame->streams, stream);
  qp_quic_write (flow->sender->quic, stream, framed, TRUE);
  flow->counters.oversized++;
  warn_oversized (flow);
}

static void
send_packets (QpOutFlow *flow, Frame *frame, GBytes *framed)
{
  gsize header_size, size, offset = 0;
  const guint8 *header = g_bytes_get_data (flow->header, &header_size);
  const guint8 *data = g_bytes_get_data (framed, &size);

  while (offset < size) {
    guint64 length = 0;
    gsize prefix = qp_varint_get (data + offset, size - offset, &length);
    g_autoptr (GBytes)
        packet = g_bytes_new_from_bytes (framed, offset + prefix, length);

    if (qp_datagram_queue_push (flow->datagrams, header, header_size, packet)) {
      flow->queued_datagrams++;
    } else {
      g_autoptr (GBytes)
          whole = g_bytes_new_from_bytes (framed, offset, prefix + length);

      send_on_stream (flow, frame, whole);
    }
    offset += prefix + length;
  }
  frame->end = flow->queued_datagrams;
}

static void
push (QpOutFlow *flow, QpChunk *chunk)
{
  Frame *frame;

  if (!flow->datagrams)
    flow->datagrams = qp_datagram_queue_new (flow->sender->quic,
        flow->priority);
  if (chunk->starts) {
    pop_sent (flow);
    frame = g_new0 (Frame, 1);
    frame->end = flow->queued_datagrams;
    frame->key = chunk->key;
    frame->deadline = qp_out_flow_deadline (flow, chunk->born_us);
    g_queue_push_tail (&flow->frames, frame);
  } else {
    frame = g_queue_peek_tail (&flow->frames);
    /* Cancelled in its middle: nothing of the rest is sent. */
    if (!frame || frame->ended)
      return;
  }

  if (chunk->framed)
    send_packets (flow, frame, chunk->framed);
  frame->ended = chunk->ends;
}

/* The frame cannot be whole any more; what is queued of it is between older
 * frames and newer ones, which may be, and goes out with them. */
static void
cancel_open (QpOutFlow *flow)
{
  Frame *frame = g_queue_peek_tail (&flow->frames);

  if (frame)
    frame->ended = TRUE;
}

static gint64
expire (QpOutFlow *flow, gint64 now)
{
  Frame *frame;
  guint lost = 0;

  look_for_too_large (flow);
  pop_sent (flow);
  while ((frame = g_queue_peek_head (&flow->frames)) &&
      frame->deadline <= now && has_unsent (flow, frame)) {
    cancel_oldest (flow);
    lost++;
    pop_sent (flow);
  }
  if (lost > 0)
    after_loss (flow, lost);

  /* One that is open and has nothing unsent is looked at when more comes. */
  frame = g_queue_peek_head (&flow->frames);
  return frame && frame->deadline > now ? frame->deadline : G_MAXINT64;
}

static void
streams_available (QpOutFlow *flow)
{
}

static void
on_stream_gone (QpOutFlow *flow, gint64 stream, gint64 code)
{
}

static void
finish (QpOutFlow *flow)
{
  /* What is queued carries its flow ID, and leaves by itself. */
}

static gboolean
is_drained (QpOutFlow *flow)
{
  pop_sent (flow);
  return g_queue_is_empty (&flow->frames) && !qp_out_flow_has_streams (flow);
}

static void
clear (QpOutFlow *flow)
{
  qp_out_flow_reset_all (flow);
  g_clear_pointer (&flow->datagrams, qp_datagram_queue_free);
  g_queue_clear_full (&flow->frames, (GDestroyNotify) free_frame);
  flow->queued_datagrams = flow->too_large = 0;
}

const QpMappingOps qp_mapping_datagram = {
  .push = push,
  .cancel_open = cancel_open,
  .expire = expire,
  .streams_available = streams_available,
  .stream_gone = on_stream_gone,
  .finish = finish,
  .is_drained = is_drained,
  .clear = clear,
};

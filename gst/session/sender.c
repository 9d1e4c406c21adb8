/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See sender.h.  This file keeps the flows, decides which frames are sent at
 * all, and runs the deadlines; how a frame goes out is the mappings' business. */
#include "session/sender-private.h"

#include "roq/framer.h"
#include "roq/roq.h"
#include "session/session-private.h"

#define GST_CAT_DEFAULT qp_session_debug

static void
out_flow_free (QpOutFlow *flow)
{
  flow->ops->clear (flow);
  g_atomic_int_add (&flow->track->listeners, -1);
  g_bytes_unref (flow->header);
  g_free (flow);
}

/* --- Deadlines ---------------------------------------------------------- */

static gboolean
on_timer (gpointer data)
{
  QpSender *sender = data;
  gint64 now = g_get_monotonic_time (), next = G_MAXINT64;
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, sender->flows);
  while (g_hash_table_iter_next (&iter, NULL, &value)) {
    QpOutFlow *flow = value;
    gint64 due = flow->ops->expire (flow, now);

    next = MIN (next, due);
  }
  g_source_set_ready_time (sender->timer, next == G_MAXINT64 ? -1 : next);
  qp_quic_flush (sender->quic);
  return G_SOURCE_CONTINUE;
}

static gboolean
timer_dispatch (GSource *source, GSourceFunc callback, gpointer data)
{
  return callback (data);
}

static GSourceFuncs timer_funcs = { .dispatch = timer_dispatch };

static void
look_again_at (QpSender *sender, gint64 due)
{
  gint64 ready = g_source_get_ready_time (sender->timer);

  if (due != G_MAXINT64 && (ready < 0 || due < ready))
    g_source_set_ready_time (sender->timer, due);
}

gint64
qp_out_flow_deadline (const QpOutFlow *flow, gint64 born_us)
{
  return flow->deadline_us > 0 ? born_us + flow->deadline_us : G_MAXINT64;
}

gint64
qp_out_flow_ack_grace (const QpOutFlow *flow)
{
  QpQuicInfo info;

  qp_quic_get_info (flow->sender->quic, &info);
  return (gint64) MIN (info.pto_us, G_USEC_PER_SEC);
}

/* --- Flows -------------------------------------------------------------- */

QpSender *
qp_sender_new (GMainContext *context, QpQuic *quic,
    void (*keyframe) (QpTrack *track, gboolean newcomer, gpointer user),
    gpointer user)
{
  QpSender *sender = g_new0 (QpSender, 1);

  sender->context = g_main_context_ref (context);
  sender->quic = quic;
  sender->keyframe = keyframe;
  sender->user = user;
  sender->flows = g_hash_table_new_full (NULL, NULL, NULL,
      (GDestroyNotify) out_flow_free);
  sender->streams = g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL,
      g_free);
  sender->timer = g_source_new (&timer_funcs, sizeof (GSource));
  g_source_set_name (sender->timer, "quicp2p frame deadlines");
  g_source_set_callback (sender->timer, on_timer, sender, NULL);
  g_source_attach (sender->timer, context);
  return sender;
}

void
qp_sender_free (QpSender *sender)
{
  g_source_destroy (sender->timer);
  g_source_unref (sender->timer);
  g_hash_table_unref (sender->flows);
  g_hash_table_unref (sender->streams);
  g_main_context_unref (sender->context);
  g_free (sender);
}

static const QpMappingOps *
mapping_ops (QpMapping mapping)
{
  switch (mapping) {
    case QP_MAPPING_STREAM:
      return &qp_mapping_stream;
    case QP_MAPPING_DATAGRAM:
      return &qp_mapping_datagram;
    case QP_MAPPING_STREAM_PER_FRAME:
      break;
  }
  return &qp_mapping_stream_per_frame;
}

static QpOutFlow *
out_flow_new (QpSender *sender, QpTrack *track)
{
  QpOutFlow *flow = g_new0 (QpOutFlow, 1);

  flow->sender = sender;
  flow->track = track;
  flow->ops = mapping_ops (track->mapping);
  flow->deadline_us = track->deadline_us;
  flow->stream = -1;
  g_queue_init (&flow->frames);
  g_atomic_int_add (&track->listeners, 1);
  g_hash_table_insert (sender->flows, track, flow);
  return flow;
}

void
qp_sender_set_flow (QpSender *sender, QpTrack *track, guint64 flow_id)
{
  QpOutFlow *flow = g_hash_table_lookup (sender->flows, track);
  QpFrameKind kind = qp_track_get_kind (track);
  guint8 id[8];

  if (!flow)
    flow = out_flow_new (sender, track);
  else
    /* What is on its way keeps its old flow ID; the one stream of the `stream`
     * mapping ends, and the next frame opens another. */
    flow->ops->finish (flow);

  g_clear_pointer (&flow->header, g_bytes_unref);
  flow->id = flow_id;
  flow->header = g_bytes_new (id, qp_roq_put_flow_id (id, flow_id) - id);
  flow->priority = kind == QP_FRAME_KIND_AUDIO ? QP_PRIORITY_AUDIO
                                               : QP_PRIORITY_VIDEO;
  flow->has_deltas = kind == QP_FRAME_KIND_VIDEO;
  flow->need_key = flow->has_deltas;
  flow->in_frame = flow->skipping = FALSE;
  if (flow->need_key)
    sender->keyframe (track, TRUE, sender->user);
}

void
qp_sender_remove (QpSender *sender, QpTrack *track)
{
  g_hash_table_remove (sender->flows, track);
}

void
qp_out_flow_lost (QpOutFlow *flow, guint frames, gboolean key_follows)
{
  flow->counters.frames_cancelled += frames;
  if (frames > 0 && flow->has_deltas && !key_follows) {
    flow->need_key = TRUE;
    flow->sender->keyframe (flow->track, FALSE, flow->sender->user);
  }
}

/* --- Streams ------------------------------------------------------------ */

gint64
qp_out_flow_open (QpOutFlow *flow)
{
  QpSender *sender = flow->sender;
  gint64 id = qp_quic_open (sender->quic, FALSE, flow->priority);
  QpOutStream *stream;

  if (id < 0)
    return -1;

  stream = g_new0 (QpOutStream, 1);
  stream->id = id;
  stream->flow = flow;
  g_hash_table_insert (sender->streams, &stream->id, stream);
  qp_quic_write (sender->quic, id, flow->header, FALSE);
  return id;
}

void
qp_out_flow_reset (QpOutFlow *flow, gint64 stream)
{
  g_hash_table_remove (flow->sender->streams, &stream);
  qp_quic_reset (flow->sender->quic, stream, QP_ROQ_FRAME_CANCELLED);
}

void
qp_out_flow_reset_all (QpOutFlow *flow)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, flow->sender->streams);
  while (g_hash_table_iter_next (&iter, NULL, &value)) {
    QpOutStream *stream = value;

    if (stream->flow == flow) {
      qp_quic_reset (flow->sender->quic, stream->id, QP_ROQ_FRAME_CANCELLED);
      g_hash_table_iter_remove (&iter);
    }
  }
}

gboolean
qp_out_flow_has_streams (QpOutFlow *flow)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, flow->sender->streams);
  while (g_hash_table_iter_next (&iter, NULL, &value)) {
    if (((QpOutStream *) value)->flow == flow)
      return TRUE;
  }
  return FALSE;
}

static void
stream_gone (QpSender *sender, gint64 id, gint64 code)
{
  QpOutStream *stream = g_hash_table_lookup (sender->streams, &id);
  QpOutFlow *flow;

  if (!stream)
    return;
  flow = stream->flow;
  g_hash_table_remove (sender->streams, &id);
  flow->ops->stream_gone (flow, id, code);
}

void
qp_sender_stream_stopped (QpSender *sender, gint64 stream, guint64 code)
{
  GST_DEBUG ("the peer stopped stream %" G_GINT64_FORMAT
             " with code %" G_GUINT64_FORMAT,
      stream, code);
  stream_gone (sender, stream, (gint64) code);
}

void
qp_sender_stream_closed (QpSender *sender, gint64 stream)
{
  stream_gone (sender, stream, -1);
}

void
qp_sender_streams_available (QpSender *sender)
{
  /* There may be too few for all. */
  for (QpPriority priority = 0; priority < QP_N_PRIORITIES; priority++) {
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init (&iter, sender->flows);
    while (g_hash_table_iter_next (&iter, NULL, &value)) {
      QpOutFlow *flow = value;

      if (flow->priority == priority)
        flow->ops->streams_available (flow);
    }
  }
}

/* --- Packets ------------------------------------------------------------ */

/* A peer that takes nothing must not make us keep everything. */
static gboolean
is_overfull (QpOutFlow *flow)
{
  return qp_sender_get_unsent (flow->sender) > QP_SENDER_MAX_UNSENT;
}

/* Drops what waits. */
static void
drop_all (QpOutFlow *flow)
{
  guint frames = g_queue_get_length (&flow->frames);

  GST_INFO ("%s: the peer takes nothing, what waited for it is dropped",
      flow->track->mid);
  flow->ops->clear (flow);
  qp_out_flow_lost (flow, MAX (frames, 1), FALSE);
}

/* Decides on a frame at its first chunk, and follows that decision to its
 * last. */
static gboolean
frame_is_sent (QpOutFlow *flow, const QpChunk *chunk)
{
  gboolean sent;

  if (chunk->starts) {
    gboolean overfull = is_overfull (flow);

    if (overfull)
      drop_all (flow);
    flow->in_frame = TRUE;
    flow->skipping = overfull || (flow->need_key && !chunk->key);
    if (flow->skipping) {
      flow->counters.frames_skipped++;
      flow->sender->keyframe (flow->track, FALSE, flow->sender->user);
    } else {
      flow->need_key = FALSE;
      flow->counters.frames++;
    }
  }
  sent = flow->in_frame && !flow->skipping;
  if (chunk->ends)
    flow->in_frame = FALSE;
  return sent;
}

void
qp_sender_push (QpSender *sender, QpTrack *track, QpChunk *chunk)
{
  QpOutFlow *flow = g_hash_table_lookup (sender->flows, track);

  if (!flow || !frame_is_sent (flow, chunk))
    return;

  flow->counters.packets += chunk->n_packets;
  if (chunk->framed)
    flow->counters.bytes += g_bytes_get_size (chunk->framed);
  flow->ops->push (flow, chunk);
  look_again_at (sender, qp_out_flow_deadline (flow, chunk->born_us));
}

void
qp_sender_push_loss (QpSender *sender, QpTrack *track)
{
  QpOutFlow *flow = g_hash_table_lookup (sender->flows, track);

  if (!flow)
    return;
  if (flow->in_frame && !flow->skipping)
    flow->ops->cancel_open (flow);
  flow->in_frame = FALSE;
  qp_out_flow_lost (flow, 1, FALSE);
}

void
qp_sender_push_rtcp (QpSender *sender, guint64 flow_id, GBytes *packet)
{
  gsize size = g_bytes_get_size (packet);
  guint8 header[8];
  gsize header_size = qp_roq_put_flow_id (header, flow_id) - header;
  gint64 stream;

  if (header_size + size <= qp_quic_get_max_datagram (sender->quic) &&
      qp_quic_send_datagram (sender->quic, header, header_size, packet))
    return;

  stream = qp_quic_open (sender->quic, FALSE, QP_PRIORITY_CONTROL);
  if (stream >= 0) {
    guint8 *data = g_malloc (header_size + qp_roq_packet_size (size)), *end;
    g_autoptr (GBytes) bytes = NULL;

    end = qp_roq_put_flow_id (data, flow_id);
    end = qp_roq_put_packet (end, g_bytes_get_data (packet, NULL), size);
    bytes = g_bytes_new_take (data, end - data);
    qp_quic_write (sender->quic, stream, bytes, TRUE);
  }
}

/* --- The end ------------------------------------------------------------ */

void
qp_sender_finish (QpSender *sender, QpTrack *track)
{
  QpOutFlow *flow = g_hash_table_lookup (sender->flows, track);

  if (flow)
    flow->ops->finish (flow);
}

gboolean
qp_sender_is_drained (QpSender *sender, QpTrack *track)
{
  QpOutFlow *flow = g_hash_table_lookup (sender->flows, track);

  return !flow || flow->ops->is_drained (flow);
}

guint64
qp_sender_get_unsent (QpSender *sender)
{
  QpQuicInfo info;

  qp_quic_get_info (sender->quic, &info);
  return info.bytes_unsent + sender->waiting;
}

gboolean
qp_sender_get_counters (QpSender *sender, QpTrack *track, guint64 *flow_id,
    QpSenderCounters *counters)
{
  QpOutFlow *flow = g_hash_table_lookup (sender->flows, track);

  if (!flow)
    return FALSE;
  *flow_id = flow->id;
  *counters = flow->counters;
  return TRUE;
}

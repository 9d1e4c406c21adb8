/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See receiver.h. */
#include "session/receiver.h"

#include <string.h>

#include "roq/parser.h"
#include "roq/rtp.h"
#include "session/rtp-guard.h"
#include "session/session-private.h"

#define GST_CAT_DEFAULT qp_session_debug

/* Where packets of one or more flow IDs go. A track that changes gets a new ID
 * each time, and packets under its old ones may still come. */
typedef struct {
  gpointer owner;
  guint64 ids[QP_RECEIVER_FLOW_IDS]; /* that lead here, newest last */
  guint n_ids;
  QpRtpGuard guard;
  GstBufferList *batch; /* RTP since the last flush; NULL: none */
  QpReceiverCounters counters;
} Flow;

typedef struct {
  gint64 id;
  QpReceiver *receiver;
  QpRoqParser *parser;
} Stream;

typedef struct {
  guint64 flow_id;
  guint8 *data;
  gsize size;
} Unknown;

struct _QpReceiver {
  QpQuic *quic;
  QpReceiverCallbacks callbacks;
  gpointer user;

  GHashTable *streams; /* gint64* (in the value) → Stream* (owned) */
  GHashTable *ids;     /* guint64* (owned) → Flow* */
  GPtrArray *flows;    /* of Flow* (owned) */

  GQueue unknown; /* of Unknown*, oldest first */
  gsize unknown_bytes;
  guint64 unknown_packets;
  gboolean broken; /* told once; everything else is ignored */

  QpRateLimit rtcp;
  guint64 rtcp_dropped;
};

static void
flow_free (Flow *flow)
{
  g_clear_pointer (&flow->batch, gst_buffer_list_unref);
  g_free (flow);
}

static void
stream_free (Stream *stream)
{
  qp_roq_parser_free (stream->parser);
  g_free (stream);
}

static void
unknown_free (Unknown *unknown)
{
  g_free (unknown->data);
  g_free (unknown);
}

QpReceiver *
qp_receiver_new (QpQuic *quic, const QpReceiverCallbacks *callbacks,
    gpointer user)
{
  QpReceiver *receiver = g_new0 (QpReceiver, 1);

  receiver->quic = quic;
  receiver->callbacks = *callbacks;
  receiver->user = user;
  receiver->streams = g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL,
      (GDestroyNotify) stream_free);
  receiver->ids = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free,
      NULL);
  receiver->flows = g_ptr_array_new_with_free_func ((GDestroyNotify) flow_free);
  g_queue_init (&receiver->unknown);
  qp_rate_limit_init (&receiver->rtcp, QP_RECEIVER_RTCP_RATE,
      G_USEC_PER_SEC / QP_RECEIVER_RTCP_RATE);
  return receiver;
}

void
qp_receiver_free (QpReceiver *receiver)
{
  g_hash_table_unref (receiver->streams);
  g_hash_table_unref (receiver->ids);
  g_ptr_array_unref (receiver->flows);
  g_queue_clear_full (&receiver->unknown, (GDestroyNotify) unknown_free);
  g_free (receiver);
}

static void
protocol_error (QpReceiver *receiver, guint64 code, const char *why)
{
  if (receiver->broken)
    return;
  receiver->broken = TRUE;
  receiver->callbacks.broken (code, why, receiver->user);
}

/* --- Packets ------------------------------------------------------------ */

/* What an RTP session shall not see of it is left out here, so that one flow
 * costs no more than it should. Takes the data. */
static void
deliver_rtcp (QpReceiver *receiver, Flow *flow, guint8 *data, gsize size)
{
  gint64 now = g_get_monotonic_time ();

  if (!qp_rate_limit_take (&receiver->rtcp, now)) {
    if (receiver->rtcp_dropped++ == 0)
      GST_WARNING ("more RTCP than %d packets a second is dropped",
          QP_RECEIVER_RTCP_RATE);
    g_free (data);
    return;
  }
  size = qp_rtp_guard_clean_rtcp (&flow->guard, data, size, now);
  if (size > 0)
    receiver->callbacks.rtcp (flow->owner, gst_buffer_new_wrapped (data, size),
        receiver->user);
  else
    g_free (data);
}

static void
deliver_rtp (QpReceiver *receiver, Flow *flow, guint8 *data, gsize size)
{
  if (!qp_rtp_guard_admit (&flow->guard, data, size, g_get_monotonic_time ())) {
    if (flow->counters.refused++ == 0)
      GST_WARNING ("RTP is refused: a payload type that nobody announced, or "
                   "more than %d SSRCs",
          QP_RTP_GUARD_SSRCS);
    g_free (data);
    return;
  }
  flow->counters.packets++;
  flow->counters.bytes += size;
  if (!flow->batch)
    flow->batch = gst_buffer_list_new ();
  gst_buffer_list_add (flow->batch, gst_buffer_new_wrapped (data, size));
}

/* Takes the data, which has passed qp_rtp_check(). */
static void
deliver (QpReceiver *receiver, Flow *flow, guint8 *data, gsize size)
{
  if (qp_rtp_is_rtcp (data, size))
    deliver_rtcp (receiver, flow, data, size);
  else
    deliver_rtp (receiver, flow, data, size);
}

static void
forget_oldest_unknown (QpReceiver *receiver)
{
  Unknown *oldest = g_queue_pop_head (&receiver->unknown);

  receiver->unknown_bytes -= oldest->size;
  unknown_free (oldest);
}

static void
keep_unknown (QpReceiver *receiver, guint64 flow_id, guint8 *data, gsize size)
{
  Unknown *unknown = g_new0 (Unknown, 1);

  unknown->flow_id = flow_id;
  unknown->data = data;
  unknown->size = size;
  g_queue_push_tail (&receiver->unknown, unknown);
  receiver->unknown_bytes += size;
  receiver->unknown_packets++;
  while (receiver->unknown.length > QP_RECEIVER_UNKNOWN_PACKETS ||
      receiver->unknown_bytes > QP_RECEIVER_UNKNOWN_BYTES)
    forget_oldest_unknown (receiver);
}

static void
take_packet (QpReceiver *receiver, guint64 flow_id, guint8 *data, gsize size)
{
  g_autoptr (GError) error = NULL;
  Flow *flow;

  /* Not a reason to end a call: RTP inside is the application's, and one bad
   * packet is dropped as a UDP receiver would. */
  if (!qp_rtp_check (data, size, &error)) {
    GST_INFO ("flow %" G_GUINT64_FORMAT ": packet dropped: %s", flow_id,
        error->message);
    g_free (data);
    return;
  }

  flow = g_hash_table_lookup (receiver->ids, &flow_id);
  if (flow)
    deliver (receiver, flow, data, size);
  else
    keep_unknown (receiver, flow_id, data, size);
}

/* --- Streams ------------------------------------------------------------ */

static void
on_packet (guint64 flow_id, guint8 *data, gsize size, gpointer user)
{
  take_packet (((Stream *) user)->receiver, flow_id, data, size);
}

static const QpRoqParserCallbacks parser_callbacks = { .packet = on_packet };

static Stream *
get_stream (QpReceiver *receiver, gint64 id)
{
  Stream *stream = g_hash_table_lookup (receiver->streams, &id);

  if (!stream) {
    stream = g_new0 (Stream, 1);
    stream->id = id;
    stream->receiver = receiver;
    stream->parser = qp_roq_parser_new (&parser_callbacks, stream);
    g_hash_table_insert (receiver->streams, &stream->id, stream);
  }
  return stream;
}

/* A flow that nobody describes must not be sent for ever: once what is kept is
 * full, its streams are refused (RoQ, "Unknown Flow Identifiers"). */
static gboolean
refuse_unknown (QpReceiver *receiver, Stream *stream)
{
  guint64 flow_id;

  if (receiver->unknown.length < QP_RECEIVER_UNKNOWN_PACKETS &&
      receiver->unknown_bytes < QP_RECEIVER_UNKNOWN_BYTES / 2)
    return FALSE;
  if (!qp_roq_parser_get_flow_id (stream->parser, &flow_id) ||
      g_hash_table_contains (receiver->ids, &flow_id))
    return FALSE;

  qp_quic_stop (receiver->quic, stream->id, QP_ROQ_UNKNOWN_FLOW_ID);
  g_hash_table_remove (receiver->streams, &stream->id);
  return TRUE;
}

void
qp_receiver_stream_data (QpReceiver *receiver, gint64 id, const guint8 *data,
    gsize size, gboolean fin)
{
  g_autoptr (GError) error = NULL;
  Stream *stream;

  if (receiver->broken)
    return;

  stream = get_stream (receiver, id);
  if (!qp_roq_parser_push (stream->parser, data, size, &error) ||
      (fin && !qp_roq_parser_finish (stream->parser, &error))) {
    g_hash_table_remove (receiver->streams, &id);
    protocol_error (receiver, (guint64) error->code, error->message);
    return;
  }
  if (fin)
    g_hash_table_remove (receiver->streams, &id);
  else
    refuse_unknown (receiver, stream);
}

void
qp_receiver_stream_reset (QpReceiver *receiver, gint64 id)
{
  Stream *stream = g_hash_table_lookup (receiver->streams, &id);
  guint64 flow_id;
  Flow *flow;

  if (!stream)
    return;
  if (qp_roq_parser_get_flow_id (stream->parser, &flow_id) &&
      (flow = g_hash_table_lookup (receiver->ids, &flow_id)))
    flow->counters.streams_cancelled++;
  g_hash_table_remove (receiver->streams, &id);
}

void
qp_receiver_stream_closed (QpReceiver *receiver, gint64 id)
{
  g_hash_table_remove (receiver->streams, &id);
}

void
qp_receiver_datagram (QpReceiver *receiver, const guint8 *data, gsize size)
{
  g_autoptr (GError) error = NULL;
  const guint8 *packet;
  gsize packet_size;
  guint64 flow_id;

  if (receiver->broken)
    return;
  if (!qp_roq_parse_datagram (data, size, &flow_id, &packet, &packet_size,
          &error)) {
    protocol_error (receiver, (guint64) error->code, error->message);
    return;
  }
  take_packet (receiver, flow_id, g_memdup2 (packet, packet_size), packet_size);
}

/* --- Flows -------------------------------------------------------------- */

static Flow *
find_flow (QpReceiver *receiver, gpointer owner)
{
  for (guint i = 0; i < receiver->flows->len; i++) {
    Flow *flow = g_ptr_array_index (receiver->flows, i);

    if (flow->owner == owner)
      return flow;
  }
  return NULL;
}

static void
deliver_unknown (QpReceiver *receiver, guint64 flow_id, Flow *flow)
{
  GList *link = receiver->unknown.head;

  while (link) {
    GList *next = link->next;
    Unknown *unknown = link->data;

    if (unknown->flow_id == flow_id) {
      receiver->unknown_bytes -= unknown->size;
      deliver (receiver, flow, g_steal_pointer (&unknown->data), unknown->size);
      unknown_free (unknown);
      g_queue_delete_link (&receiver->unknown, link);
    }
    link = next;
  }
}

/* The ID leads somewhere else, or nowhere. */
static void
drop_id (QpReceiver *receiver, guint64 flow_id)
{
  Flow *flow = g_hash_table_lookup (receiver->ids, &flow_id);
  guint i = 0;

  if (!flow)
    return;
  while (flow->ids[i] != flow_id)
    i++;
  flow->n_ids--;
  memmove (flow->ids + i, flow->ids + i + 1,
      (flow->n_ids - i) * sizeof *flow->ids);
  g_hash_table_remove (receiver->ids, &flow_id);
}

void
qp_receiver_add_flow (QpReceiver *receiver, guint64 flow_id, gpointer owner,
    gint payload_type)
{
  Flow *flow = find_flow (receiver, owner);

  if (!flow) {
    flow = g_new0 (Flow, 1);
    flow->owner = owner;
    qp_rtp_guard_init (&flow->guard, payload_type);
    g_ptr_array_add (receiver->flows, flow);
  }
  drop_id (receiver, flow_id);
  if (flow->n_ids == QP_RECEIVER_FLOW_IDS)
    drop_id (receiver, flow->ids[0]);
  flow->ids[flow->n_ids++] = flow_id;
  g_hash_table_insert (receiver->ids, g_memdup2 (&flow_id, sizeof flow_id),
      flow);
  deliver_unknown (receiver, flow_id, flow);
}

void
qp_receiver_set_own_ssrc (QpReceiver *receiver, gpointer owner, guint32 ssrc)
{
  Flow *flow = find_flow (receiver, owner);

  if (flow)
    qp_rtp_guard_set_own_ssrc (&flow->guard, ssrc);
}

void
qp_receiver_remove_flow (QpReceiver *receiver, gpointer owner)
{
  Flow *flow = find_flow (receiver, owner);

  if (!flow)
    return;
  while (flow->n_ids > 0)
    drop_id (receiver, flow->ids[0]);
  g_ptr_array_remove (receiver->flows, flow);
}

void
qp_receiver_flush (QpReceiver *receiver)
{
  for (guint i = 0; i < receiver->flows->len; i++) {
    Flow *flow = g_ptr_array_index (receiver->flows, i);

    if (flow->batch)
      receiver->callbacks.rtp (flow->owner, g_steal_pointer (&flow->batch),
          receiver->user);
  }
}

gboolean
qp_receiver_get_counters (QpReceiver *receiver, gpointer owner,
    QpReceiverCounters *counters)
{
  Flow *flow = find_flow (receiver, owner);

  if (flow)
    *counters = flow->counters;
  return flow != NULL;
}

guint64
qp_receiver_get_unknown_packets (QpReceiver *receiver)
{
  return receiver->unknown_packets;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All that one peer sends us: streams and datagrams become packets, packets of
 * a known flow become batches, those of an unknown one wait within a bound for
 * the description that explains them.  What an RTP session had better not see
 * (rtp-guard.h) ends here.
 *
 * Every byte is hostile; a broken stream is a protocol error of the peer's and
 * costs its connection only.  Transport thread only; the connection is borrowed
 * and must outlive it. */
#pragma once

#include <gst/gst.h>

#include "quic/connection.h"

G_BEGIN_DECLS

/* What waits for the description of its flow, over all unknown flows. */
#define QP_RECEIVER_UNKNOWN_PACKETS 512
#define QP_RECEIVER_UNKNOWN_BYTES (1024 * 1024)

/* RTCP that one peer may send us: packets a second, and at once. Feedback of a
 * dozen tracks stays below it; without a limit, reports about ever new SSRCs
 * would grow the tables of RTP sessions, and cost more than media does. */
#define QP_RECEIVER_RTCP_RATE 500

/* IDs that lead to one flow at a time: a peer that renumbers its flows for ever
 * loses what comes late under the oldest. */
#define QP_RECEIVER_FLOW_IDS 4

typedef struct _QpReceiver QpReceiver;

typedef struct {
  /* A batch in order of arrival (transfer full). */
  void (*rtp) (gpointer flow, GstBufferList *list, gpointer user);
  void (*rtcp) (gpointer flow, GstBuffer *buffer, gpointer user);
  /* The peer broke the protocol: close the connection with this code. */
  void (*broken) (guint64 code, const char *why, gpointer user);
} QpReceiverCallbacks;

typedef struct {
  guint64 packets, bytes;    /* RTP delivered */
  guint64 refused;           /* RTP packets, for their payload type or SSRC */
  guint64 streams_cancelled; /* reset by the peer */
} QpReceiverCounters;

QpReceiver *qp_receiver_new (QpQuic *quic, const QpReceiverCallbacks *callbacks,
    gpointer user);
void qp_receiver_free (QpReceiver *receiver);

/* Packets of `flow_id` go to `flow`; what waited for it is delivered with the
 * next flush. Several IDs may lead to one flow. RTP of another `payload_type`
 * than the one that the flow began with is refused; -1: none is. */
void qp_receiver_add_flow (QpReceiver *receiver, guint64 flow_id, gpointer flow,
    gint payload_type);
/* We send in the flow under this SSRC: RTCP that claims to be ours is refused. */
void qp_receiver_set_own_ssrc (QpReceiver *receiver, gpointer flow,
    guint32 ssrc);
/* Forgets every ID of `flow`; packets still to come are unknown. */
void qp_receiver_remove_flow (QpReceiver *receiver, gpointer flow);

/* From QpQuicCallbacks, for the peer's unidirectional streams. */
void qp_receiver_stream_data (QpReceiver *receiver, gint64 stream,
    const guint8 *data, gsize size, gboolean fin);
void qp_receiver_stream_reset (QpReceiver *receiver, gint64 stream);
void qp_receiver_stream_closed (QpReceiver *receiver, gint64 stream);
void qp_receiver_datagram (QpReceiver *receiver, const guint8 *data,
    gsize size);

/* Delivers what was gathered. */
void qp_receiver_flush (QpReceiver *receiver);

gboolean qp_receiver_get_counters (QpReceiver *receiver, gpointer flow,
    QpReceiverCounters *counters);
guint64 qp_receiver_get_unknown_packets (QpReceiver *receiver);

G_END_DECLS

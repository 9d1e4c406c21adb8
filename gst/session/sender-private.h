/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What sender.c and the three mappings share.  A mapping is a table of
 * functions over one QpOutFlow: a track as one peer is sent it. */
#pragma once

#include "session/sender.h"

G_BEGIN_DECLS

typedef struct _QpOutFlow QpOutFlow;

typedef struct {
  /* Sends or queues a chunk that is to be sent. */
  void (*push) (QpOutFlow *flow, QpChunk *chunk);
  /* Cancels the frame that is open: its rest will not come. */
  void (*cancel_open) (QpOutFlow *flow);
  /* Cancels what is past its deadline at `now`; returns when to look again
   * (monotonic µs), or G_MAXINT64. */
  gint64 (*expire) (QpOutFlow *flow, gint64 now);
  void (*streams_available) (QpOutFlow *flow);
  /* One of the flow's streams ended; `code` is -1 when all was acknowledged,
   * else that of the peer's STOP_SENDING. */
  void (*stream_gone) (QpOutFlow *flow, gint64 stream, gint64 code);
  void (*finish) (QpOutFlow *flow);
  gboolean (*is_drained) (QpOutFlow *flow);
  /* Cancels everything. */
  void (*clear) (QpOutFlow *flow);
} QpMappingOps;

extern const QpMappingOps qp_mapping_stream_per_frame;
extern const QpMappingOps qp_mapping_stream;
extern const QpMappingOps qp_mapping_datagram;

struct _QpSender {
  GMainContext *context;
  QpQuic *quic;
  void (*keyframe) (QpTrack *track, gboolean newcomer, gpointer user);
  gpointer user;

  GHashTable *flows;   /* QpTrack* → QpOutFlow* (owned) */
  GHashTable *streams; /* gint64* (in the value) → QpOutStream* (owned) */
  GSource *timer;      /* the earliest deadline */
  gsize waiting;       /* bytes of frames that the peer allows no stream yet */
};

/* A stream that belongs to a flow, until QUIC says it is over. */
typedef struct {
  gint64 id;
  QpOutFlow *flow;
} QpOutStream;

struct _QpOutFlow {
  QpSender *sender;
  QpTrack *track;
  const QpMappingOps *ops;
  QpPriority priority;
  guint64 id;
  GBytes *header; /* the flow ID in its stream form, shared by all streams */
  gint64 deadline_us;  /* of a frame, from its birth; 0: none */
  gboolean has_deltas; /* frames need earlier ones: a loss wants a keyframe */
  gboolean need_key;   /* skip until a frame that needs no other */
  gboolean in_frame;   /* between a chunk that starts and one that ends */
  gboolean skipping;   /* …and that frame is not sent */
  QpSenderCounters counters;
  gboolean oversized_told; /* `datagram` mapping: the user knows */

  GQueue frames; /* the mapping's own, oldest first */
  gint64 stream; /* `stream` mapping: the one stream, -1: none */
  guint64
      queued_bytes; /* `stream` mapping: written to it since it was opened */

  QpDatagramQueue *datagrams; /* `datagram` mapping; NULL before the first */
  guint64 queued_datagrams;   /* into it */
  guint64 too_large;          /* of them, as far as noticed */
};

/* A new stream of the flow with its header written; -1: none to be had now. */
gint64 qp_out_flow_open (QpOutFlow *flow);
/* Resets a stream with FRAME_CANCELLED and forgets it. */
void qp_out_flow_reset (QpOutFlow *flow, gint64 stream);
void qp_out_flow_reset_all (QpOutFlow *flow);
/* TRUE while the peer has not acknowledged all of the flow's streams. */
gboolean qp_out_flow_has_streams (QpOutFlow *flow);
/* Counts frames that were cancelled. Where others need them, asks for a keyframe
 * and skips until one comes, unless one is on its way already. */
void qp_out_flow_lost (QpOutFlow *flow, guint frames, gboolean key_follows);
/* When a frame born at `born_us` is late; G_MAXINT64 without a deadline. */
gint64 qp_out_flow_deadline (const QpOutFlow *flow, gint64 born_us);
/* How long a wholly sent frame may wait for its acknowledgement beyond its
 * deadline, in µs: an acknowledgement of what arrived in time is on its way. */
gint64 qp_out_flow_ack_grace (const QpOutFlow *flow);

G_END_DECLS

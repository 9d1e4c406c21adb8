/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All that one peer is being sent: the chunks of every local track, put on
 * streams or into datagrams as the track's mapping says, each frame with its
 * deadline.  A frame that can no longer be in time is reset with
 * FRAME_CANCELLED, those that needed it are skipped, and a keyframe is wanted.
 * Late media never waits here: what is queued is at most a deadline old.
 *
 * Transport thread only.  The connection is borrowed and must outlive it. */
#pragma once

#include "quic/connection.h"
#include "session/track.h"

G_BEGIN_DECLS

/* What may wait for one peer, in bytes, whatever the deadlines say: more is
 * dropped up to the next keyframe. A quarter of a second at 1 Gb/s. */
#define QP_SENDER_MAX_UNSENT (32 * 1024 * 1024)

typedef struct _QpSender QpSender;

typedef struct {
  guint64 packets, bytes;   /* RTP handed to QUIC */
  guint64 frames;           /* begun */
  guint64 frames_cancelled; /* reset, or dropped while they waited */
  guint64 frames_skipped;   /* not begun: they needed a frame that is lost */
  guint64 oversized; /* packets too large for a datagram, sent on a stream */
} QpSenderCounters;

/* `keyframe` is called when a frame that others need was lost or a keyframe is
 * awaited; many calls in a row are fine. */
QpSender *qp_sender_new (GMainContext *context, QpQuic *quic,
    void (*keyframe) (QpTrack *track, gboolean newcomer, gpointer user),
    gpointer user);
void qp_sender_free (QpSender *sender);

/* Starts sending `track` as `flow_id`, at its next frame (video: keyframe). A
 * known track goes on under the new flow ID from its next frame. */
void qp_sender_set_flow (QpSender *sender, QpTrack *track, guint64 flow_id);
/* Frames on their way are cancelled. */
void qp_sender_remove (QpSender *sender, QpTrack *track);

void qp_sender_push (QpSender *sender, QpTrack *track, QpChunk *chunk);
/* A frame of the track was lost before it came here. */
void qp_sender_push_loss (QpSender *sender, QpTrack *track);
/* RTCP of any flow: in a datagram where it fits, else on a stream of its own. */
void qp_sender_push_rtcp (QpSender *sender, guint64 flow_id, GBytes *packet);

/* The track says it has ended: no frame begins any more. */
void qp_sender_finish (QpSender *sender, QpTrack *track);
/* TRUE if the peer has acknowledged everything of the track. */
gboolean qp_sender_is_drained (QpSender *sender, QpTrack *track);

/* From QpQuicCallbacks. */
void qp_sender_stream_stopped (QpSender *sender, gint64 stream, guint64 code);
void qp_sender_stream_closed (QpSender *sender, gint64 stream);
void qp_sender_streams_available (QpSender *sender);

/* Bytes that wait to be sent for the first time: in the connection, and here
 * for the peer to allow more streams. */
guint64 qp_sender_get_unsent (QpSender *sender);
/* FALSE if the track is unknown here. */
gboolean qp_sender_get_counters (QpSender *sender, QpTrack *track,
    guint64 *flow_id, QpSenderCounters *counters);

G_END_DECLS

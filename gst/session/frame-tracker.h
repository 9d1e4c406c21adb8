/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finds the frames in a track's outgoing RTP packets, so that each can have a
 * stream, a deadline and a reset of its own.
 *
 * Video: a frame ends with the packet that has the marker bit, or, where a
 * payloader does not set it, before the packet whose RTP timestamp differs.
 * Audio: every packet is a frame; its marker starts a talk spurt (RFC 3551,
 * section 4.1) and ends nothing.  Other media are treated like video.
 *
 * Pure; one tracker per track, owned by whoever queues that track's packets. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef enum {
  QP_FRAME_KIND_VIDEO,
  QP_FRAME_KIND_AUDIO,
  QP_FRAME_KIND_OTHER,
} QpFrameKind;

/* What a packet does to the frames of its track.  In this order, if several:
 * end the frame before, start one, add the packet, end the frame. */
typedef enum {
  QP_FRAME_CONTINUES = 0,
  QP_FRAME_ENDS_PREVIOUS = 1 << 0,
  QP_FRAME_STARTS = 1 << 1,
  QP_FRAME_ENDS = 1 << 2,
} QpFrameEvents;

/* To be embedded; its fields are the tracker's own. */
typedef struct {
  QpFrameKind kind;
  gboolean open; /* a frame was started and not yet ended */
  gboolean key;  /* a packet of the current or last frame was no delta unit */
  guint32 timestamp; /* of the open frame */
} QpFrameTracker;

void qp_frame_tracker_init (QpFrameTracker *tracker, QpFrameKind kind);

/* The track's next packet: its RTP timestamp and marker bit, and whether its
 * buffer is a delta unit (GST_BUFFER_FLAG_DELTA_UNIT). */
QpFrameEvents qp_frame_tracker_push (QpFrameTracker *tracker, guint32 timestamp,
    gboolean marker, gboolean delta_unit);

/* The track pauses or ends (EOS, new caps): ends the open frame without a
 * packet.  TRUE if one was open. */
gboolean qp_frame_tracker_end (QpFrameTracker *tracker);

/* TRUE if the current frame (between two frames: the last) can be decoded by
 * itself as far as its packets told. */
gboolean qp_frame_tracker_is_key (const QpFrameTracker *tracker);

G_END_DECLS

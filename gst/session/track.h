/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A local track: the place where a streaming thread's RTP packets become chunks
 * of frames, framed once for all peers, and wait for the transport thread in a
 * bounded queue.
 *
 * The functions of session.h are the streaming thread's side; those below are
 * the transport thread's.  Frames are found by the streaming thread alone
 * (QpFrameTracker); the queue is what both touch. */
#pragma once

#include "session/frame-tracker.h"
#include "session/keyframe-limiter.h"
#include "session/session.h"

G_BEGIN_DECLS

/* More than this waits in no queue, in bytes: 60 ms at 1 Gb/s. A transport
 * thread that is later than that has lost the race anyway. */
#define QP_TRACK_QUEUE_MAX (8 * 1024 * 1024)

/* Consecutive packets of one frame in RoQ's stream form, without the flow ID,
 * so that every peer and every mapping sends the same bytes. */
typedef struct {
  gatomicrefcount refs;
  GBytes *framed; /* { Length, packet }*; NULL: only the end of the frame */
  guint n_packets;
  guint32 ssrc;          /* of its packets */
  gboolean starts, ends; /* its frame */
  gboolean key;          /* its frame can be decoded by itself */
  gint64 born_us;        /* monotonic; when the track took it */
} QpChunk;

QpChunk *qp_chunk_ref (QpChunk *chunk);
void qp_chunk_unref (QpChunk *chunk);

typedef enum {
  QP_TRACK_ITEM_CHUNK,
  QP_TRACK_ITEM_CAPS, /* what follows is of other caps */
  QP_TRACK_ITEM_RTCP,
  QP_TRACK_ITEM_LOSS, /* at least one frame was dropped here */
  QP_TRACK_ITEM_END,
} QpTrackItemType;

typedef struct {
  QpTrackItemType type;
  QpChunk *chunk;     /* CHUNK */
  GstCaps *caps;      /* CAPS */
  GBytes *rtcp;       /* RTCP, not framed */
  gint64 deadline_us; /* END: monotonic, drain no longer than until then */
} QpTrackItem;

void qp_track_item_free (QpTrackItem *item);

struct _QpTrack {
  char *mid;
  QpMapping mapping;
  gint64 deadline_us; /* of a frame, from its birth; 0: none */
  gpointer user;
  /* Called by the streaming thread, without the lock, when the queue is no
   * longer empty. */
  void (*wake) (gpointer wake_data);
  gpointer wake_data;

  /* Streaming thread only (session.h: one thread pushes). */
  QpFrameTracker tracker;
  GPtrArray *pending; /* of GstBuffer*, borrowed: packets of the next chunk */
  gsize pending_size; /* framed, bytes */
  gboolean pending_starts, pending_key;
  guint32 pending_ssrc;
  GstCaps *pushed_caps; /* the newest given to qp_track_set_caps() */
  gboolean restart; /* END was pushed: media that follows is announced anew */

  GMutex lock;      /* guards the fields below */
  GCond drained;    /* signalled when `ended` or `flushing` becomes TRUE */
  GQueue queue;     /* of QpTrackItem* */
  gsize queue_size; /* bytes in the chunks of the queue */
  guint64 dropped_frames;
  gboolean ended; /* the last END was carried out */
  gboolean flushing;

  gint
      listeners; /* atomic: peers that are being sent to; 0: packets are not even copied */

  gint keyframe_asked; /* atomic: by qp_track_request_keyframe() */

  /* Transport thread only. */
  gboolean has_deltas;  /* its payloader tells which frames are keyframes */
  GstCaps *caps;        /* announced, NULL before any */
  guint32 ssrc;         /* of the newest packet, or as the caps say */
  guint64 media_number; /* grows with each change of caps; names the flow */
  gboolean announced;   /* part of the media description now */
  QpKeyframeLimiter keyframes;
  gint64 end_by_us; /* draining until then; 0: not ending */
};

QpTrack *qp_track_new (const QpTrackConfig *config, gpointer user,
    void (*wake) (gpointer), gpointer wake_data);
void qp_track_free (QpTrack *track);

/* Takes all that waits, in order: a GQueue of QpTrackItem* to be cleared with
 * qp_track_item_free(). */
void qp_track_take (QpTrack *track, GQueue *items);
/* END was carried out: wakes the streaming thread. */
void qp_track_set_ended (QpTrack *track);
guint64 qp_track_get_dropped_frames (QpTrack *track);

/* What its caps say it is. */
QpFrameKind qp_track_get_kind (QpTrack *track);

G_END_DECLS

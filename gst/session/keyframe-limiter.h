/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Makes one keyframe request out of many.  Every viewer that joins or loses a
 * reference asks the one encoder; each keyframe costs several times a normal
 * frame, so that answering all of them would cause the loss they complain of.
 * The first request passes at once, those within the interval after it are
 * kept as one and pass when the interval is over.  A newcomer, who sees nothing
 * at all yet, waits for a shorter interval.
 *
 * Pure: time is an argument, in microseconds of a monotonic clock. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Between two requests after losses. */
#define QP_KEYFRAME_INTERVAL_US ((gint64) G_USEC_PER_SEC)
/* From any request to one for a newcomer: a picture within 300 ms of the
 * connection, encoder and network included, and a crowd that comes at once
 * costs five keyframes a second at most. */
#define QP_KEYFRAME_NEWCOMER_US ((gint64) G_USEC_PER_SEC / 5)

/* To be embedded; its fields are the limiter's own. */
typedef struct {
  gint64 last_us;   /* when a request last passed; valid if asked */
  gint64 due_us;    /* when what was kept may pass; valid if pending */
  gboolean asked;   /* a request has passed */
  gboolean pending; /* a request came since and has not passed */
} QpKeyframeLimiter;

void qp_keyframe_limiter_init (QpKeyframeLimiter *limiter);

/* Somebody needs a keyframe.  TRUE: ask the encoder now.  FALSE: the request
 * is kept until qp_keyframe_limiter_due(). */
gboolean qp_keyframe_limiter_ask (QpKeyframeLimiter *limiter, gint64 now_us,
    gboolean newcomer);

/* A keyframe has begun that all who have asked so far are sent: what was kept is
 * forgotten. */
void qp_keyframe_limiter_serve (QpKeyframeLimiter *limiter);

/* When a request that was kept may pass, or -1 if there is none.  Then call
 * qp_keyframe_limiter_poll(). */
gint64 qp_keyframe_limiter_due (const QpKeyframeLimiter *limiter);

/* TRUE if a request that was kept is due by @now_us: ask the encoder now. */
gboolean qp_keyframe_limiter_poll (QpKeyframeLimiter *limiter, gint64 now_us);

G_END_DECLS

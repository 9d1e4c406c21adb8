/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Makes one keyframe request out of many.  Every viewer that joins or loses a
 * reference asks the one encoder; each keyframe costs several times a normal
 * frame, so that answering all of them would cause the loss they complain of.
 * The first request passes at once, those within the interval after it are
 * kept as one and pass when the interval is over.
 *
 * Pure: time is an argument, in microseconds of a monotonic clock. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define QP_KEYFRAME_INTERVAL_US ((gint64) G_USEC_PER_SEC)

/* To be embedded; its fields are the limiter's own. */
typedef struct {
  gint64 interval_us;
  gint64 last_us;   /* when a request last passed; valid if asked */
  gboolean asked;   /* a request has passed */
  gboolean pending; /* a request came since and has not passed */
} QpKeyframeLimiter;

/* @interval_us: at least this long between two requests, > 0; usually
 * QP_KEYFRAME_INTERVAL_US. */
void qp_keyframe_limiter_init (QpKeyframeLimiter *limiter, gint64 interval_us);

/* Somebody needs a keyframe.  TRUE: ask the encoder now.  FALSE: the request
 * is kept until qp_keyframe_limiter_due(). */
gboolean qp_keyframe_limiter_ask (QpKeyframeLimiter *limiter, gint64 now_us);

/* When a request that was kept may pass, or -1 if there is none.  Then call
 * qp_keyframe_limiter_poll(). */
gint64 qp_keyframe_limiter_due (const QpKeyframeLimiter *limiter);

/* TRUE if a request that was kept is due by @now_us: ask the encoder now. */
gboolean qp_keyframe_limiter_poll (QpKeyframeLimiter *limiter, gint64 now_us);

/* A whole keyframe was sent to everybody: what was kept is answered. */
void qp_keyframe_limiter_answered (QpKeyframeLimiter *limiter);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One keyframe request out of many; see keyframe-limiter.h. */
#include "session/keyframe-limiter.h"

void
qp_keyframe_limiter_init (QpKeyframeLimiter *limiter)
{
  *limiter = (QpKeyframeLimiter){ 0 };
}

static void
pass (QpKeyframeLimiter *limiter, gint64 now_us)
{
  limiter->asked = TRUE;
  limiter->pending = FALSE;
  limiter->last_us = now_us;
}

gboolean
qp_keyframe_limiter_ask (QpKeyframeLimiter *limiter, gint64 now_us,
    gboolean newcomer)
{
  gint64 due = limiter->last_us +
      (newcomer ? QP_KEYFRAME_NEWCOMER_US : QP_KEYFRAME_INTERVAL_US);

  if (!limiter->asked || now_us >= due) {
    pass (limiter, now_us);
    return TRUE;
  }
  limiter->due_us = limiter->pending ? MIN (limiter->due_us, due) : due;
  limiter->pending = TRUE;
  return FALSE;
}

void
qp_keyframe_limiter_serve (QpKeyframeLimiter *limiter)
{
  limiter->pending = FALSE;
}

gint64
qp_keyframe_limiter_due (const QpKeyframeLimiter *limiter)
{
  return limiter->pending ? limiter->due_us : -1;
}

gboolean
qp_keyframe_limiter_poll (QpKeyframeLimiter *limiter, gint64 now_us)
{
  if (!limiter->pending || now_us < limiter->due_us)
    return FALSE;
  pass (limiter, now_us);
  return TRUE;
}

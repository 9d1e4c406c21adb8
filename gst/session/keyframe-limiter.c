/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One keyframe request out of many; see keyframe-limiter.h. */
#include "session/keyframe-limiter.h"

void
qp_keyframe_limiter_init (QpKeyframeLimiter *limiter, gint64 interval_us)
{
  g_assert (interval_us > 0);

  *limiter = (QpKeyframeLimiter){ .interval_us = interval_us };
}

gboolean
qp_keyframe_limiter_ask (QpKeyframeLimiter *limiter, gint64 now_us)
{
  if (limiter->asked && now_us - limiter->last_us < limiter->interval_us) {
    limiter->pending = TRUE;
    return FALSE;
  }

  limiter->asked = TRUE;
  limiter->pending = FALSE;
  limiter->last_us = now_us;
  return TRUE;
}

gint64
qp_keyframe_limiter_due (const QpKeyframeLimiter *limiter)
{
  return limiter->pending ? limiter->last_us + limiter->interval_us : -1;
}

gboolean
qp_keyframe_limiter_poll (QpKeyframeLimiter *limiter, gint64 now_us)
{
  return limiter->pending && qp_keyframe_limiter_ask (limiter, now_us);
}

void
qp_keyframe_limiter_answered (QpKeyframeLimiter *limiter)
{
  limiter->pending = FALSE;
}

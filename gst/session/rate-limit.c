/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One rate limit; see rate-limit.h.  The generic cell rate algorithm: a single
 * time says all that there is to remember. */
#include "session/rate-limit.h"

void
qp_rate_limit_init (QpRateLimit *limit, guint burst, gint64 interval_us)
{
  *limit = (QpRateLimit){ .burst = burst, .interval_us = interval_us };
}

gint64
qp_rate_limit_due (const QpRateLimit *limit)
{
  return limit->earned_us - (limit->burst - 1) * limit->interval_us;
}

gboolean
qp_rate_limit_take (QpRateLimit *limit, gint64 now_us)
{
  if (now_us < qp_rate_limit_due (limit))
    return FALSE;
  limit->earned_us = MAX (limit->earned_us, now_us) + limit->interval_us;
  return TRUE;
}

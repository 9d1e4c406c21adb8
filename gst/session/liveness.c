/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See liveness.h. */
#include "session/liveness.h"

void
qp_liveness_init (QpLiveness *liveness)
{
  *liveness = (QpLiveness){ .waiting_since_us = -1, .last_ack_us = -1 };
}

void
qp_liveness_update (QpLiveness *liveness, gint64 now_us,
    guint64 bytes_in_flight, gint64 last_ack_us)
{
  if (bytes_in_flight == 0) {
    liveness->waiting_since_us = -1;
  } else if (liveness->waiting_since_us < 0) {
    liveness->waiting_since_us = now_us;
  } else if (last_ack_us > liveness->last_ack_us) {
    /* What is still in flight was sent before that, or after: either way it
     * has waited no longer than since this answer came. */
    liveness->waiting_since_us = MAX (liveness->waiting_since_us,
        MIN (last_ack_us, now_us));
  }
  liveness->last_ack_us = MAX (liveness->last_ack_us, last_ack_us);
}

gboolean
qp_liveness_in_doubt (const QpLiveness *liveness, gint64 now_us, gint64 pto_us)
{
  return liveness->waiting_since_us >= 0 &&
      now_us - liveness->waiting_since_us >
      MAX (2 * pto_us, QP_LIVENESS_MIN_US);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See liveness.h. */
#include "session/liveness.h"

/* An answer is late by so much at least before it is overdue: timers, and the
 * peer's own. */
#define OVERDUE_MIN_US (15 * 1000)

/* The rhythm of media: what it is taken for at first, what is none any more,
 * and how soon a long pause is forgotten. */
#define PAUSE_FIRST_US (50 * 1000)
#define PAUSE_MAX_US (250 * 1000)
#define PAUSE_MEMORY_US (2 * G_USEC_PER_SEC)
#define SILENCE_MIN_US (10 * 1000)

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
qp_liveness_in_doubt (const QpLiveness *liveness, gint64 now_us, gint64 pto_us,
    gboolean deaf)
{
  gint64 patience = MAX (2 * pto_us, QP_LIVENESS_MIN_US);

  if (!deaf)
    patience += patience / 2;
  return liveness->waiting_since_us >= 0 &&
      now_us - liveness->waiting_since_us > patience;
}

void
qp_liveness_forgive (QpLiveness *liveness, gint64 us)
{
  if (liveness->waiting_since_us >= 0)
    liveness->waiting_since_us += us;
}

gboolean
qp_liveness_is_overdue (const QpLiveness *liveness, gint64 now_us,
    gint64 srtt_us, gint64 rttvar_us)
{
  return liveness->waiting_since_us >= 0 &&
      now_us - liveness->waiting_since_us >
      srtt_us + MAX (4 * rttvar_us, OVERDUE_MIN_US);
}

void
qp_hearing_init (QpHearing *hearing, gint64 now_us)
{
  *hearing = (QpHearing){ .last_us = now_us, .pause_us = PAUSE_FIRST_US };
}

static gint64
get_silence (const QpHearing *hearing)
{
  return hearing->pause_us + hearing->pause_us / 2 + SILENCE_MIN_US;
}

void
qp_hearing_heard (QpHearing *hearing, gint64 now_us)
{
  /* One long pause is an accident, several are the rhythm. */
  gint64 pause = MIN (now_us - hearing->last_us, get_silence (hearing));

  hearing->pause_us -= hearing->pause_us * MAX (pause, 0) / PAUSE_MEMORY_US;
  hearing->pause_us = CLAMP (pause, hearing->pause_us, PAUSE_MAX_US);
  hearing->last_us = now_us;
}

void
qp_hearing_forgive (QpHearing *hearing, gint64 us)
{
  hearing->last_us += us;
}

gboolean
qp_hearing_is_silent (const QpHearing *hearing, gint64 now_us)
{
  return hearing->pause_us < PAUSE_MAX_US &&
      now_us - hearing->last_us > get_silence (hearing);
}

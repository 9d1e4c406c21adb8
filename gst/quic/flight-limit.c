/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See flight-limit.h.
 *
 * While a queue stands, what comes through is the bottleneck's rate, and rate
 * times round trip is what fills the path.  The bound is set to that, and half of
 * the tolerated queue, so that the link stays busy.  From there it grows until a
 * queue is seen again. */
#include "quic/flight-limit.h"

#define MS ((guint64) 1000000)
#define SECOND (1000 * MS)

/* A queue that does not matter; on a long path, where others make the delay
 * vary more, half of the round trip. */
#define MIN_TOLERATED (50 * MS)

/* Answers that are late for less long may be a radio's pause. */
#define MIN_LATE (30 * MS)

/* Two packets under way, and two that are acknowledged. */
#define MIN_LIMIT (4 * 1200)

/* A queue that is there for so long while ours is bounded is not ours: others
 * fill it, or the path has become longer. */
#define MAX_STUCK SECOND

void
qp_flight_limit_reset (QpFlightLimit *flight)
{
  *flight = (QpFlightLimit){ .limit = G_MAXUINT64, .base = G_MAXUINT64 };
}

static guint64
tolerated (const QpFlightLimit *flight)
{
  return MAX (MIN_TOLERATED, flight->base / 2);
}

static void
set_limit (QpFlightLimit *flight, guint64 limit, guint64 now)
{
  flight->limit = limit;
  flight->set_at = now;
  flight->full_at = 0;
}

static void
shrink (QpFlightLimit *flight, guint64 delivered, guint64 now)
{
  guint64 came = delivered - MIN (delivered, flight->late_delivered);
  guint64 rate = came * SECOND / (now - flight->late_from); /* bytes / s */
  guint64 limit = rate * ((flight->base + tolerated (flight) / 2) / MS) / 1000;

  set_limit (flight, MIN (flight->limit, MAX (limit, MIN_LIMIT)), now);
}

/* TRUE if the queue is not ours, and so of no use to look at any more. */
static gboolean
is_stuck (QpFlightLimit *flight, guint64 rtt, guint64 in_flight, guint64 now)
{
  if (in_flight > flight->limit || flight->limit == G_MAXUINT64) {
    flight->stuck_from = 0;
    return FALSE;
  }
  if (flight->stuck_from == 0) {
    flight->stuck_from = now;
    flight->stuck_least = rtt;
  }
  flight->stuck_least = MIN (flight->stuck_least, rtt);
  return now - flight->stuck_from > MAX_STUCK;
}

static void
answer_in_time (QpFlightLimit *flight, guint64 rtt, guint64 now)
{
  flight->late_from = flight->stuck_from = 0;
  /* Only what was sent with so much in flight shows that there is room for
   * more. */
  if (flight->full_at == 0 || now - flight->full_at < rtt)
    return;
  if (rtt < flight->base + tolerated (flight) / 4)
    set_limit (flight, 2 * flight->limit, now);
  else
    set_limit (flight, flight->limit + flight->limit / 8, now);
}

static void
answer_late (QpFlightLimit *flight, guint64 rtt, guint64 delivered,
    guint64 in_flight, guint64 now)
{
  if (is_stuck (flight, rtt, in_flight, now)) {
    flight->base = flight->stuck_least;
    answer_in_time (flight, rtt, now);
    return;
  }
  if (flight->late_from != 0) {
    /* What was changed shows a round trip later. */
    if (now - flight->late_from < MAX (MIN_LATE, flight->base) ||
        (flight->limit != G_MAXUINT64 && now - flight->set_at < rtt))
      return;
    shrink (flight, delivered, now);
  }
  flight->late_from = now;
  flight->late_delivered = delivered;
}

void
qp_flight_limit_update (QpFlightLimit *flight, guint64 rtt, guint64 delivered,
    guint64 in_flight, guint64 now)
{
  /* Acknowledged on a fresh path was something sent on the one before: of this
   * one nothing is measured yet, and a base of 0 would make every answer late. */
  if (rtt == 0)
    return;
  flight->base = MIN (flight->base, rtt);
  if (rtt > flight->base + tolerated (flight))
    answer_late (flight, rtt, delivered, in_flight, now);
  else
    answer_in_time (flight, rtt, now);
}

guint64
qp_flight_limit_get_room (QpFlightLimit *flight, guint64 in_flight, guint64 now)
{
  if (in_flight < flight->limit)
    return flight->limit - in_flight;
  if (flight->full_at == 0)
    flight->full_at = now;
  return 0;
}

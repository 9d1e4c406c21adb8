/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An estimate of what a path carries, from what QUIC knows anyway: how much was
 * acknowledged when, and the round trips.  Congestion control bounds what is in
 * flight, so that a path that is too slow shows as frames that are late or
 * cancelled; an encoder that follows this estimate makes frames that fit.
 *
 * As in draft-ietf-rmcat-gcc and RFC 8298 (SCReAM) the signal is delay and the
 * anchor is what was delivered.  The delay is the round trip beyond the least
 * one, and what waits here because congestion control holds it back.  While some
 * stands, the path is busy without a pause, and what is acknowledged meanwhile is
 * what it carries: the estimate is set to a little less, within a quarter of a
 * second, wherever it was.  What waits here only is let go first, by a target below
 * the estimate.  Without delay it grows, but only while the sender
 * uses it: quickly, until it comes near the rate where a queue stood last, there
 * by equal steps, so that senders that share a path come to share it equally.
 *
 * Random loss and jitter mean nothing here: loss counts when it is a tenth of
 * all, and a delay when not one answer in a while was in time.
 *
 * Pure: time is an argument. One for each connection, on its thread. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* What the connection tells. Bytes are of UDP payload. */
typedef struct {
  gint64 now;         /* monotonic µs */
  gint64 acked_at;    /* when something was last acknowledged; 0: never */
  guint64 rtt;        /* µs, of the newest acknowledgement; 0: unknown */
  guint64 sent, lost; /* all so far */
  guint64 in_flight, unsent; /* now */
} QpRateSample;

/* A moment of the last second. */
typedef struct {
  gint64 at;
  guint64 delivered;
} QpRateMark;

#define QP_RATE_MARKS 128

typedef enum {
  QP_RATE_STARTING,  /* a new path: no queue has stood on it yet */
  QP_RATE_FOLLOWING, /* grows while nothing waits */
  QP_RATE_BUSY,      /* a queue stands: measures what comes through */
} QpRateState;

typedef struct {
  QpRateState state;
  guint64 estimate; /* bit/s; 0: nothing is known yet */
  guint64 target;  /* bit/s; less than that while a queue drains; 0: no limit */
  guint64 ceiling; /* bit/s, when the queue began to stand */
  guint64 carried; /* bit/s, while one stood last; 0: none yet */
  guint64 former;  /* bit/s: of the last path that was known; 0: none yet */

  gint64 began;     /* of this path; 0: no sample yet */
  gint64 updated;   /* when the last acknowledgement was seen */
  gint64 acked_at;  /* …and when it came */
  gint64 calm_at;   /* …that came without delay */
  gint64 silent_at; /* when silence was last acted upon */
  guint64 delivered;

  QpRateMark marks[QP_RATE_MARKS]; /* a ring */
  guint first_mark, n_marks;

  /* The least round trip, µs, of this and the last five seconds. */
  guint64 base_now, base_before;
  gint64 base_turn;
  guint64 last_rtt;
  guint64 delay; /* µs, smoothed */
  guint64 noise; /* µs: how much round trips differ by themselves */

  /* All answers since then were late; 0: the last one was not. */
  gint64 late_from;
  guint64 late_delivered;
  gint64 measured_at; /* when the estimate was last set from it */
  /* The least delay in this and the last span of it, µs. */
  gint64 stuck_from;
  guint64 stuck_now, stuck_before;
  /* What others' queue makes of it, µs, and when that was seen last. */
  guint64 others;
  gint64 others_at;

  /* Loss in this second. */
  gint64 loss_from;
  guint64 loss_lost, loss_delivered;
  gboolean lossy; /* the last second's was too much to grow */
} QpRateEstimate;

/* Nothing is known. */
void qp_rate_estimate_init (QpRateEstimate *estimate);

/* The connection has moved to another path, of which nothing is known but that
 * the old one carried so much: half of that is assumed. A path that was left
 * within some seconds, and showed no limit, does not count: what was known before
 * still does. */
void qp_rate_estimate_move (QpRateEstimate *estimate);

/* To be called when acknowledgements have come, and at least every 100 ms while
 * anything is in flight. */
void qp_rate_estimate_update (QpRateEstimate *estimate,
    const QpRateSample *sample);

/* What the path carries, bit/s of UDP payload; 0: not known yet. A sender that
 * makes less than the path carries has an estimate of half as much again at
 * most. */
guint64 qp_rate_estimate_get (const QpRateEstimate *estimate);

/* What to send at most now, bit/s: less than the estimate while queues drain; 0
 * before the connection has moved or any sign of a limit was seen. */
guint64 qp_rate_estimate_get_target (const QpRateEstimate *estimate);

G_END_DECLS

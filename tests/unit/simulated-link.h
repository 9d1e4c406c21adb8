/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A bottleneck on paper: cameras whose encoders follow their rate estimates, the
 * bounds that QUIC sets to what is in flight, one queue that all share, with its
 * rate, delay, jitter and loss, and whoever else fills it.  Time goes in steps of
 * a millisecond; the same seed gives the same run. */
#pragma once

#include "quic/flight-limit.h"
#include "session/rate-estimate.h"

G_BEGIN_DECLS

#define SIM_PACKET 1200 /* bytes */
#define SIM_MAX_CAMERAS 3

typedef struct _SimLink SimLink;

/* A sender of frames, or with `greedy` one of bulk data, whose congestion window
 * is halved by loss as TCP's is. */
typedef struct {
  SimLink *link;
  guint index;
  gboolean on, greedy;
  guint64 max; /* bit/s of its encoder; the estimate's target may be less */
  guint frame_rate; /* per second */
  guint key_every;  /* frames; 0: none after the first */
  guint key_size;   /* in frames */

  QpRateEstimate estimate;
  QpFlightLimit flight;
  gdouble window, credit;              /* bytes: congestion window; of pacing */
  guint64 best, best_now, best_before; /* bytes/s delivered lately */
  gint64 best_turn;
  guint64 best_acked; /* when it was last looked at */

  GQueue frames; /* of SimFrame*: not wholly sent */
  GQueue flying; /* of SimPacket*, in order of sending */
  guint64 sent, lost, in_flight, unsent, acked;
  gint64 acked_at;
  guint64 rtt;
  gint64 moved_at; /* what was sent before gives no round trip */
  gint64 next_frame;
  guint frame_number;

  guint64 mark_sent, mark_acked; /* at sim_mark() */
  gint64 latest;                 /* the latest whole frame's age since, µs */
  guint frames_whole, frames_cancelled; /* since */
} SimCamera;

struct _SimLink {
  gint64 now;          /* µs */
  guint64 rate;        /* bit/s */
  guint64 queue_limit; /* bytes */
  gint64 delay;        /* µs, one way */
  gint64 jitter;       /* µs, uniform, each way */
  gdouble loss;        /* 0 to 1 */

  GRand *random;
  GQueue queue; /* of SimPacket* */
  guint64 queued;
  gdouble sent_share; /* of the first packet, bytes */
  gint64 last_arrival, last_answer;
  SimCamera cameras[SIM_MAX_CAMERAS];
  gint64 mark_at;
};

/* Sets up a link of `rate` bit/s with a round trip of 40 ms, a queue that holds
 * 200 ms and one camera of `max` bit/s, switched on. */
void sim_init (SimLink *link, guint64 rate, guint64 max);
void sim_clear (SimLink *link);
/* The camera begins anew, in a new connection. */
void sim_switch_on (SimLink *link, guint camera, guint64 max);
/* Its connection is on another path: begins anew there. */
void sim_move (SimCamera *camera);
void sim_run (SimLink *link, gint64 time);

/* Forgets what was counted. */
void sim_mark (SimLink *link);
/* bit/s since then, that the camera sent, and that were acknowledged. */
guint64 sim_sent_rate (const SimCamera *camera);
guint64 sim_carried_rate (const SimCamera *camera);

G_END_DECLS

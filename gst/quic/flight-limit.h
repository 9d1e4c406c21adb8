/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keeps our own packets from queueing in the network.  Congestion control bounds
 * loss, not delay: BBR goes on at the rate that it saw last for seconds after a
 * path has become slower, Cubic until the bottleneck's queue is full.  For live
 * media either is as good as lost, and sound, which needs little, would wait
 * behind the picture.
 *
 * So there is a second bound on the bytes in flight, which holds video back while
 * round trips are longer than they need be.  It only takes from what congestion
 * control allows (RFC 9002, 7), and where there is no queue there is no bound.
 *
 * Pure: time, in ns, is an argument. Used on the connection's thread. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct {
  guint64 limit;  /* bytes in flight; G_MAXUINT64: none */
  guint64 base;   /* round trip without a queue of ours; G_MAXUINT64: unknown */
  guint64 set_at; /* when `limit` was set last */
  guint64 full_at; /* when it was reached first since then; 0: not yet */

  /* Late answers, all of them since then; 0: the last one was not. */
  guint64 late_from;
  guint64 late_delivered; /* bytes, by then */
  /* The same, with no more than `limit` in flight. */
  guint64 stuck_from;
  guint64 stuck_least; /* the least round trip since then */
} QpFlightLimit;

/* Begins anew, for a path that nothing is known of. */
void qp_flight_limit_reset (QpFlightLimit *flight);

/* An acknowledgement came: `rtt` is the round trip it shows (0: none, it was for
 * what went another way), `delivered` all bytes acknowledged so far, `in_flight` those that are not. */
void qp_flight_limit_update (QpFlightLimit *flight, guint64 rtt,
    guint64 delivered, guint64 in_flight, guint64 now);

/* How much more may be sent now, bytes. */
guint64 qp_flight_limit_get_room (QpFlightLimit *flight, guint64 in_flight,
    guint64 now);

G_END_DECLS

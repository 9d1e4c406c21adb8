/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Notices that a path has stopped carrying packets as large as it once did
 * while smaller ones still pass: a black hole (RFC 8899, 4.3).  ngtcp2 finds
 * out how much a path carries, but then believes it for as long as the path is
 * in use.
 *
 * ngtcp2 tells nobody the fate of one packet, only sums: bytes in flight, and
 * packets and bytes lost. That is enough. Lost packets of more than the base
 * size on average tell that a large one was among them; more bytes
 * acknowledged than small packets were in flight, that a large one arrived.
 *
 * Pure: time, in ns, is an argument. Used on the connection's thread. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* What every path carries (RFC 9000, 14); larger packets are "large". */
#define QP_BASE_PAYLOAD 1200

typedef enum {
  QP_BLACK_HOLE_NONE,
  QP_BLACK_HOLE_SUSPECTED, /* nothing is acknowledged; are small packets? */
  QP_BLACK_HOLE_FOUND,     /* small ones are */
  QP_BLACK_HOLE_PROBING,   /* likewise; one large packet asks if it is over */
} QpBlackHoleState;

typedef struct {
  guint64 in_flight;                /* bytes */
  guint64 bytes_lost, packets_lost; /* since the connection began */
} QpPacketSums;

typedef struct {
  const char *name;       /* for log lines; the owner's */
  QpBlackHoleState state; /* changed by set_state() only */
  QpPacketSums sums;      /* as of the last call */
  guint64 small;          /* bytes in flight that are in small packets */
  guint64 unanswered;     /* bytes in flight in large packets, when looked at */
  guint64 looked_at; /* at each acknowledgement, and each PTO without one */
  guint silence;     /* such PTOs, with much unanswered */
  guint bursts;      /* with large packets lost and none acknowledged */
  guint64 last_burst;
  guint64 probe_at; /* FOUND: not before; PROBING: when it was sent */
  guint64 pause;    /* before the next probe */
} QpBlackHole;

/* Begins anew, for a path that nothing is known of. */
void qp_black_hole_reset (QpBlackHole *hole, const QpPacketSums *sums);

/* Whether packets must keep to QP_BASE_PAYLOAD for now: one may be there. */
gboolean qp_black_hole_is_near (const QpBlackHole *hole);
/* Whether the path carries no more than that: one is there. */
gboolean qp_black_hole_is_found (const QpBlackHole *hole);

/* Packets were sent; `large` bytes of them in large ones. `pto` is ngtcp2's,
 * without backoff. */
void qp_black_hole_sent (QpBlackHole *hole, const QpPacketSums *sums,
    guint64 large, guint64 pto, guint64 now);

/* A packet was received, or a timer of ngtcp2's has fired. */
void qp_black_hole_update (QpBlackHole *hole, const QpPacketSums *sums,
    guint64 rtt, guint64 pto, guint64 now);

/* TRUE when it is time to send one large packet; probed() tells that it was. */
gboolean qp_black_hole_wants_probe (const QpBlackHole *hole, guint64 now);
void qp_black_hole_probed (QpBlackHole *hole, guint64 now);

G_END_DECLS

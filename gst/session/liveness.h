/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether the path in use still carries what we send.  The one proof is the
 * peer's acknowledgement: packets that still come in prove the other direction
 * only.  A path is in doubt when something has been in flight, and nothing was
 * acknowledged, for longer than max(2 PTO, 100 ms): a probe of QUIC's own
 * (RFC 9002, 6.2) would have been answered by then.  While the peer is heard,
 * half as much again: who only receives has one packet in flight at a time, and
 * the loss of one and of the probe for it, or a late answer, is no silence.
 *
 * Pure: time is an argument, in microseconds of a monotonic clock. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define QP_LIVENESS_MIN_US (100 * 1000)

/* To be embedded; its fields are the module's own. */
typedef struct {
  gint64 waiting_since_us; /* -1: nothing is in flight */
  gint64 last_ack_us;
} QpLiveness;

/* Fresh, as after a move: nothing is known against the path. */
void qp_liveness_init (QpLiveness *liveness);

/* How things are at `now_us`: bytes in flight on the path, and when the peer
 * acknowledged something last. Both must be told at least every few
 * milliseconds while something is in flight; the answer is as exact as that. */
void qp_liveness_update (QpLiveness *liveness, gint64 now_us,
    guint64 bytes_in_flight, gint64 last_ack_us);

/* TRUE: the path is in doubt. `pto_us` is QUIC's probe timeout now; `deaf`:
 * nothing comes in either. */
gboolean qp_liveness_in_doubt (const QpLiveness *liveness, gint64 now_us,
    gint64 pto_us, gboolean deaf);

/* For `us` nobody could look whether an answer had come: that much more time. */
void qp_liveness_forgive (QpLiveness *liveness, gint64 us);

/* TRUE: an answer is overdue, by QUIC's estimate of the round trip and its
 * variation. Far from doubt, but a moment to do what costs next to nothing. */
gboolean qp_liveness_is_overdue (const QpLiveness *liveness, gint64 now_us,
    gint64 srtt_us, gint64 rttvar_us);

/* What comes in on a path, for a side that only receives: its own packets are
 * few, and silence is all that it can notice. Media comes in a rhythm, so
 * silence is one and a half times the longest pause that there was of late.
 * To be embedded. */
typedef struct {
  gint64 last_us;
  gint64 pause_us; /* the longest of late, slowly forgotten */
} QpHearing;

void qp_hearing_init (QpHearing *hearing, gint64 now_us);
void qp_hearing_heard (QpHearing *hearing, gint64 now_us);
void qp_hearing_forgive (QpHearing *hearing, gint64 us);
/* FALSE where there is no rhythm: pauses of a quarter of a second and more. */
gboolean qp_hearing_is_silent (const QpHearing *hearing, gint64 now_us);

G_END_DECLS

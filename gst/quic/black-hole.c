/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See black-hole.h. */
#include "quic/black-hole.h"

#include "quic/connection-private.h"

/* Random loss takes the large packets of a frame and leaves its small last one
 * at times; hardly three times in a row. */
#define MAX_BURSTS 3

/* How long more than a few large packets may be without any answer. What is
 * less may be the end of a frame and the probes for it (RFC 9002, 6.2.4), lost
 * by chance. */
#define MAX_SILENCE 2 /* PTOs */
#define FEW (4 * QP_BASE_PAYLOAD)

/* An outage looks the same if a small packet is the first to pass again, so
 * the first look is soon; the last is PMTU_RAISE_TIMER of RFC 8899, 5.1.1. */
#define FIRST_PAUSE NGTCP2_SECONDS
#define LAST_PAUSE (600 * NGTCP2_SECONDS)

/* The verdict on a probe. By then something is acknowledged that was sent
 * after it, and ngtcp2 has declared it lost if it is (RFC 9002, 6.1.2). */
#define PROBE_TIME 2 /* PTOs */

static void
set_state (QpBlackHole *hole, QpBlackHoleState state, const char *why)
{
  static const char *const names[] = { "none", "suspected", "found",
    "probing" };

  if (hole->state == state)
    return;
  GST_CAT_INFO (qp_quic_debug, "%s: black hole for large packets: %s -> %s: %s",
      hole->name, names[hole->state], names[state], why);
  hole->state = state;
  hole->bursts = 0;
}

void
qp_black_hole_reset (QpBlackHole *hole, const QpPacketSums *sums)
{
  set_state (hole, QP_BLACK_HOLE_NONE, "another path");
  *hole = (QpBlackHole){ .name = hole->name,
    .sums = *sums,
    .pause = FIRST_PAUSE };
}

gboolean
qp_black_hole_is_near (const QpBlackHole *hole)
{
  return hole->state != QP_BLACK_HOLE_NONE;
}

gboolean
qp_black_hole_is_found (const QpBlackHole *hole)
{
  return hole->state >= QP_BLACK_HOLE_FOUND;
}

static void
look (QpBlackHole *hole, guint64 now)
{
  hole->unanswered = hole->sums.in_flight > hole->small
      ? hole->sums.in_flight - hole->small
      : 0;
  hole->looked_at = now;
}

/* Where nothing small is sent that could be acknowledged, as when the
 * congestion window is full of large packets, there is only silence. It may
 * have any cause; packets keep small until something is acknowledged. */
static void
watch_silence (QpBlackHole *hole, guint64 pto, guint64 now)
{
  if (now - hole->looked_at <= pto)
    return;
  hole->silence = hole->unanswered >= FEW ? hole->silence + 1 : 0;
  if (hole->state == QP_BLACK_HOLE_NONE && hole->silence >= MAX_SILENCE)
    set_state (hole, QP_BLACK_HOLE_SUSPECTED, "nothing is acknowledged");
  look (hole, now);
}

void
qp_black_hole_sent (QpBlackHole *hole, const QpPacketSums *sums, guint64 large,
    guint64 pto, guint64 now)
{
  guint64 before = hole->sums.in_flight + large;

  /* Packets that only acknowledge are never in flight. */
  if (sums->in_flight > before)
    hole->small += sums->in_flight - before;
  hole->sums = *sums;
  watch_silence (hole, pto, now);
}

static void
find (QpBlackHole *hole, guint64 now, const char *why)
{
  set_state (hole, QP_BLACK_HOLE_FOUND, why);
  hole->probe_at = now + hole->pause;
  hole->pause = MIN (2 * hole->pause, LAST_PAUSE);
}

static void
dismiss (QpBlackHole *hole, const char *why)
{
  set_state (hole, QP_BLACK_HOLE_NONE, why);
  hole->bursts = 0;
  hole->pause = FIRST_PAUSE;
}

/* ngtcp2 declares a packet lost only when a later one is acknowledged; if no
 * large one is, that one was small. */
static void
count_burst (QpBlackHole *hole, guint64 rtt, guint64 now)
{
  if (hole->bursts > 0 && now - hole->last_burst < rtt)
    return;
  hole->last_burst = now;
  if (++hole->bursts >= MAX_BURSTS)
    find (hole, now, "only small packets are acknowledged");
}

void
qp_black_hole_update (QpBlackHole *hole, const QpPacketSums *sums, guint64 rtt,
    guint64 pto, guint64 now)
{
  guint64 lost = sums->bytes_lost - hole->sums.bytes_lost;
  guint64 packets = sums->packets_lost - hole->sums.packets_lost;
  guint64 left = sums->in_flight + lost;
  guint64 acked = hole->sums.in_flight > left ? hole->sums.in_flight - left : 0;
  gboolean large_lost = lost > packets * QP_BASE_PAYLOAD;
  gboolean large_acked = acked > hole->small;

  hole->sums = *sums;
  hole->small = large_acked ? 0 : MIN (hole->small - acked, sums->in_flight);
  if (acked > 0) {
    hole->silence = 0;
    look (hole, now);
  }
  switch (hole->state) {
    case QP_BLACK_HOLE_NONE:
      if (large_acked)
        hole->bursts = 0;
      else if (large_lost)
        count_burst (hole, rtt, now);
      watch_silence (hole, pto, now);
      break;
    case QP_BLACK_HOLE_SUSPECTED:
      if (large_acked)
        dismiss (hole, "a large packet is acknowledged");
      else if (acked > 0)
        find (hole, now, "small packets are acknowledged at once");
      break;
    case QP_BLACK_HOLE_FOUND:
      break;
    case QP_BLACK_HOLE_PROBING:
      if (large_lost)
        find (hole, now, "the probe is lost");
      else if (acked > 0 && now - hole->probe_at > PROBE_TIME * pto)
        dismiss (hole, "the probe is not lost");
      break;
  }
}

gboolean
qp_black_hole_wants_probe (const QpBlackHole *hole, guint64 now)
{
  return hole->state == QP_BLACK_HOLE_FOUND && now >= hole->probe_at;
}

void
qp_black_hole_probed (QpBlackHole *hole, guint64 now)
{
  set_state (hole, QP_BLACK_HOLE_PROBING, "a large packet is sent");
  hole->probe_at = now;
}

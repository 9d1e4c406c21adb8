/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tail probes: what notices the loss of the end of a frame.
 *
 * A lost packet shows when a later one is acknowledged (RFC 9002, 6.1), and
 * behind the last packet of a frame nothing comes before the next frame, a
 * frame interval later.  The probe timeout does not help: each frame's packets
 * restart it (6.2.1), so at 30 frames a second a PTO of 33 ms never fires. The
 * same holds for a retransmission, which mostly travels alone.
 *
 * So one PING follows an eighth of a round trip behind either.  Its
 * acknowledgement is back after 9/8 of one: then the time threshold (6.1.2) has
 * passed, and what is still missing is declared lost at once.  It is an
 * ordinary packet to congestion control and pacing; where they have no room, it
 * is left out. */
#include "quic/connection-private.h"

/* RFC 9002, 6.1.2: kTimeThreshold - 1, as a divisor. */
#define TIME_THRESHOLD 8

/* Single packets, as of audio, are close together and cost little each; a probe
 * for each would double their number. */
#define MIN_BURST 4

void
qp_quic_plan_tail_probe (QpQuic *quic, guint packets, ngtcp2_tstamp now)
{
  ngtcp2_conn_info info;
  ngtcp2_duration delay;
  gboolean repaired;

  ngtcp2_conn_get_conn_info (quic->conn, &info);
  repaired = info.pkt_lost != quic->lost_seen;
  quic->lost_seen = info.pkt_lost;
  /* Where round trips are this short, so are probe timeouts. */
  delay = info.smoothed_rtt / TIME_THRESHOLD;
  if (quic->state != QP_QUIC_ESTABLISHED || delay < NGTCP2_MILLISECONDS ||
      (packets < MIN_BURST && !repaired))
    return;
  quic->tail_at = now + delay;
}

/* ngtcp2 sends a PING by itself when nothing was sent for the keep-alive's
 * time; there is no other call for it. */
gboolean
qp_quic_begin_tail_probe (QpQuic *quic, ngtcp2_tstamp now)
{
  ngtcp2_conn_info info;

  if (now < quic->tail_at)
    return FALSE;
  quic->tail_at = UINT64_MAX;
  ngtcp2_conn_get_conn_info (quic->conn, &info);
  if (info.bytes_in_flight == 0)
    return FALSE;
  ngtcp2_conn_set_keep_alive_timeout (quic->conn, 1);
  return TRUE;
}

void
qp_quic_end_tail_probe (QpQuic *quic)
{
  if (quic->conn != NULL)
    qp_quic_set_keep_alive (quic);
}

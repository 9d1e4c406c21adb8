/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How large packets may be (RFC 9000, 14; RFC 8899).  Every path starts at the
 * base size.  ngtcp2 probes for more once the handshake is complete, and again
 * on each path that the connection moves to, with packets of their own that
 * hold nothing but PING and PADDING; each size has three tries. What comes
 * after its success is watched by black-hole.h. */
#include "quic/connection-private.h"

G_STATIC_ASSERT (QP_BASE_PAYLOAD == NGTCP2_MAX_UDP_PAYLOAD_SIZE);

/* ngtcp2 tries them in this order and skips what it knows already: sizes below
 * one that passed, and above one that did not. Most paths carry the first. Of
 * the rest each halves what is open, so that a tunnel costs few lost probes.
 * 1452 and 1232 are Ethernet's 1500 and IPv6's least, 1280, less the headers of
 * IPv6 and UDP. */
static const guint16 probe_sizes[] = { QP_MAX_PROBE_PAYLOAD, 1372, 1420, 1440,
  1400, 1300, 1332, 1352, 1232, 1272 };

/* How often ngtcp2 tries a size, and how long it waits after the last try. */
#define TRIES 3
#define LAST_WAIT 3 /* PTOs */

void
qp_quic_fill_probes (QpQuic *quic, ngtcp2_settings *settings)
{
  if (quic->probe_payload == 0) {
    /* The owner knows what its paths carry. */
    settings->no_pmtud = 1;
    settings->no_tx_udp_payload_size_shaping = 1;
    settings->max_tx_udp_payload_size = quic->max_payload;
  } else {
    settings->max_tx_udp_payload_size = quic->probe_payload;
    settings->pmtud_probes = probe_sizes; /* those above the maximum are none */
    settings->pmtud_probeslen = G_N_ELEMENTS (probe_sizes);
  }
}

gsize
qp_quic_get_payload (QpQuic *quic)
{
  QpVirtualPath *path;

  if (quic->probe_payload == 0) {
    path = qp_quic_get_path (quic, quic->path);
    return path != NULL ? path->max_payload : QP_BASE_PAYLOAD;
  }
  if (quic->conn == NULL || qp_black_hole_is_found (&quic->black_hole))
    return QP_BASE_PAYLOAD;
  return ngtcp2_conn_get_path_max_tx_udp_payload_size (quic->conn);
}

gsize
qp_quic_get_packet_size (QpQuic *quic)
{
  if (qp_black_hole_is_near (&quic->black_hole))
    return QP_BASE_PAYLOAD;
  return qp_quic_get_payload (quic);
}

gsize
qp_quic_get_room (QpQuic *quic)
{
  if (quic->probe_payload == 0 || qp_black_hole_is_near (&quic->black_hole))
    return qp_quic_get_packet_size (quic);
  return quic->probe_payload;
}

/* Whether ngtcp2 has a size left to try between the two. */
static gboolean
has_size_between (QpQuic *quic, gsize found, gsize failed)
{
  const ngtcp2_transport_params *params =
      ngtcp2_conn_get_remote_transport_params (quic->conn);
  gsize most = quic->probe_payload;
  guint i;

  if (params != NULL)
    most = MIN (most, params->max_udp_payload_size);
  for (i = 0; i < G_N_ELEMENTS (probe_sizes); i++) {
    if (probe_sizes[i] > found && probe_sizes[i] < failed &&
        probe_sizes[i] <= most)
      return TRUE;
  }
  return FALSE;
}

gboolean
qp_quic_is_searching (QpQuic *quic)
{
  const QpSearch *search = &quic->search;
  gsize found;

  if (quic->probe_payload == 0 || quic->conn == NULL ||
      qp_black_hole_is_found (&quic->black_hole))
    return FALSE;
  found = qp_quic_get_payload (quic);
  if (search->size <= found)
    return has_size_between (quic, found, search->failed);
  if (search->tries < TRIES || has_size_between (quic, found, search->size))
    return TRUE;
  return qp_quic_now () - search->sent <
      LAST_WAIT * ngtcp2_conn_get_pto (quic->conn);
}

static void
note_probe (QpQuic *quic, gsize size, ngtcp2_tstamp now)
{
  QpSearch *search = &quic->search;

  if (size != search->size) {
    if (search->size > qp_quic_get_payload (quic))
      search->failed = search->size;
    search->size = size;
    search->tries = 0;
  }
  search->tries++;
  search->sent = now;
}

static void
get_sums (QpQuic *quic, QpPacketSums *sums, guint64 *rtt)
{
  ngtcp2_conn_info info;

  ngtcp2_conn_get_conn_info (quic->conn, &info);
  sums->in_flight = info.bytes_in_flight;
  sums->bytes_lost = info.bytes_lost;
  sums->packets_lost = info.pkt_lost;
  *rtt = info.smoothed_rtt;
}

void
qp_quic_watch_sent (QpQuic *quic, gsize large, gsize probe, ngtcp2_tstamp now)
{
  QpPacketSums sums;
  guint64 rtt;

  if (quic->probe_payload == 0)
    return;
  if (probe > 0 && !qp_black_hole_is_near (&quic->black_hole))
    note_probe (quic, probe, now);
  get_sums (quic, &sums, &rtt);
  qp_black_hole_sent (&quic->black_hole, &sums, large,
      ngtcp2_conn_get_pto (quic->conn), now);
}

/* Nothing larger than the base size is sent but ngtcp2's probes, whose loss
 * means nothing. */
static gboolean
is_at_base (QpQuic *quic)
{
  return ngtcp2_conn_get_path_max_tx_udp_payload_size (quic->conn) <=
      QP_BASE_PAYLOAD;
}

void
qp_quic_watch_received (QpQuic *quic, ngtcp2_tstamp now)
{
  QpPacketSums sums;
  guint64 rtt;

  if (quic->probe_payload == 0 || quic->conn == NULL ||
      quic->state != QP_QUIC_ESTABLISHED)
    return;
  get_sums (quic, &sums, &rtt);
  if (is_at_base (quic))
    qp_black_hole_reset (&quic->black_hole, &sums);
  else
    qp_black_hole_update (&quic->black_hole, &sums, rtt,
        ngtcp2_conn_get_pto (quic->conn), now);
  if (quic->payload != qp_quic_get_payload (quic)) {
    quic->payload = qp_quic_get_payload (quic);
    QUIC_INFO (quic, "packets on path %u have up to %" G_GSIZE_FORMAT " bytes",
        quic->path, quic->payload);
  }
}

void
qp_quic_restart_search (QpQuic *quic)
{
  QpPacketSums sums;
  guint64 rtt;

  if (quic->probe_payload == 0)
    return;
  get_sums (quic, &sums, &rtt);
  qp_black_hole_reset (&quic->black_hole, &sums);
  quic->search = (QpSearch){ .failed = G_MAXSIZE };
}

gssize
qp_quic_write_probe (QpQuic *quic, ngtcp2_path *path, guint8 *out,
    ngtcp2_tstamp now)
{
  gsize size = ngtcp2_conn_get_path_max_tx_udp_payload_size (quic->conn);
  gssize result;

  /* ngtcp2 has no call for a probe. It writes a PING when a packet was asked
   * for that has nothing to say, and to be kept alive is overdue. */
  ngtcp2_conn_set_keep_alive_timeout (quic->conn, 1);
  result = ngtcp2_conn_writev_stream (quic->conn, path, NULL, out, size, NULL,
      NGTCP2_WRITE_STREAM_FLAG_PADDING, -1, NULL, 0, now);
  qp_quic_set_keep_alive (quic);
  if (result > QP_BASE_PAYLOAD)
    qp_black_hole_probed (&quic->black_hole, now);
  return result;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* DATAGRAM frames (RFC 9221) that wait to be sent, in order.  They are dropped
 * here when their deadline has passed, and when the connection has moved to a
 * path that is too narrow for them: ngtcp2 would keep saying "not now". */
#include "quic/connection-private.h"

#include <string.h>

/* What a packet needs around a DATAGRAM frame: first byte, connection ID,
 * packet number and AEAD tag, and the frame's type and length. */
#define PACKET_OVERHEAD (1 + 4 + 16)
#define FRAME_OVERHEAD 3

static gsize
datagram_size (const QpDatagram *datagram)
{
  return datagram->header_size +
      (datagram->data != NULL ? g_bytes_get_size (datagram->data) : 0);
}

void
qp_quic_pop_datagram (QpQuic *quic)
{
  QpDatagram *datagram = qp_ring_peek (&quic->datagrams, 0);

  quic->bytes_unsent -= datagram_size (datagram);
  if (datagram->data != NULL)
    g_bytes_unref (datagram->data);
  qp_ring_pop (&quic->datagrams);
}

void
qp_quic_clear_datagrams (QpQuic *quic)
{
  while (quic->datagrams.length > 0)
    qp_quic_pop_datagram (quic);
  qp_ring_clear (&quic->datagrams);
}

/* The largest datagram that fits in a packet of `payload` bytes. */
static gsize
get_limit (QpQuic *quic, gsize payload)
{
  const ngtcp2_transport_params *params;
  gsize overhead;

  if (quic->state != QP_QUIC_ESTABLISHED)
    return 0;
  params = ngtcp2_conn_get_remote_transport_params (quic->conn);
  if (params == NULL || params->max_datagram_frame_size <= FRAME_OVERHEAD)
    return 0;
  payload = MIN (payload, params->max_udp_payload_size);
  overhead = PACKET_OVERHEAD + FRAME_OVERHEAD +
      ngtcp2_conn_get_dcid (quic->conn)->datalen;
  return MIN (payload - overhead,
      params->max_datagram_frame_size - FRAME_OVERHEAD);
}

QpDatagram *
qp_quic_next_datagram (QpQuic *quic)
{
  gsize max = 0, max_now = 0;
  gint64 now = 0;

  while (quic->datagrams.length > 0) {
    QpDatagram *datagram = qp_ring_peek (&quic->datagrams, 0);

    if (now == 0) {
      now = g_get_monotonic_time ();
      max = qp_quic_get_max_datagram (quic);
      max_now = get_limit (quic, qp_quic_get_packet_size (quic));
    }
    if ((datagram->deadline == 0 || now <= datagram->deadline) &&
        datagram_size (datagram) <= max)
      return datagram_size (datagram) <= max_now ? datagram : NULL;
    quic->datagrams_dropped++;
    qp_quic_pop_datagram (quic);
  }
  return NULL;
}

gsize
qp_quic_get_max_datagram (QpQuic *quic)
{
  return get_limit (quic, qp_quic_get_payload (quic));
}

gboolean
qp_quic_send_datagram (QpQuic *quic, const guint8 *header, gsize header_size,
    GBytes *data, gint64 deadline)
{
  gsize size = header_size + (data != NULL ? g_bytes_get_size (data) : 0);
  QpDatagram *datagram;

  g_return_val_if_fail (header_size <= QP_DATAGRAM_MAX_HEADER, FALSE);
  if (size > qp_quic_get_max_datagram (quic))
    return FALSE;
  datagram = qp_ring_push (&quic->datagrams);
  if (header_size > 0)
    memcpy (datagram->header, header, header_size);
  datagram->header_size = (guint8) header_size;
  datagram->data = data != NULL ? g_bytes_ref (data) : NULL;
  datagram->deadline = deadline;
  quic->bytes_unsent += size;
  return TRUE;
}

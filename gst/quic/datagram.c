/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* DATAGRAM frames (RFC 9221) that wait to be sent, in one queue per flow, so
 * that one flow does not wait behind another of less priority, and so that its
 * owner can take back what is late.  Here only those are dropped for which a
 * path that the connection has moved to is too narrow: ngtcp2 would keep saying
 * "not now". */
#include "quic/connection-private.h"

#include <string.h>

/* What a packet needs around a DATAGRAM frame: first byte, connection ID,
 * packet number and AEAD tag, and the frame's type and length. */
#define PACKET_OVERHEAD (1 + 4 + 16)
#define FRAME_OVERHEAD 3

QpDatagramQueue *
qp_datagram_queue_new (QpQuic *quic, QpPriority priority)
{
  QpDatagramQueue *queue = g_new0 (QpDatagramQueue, 1);

  g_assert (priority < QP_N_PRIORITIES);
  queue->quic = quic;
  queue->priority = priority;
  qp_ring_init (&queue->datagrams, sizeof (QpDatagram));
  g_ptr_array_add (quic->datagram_queues, queue);
  return queue;
}

void
qp_datagram_queue_free (QpDatagramQueue *queue)
{
  qp_datagram_queue_drop (queue, queue->datagrams.length);
  g_ptr_array_remove_fast (queue->quic->datagram_queues, queue);
  qp_ring_clear (&queue->datagrams);
  g_free (queue);
}

static gsize
datagram_size (const QpDatagram *datagram)
{
  return datagram->header_size +
      (datagram->data != NULL ? g_bytes_get_size (datagram->data) : 0);
}

void
qp_datagram_queue_pop (QpDatagramQueue *queue)
{
  QpDatagram *datagram = qp_ring_peek (&queue->datagrams, 0);

  queue->quic->bytes_unsent -= datagram_size (datagram);
  if (datagram->data != NULL)
    g_bytes_unref (datagram->data);
  qp_ring_pop (&queue->datagrams);
}

void
qp_datagram_queue_drop (QpDatagramQueue *queue, guint n)
{
  n = MIN (n, queue->datagrams.length);
  queue->quic->datagrams_dropped += n;
  while (n-- > 0)
    qp_datagram_queue_pop (queue);
}

guint
qp_datagram_queue_get_unsent (QpDatagramQueue *queue)
{
  return queue->datagrams.length;
}

guint64
qp_datagram_queue_get_too_large (QpDatagramQueue *queue)
{
  return queue->too_large;
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

/* The oldest of `queue` that the path can carry; NULL if none. */
static QpDatagram *
drop_too_large (QpDatagramQueue *queue, gsize max)
{
  while (queue->datagrams.length > 0) {
    QpDatagram *datagram = qp_ring_peek (&queue->datagrams, 0);

    if (datagram_size (datagram) <= max)
      return datagram;
    queue->too_large++;
    qp_datagram_queue_drop (queue, 1);
  }
  return NULL;
}

QpDatagramQueue *
qp_quic_next_datagram_queue (QpQuic *quic, QpPriority priority)
{
  QpDatagramQueue *found = NULL;
  guint64 order = G_MAXUINT64;
  gsize max = 0, max_now = 0;
  guint i;

  for (i = 0; i < quic->datagram_queues->len; i++) {
    QpDatagramQueue *queue = g_ptr_array_index (quic->datagram_queues, i);
    QpDatagram *datagram;

    if (queue->priority != priority || queue->datagrams.length == 0)
      continue;
    if (max == 0) {
      max = qp_quic_get_max_datagram (quic);
      max_now = get_limit (quic, qp_quic_get_packet_size (quic));
    }
    datagram = drop_too_large (queue, max);
    if (datagram != NULL && datagram_size (datagram) <= max_now &&
        datagram->order < order) {
      found = queue;
      order = datagram->order;
    }
  }
  return found;
}

gsize
qp_quic_get_max_datagram (QpQuic *quic)
{
  return get_limit (quic, qp_quic_get_payload (quic));
}

gboolean
qp_datagram_queue_push (QpDatagramQueue *queue, const guint8 *header,
    gsize header_size, GBytes *data)
{
  QpQuic *quic = queue->quic;
  gsize size = header_size + (data != NULL ? g_bytes_get_size (data) : 0);
  QpDatagram *datagram;

  g_return_val_if_fail (header_size <= QP_DATAGRAM_MAX_HEADER, FALSE);
  if (size > qp_quic_get_max_datagram (quic))
    return FALSE;
  datagram = qp_ring_push (&queue->datagrams);
  if (header_size > 0)
    memcpy (datagram->header, header, header_size);
  datagram->header_size = (guint8) header_size;
  datagram->data = data != NULL ? g_bytes_ref (data) : NULL;
  datagram->order = quic->next_order++;
  quic->bytes_unsent += size;
  return TRUE;
}

gboolean
qp_quic_send_datagram (QpQuic *quic, const guint8 *header, gsize header_size,
    GBytes *data)
{
  return qp_datagram_queue_push (quic->urgent, header, header_size, data);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The way out: asks ngtcp2 for packets, fills them by priority, and hands them
 * to the owner in batches that one sendmsg() with UDP_SEGMENT can take.
 *
 * A batch has one path, the one ngtcp2 returned for it, and one segment size.
 * When the owner cannot send all of it, the rest stays in the batch buffer and
 * goes out first at qp_quic_writable(): ngtcp2 counts it as in flight already,
 * and meanwhile nothing else is made, so that back-pressure reaches the
 * streams. */
#include "quic/connection-private.h"

/* Pieces of a stream per frame; a packet holds few RTP packets. */
#define MAX_VEC 16

typedef enum {
  WRITE_NEXT, /* taken, or it could not be: there may be room for more */
  WRITE_DONE, /* the packet is complete, or there is none to be had now */
} WriteStep;

/* One packet in the making. */
typedef struct {
  ngtcp2_path *path;
  guint8 *out;
  gsize size;
  ngtcp2_tstamp now;
  gssize result;
} Packet;

static WriteStep
write_datagram (QpQuic *quic, Packet *packet, QpDatagram *datagram)
{
  ngtcp2_vec vec[2];
  guint n = 0;
  int accepted = 0;

  if (datagram->header_size > 0)
    vec[n++] = (ngtcp2_vec){ datagram->header, datagram->header_size };
  if (datagram->data != NULL && g_bytes_get_size (datagram->data) > 0) {
    gsize size = 0;
    const guint8 *data = g_bytes_get_data (datagram->data, &size);

    vec[n++] = (ngtcp2_vec){ (uint8_t *) data, size };
  }
  packet->result = ngtcp2_conn_writev_datagram (quic->conn, packet->path, NULL,
      packet->out, packet->size, &accepted, NGTCP2_WRITE_DATAGRAM_FLAG_MORE, 0,
      vec, n, packet->now);
  if (accepted)
    qp_quic_pop_datagram (quic);
  return packet->result == NGTCP2_ERR_WRITE_MORE ? WRITE_NEXT : WRITE_DONE;
}

static WriteStep
write_stream (QpQuic *quic, Packet *packet, QpStream *stream)
{
  ngtcp2_vec vec[MAX_VEC];
  ngtcp2_ssize taken = -1;
  gsize offered;
  gboolean fin;
  guint n = qp_stream_gather (stream, vec, MAX_VEC, packet->size, &offered,
      &fin);

  packet->result = ngtcp2_conn_writev_stream (quic->conn, packet->path, NULL,
      packet->out, packet->size, &taken,
      NGTCP2_WRITE_STREAM_FLAG_MORE | (fin ? NGTCP2_WRITE_STREAM_FLAG_FIN : 0),
      stream->id, vec, n, packet->now);
  if (taken >= 0)
    qp_stream_advance (quic, stream, (gsize) taken,
        fin && (gsize) taken == offered);
  switch (packet->result) {
    case NGTCP2_ERR_WRITE_MORE:
      return WRITE_NEXT;
    case NGTCP2_ERR_STREAM_DATA_BLOCKED:
      /* Which credit is gone? The connection's comes back with MAX_DATA,
       * which leads to a flush; the stream's with extend_max_stream_data. */
      if (ngtcp2_conn_get_max_data_left (quic->conn) == 0)
        quic->credit_exhausted = TRUE;
      else
        qp_stream_block (quic, stream);
      return WRITE_NEXT;
    case NGTCP2_ERR_STREAM_SHUT_WR:
    case NGTCP2_ERR_STREAM_NOT_FOUND:
      /* The peer stopped it (the owner hears of it by another way). */
      qp_stream_forget (quic, stream);
      return WRITE_NEXT;
    default:
      return WRITE_DONE;
  }
}

/* What is urgent goes first, then datagrams, whose owner wants them now or
 * never, then media on streams. */
static WriteStep
write_next (QpQuic *quic, Packet *packet)
{
  QpStream *stream = NULL;
  QpDatagram *datagram;

  if (!quic->credit_exhausted)
    stream = qp_quic_next_stream (quic, QP_PRIORITY_CONTROL,
        QP_PRIORITY_CONTROL);
  if (stream != NULL)
    return write_stream (quic, packet, stream);
  datagram = qp_quic_next_datagram (quic);
  if (datagram != NULL)
    return write_datagram (quic, packet, datagram);
  if (!quic->credit_exhausted)
    stream = qp_quic_next_stream (quic, QP_PRIORITY_AUDIO, QP_PRIORITY_VIDEO);
  if (stream != NULL)
    return write_stream (quic, packet, stream);
  /* Nothing of ours (any more): ngtcp2's own frames, and the end of a packet
   * that was begun with MORE. */
  packet->result = ngtcp2_conn_writev_stream (quic->conn, packet->path, NULL,
      packet->out, packet->size, NULL, NGTCP2_WRITE_STREAM_FLAG_NONE, -1, NULL,
      0, packet->now);
  return WRITE_DONE;
}

static gsize
path_payload (QpQuic *quic)
{
  QpVirtualPath *path = qp_quic_get_path (quic, quic->path);

  return path != NULL ? path->max_payload : NGTCP2_MAX_UDP_PAYLOAD_SIZE;
}

/* Writes one packet (or several coalesced into one datagram); an
 * ngtcp2_write_pkt. */
static ngtcp2_ssize
write_packet (ngtcp2_conn *conn, ngtcp2_path *path, ngtcp2_pkt_info *pi,
    uint8_t *out, size_t size, ngtcp2_tstamp now, void *user)
{
  QpQuic *quic = user;
  Packet packet = { path, out, MIN (size, path_payload (quic)), now, 0 };

  while (write_next (quic, &packet) == WRITE_NEXT)
    ;
  return packet.result;
}

/* Hands what is left of the batch to the owner. FALSE: no more for now. */
static gboolean
send_batch (QpQuic *quic)
{
  gsize sent = 0;
  gsize size = quic->batch_size - quic->batch_sent;
  QpQuicSendResult result = quic->callbacks.send (quic, quic->batch_path,
      quic->batch + quic->batch_sent, size, quic->batch_segment, &sent,
      quic->user);

  switch (result) {
    case QP_QUIC_SEND_AGAIN:
      quic->batch_sent += MIN (sent, size);
      quic->blocked = TRUE;
      return FALSE;
    case QP_QUIC_SEND_ERROR:
      QUIC_DEBUG (quic, "path %u does not take %" G_GSIZE_FORMAT " bytes",
          quic->batch_path, size);
      qp_quic_drop_batch (quic);
      return FALSE;
    case QP_QUIC_SEND_OK:
    default:
      qp_quic_drop_batch (quic);
      return TRUE;
  }
}

void
qp_quic_drop_batch (QpQuic *quic)
{
  quic->batch_size = quic->batch_sent = 0;
  quic->blocked = FALSE;
}

/* How much one batch may hold: what ngtcp2 lets go without pacing in between,
 * but never less than a packet. */
static gsize
batch_limit (QpQuic *quic)
{
  gsize most = MIN (QP_QUIC_BATCH_SIZE,
      QP_QUIC_BATCH_SEGMENTS * path_payload (quic));
  gsize quantum = ngtcp2_conn_get_send_quantum (quic->conn);

  return MAX (MIN (most, quantum), quic->max_payload);
}

/* Fills the batch buffer. Returns the bytes in it, 0 if there is nothing to
 * send now, negative if the connection is at its end. */
static gssize
fill_batch (QpQuic *quic, ngtcp2_tstamp now)
{
  ngtcp2_path_storage storage;
  size_t segment = 0;
  ngtcp2_ssize size;

  ngtcp2_path_storage_zero (&storage);
  quic->inside = TRUE;
  size = ngtcp2_conn_write_aggregate_pkt (quic->conn, &storage.path, NULL,
      quic->batch, batch_limit (quic), &segment, write_packet, now);
  quic->inside = FALSE;
  if (size <= 0) {
    qp_quic_handle_result (quic, (int) size, "sending");
    return size;
  }
  quic->batch_size = (gsize) size;
  quic->batch_sent = 0;
  quic->batch_segment = segment;
  quic->batch_path = qp_virtual_path_get_number (&storage.path);
  return size;
}

void
qp_quic_send_all (QpQuic *quic)
{
  ngtcp2_tstamp now;

  if (quic->conn == NULL || quic->blocked || quic->state > QP_QUIC_ESTABLISHED)
    return;
  now = qp_quic_now ();
  quic->credit_exhausted = FALSE;
  /* Ends at the congestion window, at pacing's pause, or when all is sent. */
  while (fill_batch (quic, now) > 0) {
    if (!send_batch (quic))
      break;
  }
  qp_quic_track_path (quic);
}

void
qp_quic_flush (QpQuic *quic)
{
  if (quic->inside || quic->dispatching) {
    quic->flush_wanted = TRUE;
    return;
  }
  qp_quic_enter (quic);
  qp_quic_send_all (quic);
  qp_quic_leave (quic);
}

void
qp_quic_writable (QpQuic *quic)
{
  if (quic->inside || quic->dispatching || !quic->blocked ||
      quic->state > QP_QUIC_ESTABLISHED)
    return;
  qp_quic_enter (quic);
  quic->blocked = FALSE;
  if (send_batch (quic))
    qp_quic_send_all (quic);
  qp_quic_leave (quic);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The way out: asks ngtcp2 for packets, fills them by priority, and hands them
 * to the owner in batches that one sendmsg() with UDP_SEGMENT can take.
 *
 * A batch has one path, the one ngtcp2 returned for it, and one segment size.
 * ngtcp2's own helper for this, ngtcp2_conn_write_aggregate_pkt(), is not used:
 * it joins only packets as large as the connection's largest, and so neither
 * those of DATAGRAM frames nor those of a path with a smaller limit.
 *
 * When the owner cannot send all, the rest stays in the buffer and goes out
 * first at qp_quic_writable(): ngtcp2 counts it as in flight already, and
 * meanwhile nothing else is made, so that back-pressure reaches the streams. */
#include "quic/connection-private.h"

/* Pieces of a stream per frame; a packet holds few RTP packets. */
#define MAX_VEC 16

/* With MORE, ngtcp2 ends a packet only when nothing more fits into it; PADDING
 * makes up for the few bytes that are left, so that all packets of a batch but
 * its last are of one size. */
#define FLAGS (NGTCP2_WRITE_STREAM_FLAG_MORE | NGTCP2_WRITE_STREAM_FLAG_PADDING)
#define FIN NGTCP2_WRITE_STREAM_FLAG_FIN

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
write_datagram (QpQuic *quic, Packet *packet, QpDatagramQueue *queue)
{
  QpDatagram *datagram = qp_ring_peek (&queue->datagrams, 0);
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
    qp_datagram_queue_pop (queue);
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
      packet->out, packet->size, &taken, fin ? FLAGS | FIN : FLAGS, stream->id,
      vec, n, packet->now);
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

/* By priority, and within one datagrams first, whose owner wants them now or
 * never. Sound is not held back where a queue in the network holds the rest. */
static WriteStep
write_next (QpQuic *quic, Packet *packet)
{
  QpPriority last = quic->flight_room > 0 ? QP_PRIORITY_VIDEO
                                          : QP_PRIORITY_AUDIO;
  QpPriority priority;

  for (priority = QP_PRIORITY_CONTROL; priority <= last; priority++) {
    QpDatagramQueue *queue = qp_quic_next_datagram_queue (quic, priority);
    QpStream *stream;

    if (queue != NULL)
      return write_datagram (quic, packet, queue);
    stream = quic->credit_exhausted ? NULL
                                    : qp_quic_next_stream (quic, priority);
    if (stream != NULL)
      return write_stream (quic, packet, stream);
  }
  /* Nothing of ours (any more): ngtcp2's own frames, and the end of a packet
   * that was begun with MORE. */
  packet->result = ngtcp2_conn_writev_stream (quic->conn, packet->path, NULL,
      packet->out, packet->size, NULL, NGTCP2_WRITE_STREAM_FLAG_NONE, -1, NULL,
      0, packet->now);
  return WRITE_DONE;
}

/* Writes one packet (or several coalesced into one datagram) to `out`. Returns
 * its size, 0 if there is nothing to send now, or ngtcp2's error. */
static gssize
write_packet (QpQuic *quic, ngtcp2_path *path, guint8 *out, gsize size,
    ngtcp2_tstamp now)
{
  Packet packet = { path, out, size, now, 0 };

  if (qp_black_hole_wants_probe (&quic->black_hole, now)) {
    packet.result = qp_quic_write_probe (quic, path, out, now);
    if (packet.result != 0)
      return packet.result;
  }
  while (write_next (quic, &packet) == WRITE_NEXT)
    ;
  return packet.result;
}

/* Books the datagram of `size` bytes at `offset` under the last batch, or
 * under a new one where that cannot take it: a batch has one path and one
 * size, but for its last datagram, which may be shorter. A probe, larger than
 * `payload`, goes alone: it must not take others with it where one system call
 * cannot send it. */
static void
add_to_batch (QpQuic *quic, gsize offset, gsize size, gsize payload, guint path)
{
  QpBatch *batch = NULL;

  if (quic->batches.length > 0)
    batch = qp_ring_peek (&quic->batches, quic->batches.length - 1);
  if (batch == NULL || batch->path != path ||
      batch->size % batch->segment != 0 || size > batch->segment ||
      batch->segment > payload ||
      batch->size / batch->segment >= QP_QUIC_BATCH_SEGMENTS ||
      batch->size + size > QP_QUIC_BATCH_SIZE) {
    batch = qp_ring_push (&quic->batches);
    *batch = (QpBatch){ .offset = offset, .segment = size, .path = path };
  }
  batch->size += size;
}

/* How much goes out without pacing in between. ngtcp2's quantum of a slow BBR
 * connection is two packets; ten, the initial window of RFC 9002, cost fewer
 * wakeups and bring a frame across sooner. */
static gsize
burst_size (QpQuic *quic, gsize payload)
{
  gsize quantum = ngtcp2_conn_get_send_quantum (quic->conn);

  return MIN (MAX (quantum, 10 * payload), QP_QUIC_BATCH_SIZE);
}

/* Asks how much may be in flight besides what is. */
static void
update_flight (QpQuic *quic, ngtcp2_tstamp now)
{
  ngtcp2_conn_info info;
  guint64 before = quic->flight.limit;

  ngtcp2_conn_get_conn_info (quic->conn, &info);
  if (quic->acked) {
    quic->acked = FALSE;
    qp_flight_limit_update (&quic->flight, info.latest_rtt,
        info.bytes_sent - info.bytes_in_flight - info.bytes_lost,
        info.bytes_in_flight, now);
    if (quic->flight.limit < before)
      QUIC_DEBUG (quic,
          "a round trip of %" G_GUINT64_FORMAT " ms, at best %" G_GUINT64_FORMAT
          ": %" G_GUINT64_FORMAT " bytes may be in flight",
          (guint64) (info.latest_rtt / NGTCP2_MILLISECONDS),
          (guint64) (quic->flight.base / NGTCP2_MILLISECONDS),
          quic->flight.limit);
  }
  quic->flight_room = qp_flight_limit_get_room (&quic->flight,
      info.bytes_in_flight, now);
}

/* Fills the buffer. Returns the bytes in it; 0 if there is nothing to send now
 * or the connection has come to its end. */
static gsize
fill_batches (QpQuic *quic, ngtcp2_tstamp now)
{
  gsize payload = qp_quic_get_packet_size (quic);
  gsize room = qp_quic_get_room (quic);
  gsize largest = MAX (room, quic->probe_payload);
  gsize burst = burst_size (quic, payload);
  gsize filled = 0, large = 0, probe = 0;
  gssize result = 0;

  update_flight (quic, now);
  quic->drained = FALSE;
  quic->inside = TRUE;
  /* What is more than one batch would make a second, of one datagram. */
  while (filled < burst && filled + largest <= QP_QUIC_BATCH_SIZE) {
    ngtcp2_path_storage storage;

    ngtcp2_path_storage_zero (&storage);
    result = write_packet (quic, &storage.path, quic->buffer + filled, room,
        now);
    if (result <= 0)
      break;
    add_to_batch (quic, filled, (gsize) result, payload,
        qp_virtual_path_get_number (&storage.path));
    filled += (gsize) result;
    quic->burst++;
    quic->flight_room -= MIN (quic->flight_room, (gsize) result);
    if (result > QP_BASE_PAYLOAD)
      large += (gsize) result;
    if ((gsize) result > payload)
      probe = (gsize) result;
  }
  /* Pacing's pause matters only to what waits, so it sets no timer when nothing
   * does: a camera's next frame is longer away than that. */
  if (filled > 0 && result == 0) {
    quic->drained = TRUE;
    quic->drained_expiry = ngtcp2_conn_get_expiry (quic->conn);
    qp_quic_plan_tail_probe (quic, quic->burst, now);
    quic->burst = 0;
  }
  ngtcp2_conn_update_pkt_tx_time (quic->conn, now);
  quic->inside = FALSE;
  if (filled > 0)
    qp_quic_watch_sent (quic, large, probe, now);
  if (result < 0) {
    qp_quic_handle_result (quic, (int) result, "sending");
    return 0;
  }
  return filled;
}

void
qp_quic_drop_batches (QpQuic *quic)
{
  while (quic->batches.length > 0)
    qp_ring_pop (&quic->batches);
  quic->blocked = FALSE;
}

void
qp_quic_drop_batches_of (QpQuic *quic, guint path)
{
  guint i;
  guint length = quic->batches.length;

  for (i = 0; i < length; i++) {
    QpBatch batch = *(QpBatch *) qp_ring_peek (&quic->batches, 0);

    qp_ring_pop (&quic->batches);
    if (batch.path != path)
      *(QpBatch *) qp_ring_push (&quic->batches) = batch;
  }
  if (quic->batches.length == 0)
    quic->blocked = FALSE;
}

static gboolean
may_send (QpQuic *quic)
{
  return quic->conn != NULL && !quic->blocked && !quic->freed &&
      quic->state <= QP_QUIC_ESTABLISHED;
}

/* Hands one batch to the owner, who may close, move or free the connection in
 * there. FALSE: no more for now. */
static gboolean
send_batch (QpQuic *quic, QpBatch batch)
{
  gsize sent = 0;
  QpQuicSendResult result = quic->callbacks.send (quic, batch.path,
      quic->buffer + batch.offset, batch.size, batch.segment, &sent,
      quic->user);

  switch (result) {
    case QP_QUIC_SEND_OK:
      return TRUE;
    case QP_QUIC_SEND_AGAIN:
      /* A path that is not in use, where a probe goes, must not hold up the
       * one that is: its batch is lost. */
      if (batch.path == quic->path && quic->state <= QP_QUIC_ESTABLISHED) {
        sent = MIN (sent, batch.size);
        batch.offset += sent;
        batch.size -= sent;
        *(QpBatch *) qp_ring_push_front (&quic->batches) = batch;
        quic->blocked = TRUE;
        return FALSE;
      }
      return TRUE;
    case QP_QUIC_SEND_ERROR:
    default:
      QUIC_DEBUG (quic, "path %u does not take %" G_GSIZE_FORMAT " bytes",
          batch.path, batch.size);
      return FALSE;
  }
}

/* Hands over all batches; an error on one path is no reason to keep another's,
 * which may be the probe that finds the way out. */
static gboolean
send_batches (QpQuic *quic)
{
  gboolean more = TRUE;

  quic->sending = TRUE;
  while (quic->batches.length > 0 && may_send (quic)) {
    QpBatch batch = *(QpBatch *) qp_ring_peek (&quic->batches, 0);

    qp_ring_pop (&quic->batches);
    if (!send_batch (quic, batch))
      more = FALSE;
  }
  quic->sending = FALSE;
  return more && may_send (quic);
}

void
qp_quic_send_all (QpQuic *quic)
{
  ngtcp2_tstamp now = qp_quic_now ();

  quic->credit_exhausted = FALSE;
  /* Ends at the congestion window, at pacing's pause, or when all is sent. */
  while (may_send (quic) &&
      (quic->batches.length > 0 || fill_batches (quic, now) > 0)) {
    if (!send_batches (quic) || quic->drained)
      break;
  }
  qp_quic_track_path (quic);
}

void
qp_quic_flush (QpQuic *quic)
{
  if (quic->inside || quic->dispatching || quic->sending) {
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
  if (!quic->blocked)
    return;
  quic->blocked = FALSE;
  qp_quic_flush (quic); /* what was left over goes first */
}

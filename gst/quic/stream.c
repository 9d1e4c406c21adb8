/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Streams: what waits to be sent on each, what waits to be acknowledged, and
 * whose turn it is.  Data is never copied: ngtcp2 reads it, again at each
 * retransmission, where the owner's GBytes hold it.
 *
 * The scheduler is one list per priority of the streams that have something
 * unsent, in order of opening: an older frame is worth more than a newer one.
 * Picking is O(1); a stream enters from the back, where it nearly always
 * belongs, since the newest stream is the one being written. */
#include "quic/connection-private.h"

static void
ready_insert (QpQuic *quic, QpStream *stream)
{
  QpStreamList *list = &quic->ready[stream->priority];
  QpStream *before = list->tail;

  while (before != NULL && before->order > stream->order)
    before = before->ready_prev;
  stream->ready_prev = before;
  stream->ready_next = before != NULL ? before->ready_next : list->head;
  if (stream->ready_prev != NULL)
    stream->ready_prev->ready_next = stream;
  else
    list->head = stream;
  if (stream->ready_next != NULL)
    stream->ready_next->ready_prev = stream;
  else
    list->tail = stream;
  stream->ready = TRUE;
}

static void
ready_remove (QpQuic *quic, QpStream *stream)
{
  QpStreamList *list = &quic->ready[stream->priority];

  if (!stream->ready)
    return;
  if (stream->ready_prev != NULL)
    stream->ready_prev->ready_next = stream->ready_next;
  else
    list->head = stream->ready_next;
  if (stream->ready_next != NULL)
    stream->ready_next->ready_prev = stream->ready_prev;
  else
    list->tail = stream->ready_prev;
  stream->ready_prev = stream->ready_next = NULL;
  stream->ready = FALSE;
}

static gboolean
has_unsent (const QpStream *stream)
{
  return stream->sent_offset < stream->queued_offset ||
      (stream->fin_queued && !stream->fin_sent);
}

/* Brings the ready list in line with what the stream has to send. */
static void
update_ready (QpQuic *quic, QpStream *stream)
{
  gboolean ready = !stream->reset && !stream->blocked && has_unsent (stream);

  if (ready && !stream->ready)
    ready_insert (quic, stream);
  else if (!ready)
    ready_remove (quic, stream);
}

QpStream *
qp_stream_new (QpQuic *quic, gint64 id, QpPriority priority, gboolean local)
{
  QpStream *stream = g_new0 (QpStream, 1);

  stream->id = id;
  stream->priority = priority;
  stream->order = quic->next_order++;
  stream->local = local;
  stream->told = local;
  qp_ring_init (&stream->chunks, sizeof (QpChunk));
  stream->all_prev = quic->streams.tail;
  if (stream->all_prev != NULL)
    stream->all_prev->all_next = stream;
  else
    quic->streams.head = stream;
  quic->streams.tail = stream;
  return stream;
}

static void
drop_first_chunk (QpStream *stream)
{
  QpChunk *chunk = qp_ring_peek (&stream->chunks, 0);

  g_bytes_unref (chunk->bytes);
  qp_ring_pop (&stream->chunks);
}

static void
drop_all_chunks (QpQuic *quic, QpStream *stream)
{
  quic->bytes_unsent -= stream->queued_offset - stream->sent_offset;
  while (stream->chunks.length > 0)
    drop_first_chunk (stream);
  stream->queued_offset = stream->sent_offset = stream->acked_offset;
  stream->unsent_index = 0;
  stream->unsent_skip = 0;
  stream->acked_skip = 0;
}

void
qp_stream_forget (QpQuic *quic, QpStream *stream)
{
  drop_all_chunks (quic, stream);
  stream->reset = TRUE;
  update_ready (quic, stream);
}

void
qp_quic_tell_streams_available (QpQuic *quic)
{
  QpEvent event = { .type = QP_EVENT_STREAMS_AVAILABLE };

  if (!quic->streams_wanted)
    return;
  quic->streams_wanted = FALSE;
  qp_quic_add_event (quic, &event);
}

/* Makes the stream what it was when it was opened: the next owner's. */
static void
take_back (QpQuic *quic, QpStream *stream)
{
  drop_all_chunks (quic, stream);
  stream->fin_queued = FALSE;
  stream->unused = TRUE;
  update_ready (quic, stream);
  *(gint64 *) qp_ring_push (&quic->unused) = stream->id;
  if (quic->streams_wanted) {
    qp_quic_tell_streams_available (quic);
    quic->flush_wanted = TRUE;
  }
}

void
qp_stream_free (QpQuic *quic, QpStream *stream)
{
  qp_stream_forget (quic, stream);
  qp_ring_clear (&stream->chunks);
  if (stream->all_prev != NULL)
    stream->all_prev->all_next = stream->all_next;
  else
    quic->streams.head = stream->all_next;
  if (stream->all_next != NULL)
    stream->all_next->all_prev = stream->all_prev;
  else
    quic->streams.tail = stream->all_prev;
  g_free (stream);
}

QpStream *
qp_quic_find_stream (QpQuic *quic, gint64 id)
{
  if (quic->conn == NULL || id < 0)
    return NULL;
  return ngtcp2_conn_get_stream_user_data (quic->conn, id);
}

QpStream *
qp_quic_next_stream (QpQuic *quic, QpPriority priority)
{
  return quic->ready[priority].head;
}

guint
qp_stream_gather (QpStream *stream, ngtcp2_vec *vec, guint max, gsize limit,
    gsize *size, gboolean *fin)
{
  gsize skip = stream->unsent_skip;
  gsize total = 0;
  guint n = 0;
  guint i;

  for (i = stream->unsent_index;
       i < stream->chunks.length && n < max && total < limit; i++) {
    const QpChunk *chunk = qp_ring_peek (&stream->chunks, i);

    vec[n].base = (uint8_t *) chunk->data + skip; /* ngtcp2 only reads it */
    vec[n].len = chunk->size - skip;
    total += vec[n].len;
    skip = 0;
    n++;
  }
  *size = total;
  *fin = stream->fin_queued &&
      stream->sent_offset + total == stream->queued_offset;
  return n;
}

void
qp_stream_advance (QpQuic *quic, QpStream *stream, gsize size, gboolean fin)
{
  quic->bytes_unsent -= size;
  stream->sent_offset += size;
  while (size > 0) {
    const QpChunk *chunk = qp_ring_peek (&stream->chunks, stream->unsent_index);
    gsize left = chunk->size - stream->unsent_skip;

    if (size < left) {
      stream->unsent_skip += size;
      break;
    }
    size -= left;
    stream->unsent_index++;
    stream->unsent_skip = 0;
  }
  g_assert (stream->sent_offset <= stream->queued_offset);
  if (fin)
    stream->fin_sent = TRUE;
  update_ready (quic, stream);
}

void
qp_stream_acked (QpQuic *quic, QpStream *stream, guint64 offset)
{
  gsize size;

  /* After a reset nothing is held any more. */
  if (stream->reset || offset <= stream->acked_offset)
    return;
  g_assert (offset <= stream->sent_offset);
  size = (gsize) (offset - stream->acked_offset) + stream->acked_skip;
  stream->acked_offset = offset;
  while (stream->chunks.length > 0) {
    const QpChunk *chunk = qp_ring_peek (&stream->chunks, 0);

    if (size < chunk->size)
      break;
    size -= chunk->size;
    drop_first_chunk (stream);
    stream->unsent_index--;
  }
  stream->acked_skip = size;
}

void
qp_stream_block (QpQuic *quic, QpStream *stream)
{
  stream->blocked = TRUE;
  update_ready (quic, stream);
}

void
qp_stream_unblock (QpQuic *quic, QpStream *stream)
{
  stream->blocked = FALSE;
  update_ready (quic, stream);
}

/* A unidirectional stream of ours that the peer has heard nothing of; -1: there
 * is none. */
static gint64
reuse (QpQuic *quic, QpPriority priority)
{
  while (quic->unused.length > 0) {
    gint64 id = *(gint64 *) qp_ring_peek (&quic->unused, 0);
    QpStream *stream = qp_quic_find_stream (quic, id);

    qp_ring_pop (&quic->unused);
    /* With any stream all those of lower numbers exist (RFC 9000, 3.2), so the
     * peer may have stopped it. */
    if (stream != NULL && !stream->reset) {
      stream->unused = FALSE;
      stream->priority = priority;
      stream->order = quic->next_order++;
      return id;
    }
  }
  return -1;
}

gint64
qp_quic_open (QpQuic *quic, gboolean bidirectional, QpPriority priority)
{
  QpStream *stream;
  int64_t id = -1;
  int result;

  g_return_val_if_fail (priority < QP_N_PRIORITIES, -1);
  if (quic->state != QP_QUIC_ESTABLISHED)
    return -1;
  if (!bidirectional && (id = reuse (quic, priority)) >= 0)
    return id;
  result = bidirectional ? ngtcp2_conn_open_bidi_stream (quic->conn, &id, NULL)
                         : ngtcp2_conn_open_uni_stream (quic->conn, &id, NULL);
  if (result != 0) {
    quic->streams_wanted = TRUE;
    return -1;
  }
  stream = qp_stream_new (quic, id, priority, TRUE);
  ngtcp2_conn_set_stream_user_data (quic->conn, id, stream);
  return id;
}

/* A peer's unidirectional stream has no sending side (RFC 9000, 2.1). */
static gboolean
can_write (const QpStream *stream)
{
  return !stream->unused &&
      (stream->local || ngtcp2_is_bidi_stream (stream->id));
}

gboolean
qp_quic_write (QpQuic *quic, gint64 id, GBytes *data, gboolean fin)
{
  QpStream *stream = qp_quic_find_stream (quic, id);
  gsize size = data != NULL ? g_bytes_get_size (data) : 0;

  if (stream == NULL || quic->state != QP_QUIC_ESTABLISHED ||
      !can_write (stream) || stream->reset || stream->fin_queued)
    return FALSE;
  if (size > 0) {
    QpChunk *chunk = qp_ring_push (&stream->chunks);

    chunk->bytes = g_bytes_ref (data);
    chunk->data = g_bytes_get_data (data, NULL);
    chunk->size = size;
    stream->queued_offset += size;
    quic->bytes_unsent += size;
  }
  stream->fin_queued = fin;
  update_ready (quic, stream);
  return TRUE;
}

/* Nothing of it has left, and nothing comes back on it. */
static gboolean
is_unheard_of (const QpStream *stream)
{
  return stream->sent_offset == 0 && !stream->fin_sent &&
      !ngtcp2_is_bidi_stream (stream->id);
}

void
qp_quic_reset (QpQuic *quic, gint64 id, guint64 code)
{
  QpStream *stream = qp_quic_find_stream (quic, id);

  if (stream == NULL || quic->state != QP_QUIC_ESTABLISHED ||
      !can_write (stream) || stream->reset)
    return;
  if (is_unheard_of (stream)) {
    take_back (quic, stream);
    return;
  }
  if (ngtcp2_conn_shutdown_stream_write (quic->conn, 0, id, code) != 0)
    QUIC_WARNING (quic,
        "stream %" G_GINT64_FORMAT " cannot be reset: out of memory", id);
  stream->reset_here = TRUE;
  /* ngtcp2 retransmits nothing of a stream that was reset, so its data is not
   * read again. */
  qp_stream_forget (quic, stream);
}

void
qp_stream_stop (QpQuic *quic, QpStream *stream)
{
  if (ngtcp2_conn_shutdown_stream_read (quic->conn, 0, stream->id,
          stream->stop_code) != 0)
    QUIC_WARNING (quic,
        "stream %" G_GINT64_FORMAT " cannot be stopped: out of memory",
        stream->id);
}

void
qp_quic_stop (QpQuic *quic, gint64 id, guint64 code)
{
  QpStream *stream = qp_quic_find_stream (quic, id);

  if (stream == NULL || quic->state != QP_QUIC_ESTABLISHED || stream->stopped ||
      (stream->local && !ngtcp2_is_bidi_stream (id)))
    return;
  stream->stopped = TRUE;
  stream->stop_code = code;
  /* ngtcp2 frees what it has buffered of the stream, which the owner may be
   * looking at: then on_stream_data() does it afterwards. */
  if (stream != quic->delivering)
    qp_stream_stop (quic, stream);
}

gssize
qp_quic_get_unsent (QpQuic *quic, gint64 id)
{
  QpStream *stream = qp_quic_find_stream (quic, id);

  return stream != NULL ? (gssize) (stream->queued_offset - stream->sent_offset)
                        : -1;
}

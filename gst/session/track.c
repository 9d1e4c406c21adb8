/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See track.h. */
#include "session/track.h"

#include <string.h>

#include "roq/framer.h"
#include "roq/roq.h"
#include "roq/rtp.h"
#include "session/media.h"
#include "session/session-private.h"

#define GST_CAT_DEFAULT qp_session_debug

QpChunk *
qp_chunk_ref (QpChunk *chunk)
{
  g_atomic_ref_count_inc (&chunk->refs);
  return chunk;
}

void
qp_chunk_unref (QpChunk *chunk)
{
  if (!g_atomic_ref_count_dec (&chunk->refs))
    return;
  g_clear_pointer (&chunk->framed, g_bytes_unref);
  g_free (chunk);
}

void
qp_track_item_free (QpTrackItem *item)
{
  g_clear_pointer (&item->chunk, qp_chunk_unref);
  gst_clear_caps (&item->caps);
  g_clear_pointer (&item->rtcp, g_bytes_unref);
  g_free (item);
}

static QpTrackItem *
item_new (QpTrackItemType type)
{
  QpTrackItem *item = g_new0 (QpTrackItem, 1);

  item->type = type;
  return item;
}

QpTrack *
qp_track_new (const QpTrackConfig *config, gpointer user,
    void (*wake) (gpointer), gpointer wake_data)
{
  QpTrack *track = g_new0 (QpTrack, 1);

  track->mid = g_strdup (config->mid);
  track->mapping = config->mapping;
  track->deadline_us = (gint64) config->deadline_ms * 1000;
  track->user = user;
  track->wake = wake;
  track->wake_data = wake_data;
  track->pending = g_ptr_array_new ();
  qp_frame_tracker_init (&track->tracker, QP_FRAME_KIND_OTHER);
  qp_keyframe_limiter_init (&track->keyframes);
  g_mutex_init (&track->lock);
  g_cond_init (&track->drained);
  g_queue_init (&track->queue);
  return track;
}

void
qp_track_free (QpTrack *track)
{
  g_queue_clear_full (&track->queue, (GDestroyNotify) qp_track_item_free);
  g_ptr_array_unref (track->pending);
  gst_clear_caps (&track->caps);
  gst_clear_caps (&track->pushed_caps);
  g_cond_clear (&track->drained);
  g_mutex_clear (&track->lock);
  g_free (track->mid);
  g_free (track);
}

gpointer
qp_track_get_user (QpTrack *track)
{
  return track->user;
}

static gsize
item_size (const QpTrackItem *item)
{
  return item->chunk && item->chunk->framed
      ? g_bytes_get_size (item->chunk->framed)
      : 0;
}

/* Drops the oldest frame that waits: its chunks at the head of the queue up to
 * its end. One LOSS item takes their place, so that a peer that has part of the
 * frame already cancels it. Called with the lock held. */
static void
drop_oldest_frame (QpTrack *track)
{
  GList *link = track->queue.head;
  gboolean ended = FALSE;
  QpTrackItem *item;

  while (link && ((QpTrackItem *) link->data)->type != QP_TRACK_ITEM_CHUNK)
    link = link->next;
  if (!link)
    return;

  item = item_new (QP_TRACK_ITEM_LOSS);
  g_queue_insert_before (&track->queue, link, item);
  while (link && !ended) {
    GList *next = link->next;

    item = link->data;
    if (item->type == QP_TRACK_ITEM_CHUNK) {
      ended = item->chunk->ends;
      track->queue_size -= item_size (item);
      qp_track_item_free (item);
      g_queue_delete_link (&track->queue, link);
    }
    link = next;
  }
  track->dropped_frames++;
}

static void
enqueue (QpTrack *track, QpTrackItem *item)
{
  gboolean was_empty;

  g_mutex_lock (&track->lock);
  was_empty = g_queue_is_empty (&track->queue);
  track->queue_size += item_size (item);
  g_queue_push_tail (&track->queue, item);
  while (track->queue_size > QP_TRACK_QUEUE_MAX)
    drop_oldest_frame (track);
  if (item->type != QP_TRACK_ITEM_RTCP)
    track->ended = FALSE;
  g_mutex_unlock (&track->lock);

  if (was_empty)
    track->wake (track->wake_data);
}

void
qp_track_take (QpTrack *track, GQueue *items)
{
  g_mutex_lock (&track->lock);
  *items = track->queue;
  g_queue_init (&track->queue);
  track->queue_size = 0;
  g_mutex_unlock (&track->lock);
}

guint64
qp_track_get_dropped_frames (QpTrack *track)
{
  guint64 dropped;

  g_mutex_lock (&track->lock);
  dropped = track->dropped_frames;
  g_mutex_unlock (&track->lock);
  return dropped;
}

QpFrameKind
qp_track_get_kind (QpTrack *track)
{
  return track->caps ? qp_media_kind (track->caps) : QP_FRAME_KIND_OTHER;
}

/* Hands the packets gathered so far over as one chunk. */
static void
flush_pending (QpTrack *track, gboolean ends)
{
  QpTrackItem *item;
  QpChunk *chunk;

  if (track->pending->len == 0 && !ends)
    return;

  chunk = g_new0 (QpChunk, 1);
  g_atomic_ref_count_init (&chunk->refs);
  chunk->n_packets = track->pending->len;
  chunk->ssrc = track->pending_ssrc;
  chunk->starts = track->pending_starts;
  chunk->key = track->pending_key;
  chunk->ends = ends;
  chunk->born_us = g_get_monotonic_time ();

  if (track->pending->len > 0) {
    guint8 *data = g_malloc (track->pending_size), *end = data;

    for (guint i = 0; i < track->pending->len; i++) {
      GstBuffer *buffer = g_ptr_array_index (track->pending, i);
      gsize size = gst_buffer_get_size (buffer);

      end = qp_roq_put_length (end, size);
      gst_buffer_extract (buffer, 0, end, size);
      end += size;
    }
    g_assert ((gsize) (end - data) == track->pending_size);
    chunk->framed = g_bytes_new_take (data, track->pending_size);
  }

  g_ptr_array_set_size (track->pending, 0);
  track->pending_size = 0;
  track->pending_starts = FALSE;

  item = item_new (QP_TRACK_ITEM_CHUNK);
  item->chunk = chunk;
  enqueue (track, item);
}

static void
add_packet (QpTrack *track, GstBuffer *buffer)
{
  gsize size = gst_buffer_get_size (buffer);
  guint8 header[QP_RTP_HEADER_SIZE];
  QpFrameEvents events;

  if (size < QP_RTP_HEADER_SIZE || size > QP_ROQ_MAX_PACKET_SIZE) {
    GST_WARNING ("%s: an RTP packet of %" G_GSIZE_FORMAT
                 " bytes cannot be sent",
        track->mid, size);
    return;
  }

  gst_buffer_extract (buffer, 0, header, sizeof header);
  events = qp_frame_tracker_push (&track->tracker,
      GST_READ_UINT32_BE (header + 4), (header[1] & 0x80) != 0,
      GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DELTA_UNIT));

  if (events & QP_FRAME_ENDS_PREVIOUS)
    flush_pending (track, TRUE);
  if (events & QP_FRAME_STARTS)
    track->pending_starts = TRUE;

  g_ptr_array_add (track->pending, buffer);
  track->pending_size += qp_roq_packet_size (size);
  track->pending_key = qp_frame_tracker_is_key (&track->tracker);
  track->pending_ssrc = GST_READ_UINT32_BE (header + 8);

  if (events & QP_FRAME_ENDS)
    flush_pending (track, TRUE);
}

void
qp_track_push (QpTrack *track, GstBufferList *list)
{
  if (track->restart && track->pushed_caps)
    qp_track_set_caps (track, track->pushed_caps);

  /* With nobody to send to, not a byte is copied; a peer that comes in the
   * middle of a frame starts at the next one. */
  if (g_atomic_int_get (&track->listeners) > 0) {
    guint n = gst_buffer_list_length (list);

    for (guint i = 0; i < n; i++)
      add_packet (track, gst_buffer_list_get (list, i));
    flush_pending (track, FALSE);
  }
  gst_buffer_list_unref (list);
}

void
qp_track_push_rtcp (QpTrack *track, GstBuffer *buffer)
{
  gsize size = gst_buffer_get_size (buffer);

  if (g_atomic_int_get (&track->listeners) > 0 && size > 0 &&
      size <= QP_ROQ_MAX_PACKET_SIZE) {
    QpTrackItem *item = item_new (QP_TRACK_ITEM_RTCP);
    guint8 *data = g_malloc (size);

    gst_buffer_extract (buffer, 0, data, size);
    item->rtcp = g_bytes_new_take (data, size);
    enqueue (track, item);
  }
  gst_buffer_unref (buffer);
}

void
qp_track_set_caps (QpTrack *track, GstCaps *caps)
{
  QpTrackItem *item;

  /* The last frame of the old caps ends here whatever its marker said. */
  if (qp_frame_tracker_end (&track->tracker))
    flush_pending (track, TRUE);
  qp_frame_tracker_init (&track->tracker, qp_media_kind (caps));

  gst_caps_replace (&track->pushed_caps, caps);
  track->restart = FALSE;
  item = item_new (QP_TRACK_ITEM_CAPS);
  item->caps = gst_caps_ref (caps);
  enqueue (track, item);
}

void
qp_track_end (QpTrack *track, guint timeout_ms)
{
  gint64 until = g_get_monotonic_time () + (gint64) timeout_ms * 1000;
  QpTrackItem *item = item_new (QP_TRACK_ITEM_END);

  if (qp_frame_tracker_end (&track->tracker))
    flush_pending (track, TRUE);
  item->deadline_us = until;
  track->restart = TRUE;
  enqueue (track, item);

  /* The transport thread gives up at `until` by itself; the margin is for its
   * word to arrive. */
  g_mutex_lock (&track->lock);
  while (!track->ended && !track->flushing) {
    if (!g_cond_wait_until (&track->drained, &track->lock, until + 200 * 1000))
      break;
  }
  g_mutex_unlock (&track->lock);
}

void
qp_track_set_ended (QpTrack *track)
{
  g_mutex_lock (&track->lock);
  track->ended = TRUE;
  g_cond_broadcast (&track->drained);
  g_mutex_unlock (&track->lock);
}

void
qp_track_request_keyframe (QpTrack *track)
{
  g_atomic_int_set (&track->keyframe_asked, TRUE);
  track->wake (track->wake_data);
}

void
qp_track_set_flushing (QpTrack *track, gboolean flushing)
{
  g_mutex_lock (&track->lock);
  track->flushing = flushing;
  g_cond_broadcast (&track->drained);
  g_mutex_unlock (&track->lock);
}

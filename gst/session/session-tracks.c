/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The local tracks of a session: takes what streaming threads left in their
 * queues and hands it to every peer, announces caps, drains what ends.  The
 * functions of session.h run on any thread, the rest on the transport thread. */
#include "session/session-private.h"

#define GST_CAT_DEFAULT qp_session_debug

#define DRAIN_MS 10

/* --- Keyframes ------------------------------------------------------------ */

static void
ask_for_keyframe (QpSession *session, QpTrack *track)
{
  QpMember *producer = qp_session_get_producer (session);

  session->keyframe_requests++;
  if (producer)
    producer->callbacks.track_keyframe (track, producer->user);
}

/* Requests that were kept pass when they are due. */
static gboolean
on_keyframes (gpointer data)
{
  QpSession *session = data;
  gint64 now = g_get_monotonic_time (), next = -1;

  for (guint i = 0; i < session->tracks->len; i++) {
    QpTrack *track = g_ptr_array_index (session->tracks, i);
    gint64 due;

    if (qp_keyframe_limiter_poll (&track->keyframes, now))
      ask_for_keyframe (session, track);
    due = qp_keyframe_limiter_due (&track->keyframes);
    if (due >= 0 && (next < 0 || due < next))
      next = due;
  }
  g_source_set_ready_time (session->keyframes, next);
  return G_SOURCE_CONTINUE;
}

void
qp_session_keyframe (QpSession *session, QpTrack *track, gboolean newcomer)
{
  gint64 due, ready;

  if (qp_keyframe_limiter_ask (&track->keyframes, g_get_monotonic_time (),
          newcomer)) {
    ask_for_keyframe (session, track);
    return;
  }
  due = qp_keyframe_limiter_due (&track->keyframes);
  ready = g_source_get_ready_time (session->keyframes);
  if (ready < 0 || due < ready)
    g_source_set_ready_time (session->keyframes, due);
}

/* --- From the queues to the peers ----------------------------------------- */

static void
for_each_peer (QpSession *session, QpTrack *track, const QpTrackItem *item)
{
  for (guint i = 0; i < session->peers->len; i++)
    qp_peer_push_item (g_ptr_array_index (session->peers, i), track, item);
}

static void
end_track (QpSession *session, QpTrack *track)
{
  track->end_by_us = 0;
  track->announced = FALSE;
  for (guint i = 0; i < session->peers->len; i++)
    qp_peer_remove_track (g_ptr_array_index (session->peers, i), track);
  qp_track_set_ended (track);
}

static gboolean
is_drained (QpSession *session, QpTrack *track)
{
  for (guint i = 0; i < session->peers->len; i++) {
    if (!qp_peer_is_drained (g_ptr_array_index (session->peers, i), track))
      return FALSE;
  }
  return TRUE;
}

static gboolean
on_drain (gpointer data)
{
  QpSession *session = data;
  gint64 now = g_get_monotonic_time ();
  gboolean ending = FALSE;

  for (guint i = 0; i < session->tracks->len; i++) {
    QpTrack *track = g_ptr_array_index (session->tracks, i);

    if (track->end_by_us == 0)
      continue;
    if (now >= track->end_by_us || is_drained (session, track))
      end_track (session, track);
    else
      ending = TRUE;
  }
  for (guint i = 0; i < session->peers->len; i++)
    qp_peer_flush (g_ptr_array_index (session->peers, i));
  if (ending)
    return G_SOURCE_CONTINUE;
  g_clear_pointer (&session->drain, g_source_unref);
  return G_SOURCE_REMOVE;
}

/* Media of an announced track after its end: it goes on. */
static void
announce (QpSession *session, QpTrack *track, GstCaps *caps)
{
  gst_caps_replace (&track->caps, caps);
  gst_structure_get_uint (gst_caps_get_structure (caps, 0), "ssrc",
      &track->ssrc);
  track->media_number = session->next_media++;
  track->announced = TRUE;
  track->end_by_us = 0;
}

/* A payloader that tells keyframes from others is about to answer. */
static void
note_keyframe (QpTrack *track, const QpChunk *chunk)
{
  if (!chunk->starts)
    return;
  if (!chunk->key)
    track->has_deltas = TRUE;
  else if (track->has_deltas)
    qp_keyframe_limiter_serve (&track->keyframes);
}

static void
take_item (QpSession *session, QpTrack *track, const QpTrackItem *item)
{
  if (item->type == QP_TRACK_ITEM_CAPS) {
    announce (session, track, item->caps);
  } else if (item->type == QP_TRACK_ITEM_CHUNK && item->chunk->n_packets > 0) {
    track->ssrc = item->chunk->ssrc;
  } else if (item->type == QP_TRACK_ITEM_END) {
    track->end_by_us = item->deadline_us;
    if (!session->drain)
      session->drain = qp_session_add_timeout (session, DRAIN_MS, on_drain);
  } else if (item->type == QP_TRACK_ITEM_CHUNK) {
    note_keyframe (track, item->chunk);
  }
  for_each_peer (session, track, item);
}

static void
take_track (QpSession *session, QpTrack *track)
{
  GQueue items;
  QpTrackItem *item;

  if (g_atomic_int_compare_and_exchange (&track->keyframe_asked, TRUE, FALSE))
    qp_session_keyframe (session, track, FALSE);
  qp_track_take (track, &items);
  while ((item = g_queue_pop_head (&items))) {
    take_item (session, track, item);
    qp_track_item_free (item);
  }
}

static gboolean
on_wake (gpointer data)
{
  QpSession *session = data;

  g_source_set_ready_time (session->wake, -1);
  for (guint i = 0; i < session->tracks->len; i++)
    take_track (session, g_ptr_array_index (session->tracks, i));
  for (guint i = 0; i < session->peers->len; i++)
    qp_peer_flush (g_ptr_array_index (session->peers, i));
  return G_SOURCE_CONTINUE;
}

/* Streaming threads, without a lock of ours. */
static void
wake (gpointer data)
{
  g_source_set_ready_time (((QpSession *) data)->wake, 0);
}

static gboolean
dispatch_ready (GSource *source, GSourceFunc callback, gpointer data)
{
  return callback (data);
}

static GSourceFuncs ready_funcs = { .dispatch = dispatch_ready };

/* A source that runs `func` when its ready time is set and has come. */
static GSource *
add_ready_source (QpSession *session, const char *name, GSourceFunc func)
{
  GSource *source = g_source_new (&ready_funcs, sizeof (GSource));

  g_source_set_name (source, name);
  g_source_set_callback (source, func, session, NULL);
  g_source_attach (source, session->context);
  return source;
}

void
qp_session_init_tracks (QpSession *session)
{
  session->wake = add_ready_source (session, "quicp2p tracks", on_wake);
  session->keyframes = add_ready_source (session, "quicp2p keyframes",
      on_keyframes);
}

/* --- Which tracks there are ------------------------------------------------ */

void
qp_session_forget_track (QpSession *session, gpointer data)
{
  QpTrack *track = data;

  track->announced = FALSE; /* what is described to the peers is what is left */
  for (guint i = 0; i < session->peers->len; i++) {
    QpPeer *peer = g_ptr_array_index (session->peers, i);

    qp_peer_remove_track (peer, track);
    qp_peer_flush (peer);
  }
  qp_session_spare_retired (session, track);
  g_ptr_array_remove (session->tracks, track);
}

static void
add_track (QpSession *session, gpointer data)
{
  g_ptr_array_add (session->tracks, data);
}

QpTrack *
qp_session_add_track (QpMember *member, const QpTrackConfig *config,
    gpointer track_user)
{
  QpTrack *track = qp_track_new (config, track_user, wake, member->session);

  qp_session_call_and_wait (member->session, add_track, track);
  return track;
}

void
qp_session_remove_track (QpMember *member, QpTrack *track)
{
  qp_session_call_and_wait (member->session, qp_session_forget_track, track);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The session's tracks and producers in quicp2psrc.  The callbacks run on the
 * transport thread: they make producers and tracks and feed them, and block
 * nowhere.  What waits for streaming threads, that is taking things apart and
 * EOS on pads that have no thread, is done by gst_element_call_async(). */
#include "elements/gstquicp2psrc-private.h"

GST_DEBUG_CATEGORY_EXTERN (gst_quicp2p_src_debug);
#define GST_CAT_DEFAULT gst_quicp2p_src_debug

/* --- Taking apart: threads of gst_element_call_async() -------------------- */

/* A producer of which nothing is left and nothing is to come. */
static void
demolish_if_idle (GstQuicP2PSrc *self, GstQuicP2PProducer *producer)
{
  GList *link = NULL;

  g_mutex_lock (&self->lock);
  if (gst_quicp2p_producer_change_live (producer, 0) == 0 &&
      gst_quicp2p_producer_count_tracks (producer) == 0)
    link = g_list_find (self->producers, producer);
  if (link)
    self->producers = g_list_delete_link (self->producers, link);
  g_mutex_unlock (&self->lock);

  if (link) {
    gst_quicp2p_producer_demolish (producer);
    gst_quicp2p_producer_unref (producer);
  }
}

void
gst_quicp2p_src_demolish_track (GstElement *element, gpointer user)
{
  GstQuicP2PSrc *self = GST_QUICP2P_SRC (element);
  GstQuicP2PTrack *track = user;
  g_autoptr (GstQuicP2PProducer) producer = NULL;
  g_autoptr (GstQuicP2PSrcPad) pad = NULL;

  g_mutex_lock (&self->lock);
  producer = gst_quicp2p_producer_ref (track->producer);
  if (track->pad_goes)
    pad = g_steal_pointer (&track->pad);
  g_mutex_unlock (&self->lock);

  if (gst_quicp2p_producer_remove_track (producer, track)) {
    g_mutex_lock (&self->lock);
    self->dropped_packets += gst_quicp2p_track_get_dropped (track);
    g_mutex_unlock (&self->lock);
  }
  if (pad)
    gst_quicp2p_src_retire_pad (self, pad);
  demolish_if_idle (self, producer);
}

/* --- Callbacks: the transport thread -------------------------------------- */

static GstQuicP2PProducer *
make_producer (GstQuicP2PSrc *self, const QpPeerName *peer)
{
  GstQuicP2PProducer *producer;
  guint number, latency_ms;

  g_mutex_lock (&self->lock);
  number = self->next_producer++;
  latency_ms = self->latency_ms;
  g_mutex_unlock (&self->lock);

  producer = gst_quicp2p_producer_new (GST_BIN_CAST (self), number, peer,
      latency_ms, gst_quicp2p_src_expose, self);
  if (producer) {
    g_mutex_lock (&self->lock);
    gst_quicp2p_producer_change_live (producer, 1);
    self->producers = g_list_append (self->producers,
        gst_quicp2p_producer_ref (producer));
    g_mutex_unlock (&self->lock);
  }
  return producer;
}

/* (transfer none), nullable.  With the lock. */
static GstQuicP2PProducer *
find_producer (GstQuicP2PSrc *self, const char *peer_id)
{
  for (GList *walk = self->producers; walk; walk = walk->next) {
    if (strcmp (gst_quicp2p_producer_get_peer_id (walk->data), peer_id) == 0)
      return walk->data;
  }
  return NULL;
}

/* (transfer full), NULL without rtpbin: the producer, with one live track more,
 * so that it does not go before that is set up. */
static GstQuicP2PProducer *
take_producer (GstQuicP2PSrc *self, const QpPeerName *peer)
{
  GstQuicP2PProducer *found;

  g_mutex_lock (&self->lock);
  found = find_producer (self, peer->id);
  if (found) {
    gst_quicp2p_producer_ref (found);
    gst_quicp2p_producer_change_live (found, 1);
  }
  g_mutex_unlock (&self->lock);
  return found ? found : make_producer (self, peer);
}

static void
on_remote_track_added (QpRemoteTrack *remote, gpointer user)
{
  GstQuicP2PSrc *self = GST_QUICP2P_SRC (user);
  QpPeerName peer = qp_remote_track_get_peer (remote);
  g_autoptr (GstQuicP2PProducer) producer = take_producer (self, &peer);
  GstQuicP2PTrack *track = NULL;

  if (producer)
    track = gst_quicp2p_producer_add_track (producer, remote);
  g_mutex_lock (&self->lock);
  if (track)
    self->live = g_list_prepend (self->live, track);
  else if (producer)
    gst_quicp2p_producer_change_live (producer, -1);
  g_mutex_unlock (&self->lock);
  qp_remote_track_set_user (remote, track);
  if (!track)
    GST_ELEMENT_WARNING (self, CORE, FAILED,
        ("The stream %s of %s cannot be shown",
            qp_remote_track_get_mid (remote), peer.name ? peer.name : peer.id),
        ("rtpbin refused it"));
}

static void
on_remote_track_caps (QpRemoteTrack *remote, GstCaps *caps, gpointer user)
{
  GstQuicP2PTrack *track = qp_remote_track_get_user (remote);

  if (track)
    gst_quicp2p_track_set_caps (track, caps);
}

static void
on_remote_rtp (QpRemoteTrack *remote, GstBufferList *list, gpointer user)
{
  GstQuicP2PTrack *track = qp_remote_track_get_user (remote);

  if (track)
    gst_quicp2p_track_receive_rtp (track, list);
  else
    gst_buffer_list_unref (list);
}

static void
on_remote_rtcp (QpRemoteTrack *remote, GstBuffer *buffer, gpointer user)
{
  GstQuicP2PTrack *track = qp_remote_track_get_user (remote);

  if (track)
    gst_quicp2p_track_receive_rtcp (track, buffer);
  else
    gst_buffer_unref (buffer);
}

/* The track is not to be seen any more; its pad waits for whoever comes next. */
static void
orphan_pad (GstQuicP2PSrc *self, GstQuicP2PTrack *track)
{
  g_autoptr (GstQuicP2PSrcPad) pad = NULL;

  g_mutex_lock (&self->lock);
  track->gone = TRUE;
  pad = g_steal_pointer (&track->pad);
  g_mutex_unlock (&self->lock);
  if (pad)
    gst_quicp2p_src_pad_detach (pad);
}

/* Where all are played, nobody else ever comes to the pad of a stream that has
 * ended.  With the lock. */
static void
end_pad (GstQuicP2PSrc *self, GstQuicP2PTrack *track, QpTrackEnd end)
{
  track->pad_goes = self->all || end == QP_TRACK_REPLACED;
  /* The media goes on, on another pad. An EOS here would end a pipeline in
   * which this is the only stream. */
  if (end == QP_TRACK_REPLACED && track->pad)
    gst_quicp2p_src_pad_withhold_eos (track->pad);
}

static void
on_remote_track_removed (QpRemoteTrack *remote, QpTrackEnd end, gpointer user)
{
  GstQuicP2PSrc *self = GST_QUICP2P_SRC (user);
  g_autoptr (GstQuicP2PTrack) track = qp_remote_track_get_user (remote);

  if (!track)
    return;
  qp_remote_track_set_user (remote, NULL);
  g_mutex_lock (&self->lock);
  self->live = g_list_remove (self->live, track);
  gst_quicp2p_producer_change_live (track->producer, -1);
  if (end != QP_TRACK_PEER_GONE)
    end_pad (self, track, end);
  g_mutex_unlock (&self->lock);

  if (end == QP_TRACK_PEER_GONE) {
    orphan_pad (self, track);
    gst_element_call_async (GST_ELEMENT_CAST (self),
        gst_quicp2p_src_demolish_track, gst_quicp2p_track_ref (track),
        (GDestroyNotify) gst_quicp2p_track_unref);
  } else {
    gst_quicp2p_track_end (track); /* goes when its EOS is out */
  }
}

/* (transfer full), nullable: a pad that shows, or waits for, that peer. */
static GstQuicP2PSrcPad *
find_pad_of (GstQuicP2PSrc *self, const char *peer_id)
{
  GstQuicP2PSrcPad *found = NULL;

  g_mutex_lock (&self->lock);
  for (GList *walk = self->pads; walk && !found; walk = walk->next) {
    if (gst_quicp2p_src_pad_is_of (walk->data, peer_id))
      found = gst_object_ref (walk->data);
  }
  g_mutex_unlock (&self->lock);
  return found;
}

/* For gst_element_call_async(): takes away all pads of a peer. */
static void
retire_pads_of (GstElement *element, gpointer peer_id)
{
  GstQuicP2PSrc *self = GST_QUICP2P_SRC (element);
  GstQuicP2PSrcPad *pad;

  while ((pad = find_pad_of (self, peer_id))) {
    gst_quicp2p_src_retire_pad (self, pad);
    gst_object_unref (pad);
  }
}

/* Where one producer is played, its pads wait for a successor. */
static void
on_peer_left (const QpPeerName *peer, const char *reason, gpointer user)
{
  GstQuicP2PSrc *self = GST_QUICP2P_SRC (user);
  gboolean all;

  g_mutex_lock (&self->lock);
  all = self->all;
  g_mutex_unlock (&self->lock);
  if (all)
    gst_element_call_async (GST_ELEMENT_CAST (self), retire_pads_of,
        g_strdup (peer->id), g_free);
  gst_quicp2p_on_peer_left (peer, reason, user);
}

static void
on_peer_renamed (const QpPeerName *peer, gpointer user)
{
  GstQuicP2PSrc *self = GST_QUICP2P_SRC (user);
  GstQuicP2PProducer *producer;

  g_mutex_lock (&self->lock);
  producer = find_producer (self, peer->id);
  if (producer)
    gst_quicp2p_producer_set_peer_name (producer, peer->name);
  g_mutex_unlock (&self->lock);
  gst_element_call_async (GST_ELEMENT_CAST (self), gst_quicp2p_src_name_owners,
      NULL, NULL);
}

static void
ref_pad (gpointer pad, gpointer user)
{
  gst_object_ref (pad);
}

void
gst_quicp2p_src_end_all (GstElement *element, gpointer user)
{
  GstQuicP2PSrc *self = GST_QUICP2P_SRC (element);
  GList *pads;

  g_mutex_lock (&self->lock);
  for (GList *walk = self->producers; walk; walk = walk->next)
    gst_quicp2p_producer_end (walk->data);
  pads = g_list_copy (self->pads);
  g_list_foreach (pads, ref_pad, NULL);
  g_mutex_unlock (&self->lock);

  for (GList *walk = pads; walk; walk = walk->next) {
    if (!gst_quicp2p_src_pad_is_shown (walk->data))
      gst_quicp2p_src_pad_push_eos (walk->data);
  }
  g_list_free_full (pads, gst_object_unref);
}

static void
on_producer_timeout (gpointer user)
{
  GstQuicP2PSrc *self = GST_QUICP2P_SRC (user);
  gboolean any;

  g_mutex_lock (&self->lock);
  any = self->pads != NULL;
  g_mutex_unlock (&self->lock);

  if (any)
    gst_element_call_async (GST_ELEMENT_CAST (self), gst_quicp2p_src_end_all,
        NULL, NULL);
  else
    GST_ELEMENT_ERROR (self, RESOURCE, NOT_FOUND,
        ("The producer left before it sent anything, and did not come back"),
        (NULL));
}

const QpSessionCallbacks gst_quicp2p_src_callbacks = {
  .message = gst_quicp2p_on_message,
  .warning = gst_quicp2p_on_warning,
  .failed = gst_quicp2p_on_failed,
  .peer_joined = gst_quicp2p_on_peer_joined,
  .peer_left = on_peer_left,
  .peer_renamed = on_peer_renamed,
  .accept_peer = gst_quicp2p_on_accept_peer,
  .remote_track_added = on_remote_track_added,
  .remote_track_caps = on_remote_track_caps,
  .remote_track_removed = on_remote_track_removed,
  .remote_rtp = on_remote_rtp,
  .remote_rtcp = on_remote_rtcp,
  .producer_timeout = on_producer_timeout,
};

void
gst_quicp2p_src_clean_up (GstQuicP2PSrc *self)
{
  GList *producers, *live;

  g_mutex_lock (&self->lock);
  producers = g_steal_pointer (&self->producers);
  live = g_steal_pointer (&self->live);
  self->next_pad = 0;
  g_mutex_unlock (&self->lock);
  for (GList *walk = producers; walk; walk = walk->next)
    gst_quicp2p_producer_demolish (walk->data);
  g_list_free_full (producers, (GDestroyNotify) gst_quicp2p_producer_unref);
  g_list_free_full (live, (GDestroyNotify) gst_quicp2p_track_unref);

  for (;;) {
    g_autoptr (GstQuicP2PSrcPad) pad = NULL;

    g_mutex_lock (&self->lock);
    if (self->pads)
      pad = gst_object_ref (self->pads->data);
    g_mutex_unlock (&self->lock);
    if (!pad)
      break;
    gst_quicp2p_src_pad_withhold_eos (pad);
    gst_quicp2p_src_retire_pad (self, pad);
  }
}

guint64
gst_quicp2p_src_get_dropped (GstQuicP2PSrc *self)
{
  guint64 dropped;

  g_mutex_lock (&self->lock);
  dropped = self->dropped_packets;
  for (GList *walk = self->producers; walk; walk = walk->next)
    dropped += gst_quicp2p_producer_get_dropped (walk->data);
  g_mutex_unlock (&self->lock);
  return dropped;
}

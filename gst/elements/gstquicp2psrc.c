/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* quicp2psrc: a bin with one rtpbin for each producer (gstquicp2pproducer.c) and
 * one ghost pad for each stream (gstquicp2psrcpad.c).  Here is decided which
 * stream shows on which pad, and what becomes of both when a producer goes.
 *
 * Threads: the session's callbacks, on the transport thread, make producers and
 * tracks and feed them, and block nowhere.  Pads are exposed by the streaming
 * thread on which the first packet comes out of rtpbin.  What waits for
 * streaming threads, that is taking things apart and EOS on pads that have no
 * thread, is done by gst_element_call_async().  `lock` guards what they share
 * and is never held while calling another element. */

/**
 * SECTION:element-quicp2psrc
 * @title: quicp2psrc
 * @see_also: quicp2psink, rtpbin
 *
 * quicp2psrc plays what a #quicp2psink sends.  It meets the sink in a room of a
 * signaling server, opens a QUIC connection to it on a path that ICE found, and
 * adds a pad for each of its RTP streams, with their caps.
 *
 * When the producer goes away and comes back within
 * #quicp2psrc:producer-timeout, its streams go on on the same pads.  When it
 * stays away, or ends its streams, the pads get EOS.
 *
 * With #quicp2psrc:latency 0 there is no jitter buffer: packets pass as they
 * arrive, streams are not synchronised with each other, and packets that come
 * out of order are not put in order.
 *
 * ## Example pipelines
 *
 * A viewer:
 * |[
 * gst-launch-1.0 quicp2psrc uri=quicp2p://127.0.0.1:8443/door ! rtph264depay ! avdec_h264 ! videoconvert ! autovideosink
 * ]| Sound and pictures, whatever their formats:
 * |[
 * gst-play-1.0 quicp2p://127.0.0.1:8443/door
 * ]| The camera for both:
 * |[
 * gst-launch-1.0 videotestsrc is-live=true ! x264enc tune=zerolatency ! rtph264pay ! quicp2psink uri=quicp2p://127.0.0.1:8443/door run-signaling-server=true
 * ]|
 *
 * Since: 0.1
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "elements/gstquicp2psrc.h"

#include "elements/gstquicp2pcommon.h"
#include "elements/gstquicp2pproducer.h"
#include "elements/gstquicp2psrcpad.h"

GST_DEBUG_CATEGORY (gst_quicp2p_src_debug);
#define GST_CAT_DEFAULT gst_quicp2p_src_debug

#define DEFAULT_CONNECT_TIMEOUT 30000  /* ms */
#define DEFAULT_PRODUCER_TIMEOUT 10000 /* ms */
#define DEFAULT_LATENCY 200            /* ms */
#define MAX_LATENCY 60000              /* ms */

/* How long after the first pad announced streams without packets may hold up
 * no-more-pads, which players wait for. */
#define NO_MORE_PADS_DELAY GST_SECOND

enum {
  PROP_LATENCY = GST_QUICP2P_PROP_OWN,
  PROP_PRODUCER,
  PROP_PRODUCER_TIMEOUT,
};

struct _GstQuicP2PSrc {
  GstBin parent;

  GstQuicP2PCommon common;

  /* Held while a pad is exposed: applications' handlers of pad-added, such as
   * gst_parse_launch()'s, do not expect two at a time. */
  GMutex expose_lock;

  GMutex lock;      /* guards the fields below */
  guint latency_ms; /* used from the next producer on */
  GList *producers; /* of GstQuicP2PProducer*, referenced */
  GList *live;      /* of GstQuicP2PTrack*, referenced: what the session has */
  GList *pads;      /* of GstQuicP2PSrcPad*, referenced */
  guint next_pad;
  guint next_producer;
  gboolean no_more_pads;   /* signalled */
  GstClockID pads_timer;   /* nullable */
  guint64 dropped_packets; /* of tracks that are gone */
};

G_DEFINE_TYPE_WITH_CODE (GstQuicP2PSrc, gst_quicp2p_src, GST_TYPE_BIN,
    G_IMPLEMENT_INTERFACE (GST_TYPE_URI_HANDLER,
        (GInterfaceInitFunc) gst_quicp2p_uri_handler_init_src))
GST_ELEMENT_REGISTER_DEFINE (quicp2psrc, "quicp2psrc", GST_RANK_PRIMARY,
    GST_TYPE_QUICP2P_SRC)

#define parent_class gst_quicp2p_src_parent_class

static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE ("src_%u",
    GST_PAD_SRC, GST_PAD_SOMETIMES, GST_STATIC_CAPS ("application/x-rtp"));

/* --- Taking apart: threads of gst_element_call_async() -------------------- */

static void
remove_pad (GstQuicP2PSrc *self, GstQuicP2PSrcPad *pad)
{
  GList *link;

  g_mutex_lock (&self->lock);
  link = g_list_find (self->pads, pad);
  if (link)
    self->pads = g_list_delete_link (self->pads, link);
  g_mutex_unlock (&self->lock);
  if (!link)
    return;

  gst_pad_set_active (GST_PAD_CAST (pad), FALSE);
  gst_element_remove_pad (GST_ELEMENT_CAST (self), GST_PAD_CAST (pad));
  gst_object_unref (pad);
}

/* A producer of which nothing is left and nothing is to come. */
static void
demolish_if_idle (GstQuicP2PSrc *self, GstQuicP2PProducer *producer)
{
  GList *link = NULL;

  g_mutex_lock (&self->lock);
  if (*gst_quicp2p_producer_live (producer) == 0 &&
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

static void
demolish_track (GstElement *element, gpointer user)
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
  if (pad) {
    gst_quicp2p_src_pad_push_eos (pad);
    remove_pad (self, pad);
  }
  demolish_if_idle (self, producer);
}

static void
retire_pad (GstElement *element, gpointer user)
{
  gst_quicp2p_src_pad_push_eos (user);
  remove_pad (GST_QUICP2P_SRC (element), user);
}

static void
track_unref (gpointer data)
{
  gst_quicp2p_track_unref (data);
}

static void
producer_unref (gpointer data)
{
  gst_quicp2p_producer_unref (data);
}

/* --- Exposing pads: streaming threads ------------------------------------- */

/* EOS of the track is out of its pad. */
static void
on_eos (gpointer user)
{
  GstQuicP2PTrack *track = user;
  g_autoptr (GstElement) self = NULL;

  self = (GstElement *)
      gst_object_get_parent (GST_OBJECT_CAST (track->rtp_src));
  if (self)
    gst_element_call_async (self, demolish_track, gst_quicp2p_track_ref (track),
        track_unref);
}

static void
signal_no_more_pads (GstQuicP2PSrc *self)
{
  gboolean signalled;

  g_mutex_lock (&self->lock);
  signalled = self->no_more_pads;
  self->no_more_pads = TRUE;
  g_mutex_unlock (&self->lock);
  if (!signalled)
    gst_element_no_more_pads (GST_ELEMENT_CAST (self));
}

static gboolean
on_pads_timer (GstClock *clock, GstClockTime time, GstClockID id, gpointer user)
{
  signal_no_more_pads (user);
  return TRUE;
}

/* Players wait for no-more-pads, and a stream without packets has no pad: give
 * it a moment. With the lock. */
static void
start_pads_timer (GstQuicP2PSrc *self)
{
  g_autoptr (GstClock) clock = NULL;

  if (self->pads_timer)
    return;
  clock = gst_system_clock_obtain ();
  self->pads_timer = gst_clock_new_single_shot_id (clock,
      gst_clock_get_time (clock) + NO_MORE_PADS_DELAY);
  gst_clock_id_wait_async (self->pads_timer, on_pads_timer,
      gst_object_ref (self), gst_object_unref);
}

static void
stop_pads_timer (GstQuicP2PSrc *self)
{
  GstClockID timer;

  g_mutex_lock (&self->lock);
  timer = g_steal_pointer (&self->pads_timer);
  self->no_more_pads = FALSE;
  g_mutex_unlock (&self->lock);
  if (timer) {
    gst_clock_id_unschedule (timer);
    gst_clock_id_unref (timer);
  }
}

/* TRUE while rtpbin feeds the pad. */
static gboolean
is_shown (GstQuicP2PSrcPad *pad)
{
  g_autoptr (GstPad)
      target = gst_ghost_pad_get_target (GST_GHOST_PAD_CAST (pad));

  return target != NULL;
}

/* (transfer full), nullable: the pad without a producer that fits best.  A pad
 * with another codec under the same mid will never be shown again: it is
 * returned in @retired (transfer full).  With the lock. */
static GstQuicP2PSrcPad *
find_orphan (GstQuicP2PSrc *self, GstQuicP2PTrack *track,
    GstQuicP2PSrcPad **retired)
{
  GstQuicP2PSrcPad *best = NULL;
  GstQuicP2PMatch best_match = GST_QUICP2P_MATCH_MID;
  GstQuicP2PStreamKind kind;

  gst_quicp2p_track_get_kind (track, &kind);
  for (GList *walk = self->pads; walk; walk = walk->next) {
    GstQuicP2PSrcPad *pad = walk->data;
    GstQuicP2PMatch match = gst_quicp2p_src_pad_match (pad, &kind);
    gboolean eos = gst_quicp2p_src_pad_is_eos (pad);

    if (is_shown (pad) && !eos)
      continue;
    if (match == GST_QUICP2P_MATCH_MID ||
        (match == GST_QUICP2P_MATCH_SAME && eos)) {
      if (!*retired)
        *retired = gst_object_ref (pad);
    } else if (match > best_match && !eos) {
      best = pad;
      best_match = match;
    }
  }
  return best ? gst_object_ref (best) : NULL;
}

/* (transfer full).  With the lock. */
static GstQuicP2PSrcPad *
make_pad (GstQuicP2PSrc *self, GstQuicP2PTrack *track)
{
  GstPadTemplate *templ =
      gst_element_class_get_pad_template (GST_ELEMENT_GET_CLASS (self),
          "src_%u");
  g_autofree char *name = g_strdup_printf ("src_%u", self->next_pad++);
  g_autofree char *stream_id = g_strdup_printf ("%s/%s",
      gst_quicp2p_producer_get_peer_id (track->producer), track->mid);
  GstQuicP2PStreamKind kind;
  GstPad *pad;

  gst_quicp2p_track_get_kind (track, &kind);
  pad = gst_quicp2p_src_pad_new (templ, name, &kind, stream_id,
      gst_quicp2p_producer_get_group_id (track->producer), self->latency_ms);
  gst_object_ref_sink (pad);
  self->pads = g_list_append (self->pads, gst_object_ref (pad));
  return GST_QUICP2P_SRC_PAD (pad);
}

/* TRUE if each track of the producer has its pad.  With the lock. */
static gboolean
all_shown (GstQuicP2PSrc *self, GstQuicP2PProducer *producer)
{
  return g_list_length (self->pads) >=
      gst_quicp2p_producer_count_tracks (producer);
}

/* The first packet of a track came out of rtpbin, or the first after its
 * producer changed its SSRC. */
static void
on_pad_added (GstQuicP2PTrack *track, GstPad *target, gpointer user)
{
  GstQuicP2PSrc *self = GST_QUICP2P_SRC (user);
  g_autoptr (GstQuicP2PSrcPad) pad = NULL;
  GstQuicP2PSrcPad *retired = NULL;
  gboolean added = FALSE, complete;

  g_mutex_lock (&self->expose_lock);
  g_mutex_lock (&self->lock);
  if (track->pad) {
    pad = gst_object_ref (track->pad);
  } else {
    pad = find_orphan (self, track, &retired);
    added = !pad;
    if (!pad)
      pad = make_pad (self, track);
    track->pad = gst_object_ref (pad);
  }
  complete = all_shown (self, track->producer);
  if (!complete)
    start_pads_timer (self);
  g_mutex_unlock (&self->lock);

  GST_INFO_OBJECT (self, "%s of peer %s shows on %s pad %s", track->mid,
      gst_quicp2p_producer_get_peer_id (track->producer), added ? "new" : "old",
      GST_PAD_NAME (pad));
  gst_quicp2p_src_pad_attach (pad, target, &track->ended, on_eos,
      gst_quicp2p_track_ref (track), track_unref);
  if (added)
    gst_element_add_pad (GST_ELEMENT_CAST (self), GST_PAD_CAST (pad));
  g_mutex_unlock (&self->expose_lock);

  if (retired)
    gst_element_call_async (GST_ELEMENT_CAST (self), retire_pad, retired,
        gst_object_unref);
  if (complete)
    signal_no_more_pads (self);
  /* Sinks that were linked only now do not know our latency. */
  if (added)
    gst_element_post_message (GST_ELEMENT_CAST (self),
        gst_message_new_latency (GST_OBJECT_CAST (self)));
}

/* --- Callbacks: the transport thread -------------------------------------- */

static GstQuicP2PProducer *
make_producer (GstQuicP2PSrc *self, const char *peer_id)
{
  GstQuicP2PProducer *producer;
  guint number, latency_ms;

  g_mutex_lock (&self->lock);
  number = self->next_producer++;
  latency_ms = self->latency_ms;
  g_mutex_unlock (&self->lock);

  producer = gst_quicp2p_producer_new (GST_BIN_CAST (self), number, peer_id,
      latency_ms, on_pad_added, self);
  if (producer) {
    *gst_quicp2p_producer_live (producer) = 1;
    g_mutex_lock (&self->lock);
    self->producers = g_list_append (self->producers,
        gst_quicp2p_producer_ref (producer));
    g_mutex_unlock (&self->lock);
  }
  return producer;
}

/* (transfer full), NULL without rtpbin: the producer, with one live track more,
 * so that it does not go before that is set up. */
static GstQuicP2PProducer *
take_producer (GstQuicP2PSrc *self, const char *peer_id)
{
  GstQuicP2PProducer *found = NULL;

  g_mutex_lock (&self->lock);
  for (GList *walk = self->producers; walk && !found; walk = walk->next) {
    if (strcmp (gst_quicp2p_producer_get_peer_id (walk->data), peer_id) == 0) {
      found = gst_quicp2p_producer_ref (walk->data);
      *gst_quicp2p_producer_live (found) += 1;
    }
  }
  g_mutex_unlock (&self->lock);
  return found ? found : make_producer (self, peer_id);
}

static void
on_remote_track_added (QpRemoteTrack *remote, gpointer user)
{
  GstQuicP2PSrc *self = GST_QUICP2P_SRC (user);
  QpPeerName peer = qp_remote_track_get_peer (remote);
  g_autoptr (GstQuicP2PProducer) producer = take_producer (self, peer.id);
  GstQuicP2PTrack *track = NULL;

  if (producer)
    track = gst_quicp2p_producer_add_track (producer, remote);
  g_mutex_lock (&self->lock);
  if (track)
    self->live = g_list_prepend (self->live, track);
  else if (producer)
    *gst_quicp2p_producer_live (producer) -= 1;
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

/* Its pad waits for whoever comes next. */
static void
orphan_pad (GstQuicP2PSrc *self, GstQuicP2PTrack *track)
{
  g_autoptr (GstQuicP2PSrcPad) pad = NULL;

  g_mutex_lock (&self->lock);
  pad = g_steal_pointer (&track->pad);
  g_mutex_unlock (&self->lock);
  if (pad)
    gst_quicp2p_src_pad_detach (pad);
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
  *gst_quicp2p_producer_live (track->producer) -= 1;
  track->pad_goes = end == QP_TRACK_REPLACED;
  g_mutex_unlock (&self->lock);

  if (end == QP_TRACK_PEER_GONE) {
    orphan_pad (self, track);
    gst_element_call_async (GST_ELEMENT_CAST (self), demolish_track,
        gst_quicp2p_track_ref (track), track_unref);
  } else {
    gst_quicp2p_track_end (track); /* goes when its EOS is out */
  }
}

static void
ref_pad (gpointer pad, gpointer user)
{
  gst_object_ref (pad);
}

/* Ends what has no producer at once, and the rest after what was received. */
static void
end_all (GstElement *element, gpointer user)
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
    if (!is_shown (walk->data))
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
    gst_element_call_async (GST_ELEMENT_CAST (self), end_all, NULL, NULL);
  else
    GST_ELEMENT_ERROR (self, RESOURCE, NOT_FOUND,
        ("The producer left before it sent anything, and did not come back"),
        (NULL));
}

static const QpSessionCallbacks callbacks = {
  .message = gst_quicp2p_on_message,
  .warning = gst_quicp2p_on_warning,
  .failed = gst_quicp2p_on_failed,
  .remote_track_added = on_remote_track_added,
  .remote_track_caps = on_remote_track_caps,
  .remote_track_removed = on_remote_track_removed,
  .remote_rtp = on_remote_rtp,
  .remote_rtcp = on_remote_rtcp,
  .producer_timeout = on_producer_timeout,
};

/* --- State, events and queries -------------------------------------------- */

/* The session is gone, and no data flows. */
static void
clean_up (GstQuicP2PSrc *self)
{
  GList *producers, *live;

  g_mutex_lock (&self->lock);
  producers = g_steal_pointer (&self->producers);
  live = g_steal_pointer (&self->live);
  self->next_pad = 0;
  g_mutex_unlock (&self->lock);
  for (GList *walk = producers; walk; walk = walk->next)
    gst_quicp2p_producer_demolish (walk->data);
  g_list_free_full (producers, producer_unref);
  g_list_free_full (live, track_unref);

  for (;;) {
    g_autoptr (GstQuicP2PSrcPad) pad = NULL;

    g_mutex_lock (&self->lock);
    if (self->pads)
      pad = gst_object_ref (self->pads->data);
    g_mutex_unlock (&self->lock);
    if (!pad)
      break;
    remove_pad (self, pad);
  }
}

/* The plugin behind rtpbin is loaded before the first packet waits for it. */
static gboolean
preload (GstQuicP2PSrc *self)
{
  g_autoptr (GstElement) rtpbin = gst_element_factory_make ("rtpbin", NULL);

  if (rtpbin)
    gst_object_ref_sink (rtpbin);
  return gst_quicp2p_common_check_rtpbin (GST_ELEMENT_CAST (self),
      rtpbin != NULL);
}

static gboolean
join (GstQuicP2PSrc *self)
{
  g_autoptr (GError) error = NULL;

  gst_quicp2p_common_join (&self->common, GST_ELEMENT_CAST (self), &callbacks,
      &error);
  gst_quicp2p_common_joined (GST_ELEMENT_CAST (self), error);
  return error == NULL;
}

static GstStateChangeReturn
change_state (GstElement *element, GstStateChange transition)
{
  GstQuicP2PSrc *self = GST_QUICP2P_SRC (element);
  GstStateChangeReturn result;

  switch (transition) {
    case GST_STATE_CHANGE_NULL_TO_READY:
      if (!preload (self))
        return GST_STATE_CHANGE_FAILURE;
      break;
    case GST_STATE_CHANGE_READY_TO_PAUSED:
      if (!join (self))
        return GST_STATE_CHANGE_FAILURE;
      break;
    case GST_STATE_CHANGE_PAUSED_TO_READY:
      gst_quicp2p_common_leave (&self->common);
      stop_pads_timer (self);
      break;
    default:
      break;
  }

  result = GST_ELEMENT_CLASS (parent_class)->change_state (element, transition);

  if (result == GST_STATE_CHANGE_FAILURE) {
    gst_quicp2p_common_leave (&self->common);
    return result;
  }
  switch (transition) {
    case GST_STATE_CHANGE_READY_TO_PAUSED:
    case GST_STATE_CHANGE_PLAYING_TO_PAUSED:
      result = GST_STATE_CHANGE_NO_PREROLL; /* live, whatever is inside now */
      break;
    case GST_STATE_CHANGE_PAUSED_TO_READY:
      clean_up (self);
      break;
    default:
      break;
  }
  return result;
}

/* The application wants the stream to end, as gst-launch-1.0 -e does. */
static gboolean
send_event (GstElement *element, GstEvent *event)
{
  if (GST_EVENT_TYPE (event) == GST_EVENT_EOS) {
    gst_element_call_async (element, end_all, NULL, NULL);
    gst_event_unref (event);
    return TRUE;
  }
  return GST_ELEMENT_CLASS (parent_class)->send_event (element, event);
}

static gboolean
query (GstElement *element, GstQuery *query)
{
  GstQuicP2PSrc *self = GST_QUICP2P_SRC (element);
  guint latency_ms;

  if (GST_QUERY_TYPE (query) != GST_QUERY_LATENCY)
    return GST_ELEMENT_CLASS (parent_class)->query (element, query);

  /* Known before there is a pad to ask. */
  g_mutex_lock (&self->lock);
  latency_ms = self->latency_ms;
  g_mutex_unlock (&self->lock);
  gst_query_set_latency (query, TRUE, latency_ms * GST_MSECOND,
      GST_CLOCK_TIME_NONE);
  return TRUE;
}

/* --- Properties and life -------------------------------------------------- */

/* (transfer full): the session's, and what we ourselves dropped. */
static GstStructure *
get_stats (GstQuicP2PSrc *self)
{
  GstStructure *stats = gst_quicp2p_common_get_stats (&self->common);
  guint64 dropped;

  g_mutex_lock (&self->lock);
  dropped = self->dropped_packets;
  for (GList *walk = self->producers; walk; walk = walk->next)
    dropped += gst_quicp2p_producer_get_dropped (walk->data);
  g_mutex_unlock (&self->lock);
  gst_structure_set (stats, "queue-dropped-packets", G_TYPE_UINT64, dropped,
      NULL);
  return stats;
}

static void
set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstQuicP2PSrc *self = GST_QUICP2P_SRC (object);
  QpConfig *config = self->common.config;

  switch (id) {
    case PROP_LATENCY:
      g_mutex_lock (&self->lock);
      self->latency_ms = g_value_get_uint (value);
      g_mutex_unlock (&self->lock);
      break;
    case PROP_PRODUCER:
      g_mutex_lock (&self->common.lock);
      g_free (config->producer);
      config->producer = g_value_dup_string (value);
      g_mutex_unlock (&self->common.lock);
      break;
    case PROP_PRODUCER_TIMEOUT:
      g_mutex_lock (&self->common.lock);
      config->producer_timeout_ms = g_value_get_uint (value);
      g_mutex_unlock (&self->common.lock);
      break;
    default:
      gst_quicp2p_common_set_property (&self->common, object, id, value, pspec);
      break;
  }
}

static void
get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstQuicP2PSrc *self = GST_QUICP2P_SRC (object);
  const QpConfig *config = self->common.config;

  switch (id) {
    case PROP_LATENCY:
      g_mutex_lock (&self->lock);
      g_value_set_uint (value, self->latency_ms);
      g_mutex_unlock (&self->lock);
      break;
    case PROP_PRODUCER:
      g_mutex_lock (&self->common.lock);
      g_value_set_string (value, config->producer);
      g_mutex_unlock (&self->common.lock);
      break;
    case PROP_PRODUCER_TIMEOUT:
      g_mutex_lock (&self->common.lock);
      g_value_set_uint (value, config->producer_timeout_ms);
      g_mutex_unlock (&self->common.lock);
      break;
    case GST_QUICP2P_PROP_STATS:
      g_value_take_boxed (value, get_stats (self));
      break;
    default:
      gst_quicp2p_common_get_property (&self->common, object, id, value, pspec);
      break;
  }
}

static void
finalize (GObject *object)
{
  GstQuicP2PSrc *self = GST_QUICP2P_SRC (object);

  gst_quicp2p_common_clear (&self->common);
  g_mutex_clear (&self->expose_lock);
  g_mutex_clear (&self->lock);
  G_OBJECT_CLASS (parent_class)->finalize (object);
}

static void
install_properties (GObjectClass *object_class)
{
  gst_quicp2p_common_install_properties (object_class, DEFAULT_CONNECT_TIMEOUT);
  /**
   * GstQuicP2PSrc:latency:
   *
   * How long the jitter buffer waits for packets that are missing, and how much
   * later than they came streams are shown for that, so that they are whole, in
   * order and in sync.  With 0 there is no jitter buffer: packets pass on as
   * they arrive.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_LATENCY,
      g_param_spec_uint ("latency", "Latency",
          "How late packets may be, and how much later streams are shown for "
          "that, in ms (0: packets pass as they arrive, without a jitter "
          "buffer)",
          0, MAX_LATENCY, DEFAULT_LATENCY, GST_QUICP2P_PARAM_FLAGS));
  /**
   * GstQuicP2PSrc:producer:
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_PRODUCER,
      g_param_spec_string ("producer", "Producer",
          "Id (32 hex digits) or name of the producer to play (NULL: the first in the room)",
          NULL, GST_QUICP2P_PARAM_FLAGS));
  /**
   * GstQuicP2PSrc:producer-timeout:
   *
   * When the producer leaves without ending its streams, it may come back in
   * this time and go on on the same pads.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_PRODUCER_TIMEOUT,
      g_param_spec_uint ("producer-timeout", "Producer timeout",
          "End the streams this long after the producer left without ending them, in ms (0: "
          "never)",
          0, G_MAXINT, DEFAULT_PRODUCER_TIMEOUT, GST_QUICP2P_PARAM_FLAGS));
}

static void
gst_quicp2p_src_class_init (GstQuicP2PSrcClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);

  GST_DEBUG_CATEGORY_INIT (gst_quicp2p_src_debug, "quicp2psrc", 0,
      "QUIC P2P source");

  object_class->set_property = set_property;
  object_class->get_property = get_property;
  object_class->finalize = finalize;
  element_class->change_state = change_state;
  element_class->send_event = send_event;
  element_class->query = query;

  install_properties (object_class);
  gst_type_mark_as_plugin_api (GST_TYPE_QUICP2P_SRC_PAD, 0);

  gst_element_class_add_static_pad_template_with_gtype (element_class,
      &src_template, GST_TYPE_QUICP2P_SRC_PAD);
  gst_element_class_set_static_metadata (element_class, "QUIC P2P source",
      "Source/Network/RTP", "Receives RTP over QUIC from a peer, through NATs",
      "The quicp2p authors");
}

static void
gst_quicp2p_src_init (GstQuicP2PSrc *self)
{
  g_mutex_init (&self->expose_lock);
  g_mutex_init (&self->lock);
  gst_quicp2p_common_init (&self->common, FALSE, DEFAULT_CONNECT_TIMEOUT);
  self->common.config->producer_timeout_ms = DEFAULT_PRODUCER_TIMEOUT;
  self->latency_ms = DEFAULT_LATENCY;

  GST_OBJECT_FLAG_SET (self, GST_ELEMENT_FLAG_SOURCE);
  gst_bin_set_suppressed_flags (GST_BIN_CAST (self),
      GST_ELEMENT_FLAG_SOURCE | GST_ELEMENT_FLAG_SINK);
}

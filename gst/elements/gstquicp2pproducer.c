/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See gstquicp2pproducer.h. */
#include "elements/gstquicp2pproducer.h"

#include <stdio.h>

#include "elements/gstquicp2ppacketsink.h"
#include "elements/gstquicp2ppacketsrc.h"
#include "elements/gstquicp2ppass.h"
#include "elements/gstquicp2prtpbin.h"

GST_DEBUG_CATEGORY_EXTERN (gst_quicp2p_src_debug);
#define GST_CAT_DEFAULT gst_quicp2p_src_debug

/* SSRCs of one track that are served at a time: the one that sends, and others
 * that have not timed out since the payloader started again.  Each costs a
 * thread. */
#define MAX_STREAMS 16

struct _GstQuicP2PProducer {
  gint refs; /* atomic */

  /* Constant. */
  GstBin *bin;
  GstElement *rtpbin;
  char *peer_id;
  guint number;
  guint group_id;
  guint latency_ms;
  GstQuicP2PPadAddedFunc pad_added;
  gpointer user;

  guint live;      /* the owner's */
  char *peer_name; /* the owner's; nullable */

  GMutex lock;   /* guards the fields below */
  GList *tracks; /* of GstQuicP2PTrack*, referenced */
  guint next_session;
  gboolean demolished;
};

/* --- Tracks --------------------------------------------------------------- */

GstQuicP2PTrack *
gst_quicp2p_track_ref (GstQuicP2PTrack *track)
{
  return g_atomic_rc_box_acquire (track);
}

static void
track_clear (gpointer data)
{
  GstQuicP2PTrack *track = data;

  gst_clear_object (&track->pad);
  gst_clear_object (&track->rtp_src);
  gst_clear_object (&track->rtcp_src);
  gst_clear_object (&track->rtcp_sink);
  g_free (track->mid);
  g_free (track->media);
  g_free (track->encoding_name);
  gst_quicp2p_producer_unref (track->producer);
}

void
gst_quicp2p_track_unref (GstQuicP2PTrack *track)
{
  g_atomic_rc_box_release_full (track, track_clear);
}

void
gst_quicp2p_track_receive_rtp (GstQuicP2PTrack *track, GstBufferList *list)
{
  gst_quicp2p_packet_src_push_list (GST_QUICP2P_PACKET_SRC (track->rtp_src),
      list);
}

void
gst_quicp2p_track_receive_rtcp (GstQuicP2PTrack *track, GstBuffer *buffer)
{
  gst_quicp2p_packet_src_push (GST_QUICP2P_PACKET_SRC (track->rtcp_src),
      buffer);
}

/* (transfer full): what rtpbin shall see.  rtpsession sends a PLI only for caps
 * that allow it (RFC 4585, section 4.2), and payloaders do not say so; but a
 * quicp2psink always understands it. */
static GstCaps *
make_caps (const GstCaps *caps, const char *media)
{
  GstCaps *copy = gst_caps_copy (caps);

  if (g_strcmp0 (media, "video") == 0)
    gst_caps_set_simple (copy, "rtcp-fb-nack-pli", G_TYPE_BOOLEAN, TRUE, NULL);
  return copy;
}

void
gst_quicp2p_track_set_caps (GstQuicP2PTrack *track, const GstCaps *caps)
{
  g_autoptr (GstCaps) copy = make_caps (caps, track->media);

  /* In order with the packets; rtpbin asks for nothing more then. */
  gst_quicp2p_packet_src_set_caps (GST_QUICP2P_PACKET_SRC (track->rtp_src),
      copy);
}

void
gst_quicp2p_track_end (GstQuicP2PTrack *track)
{
  g_atomic_int_set (&track->ended, TRUE);
  gst_quicp2p_packet_src_end (GST_QUICP2P_PACKET_SRC (track->rtp_src));
}

void
gst_quicp2p_track_get_kind (GstQuicP2PTrack *track, GstQuicP2PStreamKind *kind)
{
  kind->mid = track->mid;
  kind->media = track->media;
  kind->encoding_name = track->encoding_name;
}

guint64
gst_quicp2p_track_get_dropped (GstQuicP2PTrack *track)
{
  return gst_quicp2p_packet_src_get_dropped (
      GST_QUICP2P_PACKET_SRC (track->rtp_src));
}

/* rtpbin's thread for RTCP. */
static void
send_rtcp (GstBuffer *packet, gpointer user)
{
  qp_rtcp_return_push (user, packet);
}

static void
rtcp_return_free (gpointer data)
{
  qp_rtcp_return_unref (data);
}

static GstQuicP2PTrack *
track_new (GstQuicP2PProducer *producer, guint session, QpRemoteTrack *remote)
{
  GstQuicP2PTrack *track = g_atomic_rc_box_new0 (GstQuicP2PTrack);
  GstCaps *caps = qp_remote_track_get_caps (remote);
  g_autoptr (GstCaps)
      rtcp_caps = gst_caps_new_empty_simple ("application/x-rtcp");
  g_autoptr (GstCaps) rtp_caps = NULL;
  g_autofree char *rtp_name = g_strdup_printf ("rtp_src_%u_%u",
      producer->number, session);
  g_autofree char *rtcp_name = g_strdup_printf ("rtcp_src_%u_%u",
      producer->number, session);
  g_autofree char *sink_name = g_strdup_printf ("rtcp_sink_%u_%u",
      producer->number, session);
  g_autofree char *stream_id = NULL;

  track->producer = gst_quicp2p_producer_ref (producer);
  track->session = session;
  track->mid = g_strdup (qp_remote_track_get_mid (remote));
  track->media = g_strdup (qp_remote_track_get_kind (remote));
  track->flow_id = qp_remote_track_get_flow_id (remote);
  track->encoding_name =
      g_strdup (gst_structure_get_string (gst_caps_get_structure (caps, 0),
          "encoding-name"));

  rtp_caps = make_caps (caps, track->media);
  stream_id = g_strdup_printf ("%s/%s", producer->peer_id, track->mid);
  track->rtp_src = gst_object_ref_sink (gst_quicp2p_packet_src_new (rtp_name,
      stream_id, producer->group_id, rtp_caps));
  track->rtcp_src = gst_object_ref_sink (gst_quicp2p_packet_src_new (rtcp_name,
      stream_id, producer->group_id, rtcp_caps));
  track->rtcp_sink =
      gst_object_ref_sink (gst_quicp2p_packet_sink_new (sink_name, send_rtcp,
          qp_remote_track_ref_rtcp_return (remote), rtcp_return_free));
  return track;
}

static gboolean
track_link (GstQuicP2PTrack *track)
{
  GstElement *rtpbin = track->producer->rtpbin;
  g_autofree char *rtp_in = g_strdup_printf ("recv_rtp_sink_%u",
      track->session);
  g_autofree char *rtcp_in = g_strdup_printf ("recv_rtcp_sink_%u",
      track->session);
  g_autofree char *rtcp_out = g_strdup_printf ("send_rtcp_src_%u",
      track->session);

  track->rtp_pad = gst_element_request_pad_simple (rtpbin, rtp_in);
  track->rtcp_in_pad = gst_element_request_pad_simple (rtpbin, rtcp_in);
  track->rtcp_out_pad = gst_element_request_pad_simple (rtpbin, rtcp_out);
  return track->rtp_pad && track->rtcp_in_pad && track->rtcp_out_pad &&
      gst_element_link_pads (track->rtp_src, "src", rtpbin, rtp_in) &&
      gst_element_link_pads (track->rtcp_src, "src", rtpbin, rtcp_in) &&
      gst_element_link_pads (rtpbin, rtcp_out, track->rtcp_sink, "sink");
}

static void
track_demolish (GstQuicP2PTrack *track)
{
  GstQuicP2PProducer *producer = track->producer;

  gst_quicp2p_bin_remove (producer->bin, track->rtp_src);
  gst_quicp2p_bin_remove (producer->bin, track->rtcp_src);
  gst_quicp2p_rtpbin_release_pad (producer->rtpbin, &track->rtp_pad);
  gst_quicp2p_rtpbin_release_pad (producer->rtpbin, &track->rtcp_in_pad);
  gst_quicp2p_rtpbin_release_pad (producer->rtpbin, &track->rtcp_out_pad);
  gst_quicp2p_bin_remove (producer->bin, track->rtcp_sink);
}

/* --- rtpbin's signals: streaming threads ---------------------------------- */

/* (transfer full), nullable */
static GstQuicP2PTrack *
find_track (GstQuicP2PProducer *producer, guint session)
{
  GstQuicP2PTrack *found = NULL;

  g_mutex_lock (&producer->lock);
  for (GList *walk = producer->tracks; walk && !found; walk = walk->next) {
    GstQuicP2PTrack *track = walk->data;

    if (track->session == session)
      found = gst_quicp2p_track_ref (track);
  }
  g_mutex_unlock (&producer->lock);
  return found;
}

/* The payload type that the track announced; -1 if it did not. */
static gint
track_payload_type (GstQuicP2PTrack *track)
{
  g_autoptr (GstPad) pad = gst_element_get_static_pad (track->rtp_src, "src");
  g_autoptr (GstCaps) caps = gst_pad_query_caps (pad, NULL);
  gint payload = -1;

  if (!gst_caps_is_empty (caps) && !gst_caps_is_any (caps))
    gst_structure_get_int (gst_caps_get_structure (caps, 0), "payload",
        &payload);
  return payload;
}

static void
on_pad_added (GstElement *rtpbin, GstPad *pad, gpointer user)
{
  GstQuicP2PProducer *producer = user;
  g_autoptr (GstQuicP2PTrack) track = NULL;
  guint session, ssrc, payload;

  if (sscanf (GST_PAD_NAME (pad), "recv_rtp_src_%u_%u_%u", &session, &ssrc,
          &payload) != 3)
    return;
  track = find_track (producer, session);
  if (!track || track_payload_type (track) != (gint) payload) {
    GST_WARNING_OBJECT (rtpbin, "nobody announced payload type %u", payload);
    gst_quicp2p_src_pad_discard (pad);
    return;
  }
  producer->pad_added (track, pad, producer->user);
}

/* Asked only for payload types that the track's caps do not tell: without an
 * answer rtpbin would end the pipeline, for a packet that a peer made up. */
static GstCaps *
on_request_pt_map (GstElement *rtpbin, guint session, guint payload,
    gpointer user)
{
  g_autoptr (GstQuicP2PTrack) track = find_track (user, session);
  g_autoptr (GstPad) pad = NULL;
  GstCaps *caps;

  if (!track)
    return NULL;
  pad = gst_element_get_static_pad (track->rtp_src, "src");
  caps = gst_caps_make_writable (gst_pad_query_caps (pad, NULL));
  gst_caps_set_simple (caps, "payload", G_TYPE_INT, (gint) payload, NULL);
  return caps;
}

static GstElement *
on_request_jitterbuffer (GstElement *rtpbin, guint session, gpointer user)
{
  return g_object_new (GST_TYPE_QUICP2P_PASS, NULL);
}

/* A stream begins with a frame whose packets come in order: waiting for earlier
 * ones would only show it later. */
static void
on_new_jitterbuffer (GstElement *rtpbin, GstElement *jitterbuffer,
    guint session, guint ssrc, gpointer user)
{
  g_object_set (jitterbuffer, "faststart-min-packets", 1, NULL);
}

/* --- Producers ------------------------------------------------------------ */

static void
configure_rtpbin (GstQuicP2PProducer *producer)
{
  GstElement *rtpbin = producer->rtpbin;

  gst_util_set_object_arg (G_OBJECT (rtpbin), "rtp-profile", "avpf");
  /* QUIC sends again what is lost.  Late bursts, as after a migration, are
   * kept: a dropped packet costs a keyframe, a late one nothing. */
  g_object_set (rtpbin, "latency", producer->latency_ms, "do-retransmission",
      FALSE, "do-lost", TRUE, "drop-on-latency", FALSE, "max-streams",
      MAX_STREAMS, "autoremove", TRUE, NULL);
  g_signal_connect (rtpbin, "pad-added", G_CALLBACK (on_pad_added), producer);
  g_signal_connect (rtpbin, "request-pt-map", G_CALLBACK (on_request_pt_map),
      producer);
  if (producer->latency_ms == 0)
    g_signal_connect (rtpbin, "request-jitterbuffer",
        G_CALLBACK (on_request_jitterbuffer), producer);
  else
    g_signal_connect (rtpbin, "new-jitterbuffer",
        G_CALLBACK (on_new_jitterbuffer), producer);
}

GstQuicP2PProducer *
gst_quicp2p_producer_new (GstBin *bin, guint number, const QpPeerName *peer,
    guint latency_ms, GstQuicP2PPadAddedFunc pad_added, gpointer user)
{
  g_autofree char *name = g_strdup_printf ("rtpbin_%u", number);
  GstElement *rtpbin = gst_element_factory_make ("rtpbin", name);
  GstQuicP2PProducer *producer;

  if (!rtpbin)
    return NULL;

  producer = g_new0 (GstQuicP2PProducer, 1);
  producer->refs = 1;
  producer->bin = bin;
  producer->rtpbin = gst_object_ref_sink (rtpbin);
  producer->peer_id = g_strdup (peer->id);
  producer->peer_name = g_strdup (peer->name);
  producer->number = number;
  producer->group_id = gst_util_group_id_next ();
  producer->latency_ms = latency_ms;
  producer->pad_added = pad_added;
  producer->user = user;
  g_mutex_init (&producer->lock);

  configure_rtpbin (producer);
  gst_bin_add (bin, rtpbin);
  gst_element_sync_state_with_parent (rtpbin);
  return producer;
}

GstQuicP2PProducer *
gst_quicp2p_producer_ref (GstQuicP2PProducer *producer)
{
  g_atomic_int_inc (&producer->refs);
  return producer;
}

void
gst_quicp2p_producer_unref (GstQuicP2PProducer *producer)
{
  if (!g_atomic_int_dec_and_test (&producer->refs))
    return;
  g_assert (!producer->tracks);
  g_signal_handlers_disconnect_by_data (producer->rtpbin, producer);
  gst_object_unref (producer->rtpbin);
  g_free (producer->peer_id);
  g_free (producer->peer_name);
  g_mutex_clear (&producer->lock);
  g_free (producer);
}

const char *
gst_quicp2p_producer_get_peer_id (GstQuicP2PProducer *producer)
{
  return producer->peer_id;
}

void
gst_quicp2p_producer_set_peer_name (GstQuicP2PProducer *producer,
    const char *name)
{
  char *old = producer->peer_name;

  producer->peer_name = g_strdup (name);
  g_free (old);
}

void
gst_quicp2p_track_get_owner (GstQuicP2PTrack *track,
    GstQuicP2PStreamOwner *owner)
{
  owner->peer_id = track->producer->peer_id;
  owner->peer_name = track->producer->peer_name;
  owner->flow_id = track->flow_id;
}

guint
gst_quicp2p_producer_get_group_id (GstQuicP2PProducer *producer)
{
  return producer->group_id;
}

guint
gst_quicp2p_producer_change_live (GstQuicP2PProducer *producer, gint by)
{
  producer->live += by;
  return producer->live;
}

guint
gst_quicp2p_producer_count_tracks (GstQuicP2PProducer *producer)
{
  guint count;

  g_mutex_lock (&producer->lock);
  count = g_list_length (producer->tracks);
  g_mutex_unlock (&producer->lock);
  return count;
}

GstQuicP2PTrack *
gst_quicp2p_producer_add_track (GstQuicP2PProducer *producer,
    QpRemoteTrack *remote)
{
  GstQuicP2PTrack *track;
  guint session;

  g_mutex_lock (&producer->lock);
  session = producer->next_session++;
  g_mutex_unlock (&producer->lock);

  track = track_new (producer, session, remote);
  gst_bin_add_many (producer->bin, track->rtp_src, track->rtcp_src,
      track->rtcp_sink, NULL);
  if (!track_link (track)) {
    track_demolish (track); /* nothing flows yet: this does not block */
    gst_quicp2p_track_unref (track);
    return NULL;
  }
  gst_quicp2p_rtpbin_configure_session (producer->rtpbin, session);

  /* Found by rtpbin's signals from here on, then the data starts. */
  g_mutex_lock (&producer->lock);
  producer->tracks = g_list_append (producer->tracks,
      gst_quicp2p_track_ref (track));
  g_mutex_unlock (&producer->lock);
  gst_element_sync_state_with_parent (track->rtcp_sink);
  gst_element_sync_state_with_parent (track->rtcp_src);
  gst_element_sync_state_with_parent (track->rtp_src);
  return track;
}

gboolean
gst_quicp2p_producer_remove_track (GstQuicP2PProducer *producer,
    GstQuicP2PTrack *track)
{
  GList *link;

  g_mutex_lock (&producer->lock);
  link = g_list_find (producer->tracks, track);
  if (link)
    producer->tracks = g_list_delete_link (producer->tracks, link);
  g_mutex_unlock (&producer->lock);

  /* Whoever took it out of the list takes it apart. */
  if (!link)
    return FALSE;
  track_demolish (track);
  gst_quicp2p_track_unref (track);
  return TRUE;
}

void
gst_quicp2p_producer_end (GstQuicP2PProducer *producer)
{
  g_mutex_lock (&producer->lock);
  for (GList *walk = producer->tracks; walk; walk = walk->next)
    gst_quicp2p_track_end (walk->data);
  g_mutex_unlock (&producer->lock);
}

guint64
gst_quicp2p_producer_get_dropped (GstQuicP2PProducer *producer)
{
  guint64 dropped = 0;

  g_mutex_lock (&producer->lock);
  for (GList *walk = producer->tracks; walk; walk = walk->next)
    dropped += gst_quicp2p_track_get_dropped (walk->data);
  g_mutex_unlock (&producer->lock);
  return dropped;
}

void
gst_quicp2p_producer_demolish (GstQuicP2PProducer *producer)
{
  GList *tracks;

  g_mutex_lock (&producer->lock);
  if (producer->demolished) {
    g_mutex_unlock (&producer->lock);
    return;
  }
  producer->demolished = TRUE;
  tracks = g_steal_pointer (&producer->tracks);
  g_mutex_unlock (&producer->lock);

  for (GList *walk = tracks; walk; walk = walk->next)
    track_demolish (walk->data);
  gst_quicp2p_bin_remove (producer->bin, producer->rtpbin);
  g_list_free_full (tracks, (GDestroyNotify) gst_quicp2p_track_unref);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One producer as quicp2psrc sees it: an rtpbin of its own inside the source,
 * with one RTP session for each of its tracks:
 *
 *   RTP source  → recv_rtp_sink_N   rtpbin.recv_rtp_src_N_SSRC_PT → pad_added
 *   RTCP source → recv_rtcp_sink_N    send_rtcp_src_N  → RTCP sink → the producer
 *
 * A producer that comes back is another producer.  Both structs are
 * reference-counted; making them and adding to them is for the transport
 * thread and blocks nowhere, taking them apart waits for streaming threads and
 * is for any other. */
#pragma once

#include "elements/gstquicp2psrcpad.h"
#include "session/session.h"

G_BEGIN_DECLS

typedef struct _GstQuicP2PProducer GstQuicP2PProducer;

typedef struct _GstQuicP2PTrack {
  GstQuicP2PProducer *producer; /* referenced */
  guint session;                /* of the producer's rtpbin */
  char *mid, *media, *encoding_name;
  guint64 flow_id;

  /* Constant until the track is taken apart. */
  GstElement *rtp_src, *rtcp_src, *rtcp_sink;
  GstPad *rtp_pad, *rtcp_in_pad, *rtcp_out_pad; /* rtpbin's request pads */

  gint ended; /* atomic: EOS from it is the producer's will */

  /* The owner's, under the owner's lock. */
  GstQuicP2PSrcPad *pad; /* referenced; shows this track; nullable */
  gboolean pad_goes;     /* with the track's EOS the pad goes too */
  gboolean gone;         /* the peer is: the track is not shown any more */
} GstQuicP2PTrack;

/* On a streaming thread: RTP of @track comes out of @pad. */
typedef void (*GstQuicP2PPadAddedFunc) (GstQuicP2PTrack *track, GstPad *pad,
    gpointer user);

/* Makes the producer and its rtpbin inside @bin, which must outlive it.
 * @number makes names unique.  Returns: (transfer full), NULL without rtpbin. */
GstQuicP2PProducer *gst_quicp2p_producer_new (GstBin *bin, guint number,
    const QpPeerName *peer, guint latency_ms, GstQuicP2PPadAddedFunc pad_added,
    gpointer user);
GstQuicP2PProducer *gst_quicp2p_producer_ref (GstQuicP2PProducer *producer);
void gst_quicp2p_producer_unref (GstQuicP2PProducer *producer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (GstQuicP2PProducer, gst_quicp2p_producer_unref)

const char *gst_quicp2p_producer_get_peer_id (GstQuicP2PProducer *producer);
/* The name is the owner's, under the owner's lock. */
void gst_quicp2p_producer_set_peer_name (GstQuicP2PProducer *producer,
    const char *name);
/* Whose the track is; borrows from the producer. */
void gst_quicp2p_track_get_owner (GstQuicP2PTrack *track,
    GstQuicP2PStreamOwner *owner);
/* Of the stream-start events of all its tracks. */
guint gst_quicp2p_producer_get_group_id (GstQuicP2PProducer *producer);

/* How many tracks it has that are not taken apart. */
guint gst_quicp2p_producer_count_tracks (GstQuicP2PProducer *producer);
/* How many the session tells of: the owner's count, under the owner's lock.
 * Returns: the count after the change. */
guint gst_quicp2p_producer_change_live (GstQuicP2PProducer *producer, gint by);

/* Sets up an RTP session for the track.  Returns: (transfer full), NULL if
 * rtpbin refused. */
GstQuicP2PTrack *gst_quicp2p_producer_add_track (GstQuicP2PProducer *producer,
    QpRemoteTrack *remote);
/* Takes the track apart.  FALSE if that was done before.  May block. */
gboolean gst_quicp2p_producer_remove_track (GstQuicP2PProducer *producer,
    GstQuicP2PTrack *track);
/* Ends all its tracks, and the packets they dropped; these do not block. */
void gst_quicp2p_producer_end (GstQuicP2PProducer *producer);
guint64 gst_quicp2p_producer_get_dropped (GstQuicP2PProducer *producer);
/* Takes all tracks and rtpbin apart.  May block. */
void gst_quicp2p_producer_demolish (GstQuicP2PProducer *producer);

GstQuicP2PTrack *gst_quicp2p_track_ref (GstQuicP2PTrack *track);
void gst_quicp2p_track_unref (GstQuicP2PTrack *track);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (GstQuicP2PTrack, gst_quicp2p_track_unref)

/* From the transport thread; never block.  The packets are transfer full. */
void gst_quicp2p_track_receive_rtp (GstQuicP2PTrack *track,
    GstBufferList *list);
void gst_quicp2p_track_receive_rtcp (GstQuicP2PTrack *track, GstBuffer *buffer);
void gst_quicp2p_track_set_caps (GstQuicP2PTrack *track, const GstCaps *caps);
/* EOS follows what was received. */
void gst_quicp2p_track_end (GstQuicP2PTrack *track);

void gst_quicp2p_track_get_kind (GstQuicP2PTrack *track,
    GstQuicP2PStreamKind *kind);
/* Packets dropped because downstream was too slow. */
guint64 gst_quicp2p_track_get_dropped (GstQuicP2PTrack *track);

G_END_DECLS

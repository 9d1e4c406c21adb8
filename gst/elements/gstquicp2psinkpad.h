/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A request pad of quicp2psink, with its own mapping and deadline, and the
 * branch behind it:
 *
 *   pad → rtpbin.send_rtp_sink_N   rtpbin.send_rtp_src_N  → track sink → track
 *     RTCP source → recv_rtcp_sink_N    send_rtcp_src_N   → RTCP sink  → track */
#pragma once

#include <gst/gst.h>

#include "session/session.h"

G_BEGIN_DECLS

#define GST_TYPE_QUICP2P_SINK_PAD (gst_quicp2p_sink_pad_get_type ())
G_DECLARE_FINAL_TYPE (GstQuicP2PSinkPad, gst_quicp2p_sink_pad, GST,
    QUICP2P_SINK_PAD, GstGhostPad)

/* (transfer floating).  @session is the number of rtpbin's RTP session. */
GstPad *gst_quicp2p_sink_pad_new (GstPadTemplate *templ, const char *name,
    guint session);

/* Builds the branch into @bin.  FALSE if rtpbin refused; then it must be
 * demolished all the same. */
gboolean gst_quicp2p_sink_pad_build (GstQuicP2PSinkPad *self, GstBin *bin,
    GstElement *rtpbin);
/* Brings the branch to the bin's state. */
void gst_quicp2p_sink_pad_start (GstQuicP2PSinkPad *self);
/* Stops the branch, wherever it waits, and takes it out of the bin. */
void gst_quicp2p_sink_pad_demolish (GstQuicP2PSinkPad *self, GstBin *bin,
    GstElement *rtpbin);

/* Makes the session's track for this pad; @mapping and @deadline_ms are the
 * element's, for what the pad does not set itself.  No data may flow yet. */
void gst_quicp2p_sink_pad_add_track (GstQuicP2PSinkPad *self, QpMember *member,
    QpMapping mapping, guint deadline_ms);
/* Forgets the track.  No data may flow any more.
 * Returns: (transfer none): what it was, nullable. */
QpTrack *gst_quicp2p_sink_pad_steal_track (GstQuicP2PSinkPad *self);

/* bit/s of RTP, between two calls that are at least a second apart; 0: not known
 * yet.  Any thread. */
guint64 gst_quicp2p_sink_pad_measure_bitrate (GstQuicP2PSinkPad *self);

/* The transport thread's side; these never block. */
gboolean gst_quicp2p_sink_pad_has_track (GstQuicP2PSinkPad *self,
    QpTrack *track);
void gst_quicp2p_sink_pad_receive_rtcp (GstQuicP2PSinkPad *self,
    GstBuffer *buffer);
void gst_quicp2p_sink_pad_request_keyframe (GstQuicP2PSinkPad *self);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The way from the transport thread into the pipeline: a live source of RTP or
 * RTCP packets with one source pad, a bounded queue and a streaming thread of
 * its own.  Pushing never blocks; when whoever is downstream is too slow, the
 * oldest packets are dropped and counted. */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_QUICP2P_PACKET_SRC (gst_quicp2p_packet_src_get_type ())
G_DECLARE_FINAL_TYPE (GstQuicP2PPacketSrc, gst_quicp2p_packet_src, GST,
    QUICP2P_PACKET_SRC, GstElement)

/* What waits at most, whichever is reached first: far more than a decoder may
 * lag, little enough that a stalled one does not eat the memory. */
#define GST_QUICP2P_PACKET_SRC_MAX_TIME (2 * G_TIME_SPAN_SECOND)
#define GST_QUICP2P_PACKET_SRC_MAX_BYTES (16 * 1024 * 1024)

/* (transfer floating).  @stream_id and @group_id are those of the stream-start
 * event. */
GstElement *gst_quicp2p_packet_src_new (const char *name, const char *stream_id,
    guint group_id, GstCaps *caps);

/* From any thread.  Packets are stamped with the running time of this call as
 * DTS and PTS (both transfer full). */
void gst_quicp2p_packet_src_push_list (GstQuicP2PPacketSrc *self,
    GstBufferList *list);
void gst_quicp2p_packet_src_push (GstQuicP2PPacketSrc *self, GstBuffer *buffer);
/* What follows has these caps. */
void gst_quicp2p_packet_src_set_caps (GstQuicP2PPacketSrc *self, GstCaps *caps);
/* EOS follows what is queued; nothing follows EOS. */
void gst_quicp2p_packet_src_end (GstQuicP2PPacketSrc *self);

/* Packets dropped because downstream was too slow. */
guint64 gst_quicp2p_packet_src_get_dropped (GstQuicP2PPacketSrc *self);

G_END_DECLS

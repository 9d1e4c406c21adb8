/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The end of rtpbin's RTCP inside our bins: hands each packet to a function,
 * at once.  RTCP is never synchronised to the clock, takes no part in preroll,
 * and its EOS is nobody's business, so this is no GstBaseSink. */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_QUICP2P_PACKET_SINK (gst_quicp2p_packet_sink_get_type ())
G_DECLARE_FINAL_TYPE (GstQuicP2PPacketSink, gst_quicp2p_packet_sink, GST,
    QUICP2P_PACKET_SINK, GstElement)

/* Takes the packet (transfer full); called by the thread that made it. */
typedef void (*GstQuicP2PPacketFunc) (GstBuffer *packet, gpointer user);

/* (transfer floating).  @destroy is called for @user when the element is
 * finalised; both may be NULL. */
GstElement *gst_quicp2p_packet_sink_new (const char *name,
    GstQuicP2PPacketFunc func, gpointer user, GDestroyNotify destroy);

G_END_DECLS

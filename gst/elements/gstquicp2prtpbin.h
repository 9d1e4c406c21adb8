/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What both bins do to an rtpbin and to the elements around it.  Making does
 * not block; taking apart waits for streaming threads. */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

/* Once the pads of RTP session @number have been requested. */
void gst_quicp2p_rtpbin_configure_session (GstElement *rtpbin, guint number);

/* Gives a request pad back and clears @pad; NULL is fine.  With the last pad of
 * an RTP session that session ends, and with it its thread for RTCP. */
void gst_quicp2p_rtpbin_release_pad (GstElement *rtpbin, GstPad **pad);

/* Stops an element, whatever state the bin is in, and removes it. */
void gst_quicp2p_bin_remove (GstBin *bin, GstElement *element);

G_END_DECLS

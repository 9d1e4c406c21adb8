/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What stands in the place of rtpbin's jitter buffer with latency=0: packets
 * pass as they come, on the thread they come on. */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_QUICP2P_PASS (gst_quicp2p_pass_get_type ())
G_DECLARE_FINAL_TYPE (GstQuicP2PPass, gst_quicp2p_pass, GST, QUICP2P_PASS,
    GstElement)

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* quicp2psrc: plays the RTP streams of a producer in a room. */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_QUICP2P_SRC (gst_quicp2p_src_get_type ())
G_DECLARE_FINAL_TYPE (GstQuicP2PSrc, gst_quicp2p_src, GST, QUICP2P_SRC, GstBin)

GST_ELEMENT_REGISTER_DECLARE (quicp2psrc)

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* quicp2psink: sends RTP streams to every viewer in a room. */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_QUICP2P_SINK (gst_quicp2p_sink_get_type ())
G_DECLARE_FINAL_TYPE (GstQuicP2PSink, gst_quicp2p_sink, GST, QUICP2P_SINK,
    GstBin)

GST_ELEMENT_REGISTER_DECLARE (quicp2psink)

G_END_DECLS

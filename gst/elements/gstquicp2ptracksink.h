/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The inner end of a sink pad: gives rtpbin's outgoing RTP packets to the
 * session's track. */
#pragma once

#include <gst/base/gstbasesink.h>

#include "session/session.h"

G_BEGIN_DECLS

#define GST_TYPE_QUICP2P_TRACK_SINK (gst_quicp2p_track_sink_get_type ())
G_DECLARE_FINAL_TYPE (GstQuicP2PTrackSink, gst_quicp2p_track_sink, GST,
    QUICP2P_TRACK_SINK, GstBaseSink)

/* (transfer floating) */
GstElement *gst_quicp2p_track_sink_new (const char *name);

/* The track to push to, which must stay valid until this is called with NULL.
 * Only while no data flows: below PAUSED, or with the pad inactive. */
void gst_quicp2p_track_sink_set_track (GstQuicP2PTrackSink *self,
    QpTrack *track);

/* RTP that it was given so far.  Any thread. */
guint64 gst_quicp2p_track_sink_get_bytes (GstQuicP2PTrackSink *self);

G_END_DECLS

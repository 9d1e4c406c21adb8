/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of quicp2psrc share: gstquicp2psrc.c is the element,
 * gstquicp2psrctracks.c deals with the session's tracks, gstquicp2psrcexpose.c
 * with the pads that show them. */
#pragma once

#include "elements/gstquicp2pcommon.h"
#include "elements/gstquicp2pproducer.h"
#include "elements/gstquicp2psrc.h"
#include "elements/gstquicp2psrcpad.h"

G_BEGIN_DECLS

struct _GstQuicP2PSrc {
  GstBin parent;

  GstQuicP2PCommon common;

  /* Held while a pad is exposed: applications' handlers of pad-added, such as
   * gst_parse_launch()'s, do not expect two at a time. */
  GMutex expose_lock;

  GMutex lock;      /* guards the fields below */
  gboolean all;     /* every producer is played; decided when joining */
  guint latency_ms; /* used from the next producer on */
  GList *producers; /* of GstQuicP2PProducer*, referenced */
  GList *live;      /* of GstQuicP2PTrack*, referenced: what the session has */
  GList *pads;      /* of GstQuicP2PSrcPad*, referenced */
  guint next_pad;
  guint next_producer;
  gboolean no_more_pads;   /* signalled */
  GstClockID pads_timer;   /* nullable */
  guint64 dropped_packets; /* of tracks that are gone */
};

/* --- gstquicp2psrctracks.c ------------------------------------------------ */

/* For the session: the transport thread. */
extern const QpSessionCallbacks gst_quicp2p_src_callbacks;

/* Functions for gst_element_call_async(); they wait for streaming threads. */
/* Takes a GstQuicP2PTrack apart; does no harm twice. */
void gst_quicp2p_src_demolish_track (GstElement *element, gpointer track);
/* Ends pads without a producer at once, and the rest after what was received. */
void gst_quicp2p_src_end_all (GstElement *element, gpointer unused);
/* A producer has another name: tells the pads. */
void gst_quicp2p_src_name_owners (GstElement *element, gpointer unused);

/* Takes all apart, once the session is gone and no data flows. */
void gst_quicp2p_src_clean_up (GstQuicP2PSrc *self);

/* Packets that were dropped because downstream was too slow. */
guint64 gst_quicp2p_src_get_dropped (GstQuicP2PSrc *self);

/* --- gstquicp2psrcexpose.c ------------------------------------------------ */

/* The first packet of a track came out of rtpbin at @target, or the first after
 * its producer changed its SSRC. @user is the element.  On a streaming thread. */
void gst_quicp2p_src_expose (GstQuicP2PTrack *track, GstPad *target,
    gpointer user);

/* Ends a pad, as far as downstream lets it, and removes it from the element;
 * does no harm twice.  May block. */
void gst_quicp2p_src_retire_pad (GstQuicP2PSrc *self, GstQuicP2PSrcPad *pad);

void gst_quicp2p_src_stop_pads_timer (GstQuicP2PSrc *self);

G_END_DECLS

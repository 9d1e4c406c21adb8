/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What quicp2psink makes of the estimates that the session has of the paths to
 * all viewers: it publishes one of them, and lets the encoders upstream follow.
 *
 * The transport thread only leaves the newest rates here; a thread of GStreamer's
 * pool notifies the application and sets the encoders, one at a time. */
#pragma once

#include <gst/gst.h>

#include "session/rate-share.h"
#include "session/session.h"

G_BEGIN_DECLS

#define GST_TYPE_QUICP2P_ADAPT (gst_quicp2p_adapt_get_type ())
GType gst_quicp2p_adapt_get_type (void);

/* Numbers of its properties, counted from the first. */
enum {
  GST_QUICP2P_RATE_ESTIMATED_BITRATE,
  GST_QUICP2P_RATE_MIN_BITRATE,
  GST_QUICP2P_RATE_MAX_BITRATE,
  GST_QUICP2P_RATE_ADAPT,
  GST_QUICP2P_RATE_ENCODER,
  GST_QUICP2P_RATE_N_PROPERTIES,
};

typedef struct {
  GstElement *sink; /* borrowed: it embeds this */

  GMutex work;   /* held while encoders are set; taken before `lock` */
  char *missing; /* the encoder that a warning was about; with `work` */

  GMutex lock; /* guards the fields below */
  QpRateAdapt adapt;
  guint64 min, max; /* bit/s */
  char *encoder;    /* nullable */
  gboolean running;
  guint64 estimate, target; /* bit/s, the newest; target 0: no limit */
  guint64 published;        /* of `estimate` */
  gint64 published_at;      /* monotonic µs */
  guint64 own; /* bit/s that the streams would be; G_MAXUINT64: unknown */
  gboolean scheduled; /* a thread will look at them */
  gint64 looked_at;   /* when one did last, monotonic µs */
} GstQuicP2PRateControl;

void gst_quicp2p_rate_control_init (GstQuicP2PRateControl *control,
    GstElement *sink);
void gst_quicp2p_rate_control_clear (GstQuicP2PRateControl *control);

/* @first: the number of the first property. */
void gst_quicp2p_rate_control_install_properties (GObjectClass *klass,
    guint first);
/* @number is counted from the first; FALSE if it is none of them. */
gboolean gst_quicp2p_rate_control_set_property (GstQuicP2PRateControl *control,
    guint number, const GValue *value);
gboolean gst_quicp2p_rate_control_get_property (GstQuicP2PRateControl *control,
    guint number, GValue *value);

void gst_quicp2p_rate_control_start (GstQuicP2PRateControl *control);
/* No rates come any more: gives the encoders their own bitrates back. */
void gst_quicp2p_rate_control_stop (GstQuicP2PRateControl *control);
/* Transport thread: see QpSessionCallbacks.rates.  Never blocks. */
void gst_quicp2p_rate_control_update (GstQuicP2PRateControl *control,
    const QpPeerRate *rates, guint n);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A jitter buffer without a buffer.  What remains of its work is cheap:
 *
 * - Timestamps.  The arrival times of packets are jittery, and wrong for frames
 *   that are sent in another order than they are shown in.  So the PTS is the
 *   RTP time, moved by the smallest difference between arrival and RTP time of
 *   the last seconds: never later than the arrival, and following the drift of
 *   the sender's clock.
 * - Losses, told downstream by the event that a jitter buffer would send.
 *
 * All on the streaming thread; rtpbin makes one for each SSRC. */
#include "elements/gstquicp2ppass.h"

#include <gst/rtp/rtp.h>

#define RTP_HEADER_SIZE 12

/* The smallest difference is sought in the current window and the one before. */
#define WINDOW (5 * GST_SECOND)

/* Differences that jump by more than this are a new start of the sender. */
#define MAX_JUMP (3 * (gint64) GST_SECOND)

enum {
  PROP_0,
  PROP_LATENCY,
};

struct _GstQuicP2PPass {
  GstElement parent;

  GstPad *sinkpad, *srcpad;

  gint clock_rate;  /* Hz, from the caps; 0: unknown */
  guint64 ext_time; /* RTP time without wraps; -1: none yet */
  gint next_seqnum; /* -1: none yet */
  gint64 min,
      last_min; /* smallest difference of this and the last window, ns */
  GstClockTime window_end;
  GstClockTime last_pts;
};

G_DEFINE_TYPE (GstQuicP2PPass, gst_quicp2p_pass, GST_TYPE_ELEMENT)

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE ("sink",
    GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS ("application/x-rtp"));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE ("src",
    GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS ("application/x-rtp"));

static void
reset (GstQuicP2PPass *self)
{
  self->ext_time = -1;
  self->next_seqnum = -1;
  self->last_pts = GST_CLOCK_TIME_NONE;
}

static void
start_windows (GstQuicP2PPass *self, gint64 difference, GstClockTime arrival)
{
  self->min = self->last_min = difference;
  self->window_end = arrival + WINDOW;
}

/* The PTS of the packet with RTP time @rtp_time. */
static GstClockTime
calculate_pts (GstQuicP2PPass *self, guint32 rtp_time, GstClockTime arrival)
{
  gboolean first = self->ext_time == (guint64) -1;
  gint64 media, difference, offset;

  if (self->clock_rate <= 0 || !GST_CLOCK_TIME_IS_VALID (arrival))
    return arrival;

  gst_rtp_buffer_ext_timestamp (&self->ext_time, rtp_time);
  media = gst_util_uint64_scale_int (self->ext_time, GST_SECOND,
      self->clock_rate);
  difference = (gint64) arrival - media;

  if (first || ABS (difference - self->min) > MAX_JUMP) {
    start_windows (self, difference, arrival);
  } else if (arrival >= self->window_end) {
    self->last_min = self->min;
    self->min = difference;
    self->window_end = arrival + WINDOW;
  }
  self->min = MIN (self->min, difference);

  offset = MIN (self->min, self->last_min);
  return MAX (media + offset, 0);
}

static void
push_loss (GstQuicP2PPass *self, guint16 seqnum, GstClockTime pts)
{
  GstClockTime from = GST_CLOCK_TIME_IS_VALID (self->last_pts) ? self->last_pts
                                                               : pts;

  if (!GST_CLOCK_TIME_IS_VALID (pts))
    return;
  gst_pad_push_event (self->srcpad,
      gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM,
          gst_structure_new ("GstRTPPacketLost", "seqnum", G_TYPE_UINT,
              (guint) seqnum, "timestamp", G_TYPE_UINT64, MIN (from, pts),
              "duration", G_TYPE_UINT64, pts > from ? pts - from : 0, "retry",
              G_TYPE_UINT, 0, NULL)));
}

/* TRUE if packets are missing before this one. */
static gboolean
check_seqnum (GstQuicP2PPass *self, guint16 seqnum, GstClockTime pts)
{
  gint gap = self->next_seqnum < 0
      ? 0
      : gst_rtp_buffer_compare_seqnum (self->next_seqnum, seqnum);

  if (gap < 0)
    return FALSE; /* late; whoever is downstream knows how to take it */
  if (gap > 0)
    push_loss (self, self->next_seqnum, pts);
  self->next_seqnum = (seqnum + 1) & 0xffff;
  return gap > 0;
}

static GstFlowReturn
chain (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  GstQuicP2PPass *self = GST_QUICP2P_PASS (parent);
  guint8 header[RTP_HEADER_SIZE];
  GstClockTime pts;
  gboolean lost;

  if (gst_buffer_extract (buffer, 0, header, sizeof header) != sizeof header) {
    gst_buffer_unref (buffer);
    return GST_FLOW_OK;
  }
  pts = calculate_pts (self, GST_READ_UINT32_BE (header + 4),
      GST_BUFFER_DTS (buffer));
  lost = check_seqnum (self, GST_READ_UINT16_BE (header + 2), pts);

  buffer = gst_buffer_make_writable (buffer);
  GST_BUFFER_PTS (buffer) = pts;
  GST_BUFFER_DTS (buffer) = GST_CLOCK_TIME_NONE;
  if (lost)
    GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_DISCONT);
  self->last_pts = pts;
  return gst_pad_push (self->srcpad, buffer);
}

static gboolean
sink_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  GstQuicP2PPass *self = GST_QUICP2P_PASS (parent);
  GstCaps *caps;
  gint clock_rate = 0;

  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_CAPS:
      gst_event_parse_caps (event, &caps);
      gst_structure_get_int (gst_caps_get_structure (caps, 0), "clock-rate",
          &clock_rate);
      if (clock_rate != self->clock_rate)
        self->ext_time = -1;
      self->clock_rate = clock_rate;
      break;
    case GST_EVENT_FLUSH_STOP:
      reset (self);
      break;
    default:
      break;
  }
  return gst_pad_event_default (pad, parent, event);
}

static GstStateChangeReturn
change_state (GstElement *element, GstStateChange transition)
{
  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED)
    reset (GST_QUICP2P_PASS (element));
  return GST_ELEMENT_CLASS (gst_quicp2p_pass_parent_class)
      ->change_state (element, transition);
}

/* rtpbin sets the latency of whatever it takes for a jitter buffer. */
static void
set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  if (id != PROP_LATENCY)
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
}

static void
get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  if (id == PROP_LATENCY)
    g_value_set_uint (value, 0);
  else
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
}

static void
gst_quicp2p_pass_class_init (GstQuicP2PPassClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);

  object_class->set_property = set_property;
  object_class->get_property = get_property;
  element_class->change_state = change_state;
  g_object_class_install_property (object_class, PROP_LATENCY,
      g_param_spec_uint ("latency", "Latency", "Always 0, in ms", 0, G_MAXUINT,
          0, G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS));
  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_add_static_pad_template (element_class, &src_template);
  gst_element_class_set_static_metadata (element_class, "QUIC P2P pass",
      "Filter/Network/RTP",
      "Stands in for a jitter buffer and holds nothing back",
      "The quicp2p authors");
}

static void
gst_quicp2p_pass_init (GstQuicP2PPass *self)
{
  self->sinkpad = gst_pad_new_from_static_template (&sink_template, "sink");
  gst_pad_set_chain_function (self->sinkpad, chain);
  gst_pad_set_event_function (self->sinkpad, sink_event);
  GST_PAD_SET_PROXY_CAPS (self->sinkpad);
  gst_element_add_pad (GST_ELEMENT_CAST (self), self->sinkpad);

  self->srcpad = gst_pad_new_from_static_template (&src_template, "src");
  GST_PAD_SET_PROXY_CAPS (self->srcpad);
  gst_element_add_pad (GST_ELEMENT_CAST (self), self->srcpad);
  reset (self);
}

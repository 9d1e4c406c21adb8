/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A GstBaseSink of our own rather than an appsink with probes, for three
 * reasons that each need the base class' virtual functions:
 *
 * - It is synchronised to the clock, so that a file is sent in real time, but
 *   the pipeline's latency must not delay it: that is the playing time of local
 *   sinks.  A live packet is always past its time and leaves at once.
 *   Nor does it preroll: a bin keeps sinks that do in PAUSED until all have, and
 *   a sink that shows what the peers send has nothing to show before.
 * - EOS is held back until the peers have everything.
 * - Whole buffer lists, usually a frame, are passed on as they are.
 *
 * Its functions run on the streaming thread, unless they say otherwise. */
#include "elements/gstquicp2ptracksink.h"

GST_DEBUG_CATEGORY_EXTERN (gst_quicp2p_sink_debug);
#define GST_CAT_DEFAULT gst_quicp2p_sink_debug

/* How long EOS waits for the peers' acknowledgements, in ms. */
#define DRAIN_TIMEOUT 2000

struct _GstQuicP2PTrackSink {
  GstBaseSink parent;

  QpTrack *track; /* set while no data flows; nullable */
  guint64 bytes;  /* of RTP so far; under the object lock */
};

G_DEFINE_TYPE (GstQuicP2PTrackSink, gst_quicp2p_track_sink, GST_TYPE_BASE_SINK)

#define parent_class gst_quicp2p_track_sink_parent_class

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE ("sink",
    GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS ("application/x-rtp"));

static gboolean
set_caps (GstBaseSink *sink, GstCaps *caps)
{
  GstQuicP2PTrackSink *self = GST_QUICP2P_TRACK_SINK (sink);

  GST_DEBUG_OBJECT (self, "caps %" GST_PTR_FORMAT, caps);
  if (self->track)
    qp_track_set_caps (self->track, caps);
  return TRUE;
}

static void
count (GstQuicP2PTrackSink *self, gsize bytes)
{
  GST_OBJECT_LOCK (self);
  self->bytes += bytes;
  GST_OBJECT_UNLOCK (self);
}

static GstFlowReturn
render_list (GstBaseSink *sink, GstBufferList *list)
{
  GstQuicP2PTrackSink *self = GST_QUICP2P_TRACK_SINK (sink);

  count (self, gst_buffer_list_calculate_size (list));
  if (self->track)
    qp_track_push (self->track, gst_buffer_list_ref (list));
  return GST_FLOW_OK;
}

static GstFlowReturn
render (GstBaseSink *sink, GstBuffer *buffer)
{
  GstQuicP2PTrackSink *self = GST_QUICP2P_TRACK_SINK (sink);

  count (self, gst_buffer_get_size (buffer));
  if (self->track) {
    GstBufferList *list = gst_buffer_list_new_sized (1);

    gst_buffer_list_add (list, gst_buffer_ref (buffer));
    qp_track_push (self->track, list);
  }
  return GST_FLOW_OK;
}

/* Every packet before EOS has been rendered.  The lock is given up while
 * waiting, because a state change needs it. */
static void
drain (GstQuicP2PTrackSink *self)
{
  GstBaseSink *sink = GST_BASE_SINK_CAST (self);

  GST_BASE_SINK_PREROLL_UNLOCK (sink);
  qp_track_end (self->track, DRAIN_TIMEOUT);
  GST_BASE_SINK_PREROLL_LOCK (sink);
}

static gboolean
handle_event (GstBaseSink *sink, GstEvent *event)
{
  GstQuicP2PTrackSink *self = GST_QUICP2P_TRACK_SINK (sink);

  if (self->track) {
    switch (GST_EVENT_TYPE (event)) {
      case GST_EVENT_EOS:
        drain (self);
        break;
      case GST_EVENT_FLUSH_START:
        qp_track_set_flushing (self->track, TRUE);
        break;
      case GST_EVENT_FLUSH_STOP:
        qp_track_set_flushing (self->track, FALSE);
        break;
      default:
        break;
    }
  }
  return GST_BASE_SINK_CLASS (parent_class)->event (sink, event);
}

/* The pipeline's latency is passed upstream, where an element may want to know
 * it, but not kept: see the top of this file.  Any thread. */
static gboolean
send_event (GstElement *element, GstEvent *event)
{
  if (GST_EVENT_TYPE (event) == GST_EVENT_LATENCY)
    return gst_pad_push_event (GST_BASE_SINK_PAD (element), event);
  return GST_ELEMENT_CLASS (parent_class)->send_event (element, event);
}

static GstStateChangeReturn
change_state (GstElement *element, GstStateChange transition)
{
  GstQuicP2PTrackSink *self = GST_QUICP2P_TRACK_SINK (element);

  if (self->track && transition == GST_STATE_CHANGE_READY_TO_PAUSED)
    qp_track_set_flushing (self->track, FALSE);
  else if (self->track && transition == GST_STATE_CHANGE_PAUSED_TO_READY)
    qp_track_set_flushing (self->track, TRUE);
  return GST_ELEMENT_CLASS (parent_class)->change_state (element, transition);
}

static void
gst_quicp2p_track_sink_class_init (GstQuicP2PTrackSinkClass *klass)
{
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);
  GstBaseSinkClass *sink_class = GST_BASE_SINK_CLASS (klass);

  element_class->send_event = send_event;
  element_class->change_state = change_state;
  sink_class->set_caps = set_caps;
  sink_class->render = render;
  sink_class->render_list = render_list;
  sink_class->event = handle_event;
  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_set_static_metadata (element_class, "QUIC P2P track sink",
      "Sink/Network/RTP", "Hands RTP packets to the session",
      "The quicp2p authors");
}

static void
gst_quicp2p_track_sink_init (GstQuicP2PTrackSink *self)
{
  GstBaseSink *sink = GST_BASE_SINK_CAST (self);

  gst_base_sink_set_sync (sink, TRUE);
  gst_base_sink_set_async_enabled (sink, FALSE);
  gst_base_sink_set_max_lateness (sink, -1);
  gst_base_sink_set_qos_enabled (sink, FALSE);
  gst_base_sink_set_last_sample_enabled (sink, FALSE);
  gst_base_sink_set_processing_deadline (sink, 0);
}

GstElement *
gst_quicp2p_track_sink_new (const char *name)
{
  return g_object_new (GST_TYPE_QUICP2P_TRACK_SINK, "name", name, NULL);
}

void
gst_quicp2p_track_sink_set_track (GstQuicP2PTrackSink *self, QpTrack *track)
{
  self->track = track;
}

guint64
gst_quicp2p_track_sink_get_bytes (GstQuicP2PTrackSink *self)
{
  guint64 bytes;

  GST_OBJECT_LOCK (self);
  bytes = self->bytes;
  GST_OBJECT_UNLOCK (self);
  return bytes;
}

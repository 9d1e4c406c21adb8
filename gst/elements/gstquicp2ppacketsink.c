/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See gstquicp2ppacketsink.h. */
#include "elements/gstquicp2ppacketsink.h"

struct _GstQuicP2PPacketSink {
  GstElement parent;

  /* Constant. */
  GstQuicP2PPacketFunc func;
  gpointer user;
  GDestroyNotify destroy;
};

G_DEFINE_TYPE (GstQuicP2PPacketSink, gst_quicp2p_packet_sink, GST_TYPE_ELEMENT)

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE ("sink",
    GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS ("application/x-rtcp"));

static GstFlowReturn
chain (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  GstQuicP2PPacketSink *self = GST_QUICP2P_PACKET_SINK (parent);

  self->func (buffer, self->user);
  return GST_FLOW_OK;
}

static gboolean
sink_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  gst_event_unref (event);
  return TRUE;
}

static void
finalize (GObject *object)
{
  GstQuicP2PPacketSink *self = GST_QUICP2P_PACKET_SINK (object);

  if (self->destroy)
    self->destroy (self->user);
  G_OBJECT_CLASS (gst_quicp2p_packet_sink_parent_class)->finalize (object);
}

static void
gst_quicp2p_packet_sink_class_init (GstQuicP2PPacketSinkClass *klass)
{
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = finalize;
  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_set_static_metadata (element_class, "QUIC P2P packet sink",
      "Sink/Network/RTP", "Hands RTCP packets to the session",
      "The quicp2p authors");
}

static void
gst_quicp2p_packet_sink_init (GstQuicP2PPacketSink *self)
{
  GstPad *pad = gst_pad_new_from_static_template (&sink_template, "sink");

  gst_pad_set_chain_function (pad, chain);
  gst_pad_set_event_function (pad, sink_event);
  gst_element_add_pad (GST_ELEMENT_CAST (self), pad);
}

GstElement *
gst_quicp2p_packet_sink_new (const char *name, GstQuicP2PPacketFunc func,
    gpointer user, GDestroyNotify destroy)
{
  GstQuicP2PPacketSink *self = g_object_new (GST_TYPE_QUICP2P_PACKET_SINK,
      "name", name, NULL);

  self->func = func;
  self->user = user;
  self->destroy = destroy;
  return GST_ELEMENT_CAST (self);
}

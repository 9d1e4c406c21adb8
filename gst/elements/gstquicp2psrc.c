/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* quicp2psrc: a bin with one rtpbin for each producer (gstquicp2pproducer.c) and
 * one ghost pad for each stream (gstquicp2psrcpad.c).  Here is the element; what
 * happens inside is in gstquicp2psrctracks.c and gstquicp2psrcexpose.c.
 *
 * Application threads set properties and change the state.  The session is
 * joined before the bin goes to PAUSED and left before it goes back to READY,
 * so that the transport thread never meets a bin that is being stopped. */

/**
 * SECTION:element-quicp2psrc
 * @title: quicp2psrc
 * @see_also: quicp2psink, rtpbin
 *
 * quicp2psrc plays what a #quicp2psink sends.  It meets the sink in a room of a
 * signaling server, opens a QUIC connection to it on a path that ICE found, and
 * adds a pad for each of its RTP streams, with their caps.
 *
 * When the producer goes away and comes back within
 * #quicp2psrc:producer-timeout, its streams go on on the same pads.  When it
 * stays away, or ends its streams, the pads get EOS.
 *
 * With #quicp2psrc:producer "all" every other member of the room is played, each
 * for as long as it is there.  A quicp2psink of the same #quicp2psrc:session is
 * the other half of one participant, who has one connection to each of the
 * others for both directions.
 *
 * With #quicp2psrc:latency 0 there is no jitter buffer: packets pass as they
 * arrive, streams are not synchronised with each other, and packets that come
 * out of order are not put in order.
 *
 * ## Example pipelines
 *
 * A viewer:
 * |[
 * gst-launch-1.0 quicp2psrc uri=quicp2p://127.0.0.1:8443/door ! rtph264depay ! avdec_h264 ! videoconvert ! autovideosink
 * ]| Sound and pictures, whatever their formats:
 * |[
 * gst-play-1.0 quicp2p://127.0.0.1:8443/door
 * ]| Somebody who sees another and is seen:
 * |[
 * gst-launch-1.0 quicp2psrc session=me uri=quicp2p://127.0.0.1:8443/door ! rtph264depay ! avdec_h264 ! videoconvert ! autovideosink videotestsrc is-live=true ! x264enc tune=zerolatency ! rtph264pay ! quicp2psink session=me uri=quicp2p://127.0.0.1:8443/door
 * ]| The camera for all three:
 * |[
 * gst-launch-1.0 videotestsrc is-live=true ! x264enc tune=zerolatency ! rtph264pay ! quicp2psink uri=quicp2p://127.0.0.1:8443/door run-signaling-server=true
 * ]|
 *
 * Since: 0.1
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "elements/gstquicp2psrc-private.h"

GST_DEBUG_CATEGORY (gst_quicp2p_src_debug);
#define GST_CAT_DEFAULT gst_quicp2p_src_debug

#define DEFAULT_CONNECT_TIMEOUT 30000  /* ms */
#define DEFAULT_PRODUCER_TIMEOUT 10000 /* ms */
#define DEFAULT_LATENCY 200            /* ms */
#define MAX_LATENCY 60000              /* ms */

enum {
  PROP_LATENCY = GST_QUICP2P_PROP_OWN,
  PROP_PRODUCER,
  PROP_PRODUCER_TIMEOUT,
};

G_DEFINE_TYPE_WITH_CODE (GstQuicP2PSrc, gst_quicp2p_src, GST_TYPE_BIN,
    G_IMPLEMENT_INTERFACE (GST_TYPE_URI_HANDLER,
        (GInterfaceInitFunc) gst_quicp2p_uri_handler_init_src))
GST_ELEMENT_REGISTER_DEFINE (quicp2psrc, "quicp2psrc", GST_RANK_PRIMARY,
    GST_TYPE_QUICP2P_SRC)

#define parent_class gst_quicp2p_src_parent_class

static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE ("src_%u",
    GST_PAD_SRC, GST_PAD_SOMETIMES, GST_STATIC_CAPS ("application/x-rtp"));

/* --- State, events and queries -------------------------------------------- */

/* The plugin behind rtpbin is loaded before the first packet waits for it. */
static gboolean
preload (GstQuicP2PSrc *self)
{
  g_autoptr (GstElement) rtpbin = gst_element_factory_make ("rtpbin", NULL);

  if (rtpbin)
    gst_object_ref_sink (rtpbin);
  return gst_quicp2p_common_check_rtpbin (GST_ELEMENT_CAST (self),
      rtpbin != NULL);
}

static gboolean
join (GstQuicP2PSrc *self)
{
  g_autoptr (GError) error = NULL;
  gboolean all;

  g_mutex_lock (&self->common.lock);
  all = g_strcmp0 (self->common.config->producer, QP_CONFIG_ALL_PRODUCERS) == 0;
  g_mutex_unlock (&self->common.lock);
  g_mutex_lock (&self->lock);
  self->all = all;
  g_mutex_unlock (&self->lock);

  gst_quicp2p_common_join (&self->common, GST_ELEMENT_CAST (self),
      &gst_quicp2p_src_callbacks, &error);
  gst_quicp2p_common_joined (GST_ELEMENT_CAST (self), error);
  return error == NULL;
}

static GstStateChangeReturn
change_state (GstElement *element, GstStateChange transition)
{
  GstQuicP2PSrc *self = GST_QUICP2P_SRC (element);
  GstStateChangeReturn result;

  switch (transition) {
    case GST_STATE_CHANGE_NULL_TO_READY:
      if (!preload (self))
        return GST_STATE_CHANGE_FAILURE;
      break;
    case GST_STATE_CHANGE_READY_TO_PAUSED:
      if (!join (self))
        return GST_STATE_CHANGE_FAILURE;
      break;
    case GST_STATE_CHANGE_PAUSED_TO_READY:
      gst_quicp2p_common_leave (&self->common);
      break;
    default:
      break;
  }

  result = GST_ELEMENT_CLASS (parent_class)->change_state (element, transition);

  if (result == GST_STATE_CHANGE_FAILURE) {
    gst_quicp2p_common_leave (&self->common);
    return result;
  }
  switch (transition) {
    case GST_STATE_CHANGE_READY_TO_PAUSED:
    case GST_STATE_CHANGE_PLAYING_TO_PAUSED:
      result = GST_STATE_CHANGE_NO_PREROLL; /* live, whatever is inside now */
      break;
    case GST_STATE_CHANGE_PAUSED_TO_READY:
      gst_quicp2p_src_stop_pads_timer (self);
      gst_quicp2p_src_clean_up (self);
      break;
    default:
      break;
  }
  return result;
}

/* The application wants the stream to end, as gst-launch-1.0 -e does. */
static gboolean
send_event (GstElement *element, GstEvent *event)
{
  if (GST_EVENT_TYPE (event) == GST_EVENT_EOS) {
    gst_element_call_async (element, gst_quicp2p_src_end_all, NULL, NULL);
    gst_event_unref (event);
    return TRUE;
  }
  return GST_ELEMENT_CLASS (parent_class)->send_event (element, event);
}

static gboolean
query (GstElement *element, GstQuery *query)
{
  GstQuicP2PSrc *self = GST_QUICP2P_SRC (element);
  guint latency_ms;

  if (GST_QUERY_TYPE (query) != GST_QUERY_LATENCY)
    return GST_ELEMENT_CLASS (parent_class)->query (element, query);

  /* Known before there is a pad to ask. */
  g_mutex_lock (&self->lock);
  latency_ms = self->latency_ms;
  g_mutex_unlock (&self->lock);
  gst_query_set_latency (query, TRUE, latency_ms * GST_MSECOND,
      GST_CLOCK_TIME_NONE);
  return TRUE;
}

/* --- Properties and life -------------------------------------------------- */

/* (transfer full): the session's, and what we ourselves dropped. */
static GstStructure *
get_stats (GstQuicP2PSrc *self)
{
  GstStructure *stats = gst_quicp2p_common_get_stats (&self->common);

  gst_structure_set (stats, "queue-dropped-packets", G_TYPE_UINT64,
      gst_quicp2p_src_get_dropped (self), NULL);
  return stats;
}

static void
set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstQuicP2PSrc *self = GST_QUICP2P_SRC (object);
  QpConfig *config = self->common.config;

  switch (id) {
    case PROP_LATENCY:
      g_mutex_lock (&self->lock);
      self->latency_ms = g_value_get_uint (value);
      g_mutex_unlock (&self->lock);
      break;
    case PROP_PRODUCER:
      g_mutex_lock (&self->common.lock);
      g_free (config->producer);
      config->producer = g_value_dup_string (value);
      g_mutex_unlock (&self->common.lock);
      break;
    case PROP_PRODUCER_TIMEOUT:
      g_mutex_lock (&self->common.lock);
      config->producer_timeout_ms = g_value_get_uint (value);
      g_mutex_unlock (&self->common.lock);
      break;
    default:
      gst_quicp2p_common_set_property (&self->common, object, id, value, pspec);
      break;
  }
}

static void
get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstQuicP2PSrc *self = GST_QUICP2P_SRC (object);
  const QpConfig *config = self->common.config;

  switch (id) {
    case PROP_LATENCY:
      g_mutex_lock (&self->lock);
      g_value_set_uint (value, self->latency_ms);
      g_mutex_unlock (&self->lock);
      break;
    case PROP_PRODUCER:
      g_mutex_lock (&self->common.lock);
      g_value_set_string (value, config->producer);
      g_mutex_unlock (&self->common.lock);
      break;
    case PROP_PRODUCER_TIMEOUT:
      g_mutex_lock (&self->common.lock);
      g_value_set_uint (value, config->producer_timeout_ms);
      g_mutex_unlock (&self->common.lock);
      break;
    case GST_QUICP2P_PROP_STATS:
      g_value_take_boxed (value, get_stats (self));
      break;
    default:
      gst_quicp2p_common_get_property (&self->common, object, id, value, pspec);
      break;
  }
}

static void
finalize (GObject *object)
{
  GstQuicP2PSrc *self = GST_QUICP2P_SRC (object);

  gst_quicp2p_common_clear (&self->common);
  g_mutex_clear (&self->expose_lock);
  g_mutex_clear (&self->lock);
  G_OBJECT_CLASS (parent_class)->finalize (object);
}

static void
install_properties (GObjectClass *object_class)
{
  gst_quicp2p_common_install_properties (object_class, DEFAULT_CONNECT_TIMEOUT);
  /**
   * GstQuicP2PSrc:latency:
   *
   * How long the jitter buffer waits for packets that are missing, and how much
   * later than they came streams are shown for that, so that they are whole, in
   * order and in sync.  Packets that are later still are shown as of when they
   * came, and sound and picture meet again with the next sender reports, within
   * a second or two: where calls move between networks, more than the longest
   * gap keeps them together.  With 0 there is no jitter buffer: packets pass on
   * as they arrive.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_LATENCY,
      g_param_spec_uint ("latency", "Latency",
          "How late packets may be, and how much later streams are shown for "
          "that, in ms (0: packets pass as they arrive, without a jitter "
          "buffer)",
          0, MAX_LATENCY, DEFAULT_LATENCY, GST_QUICP2P_PARAM_FLAGS));
  /**
   * GstQuicP2PSrc:producer:
   *
   * With "all", every stream of every other member has a pad, which goes away
   * with the member; nobody is waited for, and an empty room is no error.
   * Otherwise one producer is played, and its pads are kept for its successor.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_PRODUCER,
      g_param_spec_string ("producer", "Producer",
          "Whom to play: id (32 hex digits) or name of a member, or \"all\" "
          "(NULL: the first in the room that sends)",
          NULL, GST_QUICP2P_PARAM_FLAGS));
  /**
   * GstQuicP2PSrc:producer-timeout:
   *
   * When the producer leaves without ending its streams, it may come back in
   * this time and go on on the same pads.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_PRODUCER_TIMEOUT,
      g_param_spec_uint ("producer-timeout", "Producer timeout",
          "End the streams this long after the producer left without ending them, in ms (0: "
          "never)",
          0, G_MAXINT, DEFAULT_PRODUCER_TIMEOUT, GST_QUICP2P_PARAM_FLAGS));
}

/* Documented here, because the tools look for it beside the element. */
static void
install_signals (GObjectClass *object_class)
{
  /**
   * GstQuicP2PSrc::peer-joined:
   * @object: the element
   * @peer_id: the member's id, 32 hex digits
   * @peer_name: (nullable): its display-name
   *
   * A member of the room is connected and has proved who it is.  The same is
   * posted as an element message "peer-joined".
   *
   * Emitted from the transport thread: handlers must not block.
   *
   * Since: 0.1
   */
  /**
   * GstQuicP2PSrc::peer-left:
   * @object: the element
   * @peer_id: the member's id, 32 hex digits
   * @peer_name: (nullable): its display-name
   * @reason: a sentence for people
   *
   * A member that had joined is gone for good: it ended the call, left the room,
   * or was lost and did not come back in time.  The same is posted as an element
   * message "peer-left".
   *
   * Emitted from the transport thread: handlers must not block.
   *
   * Since: 0.1
   */
  /**
   * GstQuicP2PSrc::accept-peer:
   * @object: the element
   * @peer_id: the member's id, 32 hex digits
   * @peer_name: (nullable): its display-name; anybody may call himself anything
   * @fingerprint: (nullable): of its certificate, as "sha-256 AB:CD:…"; the
   *     connection is not made with any other
   *
   * Decides whether there may be a call with that member.  Asked before it is
   * called, when the fingerprint is not known yet and so %NULL, and again when it
   * is; a member that calls us is asked about once.  An element that joins a
   * session later is asked about the calls that there are.  Every element of the
   * session must accept; who is refused learns so, and no more.
   *
   * Emitted from the transport thread: handlers must not block.
   *
   * Returns: %TRUE, as without a handler, to accept
   *
   * Since: 0.1
   */
  gst_quicp2p_common_install_signals (object_class);
}

static void
gst_quicp2p_src_class_init (GstQuicP2PSrcClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);

  GST_DEBUG_CATEGORY_INIT (gst_quicp2p_src_debug, "quicp2psrc", 0,
      "QUIC P2P source");

  object_class->set_property = set_property;
  object_class->get_property = get_property;
  object_class->finalize = finalize;
  element_class->change_state = change_state;
  element_class->send_event = send_event;
  element_class->query = query;

  install_properties (object_class);
  install_signals (object_class);
  gst_type_mark_as_plugin_api (GST_TYPE_QUICP2P_SRC_PAD, 0);

  gst_element_class_add_static_pad_template_with_gtype (element_class,
      &src_template, GST_TYPE_QUICP2P_SRC_PAD);
  gst_element_class_set_static_metadata (element_class, "QUIC P2P source",
      "Source/Network/RTP", "Receives RTP over QUIC from peers, through NATs",
      "The quicp2p authors");
}

static void
gst_quicp2p_src_init (GstQuicP2PSrc *self)
{
  g_mutex_init (&self->expose_lock);
  g_mutex_init (&self->lock);
  gst_quicp2p_common_init (&self->common, FALSE, DEFAULT_CONNECT_TIMEOUT);
  self->common.config->producer_timeout_ms = DEFAULT_PRODUCER_TIMEOUT;
  self->latency_ms = DEFAULT_LATENCY;

  GST_OBJECT_FLAG_SET (self, GST_ELEMENT_FLAG_SOURCE);
  gst_bin_set_suppressed_flags (GST_BIN_CAST (self),
      GST_ELEMENT_FLAG_SOURCE | GST_ELEMENT_FLAG_SINK);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* quicp2psink: a bin around rtpbin with one RTP session for each request pad.
 * The branch behind a pad is gstquicp2psinkpad.c's; here is what concerns all of
 * them: the membership of the session, and which pads there are.
 *
 * Threads: pads come and go by application threads, and the state change joins
 * and leaves; `setup_lock` lets one of these do its work at a time.  The
 * transport thread's callbacks look pads up by their track, under `lock`, which
 * is never held while waiting for anybody; they never take `setup_lock`. */

/**
 * SECTION:element-quicp2psink
 * @title: quicp2psink
 * @see_also: quicp2psrc, rtpbin
 *
 * quicp2psink sends RTP streams to all the viewers that meet it in a room of a
 * signaling server.  It finds a way to each of them through NATs with ICE, opens
 * one QUIC connection on it with mutual TLS authentication, and sends RTP as
 * draft-ietf-avtcore-rtp-over-quic (RoQ) says.
 *
 * Each request pad is one stream.  Its caps travel to the viewers by
 * themselves, also when they change.  Without viewers the streams are
 * discarded; a viewer that comes gets a keyframe.  A viewer that is slow loses
 * frames of its own and disturbs nobody.
 *
 * Streams from a file are paced by the clock.  Those of live sources leave at
 * once: the latency of the pipeline is not added to them.
 *
 * ## Example pipelines
 *
 * A camera that needs no server, because it runs the signaling by itself:
 * |[
 * gst-launch-1.0 videotestsrc is-live=true ! x264enc tune=zerolatency ! rtph264pay ! quicp2psink uri=quicp2p://127.0.0.1:8443/door run-signaling-server=true
 * ]| and its viewer:
 * |[
 * gst-launch-1.0 quicp2psrc uri=quicp2p://127.0.0.1:8443/door ! rtph264depay ! avdec_h264 ! videoconvert ! autovideosink
 * ]|
 * Sound and pictures in one connection, the sound in datagrams:
 * |[
 * gst-launch-1.0 videotestsrc is-live=true ! x264enc tune=zerolatency ! rtph264pay ! q.sink_0 audiotestsrc is-live=true ! opusenc ! rtpopuspay ! q.sink_1 quicp2psink name=q uri=quicp2p://127.0.0.1:8443/door run-signaling-server=true sink_1::mapping=datagram
 * ]|
 *
 * Since: 0.1
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "elements/gstquicp2psink.h"

#include <stdio.h>

#include "elements/gstquicp2pcommon.h"
#include "elements/gstquicp2pratecontrol.h"
#include "elements/gstquicp2prtpbin.h"
#include "elements/gstquicp2psinkpad.h"

GST_DEBUG_CATEGORY (gst_quicp2p_sink_debug);
#define GST_CAT_DEFAULT gst_quicp2p_sink_debug

#define DEFAULT_CONNECT_TIMEOUT 0 /* ms; a camera waits for its viewers */

enum {
  PROP_MAPPING = GST_QUICP2P_PROP_OWN,
  PROP_FRAME_DEADLINE,
  PROP_RUN_SIGNALING_SERVER,
  PROP_RATE_CONTROL, /* the first of GstQuicP2PRateControl's */
};

struct _GstQuicP2PSink {
  GstBin parent;

  GstQuicP2PCommon common;
  GstElement *rtpbin; /* constant */
  GstQuicP2PRateControl rate_control;

  GMutex setup_lock;  /* held while pads or the membership come or go */
  guint next_pad;     /* number for a pad without a wish; with setup_lock */
  guint next_session; /* with setup_lock */

  GMutex lock; /* guards the fields below */
  GList *
      pads; /* of GstQuicP2PSinkPad*, referenced; changed with setup_lock too */
  QpMapping mapping;
  guint deadline_ms;
};

static void child_proxy_init (gpointer iface, gpointer data);

G_DEFINE_TYPE_WITH_CODE (GstQuicP2PSink, gst_quicp2p_sink, GST_TYPE_BIN,
    G_IMPLEMENT_INTERFACE (GST_TYPE_URI_HANDLER,
        (GInterfaceInitFunc) gst_quicp2p_uri_handler_init_sink)
        G_IMPLEMENT_INTERFACE (GST_TYPE_CHILD_PROXY,
            (GInterfaceInitFunc) child_proxy_init))
GST_ELEMENT_REGISTER_DEFINE (quicp2psink, "quicp2psink", GST_RANK_PRIMARY,
    GST_TYPE_QUICP2P_SINK)

#define parent_class gst_quicp2p_sink_parent_class

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE ("sink_%u",
    GST_PAD_SINK, GST_PAD_REQUEST, GST_STATIC_CAPS ("application/x-rtp"));

/* --- Callbacks: the transport thread -------------------------------------- */

/* (transfer full), nullable: the pad may just have been released. */
static GstQuicP2PSinkPad *
find_pad (GstQuicP2PSink *self, QpTrack *track)
{
  GstQuicP2PSinkPad *found = NULL;

  g_mutex_lock (&self->lock);
  for (GList *walk = self->pads; walk && !found; walk = walk->next) {
    if (gst_quicp2p_sink_pad_has_track (walk->data, track))
      found = gst_object_ref (walk->data);
  }
  g_mutex_unlock (&self->lock);
  return found;
}

static void
on_track_rtcp (QpTrack *track, GstBuffer *buffer, gpointer user)
{
  g_autoptr (GstQuicP2PSinkPad) pad = find_pad (user, track);

  if (pad)
    gst_quicp2p_sink_pad_receive_rtcp (pad, buffer);
  else
    gst_buffer_unref (buffer);
}

static void
on_track_keyframe (QpTrack *track, gpointer user)
{
  g_autoptr (GstQuicP2PSinkPad) pad = find_pad (user, track);

  if (pad)
    gst_quicp2p_sink_pad_request_keyframe (pad);
}

static void
on_rates (const QpPeerRate *rates, guint n, gpointer user)
{
  gst_quicp2p_rate_control_update (&GST_QUICP2P_SINK (user)->rate_control,
      rates, n);
}

static const QpSessionCallbacks callbacks = {
  .message = gst_quicp2p_on_message,
  .warning = gst_quicp2p_on_warning,
  .failed = gst_quicp2p_on_failed,
  .peer_joined = gst_quicp2p_on_peer_joined,
  .peer_left = gst_quicp2p_on_peer_left,
  .accept_peer = gst_quicp2p_on_accept_peer,
  .track_rtcp = on_track_rtcp,
  .track_keyframe = on_track_keyframe,
  .rates = on_rates,
};

/* --- Request pads --------------------------------------------------------- */

/* With setup_lock, while there is a membership. */
static void
add_track (GstQuicP2PSink *self, GstQuicP2PSinkPad *pad)
{
  QpMapping mapping;
  guint deadline_ms;

  g_mutex_lock (&self->lock);
  mapping = self->mapping;
  deadline_ms = self->deadline_ms;
  g_mutex_unlock (&self->lock);

  gst_quicp2p_sink_pad_add_track (pad, self->common.member, mapping,
      deadline_ms);
}

/* (transfer full): the wish, which nobody has, or the next free name.  With
 * setup_lock. */
static char *
choose_name (GstQuicP2PSink *self, const char *wish)
{
  guint number;

  if (!wish || sscanf (wish, "sink_%u", &number) != 1)
    return g_strdup_printf ("sink_%u", self->next_pad++);
  if (number >= self->next_pad && number < G_MAXUINT)
    self->next_pad = number + 1;
  return g_strdup (wish);
}

/* With setup_lock. */
static GstPad *
make_pad (GstQuicP2PSink *self, GstPadTemplate *templ, const char *wish)
{
  g_autofree char *name = choose_name (self, wish);
  guint session = self->next_session++;
  GstPad *pad = gst_quicp2p_sink_pad_new (templ, name, session);
  GstQuicP2PSinkPad *sink_pad = GST_QUICP2P_SINK_PAD (pad);

  gst_object_ref_sink (pad);
  if (!gst_quicp2p_sink_pad_build (sink_pad, GST_BIN_CAST (self),
          self->rtpbin)) {
    GST_ELEMENT_ERROR (self, CORE, FAILED,
        ("The stream %s could not be set up", name),
        ("rtpbin refused RTP session %u", session));
    gst_quicp2p_sink_pad_demolish (sink_pad, GST_BIN_CAST (self), self->rtpbin);
    gst_object_unref (pad);
    return NULL;
  }
  gst_quicp2p_rtpbin_configure_session (self->rtpbin, session);

  g_mutex_lock (&self->lock);
  self->pads = g_list_append (self->pads, pad);
  g_mutex_unlock (&self->lock);

  if (self->common.member)
    add_track (self, sink_pad);
  gst_quicp2p_sink_pad_start (sink_pad);
  return pad;
}

static GstPad *
request_new_pad (GstElement *element, GstPadTemplate *templ, const char *name,
    const GstCaps *caps)
{
  GstQuicP2PSink *self = GST_QUICP2P_SINK (element);
  GstPad *pad;

  if (!self->rtpbin)
    return NULL;
  g_mutex_lock (&self->setup_lock);
  pad = make_pad (self, templ, name);
  g_mutex_unlock (&self->setup_lock);
  if (!pad)
    return NULL;

  gst_element_add_pad (element, pad);
  gst_child_proxy_child_added (GST_CHILD_PROXY (self), G_OBJECT (pad),
      GST_OBJECT_NAME (pad));
  return pad;
}

static void
release_pad (GstElement *element, GstPad *pad)
{
  GstQuicP2PSink *self = GST_QUICP2P_SINK (element);
  GstQuicP2PSinkPad *sink_pad = GST_QUICP2P_SINK_PAD (pad);
  QpTrack *track;
  GList *link;

  g_mutex_lock (&self->setup_lock);
  /* From here on the transport thread does not find it. */
  g_mutex_lock (&self->lock);
  link = g_list_find (self->pads, pad);
  if (link)
    self->pads = g_list_delete_link (self->pads, link);
  g_mutex_unlock (&self->lock);
  if (!link) {
    g_mutex_unlock (&self->setup_lock);
    return;
  }

  gst_quicp2p_sink_pad_demolish (sink_pad, GST_BIN_CAST (self), self->rtpbin);
  track = gst_quicp2p_sink_pad_steal_track (sink_pad);
  if (track)
    qp_session_remove_track (self->common.member, track);
  g_mutex_unlock (&self->setup_lock);

  gst_child_proxy_child_removed (GST_CHILD_PROXY (self), G_OBJECT (pad),
      GST_OBJECT_NAME (pad));
  gst_element_remove_pad (element, pad);
  gst_object_unref (pad);
}

/* --- The pads as children, so that "sink_1::mapping=stream" works --------- */

static GObject *
get_child_by_index (GstChildProxy *proxy, guint index)
{
  GstQuicP2PSink *self = GST_QUICP2P_SINK (proxy);
  GObject *child;

  g_mutex_lock (&self->lock);
  child = g_list_nth_data (self->pads, index);
  if (child)
    g_object_ref (child);
  g_mutex_unlock (&self->lock);
  return child;
}

static GObject *
get_child_by_name (GstChildProxy *proxy, const char *name)
{
  return (GObject *) gst_element_get_static_pad (GST_ELEMENT_CAST (proxy),
      name);
}

static guint
get_children_count (GstChildProxy *proxy)
{
  GstQuicP2PSink *self = GST_QUICP2P_SINK (proxy);
  guint count;

  g_mutex_lock (&self->lock);
  count = g_list_length (self->pads);
  g_mutex_unlock (&self->lock);
  return count;
}

static void
child_proxy_init (gpointer iface, gpointer data)
{
  GstChildProxyInterface *proxy = iface;

  proxy->get_child_by_name = get_child_by_name;
  proxy->get_child_by_index = get_child_by_index;
  proxy->get_children_count = get_children_count;
}

/* --- State ---------------------------------------------------------------- */

static gboolean
join (GstQuicP2PSink *self)
{
  g_autoptr (GError) error = NULL;

  g_mutex_lock (&self->setup_lock);
  gst_quicp2p_rate_control_start (&self->rate_control);
  if (gst_quicp2p_common_join (&self->common, GST_ELEMENT_CAST (self),
          &callbacks, &error)) {
    for (GList *walk = self->pads; walk; walk = walk->next)
      add_track (self, walk->data);
  }
  g_mutex_unlock (&self->setup_lock);
  gst_quicp2p_common_joined (GST_ELEMENT_CAST (self), error);
  return error == NULL;
}

/* No data flows any more.  The tracks go with the membership: removed one by
 * one, they would look to viewers like streams that have ended. */
static void
leave (GstQuicP2PSink *self)
{
  g_mutex_lock (&self->setup_lock);
  for (GList *walk = self->pads; walk; walk = walk->next)
    gst_quicp2p_sink_pad_steal_track (walk->data);
  gst_quicp2p_common_leave (&self->common);
  g_mutex_unlock (&self->setup_lock);
  gst_quicp2p_rate_control_stop (&self->rate_control);
}

static GstStateChangeReturn
change_state (GstElement *element, GstStateChange transition)
{
  GstQuicP2PSink *self = GST_QUICP2P_SINK (element);
  GstStateChangeReturn result;

  if (transition == GST_STATE_CHANGE_NULL_TO_READY &&
      !gst_quicp2p_common_check_rtpbin (element, self->rtpbin != NULL))
    return GST_STATE_CHANGE_FAILURE;
  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED && !join (self))
    return GST_STATE_CHANGE_FAILURE;

  result = GST_ELEMENT_CLASS (parent_class)->change_state (element, transition);

  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY ||
      (transition == GST_STATE_CHANGE_READY_TO_PAUSED &&
          result == GST_STATE_CHANGE_FAILURE))
    leave (self);
  return result;
}

/* --- Properties and life -------------------------------------------------- */

static void
set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstQuicP2PSink *self = GST_QUICP2P_SINK (object);

  switch (id) {
    case PROP_MAPPING:
      g_mutex_lock (&self->lock);
      self->mapping = g_value_get_enum (value);
      g_mutex_unlock (&self->lock);
      break;
    case PROP_FRAME_DEADLINE:
      g_mutex_lock (&self->lock);
      self->deadline_ms = g_value_get_uint (value);
      g_mutex_unlock (&self->lock);
      break;
    case PROP_RUN_SIGNALING_SERVER:
      g_mutex_lock (&self->common.lock);
      self->common.config->run_signaling_server = g_value_get_boolean (value);
      g_mutex_unlock (&self->common.lock);
      break;
    default:
      if (!gst_quicp2p_rate_control_set_property (&self->rate_control,
              id - PROP_RATE_CONTROL, value))
        gst_quicp2p_common_set_property (&self->common, object, id, value,
            pspec);
      break;
  }
}

static void
get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstQuicP2PSink *self = GST_QUICP2P_SINK (object);

  switch (id) {
    case PROP_MAPPING:
      g_mutex_lock (&self->lock);
      g_value_set_enum (value, self->mapping);
      g_mutex_unlock (&self->lock);
      break;
    case PROP_FRAME_DEADLINE:
      g_mutex_lock (&self->lock);
      g_value_set_uint (value, self->deadline_ms);
      g_mutex_unlock (&self->lock);
      break;
    case PROP_RUN_SIGNALING_SERVER:
      g_mutex_lock (&self->common.lock);
      g_value_set_boolean (value, self->common.config->run_signaling_server);
      g_mutex_unlock (&self->common.lock);
      break;
    default:
      if (!gst_quicp2p_rate_control_get_property (&self->rate_control,
              id - PROP_RATE_CONTROL, value))
        gst_quicp2p_common_get_property (&self->common, object, id, value,
            pspec);
      break;
  }
}

static void
dispose (GObject *object)
{
  GstQuicP2PSink *self = GST_QUICP2P_SINK (object);

  /* While rtpbin is still in the bin. */
  while (self->pads)
    release_pad (GST_ELEMENT_CAST (self), self->pads->data);
  gst_clear_object (&self->rtpbin);
  G_OBJECT_CLASS (parent_class)->dispose (object);
}

static void
finalize (GObject *object)
{
  GstQuicP2PSink *self = GST_QUICP2P_SINK (object);

  gst_quicp2p_rate_control_clear (&self->rate_control);
  gst_quicp2p_common_clear (&self->common);
  g_mutex_clear (&self->setup_lock);
  g_mutex_clear (&self->lock);
  G_OBJECT_CLASS (parent_class)->finalize (object);
}

static void
install_properties (GObjectClass *object_class)
{
  gst_quicp2p_common_install_properties (object_class, DEFAULT_CONNECT_TIMEOUT);
  /**
   * GstQuicP2PSink:mapping:
   *
   * How RTP packets travel in QUIC.  A stream for each frame loses nothing by
   * itself and lets a frame that is late be given up; one stream for all keeps
   * everything in order, and late; datagrams are never sent twice.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_MAPPING,
      g_param_spec_enum ("mapping", "Mapping",
          "How RTP packets travel in QUIC, for pads that do not say it themselves",
          GST_TYPE_QUICP2P_MAPPING, GST_QUICP2P_DEFAULT_MAPPING,
          GST_QUICP2P_PARAM_FLAGS));
  /**
   * GstQuicP2PSink:frame-deadline:
   *
   * A frame that cannot be sent in this time is given up for the viewer that is
   * too slow for it, and a keyframe is asked for if others depend on it.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_FRAME_DEADLINE,
      g_param_spec_uint ("frame-deadline", "Frame deadline",
          "Cancel a frame that is not sent this long after it came, in ms (0: never), for pads "
          "that do not say it themselves",
          0, GST_QUICP2P_MAX_FRAME_DEADLINE, GST_QUICP2P_DEFAULT_FRAME_DEADLINE,
          GST_QUICP2P_PARAM_FLAGS));
  /**
   * GstQuicP2PSink:run-signaling-server:
   *
   * Runs the signaling server for the URI's host and port in this process, so
   * that a camera needs no other.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_RUN_SIGNALING_SERVER,
      g_param_spec_boolean ("run-signaling-server", "Run signaling server",
          "Run the signaling server at the uri's port in this process", FALSE,
          GST_QUICP2P_PARAM_FLAGS));
  /**
   * GstQuicP2PSink:estimated-bitrate:
   *
   * What the path to a viewer carries, as QUIC's acknowledgements show it; of
   * several viewers to the one that #quicp2psink:adapt follows.  Of a path that is
   * not filled it is the least that it carries, and is not told before it is as
   * much as the encoders are set to.  After a move to another network it starts
   * from half.  Each change by some percent, at most five
   * a second, is notified and posted as an element message "estimated-bitrate"
   * with the field `bitrate` (guint64, bit/s).
   *
   * Since: 0.1
   */
  /**
   * GstQuicP2PSink:min-bitrate:
   *
   * Where a path carries less than this and the sound, frames are given up.
   *
   * Since: 0.1
   */
  /**
   * GstQuicP2PSink:max-bitrate:
   *
   * Without it an encoder is never set to more than it was set to by itself.
   *
   * Since: 0.1
   */
  /**
   * GstQuicP2PSink:adapt:
   *
   * Encoders make what the path to a viewer carries, so that frames come in time.
   * With several viewers `slowest` gives all of them every frame, `median` at
   * least half of them: whose path carries far less loses frames of its own, and
   * does not spoil the picture for all.
   *
   * Since: 0.1
   */
  /**
   * GstQuicP2PSink:encoder:
   *
   * For an encoder that is not known, or one of several.  It needs a property
   * "target-bitrate" or "bitrate" that it follows while it runs.
   *
   * Since: 0.1
   */
  gst_quicp2p_rate_control_install_properties (object_class, PROP_RATE_CONTROL);
}

/* Documented here, because the tools look for it beside the element. */
static void
install_signals (GObjectClass *object_class)
{
  /**
   * GstQuicP2PSink::peer-joined:
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
   * GstQuicP2PSink::peer-left:
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
   * GstQuicP2PSink::accept-peer:
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
gst_quicp2p_sink_class_init (GstQuicP2PSinkClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);

  GST_DEBUG_CATEGORY_INIT (gst_quicp2p_sink_debug, "quicp2psink", 0,
      "QUIC P2P sink");

  object_class->set_property = set_property;
  object_class->get_property = get_property;
  object_class->dispose = dispose;
  object_class->finalize = finalize;
  element_class->request_new_pad = request_new_pad;
  element_class->release_pad = release_pad;
  element_class->change_state = change_state;

  install_properties (object_class);
  install_signals (object_class);
  gst_type_mark_as_plugin_api (GST_TYPE_QUICP2P_MAPPING, 0);
  gst_type_mark_as_plugin_api (GST_TYPE_QUICP2P_SINK_PAD, 0);

  gst_element_class_add_static_pad_template_with_gtype (element_class,
      &sink_template, GST_TYPE_QUICP2P_SINK_PAD);
  gst_element_class_set_static_metadata (element_class, "QUIC P2P sink",
      "Sink/Network/RTP", "Sends RTP over QUIC to peers, through NATs",
      "The quicp2p authors");
}

static void
gst_quicp2p_sink_init (GstQuicP2PSink *self)
{
  g_mutex_init (&self->setup_lock);
  g_mutex_init (&self->lock);
  gst_quicp2p_common_init (&self->common, TRUE, DEFAULT_CONNECT_TIMEOUT);
  gst_quicp2p_rate_control_init (&self->rate_control, GST_ELEMENT_CAST (self));
  self->mapping = GST_QUICP2P_DEFAULT_MAPPING;
  self->deadline_ms = GST_QUICP2P_DEFAULT_FRAME_DEADLINE;

  GST_OBJECT_FLAG_SET (self, GST_ELEMENT_FLAG_SINK);
  gst_bin_set_suppressed_flags (GST_BIN_CAST (self),
      GST_ELEMENT_FLAG_SOURCE | GST_ELEMENT_FLAG_SINK);

  self->rtpbin = gst_element_factory_make ("rtpbin", "rtpbin");
  if (!self->rtpbin)
    return; /* told at NULL to READY */
  gst_object_ref_sink (self->rtpbin);
  /* Sender reports tell when a packet was captured, not when it left: with
   * latencies that differ, sound and picture would drift apart. */
  gst_util_set_object_arg (G_OBJECT (self->rtpbin), "rtp-profile", "avpf");
  g_object_set (self->rtpbin, "rtcp-sync-send-time", FALSE, NULL);
  gst_bin_add (GST_BIN_CAST (self), self->rtpbin);
}

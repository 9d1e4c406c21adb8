/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See gstquicp2psinkpad.h.  The branch is built and demolished by application
 * threads, its track made and removed by them too or by the state change; only
 * the last three functions are called by the transport thread. */
#include "elements/gstquicp2psinkpad.h"

#include <gst/video/video.h>

#include "elements/gstquicp2pcommon.h"
#include "elements/gstquicp2ppacketsink.h"
#include "elements/gstquicp2ppacketsrc.h"
#include "elements/gstquicp2prtpbin.h"
#include "elements/gstquicp2ptracksink.h"

GST_DEBUG_CATEGORY_EXTERN (gst_quicp2p_sink_debug);
#define GST_CAT_DEFAULT gst_quicp2p_sink_debug

enum {
  PROP_0,
  PROP_MAPPING,
  PROP_FRAME_DEADLINE,
};

struct _GstQuicP2PSinkPad {
  GstGhostPad parent;

  guint session; /* constant */

  /* Set by build.  They outlive demolition, because the transport thread may
   * just have found the pad. */
  GstElement *track_sink, *rtcp_src, *rtcp_sink;
  GstPad *rtp_pad, *rtcp_in_pad, *rtcp_out_pad; /* rtpbin's request pads */

  /* Under the object lock. */
  QpTrack *track;
  QpMapping mapping;
  guint deadline_ms;
  gboolean mapping_set, deadline_set; /* else the element's */
  /* The last measure of the bitrate. */
  gint64 measured_at; /* monotonic µs; 0: never */
  guint64 measured_bytes, measured_bitrate;
};

G_DEFINE_TYPE (GstQuicP2PSinkPad, gst_quicp2p_sink_pad, GST_TYPE_GHOST_PAD)

static void
set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstQuicP2PSinkPad *self = GST_QUICP2P_SINK_PAD (object);

  GST_OBJECT_LOCK (self);
  switch (id) {
    case PROP_MAPPING:
      self->mapping = g_value_get_enum (value);
      self->mapping_set = TRUE;
      break;
    case PROP_FRAME_DEADLINE:
      self->deadline_ms = g_value_get_uint (value);
      self->deadline_set = TRUE;
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
      break;
  }
  GST_OBJECT_UNLOCK (self);
}

static void
get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstQuicP2PSinkPad *self = GST_QUICP2P_SINK_PAD (object);
  g_autoptr (GstObject)
      element = gst_object_get_parent (GST_OBJECT_CAST (self));
  gboolean set;

  GST_OBJECT_LOCK (self);
  set = id == PROP_MAPPING ? self->mapping_set : self->deadline_set;
  if (id == PROP_MAPPING)
    g_value_set_enum (value, self->mapping);
  else if (id == PROP_FRAME_DEADLINE)
    g_value_set_uint (value, self->deadline_ms);
  else
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  GST_OBJECT_UNLOCK (self);

  /* What is in force: the element has properties of the same names. */
  if (!set && element)
    g_object_get_property (G_OBJECT (element), pspec->name, value);
}

static void
finalize (GObject *object)
{
  GstQuicP2PSinkPad *self = GST_QUICP2P_SINK_PAD (object);

  gst_clear_object (&self->track_sink);
  gst_clear_object (&self->rtcp_src);
  gst_clear_object (&self->rtcp_sink);
  G_OBJECT_CLASS (gst_quicp2p_sink_pad_parent_class)->finalize (object);
}

static void
gst_quicp2p_sink_pad_class_init (GstQuicP2PSinkPadClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->set_property = set_property;
  object_class->get_property = get_property;
  object_class->finalize = finalize;

  /**
   * GstQuicP2PSinkPad:mapping:
   *
   * Overrides #quicp2psink:mapping for this pad.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_MAPPING,
      g_param_spec_enum ("mapping", "Mapping",
          "How this pad's RTP packets travel in QUIC (default: as the element's)",
          GST_TYPE_QUICP2P_MAPPING, GST_QUICP2P_DEFAULT_MAPPING,
          GST_QUICP2P_PARAM_FLAGS));
  /**
   * GstQuicP2PSinkPad:frame-deadline:
   *
   * Overrides #quicp2psink:frame-deadline for this pad.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_FRAME_DEADLINE,
      g_param_spec_uint ("frame-deadline", "Frame deadline",
          "Cancel a frame of this pad that is not sent this long after it came, in ms (0: never; "
          "default: as the element's)",
          0, GST_QUICP2P_MAX_FRAME_DEADLINE, GST_QUICP2P_DEFAULT_FRAME_DEADLINE,
          GST_QUICP2P_PARAM_FLAGS));
}

static void
gst_quicp2p_sink_pad_init (GstQuicP2PSinkPad *self)
{
  self->mapping = GST_QUICP2P_DEFAULT_MAPPING;
  self->deadline_ms = GST_QUICP2P_DEFAULT_FRAME_DEADLINE;
}

GstPad *
gst_quicp2p_sink_pad_new (GstPadTemplate *templ, const char *name,
    guint session)
{
  GstQuicP2PSinkPad *self = g_object_new (GST_TYPE_QUICP2P_SINK_PAD, "name",
      name, "direction", GST_PAD_SINK, "template", templ, NULL);

  self->session = session;
  return GST_PAD_CAST (self);
}

/* rtpbin's thread for RTCP. */
static void
send_rtcp (GstBuffer *packet, gpointer user)
{
  GstQuicP2PSinkPad *self = user;

  QpTrack *track;

  GST_OBJECT_LOCK (self);
  track = self->track;
  GST_OBJECT_UNLOCK (self);
  /* Still valid: this thread is waited for before the track goes. */
  if (track)
    qp_track_push_rtcp (track, packet);
  else
    gst_buffer_unref (packet);
}

/* rtpbin's thread for RTCP: a viewer's PLI or FIR goes the way of all requests
 * for keyframes, so that many make one. */
static GstPadProbeReturn
take_keyframe_request (GstPad *rtp_pad, GstPadProbeInfo *info, gpointer user)
{
  GstQuicP2PSinkPad *self = user;
  QpTrack *track;

  if (!gst_video_event_is_force_key_unit (GST_PAD_PROBE_INFO_EVENT (info)))
    return GST_PAD_PROBE_OK;
  GST_OBJECT_LOCK (self);
  track = self->track;
  GST_OBJECT_UNLOCK (self);
  /* As in send_rtcp(). */
  if (track)
    qp_track_request_keyframe (track);
  return GST_PAD_PROBE_DROP;
}

static GstElement *
new_rtcp_src (GstQuicP2PSinkPad *self, const char *name)
{
  g_autoptr (GstCaps) caps = gst_caps_new_empty_simple ("application/x-rtcp");

  return gst_quicp2p_packet_src_new (name, name, gst_util_group_id_next (),
      caps);
}

static gboolean
link_branch (GstQuicP2PSinkPad *self, GstElement *rtpbin)
{
  g_autofree char *rtp_in = g_strdup_printf ("send_rtp_sink_%u", self->session);
  g_autofree char *rtp_out = g_strdup_printf ("send_rtp_src_%u", self->session);
  g_autofree char *rtcp_in = g_strdup_printf ("recv_rtcp_sink_%u",
      self->session);
  g_autofree char *rtcp_out = g_strdup_printf ("send_rtcp_src_%u",
      self->session);

  self->rtp_pad = gst_element_request_pad_simple (rtpbin, rtp_in);
  self->rtcp_in_pad = gst_element_request_pad_simple (rtpbin, rtcp_in);
  self->rtcp_out_pad = gst_element_request_pad_simple (rtpbin, rtcp_out);
  if (self->rtp_pad)
    gst_pad_add_probe (self->rtp_pad, GST_PAD_PROBE_TYPE_EVENT_UPSTREAM,
        take_keyframe_request, self, NULL);
  return self->rtp_pad && self->rtcp_in_pad && self->rtcp_out_pad &&
      gst_element_link_pads (rtpbin, rtp_out, self->track_sink, "sink") &&
      gst_element_link_pads (self->rtcp_src, "src", rtpbin, rtcp_in) &&
      gst_element_link_pads (rtpbin, rtcp_out, self->rtcp_sink, "sink") &&
      gst_ghost_pad_set_target (GST_GHOST_PAD_CAST (self), self->rtp_pad);
}

gboolean
gst_quicp2p_sink_pad_build (GstQuicP2PSinkPad *self, GstBin *bin,
    GstElement *rtpbin)
{
  g_autofree char *track_name = g_strdup_printf ("track_sink_%u",
      self->session);
  g_autofree char *rtcp_src_name = g_strdup_printf ("rtcp_src_%u",
      self->session);
  g_autofree char *rtcp_sink_name = g_strdup_printf ("rtcp_sink_%u",
      self->session);

  self->track_sink =
      gst_object_ref_sink (gst_quicp2p_track_sink_new (track_name));
  self->rtcp_src = gst_object_ref_sink (new_rtcp_src (self, rtcp_src_name));
  self->rtcp_sink =
      gst_object_ref_sink (gst_quicp2p_packet_sink_new (rtcp_sink_name,
          send_rtcp, self, NULL));

  gst_bin_add_many (bin, self->track_sink, self->rtcp_src, self->rtcp_sink,
      NULL);
  return link_branch (self, rtpbin);
}

void
gst_quicp2p_sink_pad_start (GstQuicP2PSinkPad *self)
{
  gst_element_sync_state_with_parent (self->rtcp_sink);
  gst_element_sync_state_with_parent (self->track_sink);
  gst_element_sync_state_with_parent (self->rtcp_src);
}

void
gst_quicp2p_sink_pad_demolish (GstQuicP2PSinkPad *self, GstBin *bin,
    GstElement *rtpbin)
{
  /* First whatever upstream's thread waits in, then the pad that it came
   * through. */
  gst_element_set_locked_state (self->track_sink, TRUE);
  gst_element_set_state (self->track_sink, GST_STATE_NULL);
  gst_pad_set_active (GST_PAD_CAST (self), FALSE);
  gst_ghost_pad_set_target (GST_GHOST_PAD_CAST (self), NULL);

  gst_quicp2p_bin_remove (bin, self->rtcp_src);
  gst_quicp2p_rtpbin_release_pad (rtpbin, &self->rtcp_in_pad);
  gst_quicp2p_rtpbin_release_pad (rtpbin, &self->rtcp_out_pad);
  gst_quicp2p_rtpbin_release_pad (rtpbin, &self->rtp_pad);
  gst_quicp2p_bin_remove (bin, self->rtcp_sink);
  gst_quicp2p_bin_remove (bin, self->track_sink);
}

void
gst_quicp2p_sink_pad_add_track (GstQuicP2PSinkPad *self, QpMember *member,
    QpMapping mapping, guint deadline_ms)
{
  g_autofree char *mid = gst_pad_get_name (self);
  QpTrackConfig config = { .mid = mid };
  QpTrack *track;

  GST_OBJECT_LOCK (self);
  config.mapping = self->mapping_set ? self->mapping : mapping;
  config.deadline_ms = self->deadline_set ? self->deadline_ms : deadline_ms;
  GST_OBJECT_UNLOCK (self);

  track = qp_session_add_track (member, &config, self);
  gst_quicp2p_track_sink_set_track (GST_QUICP2P_TRACK_SINK (self->track_sink),
      track);
  GST_OBJECT_LOCK (self);
  self->track = track;
  GST_OBJECT_UNLOCK (self);
}

QpTrack *
gst_quicp2p_sink_pad_steal_track (GstQuicP2PSinkPad *self)
{
  QpTrack *track;

  GST_OBJECT_LOCK (self);
  track = g_steal_pointer (&self->track);
  GST_OBJECT_UNLOCK (self);
  gst_quicp2p_track_sink_set_track (GST_QUICP2P_TRACK_SINK (self->track_sink),
      NULL);
  return track;
}

gboolean
gst_quicp2p_sink_pad_has_track (GstQuicP2PSinkPad *self, QpTrack *track)
{
  gboolean has;

  GST_OBJECT_LOCK (self);
  has = self->track == track;
  GST_OBJECT_UNLOCK (self);
  return has;
}

guint64
gst_quicp2p_sink_pad_measure_bitrate (GstQuicP2PSinkPad *self)
{
  guint64 bytes = gst_quicp2p_track_sink_get_bytes (
      GST_QUICP2P_TRACK_SINK (self->track_sink));
  gint64 now = g_get_monotonic_time ();
  guint64 bitrate;

  GST_OBJECT_LOCK (self);
  if (now - self->measured_at >= G_USEC_PER_SEC) {
    if (self->measured_at > 0)
      self->measured_bitrate = gst_util_uint64_scale (bytes -
              self->measured_bytes,
          8 * G_USEC_PER_SEC, (guint64) (now - self->measured_at));
    self->measured_at = now;
    self->measured_bytes = bytes;
  }
  bitrate = self->measured_bitrate;
  GST_OBJECT_UNLOCK (self);
  return bitrate;
}

void
gst_quicp2p_sink_pad_receive_rtcp (GstQuicP2PSinkPad *self, GstBuffer *buffer)
{
  gst_quicp2p_packet_src_push (GST_QUICP2P_PACKET_SRC (self->rtcp_src), buffer);
}

/* Past rtpbin, where requests come from. */
static void
request_keyframe (GstElement *track_sink, gpointer self)
{
  GST_DEBUG_OBJECT (self, "asking upstream for a keyframe");
  gst_pad_push_event (GST_PAD_CAST (self),
      gst_video_event_new_upstream_force_key_unit (GST_CLOCK_TIME_NONE, TRUE,
          0));
}

void
gst_quicp2p_sink_pad_request_keyframe (GstQuicP2PSinkPad *self)
{
  /* An encoder may take its time to answer: not on the transport thread. */
  gst_element_call_async (self->track_sink, request_keyframe,
      gst_object_ref (self), gst_object_unref);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See gstquicp2psrcpad.h.  What comes out of rtpbin is watched by a probe on
 * rtpbin's pad, on its streaming thread: it keeps the stream-start event the
 * same for the pad's whole life, asks for a keyframe when packets of a video
 * are lost, and lets data for an unlinked pad vanish, so that rtpbin does not
 * take that for the end of everything. */
#include "elements/gstquicp2psrcpad.h"

#include <gst/video/video.h>

GST_DEBUG_CATEGORY_EXTERN (gst_quicp2p_src_debug);
#define GST_CAT_DEFAULT gst_quicp2p_src_debug

/* Losses come in bursts: ask no more often than this. */
#define KEYFRAME_INTERVAL_US (250 * G_TIME_SPAN_MILLISECOND)

struct _GstQuicP2PSrcPad {
  GstGhostPad parent;

  /* Constant. */
  char *mid, *media, *encoding_name;
  GstEvent *stream_start;
  guint latency_ms;

  gint eos;                /* atomic */
  gint64 last_keyframe_us; /* streaming thread; monotonic, 0: never asked */
};

G_DEFINE_TYPE (GstQuicP2PSrcPad, gst_quicp2p_src_pad, GST_TYPE_GHOST_PAD)

/* The data of one probe. */
typedef struct {
  GstQuicP2PSrcPad *pad; /* referenced */
  const gint *ends;
  GstQuicP2PEosFunc eos;
  gpointer user;
  GDestroyNotify destroy;
} Watch;

static void
watch_free (gpointer data)
{
  Watch *watch = data;

  gst_object_unref (watch->pad);
  if (watch->destroy)
    watch->destroy (watch->user);
  g_free (watch);
}

static gboolean
pad_query (GstPad *pad, GstObject *parent, GstQuery *query)
{
  GstQuicP2PSrcPad *self = GST_QUICP2P_SRC_PAD (pad);

  /* Answered here, so that it is answered between two producers too. */
  if (GST_QUERY_TYPE (query) == GST_QUERY_LATENCY) {
    gst_query_set_latency (query, TRUE, self->latency_ms * GST_MSECOND,
        GST_CLOCK_TIME_NONE);
    return TRUE;
  }
  return gst_pad_query_default (pad, parent, query);
}

static void
finalize (GObject *object)
{
  GstQuicP2PSrcPad *self = GST_QUICP2P_SRC_PAD (object);

  g_free (self->mid);
  g_free (self->media);
  g_free (self->encoding_name);
  gst_clear_event (&self->stream_start);
  G_OBJECT_CLASS (gst_quicp2p_src_pad_parent_class)->finalize (object);
}

static void
gst_quicp2p_src_pad_class_init (GstQuicP2PSrcPadClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = finalize;
}

static void
gst_quicp2p_src_pad_init (GstQuicP2PSrcPad *self)
{
}

GstPad *
gst_quicp2p_src_pad_new (GstPadTemplate *templ, const char *name,
    const GstQuicP2PStreamKind *kind, const char *stream_id, guint group_id,
    guint latency_ms)
{
  GstQuicP2PSrcPad *self = g_object_new (GST_TYPE_QUICP2P_SRC_PAD, "name", name,
      "direction", GST_PAD_SRC, "template", templ, NULL);

  self->mid = g_strdup (kind->mid);
  self->media = g_strdup (kind->media);
  self->encoding_name = g_strdup (kind->encoding_name);
  self->latency_ms = latency_ms;
  self->stream_start = gst_event_new_stream_start (stream_id);
  gst_event_set_group_id (self->stream_start, group_id);
  gst_pad_set_query_function (GST_PAD_CAST (self), pad_query);
  return GST_PAD_CAST (self);
}

GstQuicP2PMatch
gst_quicp2p_src_pad_match (GstQuicP2PSrcPad *self,
    const GstQuicP2PStreamKind *kind)
{
  gboolean same_mid = g_strcmp0 (self->mid, kind->mid) == 0;
  gboolean same_kind = g_strcmp0 (self->media, kind->media) == 0 &&
      g_strcmp0 (self->encoding_name, kind->encoding_name) == 0;

  if (same_mid)
    return same_kind ? GST_QUICP2P_MATCH_SAME : GST_QUICP2P_MATCH_MID;
  return same_kind ? GST_QUICP2P_MATCH_KIND : GST_QUICP2P_MATCH_NONE;
}

/* rtpbin's RTP session makes a PLI of the event. */
static void
request_keyframe (GstQuicP2PSrcPad *self, GstPad *target)
{
  gint64 now_us = g_get_monotonic_time ();

  if (self->last_keyframe_us &&
      now_us - self->last_keyframe_us < KEYFRAME_INTERVAL_US)
    return;
  self->last_keyframe_us = now_us;
  GST_DEBUG_OBJECT (self, "packets were lost, asking for a keyframe");
  gst_pad_send_event (target,
      gst_video_event_new_upstream_force_key_unit (GST_CLOCK_TIME_NONE, FALSE,
          0));
}

static GstPadProbeReturn
probe_event (Watch *watch, GstPad *target, GstPadProbeInfo *info)
{
  GstQuicP2PSrcPad *self = watch->pad;
  GstEvent *event = GST_PAD_PROBE_INFO_EVENT (info);

  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_STREAM_START:
      GST_PAD_PROBE_INFO_DATA (info) = gst_event_ref (self->stream_start);
      gst_event_unref (event);
      break;
    case GST_EVENT_EOS:
      /* Pushed from here and not passed on, so that it is out before anybody
       * takes rtpbin apart. */
      if (g_atomic_int_get (watch->ends)) {
        gst_quicp2p_src_pad_push_eos (self);
        watch->eos (watch->user);
      }
      return GST_PAD_PROBE_DROP;
    case GST_EVENT_CUSTOM_DOWNSTREAM:
      if (gst_event_has_name (event, "GstRTPPacketLost") &&
          g_strcmp0 (self->media, "video") == 0)
        request_keyframe (self, target);
      break;
    default:
      break;
  }
  return GST_PAD_PROBE_OK;
}

static GstPadProbeReturn
probe (GstPad *target, GstPadProbeInfo *info, gpointer user)
{
  Watch *watch = user;

  if (info->type & GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM)
    return probe_event (watch, target, info);
  return gst_pad_is_linked (GST_PAD_CAST (watch->pad)) ? GST_PAD_PROBE_OK
                                                       : GST_PAD_PROBE_DROP;
}

/* Lets pad-added handlers see caps, which rtpbin's pad has by now. */
static gboolean
copy_sticky (GstPad *target, GstEvent **event, gpointer user)
{
  GstQuicP2PSrcPad *self = user;

  if (GST_EVENT_TYPE (*event) == GST_EVENT_STREAM_START)
    gst_pad_store_sticky_event (GST_PAD_CAST (self), self->stream_start);
  else if (GST_EVENT_TYPE (*event) != GST_EVENT_EOS)
    gst_pad_store_sticky_event (GST_PAD_CAST (self), *event);
  return TRUE;
}

void
gst_quicp2p_src_pad_attach (GstQuicP2PSrcPad *self, GstPad *target,
    const gint *ends, GstQuicP2PEosFunc eos, gpointer user,
    GDestroyNotify destroy)
{
  Watch *watch = g_new (Watch, 1);

  watch->pad = gst_object_ref (self);
  watch->ends = ends;
  watch->eos = eos;
  watch->user = user;
  watch->destroy = destroy;
  gst_pad_add_probe (target,
      GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM | GST_PAD_PROBE_TYPE_BUFFER |
          GST_PAD_PROBE_TYPE_BUFFER_LIST,
      probe, watch, watch_free);

  if (!gst_pad_has_current_caps (GST_PAD_CAST (self))) {
    gst_pad_set_active (GST_PAD_CAST (self), TRUE);
    gst_pad_sticky_events_foreach (target, copy_sticky, self);
  }
  gst_ghost_pad_set_target (GST_GHOST_PAD_CAST (self), target);
}

void
gst_quicp2p_src_pad_detach (GstQuicP2PSrcPad *self)
{
  gst_ghost_pad_set_target (GST_GHOST_PAD_CAST (self), NULL);
}

gboolean
gst_quicp2p_src_pad_is_shown (GstQuicP2PSrcPad *self)
{
  g_autoptr (GstPad)
      target = gst_ghost_pad_get_target (GST_GHOST_PAD_CAST (self));

  return target != NULL;
}

void
gst_quicp2p_src_pad_push_eos (GstQuicP2PSrcPad *self)
{
  if (!g_atomic_int_compare_and_exchange (&self->eos, FALSE, TRUE))
    return;
  GST_DEBUG_OBJECT (self, "EOS");
  gst_pad_push_event (GST_PAD_CAST (self), gst_event_new_eos ());
}

void
gst_quicp2p_src_pad_withhold_eos (GstQuicP2PSrcPad *self)
{
  g_atomic_int_set (&self->eos, TRUE);
}

gboolean
gst_quicp2p_src_pad_is_eos (GstQuicP2PSrcPad *self)
{
  return g_atomic_int_get (&self->eos);
}

static GstPadProbeReturn
drop (GstPad *target, GstPadProbeInfo *info, gpointer user)
{
  return GST_PAD_PROBE_DROP;
}

void
gst_quicp2p_src_pad_discard (GstPad *target)
{
  gst_pad_add_probe (target,
      GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST, drop, NULL,
      NULL);
}

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

/* What EOS waits for a downstream that is busy, at most. */
#define EOS_PATIENCE_US (500 * G_TIME_SPAN_MILLISECOND)
#define EOS_POLL_US (5 * G_TIME_SPAN_MILLISECOND)

enum {
  PROP_0,
  PROP_PEER_ID,
  PROP_PEER_NAME,
  PROP_FLOW_ID,
  PROP_KIND,
  N_PROPS,
};

static GParamSpec *properties[N_PROPS];

struct _GstQuicP2PSrcPad {
  GstGhostPad parent;

  /* Constant. */
  char *mid, *media, *encoding_name;
  GstEvent *stream_start;
  guint latency_ms;

  /* Under the object lock. */
  char *peer_id, *peer_name;
  guint64 flow_id;
  GstEvent *tags; /* to be sent before the next buffer; nullable */

  gint has_tags;           /* atomic: `tags` is not NULL */
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

/* What "kind" says; the caps' "media" may be anything. */
static const char *
get_kind (GstQuicP2PSrcPad *self)
{
  if (g_strcmp0 (self->media, "audio") == 0 ||
      g_strcmp0 (self->media, "video") == 0)
    return self->media;
  return "application";
}

static void
get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstQuicP2PSrcPad *self = GST_QUICP2P_SRC_PAD (object);

  GST_OBJECT_LOCK (self);
  switch (id) {
    case PROP_PEER_ID:
      g_value_set_string (value, self->peer_id);
      break;
    case PROP_PEER_NAME:
      g_value_set_string (value, self->peer_name);
      break;
    case PROP_FLOW_ID:
      g_value_set_uint64 (value, self->flow_id);
      break;
    case PROP_KIND:
      g_value_set_string (value, get_kind (self));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
      break;
  }
  GST_OBJECT_UNLOCK (self);
}

static void
finalize (GObject *object)
{
  GstQuicP2PSrcPad *self = GST_QUICP2P_SRC_PAD (object);

  g_free (self->mid);
  g_free (self->media);
  g_free (self->encoding_name);
  g_free (self->peer_id);
  g_free (self->peer_name);
  gst_clear_event (&self->stream_start);
  gst_clear_event (&self->tags);
  G_OBJECT_CLASS (gst_quicp2p_src_pad_parent_class)->finalize (object);
}

static void
gst_quicp2p_src_pad_class_init (GstQuicP2PSrcPadClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GParamFlags flags = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS;

  object_class->get_property = get_property;
  object_class->finalize = finalize;

  /**
   * GstQuicP2PSrcPad:peer-id:
   *
   * Id of the member that sends this stream.  It changes when another producer
   * goes on on the pad, for example a camera that was restarted.
   *
   * Since: 0.1
   */
  properties[PROP_PEER_ID] = g_param_spec_string ("peer-id", "Peer id",
      "Id of the member that sends this stream, 32 hex digits", NULL, flags);
  /**
   * GstQuicP2PSrcPad:peer-name:
   *
   * Since: 0.1
   */
  properties[PROP_PEER_NAME] = g_param_spec_string ("peer-name", "Peer name",
      "display-name of the member that sends this stream; not unique, not "
      "authenticated (NULL: it has none)",
      NULL, flags);
  /**
   * GstQuicP2PSrcPad:flow-id:
   *
   * Since: 0.1
   */
  properties[PROP_FLOW_ID] = g_param_spec_uint64 ("flow-id", "Flow id",
      "RoQ flow ID under which the stream comes, unique for each peer", 0,
      (G_GUINT64_CONSTANT (1) << 62) - 1, 0, flags);
  /**
   * GstQuicP2PSrcPad:kind:
   *
   * Since: 0.1
   */
  properties[PROP_KIND] = g_param_spec_string ("kind", "Kind",
      "What the stream is: \"audio\", \"video\" or \"application\"", NULL,
      flags);
  g_object_class_install_properties (object_class, N_PROPS, properties);
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

/* --- Whose stream ---------------------------------------------------------- */

/* With the object lock. */
static void
make_tags (GstQuicP2PSrcPad *self)
{
  GstTagList *tags = gst_tag_list_new_empty ();

  if (self->peer_name && *self->peer_name)
    gst_tag_list_add (tags, GST_TAG_MERGE_REPLACE, GST_TAG_TITLE,
        self->peer_name, NULL);
  gst_clear_event (&self->tags);
  self->tags = gst_event_new_tag (tags);
  g_atomic_int_set (&self->has_tags, TRUE);
}

/* (transfer full), nullable: the tags that are due. */
static GstEvent *
take_tags (GstQuicP2PSrcPad *self)
{
  GstEvent *tags;

  GST_OBJECT_LOCK (self);
  tags = g_steal_pointer (&self->tags);
  g_atomic_int_set (&self->has_tags, FALSE);
  GST_OBJECT_UNLOCK (self);
  return tags;
}

void
gst_quicp2p_src_pad_set_owner (GstQuicP2PSrcPad *self,
    const GstQuicP2PStreamOwner *owner)
{
  gboolean new_id, new_name, new_flow;

  GST_OBJECT_LOCK (self);
  new_id = g_strcmp0 (self->peer_id, owner->peer_id) != 0;
  new_name = g_strcmp0 (self->peer_name, owner->peer_name) != 0;
  new_flow = self->flow_id != owner->flow_id;
  self->flow_id = owner->flow_id;
  if (new_id) {
    g_free (self->peer_id);
    self->peer_id = g_strdup (owner->peer_id);
  }
  if (new_name) {
    g_free (self->peer_name);
    self->peer_name = g_strdup (owner->peer_name);
    make_tags (self);
  }
  GST_OBJECT_UNLOCK (self);

  if (new_id)
    g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_PEER_ID]);
  if (new_name)
    g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_PEER_NAME]);
  if (new_flow)
    g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_FLOW_ID]);
}

gboolean
gst_quicp2p_src_pad_is_of (GstQuicP2PSrcPad *self, const char *peer_id)
{
  gboolean is;

  GST_OBJECT_LOCK (self);
  is = g_strcmp0 (self->peer_id, peer_id) == 0;
  GST_OBJECT_UNLOCK (self);
  return is;
}

/* --- What comes out of rtpbin ---------------------------------------------- */

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
  if (g_atomic_int_get (&watch->pad->has_tags)) {
    GstEvent *tags = take_tags (watch->pad);

    if (tags)
      gst_pad_push_event (GST_PAD_CAST (watch->pad), tags);
  }
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
    g_autoptr (GstEvent) tags = take_tags (self);

    gst_pad_set_active (GST_PAD_CAST (self), TRUE);
    gst_pad_sticky_events_foreach (target, copy_sticky, self);
    if (tags)
      gst_pad_store_sticky_event (GST_PAD_CAST (self), tags);
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

/* Who sends us data holds the stream lock of the pad that we are linked to for
 * as long as its element keeps the data. */
void
gst_quicp2p_src_pad_try_push_eos (GstQuicP2PSrcPad *self)
{
  gint64 end = g_get_monotonic_time () + EOS_PATIENCE_US;
  g_autoptr (GstPad) peer = NULL;

  if (gst_quicp2p_src_pad_is_eos (self))
    return;
  peer = gst_pad_get_peer (GST_PAD_CAST (self));
  while (peer && !GST_PAD_STREAM_TRYLOCK (peer)) {
    if (g_get_monotonic_time () >= end) {
      GST_INFO_OBJECT (self, "downstream is stuck: it gets no EOS");
      gst_quicp2p_src_pad_withhold_eos (self);
      return;
    }
    g_usleep (EOS_POLL_US);
  }
  gst_quicp2p_src_pad_push_eos (self);
  if (peer)
    GST_PAD_STREAM_UNLOCK (peer);
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

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Queue and streaming thread; see gstquicp2ppacketsrc.h.
 *
 * Not a GstBaseSrc, because that one ends the pipeline when its pad is not
 * linked further down: a viewer that plays one of two streams is no error.
 *
 * Arrival is noted in monotonic time by the transport thread, which must not
 * care about pipeline clocks, and converted to running time by the streaming
 * thread.  So packets that come while the pipeline is still on its way to
 * PLAYING keep their distances. */
#include "elements/gstquicp2ppacketsrc.h"

GST_DEBUG_CATEGORY_EXTERN (gst_quicp2p_src_debug);
#define GST_CAT_DEFAULT gst_quicp2p_src_debug

typedef struct {
  GstMiniObject
      *object;       /* GstBufferList, GstBuffer, GstCaps, or GstEvent (EOS) */
  gint64 arrival_us; /* monotonic */
  gsize bytes;       /* of packets; 0 for others */
  guint packets;
} Item;

struct _GstQuicP2PPacketSrc {
  GstElement parent;

  GstPad *pad;
  char *stream_id; /* constant */
  guint group_id;  /* constant */

  GMutex lock; /* guards the fields below */
  GCond cond;  /* signalled on each change of them */
  GQueue items;
  GstCaps *caps; /* of the first packet to be pushed */
  gsize bytes;   /* in `items` */
  guint64 dropped;
  gboolean lossy;    /* packets were dropped since the last that was pushed */
  gboolean playing;  /* nothing is given in PAUSED */
  gboolean flushing; /* the pad is not active */
  gboolean ended;

  gboolean started; /* streaming thread only: the initial events are out */
};

G_DEFINE_TYPE (GstQuicP2PPacketSrc, gst_quicp2p_packet_src, GST_TYPE_ELEMENT)

static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE ("src",
    GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);

static void
item_free (gpointer data)
{
  Item *item = data;

  gst_mini_object_unref (item->object);
  g_free (item);
}

/* Drops the oldest packets until the bounds hold again. With the lock. */
static void
drop_oldest (GstQuicP2PPacketSrc *self, gint64 now_us)
{
  GList *link = self->items.head;

  while (link) {
    GList *next = link->next;
    Item *item = link->data;

    if (self->bytes <= GST_QUICP2P_PACKET_SRC_MAX_BYTES &&
        now_us - item->arrival_us <= GST_QUICP2P_PACKET_SRC_MAX_TIME)
      break;
    if (item->bytes) { /* caps and EOS stay: they are about what follows */
      self->bytes -= item->bytes;
      self->dropped += item->packets;
      self->lossy = TRUE;
      g_queue_delete_link (&self->items, link);
      item_free (item);
    }
    link = next;
  }
}

static void
push_item (GstQuicP2PPacketSrc *self, gpointer object, gsize bytes,
    guint packets)
{
  Item *item = g_new (Item, 1);
  gboolean was_empty;

  item->object = object;
  item->arrival_us = g_get_monotonic_time ();
  item->bytes = bytes;
  item->packets = packets;

  g_mutex_lock (&self->lock);
  if (self->ended || self->flushing) {
    g_mutex_unlock (&self->lock);
    item_free (item);
    return;
  }
  was_empty = g_queue_is_empty (&self->items);
  g_queue_push_tail (&self->items, item);
  self->bytes += bytes;
  if (GST_IS_EVENT (object))
    self->ended = TRUE;
  if (bytes)
    drop_oldest (self, item->arrival_us);
  g_mutex_unlock (&self->lock);
  /* A system call, even if nobody waits; and without the lock, which whoever
   * is woken needs at once. */
  if (was_empty)
    g_cond_signal (&self->cond);
}

void
gst_quicp2p_packet_src_push_list (GstQuicP2PPacketSrc *self,
    GstBufferList *list)
{
  push_item (self, list, gst_buffer_list_calculate_size (list),
      gst_buffer_list_length (list));
}

void
gst_quicp2p_packet_src_push (GstQuicP2PPacketSrc *self, GstBuffer *buffer)
{
  push_item (self, buffer, gst_buffer_get_size (buffer), 1);
}

void
gst_quicp2p_packet_src_set_caps (GstQuicP2PPacketSrc *self, GstCaps *caps)
{
  push_item (self, gst_caps_ref (caps), 0, 0);
}

void
gst_quicp2p_packet_src_end (GstQuicP2PPacketSrc *self)
{
  push_item (self, gst_event_new_eos (), 0, 0);
}

guint64
gst_quicp2p_packet_src_get_dropped (GstQuicP2PPacketSrc *self)
{
  guint64 dropped;

  g_mutex_lock (&self->lock);
  dropped = self->dropped;
  g_mutex_unlock (&self->lock);
  return dropped;
}

/* The next item, or NULL when flushing. */
static Item *
wait_for_item (GstQuicP2PPacketSrc *self, gboolean *lossy)
{
  Item *item = NULL;

  g_mutex_lock (&self->lock);
  while (!self->flushing && (!self->playing || g_queue_is_empty (&self->items)))
    g_cond_wait (&self->cond, &self->lock);
  if (!self->flushing) {
    item = g_queue_pop_head (&self->items);
    self->bytes -= item->bytes;
    *lossy = self->lossy;
    if (item->bytes)
      self->lossy = FALSE;
  }
  g_mutex_unlock (&self->lock);
  return item;
}

/* The running time that was at @arrival_us; NONE without a clock. */
static GstClockTime
running_time_at (GstQuicP2PPacketSrc *self, gint64 arrival_us)
{
  GstClockTime now =
      gst_element_get_current_running_time (GST_ELEMENT_CAST (self));
  GstClockTime age = MAX (g_get_monotonic_time () - arrival_us, 0) *
      GST_USECOND;

  if (!GST_CLOCK_TIME_IS_VALID (now))
    return GST_CLOCK_TIME_NONE;
  return now > age ? now - age : 0;
}

static void
push_initial_events (GstQuicP2PPacketSrc *self)
{
  GstEvent *event = gst_event_new_stream_start (self->stream_id);
  GstCaps *caps;
  GstSegment segment;

  gst_event_set_group_id (event, self->group_id);
  gst_pad_push_event (self->pad, event);

  g_mutex_lock (&self->lock);
  caps = gst_caps_ref (self->caps);
  g_mutex_unlock (&self->lock);
  gst_pad_push_event (self->pad, gst_event_new_caps (caps));
  gst_caps_unref (caps);

  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_pad_push_event (self->pad, gst_event_new_segment (&segment));
  self->started = TRUE;
}

static void
stamp (GstBuffer *buffer, GstClockTime time, gboolean discont)
{
  GST_BUFFER_PTS (buffer) = time;
  GST_BUFFER_DTS (buffer) = time;
  if (discont)
    GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_DISCONT);
}

static GstFlowReturn
push_list (GstQuicP2PPacketSrc *self, GstBufferList *list, GstClockTime time,
    gboolean discont)
{
  guint length = gst_buffer_list_length (list);

  list = gst_buffer_list_make_writable (list);
  for (guint i = 0; i < length; i++)
    stamp (gst_buffer_list_get_writable (list, i), time, discont && i == 0);
  return gst_pad_push_list (self->pad, list);
}

/* Takes the item's object. */
static GstFlowReturn
push_downstream (GstQuicP2PPacketSrc *self, Item *item, gboolean discont)
{
  GstMiniObject *object = g_steal_pointer (&item->object);
  GstClockTime time = running_time_at (self, item->arrival_us);

  if (GST_IS_BUFFER_LIST (object))
    return push_list (self, GST_BUFFER_LIST_CAST (object), time, discont);

  if (GST_IS_BUFFER (object)) {
    GstBuffer *buffer = gst_buffer_make_writable (GST_BUFFER_CAST (object));

    stamp (buffer, time, discont);
    return gst_pad_push (self->pad, buffer);
  }

  if (GST_IS_CAPS (object)) {
    g_mutex_lock (&self->lock);
    gst_caps_replace (&self->caps, GST_CAPS_CAST (object));
    g_mutex_unlock (&self->lock);
    gst_pad_push_event (self->pad, gst_event_new_caps (GST_CAPS_CAST (object)));
    gst_mini_object_unref (object);
    return GST_FLOW_OK;
  }

  gst_pad_push_event (self->pad, GST_EVENT_CAST (object));
  return GST_FLOW_OK;
}

/* The streaming thread. */
static void
loop (gpointer data)
{
  GstQuicP2PPacketSrc *self = data;
  gboolean lossy = FALSE, discont;
  GstFlowReturn flow;
  Item *item = wait_for_item (self, &lossy);

  if (!item) {
    gst_pad_pause_task (self->pad);
    return;
  }
  discont = lossy || !self->started;
  if (!self->started)
    push_initial_events (self);

  flow = push_downstream (self, item, discont);
  g_free (item);
  /* An unlinked, ended or flushing neighbour may be replaced by another; what
   * comes meanwhile is for nobody.  Our own flushing ends the next wait. */
  if (flow > GST_FLOW_NOT_NEGOTIATED)
    return;

  GST_INFO_OBJECT (self, "stopping: %s", gst_flow_get_name (flow));
  GST_ELEMENT_FLOW_ERROR (self, flow);
  gst_pad_pause_task (self->pad);
}

static gboolean
activate_mode (GstPad *pad, GstObject *parent, GstPadMode mode, gboolean active)
{
  GstQuicP2PPacketSrc *self = GST_QUICP2P_PACKET_SRC (parent);

  if (mode != GST_PAD_MODE_PUSH)
    return FALSE;

  g_mutex_lock (&self->lock);
  self->flushing = !active;
  if (!active) {
    g_queue_clear_full (&self->items, item_free);
    self->bytes = 0;
  }
  g_cond_signal (&self->cond);
  g_mutex_unlock (&self->lock);

  if (active) {
    self->started = FALSE;
    return gst_pad_start_task (pad, loop, self, NULL);
  }
  return gst_pad_stop_task (pad);
}

static gboolean
pad_query (GstPad *pad, GstObject *parent, GstQuery *query)
{
  GstQuicP2PPacketSrc *self = GST_QUICP2P_PACKET_SRC (parent);
  GstCaps *caps, *filter;

  switch (GST_QUERY_TYPE (query)) {
    case GST_QUERY_LATENCY:
      gst_query_set_latency (query, TRUE, 0, GST_CLOCK_TIME_NONE);
      return TRUE;
    case GST_QUERY_CAPS:
      g_mutex_lock (&self->lock);
      caps = gst_caps_ref (self->caps);
      g_mutex_unlock (&self->lock);
      gst_query_parse_caps (query, &filter);
      if (filter) {
        GstCaps *all = caps;

        caps = gst_caps_intersect_full (filter, all, GST_CAPS_INTERSECT_FIRST);
        gst_caps_unref (all);
      }
      gst_query_set_caps_result (query, caps);
      gst_caps_unref (caps);
      return TRUE;
    default:
      return gst_pad_query_default (pad, parent, query);
  }
}

/* Nobody is upstream of us; what is for the peer was handled by rtpbin. */
static gboolean
pad_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  gboolean known = GST_EVENT_TYPE (event) == GST_EVENT_LATENCY ||
      GST_EVENT_TYPE (event) == GST_EVENT_RECONFIGURE ||
      GST_EVENT_TYPE (event) == GST_EVENT_QOS;

  gst_event_unref (event);
  return known;
}

static void
set_playing (GstQuicP2PPacketSrc *self, gboolean playing)
{
  g_mutex_lock (&self->lock);
  self->playing = playing;
  g_cond_signal (&self->cond);
  g_mutex_unlock (&self->lock);
}

/* Not NO_PREROLL: whether the whole is live is the bin's to tell.  A sink that
 * sends a file is not, though RTCP comes in. */
static GstStateChangeReturn
change_state (GstElement *element, GstStateChange transition)
{
  GstQuicP2PPacketSrc *self = GST_QUICP2P_PACKET_SRC (element);
  GstStateChangeReturn result;

  if (transition == GST_STATE_CHANGE_PLAYING_TO_PAUSED)
    set_playing (self, FALSE);

  result = GST_ELEMENT_CLASS (gst_quicp2p_packet_src_parent_class)
               ->change_state (element, transition);

  if (transition == GST_STATE_CHANGE_PAUSED_TO_PLAYING &&
      result != GST_STATE_CHANGE_FAILURE)
    set_playing (self, TRUE);
  return result;
}

static void
finalize (GObject *object)
{
  GstQuicP2PPacketSrc *self = GST_QUICP2P_PACKET_SRC (object);

  g_queue_clear_full (&self->items, item_free);
  gst_clear_caps (&self->caps);
  g_free (self->stream_id);
  g_cond_clear (&self->cond);
  g_mutex_clear (&self->lock);
  G_OBJECT_CLASS (gst_quicp2p_packet_src_parent_class)->finalize (object);
}

static void
gst_quicp2p_packet_src_class_init (GstQuicP2PPacketSrcClass *klass)
{
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = finalize;
  element_class->change_state = change_state;
  gst_element_class_add_static_pad_template (element_class, &src_template);
  gst_element_class_set_static_metadata (element_class,
      "QUIC P2P packet source", "Source/Network/RTP",
      "Takes in packets from the transport thread", "The quicp2p authors");
}

static void
gst_quicp2p_packet_src_init (GstQuicP2PPacketSrc *self)
{
  g_mutex_init (&self->lock);
  g_cond_init (&self->cond);
  g_queue_init (&self->items);
  self->flushing = TRUE;

  self->pad = gst_pad_new_from_static_template (&src_template, "src");
  gst_pad_set_activatemode_function (self->pad, activate_mode);
  gst_pad_set_query_function (self->pad, pad_query);
  gst_pad_set_event_function (self->pad, pad_event);
  gst_pad_use_fixed_caps (self->pad);
  gst_element_add_pad (GST_ELEMENT_CAST (self), self->pad);
}

GstElement *
gst_quicp2p_packet_src_new (const char *name, const char *stream_id,
    guint group_id, GstCaps *caps)
{
  GstQuicP2PPacketSrc *self = g_object_new (GST_TYPE_QUICP2P_PACKET_SRC, "name",
      name, NULL);

  self->stream_id = g_strdup (stream_id);
  self->group_id = group_id;
  self->caps = gst_caps_ref (caps);
  return GST_ELEMENT_CAST (self);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See gstquicp2pencoder.h. */
#include "elements/gstquicp2pencoder.h"

GST_DEBUG_CATEGORY_EXTERN (gst_quicp2p_sink_debug);
#define GST_CAT_DEFAULT gst_quicp2p_sink_debug

/* How far upstream an encoder is looked for, in elements. */
#define MAX_DEPTH 32
/* Smaller changes are not worth disturbing an encoder for. */
#define MIN_CHANGE_PERCENT 2
/* No property that counts kilobits reaches so far, and all that count bits do. */
#define MIN_MAX_OF_BITS 10000000

/* Encoders that follow their property while they run. */
static const struct {
  const char *factory, *property;
  guint unit; /* bit/s */
} encoders[] = {
  { "x264enc", "bitrate", 1000 },
  { "x265enc", "bitrate", 1000 },
  { "openh264enc", "bitrate", 1 },
  { "vp8enc", "target-bitrate", 1 },
  { "vp9enc", "target-bitrate", 1 },
  { "av1enc", "target-bitrate", 1000 },
  { "svtav1enc", "target-bitrate", 1000 },
  { "theoraenc", "bitrate", 1000 },
  { "nvh264enc", "bitrate", 1000 },
  { "nvh265enc", "bitrate", 1000 },
  { "nvav1enc", "bitrate", 1000 },
  { "nvcudah264enc", "bitrate", 1000 },
  { "nvcudah265enc", "bitrate", 1000 },
  { "nvautogpuh264enc", "bitrate", 1000 },
  { "nvautogpuh265enc", "bitrate", 1000 },
  { "vah264enc", "bitrate", 1000 },
  { "vah264lpenc", "bitrate", 1000 },
  { "vah265enc", "bitrate", 1000 },
  { "vah265lpenc", "bitrate", 1000 },
  { "vavp9enc", "bitrate", 1000 },
  { "vaav1enc", "bitrate", 1000 },
  { "vaapih264enc", "bitrate", 1000 },
  { "vaapih265enc", "bitrate", 1000 },
  { "vaapivp8enc", "bitrate", 1000 },
  { "vaapivp9enc", "bitrate", 1000 },
  { "qsvh264enc", "bitrate", 1000 },
  { "qsvh265enc", "bitrate", 1000 },
  { "qsvvp9enc", "bitrate", 1000 },
  { "qsvav1enc", "bitrate", 1000 },
  { "msdkh264enc", "bitrate", 1000 },
  { "msdkh265enc", "bitrate", 1000 },
  { "opusenc", "bitrate", 1 },
};

struct _GstQuicP2PEncoder {
  GWeakRef element;
  GParamSpec *property; /* of it; borrowed from its class */
  guint unit;           /* bit/s */
  guint64 own, set;     /* in units; `set` is what we set last */
};

GstQuicP2PEncoder *
gst_quicp2p_encoder_new (void)
{
  GstQuicP2PEncoder *self = g_new0 (GstQuicP2PEncoder, 1);

  g_weak_ref_init (&self->element, NULL);
  return self;
}

void
gst_quicp2p_encoder_free (GstQuicP2PEncoder *self)
{
  gst_quicp2p_encoder_set (self, 0);
  g_weak_ref_clear (&self->element);
  g_free (self);
}

/* --- Search --------------------------------------------------------------- */

/* How to set @element's bitrate; NULL if it is no encoder that we know. */
static GParamSpec *
find_known (GstElement *element, guint *unit)
{
  GstElementFactory *factory = gst_element_get_factory (element);
  guint i;

  if (!factory)
    return NULL;
  for (i = 0; i < G_N_ELEMENTS (encoders); i++) {
    if (g_str_equal (GST_OBJECT_NAME (factory), encoders[i].factory)) {
      *unit = encoders[i].unit;
      return g_object_class_find_property (G_OBJECT_GET_CLASS (element),
          encoders[i].property);
    }
  }
  return NULL;
}

static guint64
get_maximum (GParamSpec *property)
{
  if (G_IS_PARAM_SPEC_UINT (property))
    return G_PARAM_SPEC_UINT (property)->maximum;
  if (G_IS_PARAM_SPEC_INT (property))
    return (guint64) MAX (G_PARAM_SPEC_INT (property)->maximum, 0);
  if (G_IS_PARAM_SPEC_UINT64 (property))
    return G_PARAM_SPEC_UINT64 (property)->maximum;
  if (G_IS_PARAM_SPEC_INT64 (property))
    return (guint64) MAX (G_PARAM_SPEC_INT64 (property)->maximum, 0);
  return 0;
}

/* The same for an element that the user named. */
static GParamSpec *
find_named (GstElement *element, guint *unit)
{
  static const char *const names[] = { "target-bitrate", "bitrate" };
  GParamSpec *property = find_known (element, unit);
  guint i;

  for (i = 0; i < G_N_ELEMENTS (names) && !property; i++) {
    property = g_object_class_find_property (G_OBJECT_GET_CLASS (element),
        names[i]);
    if (property && get_maximum (property) == 0)
      property = NULL;
    if (property)
      *unit = get_maximum (property) >= MIN_MAX_OF_BITS ? 1 : 1000;
  }
  return property;
}

/* The pad of a real element that feeds @pad, whatever bins are between them.
 * (transfer full), nullable. */
static GstPad *
get_feeder (GstPad *pad)
{
  GstPad *peer = gst_pad_get_peer (pad);

  while (peer && GST_IS_PROXY_PAD (peer)) {
    GstPad *next;

    if (GST_IS_GHOST_PAD (peer)) {
      next = gst_ghost_pad_get_target (GST_GHOST_PAD_CAST (peer));
    } else {
      /* The inner side of a bin's sink pad. */
      GstProxyPad *outer = gst_proxy_pad_get_internal (GST_PROXY_PAD (peer));

      next = outer ? gst_pad_get_peer (GST_PAD_CAST (outer)) : NULL;
      g_clear_object (&outer);
    }
    gst_object_unref (peer);
    peer = next;
  }
  return peer;
}

typedef struct {
  const char *name;
  GParamSpec *property;
  guint unit;
} Search;

static GstElement *find_upstream (Search *search, GstPad *pad, guint depth);

/* Further up, from a source pad's element. */
static GstElement *
find_behind (Search *search, GstPad *source, guint depth)
{
  GstIterator *links = gst_pad_iterate_internal_links (source);
  GstElement *found = NULL;
  GValue item = G_VALUE_INIT;

  if (!links)
    return NULL;
  /* A pipeline that changes just now is looked at again soon. */
  while (!found && gst_iterator_next (links, &item) == GST_ITERATOR_OK) {
    found = find_upstream (search, g_value_get_object (&item), depth);
    g_value_reset (&item);
  }
  g_value_unset (&item);
  gst_iterator_free (links);
  return found;
}

/* (transfer full), nullable */
static GstElement *
find_upstream (Search *search, GstPad *pad, guint depth)
{
  g_autoptr (GstPad) feeder = get_feeder (pad);
  g_autoptr (GstElement) element = NULL;

  if (!feeder || depth == MAX_DEPTH)
    return NULL;
  element = gst_pad_get_parent_element (feeder);
  if (!element)
    return NULL;
  if (!search->name)
    search->property = find_known (element, &search->unit);
  else if (g_strcmp0 (GST_OBJECT_NAME (element), search->name) == 0)
    search->property = find_named (element, &search->unit);
  if (search->property)
    return g_steal_pointer (&element);
  return find_behind (search, feeder, depth + 1);
}

/* --- Properties ----------------------------------------------------------- */

static guint64
read_bitrate (GstElement *element, GParamSpec *property)
{
  GValue value = G_VALUE_INIT, number = G_VALUE_INIT;
  guint64 bitrate = 0;

  g_value_init (&value, property->value_type);
  g_value_init (&number, G_TYPE_UINT64);
  g_object_get_property (G_OBJECT (element), property->name, &value);
  if (g_value_transform (&value, &number))
    bitrate = g_value_get_uint64 (&number);
  g_value_unset (&value);
  g_value_unset (&number);
  return bitrate;
}

static void
write_bitrate (GstElement *element, GParamSpec *property, guint64 bitrate)
{
  GValue value = G_VALUE_INIT, number = G_VALUE_INIT;

  g_value_init (&value, property->value_type);
  g_value_init (&number, G_TYPE_UINT64);
  g_value_set_uint64 (&number, MIN (bitrate, get_maximum (property)));
  if (g_value_transform (&number, &value)) {
    g_param_value_validate (property, &value); /* not below its least */
    g_object_set_property (G_OBJECT (element), property->name, &value);
  }
  g_value_unset (&value);
  g_value_unset (&number);
}

gboolean
gst_quicp2p_encoder_find (GstQuicP2PEncoder *self, GstPad *pad,
    const char *name)
{
  Search search = { .name = name };
  g_autoptr (GstElement) before = g_weak_ref_get (&self->element);
  g_autoptr (GstElement) element = find_upstream (&search, pad, 0);
  guint64 now;

  if (element != before) {
    gst_quicp2p_encoder_set (self, 0);
    g_weak_ref_set (&self->element, element);
  }
  if (!element)
    return FALSE;
  now = read_bitrate (element, search.property);
  if (element != before || now != self->set) {
    GST_INFO_OBJECT (pad,
        "%" GST_PTR_FORMAT " is at %" G_GUINT64_FORMAT " bit/s by itself",
        element, now * search.unit);
    self->own = self->set = now;
  }
  self->property = search.property;
  self->unit = search.unit;
  return TRUE;
}

guint64
gst_quicp2p_encoder_get_own (GstQuicP2PEncoder *self)
{
  return self->own * self->unit;
}

void
gst_quicp2p_encoder_set (GstQuicP2PEncoder *self, guint64 bitrate)
{
  g_autoptr (GstElement) element = g_weak_ref_get (&self->element);
  guint64 wanted, more, less;

  if (!element)
    return;
  wanted = bitrate > 0 ? MAX (bitrate / self->unit, 1) : self->own;
  more = MAX (wanted, self->set);
  less = MIN (wanted, self->set);
  if (more == less ||
      (wanted != self->own && (more - less) * 100 < more * MIN_CHANGE_PERCENT))
    return;
  GST_DEBUG_OBJECT (element,
      "from %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT " bit/s",
      self->set * self->unit, wanted * self->unit);
  write_bitrate (element, self->property, wanted);
  /* As it was accepted: from what differs now we know that somebody else did it. */
  self->set = read_bitrate (element, self->property);
}

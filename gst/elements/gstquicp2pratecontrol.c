/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See gstquicp2pratecontrol.h. */
#include "elements/gstquicp2pratecontrol.h"

#include "elements/gstquicp2pencoder.h"
#include "elements/gstquicp2psinkpad.h"

GST_DEBUG_CATEGORY_EXTERN (gst_quicp2p_sink_debug);
#define GST_CAT_DEFAULT gst_quicp2p_sink_debug

#define DEFAULT_ADAPT QP_RATE_ADAPT_MEDIAN
#define DEFAULT_MIN 100000 /* bit/s: a small picture that moves */
/* Sound is still good speech; for less it is not worth it. */
#define MIN_SOUND 16000 /* bit/s */

/* The application is told no more often, and of no smaller changes. */
#define PUBLISH_US ((gint64) G_USEC_PER_SEC / 5)
#define PUBLISH_PERCENT 3

/* Encoders are replaced, and set by others, at any time. */
#define LOOK_AGAIN_US ((gint64) G_USEC_PER_SEC)

/* A pad's encoder: its qdata, used with `work` held. */
static GQuark encoder_quark;

GType
gst_quicp2p_adapt_get_type (void)
{
  static gsize type = 0;
  static const GEnumValue values[] = {
    { QP_RATE_ADAPT_NONE, "Encoders are left alone", "none" },
    { QP_RATE_ADAPT_SLOWEST, "All viewers get every frame", "slowest" },
    { QP_RATE_ADAPT_MEDIAN, "At least half of the viewers get every frame",
        "median" },
    { 0, NULL, NULL },
  };

  if (g_once_init_enter (&type))
    g_once_init_leave (&type,
        g_enum_register_static ("GstQuicP2PAdapt", values));
  return type;
}

void
gst_quicp2p_rate_control_init (GstQuicP2PRateControl *control, GstElement *sink)
{
  *control = (GstQuicP2PRateControl){ .sink = sink,
    .adapt = DEFAULT_ADAPT,
    .min = DEFAULT_MIN,
    .own = G_MAXUINT64 };
  g_mutex_init (&control->work);
  g_mutex_init (&control->lock);
}

void
gst_quicp2p_rate_control_clear (GstQuicP2PRateControl *control)
{
  g_free (control->encoder);
  g_free (control->missing);
  g_mutex_clear (&control->work);
  g_mutex_clear (&control->lock);
}

/* --- The encoders --------------------------------------------------------- */

/* One sink pad in the division. */
typedef struct {
  GstPad *pad;                /* owned */
  GstQuicP2PEncoder *encoder; /* borrowed from the pad; NULL: none is known */
} Stream;

typedef struct {
  gboolean follow; /* else the encoders get their own bitrates */
  guint64 target, min, max;
  gboolean limited;
  char *encoder; /* owned, nullable */
} Settings;

static void
stream_clear (gpointer data)
{
  gst_object_unref (((Stream *) data)->pad);
}

static gboolean
is_sound (GstPad *pad)
{
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (pad);

  return caps &&
      g_strcmp0 (gst_structure_get_string (gst_caps_get_structure (caps, 0),
                     "media"),
          "audio") == 0;
}

static GstQuicP2PEncoder *
find_encoder (GstPad *pad, const char *name)
{
  GstQuicP2PEncoder *encoder = g_object_get_qdata (G_OBJECT (pad),
      encoder_quark);

  if (!encoder) {
    encoder = gst_quicp2p_encoder_new ();
    g_object_set_qdata_full (G_OBJECT (pad), encoder_quark, encoder,
        (GDestroyNotify) gst_quicp2p_encoder_free);
  }
  return gst_quicp2p_encoder_find (encoder, pad, name) ? encoder : NULL;
}

static GArray *
list_streams (GstElement *sink)
{
  GArray *streams = g_array_new (FALSE, TRUE, sizeof (Stream));

  g_array_set_clear_func (streams, stream_clear);
  GST_OBJECT_LOCK (sink);
  for (GList *walk = sink->sinkpads; walk; walk = walk->next) {
    Stream stream = { .pad = gst_object_ref (walk->data) };

    g_array_append_val (streams, stream);
  }
  GST_OBJECT_UNLOCK (sink);
  return streams;
}

static QpRateShare
describe_stream (const Stream *stream, const Settings *settings)
{
  QpRateShare share = { .first = is_sound (stream->pad) };
  guint64 own;

  if (!stream->encoder) {
    share.min = share.max = gst_quicp2p_sink_pad_measure_bitrate (
        GST_QUICP2P_SINK_PAD (stream->pad));
    return share;
  }
  own = gst_quicp2p_encoder_get_own (stream->encoder);
  share.max = settings->max > 0 && !share.first ? settings->max : own;
  share.min = share.first ? MIN_SOUND : settings->min;
  if (!settings->limited)
    share.min = MAX (share.min, own); /* there is no reason for less */
  if (share.max > 0)
    share.min = MIN (share.min, share.max);
  return share;
}

/* With `work`. The user named an encoder, and no pad has it: TRUE, once, when all
 * that is upstream must be there, for it has told its caps. */
static gboolean
is_to_be_warned_of (GstQuicP2PRateControl *control, GArray *streams,
    const char *name)
{
  gboolean missing = name && streams->len > 0;

  for (guint i = 0; i < streams->len && missing; i++) {
    Stream *stream = &g_array_index (streams, Stream, i);

    missing = !stream->encoder && gst_pad_has_current_caps (stream->pad);
  }
  if (!missing || g_strcmp0 (control->missing, name) == 0)
    return FALSE;
  g_free (control->missing);
  control->missing = g_strdup (name);
  return TRUE;
}

static void
warn_of_missing (GstElement *sink, const char *name)
{
  GST_ELEMENT_WARNING (sink, LIBRARY, SETTINGS,
      ("There is no encoder \"%s\" upstream whose bitrate can be set.", name),
      ("It needs a property \"bitrate\" or \"target-bitrate\". Name another element with the "
       "property \"encoder\", or none for the first known encoder upstream of each pad."));
}

/* With `work`. Returns what the streams would be by themselves, bit/s. */
static guint64
set_encoders (GstQuicP2PRateControl *control, const Settings *settings,
    gboolean *missing)
{
  g_autoptr (GArray) streams = list_streams (control->sink);
  g_autofree QpRateShare *shares = g_new0 (QpRateShare, streams->len);
  guint64 own = 0;

  for (guint i = 0; i < streams->len; i++) {
    Stream *stream = &g_array_index (streams, Stream, i);

    stream->encoder = find_encoder (stream->pad, settings->encoder);
    shares[i] = describe_stream (stream, settings);
    own += stream->encoder ? gst_quicp2p_encoder_get_own (stream->encoder)
                           : shares[i].max;
  }
  qp_rate_share (settings->target, shares, streams->len);
  for (guint i = 0; i < streams->len; i++) {
    Stream *stream = &g_array_index (streams, Stream, i);

    if (stream->encoder)
      gst_quicp2p_encoder_set (stream->encoder,
          settings->follow ? shares[i].rate : 0);
  }
  *missing = is_to_be_warned_of (control, streams, settings->encoder);
  return own;
}

/* With `work`. */
static void
release_encoders (GstQuicP2PRateControl *control)
{
  g_autoptr (GArray) streams = list_streams (control->sink);

  for (guint i = 0; i < streams->len; i++)
    g_object_set_qdata (G_OBJECT (g_array_index (streams, Stream, i).pad),
        encoder_quark, NULL);
}

/* --- Publishing ----------------------------------------------------------- */

/* With `lock`. A sender that makes little has a low estimate, too: that is no
 * news as long as it is no limit. */
static gboolean
is_to_be_published (GstQuicP2PRateControl *control)
{
  guint64 more = MAX (control->estimate, control->published);
  guint64 less = MIN (control->estimate, control->published);

  return (control->target > 0 || control->estimate >= control->own) &&
      (more - less) * 100 > more * PUBLISH_PERCENT &&
      g_get_monotonic_time () - control->published_at >= PUBLISH_US;
}

static void
publish (GstQuicP2PRateControl *control, guint64 estimate)
{
  g_object_notify (G_OBJECT (control->sink), "estimated-bitrate");
  gst_element_post_message (control->sink,
      gst_message_new_element (GST_OBJECT_CAST (control->sink),
          gst_structure_new ("estimated-bitrate", "bitrate", G_TYPE_UINT64,
              estimate, NULL)));
}

/* --- The thread ----------------------------------------------------------- */

static void
take_settings (GstQuicP2PRateControl *control, Settings *settings)
{
  g_mutex_lock (&control->lock);
  control->scheduled = FALSE;
  control->looked_at = g_get_monotonic_time ();
  *settings = (Settings){ .target = control->target,
    .limited = control->target > 0,
    .min = control->min,
    .max = control->max,
    .encoder = g_strdup (control->encoder) };
  /* The user wants more than the encoder makes by itself: it grows with what is
   * known to be there. */
  if (!settings->limited && control->max > 0)
    settings->target = control->estimate;
  settings->follow = control->adapt != QP_RATE_ADAPT_NONE &&
      (settings->limited || control->max > 0);
  g_mutex_unlock (&control->lock);
}

/* Returns what is to be published, 0: nothing. */
static guint64
take_estimate (GstQuicP2PRateControl *control, guint64 own)
{
  guint64 estimate = 0;

  g_mutex_lock (&control->lock);
  control->own = own;
  if (control->running && is_to_be_published (control)) {
    estimate = control->published = control->estimate;
    control->published_at = g_get_monotonic_time ();
  }
  g_mutex_unlock (&control->lock);
  return estimate;
}

/* FALSE if the sink was stopped meanwhile. */
static gboolean
is_running (GstQuicP2PRateControl *control)
{
  gboolean running;

  g_mutex_lock (&control->lock);
  running = control->running;
  control->scheduled &= running;
  g_mutex_unlock (&control->lock);
  return running;
}

static void
work (GstElement *sink, gpointer user)
{
  GstQuicP2PRateControl *control = user;
  Settings settings = { .encoder = NULL };
  gboolean missing = FALSE;
  guint64 estimate = 0;

  g_mutex_lock (&control->work);
  if (is_running (control)) {
    take_settings (control, &settings);
    estimate = take_estimate (control,
        set_encoders (control, &settings, &missing));
  }
  g_mutex_unlock (&control->work);
  if (missing)
    warn_of_missing (sink, settings.encoder);
  if (estimate > 0)
    publish (control, estimate);
  g_free (settings.encoder);
}

/* With `lock`. TRUE: start_work() is to be called without it. */
static gboolean
need_work (GstQuicP2PRateControl *control)
{
  gboolean wake = control->running && !control->scheduled;

  control->scheduled |= wake;
  return wake;
}

static void
start_work (GstQuicP2PRateControl *control)
{
  /* Holds a reference to the sink. */
  gst_element_call_async (control->sink, work, control, NULL);
}

void
gst_quicp2p_rate_control_update (GstQuicP2PRateControl *control,
    const QpPeerRate *rates, guint n)
{
  g_autofree guint64 *estimates = g_new (guint64, n);
  g_autofree guint64 *targets = g_new (guint64, n);
  guint64 target;
  gboolean wake = FALSE;

  for (guint i = 0; i < n; i++) {
    estimates[i] = rates[i].estimate;
    targets[i] = rates[i].target;
  }
  g_mutex_lock (&control->lock);
  control->estimate = qp_rate_choose (control->adapt, estimates, n);
  if (control->estimate == 0)
    control->published = 0; /* nobody is there any more */
  target = qp_rate_choose (control->adapt, targets, n);
  if (target != control->target || is_to_be_published (control) ||
      (target == 0 && control->max > 0) ||
      g_get_monotonic_time () - control->looked_at >= LOOK_AGAIN_US)
    wake = need_work (control);
  control->target = target;
  g_mutex_unlock (&control->lock);
  if (wake)
    start_work (control);
}

void
gst_quicp2p_rate_control_start (GstQuicP2PRateControl *control)
{
  g_mutex_lock (&control->lock);
  control->running = TRUE;
  g_mutex_unlock (&control->lock);
}

void
gst_quicp2p_rate_control_stop (GstQuicP2PRateControl *control)
{
  g_mutex_lock (&control->lock);
  control->running = FALSE;
  control->estimate = control->target = control->published = 0;
  control->own = G_MAXUINT64;
  g_mutex_unlock (&control->lock);

  g_mutex_lock (&control->work);
  release_encoders (control);
  g_clear_pointer (&control->missing, g_free);
  g_mutex_unlock (&control->work);
}

/* --- Properties ----------------------------------------------------------- */

gboolean
gst_quicp2p_rate_control_set_property (GstQuicP2PRateControl *control,
    guint number, const GValue *value)
{
  gboolean known = TRUE, wake;

  g_mutex_lock (&control->lock);
  switch (number) {
    case GST_QUICP2P_RATE_MIN_BITRATE:
      control->min = g_value_get_uint64 (value);
      break;
    case GST_QUICP2P_RATE_MAX_BITRATE:
      control->max = g_value_get_uint64 (value);
      break;
    case GST_QUICP2P_RATE_ADAPT:
      control->adapt = g_value_get_enum (value);
      break;
    case GST_QUICP2P_RATE_ENCODER:
      g_free (control->encoder);
      control->encoder = g_value_dup_string (value);
      break;
    default:
      known = FALSE;
      break;
  }
  wake = known && need_work (control);
  g_mutex_unlock (&control->lock);
  if (wake)
    start_work (control);
  return known;
}

gboolean
gst_quicp2p_rate_control_get_property (GstQuicP2PRateControl *control,
    guint number, GValue *value)
{
  gboolean known = TRUE;

  g_mutex_lock (&control->lock);
  switch (number) {
    case GST_QUICP2P_RATE_ESTIMATED_BITRATE:
      g_value_set_uint64 (value, control->published);
      break;
    case GST_QUICP2P_RATE_MIN_BITRATE:
      g_value_set_uint64 (value, control->min);
      break;
    case GST_QUICP2P_RATE_MAX_BITRATE:
      g_value_set_uint64 (value, control->max);
      break;
    case GST_QUICP2P_RATE_ADAPT:
      g_value_set_enum (value, control->adapt);
      break;
    case GST_QUICP2P_RATE_ENCODER:
      g_value_set_string (value, control->encoder);
      break;
    default:
      known = FALSE;
      break;
  }
  g_mutex_unlock (&control->lock);
  return known;
}

void
gst_quicp2p_rate_control_install_properties (GObjectClass *klass, guint first)
{
  GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS |
      GST_PARAM_MUTABLE_PLAYING;

  encoder_quark = g_quark_from_static_string ("quicp2p-encoder");
  g_object_class_install_property (klass,
      first + GST_QUICP2P_RATE_ESTIMATED_BITRATE,
      g_param_spec_uint64 ("estimated-bitrate", "Estimated bitrate",
          "What the path to the viewer that adapt follows carries at least, in bit/s of UDP "
          "payload (0: not known yet, and no limit was seen)",
          0, G_MAXUINT64, 0, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
  g_object_class_install_property (klass, first + GST_QUICP2P_RATE_MIN_BITRATE,
      g_param_spec_uint64 ("min-bitrate", "Min bitrate",
          "Least bitrate of each video encoder that is set, in bit/s", 0,
          G_MAXUINT64, DEFAULT_MIN, flags));
  g_object_class_install_property (klass, first + GST_QUICP2P_RATE_MAX_BITRATE,
      g_param_spec_uint64 ("max-bitrate", "Max bitrate",
          "Most bitrate of each video encoder that is set, in bit/s (0: what it is set to by "
          "itself)",
          0, G_MAXUINT64, 0, flags));
  g_object_class_install_property (klass, first + GST_QUICP2P_RATE_ADAPT,
      g_param_spec_enum ("adapt", "Adapt",
          "Whose path the bitrate of the encoders upstream follows",
          GST_TYPE_QUICP2P_ADAPT, DEFAULT_ADAPT, flags));
  g_object_class_install_property (klass, first + GST_QUICP2P_RATE_ENCODER,
      g_param_spec_string ("encoder", "Encoder",
          "Name of the element whose bitrate is set (NULL: the first known encoder upstream of "
          "each pad)",
          NULL, flags));
  gst_type_mark_as_plugin_api (GST_TYPE_QUICP2P_ADAPT, 0);
}

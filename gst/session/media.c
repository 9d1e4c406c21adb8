/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The media description and its writer; the reader is media-reader.c.  GstSDP
 * translates caps, but it copies strings as they are: what goes in is picked
 * and checked here, and the text is read back before it is handed out, so that
 * no peer is ever sent a description that it has to refuse. */
#include "session/media-private.h"

#include <string.h>

#include "session/sdp-syntax.h"

GQuark
qp_media_error_quark (void)
{
  return g_quark_from_static_string ("qp-media-error-quark");
}

gboolean
qp_media_fail (GError **error, QpMediaError code, const char *format, ...)
{
  g_autofree char *message = NULL;
  va_list args;

  va_start (args, format);
  message = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error_literal (error, QP_MEDIA_ERROR, code, message);

  return FALSE;
}

QpMedia *
qp_media_new (guint64 flow_id, const char *mid, GstCaps *caps)
{
  QpMedia *media = g_new0 (QpMedia, 1);

  media->flow_id = flow_id;
  media->mid = g_strdup (mid);
  media->caps = gst_caps_ref (caps);

  return media;
}

void
qp_media_free (QpMedia *media)
{
  if (media == NULL)
    return;

  g_free (media->mid);
  gst_clear_caps (&media->caps);
  g_free (media->setup);
  g_free (media->fingerprint);
  g_free (media);
}

gboolean
qp_media_equal (const QpMedia *a, const QpMedia *b)
{
  return a->flow_id == b->flow_id && g_strcmp0 (a->mid, b->mid) == 0 &&
      gst_caps_is_equal (a->caps, b->caps) &&
      g_strcmp0 (a->setup, b->setup) == 0 &&
      g_strcmp0 (a->fingerprint, b->fingerprint) == 0;
}

QpFrameKind
qp_media_kind (const GstCaps *caps)
{
  const char *media = NULL;

  if (gst_caps_get_size (caps) > 0)
    media = gst_structure_get_string (gst_caps_get_structure (caps, 0),
        "media");

  if (g_strcmp0 (media, "video") == 0)
    return QP_FRAME_KIND_VIDEO;
  if (g_strcmp0 (media, "audio") == 0)
    return QP_FRAME_KIND_AUDIO;
  return QP_FRAME_KIND_OTHER;
}

/* Fields that belong to one run of a payloader or to SRTP, whose keys must not
 * leave the process, and fields that are written in another way. */
static gboolean
is_left_out (const GstStructure *s, const char *name)
{
  static const char *const names[] = { "ssrc", "seqnum-offset", "seqnum-base",
    "timestamp-offset", "clock-base", "npt-start", "npt-stop", "play-speed",
    "play-scale", NULL };

  if (g_strv_contains (names, name))
    return TRUE;
  if (g_str_has_prefix (name, "srtp-") || g_str_has_prefix (name, "srtcp-") ||
      g_str_has_prefix (name, "ssrc-") || g_str_has_prefix (name, "x-gst-"))
    return TRUE;
  if (g_str_has_prefix (name, "a-"))
    return qp_sdp_is_transport_attribute (name + strlen ("a-"));

  /* GstSDP before 1.24 would turn it into level-asymmetry-allowed, and then
   * lose profile-level-id at the other end. */
  return strcmp (name, "profile") == 0 &&
      g_strcmp0 (gst_structure_get_string (s, "encoding-name"), "H264") == 0;
}

static gboolean
is_attribute_field (const char *name)
{
  return g_str_has_prefix (name, "a-") || g_str_has_prefix (name, "x-") ||
      g_str_has_prefix (name, "extmap-");
}

static gboolean
is_sound_string (const GValue *value, gboolean is_attribute)
{
  const char *string = g_value_get_string (value);

  if (string == NULL)
    return FALSE;
  return is_attribute ? qp_sdp_is_attribute_value (string)
                      : qp_sdp_is_parameter_value (string);
}

static gboolean
is_sound_array (const GValue *value)
{
  guint i;

  for (i = 0; i < gst_value_array_get_size (value); i++) {
    const GValue *item = gst_value_array_get_value (value, i);

    if (!G_VALUE_HOLDS_STRING (item) || !is_sound_string (item, TRUE))
      return FALSE;
  }

  return TRUE;
}

/* Copies a field of the caps if GstSDP is to translate it.  FALSE if it is a
 * string that SDP does not take. */
static gboolean
copy_field (const GstStructure *from, GstStructure *to, const char *name)
{
  const GValue *value = gst_structure_get_value (from, name);

  if (is_left_out (from, name))
    return TRUE;

  if (G_VALUE_HOLDS_STRING (value)) {
    if (!is_sound_string (value, is_attribute_field (name)))
      return FALSE;
  } else if (GST_VALUE_HOLDS_ARRAY (value)) {
    /* Only extmap-* are arrays that SDP knows. */
    if (!g_str_has_prefix (name, "extmap-"))
      return TRUE;
    if (!is_sound_array (value))
      return FALSE;
  } else if (!G_VALUE_HOLDS_INT (value) && !G_VALUE_HOLDS_BOOLEAN (value)) {
    return TRUE;
  }

  gst_structure_set_value (to, name, value);
  return TRUE;
}

/* (transfer full): the part of @media's caps that goes into SDP, or NULL. */
static GstCaps *
caps_for_sdp (const QpMedia *media, GError **error)
{
  g_autoptr (GstCaps) caps = gst_caps_new_empty_simple ("application/x-rtp");
  const GstStructure *from;
  GstStructure *to = gst_caps_get_structure (caps, 0);
  int i, payload, clock_rate;

  if (media->caps == NULL || !gst_caps_is_fixed (media->caps) ||
      !gst_structure_has_name (gst_caps_get_structure (media->caps, 0),
          "application/x-rtp")) {
    g_set_error (error, QP_MEDIA_ERROR, QP_MEDIA_ERROR_CAPS,
        "track \"%s\": its caps are not fixed application/x-rtp caps; is a "
        "payloader in front of it?",
        media->mid);
    return NULL;
  }

  from = gst_caps_get_structure (media->caps, 0);
  if (gst_structure_get_string (from, "media") == NULL ||
      !gst_structure_get_int (from, "payload", &payload) ||
      !gst_structure_get_int (from, "clock-rate", &clock_rate)) {
    g_set_error (error, QP_MEDIA_ERROR, QP_MEDIA_ERROR_CAPS,
        "track \"%s\": its caps lack media, payload or clock-rate", media->mid);
    return NULL;
  }

  for (i = 0; i < gst_structure_n_fields (from); i++) {
    const char *name = gst_structure_nth_field_name (from, i);

    if (!copy_field (from, to, name)) {
      g_set_error (error, QP_MEDIA_ERROR, QP_MEDIA_ERROR_CAPS,
          "track \"%s\": field %s of its caps has characters that cannot be "
          "described in SDP",
          media->mid, name);
      return NULL;
    }
  }

  return g_steal_pointer (&caps);
}

/* GstSDP knows four kinds of RTCP feedback; the others have to be written with
 * the words joined as they are in the caps, and are read back the same. */
static void
add_more_rtcp_fb (GstSDPMedia *sdp, const GstStructure *s)
{
  static const char *const known[] = { "nack", "nack-pli", "ccm-fir",
    "transport-cc", NULL };
  int i, payload = 0;

  gst_structure_get_int (s, "payload", &payload);

  for (i = 0; i < gst_structure_n_fields (s); i++) {
    const char *name = gst_structure_nth_field_name (s, i);
    g_autofree char *value = NULL;
    gboolean wanted;

    if (!g_str_has_prefix (name, "rtcp-fb-") ||
        !gst_structure_get_boolean (s, name, &wanted) || !wanted)
      continue;
    name += strlen ("rtcp-fb-");
    if (g_strv_contains (known, name))
      continue;

    value = g_strdup_printf ("%d %s", payload, name);
    gst_sdp_media_add_attribute (sdp, "rtcp-fb", value);
  }
}

/* RFC 5576 wants an attribute behind the SSRC.  The CNAME is not known here, so
 * it is the track's own name. */
static void
add_ssrc (GstSDPMedia *sdp, const QpMedia *media)
{
  g_autofree char *value = NULL;
  guint ssrc;

  if (!gst_structure_get_uint (gst_caps_get_structure (media->caps, 0), "ssrc",
          &ssrc))
    return;

  value = g_strdup_printf ("%u label:%s", ssrc, media->mid);
  gst_sdp_media_add_attribute (sdp, "ssrc", value);
}

static void
add_transport (GstSDPMedia *sdp, const QpMedia *media)
{
  g_autofree char *flow_id = g_strdup_printf ("%" G_GUINT64_FORMAT,
      media->flow_id);

  gst_sdp_media_add_attribute (sdp, "mid", media->mid);
  gst_sdp_media_add_attribute (sdp, "sendonly", NULL);
  gst_sdp_media_add_attribute (sdp, "rtcp-mux", NULL);
  gst_sdp_media_add_attribute (sdp, "roq-flow-id", flow_id);
  if (media->setup != NULL)
    gst_sdp_media_add_attribute (sdp, "setup", media->setup);
  if (media->fingerprint != NULL)
    gst_sdp_media_add_attribute (sdp, "fingerprint", media->fingerprint);
}

static gboolean
add_media (GstSDPMessage *message, const QpMedia *media, GError **error)
{
  g_autoptr (GstCaps) caps = NULL;
  GstSDPMedia *sdp = NULL;

  if (!qp_sdp_is_token (media->mid, QP_MEDIA_MAX_MID_SIZE)) {
    g_set_error (error, QP_MEDIA_ERROR, QP_MEDIA_ERROR_SYNTAX,
        "a track's mid is not 1 to %d characters of A-Z a-z 0-9 . _ -",
        QP_MEDIA_MAX_MID_SIZE);
    return FALSE;
  }

  caps = caps_for_sdp (media, error);
  if (caps == NULL)
    return FALSE;

  gst_sdp_media_new (&sdp);
  gst_sdp_media_set_port_info (sdp, 9, 1); /* discard: ICE knows the port */
  gst_sdp_media_set_proto (sdp, QP_MEDIA_PROTO);
  add_transport (sdp, media);
  gst_sdp_media_set_media_from_caps (caps, sdp);
  add_more_rtcp_fb (sdp, gst_caps_get_structure (caps, 0));
  add_ssrc (sdp, media);

  gst_sdp_message_add_media (message, sdp); /* takes what is in it */
  gst_sdp_media_free (sdp);

  return TRUE;
}

static GstSDPMessage *
new_message (const char *session_name)
{
  GstSDPMessage *message = NULL;

  if (session_name == NULL || *session_name == '\0' ||
      !qp_sdp_is_attribute_value (session_name))
    session_name = "-";

  gst_sdp_message_new (&message);
  gst_sdp_message_set_version (message, "0");
  gst_sdp_message_set_origin (message, "-", "0", "0", "IN", "IP4", "0.0.0.0");
  gst_sdp_message_set_session_name (message, session_name);
  gst_sdp_message_set_connection (message, "IN", "IP4", "0.0.0.0", 0, 0);
  gst_sdp_message_add_time (message, "0", "0", NULL);

  return message;
}

char *
qp_media_to_sdp (GPtrArray *media, const char *session_name, GError **error)
{
  GstSDPMessage *message = new_message (session_name);
  g_autoptr (GPtrArray) read_back = NULL;
  g_autofree char *sdp = NULL;
  guint i;

  for (i = 0; i < media->len; i++) {
    if (!add_media (message, g_ptr_array_index (media, i), error)) {
      gst_sdp_message_free (message);
      return NULL;
    }
  }

  sdp = gst_sdp_message_as_text (message);
  gst_sdp_message_free (message);

  read_back = qp_media_from_sdp (sdp, strlen (sdp), error);
  if (read_back == NULL) {
    g_prefix_error (error, "the tracks cannot be described: ");
    return NULL;
  }

  return g_steal_pointer (&sdp);
}

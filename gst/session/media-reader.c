/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads the media description that a peer sent.  The text and the attributes of
 * each m-line are checked first (media-text.c, media-attributes.c); GstSDP
 * translates what passed into caps. */
#include "session/media-private.h"

#include <gst/rtp/gstrtppayloads.h>
#include <string.h>

#include "session/sdp-syntax.h"

/* --- caps ------------------------------------------------------------------- */

/* Names that would overwrite a field of the caps that does not come from
 * a=fmtp, or that are fields of another type. */
static gboolean
is_reserved_field (const char *name)
{
  static const char *const names[] = { "media", "payload", "clock-rate",
    "encoding-name", "encoding-params", "ssrc", "timestamp-offset",
    "seqnum-offset", "seqnum-base", "clock-base", "npt-start", "npt-stop",
    "play-speed", "play-scale", NULL };
  static const char *const prefixes[] = { "a-", "x-", "extmap-", "rid-",
    "rtcp-fb-", "srtcp-", "srtp-", "ssrc-", NULL };
  guint i;

  for (i = 0; prefixes[i] != NULL; i++) {
    if (g_str_has_prefix (name, prefixes[i]))
      return TRUE;
  }

  return g_strv_contains (names, name);
}

/* The parameters of a=fmtp as fields.  Not left to GstSDP, which before 1.24
 * replaces H.264's profile-level-id by a profile of its own. */
static gboolean
add_parameters (QpMediaReader *reader, GstStructure *s, GError **error)
{
  guint i;

  for (i = 0; reader->fmtp != NULL && reader->fmtp[i] != NULL; i++) {
    char *name = g_strstrip (reader->fmtp[i]);
    char *equals = strchr (name, '=');
    const char *value = "1"; /* of a parameter that is only a name */
    g_autofree char *field = NULL;

    if (*name == '\0')
      continue; /* behind the last semicolon */

    if (equals != NULL) {
      *equals = '\0';
      value = g_strstrip (equals + 1);
      g_strchomp (name);
    }

    if (!qp_sdp_is_parameter_name (name))
      return qp_media_fail (error, QP_MEDIA_ERROR_SYNTAX,
          "a parameter of its fmtp has a name that is not accepted");

    field = g_ascii_strdown (name, -1);
    if (is_reserved_field (field))
      return qp_media_fail (error, QP_MEDIA_ERROR_SYNTAX,
          "its fmtp has a parameter named %s, which is something else in RTP",
          field);
    if (!qp_sdp_is_parameter_value (value))
      return qp_media_fail (error, QP_MEDIA_ERROR_SYNTAX,
          "parameter %s of its fmtp has characters that are not accepted",
          field);
    if (!qp_media_claim_name (field, error))
      return FALSE;

    gst_structure_set (s, field, G_TYPE_STRING, value, NULL);
  }

  /* Of no use to a receiver, and not written either. */
  if (g_strcmp0 (gst_structure_get_string (s, "encoding-name"), "H264") == 0)
    gst_structure_remove_field (s, "profile");

  return TRUE;
}

/* A static payload type may come without rtpmap. */
static gboolean
add_static_payload (guint payload_type, GstStructure *s, GError **error)
{
  const GstRTPPayloadInfo *info = NULL;
  g_autofree char *name = NULL;

  if (payload_type < 35)
    info = gst_rtp_payload_info_for_pt (payload_type);
  if (info == NULL || info->clock_rate == 0)
    return qp_media_fail (error, QP_MEDIA_ERROR_SYNTAX,
        "it has no rtpmap, and payload type %u is not a static one",
        payload_type);

  /* In caps encodings are in upper case; the table has a "CelB". */
  name = g_ascii_strup (info->encoding_name, -1);
  gst_structure_set (s, "encoding-name", G_TYPE_STRING, name, "clock-rate",
      G_TYPE_INT, (int) info->clock_rate, NULL);
  if (info->encoding_parameters != NULL)
    gst_structure_set (s, "encoding-params", G_TYPE_STRING,
        info->encoding_parameters, NULL);

  return TRUE;
}

static GstCaps *
make_caps (QpMediaReader *reader, const char *kind, GError **error)
{
  guint payload_type = (guint) atoi (reader->payload_type);
  g_autoptr (GstCaps) caps = NULL;
  GstStructure *s;

  gst_sdp_media_set_media (reader->codec, kind);

  if (reader->has_rtpmap)
    caps = gst_sdp_media_get_caps_from_media (reader->codec, payload_type);
  else
    caps = gst_caps_new_simple ("application/x-rtp", "media", G_TYPE_STRING,
        kind, "payload", G_TYPE_INT, (int) payload_type, NULL);
  if (caps == NULL) {
    qp_media_fail (error, QP_MEDIA_ERROR_SYNTAX,
        "its rtpmap cannot be understood");
    return NULL;
  }

  s = gst_caps_get_structure (caps, 0);
  gst_structure_set_name (s, "application/x-rtp");

  if (!reader->has_rtpmap && !add_static_payload (payload_type, s, error))
    return NULL;
  if (!add_parameters (reader, s, error))
    return NULL;
  if (gst_sdp_media_attributes_to_caps (reader->others, caps) != GST_SDP_OK) {
    qp_media_fail (error, QP_MEDIA_ERROR_SYNTAX,
        "its attributes cannot be put into caps");
    return NULL;
  }
  if (reader->has_ssrc)
    gst_structure_set (s, "ssrc", G_TYPE_UINT, reader->ssrc, NULL);

  return g_steal_pointer (&caps);
}

/* --- m-lines ---------------------------------------------------------------- */

static void
media_reader_init (QpMediaReader *reader, const GstSDPMedia *sdp)
{
  memset (reader, 0, sizeof *reader);
  reader->media = g_new0 (QpMedia, 1);
  reader->payload_type = g_strdup (gst_sdp_media_get_format (sdp, 0));
  gst_sdp_media_new (&reader->codec);
  gst_sdp_media_new (&reader->others);
}

static void
media_reader_clear (QpMediaReader *reader)
{
  qp_media_free (reader->media);
  g_free (reader->payload_type);
  gst_sdp_media_free (reader->codec);
  gst_sdp_media_free (reader->others);
  g_strfreev (reader->fmtp);
}

static gboolean
read_media_attributes (QpMediaReader *reader, const GstSDPMedia *sdp,
    GError **error)
{
  guint i;

  for (i = 0; i < gst_sdp_media_attributes_len (sdp); i++) {
    if (!qp_media_read_attribute (reader, gst_sdp_media_get_attribute (sdp, i),
            error))
      return FALSE;
  }

  if (reader->media->mid == NULL)
    return qp_media_fail (error, QP_MEDIA_ERROR_SYNTAX, "it has no mid");
  if (!reader->has_flow_id)
    return qp_media_fail (error, QP_MEDIA_ERROR_SYNTAX,
        "it has no roq-flow-id");
  if (!reader->has_rtcp_mux)
    return qp_media_fail (error, QP_MEDIA_ERROR_UNSUPPORTED,
        "it has no rtcp-mux, so its RTCP has no flow");

  return TRUE;
}

/* An attribute of the session that holds for m-lines without one. */
static void
inherit (char **field, const GstSDPMessage *message, const char *name)
{
  if (*field == NULL)
    *field = g_strdup (gst_sdp_message_get_attribute_val (message, name));
}

/* (transfer full), or NULL with @error. */
static QpMedia *
read_media (const GstSDPMessage *message, const GstSDPMedia *sdp,
    GError **error)
{
  QpMediaReader reader;
  QpMedia *media = NULL;

  media_reader_init (&reader, sdp);

  if (read_media_attributes (&reader, sdp, error))
    reader.media->caps = make_caps (&reader, gst_sdp_media_get_media (sdp),
        error);

  if (reader.media->caps != NULL) {
    media = g_steal_pointer (&reader.media);
    inherit (&media->setup, message, "setup");
    inherit (&media->fingerprint, message, "fingerprint");
  }

  media_reader_clear (&reader);
  return media;
}

static gboolean
check_session (const GstSDPMessage *message, GError **error)
{
  guint i;

  for (i = 0; i < gst_sdp_message_attributes_len (message); i++) {
    const GstSDPAttribute *attribute = gst_sdp_message_get_attribute (message,
        i);
    gboolean sound = TRUE;

    if (strcmp (attribute->key, "setup") == 0)
      sound = qp_media_check_setup (attribute->value, error);
    else if (strcmp (attribute->key, "fingerprint") == 0)
      sound = qp_media_check_fingerprint (attribute->value, error);

    if (!sound) {
      g_prefix_error (error, "of the session, ");
      return FALSE;
    }
  }

  return TRUE;
}

/* TRUE if the peer sends on this m-line: its own direction, else the session's,
 * else "sendrecv" (RFC 8866, section 6.7). */
static gboolean
is_sent (const GstSDPMessage *message, const GstSDPMedia *sdp)
{
  static const struct {
    const char *name;
    gboolean sent;
  } directions[] = {
    { "sendonly", TRUE },
    { "sendrecv", TRUE },
    { "recvonly", FALSE },
    { "inactive", FALSE },
  };
  guint i;

  if (gst_sdp_media_get_port (sdp) == 0)
    return FALSE;

  for (i = 0; i < G_N_ELEMENTS (directions); i++) {
    if (gst_sdp_media_get_attribute_val (sdp, directions[i].name) != NULL)
      return directions[i].sent;
  }
  for (i = 0; i < G_N_ELEMENTS (directions); i++) {
    if (gst_sdp_message_get_attribute_val (message, directions[i].name) != NULL)
      return directions[i].sent;
  }

  return TRUE;
}

static gboolean
check_unique (GPtrArray *all, const QpMedia *media, GError **error)
{
  guint i;

  for (i = 0; i < all->len; i++) {
    const QpMedia *other = g_ptr_array_index (all, i);

    if (other->flow_id == media->flow_id)
      return qp_media_fail (error, QP_MEDIA_ERROR_SYNTAX,
          "its roq-flow-id %" G_GUINT64_FORMAT " is that of mid %s too",
          media->flow_id, other->mid);
    if (strcmp (other->mid, media->mid) == 0)
      return qp_media_fail (error, QP_MEDIA_ERROR_SYNTAX,
          "its mid %s is not the only one of that name", media->mid);
  }

  return TRUE;
}

static GPtrArray *
read_message (const GstSDPMessage *message, GError **error)
{
  g_autoptr (GPtrArray)
      all = g_ptr_array_new_with_free_func ((GDestroyNotify) qp_media_free);
  guint i;

  if (!check_session (message, error))
    return NULL;

  for (i = 0; i < gst_sdp_message_medias_len (message); i++) {
    const GstSDPMedia *sdp = gst_sdp_message_get_media (message, i);
    g_autoptr (QpMedia) media = NULL;

    if (!is_sent (message, sdp))
      continue;

    media = read_media (message, sdp, error);
    if (media == NULL || !check_unique (all, media, error)) {
      g_prefix_error (error, "m-line %u: ", i + 1);
      return NULL;
    }
    g_ptr_array_add (all, g_steal_pointer (&media));
  }

  return g_steal_pointer (&all);
}

GPtrArray *
qp_media_from_sdp (const char *sdp, gsize size, GError **error)
{
  GstSDPMessage *message = NULL;
  GPtrArray *all = NULL;

  if (!qp_media_check_text (sdp, size, error))
    return NULL;

  gst_sdp_message_new (&message);
  if (gst_sdp_message_parse_buffer ((const guint8 *) sdp, (guint) size,
          message) == GST_SDP_OK)
    all = read_message (message, error);
  else
    qp_media_fail (error, QP_MEDIA_ERROR_SYNTAX, "the description is not SDP");
  gst_sdp_message_free (message);

  return all;
}

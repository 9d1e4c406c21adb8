/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checks the attributes of an m-line, each by the reader that the table at the
 * end has for it, and sorts them for GstSDP.  Nothing of a value that failed is
 * echoed into an error. */
#include "session/media-private.h"

#include <string.h>

#include "roq/roq.h"
#include "session/sdp-syntax.h"

/* Names of caps fields that peers may make up in the life of this process. */
#define MAX_NEW_NAMES 1024

/* What is usual costs no name: nobody can use up the usual ones. */
static void
register_usual_names (void)
{
  static const char *const names[] = { "a-framerate", "a-framesize",
    "a-maxptime", "a-mediaclk", "a-ptime", "a-ts-refclk", "channel-order",
    "channel_mapping", "colorimetry", "config", "configuration",
    "coupled_streams", "cropping", "delivery-method", "depth", "height",
    "indexdeltalength", "indexlength", "interlace", "level-asymmetry-allowed",
    "maxplaybackrate", "mode", "num_streams", "octet-align",
    "packetization-mode", "profile", "profile-id", "profile-level-id",
    "rtcp-fb-ccm-fir", "rtcp-fb-goog-remb", "rtcp-fb-nack", "rtcp-fb-nack-pli",
    "rtcp-fb-transport-cc", "sampling", "sizelength", "sprop-max-don-diff",
    "sprop-maxcapturerate", "sprop-parameter-sets", "sprop-pps", "sprop-sps",
    "sprop-stereo", "sprop-vps", "stereo", "streamtype", "usedtx",
    "useinbandfec", "width", "x-dimensions" };
  static gsize once = 0;
  guint i;

  if (g_once_init_enter (&once)) {
    for (i = 0; i < G_N_ELEMENTS (names); i++)
      g_quark_from_static_string (names[i]);
    g_once_init_leave (&once, 1);
  }
}

/* A field's name becomes a GQuark (in GStreamer before 1.26), and those are
 * never freed: peers must not make up ever new ones. */
gboolean
qp_media_claim_name (const char *name, GError **error)
{
  static int claimed = 0; /* atomic */

  register_usual_names ();

  if (g_quark_try_string (name) != 0)
    return TRUE;

  if (g_atomic_int_get (&claimed) >= MAX_NEW_NAMES)
    return qp_media_fail (error, QP_MEDIA_ERROR_LIMIT,
        "%s is one more unknown parameter than the %d that all peers together "
        "may use",
        name, MAX_NEW_NAMES);

  g_atomic_int_inc (&claimed);
  g_quark_from_string (name);
  return TRUE;
}

static gboolean
read_mid (QpMediaReader *reader, const char *value, GError **error)
{
  if (!qp_sdp_is_token (value, QP_MEDIA_MAX_MID_SIZE))
    return qp_media_fail (error, QP_MEDIA_ERROR_SYNTAX,
        "its mid is not 1 to %d characters of A-Z a-z 0-9 . _ -",
        QP_MEDIA_MAX_MID_SIZE);

  reader->media->mid = g_strdup (value);
  return TRUE;
}

static gboolean
read_flow_id (QpMediaReader *reader, const char *value, GError **error)
{
  if (!qp_sdp_parse_uint (value, QP_VARINT_MAX, &reader->media->flow_id))
    return qp_media_fail (error, QP_MEDIA_ERROR_SYNTAX,
        "its roq-flow-id is not a number up to 2^62 - 1 without leading zeros");

  reader->has_flow_id = TRUE;
  return TRUE;
}

static gboolean
read_rtcp_mux (QpMediaReader *reader, const char *value, GError **error)
{
  reader->has_rtcp_mux = TRUE;
  return TRUE;
}

gboolean
qp_media_check_setup (const char *value, GError **error)
{
  static const char *const roles[] = { "active", "passive", "actpass", NULL };

  if (!g_strv_contains (roles, value))
    return qp_media_fail (error, QP_MEDIA_ERROR_SYNTAX,
        "setup is neither active, passive nor actpass");

  return TRUE;
}

gboolean
qp_media_check_fingerprint (const char *value, GError **error)
{
  if (!qp_sdp_is_fingerprint (value))
    return qp_media_fail (error, QP_MEDIA_ERROR_SYNTAX,
        "fingerprint is not \"sha-256\" and 32 bytes in hexadecimal");

  return TRUE;
}

static gboolean
read_setup (QpMediaReader *reader, const char *value, GError **error)
{
  if (!qp_media_check_setup (value, error))
    return FALSE;

  reader->media->setup = g_strdup (value);
  return TRUE;
}

static gboolean
read_fingerprint (QpMediaReader *reader, const char *value, GError **error)
{
  if (!qp_media_check_fingerprint (value, error))
    return FALSE;

  reader->media->fingerprint = g_strdup (value);
  return TRUE;
}

/* Returns what follows "<payload type> " in @value, or NULL with @error. */
static const char *
skip_payload_type (QpMediaReader *reader, const char *name, const char *value,
    GError **error)
{
  gsize length = strlen (reader->payload_type);

  if (strncmp (value, reader->payload_type, length) != 0 ||
      value[length] != ' ') {
    qp_media_fail (error, QP_MEDIA_ERROR_SYNTAX,
        "its %s is not for its payload type, %s", name, reader->payload_type);
    return NULL;
  }

  return value + length + 1;
}

/* "96 H264/90000", "111 opus/48000/2" */
static gboolean
read_rtpmap (QpMediaReader *reader, const char *value, GError **error)
{
  const char *rest = skip_payload_type (reader, "rtpmap", value, error);
  g_auto (GStrv) parts = NULL;
  guint64 clock_rate;

  if (rest == NULL)
    return FALSE;

  parts = g_strsplit (rest, "/", 4);
  if (g_strv_length (parts) < 2 || g_strv_length (parts) > 3 ||
      !qp_sdp_is_token (parts[0], QP_SDP_MAX_NAME_SIZE))
    return qp_media_fail (error, QP_MEDIA_ERROR_SYNTAX,
        "its rtpmap is not \"<payload type> <encoding>/<clock rate>\"");
  if (!qp_sdp_parse_uint (parts[1], G_MAXINT32, &clock_rate) || clock_rate == 0)
    return qp_media_fail (error, QP_MEDIA_ERROR_SYNTAX,
        "its rtpmap's clock rate is not 1 to 2147483647");
  if (parts[2] != NULL && !qp_sdp_is_token (parts[2], QP_SDP_MAX_NAME_SIZE))
    return qp_media_fail (error, QP_MEDIA_ERROR_SYNTAX,
        "its rtpmap's encoding parameters are no token");

  gst_sdp_media_add_attribute (reader->codec, "rtpmap", value);
  reader->has_rtpmap = TRUE;
  return TRUE;
}

/* "96 packetization-mode=1;sprop-stereo" */
static gboolean
read_fmtp (QpMediaReader *reader, const char *value, GError **error)
{
  const char *rest = skip_payload_type (reader, "fmtp", value, error);

  if (rest == NULL)
    return FALSE;

  reader->fmtp = g_strsplit (rest, ";", QP_MEDIA_MAX_PARAMETERS + 1);
  if (g_strv_length (reader->fmtp) > QP_MEDIA_MAX_PARAMETERS)
    return qp_media_fail (error, QP_MEDIA_ERROR_LIMIT,
        "its fmtp has more than %d parameters", QP_MEDIA_MAX_PARAMETERS);

  return TRUE;
}

/* "96 nack pli", "* transport-cc".  Its words become part of a field's name. */
static gboolean
read_rtcp_fb (QpMediaReader *reader, const char *value, GError **error)
{
  g_auto (GStrv) words = NULL;
  g_autofree char *joined = NULL;
  g_autofree char *field = NULL;
  const char *rest;
  guint i;

  if (g_str_has_prefix (value, "* "))
    rest = value + 2;
  else
    rest = skip_payload_type (reader, "rtcp-fb", value, error);
  if (rest == NULL)
    return FALSE;

  words = g_strsplit (rest, " ", -1);
  for (i = 0; words[i] != NULL; i++) {
    if (!qp_sdp_is_token (words[i], QP_SDP_MAX_NAME_SIZE) ||
        strchr (words[i], '.') != NULL)
      break;
  }
  if (words[0] == NULL || words[i] != NULL ||
      strlen (rest) > QP_SDP_MAX_NAME_SIZE)
    return qp_media_fail (error, QP_MEDIA_ERROR_SYNTAX,
        "one of its rtcp-fb is not made of words");

  joined = g_strjoinv ("-", words);
  field = g_strconcat ("rtcp-fb-", joined, NULL);
  if (!qp_media_claim_name (field, error))
    return FALSE;

  gst_sdp_media_add_attribute (reader->codec, "rtcp-fb", value);
  return TRUE;
}

/* "96 640-480" */
static gboolean
read_framesize (QpMediaReader *reader, const char *value, GError **error)
{
  const char *rest = skip_payload_type (reader, "framesize", value, error);
  g_auto (GStrv) sides = NULL;
  guint64 side;

  if (rest == NULL)
    return FALSE;

  sides = g_strsplit (rest, "-", 3);
  if (g_strv_length (sides) != 2 ||
      !qp_sdp_parse_uint (sides[0], G_MAXUINT16, &side) ||
      !qp_sdp_parse_uint (sides[1], G_MAXUINT16, &side))
    return qp_media_fail (error, QP_MEDIA_ERROR_SYNTAX,
        "its framesize is not \"<width>-<height>\"");

  gst_sdp_media_add_attribute (reader->codec, "framesize", value);
  return TRUE;
}

/* "1 urn:…", "1/recvonly urn:… attributes" (RFC 8285, section 5) */
static gboolean
read_extmap (QpMediaReader *reader, const char *value, GError **error)
{
  static const char *const directions[] = { "sendonly", "recvonly", "sendrecv",
    "inactive", NULL };
  g_auto (GStrv) words = g_strsplit (value, " ", 3);
  g_auto (GStrv) id = NULL;
  guint64 number;

  if (g_strv_length (words) < 2)
    return qp_media_fail (error, QP_MEDIA_ERROR_SYNTAX,
        "one of its extmap is not \"<number> <URI>\"");

  id = g_strsplit (words[0], "/", 2);
  if (id[0] == NULL || !qp_sdp_parse_uint (id[0], 255, &number) ||
      number == 0 || number == 15)
    return qp_media_fail (error, QP_MEDIA_ERROR_SYNTAX,
        "the number of one of its extmap is not 1 to 14 or 16 to 255");
  if (id[1] != NULL && !g_strv_contains (directions, id[1]))
    return qp_media_fail (error, QP_MEDIA_ERROR_SYNTAX,
        "the direction of one of its extmap is none");
  if (reader->extmap_ids[number / 8] & 1 << number % 8)
    return qp_media_fail (error, QP_MEDIA_ERROR_SYNTAX,
        "it has two extmap of number %u", (guint) number);
  if (!qp_sdp_is_uri (words[1]) ||
      (words[2] != NULL && !qp_sdp_is_attribute_value (words[2])))
    return qp_media_fail (error, QP_MEDIA_ERROR_SYNTAX,
        "extmap %u has characters that are not accepted", (guint) number);

  reader->extmap_ids[number / 8] |= 1 << number % 8;
  gst_sdp_media_add_attribute (reader->others, "extmap", value);
  return TRUE;
}

/* "1498316662 cname:…".  Only the number is of use; the first wins. */
static gboolean
read_ssrc (QpMediaReader *reader, const char *value, GError **error)
{
  g_autofree char *number = g_strndup (value, strcspn (value, " "));
  guint64 ssrc;

  if (!qp_sdp_parse_uint (number, G_MAXUINT32, &ssrc))
    return qp_media_fail (error, QP_MEDIA_ERROR_SYNTAX,
        "one of its ssrc is not a 32-bit number");

  if (!reader->has_ssrc)
    reader->ssrc = (guint32) ssrc;
  reader->has_ssrc = TRUE;
  return TRUE;
}

static const struct {
  const char *name;
  gboolean (*read) (QpMediaReader *reader, const char *value, GError **error);
  gboolean repeats;
} attribute_readers[] = {
  { "mid", read_mid },
  { "roq-flow-id", read_flow_id },
  { "rtcp-mux", read_rtcp_mux },
  { "setup", read_setup },
  { "fingerprint", read_fingerprint },
  { "rtpmap", read_rtpmap },
  { "fmtp", read_fmtp },
  { "rtcp-fb", read_rtcp_fb, TRUE },
  { "framesize", read_framesize },
  { "extmap", read_extmap, TRUE },
  { "ssrc", read_ssrc, TRUE },
};

gboolean
qp_media_read_attribute (QpMediaReader *reader,
    const GstSDPAttribute *attribute, GError **error)
{
  const char *value = attribute->value != NULL ? attribute->value : "";
  g_autofree char *field = NULL;
  guint i;

  for (i = 0; i < G_N_ELEMENTS (attribute_readers); i++) {
    if (strcmp (attribute->key, attribute_readers[i].name) != 0)
      continue;
    if ((reader->seen & 1u << i) && !attribute_readers[i].repeats)
      return qp_media_fail (error, QP_MEDIA_ERROR_SYNTAX, "it has two %s",
          attribute->key);
    reader->seen |= 1u << i;
    return attribute_readers[i].read (reader, value, error);
  }

  if (qp_sdp_is_transport_attribute (attribute->key))
    return TRUE;

  if (!qp_sdp_is_attribute_value (value))
    return qp_media_fail (error, QP_MEDIA_ERROR_SYNTAX,
        "its %s has characters that are not accepted", attribute->key);

  field = g_str_has_prefix (attribute->key, "x-")
      ? g_strdup (attribute->key)
      : g_strconcat ("a-", attribute->key, NULL);
  if (!qp_media_claim_name (field, error))
    return FALSE;

  gst_sdp_media_add_attribute (reader->others, attribute->key, value);
  return TRUE;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads the media description that a peer sent.  In three steps: the text is
 * checked line by line (GstSDP skips what it does not understand, so nothing
 * may be left to its taste), every attribute of an m-line is checked by the
 * reader that the table below has for it, and GstSDP translates what passed
 * into caps.  Nothing of a value that failed is echoed into an error. */
#include "session/media.h"

#include <gst/rtp/gstrtppayloads.h>
#include <gst/sdp/gstsdpmessage.h>
#include <string.h>

#include "roq/roq.h"
#include "session/sdp-syntax.h"

/* A vorbis configuration in base64 is the longest that is known. */
#define MAX_LINE_SIZE (16 * 1024)
#define MAX_PARAMETERS 64

/* Names of caps fields that peers may make up in the life of this process. */
#define MAX_NEW_NAMES 1024

/* One m-line being read. */
typedef struct {
  QpMedia *media; /* owned */
  char *payload_type;
  guint number;

  /* Attributes that passed, for GstSDP to translate: those that it reads for a
   * payload type, and all others. */
  GstSDPMedia *codec;
  GstSDPMedia *others;

  guint seen;  /* bits: the entries of the table that were read */
  char **fmtp; /* parameters */
  guint8 extmap_ids[256 / 8];
  guint32 ssrc;
  gboolean has_rtpmap;
  gboolean has_ssrc;
  gboolean has_flow_id;
  gboolean has_rtcp_mux;
} MediaReader;

static gboolean fail (GError **error, QpMediaError code, const char *format,
    ...) G_GNUC_PRINTF (3, 4);

static gboolean
fail (GError **error, QpMediaError code, const char *format, ...)
{
  g_autofree char *message = NULL;
  va_list args;

  va_start (args, format);
  message = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error_literal (error, QP_MEDIA_ERROR, code, message);

  return FALSE;
}

/* --- the text --------------------------------------------------------------- */

/* "video 9 QUIC/RTP/AVPF 96" */
static gboolean
check_media_line (const char *value, GError **error)
{
  static const char *const kinds[] = { "audio", "video", "text", "application",
    NULL };
  g_auto (GStrv) words = g_strsplit (value, " ", 5);
  guint64 port, payload_type;

  if (g_strv_length (words) < 4)
    return fail (error, QP_MEDIA_ERROR_SYNTAX,
        "is not \"m=<media> <port> <proto> <payload type>\"");
  if (words[4] != NULL)
    return fail (error, QP_MEDIA_ERROR_UNSUPPORTED,
        "has several payload types, only one per flow is supported");
  if (!g_strv_contains ((const char *const *) kinds, words[0]))
    return fail (error, QP_MEDIA_ERROR_UNSUPPORTED,
        "is neither audio, video, text nor application");
  if (!qp_sdp_parse_uint (words[1], G_MAXUINT16, &port))
    return fail (error, QP_MEDIA_ERROR_SYNTAX, "has a port that is no port");
  if (strcmp (words[2], QP_MEDIA_PROTO) != 0)
    return fail (error, QP_MEDIA_ERROR_UNSUPPORTED,
        "is not of the protocol " QP_MEDIA_PROTO);
  if (!qp_sdp_parse_uint (words[3], 127, &payload_type))
    return fail (error, QP_MEDIA_ERROR_SYNTAX,
        "has a payload type that is not 0 to 127");
  if (payload_type >= 64 && payload_type <= 95)
    return fail (error, QP_MEDIA_ERROR_UNSUPPORTED,
        "has payload type %u, which cannot be told from RTCP on the same flow "
        "(RFC 5761)",
        (guint) payload_type);

  return TRUE;
}

/* "name" or "name:value" */
static gboolean
check_attribute_line (const char *value, GError **error)
{
  const char *colon = strchr (value, ':');
  g_autofree char *name = colon != NULL ? g_strndup (value, colon - value)
                                        : g_strdup (value);

  if (!qp_sdp_is_token (name, QP_SDP_MAX_NAME_SIZE))
    return fail (error, QP_MEDIA_ERROR_SYNTAX,
        "has an attribute whose name is not 1 to %d characters of A-Z a-z 0-9 "
        ". _ -",
        QP_SDP_MAX_NAME_SIZE);

  return TRUE;
}

/* One line without its end.  @media and @attributes count those so far. */
static gboolean
check_line (const char *line, guint *media, guint *attributes, GError **error)
{
  if (strlen (line) > MAX_LINE_SIZE)
    return fail (error, QP_MEDIA_ERROR_LIMIT, "is longer than %d bytes",
        MAX_LINE_SIZE);
  if (!g_ascii_islower (line[0]) || line[1] != '=')
    return fail (error, QP_MEDIA_ERROR_SYNTAX, "is not \"<type>=<value>\"");

  if (line[0] == 'm') {
    *attributes = 0;
    if (++*media > QP_MEDIA_MAX_MEDIA)
      return fail (error, QP_MEDIA_ERROR_LIMIT, "is the %dth m-line",
          QP_MEDIA_MAX_MEDIA + 1);
    return check_media_line (line + 2, error);
  }

  if (line[0] == 'a') {
    if (++*attributes > QP_MEDIA_MAX_ATTRIBUTES)
      return fail (error, QP_MEDIA_ERROR_LIMIT, "is the %dth attribute",
          QP_MEDIA_MAX_ATTRIBUTES + 1);
    return check_attribute_line (line + 2, error);
  }

  return TRUE;
}

static gboolean
check_characters (const char *sdp, gsize size, GError **error)
{
  gsize i;

  if (size == 0)
    return fail (error, QP_MEDIA_ERROR_SYNTAX, "the description is empty");

  if (size > QP_MEDIA_MAX_SDP_SIZE)
    return fail (error, QP_MEDIA_ERROR_LIMIT,
        "the description has %" G_GSIZE_FORMAT " bytes, more than %d", size,
        QP_MEDIA_MAX_SDP_SIZE);

  /* Also refuses NULs. */
  if (!g_utf8_validate_len (sdp, size, NULL))
    return fail (error, QP_MEDIA_ERROR_SYNTAX,
        "the description is not text in UTF-8");

  for (i = 0; i < size; i++) {
    gboolean line_end = sdp[i] == '\n' ||
        (sdp[i] == '\r' && i + 1 < size && sdp[i + 1] == '\n');

    if (g_ascii_iscntrl (sdp[i]) && !line_end)
      return fail (error, QP_MEDIA_ERROR_SYNTAX,
          "the description has a control character");
  }

  return TRUE;
}

static gboolean
check_text (const char *sdp, gsize size, GError **error)
{
  g_autofree char *copy = NULL;
  g_auto (GStrv) lines = NULL;
  guint i, media = 0, attributes = 0;

  if (!check_characters (sdp, size, error))
    return FALSE;

  copy = g_strndup (sdp, size);
  lines = g_strsplit (copy, "\n", -1);

  for (i = 0; lines[i] != NULL; i++) {
    gsize length = strlen (lines[i]);

    /* What is behind the last line's end. */
    if (length == 0 && lines[i + 1] == NULL)
      break;

    if (length > 0 && lines[i][length - 1] == '\r')
      lines[i][length - 1] = '\0';

    if (i == 0 && strcmp (lines[i], "v=0") != 0)
      return fail (error, QP_MEDIA_ERROR_SYNTAX,
          "the description does not start with \"v=0\"");

    if (!check_line (lines[i], &media, &attributes, error)) {
      if (media > 0)
        g_prefix_error (error, "line %u, in m-line %u, ", i + 1, media);
      else
        g_prefix_error (error, "line %u ", i + 1);
      return FALSE;
    }
  }

  return TRUE;
}

/* --- names of fields -------------------------------------------------------- */

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
static gboolean
claim_name (const char *name, GError **error)
{
  static int claimed = 0; /* atomic */

  register_usual_names ();

  if (g_quark_try_string (name) != 0)
    return TRUE;

  if (g_atomic_int_get (&claimed) >= MAX_NEW_NAMES)
    return fail (error, QP_MEDIA_ERROR_LIMIT,
        "%s is one more unknown parameter than the %d that all peers together "
        "may use",
        name, MAX_NEW_NAMES);

  g_atomic_int_inc (&claimed);
  g_quark_from_string (name);
  return TRUE;
}

/* --- the attributes --------------------------------------------------------- */

static gboolean
read_mid (MediaReader *reader, const char *value, GError **error)
{
  if (!qp_sdp_is_token (value, QP_MEDIA_MAX_MID_SIZE))
    return fail (error, QP_MEDIA_ERROR_SYNTAX,
        "its mid is not 1 to %d characters of A-Z a-z 0-9 . _ -",
        QP_MEDIA_MAX_MID_SIZE);

  reader->media->mid = g_strdup (value);
  return TRUE;
}

static gboolean
read_flow_id (MediaReader *reader, const char *value, GError **error)
{
  if (!qp_sdp_parse_uint (value, QP_VARINT_MAX, &reader->media->flow_id))
    return fail (error, QP_MEDIA_ERROR_SYNTAX,
        "its roq-flow-id is not a number up to 2^62 - 1 without leading zeros");

  reader->has_flow_id = TRUE;
  return TRUE;
}

static gboolean
read_rtcp_mux (MediaReader *reader, const char *value, GError **error)
{
  reader->has_rtcp_mux = TRUE;
  return TRUE;
}

static gboolean
check_setup (const char *value, GError **error)
{
  static const char *const roles[] = { "active", "passive", "actpass", NULL };

  if (!g_strv_contains (roles, value))
    return fail (error, QP_MEDIA_ERROR_SYNTAX,
        "setup is neither active, passive nor actpass");

  return TRUE;
}

static gboolean
check_fingerprint (const char *value, GError **error)
{
  if (!qp_sdp_is_fingerprint (value))
    return fail (error, QP_MEDIA_ERROR_SYNTAX,
        "fingerprint is not \"sha-256\" and 32 bytes in hexadecimal");

  return TRUE;
}

static gboolean
read_setup (MediaReader *reader, const char *value, GError **error)
{
  if (!check_setup (value, error))
    return FALSE;

  reader->media->setup = g_strdup (value);
  return TRUE;
}

static gboolean
read_fingerprint (MediaReader *reader, const char *value, GError **error)
{
  if (!check_fingerprint (value, error))
    return FALSE;

  reader->media->fingerprint = g_strdup (value);
  return TRUE;
}

/* Returns what follows "<payload type> " in @value, or NULL with @error. */
static const char *
skip_payload_type (MediaReader *reader, const char *name, const char *value,
    GError **error)
{
  gsize length = strlen (reader->payload_type);

  if (strncmp (value, reader->payload_type, length) != 0 ||
      value[length] != ' ') {
    fail (error, QP_MEDIA_ERROR_SYNTAX,
        "its %s is not for its payload type, %s", name, reader->payload_type);
    return NULL;
  }

  return value + length + 1;
}

/* "96 H264/90000", "111 opus/48000/2" */
static gboolean
read_rtpmap (MediaReader *reader, const char *value, GError **error)
{
  const char *rest = skip_payload_type (reader, "rtpmap", value, error);
  g_auto (GStrv) parts = NULL;
  guint64 clock_rate;

  if (rest == NULL)
    return FALSE;

  parts = g_strsplit (rest, "/", 4);
  if (g_strv_length (parts) < 2 || g_strv_length (parts) > 3 ||
      !qp_sdp_is_token (parts[0], QP_SDP_MAX_NAME_SIZE))
    return fail (error, QP_MEDIA_ERROR_SYNTAX,
        "its rtpmap is not \"<payload type> <encoding>/<clock rate>\"");
  if (!qp_sdp_parse_uint (parts[1], G_MAXINT32, &clock_rate) || clock_rate == 0)
    return fail (error, QP_MEDIA_ERROR_SYNTAX,
        "its rtpmap's clock rate is not 1 to 2147483647");
  if (parts[2] != NULL && !qp_sdp_is_token (parts[2], QP_SDP_MAX_NAME_SIZE))
    return fail (error, QP_MEDIA_ERROR_SYNTAX,
        "its rtpmap's encoding parameters are no token");

  gst_sdp_media_add_attribute (reader->codec, "rtpmap", value);
  reader->has_rtpmap = TRUE;
  return TRUE;
}

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

/* "96 packetization-mode=1;sprop-stereo" */
static gboolean
read_fmtp (MediaReader *reader, const char *value, GError **error)
{
  const char *rest = skip_payload_type (reader, "fmtp", value, error);

  if (rest == NULL)
    return FALSE;

  reader->fmtp = g_strsplit (rest, ";", MAX_PARAMETERS + 1);
  if (g_strv_length (reader->fmtp) > MAX_PARAMETERS)
    return fail (error, QP_MEDIA_ERROR_LIMIT,
        "its fmtp has more than %d parameters", MAX_PARAMETERS);

  return TRUE;
}

/* "96 nack pli", "* transport-cc".  Its words become part of a field's name. */
static gboolean
read_rtcp_fb (MediaReader *reader, const char *value, GError **error)
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
    return fail (error, QP_MEDIA_ERROR_SYNTAX,
        "one of its rtcp-fb is not made of words");

  joined = g_strjoinv ("-", words);
  field = g_strconcat ("rtcp-fb-", joined, NULL);
  if (!claim_name (field, error))
    return FALSE;

  gst_sdp_media_add_attribute (reader->codec, "rtcp-fb", value);
  return TRUE;
}

/* "96 640-480" */
static gboolean
read_framesize (MediaReader *reader, const char *value, GError **error)
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
    return fail (error, QP_MEDIA_ERROR_SYNTAX,
        "its framesize is not \"<width>-<height>\"");

  gst_sdp_media_add_attribute (reader->codec, "framesize", value);
  return TRUE;
}

/* "1 urn:…", "1/recvonly urn:… attributes" (RFC 8285, section 5) */
static gboolean
read_extmap (MediaReader *reader, const char *value, GError **error)
{
  static const char *const directions[] = { "sendonly", "recvonly", "sendrecv",
    "inactive", NULL };
  g_auto (GStrv) words = g_strsplit (value, " ", 3);
  g_auto (GStrv) id = NULL;
  guint64 number;

  if (g_strv_length (words) < 2)
    return fail (error, QP_MEDIA_ERROR_SYNTAX,
        "one of its extmap is not \"<number> <URI>\"");

  id = g_strsplit (words[0], "/", 2);
  if (id[0] == NULL || !qp_sdp_parse_uint (id[0], 255, &number) ||
      number == 0 || number == 15)
    return fail (error, QP_MEDIA_ERROR_SYNTAX,
        "the number of one of its extmap is not 1 to 14 or 16 to 255");
  if (id[1] != NULL && !g_strv_contains (directions, id[1]))
    return fail (error, QP_MEDIA_ERROR_SYNTAX,
        "the direction of one of its extmap is none");
  if (reader->extmap_ids[number / 8] & 1 << number % 8)
    return fail (error, QP_MEDIA_ERROR_SYNTAX, "it has two extmap of number %u",
        (guint) number);
  if (!qp_sdp_is_uri (words[1]) ||
      (words[2] != NULL && !qp_sdp_is_attribute_value (words[2])))
    return fail (error, QP_MEDIA_ERROR_SYNTAX,
        "extmap %u has characters that are not accepted", (guint) number);

  reader->extmap_ids[number / 8] |= 1 << number % 8;
  gst_sdp_media_add_attribute (reader->others, "extmap", value);
  return TRUE;
}

/* "1498316662 cname:…".  Only the number is of use; the first wins. */
static gboolean
read_ssrc (MediaReader *reader, const char *value, GError **error)
{
  g_autofree char *number = g_strndup (value, strcspn (value, " "));
  guint64 ssrc;

  if (!qp_sdp_parse_uint (number, G_MAXUINT32, &ssrc))
    return fail (error, QP_MEDIA_ERROR_SYNTAX,
        "one of its ssrc is not a 32-bit number");

  if (!reader->has_ssrc)
    reader->ssrc = (guint32) ssrc;
  reader->has_ssrc = TRUE;
  return TRUE;
}

static const struct {
  const char *name;
  gboolean (*read) (MediaReader *reader, const char *value, GError **error);
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

static gboolean
read_attribute (MediaReader *reader, const GstSDPAttribute *attribute,
    GError **error)
{
  const char *value = attribute->value != NULL ? attribute->value : "";
  g_autofree char *field = NULL;
  guint i;

  for (i = 0; i < G_N_ELEMENTS (attribute_readers); i++) {
    if (strcmp (attribute->key, attribute_readers[i].name) != 0)
      continue;
    if ((reader->seen & 1u << i) && !attribute_readers[i].repeats)
      return fail (error, QP_MEDIA_ERROR_SYNTAX, "it has two %s",
          attribute->key);
    reader->seen |= 1u << i;
    return attribute_readers[i].read (reader, value, error);
  }

  if (qp_sdp_is_transport_attribute (attribute->key))
    return TRUE;

  if (!qp_sdp_is_attribute_value (value))
    return fail (error, QP_MEDIA_ERROR_SYNTAX,
        "its %s has characters that are not accepted", attribute->key);

  field = g_str_has_prefix (attribute->key, "x-")
      ? g_strdup (attribute->key)
      : g_strconcat ("a-", attribute->key, NULL);
  if (!claim_name (field, error))
    return FALSE;

  gst_sdp_media_add_attribute (reader->others, attribute->key, value);
  return TRUE;
}

/* --- caps ------------------------------------------------------------------- */

/* The parameters of a=fmtp as fields.  Not left to GstSDP, which before 1.24
 * replaces H.264's profile-level-id by a profile of its own. */
static gboolean
add_parameters (MediaReader *reader, GstStructure *s, GError **error)
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
      return fail (error, QP_MEDIA_ERROR_SYNTAX,
          "a parameter of its fmtp has a name that is not accepted");

    field = g_ascii_strdown (name, -1);
    if (is_reserved_field (field))
      return fail (error, QP_MEDIA_ERROR_SYNTAX,
          "its fmtp has a parameter named %s, which is something else in RTP",
          field);
    if (!qp_sdp_is_parameter_value (value))
      return fail (error, QP_MEDIA_ERROR_SYNTAX,
          "parameter %s of its fmtp has characters that are not accepted",
          field);
    if (!claim_name (field, error))
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
    return fail (error, QP_MEDIA_ERROR_SYNTAX,
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
make_caps (MediaReader *reader, const char *kind, GError **error)
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
    fail (error, QP_MEDIA_ERROR_SYNTAX, "its rtpmap cannot be understood");
    return NULL;
  }

  s = gst_caps_get_structure (caps, 0);
  gst_structure_set_name (s, "application/x-rtp");

  if (!reader->has_rtpmap && !add_static_payload (payload_type, s, error))
    return NULL;
  if (!add_parameters (reader, s, error))
    return NULL;
  if (gst_sdp_media_attributes_to_caps (reader->others, caps) != GST_SDP_OK) {
    fail (error, QP_MEDIA_ERROR_SYNTAX,
        "its attributes cannot be put into caps");
    return NULL;
  }
  if (reader->has_ssrc)
    gst_structure_set (s, "ssrc", G_TYPE_UINT, reader->ssrc, NULL);

  return g_steal_pointer (&caps);
}

/* --- m-lines ---------------------------------------------------------------- */

static void
media_reader_init (MediaReader *reader, const GstSDPMedia *sdp)
{
  memset (reader, 0, sizeof *reader);
  reader->media = g_new0 (QpMedia, 1);
  reader->payload_type = g_strdup (gst_sdp_media_get_format (sdp, 0));
  gst_sdp_media_new (&reader->codec);
  gst_sdp_media_new (&reader->others);
}

static void
media_reader_clear (MediaReader *reader)
{
  qp_media_free (reader->media);
  g_free (reader->payload_type);
  gst_sdp_media_free (reader->codec);
  gst_sdp_media_free (reader->others);
  g_strfreev (reader->fmtp);
}

static gboolean
read_media_attributes (MediaReader *reader, const GstSDPMedia *sdp,
    GError **error)
{
  guint i;

  for (i = 0; i < gst_sdp_media_attributes_len (sdp); i++) {
    if (!read_attribute (reader, gst_sdp_media_get_attribute (sdp, i), error))
      return FALSE;
  }

  if (reader->media->mid == NULL)
    return fail (error, QP_MEDIA_ERROR_SYNTAX, "it has no mid");
  if (!reader->has_flow_id)
    return fail (error, QP_MEDIA_ERROR_SYNTAX, "it has no roq-flow-id");
  if (!reader->has_rtcp_mux)
    return fail (error, QP_MEDIA_ERROR_UNSUPPORTED,
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
  MediaReader reader;
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
      sound = check_setup (attribute->value, error);
    else if (strcmp (attribute->key, "fingerprint") == 0)
      sound = check_fingerprint (attribute->value, error);

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
      return fail (error, QP_MEDIA_ERROR_SYNTAX,
          "its roq-flow-id %" G_GUINT64_FORMAT " is that of mid %s too",
          media->flow_id, other->mid);
    if (strcmp (other->mid, media->mid) == 0)
      return fail (error, QP_MEDIA_ERROR_SYNTAX,
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

  if (!check_text (sdp, size, error))
    return NULL;

  gst_sdp_message_new (&message);
  if (gst_sdp_message_parse_buffer ((const guint8 *) sdp, (guint) size,
          message) == GST_SDP_OK)
    all = read_message (message, error);
  else
    fail (error, QP_MEDIA_ERROR_SYNTAX, "the description is not SDP");
  gst_sdp_message_free (message);

  return all;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checks the text of a media description line by line.  GstSDP skips what it
 * does not understand, so nothing may be left to its taste. */
#include "session/media-private.h"

#include <string.h>

#include "session/sdp-syntax.h"

/* A vorbis configuration in base64 is the longest that is known. */
#define MAX_LINE_SIZE (16 * 1024)

/* "video 9 QUIC/RTP/AVPF 96" */
static gboolean
check_media_line (const char *value, GError **error)
{
  static const char *const kinds[] = { "audio", "video", "text", "application",
    NULL };
  g_auto (GStrv) words = g_strsplit (value, " ", 5);
  guint64 port, payload_type;

  if (g_strv_length (words) < 4)
    return qp_media_fail (error, QP_MEDIA_ERROR_SYNTAX,
        "is not \"m=<media> <port> <proto> <payload type>\"");
  if (words[4] != NULL)
    return qp_media_fail (error, QP_MEDIA_ERROR_UNSUPPORTED,
        "has several payload types, only one per flow is supported");
  if (!g_strv_contains ((const char *const *) kinds, words[0]))
    return qp_media_fail (error, QP_MEDIA_ERROR_UNSUPPORTED,
        "is neither audio, video, text nor application");
  if (!qp_sdp_parse_uint (words[1], G_MAXUINT16, &port))
    return qp_media_fail (error, QP_MEDIA_ERROR_SYNTAX,
        "has a port that is no port");
  if (strcmp (words[2], QP_MEDIA_PROTO) != 0)
    return qp_media_fail (error, QP_MEDIA_ERROR_UNSUPPORTED,
        "is not of the protocol " QP_MEDIA_PROTO);
  if (!qp_sdp_parse_uint (words[3], 127, &payload_type))
    return qp_media_fail (error, QP_MEDIA_ERROR_SYNTAX,
        "has a payload type that is not 0 to 127");
  if (payload_type >= 64 && payload_type <= 95)
    return qp_media_fail (error, QP_MEDIA_ERROR_UNSUPPORTED,
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
    return qp_media_fail (error, QP_MEDIA_ERROR_SYNTAX,
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
    return qp_media_fail (error, QP_MEDIA_ERROR_LIMIT,
        "is longer than %d bytes", MAX_LINE_SIZE);
  if (!g_ascii_islower (line[0]) || line[1] != '=')
    return qp_media_fail (error, QP_MEDIA_ERROR_SYNTAX,
        "is not \"<type>=<value>\"");

  if (line[0] == 'm') {
    *attributes = 0;
    if (++*media > QP_MEDIA_MAX_MEDIA)
      return qp_media_fail (error, QP_MEDIA_ERROR_LIMIT, "is the %dth m-line",
          QP_MEDIA_MAX_MEDIA + 1);
    return check_media_line (line + 2, error);
  }

  if (line[0] == 'a') {
    if (++*attributes > QP_MEDIA_MAX_ATTRIBUTES)
      return qp_media_fail (error, QP_MEDIA_ERROR_LIMIT,
          "is the %dth attribute", QP_MEDIA_MAX_ATTRIBUTES + 1);
    return check_attribute_line (line + 2, error);
  }

  return TRUE;
}

static gboolean
check_characters (const char *sdp, gsize size, GError **error)
{
  gsize i;

  if (size == 0)
    return qp_media_fail (error, QP_MEDIA_ERROR_SYNTAX,
        "the description is empty");

  if (size > QP_MEDIA_MAX_SDP_SIZE)
    return qp_media_fail (error, QP_MEDIA_ERROR_LIMIT,
        "the description has %" G_GSIZE_FORMAT " bytes, more than %d", size,
        QP_MEDIA_MAX_SDP_SIZE);

  /* Also refuses NULs. */
  if (!g_utf8_validate_len (sdp, size, NULL))
    return qp_media_fail (error, QP_MEDIA_ERROR_SYNTAX,
        "the description is not text in UTF-8");

  for (i = 0; i < size; i++) {
    gboolean line_end = sdp[i] == '\n' ||
        (sdp[i] == '\r' && i + 1 < size && sdp[i + 1] == '\n');

    if (g_ascii_iscntrl (sdp[i]) && !line_end)
      return qp_media_fail (error, QP_MEDIA_ERROR_SYNTAX,
          "the description has a control character");
  }

  return TRUE;
}

gboolean
qp_media_check_text (const char *sdp, gsize size, GError **error)
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
      return qp_media_fail (error, QP_MEDIA_ERROR_SYNTAX,
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

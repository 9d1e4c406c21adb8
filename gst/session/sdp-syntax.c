/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Grammar of the media description; see sdp-syntax.h. */
#include "session/sdp-syntax.h"

#include <string.h>

static gboolean
is_made_of (const char *string, const char *more)
{
  for (; *string != '\0'; string++) {
    if (!g_ascii_isalnum (*string) && strchr (more, *string) == NULL)
      return FALSE;
  }

  return TRUE;
}

gboolean
qp_sdp_is_token (const char *string, gsize max)
{
  return *string != '\0' && strlen (string) <= max &&
      is_made_of (string, "._-");
}

gboolean
qp_sdp_is_parameter_name (const char *string)
{
  return g_ascii_isalpha (*string) && strlen (string) <= QP_SDP_MAX_NAME_SIZE &&
      is_made_of (string, "_-");
}

gboolean
qp_sdp_is_parameter_value (const char *string)
{
  return is_made_of (string, "!#%&'()*+,-./:=?@^_|~");
}

gboolean
qp_sdp_is_attribute_value (const char *string)
{
  return is_made_of (string, " ;!#%&'()*+,-./:=?@^_|~");
}

gboolean
qp_sdp_is_uri (const char *string)
{
  return *string != '\0' && is_made_of (string, "!#%&'()*+,-./:=?@_~;");
}

gboolean
qp_sdp_is_fingerprint (const char *string)
{
  static const char algorithm[] = "sha-256 ";
  guint i;

  if (g_ascii_strncasecmp (string, algorithm, strlen (algorithm)) != 0)
    return FALSE;
  string += strlen (algorithm);

  if (strlen (string) != 32 * 3 - 1)
    return FALSE;

  for (i = 0; string[i] != '\0'; i++) {
    if (i % 3 == 2 ? string[i] != ':' : !g_ascii_isxdigit (string[i]))
      return FALSE;
  }

  return TRUE;
}

gboolean
qp_sdp_parse_uint (const char *string, guint64 max, guint64 *value)
{
  guint64 v = 0;

  if (*string == '\0' || (string[0] == '0' && string[1] != '\0'))
    return FALSE;

  for (; *string != '\0'; string++) {
    guint64 digit;

    if (!g_ascii_isdigit (*string))
      return FALSE;
    digit = (guint64) g_ascii_digit_value (*string);
    if (digit > max || v > (max - digit) / 10)
      return FALSE;
    v = v * 10 + digit;
  }

  *value = v;
  return TRUE;
}

gboolean
qp_sdp_is_transport_attribute (const char *name)
{
  static const char *const names[] = { "bundle-only", "candidate", "connection",
    "control", "crypto", "end-of-candidates", "extmap-allow-mixed",
    "fingerprint", "group", "inactive", "key-mgmt", "mid", "msid", "range",
    "recvonly", "remote-candidates", "rid", "roq-flow-id", "rtcp", "rtcp-mux",
    "rtcp-mux-only", "rtcp-rsize", "sendonly", "sendrecv", "setup", "simulcast",
    "source-filter", "ssrc-group", "tls-id", NULL };

  return g_strv_contains (names, name) || g_str_has_prefix (name, "ice-") ||
      g_str_has_prefix (name, "x-gst-");
}

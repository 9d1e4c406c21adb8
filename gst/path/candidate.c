/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Parses, checks and formats candidate lines.  Relies on GLib alone and keeps
 * no state, so any thread may use it. */
#include "path/candidate.h"

#include <string.h>

static const char *const type_names[] = {
  [QP_CANDIDATE_HOST] = "host",
  [QP_CANDIDATE_SRFLX] = "srflx",
  [QP_CANDIDATE_PRFLX] = "prflx",
  [QP_CANDIDATE_RELAY] = "relay",
};

/* foundation, component, transport, priority, address, port, "typ", type */
#define N_FIXED_FIELDS 8

const char *
qp_candidate_type_to_string (QpCandidateType type)
{
  g_return_val_if_fail (type < G_N_ELEMENTS (type_names), NULL);
  return type_names[type];
}

static gboolean refuse (GError **error, const char *format, ...)
    G_GNUC_PRINTF (2, 3);

static gboolean
refuse (GError **error, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  if (error)
    *error = g_error_new_valist (G_IO_ERROR, G_IO_ERROR_INVALID_DATA, format,
        args);
  va_end (args);
  return FALSE;
}

static gboolean
is_ice_chars (const char *text, gsize min, gsize max)
{
  gsize n = strspn (text,
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
      "0123456789+/");

  return text[n] == '\0' && n >= min && n <= max;
}

static gboolean
parse_number (const char *text, guint64 min, guint64 max, guint64 *value)
{
  return g_ascii_string_to_unsigned (text, 10, min, max, value, NULL);
}

/* draft-ietf-mmusic-mdns-ice-candidates, section 3.1.1: one label, then
 * ".local"; anything else would let a peer choose our DNS queries. */
static gboolean
is_mdns_name (const char *text)
{
  gsize label = strspn (text,
      "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
      "abcdefghijklmnopqrstuvwxyz0123456789-");

  return label >= 1 && label <= 63 && text[0] != '-' &&
      g_ascii_strcasecmp (text + label, ".local") == 0;
}

static gboolean
is_ipv4_in_ipv6 (const guint8 *bytes)
{
  static const guint8 mapped[12] = { [10] = 0xff, [11] = 0xff };
  static const guint8 compatible[12] = { 0 };
  static const guint8 one[4] = { 0, 0, 0, 1 };

  if (memcmp (bytes, mapped, 12) == 0)
    return TRUE;
  /* ::1 is loopback, not the compatible form of 0.0.0.1. */
  return memcmp (bytes, compatible, 12) == 0 &&
      memcmp (bytes + 12, one, 4) != 0;
}

gboolean
qp_candidate_check_address (GInetAddress *address, GError **error)
{
  const guint8 *bytes = g_inet_address_to_bytes (address);
  g_autofree char *text = NULL;
  const char *fault = NULL;

  if (g_inet_address_get_is_any (address))
    fault = "unspecified";
  else if (g_inet_address_get_is_multicast (address))
    fault = "multicast";
  else if (g_inet_address_get_family (address) == G_SOCKET_FAMILY_IPV6) {
    if (is_ipv4_in_ipv6 (bytes))
      fault = "IPv4 inside IPv6";
  } else if (bytes[0] == 0)
    fault = "reserved";
  else if (bytes[0] >= 240)
    fault = (bytes[0] & bytes[1] & bytes[2] & bytes[3]) == 255 ? "broadcast"
                                                               : "reserved";

  if (!fault)
    return TRUE;
  text = g_inet_address_to_string (address);
  return refuse (error, "candidate's address %s is %s", text, fault);
}

static gboolean
parse_address (QpCandidate *candidate, const char *text, GError **error)
{
  g_autoptr (GInetAddress) address = NULL;

  if (strlen (text) > QP_CANDIDATE_MAX_ADDRESS)
    return refuse (error, "candidate's address is too long");

  address = g_inet_address_new_from_string (text);
  if (address) {
    g_autofree char *canonical = g_inet_address_to_string (address);

    if (!qp_candidate_check_address (address, error))
      return FALSE;
    g_strlcpy (candidate->address, canonical, sizeof candidate->address);
    return TRUE;
  }
  if (!is_mdns_name (text))
    return refuse (error,
        "candidate's address is neither numeric nor a "
        "\".local\" name");
  candidate->is_name = TRUE;
  g_strlcpy (candidate->address, text, sizeof candidate->address);
  return TRUE;
}

static gboolean
parse_type (QpCandidate *candidate, const char *text, GError **error)
{
  for (guint i = 0; i < G_N_ELEMENTS (type_names); i++) {
    if (strcmp (text, type_names[i]) == 0) {
      candidate->type = i;
      return TRUE;
    }
  }
  return refuse (error,
      "candidate's type is none of host, srflx, prflx, relay");
}

/* The related address is for diagnosis only (RFC 8839, section 5.1) and often
 * hidden on purpose, so a strange one is dropped and never refused. */
static void
keep_related (QpCandidate *candidate, const char *name, const char *value)
{
  guint64 port;

  if (strcmp (name, "raddr") == 0 && !candidate->related_address[0]) {
    g_autoptr (GInetAddress) address = g_inet_address_new_from_string (value);

    if (address && strlen (value) < sizeof candidate->related_address)
      g_strlcpy (candidate->related_address, value,
          sizeof candidate->related_address);
  } else if (strcmp (name, "rport") == 0) {
    if (parse_number (value, 0, G_MAXUINT16, &port))
      candidate->related_port = port;
  }
}

/* Splits at single or repeated spaces, in place of `line`'s copy. */
static GPtrArray *
split_fields (char *line)
{
  GPtrArray *fields = g_ptr_array_new ();
  char *save = NULL;

  for (char *field = strtok_r (line, " \t", &save); field;
       field = strtok_r (NULL, " \t", &save))
    g_ptr_array_add (fields, field);
  return fields;
}

static gboolean
parse_fixed (QpCandidate *candidate, char **field, GError **error)
{
  guint64 number;

  if (!is_ice_chars (field[0], 1, QP_CANDIDATE_MAX_FOUNDATION))
    return refuse (error,
        "candidate's foundation is not 1 to 32 letters, "
        "digits, '+' or '/'");
  g_strlcpy (candidate->foundation, field[0], sizeof candidate->foundation);

  if (!parse_number (field[1], 1, 1, &number))
    return refuse (error,
        "candidate is not for component 1, the only one "
        "there is");
  if (g_ascii_strcasecmp (field[2], "udp") != 0)
    return refuse (error, "candidate's transport is not UDP");
  if (!parse_number (field[3], 1, G_MAXINT32, &number))
    return refuse (error, "candidate's priority is not in 1 … 2^31 - 1");
  candidate->priority = number;
  if (!parse_address (candidate, field[4], error))
    return FALSE;
  if (!parse_number (field[5], 1, G_MAXUINT16, &number))
    return refuse (error, "candidate's port is not in 1 … 65535");
  candidate->port = number;
  if (strcmp (field[6], "typ") != 0)
    return refuse (error, "candidate has no \"typ\"");
  return parse_type (candidate, field[7], error);
}

gboolean
qp_candidate_parse (const char *line, QpCandidate *candidate, GError **error)
{
  g_autofree char *copy = NULL;
  g_autoptr (GPtrArray) fields = NULL;

  g_return_val_if_fail (candidate != NULL, FALSE);

  memset (candidate, 0, sizeof *candidate);
  if (!line)
    return refuse (error, "candidate is missing");
  if (strnlen (line, QP_CANDIDATE_MAX_LINE + 1) > QP_CANDIDATE_MAX_LINE)
    return refuse (error, "candidate is longer than %d bytes",
        QP_CANDIDATE_MAX_LINE);
  if (g_str_has_prefix (line, "a="))
    line += 2;
  if (g_str_has_prefix (line, "candidate:"))
    line += strlen ("candidate:");

  copy = g_strchomp (g_strdup (line));
  for (const char *c = copy; *c; c++) {
    if (*c != '\t' && !g_ascii_isprint (*c))
      return refuse (error,
          "candidate holds bytes that are not printable "
          "ASCII");
  }
  fields = split_fields (copy);
  if (fields->len < N_FIXED_FIELDS)
    return refuse (error, "candidate has %u fields, %d at least are needed",
        fields->len, N_FIXED_FIELDS);
  if (fields->len % 2 != 0)
    return refuse (error, "candidate's last attribute has no value");
  if (!parse_fixed (candidate, (char **) fields->pdata, error))
    return FALSE;
  for (guint i = N_FIXED_FIELDS; i < fields->len; i += 2)
    keep_related (candidate, fields->pdata[i], fields->pdata[i + 1]);
  if (!candidate->related_address[0])
    candidate->related_port = 0;
  return TRUE;
}

char *
qp_candidate_format (const QpCandidate *candidate)
{
  GString *line = g_string_new (NULL);

  g_string_printf (line, "candidate:%s 1 udp %u %s %u typ %s",
      candidate->foundation, candidate->priority, candidate->address,
      candidate->port, qp_candidate_type_to_string (candidate->type));
  if (candidate->related_address[0])
    g_string_append_printf (line, " raddr %s rport %u",
        candidate->related_address, candidate->related_port);
  return g_string_free (line, FALSE);
}

gboolean
qp_candidate_check_credentials (const char *ufrag, const char *password,
    GError **error)
{
  if (!ufrag || !is_ice_chars (ufrag, 4, 256))
    return refuse (error,
        "ICE username fragment is not 4 to 256 letters, "
        "digits, '+' or '/'");
  if (!password || !is_ice_chars (password, 22, 256))
    return refuse (error,
        "ICE password is not 22 to 256 letters, digits, "
        "'+' or '/'");
  return TRUE;
}

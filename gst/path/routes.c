/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See routes.h.  Keeps no state; any thread may use it. */
#include "path/routes.h"

#include <net/route.h>
#include <string.h>

/* The fields of a line, of which there are never so many. */
#define MAX_FIELDS 16

static gboolean
parse_hex (const char *text, guint64 max, guint64 *value)
{
  return text && g_ascii_string_to_unsigned (text, 16, 0, max, value, NULL);
}

/* Iface Destination Gateway Flags RefCnt Use Metric Mask …: addresses are in
 * network byte order, written as if they were the machine's own numbers. */
static gboolean
matches_ipv4 (char **fields, guint n, const char *interface,
    const guint8 *address)
{
  guint64 destination, flags, mask;
  guint32 wanted;

  memcpy (&wanted, address, sizeof wanted);
  return n >= 8 && g_str_equal (fields[0], interface) &&
      parse_hex (fields[1], G_MAXUINT32, &destination) &&
      parse_hex (fields[3], G_MAXUINT32, &flags) &&
      parse_hex (fields[7], G_MAXUINT32, &mask) && (flags & RTF_UP) &&
      !(flags & RTF_REJECT) && (wanted & (guint32) mask) == destination;
}

static gboolean
has_prefix (const guint8 *address, const guint8 *prefix, guint bits)
{
  guint whole = bits / 8, rest = bits % 8;

  return memcmp (address, prefix, whole) == 0 &&
      (rest == 0 || (address[whole] ^ prefix[whole]) >> (8 - rest) == 0);
}

static gboolean
parse_ipv6 (const char *text, guint8 *bytes)
{
  if (strlen (text) != 32)
    return FALSE;
  for (guint i = 0; i < 16; i++) {
    int high = g_ascii_xdigit_value (text[2 * i]);
    int low = g_ascii_xdigit_value (text[2 * i + 1]);

    if (high < 0 || low < 0)
      return FALSE;
    bytes[i] = (guint8) (high << 4 | low);
  }
  return TRUE;
}

/* Destination Length Source Length Gateway Metric RefCnt Use Flags Iface */
static gboolean
matches_ipv6 (char **fields, guint n, const char *interface,
    const guint8 *address)
{
  guint64 bits, flags;
  guint8 prefix[16];

  return n >= 10 && g_str_equal (fields[9], interface) &&
      parse_ipv6 (fields[0], prefix) && parse_hex (fields[1], 128, &bits) &&
      parse_hex (fields[8], G_MAXUINT32, &flags) && (flags & RTF_UP) &&
      !(flags & RTF_REJECT) && has_prefix (address, prefix, (guint) bits);
}

gboolean
qp_routes_parse (const char *table, GSocketFamily family, const char *interface,
    GInetAddress *address)
{
  const guint8 *bytes = g_inet_address_to_bytes (address);
  g_auto (GStrv) lines = g_strsplit (table, "\n", -1);

  if (g_inet_address_get_family (address) != family)
    return FALSE;
  for (guint i = 0; lines[i]; i++) {
    char *fields[MAX_FIELDS];
    char *rest = lines[i], *field;
    guint n = 0;

    while (n < MAX_FIELDS && (field = strtok_r (n ? NULL : rest, " \t", &rest)))
      fields[n++] = field;
    if (family == G_SOCKET_FAMILY_IPV4
            ? matches_ipv4 (fields, n, interface, bytes)
            : matches_ipv6 (fields, n, interface, bytes))
      return TRUE;
  }
  return FALSE;
}

gboolean
qp_routes_lead (const char *interface, const char *address)
{
  g_autoptr (GInetAddress) inet = g_inet_address_new_from_string (address);
  g_autofree char *table = NULL;
  GSocketFamily family;

  if (!inet)
    return FALSE;
  family = g_inet_address_get_family (inet);
  return g_file_get_contents (family == G_SOCKET_FAMILY_IPV4
                 ? "/proc/net/route"
                 : "/proc/net/ipv6_route",
             &table, NULL, NULL) &&
      qp_routes_parse (table, family, interface, inet);
}

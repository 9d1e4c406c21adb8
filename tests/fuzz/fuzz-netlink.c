/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The rtnetlink parser: what it tells is whole, what stood before a broken
 * message is told all the same, and nothing outside of the bytes is looked at
 * (which the sanitizers see). */
#include "path/netlink.h"

#include <string.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

static void
check_event (const QpNetworkEvent *event)
{
  gboolean has_address = event->type == QP_NETWORK_ADDRESS ||
      event->type == QP_NETWORK_ADDRESS_GONE;
  gboolean is_link = event->type == QP_NETWORK_LINK ||
      event->type == QP_NETWORK_LINK_GONE;

  g_assert_nonnull (qp_network_event_type_to_string (event->type));
  g_assert_nonnull (memchr (event->name, '\0', sizeof event->name));
  g_assert_true (is_link || event->name[0] == '\0');
  g_assert_true (event->type == QP_NETWORK_LINK || !event->up);
  g_assert_true (has_address == (event->address != NULL));
  if (has_address)
    g_assert_true (g_inet_address_get_family (event->address) == event->family);
}

static void
note (const QpNetworkEvent *event, gpointer user)
{
  g_autofree char *address = event->address
      ? g_inet_address_to_string (event->address)
      : NULL;

  check_event (event);
  g_string_append_printf (user, "%d %u %s %d %d %s\n", event->type,
      event->index, event->name, event->up, event->family,
      address ? address : "");
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (GString) once = g_string_new (NULL);
  g_autoptr (GString) twice = g_string_new (NULL);
  g_autofree guint8 *both = NULL;
  gboolean sound = qp_netlink_parse (data, size, note, once);

  /* Messages are aligned; behind sound ones others are read the same way. */
  if (!sound || size % 4 != 0 || size == 0)
    return 0;
  both = g_malloc (2 * size);
  memcpy (both, data, size);
  memcpy (both + size, data, size);
  g_assert_true (qp_netlink_parse (both, 2 * size, note, twice));
  g_assert_cmpuint (twice->len, ==, 2 * once->len);
  g_assert_cmpint (strncmp (twice->str, once->str, once->len), ==, 0);
  g_assert_cmpstr (twice->str + once->len, ==, once->str);
  return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Routes as the kernel lists them. */
#include "path/routes.h"

#include <string.h>

#define IPV4_HEAD                                                         \
  "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU" \
  "\tWindow\tIRTT                                                       \n"

/* The kernel writes the number that the bytes are on this machine. */
static char *
ipv4_line (const char *interface, const char *destination, const char *mask,
    guint flags)
{
  g_autoptr (GInetAddress) to = g_inet_address_new_from_string (destination);
  g_autoptr (GInetAddress) with = g_inet_address_new_from_string (mask);
  guint32 a, b;

  memcpy (&a, g_inet_address_to_bytes (to), sizeof a);
  memcpy (&b, g_inet_address_to_bytes (with), sizeof b);
  return g_strdup_printf (
      "%s\t%08X\t00000000\t%04X\t0\t0\t100\t%08X\t0\t0\t0\n", interface, a,
      flags, b);
}

static gboolean
leads (const char *table, const char *interface, const char *address)
{
  g_autoptr (GInetAddress) inet = g_inet_address_new_from_string (address);

  return qp_routes_parse (table, g_inet_address_get_family (inet), interface,
      inet);
}

static void
test_ipv4 (void)
{
  g_autofree char *way_out = ipv4_line ("wlan0", "0.0.0.0", "0.0.0.0", 3);
  g_autofree char *link = ipv4_line ("wwan0", "10.12.0.0", "255.255.0.0", 1);
  g_autofree char *down = ipv4_line ("eth0", "0.0.0.0", "0.0.0.0", 2);
  g_autofree char *reject = ipv4_line ("eth1", "0.0.0.0", "0.0.0.0", 0x201);
  g_autofree char *table = g_strconcat (IPV4_HEAD, way_out, link, down, reject,
      NULL);

  g_assert_true (leads (table, "wlan0", "192.0.2.1"));
  g_assert_false (leads (table, "wlan1", "192.0.2.1"));
  g_assert_false (leads (table, "wwan0", "192.0.2.1"));
  g_assert_true (leads (table, "wwan0", "10.12.255.1"));
  g_assert_false (leads (table, "wwan0", "10.13.0.1"));
  g_assert_false (leads (table, "eth0", "192.0.2.1"));
  g_assert_false (leads (table, "eth1", "192.0.2.1"));
  g_assert_false (leads (table, "wlan0", "2001:db8::1"));
}

static void
test_ipv6 (void)
{
  static const char table[] =
      "20010db8001300000000000000000000 40 00000000000000000000000000000000 00 "
      "00000000000000000000000000000000 00000100 00000001 00000000 00000001 "
      "wlan0\n"
      "20010db8001480000000000000000000 31 00000000000000000000000000000000 00 "
      "00000000000000000000000000000000 00000100 00000001 00000000 00000001 "
      "wlan1\n"
      "00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
      "20010db8001200000000000000000001 000000c8 00000001 00000000 00000003 "
      "wwan0\n"
      "00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
      "00000000000000000000000000000000 ffffffff 00000001 00000000 00200200 "
      "lo\n";

  g_assert_true (leads (table, "wlan0", "2001:db8:13::7"));
  g_assert_false (leads (table, "wlan0", "2001:db8:13:1::7"));
  /* 49 bits. */
  g_assert_true (leads (table, "wlan1", "2001:db8:14:8000::7"));
  g_assert_false (leads (table, "wlan1", "2001:db8:14:7fff::7"));
  g_assert_true (leads (table, "wwan0", "2001:db8:13:1::7"));
  g_assert_false (leads (table, "lo", "2001:db8::1"));
}

static void
test_nonsense (void)
{
  static const char *const tables[] = { "", "\n\n", "wlan0", "wlan0\t0\t0\n",
    "wlan0\t00000000\t00000000\tXXXX\t0\t0\t0\t00000000\n",
    "wlan0\t-1\t00000000\t0003\t0\t0\t0\t00000000\n",
    "00 00 00 00 00 00 00 00 00000001 wlan0\n",
    "0000000000000000000000000000000g 00 0 0 0 0 0 0 00000001 wlan0\n",
    "00000000000000000000000000000000 81 0 0 0 0 0 0 00000001 wlan0\n" };

  for (guint i = 0; i < G_N_ELEMENTS (tables); i++) {
    g_assert_false (leads (tables[i], "wlan0", "192.0.2.1"));
    g_assert_false (leads (tables[i], "wlan0", "2001:db8::1"));
  }
  g_assert_false (qp_routes_lead ("no-such-interface", "192.0.2.1"));
  g_assert_false (qp_routes_lead ("lo", "no address"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/path/routes/ipv4", test_ipv4);
  g_test_add_func ("/path/routes/ipv6", test_ipv6);
  g_test_add_func ("/path/routes/nonsense", test_nonsense);
  return g_test_run ();
}

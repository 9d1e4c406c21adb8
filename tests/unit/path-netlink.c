/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* rtnetlink: messages made by hand, cut and bent, and the watch in a network
 * namespace of its own where the machine allows one. */
#include "path/interfaces.h"
#include "path/netlink.h"

#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* What was told, one line each. */
static void
note (const QpNetworkEvent *event, gpointer user)
{
  GString *log = user;

  g_string_append (log, qp_network_event_type_to_string (event->type));
  if (event->index)
    g_string_append_printf (log, " %u", event->index);
  if (event->name[0])
    g_string_append_printf (log, " %s", event->name);
  if (event->type == QP_NETWORK_LINK)
    g_string_append (log, event->up ? " up" : " down");
  if (event->family)
    g_string_append_printf (log, " ipv%d",
        event->family == G_SOCKET_FAMILY_IPV6 ? 6 : 4);
  if (event->address) {
    g_autofree char *text = g_inet_address_to_string (event->address);

    g_string_append_printf (log, " %s", text);
  }
  g_string_append_c (log, '\n');
}

/* Messages */

static gsize
begin (GByteArray *bytes, guint16 type)
{
  struct nlmsghdr header = { .nlmsg_type = type };

  g_byte_array_append (bytes, (guint8 *) &header, sizeof header);
  return bytes->len - sizeof header;
}

static void
pad (GByteArray *bytes)
{
  static const guint8 zeros[4];

  g_byte_array_append (bytes, zeros, (4 - bytes->len % 4) % 4);
}

static void
end (GByteArray *bytes, gsize start)
{
  guint32 length = bytes->len - start;

  memcpy (bytes->data + start, &length, sizeof length);
  pad (bytes);
}

static void
attribute (GByteArray *bytes, guint16 type, gconstpointer data, gsize size)
{
  struct rtattr header = { RTA_LENGTH (size), type };

  pad (bytes);
  g_byte_array_append (bytes, (guint8 *) &header, sizeof header);
  g_byte_array_append (bytes, data, size);
}

static void
link_message (GByteArray *bytes, guint16 type, guint8 family, int index,
    const char *name, guint flags)
{
  struct ifinfomsg header = { .ifi_family = family,
    .ifi_index = index,
    .ifi_flags = flags };
  gsize start = begin (bytes, type);
  guint32 mtu = 1500;

  g_byte_array_append (bytes, (guint8 *) &header, sizeof header);
  attribute (bytes, IFLA_IFNAME, name, strlen (name) + 1);
  attribute (bytes, IFLA_MTU, &mtu, sizeof mtu);
  end (bytes, start);
}

static void
address_message (GByteArray *bytes, guint16 type, guint8 family, guint index,
    guint32 flags, const guint8 *local, const guint8 *address)
{
  struct ifaddrmsg header = { .ifa_family = family,
    .ifa_index = index,
    .ifa_flags = flags };
  gsize start = begin (bytes, type), size = family == AF_INET ? 4 : 16;

  g_byte_array_append (bytes, (guint8 *) &header, sizeof header);
  if (address)
    attribute (bytes, IFA_ADDRESS, address, size);
  if (local)
    attribute (bytes, IFA_LOCAL, local, size);
  attribute (bytes, IFA_FLAGS, &flags, sizeof flags);
  end (bytes, start);
}

static void
route_message (GByteArray *bytes, guint16 type, guint8 family, guint8 length,
    guint32 index)
{
  struct rtmsg header = { .rtm_family = family,
    .rtm_dst_len = length,
    .rtm_type = RTN_UNICAST };
  gsize start = begin (bytes, type);

  g_byte_array_append (bytes, (guint8 *) &header, sizeof header);
  if (index) {
    attribute (bytes, RTA_OIF, &index, sizeof index);
  } else {
    struct rtnexthop hops[2] = {
      { .rtnh_len = sizeof *hops, .rtnh_ifindex = 8 },
      { .rtnh_len = sizeof *hops, .rtnh_ifindex = 9 },
    };

    attribute (bytes, RTA_MULTIPATH, hops, sizeof hops);
  }
  end (bytes, start);
}

#define LOWER_UP (1u << 16)
#define ALL_UP (IFF_UP | IFF_RUNNING | LOWER_UP)

static const guint8 ipv4[4] = { 192, 0, 2, 1 }, ipv4_peer[4] = { 192, 0, 2, 2 };
static const guint8 ipv6[16] = { 0x20, 1, 0xd, 0xb8, [15] = 1 };

static GByteArray *
every_message (void)
{
  GByteArray *bytes = g_byte_array_new ();

  link_message (bytes, RTM_NEWLINK, AF_UNSPEC, 3, "wlan0", ALL_UP);
  link_message (bytes, RTM_NEWLINK, AF_UNSPEC, 3, "wlan0", IFF_UP);
  link_message (bytes, RTM_NEWLINK, AF_BRIDGE, 3, "wlan0", ALL_UP);
  link_message (bytes, RTM_DELLINK, AF_BRIDGE, 3, "wlan0", ALL_UP);
  link_message (bytes, RTM_DELLINK, AF_UNSPEC, 4, "a-name-of-15-ch", ALL_UP);
  address_message (bytes, RTM_NEWADDR, AF_INET, 3, 0, ipv4, ipv4);
  address_message (bytes, RTM_NEWADDR, AF_INET, 5, 0, ipv4, ipv4_peer);
  address_message (bytes, RTM_NEWADDR, AF_INET6, 3, IFA_F_TENTATIVE, NULL,
      ipv6);
  address_message (bytes, RTM_NEWADDR, AF_INET6, 3,
      IFA_F_TENTATIVE | IFA_F_OPTIMISTIC, NULL, ipv6);
  address_message (bytes, RTM_DELADDR, AF_INET6, 3, IFA_F_TENTATIVE, NULL,
      ipv6);
  route_message (bytes, RTM_NEWROUTE, AF_INET, 0, 3);
  route_message (bytes, RTM_NEWROUTE, AF_INET, 24, 3);
  route_message (bytes, RTM_DELROUTE, AF_INET6, 0, 7);
  route_message (bytes, RTM_NEWROUTE, AF_INET6, 0, 0);
  begin (bytes, NLMSG_DONE);
  end (bytes, bytes->len - sizeof (struct nlmsghdr));
  return bytes;
}

static void
test_messages (void)
{
  g_autoptr (GByteArray) bytes = every_message ();
  GString *log = g_string_new (NULL);

  g_assert_true (qp_netlink_parse (bytes->data, bytes->len, note, log));
  g_assert_cmpstr (log->str, ==,
      "link 3 wlan0 up\n"
      "link 3 wlan0 down\n"
      "link gone 4 a-name-of-15-ch\n"
      "address 3 ipv4 192.0.2.1\n"
      "address 5 ipv4 192.0.2.1\n"
      "address 3 ipv6 2001:db8::1\n"
      "address gone 3 ipv6 2001:db8::1\n"
      "default route 3 ipv4\n"
      "default route gone 7 ipv6\n"
      "default route 8 ipv6\n"
      "default route 9 ipv6\n");
  g_string_free (log, TRUE);
}

/* Each prefix, in memory of exactly its size, tells no more than the whole. */
static void
test_cut (void)
{
  g_autoptr (GByteArray) bytes = every_message ();
  GString *whole = g_string_new (NULL);

  qp_netlink_parse (bytes->data, bytes->len, note, whole);
  for (guint length = 0; length < bytes->len; length++) {
    g_autofree guint8 *copy = g_memdup2 (bytes->data, length);
    GString *log = g_string_new (NULL);

    qp_netlink_parse (copy, length, note, log);
    g_assert_true (g_str_has_prefix (whole->str, log->str));
    g_string_free (log, TRUE);
  }
  g_string_free (whole, TRUE);
}

/* Every single byte replaced by the values that bend lengths most. */
static void
test_bent (void)
{
  static const guint8 values[] = { 0, 1, 3, 4, 5, 15, 16, 0x7f, 0xff };
  g_autoptr (GByteArray) bytes = every_message ();

  for (guint i = 0; i < bytes->len; i++) {
    for (guint j = 0; j < G_N_ELEMENTS (values); j++) {
      g_autofree guint8 *copy = g_memdup2 (bytes->data, bytes->len);
      GString *log = g_string_new (NULL);

      copy[i] = values[j];
      qp_netlink_parse (copy, bytes->len, note, log);
      g_assert_cmpuint (log->len, <, 4096);
      g_string_free (log, TRUE);
    }
  }
}

static void
assert_malformed (GByteArray *bytes)
{
  GString *log = g_string_new (NULL);

  g_assert_false (qp_netlink_parse (bytes->data, bytes->len, note, log));
  g_assert_cmpstr (log->str, ==, "");
  g_string_free (log, TRUE);
}

static void
test_malformed (void)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  guint32 length = 8;

  /* An address of the wrong size, and none at all. */
  address_message (bytes, RTM_NEWADDR, AF_INET, 3, 0, NULL, NULL);
  assert_malformed (bytes);
  g_byte_array_set_size (bytes, 0);
  link_message (bytes, RTM_NEWLINK, AF_UNSPEC, 3, "eth0", ALL_UP);
  /* A message shorter than its header. */
  memcpy (bytes->data, &length, sizeof length);
  assert_malformed (bytes);
  /* A message longer than the datagram. */
  length = bytes->len + 1;
  memcpy (bytes->data, &length, sizeof length);
  assert_malformed (bytes);
}

/* The watch */

static gboolean own_namespace;

static gboolean
run_quietly (const char *command)
{
  g_auto (GStrv) argv = g_strsplit (command, " ", -1);
  int status;

  return g_spawn_sync (NULL, argv, NULL,
             G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL |
                 G_SPAWN_STDERR_TO_DEV_NULL,
             NULL, NULL, NULL, NULL, &status, NULL) &&
      g_spawn_check_wait_status (status, NULL);
}

static void
wait_for (GMainContext *context, GString *log, const char *line)
{
  gint64 end = g_get_monotonic_time () + 5 * G_USEC_PER_SEC;

  while (!strstr (log->str, line) && g_get_monotonic_time () < end) {
    g_main_context_iteration (context, FALSE);
    g_usleep (1000);
  }
  if (!strstr (log->str, line))
    g_error ("no \"%s\" in \"%s\"", line, log->str);
  g_string_truncate (log, 0);
}

static gboolean
lists (const char *name)
{
  g_autoptr (GPtrArray) interfaces = qp_interfaces_list ();

  for (guint i = 0; i < interfaces->len; i++) {
    if (strcmp (((QpInterface *) interfaces->pdata[i])->name, name) == 0)
      return TRUE;
  }
  return FALSE;
}

static void
test_watch (void)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) addresses = NULL;
  GString *log = g_string_new (NULL);
  QpNetworkWatch *watch;

  if (!own_namespace ||
      !run_quietly ("ip link add qpa type veth peer name qpb")) {
    g_test_skip ("needs a network namespace, iproute2 and veth");
    g_string_free (log, TRUE);
    return;
  }
  watch = qp_network_watch_new (context, note, log, &error);
  g_assert_no_error (error);

  g_assert_true (run_quietly ("ip addr add 192.0.2.1/24 dev qpa"));
  wait_for (context, log, "192.0.2.1\n");
  g_assert_false (lists ("qpa"));
  g_assert_true (run_quietly ("ip link set qpb up"));
  g_assert_true (run_quietly ("ip link set qpa up"));
  wait_for (context, log, " qpa up\n");
  g_assert_true (lists ("qpa"));
  g_assert_false (lists ("lo"));
  addresses = qp_interfaces_addresses ("qpa", 8);
  g_assert_cmpuint (addresses->len, ==, 1);
  g_assert_true (run_quietly ("ip route add default via 192.0.2.2"));
  wait_for (context, log, "default route");
  /* The carrier goes with the other end. */
  g_assert_true (run_quietly ("ip link set qpb down"));
  wait_for (context, log, " qpa down\n");
  g_assert_false (lists ("qpa"));
  g_assert_true (run_quietly ("ip link set qpb up"));
  wait_for (context, log, " qpa up\n");
  g_assert_true (run_quietly ("ip addr del 192.0.2.1/24 dev qpa"));
  wait_for (context, log, "address gone");
  g_assert_true (run_quietly ("ip link del qpa"));
  wait_for (context, log, "link gone");
  qp_network_watch_free (watch);
  g_string_free (log, TRUE);
}

typedef struct {
  QpNetworkWatch *watch;
  guint told;
} Freeing;

static void
free_at_once (const QpNetworkEvent *event, gpointer user)
{
  Freeing *freeing = user;

  freeing->told++;
  qp_network_watch_free (g_steal_pointer (&freeing->watch));
}

static void
test_free_within (void)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  Freeing freeing = { 0 };
  gint64 end = g_get_monotonic_time () + 5 * G_USEC_PER_SEC;

  if (!own_namespace || !run_quietly ("ip link show lo")) {
    g_test_skip ("needs a network namespace and iproute2");
    return;
  }
  freeing.watch = qp_network_watch_new (context, free_at_once, &freeing, NULL);
  g_assert_nonnull (freeing.watch);
  for (guint i = 0; i < 3; i++) {
    g_assert_true (run_quietly ("ip link add qpc type veth peer name qpd"));
    g_assert_true (run_quietly ("ip link del qpc"));
  }
  while (freeing.told == 0 && g_get_monotonic_time () < end)
    g_main_context_iteration (context, FALSE);
  g_assert_cmpuint (freeing.told, ==, 1);
  g_assert_null (freeing.watch);
}

int
main (int argc, char **argv)
{
  /* Before any thread is there. */
  own_namespace = unshare (CLONE_NEWNET) == 0 ||
      unshare (CLONE_NEWUSER | CLONE_NEWNET) == 0;
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/netlink/messages", test_messages);
  g_test_add_func ("/netlink/cut", test_cut);
  g_test_add_func ("/netlink/bent", test_bent);
  g_test_add_func ("/netlink/malformed", test_malformed);
  g_test_add_func ("/netlink/watch", test_watch);
  g_test_add_func ("/netlink/free-within", test_free_within);
  return g_test_run ();
}

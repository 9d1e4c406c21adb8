/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Parses rtnetlink messages and watches for them.  The parser takes bytes and
 * keeps no state; the watch runs on the thread of its context.  Lengths come
 * with the messages, and each is checked against what is left before use. */
#include "path/netlink.h"

#include <errno.h>
#include <glib-unix.h>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* More than any message of the kernel's; a longer one counts as lost news. */
#define BUFFER_SIZE 65536
/* Datagrams read in one go, so that a storm of routes starves nobody. */
#define MAX_READS 64

/* <linux/if.h> has it, but cannot be included beside <net/if.h>. */
#define LINK_LOWER_UP (1u << 16)

const char *
qp_network_event_type_to_string (QpNetworkEventType type)
{
  static const char *const names[] = {
    [QP_NETWORK_LINK] = "link",
    [QP_NETWORK_LINK_GONE] = "link gone",
    [QP_NETWORK_ADDRESS] = "address",
    [QP_NETWORK_ADDRESS_GONE] = "address gone",
    [QP_NETWORK_DEFAULT_ROUTE] = "default route",
    [QP_NETWORK_DEFAULT_ROUTE_GONE] = "default route gone",
    [QP_NETWORK_OVERRUN] = "overrun",
  };

  g_return_val_if_fail (type < G_N_ELEMENTS (names), NULL);
  return names[type];
}

/* A piece of a message that is still to be read. */
typedef struct {
  const guint8 *data;
  gsize size;
} Bytes;

/* Copies, because nothing says that the bytes are aligned. */
static gboolean
take (Bytes *bytes, gpointer header, gsize size)
{
  gsize padded = NLMSG_ALIGN (size);

  if (bytes->size < size)
    return FALSE;
  memcpy (header, bytes->data, size);
  padded = MIN (padded, bytes->size);
  bytes->data += padded;
  bytes->size -= padded;
  return TRUE;
}

/* The next attribute's type and content. Returns FALSE at the end, and sets
 * `*broken` if that is no proper end. */
static gboolean
next_attribute (Bytes *attributes, guint16 *type, Bytes *content,
    gboolean *broken)
{
  struct rtattr header;
  gsize length, padded;

  if (attributes->size == 0)
    return FALSE;
  *broken = TRUE;
  if (attributes->size < sizeof header)
    return FALSE;
  memcpy (&header, attributes->data, sizeof header);
  length = header.rta_len;
  if (length < sizeof header || length > attributes->size)
    return FALSE;
  *broken = FALSE;
  *type = header.rta_type & NLA_TYPE_MASK;
  content->data = attributes->data + sizeof header;
  content->size = length - sizeof header;
  padded = MIN (RTA_ALIGN (length), attributes->size);
  attributes->data += padded;
  attributes->size -= padded;
  return TRUE;
}

static guint32
read_u32 (const Bytes *content)
{
  guint32 value = 0;

  if (content->size >= sizeof value)
    memcpy (&value, content->data, sizeof value);
  return value;
}

/* `family` is the kernel's; others than IP are of no interest. */
static gboolean
to_family (guint8 family, GSocketFamily *out)
{
  if (family != AF_INET && family != AF_INET6)
    return FALSE;
  *out = family == AF_INET ? G_SOCKET_FAMILY_IPV4 : G_SOCKET_FAMILY_IPV6;
  return TRUE;
}

static gboolean
parse_link (Bytes bytes, gboolean gone, QpNetworkFunc func, gpointer user)
{
  const guint needed = IFF_UP | IFF_RUNNING | LINK_LOWER_UP;
  QpNetworkEvent event = { 0 };
  struct ifinfomsg header;
  Bytes content;
  guint16 type;
  gboolean broken = FALSE;

  if (!take (&bytes, &header, sizeof header))
    return FALSE;
  /* Bridges tell of their ports with the same messages: a port that leaves its
   * bridge is not a link that is gone. */
  if (header.ifi_family != AF_UNSPEC || header.ifi_index <= 0)
    return TRUE;
  while (next_attribute (&bytes, &type, &content, &broken)) {
    if (type == IFLA_IFNAME)
      g_strlcpy (event.name, (const char *) content.data,
          MIN (sizeof event.name, content.size + 1));
  }
  if (broken)
    return FALSE;
  event.type = gone ? QP_NETWORK_LINK_GONE : QP_NETWORK_LINK;
  event.index = header.ifi_index;
  event.up = !gone && (header.ifi_flags & needed) == needed;
  func (&event, user);
  return TRUE;
}

/* IFA_LOCAL is our own end of a point-to-point link, IFA_ADDRESS then the
 * other; elsewhere they are the same, and IPv6 has only the latter. */
static gboolean
parse_address (Bytes bytes, gboolean gone, QpNetworkFunc func, gpointer user)
{
  const guint unusable = IFA_F_TENTATIVE | IFA_F_DADFAILED;
  QpNetworkEvent event = { 0 };
  g_autoptr (GInetAddress) address = NULL;
  struct ifaddrmsg header;
  Bytes content, found = { 0 };
  guint32 flags;
  guint16 type;
  gboolean broken = FALSE, is_local = FALSE;

  if (!take (&bytes, &header, sizeof header))
    return FALSE;
  if (!to_family (header.ifa_family, &event.family))
    return TRUE;
  flags = header.ifa_flags;
  while (next_attribute (&bytes, &type, &content, &broken)) {
    if (type == IFA_LOCAL || (type == IFA_ADDRESS && !is_local)) {
      found = content;
      is_local = type == IFA_LOCAL;
    } else if (type == IFA_FLAGS) {
      flags = read_u32 (&content);
    }
  }
  if (broken || found.size != (header.ifa_family == AF_INET ? 4 : 16))
    return FALSE;
  /* An optimistic address may be used while it is tentative (RFC 4429). */
  if (!gone && (flags & unusable) && !(flags & IFA_F_OPTIMISTIC))
    return TRUE;
  address = g_inet_address_new_from_bytes (found.data, event.family);
  event.type = gone ? QP_NETWORK_ADDRESS_GONE : QP_NETWORK_ADDRESS;
  event.index = header.ifa_index;
  event.address = address;
  func (&event, user);
  return TRUE;
}

/* Each hop of a multipath route is a way out. */
static gboolean
tell_hops (Bytes hops, QpNetworkEvent *event, QpNetworkFunc func, gpointer user)
{
  while (hops.size > 0) {
    struct rtnexthop hop;
    gsize padded;

    if (hops.size < sizeof hop)
      return FALSE;
    memcpy (&hop, hops.data, sizeof hop);
    if (hop.rtnh_len < sizeof hop || hop.rtnh_len > hops.size)
      return FALSE;
    event->index = hop.rtnh_ifindex;
    func (event, user);
    padded = MIN ((gsize) RTNH_ALIGN (hop.rtnh_len), hops.size);
    hops.data += padded;
    hops.size -= padded;
  }
  return TRUE;
}

static gboolean
parse_route (Bytes bytes, gboolean gone, QpNetworkFunc func, gpointer user)
{
  QpNetworkEvent event = { 0 };
  struct rtmsg header;
  Bytes content, hops = { 0 };
  guint16 type;
  gboolean broken = FALSE;

  if (!take (&bytes, &header, sizeof header))
    return FALSE;
  if (!to_family (header.rtm_family, &event.family) ||
      header.rtm_dst_len != 0 || header.rtm_type != RTN_UNICAST ||
      (header.rtm_flags & RTM_F_CLONED))
    return TRUE;
  while (next_attribute (&bytes, &type, &content, &broken)) {
    if (type == RTA_OIF)
      event.index = read_u32 (&content);
    else if (type == RTA_MULTIPATH)
      hops = content;
  }
  if (broken)
    return FALSE;
  event.type = gone ? QP_NETWORK_DEFAULT_ROUTE_GONE : QP_NETWORK_DEFAULT_ROUTE;
  if (hops.size > 0)
    return tell_hops (hops, &event, func, user);
  if (event.index > 0)
    func (&event, user);
  return TRUE;
}

static gboolean
parse_message (guint16 type, Bytes body, QpNetworkFunc func, gpointer user)
{
  switch (type) {
    case RTM_NEWLINK:
    case RTM_DELLINK:
      return parse_link (body, type == RTM_DELLINK, func, user);
    case RTM_NEWADDR:
    case RTM_DELADDR:
      return parse_address (body, type == RTM_DELADDR, func, user);
    case RTM_NEWROUTE:
    case RTM_DELROUTE:
      return parse_route (body, type == RTM_DELROUTE, func, user);
    case NLMSG_OVERRUN: {
      const QpNetworkEvent event = { .type = QP_NETWORK_OVERRUN };

      func (&event, user);
      return TRUE;
    }
    default:
      return TRUE;
  }
}

gboolean
qp_netlink_parse (const guint8 *data, gsize size, QpNetworkFunc func,
    gpointer user)
{
  while (size > 0) {
    struct nlmsghdr header;
    gsize padded;
    Bytes body;

    if (size < sizeof header)
      return FALSE;
    memcpy (&header, data, sizeof header);
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > size)
      return FALSE;
    body.data = data + NLMSG_HDRLEN;
    body.size = header.nlmsg_len - NLMSG_HDRLEN;
    if (!parse_message (header.nlmsg_type, body, func, user))
      return FALSE;
    padded = MIN (NLMSG_ALIGN ((gsize) header.nlmsg_len), size);
    data += padded;
    size -= padded;
  }
  return TRUE;
}

/* The watch */

struct _QpNetworkWatch {
  int fd;
  GSource *source;
  QpNetworkFunc func; /* NULL: freed */
  gpointer user;
  gboolean reading; /* free when done */
  guint8 buffer[BUFFER_SIZE];
};

static void
watch_destroy (QpNetworkWatch *watch)
{
  g_source_destroy (watch->source);
  g_source_unref (watch->source);
  close (watch->fd);
  g_free (watch);
}

static void
on_event (const QpNetworkEvent *event, gpointer user)
{
  QpNetworkWatch *watch = user;

  if (watch->func)
    watch->func (event, watch->user);
}

static void
tell_overrun (QpNetworkWatch *watch)
{
  const QpNetworkEvent event = { .type = QP_NETWORK_OVERRUN };

  on_event (&event, watch);
}

/* Returns FALSE when there is no more to read. */
static gboolean
read_one (QpNetworkWatch *watch)
{
  struct sockaddr_nl from = { 0 };
  struct iovec iov = { watch->buffer, sizeof watch->buffer };
  struct msghdr message = {
    .msg_name = &from,
    .msg_namelen = sizeof from,
    .msg_iov = &iov,
    .msg_iovlen = 1,
  };
  gssize size = recvmsg (watch->fd, &message, MSG_DONTWAIT);

  if (size < 0) {
    if (errno == ENOBUFS)
      tell_overrun (watch);
    return errno == ENOBUFS || errno == EINTR;
  }
  /* Any process may send here; only the kernel has news. */
  if (message.msg_namelen != sizeof from || from.nl_pid != 0)
    return TRUE;
  if ((message.msg_flags & MSG_TRUNC) ||
      !qp_netlink_parse (watch->buffer, size, on_event, watch))
    tell_overrun (watch);
  return TRUE;
}

static gboolean
on_readable (int fd, GIOCondition condition, gpointer user)
{
  QpNetworkWatch *watch = user;

  watch->reading = TRUE;
  for (guint i = 0; i < MAX_READS && watch->func; i++) {
    if (!read_one (watch))
      break;
  }
  watch->reading = FALSE;
  if (!watch->func)
    watch_destroy (watch);
  return G_SOURCE_CONTINUE;
}

QpNetworkWatch *
qp_network_watch_new (GMainContext *context, QpNetworkFunc func, gpointer user,
    GError **error)
{
  const struct sockaddr_nl address = {
    .nl_family = AF_NETLINK,
    .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR |
        RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE,
  };
  QpNetworkWatch *watch;
  int fd = socket (AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
      NETLINK_ROUTE);

  if (fd < 0 || bind (fd, (struct sockaddr *) &address, sizeof address) < 0) {
    int saved = errno;

    g_set_error (error, G_IO_ERROR, g_io_error_from_errno (saved),
        "cannot watch the network (rtnetlink): %s", g_strerror (saved));
    if (fd >= 0)
      close (fd);
    return NULL;
  }
  watch = g_new0 (QpNetworkWatch, 1);
  watch->fd = fd;
  watch->func = func;
  watch->user = user;
  watch->source = g_unix_fd_source_new (fd, G_IO_IN | G_IO_ERR);
  g_source_set_callback (watch->source, G_SOURCE_FUNC (on_readable), watch,
      NULL);
  /* A network that is gone is known before anything is sent into it. */
  g_source_set_priority (watch->source, G_PRIORITY_HIGH);
  g_source_attach (watch->source, context);
  return watch;
}

void
qp_network_watch_free (QpNetworkWatch *watch)
{
  if (!watch)
    return;
  watch->func = NULL;
  if (!watch->reading)
    watch_destroy (watch);
}

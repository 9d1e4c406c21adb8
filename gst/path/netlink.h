/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kernel's news about links, addresses and routes (rtnetlink(7)): a pure
 * parser of its messages, and a watch that reads them from a socket.  Carrier
 * loss is heard here within a millisecond, while sends on the dead interface
 * still succeed. */
#pragma once

#include <gio/gio.h>
#include <net/if.h>

G_BEGIN_DECLS

typedef enum {
  QP_NETWORK_LINK, /* `name`, `up` are how the link is now */
  QP_NETWORK_LINK_GONE,
  QP_NETWORK_ADDRESS, /* `address` can be used now */
  QP_NETWORK_ADDRESS_GONE,
  QP_NETWORK_DEFAULT_ROUTE, /* `index` leads to the rest of the world now */
  QP_NETWORK_DEFAULT_ROUTE_GONE,
  QP_NETWORK_OVERRUN, /* news were lost: read everything anew */
} QpNetworkEventType;

const char *qp_network_event_type_to_string (QpNetworkEventType type);

typedef struct {
  QpNetworkEventType type;
  guint index;            /* of the interface; 0 with OVERRUN */
  char name[IF_NAMESIZE]; /* LINK, LINK_GONE; else empty */
  gboolean up;            /* LINK: administratively up and has a carrier */
  GSocketFamily family;   /* ADDRESS*, DEFAULT_ROUTE* */
  GInetAddress *address;  /* ADDRESS*; valid during the call only */
} QpNetworkEvent;

typedef void (*QpNetworkFunc) (const QpNetworkEvent *event, gpointer user);

/* Reads one datagram of a NETLINK_ROUTE socket and calls `func` for each piece
 * of news in it. What is of no interest here (neighbours, host routes,
 * addresses that are tentative or have failed) is passed over. Returns FALSE
 * if a message is malformed; what stood before it was told. Pure. */
gboolean qp_netlink_parse (const guint8 *data, gsize size, QpNetworkFunc func,
    gpointer user);

typedef struct _QpNetworkWatch QpNetworkWatch;

/* Opens the socket and calls `func` from `context` from then on. Returns NULL
 * with an error where there is no rtnetlink. */
QpNetworkWatch *qp_network_watch_new (GMainContext *context, QpNetworkFunc func,
    gpointer user, GError **error);
/* May be called from within `func`, which is not called again. */
void qp_network_watch_free (QpNetworkWatch *watch);

G_END_DECLS

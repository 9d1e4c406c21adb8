/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The local network interfaces that a path may use, and their addresses. */
#pragma once

#include <gio/gio.h>
#include <net/if.h>

G_BEGIN_DECLS

typedef struct {
  char name[IF_NAMESIZE];
  guint index;
  gboolean loopback;
  GPtrArray *addresses; /* of GInetSocketAddress*, port 0, scope set */
} QpInterface;

/* Interfaces that are up and running and have an address, in the kernel's
 * order. Loopback is left out unless there is nothing else, so that two peers
 * on a machine without a network still meet; so are link-local IPv6
 * addresses. Empty if there is no address at all. Reads the system's tables
 * and does not block. (transfer full) of QpInterface* */
GPtrArray *qp_interfaces_list (void);

/* The usable addresses of the interface `name` (which may be the loopback
 * one), or of all in qp_interfaces_list() if it is NULL. At most
 * `max_addresses`, each interface having its share. (transfer full) of
 * GInetSocketAddress*, empty if there are none */
GPtrArray *qp_interfaces_addresses (const char *name, guint max_addresses);

G_END_DECLS

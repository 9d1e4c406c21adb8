/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether the system knows a way to an address through one interface.  Sends do
 * not tell: a socket that is tied to an interface takes what has no route there
 * for a neighbour, and asks in vain. */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* Looks for `address` in a table as in /proc/net/route (IPv4) or
 * /proc/net/ipv6_route, of which only what concerns `interface` counts. Lines
 * that do not parse are passed over. Pure. */
gboolean qp_routes_parse (const char *table, GSocketFamily family,
    const char *interface, GInetAddress *address);

/* The same with the system's main table. FALSE also where it cannot be read, or
 * where other tables (ip-rule(8)) do the work: so only a change from TRUE to
 * FALSE is news. */
gboolean qp_routes_lead (const char *interface, const char *address);

G_END_DECLS

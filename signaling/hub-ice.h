/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The ice-servers of a joined message: what the hub's configuration says, with
 * TURN credentials made for one member. Pure; any thread.
 */

#pragma once

#include "signaling/hub.h"

G_BEGIN_DECLS

/*
 * Adds to @servers (of QpIceServer) the STUN and TURN servers of @config. The
 * credentials are coturn's time-limited ones (use-auth-secret): username
 * "EXPIRY:@id", credential base64 (HMAC-SHA1 (turn_secret, username)).
 * @unix_now: seconds since 1970.
 */
void qp_hub_add_ice_servers (const QpHubConfig *config, const char *id,
    gint64 unix_now, GPtrArray *servers);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* STUN and TURN servers as people and signaling write them, read into what a
 * path takes.  Pure; any thread. */
#pragma once

#include "path/path.h"
#include "signaling/message.h"

G_BEGIN_DECLS

/* Relays that signaling may make us use: each costs an allocation per call. */
#define QP_ICE_SERVERS_MAX_OFFERED_TURN 4

typedef struct {
  char *stun_host; /* NULL: none */
  guint16 stun_port;
  GPtrArray *turn; /* of QpTurnServer* */
} QpIceServers;

QpIceServers *qp_ice_servers_new (void);
void qp_ice_servers_free (QpIceServers *servers);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (QpIceServers, qp_ice_servers_free)

/* "stun://host[:port]" (as webrtcbin), "stun:host[:port]" (RFC 7064) or
 * "host[:port]"; default port 3478. */
gboolean qp_ice_servers_set_stun (QpIceServers *servers, const char *uri,
    GError **error);
/* "turn://user:password@host[:port][?transport=udp|tcp]" (as webrtcbin) or
 * "turn:host[:port][?transport=…]" (RFC 7065) with the credentials apart. Errors
 * never quote the credentials. */
gboolean qp_ice_servers_add_turn (QpIceServers *servers, const char *uri,
    const char *username, const char *password, GError **error);
/* What signaling hands out: what is not understood, and TURN servers beyond
 * the limit above (the user's own included), are left out. */
void qp_ice_servers_add_offered (QpIceServers *servers,
    const QpIceServer *offered);

G_END_DECLS

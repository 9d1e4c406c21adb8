/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The rooms of a signaling server: who sits where, who may say what to whom. It
 * answers for every rule of PROTOCOL.md that is not about sockets: joining and
 * its secrets, seats that outlive a connection, relaying, limits, untyped
 * clients. Pure: time comes in as an argument, everything goes out through a
 * callback table; one thread at a time.
 *
 * A connection is a number that the caller chose and does not reuse. Callbacks
 * are called from within the functions below and must not call back into the
 * hub. Time is monotonic, in microseconds (g_get_monotonic_time()).
 */

#pragma once

#include <glib.h>

#include "signaling/message.h"

G_BEGIN_DECLS

/* WebSocket close codes the hub uses: those of RFC 6455 section 7.4.1 that
 * libsoup sends (1012 and 1013 of IANA's registry it does not), and one in the
 * range for applications. */
#define QP_HUB_CLOSE_NORMAL 1000
#define QP_HUB_CLOSE_GOING_AWAY 1001
#define QP_HUB_CLOSE_POLICY 1008
#define QP_HUB_CLOSE_TOO_BIG 1009
#define QP_HUB_CLOSE_TRY_LATER 4013

/* Zero means the default, NULL means none. */
typedef struct {
  guint max_rooms;       /* default 1000 */
  guint max_peers;       /* seats per room, default 64, at most 200 */
  guint max_connections; /* default 4096 */
  /* An IPv6 address counts with the /64 that it is in. */
  guint max_connections_per_address; /* default 256 */
  guint max_seats_per_address;       /* of one room, default 32 */
  guint
      joins_per_second; /* from one address, default 4; 16 times that at once */
  guint max_message_size;    /* bytes, default and at most 64 KiB */
  guint messages_per_second; /* per connection, default 200 */
  guint message_burst;       /* per connection, default 1000 */
  guint max_mailbox;  /* messages kept for an absent member, default 128 */
  guint seat_seconds; /* a lost member's seat is held, default 60 */
  guint join_seconds; /* from the first typed message to join, default 30 */
  guint
      listener_seconds; /* silent or untyped clients without traffic, default 600 */

  const char
      *default_secret; /* for rooms not in secrets; nullable: they are open */
  GHashTable *secrets; /* nullable: char* room → char* secret; referenced */

  const char *const *stun_uris; /* nullable: "stun:host:port" … */
  const char *const *turn_uris; /* nullable: "turn:host:port?transport=udp" … */
  const char
      *turn_secret; /* coturn's static-auth-secret, needed with turn_uris */
  guint
      turn_ttl_seconds; /* validity of handed out credentials, default 86400 */
} QpHubConfig;

typedef struct {
  /* Send one text message. @text is NUL-terminated at @size; borrowed. */
  void (*send) (guint64 connection, const char *text, gsize size,
      gpointer user_data);
  /* Send what was handed over so far, then close. The hub has forgotten
   * @connection already. @reason is a code string such as "replaced". */
  void (*close) (guint64 connection, guint code, const char *reason,
      gpointer user_data);
  /* One readable line without secrets; nullable. */
  void (*log) (const char *line, gpointer user_data);
  /* Seconds since 1970, for the expiry of TURN credentials. */
  gint64 (*unix_time) (gpointer user_data);
} QpHubCallbacks;

typedef struct _QpHub QpHub;

/* Returns: (transfer full): a hub without rooms; NULL with
 * QP_SIGNALING_ERROR_CONFIG if a setting is out of its bounds. */
QpHub *qp_hub_new (const QpHubConfig *config, const QpHubCallbacks *callbacks,
    gpointer user_data, GError **error);
void qp_hub_free (QpHub *hub);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (QpHub, qp_hub_free)

/*
 * A WebSocket opened on URL path @path from @address (a printable IP address).
 * FALSE with BAD_ROOM, TOO_MANY_ROOMS, TOO_MANY_CONNECTIONS or DRAINING: the
 * hub does not know the connection; the caller tells it why and closes it.
 */
gboolean qp_hub_connected (QpHub *hub, guint64 connection, const char *path,
    const char *address, gint64 now, GError **error);

/* The connection is gone. Unknown connections are ignored. */
void qp_hub_disconnected (QpHub *hub, guint64 connection, gint64 now);

/* One text message came, valid UTF-8 or not, of any size. */
void qp_hub_received (QpHub *hub, guint64 connection, const char *text,
    gsize size, gint64 now);

/* Drops @connection for a reason that only the caller can see (TOO_SLOW, IDLE,
 * BAD_MESSAGE for a binary frame, TOO_BIG): tells it the error and closes it. A
 * member keeps its seat as after a loss. */
void qp_hub_refuse (QpHub *hub, guint64 connection, const GError *why,
    gint64 now);

/* Does what is due (seats, joins and listeners that ran out of time). To be
 * called about once a second; it looks at every connection and seat. */
void qp_hub_advance (QpHub *hub, gint64 now);

/* Tells everyone that the server is draining and closes every connection;
 * later ones are refused. */
void qp_hub_drain (QpHub *hub, gint64 now);

guint qp_hub_get_n_connections (const QpHub *hub);
guint qp_hub_get_n_rooms (const QpHub *hub);
/* Seats, those of absent members included. */
guint qp_hub_get_n_members (const QpHub *hub);

G_END_DECLS

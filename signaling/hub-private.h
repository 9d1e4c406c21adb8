/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What the hub's parts share: hub.c owns connections and dispatches, hub-room.c
 * owns rooms, seats and who hears of whom.
 */

#pragma once

#include "signaling/hub.h"

G_BEGIN_DECLS

typedef struct _Room Room;
typedef struct _Member Member;
typedef struct _Connection Connection;
typedef struct _Address Address;

/*
 *   SILENT ──object without type──▶ UNTYPED
 *     └──typed message──▶ TYPED ──join──▶ MEMBER
 *     └───────────join───────────────────▲
 */
typedef enum {
  CONNECTION_SILENT,  /* sent nothing yet; hears what untyped clients say */
  CONNECTION_UNTYPED, /* speaks the untyped mode, for good */
  CONNECTION_TYPED,   /* speaks our protocol, did not join yet */
  CONNECTION_MEMBER,  /* member is set */
} ConnectionState;

struct _Connection {
  guint64 number;
  ConnectionState state;
  char *address;   /* for people */
  Address *host;   /* not owned; knows of this connection */
  Room *room;      /* not owned; the room outlives it */
  Member *member;  /* MEMBER: not owned, the room owns it; else NULL */
  gint64 deadline; /* when it is dropped for idleness; G_MAXINT64 for members */
  double tokens;   /* of the bucket that limits messages */
  gint64 refilled; /* when tokens was last brought up to date */
  guint n_dropped; /* messages over the limit since the bucket was last full */
  gint64 complained; /* when it was last told so */
};

/* A seat. */
struct _Member {
  QpPeerInfo *info;
  Address *host;          /* not owned; where its last connection came from */
  Connection *connection; /* not owned; NULL while away */
  gint64 away_until;      /* the seat is held until then; valid while away */
  GQueue mailbox;         /* of char *: JSON that came while away */
  gsize mailbox_bytes;
};

struct _Room {
  char *name;              /* key in the hub; "" for the server's root */
  GPtrArray *members;      /* of Member, owned, in order of joining */
  GHashTable *connections; /* set of Connection *, not owned */
};

struct _QpHub {
  QpHubConfig config; /* with defaults filled in; strings owned */
  QpHubCallbacks callbacks;
  gpointer user_data;
  GHashTable *connections; /* guint64 * number → Connection, owned */
  GHashTable *rooms;       /* char * name → Room, owned */
  GHashTable *addresses;   /* char * → Address, owned */
  gboolean draining;
};

/* hub.c */
void qp_hub_send (QpHub *hub, Connection *connection, const QpMessage *message);
void qp_hub_send_error (QpHub *hub, Connection *connection,
    QpSignalingError code, const char *text, const char *about,
    const char *call);
/* Tells why (if it speaks our protocol), closes and forgets @connection, which
 * is invalid afterwards. A member keeps its seat unless it was taken away. */
void qp_hub_drop (QpHub *hub, Connection *connection, QpSignalingError code,
    const char *text, gint64 now);
void qp_hub_log (QpHub *hub, const char *format, ...) G_GNUC_PRINTF (2, 3);

/* hub-address.c */

GHashTable *qp_addresses_new (void);
/* (transfer none): what counts for @printable, with one connection more; NULL
 * with TOO_MANY_CONNECTIONS. */
Address *qp_address_connect (QpHub *hub, const char *printable, GError **error);
void qp_address_disconnect (Address *address);
/* Counts a join; FALSE with TOO_MANY_CONNECTIONS if they come too fast. */
gboolean qp_address_take_join (const QpHub *hub, Address *address, gint64 now,
    GError **error);
/* FALSE with ROOM_FULL if it has its share of the room's seats. */
gboolean qp_address_may_sit (const QpHub *hub, const Address *address,
    const Room *room, GError **error);
/* The member's seat counts for @address from now on; NULL: for nobody. */
void qp_address_sit (Address *address, Member *member);
/* Forgets those of whom there is nothing to remember. */
void qp_addresses_forget (QpHub *hub, gint64 now);

/* hub-room.c */

/* (transfer none): found or made; NULL with an error if there are too many. */
Room *qp_room_get (QpHub *hub, const char *name, GError **error);
/* Frees @room if nobody is in it. */
void qp_room_release (QpHub *hub, Room *room);
void qp_room_free (Room *room);
/* (transfer none) (nullable): the secret that a join must name. */
const char *qp_room_get_secret (const QpHub *hub, const Room *room);
Member *qp_room_find (const Room *room, const char *id);

/* Seats @connection, in a new seat or back in its own, and tells whom it
 * concerns. FALSE with @error: nothing changed. */
gboolean qp_room_join (QpHub *hub, Connection *connection,
    const QpMessage *join, gint64 now, GError **error);
/* The member's connection is lost: holds the seat. */
void qp_room_away (QpHub *hub, Room *room, Member *member, gint64 now);
/* Gives up the seat, frees @member and tells the others (@reason: "left" or
 * "expired"). Does not release the room. */
void qp_room_leave (QpHub *hub, Room *room, Member *member, const char *reason);
/* Passes a message with "to" on. */
void qp_room_relay (QpHub *hub, Connection *connection, QpMessage *message);
/* Passes the bytes of an untyped client on to the others of its kind. */
void qp_room_relay_untyped (QpHub *hub, Connection *connection,
    const char *text, gsize size);

G_END_DECLS

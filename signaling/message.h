/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The JSON codec of the signaling protocol (PROTOCOL.md). It answers for one
 * thing: a QpMessage that came out of qp_message_parse() is within every bound
 * below and has every field its type requires, so nobody behind it checks
 * again. Pure: no I/O, no clock, any thread; relies on json-glib only.
 *
 * The same messages travel on the WebSocket and, framed by framing.h, on the
 * control stream between two peers.
 */

#pragma once

#include <glib.h>

#include "signaling/error.h"

G_BEGIN_DECLS

/* The only value of the join message's "version" so far. */
#define QP_PROTOCOL_VERSION 1

/* Bounds, in bytes unless they say otherwise. */
#define QP_MESSAGE_MAX_SIZE (64 * 1024)
#define QP_MESSAGE_MAX_DEPTH 8
#define QP_MESSAGE_MAX_PEERS 256
#define QP_MESSAGE_MAX_ICE_SERVERS 16
#define QP_MESSAGE_MAX_URLS 8
#define QP_MESSAGE_MAX_URL 512
#define QP_MESSAGE_MAX_CREDENTIAL 512
#define QP_MESSAGE_MAX_NAME 64
#define QP_MESSAGE_MAX_SECRET 256
#define QP_MESSAGE_MAX_TEXT 512
#define QP_MESSAGE_MAX_CODE 32
#define QP_MESSAGE_MAX_ROOM 128
#define QP_MESSAGE_MAX_CANDIDATE 512
#define QP_MESSAGE_MAX_SDP (48 * 1024)
#define QP_MESSAGE_MAX_PATH 0x7fffffff
#define QP_MESSAGE_ID_LENGTH 32

typedef enum {
  /* client to server */
  QP_MESSAGE_JOIN,
  QP_MESSAGE_LEAVE,
  QP_MESSAGE_PING,
  /* server to client */
  QP_MESSAGE_JOINED,
  QP_MESSAGE_PEER_JOINED,
  QP_MESSAGE_PEER_LEFT,
  QP_MESSAGE_PONG,
  QP_MESSAGE_ERROR,
  QP_MESSAGE_DRAINING,
  /* between peers: the sender sets "to", the server turns it into "from" */
  QP_MESSAGE_OFFER,
  QP_MESSAGE_ANSWER,
  QP_MESSAGE_CANDIDATE,
  QP_MESSAGE_MEDIA,
  QP_MESSAGE_BYE,
  QP_MESSAGE_PATH_OFFER,
  QP_MESSAGE_PATH_ANSWER,
  QP_MESSAGE_PATH_GONE,
} QpMessageType;

/* Returns: (transfer none): the wire string, such as "path-offer". */
const char *qp_message_type_to_string (QpMessageType type);
/* TRUE for the types that one peer sends to another. */
gboolean qp_message_type_is_relayed (QpMessageType type);

/* A member of the room, as the others see it. */
typedef struct {
  char *id;          /* 32 lower-case hex digits */
  char *name;        /* nullable; for humans, not unique; at most 64 bytes */
  gboolean produces; /* offers media */
  gboolean consumes; /* wants media */
  gboolean
      away; /* its connection is lost, its seat still held (only in joined) */
} QpPeerInfo;

QpPeerInfo *qp_peer_info_new (const char *id, const char *name,
    gboolean produces, gboolean consumes);
QpPeerInfo *qp_peer_info_copy (const QpPeerInfo *peer);
void qp_peer_info_free (QpPeerInfo *peer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (QpPeerInfo, qp_peer_info_free)

/* As RTCIceServer in WebRTC: stun:host:port, turn:host:port?transport=udp … */
typedef struct {
  char **urls;      /* 1 to 8 */
  char *username;   /* nullable */
  char *credential; /* nullable; never log it */
} QpIceServer;

QpIceServer *qp_ice_server_new (const char *const *urls, const char *username,
    const char *credential);
void qp_ice_server_free (QpIceServer *server);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (QpIceServer, qp_ice_server_free)

/*
 * One message of any type. Flat: a field is set if its type has it, else NULL,
 * 0 or FALSE. All strings are owned by the message and are valid UTF-8 without
 * control characters (sdp: but for CR, LF and TAB).
 *
 *   join          version token produces consumes [name] [secret]
 *   joined        id room peers ice_servers
 *   peer-joined   peer
 *   peer-left     id reason
 *   error         code text [id: the peer it is about] [call]
 *   offer         call path fingerprint ufrag password
 *   answer        call path fingerprint ufrag password [sdp]
 *   candidate     call path candidate [mac]
 *   media         call sdp
 *   bye           call code text
 *   path-offer    call path ufrag mac
 *   path-answer   call path ufrag mac
 *   path-gone     call path mac
 *   leave, ping, pong, draining   nothing
 */
typedef struct {
  QpMessageType type;

  char *to;   /* relayed types, client to server: the receiver's id */
  char *from; /* relayed types, server to client: the sender's id */

  guint version; /* join: QP_PROTOCOL_VERSION, else refused */
  char
      *token; /* join: 32 to 64 lower-case hex digits, a secret; never log it */
  char *name; /* join, nullable: 1 to 64 bytes */
  char *
      secret; /* join, nullable: the room's secret, 1 to 256 bytes; never log it */
  gboolean produces; /* join */
  gboolean consumes; /* join */

  char *id;         /* joined: one's own; peer-left: whose; error: nullable */
  char *room;       /* joined: 1 to 128 bytes */
  GPtrArray *peers; /* joined: of QpPeerInfo, at most 256, may be empty */
  GPtrArray *ice_servers; /* joined: of QpIceServer, at most 16, may be empty */
  QpPeerInfo *peer;       /* peer-joined */
  char *reason;           /* peer-left: "left" or "expired" */

  char *code; /* error, bye: 1 to 32 of a-z 0-9 '-' */
  char
      *text; /* error, bye: a sentence, at most 512 bytes ("message" in JSON) */

  char *call; /* 16 to 32 lower-case hex digits, chosen by the offerer */
  guint path; /* 0 to QP_MESSAGE_MAX_PATH */
  char *
      fingerprint; /* of the certificate: "sha-256 " and 32 upper-case hex pairs joined by ':' */
  char *ufrag;    /* 4 to 256 ICE characters (RFC 8839 section 5.4) */
  char *password; /* 22 to 256 ICE characters; never log it */
  char *
      candidate; /* at most 512 bytes, "candidate:…"; "" = no more candidates */
  char *sdp;     /* at most 48 KiB */
  char *mac;     /* nullable: 32 to 128 lower-case hex digits */
} QpMessage;

/* Returns: (transfer full): an empty message; joined gets its two empty arrays. */
QpMessage *qp_message_new (QpMessageType type);
QpMessage *qp_message_copy (const QpMessage *message);
void qp_message_free (QpMessage *message);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (QpMessage, qp_message_free)

/*
 * Reads @size bytes (no terminating NUL needed). Unknown fields are ignored;
 * a field given twice counts as its last occurrence.
 *
 * Returns: (transfer full): the message, or NULL with QP_SIGNALING_ERROR_TOO_BIG,
 * _BAD_MESSAGE (not JSON, too deep, a field missing, of the wrong type or out of
 * its bounds: the text names the field), _NO_TYPE, _UNKNOWN_TYPE or _BAD_VERSION.
 */
QpMessage *qp_message_parse (const char *json, gsize size, GError **error);

/*
 * Returns: (transfer full): one line of JSON without a newline at its end. The
 * fields of @message must be within their bounds (unset fields are left out);
 * to know for sure that the other side takes it, see qp_message_check().
 */
char *qp_message_to_json (const QpMessage *message);

/* FALSE with QP_SIGNALING_ERROR_BAD_MESSAGE if a field of @message is missing or
 * out of its bounds, with _TOO_BIG if its JSON is over QP_MESSAGE_MAX_SIZE. */
gboolean qp_message_check (const QpMessage *message, GError **error);

/* Returns: (transfer full): 64 random hex digits, for a member's token. */
char *qp_signaling_token_new (void);

/* Returns: (transfer full): the id of the member that holds @token. */
char *qp_member_id_from_token (const char *token);

G_END_DECLS

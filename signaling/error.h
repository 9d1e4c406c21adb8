/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The error domain of everything under signaling/, and the strings by which its
 * codes go over the wire. Pure; any thread.
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * Errors of everything under signaling/. Each code has a fixed string
 * (qp_signaling_error_to_string()) that goes over the wire in the "code" field
 * of error and bye messages; the last block arises only inside a client.
 */
typedef enum {
  QP_SIGNALING_ERROR_BAD_MESSAGE, /* "bad-message": not JSON, or a field is wrong */
  QP_SIGNALING_ERROR_NO_TYPE,     /* "no-type": a JSON object without "type" */
  QP_SIGNALING_ERROR_UNKNOWN_TYPE, /* "unknown-type" */
  QP_SIGNALING_ERROR_TOO_BIG,      /* "too-big": longer than 64 KiB */
  QP_SIGNALING_ERROR_BAD_VERSION,  /* "bad-version" */
  QP_SIGNALING_ERROR_BAD_ROOM, /* "bad-room": the URL's path is no room name */
  QP_SIGNALING_ERROR_NOT_JOINED,           /* "not-joined" */
  QP_SIGNALING_ERROR_ALREADY_JOINED,       /* "already-joined" */
  QP_SIGNALING_ERROR_WRONG_SECRET,         /* "wrong-secret" */
  QP_SIGNALING_ERROR_ROOM_FULL,            /* "room-full" */
  QP_SIGNALING_ERROR_TOO_MANY_ROOMS,       /* "too-many-rooms" */
  QP_SIGNALING_ERROR_TOO_MANY_CONNECTIONS, /* "too-many-connections" */
  QP_SIGNALING_ERROR_NO_SUCH_PEER,         /* "no-such-peer" */
  QP_SIGNALING_ERROR_PEER_AWAY, /* "peer-away": seat held, its mailbox is full */
  QP_SIGNALING_ERROR_RATE_LIMITED, /* "rate-limited" */
  QP_SIGNALING_ERROR_TOO_SLOW, /* "too-slow": does not read what it is sent */
  QP_SIGNALING_ERROR_REPLACED, /* "replaced": same token on a newer connection */
  QP_SIGNALING_ERROR_IDLE, /* "idle": never joined, or silent for too long */
  QP_SIGNALING_ERROR_DRAINING, /* "draining": the server is stopping */
  QP_SIGNALING_ERROR_INTERNAL, /* "internal" */

  QP_SIGNALING_ERROR_BAD_URI,        /* "bad-uri" */
  QP_SIGNALING_ERROR_CANNOT_RESOLVE, /* "cannot-resolve": the name has no address */
  QP_SIGNALING_ERROR_REFUSED,     /* "refused": nothing listens on that port */
  QP_SIGNALING_ERROR_UNREACHABLE, /* "unreachable": no route to the host */
  QP_SIGNALING_ERROR_TLS,         /* "tls-refused": no TLS there, or not ours */
  QP_SIGNALING_ERROR_CERTIFICATE, /* "bad-certificate": the server's, to us */
  QP_SIGNALING_ERROR_NOT_SIGNALING, /* "not-signaling": it answers, but not as we do */
  QP_SIGNALING_ERROR_TIMED_OUT, /* "timed-out": no answer in time */
  QP_SIGNALING_ERROR_LOST,      /* "connection-lost": it worked, then broke */
  QP_SIGNALING_ERROR_IN_USE,    /* "in-use": the listening port is taken */
  QP_SIGNALING_ERROR_CONFIG,    /* "bad-config": a setting or file is wrong */
} QpSignalingError;

#define QP_SIGNALING_ERROR (qp_signaling_error_quark ())
GQuark qp_signaling_error_quark (void);

/* Returns: (transfer none): the wire string of @code, "internal" if unknown. */
const char *qp_signaling_error_to_string (QpSignalingError code);
/* The inverse; FALSE and @code untouched when @string names no code. */
gboolean qp_signaling_error_from_string (const char *string,
    QpSignalingError *code);

G_END_DECLS

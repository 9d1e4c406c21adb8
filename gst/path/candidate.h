/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ICE candidates as text: the "candidate:…" line of RFC 8839, section 5.1, and
 * the same line without its prefix.  Pure: bytes in, a checked structure out,
 * no I/O and no libnice.  Whatever a peer sends passes through here first. */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

#define QP_CANDIDATE_MAX_LINE 512      /* bytes */
#define QP_CANDIDATE_MAX_FOUNDATION 32 /* ice-chars, RFC 8839 */
#define QP_CANDIDATE_MAX_NAME 69       /* one DNS label and ".local" */
#define QP_CANDIDATE_MAX_ADDRESS QP_CANDIDATE_MAX_NAME

typedef enum {
  QP_CANDIDATE_HOST,
  QP_CANDIDATE_SRFLX,
  QP_CANDIDATE_PRFLX,
  QP_CANDIDATE_RELAY,
} QpCandidateType;

typedef struct {
  char foundation[QP_CANDIDATE_MAX_FOUNDATION + 1];
  guint32 priority; /* 1 … 2^31 - 1 */
  QpCandidateType type;
  gboolean is_name; /* `address` is an mDNS name, still to be resolved */
  char address[QP_CANDIDATE_MAX_ADDRESS + 1];
  guint16 port;                                       /* never 0 */
  char related_address[QP_CANDIDATE_MAX_ADDRESS + 1]; /* raddr; empty: none */
  guint16 related_port;
} QpCandidate;

/* "host", "srflx", "prflx", "relay". */
const char *qp_candidate_type_to_string (QpCandidateType type);

/* Reads one line ("candidate:…", "a=candidate:…" or without prefix; trailing
 * white space is allowed). Returns FALSE with G_IO_ERROR_INVALID_DATA and a
 * sentence that names the fault if the line does not parse, is not UDP, not
 * component 1, or its address is one that no peer can be reached at (see
 * qp_candidate_check_address()). */
gboolean qp_candidate_parse (const char *line, QpCandidate *candidate,
    GError **error);

/* The RFC 8839 line with its "candidate:" prefix. (transfer full) */
char *qp_candidate_format (const QpCandidate *candidate);

/* Refuses unspecified, multicast, broadcast, reserved (240/4, 0/8) and
 * IPv4-in-IPv6 addresses with G_IO_ERROR_INVALID_DATA. Loopback passes: only
 * the caller knows whether it is on loopback itself. */
gboolean qp_candidate_check_address (GInetAddress *address, GError **error);

/* ufrag: 4–256 ice-chars, password: 22–256 (RFC 8839, section 5.4). */
gboolean qp_candidate_check_credentials (const char *ufrag,
    const char *password, GError **error);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What draft-ietf-avtcore-rtp-over-quic-14 fixes in numbers: the ALPN tokens
 * and the application error codes (section "RoQ Error Codes").  The limits are
 * ours.  Constants only; any thread. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Plain RoQ as the draft defines it, spoken with any other implementation. */
#define QP_ROQ_ALPN "roq-14"

/* RoQ plus one bidirectional control stream, spoken between two of us.  The
 * suffix is what the draft asks of incompatible extensions. */
#define QP_ROQ_ALPN_P2P "roq-14-p2p"

typedef enum {
  QP_ROQ_NO_ERROR = 0,
  QP_ROQ_GENERAL_ERROR = 1,
  QP_ROQ_INTERNAL_ERROR = 2,
  QP_ROQ_PACKET_ERROR = 3,
  QP_ROQ_STREAM_CREATION_ERROR = 4,
  QP_ROQ_FRAME_CANCELLED = 5,
  QP_ROQ_UNKNOWN_FLOW_ID = 6,
  QP_ROQ_EXPECTATION_UNMET = 7,
} QpRoqError;

/* Largest RTP or RTCP packet accepted, in bytes: what UDP could carry. */
#define QP_ROQ_MAX_PACKET_SIZE 65507

/* Largest QUIC variable-length integer (RFC 9000, section 16). */
#define QP_VARINT_MAX ((G_GUINT64_CONSTANT (1) << 62) - 1)

G_END_DECLS

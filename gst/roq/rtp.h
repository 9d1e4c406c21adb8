/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the transport has to know of a packet's own header (RFC 3550, section
 * 5.1 and 6): RTP or RTCP, and the fields that tell frames apart.  Reads bytes
 * from a peer without ever reading past them; pure functions, any thread. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The fixed part of an RTP header, and what every RTCP packet starts with.  A
 * BYE without sources and an SDES without chunks are no longer than that. */
#define QP_RTP_HEADER_SIZE 12
#define QP_RTCP_HEADER_SIZE 4

typedef struct {
  gboolean marker;
  guint8 payload_type;
  guint16 seq;
  guint32 timestamp; /* in units of the track's clock rate */
  guint32 ssrc;
  gsize payload_offset; /* bytes of header, CSRCs and extension */
  gsize payload_size;   /* bytes of payload, without padding */
} QpRtpHeader;

/* TRUE if the packet type says RTCP where both share a flow (RFC 5761, section
 * 4: 192 to 223).  FALSE if it is RTP or shorter than that can be told. */
gboolean qp_rtp_is_rtcp (const guint8 *packet, gsize size);

/* Reads the header of an RTP packet.  FALSE, @header then undefined, if it is
 * RTCP, not of version 2, or if its CSRCs, extension or padding do not fit in
 * @size. */
gboolean qp_rtp_parse (const guint8 *packet, gsize size, QpRtpHeader *header);

/* TRUE if the bytes may be given to an RTP session: an RTP packet that
 * qp_rtp_parse() accepts, or a compound of whole RTCP packets of version 2.
 * Else FALSE, and @error (QP_ROQ_ERROR, QP_ROQ_PACKET_ERROR) tells why. */
gboolean qp_rtp_check (const guint8 *packet, gsize size, GError **error);

G_END_DECLS

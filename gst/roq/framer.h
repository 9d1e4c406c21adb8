/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writes RTP and RTCP packets in RoQ's two forms:
 *
 *   unidirectional stream:  Flow ID, { Length, packet }*
 *   DATAGRAM frame:         Flow ID, packet
 *
 * The caller adds up the size of a batch, allocates once and puts the parts
 * one behind the other; each function returns where the next part goes.  For a
 * packet that does not lie in one piece (a GstBuffer of several memories) put
 * the length, then extract the packet behind it.
 *
 * Pure functions over memory, nothing is checked but by assertion; any
 * thread. */
#pragma once

#include "roq/varint.h"

G_BEGIN_DECLS

/* Bytes of the flow ID that opens a stream or a datagram. */
gsize qp_roq_flow_id_size (guint64 flow_id);

/* Bytes that a packet of @size bytes takes in a stream, with its length. */
gsize qp_roq_packet_size (gsize size);

/* Bytes that the @n packets of @sizes bytes take in a stream, with their
 * lengths and without the flow ID. */
gsize qp_roq_framed_size (const gsize *sizes, guint n);

/* Each writes at @dst and returns the address behind what it wrote.  @flow_id
 * is at most QP_VARINT_MAX, @size at most QP_ROQ_MAX_PACKET_SIZE. */
guint8 *qp_roq_put_flow_id (guint8 *dst, guint64 flow_id);

guint8 *qp_roq_put_length (guint8 *dst, gsize size);

/* The length and a copy of the packet. */
guint8 *qp_roq_put_packet (guint8 *dst, const guint8 *packet, gsize size);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Turns the bytes of a peer's RoQ streams and datagrams back into packets.
 *
 * One QpRoqParser per incoming unidirectional stream takes that stream's bytes
 * in order and in whatever pieces they arrive, and hands out each packet the
 * moment its last byte is in.  A packet's bytes are copied once, from the
 * piece they arrived in to the memory that is handed out.  A parser holds at
 * most one packet, and no more memory than twice what of it has arrived (or
 * 2 KiB), whatever length the peer announced.
 *
 * Every byte is hostile.  Errors are of the domain QP_ROQ_ERROR, their code
 * the QpRoqError to put on the wire.
 *
 * No I/O, no clock, no lock: one parser belongs to one thread. */
#pragma once

#include "roq/roq.h"

G_BEGIN_DECLS

#define QP_ROQ_ERROR (qp_roq_error_quark ())

GQuark qp_roq_error_quark (void);

typedef struct _QpRoqParser QpRoqParser;

/* Called from qp_roq_parser_push() only.  They must not free the parser nor
 * push into it. */
typedef struct {
  /* The stream's flow ID, once, as soon as it is complete and before any
   * packet.  FALSE refuses the stream: the push fails with
   * QP_ROQ_UNKNOWN_FLOW_ID.  May be NULL: every flow is accepted. */
  gboolean (*flow) (guint64 flow_id, gpointer user_data);

  /* One packet, 4 to QP_ROQ_MAX_PACKET_SIZE bytes.  @data: (transfer full):
   * free it with g_free().  That it is RTP or RTCP is still to be checked:
   * qp_rtp_check(). */
  void (*packet) (guint64 flow_id, guint8 *data, gsize size,
      gpointer user_data);
} QpRoqParserCallbacks;

/* @callbacks must outlive the parser. */
QpRoqParser *qp_roq_parser_new (const QpRoqParserCallbacks *callbacks,
    gpointer user_data);

/* Drops what of a packet had arrived; right also when the peer resets its
 * stream.  NULL is fine. */
void qp_roq_parser_free (QpRoqParser *parser);

/* The next @size bytes of the stream; 0 is fine.  FALSE with @error set:
 * QP_ROQ_UNKNOWN_FLOW_ID if the flow was refused (answer with STOP_SENDING),
 * QP_ROQ_PACKET_ERROR if the bytes are not RoQ (close the connection).  A
 * parser that failed once fails for good. */
gboolean qp_roq_parser_push (QpRoqParser *parser, const guint8 *data,
    gsize size, GError **error);

/* The peer ended the stream (FIN).  TRUE if it did so between two packets or
 * never sent a byte; else FALSE and QP_ROQ_PACKET_ERROR. */
gboolean qp_roq_parser_finish (QpRoqParser *parser, GError **error);

/* FALSE while the flow ID is incomplete; else TRUE and @flow_id is set. */
gboolean qp_roq_parser_get_flow_id (const QpRoqParser *parser,
    guint64 *flow_id);

/* Bytes allocated for a packet that is still incomplete. */
gsize qp_roq_parser_get_allocated (const QpRoqParser *parser);

/* Splits the payload of a DATAGRAM frame.  @packet then points into @data:
 * nothing is copied.  FALSE with QP_ROQ_PACKET_ERROR. */
gboolean qp_roq_parse_datagram (const guint8 *data, gsize size,
    guint64 *flow_id, const guint8 **packet, gsize *packet_size,
    GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (QpRoqParser, qp_roq_parser_free)

G_END_DECLS

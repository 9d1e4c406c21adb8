/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Parsing of RoQ streams and datagrams.  See parser.h for the contract.
 *
 * A stream is an integer (the flow ID), then pairs of an integer (the length)
 * and that many bytes.  Integers are collected in a few bytes of the parser
 * itself until they are whole, packets in the memory that will be handed
 * out. */
#include "roq/parser.h"

#include <gst/gst.h>
#include <string.h>

#include "roq/rtp.h"
#include "roq/varint.h"

GST_DEBUG_CATEGORY_STATIC (qp_roq_debug);
#define GST_CAT_DEFAULT qp_roq_debug

/* What a packet is given before it arrived.  Nearly every packet fits one
 * datagram and so is allocated at its own size at once; only a larger one that
 * comes in pieces has to grow. */
#define FIRST_ALLOCATION 2048

/* The least that can be a packet at all: RTCP's common header.  RTP needs more,
 * but that is told by looking into the packet. */
#define MIN_PACKET_SIZE QP_RTCP_HEADER_SIZE

typedef enum {
  STATE_FLOW_ID, /* no or part of the flow ID is in pending[] */
  STATE_LENGTH,  /* no or part of a length is in pending[]; no packet */
  STATE_PACKET,  /* packet_size is known; packet_filled < packet_size */
  STATE_FAILED,  /* an error was returned; nothing is held */
} ParserState;

struct _QpRoqParser {
  const QpRoqParserCallbacks *callbacks;
  gpointer user_data;

  ParserState state;
  guint64 flow_id; /* valid once has_flow_id */
  gboolean has_flow_id;

  /* The start of an integer that was split over two reads. */
  guint8 pending[QP_VARINT_MAX_SIZE];
  guint pending_size;

  guint8 *packet; /* owned; NULL until a byte of the packet is in */
  gsize packet_size;
  gsize packet_filled;
  gsize packet_allocated;
};

static void
ensure_debug_category (void)
{
  static gsize once = 0;

  if (g_once_init_enter (&once)) {
    GST_DEBUG_CATEGORY_INIT (qp_roq_debug, "quicp2p-roq", 0,
        "RTP over QUIC framing");
    g_once_init_leave (&once, 1);
  }
}

GQuark
qp_roq_error_quark (void)
{
  return g_quark_from_static_string ("qp-roq-error-quark");
}

static const char *
state_name (ParserState state)
{
  switch (state) {
    case STATE_FLOW_ID:
      return "flow-id";
    case STATE_LENGTH:
      return "length";
    case STATE_PACKET:
      return "packet";
    case STATE_FAILED:
      return "failed";
  }

  g_assert_not_reached ();
}

static void
set_state (QpRoqParser *parser, ParserState state)
{
  GST_TRACE ("%p: %s -> %s", parser, state_name (parser->state),
      state_name (state));
  parser->state = state;
}

QpRoqParser *
qp_roq_parser_new (const QpRoqParserCallbacks *callbacks, gpointer user_data)
{
  QpRoqParser *parser;

  g_assert (callbacks != NULL && callbacks->packet != NULL);
  ensure_debug_category ();

  parser = g_new0 (QpRoqParser, 1);
  parser->callbacks = callbacks;
  parser->user_data = user_data;
  parser->state = STATE_FLOW_ID;

  return parser;
}

static void
drop_packet (QpRoqParser *parser)
{
  g_clear_pointer (&parser->packet, g_free);
  parser->packet_filled = parser->packet_allocated = 0;
}

void
qp_roq_parser_free (QpRoqParser *parser)
{
  if (parser == NULL)
    return;

  drop_packet (parser);
  g_free (parser);
}

gboolean
qp_roq_parser_get_flow_id (const QpRoqParser *parser, guint64 *flow_id)
{
  if (!parser->has_flow_id)
    return FALSE;

  *flow_id = parser->flow_id;
  return TRUE;
}

gsize
qp_roq_parser_get_allocated (const QpRoqParser *parser)
{
  return parser->packet_allocated;
}

static gboolean fail (QpRoqParser *parser, GError **error, QpRoqError code,
    const char *format, ...) G_GNUC_PRINTF (4, 5);

static gboolean
fail (QpRoqParser *parser, GError **error, QpRoqError code, const char *format,
    ...)
{
  g_autofree char *message = NULL;
  va_list args;

  va_start (args, format);
  message = g_strdup_vprintf (format, args);
  va_end (args);

  GST_DEBUG ("%p: %s", parser, message);
  drop_packet (parser);
  set_state (parser, STATE_FAILED);
  g_set_error_literal (error, QP_ROQ_ERROR, code, message);

  return FALSE;
}

/* Takes an integer from the front of @data, helped by what is pending from the
 * read before.  FALSE if it is not whole yet: then all of @data was taken. */
static gboolean
take_varint (QpRoqParser *parser, const guint8 **data, gsize *size,
    guint64 *value)
{
  gsize taken, used;

  if (parser->pending_size == 0) {
    used = qp_varint_get (*data, *size, value);
    if (used > 0) {
      *data += used;
      *size -= used;
      return TRUE;
    }
  }

  taken = MIN (*size, QP_VARINT_MAX_SIZE - parser->pending_size);
  memcpy (parser->pending + parser->pending_size, *data, taken);
  used = qp_varint_get (parser->pending, parser->pending_size + taken, value);

  if (used == 0) {
    parser->pending_size += taken;
    *data += taken;
    *size -= taken;
    /* Eight bytes are always an integer, so room is left. */
    g_assert (*size == 0 && parser->pending_size < QP_VARINT_MAX_SIZE);
    return FALSE;
  }

  /* What was copied behind the integer stays where it is, in @data.  The
   * integer was not whole before, so at least one byte of it was in @data. */
  *data += used - parser->pending_size;
  *size -= used - parser->pending_size;
  parser->pending_size = 0;
  return TRUE;
}

static gboolean
check_packet_size (QpRoqParser *parser, guint64 size, GError **error)
{
  if (size < MIN_PACKET_SIZE)
    return fail (parser, error, QP_ROQ_PACKET_ERROR,
        "a packet of flow %" G_GUINT64_FORMAT " has %" G_GUINT64_FORMAT
        " bytes, which is too short for RTP and RTCP (at least %d)",
        parser->flow_id, size, MIN_PACKET_SIZE);

  if (size > QP_ROQ_MAX_PACKET_SIZE)
    return fail (parser, error, QP_ROQ_PACKET_ERROR,
        "a packet of flow %" G_GUINT64_FORMAT " has %" G_GUINT64_FORMAT
        " bytes, more than the %d accepted",
        parser->flow_id, size, QP_ROQ_MAX_PACKET_SIZE);

  return TRUE;
}

/* Makes room for @wanted bytes of the packet.  Grows by doubling, so that what
 * is held stays below twice what has arrived, and a large packet in small
 * pieces does not copy itself over and over. */
static void
reserve (QpRoqParser *parser, gsize wanted)
{
  gsize size;

  if (wanted <= parser->packet_allocated)
    return;

  size = MAX (wanted, MAX (2 * parser->packet_allocated, FIRST_ALLOCATION));
  size = MIN (size, parser->packet_size);

  parser->packet = g_realloc (parser->packet, size);
  parser->packet_allocated = size;
}

/* Takes packet bytes from the front of @data and delivers the packet when it is
 * whole. */
static void
take_packet (QpRoqParser *parser, const guint8 **data, gsize *size)
{
  gsize n = MIN (*size, parser->packet_size - parser->packet_filled);
  guint8 *packet;

  reserve (parser, parser->packet_filled + n);
  memcpy (parser->packet + parser->packet_filled, *data, n);
  parser->packet_filled += n;
  *data += n;
  *size -= n;

  if (parser->packet_filled < parser->packet_size)
    return;

  packet = g_steal_pointer (&parser->packet);
  parser->packet_filled = parser->packet_allocated = 0;
  set_state (parser, STATE_LENGTH);
  parser->callbacks->packet (parser->flow_id, packet, parser->packet_size,
      parser->user_data);
}

static gboolean
take_flow_id (QpRoqParser *parser, const guint8 **data, gsize *size,
    GError **error)
{
  if (!take_varint (parser, data, size, &parser->flow_id))
    return TRUE;

  parser->has_flow_id = TRUE;
  set_state (parser, STATE_LENGTH);

  if (parser->callbacks->flow != NULL &&
      !parser->callbacks->flow (parser->flow_id, parser->user_data))
    return fail (parser, error, QP_ROQ_UNKNOWN_FLOW_ID,
        "the stream's flow %" G_GUINT64_FORMAT " was refused", parser->flow_id);

  return TRUE;
}

static gboolean
take_length (QpRoqParser *parser, const guint8 **data, gsize *size,
    GError **error)
{
  guint64 length;

  if (!take_varint (parser, data, size, &length))
    return TRUE;

  if (!check_packet_size (parser, length, error))
    return FALSE;

  parser->packet_size = (gsize) length;
  set_state (parser, STATE_PACKET);

  return TRUE;
}

gboolean
qp_roq_parser_push (QpRoqParser *parser, const guint8 *data, gsize size,
    GError **error)
{
  if (parser->state == STATE_FAILED)
    return fail (parser, error, QP_ROQ_PACKET_ERROR,
        "bytes behind an error in the stream");

  while (size > 0) {
    switch (parser->state) {
      case STATE_FLOW_ID:
        if (!take_flow_id (parser, &data, &size, error))
          return FALSE;
        break;
      case STATE_LENGTH:
        if (!take_length (parser, &data, &size, error))
          return FALSE;
        break;
      case STATE_PACKET:
        take_packet (parser, &data, &size);
        break;
      case STATE_FAILED:
        g_assert_not_reached ();
    }
  }

  return TRUE;
}

gboolean
qp_roq_parser_finish (QpRoqParser *parser, GError **error)
{
  switch (parser->state) {
    case STATE_FLOW_ID:
      /* A sender whose first frame came too late ends an empty stream. */
      if (parser->pending_size == 0)
        return TRUE;
      return fail (parser, error, QP_ROQ_PACKET_ERROR,
          "the stream ended inside its flow ID");
    case STATE_LENGTH:
      if (parser->pending_size == 0)
        return TRUE;
      return fail (parser, error, QP_ROQ_PACKET_ERROR,
          "the stream of flow %" G_GUINT64_FORMAT " ended inside a length",
          parser->flow_id);
    case STATE_PACKET:
      return fail (parser, error, QP_ROQ_PACKET_ERROR,
          "the stream of flow %" G_GUINT64_FORMAT
          " ended after %" G_GSIZE_FORMAT " of a packet's %" G_GSIZE_FORMAT
          " bytes",
          parser->flow_id, parser->packet_filled, parser->packet_size);
    case STATE_FAILED:
      return fail (parser, error, QP_ROQ_PACKET_ERROR,
          "the stream ended behind an error in it");
  }

  g_assert_not_reached ();
}

gboolean
qp_roq_parse_datagram (const guint8 *data, gsize size, guint64 *flow_id,
    const guint8 **packet, gsize *packet_size, GError **error)
{
  gsize used = qp_varint_get (data, size, flow_id);

  if (used == 0) {
    g_set_error (error, QP_ROQ_ERROR, QP_ROQ_PACKET_ERROR,
        "a datagram of %" G_GSIZE_FORMAT " bytes ends inside its flow ID",
        size);
    return FALSE;
  }

  if (size - used < MIN_PACKET_SIZE || size - used > QP_ROQ_MAX_PACKET_SIZE) {
    g_set_error (error, QP_ROQ_ERROR, QP_ROQ_PACKET_ERROR,
        "a datagram of flow %" G_GUINT64_FORMAT " carries %" G_GSIZE_FORMAT
        " bytes, not a packet of %d to %d",
        *flow_id, size - used, MIN_PACKET_SIZE, QP_ROQ_MAX_PACKET_SIZE);
    return FALSE;
  }

  *packet = data + used;
  *packet_size = size - used;
  return TRUE;
}

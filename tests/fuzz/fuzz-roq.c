/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fuzz target: RoQ's stream and datagram parsers.
 *
 * The input's first byte seeds how the rest is cut.  The stream must give the
 * same packets whether it comes whole, in those pieces or byte by byte, and
 * framing the packets again must give a stream that parses to the same. */
#include <string.h>

#include "roq/framer.h"
#include "roq/parser.h"
#include "roq/rtp.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

typedef struct {
  gboolean has_flow_id;
  guint64 flow_id;
  GByteArray *stream; /* the packets, framed */
  int end;            /* -1: whole; else the code of the error */
} Result;

static gboolean
on_flow (guint64 flow_id, gpointer user_data)
{
  Result *result = user_data;

  g_assert_false (result->has_flow_id);
  g_assert_cmpuint (flow_id, <=, QP_VARINT_MAX);
  result->has_flow_id = TRUE;
  result->flow_id = flow_id;
  return flow_id != 42; /* one that is refused */
}

static void
on_packet (guint64 flow_id, guint8 *packet, gsize size, gpointer user_data)
{
  Result *result = user_data;
  guint length = result->stream->len;
  guint8 *end;

  g_assert_true (result->has_flow_id);
  g_assert_cmpuint (flow_id, ==, result->flow_id);
  g_assert_cmpuint (size, >=, 4);
  g_assert_cmpuint (size, <=, QP_ROQ_MAX_PACKET_SIZE);

  g_byte_array_set_size (result->stream,
      length + (guint) qp_roq_packet_size (size));
  end = qp_roq_put_packet (result->stream->data + length, packet, size);
  g_assert_true (end == result->stream->data + result->stream->len);

  qp_rtp_check (packet, size, NULL);
  g_free (packet);
}

static const QpRoqParserCallbacks callbacks = { on_flow, on_packet };

static void
result_clear (Result *result)
{
  g_byte_array_unref (result->stream);
}

/* Parses in pieces of 1 to @limit bytes. */
static Result
parse (const guint8 *data, gsize size, guint32 seed, gsize limit)
{
  Result result = { .stream = g_byte_array_new (), .end = -1 };
  g_autoptr (QpRoqParser) parser = qp_roq_parser_new (&callbacks, &result);
  g_autoptr (GError) error = NULL;
  gsize done = 0;

  while (done < size && error == NULL) {
    gsize piece;
    g_autofree guint8 *copy = NULL;

    seed = seed * 1664525 + 1013904223;
    piece = MIN (size - done, 1 + (seed >> 16) % limit);
    copy = g_memdup2 (data + done, piece);
    if (qp_roq_parser_push (parser, copy, piece, &error))
      g_assert_no_error (error);
    else
      g_assert_nonnull (error);
    done += piece;
    g_assert_cmpuint (qp_roq_parser_get_allocated (parser), <=,
        MAX (2048, 2 * done));
  }

  if (error == NULL && qp_roq_parser_finish (parser, &error))
    g_assert_no_error (error);
  if (error != NULL) {
    g_assert_true (error->domain == QP_ROQ_ERROR);
    result.end = error->code;
  }

  return result;
}

static void
assert_same (const Result *a, const Result *b)
{
  g_assert_true (a->has_flow_id == b->has_flow_id);
  g_assert_cmpuint (a->flow_id, ==, b->flow_id);
  g_assert_cmpmem (a->stream->data, a->stream->len, b->stream->data,
      b->stream->len);
}

static void
check_stream (const guint8 *data, gsize size, guint8 seed)
{
  Result whole = parse (data, size, seed, G_MAXUINT16);
  Result cut = parse (data, size, seed, 1 + seed);
  Result bytes = parse (data, size, seed, 1);

  assert_same (&whole, &cut);
  assert_same (&whole, &bytes);
  g_assert_cmpint (whole.end, ==, cut.end);
  g_assert_cmpint (whole.end, ==, bytes.end);

  if (whole.has_flow_id && whole.end != QP_ROQ_UNKNOWN_FLOW_ID) {
    guint8 flow_id[QP_VARINT_MAX_SIZE];
    gsize n = (gsize) (qp_roq_put_flow_id (flow_id, whole.flow_id) - flow_id);
    Result again;

    g_byte_array_prepend (whole.stream, flow_id, (guint) n);
    again = parse (whole.stream->data, whole.stream->len, seed, 1 + seed);
    g_assert_cmpint (again.end, ==, -1);
    g_byte_array_remove_range (whole.stream, 0, (guint) n);
    assert_same (&whole, &again);
    result_clear (&again);
  }

  result_clear (&whole);
  result_clear (&cut);
  result_clear (&bytes);
}

static void
check_datagram (const guint8 *data, gsize size)
{
  g_autofree guint8 *copy = g_memdup2 (data, size);
  g_autoptr (GError) error = NULL;
  const guint8 *packet = NULL;
  gsize packet_size = 0;
  guint64 flow_id = 0;
  QpRtpHeader header;

  if (!qp_roq_parse_datagram (copy, size, &flow_id, &packet, &packet_size,
          &error)) {
    g_assert_error (error, QP_ROQ_ERROR, QP_ROQ_PACKET_ERROR);
    return;
  }

  g_assert_no_error (error);
  g_assert_cmpuint (flow_id, <=, QP_VARINT_MAX);
  g_assert_true (packet > copy && packet + packet_size == copy + size);

  if (qp_rtp_parse (packet, packet_size, &header)) {
    g_assert_cmpuint (header.payload_offset + header.payload_size, <=,
        packet_size);
    g_assert_true (qp_rtp_check (packet, packet_size, NULL));
  }
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  if (size == 0)
    return 0;

  check_datagram (data + 1, size - 1);
  check_stream (data + 1, size - 1, data[0]);

  return 0;
}

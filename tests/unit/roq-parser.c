/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of RoQ framing and parsing: what the framer writes, the parser reads,
 * however it is cut. */
#include "roq/parser.h"

#include <string.h>

#include "roq/framer.h"

/* --- what a parser handed out --- */

typedef struct {
  GPtrArray *packets; /* of GBytes */
  guint64 flow_id;
  guint flows;
  gboolean refuse;
} Sink;

static gboolean
on_flow (guint64 flow_id, gpointer user_data)
{
  Sink *sink = user_data;

  g_assert_cmpuint (sink->packets->len, ==, 0);
  sink->flow_id = flow_id;
  sink->flows++;
  return !sink->refuse;
}

static void
on_packet (guint64 flow_id, guint8 *data, gsize size, gpointer user_data)
{
  Sink *sink = user_data;

  g_assert_cmpuint (sink->flows, ==, 1);
  g_assert_cmpuint (flow_id, ==, sink->flow_id);
  g_ptr_array_add (sink->packets, g_bytes_new_take (data, size));
}

static const QpRoqParserCallbacks callbacks = { on_flow, on_packet };

static void
sink_init (Sink *sink)
{
  *sink = (Sink){
    .packets = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref)
  };
}

static void
sink_clear (Sink *sink)
{
  g_ptr_array_unref (sink->packets);
}

/* --- streams to parse --- */

static GBytes *
make_packet (GRand *rand, gsize size)
{
  guint8 *data = g_malloc (size);
  gsize i;

  for (i = 0; i < size; i++)
    data[i] = (guint8) g_rand_int (rand);
  return g_bytes_new_take (data, size);
}

/* Packets of these sizes, the same for the same sizes. */
static GPtrArray *
make_packets (const gsize *sizes, guint n)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (14);
  GPtrArray *packets =
      g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  guint i;

  for (i = 0; i < n; i++)
    g_ptr_array_add (packets, make_packet (rand, sizes[i]));
  return packets;
}

static GBytes *
make_stream (guint64 flow_id, GPtrArray *packets)
{
  g_autofree gsize *sizes = g_new (gsize, packets->len + 1);
  gsize total;
  guint8 *data, *end;
  guint i;

  for (i = 0; i < packets->len; i++)
    sizes[i] = g_bytes_get_size (g_ptr_array_index (packets, i));
  total = qp_roq_flow_id_size (flow_id) +
      qp_roq_framed_size (sizes, packets->len);

  data = g_malloc (total);
  end = qp_roq_put_flow_id (data, flow_id);
  for (i = 0; i < packets->len; i++)
    end = qp_roq_put_packet (end,
        g_bytes_get_data (g_ptr_array_index (packets, i), NULL), sizes[i]);
  g_assert_true (end == data + total);

  return g_bytes_new_take (data, total);
}

static void
assert_packets (const Sink *sink, GPtrArray *packets)
{
  guint i;

  g_assert_cmpuint (sink->packets->len, ==, packets->len);
  for (i = 0; i < packets->len; i++)
    g_assert_true (g_bytes_equal (g_ptr_array_index (sink->packets, i),
        g_ptr_array_index (packets, i)));
}

/* A copy of exactly that size, so that a sanitizer sees reads past its end. */
static gboolean
push (QpRoqParser *parser, const guint8 *data, gsize size, GError **error)
{
  g_autofree guint8 *copy = g_memdup2 (data, size);

  return qp_roq_parser_push (parser, copy, size, error);
}

/* --- framing --- */

static void
test_framed_bytes (void)
{
  const guint8 packet[70] = { 0x80, 96, 3, 4 };
  const guint8 expected[] = { 0x44, 0xd2, 0x04, 0x80, 96, 3, 4, 0x40, 70, 0x80,
    96, 3, 4 };
  const gsize sizes[] = { 4, 70 };
  guint8 stream[2 + 1 + 4 + 2 + 70];
  guint8 *end = stream;

  g_assert_cmpuint (qp_roq_framed_size (sizes, 2), ==, 1 + 4 + 2 + 70);
  g_assert_cmpuint (qp_roq_framed_size (NULL, 0), ==, 0);
  g_assert_cmpuint (qp_roq_flow_id_size (1234), ==, 2);

  end = qp_roq_put_flow_id (end, 1234);
  end = qp_roq_put_packet (end, packet, 4);
  end = qp_roq_put_length (end, 70);
  memcpy (end, packet, 70);
  g_assert_true (end + 70 == stream + sizeof stream);
  g_assert_cmpmem (stream, sizeof expected, expected, sizeof expected);
}

/* --- parsing --- */

static const guint64 flow_ids[] = { 0, 63, 64, 16383, 16384, 1 << 30,
  QP_VARINT_MAX };

/* In two pieces, cut at each byte. */
static void
test_every_split (void)
{
  static const gsize sizes[] = { 4, 63, 64, 12, 300, 5 };
  g_autoptr (GPtrArray) packets = make_packets (sizes, G_N_ELEMENTS (sizes));
  guint i;

  for (i = 0; i < G_N_ELEMENTS (flow_ids); i++) {
    g_autoptr (GBytes) stream = make_stream (flow_ids[i], packets);
    gsize size, cut;
    const guint8 *data = g_bytes_get_data (stream, &size);

    for (cut = 0; cut <= size; cut++) {
      g_autoptr (GError) error = NULL;
      g_autoptr (QpRoqParser) parser = NULL;
      Sink sink;

      sink_init (&sink);
      parser = qp_roq_parser_new (&callbacks, &sink);
      push (parser, data, cut, &error);
      g_assert_no_error (error);
      push (parser, data + cut, size - cut, &error);
      g_assert_no_error (error);
      g_assert_cmpuint (sink.flow_id, ==, flow_ids[i]);
      assert_packets (&sink, packets);
      qp_roq_parser_finish (parser, &error);
      g_assert_no_error (error);
      sink_clear (&sink);
    }
  }
}

/* Byte by byte: flow ID and packets come with their last byte, not later. */
static void
test_at_once (void)
{
  static const gsize sizes[] = { 4, 64, 12 };
  g_autoptr (GPtrArray) packets = make_packets (sizes, G_N_ELEMENTS (sizes));
  g_autoptr (GBytes) stream = make_stream (16384, packets);
  g_autoptr (QpRoqParser) parser = NULL;
  gsize size, i;
  const guint8 *data = g_bytes_get_data (stream, &size);
  Sink sink;

  sink_init (&sink);
  parser = qp_roq_parser_new (&callbacks, &sink);
  for (i = 0; i < size; i++) {
    /* What bytes 0 to i hold: 4 of the flow ID, 1 + 4, 2 + 64, 1 + 12. */
    guint expected = (i >= 8) + (i >= 74) + (i >= 87);
    guint64 flow_id;

    g_assert_true (push (parser, data + i, 1, NULL));
    g_assert_cmpuint (sink.packets->len, ==, expected);
    g_assert_cmpuint (sink.flows, ==, i >= 3);
    g_assert_true (qp_roq_parser_get_flow_id (parser, &flow_id) == (i >= 3));
  }
  g_assert_cmpuint (size, ==, 88);
  assert_packets (&sink, packets);
  sink_clear (&sink);
}

/* Many packets of all sizes, cut at random. */
static void
test_random_splits (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (4711);
  guint round;

  for (round = 0; round < 300; round++) {
    gsize sizes[20], size, done = 0;
    g_autoptr (GPtrArray) packets = NULL;
    g_autoptr (GBytes) stream = NULL;
    g_autoptr (QpRoqParser) parser = NULL;
    const guint8 *data;
    guint n = (guint) g_rand_int_range (rand, 0, G_N_ELEMENTS (sizes)), i;
    int piece_limit = 1 << g_rand_int_range (rand, 1, 17);
    Sink sink;

    for (i = 0; i < n; i++)
      sizes[i] = (gsize) g_rand_int_range (rand, 4,
          1 +
              MAX (4,
                  QP_ROQ_MAX_PACKET_SIZE >> g_rand_int_range (rand, 0, 14)));
    packets = make_packets (sizes, n);
    stream = make_stream (flow_ids[round % G_N_ELEMENTS (flow_ids)], packets);
    data = g_bytes_get_data (stream, &size);

    sink_init (&sink);
    parser = qp_roq_parser_new (&callbacks, &sink);
    while (done < size) {
      gsize piece = (gsize) g_rand_int_range (rand, 0, piece_limit);

      piece = MIN (piece, size - done);
      g_assert_true (push (parser, data + done, piece, NULL));
      done += piece;
    }
    assert_packets (&sink, packets);
    g_assert_true (qp_roq_parser_finish (parser, NULL));
    g_assert_cmpuint (qp_roq_parser_get_allocated (parser), ==, 0);
    sink_clear (&sink);
  }
}

/* FIN after each byte: clean between packets only. */
static void
test_every_end (void)
{
  static const gsize sizes[] = { 4, 64, 12 };
  g_autoptr (GPtrArray) packets = make_packets (sizes, G_N_ELEMENTS (sizes));
  g_autoptr (GBytes) stream = make_stream (16384, packets);
  gsize size, end;
  const guint8 *data = g_bytes_get_data (stream, &size);

  for (end = 0; end <= size; end++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (QpRoqParser) parser = NULL;
    gboolean clean = end == 0 || end == 4 || end == 9 || end == 75 || end == 88;
    Sink sink;

    sink_init (&sink);
    parser = qp_roq_parser_new (&callbacks, &sink);
    g_assert_true (push (parser, data, end, NULL));
    g_assert_true (qp_roq_parser_finish (parser, &error) == clean);
    if (clean)
      g_assert_no_error (error);
    else
      g_assert_error (error, QP_ROQ_ERROR, QP_ROQ_PACKET_ERROR);
    g_assert_cmpuint (qp_roq_parser_get_allocated (parser), ==, 0);
    sink_clear (&sink);
  }
}

static const struct {
  const char *name;
  gsize size;
  guint8 bytes[24];
  guint packets; /* before the error */
} bad_streams[] = {
  { "length 0", 2, { 7, 0 }, 0 },
  { "length 1", 3, { 7, 1, 0x80 }, 0 },
  { "length 3", 2, { 7, 3 }, 0 },
  { "length 65508", 5, { 7, 0x80, 0, 0xff, 0xe4 }, 0 },
  { "length 2^30 - 1", 5, { 7, 0xbf, 0xff, 0xff, 0xff }, 0 },
  { "length 2^62 - 1", 9, { 7, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff },
      0 },
  { "length 0 in 8 bytes", 9, { 7, 0xc0, 0, 0, 0, 0, 0, 0, 0 }, 0 },
  { "length 0 behind a packet", 7, { 7, 4, 0x80, 96, 0, 0, 0 }, 1 },
};

static void
test_bad_streams (void)
{
  guint i;
  gsize cut;

  for (i = 0; i < G_N_ELEMENTS (bad_streams); i++) {
    for (cut = 0; cut <= bad_streams[i].size; cut++) {
      g_autoptr (GError) error = NULL;
      g_autoptr (GError) again = NULL;
      g_autoptr (QpRoqParser) parser = NULL;
      const guint8 *bytes = bad_streams[i].bytes;
      const guint8 more[] = { 4, 0x80, 96, 0, 0 };
      Sink sink;

      g_test_message ("%s, cut at %" G_GSIZE_FORMAT, bad_streams[i].name, cut);
      sink_init (&sink);
      parser = qp_roq_parser_new (&callbacks, &sink);
      g_assert_false (push (parser, bytes, cut, &error) &&
          push (parser, bytes + cut, bad_streams[i].size - cut, &error));
      g_assert_error (error, QP_ROQ_ERROR, QP_ROQ_PACKET_ERROR);
      g_assert_cmpuint (sink.packets->len, ==, bad_streams[i].packets);

      /* It has failed for good. */
      g_assert_false (push (parser, more, sizeof more, &again));
      g_assert_error (again, QP_ROQ_ERROR, QP_ROQ_PACKET_ERROR);
      g_assert_false (qp_roq_parser_finish (parser, NULL));
      g_assert_cmpuint (sink.packets->len, ==, bad_streams[i].packets);
      sink_clear (&sink);
    }
  }
}

/* Longer encodings of an integer than necessary are valid QUIC. */
static void
test_long_integers (void)
{
  const guint8 bytes[] = { 0x40, 7, 0xc0, 0, 0, 0, 0, 0, 0, 4, 0x80, 96, 0, 0 };
  gsize cut;

  for (cut = 0; cut <= sizeof bytes; cut++) {
    g_autoptr (QpRoqParser) parser = NULL;
    Sink sink;

    sink_init (&sink);
    parser = qp_roq_parser_new (&callbacks, &sink);
    g_assert_true (push (parser, bytes, cut, NULL));
    g_assert_true (push (parser, bytes + cut, sizeof bytes - cut, NULL));
    g_assert_cmpuint (sink.flow_id, ==, 7);
    g_assert_cmpuint (sink.packets->len, ==, 1);
    sink_clear (&sink);
  }
}

static void
test_refused_flow (void)
{
  const guint8 bytes[] = { 0x40, 99, 4, 0x80, 96, 0, 0 };
  g_autoptr (GError) error = NULL;
  g_autoptr (QpRoqParser) parser = NULL;
  Sink sink;

  sink_init (&sink);
  sink.refuse = TRUE;
  parser = qp_roq_parser_new (&callbacks, &sink);
  g_assert_true (push (parser, bytes, 1, NULL));
  g_assert_cmpuint (sink.flows, ==, 0);
  g_assert_false (push (parser, bytes + 1, sizeof bytes - 1, &error));
  g_assert_error (error, QP_ROQ_ERROR, QP_ROQ_UNKNOWN_FLOW_ID);
  g_assert_cmpuint (sink.flow_id, ==, 99);
  g_assert_cmpuint (sink.packets->len, ==, 0);
  sink_clear (&sink);
}

/* What a peer announces is not allocated; what arrives is, within bounds. */
static void
test_memory (void)
{
  const guint8 start[] = { 0, 0x80, 0, 0xff, 0xe3, 0x80 };
  g_autoptr (QpRoqParser) parser = NULL;
  gsize arrived = 1;
  guint8 byte = 0;
  Sink sink;

  sink_init (&sink);
  parser = qp_roq_parser_new (&callbacks, &sink);

  g_assert_true (push (parser, start, 5, NULL));
  g_assert_cmpuint (qp_roq_parser_get_allocated (parser), ==, 0);

  g_assert_true (push (parser, start + 5, 1, NULL));
  while (arrived < QP_ROQ_MAX_PACKET_SIZE) {
    gsize allocated = qp_roq_parser_get_allocated (parser);

    g_assert_cmpuint (allocated, >=, arrived);
    g_assert_cmpuint (allocated, <=, MAX (2048, 2 * arrived));
    g_assert_cmpuint (allocated, <=, QP_ROQ_MAX_PACKET_SIZE);
    g_assert_true (push (parser, &byte, 1, NULL));
    arrived++;
  }
  g_assert_cmpuint (sink.packets->len, ==, 1);
  g_assert_cmpuint (qp_roq_parser_get_allocated (parser), ==, 0);
  sink_clear (&sink);
}

/* --- datagrams --- */

static void
test_datagrams (void)
{
  guint i;

  for (i = 0; i < G_N_ELEMENTS (flow_ids); i++) {
    static const guint8 packet[] = { 0x80, 96, 1, 2, 3 };
    guint8 bytes[QP_VARINT_MAX_SIZE + sizeof packet];
    guint8 *end = qp_roq_put_flow_id (bytes, flow_ids[i]);
    gsize header = (gsize) (end - bytes), size;

    memcpy (end, packet, sizeof packet);
    for (size = 0; size <= header + sizeof packet; size++) {
      g_autofree guint8 *copy = g_memdup2 (bytes, size);
      g_autoptr (GError) error = NULL;
      const guint8 *found = NULL;
      gsize found_size = 0;
      guint64 flow_id = 0;

      if (qp_roq_parse_datagram (copy, size, &flow_id, &found, &found_size,
              &error)) {
        g_assert_cmpuint (size, >=, header + 4);
        g_assert_cmpuint (flow_id, ==, flow_ids[i]);
        g_assert_true (found == copy + header);
        g_assert_cmpuint (found_size, ==, size - header);
      } else {
        g_assert_cmpuint (size, <, header + 4);
        g_assert_error (error, QP_ROQ_ERROR, QP_ROQ_PACKET_ERROR);
      }
    }
  }
}

/* A second of a fast flow, both ways.  Not timed by the test, but printed. */
static void
test_throughput (void)
{
  enum { PACKETS = 100000, BATCH = 40, SIZE = 1200 };
  g_autoptr (GPtrArray) packets = NULL;
  g_autoptr (GTimer) timer = NULL;
  g_autoptr (QpRoqParser) parser = NULL;
  gsize sizes[BATCH];
  guint i, j;
  Sink sink;

  for (i = 0; i < BATCH; i++)
    sizes[i] = SIZE;
  packets = make_packets (sizes, BATCH);
  sink_init (&sink);
  parser = qp_roq_parser_new (&callbacks, &sink);
  {
    guint8 zero = 0;
    qp_roq_parser_push (parser, &zero, 1, NULL);
  }

  timer = g_timer_new ();
  for (i = 0; i < PACKETS / BATCH; i++) {
    gsize total = qp_roq_framed_size (sizes, BATCH), done;
    g_autofree guint8 *batch = g_malloc (total);
    guint8 *end = batch;

    for (j = 0; j < BATCH; j++)
      end = qp_roq_put_packet (end,
          g_bytes_get_data (g_ptr_array_index (packets, j), NULL), SIZE);
    /* As it comes out of QUIC packets. */
    for (done = 0; done < total; done += 1170)
      qp_roq_parser_push (parser, batch + done, MIN (1170, total - done), NULL);
    g_assert_cmpuint (sink.packets->len, ==, BATCH);
    g_ptr_array_set_size (sink.packets, 0);
  }
  g_test_message ("%d packets framed and parsed in %.1f ms", PACKETS,
      g_timer_elapsed (timer, NULL) * 1000);
  sink_clear (&sink);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/roq/framer/bytes", test_framed_bytes);
  g_test_add_func ("/roq/parser/every-split", test_every_split);
  g_test_add_func ("/roq/parser/at-once", test_at_once);
  g_test_add_func ("/roq/parser/random-splits", test_random_splits);
  g_test_add_func ("/roq/parser/every-end", test_every_end);
  g_test_add_func ("/roq/parser/bad-streams", test_bad_streams);
  g_test_add_func ("/roq/parser/long-integers", test_long_integers);
  g_test_add_func ("/roq/parser/refused-flow", test_refused_flow);
  g_test_add_func ("/roq/parser/memory", test_memory);
  g_test_add_func ("/roq/parser/throughput", test_throughput);
  g_test_add_func ("/roq/datagram/every-size", test_datagrams);

  return g_test_run ();
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Streams over a wire in memory: delivery with and without loss, credit,
 * priority, resets and stops, back-pressure. */
#include "tests/unit/quic-wire.h"

#include <gst/gst.h>
#include <string.h>

/* Streams both ways, of sizes around the packet's and the window's. */
static const gsize sizes[] = { 0, 1, 1100, 1200, 1201, 5000, 65536, 1000003,
  6000000 };

static void
send_streams (WireEnd *end, guint32 seed, gint64 *ids)
{
  guint i;

  for (i = 0; i < G_N_ELEMENTS (sizes); i++) {
    g_autoptr (GBytes) whole = wire_make_bytes (seed + i, sizes[i]);
    gsize at = 0;

    ids[i] = qp_quic_open (end->quic, FALSE, QP_PRIORITY_VIDEO);
    g_assert_cmpint (ids[i], >=, 0);
    /* In pieces of a packet, the FIN with the last or after it. */
    while (at < sizes[i]) {
      gsize piece = MIN (1003, sizes[i] - at);
      g_autoptr (GBytes) part = g_bytes_new_from_bytes (whole, at, piece);

      at += piece;
      g_assert_true (qp_quic_write (end->quic, ids[i], part,
          i % 2 == 0 && at == sizes[i]));
    }
    if (i % 2 == 1 || sizes[i] == 0)
      g_assert_true (qp_quic_write (end->quic, ids[i], NULL, TRUE));
    g_assert_false (qp_quic_write (end->quic, ids[i], NULL, TRUE));
  }
  qp_quic_flush (end->quic);
}

static gboolean
streams_missing (Wire *wire)
{
  return wire->client.streams_finished < G_N_ELEMENTS (sizes) ||
      wire->server.streams_finished < G_N_ELEMENTS (sizes) ||
      wire->client.streams_closed < 2 * G_N_ELEMENTS (sizes) ||
      wire->server.streams_closed < 2 * G_N_ELEMENTS (sizes);
}

static void
exchange_streams (Wire *wire)
{
  gint64 from_client[G_N_ELEMENTS (sizes)], from_server[G_N_ELEMENTS (sizes)];
  QpQuicInfo info;
  guint i;

  send_streams (&wire->client, 100, from_client);
  send_streams (&wire->server, 200, from_server);
  g_assert_true (wire_run_while (wire, streams_missing, 60000));
  for (i = 0; i < G_N_ELEMENTS (sizes); i++) {
    wire_assert_stream (&wire->server, from_client[i], 100 + i, sizes[i]);
    wire_assert_stream (&wire->client, from_server[i], 200 + i, sizes[i]);
  }
  qp_quic_get_info (wire->client.quic, &info);
  g_assert_cmpuint (info.bytes_unsent, ==, 0);
}

static void
test_streams (void)
{
  Wire *wire = wire_new_established (2, 0);

  exchange_streams (wire);
  g_assert_cmpuint (wire->client.max_segments, >, 8);
  wire_free (wire);
}

static void
test_streams_lossy (void)
{
  Wire *wire = wire_new_established (3, 2000);
  QpQuicInfo info;

  wire->paths[0].loss = 500;
  wire->paths[0].jitter_us = 3000;
  exchange_streams (wire);
  qp_quic_get_info (wire->server.quic, &info);
  g_assert_cmpuint (info.packets_lost, >, 0);
  wire_free (wire);
}

/* Thousands of streams of one small frame each: only possible if the peer's
 * MAX_STREAMS is extended again and again. */
#define N_SHORT_STREAMS 5000

typedef struct {
  guint opened;
  guint refused; /* times the limit was reached */
} ShortStreams;

static ShortStreams short_streams;

static void
open_short_streams (Wire *wire)
{
  while (short_streams.opened < N_SHORT_STREAMS) {
    gint64 id = qp_quic_open (wire->client.quic, FALSE, QP_PRIORITY_AUDIO);
    g_autoptr (GBytes) data = NULL;

    if (id < 0) {
      short_streams.refused++;
      break;
    }
    data = wire_make_bytes (short_streams.opened++, 160);
    g_assert_true (qp_quic_write (wire->client.quic, id, data, TRUE));
  }
  qp_quic_flush (wire->client.quic);
}

static gboolean
short_streams_missing (Wire *wire)
{
  if (wire->client.streams_available > 0) {
    wire->client.streams_available = 0;
    open_short_streams (wire);
  }
  return wire->client.streams_closed < N_SHORT_STREAMS ||
      wire->server.streams_closed < N_SHORT_STREAMS;
}

static void
test_short_streams (void)
{
  Wire *wire = wire_new_established (4, 1000);
  guint i;

  memset (&short_streams, 0, sizeof short_streams);
  wire->paths[0].loss = 200;
  open_short_streams (wire);
  g_assert_cmpuint (short_streams.refused, ==, 1);
  g_assert_true (wire_run_while (wire, short_streams_missing, 60000));
  g_assert_cmpuint (short_streams.refused, >, 1);
  for (i = 0; i < N_SHORT_STREAMS; i++)
    wire_assert_stream (&wire->server, 2 + 4 * (gint64) i, i, 160);
  wire_free (wire);
}

static gboolean
echo_missing (Wire *wire)
{
  return wire->client.streams_finished < 3;
}

/* The control stream's way: both sides talk on streams that the client opened,
 * and the server answers from within the callback. */
static void
test_bidirectional (void)
{
  Wire *wire = wire_new_established (5, 500);
  gint64 ids[3];
  guint i;

  wire->server.echo = TRUE;
  for (i = 0; i < 3; i++) {
    g_autoptr (GBytes) data = wire_make_bytes (i, 50000);

    ids[i] = qp_quic_open (wire->client.quic, TRUE, QP_PRIORITY_CONTROL);
    g_assert_true (qp_quic_write (wire->client.quic, ids[i], data, TRUE));
  }
  qp_quic_flush (wire->client.quic);
  g_assert_true (wire_run_while (wire, echo_missing, 10000));
  for (i = 0; i < 3; i++)
    wire_assert_stream (&wire->client, ids[i], i, 50000);
  wire_free (wire);
}

/* Order of sending: priority, then age; a link so slow that all but the first
 * burst waits. */
static GArray *order_of_completion;

static gboolean
priorities_missing (Wire *wire)
{
  gint64 id;

  for (id = 2; id < 2 + 4 * 6; id += 4) {
    guint i;
    gboolean known = FALSE;

    for (i = 0; i < order_of_completion->len; i++)
      known |= g_array_index (order_of_completion, gint64, i) == id;
    if (!known && wire_get_stream (&wire->server, id)->fin)
      g_array_append_val (order_of_completion, id);
  }
  return order_of_completion->len < 6;
}

static void
test_priority (void)
{
  static const QpPriority priorities[] = { QP_PRIORITY_VIDEO, QP_PRIORITY_VIDEO,
    QP_PRIORITY_AUDIO, QP_PRIORITY_AUDIO, QP_PRIORITY_CONTROL,
    QP_PRIORITY_CONTROL };
  static const gint64 expected[] = { 18, 22, 10, 14, 2, 6 };
  Wire *wire = wire_new_established (6, 1000);
  guint i;

  order_of_completion = g_array_new (FALSE, FALSE, sizeof (gint64));
  wire->paths[0].rate = 20000000;
  wire->paths[0].queue_us = 1000000;
  for (i = 0; i < 6; i++) {
    gint64 id = qp_quic_open (wire->client.quic, FALSE, priorities[i]);

    g_assert_cmpint (id, ==, 2 + 4 * (gint64) i);
  }
  /* Written newest first: the age of a stream is that of its opening. */
  for (i = 6; i-- > 0;) {
    g_autoptr (GBytes) data = wire_make_bytes (i, 60000);

    g_assert_true (qp_quic_write (wire->client.quic, 2 + 4 * i, data, TRUE));
  }
  qp_quic_flush (wire->client.quic);
  g_assert_true (wire_run_while (wire, priorities_missing, 20000));
  for (i = 0; i < 6; i++)
    g_assert_cmpint (g_array_index (order_of_completion, gint64, i), ==,
        expected[i]);
  g_array_unref (order_of_completion);
  wire_free (wire);
}

static gboolean
no_reset_yet (Wire *wire)
{
  return wire->server.resets == 0;
}

static gboolean
no_stop_yet (Wire *wire)
{
  return wire->client.stops == 0;
}

static gboolean
streams_open (Wire *wire)
{
  return wire->client.streams_closed < 2 || wire->server.streams_closed < 2;
}

static void
test_reset_and_stop (void)
{
  Wire *wire = wire_new_established (7, 1000);
  g_autoptr (GBytes) data = wire_make_bytes (0, 3000000);
  gint64 reset = qp_quic_open (wire->client.quic, FALSE, QP_PRIORITY_VIDEO);
  gint64 stopped;
  WireStream *at_server;
  QpQuicInfo info;

  wire->paths[0].rate = 50000000;
  wire->paths[0].queue_us = 20000;
  g_assert_true (qp_quic_write (wire->client.quic, reset, data, FALSE));
  qp_quic_flush (wire->client.quic);
  wire_run_for (wire, 50);
  g_assert_cmpint (qp_quic_get_unsent (wire->client.quic, reset), >, 0);
  qp_quic_reset (wire->client.quic, reset, 5);
  g_assert_false (qp_quic_write (wire->client.quic, reset, data, FALSE));
  g_assert_cmpint (qp_quic_get_unsent (wire->client.quic, reset), ==, 0);
  qp_quic_get_info (wire->client.quic, &info);
  g_assert_cmpuint (info.bytes_unsent, ==, 0);
  qp_quic_flush (wire->client.quic);
  g_assert_true (wire_run_while (wire, no_reset_yet, 5000));
  at_server = wire_get_stream (&wire->server, reset);
  g_assert_true (at_server->reset);
  g_assert_cmpuint (at_server->reset_code, ==, 5);
  g_assert_false (at_server->fin);

  stopped = qp_quic_open (wire->client.quic, FALSE, QP_PRIORITY_VIDEO);
  g_assert_true (qp_quic_write (wire->client.quic, stopped, data, TRUE));
  qp_quic_flush (wire->client.quic);
  wire_run_for (wire, 50);
  at_server = wire_get_stream (&wire->server, stopped);
  g_assert_cmpuint (at_server->data->len, >, 0);
  qp_quic_stop (wire->server.quic, stopped, 6);
  qp_quic_flush (wire->server.quic);
  {
    guint before = at_server->data->len;

    g_assert_true (wire_run_while (wire, no_stop_yet, 5000));
    g_assert_cmpint (wire->client.last_stop, ==, stopped);
    g_assert_cmpuint (wire->client.last_stop_code, ==, 6);
    g_assert_true (wire_run_while (wire, streams_open, 5000));
    g_assert_cmpuint (at_server->data->len, ==, before);
  }
  qp_quic_get_info (wire->client.quic, &info);
  g_assert_cmpuint (info.bytes_unsent, ==, 0);
  g_assert_cmpint (qp_quic_get_state (wire->client.quic), ==,
      QP_QUIC_ESTABLISHED);
  wire_free (wire);
}

#define N_ALLOWED 1024 /* by the peer at first; see MAX_STREAMS_UNI */

/* Opens streams up to the peer's limit, with a byte on each. */
static guint
open_all (QpQuic *quic, gint64 *ids, gboolean fin)
{
  g_autoptr (GBytes) data = g_bytes_new_static (fin ? "b" : "a", 1);
  guint n = 0;

  while (n < N_ALLOWED &&
      (ids[n] = qp_quic_open (quic, FALSE, QP_PRIORITY_VIDEO)) >= 0)
    g_assert_true (qp_quic_write (quic, ids[n++], data, fin));
  return n;
}

static gboolean
all_open (Wire *wire)
{
  return wire->server.streams_closed < N_ALLOWED ||
      wire->client.streams_closed < N_ALLOWED;
}

/* Frames that are cancelled before any of them left: the peer hears nothing of
 * them, and their streams serve those that follow. */
static void
test_reset_before_data (void)
{
  Wire *wire = wire_new_established (22, 1000);
  QpQuic *quic = wire->client.quic;
  gint64 ids[N_ALLOWED], again[N_ALLOWED];
  QpQuicInfo info;

  g_assert_cmpuint (open_all (quic, ids, FALSE), ==, N_ALLOWED);
  g_assert_cmpint (qp_quic_open (quic, FALSE, QP_PRIORITY_VIDEO), ==, -1);
  for (guint i = 0; i < N_ALLOWED; i++) {
    g_autoptr (GBytes) late = g_bytes_new_static ("c", 1);

    qp_quic_reset (quic, ids[i], 5);
    qp_quic_reset (quic, ids[i], 5);
    g_assert_false (qp_quic_write (quic, ids[i], late, TRUE));
  }
  qp_quic_get_info (quic, &info);
  g_assert_cmpuint (info.bytes_unsent, ==, 0);
  qp_quic_flush (quic);
  g_assert_cmpuint (wire->client.streams_available, ==, 1);
  wire_run_for (wire, 50);
  g_assert_cmpuint (wire->client.streams_closed, ==, 0);

  g_assert_cmpuint (open_all (quic, again, TRUE), ==, N_ALLOWED);
  g_assert_cmpmem (again, sizeof again, ids, sizeof ids);
  g_assert_cmpint (qp_quic_open (quic, FALSE, QP_PRIORITY_VIDEO), ==, -1);
  qp_quic_flush (quic);
  g_assert_true (wire_run_while (wire, all_open, 10000));
  g_assert_cmpuint (wire->server.resets, ==, 0);
  for (guint i = 0; i < N_ALLOWED; i++) {
    WireStream *stream = wire_get_stream (&wire->server, ids[i]);

    g_assert_true (stream->fin);
    g_assert_cmpmem (stream->data->data, stream->data->len, "b", 1);
  }
  wire_free (wire);
}

static gboolean
bytes_wait (Wire *wire)
{
  QpQuicInfo info;

  qp_quic_get_info (wire->client.quic, &info);
  return info.bytes_unsent > 0;
}

static gboolean
no_streams_available (Wire *wire)
{
  return wire->client.streams_available == 0;
}

/* The data was lost, and the reset is the first that the peer hears of it: that
 * costs it no stream. */
static void
test_reset_behind_lost_data (void)
{
  Wire *wire = wire_new_established (23, 1000);
  QpQuic *quic = wire->client.quic;
  gint64 ids[N_ALLOWED];
  guint opened = 0;

  while (opened < 3 * N_ALLOWED) {
    guint n = open_all (quic, ids, FALSE);

    g_assert_cmpuint (n, >, 0);
    g_assert_cmpint (qp_quic_open (quic, FALSE, QP_PRIORITY_VIDEO), ==, -1);
    opened += n;
    wire->paths[0].down = TRUE;
    qp_quic_flush (quic);
    g_assert_true (wire_run_while (wire, bytes_wait, 5000));
    wire->paths[0].down = FALSE;
    for (guint i = 0; i < n; i++)
      qp_quic_reset (quic, ids[i], 5);
    qp_quic_flush (quic);
    g_assert_true (wire_run_while (wire, no_streams_available, 10000));
    wire->client.streams_available = 0;
  }
  g_assert_cmpuint (wire->server.stream_bytes, ==, 0);
  g_assert_cmpuint (wire->server.streams_closed, ==, 0);
  wire_free (wire);
}

/* An owner that has seen enough says so from within stream_data. */
static void
stop_at_once (WireEnd *end, gint64 id)
{
  qp_quic_stop (end->quic, id, 6);
}

static void
test_stop_from_inside (void)
{
  Wire *wire = wire_new_established (8, 1000);
  g_autoptr (GBytes) data = wire_make_bytes (0, 500000);
  gint64 id = qp_quic_open (wire->client.quic, FALSE, QP_PRIORITY_VIDEO);

  wire->paths[0].jitter_us = 3000; /* so that there is reordered data to free */
  wire->server.on_data = stop_at_once;
  g_assert_true (qp_quic_write (wire->client.quic, id, data, TRUE));
  qp_quic_flush (wire->client.quic);
  g_assert_true (wire_run_while (wire, no_stop_yet, 5000));
  wire_run_for (wire, 50);
  g_assert_cmpuint (wire->server.data_calls, ==, 1);
  g_assert_cmpuint (wire->client.streams_closed, ==, 1);
  g_assert_cmpuint (wire->server.streams_closed, ==, 1);
  wire_free (wire);
}

/* A socket that is often full, in the middle of batches. */
static void
test_again (void)
{
  Wire *wire = wire_new_established (12, 0);
  QpQuicInfo info;

  wire->client.again_every = 3;
  wire->server.again_every = 2;
  exchange_streams (wire);
  g_assert_cmpuint (wire->client.agains, >, 10);
  g_assert_cmpuint (wire->server.agains, >, 10);
  /* What waited was sent, not lost. */
  qp_quic_get_info (wire->client.quic, &info);
  g_assert_cmpuint (info.packets_lost, <, 100);
  wire_free (wire);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/quic/streams", test_streams);
  g_test_add_func ("/quic/streams/lossy", test_streams_lossy);
  g_test_add_func ("/quic/streams/short", test_short_streams);
  g_test_add_func ("/quic/streams/bidirectional", test_bidirectional);
  g_test_add_func ("/quic/streams/priority", test_priority);
  g_test_add_func ("/quic/streams/reset-and-stop", test_reset_and_stop);
  g_test_add_func ("/quic/streams/reset-before-data", test_reset_before_data);
  g_test_add_func ("/quic/streams/reset-behind-lost-data",
      test_reset_behind_lost_data);
  g_test_add_func ("/quic/streams/stop-from-inside", test_stop_from_inside);
  g_test_add_func ("/quic/streams/again", test_again);
  return g_test_run ();
}

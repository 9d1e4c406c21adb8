/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Connections over a wire in memory: handshake, streams, datagrams, loss,
 * back-pressure, ends. */
#include "tests/unit/quic-wire.h"

#include <gst/gst.h>
#include <string.h>

/* Byte `at` of the stream made from `seed`: reproducible anywhere. */
static GBytes *
make_bytes (guint32 seed, gsize size)
{
  guint8 *data = g_malloc (MAX (size, 1));
  guint32 state = seed * 2654435761u + 1;
  gsize i;

  for (i = 0; i < size; i++) {
    state = state * 1664525 + 1013904223;
    data[i] = (guint8) (state >> 24);
  }
  return g_bytes_new_take (data, size);
}

static void
assert_stream (WireEnd *end, gint64 id, guint32 seed, gsize size)
{
  g_autoptr (GBytes) expected = make_bytes (seed, size);
  WireStream *stream = wire_get_stream (end, id);

  g_assert_true (stream->fin);
  g_assert_cmpmem (stream->data->data, stream->data->len,
      g_bytes_get_data (expected, NULL), size);
}

static void
test_handshake (void)
{
  Wire *wire = wire_new_established (1, 0);
  guint8 client[32], server[32];

  g_assert_cmpstr (wire->client.alpn, ==, "roq-14-p2p");
  g_assert_cmpstr (wire->server.alpn, ==, "roq-14-p2p");
  g_assert_cmpint (qp_quic_get_state (wire->client.quic), ==,
      QP_QUIC_ESTABLISHED);
  g_assert_true (qp_quic_export_key (wire->client.quic, "EXPORTER-test", client,
      sizeof client));
  g_assert_true (qp_quic_export_key (wire->server.quic, "EXPORTER-test", server,
      sizeof server));
  g_assert_cmpmem (client, sizeof client, server, sizeof server);
  wire_free (wire);
}

/* Streams both ways, of sizes around the packet's and the window's. */
static const gsize sizes[] = { 0, 1, 1100, 1200, 1201, 5000, 65536, 1000003,
  6000000 };

static void
send_streams (WireEnd *end, guint32 seed, gint64 *ids)
{
  guint i;

  for (i = 0; i < G_N_ELEMENTS (sizes); i++) {
    g_autoptr (GBytes) whole = make_bytes (seed + i, sizes[i]);
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
    assert_stream (&wire->server, from_client[i], 100 + i, sizes[i]);
    assert_stream (&wire->client, from_server[i], 200 + i, sizes[i]);
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

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/quic/handshake", test_handshake);
  g_test_add_func ("/quic/streams", test_streams);
  g_test_add_func ("/quic/streams/lossy", test_streams_lossy);
  return g_test_run ();
}

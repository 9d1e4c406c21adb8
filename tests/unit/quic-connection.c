/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Connections over a wire in memory: handshake, datagrams, congestion control,
 * ends. */
#include "tests/unit/quic-wire.h"

#include <glib/gstdio.h>
#include <gst/gst.h>
#include <string.h>

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

static void
close_at_once (WireEnd *end, gint64 id)
{
  qp_quic_close (end->quic, 4, "no such stream\n\x01");
}

static void
test_close_from_inside (void)
{
  Wire *wire = wire_new_established (9, 0);
  g_autoptr (GBytes) data = wire_make_bytes (0, 500000);
  gint64 id = qp_quic_open (wire->client.quic, FALSE, QP_PRIORITY_VIDEO);

  wire->server.on_data = close_at_once;
  g_assert_true (qp_quic_write (wire->client.quic, id, data, TRUE));
  qp_quic_flush (wire->client.quic);
  g_assert_true (wire_run_until (wire, &wire->client.closed, 5000));
  g_assert_cmpuint (wire->server.data_calls, ==, 1);
  g_assert_false (wire->server.closed);
  g_assert_error (wire->client.error, QP_QUIC_ERROR, QP_QUIC_ERROR_PEER_CLOSED);
  /* The peer's bytes are shown, not obeyed. */
  g_assert_nonnull (strstr (wire->client.error->message, "code 4"));
  g_assert_nonnull (strstr (wire->client.error->message,
      "no such stream\\n\\001"));
  wire_free (wire);
}

static gboolean
no_datagrams (Wire *wire)
{
  return wire->server.datagrams->len < 200;
}

static void
test_datagrams (void)
{
  Wire *wire = wire_new_established (10, 500);
  static const guint8 header[] = { 0x40, 0x07 };
  gsize max = qp_quic_get_max_datagram (wire->client.quic);
  guint i;

  g_assert_cmpuint (max, >, 1100);
  g_assert_cmpuint (max, <, 1200);
  for (i = 0; i < 200; i++) {
    g_autoptr (GBytes)
        data = wire_make_bytes (i, i % 2 == 0 ? max - 2 : 100 + i);

    g_assert_true (qp_quic_send_datagram (wire->client.quic, header,
        sizeof header, data));
  }
  {
    g_autoptr (GBytes) data = wire_make_bytes (0, max - 1);

    g_assert_false (qp_quic_send_datagram (wire->client.quic, header,
        sizeof header, data));
  }
  qp_quic_flush (wire->client.quic);
  g_assert_true (wire_run_while (wire, no_datagrams, 5000));
  for (i = 0; i < 200; i++) {
    g_autoptr (GBytes)
        data = wire_make_bytes (i, i % 2 == 0 ? max - 2 : 100 + i);
    gsize size;
    const guint8 *found = g_bytes_get_data (wire->server.datagrams->pdata[i],
        &size);

    g_assert_cmpmem (found, 2, header, 2);
    g_assert_cmpmem (found + 2, size - 2, g_bytes_get_data (data, NULL),
        g_bytes_get_size (data));
  }
  wire_free (wire);
}

static guint8
first_byte (GPtrArray *datagrams, guint index)
{
  return *(const guint8 *) g_bytes_get_data (datagrams->pdata[index], NULL);
}

/* Sound that is queued behind a picture leaves before it; what is taken back
 * of the picture is its oldest part, and the rest arrives in order. */
static void
test_datagram_queues (void)
{
  Wire *wire = wire_new_established (11, 500);
  QpQuic *quic = wire->client.quic;
  QpDatagramQueue *picture = qp_datagram_queue_new (quic, QP_PRIORITY_VIDEO);
  QpDatagramQueue *sound = qp_datagram_queue_new (quic, QP_PRIORITY_AUDIO);
  GPtrArray *got = wire->server.datagrams;
  QpQuicInfo info;
  guint i, left;

  wire->paths[0].rate = 1000000;
  wire->paths[0].queue_us = 1000000;
  for (i = 0; i < 110; i++) {
    const guint8 tag = (guint8) (i < 100 ? i : 100 + i);
    g_autoptr (GBytes) data = wire_make_bytes (0, 1000);

    g_assert_true (qp_datagram_queue_push (i < 100 ? picture : sound, &tag, 1,
        data));
  }
  qp_quic_flush (quic);
  wire_run_for (wire, 300);
  g_assert_cmpuint (got->len, >, 15);
  for (i = 0; i < 10; i++)
    g_assert_cmpuint (first_byte (got, i), ==, 200 + i);
  g_assert_cmpuint (qp_datagram_queue_get_unsent (sound), ==, 0);

  left = qp_datagram_queue_get_unsent (picture);
  g_assert_cmpuint (left, >, 10);
  qp_datagram_queue_drop (picture, left - 5);
  g_assert_cmpuint (qp_datagram_queue_get_unsent (picture), ==, 5);
  qp_quic_flush (quic);
  wire_run_for (wire, 1500);
  g_assert_cmpuint (got->len, ==, 110 - (left - 5));
  for (i = 11; i < got->len; i++)
    g_assert_cmpuint (first_byte (got, i), >, first_byte (got, i - 1));
  g_assert_cmpuint (first_byte (got, got->len - 5), ==, 95);

  qp_quic_get_info (quic, &info);
  g_assert_cmpuint (info.datagrams_dropped, ==, left - 5);
  g_assert_cmpuint (info.bytes_unsent, ==, 0);
  qp_datagram_queue_free (picture);
  qp_datagram_queue_free (sound);
  wire_free (wire);
}

/* Errors of the network are losses; the connection outlives them. */
static void
test_send_error (void)
{
  Wire *wire = wire_new_established (13, 0);
  g_autoptr (GBytes) data = wire_make_bytes (1, 100000);
  gint64 id = qp_quic_open (wire->client.quic, FALSE, QP_PRIORITY_VIDEO);

  wire->client.fail = TRUE;
  g_assert_true (qp_quic_write (wire->client.quic, id, data, TRUE));
  qp_quic_flush (wire->client.quic);
  wire_run_for (wire, 300);
  g_assert_cmpuint (wire->server.stream_bytes, ==, 0);
  wire->client.fail = FALSE;
  g_assert_true (wire_run_until (wire,
      &wire_get_stream (&wire->server, id)->fin, 10000));
  wire_assert_stream (&wire->server, id, 1, 100000);
  wire_free (wire);
}

static void
test_close (void)
{
  Wire *wire = wire_new_established (14, 1000);

  qp_quic_close (wire->server.quic, 0, "bye");
  g_assert_cmpint (qp_quic_get_state (wire->server.quic), ==, QP_QUIC_CLOSING);
  g_assert_cmpint (qp_quic_open (wire->server.quic, FALSE, QP_PRIORITY_VIDEO),
      ==, -1);
  g_assert_true (wire_run_until (wire, &wire->client.closed, 5000));
  g_assert_error (wire->client.error, QP_QUIC_ERROR, QP_QUIC_ERROR_PEER_CLOSED);
  g_assert_nonnull (strstr (wire->client.error->message, "\"bye\""));
  wire_run_for (wire, 800);
  g_assert_false (wire->server.closed);
  g_assert_cmpint (qp_quic_get_state (wire->server.quic), ==, QP_QUIC_CLOSED);
  g_assert_cmpint (qp_quic_get_state (wire->client.quic), ==, QP_QUIC_CLOSED);
  wire_free (wire);
}

/* A close that got lost is repeated when the peer goes on. */
static void
test_close_lost (void)
{
  Wire *wire = wire_new_established (15, 20000);
  g_autoptr (GBytes) data = wire_make_bytes (1, 1000);
  gint64 id = qp_quic_open (wire->client.quic, FALSE, QP_PRIORITY_VIDEO);
  /* Longer than a packet. */
  g_autofree char *reason = g_strnfill (5000, 'x');

  wire->paths[0].down = TRUE;
  qp_quic_close (wire->server.quic, 7, reason);
  wire->paths[0].down = FALSE;
  g_assert_true (qp_quic_write (wire->client.quic, id, data, TRUE));
  qp_quic_flush (wire->client.quic);
  g_assert_true (wire_run_until (wire, &wire->client.closed, 5000));
  g_assert_error (wire->client.error, QP_QUIC_ERROR, QP_QUIC_ERROR_PEER_CLOSED);
  g_assert_nonnull (strstr (wire->client.error->message, "code 7"));
  wire_free (wire);
}

static void
test_close_before_established (void)
{
  Wire *wire = wire_new (16);
  WireConfig config;

  wire_config_init (&config);
  wire_connect (wire, &config);
  wire_config_clear (&config);
  qp_quic_close (wire->server.quic, 1, "never mind");
  g_assert_cmpint (qp_quic_get_state (wire->server.quic), ==, QP_QUIC_CLOSED);
  qp_quic_close (wire->client.quic, 1, "never mind");
  wire_run_for (wire, 20);
  g_assert_false (wire->client.established);
  g_assert_false (wire->client.closed);
  g_assert_false (wire->server.closed);
  wire_free (wire);
}

static void
test_idle_timeout (void)
{
  Wire *wire = wire_new (17);
  WireConfig config;

  wire_config_init (&config);
  config.client.idle_timeout_ms = 1500;
  wire_connect (wire, &config);
  wire_config_clear (&config);
  wire_establish (wire);
  wire->paths[0].down = TRUE;
  g_assert_true (wire_run_until (wire, &wire->client.closed, 10000));
  g_assert_true (wire_run_until (wire, &wire->server.closed, 10000));
  g_assert_error (wire->client.error, QP_QUIC_ERROR, QP_QUIC_ERROR_TIMEOUT);
  g_assert_error (wire->server.error, QP_QUIC_ERROR, QP_QUIC_ERROR_TIMEOUT);
  g_assert_nonnull (strstr (wire->server.error->message, "1500 ms"));
  wire_free (wire);
}

static void
test_keep_alive (void)
{
  Wire *wire = wire_new (18);
  WireConfig config;

  wire_config_init (&config);
  config.client.idle_timeout_ms = 800;
  config.server.keep_alive_ms = 200;
  wire_connect (wire, &config);
  wire_config_clear (&config);
  wire_establish (wire);
  wire_run_for (wire, 2500);
  g_assert_false (wire->client.closed);
  g_assert_false (wire->server.closed);
  wire_free (wire);
}

static void
test_handshake_timeout (void)
{
  Wire *wire = wire_new (19);
  WireConfig config;

  wire_config_init (&config);
  config.client.handshake_timeout_ms = 700;
  config.server.handshake_timeout_ms = 600;
  wire->paths[0].down = TRUE;
  wire_connect (wire, &config);
  wire_config_clear (&config);
  g_assert_true (wire_run_until (wire, &wire->server.closed, 5000));
  g_assert_true (wire_run_until (wire, &wire->client.closed, 5000));
  g_assert_error (wire->client.error, QP_QUIC_ERROR, QP_QUIC_ERROR_TIMEOUT);
  g_assert_error (wire->server.error, QP_QUIC_ERROR, QP_QUIC_ERROR_TIMEOUT);
  g_assert_nonnull (strstr (wire->client.error->message, "700 ms"));
  g_assert_nonnull (strstr (wire->server.error->message, "600 ms"));
  wire_free (wire);
}

static void
test_lossy_handshakes (void)
{
  guint seed;

  for (seed = 0; seed < 10; seed++) {
    Wire *wire = wire_new (1000 + seed);
    WireConfig config;

    wire->paths[0].loss = 2000;
    wire->paths[0].delay_us = 1000;
    wire->paths[0].jitter_us = 2000;
    wire_config_init (&config);
    config.client.handshake_timeout_ms = config.server.handshake_timeout_ms =
        20000;
    wire_connect (wire, &config);
    wire_config_clear (&config);
    wire_run_until (wire, &wire->client.established, 20000);
    wire_run_until (wire, &wire->server.established, 20000);
    g_assert_true (wire->client.established && wire->server.established);
    wire_free (wire);
  }
}

/* One after the other: nothing may be left of any (a sanitizer tells). */
static void
test_fifty (void)
{
  guint i;

  for (i = 0; i < 50; i++) {
    Wire *wire = wire_new_established (100 + i, 0);
    g_autoptr (GBytes) data = wire_make_bytes (i, 20000);
    gint64 id = qp_quic_open (wire->client.quic, FALSE, QP_PRIORITY_VIDEO);

    g_assert_true (qp_quic_write (wire->client.quic, id, data, i % 2 == 0));
    qp_quic_flush (wire->client.quic);
    if (i % 3 == 0) /* freed in mid-flight otherwise */
      g_assert_true (wire_run_until (wire, &wire->server.got_data, 5000));
    if (i % 4 == 0)
      qp_quic_close (wire->client.quic, 0, NULL);
    wire_free (wire);
  }
}

static gboolean
cc_missing (Wire *wire)
{
  return wire->server.streams_finished < 1;
}

static void
test_congestion_controls (void)
{
  static const QpCongestionControl all[] = { QP_CC_CUBIC, QP_CC_RENO,
    QP_CC_BBR };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (all); i++) {
    Wire *wire = wire_new (20 + i);
    g_autoptr (GBytes) data = wire_make_bytes (i, 2000000);
    WireConfig config;
    gint64 id;

    wire->paths[0] = (WirePath){ .delay_us = 2000,
      .rate = 50000000,
      .queue_us = 20000 };
    wire_config_init (&config);
    config.client.congestion_control = all[i];
    wire_connect (wire, &config);
    wire_config_clear (&config);
    wire_establish (wire);
    id = qp_quic_open (wire->client.quic, FALSE, QP_PRIORITY_VIDEO);
    g_assert_true (qp_quic_write (wire->client.quic, id, data, TRUE));
    qp_quic_flush (wire->client.quic);
    g_assert_true (wire_run_while (wire, cc_missing, 20000));
    wire_assert_stream (&wire->server, id, i, 2000000);
    wire_free (wire);
  }
}

/* qlog and key log: named safely, readable by their owner only. */
static void
test_logs (void)
{
  g_autofree char *dir = g_dir_make_tmp ("quicp2p-XXXXXX", NULL);
  g_autofree char *keys = g_build_filename (dir, "keys.txt", NULL);
  g_autofree char *text = NULL;
  Wire *wire = wire_new (21);
  WireConfig config;
  GDir *listing;
  const char *name;
  guint qlogs = 0;

  g_setenv ("SSLKEYLOGFILE", keys, TRUE);
  wire_config_init (&config);
  config.client.qlog_dir = config.server.qlog_dir = dir;
  config.client.name = "../../etc/peer \"x\"";
  wire_connect (wire, &config);
  wire_config_clear (&config);
  wire_establish (wire);
  wire_free (wire);
  g_unsetenv ("SSLKEYLOGFILE");
  g_assert_true (g_file_get_contents (keys, &text, NULL, NULL));
  g_assert_nonnull (strstr (text, "CLIENT_TRAFFIC_SECRET_0 "));
  listing = g_dir_open (dir, 0, NULL);
  while ((name = g_dir_read_name (listing)) != NULL) {
    g_autofree char *path = g_build_filename (dir, name, NULL);
    GStatBuf info;

    g_assert_cmpint (g_stat (path, &info), ==, 0);
    g_assert_cmpuint (info.st_mode & 0777, ==, 0600);
    if (g_str_has_suffix (name, ".sqlog")) {
      qlogs++;
      g_assert_cmpuint (info.st_size, >, 1000);
    }
    g_unlink (path);
  }
  g_dir_close (listing);
  g_assert_cmpuint (qlogs, ==, 2);
  g_assert_cmpint (g_rmdir (dir), ==, 0);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/quic/handshake", test_handshake);
  g_test_add_func ("/quic/datagrams", test_datagrams);
  g_test_add_func ("/quic/datagrams/queues", test_datagram_queues);
  g_test_add_func ("/quic/send/error", test_send_error);
  g_test_add_func ("/quic/close", test_close);
  g_test_add_func ("/quic/close/from-inside", test_close_from_inside);
  g_test_add_func ("/quic/close/lost", test_close_lost);
  g_test_add_func ("/quic/close/early", test_close_before_established);
  g_test_add_func ("/quic/timeout/idle", test_idle_timeout);
  g_test_add_func ("/quic/timeout/keep-alive", test_keep_alive);
  g_test_add_func ("/quic/timeout/handshake", test_handshake_timeout);
  g_test_add_func ("/quic/handshake/lossy", test_lossy_handshakes);
  g_test_add_func ("/quic/fifty", test_fifty);
  g_test_add_func ("/quic/congestion-controls", test_congestion_controls);
  g_test_add_func ("/quic/logs", test_logs);
  return g_test_run ();
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The connection moves between paths while data flows both ways: nothing may
 * be lost but time, and little of that. */
#include "tests/unit/quic-wire.h"

#include <gst/gst.h>
#include <string.h>

#define FRAME_SIZE 3000
#define FRAME_MS 5

/* Sends a frame, a stream of its own, every FRAME_MS. */
typedef struct {
  WireEnd *end;
  GSource *source;
  guint64 sent;
} Pump;

static gboolean
pump_frame (gpointer user)
{
  Pump *pump = user;
  g_autofree guint8 *data = NULL;
  g_autoptr (GBytes) bytes = NULL;
  gint64 id;

  id = qp_quic_open (pump->end->quic, FALSE, QP_PRIORITY_VIDEO);
  if (id < 0)
    return G_SOURCE_CONTINUE;
  data = g_malloc (FRAME_SIZE);
  memset (data, (int) (id & 0xff), FRAME_SIZE);
  bytes = g_bytes_new (data, FRAME_SIZE);
  g_assert_true (qp_quic_write (pump->end->quic, id, bytes, TRUE));
  qp_quic_flush (pump->end->quic);
  pump->sent++;
  return G_SOURCE_CONTINUE;
}

static void
pump_start (Pump *pump, WireEnd *end)
{
  pump->end = end;
  pump->sent = 0;
  pump->source = g_timeout_source_new (FRAME_MS);
  g_source_set_callback (pump->source, pump_frame, pump, NULL);
  g_source_attach (pump->source, end->wire->context);
}

static void
pump_stop (Pump *pump)
{
  g_source_destroy (pump->source);
  g_source_unref (pump->source);
}

static guint64 expected_at_client, expected_at_server;

static gboolean
frames_missing (Wire *wire)
{
  return wire->client.streams_finished < expected_at_client ||
      wire->server.streams_finished < expected_at_server;
}

static void
check_frame (gpointer key, gpointer value, gpointer user)
{
  gint64 id = *(gint64 *) key;
  WireStream *stream = value;
  guint i;

  if ((id & 1) != GPOINTER_TO_INT (user))
    return; /* one of its own */
  g_assert_true (stream->fin);
  g_assert_false (stream->reset);
  g_assert_cmpuint (stream->data->len, ==, FRAME_SIZE);
  for (i = 0; i < FRAME_SIZE; i++)
    g_assert_cmpuint (stream->data->data[i], ==, (guint8) (id & 0xff));
}

/* Every frame that was sent arrives, whole. */
static void
assert_all_frames (Wire *wire, const Pump *from_client, const Pump *from_server)
{
  expected_at_server = from_client != NULL ? from_client->sent : 0;
  expected_at_client = from_server != NULL ? from_server->sent : 0;
  wire_run_while (wire, frames_missing, 10000);
  g_assert_cmpuint (wire->server.streams_finished, ==, expected_at_server);
  g_assert_cmpuint (wire->client.streams_finished, ==, expected_at_client);
  g_hash_table_foreach (wire->server.streams, check_frame, GINT_TO_POINTER (0));
  g_hash_table_foreach (wire->client.streams, check_frame, GINT_TO_POINTER (1));
}

static Wire *
new_wire (guint32 seed, guint delay_us)
{
  Wire *wire = wire_new_established (seed, delay_us);
  guint i;

  for (i = 1; i < WIRE_MAX_PATHS; i++)
    qp_quic_add_path (wire->server.quic, i);
  /* Connection IDs and HANDSHAKE_DONE must have come. */
  wire_run_for (wire, 20 + delay_us * 3 / 1000);
  return wire;
}

static void
start_gaps (Wire *wire)
{
  wire->client.longest_gap_us = wire->server.longest_gap_us = 0;
}

static guint
path_of (WireEnd *end)
{
  QpQuicInfo info;

  qp_quic_get_info (end->quic, &info);
  return info.path;
}

static void
test_planned (void)
{
  Wire *wire = new_wire (50, 5000);
  g_autoptr (GError) error = NULL;
  Pump from_client, from_server;
  QpQuicInfo info;

  pump_start (&from_client, &wire->client);
  pump_start (&from_server, &wire->server);
  wire_run_for (wire, 200);
  start_gaps (wire);
  g_assert_true (qp_quic_migrate (wire->client.quic, 1, FALSE, 1200, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (path_of (&wire->client), ==, 0);
  wire_run_for (wire, 500);
  g_assert_cmpuint (wire->client.path_results, ==, 1);
  g_assert_cmpuint (wire->client.last_result_path, ==, 1);
  g_assert_true (wire->client.last_result);
  g_assert_cmpuint (wire->client.path_changes, ==, 1);
  g_assert_cmpuint (wire->client.last_path, ==, 1);
  g_assert_cmpuint (wire->server.path_changes, ==, 1);
  g_assert_cmpuint (wire->server.last_path, ==, 1);
  g_test_message ("planned: longest gap %" G_GINT64_FORMAT " ms",
      MAX (wire->client.longest_gap_us, wire->server.longest_gap_us) / 1000);
  g_assert_cmpint (wire->client.longest_gap_us, <, 300000);
  g_assert_cmpint (wire->server.longest_gap_us, <, 300000);
  pump_stop (&from_client);
  pump_stop (&from_server);
  assert_all_frames (wire, &from_client, &from_server);
  qp_quic_get_info (wire->client.quic, &info);
  g_assert_cmpuint (info.migrations, ==, 1);
  g_assert_cmpuint (info.packets_lost, ==, 0);
  wire_free (wire);
}

static void
test_immediate (void)
{
  Wire *wire = new_wire (51, 5000);
  g_autoptr (GError) error = NULL;
  Pump from_client, from_server;

  pump_start (&from_client, &wire->client);
  pump_start (&from_server, &wire->server);
  wire_run_for (wire, 200);
  start_gaps (wire);
  wire->paths[0].down = TRUE;
  wire_run_for (wire, 20); /* until somebody notices */
  g_assert_true (qp_quic_migrate (wire->client.quic, 2, TRUE, 1200, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (path_of (&wire->client), ==, 2);
  wire_run_for (wire, 500);
  g_assert_true (wire->client.last_result);
  g_assert_cmpuint (wire->client.last_result_path, ==, 2);
  g_assert_cmpuint (wire->server.last_path, ==, 2);
  g_test_message ("immediate: longest gap %" G_GINT64_FORMAT " ms",
      MAX (wire->client.longest_gap_us, wire->server.longest_gap_us) / 1000);
  g_assert_cmpint (wire->client.longest_gap_us, <, 500000);
  g_assert_cmpint (wire->server.longest_gap_us, <, 500000);
  pump_stop (&from_client);
  pump_stop (&from_server);
  assert_all_frames (wire, &from_client, &from_server);
  wire_free (wire);
}

/* A viewer only receives: if its first packets on the new path are lost, it
 * must not wait for its own probe timeouts to be heard. */
static void
test_receiver_unheard (void)
{
  Wire *wire = new_wire (52, 5000);
  Pump from_server;

  pump_start (&from_server, &wire->server);
  wire_run_for (wire, 200);
  start_gaps (wire);
  wire->paths[0].down = TRUE;
  wire->paths[1].down = TRUE;
  g_assert_true (qp_quic_migrate (wire->client.quic, 1, TRUE, 1200, NULL));
  wire_run_for (wire, 60);
  wire->paths[1].down = FALSE;
  wire_run_for (wire, 1500);
  g_test_message ("unheard: longest gap %" G_GINT64_FORMAT " ms",
      wire->client.longest_gap_us / 1000);
  g_assert_cmpint (wire->client.longest_gap_us, >=, 60000);
  g_assert_cmpint (wire->client.longest_gap_us, <, 500000);
  pump_stop (&from_server);
  assert_all_frames (wire, NULL, &from_server);
  wire_free (wire);
}

/* Back and forth between the same two, as a phone at the edge of a WiFi does;
 * each time onto what ngtcp2 takes for a new path. */
static void
back_and_forth (gboolean immediate)
{
  Wire *wire = new_wire (53 + immediate, 3000);
  Pump from_client, from_server;
  guint i;

  pump_start (&from_client, &wire->client);
  pump_start (&from_server, &wire->server);
  wire_run_for (wire, 100);
  start_gaps (wire);
  for (i = 1; i <= 12; i++) {
    g_autoptr (GError) error = NULL;

    if (immediate)
      wire->paths[(i + 1) % 2].down = TRUE;
    wire->paths[i % 2].down = FALSE;
    g_assert_true (qp_quic_migrate (wire->client.quic, i % 2, immediate, 1200,
        &error));
    g_assert_no_error (error);
    wire_run_for (wire, 250);
    g_assert_cmpuint (path_of (&wire->client), ==, i % 2);
    g_assert_cmpuint (path_of (&wire->server), ==, i % 2);
  }
  g_test_message ("back and forth: longest gap %" G_GINT64_FORMAT " ms",
      MAX (wire->client.longest_gap_us, wire->server.longest_gap_us) / 1000);
  g_assert_cmpint (wire->client.longest_gap_us, <, 500000);
  g_assert_cmpint (wire->server.longest_gap_us, <, 500000);
  pump_stop (&from_client);
  pump_stop (&from_server);
  assert_all_frames (wire, &from_client, &from_server);
  wire_free (wire);
}

static void
test_back_and_forth_planned (void)
{
  back_and_forth (FALSE);
}

static void
test_back_and_forth_immediate (void)
{
  back_and_forth (TRUE);
}

static void
test_dead_path (void)
{
  Wire *wire = new_wire (55, 2000);
  Pump from_client;

  wire->paths[3].down = TRUE;
  pump_start (&from_client, &wire->client);
  g_assert_true (qp_quic_migrate (wire->client.quic, 3, FALSE, 1200, NULL));
  wire_run_for (wire, 3000);
  g_assert_cmpuint (wire->client.path_results, ==, 1);
  g_assert_cmpuint (wire->client.last_result_path, ==, 3);
  g_assert_false (wire->client.last_result);
  g_assert_cmpuint (wire->client.path_changes, ==, 0);
  g_assert_cmpuint (path_of (&wire->client), ==, 0);
  /* And that was no obstacle for a path that works. */
  g_assert_true (qp_quic_migrate (wire->client.quic, 4, FALSE, 1200, NULL));
  wire_run_for (wire, 300);
  g_assert_true (wire->client.last_result);
  g_assert_cmpuint (path_of (&wire->server), ==, 4);
  pump_stop (&from_client);
  assert_all_frames (wire, &from_client, NULL);
  wire_free (wire);
}

/* The first choice is dead too: another move without waiting for the verdict. */
static void
test_second_choice (void)
{
  Wire *wire = new_wire (56, 2000);
  Pump from_client, from_server;

  pump_start (&from_client, &wire->client);
  pump_start (&from_server, &wire->server);
  wire_run_for (wire, 100);
  wire->paths[0].down = wire->paths[1].down = TRUE;
  start_gaps (wire);
  g_assert_true (qp_quic_migrate (wire->client.quic, 1, TRUE, 1200, NULL));
  wire_run_for (wire, 100);
  g_assert_true (qp_quic_migrate (wire->client.quic, 2, TRUE, 1200, NULL));
  wire_run_for (wire, 500);
  g_assert_cmpuint (path_of (&wire->server), ==, 2);
  g_assert_cmpint (wire->client.longest_gap_us, <, 600000);
  pump_stop (&from_client);
  pump_stop (&from_server);
  assert_all_frames (wire, &from_client, &from_server);
  wire_free (wire);
}

static void
assert_no_move (QpQuic *quic, guint path, const char *says)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (qp_quic_migrate (quic, path, TRUE, 1200, &error));
  g_assert_nonnull (error);
  g_assert_nonnull (strstr (error->message, says));
}

static guint64
cwnd_of (WireEnd *end)
{
  QpQuicInfo info;

  qp_quic_get_info (end->quic, &info);
  return info.cwnd;
}

/* One side begins anew where it is: its congestion control does, nobody hears of
 * a move, and nothing is lost. */
static void
renew (gboolean at_server)
{
  Wire *wire = new_wire (54, 5000);
  WireEnd *end = at_server ? &wire->server : &wire->client;
  Pump from_client, from_server;
  guint64 grown;

  pump_start (&from_client, &wire->client);
  pump_start (&from_server, &wire->server);
  wire_run_for (wire, 300);
  grown = cwnd_of (end);
  qp_quic_renew_path (end->quic);
  wire_run_for (wire, 12);
  g_assert_cmpuint (cwnd_of (end), <, grown);
  wire_run_for (wire, 300);
  g_assert_cmpuint (path_of (&wire->client), ==, 0);
  g_assert_cmpuint (path_of (&wire->server), ==, 0);
  g_assert_cmpuint (wire->client.path_changes, ==, 0);
  g_assert_cmpuint (wire->server.path_changes, ==, 0);
  pump_stop (&from_client);
  pump_stop (&from_server);
  assert_all_frames (wire, &from_client, &from_server);
  wire_free (wire);
}

static void
test_renew_client (void)
{
  renew (FALSE);
}

static void
test_renew_server (void)
{
  renew (TRUE);
}

static void
test_refusals (void)
{
  Wire *wire = wire_new (57);
  WireConfig config;
  guint i;

  for (i = 0; i < WIRE_MAX_PATHS; i++)
    wire->paths[i].delay_us = 20000;
  wire_config_init (&config);
  wire_connect (wire, &config);
  wire_config_clear (&config);
  assert_no_move (wire->client.quic, 1, "not established");
  wire_run_until (wire, &wire->client.established, 5000);
  assert_no_move (wire->client.quic, 1, "not confirmed the handshake");
  wire_establish (wire);
  wire_run_for (wire, 100);
  assert_no_move (wire->server.quic, 1, "only the client");
  assert_no_move (wire->client.quic, 0, "there already");
  for (i = 1; i < WIRE_MAX_PATHS; i++)
    qp_quic_add_path (wire->server.quic, i);
  /* Faster than new connection IDs can come: seven are spare. */
  for (i = 0; i < 7; i++)
    g_assert_true (qp_quic_migrate (wire->client.quic, 1 + i % 7, TRUE, 1200,
        NULL));
  assert_no_move (wire->client.quic, 1, "no spare connection ID");
  g_assert_cmpuint (path_of (&wire->client), ==, 7);
  wire_run_for (wire, 500);
  g_assert_cmpuint (path_of (&wire->server), ==, 7);
  g_assert_true (qp_quic_migrate (wire->client.quic, 1, TRUE, 1200, NULL));
  wire_run_for (wire, 300);
  g_assert_cmpuint (path_of (&wire->server), ==, 1);
  g_assert_false (wire->client.closed);
  wire_free (wire);
}

/* What arrives where nobody is known is nothing. */
static void
test_unknown_path (void)
{
  Wire *wire = new_wire (58, 1000);
  Pump from_client;

  qp_quic_remove_path (wire->server.quic, 5);
  g_assert_true (qp_quic_migrate (wire->client.quic, 5, FALSE, 1200, NULL));
  pump_start (&from_client, &wire->client);
  wire_run_for (wire, 200);
  g_assert_cmpuint (path_of (&wire->client), ==, 0);
  qp_quic_add_path (wire->server.quic, 5);
  wire_run_for (wire, 1500);
  g_assert_cmpuint (path_of (&wire->client), ==, 5);
  pump_stop (&from_client);
  assert_all_frames (wire, &from_client, NULL);
  wire_free (wire);
}

static gsize largest[WIRE_MAX_PATHS];

static void
note_size (WireEnd *end, guint path, guint8 *data, gsize size)
{
  largest[path] = MAX (largest[path], size);
}

/* Each path has its own limit. */
static void
test_payload (void)
{
  Wire *wire = wire_new (59);
  WireConfig config;
  Pump from_client;

  memset (largest, 0, sizeof largest);
  wire_config_init (&config);
  config.client.max_payload = 1400;
  wire->client.tap = note_size;
  wire_connect (wire, &config);
  wire_config_clear (&config);
  wire_establish (wire);
  qp_quic_add_path (wire->server.quic, 1);
  qp_quic_add_path (wire->server.quic, 2);
  wire_run_for (wire, 20);
  pump_start (&from_client, &wire->client);
  wire_run_for (wire, 100);
  g_assert_true (qp_quic_migrate (wire->client.quic, 1, FALSE, 1250, NULL));
  wire_run_for (wire, 200);
  g_assert_true (qp_quic_migrate (wire->client.quic, 2, FALSE, 100, NULL));
  wire_run_for (wire, 200);
  pump_stop (&from_client);
  assert_all_frames (wire, &from_client, NULL);
  g_assert_cmpuint (largest[0], ==, 1400);
  g_assert_cmpuint (largest[1], ==, 1250);
  g_assert_cmpuint (largest[2], ==, 1200);
  wire_free (wire);
}

/* The owner moves from within `send`, when that fails. */
static guint moves_from_inside;

static gboolean
fail_and_move (WireEnd *end, guint path)
{
  if (path != 0)
    return FALSE;
  if (moves_from_inside++ == 0)
    g_assert_true (qp_quic_migrate (end->quic, 1, TRUE, 1200, NULL));
  return TRUE;
}

static void
test_move_from_send (void)
{
  Wire *wire = new_wire (60, 1000);
  Pump from_client, from_server;

  pump_start (&from_client, &wire->client);
  pump_start (&from_server, &wire->server);
  wire_run_for (wire, 100);
  moves_from_inside = 0;
  wire->paths[0].down = TRUE;
  wire->client.fails = fail_and_move;
  wire_run_for (wire, 300);
  g_assert_cmpuint (moves_from_inside, >=, 1);
  g_assert_cmpuint (path_of (&wire->client), ==, 1);
  g_assert_cmpuint (path_of (&wire->server), ==, 1);
  pump_stop (&from_client);
  pump_stop (&from_server);
  assert_all_frames (wire, &from_client, &from_server);
  wire_free (wire);
}

/* The client's next packet on path 1, after the server has asked there for an
 * answer, takes path 0. */
static guint diverted;
static gboolean challenged;

static void
note_challenge (WireEnd *end, guint path, guint8 *data, gsize size)
{
  challenged |= path == 1 && end->path_changes > 0;
}

static void
divert_answer (WireEnd *end, guint path, guint8 *data, gsize size)
{
  if (path == 1 && challenged && diverted++ == 0)
    wire_inject (end->other, 0, data, size);
}

/* A PATH_RESPONSE validates the path that it answers for wherever it arrives
 * (RFC 9000, 8.2.3), even on the one which that ends. */
static void
test_answer_on_former_path (void)
{
  Wire *wire = new_wire (61, 1000);
  Pump from_client, from_server;

  diverted = 0;
  challenged = FALSE;
  wire->server.tap = note_challenge;
  wire->client.tap = divert_answer;
  g_assert_true (qp_quic_migrate (wire->client.quic, 1, TRUE, 1200, NULL));
  wire_run_for (wire, 100);
  g_assert_cmpuint (diverted, >=, 1);
  pump_start (&from_client, &wire->client);
  pump_start (&from_server, &wire->server);
  wire_run_for (wire, 300);
  g_assert_cmpuint (path_of (&wire->client), ==, 1);
  g_assert_cmpuint (path_of (&wire->server), ==, 1);
  pump_stop (&from_client);
  pump_stop (&from_server);
  assert_all_frames (wire, &from_client, &from_server);
  wire_free (wire);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/quic/migration/planned", test_planned);
  g_test_add_func ("/quic/migration/immediate", test_immediate);
  g_test_add_func ("/quic/migration/receiver-unheard", test_receiver_unheard);
  g_test_add_func ("/quic/migration/back-and-forth/planned",
      test_back_and_forth_planned);
  g_test_add_func ("/quic/migration/back-and-forth/immediate",
      test_back_and_forth_immediate);
  g_test_add_func ("/quic/migration/dead-path", test_dead_path);
  g_test_add_func ("/quic/migration/second-choice", test_second_choice);
  g_test_add_func ("/quic/migration/renew/client", test_renew_client);
  g_test_add_func ("/quic/migration/renew/server", test_renew_server);
  g_test_add_func ("/quic/migration/refusals", test_refusals);
  g_test_add_func ("/quic/migration/unknown-path", test_unknown_path);
  g_test_add_func ("/quic/migration/payload", test_payload);
  g_test_add_func ("/quic/migration/from-send", test_move_from_send);
  g_test_add_func ("/quic/migration/answer-on-former-path",
      test_answer_on_former_path);
  return g_test_run ();
}

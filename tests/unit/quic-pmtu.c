/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Path MTU discovery over a wire that swallows what is too large: it is found
 * on each path, media does not wait for it, and a path that shrinks in
 * mid-call is survived. */
#include "tests/unit/quic-wire.h"

#include <gst/gst.h>
#include <string.h>

#define LARGEST 1452
#define BASE 1200
/* Around a DATAGRAM frame: first byte, connection ID, packet number, tag, type,
 * length. */
#define OVERHEAD (1 + 8 + 4 + 16 + 3)

/* --- media ------------------------------------------------------------------- */

/* Sends something every `ms`, and notices how long nothing arrives. */
typedef struct {
  WireEnd *end;
  gsize size;
  gboolean datagrams; /* of that size, else frames, each a stream */
  guint count;        /* of datagrams at a time */
  GSource *source;
  guint64 sent, refused;
  guint64 arrived; /* when last looked at */
  gint64 last, longest_us;
} Media;

static guint64
count_arrived (Media *media)
{
  return media->datagrams ? media->end->other->datagram_bytes
                          : media->end->other->streams_finished;
}

static void
look (Media *media)
{
  gint64 now = g_get_monotonic_time ();

  if (count_arrived (media) != media->arrived) {
    media->arrived = count_arrived (media);
    media->last = now;
  }
  media->longest_us = MAX (media->longest_us, now - media->last);
}

static void
send_frame (Media *media, GBytes *bytes)
{
  gint64 id = qp_quic_open (media->end->quic, FALSE, QP_PRIORITY_VIDEO);

  if (id < 0) {
    media->refused++;
    return;
  }
  g_assert_true (qp_quic_write (media->end->quic, id, bytes, TRUE));
  media->sent++;
}

static gboolean
send_media (gpointer user)
{
  Media *media = user;
  g_autofree guint8 *data = g_malloc0 (media->size);
  g_autoptr (GBytes) bytes = g_bytes_new (data, media->size);
  guint i;

  look (media);
  for (i = 0; media->datagrams && i < media->count; i++) {
    if (qp_quic_send_datagram (media->end->quic, NULL, 0, bytes))
      media->sent++;
    else
      media->refused++;
  }
  if (!media->datagrams)
    send_frame (media, bytes);
  qp_quic_flush (media->end->quic);
  return G_SOURCE_CONTINUE;
}

static void
media_start (Media *media, WireEnd *end, guint ms, gsize size)
{
  media->end = end;
  media->size = size;
  media->last = g_get_monotonic_time ();
  media->source = g_timeout_source_new (ms);
  g_source_set_callback (media->source, send_media, media, NULL);
  g_source_attach (media->source, end->wire->context);
}

static void
media_forget_gaps (Media *media)
{
  look (media);
  media->last = g_get_monotonic_time ();
  media->longest_us = 0;
}

static void
media_stop (Media *media)
{
  look (media);
  g_source_destroy (media->source);
  g_source_unref (media->source);
}

static Media *awaited[2];

static gboolean
frames_missing (Wire *wire)
{
  return count_arrived (awaited[0]) < awaited[0]->sent ||
      count_arrived (awaited[1]) < awaited[1]->sent;
}

/* Every frame that was sent arrives. */
static void
assert_all_frames (Wire *wire, Media *a, Media *b)
{
  awaited[0] = a;
  awaited[1] = b;
  g_assert_true (wire_run_while (wire, frames_missing, 10000));
}

/* --- the wire ---------------------------------------------------------------- */

static guint too_large[WIRE_MAX_PATHS]; /* datagrams that the wire swallowed */
static gsize largest[WIRE_MAX_PATHS];   /* that it did not */
static guint early; /* larger than the base, in the handshake */

static void
note_size (WireEnd *end, guint path, guint8 *data, gsize size)
{
  gsize mtu = end->wire->paths[path].mtu;

  if (mtu > 0 && size > mtu)
    too_large[path]++;
  else
    largest[path] = MAX (largest[path], size);
  if (size > BASE && !end->established)
    early++;
}

static Wire *
new_wire (guint32 seed, guint delay_us, gsize mtu)
{
  Wire *wire = wire_new (seed);
  WireConfig config;
  guint i;

  memset (too_large, 0, sizeof too_large);
  memset (largest, 0, sizeof largest);
  early = 0;
  wire->client.tap = wire->server.tap = note_size;
  for (i = 0; i < WIRE_MAX_PATHS; i++)
    wire->paths[i].delay_us = delay_us;
  wire->paths[0].mtu = mtu;
  wire_config_init (&config);
  config.client.probe_payload = config.server.probe_payload = LARGEST;
  wire_connect (wire, &config);
  wire_config_clear (&config);
  wire_establish (wire);
  for (i = 1; i < WIRE_MAX_PATHS; i++)
    qp_quic_add_path (wire->server.quic, i);
  wire->client.keep = wire->server.keep = FALSE;
  return wire;
}

static gsize
payload_of (WireEnd *end)
{
  QpQuicInfo info;

  qp_quic_get_info (end->quic, &info);
  return info.payload;
}

static gboolean
is_searching (WireEnd *end)
{
  QpQuicInfo info;

  qp_quic_get_info (end->quic, &info);
  return info.searching;
}

static gboolean
searching (Wire *wire)
{
  return is_searching (&wire->client) || is_searching (&wire->server);
}

static gboolean
below_largest (Wire *wire)
{
  return payload_of (&wire->client) < LARGEST ||
      payload_of (&wire->server) < LARGEST;
}

static gboolean
above_base (Wire *wire)
{
  return payload_of (&wire->client) > BASE || payload_of (&wire->server) > BASE;
}

static gboolean
client_above_base (Wire *wire)
{
  return payload_of (&wire->client) > BASE;
}

static void
assert_payloads (Wire *wire, gsize payload)
{
  g_assert_cmpuint (payload_of (&wire->client), ==, payload);
  g_assert_cmpuint (payload_of (&wire->server), ==, payload);
}

static void
assert_open (Wire *wire)
{
  g_assert_false (wire->client.closed);
  g_assert_false (wire->server.closed);
}

/* --- search ------------------------------------------------------------------ */

static const struct {
  gsize mtu, found;
} cases[] = { { 0, 1452 }, { 1472, 1452 }, { 1452, 1452 }, { 1451, 1440 },
  { 1420, 1420 }, { 1410, 1400 }, { 1372, 1372 }, { 1352, 1352 },
  { 1299, 1272 }, { 1232, 1232 }, { 1231, 1200 }, { 1200, 1200 } };

static void
test_search (void)
{
  guint i;

  for (i = 0; i < G_N_ELEMENTS (cases); i++) {
    Wire *wire = new_wire (70 + i, 2000, cases[i].mtu);
    Media up = { 0 }, down = { 0 };
    QpQuicInfo info;
    gint64 start = g_get_monotonic_time ();

    g_assert_true (is_searching (&wire->client));
    media_start (&up, &wire->client, 10, 10000);
    media_start (&down, &wire->server, 10, 10000);
    g_assert_true (wire_run_while (wire, searching, 5000));
    g_test_message ("%" G_GSIZE_FORMAT ": %" G_GSIZE_FORMAT " bytes found in "
                    "%" G_GINT64_FORMAT " ms, %u probes lost",
        cases[i].mtu, payload_of (&wire->client),
        (g_get_monotonic_time () - start) / 1000, too_large[0]);
    assert_payloads (wire, cases[i].found);
    media_forget_gaps (&up);
    wire_run_for (wire, 100);
    assert_payloads (wire, cases[i].found);
    g_assert_cmpuint (largest[0], ==, cases[i].found);
    g_assert_cmpuint (early, ==, 0);
    /* Each size thrice, and no more than four of them, in each direction. */
    g_assert_cmpuint (too_large[0], <=, 2 * 3 * 4);
    media_stop (&up);
    media_stop (&down);
    assert_all_frames (wire, &up, &down);
    /* A lost probe is no loss (RFC 9000, 14.4). */
    qp_quic_get_info (wire->client.quic, &info);
    g_assert_cmpuint (info.packets_lost, ==, 0);
    /* No probe shares a batch. */
    if (cases[i].mtu > 0)
      g_assert_cmpuint (wire->client.largest_batched, <=, cases[i].mtu);
    wire_free (wire);
  }
}

/* What is not to be probed for, is not. */
static void
test_limits (void)
{
  static const gsize asked[] = { 0, 1200, 1350, 65000 };
  static const gsize found[] = { 1200, 1200, 1332, 1452 };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (asked); i++) {
    Wire *wire = wire_new (90);
    WireConfig config;

    memset (largest, 0, sizeof largest);
    wire->client.tap = wire->server.tap = note_size;
    wire->paths[0].delay_us = 1000;
    wire_config_init (&config);
    config.client.probe_payload = config.server.probe_payload = asked[i];
    wire_connect (wire, &config);
    wire_config_clear (&config);
    wire_establish (wire);
    g_assert_true (wire_run_while (wire, searching, 5000));
    assert_payloads (wire, found[i]);
    wire_run_for (wire, 50);
    g_assert_cmpuint (largest[0], ==, found[i]);
    wire_free (wire);
  }
}

static void
assert_datagram_limit (Wire *wire, gsize size)
{
  g_autofree guint8 *data = g_malloc0 (size + 1);
  g_autoptr (GBytes) fits = g_bytes_new (data, size);
  g_autoptr (GBytes) does_not = g_bytes_new (data, size + 1);
  guint64 before = wire->server.datagram_bytes;

  g_assert_cmpuint (qp_quic_get_max_datagram (wire->client.quic), ==, size);
  g_assert_false (qp_quic_send_datagram (wire->client.quic, NULL, 0, does_not));
  g_assert_true (qp_quic_send_datagram (wire->client.quic, NULL, 0, fits));
  qp_quic_flush (wire->client.quic);
  wire_run_for (wire, 20);
  g_assert_cmpuint (wire->server.datagram_bytes - before, ==, size);
}

/* An RTP packet of rtph264pay's default mtu, 1400, fits where Ethernet is. */
static void
test_datagram_limit (void)
{
  Wire *wire = new_wire (91, 1000, 0);

  g_assert_cmpuint (qp_quic_get_max_datagram (wire->client.quic), ==,
      BASE - OVERHEAD);
  wire_run_while (wire, below_largest, 2000);
  assert_datagram_limit (wire, LARGEST - OVERHEAD);
  g_assert_cmpuint (LARGEST - OVERHEAD, >=, 1400 + 8);
  wire_free (wire);

  wire = new_wire (92, 1000, BASE);
  wire_run_while (wire, searching, 5000);
  assert_datagram_limit (wire, BASE - OVERHEAD);
  wire_free (wire);
}

/* --- a path that shrinks ----------------------------------------------------- */

static void
report (const char *what, const Media *up, const Media *down)
{
  g_test_message ("%s: longest gap %" G_GINT64_FORMAT
                  " ms up, %" G_GINT64_FORMAT " ms down",
      what, up->longest_us / 1000, down->longest_us / 1000);
}

/* Frames as a camera makes them: the last packet of most is small. */
static void
shrink (guint delay_us, guint frame_ms, gsize frame_size)
{
  Wire *wire = new_wire (100, delay_us, 0);
  Media up = { 0 }, down = { 0 };

  media_start (&up, &wire->client, frame_ms, frame_size);
  media_start (&down, &wire->server, frame_ms, frame_size);
  g_assert_true (wire_run_while (wire, below_largest, 3000));
  wire_run_for (wire, 500);
  media_forget_gaps (&up);
  media_forget_gaps (&down);
  wire->paths[0].mtu = 1300;
  g_assert_true (wire_run_while (wire, above_base, 2000));
  wire_run_for (wire, 900);
  report ("shrink", &up, &down);
  g_assert_cmpint (up.longest_us, <, G_USEC_PER_SEC);
  g_assert_cmpint (down.longest_us, <, G_USEC_PER_SEC);
  assert_payloads (wire, BASE);
  media_stop (&up);
  media_stop (&down);
  assert_all_frames (wire, &up, &down);
  assert_open (wire);
  wire_free (wire);
}

static void
test_shrink (void)
{
  shrink (5000, 33, 30000);
  shrink (40000, 33, 20000);
  shrink (10000, 20, 2500);
  /* Full packets only, but for what the stream's frames take. */
  shrink (10000, 10, 1400 * 20);
}

/* One stream without end: no packet is small, the window is always full. */
static void
test_shrink_bulk (void)
{
  Wire *wire = new_wire (101, 10000, 0);
  g_autofree guint8 *data = g_malloc0 (40 * 1000 * 1000);
  g_autoptr (GBytes) bytes = g_bytes_new (data, 40 * 1000 * 1000);
  gint64 start;

  wire->paths[0].rate = 50 * 1000 * 1000;
  wire->paths[0].queue_us = 50000;
  g_assert_true (wire_run_while (wire, below_largest, 2000));
  qp_quic_write (wire->client.quic,
      qp_quic_open (wire->client.quic, FALSE, QP_PRIORITY_VIDEO), bytes, TRUE);
  qp_quic_flush (wire->client.quic);
  wire_run_for (wire, 1000);
  g_assert_cmpuint (payload_of (&wire->client), ==, LARGEST);
  wire->paths[0].mtu = 1300;
  start = g_get_monotonic_time ();
  g_assert_true (wire_run_while (wire, client_above_base, 2000));
  wire->server.got_data = FALSE;
  g_assert_true (wire_run_until (wire, &wire->server.got_data, 3000));
  g_test_message ("bulk: data again after %" G_GINT64_FORMAT " ms",
      (g_get_monotonic_time () - start) / 1000);
  g_assert_cmpint (g_get_monotonic_time () - start, <, G_USEC_PER_SEC);
  assert_open (wire);
  wire_free (wire);
}

/* Datagrams are not sent again, so nothing but PINGs tells. */
static void
test_shrink_datagrams (void)
{
  Wire *wire = new_wire (102, 10000, 0);
  Media up = { .datagrams = TRUE, .count = 10 };
  gint64 start;

  g_assert_true (wire_run_while (wire, below_largest, 2000));
  media_start (&up, &wire->client, 33, 1400);
  wire_run_for (wire, 500);
  g_assert_cmpuint (up.refused, ==, 0);
  wire->paths[0].mtu = 1300;
  start = g_get_monotonic_time ();
  g_assert_true (wire_run_while (wire, client_above_base, 3000));
  g_test_message ("datagrams: smaller after %" G_GINT64_FORMAT " ms",
      (g_get_monotonic_time () - start) / 1000);
  g_assert_cmpint (g_get_monotonic_time () - start, <, G_USEC_PER_SEC);
  g_assert_cmpuint (qp_quic_get_max_datagram (wire->client.quic), ==,
      BASE - OVERHEAD);
  wire_run_for (wire, 100);
  g_assert_cmpuint (up.refused, >, 0);
  media_stop (&up);
  assert_open (wire);
  wire_free (wire);
}

/* The path is looked at again, without harm to what is sent meanwhile. */
static void
test_regrow (void)
{
  Wire *wire = new_wire (103, 5000, 0);
  Media up = { 0 }, down = { 0 };
  guint lost;

  media_start (&up, &wire->client, 33, 20000);
  media_start (&down, &wire->server, 33, 20000);
  g_assert_true (wire_run_while (wire, below_largest, 2000));
  wire->paths[0].mtu = 1300;
  g_assert_true (wire_run_while (wire, above_base, 2000));
  media_forget_gaps (&up);
  media_forget_gaps (&down);
  wire_run_for (wire, 500); /* what was on its way has been judged */
  lost = too_large[0];
  wire_run_for (wire, 4500); /* after 1 s and 2 s more a probe, each way */
  g_test_message ("%u probes lost", too_large[0] - lost);
  g_assert_cmpuint (too_large[0] - lost, >=, 2);
  g_assert_cmpuint (too_large[0] - lost, <=, 4);
  assert_payloads (wire, BASE);
  wire->paths[0].mtu = 0;
  g_assert_true (wire_run_while (wire, below_largest, 9000));
  report ("regrow", &up, &down);
  g_assert_cmpint (up.longest_us, <, 300 * 1000);
  g_assert_cmpint (down.longest_us, <, 300 * 1000);
  media_stop (&up);
  media_stop (&down);
  assert_all_frames (wire, &up, &down);
  wire_free (wire);
}

/* When all is lost for a while, size is not to blame for long. */
static void
test_outage (void)
{
  Wire *wire = new_wire (104, 10000, 0);
  Media up = { 0 }, down = { 0 };

  media_start (&up, &wire->client, 33, 20000);
  media_start (&down, &wire->server, 33, 20000);
  g_assert_true (wire_run_while (wire, below_largest, 2000));
  wire_run_for (wire, 300);
  wire->paths[0].down = TRUE;
  wire_run_for (wire, 700);
  wire->paths[0].down = FALSE;
  wire_run_for (wire, 500);
  g_assert_true (wire_run_while (wire, below_largest, 2500));
  wire_run_for (wire, 300);
  assert_payloads (wire, LARGEST);
  media_stop (&up);
  media_stop (&down);
  assert_all_frames (wire, &up, &down);
  wire_free (wire);
}

#define LOOK_MS 5

static gboolean ever_small;
static gint64 last_look, longest_pause; /* µs */

static gboolean
note_small (gpointer user)
{
  Wire *wire = user;
  gint64 now = g_get_monotonic_time ();

  ever_small |= below_largest (wire);
  longest_pause = MAX (longest_pause, now - last_look);
  last_look = now;
  return G_SOURCE_CONTINUE;
}

/* Loss that does not look at sizes is none of ours. (A machine that stands still
 * is silence, which may be.) */
static void
test_random_loss (void)
{
  Wire *wire = new_wire (105, 5000, 0);
  Media up = { 0 }, down = { 0 };
  GSource *watch = g_timeout_source_new (LOOK_MS);

  media_start (&up, &wire->client, 33, 20000);
  media_start (&down, &wire->server, 33, 20000);
  g_assert_true (wire_run_while (wire, below_largest, 2000));
  ever_small = FALSE;
  longest_pause = 0;
  last_look = g_get_monotonic_time ();
  g_source_set_callback (watch, note_small, wire, NULL);
  g_source_attach (watch, wire->context);
  wire->paths[0].loss = 500;
  wire_run_for (wire, 4000);
  g_test_message ("looked each %d ms, once after %" G_GINT64_FORMAT, LOOK_MS,
      longest_pause / 1000);
  if (longest_pause < 6 * LOOK_MS * 1000)
    g_assert_false (ever_small);
  wire->paths[0].loss = 0;
  g_source_destroy (watch);
  g_source_unref (watch);
  media_stop (&up);
  media_stop (&down);
  assert_all_frames (wire, &up, &down);
  wire_free (wire);
}

/* --- migration --------------------------------------------------------------- */

static void
migrate (gboolean immediate)
{
  Wire *wire = new_wire (110 + immediate, 5000, 0);
  Media up = { 0 }, down = { 0 };
  g_autoptr (GError) error = NULL;

  wire->paths[1].mtu = 1280;
  media_start (&up, &wire->client, 20, 10000);
  media_start (&down, &wire->server, 20, 10000);
  g_assert_true (wire_run_while (wire, below_largest, 2000));
  wire_run_for (wire, 100);
  media_forget_gaps (&up);
  media_forget_gaps (&down);
  wire->paths[0].down = immediate;
  g_assert_true (qp_quic_migrate (wire->client.quic, 1, immediate, 1200,
      &error));
  g_assert_no_error (error);
  wire_run_for (wire, 150);
  g_assert_true (wire_run_while (wire, searching, 3000));
  assert_payloads (wire, 1272);
  g_assert_cmpuint (wire->server.last_path, ==, 1);
  g_assert_cmpuint (largest[1], ==, 1272);
  report (immediate ? "immediate" : "planned", &up, &down);
  g_assert_cmpint (up.longest_us, <, 500 * 1000);
  g_assert_cmpint (down.longest_us, <, 500 * 1000);
  /* And back, where more fits. */
  wire->paths[0].down = FALSE;
  g_assert_true (qp_quic_migrate (wire->client.quic, 0, immediate, 1200,
      &error));
  g_assert_no_error (error);
  g_assert_true (wire_run_while (wire, below_largest, 3000));
  g_assert_cmpuint (wire->server.last_path, ==, 0);
  media_stop (&up);
  media_stop (&down);
  assert_all_frames (wire, &up, &down);
  assert_open (wire);
  wire_free (wire);
}

static void
test_migrate_planned (void)
{
  migrate (FALSE);
}

static void
test_migrate_immediate (void)
{
  migrate (TRUE);
}

/* A black hole stays behind on the path where it is. */
static void
test_migrate_away (void)
{
  Wire *wire = new_wire (112, 5000, 0);
  Media up = { 0 }, down = { 0 };

  media_start (&up, &wire->client, 33, 20000);
  media_start (&down, &wire->server, 33, 20000);
  g_assert_true (wire_run_while (wire, below_largest, 2000));
  wire->paths[0].mtu = 1250;
  g_assert_true (wire_run_while (wire, above_base, 2000));
  g_assert_true (qp_quic_migrate (wire->client.quic, 1, FALSE, 1200, NULL));
  g_assert_true (wire_run_while (wire, below_largest, 1500));
  g_assert_cmpuint (wire->server.last_path, ==, 1);
  media_stop (&up);
  media_stop (&down);
  assert_all_frames (wire, &up, &down);
  wire_free (wire);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/quic/pmtu/search", test_search);
  g_test_add_func ("/quic/pmtu/limits", test_limits);
  g_test_add_func ("/quic/pmtu/datagram-limit", test_datagram_limit);
  g_test_add_func ("/quic/pmtu/shrink/frames", test_shrink);
  g_test_add_func ("/quic/pmtu/shrink/bulk", test_shrink_bulk);
  g_test_add_func ("/quic/pmtu/shrink/datagrams", test_shrink_datagrams);
  g_test_add_func ("/quic/pmtu/regrow", test_regrow);
  g_test_add_func ("/quic/pmtu/outage", test_outage);
  g_test_add_func ("/quic/pmtu/random-loss", test_random_loss);
  g_test_add_func ("/quic/pmtu/migrate/planned", test_migrate_planned);
  g_test_add_func ("/quic/pmtu/migrate/immediate", test_migrate_immediate);
  g_test_add_func ("/quic/pmtu/migrate/away", test_migrate_away);
  return g_test_run ();
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The judge of black holes by itself, fed with sums as ngtcp2 gives them. */
#include "quic/black-hole.h"
#include "quic/connection-private.h"

#define MS NGTCP2_MILLISECONDS
#define RTT (20 * MS)
#define PTO (50 * MS)
#define LARGE 1452
#define SMALL 300

typedef struct {
  QpBlackHole hole;
  QpPacketSums sums;
  guint64 now;
} Fixture;

static void
set_up (Fixture *f, gconstpointer data)
{
  *f = (Fixture){ .hole.name = "test", .now = NGTCP2_SECONDS };
  /* What was before does not count. */
  f->sums = (QpPacketSums){ .bytes_lost = 100000, .packets_lost = 70 };
  qp_black_hole_reset (&f->hole, &f->sums);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
}

static void
sent (Fixture *f, guint large, guint small)
{
  f->sums.in_flight += large * LARGE + small * SMALL;
  qp_black_hole_sent (&f->hole, &f->sums, large * LARGE, PTO, f->now);
}

static void
tell (Fixture *f, guint acked_large, guint acked_small, guint lost_large,
    guint lost_small)
{
  guint64 lost = lost_large * LARGE + lost_small * SMALL;

  f->sums.in_flight -= acked_large * LARGE + acked_small * SMALL + lost;
  f->sums.bytes_lost += lost;
  f->sums.packets_lost += lost_large + lost_small;
  qp_black_hole_update (&f->hole, &f->sums, RTT, PTO, f->now);
}

/* A frame of which only the small packet passes. */
static void
swallowed_frame (Fixture *f)
{
  sent (f, 10, 1);
  f->now += RTT;
  tell (f, 0, 1, 10, 0);
}

#define assert_state(f, expected) \
  g_assert_cmpint ((f)->hole.state, ==, QP_BLACK_HOLE_##expected)

static void
test_healthy (Fixture *f, gconstpointer data)
{
  guint i;

  for (i = 0; i < 100; i++) {
    sent (f, 10, 1);
    f->now += RTT;
    tell (f, 9, 0, 0, 0);
    tell (f, 0, 1, 1, 0);
    assert_state (f, NONE);
  }
}

static void
test_bursts (Fixture *f, gconstpointer data)
{
  swallowed_frame (f);
  swallowed_frame (f);
  assert_state (f, NONE);
  swallowed_frame (f);
  assert_state (f, FOUND);
  g_assert_true (qp_black_hole_is_near (&f->hole));
}

/* One large packet that arrives refutes it. */
static void
test_refuted (Fixture *f, gconstpointer data)
{
  guint i;

  for (i = 0; i < 10; i++) {
    swallowed_frame (f);
    swallowed_frame (f);
    sent (f, 10, 1);
    f->now += RTT;
    tell (f, 1, 0, 9, 0);
    tell (f, 0, 1, 0, 0);
    assert_state (f, NONE);
  }
}

/* What is declared lost within one round trip was lost at once. */
static void
test_one_burst (Fixture *f, gconstpointer data)
{
  sent (f, 20, 5);
  f->now += RTT;
  tell (f, 0, 1, 5, 0);
  tell (f, 0, 1, 5, 0);
  f->now += RTT / 2;
  tell (f, 0, 1, 5, 0);
  tell (f, 0, 1, 5, 0);
  assert_state (f, NONE);
}

static void
test_small_loss (Fixture *f, gconstpointer data)
{
  guint i;

  for (i = 0; i < 10; i++) {
    sent (f, 0, 10);
    f->now += RTT;
    tell (f, 0, 5, 0, 5);
    assert_state (f, NONE);
  }
}

static void
test_silence (Fixture *f, gconstpointer data)
{
  sent (f, 10, 0);
  f->now += PTO + 1;
  tell (f, 0, 0, 0, 0);
  assert_state (f, NONE);
  f->now += PTO;
  tell (f, 0, 0, 0, 0);
  assert_state (f, NONE);
  f->now += 1;
  tell (f, 0, 0, 0, 0);
  assert_state (f, SUSPECTED);
  g_assert_true (qp_black_hole_is_near (&f->hole));
  sent (f, 0, 2);
  f->now += RTT;
  tell (f, 0, 1, 8, 0);
  assert_state (f, FOUND);
}

/* While frames go on leaving, no timer of ngtcp2's fires. */
static void
test_silence_while_sending (Fixture *f, gconstpointer data)
{
  guint i;

  sent (f, 5, 5);
  f->now += RTT;
  tell (f, 5, 5, 0, 0);
  f->now += 100 * PTO;
  for (i = 0; i < 6; i++) {
    assert_state (f, NONE);
    sent (f, 5, 0);
    f->now += PTO / 2;
  }
  sent (f, 5, 0);
  assert_state (f, SUSPECTED);
}

/* The end of a frame and the probe for it are lost; the next frame was sent
 * just now. */
static void
test_lost_tail (Fixture *f, gconstpointer data)
{
  sent (f, 10, 0);
  f->now += RTT;
  tell (f, 9, 0, 0, 0);
  f->now += PTO + 1;
  tell (f, 0, 0, 0, 0);
  sent (f, 2, 0);
  f->now += PTO - 1;
  sent (f, 10, 0);
  f->now += 2;
  tell (f, 0, 0, 0, 0);
  assert_state (f, NONE);
  f->now += RTT;
  tell (f, 10, 0, 3, 0);
  assert_state (f, NONE);
}

/* An outage, and the first packet to pass again is large. */
static void
test_outage (Fixture *f, gconstpointer data)
{
  sent (f, 10, 0);
  f->now += PTO + 1;
  tell (f, 0, 0, 0, 0);
  f->now += PTO + 1;
  tell (f, 0, 0, 0, 0);
  assert_state (f, SUSPECTED);
  tell (f, 1, 0, 0, 0);
  assert_state (f, NONE);
}

/* Silence after nothing large was sent tells nothing about sizes. */
static void
test_small_silence (Fixture *f, gconstpointer data)
{
  guint i;

  sent (f, 0, 50);
  for (i = 0; i < 10; i++) {
    f->now += PTO + 1;
    tell (f, 0, 0, 0, 0);
    assert_state (f, NONE);
  }
}

/* Idle time is no silence. */
static void
test_idle (Fixture *f, gconstpointer data)
{
  sent (f, 3, 1);
  f->now += RTT;
  tell (f, 3, 1, 0, 0);
  f->now += 100 * PTO;
  sent (f, 3, 1);
  f->now += RTT;
  tell (f, 0, 0, 0, 0);
  assert_state (f, NONE);
}

static guint64
wait_for_probe (Fixture *f)
{
  guint64 start = f->now;

  while (!qp_black_hole_wants_probe (&f->hole, f->now))
    f->now += 10 * MS;
  sent (f, 1, 0);
  qp_black_hole_probed (&f->hole, f->now);
  assert_state (f, PROBING);
  g_assert_false (qp_black_hole_wants_probe (&f->hole, f->now));
  return (f->now - start) / MS;
}

static void
test_probe_lost (Fixture *f, gconstpointer data)
{
  guint pause = 1000, i;

  test_bursts (f, NULL);
  for (i = 0; i < 12; i++) {
    g_assert_cmpuint (wait_for_probe (f), ==, pause);
    sent (f, 0, 1);
    f->now += RTT;
    tell (f, 0, 1, 0, 0); /* too early for a verdict */
    assert_state (f, PROBING);
    tell (f, 0, 0, 1, 0);
    assert_state (f, FOUND);
    pause = MIN (2 * pause, 600 * 1000);
  }
}

static void
test_probe_arrived (Fixture *f, gconstpointer data)
{
  test_bursts (f, NULL);
  wait_for_probe (f);
  sent (f, 0, 1);
  /* Nothing is known while nothing is heard. */
  f->now += 10 * PTO;
  tell (f, 0, 0, 0, 0);
  assert_state (f, PROBING);
  tell (f, 0, 1, 0, 0);
  assert_state (f, NONE);
  /* And all begins anew, with the first pause. */
  tell (f, 1, 0, 0, 0);
  test_bursts (f, NULL);
  g_assert_cmpuint (wait_for_probe (f), ==, 1000);
}

static void
test_reset (Fixture *f, gconstpointer data)
{
  test_bursts (f, NULL);
  f->sums.in_flight = 0;
  qp_black_hole_reset (&f->hole, &f->sums);
  assert_state (f, NONE);
  swallowed_frame (f);
  swallowed_frame (f);
  assert_state (f, NONE);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  qp_quic_init_debug ();
#define ADD(path, test) \
  g_test_add ("/quic/black-hole/" path, Fixture, NULL, set_up, test, tear_down)
  ADD ("healthy", test_healthy);
  ADD ("bursts", test_bursts);
  ADD ("refuted", test_refuted);
  ADD ("one-burst", test_one_burst);
  ADD ("small-loss", test_small_loss);
  ADD ("silence", test_silence);
  ADD ("silence-while-sending", test_silence_while_sending);
  ADD ("lost-tail", test_lost_tail);
  ADD ("outage", test_outage);
  ADD ("small-silence", test_small_silence);
  ADD ("idle", test_idle);
  ADD ("probe/lost", test_probe_lost);
  ADD ("probe/arrived", test_probe_arrived);
  ADD ("reset", test_reset);
#undef ADD
  return g_test_run ();
}

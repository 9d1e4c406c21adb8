/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The estimate of what a path carries, over simulated links: steps of the rate,
 * senders that share, loss, jitter, pauses and moves. */
#include "simulated-link.h"

#define MS ((gint64) 1000)
#define SECOND (1000 * MS)
#define MBIT ((guint64) 1000000)

typedef struct {
  SimLink link;
  SimCamera *camera;
} Fixture;

/* 8 Mb/s, and an encoder that could fill it. */
static void
set_up (Fixture *f, gconstpointer data)
{
  sim_init (&f->link, 8 * MBIT, 8 * MBIT);
  f->camera = &f->link.cameras[0];
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  sim_clear (&f->link);
}

static guint64
get_estimate (Fixture *f)
{
  return qp_rate_estimate_get (&f->camera->estimate);
}

/* Runs until the estimate is as high as `rate`; returns how long that took. */
static gint64
run_until (Fixture *f, guint64 rate, gint64 limit)
{
  gint64 from = f->link.now;

  while (get_estimate (f) < rate && f->link.now - from < limit)
    sim_run (&f->link, 10 * MS);
  return f->link.now - from;
}

/* --- One sender ----------------------------------------------------------- */

static void
test_unknown_at_first (Fixture *f, gconstpointer data)
{
  g_assert_cmpuint (get_estimate (f), ==, 0);
  f->link.rate = 100 * MBIT;
  f->camera->max = 4 * MBIT;
  sim_run (&f->link, 10 * SECOND);
  /* What is not used is not known to be there, and nothing is a limit. */
  g_assert_cmpuint (get_estimate (f), >, 4 * MBIT);
  g_assert_cmpuint (get_estimate (f), <, 7 * MBIT);
  g_assert_cmpuint (qp_rate_estimate_get_target (&f->camera->estimate), ==, 0);
}

/* The first limit is found from above. */
static void
test_too_much_from_the_start (Fixture *f, gconstpointer data)
{
  f->link.rate = MBIT;
  sim_run (&f->link, 2 * SECOND);
  g_assert_cmpuint (get_estimate (f), >, MBIT * 8 / 10);
  g_assert_cmpuint (get_estimate (f), <, MBIT * 11 / 10);
}

static void
test_step_down (Fixture *f, gconstpointer data)
{
  f->camera->key_every = GPOINTER_TO_UINT (data);
  f->camera->key_size = 4;
  sim_run (&f->link, 10 * SECOND);
  g_assert_cmpuint (get_estimate (f), >, 6 * MBIT);

  f->link.rate = MBIT;
  sim_run (&f->link, SECOND);
  g_assert_cmpuint (get_estimate (f), <, MBIT);
  g_assert_cmpuint (get_estimate (f), >, MBIT * 8 / 10);
  sim_run (&f->link, SECOND);
  sim_mark (&f->link);
  sim_run (&f->link, 10 * SECOND);
  g_assert_cmpuint (sim_sent_rate (f->camera), <=, MBIT * 105 / 100);
  g_assert_cmpuint (sim_carried_rate (f->camera), >=, MBIT * 85 / 100);
  g_assert_cmpint (f->camera->latest, <, 400 * MS);
  g_assert_cmpuint (f->camera->frames_cancelled, ==, 0);
}

static void
test_step_up (Fixture *f, gconstpointer data)
{
  gint64 took;

  f->camera->key_every = GPOINTER_TO_UINT (data);
  f->camera->key_size = 4;
  f->link.rate = MBIT;
  sim_run (&f->link, 15 * SECOND);
  f->link.rate = 8 * MBIT;
  took = run_until (f, 8 * MBIT * 9 / 10, 30 * SECOND);
  g_test_message ("90 %% after %.1f s", (double) took / SECOND);
  g_assert_cmpint (took, <, 15 * SECOND);

  /* It stays there, and the queue stays short. */
  sim_run (&f->link, 5 * SECOND);
  sim_mark (&f->link);
  sim_run (&f->link, 20 * SECOND);
  g_assert_cmpuint (sim_carried_rate (f->camera), >, 8 * MBIT * 8 / 10);
  g_assert_cmpint (f->camera->latest, <, 400 * MS);
}

/* A link that changes every three seconds: the estimate is never far above for
 * long. */
static void
test_walk (Fixture *f, gconstpointer data)
{
  g_autoptr (GRand) random = g_rand_new_with_seed (7);

  sim_run (&f->link, 5 * SECOND);
  for (guint i = 0; i < 30; i++) {
    f->link.rate = (guint64) g_rand_int_range (random, 300000, 8000000);
    sim_run (&f->link, 1500 * MS);
    g_assert_cmpuint (get_estimate (f), <, f->link.rate * 13 / 10);
    sim_run (&f->link, 1500 * MS);
  }
}

/* --- What is no congestion ------------------------------------------------ */

static void
test_random_loss (Fixture *f, gconstpointer data)
{
  f->camera->max = 4 * MBIT;
  f->link.loss = 0.02;
  for (guint i = 0; i < 60; i++) {
    sim_run (&f->link, SECOND);
    g_assert_cmpuint (get_estimate (f), >=, i < 2 ? 0 : 4 * MBIT);
  }
}

static void
test_jitter (Fixture *f, gconstpointer data)
{
  f->camera->max = 4 * MBIT;
  f->link.jitter = 30 * MS;
  for (guint i = 0; i < 60; i++) {
    sim_run (&f->link, SECOND);
    g_assert_cmpuint (get_estimate (f), >=, i < 2 ? 0 : 4 * MBIT);
  }
}

/* A radio, or this machine, stops for a moment now and then. */
static void
test_pauses (Fixture *f, gconstpointer data)
{
  gint64 pause = GPOINTER_TO_UINT (data) * MS;

  f->camera->max = 4 * MBIT;
  sim_run (&f->link, 3 * SECOND);
  for (guint i = 0; i < 30; i++) {
    f->link.rate = 1;
    sim_run (&f->link, pause);
    f->link.rate = 8 * MBIT;
    sim_run (&f->link, 2 * SECOND - pause);
    g_assert_cmpuint (get_estimate (f), >=, 7 * MBIT / 2);
  }
}

/* The route has become longer: that looks like a queue, but does not go. (What is
 * in flight is bounded at first as if it were one, see flight-limit.h.) */
static void
test_longer_path (Fixture *f, gconstpointer data)
{
  f->camera->max = 4 * MBIT;
  sim_run (&f->link, 10 * SECOND);
  f->link.delay = GPOINTER_TO_UINT (data) * MS;
  sim_run (&f->link, 20 * SECOND);
  g_assert_cmpuint (get_estimate (f), >=, 4 * MBIT);
}

/* --- What is none that shows as delay ------------------------------------- */

static void
test_no_queue_at_all (Fixture *f, gconstpointer data)
{
  f->link.rate = 2 * MBIT;
  f->link.queue_limit = 5 * SIM_PACKET;
  sim_run (&f->link, 10 * SECOND);
  for (guint i = 0; i < 20; i++) {
    sim_run (&f->link, SECOND);
    g_assert_cmpuint (get_estimate (f), >, MBIT * 8 / 10);
    g_assert_cmpuint (get_estimate (f), <, 3 * MBIT);
  }
}

/* Nothing comes through for a while. */
static void
test_silence (Fixture *f, gconstpointer data)
{
  guint64 before;

  f->camera->max = 4 * MBIT;
  sim_run (&f->link, 10 * SECOND);
  before = get_estimate (f);
  f->link.rate = 1;
  sim_run (&f->link, 5 * SECOND);
  g_assert_cmpuint (get_estimate (f), <=, before / 2);
  g_assert_cmpuint (get_estimate (f), >=, before / 3);
  f->link.rate = 8 * MBIT;
  g_assert_cmpint (run_until (f, 4 * MBIT, 30 * SECOND), <, 10 * SECOND);
}

static void
test_move (Fixture *f, gconstpointer data)
{
  guint64 before;

  f->camera->max = 4 * MBIT;
  sim_run (&f->link, 10 * SECOND);
  before = get_estimate (f);
  sim_move (f->camera);
  g_assert_cmpuint (get_estimate (f), ==, before / 2);
  g_assert_cmpuint (qp_rate_estimate_get_target (&f->camera->estimate), ==,
      before / 2);

  /* The new path has a longer round trip, and room. */
  f->link.delay = 60 * MS;
  g_assert_cmpint (run_until (f, 4 * MBIT, 30 * SECOND), <, 5 * SECOND);

  /* And one that has not. */
  sim_move (f->camera);
  f->link.rate = MBIT;
  sim_run (&f->link, SECOND);
  g_assert_cmpuint (get_estimate (f), <, MBIT * 11 / 10);
}

/* Moves in a row, until the call has found its place, cost no more than one. */
static void
test_moves_in_a_row (Fixture *f, gconstpointer data)
{
  guint64 before;

  f->camera->max = 4 * MBIT;
  sim_run (&f->link, 10 * SECOND);
  before = get_estimate (f);
  for (guint i = 0; i < 4; i++) {
    sim_move (f->camera);
    g_assert_cmpuint (get_estimate (f), ==, before / 2);
    sim_run (&f->link, 100 * MS);
  }
  g_assert_cmpint (run_until (f, 4 * MBIT, 30 * SECOND), <, 5 * SECOND);
}

/* A call that moves as soon as it is there has not seen what any path carries. */
static void
test_early_move (Fixture *f, gconstpointer data)
{
  f->link.rate = 100 * MBIT;
  f->camera->max = 4 * MBIT;
  sim_run (&f->link, GPOINTER_TO_UINT (data) * MS);
  sim_move (f->camera);
  g_assert_cmpuint (get_estimate (f), ==, 0);
  for (guint i = 0; i < 100; i++) {
    sim_run (&f->link, 100 * MS);
    g_assert_cmpuint (qp_rate_estimate_get_target (&f->camera->estimate), ==,
        0);
  }
  g_assert_cmpuint (get_estimate (f), >=, 4 * MBIT);
}

/* --- Several senders ------------------------------------------------------ */

/* The smaller of both shares, in percent, half a minute after the second came. */
static guint
share_of_two (guint seed, guint key_every, gint64 later)
{
  SimLink link;
  guint64 first, second;

  sim_init (&link, 4 * MBIT, 4 * MBIT);
  g_rand_set_seed (link.random, seed);
  link.cameras[0].key_every = key_every;
  link.cameras[0].key_size = 4;
  sim_run (&link, later);
  sim_switch_on (&link, 1, 4 * MBIT);
  link.cameras[1].key_every = key_every;
  link.cameras[1].key_size = 4;
  link.cameras[1].frame_number = 7 * seed;
  sim_run (&link, 30 * SECOND);
  sim_mark (&link);
  sim_run (&link, 30 * SECOND);
  first = sim_carried_rate (&link.cameras[0]);
  second = sim_carried_rate (&link.cameras[1]);
  g_test_message ("seed %u: %.2f and %.2f Mb/s", seed, first / 1e6,
      second / 1e6);
  g_assert_cmpuint (first + second, >, 4 * MBIT * 85 / 100);
  g_assert_cmpint (link.cameras[0].latest, <, 400 * MS);
  g_assert_cmpint (link.cameras[1].latest, <, 400 * MS);
  sim_clear (&link);
  return (guint) (100 * MIN (first, second) / (first + second));
}

static void
test_two_share (void)
{
  for (guint seed = 1; seed <= 6; seed++) {
    g_assert_cmpuint (share_of_two (seed, 0, 0), >=, 40);
    g_assert_cmpuint (share_of_two (seed, 0, 10 * SECOND + seed * 37 * MS), >=,
        40);
  }
}

static void
test_two_share_with_keyframes (void)
{
  for (guint seed = 1; seed <= 6; seed++)
    g_assert_cmpuint (share_of_two (seed, 60, 10 * SECOND + seed * 37 * MS), >=,
        35);
}

/* Bulk data fills the queue whatever we do. It gets most, but not all, and what
 * it took comes back. */
static void
test_greedy_neighbour (Fixture *f, gconstpointer data)
{
  f->camera->max = 4 * MBIT;
  sim_run (&f->link, 10 * SECOND);
  sim_switch_on (&f->link, 1, 0);
  f->link.cameras[1].greedy = TRUE;
  sim_run (&f->link, 5 * SECOND);
  sim_mark (&f->link);
  sim_run (&f->link, 60 * SECOND);
  g_test_message ("beside bulk data: %.2f Mb/s",
      sim_carried_rate (f->camera) / 1e6);
  g_assert_cmpuint (sim_carried_rate (f->camera), >, MBIT / 4);

  f->link.cameras[1].on = FALSE;
  g_assert_cmpint (run_until (f, 4 * MBIT, 60 * SECOND), <, 30 * SECOND);
}

int
main (int argc, char **argv)
{
#define ADD(name, data, func) \
  g_test_add ("/rate-estimate/" name, Fixture, data, set_up, func, tear_down)

  g_test_init (&argc, &argv, NULL);
  ADD ("unknown-at-first", NULL, test_unknown_at_first);
  ADD ("too-much-from-the-start", NULL, test_too_much_from_the_start);
  ADD ("step-down", GUINT_TO_POINTER (0), test_step_down);
  ADD ("step-down-with-keyframes", GUINT_TO_POINTER (60), test_step_down);
  ADD ("step-up", GUINT_TO_POINTER (0), test_step_up);
  ADD ("step-up-with-keyframes", GUINT_TO_POINTER (60), test_step_up);
  ADD ("walk", NULL, test_walk);
  ADD ("random-loss", NULL, test_random_loss);
  ADD ("jitter", NULL, test_jitter);
  ADD ("short-pauses", GUINT_TO_POINTER (80), test_pauses);
  ADD ("pauses", GUINT_TO_POINTER (400), test_pauses);
  ADD ("longer-path", GUINT_TO_POINTER (90), test_longer_path);
  ADD ("a-little-longer-path", GUINT_TO_POINTER (40), test_longer_path);
  ADD ("no-queue-at-all", NULL, test_no_queue_at_all);
  ADD ("silence", NULL, test_silence);
  ADD ("move", NULL, test_move);
  ADD ("moves-in-a-row", NULL, test_moves_in_a_row);
  ADD ("move-at-once", GUINT_TO_POINTER (100), test_early_move);
  ADD ("move-early", GUINT_TO_POINTER (2000), test_early_move);
  ADD ("greedy-neighbour", NULL, test_greedy_neighbour);
  g_test_add_func ("/rate-estimate/two-share", test_two_share);
  g_test_add_func ("/rate-estimate/two-share-with-keyframes",
      test_two_share_with_keyframes);
  return g_test_run ();
}

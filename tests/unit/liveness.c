/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Liveness against a clock of our own. */
#include "session/liveness.h"

#define MS ((gint64) 1000)
#define PTO (20 * MS)

static void
test_idle_is_no_doubt (void)
{
  QpLiveness liveness;

  qp_liveness_init (&liveness);
  for (gint64 now = 0; now < 10000 * MS; now += 10 * MS) {
    qp_liveness_update (&liveness, now, 0, -1);
    g_assert_false (qp_liveness_in_doubt (&liveness, now, PTO));
  }
}

/* A camera: something is always in flight, and always acknowledged. */
static void
test_answered (void)
{
  QpLiveness liveness;

  qp_liveness_init (&liveness);
  for (gint64 now = 0; now < 10000 * MS; now += 10 * MS) {
    qp_liveness_update (&liveness, now, 5000, now - 60 * MS);
    g_assert_false (qp_liveness_in_doubt (&liveness, now, PTO));
  }
}

static gint64
first_doubt (gint64 cut, gint64 pto)
{
  QpLiveness liveness;

  qp_liveness_init (&liveness);
  for (gint64 now = 0;; now += MS) {
    qp_liveness_update (&liveness, now, 5000, MIN (now, cut));
    if (qp_liveness_in_doubt (&liveness, now, pto))
      return now - cut;
    g_assert_cmpint (now, <, cut + 10000 * MS);
  }
}

static void
test_silence (void)
{
  /* 100 ms at least, two probe timeouts on a slow path. */
  g_assert_cmpint (first_doubt (500 * MS, PTO), ==, 101 * MS);
  g_assert_cmpint (first_doubt (500 * MS, 200 * MS), ==, 401 * MS);
}

/* After a pause the first frame has its time, however old the last answer. */
static void
test_pause (void)
{
  QpLiveness liveness;

  qp_liveness_init (&liveness);
  qp_liveness_update (&liveness, 0, 1000, 0);
  qp_liveness_update (&liveness, 20 * MS, 0, 20 * MS);
  qp_liveness_update (&liveness, 5000 * MS, 1000, 20 * MS);
  g_assert_false (qp_liveness_in_doubt (&liveness, 5050 * MS, PTO));
  g_assert_true (qp_liveness_in_doubt (&liveness, 5101 * MS, PTO));
  /* …and a late answer ends the doubt. */
  qp_liveness_update (&liveness, 5120 * MS, 1000, 5110 * MS);
  g_assert_false (qp_liveness_in_doubt (&liveness, 5120 * MS, PTO));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/liveness/idle", test_idle_is_no_doubt);
  g_test_add_func ("/liveness/answered", test_answered);
  g_test_add_func ("/liveness/silence", test_silence);
  g_test_add_func ("/liveness/pause", test_pause);
  return g_test_run ();
}

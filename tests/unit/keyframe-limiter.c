/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The keyframe limiter against a clock of our own. */
#include "session/keyframe-limiter.h"

#define MS 1000

static void
test_one_out_of_many (void)
{
  QpKeyframeLimiter limiter;
  guint passed = 0;

  qp_keyframe_limiter_init (&limiter);
  g_assert_cmpint (qp_keyframe_limiter_due (&limiter), ==, -1);
  for (gint64 now = 0; now < 1000 * MS; now += 10 * MS) {
    if (qp_keyframe_limiter_ask (&limiter, now, FALSE) ||
        qp_keyframe_limiter_poll (&limiter, now))
      passed++;
  }
  g_assert_cmpuint (passed, ==, 1);
  /* What came within the second passes once, when it is over. */
  g_assert_cmpint (qp_keyframe_limiter_due (&limiter), ==, 1000 * MS);
  g_assert_false (qp_keyframe_limiter_poll (&limiter, 999 * MS));
  g_assert_true (qp_keyframe_limiter_poll (&limiter, 1000 * MS));
  g_assert_false (qp_keyframe_limiter_poll (&limiter, 3000 * MS));
}

static void
test_first_at_any_time (void)
{
  static const gint64 starts[] = { 0, 1, G_MAXINT64 / 2 };

  for (guint i = 0; i < G_N_ELEMENTS (starts); i++) {
    QpKeyframeLimiter limiter;

    qp_keyframe_limiter_init (&limiter);
    g_assert_true (qp_keyframe_limiter_ask (&limiter, starts[i], FALSE));
    g_assert_false (qp_keyframe_limiter_ask (&limiter, starts[i], FALSE));
    g_assert_false (qp_keyframe_limiter_ask (&limiter, starts[i], TRUE));
  }
}

static void
test_newcomer (void)
{
  QpKeyframeLimiter limiter;

  qp_keyframe_limiter_init (&limiter);
  g_assert_true (qp_keyframe_limiter_ask (&limiter, 0, FALSE));
  g_assert_false (qp_keyframe_limiter_ask (&limiter, 100 * MS, FALSE));
  g_assert_cmpint (qp_keyframe_limiter_due (&limiter), ==, 1000 * MS);
  /* A newcomer brings what is kept forward; a loss does not put it back. */
  g_assert_false (qp_keyframe_limiter_ask (&limiter, 150 * MS, TRUE));
  g_assert_cmpint (qp_keyframe_limiter_due (&limiter), ==, 200 * MS);
  g_assert_false (qp_keyframe_limiter_ask (&limiter, 160 * MS, FALSE));
  g_assert_cmpint (qp_keyframe_limiter_due (&limiter), ==, 200 * MS);
  g_assert_true (qp_keyframe_limiter_poll (&limiter, 200 * MS));
  /* Long after the last request it passes at once. */
  g_assert_true (qp_keyframe_limiter_ask (&limiter, 400 * MS, TRUE));
}

static void
test_served (void)
{
  QpKeyframeLimiter limiter;

  qp_keyframe_limiter_init (&limiter);
  g_assert_true (qp_keyframe_limiter_ask (&limiter, 0, TRUE));
  /* Who comes before the keyframe is there gets that one. */
  g_assert_false (qp_keyframe_limiter_ask (&limiter, 20 * MS, TRUE));
  qp_keyframe_limiter_serve (&limiter);
  g_assert_cmpint (qp_keyframe_limiter_due (&limiter), ==, -1);
  g_assert_false (qp_keyframe_limiter_poll (&limiter, 1000 * MS));
  /* Who comes after it waits as ever: the interval counts from the request. */
  g_assert_false (qp_keyframe_limiter_ask (&limiter, 60 * MS, TRUE));
  g_assert_cmpint (qp_keyframe_limiter_due (&limiter), ==, 200 * MS);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/keyframe-limiter/one-out-of-many", test_one_out_of_many);
  g_test_add_func ("/keyframe-limiter/first", test_first_at_any_time);
  g_test_add_func ("/keyframe-limiter/newcomer", test_newcomer);
  g_test_add_func ("/keyframe-limiter/served", test_served);
  return g_test_run ();
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of making one keyframe request out of many. */
#include "session/keyframe-limiter.h"

#define SECOND QP_KEYFRAME_INTERVAL_US

static void
test_first_passes (void)
{
  static const gint64 starts[] = { 0, 1, SECOND / 2,
    G_GINT64_CONSTANT (1) << 60 };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (starts); i++) {
    QpKeyframeLimiter limiter;

    qp_keyframe_limiter_init (&limiter, SECOND);
    g_assert_cmpint (qp_keyframe_limiter_due (&limiter), ==, -1);
    g_assert_false (qp_keyframe_limiter_poll (&limiter, starts[i]));
    g_assert_true (qp_keyframe_limiter_ask (&limiter, starts[i]));
    g_assert_cmpint (qp_keyframe_limiter_due (&limiter), ==, -1);
  }
}

static void
test_many_become_one (void)
{
  const gint64 start = 5 * SECOND;
  QpKeyframeLimiter limiter;
  guint passed = 0;
  gint64 now;

  qp_keyframe_limiter_init (&limiter, SECOND);
  for (now = start; now < start + SECOND; now += 10000)
    passed += qp_keyframe_limiter_ask (&limiter, now);
  g_assert_cmpuint (passed, ==, 1);

  g_assert_cmpint (qp_keyframe_limiter_due (&limiter), ==, start + SECOND);
  g_assert_false (qp_keyframe_limiter_poll (&limiter, start + SECOND - 1));
  g_assert_true (qp_keyframe_limiter_poll (&limiter, start + SECOND));
  g_assert_cmpint (qp_keyframe_limiter_due (&limiter), ==, -1);
  g_assert_false (qp_keyframe_limiter_poll (&limiter, start + SECOND));

  /* The one that was kept opened an interval of its own. */
  g_assert_false (qp_keyframe_limiter_ask (&limiter, start + 2 * SECOND - 1));
  g_assert_cmpint (qp_keyframe_limiter_due (&limiter), ==, start + 2 * SECOND);
}

static void
test_ask_when_due (void)
{
  QpKeyframeLimiter limiter;

  qp_keyframe_limiter_init (&limiter, SECOND);
  g_assert_true (qp_keyframe_limiter_ask (&limiter, 0));
  g_assert_false (qp_keyframe_limiter_ask (&limiter, 1));
  /* Nobody polled: the next to ask takes the kept one with it. */
  g_assert_true (qp_keyframe_limiter_ask (&limiter, SECOND));
  g_assert_cmpint (qp_keyframe_limiter_due (&limiter), ==, -1);
}

static void
test_answered (void)
{
  QpKeyframeLimiter limiter;

  qp_keyframe_limiter_init (&limiter, SECOND);
  g_assert_true (qp_keyframe_limiter_ask (&limiter, 0));
  g_assert_false (qp_keyframe_limiter_ask (&limiter, 10));
  qp_keyframe_limiter_answered (&limiter);
  g_assert_cmpint (qp_keyframe_limiter_due (&limiter), ==, -1);
  g_assert_false (qp_keyframe_limiter_poll (&limiter, 2 * SECOND));

  /* Asked behind that keyframe: not answered by it, and still limited. */
  g_assert_false (qp_keyframe_limiter_ask (&limiter, 20));
  g_assert_cmpint (qp_keyframe_limiter_due (&limiter), ==, SECOND);
}

/* A storm of an hour: never two within the interval, and nobody forgotten. */
static void
test_storm (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (5);
  QpKeyframeLimiter limiter;
  gint64 now = 0, last = -SECOND;
  guint passed = 0;

  qp_keyframe_limiter_init (&limiter, SECOND);
  while (now < 3600 * SECOND) {
    gint64 due = qp_keyframe_limiter_due (&limiter);
    gint64 next = now + g_rand_int_range (rand, 1, SECOND / 2);
    gboolean pass;

    if (due >= 0 && due <= next) {
      now = due;
      pass = qp_keyframe_limiter_poll (&limiter, now);
      g_assert_true (pass);
    } else {
      now = next;
      pass = qp_keyframe_limiter_ask (&limiter, now);
    }

    if (pass) {
      g_assert_cmpint (now - last, >=, SECOND);
      g_assert_cmpint (now - last, <=, 2 * SECOND);
      last = now;
      passed++;
    }
  }
  g_assert_cmpuint (passed, >=, 3000);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/session/keyframe-limiter/first", test_first_passes);
  g_test_add_func ("/session/keyframe-limiter/many", test_many_become_one);
  g_test_add_func ("/session/keyframe-limiter/ask-when-due", test_ask_when_due);
  g_test_add_func ("/session/keyframe-limiter/answered", test_answered);
  g_test_add_func ("/session/keyframe-limiter/storm", test_storm);

  return g_test_run ();
}

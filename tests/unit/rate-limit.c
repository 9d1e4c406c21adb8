/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bursts and pauses of a rate limit, on a clock of the test's own. */
#include "session/rate-limit.h"

#define START ((gint64) 1000 * G_USEC_PER_SEC)

static guint
take_all (QpRateLimit *limit, gint64 now)
{
  guint n = 0;

  while (n < 1000 && qp_rate_limit_take (limit, now))
    n++;
  return n;
}

static void
test_burst (void)
{
  QpRateLimit limit;

  qp_rate_limit_init (&limit, 5, 100);
  g_assert_cmpuint (take_all (&limit, START), ==, 5);
  g_assert_cmpint (qp_rate_limit_due (&limit), ==, START + 100);
  g_assert_false (qp_rate_limit_take (&limit, START + 99));
  g_assert_true (qp_rate_limit_take (&limit, START + 100));
  g_assert_false (qp_rate_limit_take (&limit, START + 199));
}

static void
test_earned_back (void)
{
  QpRateLimit limit;

  qp_rate_limit_init (&limit, 5, 100);
  take_all (&limit, START);
  /* Two intervals give two, any number of them no more than the burst. */
  g_assert_cmpuint (take_all (&limit, START + 250), ==, 2);
  g_assert_cmpuint (take_all (&limit, START + 100000), ==, 5);
}

/* Asking too often does not put off the time when it may be done. */
static void
test_sustained (void)
{
  QpRateLimit limit;
  guint n = 0;

  qp_rate_limit_init (&limit, 1, 100);
  for (gint64 t = 0; t < 10000; t++)
    n += qp_rate_limit_take (&limit, START + t);
  g_assert_cmpuint (n, ==, 100);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/rate-limit/burst", test_burst);
  g_test_add_func ("/rate-limit/earned-back", test_earned_back);
  g_test_add_func ("/rate-limit/sustained", test_sustained);
  return g_test_run ();
}

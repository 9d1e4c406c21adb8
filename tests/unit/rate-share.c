/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which viewer's rate is followed, and how streams share it. */
#include "session/rate-share.h"

#define KBIT ((guint64) 1000)
#define MBIT (1000 * KBIT)

static void
test_choose (void)
{
  guint64 one[] = { 3 * MBIT };
  guint64 two[] = { 4 * MBIT, MBIT };
  guint64 five[] = { 8 * MBIT, 0, 200 * KBIT, 4 * MBIT, 0 };

  g_assert_cmpuint (qp_rate_choose (QP_RATE_ADAPT_MEDIAN, NULL, 0), ==, 0);
  g_assert_cmpuint (qp_rate_choose (QP_RATE_ADAPT_MEDIAN, one, 1), ==,
      3 * MBIT);
  g_assert_cmpuint (qp_rate_choose (QP_RATE_ADAPT_MEDIAN, two, 2), ==, MBIT);
  /* One bad line of five, and two of which nothing is known. */
  g_assert_cmpuint (qp_rate_choose (QP_RATE_ADAPT_MEDIAN, five, 5), ==,
      8 * MBIT);
  g_assert_cmpuint (qp_rate_choose (QP_RATE_ADAPT_SLOWEST, five, 5), ==,
      200 * KBIT);
  five[0] = 0;
  g_assert_cmpuint (qp_rate_choose (QP_RATE_ADAPT_MEDIAN, five, 5), ==, 0);
}

/* Sound of 64 kb/s with its headers needs 84. */
static void
test_sound_and_picture (void)
{
  static const struct {
    guint64 budget, sound, picture;
  } cases[] = {
    { 8 * MBIT, 64 * KBIT, 4 * MBIT },
    { MBIT, 64 * KBIT, 870200 },
    { 200 * KBIT, 64 * KBIT, 110200 },
    /* The picture has its least: the sound gives way. */
    { 150 * KBIT, 24737, 100 * KBIT },
    { 100 * KBIT, 16 * KBIT, 100 * KBIT },
    { 0, 16 * KBIT, 100 * KBIT },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    QpRateShare shares[] = {
      { .min = 100 * KBIT, .max = 4 * MBIT },
      { .first = TRUE, .min = 16 * KBIT, .max = 64 * KBIT },
    };

    qp_rate_share (cases[i].budget, shares, 2);
    g_assert_cmpuint (shares[0].rate, ==, cases[i].picture);
    g_assert_cmpuint (shares[1].rate, ==, cases[i].sound);
  }
}

static void
test_two_pictures (void)
{
  QpRateShare shares[] = {
    { .min = 100 * KBIT, .max = 3100 * KBIT },
    { .min = 100 * KBIT, .max = 1100 * KBIT },
  };

  qp_rate_share (10 * MBIT, shares, 2);
  g_assert_cmpuint (shares[0].rate, ==, 3100 * KBIT);
  g_assert_cmpuint (shares[1].rate, ==, 1100 * KBIT);
  qp_rate_share (2200 * KBIT * 100 / 95, shares, 2);
  g_assert_cmpuint (shares[0].rate, >=, 1590 * KBIT);
  g_assert_cmpuint (shares[0].rate, <=, 1610 * KBIT);
  g_assert_cmpuint (shares[1].rate, >=, 590 * KBIT);
  g_assert_cmpuint (shares[1].rate, <=, 610 * KBIT);
}

/* What nobody controls has what it takes; what has no limit takes the rest. */
static void
test_fixed_and_unlimited (void)
{
  QpRateShare shares[] = {
    { .min = 300 * KBIT, .max = 300 * KBIT },
    { .min = 100 * KBIT },
  };

  qp_rate_share (20 * MBIT, shares, 2);
  g_assert_cmpuint (shares[0].rate, ==, 300 * KBIT);
  g_assert_cmpuint (shares[1].rate, ==, 20 * MBIT * 95 / 100 - 300 * KBIT);
  qp_rate_share (0, shares, 2);
  g_assert_cmpuint (shares[0].rate, ==, 300 * KBIT);
  g_assert_cmpuint (shares[1].rate, ==, 100 * KBIT);
  qp_rate_share (0, NULL, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/rate-share/choose", test_choose);
  g_test_add_func ("/rate-share/sound-and-picture", test_sound_and_picture);
  g_test_add_func ("/rate-share/two-pictures", test_two_pictures);
  g_test_add_func ("/rate-share/fixed-and-unlimited", test_fixed_and_unlimited);
  return g_test_run ();
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which path is best, and which interfaces are used. */
#include "session/path-choice.h"

static void
test_choose (void)
{
  const QpPathMerit merits[] = {
    { .number = 0, .usable = FALSE },
    { .number = 1, .usable = TRUE, .relayed = TRUE, .since_us = 1 },
    { .number = 2, .usable = TRUE, .rank = 2, .since_us = 2 },
    { .number = 3, .usable = TRUE, .rank = 1, .since_us = 4 },
    { .number = 4, .usable = TRUE, .rank = 1, .since_us = 3 },
    { .number = 5, .usable = TRUE, .rank = 0, .doubted = TRUE },
  };

  g_assert_null (qp_path_choose (merits, 0));
  g_assert_null (qp_path_choose (merits, 1));
  g_assert_cmpuint (qp_path_choose (merits, 2)->number, ==, 1);
  g_assert_cmpuint (qp_path_choose (merits, 3)->number, ==, 2);
  g_assert_cmpuint (qp_path_choose (merits, 4)->number, ==, 3);
  g_assert_cmpuint (qp_path_choose (merits, 6)->number, ==, 4);
  /* What is doubted is better than nothing. */
  g_assert_cmpuint (qp_path_choose (merits + 5, 1)->number, ==, 5);
}

/* A direct path to the same place is worth less than a relayed one elsewhere. */
static void
test_shared (void)
{
  const QpPathMerit merits[] = {
    { .number = 0, .usable = TRUE, .shared = 2 },
    { .number = 1, .usable = TRUE, .shared = 1 },
    { .number = 2, .usable = TRUE, .shared = 0, .relayed = TRUE, .rank = 2 },
    { .number = 3, .usable = TRUE, .shared = 0, .doubted = TRUE },
  };

  g_assert_cmpuint (qp_path_choose (merits, 1)->number, ==, 0);
  g_assert_cmpuint (qp_path_choose (merits, 2)->number, ==, 1);
  g_assert_cmpuint (qp_path_choose (merits, 4)->number, ==, 2);
}

static void
test_preferred (void)
{
  const QpPathMerit mobile = { .number = 1, .usable = TRUE, .rank = 2 };
  const QpPathMerit wlan = { .number = 2, .usable = TRUE, .rank = 1 };
  const QpPathMerit relay = { .number = 3, .usable = TRUE, .relayed = TRUE };
  QpPathMerit doubted = wlan, on_trial = wlan;

  doubted.doubted = TRUE;
  on_trial.on_trial = TRUE;
  g_assert_true (qp_path_is_preferred (&wlan, &mobile));
  g_assert_false (qp_path_is_preferred (&mobile, &wlan));
  g_assert_false (qp_path_is_preferred (&wlan, &wlan));
  g_assert_false (qp_path_is_preferred (&relay, &mobile));
  g_assert_true (qp_path_is_preferred (&mobile, &relay));
  g_assert_false (qp_path_is_preferred (&doubted, &mobile));
  g_assert_false (qp_path_is_preferred (&on_trial, &mobile));
}

static void
test_interfaces (void)
{
  static const struct {
    const char *wish, *name;
    int rank; /* -1: forbidden */
  } cases[] = {
    { NULL, "eth0", 0 },
    { NULL, "enp3s0", 0 },
    { NULL, "wlan0", 1 },
    { NULL, "tun0", 1 },
    { NULL, "wwan0", 2 },
    { "", "wlan0", 1 },
    { "wlan*,wwan*", "wlan0", 0 },
    { "wlan*,wwan*", "wwan0", 1 },
    { "wlan*,wwan*", "eth0", 2 },
    { "wlan*, !*", "wlan0", 0 },
    { "wlan*, !*", "eth0", -1 },
    { "!docker*", "docker0", -1 },
    { "!docker*", "eth0", 1 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    guint rank = 99;
    gboolean allowed = qp_interface_rank (cases[i].wish, cases[i].name, &rank);

    g_test_message ("%s: %s", cases[i].wish, cases[i].name);
    g_assert_cmpint (allowed, ==, cases[i].rank >= 0);
    if (allowed)
      g_assert_cmpint ((int) rank, ==, cases[i].rank);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/path-choice/choose", test_choose);
  g_test_add_func ("/path-choice/shared", test_shared);
  g_test_add_func ("/path-choice/preferred", test_preferred);
  g_test_add_func ("/path-choice/interfaces", test_interfaces);
  return g_test_run ();
}

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
    g_assert_false (qp_liveness_in_doubt (&liveness, now, PTO, TRUE));
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
    g_assert_false (qp_liveness_in_doubt (&liveness, now, PTO, TRUE));
  }
}

static gint64
first_doubt (gint64 cut, gint64 pto, gboolean deaf)
{
  QpLiveness liveness;

  qp_liveness_init (&liveness);
  for (gint64 now = 0;; now += MS) {
    qp_liveness_update (&liveness, now, 5000, MIN (now, cut));
    if (qp_liveness_in_doubt (&liveness, now, pto, deaf))
      return now - cut;
    g_assert_cmpint (now, <, cut + 10000 * MS);
  }
}

static void
test_silence (void)
{
  /* 100 ms at least, two probe timeouts on a slow path. */
  g_assert_cmpint (first_doubt (500 * MS, PTO, TRUE), ==, 101 * MS);
  g_assert_cmpint (first_doubt (500 * MS, 200 * MS, TRUE), ==, 401 * MS);
  /* While the peer is heard, one more probe. */
  g_assert_cmpint (first_doubt (500 * MS, PTO, FALSE), ==, 151 * MS);
  g_assert_cmpint (first_doubt (500 * MS, 200 * MS, FALSE), ==, 601 * MS);
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
  g_assert_false (qp_liveness_in_doubt (&liveness, 5050 * MS, PTO, TRUE));
  g_assert_true (qp_liveness_in_doubt (&liveness, 5101 * MS, PTO, TRUE));
  /* …and a late answer ends the doubt. */
  qp_liveness_update (&liveness, 5120 * MS, 1000, 5110 * MS);
  g_assert_false (qp_liveness_in_doubt (&liveness, 5120 * MS, PTO, TRUE));
}

static void
test_overdue (void)
{
  QpLiveness liveness;

  qp_liveness_init (&liveness);
  qp_liveness_update (&liveness, 0, 0, -1);
  g_assert_false (qp_liveness_is_overdue (&liveness, 1000 * MS, 40 * MS, MS));
  qp_liveness_update (&liveness, 1000 * MS, 1000, -1);
  /* 15 ms at least, four times the variation where that is more. */
  g_assert_false (qp_liveness_is_overdue (&liveness, 1055 * MS, 40 * MS, MS));
  g_assert_true (qp_liveness_is_overdue (&liveness, 1056 * MS, 40 * MS, MS));
  g_assert_false (qp_liveness_is_overdue (&liveness, 1120 * MS, 40 * MS,
      20 * MS));
  g_assert_true (qp_liveness_is_overdue (&liveness, 1121 * MS, 40 * MS,
      20 * MS));
  /* Long before doubt. */
  g_assert_false (qp_liveness_in_doubt (&liveness, 1056 * MS, 70 * MS, TRUE));
}

/* A process that was not scheduled for a second blames no path for it. */
static void
test_own_sleep (void)
{
  QpLiveness liveness;
  QpHearing hearing;

  qp_liveness_init (&liveness);
  qp_liveness_forgive (&liveness, 1000 * MS);
  qp_liveness_update (&liveness, 0, 1000, 0);
  qp_hearing_init (&hearing, 0);
  qp_liveness_forgive (&liveness, 1000 * MS);
  qp_hearing_forgive (&hearing, 1000 * MS);
  g_assert_false (qp_liveness_in_doubt (&liveness, 1050 * MS, PTO, TRUE));
  g_assert_true (qp_liveness_in_doubt (&liveness, 1101 * MS, PTO, TRUE));
  g_assert_false (qp_hearing_is_silent (&hearing, 1080 * MS));
  g_assert_true (qp_hearing_is_silent (&hearing, 1090 * MS));
}

/* Feeds packets `pause` apart until `until`. */
static gint64
hear (QpHearing *hearing, gint64 now, gint64 pause, gint64 until)
{
  for (; now < until; now += pause)
    qp_hearing_heard (hearing, now);
  return hearing->last_us;
}

static gint64
silence_after (const QpHearing *hearing)
{
  for (gint64 wait = 0; wait < 60000 * MS; wait += MS) {
    if (qp_hearing_is_silent (hearing, hearing->last_us + wait))
      return wait;
  }
  return -1;
}

static void
test_rhythm (void)
{
  QpHearing hearing;
  gint64 now;

  /* 30 frames a second: silence is noticed within two of them. */
  qp_hearing_init (&hearing, 0);
  now = hear (&hearing, 0, 33 * MS, 10000 * MS);
  g_assert_cmpint (silence_after (&hearing), >, 33 * MS);
  g_assert_cmpint (silence_after (&hearing), <=, 66 * MS);
  /* One cut of a second changes little… */
  hear (&hearing, now + 1000 * MS, 33 * MS, now + 1100 * MS);
  g_assert_cmpint (silence_after (&hearing), <=, 120 * MS);
  /* …and is forgotten. */
  now = hear (&hearing, now + 1100 * MS, 33 * MS, now + 12000 * MS);
  g_assert_cmpint (silence_after (&hearing), <=, 66 * MS);
  /* Five frames a second are another rhythm. */
  now = hear (&hearing, now + 200 * MS, 200 * MS, now + 10000 * MS);
  g_assert_cmpint (silence_after (&hearing), >, 200 * MS);
  /* Keep-alives are none. */
  hear (&hearing, now + 1000 * MS, 1000 * MS, now + 20000 * MS);
  g_assert_cmpint (silence_after (&hearing), ==, -1);
}

/* Frames come as bursts; what counts is between them. */
static void
test_bursts (void)
{
  QpHearing hearing;

  qp_hearing_init (&hearing, 0);
  for (gint64 now = 0; now < 5000 * MS; now += 33 * MS) {
    for (guint i = 0; i < 20; i++)
      qp_hearing_heard (&hearing, now + i * 100);
  }
  g_assert_cmpint (silence_after (&hearing), >, 31 * MS);
  g_assert_cmpint (silence_after (&hearing), <=, 66 * MS);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/liveness/idle", test_idle_is_no_doubt);
  g_test_add_func ("/liveness/answered", test_answered);
  g_test_add_func ("/liveness/silence", test_silence);
  g_test_add_func ("/liveness/pause", test_pause);
  g_test_add_func ("/liveness/overdue", test_overdue);
  g_test_add_func ("/liveness/own-sleep", test_own_sleep);
  g_test_add_func ("/hearing/rhythm", test_rhythm);
  g_test_add_func ("/hearing/bursts", test_bursts);
  return g_test_run ();
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The memory of interfaces against a clock of our own. */
#include "session/interface-memory.h"

#define MS ((gint64) 1000)
#define S (1000 * MS)
/* A monotonic clock starts anywhere. */
#define BEGIN (5000 * S)

static void
test_attempts (void)
{
  static const gint64 waits[] = { 500 * MS, 1 * S, 2 * S, 4 * S, 8 * S, 8 * S };
  QpInterfaceMemory *memory = qp_interface_memory_new ();
  gint64 now = BEGIN;

  g_assert_true (qp_interface_memory_may_try (memory, "wlan0", 1, now));
  for (guint i = 0; i < G_N_ELEMENTS (waits); i++) {
    qp_interface_memory_tried (memory, "wlan0", 1, now);
    g_assert_false (qp_interface_memory_may_try (memory, "wlan0", 1, now));
    g_assert_false (qp_interface_memory_may_try (memory, "wlan0", 1,
        now + waits[i] - 1));
    now += waits[i];
    g_assert_true (qp_interface_memory_may_try (memory, "wlan0", 1, now));
    /* Others are not meant. */
    g_assert_true (qp_interface_memory_may_try (memory, "wwan0", 1, BEGIN));
  }
  /* Another address is another network. */
  qp_interface_memory_tried (memory, "wlan0", 1, now);
  g_assert_true (qp_interface_memory_may_try (memory, "wlan0", 2, now));
  qp_interface_memory_tried (memory, "wlan0", 2, now);
  g_assert_false (qp_interface_memory_may_try (memory, "wlan0", 2,
      now + 499 * MS));
  g_assert_true (qp_interface_memory_may_try (memory, "wlan0", 2,
      now + 500 * MS));
  qp_interface_memory_worked (memory, "wlan0");
  g_assert_true (qp_interface_memory_may_try (memory, "wlan0", 2, now));
  qp_interface_memory_free (memory);
}

static void
test_flapping (void)
{
  static const gint64 trials[] = { 2 * S, 4 * S, 8 * S, 16 * S, 32 * S,
    32 * S };
  QpInterfaceMemory *memory = qp_interface_memory_new ();
  gint64 now = BEGIN;

  g_assert_cmpint (qp_interface_memory_get_trial (memory, "wlan0", now), ==, 0);
  for (guint i = 0; i < G_N_ELEMENTS (trials); i++) {
    qp_interface_memory_lost (memory, "wlan0", now);
    g_assert_cmpint (qp_interface_memory_get_trial (memory, "wlan0", now), ==,
        trials[i]);
    now += 2 * S;
  }
  now += 58 * S;
  g_assert_cmpint (qp_interface_memory_get_trial (memory, "wlan0", now), ==, 0);
  qp_interface_memory_lost (memory, "wlan0", now);
  g_assert_cmpint (qp_interface_memory_get_trial (memory, "wlan0", now), ==,
      2 * S);
  qp_interface_memory_free (memory);
}

static void
test_forgets (void)
{
  QpInterfaceMemory *memory = qp_interface_memory_new ();

  qp_interface_memory_tried (memory, "veth1", 1, BEGIN);
  qp_interface_memory_lost (memory, "veth2", BEGIN + 30 * S);
  qp_interface_memory_forget (memory, BEGIN + 60 * S);
  g_assert_true (qp_interface_memory_may_try (memory, "veth1", 1, BEGIN));
  g_assert_cmpint (qp_interface_memory_get_trial (memory, "veth2",
                       BEGIN + 60 * S),
      ==, 2 * S);
  qp_interface_memory_free (memory);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/interface-memory/attempts", test_attempts);
  g_test_add_func ("/interface-memory/flapping", test_flapping);
  g_test_add_func ("/interface-memory/forgets", test_forgets);
  return g_test_run ();
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of where a track's frames start and end. */
#include "session/frame-tracker.h"

#define NEW QP_FRAME_STARTS
#define END QP_FRAME_ENDS
#define OLD QP_FRAME_ENDS_PREVIOUS

typedef struct {
  guint32 timestamp;
  gboolean marker;
  gboolean delta;
  guint events;
  gboolean key;
} Step;

static const struct {
  const char *name;
  QpFrameKind kind;
  Step steps[8];
  guint n;
  gboolean open; /* at the end */
} table[] = {
  { "one packet a frame", QP_FRAME_KIND_VIDEO,
      { { 0, 1, 0, NEW | END, 1 }, { 3000, 1, 1, NEW | END, 0 } }, 2, FALSE },
  { "three packets, marker on the last", QP_FRAME_KIND_VIDEO,
      { { 0, 0, 0, NEW, 1 }, { 0, 0, 0, 0, 1 }, { 0, 1, 0, END, 1 },
          { 3000, 0, 1, NEW, 0 }, { 3000, 1, 1, END, 0 } },
      5, FALSE },
  { "never a marker", QP_FRAME_KIND_VIDEO,
      { { 0, 0, 0, NEW, 1 }, { 0, 0, 0, 0, 1 }, { 3000, 0, 1, OLD | NEW, 0 },
          { 3000, 0, 1, 0, 0 }, { 6000, 0, 1, OLD | NEW, 0 } },
      5, TRUE },
  { "the marked packet was lost", QP_FRAME_KIND_VIDEO,
      { { 0, 0, 0, NEW, 1 }, { 3000, 1, 1, OLD | NEW | END, 0 } }, 2, FALSE },
  { "timestamp wraps", QP_FRAME_KIND_VIDEO,
      { { G_MAXUINT32, 0, 1, NEW, 0 }, { 0, 1, 1, OLD | NEW | END, 0 } }, 2,
      FALSE },
  { "timestamp goes back (B-frames)", QP_FRAME_KIND_VIDEO,
      { { 6000, 1, 1, NEW | END, 0 }, { 3000, 1, 1, NEW | END, 0 } }, 2,
      FALSE },
  { "same timestamp behind the marker", QP_FRAME_KIND_VIDEO,
      { { 0, 1, 0, NEW | END, 1 }, { 0, 1, 1, NEW | END, 0 } }, 2, FALSE },
  { "key slices behind a delta one", QP_FRAME_KIND_VIDEO,
      { { 0, 0, 1, NEW, 0 }, { 0, 0, 0, 0, 1 }, { 0, 1, 1, END, 1 } }, 3,
      FALSE },
  { "audio: every packet", QP_FRAME_KIND_AUDIO,
      { { 0, 1, 0, NEW | END, 1 }, { 960, 0, 0, NEW | END, 1 },
          { 960, 0, 0, NEW | END, 1 }, { 1920, 0, 0, NEW | END, 1 } },
      4, FALSE },
  { "other: marker", QP_FRAME_KIND_OTHER,
      { { 0, 0, 0, NEW, 1 }, { 0, 1, 0, END, 1 } }, 2, FALSE },
  { "other: timestamp", QP_FRAME_KIND_OTHER,
      { { 0, 0, 0, NEW, 1 }, { 0, 0, 0, 0, 1 }, { 9, 0, 0, OLD | NEW, 1 } }, 3,
      TRUE },
};

static void
test_table (void)
{
  guint i, j;

  for (i = 0; i < G_N_ELEMENTS (table); i++) {
    QpFrameTracker tracker;

    qp_frame_tracker_init (&tracker, table[i].kind);
    for (j = 0; j < table[i].n; j++) {
      const Step *step = &table[i].steps[j];

      g_test_message ("%s, packet %u", table[i].name, j);
      g_assert_cmpuint (qp_frame_tracker_push (&tracker, step->timestamp,
                            step->marker, step->delta),
          ==, step->events);
      g_assert_true (qp_frame_tracker_is_key (&tracker) == step->key);
    }
    g_assert_true (qp_frame_tracker_end (&tracker) == table[i].open);
    g_assert_false (qp_frame_tracker_end (&tracker));
  }
}

/* After an end from outside the next packet starts anew and ends nothing. */
static void
test_end (void)
{
  QpFrameTracker tracker;

  qp_frame_tracker_init (&tracker, QP_FRAME_KIND_VIDEO);
  g_assert_cmpuint (qp_frame_tracker_push (&tracker, 0, FALSE, FALSE), ==, NEW);
  g_assert_true (qp_frame_tracker_end (&tracker));
  g_assert_cmpuint (qp_frame_tracker_push (&tracker, 3000, FALSE, TRUE), ==,
      NEW);
}

/* Each frame that starts ends once, whatever comes. */
static void
test_balance (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (3);
  QpFrameTracker tracker;
  int i, open = 0;

  qp_frame_tracker_init (&tracker, QP_FRAME_KIND_VIDEO);
  for (i = 0; i < 100000; i++) {
    QpFrameEvents events = qp_frame_tracker_push (&tracker,
        (guint32) g_rand_int_range (rand, 0, 3), g_rand_boolean (rand),
        g_rand_boolean (rand));

    open -= !!(events & OLD);
    g_assert_cmpint (open, >=, 0);
    open += !!(events & NEW);
    g_assert_cmpint (open, ==, 1);
    open -= !!(events & END);
  }
  g_assert_cmpint (open, ==, qp_frame_tracker_end (&tracker));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/session/frame-tracker/table", test_table);
  g_test_add_func ("/session/frame-tracker/end", test_end);
  g_test_add_func ("/session/frame-tracker/balance", test_balance);

  return g_test_run ();
}

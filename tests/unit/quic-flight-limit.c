/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bound on bytes in flight, over a simulated bottleneck: a first-in first-out
 * queue that the sender fills as fast as its camera and the bound let it. */
#include "quic/flight-limit.h"

#define MS ((guint64) 1000000)
#define STEP (MS / 2)
#define PACKET 1200
#define MBIT (1000000 / 8)

typedef struct {
  guint64 sent_at, acked_at;
} Flying;

typedef struct {
  QpFlightLimit flight;
  guint64 now;
  guint64 camera, link; /* bytes per second */
  guint64 round_trip;   /* without a queue */
  guint64 others;       /* what others' queue adds to it */

  GQueue flying;   /* of Flying* */
  guint64 free_at; /* when the link has sent all that it got */
  guint64 waiting; /* bytes that the camera made */
  gdouble made;
  guint64 in_flight, delivered;
  guint64 longest; /* round trip since forget() */
} Fixture;

static void
set_up (Fixture *f, gconstpointer data)
{
  *f = (Fixture){ .now = 1000 * MS,
    .camera = 8 * MBIT,
    .link = 100 * MBIT,
    .round_trip = 20 * MS };
  g_queue_init (&f->flying);
  qp_flight_limit_reset (&f->flight);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  g_queue_clear_full (&f->flying, g_free);
}

static void
take_acks (Fixture *f)
{
  Flying *packet;

  while ((packet = g_queue_peek_head (&f->flying)) &&
      packet->acked_at <= f->now) {
    guint64 rtt = packet->acked_at - packet->sent_at;

    g_free (g_queue_pop_head (&f->flying));
    f->in_flight -= PACKET;
    f->delivered += PACKET;
    f->longest = MAX (f->longest, rtt);
    qp_flight_limit_update (&f->flight, rtt, f->delivered, f->in_flight,
        f->now);
  }
}

static void
send_waiting (Fixture *f)
{
  while (f->waiting >= PACKET &&
      qp_flight_limit_get_room (&f->flight, f->in_flight, f->now) > 0) {
    Flying *packet = g_new (Flying, 1);

    f->free_at = MAX (f->free_at, f->now) + PACKET * 1000 * MS / f->link;
    packet->sent_at = f->now;
    packet->acked_at = f->free_at + f->round_trip + f->others;
    g_queue_push_tail (&f->flying, packet);
    f->in_flight += PACKET;
    f->waiting -= PACKET;
  }
}

/* What is older than the deadline is dropped, as frames are. */
static void
run (Fixture *f, guint64 ms)
{
  guint64 end = f->now + ms * MS;

  for (; f->now < end; f->now += STEP) {
    f->made += f->camera * (STEP / 1e9);
    if (f->made >= PACKET) {
      f->made -= PACKET;
      f->waiting += PACKET;
    }
    f->waiting = MIN (f->waiting, f->camera * 2 / 5);
    take_acks (f);
    send_waiting (f);
  }
}

/* Bytes per second that arrive. */
static guint64
measure (Fixture *f, guint64 ms)
{
  guint64 before = f->delivered;

  f->longest = 0;
  run (f, ms);
  return (f->delivered - before) * 1000 / ms;
}

#define assert_between(value, low, high) \
  G_STMT_START                           \
  {                                      \
    guint64 v = (value);                 \
    g_assert_cmpuint (v, >=, low);       \
    g_assert_cmpuint (v, <=, high);      \
  }                                      \
  G_STMT_END

static void
test_no_queue (Fixture *f, gconstpointer data)
{
  run (f, 5000);
  g_assert_cmpuint (f->flight.limit, ==, G_MAXUINT64);
}

/* The link becomes four times too slow: the queue is gone soon, and what the
 * link can carry is carried. */
static void
test_slower (Fixture *f, gconstpointer data)
{
  run (f, 1000);
  f->link = 2 * MBIT;
  run (f, 700);
  assert_between (measure (f, 5000), 2 * MBIT * 9 / 10, 2 * MBIT * 101 / 100);
  g_assert_cmpuint (f->longest, <, 100 * MS);
}

static void
test_faster_again (Fixture *f, gconstpointer data)
{
  run (f, 1000);
  f->link = 2 * MBIT;
  run (f, 3000);
  f->link = 100 * MBIT;
  run (f, 500);
  assert_between (measure (f, 2000), 8 * MBIT * 95 / 100, 8 * MBIT * 110 / 100);
}

/* A slow link from the start, and a still slower one. */
static void
test_slow (Fixture *f, gconstpointer data)
{
  f->link = 1 * MBIT;
  run (f, 2000);
  assert_between (measure (f, 3000), 1 * MBIT * 85 / 100, 1 * MBIT * 101 / 100);
  g_assert_cmpuint (f->longest, <, 150 * MS);
  f->link = MBIT / 2;
  run (f, 2000);
  assert_between (measure (f, 5000), MBIT / 2 * 85 / 100, MBIT / 2 * 101 / 100);
  /* The least bound is 192 ms of such a link. */
  g_assert_cmpuint (f->longest, <, 260 * MS);
}

/* The path becomes longer; there is no queue. */
static void
test_longer (Fixture *f, gconstpointer data)
{
  run (f, 1000);
  f->round_trip = 150 * MS;
  run (f, 4000);
  assert_between (measure (f, 2000), 8 * MBIT * 95 / 100, 8 * MBIT * 110 / 100);
}

/* Others fill a queue: we give way, but not for good. */
static void
test_others (Fixture *f, gconstpointer data)
{
  run (f, 1000);
  f->others = 200 * MS;
  run (f, 4000);
  assert_between (measure (f, 2000), 8 * MBIT * 95 / 100, 8 * MBIT * 110 / 100);
  f->others = 0;
  run (f, 500);
  f->link = 2 * MBIT;
  run (f, 700);
  assert_between (measure (f, 3000), 2 * MBIT * 9 / 10, 2 * MBIT * 101 / 100);
  g_assert_cmpuint (f->longest, <, 100 * MS);
}

/* A radio that pauses for a moment and then delivers everything at once. */
static void
test_pause (Fixture *f, gconstpointer data)
{
  guint i;

  run (f, 1000);
  for (i = 0; i < 10; i++) {
    f->free_at = f->now + 100 * MS;
    run (f, 300);
  }
  g_assert_cmpuint (f->flight.limit, ==, G_MAXUINT64);
}

/* After a move what was sent on the former path is acknowledged first, when no
 * round trip of the new one is known. */
static void
test_moved (Fixture *f, gconstpointer data)
{
  f->round_trip = 60 * MS;
  run (f, 1000);
  qp_flight_limit_reset (&f->flight);
  qp_flight_limit_update (&f->flight, 0, f->delivered, f->in_flight, f->now);
  run (f, 3000);
  g_assert_cmpuint (f->flight.base, >=, 60 * MS);
  g_assert_cmpuint (f->flight.limit, ==, G_MAXUINT64);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func)                                                \
  g_test_add ("/quic/flight-limit/" name, Fixture, NULL, set_up, func, \
      tear_down)
  ADD ("no-queue", test_no_queue);
  ADD ("slower", test_slower);
  ADD ("faster-again", test_faster_again);
  ADD ("slow", test_slow);
  ADD ("longer", test_longer);
  ADD ("others", test_others);
  ADD ("pause", test_pause);
  ADD ("moved", test_moved);
  return g_test_run ();
}

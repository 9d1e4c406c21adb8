/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See rate-estimate.h. */
#include "session/rate-estimate.h"

#define MS ((gint64) 1000)
#define SECOND (1000 * MS)

/* Nothing slower is worth an estimate. */
#define MIN_ESTIMATE 10000 /* bit/s */

/* The delay that a sender of 1 Mb/s tolerates; one of more tolerates less, in
 * inverse proportion. Of those that share a queue, and so see the same delay, the
 * larger ones make room for the smaller ones until they are equal, as in RFC 8698
 * (NADA), 4.3. */
#define LATE (80 * MS)
#define MIN_LATE (20 * MS)
#define MAX_LATE (120 * MS)
#define MAX_NOISE (40 * MS) /* added at most, for jitter */
/* One that flight-limit.h does not let bursts make. */
#define LONG (100 * MS)

/* How long every answer must be late before it counts; less when the delay is
 * long. A radio's pause may be a tenth of a second, but its answers then come all
 * at once. */
#define MIN_PATIENCE (60 * MS)
#define MAX_PATIENCE (240 * MS)
/* Where nothing but our own congestion control holds data back: on a path that is
 * known, what waits is let go first, for congestion control gives way to others
 * sooner than they to us. */
#define OWN_PATIENCE_START (400 * MS)
#define OWN_PATIENCE SECOND
/* When no answer came for so long, or for so many packets of what the path
 * carries, it stood still, or we did: that says nothing of what it carries. */
#define PAUSE (150 * MS)
#define PAUSE_BITS (4 * 1200 * 8)

#define SMOOTH (50 * MS)

/* What is carried is measured over so much of the time that a queue stands. */
#define MEASURE (500 * MS)
/* …and so much less is sent. */
#define MARGIN_PERCENT 95
/* …but at once no less than so much of the former estimate, while the delay is
 * short, and at all. */
#define LEAST_PERCENT 93
#define LEAST_LONG_PERCENT 50
/* What waits is to be gone in about that time. */
#define DRAIN (500 * MS)

/* Growth per second: of a path whose limit was not seen yet, of one where it was
 * seen higher or long passed, and near it, where it is the same for all. */
#define START_PERCENT 100
#define FAST_PERCENT 30
#define STEP 150000           /* bit/s per second */
#define MAX_STEP_PERCENT 20   /* …on a slow path */
#define NEAR_BELOW_PERCENT 92 /* of `carried` */
#define NEAR_ABOVE_PERCENT 115
/* The sender must use so much of the estimate for it to grow. */
#define USED_PERCENT 70

#define LOSSY_PERCENT 5
#define TOO_LOSSY_PERCENT 10
#define MIN_LOST (10 * 1200) /* bytes, to be judged */

#define BASE_WINDOW (5 * SECOND)

/* Others' queue is looked for in spans of this time. It is longer than any that
 * flight-limit.h lets us make together with others like us. It is tolerated up to
 * so much, and forgotten when it was not seen for so long. */
#define STUCK (600 * MS)
#define MIN_OTHERS (90 * MS)
#define MAX_OTHERS (400 * MS)
#define OTHERS_TIME (10 * SECOND)

/* Congestion control needs some round trips before it knows a path. */
#define START_TIME SECOND
/* What was carried for less, without a limit, tells nothing of the next path: the
 * one before still does. */
#define KNOWN_TIME (3 * SECOND)

static void
forget_path (QpRateEstimate *estimate)
{
  guint64 rate = estimate->estimate;

  *estimate = (QpRateEstimate){
    .former = estimate->former,
    .estimate = rate,
    .target = rate,
    .base_now = G_MAXUINT64,
    .base_before = G_MAXUINT64,
  };
}

void
qp_rate_estimate_init (QpRateEstimate *estimate)
{
  estimate->estimate = estimate->former = 0;
  forget_path (estimate);
}

void
qp_rate_estimate_move (QpRateEstimate *estimate)
{
  gboolean known = estimate->state != QP_RATE_STARTING ||
      estimate->updated - estimate->began >= KNOWN_TIME;

  if (known)
    estimate->former = estimate->estimate;
  estimate->estimate = estimate->former / 2;
  forget_path (estimate);
}

guint64
qp_rate_estimate_get (const QpRateEstimate *estimate)
{
  return estimate->estimate;
}

guint64
qp_rate_estimate_get_target (const QpRateEstimate *estimate)
{
  return estimate->target;
}

/* --- What was delivered --------------------------------------------------- */

static guint64
bits_per_second (guint64 bytes, gint64 time)
{
  return time > 0 ? bytes * 8 * SECOND / (guint64) time : 0;
}

static QpRateMark *
get_mark (QpRateEstimate *estimate, guint i)
{
  return &estimate->marks[(estimate->first_mark + i) % QP_RATE_MARKS];
}

/* Marks are 10 ms apart, so that they reach back a second. */
static void
add_mark (QpRateEstimate *estimate, gint64 now)
{
  if (estimate->n_marks > 0 &&
      now - get_mark (estimate, estimate->n_marks - 1)->at < 10 * MS)
    return;
  if (estimate->n_marks == QP_RATE_MARKS) {
    estimate->first_mark = (estimate->first_mark + 1) % QP_RATE_MARKS;
    estimate->n_marks--;
  }
  *get_mark (estimate, estimate->n_marks++) = (QpRateMark){ now,
    estimate->delivered };
}

/* Bit/s over the last `time` or a little more. */
static guint64
recent_rate (QpRateEstimate *estimate, gint64 now, gint64 time)
{
  guint i = estimate->n_marks;

  while (i > 0) {
    const QpRateMark *mark = get_mark (estimate, --i);

    if (now - mark->at >= time || i == 0)
      return bits_per_second (estimate->delivered - mark->delivered,
          MAX (now - mark->at, time));
  }
  return 0;
}

/* --- Delay ---------------------------------------------------------------- */

static guint64
base_rtt (const QpRateEstimate *estimate)
{
  return MIN (estimate->base_now, estimate->base_before);
}

static guint64
tolerated (const QpRateEstimate *estimate)
{
  guint64 late = estimate->estimate == 0
      ? MAX_LATE
      : (guint64) LATE * 1000000 / estimate->estimate;

  return CLAMP (late, MIN_LATE, MAX_LATE) + 3 * estimate->noise +
      estimate->others;
}

static void
note_round_trip (QpRateEstimate *estimate, const QpRateSample *sample)
{
  guint64 difference = sample->rtt > estimate->last_rtt
      ? sample->rtt - estimate->last_rtt
      : estimate->last_rtt - sample->rtt;

  if (sample->now - estimate->base_turn > BASE_WINDOW) {
    estimate->base_before = estimate->base_now;
    estimate->base_now = G_MAXUINT64;
    estimate->base_turn = sample->now;
  }
  estimate->base_now = MIN (estimate->base_now, sample->rtt);
  /* A queue that grows is no noise. */
  if (estimate->last_rtt > 0 && estimate->late_from == 0)
    estimate->noise = (15 * estimate->noise + MIN (difference, MAX_NOISE / 2)) /
        16;
  estimate->last_rtt = sample->rtt;
}

/* µs that a byte waits in the network because of others. */
static guint64
queue_delay (const QpRateEstimate *estimate, const QpRateSample *sample)
{
  return sample->rtt - MIN (sample->rtt, base_rtt (estimate));
}

/* µs that it waits here. */
static guint64
own_delay (QpRateEstimate *estimate, const QpRateSample *sample)
{
  guint64 rate = estimate->estimate;

  if (sample->now - estimate->began < START_TIME)
    return 0;
  if (rate == 0)
    rate = recent_rate (estimate, sample->now, MEASURE);
  rate = MAX (rate, MIN_ESTIMATE);
  return MIN (sample->unsent, G_MAXUINT32) * 8 * SECOND / rate;
}

/* Frames are bursts: the delay of the last `SMOOTH` or so counts, however many
 * answers it had. */
static guint64
smooth_delay (QpRateEstimate *estimate, guint64 delay, gint64 gap)
{
  gint64 change = (gint64) delay - (gint64) estimate->delay;

  estimate->delay = (guint64) ((gint64) estimate->delay +
      change * CLAMP (gap, 1 * MS, SMOOTH) / SMOOTH);
  return estimate->delay;
}

/* --- Down ----------------------------------------------------------------- */

/* A queue that leaves no doubt. */
static gboolean
is_long (const QpRateEstimate *estimate, const QpRateSample *sample)
{
  return queue_delay (estimate, sample) > estimate->others + LONG;
}

/* Since when all answers must be late, or the last measure must be past. */
static gint64
patience (const QpRateEstimate *estimate, const QpRateSample *sample)
{
  if (is_long (estimate, sample))
    return MIN_PATIENCE;
  if (queue_delay (estimate, sample) > tolerated (estimate))
    return MAX_PATIENCE;
  return estimate->target == 0 ? OWN_PATIENCE_START : OWN_PATIENCE;
}

/* Lets less be sent than the path carries, until nothing waits. */
static void
drain (QpRateEstimate *estimate, guint64 delay)
{
  guint64 waiting = estimate->estimate * MIN (delay, DRAIN) / DRAIN;

  estimate->target = MAX (estimate->estimate - waiting, estimate->estimate / 4);
}

/* Sets the estimate from what came through since the queue stands. */
static void
measure (QpRateEstimate *estimate, const QpRateSample *sample, guint64 delay)
{
  gint64 now = sample->now;
  gint64 time = now - estimate->late_from;
  guint64 rate, least;

  rate = time > MEASURE
      ? recent_rate (estimate, now, MEASURE)
      : bits_per_second (estimate->delivered - estimate->late_delivered, time);

  if (estimate->state != QP_RATE_BUSY) {
    estimate->state = QP_RATE_BUSY;
    estimate->ceiling = estimate->estimate > 0 ? estimate->estimate
                                               : G_MAXUINT64;
    estimate->stuck_from = now;
    estimate->stuck_now = estimate->stuck_before = G_MAXUINT64;
  }
  /* What others get meanwhile makes a measure of so short a time uncertain; and
   * while nothing waits here, the queue may be theirs, or none. */
  if (is_long (estimate, sample)) {
    least = estimate->estimate * LEAST_LONG_PERCENT / 100;
  } else {
    least = estimate->estimate * LEAST_PERCENT / 100;
    if (own_delay (estimate, sample) < MIN_LATE &&
        estimate->ceiling != G_MAXUINT64)
      least = MAX (least, estimate->ceiling / 2);
  }
  least = MAX (least, MIN_ESTIMATE);
  rate = MAX (rate * MARGIN_PERCENT / 100, least);
  estimate->measured_at = now;
  estimate->estimate = MIN (estimate->ceiling, rate);
  estimate->carried = rate * 100 / MARGIN_PERCENT;
  drain (estimate, delay);
}

/* A queue that stays although we send less than comes through is not ours:
 * others fill it whatever we do, or the path has become longer. To give way
 * would be in vain. */
static void
watch_stuck (QpRateEstimate *estimate, const QpRateSample *sample)
{
  guint64 delay = queue_delay (estimate, sample);

  estimate->stuck_now = MIN (estimate->stuck_now, delay);
  if (sample->now - estimate->stuck_from <
      MAX (STUCK, 2 * (gint64) sample->rtt))
    return;
  if (estimate->stuck_before != G_MAXUINT64 &&
      estimate->stuck_now > MIN_OTHERS &&
      estimate->stuck_now * 10 > estimate->stuck_before * 7) {
    estimate->others = MIN (2 * estimate->stuck_now, MAX_OTHERS);
    estimate->others_at = sample->now;
    if (estimate->ceiling != G_MAXUINT64)
      estimate->estimate = MAX (estimate->estimate, estimate->ceiling / 2);
  }
  estimate->stuck_from = sample->now;
  estimate->stuck_before = estimate->stuck_now;
  estimate->stuck_now = delay;
}

static void
answer_late (QpRateEstimate *estimate, const QpRateSample *sample,
    guint64 delay)
{
  if (estimate->late_from == 0) {
    estimate->late_from = sample->now;
    estimate->late_delivered = estimate->delivered;
    estimate->measured_at = 0;
    return;
  }
  if (estimate->state == QP_RATE_BUSY)
    watch_stuck (estimate, sample);
  if (sample->now - MAX (estimate->late_from, estimate->measured_at) >=
      patience (estimate, sample))
    measure (estimate, sample, delay);
  else if (estimate->target > 0)
    drain (estimate, delay);
}

/* --- Up ------------------------------------------------------------------- */

static guint64
growth (const QpRateEstimate *estimate)
{
  guint64 rate = estimate->estimate;
  guint64 carried = estimate->carried;

  if (estimate->state == QP_RATE_STARTING)
    return rate * START_PERCENT / 100;
  if (estimate->others == 0 && rate * 100 > carried * NEAR_BELOW_PERCENT &&
      rate * 100 < carried * NEAR_ABOVE_PERCENT)
    return MIN (STEP, rate * MAX_STEP_PERCENT / 100);
  return rate * FAST_PERCENT / 100;
}

/* `time` has passed, at the end of which there was no delay. */
static void
grow (QpRateEstimate *estimate, gint64 now, gint64 time)
{
  guint64 used = recent_rate (estimate, now, MEASURE);

  if (estimate->state == QP_RATE_STARTING &&
      now - estimate->began >= START_TIME)
    estimate->estimate = MAX (estimate->estimate,
        recent_rate (estimate, now, SECOND));
  if (!estimate->lossy && used * 100 >= estimate->estimate * USED_PERCENT)
    estimate->estimate += growth (estimate) * time / SECOND;
}

static void
answer_in_time (QpRateEstimate *estimate, const QpRateSample *sample,
    guint64 delay)
{
  estimate->late_from = 0;
  if (estimate->state == QP_RATE_BUSY)
    estimate->state = QP_RATE_FOLLOWING;
  if (delay <=
      estimate->others + (tolerated (estimate) - estimate->others) * 2 / 3)
    grow (estimate, sample->now,
        MIN (sample->now - estimate->calm_at, 100 * MS));
  estimate->calm_at = sample->now;
  if (estimate->target > 0)
    estimate->target = estimate->estimate;
}

/* --- Loss and silence ----------------------------------------------------- */

/* A bottleneck without a queue drops what is too much. */
static void
watch_loss (QpRateEstimate *estimate, const QpRateSample *sample)
{
  guint64 lost = sample->lost - MIN (sample->lost, estimate->loss_lost);
  guint64 all = lost + estimate->delivered - estimate->loss_delivered;

  if (sample->now - estimate->loss_from < SECOND)
    return;
  estimate->lossy = lost >= MIN_LOST / 3 && lost * 100 > all * LOSSY_PERCENT;
  if (lost >= MIN_LOST && lost * 100 > all * TOO_LOSSY_PERCENT) {
    guint64 rate = recent_rate (estimate, sample->now, SECOND);

    estimate->carried = MAX (rate, MIN_ESTIMATE);
    estimate->state = QP_RATE_FOLLOWING;
    if (estimate->estimate == 0 || rate < estimate->estimate)
      estimate->estimate = estimate->carried;
    estimate->target = estimate->estimate;
  }
  estimate->loss_from = sample->now;
  estimate->loss_lost = sample->lost;
  estimate->loss_delivered = estimate->delivered;
}

/* The first answer after a while. */
static gboolean
has_paused (const QpRateEstimate *estimate, const QpRateSample *sample)
{
  gint64 limit = PAUSE;

  if (estimate->estimate > 0)
    limit = MAX (limit,
        PAUSE_BITS * SECOND / (gint64) MIN (estimate->estimate, G_MAXINT64));
  return sample->now - estimate->updated > limit;
}

/* Nothing comes through at all. What does when it is over is not known. */
static void
watch_silence (QpRateEstimate *estimate, const QpRateSample *sample)
{
  gint64 limit = MAX (SECOND / 2, 4 * (gint64) estimate->last_rtt);

  if (sample->in_flight == 0 || estimate->acked_at == 0 ||
      estimate->silent_at >= estimate->acked_at ||
      sample->now - estimate->acked_at < limit)
    return;
  estimate->silent_at = sample->now;
  estimate->estimate = MAX (estimate->estimate / 2, MIN_ESTIMATE);
  estimate->target = estimate->estimate;
}

/* -------------------------------------------------------------------------- */

static void
begin (QpRateEstimate *estimate, const QpRateSample *sample, guint64 delivered)
{
  estimate->began = estimate->calm_at = estimate->loss_from = sample->now;
  estimate->updated = sample->now;
  estimate->base_turn = sample->now;
  estimate->acked_at = sample->acked_at;
  estimate->delivered = estimate->loss_delivered = delivered;
  estimate->loss_lost = sample->lost;
  add_mark (estimate, sample->now);
}

void
qp_rate_estimate_update (QpRateEstimate *estimate, const QpRateSample *sample)
{
  guint64 out = sample->lost + sample->in_flight;
  guint64 delivered = sample->sent - MIN (sample->sent, out);
  guint64 delay;
  gint64 gap;

  if (estimate->began == 0) {
    begin (estimate, sample, delivered);
    return;
  }
  /* A packet that was thought lost may be acknowledged yet. */
  estimate->delivered = MAX (estimate->delivered, delivered);
  if (sample->acked_at <= estimate->acked_at || sample->rtt == 0) {
    watch_silence (estimate, sample);
    return;
  }
  if (has_paused (estimate, sample))
    estimate->late_from = 0;
  gap = sample->now - estimate->updated;
  estimate->acked_at = sample->acked_at;
  estimate->updated = sample->now;
  note_round_trip (estimate, sample);
  if (queue_delay (estimate, sample) > estimate->others / 2)
    estimate->others_at = sample->now;
  else if (sample->now - estimate->others_at > OTHERS_TIME)
    estimate->others = 0;
  delay = smooth_delay (estimate,
      queue_delay (estimate, sample) + own_delay (estimate, sample), gap);
  if (delay > tolerated (estimate))
    answer_late (estimate, sample, delay);
  else
    answer_in_time (estimate, sample, delay);
  watch_loss (estimate, sample);
  add_mark (estimate, sample->now);
}

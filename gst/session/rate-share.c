/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See rate-share.h. */
#include "session/rate-share.h"

#include <stdlib.h>

/* Headers of RTP, RoQ and QUIC: about 50 bytes of each packet, of which sound has
 * one every 20 ms, and pictures one for 1150 bytes. */
#define SOUND_HEADERS (50 * 8 * 50)
#define PICTURE_PERCENT 95

/* What a stream without an own limit counts for beside others. */
#define UNLIMITED 4000000

static gint
compare (gconstpointer a, gconstpointer b)
{
  guint64 one = *(const guint64 *) a, other = *(const guint64 *) b;

  /* 0, unknown, becomes the largest. */
  one--;
  other--;
  return one < other ? -1 : one > other;
}

guint64
qp_rate_choose (QpRateAdapt adapt, guint64 *rates, guint n)
{
  if (n == 0)
    return 0;
  qsort (rates, n, sizeof *rates, compare);
  return rates[adapt == QP_RATE_ADAPT_SLOWEST ? 0 : (n - 1) / 2];
}

static guint64
subtract (guint64 from, guint64 what)
{
  return from - MIN (from, what);
}

static guint64
get_most (const QpRateShare *share)
{
  return share->max > 0 ? share->max : MAX (share->min, UNLIMITED);
}

/* Gives each of one kind its least. Returns the sum of what they could have more. */
static guint64
give_least (QpRateShare *shares, guint n, gboolean first)
{
  guint64 more = 0;

  for (guint i = 0; i < n; i++) {
    if (shares[i].first != first)
      continue;
    shares[i].rate = MIN (shares[i].min, get_most (&shares[i]));
    more += get_most (&shares[i]) - shares[i].rate;
  }
  return more;
}

/* Divides `rest` among those of one kind, in proportion to what they could have
 * more, `more` in sum; only those without a limit take more than that. */
static void
give_rest (QpRateShare *shares, guint n, gboolean first, guint64 rest,
    guint64 more)
{
  guint unlimited = 0;

  for (guint i = 0; i < n; i++) {
    QpRateShare *share = &shares[i];
    guint64 room = share->first == first ? get_most (share) - share->rate : 0;

    if (room > 0)
      share->rate += (guint64) ((gdouble) room * (gdouble) MIN (rest, more) /
          (gdouble) more);
    unlimited += share->first == first && share->max == 0;
  }
  for (guint i = 0; i < n && unlimited > 0; i++) {
    if (shares[i].first == first && shares[i].max == 0)
      shares[i].rate += subtract (rest, more) / unlimited;
  }
}

static guint64
sum_of (const QpRateShare *shares, guint n, gboolean first)
{
  guint64 sum = 0;

  for (guint i = 0; i < n; i++) {
    if (shares[i].first == first)
      sum += shares[i].rate;
  }
  return sum;
}

void
qp_rate_share (guint64 budget, QpRateShare *shares, guint n)
{
  guint64 sound = give_least (shares, n, TRUE);
  guint64 pictures = give_least (shares, n, FALSE);
  guint64 least;

  for (guint i = 0; i < n; i++)
    budget = subtract (budget, shares[i].first ? SOUND_HEADERS : 0);
  least = sum_of (shares, n, FALSE) * 100 / PICTURE_PERCENT;
  give_rest (shares, n, TRUE,
      subtract (budget, least + sum_of (shares, n, TRUE)), sound);
  budget = subtract (budget, sum_of (shares, n, TRUE)) * PICTURE_PERCENT / 100;
  give_rest (shares, n, FALSE, subtract (budget, sum_of (shares, n, FALSE)),
      pictures);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From what the paths to all viewers carry to what each encoder may make: which
 * viewer is followed, and how much of its path each stream gets.  Pure. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef enum {
  QP_RATE_ADAPT_NONE,
  QP_RATE_ADAPT_SLOWEST,
  QP_RATE_ADAPT_MEDIAN, /* of an even number, the lower of the middle two */
} QpRateAdapt;

/* The one of `n` rates to follow; sorts them. 0 stands for one that is not known,
 * and comes last. Without any, 0. NONE is as MEDIAN: what would be followed. */
guint64 qp_rate_choose (QpRateAdapt adapt, guint64 *rates, guint n);

typedef struct {
  gboolean first;   /* is given what it wants before the others: sound */
  guint64 min, max; /* bit/s; max 0: as much as there is */
  guint64 rate;     /* bit/s: the result, within these */
} QpRateShare;

/* Divides `budget` bit/s of UDP payload, headers included. Those that come first
 * get their most, but so much less, down to their least, as the others need for
 * their least. The others share the rest in proportion to their most. */
void qp_rate_share (guint64 budget, QpRateShare *shares, guint n);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How often something may be done on behalf of others: a burst at once, then
 * one per interval.  What a peer can ask for at the price of one message (a
 * call with its sockets, a warning to the application) passes through here.
 *
 * Pure: time is an argument, in microseconds of a monotonic clock. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* To be embedded; its fields are the limit's own. */
typedef struct {
  guint burst;        /* at least 1 */
  gint64 interval_us; /* at least 1 */
  gint64 earned_us;   /* when the whole burst is there again; 0: always was */
} QpRateLimit;

void qp_rate_limit_init (QpRateLimit *limit, guint burst, gint64 interval_us);

/* TRUE: one may be done now, and is counted. FALSE: too often; nothing is
 * counted, so that asking on and on does not make it worse. */
gboolean qp_rate_limit_take (QpRateLimit *limit, gint64 now_us);

/* When qp_rate_limit_take() says TRUE again; may lie in the past. */
gint64 qp_rate_limit_due (const QpRateLimit *limit);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which of a call's paths is best, and which network interfaces are used at all
 * and in what order.  Pure. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct {
  guint number;
  gboolean usable;   /* ICE has a pair, and its interface is there */
  gboolean relayed;  /* through a TURN server on either side */
  gboolean doubted;  /* it was tried lately and did not answer */
  gboolean on_trial; /* its network has come and gone, and has to last */
  guint shared;      /* how many ends it shares with the path to leave */
  guint rank;        /* of its local interface; lower is better */
  gint64 since_us;   /* when it became usable */
} QpPathMerit;

/* The best of the usable ones: one that is not doubted before one that is, one
 * that shares less with the path to leave before one that shares more, a direct
 * one before a relayed one, a lower rank before a higher one, an older
 * one before a newer one. NULL if none is usable. */
const QpPathMerit *qp_path_choose (const QpPathMerit *merits, guint n);

/* TRUE if `other` is worth a planned move while `current` works: only what
 * people prefer counts, a direct path or a better interface. */
gboolean qp_path_is_preferred (const QpPathMerit *other,
    const QpPathMerit *current);

/* Interfaces by people's wish: shell patterns separated by commas, best first;
 * with '!' in front a pattern forbids. Names that match none come last, or are
 * forbidden if the list ends with "!*". NULL: cable before wireless LAN before
 * mobile, everything allowed. TRUE if `name` may be used, with its rank. */
gboolean qp_interface_rank (const char *wish, const char *name, guint *rank);

G_END_DECLS

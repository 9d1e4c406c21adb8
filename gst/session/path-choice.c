/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See path-choice.h. */
#include "session/path-choice.h"

/* Names as systemd gives them, and the kernel's of old. Tunnels and what is
 * unknown come with wireless LAN: no reason to leave it, none to prefer it. */
#define DEFAULT_WISH "en*,eth*|wl*|ww*,ppp*,rmnet*,usb*"
#define UNKNOWN_RANK_DEFAULT 1

static int
compare (const QpPathMerit *a, const QpPathMerit *b)
{
  if (a->doubted != b->doubted)
    return a->doubted ? 1 : -1;
  if (a->shared != b->shared)
    return a->shared < b->shared ? -1 : 1;
  if (a->relayed != b->relayed)
    return a->relayed ? 1 : -1;
  if (a->rank != b->rank)
    return a->rank < b->rank ? -1 : 1;
  return a->since_us < b->since_us ? -1 : a->since_us > b->since_us;
}

const QpPathMerit *
qp_path_choose (const QpPathMerit *merits, guint n)
{
  const QpPathMerit *best = NULL;

  for (guint i = 0; i < n; i++) {
    if (merits[i].usable && (!best || compare (&merits[i], best) < 0))
      best = &merits[i];
  }
  return best;
}

gboolean
qp_path_is_preferred (const QpPathMerit *other, const QpPathMerit *current)
{
  if (!other->usable || other->doubted || other->on_trial ||
      other->number == current->number)
    return FALSE;
  if (other->relayed != current->relayed)
    return !other->relayed;
  return other->rank < current->rank;
}

static gboolean
default_rank (const char *name, guint *rank)
{
  g_auto (GStrv) groups = g_strsplit (DEFAULT_WISH, "|", -1);

  *rank = UNKNOWN_RANK_DEFAULT;
  for (guint i = 0; groups[i]; i++) {
    g_auto (GStrv) patterns = g_strsplit (groups[i], ",", -1);

    for (guint j = 0; patterns[j]; j++) {
      if (g_pattern_match_simple (patterns[j], name))
        *rank = i;
    }
  }
  return TRUE;
}

gboolean
qp_interface_rank (const char *wish, const char *name, guint *rank)
{
  g_auto (GStrv) patterns = NULL;
  guint i;

  if (!wish || !wish[0])
    return default_rank (name, rank);
  patterns = g_strsplit (wish, ",", -1);
  for (i = 0; patterns[i]; i++) {
    const char *pattern = g_strstrip (patterns[i]);
    gboolean forbids = pattern[0] == '!';

    *rank = i;
    if (g_pattern_match_simple (forbids ? pattern + 1 : pattern, name))
      return !forbids;
  }
  *rank = i;
  return TRUE;
}

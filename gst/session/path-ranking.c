/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which of a call's paths is best, and which are in doubt: what is known of
 * each, put before path-choice.h.  See paths.h. */
#include "session/paths-private.h"

#include <string.h>

/* Doubts about a path end after this, twice as much with each further one until
 * it has proved itself: networks recover. */
#define DOUBT_US (5 * G_USEC_PER_SEC)
#define DOUBT_DOUBLINGS 4

static void
judge (const QpPathEntry *entry, gint64 now, QpPathMerit *merit)
{
  QpInterface *interface = NULL;
  QpPathInfo info;

  qp_path_get_info (entry->path, &info);
  *merit = (QpPathMerit){ .number = entry->number,
    .usable = qp_path_entry_is_usable (entry),
    .relayed = g_str_equal (info.local.type, "relay") ||
        g_str_equal (info.remote.type, "relay"),
    .doubted = now < entry->doubted_until_us,
    .since_us = entry->role == QP_PATH_ROLE_FIRST ? now : entry->usable_us };
  /* Where the other side's interface is what differs, its owner knows. */
  if (!qp_path_entry_locate (entry, entry->paths->present, &interface) ||
      !interface)
    return;
  qp_interface_rank (entry->paths->interfaces, interface->name, &merit->rank);
  merit->on_trial = now - entry->usable_us <
      qp_interface_memory_get_trial (entry->paths->memory, interface->name,
          now);
}

static gboolean
have_same_ip (const QpPathEnd *a, const QpPathEnd *b)
{
  const char *a_port = strrchr (a->address, ':');
  const char *b_port = strrchr (b->address, ':');

  return a_port && b_port && a_port - a->address == b_port - b->address &&
      strncmp (a->address, b->address, (gsize) (a_port - a->address)) == 0;
}

static gboolean
are_alike (const QpPathEnd *a, const QpPathEnd *b)
{
  return g_str_equal (a->type, "relay") == g_str_equal (b->type, "relay");
}

/* How many ends two paths share: the same interface of ours or of the peer's,
 * or the same relay. With both, nothing but the ICE credentials differ. */
static guint
count_shared (const QpPathEntry *a, const QpPathEntry *b)
{
  QpPathInfo one, other;
  guint shared = 0;

  qp_path_get_info (a->path, &one);
  qp_path_get_info (b->path, &other);
  if (are_alike (&one.local, &other.local) &&
      g_str_equal (one.base, other.base))
    shared++;
  if (are_alike (&one.remote, &other.remote) &&
      have_same_ip (&one.remote, &other.remote))
    shared++;
  return shared;
}

gboolean
qp_paths_are_twins (QpPaths *paths, guint number, guint other)
{
  const QpPathEntry *a = qp_paths_find (paths, number);
  const QpPathEntry *b = qp_paths_find (paths, other);

  return a && b && a != b && count_shared (a, b) == 2;
}

static guint
judge_all (QpPaths *paths, QpPathMerit *merits, int except)
{
  const QpPathEntry *left = except >= 0 ? qp_paths_find (paths, (guint) except)
                                        : NULL;
  gint64 now = g_get_monotonic_time ();
  guint n = 0;

  for (guint i = 0; i < paths->entries->len && n < QP_PATHS_MAX; i++) {
    QpPathEntry *entry = g_ptr_array_index (paths->entries, i);

    if (entry->dead || entry == left)
      continue;
    judge (entry, now, &merits[n]);
    merits[n++].shared = left ? count_shared (entry, left) : 0;
  }
  return n;
}

int
qp_paths_get_best (QpPaths *paths, int except)
{
  QpPathMerit merits[QP_PATHS_MAX];
  guint n = judge_all (paths, merits, except);
  const QpPathMerit *best = qp_path_choose (merits, n);

  return best ? (int) best->number : -1;
}

/* What takes path 0's place, of several the one that both sides keep; -1:
 * nothing yet. */
static int
find_successor (QpPaths *paths)
{
  const QpPathEntry *first = qp_paths_find (paths, 0);
  gint64 now = g_get_monotonic_time ();
  int youngest = -1;

  for (guint i = 0; first && i < paths->entries->len; i++) {
    const QpPathEntry *entry = g_ptr_array_index (paths->entries, i);

    if (entry != first && qp_path_entry_is_usable (entry) &&
        now >= entry->doubted_until_us && count_shared (entry, first) == 2)
      youngest = MAX (youngest, (int) entry->number);
  }
  return youngest;
}

int
qp_paths_get_preferred (QpPaths *paths)
{
  QpPathMerit merits[QP_PATHS_MAX];
  guint n = judge_all (paths, merits, -1);
  const QpPathMerit *active = NULL, *best = qp_path_choose (merits, n);

  for (guint i = 0; i < n; i++) {
    if (merits[i].number == paths->active)
      active = &merits[i];
  }
  if (active && best && qp_path_is_preferred (best, active))
    return (int) best->number;
  /* The client moves by itself; its wish and the server's would be the same. */
  return paths->active == 0 && !paths->config.controlling
      ? find_successor (paths)
      : -1;
}

static void
doubt (QpPathEntry *entry, gint64 now)
{
  entry->doubted_until_us = now +
      ((gint64) DOUBT_US << MIN (entry->doubts, DOUBT_DOUBLINGS));
  entry->doubts++;
}

void
qp_paths_doubt (QpPaths *paths, guint number)
{
  QpPathEntry *doubted = qp_paths_find (paths, number);
  gint64 now = g_get_monotonic_time ();

  if (!doubted)
    return;
  /* Twins fall silent together. */
  for (guint i = 0; i < paths->entries->len; i++) {
    QpPathEntry *entry = g_ptr_array_index (paths->entries, i);

    if (!entry->dead &&
        (entry == doubted ||
            (qp_path_entry_is_usable (entry) &&
                count_shared (entry, doubted) == 2)))
      doubt (entry, now);
  }
}

void
qp_paths_trust (QpPaths *paths, guint number)
{
  QpPathEntry *entry = qp_paths_find (paths, number);

  if (entry) {
    entry->doubted_until_us = 0;
    entry->doubts = 0;
  }
}

gboolean
qp_paths_is_doubted (QpPaths *paths, guint number)
{
  QpPathEntry *entry = qp_paths_find (paths, number);

  return entry && g_get_monotonic_time () < entry->doubted_until_us;
}

int
qp_paths_get_next (QpPaths *paths, int after, int except)
{
  int first = -1, next = -1;

  for (guint i = 0; i < paths->entries->len; i++) {
    const QpPathEntry *entry = g_ptr_array_index (paths->entries, i);
    int number = (int) entry->number;

    if (number == except || !qp_path_entry_is_usable (entry))
      continue;
    if (first < 0 || number < first)
      first = number;
    if (number > after && (next < 0 || number < next))
      next = number;
  }
  return next >= 0 ? next : first;
}

gboolean
qp_paths_is_relayed (QpPaths *paths, guint number)
{
  const QpPathEntry *entry = qp_paths_find (paths, number);
  QpPathInfo info;

  if (!entry)
    return FALSE;
  qp_path_get_info (entry->path, &info);
  return g_str_equal (info.local.type, "relay") ||
      g_str_equal (info.remote.type, "relay");
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which of a call's paths is best, and which are in doubt: what is known of
 * each, put before path-choice.h.  See paths.h. */
#include "session/paths-private.h"

/* Doubts about a path end after this, twice as much with each further one until
 * it has proved itself: networks recover. */
#define DOUBT_US (5 * G_USEC_PER_SEC)
#define DOUBT_DOUBLINGS 4

static void
judge (const QpPathEntry *entry, GPtrArray *interfaces, gint64 now,
    QpPathMerit *merit)
{
  QpInterface *interface = NULL;
  QpPathInfo info;

  qp_path_get_info (entry->path, &info);
  *merit = (QpPathMerit){ .number = entry->number,
    .usable = qp_path_entry_is_usable (entry),
    .relayed = g_str_equal (info.local.type, "relay") ||
        g_str_equal (info.remote.type, "relay"),
    .doubted = now < entry->doubted_until_us,
    .since_us = entry->usable_us };
  /* Where the other side's interface is what differs, its owner knows. */
  if (qp_path_entry_locate (entry, interfaces, &interface) && interface)
    qp_interface_rank (entry->paths->interfaces, interface->name, &merit->rank);
}

static guint
judge_all (QpPaths *paths, QpPathMerit *merits, int except)
{
  g_autoptr (GPtrArray) interfaces = qp_interfaces_list ();
  gint64 now = g_get_monotonic_time ();
  guint n = 0;

  for (guint i = 0; i < paths->entries->len && n < QP_PATHS_MAX; i++) {
    QpPathEntry *entry = g_ptr_array_index (paths->entries, i);

    if (!entry->dead && (int) entry->number != except)
      judge (entry, interfaces, now, &merits[n++]);
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
  return active && best && qp_path_is_preferred (best, active)
      ? (int) best->number
      : -1;
}

void
qp_paths_doubt (QpPaths *paths, guint number)
{
  QpPathEntry *entry = qp_paths_find (paths, number);

  if (!entry)
    return;
  entry->doubted_until_us = g_get_monotonic_time () +
      ((gint64) DOUBT_US << MIN (entry->doubts, DOUBT_DOUBLINGS));
  entry->doubts++;
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

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a path says to people: candidates as text, and sentences about what was
 * found, tried and missing.  Reads the path, changes nothing. */
#include "path/path-private.h"

#include <string.h>

/* Candidates named in a sentence, of each side. */
#define MAX_NAMED 6

void
qp_path_end_from_parts (QpPathEnd *end, QpCandidateType type,
    const char *address, guint16 port)
{
  const char *format = strchr (address, ':') ? "[%s]:%u" : "%s:%u";

  g_strlcpy (end->type, qp_candidate_type_to_string (type), sizeof end->type);
  g_snprintf (end->address, sizeof end->address, format, address, port);
}

void
qp_path_end_from_candidate (QpPathEnd *end, const NiceCandidate *candidate)
{
  char text[NICE_ADDRESS_STRING_LEN];

  nice_address_to_string (&candidate->addr, text);
  qp_path_end_from_parts (end, (QpCandidateType) candidate->type, text,
      nice_address_get_port (&candidate->addr));
}

static void
append_candidate (GString *text, const QpCandidate *candidate, guint index)
{
  QpPathEnd end;

  if (index > MAX_NAMED)
    return;
  if (index == MAX_NAMED) {
    g_string_append (text, ", …");
    return;
  }
  qp_path_end_from_parts (&end, candidate->type, candidate->address,
      candidate->port);
  g_string_append_printf (text, "%s%s %s", index ? ", " : " (", end.type,
      end.address);
}

static void
append_local (GString *text, QpPath *path)
{
  g_string_append_printf (text, "%u local", path->local->len);
  for (guint i = 0; i < path->local->len; i++)
    append_candidate (text, &g_array_index (path->local, QpCandidate, i), i);
  if (path->local->len > 0)
    g_string_append_c (text, ')');
}

static void
append_remote (GString *text, QpPath *path)
{
  g_string_append_printf (text, "%u remote", path->remote->len);
  for (guint i = 0; i < path->remote->len; i++) {
    const QpRemoteCandidate *remote = path->remote->pdata[i];

    append_candidate (text, &remote->candidate, i);
  }
  if (path->remote->len > 0)
    g_string_append_c (text, ')');
}

static gboolean
have_local (QpPath *path, QpCandidateType type)
{
  for (guint i = 0; i < path->local->len; i++) {
    if (g_array_index (path->local, QpCandidate, i).type == type)
      return TRUE;
  }
  return FALSE;
}

static void
append_server_hint (GString *text, QpPath *path, const char *kind,
    gboolean is_set, gboolean answered)
{
  if (!is_set)
    g_string_append_printf (text, "; no %s server is set", kind);
  else if (!answered)
    g_string_append_printf (text, "; the %s server %s", kind,
        qp_path_has_gathered (path) ? "gave no address"
                                    : "has not answered yet");
}

static void
append_hints (GString *text, QpPath *path)
{
  gboolean relay = have_local (path, QP_CANDIDATE_RELAY);

  if (path->remote_known && path->remote->len == 0)
    g_string_append (text, "; the peer sent no candidate");
  else if (!path->remote_known)
    g_string_append (text, "; the peer's credentials did not come");
  /* On loopback no server can help. */
  if (path->loopback || !path->gathering)
    return;
  if (!path->relay_only)
    append_server_hint (text, path, "STUN", path->stun_host != NULL,
        relay || have_local (path, QP_CANDIDATE_SRFLX));
  append_server_hint (text, path, "TURN", path->turn_servers->len > 0, relay);
}

static char *
describe_tried (QpPath *path, const char *verdict)
{
  GString *text = g_string_new (verdict);

  g_string_append (text, " with ");
  append_local (text, path);
  g_string_append (text, " and ");
  append_remote (text, path);
  g_string_append (text, " candidates");
  append_hints (text, path);
  return g_string_free (text, FALSE);
}

char *
qp_path_describe_failure (QpPath *path)
{
  if (path->gather_fault)
    return g_strdup_printf ("ICE could not start: %s", path->gather_fault);
  if (path->have_pair)
    return g_strdup_printf ("the peer at %s %s does not answer any more: its "
                            "network or ours went away (ICE consent expired)",
        path->pair_remote.type, path->pair_remote.address);
  if (qp_path_has_gathered (path) && path->local->len == 0)
    return g_strdup_printf ("ICE has no candidate of its own: only relayed "
                            "ones are allowed, and %s",
        path->turn_servers->len > 0
            ? "no TURN server gave an address (is it reachable, and are username "
              "and password right?)"
            : "no TURN server is set");
  return describe_tried (path, "ICE found no way to the peer");
}

char *
qp_path_describe (QpPath *path)
{
  switch (path->state) {
    case QP_PATH_FAILED:
      return qp_path_describe_failure (path);
    case QP_PATH_CONNECTED:
      return g_strdup_printf ("ICE is connected: %s %s ↔ %s %s",
          path->pair_local.type, path->pair_local.address,
          path->pair_remote.type, path->pair_remote.address);
    case QP_PATH_CLOSED:
      return g_strdup ("ICE was closed");
    case QP_PATH_NEW:
      return g_strdup ("ICE was not started");
    default:
      return describe_tried (path, "ICE found no way to the peer yet");
  }
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The peer's side of ICE: its credentials and its candidates, checked and
 * counted here before libnice hears of them.  They may come before our own
 * gathering starts, and are kept until libnice can take them.  Runs on the
 * path's thread. */
#include "path/path-private.h"

#include "path/interfaces.h"

#include <string.h>

void
qp_path_remote_candidate_free (gpointer data)
{
  QpRemoteCandidate *remote = data;

  if (remote->resolution)
    qp_resolution_cancel (remote->resolution);
  g_free (remote);
}

gboolean
qp_path_set_remote_credentials (QpPath *path, const char *ufrag,
    const char *password, GError **error)
{
  if (!qp_candidate_check_credentials (ufrag, password, error))
    return FALSE;
  if (path->remote_known) {
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
        "ICE credentials were already set: a new network needs a new path");
    return FALSE;
  }
  path->remote_known = TRUE;
  path->remote_ufrag = g_strdup (ufrag);
  path->remote_password = g_strdup (password);
  qp_path_wake (path);
  return TRUE;
}

void
qp_path_remote_gathering_done (QpPath *path)
{
  path->remote_done = TRUE;
  qp_path_wake (path);
}

static gboolean
on_loopback (QpPath *path)
{
  g_autoptr (GPtrArray) addresses = NULL;

  if (path->gathering)
    return path->loopback;
  addresses = qp_interfaces_addresses (path->interface,
      QP_PATH_MAX_LOCAL_ADDRESSES);
  for (guint i = 0; i < addresses->len; i++) {
    if (g_inet_address_get_is_loopback (
            g_inet_socket_address_get_address (addresses->pdata[i])))
      return TRUE;
  }
  return FALSE;
}

/* Loopback means a different machine to each side, so it is meant for us only
 * if we are reached there. */
static gboolean
check_loopback (QpPath *path, GInetAddress *address, GError **error)
{
  if (!g_inet_address_get_is_loopback (address) || on_loopback (path))
    return TRUE;
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
      "candidate's address is loopback, where this path is not");
  return FALSE;
}

static gboolean
is_known (QpPath *path, const QpCandidate *candidate)
{
  for (guint i = 0; i < path->remote->len; i++) {
    const QpRemoteCandidate *remote = path->remote->pdata[i];

    if (remote->candidate.port == candidate->port &&
        remote->candidate.type == candidate->type &&
        strcmp (remote->candidate.address, candidate->address) == 0)
      return TRUE;
  }
  return FALSE;
}

static gboolean
use_resolved (QpRemoteCandidate *remote, GList *addresses)
{
  for (GList *item = addresses; item; item = item->next) {
    g_autofree char *text = NULL;

    if (!qp_candidate_check_address (item->data, NULL) ||
        !check_loopback (remote->path, item->data, NULL))
      continue;
    text = g_inet_address_to_string (item->data);
    g_strlcpy (remote->candidate.address, text,
        sizeof remote->candidate.address);
    remote->candidate.is_name = FALSE;
    return TRUE;
  }
  return FALSE;
}

static void
on_name_resolved (GList *addresses, const GError *error, gpointer user)
{
  QpRemoteCandidate *remote = user;
  QpPath *path = remote->path;

  remote->resolution = NULL;
  if (!use_resolved (remote, addresses)) {
    remote->dropped = TRUE;
    GST_INFO ("path %u: drops the remote candidate %s: %s", path->id,
        remote->candidate.address,
        error ? error->message : "no usable address");
  }
  qp_path_wake (path);
}

gboolean
qp_path_add_remote_candidate (QpPath *path, const char *line, GError **error)
{
  QpCandidate candidate;
  QpRemoteCandidate *remote;

  if (!qp_candidate_parse (line, &candidate, error))
    return FALSE;
  if (!candidate.is_name) {
    g_autoptr (GInetAddress)
        address = g_inet_address_new_from_string (candidate.address);

    if (!check_loopback (path, address, error))
      return FALSE;
  }
  if (qp_path_is_over (path) || is_known (path, &candidate))
    return TRUE;
  if (path->remote->len >= QP_PATH_MAX_REMOTE) {
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_NO_SPACE,
        "the peer sent more than %d candidates", QP_PATH_MAX_REMOTE);
    return FALSE;
  }

  remote = g_new0 (QpRemoteCandidate, 1);
  remote->path = path;
  remote->candidate = candidate;
  g_ptr_array_add (path->remote, remote);
  if (candidate.is_name)
    remote->resolution = qp_resolve (path->context, candidate.address,
        QP_PATH_RESOLVE_TIMEOUT, on_name_resolved, remote);
  else
    qp_path_wake (path);
  return TRUE;
}

static void
give_candidate (QpPath *path, QpRemoteCandidate *remote)
{
  const QpCandidate *candidate = &remote->candidate;
  NiceCandidate *nice;
  GSList list = { NULL, NULL };
  /* libnice takes no peer-reflexive candidate from signaling; to its checks
   * such an address is what a server-reflexive one is. */
  NiceCandidateType type = candidate->type == QP_CANDIDATE_PRFLX
      ? NICE_CANDIDATE_TYPE_SERVER_REFLEXIVE
      : (NiceCandidateType) candidate->type;

  nice = nice_candidate_new (type);
  nice->transport = NICE_CANDIDATE_TRANSPORT_UDP;
  nice->stream_id = path->stream;
  nice->component_id = QP_PATH_COMPONENT;
  nice->priority = candidate->priority;
  g_strlcpy (nice->foundation, candidate->foundation, sizeof nice->foundation);
  if (nice_address_set_from_string (&nice->addr, candidate->address)) {
    nice_address_set_port (&nice->addr, candidate->port);
    list.data = nice;
    nice_agent_set_remote_candidates (path->agent, path->stream,
        QP_PATH_COMPONENT, &list);
    GST_DEBUG ("path %u: remote candidate %s %s:%u", path->id,
        qp_candidate_type_to_string (candidate->type), candidate->address,
        candidate->port);
  }
  nice_candidate_free (nice);
}

void
qp_path_apply_remote (QpPath *path)
{
  gboolean waiting = FALSE;

  if (!path->gathering || !path->remote_known)
    return;
  if (!path->remote_applied) {
    path->remote_applied = TRUE;
    nice_agent_set_remote_credentials (path->agent, path->stream,
        path->remote_ufrag, path->remote_password);
  }
  for (guint i = 0; i < path->remote->len; i++) {
    QpRemoteCandidate *remote = path->remote->pdata[i];

    waiting |= remote->resolution != NULL;
    if (remote->applied || remote->dropped || remote->candidate.is_name)
      continue;
    remote->applied = TRUE;
    give_candidate (path, remote);
  }
  if (path->remote_done && !waiting)
    nice_agent_peer_candidate_gathering_done (path->agent, path->stream);
}

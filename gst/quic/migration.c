/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Paths and the moves between them (RFC 9000, 9).  Only the client moves; the
 * server follows the first packet that is more than a probe.
 *
 * To ngtcp2 each move leads to a path it has never seen (virtual-path.h): the
 * client makes a fresh virtual path at each qp_quic_migrate(), the server
 * when the client has left a path for good. A return to a former one would
 * meet ngtcp2's validation of the abandoned path, and wait for it.  Likewise
 * either side begins anew on the path in use. */
#include "quic/connection-private.h"

/* After an immediate move the peer must hear from us on the new path before it
 * can send there. If we only receive, nothing but this tells it, should the
 * first packets be lost. */
#define UNPROVEN_KEEP_ALIVE (15 * NGTCP2_MILLISECONDS)

QpVirtualPath *
qp_quic_get_path (QpQuic *quic, guint number)
{
  return g_hash_table_lookup (quic->paths, GUINT_TO_POINTER (number));
}

QpVirtualPath *
qp_quic_set_path (QpQuic *quic, guint number, gsize max_payload)
{
  /* QUIC needs 1200 (RFC 9000, 14); ngtcp2 was given the upper bound. */
  gsize payload = CLAMP (max_payload, NGTCP2_MAX_UDP_PAYLOAD_SIZE,
      quic->max_payload);
  QpVirtualPath *path = qp_virtual_path_new (number, ++quic->next_generation,
      payload);

  g_hash_table_replace (quic->paths, GUINT_TO_POINTER (number), path);
  return path;
}

void
qp_quic_add_path (QpQuic *quic, guint number)
{
  if (qp_quic_get_path (quic, number) == NULL)
    qp_quic_set_path (quic, number, quic->max_payload);
}

void
qp_quic_remove_path (QpQuic *quic, guint number)
{
  g_hash_table_remove (quic->paths, GUINT_TO_POINTER (number));
  qp_quic_drop_batches_of (quic, number);
}

void
qp_quic_set_keep_alive (QpQuic *quic)
{
  ngtcp2_conn_set_keep_alive_timeout (quic->conn,
      quic->move_unproven ? UNPROVEN_KEEP_ALIVE : quic->keep_alive);
}

static void
set_unproven (QpQuic *quic, gboolean unproven)
{
  if (quic->move_unproven == unproven)
    return;
  quic->move_unproven = unproven;
  qp_quic_set_keep_alive (quic);
}

void
qp_quic_track_path (QpQuic *quic)
{
  QpEvent event = { .type = QP_EVENT_PATH_CHANGED };
  const ngtcp2_path *path;
  guint number;

  if (quic->conn == NULL || quic->state > QP_QUIC_ESTABLISHED)
    return;
  path = ngtcp2_conn_get_path (quic->conn);
  if (qp_virtual_path_get_generation (path) == quic->generation)
    return;
  quic->generation = qp_virtual_path_get_generation (path);
  qp_quic_restart_search (quic);
  qp_flight_limit_reset (&quic->flight);
  number = qp_virtual_path_get_number (path);
  if (number == quic->path) {
    QUIC_INFO (quic, "begins anew on path %u", number);
    return;
  }
  QUIC_INFO (quic, "moved from path %u to path %u", quic->path, number);
  /* What waits for the old path would wait for a dead socket. */
  qp_quic_drop_batches_of (quic, quic->path);
  quic->path = number;
  quic->migrations++;
  event.path = number;
  qp_quic_add_event (quic, &event);
}

void
qp_quic_on_path_validation (QpQuic *quic, const ngtcp2_path *path,
    const ngtcp2_path *fallback, ngtcp2_path_validation_result result)
{
  guint number = qp_virtual_path_get_number (path);
  gboolean validated = result == NGTCP2_PATH_VALIDATION_RESULT_SUCCESS;
  QpVirtualPath *known = qp_quic_get_path (quic, number);
  QpEvent event = { .type = QP_EVENT_PATH_RESULT,
    .path = number,
    .validated = validated };

  QUIC_INFO (quic, "path %u %s", number,
      validated ? "is validated"
          : result == NGTCP2_PATH_VALIDATION_RESULT_ABORTED
          ? "is not being validated any more"
          : "could not be validated");
  if (quic->server) {
    /* The client has left the fallback path; when it comes back there, that is
     * another path to ngtcp2. */
    if (validated && fallback != NULL) {
      guint left = qp_virtual_path_get_number (fallback);
      QpVirtualPath *former = qp_quic_get_path (quic, left);

      if (former != NULL &&
          former->generation == qp_virtual_path_get_generation (fallback))
        qp_quic_set_path (quic, left, former->max_payload);
    }
    return;
  }
  /* An attempt that a later one to the same path has replaced is no news. */
  if (known == NULL ||
      known->generation != qp_virtual_path_get_generation (path))
    return;
  set_unproven (quic, FALSE);
  qp_quic_add_event (quic, &event);
}

static gboolean
may_migrate (QpQuic *quic, guint number, GError **error)
{
  const char *why = NULL;

  if (quic->server)
    why = "only the client can move the connection";
  else if (quic->state != QP_QUIC_ESTABLISHED)
    why = "the connection is not established";
  else if (quic->inside)
    why = "data is being received";
  if (why != NULL)
    g_set_error (error, QP_QUIC_ERROR, QP_QUIC_ERROR_PROTOCOL,
        "cannot move to path %u: %s", number, why);
  return why == NULL;
}

static const char *
migration_failure (int result)
{
  switch (result) {
    case NGTCP2_ERR_CONN_ID_BLOCKED:
      return "no spare connection ID of the peer is left yet";
    case NGTCP2_ERR_INVALID_STATE:
      return "the peer has not confirmed the handshake yet, or allows no migration";
    default:
      return ngtcp2_strerror (result);
  }
}

static gboolean
migrate (QpQuic *quic, guint number, gboolean immediate, gsize max_payload,
    GError **error)
{
  QpVirtualPath *former, *path;
  int result;

  if (!may_migrate (quic, number, error))
    return FALSE;
  qp_quic_enter (quic);
  g_hash_table_steal_extended (quic->paths, GUINT_TO_POINTER (number), NULL,
      (gpointer *) &former);
  path = qp_quic_set_path (quic, number, max_payload);
  quic->inside = TRUE;
  result = immediate ? ngtcp2_conn_initiate_immediate_migration (quic->conn,
                           &path->path, qp_quic_now ())
                     : ngtcp2_conn_initiate_migration (quic->conn, &path->path,
                           qp_quic_now ());
  quic->inside = FALSE;
  if (result == 0) {
    QUIC_INFO (quic, "moving to path %u %s", number,
        immediate ? "at once" : "when it is validated");
    g_clear_pointer (&former, qp_virtual_path_free);
    /* An attempt in progress is over; its result came from inside. */
    set_unproven (quic, immediate);
    qp_quic_track_path (quic);
    if (quic->sending)
      quic->flush_wanted = TRUE;
    else
      qp_quic_send_all (quic);
  } else {
    if (former != NULL)
      g_hash_table_replace (quic->paths, GUINT_TO_POINTER (number), former);
    else
      g_hash_table_remove (quic->paths, GUINT_TO_POINTER (number));
    g_set_error (error, QP_QUIC_ERROR, QP_QUIC_ERROR_PROTOCOL,
        "cannot move to path %u: %s", number, migration_failure (result));
  }
  qp_quic_leave (quic);
  return result == 0;
}

gboolean
qp_quic_migrate (QpQuic *quic, guint number, gboolean immediate,
    gsize max_payload, GError **error)
{
  if (number == quic->path) {
    g_set_error (error, QP_QUIC_ERROR, QP_QUIC_ERROR_PROTOCOL,
        "cannot move to path %u: the connection is there already", number);
    return FALSE;
  }
  return migrate (quic, number, immediate, max_payload, error);
}

void
qp_quic_renew_path (QpQuic *quic)
{
  g_autoptr (GError) error = NULL;

  if (quic->server)
    qp_quic_set_path (quic, quic->path, quic->max_payload);
  else if (!migrate (quic, quic->path, TRUE, quic->max_payload, &error))
    QUIC_INFO (quic, "%s", error->message);
}

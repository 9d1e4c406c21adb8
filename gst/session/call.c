/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See call.h.  This file is a call's life and its one state.  Beside it,
 * call-signaling.c sets it up by messages through the server, call-paths.c and
 * call-quic.c join the paths and the connection to it, call-control.c is the
 * control stream.  Transport thread only. */
#include "session/call-private.h"

#include <string.h>

#include "session/session-private.h"

#define GST_CAT_DEFAULT qp_session_debug

/* --- State ----------------------------------------------------------------- */

const char *
qp_call_state_to_string (QpCallState state)
{
  static const char *const names[] = { "new", "offering", "checking",
    "handshaking", "connected", "failed", "closed" };

  return names[state];
}

gboolean
qp_call_is_over (const QpCall *call)
{
  return call->state == QP_CALL_FAILED || call->state == QP_CALL_CLOSED;
}

static void
stop_timeout (QpCall *call)
{
  if (!call->timeout)
    return;
  g_source_destroy (call->timeout);
  g_clear_pointer (&call->timeout, g_source_unref);
}

void
qp_call_set_state (QpCall *call, QpCallState state)
{
  QpCallState old = call->state;

  if (old == state)
    return;
  GST_INFO ("%s: call %s: %s → %s", call->name, call->id,
      qp_call_state_to_string (old), qp_call_state_to_string (state));
  call->state = state;
  if (state >= QP_CALL_CONNECTED)
    stop_timeout (call);
  call->callbacks.state_changed (call, old, state, call->user);
}

void
qp_call_end (QpCall *call, GError *error)
{
  g_autoptr (GError) cause = error;

  if (qp_call_is_over (call))
    return;
  qp_call_set_state (call, cause ? QP_CALL_FAILED : QP_CALL_CLOSED);
  call->callbacks.ended (call, cause, call->user);
}

static gboolean
on_timeout (gpointer data)
{
  QpCall *call = data;
  g_autofree char *tried = qp_call_describe (call);

  g_clear_pointer (&call->timeout, g_source_unref);
  switch (call->state) {
    case QP_CALL_OFFERING:
      qp_call_end (call,
          g_error_new (QP_SESSION_ERROR, QP_SESSION_ERROR_NO_PATH,
              "%s did not answer the offer within %u ms", call->name,
              call->timeout_ms));
      break;
    case QP_CALL_HANDSHAKING:
      qp_call_end (call,
          g_error_new (QP_QUIC_ERROR, QP_QUIC_ERROR_TIMEOUT,
              "the QUIC handshake with %s did not finish: %s", call->name,
              tried));
      break;
    default:
      qp_call_end (call,
          g_error_new (QP_SESSION_ERROR, QP_SESSION_ERROR_NO_PATH,
              "ICE found no path to %s within %u ms: %s", call->name,
              call->timeout_ms, tried));
      break;
  }
  return G_SOURCE_REMOVE;
}

void
qp_call_begin (QpCall *call)
{
  call->started_us = g_get_monotonic_time ();
  call->timeout = g_timeout_source_new (call->timeout_ms);
  g_source_set_callback (call->timeout, on_timeout, call, NULL);
  g_source_attach (call->timeout, call->context);
}

/* --- Life ------------------------------------------------------------------ */

QpCall *
qp_call_new (const QpCallConfig *config, const QpCallCallbacks *callbacks,
    gpointer user)
{
  QpCall *call = g_new0 (QpCall, 1);
  QpPathConfig path = config->path;

  call->context = g_main_context_ref (config->context);
  call->callbacks = *callbacks;
  call->user = user;
  call->state = QP_CALL_NEW;
  call->id = g_strdup (config->id);
  call->name = g_strdup (config->name);
  call->offerer = config->offerer;
  call->identity = qp_identity_ref (config->identity);
  call->pinned_fingerprint = g_strdup (config->pinned_fingerprint);
  call->ca_file = g_strdup (config->ca_file);
  call->peer_name = g_strdup (config->peer_name);
  call->congestion_control = config->congestion_control;
  call->qlog_dir = g_strdup (config->qlog_dir);
  call->timeout_ms = config->timeout_ms;
  call->control = -1;
  qp_rate_estimate_init (&call->rate);

  path.controlling = config->offerer;
  call->paths = qp_paths_new (config->context, &path, config->id, config->name,
      config->interfaces, &qp_call_paths_callbacks, call);
  return call;
}

void
qp_call_abandon (QpCall *call)
{
  stop_timeout (call);
  if (!qp_call_is_over (call))
    call->state = QP_CALL_CLOSED;
}

void
qp_call_free (QpCall *call, guint64 code, const char *reason,
    void (*closed) (gpointer), gpointer user)
{
  stop_timeout (call);
  if (call->quic && qp_quic_get_state (call->quic) <= QP_QUIC_ESTABLISHED)
    qp_quic_close (call->quic, code, reason);
  g_clear_pointer (&call->mover, qp_mover_free);
  g_clear_pointer (&call->sender, qp_sender_free);
  g_clear_pointer (&call->receiver, qp_receiver_free);
  g_clear_pointer (&call->quic, qp_quic_free);
  qp_paths_free (call->paths, closed, user);

  g_clear_pointer (&call->deframer, qp_deframer_free);
  qp_identity_unref (call->identity);
  g_free (call->id);
  g_free (call->name);
  g_free (call->qlog_dir);
  g_free (call->pinned_fingerprint);
  g_free (call->ca_file);
  g_free (call->peer_name);
  g_free (call->peer_fingerprint);
  g_free (call->answer_sdp);
  g_free (call->alpn);
  g_main_context_unref (call->context);
  g_free (call);
}

void
qp_call_flush (QpCall *call)
{
  if (call->quic && !qp_call_is_over (call))
    qp_quic_flush (call->quic);
}

const char *
qp_call_get_id (QpCall *call)
{
  return call->id;
}

QpCallState
qp_call_get_state (QpCall *call)
{
  return call->state;
}

gboolean
qp_call_is_offerer (QpCall *call)
{
  return call->offerer;
}

const char *
qp_call_get_peer_fingerprint (QpCall *call)
{
  return call->peer_fingerprint;
}

const char *
qp_call_get_answer_sdp (QpCall *call)
{
  return call->answer_sdp;
}

QpSender *
qp_call_get_sender (QpCall *call)
{
  return call->sender;
}

QpReceiver *
qp_call_get_receiver (QpCall *call)
{
  return call->receiver;
}

const char *
qp_call_get_alpn (QpCall *call)
{
  return call->alpn;
}

char *
qp_call_describe (QpCall *call)
{
  return qp_paths_describe (call->paths);
}

gboolean
qp_call_get_info (QpCall *call, QpPathInfo *path, QpQuicInfo *quic)
{
  qp_paths_get_info (call->paths, qp_call_get_active_path (call), path);
  memset (quic, 0, sizeof *quic);
  if (!call->quic)
    return FALSE;
  qp_quic_get_info (call->quic, quic);
  return TRUE;
}

QpPath *
qp_call_get_first_path (QpCall *call)
{
  return qp_paths_get_first (call->paths);
}

guint
qp_call_get_active_path (QpCall *call)
{
  QpQuicInfo info;

  if (!call->quic)
    return QP_CALL_FIRST_PATH;
  qp_quic_get_info (call->quic, &info);
  return info.path;
}

gint64
qp_call_get_last_received (QpCall *call)
{
  return call->last_received_us;
}

gint64
qp_call_get_connect_time (QpCall *call)
{
  return call->connected_us > 0 ? call->connected_us - call->started_us : 0;
}

void
qp_call_network_changed (QpCall *call)
{
  if (!qp_call_is_over (call))
    qp_paths_network_changed (call->paths);
}

gboolean
qp_call_is_cut (QpCall *call)
{
  return call->mover && qp_mover_is_cut (call->mover);
}

guint
qp_call_get_moves (QpCall *call, gint64 *gap_us)
{
  *gap_us = -1;
  return call->mover ? qp_mover_get_moves (call->mover, gap_us) : 0;
}

QpPaths *
qp_call_get_paths (QpCall *call)
{
  return call->paths;
}

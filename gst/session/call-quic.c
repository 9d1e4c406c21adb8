/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The QUIC connection of a call: made once the peer's identity is known, its
 * streams and datagrams given to the sender, the receiver or the control stream,
 * its end to the call.  Transport thread only. */
#include "roq/roq.h"
#include "session/call-private.h"
#include "session/session-private.h"

#define GST_CAT_DEFAULT qp_session_debug

/* The peer is gone when nothing came for so long (RFC 9000, 10.1); consent
 * checks of ICE (RFC 7675) find out on the same scale. */
#define IDLE_TIMEOUT_MS 30000
/* Keeps NAT bindings and the connection alive when no media flows, and makes
 * silence mean something: a peer that says nothing for twice as long has not
 * acknowledged what it was asked. */
#define KEEP_ALIVE_MS 1000
/* UDP payload that paths are probed for: Ethernet's 1500 bytes less the headers
 * of IPv6 and UDP. */
#define PROBE_PAYLOAD 1452

/* RFC 9000, 2.1: bit 1 tells uni- from bidirectional, bit 0 who opened it. */
static gboolean
is_bidirectional (gint64 stream)
{
  return (stream & 0x2) == 0;
}

static void
on_receiver_broken (guint64 code, const char *why, gpointer user)
{
  QpCall *call = user;

  qp_quic_close (call->quic, code, why);
  qp_call_end (call,
      g_error_new (QP_SESSION_ERROR, QP_SESSION_ERROR_LOST,
          "%s sent what is not RTP over QUIC: %s", call->name, why));
}

static void
on_rtp (gpointer flow, GstBufferList *list, gpointer user)
{
  QpCall *call = user;

  call->callbacks.rtp (flow, list, call->user);
}

static void
on_rtcp (gpointer flow, GstBuffer *buffer, gpointer user)
{
  QpCall *call = user;

  call->callbacks.rtcp (flow, buffer, call->user);
}

static void
on_keyframe (QpTrack *track, gboolean newcomer, gpointer user)
{
  QpCall *call = user;

  if (!qp_call_is_over (call))
    call->callbacks.keyframe (track, newcomer, call->user);
}

static void
on_established (QpQuic *quic, const char *alpn, gpointer user)
{
  static const QpReceiverCallbacks receiver_callbacks = { .rtp = on_rtp,
    .rtcp = on_rtcp,
    .broken = on_receiver_broken };
  QpCall *call = user;

  if (qp_call_is_over (call))
    return;
  call->alpn = g_strdup (alpn);
  call->connected_us = g_get_monotonic_time ();
  call->sender = qp_sender_new (call->context, quic, on_keyframe, call);
  call->receiver = qp_receiver_new (quic, &receiver_callbacks, call);
  if (!call->offerer && g_str_equal (alpn, QP_ROQ_ALPN_P2P))
    call->control = qp_quic_open (quic, TRUE, QP_PRIORITY_CONTROL);
  GST_INFO ("%s: connected in %.1f ms, ALPN %s", call->name,
      (call->connected_us - call->started_us) / 1000.0, alpn);
  qp_call_set_state (call, QP_CALL_CONNECTED);
  qp_call_start_paths (call);
}

/* The client's first bidirectional stream is the control stream, any other is
 * none of RoQ's (section "RoQ Error Codes": STREAM_CREATION_ERROR). */
static gboolean
is_control (QpCall *call, gint64 stream)
{
  if (call->control < 0 && call->offerer && stream == 0 &&
      g_str_equal (call->alpn, QP_ROQ_ALPN_P2P))
    call->control = stream;
  return call->control == stream;
}

static void
on_stream_data (QpQuic *quic, gint64 stream, const guint8 *data, gsize size,
    gboolean fin, gpointer user)
{
  QpCall *call = user;

  if (qp_call_is_over (call))
    return;
  if (!is_bidirectional (stream))
    qp_receiver_stream_data (call->receiver, stream, data, size, fin);
  else if (is_control (call, stream))
    qp_call_control_data (call, data, size);
  else
    on_receiver_broken (QP_ROQ_STREAM_CREATION_ERROR,
        "a bidirectional stream, which RoQ has no use for", call);
}

static void
on_stream_reset (QpQuic *quic, gint64 stream, guint64 code, gpointer user)
{
  QpCall *call = user;

  if (call->receiver && !is_bidirectional (stream))
    qp_receiver_stream_reset (call->receiver, stream);
}

static void
on_stream_stopped (QpQuic *quic, gint64 stream, guint64 code, gpointer user)
{
  QpCall *call = user;

  if (call->sender)
    qp_sender_stream_stopped (call->sender, stream, code);
}

static void
on_stream_closed (QpQuic *quic, gint64 stream, gpointer user)
{
  QpCall *call = user;

  if (stream == call->control) {
    call->control = -1;
    return;
  }
  if (!call->sender)
    return;
  /* A stream's number belongs to one of the two; the other knows nothing of it. */
  qp_sender_stream_closed (call->sender, stream);
  qp_receiver_stream_closed (call->receiver, stream);
}

static void
on_datagram (QpQuic *quic, const guint8 *data, gsize size, gpointer user)
{
  QpCall *call = user;

  if (!qp_call_is_over (call))
    qp_receiver_datagram (call->receiver, data, size);
}

static void
on_streams_available (QpQuic *quic, gpointer user)
{
  QpCall *call = user;

  if (call->sender)
    qp_sender_streams_available (call->sender);
}

static void
on_quic_closed (QpQuic *quic, const GError *error, gpointer user)
{
  QpCall *call = user;

  if (g_error_matches (error, QP_QUIC_ERROR, QP_QUIC_ERROR_PEER_CLOSED) &&
      call->state == QP_CALL_CONNECTED) {
    GST_INFO ("%s: %s", call->name, error->message);
    qp_call_end (call, NULL);
  } else {
    qp_call_end (call, g_error_copy (error));
  }
}

static QpQuicSendResult
on_send (QpQuic *quic, guint path, const guint8 *data, gsize size,
    gsize segment, gsize *sent, gpointer user)
{
  QpCall *call = user;
  QpPathSendResult result = call->mover
      ? qp_mover_send (call->mover, path, data, size, segment, sent)
      : qp_paths_send (call->paths, path, data, size, segment, sent);

  switch (result) {
    case QP_PATH_SEND_OK:
      return QP_QUIC_SEND_OK;
    case QP_PATH_SEND_AGAIN:
      return QP_QUIC_SEND_AGAIN;
    case QP_PATH_SEND_ERROR:
      break;
  }
  return QP_QUIC_SEND_ERROR;
}

static void
on_path_result (QpQuic *quic, guint path, gboolean validated, gpointer user)
{
  QpCall *call = user;

  if (call->mover && !qp_call_is_over (call))
    qp_mover_path_result (call->mover, path, validated);
}

static void
on_quic_path_changed (QpQuic *quic, guint path, gpointer user)
{
  QpCall *call = user;

  if (call->mover && !qp_call_is_over (call))
    qp_mover_path_changed (call->mover, path);
}

static const QpQuicCallbacks quic_callbacks = {
  .established = on_established,
  .stream_data = on_stream_data,
  .stream_reset = on_stream_reset,
  .stream_stopped = on_stream_stopped,
  .stream_closed = on_stream_closed,
  .datagram = on_datagram,
  .streams_available = on_streams_available,
  .path_result = on_path_result,
  .path_changed = on_quic_path_changed,
  .closed = on_quic_closed,
  .send = on_send,
};

void
qp_call_start_quic (QpCall *call)
{
  static const char *const alpn[] = { QP_ROQ_ALPN_P2P, QP_ROQ_ALPN, NULL };
  g_autoptr (GError) error = NULL;
  QpQuicConfig config = {
    .server = call->offerer,
    .identity = call->identity,
    .trust = { .fingerprint = call->peer_fingerprint,
        .pinned_fingerprint = call->pinned_fingerprint,
        .ca_file = call->ca_file,
        .name = call->peer_name },
    .alpn = alpn,
    .congestion_control = call->congestion_control,
    .idle_timeout_ms = IDLE_TIMEOUT_MS,
    .keep_alive_ms = KEEP_ALIVE_MS,
    .handshake_timeout_ms = call->timeout_ms,
    .qlog_dir = call->qlog_dir,
    .name = call->name,
    .first_path = QP_CALL_FIRST_PATH,
    .max_payload = qp_path_get_max_payload (qp_paths_get_first (call->paths)),
    .probe_payload = PROBE_PAYLOAD,
  };

  call->quic = qp_quic_new (call->context, &config, &quic_callbacks, call,
      &error);
  if (!call->quic)
    qp_call_end (call, g_steal_pointer (&error));
}

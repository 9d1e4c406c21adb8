/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See call.h. */
#include "session/call.h"

#include <string.h>

#include "roq/roq.h"
#include "session/session-private.h"
#include "signaling/framing.h"

#define GST_CAT_DEFAULT qp_session_debug

/* The peer is gone when nothing came for so long (RFC 9000, 10.1); consent
 * checks of ICE (RFC 7675) find out on the same scale. */
#define IDLE_TIMEOUT_MS 30000
/* Keeps NAT bindings and the connection alive when no media flows, and makes
 * silence mean something: a peer that says nothing for twice as long has not
 * acknowledged what it was asked. */
#define KEEP_ALIVE_MS 1000

/* What the server may still say of a call that is up: what the peer sent before
 * it knew so itself. */
#define LATE_SIGNALS_US ((gint64) G_USEC_PER_SEC)
/* What a peer does wrong is told in the log so often per call. */
#define MAX_COMPLAINTS 5
/* Unread on the control stream: more means that the peer never will. */
#define MAX_CONTROL_UNSENT (1024 * 1024)

/* UDP payload that paths are probed for: Ethernet's 1500 bytes less the headers
 * of IPv6 and UDP. */
#define PROBE_PAYLOAD 1452

/* The only path for now; a call's paths are numbered from here. */
#define FIRST_PATH 0

struct _QpCall {
  GMainContext *context;
  QpCallCallbacks callbacks;
  gpointer user;
  QpCallState state;

  char *id, *name, *qlog_dir;
  gboolean offerer;
  QpIdentity *identity;
  char *pinned_fingerprint, *ca_file, *peer_name;
  char *peer_fingerprint; /* "sha-256 …", from signaling */
  QpCongestionControl congestion_control;
  char *answer_sdp;

  gint64 started_us, connected_us, last_received_us;
  GSource *timeout; /* until CONNECTED */
  guint timeout_ms;

  QpPath *path;
  gboolean
      peer_gathered_early; /* end of candidates came before the credentials */
  QpQuic *quic;
  char *alpn;
  QpSender *sender;
  QpReceiver *receiver;

  gint64 control; /* the control stream, -1: none */
  QpDeframer *deframer;
  guint complaints;
};

const char *
qp_call_state_to_string (QpCallState state)
{
  static const char *const names[] = { "new", "offering", "checking",
    "handshaking", "connected", "failed", "closed" };

  return names[state];
}

static gboolean
is_over (const QpCall *call)
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

static void
set_state (QpCall *call, QpCallState state)
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

/* Ends the call; the objects below live until the owner frees it. Takes the error. */
static void
end_call (QpCall *call, GError *error)
{
  g_autoptr (GError) cause = error;

  if (is_over (call))
    return;
  set_state (call, cause ? QP_CALL_FAILED : QP_CALL_CLOSED);
  call->callbacks.ended (call, cause, call->user);
}

/* What a peer may do again and again must not fill a log. */
#define COMPLAIN(call, format, ...)                             \
  G_STMT_START                                                  \
  {                                                             \
    if ((call)->complaints++ < MAX_COMPLAINTS)                  \
      GST_WARNING ("%s: " format, (call)->name, ##__VA_ARGS__); \
    else                                                        \
      GST_DEBUG ("%s: " format, (call)->name, ##__VA_ARGS__);   \
  }                                                             \
  G_STMT_END

/* --- Control stream ----------------------------------------------------- */

static gboolean
write_message (QpCall *call, const QpMessage *message)
{
  g_autofree char *json = qp_message_to_json (message);
  g_autoptr (GBytes) framed = qp_framing_frame (json);

  return qp_quic_get_unsent (call->quic, call->control) < MAX_CONTROL_UNSENT &&
      qp_quic_write (call->quic, call->control, framed, FALSE);
}

static void
break_control (QpCall *call, const GError *cause)
{
  end_call (call,
      g_error_new (QP_SESSION_ERROR, QP_SESSION_ERROR_LOST,
          "the peer's control stream is broken: %s", cause->message));
}

static void handle_candidate (QpCall *call, const QpMessage *message);

static void
control_message (QpCall *call, const char *json, gsize size)
{
  g_autoptr (GError) refused = NULL;
  g_autoptr (QpMessage) message = qp_message_parse (json, size, &refused);

  if (message && message->type == QP_MESSAGE_CANDIDATE)
    handle_candidate (call, message);
  else if (message)
    call->callbacks.message (call, message, call->user);
  else if (!g_error_matches (refused, QP_SIGNALING_ERROR,
               QP_SIGNALING_ERROR_UNKNOWN_TYPE))
    break_control (call, refused);
  else
    /* A type of a later version is not an error between peers. */
    COMPLAIN (call, "message on the control stream ignored: %s",
        refused->message);
}

static void
control_data (QpCall *call, const guint8 *data, gsize size)
{
  g_autoptr (GError) error = NULL;
  gboolean sound;
  GBytes *bytes;

  if (!call->deframer)
    call->deframer = qp_deframer_new ();

  sound = qp_deframer_push (call->deframer, data, size, &error);
  while (!is_over (call) && (bytes = qp_deframer_pull (call->deframer))) {
    gsize length;
    const char *json = g_bytes_get_data (bytes, &length);

    control_message (call, json, length);
    g_bytes_unref (bytes);
  }
  if (!sound)
    break_control (call, error);
}

gboolean
qp_call_send (QpCall *call, const QpMessage *message)
{
  if (call->state != QP_CALL_CONNECTED || call->control < 0)
    return FALSE;
  return write_message (call, message);
}

/* --- QUIC --------------------------------------------------------------- */

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
  end_call (call,
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

  if (!is_over (call))
    call->callbacks.keyframe (track, newcomer, call->user);
}

static void
on_established (QpQuic *quic, const char *alpn, gpointer user)
{
  static const QpReceiverCallbacks receiver_callbacks = { .rtp = on_rtp,
    .rtcp = on_rtcp,
    .broken = on_receiver_broken };
  QpCall *call = user;

  if (is_over (call))
    return;
  call->alpn = g_strdup (alpn);
  call->connected_us = g_get_monotonic_time ();
  call->sender = qp_sender_new (call->context, quic, on_keyframe, call);
  call->receiver = qp_receiver_new (quic, &receiver_callbacks, call);
  if (!call->offerer && g_str_equal (alpn, QP_ROQ_ALPN_P2P))
    call->control = qp_quic_open (quic, TRUE, QP_PRIORITY_CONTROL);
  GST_INFO ("%s: connected in %.1f ms, ALPN %s", call->name,
      (call->connected_us - call->started_us) / 1000.0, alpn);
  set_state (call, QP_CALL_CONNECTED);
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

  if (is_over (call))
    return;
  if (!is_bidirectional (stream))
    qp_receiver_stream_data (call->receiver, stream, data, size, fin);
  else if (is_control (call, stream))
    control_data (call, data, size);
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

  if (!is_over (call))
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
    end_call (call, NULL);
  } else {
    end_call (call, g_error_copy (error));
  }
}

static void
on_path_writable (QpPath *path, gpointer user)
{
  QpCall *call = user;

  if (call->quic)
    qp_quic_writable (call->quic);
}

static QpQuicSendResult
on_send (QpQuic *quic, guint path, const guint8 *data, gsize size,
    gsize segment, gsize *sent, gpointer user)
{
  QpCall *call = user;

  switch (qp_path_send (call->path, data, size, segment, sent)) {
    case QP_PATH_SEND_OK:
      return QP_QUIC_SEND_OK;
    case QP_PATH_SEND_AGAIN:
      qp_path_notify_writable (call->path, on_path_writable);
      return QP_QUIC_SEND_AGAIN;
    case QP_PATH_SEND_ERROR:
      break;
  }
  return QP_QUIC_SEND_ERROR;
}

static const QpQuicCallbacks quic_callbacks = {
  .established = on_established,
  .stream_data = on_stream_data,
  .stream_reset = on_stream_reset,
  .stream_stopped = on_stream_stopped,
  .stream_closed = on_stream_closed,
  .datagram = on_datagram,
  .streams_available = on_streams_available,
  .closed = on_quic_closed,
  .send = on_send,
};

static void
start_quic (QpCall *call)
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
    .first_path = FIRST_PATH,
    .max_payload = qp_path_get_max_payload (call->path),
    .probe_payload = PROBE_PAYLOAD,
  };

  call->quic = qp_quic_new (call->context, &config, &quic_callbacks, call,
      &error);
  if (!call->quic)
    end_call (call, g_steal_pointer (&error));
}

/* --- ICE ---------------------------------------------------------------- */

static void
on_local_candidate (QpPath *path, const char *candidate, gpointer user)
{
  QpCall *call = user;
  g_autoptr (QpMessage) message = NULL;

  if (is_over (call))
    return;
  message = qp_message_new (QP_MESSAGE_CANDIDATE);
  message->call = g_strdup (call->id);
  message->path = FIRST_PATH;
  message->candidate = g_strdup (candidate ? candidate : "");
  /* Once the call is up, the peer believes the control stream only. */
  if (!qp_call_send (call, message))
    call->callbacks.signal (call, message, call->user);
}

static void
path_connected (QpCall *call)
{
  /* The QUIC client speaks first, once its side can send; the server waits for
   * it since the answer came. */
  if (!call->quic && !is_over (call))
    start_quic (call);
  if (call->state == QP_CALL_CHECKING)
    set_state (call, QP_CALL_HANDSHAKING);
  if (!is_over (call))
    call->callbacks.path_changed (call, call->user);
}

static void
on_path_state (QpPath *path, QpPathState state, const char *cause,
    gpointer user)
{
  QpCall *call = user;

  if (is_over (call))
    return;
  if (state == QP_PATH_CONNECTED)
    path_connected (call);
  else if (state == QP_PATH_FAILED)
    end_call (call,
        g_error_new (QP_SESSION_ERROR,
            call->state == QP_CALL_CONNECTED ? QP_SESSION_ERROR_LOST
                                             : QP_SESSION_ERROR_NO_PATH,
            "no network path to %s: %s", call->name, cause));
}

static void
on_path_received (QpPath *path, const guint8 *data, gsize size, gpointer user)
{
  QpCall *call = user;

  if (!call->quic || is_over (call))
    return;
  call->last_received_us = g_get_monotonic_time ();
  qp_quic_receive (call->quic, FIRST_PATH, data, size);
}

static void
on_path_received_all (QpPath *path, gpointer user)
{
  QpCall *call = user;

  if (is_over (call))
    return;
  if (call->receiver)
    qp_receiver_flush (call->receiver);
  if (call->quic)
    qp_quic_flush (call->quic);
}

static const QpPathCallbacks path_callbacks = {
  .local_candidate = on_local_candidate,
  .state_changed = on_path_state,
  .received = on_path_received,
  .received_all = on_path_received_all,
};

/* --- Signaling ---------------------------------------------------------- */

static QpMessage *
describe_self (QpCall *call, QpMessageType type)
{
  QpMessage *message = qp_message_new (type);

  message->call = g_strdup (call->id);
  message->path = FIRST_PATH;
  message->fingerprint =
      g_strdup (qp_identity_get_fingerprint (call->identity));
  message->ufrag = g_strdup (qp_path_get_ufrag (call->path));
  message->password = g_strdup (qp_path_get_password (call->path));
  return message;
}

/* Takes the peer's half: its fingerprint and ICE credentials. */
static gboolean
take_description (QpCall *call, const QpMessage *message)
{
  g_autoptr (GError) error = NULL;

  call->peer_fingerprint = g_strdup (message->fingerprint);
  if (!qp_path_set_remote_credentials (call->path, message->ufrag,
          message->password, &error)) {
    end_call (call,
        g_error_new (QP_SESSION_ERROR, QP_SESSION_ERROR_NO_PATH,
            "%s sent unusable ICE credentials: %s", call->name,
            error->message));
    return FALSE;
  }
  if (call->peer_gathered_early)
    qp_path_remote_gathering_done (call->path);
  return TRUE;
}

static gboolean
on_timeout (gpointer data)
{
  QpCall *call = data;
  g_autofree char *tried = qp_call_describe (call);

  g_clear_pointer (&call->timeout, g_source_unref);
  switch (call->state) {
    case QP_CALL_OFFERING:
      end_call (call,
          g_error_new (QP_SESSION_ERROR, QP_SESSION_ERROR_NO_PATH,
              "%s did not answer the offer within %u ms", call->name,
              call->timeout_ms));
      break;
    case QP_CALL_HANDSHAKING:
      end_call (call,
          g_error_new (QP_QUIC_ERROR, QP_QUIC_ERROR_TIMEOUT,
              "the QUIC handshake with %s did not finish: %s", call->name,
              tried));
      break;
    default:
      end_call (call,
          g_error_new (QP_SESSION_ERROR, QP_SESSION_ERROR_NO_PATH,
              "ICE found no path to %s within %u ms: %s", call->name,
              call->timeout_ms, tried));
      break;
  }
  return G_SOURCE_REMOVE;
}

static void
begin (QpCall *call)
{
  call->started_us = g_get_monotonic_time ();
  call->timeout = g_timeout_source_new (call->timeout_ms);
  g_source_set_callback (call->timeout, on_timeout, call, NULL);
  g_source_attach (call->timeout, call->context);
}

void
qp_call_start (QpCall *call)
{
  g_autoptr (QpMessage) offer = describe_self (call, QP_MESSAGE_OFFER);

  begin (call);
  set_state (call, QP_CALL_OFFERING);
  /* The offer leaves before its candidates. */
  call->callbacks.signal (call, offer, call->user);
  qp_path_gather (call->path);
}

void
qp_call_accept (QpCall *call, const QpMessage *offer, const char *sdp)
{
  g_autoptr (QpMessage) answer = describe_self (call, QP_MESSAGE_ANSWER);

  begin (call);
  answer->sdp = g_strdup (sdp);
  call->callbacks.signal (call, answer, call->user);
  if (!take_description (call, offer))
    return;
  set_state (call, QP_CALL_CHECKING);
  qp_path_gather (call->path);
}

static void
handle_answer (QpCall *call, const QpMessage *answer)
{
  if (call->state != QP_CALL_OFFERING) {
    COMPLAIN (call, "a second answer was ignored");
    return;
  }
  if (!take_description (call, answer))
    return;
  call->answer_sdp = g_strdup (answer->sdp);
  set_state (call, QP_CALL_CHECKING);
  if (!call->quic)
    start_quic (call);
}

static void
handle_candidate (QpCall *call, const QpMessage *message)
{
  g_autoptr (GError) error = NULL;

  if (message->path != FIRST_PATH)
    return;
  if (message->candidate[0] == '\0') {
    if (call->peer_fingerprint)
      qp_path_remote_gathering_done (call->path);
    else
      call->peer_gathered_early = TRUE;
  } else if (!qp_path_add_remote_candidate (call->path, message->candidate,
                 &error)) {
    COMPLAIN (call, "candidate ignored: %s", error->message);
  }
}

/* A call that is up takes no orders from the server: with a candidate of its
 * own, whose checks it can answer because it has seen the ICE credentials, it
 * could lead the call away. */
static gboolean
is_late (QpCall *call)
{
  return call->state == QP_CALL_CONNECTED &&
      g_get_monotonic_time () > call->connected_us + LATE_SIGNALS_US;
}

void
qp_call_handle (QpCall *call, const QpMessage *message)
{
  if (is_over (call))
    return;
  if (is_late (call)) {
    COMPLAIN (call, "%s by signaling ignored: the call is up",
        qp_message_type_to_string (message->type));
    return;
  }
  if (message->type == QP_MESSAGE_ANSWER && call->offerer)
    handle_answer (call, message);
  else if (message->type == QP_MESSAGE_CANDIDATE)
    handle_candidate (call, message);
}

/* --- Life --------------------------------------------------------------- */

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

  path.controlling = config->offerer;
  call->path = qp_path_new (config->context, &path, &path_callbacks, call);
  return call;
}

void
qp_call_abandon (QpCall *call)
{
  stop_timeout (call);
  if (!is_over (call))
    call->state = QP_CALL_CLOSED;
}

void
qp_call_free (QpCall *call, guint64 code, const char *reason,
    void (*closed) (gpointer), gpointer user)
{
  stop_timeout (call);
  if (call->quic && qp_quic_get_state (call->quic) <= QP_QUIC_ESTABLISHED)
    qp_quic_close (call->quic, code, reason);
  g_clear_pointer (&call->sender, qp_sender_free);
  g_clear_pointer (&call->receiver, qp_receiver_free);
  g_clear_pointer (&call->quic, qp_quic_free);
  qp_path_free (call->path, closed, user);

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
  if (call->quic && !is_over (call))
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
  return qp_path_describe (call->path);
}

gboolean
qp_call_get_info (QpCall *call, QpPathInfo *path, QpQuicInfo *quic)
{
  qp_path_get_info (call->path, path);
  memset (quic, 0, sizeof *quic);
  if (!call->quic)
    return FALSE;
  qp_quic_get_info (call->quic, quic);
  return TRUE;
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

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

/* The path that a call begins on. */
#define FIRST_PATH 0
/* The exporter's label for the key that path offers are made with. */
#define PATHS_KEY_LABEL "EXPORTER-quicp2p-paths"

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

  QpPaths *paths;
  gboolean
      peer_gathered_early; /* end of candidates came before the credentials */
  QpQuic *quic;
  QpMover *mover; /* once CONNECTED */
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

static QpPath *
first_path (QpCall *call)
{
  return qp_paths_get_first (call->paths);
}

/* The path that QUIC sends on. */
static guint
get_active (QpCall *call)
{
  QpQuicInfo info;

  if (!call->quic)
    return FIRST_PATH;
  qp_quic_get_info (call->quic, &info);
  return info.path;
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
static void handle_path (QpCall *call, const QpMessage *message);

static gboolean
is_path_message (const QpMessage *message)
{
  return message->type == QP_MESSAGE_PATH_OFFER ||
      message->type == QP_MESSAGE_PATH_ANSWER;
}

static void
control_error (QpCall *call, const GError *refused)
{
  /* A type of a later version is not an error between peers. */
  if (g_error_matches (refused, QP_SIGNALING_ERROR,
          QP_SIGNALING_ERROR_UNKNOWN_TYPE))
    COMPLAIN (call, "message on the control stream ignored: %s",
        refused->message);
  else
    break_control (call, refused);
}

static void
control_message (QpCall *call, const char *json, gsize size)
{
  g_autoptr (GError) refused = NULL;
  g_autoptr (QpMessage) message = qp_message_parse (json, size, &refused);

  if (!message)
    control_error (call, refused);
  else if (message->type == QP_MESSAGE_CANDIDATE)
    handle_candidate (call, message);
  else if (is_path_message (message))
    handle_path (call, message);
  else if (message->type != QP_MESSAGE_PING)
    call->callbacks.message (call, message, call->user);
  /* A ping wants to be nothing but a packet. */
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

static void start_paths (QpCall *call);

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
  start_paths (call);
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
on_path_writable (gpointer user)
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

  if (call->mover)
    path = qp_mover_route (call->mover, path);
  switch (qp_paths_send (call->paths, path, data, size, segment, sent)) {
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

  if (call->mover && !is_over (call))
    qp_mover_path_result (call->mover, path, validated);
}

static void
on_quic_path_changed (QpQuic *quic, guint path, gpointer user)
{
  QpCall *call = user;

  if (call->mover && !is_over (call))
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
    .max_payload = qp_path_get_max_payload (qp_paths_get_first (call->paths)),
    .probe_payload = PROBE_PAYLOAD,
  };

  call->quic = qp_quic_new (call->context, &config, &quic_callbacks, call,
      &error);
  if (!call->quic)
    end_call (call, g_steal_pointer (&error));
}

/* --- Paths -------------------------------------------------------------- */

static void
on_paths_signal (QpMessage *message, gpointer user)
{
  QpCall *call = user;

  if (is_over (call))
    return;
  /* What concerns further paths goes both ways: whichever arrives first counts,
   * and one of the two may be cut. Else, once the call is up, the peer believes
   * the control stream only. */
  if (!qp_call_send (call, message) || message->path != FIRST_PATH)
    call->callbacks.signal (call, message, call->user);
}

static void
first_path_connected (QpCall *call)
{
  /* The QUIC client speaks first, once its side can send; the server waits for
   * it since the answer came. */
  if (!call->quic && !is_over (call))
    start_quic (call);
  if (call->state == QP_CALL_CHECKING)
    set_state (call, QP_CALL_HANDSHAKING);
}

static void
first_path_failed (QpCall *call, const char *cause)
{
  end_call (call,
      g_error_new (QP_SESSION_ERROR, QP_SESSION_ERROR_NO_PATH,
          "no network path to %s: %s", call->name, cause));
}

static void
on_path_state (guint number, QpPathState state, const char *cause,
    gpointer user)
{
  QpCall *call = user;

  if (is_over (call))
    return;
  if (state == QP_PATH_CONNECTED) {
    if (number == FIRST_PATH)
      first_path_connected (call);
    if (call->mover)
      qp_mover_path_usable (call->mover, number);
    if (!is_over (call) && number == get_active (call))
      call->callbacks.path_selected (call, call->user);
  } else if (state == QP_PATH_FAILED) {
    if (call->mover)
      qp_mover_path_lost (call->mover, number, cause);
    else if (number == FIRST_PATH)
      first_path_failed (call, cause);
  }
}

static void
on_path_received (guint number, const guint8 *data, gsize size, gpointer user)
{
  QpCall *call = user;

  if (!call->quic || is_over (call))
    return;
  call->last_received_us = g_get_monotonic_time ();
  if (call->mover)
    number = qp_mover_receive (call->mover, number);
  qp_quic_receive (call->quic, number, data, size);
}

static void
on_path_received_all (gpointer user)
{
  QpCall *call = user;

  if (is_over (call))
    return;
  if (call->receiver)
    qp_receiver_flush (call->receiver);
  if (call->mover && !is_over (call))
    qp_mover_received_all (call->mover);
  if (call->quic)
    qp_quic_flush (call->quic);
}

static void
on_path_lost (guint number, const char *why, gpointer user)
{
  QpCall *call = user;

  if (!is_over (call) && call->mover)
    qp_mover_path_lost (call->mover, number, why);
}

static const QpPathsCallbacks paths_callbacks = {
  .signal = on_paths_signal,
  .received = on_path_received,
  .received_all = on_path_received_all,
  .state_changed = on_path_state,
  .writable = on_path_writable,
  .lost = on_path_lost,
};

static void
on_mover_moved (guint from, guint to, const char *cause, gint64 gap_us,
    gpointer user)
{
  QpCall *call = user;

  if (!is_over (call))
    call->callbacks.moved (call, from, to, cause, gap_us, call->user);
}

static void
on_mover_lost (guint number, const char *cause, gpointer user)
{
  QpCall *call = user;

  if (!is_over (call))
    call->callbacks.path_lost (call, number, cause, call->user);
}

static void
on_mover_cut (gboolean cut, gpointer user)
{
  QpCall *call = user;

  GST_INFO ("%s: %s", call->name, cut ? "no path works" : "a path works again");
  if (!is_over (call))
    call->callbacks.cut (call, cut, call->user);
}

static void
on_mover_ping (gpointer user)
{
  QpCall *call = user;
  g_autoptr (QpMessage) ping = qp_message_new (QP_MESSAGE_PING);

  if (qp_call_send (call, ping))
    qp_quic_flush (call->quic);
}

static const QpMoverCallbacks mover_callbacks = {
  .moved = on_mover_moved,
  .lost = on_mover_lost,
  .cut = on_mover_cut,
  .ping = on_mover_ping,
};

/* Between two of us only: a plain RoQ peer knows nothing of further paths. */
static void
start_paths (QpCall *call)
{
  guint8 key[QP_PATHS_KEY_SIZE];

  if (!g_str_equal (call->alpn, QP_ROQ_ALPN_P2P) ||
      !qp_quic_export_key (call->quic, PATHS_KEY_LABEL, key, sizeof key))
    return;
  call->mover = qp_mover_new (call->context, call->paths, call->quic,
      !call->offerer, call->name, &mover_callbacks, call);
  qp_paths_start (call->paths, key);
}

/* --- Signaling ---------------------------------------------------------- */

static QpMessage *
describe_self (QpCall *call, QpMessageType type)
{
  QpMessage *message = qp_message_new (type);

  message->call = g_strdup (call->id);
  message->path = FIRST_PATH;
  message->fingerprint =
      g_strdup (qp_identity_get_fingerprint (call->identity));
  message->ufrag = g_strdup (qp_path_get_ufrag (first_path (call)));
  message->password = g_strdup (qp_path_get_password (first_path (call)));
  return message;
}

/* Takes the peer's half: its fingerprint and ICE credentials. */
static gboolean
take_description (QpCall *call, const QpMessage *message)
{
  g_autoptr (GError) error = NULL;

  call->peer_fingerprint = g_strdup (message->fingerprint);
  if (!qp_path_set_remote_credentials (first_path (call), message->ufrag,
          message->password, &error)) {
    end_call (call,
        g_error_new (QP_SESSION_ERROR, QP_SESSION_ERROR_NO_PATH,
            "%s sent unusable ICE credentials: %s", call->name,
            error->message));
    return FALSE;
  }
  if (call->peer_gathered_early)
    qp_path_remote_gathering_done (first_path (call));
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
  qp_path_gather (first_path (call));
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
  qp_path_gather (first_path (call));
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
  if (message->path == FIRST_PATH && message->candidate[0] == '\0' &&
      !call->peer_fingerprint)
    call->peer_gathered_early = TRUE;
  else
    qp_paths_handle (call->paths, message);
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

/* Offers of further paths prove by their MAC who made them. */
static void
handle_path (QpCall *call, const QpMessage *message)
{
  if (g_str_equal (message->call, call->id))
    qp_paths_handle (call->paths, message);
}

void
qp_call_handle (QpCall *call, const QpMessage *message)
{
  if (is_over (call))
    return;
  if (is_path_message (message)) {
    handle_path (call, message);
  } else if (message->type == QP_MESSAGE_CANDIDATE &&
      message->path != FIRST_PATH) {
    /* Further paths' passwords never pass through signaling, so that a
     * candidate of the server's own leads nowhere. */
    handle_candidate (call, message);
  } else if (is_late (call)) {
    COMPLAIN (call, "%s by signaling ignored: the call is up",
        qp_message_type_to_string (message->type));
  } else if (message->type == QP_MESSAGE_ANSWER && call->offerer) {
    handle_answer (call, message);
  } else if (message->type == QP_MESSAGE_CANDIDATE) {
    handle_candidate (call, message);
  }
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
  call->paths = qp_paths_new (config->context, &path, config->id, config->name,
      config->interfaces, &paths_callbacks, call);
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
  return qp_paths_describe (call->paths);
}

gboolean
qp_call_get_info (QpCall *call, QpPathInfo *path, QpQuicInfo *quic)
{
  qp_paths_get_info (call->paths, get_active (call), path);
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

void
qp_call_network_changed (QpCall *call)
{
  if (!is_over (call))
    qp_paths_update (call->paths);
}

void
qp_call_signaling_returned (QpCall *call)
{
  if (is_over (call))
    return;
  if (call->state == QP_CALL_OFFERING) {
    g_autoptr (QpMessage) offer = describe_self (call, QP_MESSAGE_OFFER);

    call->callbacks.signal (call, offer, call->user);
    qp_paths_repeat_first (call->paths);
  }
  qp_paths_repeat (call->paths);
}

gboolean
qp_call_is_cut (QpCall *call)
{
  return call->mover && qp_mover_is_cut (call->mover);
}

gint64
qp_call_get_last_gap (QpCall *call)
{
  return call->mover ? qp_mover_get_last_gap (call->mover) : -1;
}

QpPaths *
qp_call_get_paths (QpCall *call)
{
  return call->paths;
}

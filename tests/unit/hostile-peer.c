/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See hostile-peer.h.  What QpQuic does by itself and for everybody's good
 * (credit, a certificate) is withheld by way of the linker's --wrap, for
 * connections of the test's own thread: those of the sessions run on others. */
#include "tests/unit/hostile-peer.h"

#include <ngtcp2/ngtcp2.h>
#include <openssl/ssl.h>
#include <string.h>

#include "roq/roq.h"

/* Credit of a rogue that is tight. */
#define TIGHT_BYTES 4096

/* --- What is withheld ----------------------------------------------------- */

static GThread *rogue_thread; /* that of rogues; NULL: there are none */
static Rogue *maker;          /* whose connection is being made */
static Rogue *tight;          /* the one, if any */

gboolean __real_qp_identity_apply (QpIdentity *identity, SSL_CTX *context,
    GError **error);
gboolean __wrap_qp_identity_apply (QpIdentity *identity, SSL_CTX *context,
    GError **error);
void __real_ngtcp2_conn_extend_max_offset (ngtcp2_conn *conn, uint64_t n);
void __wrap_ngtcp2_conn_extend_max_offset (ngtcp2_conn *conn, uint64_t n);
int __real_ngtcp2_conn_extend_max_stream_offset (ngtcp2_conn *conn, int64_t id,
    uint64_t n);
int __wrap_ngtcp2_conn_extend_max_stream_offset (ngtcp2_conn *conn, int64_t id,
    uint64_t n);
int __real_ngtcp2_conn_server_new_versioned (ngtcp2_conn **conn,
    const ngtcp2_cid *dcid, const ngtcp2_cid *scid, const ngtcp2_path *path,
    uint32_t version, int callbacks_version, const ngtcp2_callbacks *callbacks,
    int settings_version, const ngtcp2_settings *settings, int params_version,
    const ngtcp2_transport_params *params, const ngtcp2_mem *mem, void *user);
int __wrap_ngtcp2_conn_server_new_versioned (ngtcp2_conn **conn,
    const ngtcp2_cid *dcid, const ngtcp2_cid *scid, const ngtcp2_path *path,
    uint32_t version, int callbacks_version, const ngtcp2_callbacks *callbacks,
    int settings_version, const ngtcp2_settings *settings, int params_version,
    const ngtcp2_transport_params *params, const ngtcp2_mem *mem, void *user);

static gboolean
is_tight (void)
{
  return tight && g_thread_self () == rogue_thread;
}

gboolean
__wrap_qp_identity_apply (QpIdentity *identity, SSL_CTX *context,
    GError **error)
{
  if (g_thread_self () == rogue_thread && maker && maker->nameless)
    return TRUE;
  return __real_qp_identity_apply (identity, context, error);
}

void
__wrap_ngtcp2_conn_extend_max_offset (ngtcp2_conn *conn, uint64_t n)
{
  if (!is_tight ())
    __real_ngtcp2_conn_extend_max_offset (conn, n);
}

int
__wrap_ngtcp2_conn_extend_max_stream_offset (ngtcp2_conn *conn, int64_t id,
    uint64_t n)
{
  return is_tight ()
      ? 0
      : __real_ngtcp2_conn_extend_max_stream_offset (conn, id, n);
}

int
__wrap_ngtcp2_conn_server_new_versioned (ngtcp2_conn **conn,
    const ngtcp2_cid *dcid, const ngtcp2_cid *scid, const ngtcp2_path *path,
    uint32_t version, int callbacks_version, const ngtcp2_callbacks *callbacks,
    int settings_version, const ngtcp2_settings *settings, int params_version,
    const ngtcp2_transport_params *params, const ngtcp2_mem *mem, void *user)
{
  ngtcp2_transport_params less = *params;

  if (is_tight ()) {
    less.initial_max_data = TIGHT_BYTES;
    less.initial_max_streams_uni = 4;
  }
  return __real_ngtcp2_conn_server_new_versioned (conn, dcid, scid, path,
      version, callbacks_version, callbacks, settings_version, settings,
      params_version, is_tight () ? &less : params, mem, user);
}

/* --- QUIC ----------------------------------------------------------------- */

static void
on_established (QpQuic *quic, const char *alpn, gpointer user)
{
  ((Rogue *) user)->established = TRUE;
}

static void
read_control (Rogue *rogue, const guint8 *data, gsize size)
{
  GBytes *bytes;

  g_assert_true (qp_deframer_push (rogue->deframer, data, size, NULL));
  while ((bytes = qp_deframer_pull (rogue->deframer))) {
    gsize length;
    const char *json = g_bytes_get_data (bytes, &length);
    g_autoptr (QpMessage) message = qp_message_parse (json, length, NULL);

    if (message && message->type == QP_MESSAGE_MEDIA) {
      g_free (rogue->sdp);
      rogue->sdp = g_strdup (message->sdp);
    }
    g_bytes_unref (bytes);
  }
}

static void
on_stream_data (QpQuic *quic, gint64 stream, const guint8 *data, gsize size,
    gboolean fin, gpointer user)
{
  Rogue *rogue = user;

  rogue->received += size;
  if (stream == 0)
    read_control (rogue, data, size);
  else if (rogue->stop_all)
    qp_quic_stop (quic, stream, QP_ROQ_FRAME_CANCELLED);
}

static void
on_stream_stopped (QpQuic *quic, gint64 stream, guint64 code, gpointer user)
{
  Rogue *rogue = user;

  if (code < ROGUE_MAX_CODE)
    rogue->stopped[code]++;
}

static void
on_datagram (QpQuic *quic, const guint8 *data, gsize size, gpointer user)
{
  ((Rogue *) user)->datagrams++;
}

static void
on_closed (QpQuic *quic, const GError *error, gpointer user)
{
  Rogue *rogue = user;

  g_test_message ("the rogue's connection: %s", error->message);
  rogue->closed = TRUE;
  rogue->error = g_error_copy (error);
}

static QpQuicSendResult
on_send (QpQuic *quic, guint path, const guint8 *data, gsize size,
    gsize segment, gsize *sent, gpointer user)
{
  Rogue *rogue = user;
  QpPath *way = path == 1 && rogue->further ? rogue->further : rogue->path;

  /* What does not leave at once is lost; QUIC does not mind. */
  return qp_path_send (way, data, size, segment, sent) == QP_PATH_SEND_ERROR
      ? QP_QUIC_SEND_ERROR
      : QP_QUIC_SEND_OK;
}

static void
start_quic (Rogue *rogue)
{
  static const QpQuicCallbacks callbacks = {
    .established = on_established,
    .stream_data = on_stream_data,
    .stream_stopped = on_stream_stopped,
    .datagram = on_datagram,
    .closed = on_closed,
    .send = on_send,
  };
  static const char *const alpn[] = { QP_ROQ_ALPN_P2P, NULL };
  QpQuicConfig config = {
    .server = rogue->offerer,
    .identity = rogue->identity,
    .trust = { .fingerprint = rogue->peer_fingerprint },
    .alpn = rogue->alpn ? rogue->alpn : alpn,
    .congestion_control = QP_CC_CUBIC,
    .idle_timeout_ms = 30000,
    .keep_alive_ms = 5000,
    .handshake_timeout_ms = 10000,
    .name = "rogue",
    .max_payload = 1200,
  };
  g_autoptr (GError) error = NULL;

  maker = rogue;
  if (rogue->tight)
    tight = rogue;
  rogue->quic = qp_quic_new (g_main_context_default (), &config, &callbacks,
      rogue, &error);
  maker = NULL;
  g_assert_no_error (error);
}

/* --- ICE ------------------------------------------------------------------ */

static void
on_candidate (QpPath *path, const char *candidate, gpointer user)
{
  Rogue *rogue = user;

  member_send (&rogue->member, rogue->peer,
      new_candidate (rogue->call, candidate ? candidate : ""));
}

static void
on_path_state (QpPath *path, QpPathState state, const char *cause,
    gpointer user)
{
  Rogue *rogue = user;

  if (state == QP_PATH_CONNECTED && !rogue->quic)
    start_quic (rogue);
}

static void
on_received (QpPath *path, const guint8 *data, gsize size, gpointer user)
{
  Rogue *rogue = user;

  if (rogue->quic && !rogue->deaf)
    qp_quic_receive (rogue->quic, 0, data, size);
}

static void
on_received_all (QpPath *path, gpointer user)
{
  Rogue *rogue = user;

  if (rogue->quic && !rogue->deaf)
    qp_quic_flush (rogue->quic);
}

static void
make_path (Rogue *rogue, gboolean offerer)
{
  static const QpPathCallbacks callbacks = {
    .local_candidate = on_candidate,
    .state_changed = on_path_state,
    .received = on_received,
    .received_all = on_received_all,
  };
  QpPathConfig config = { .controlling = offerer };

  rogue->offerer = offerer;
  rogue->path = qp_path_new (NULL, &config, &callbacks, rogue);
}

static QpMessage *
describe (Rogue *rogue, QpMessageType type)
{
  QpMessage *message = qp_message_new (type);

  message->call = g_strdup (rogue->call);
  message->fingerprint =
      g_strdup (qp_identity_get_fingerprint (rogue->identity));
  message->ufrag = g_strdup (qp_path_get_ufrag (rogue->path));
  message->password = g_strdup (qp_path_get_password (rogue->path));
  return message;
}

static void
take_description (Rogue *rogue, const QpMessage *message)
{
  g_autoptr (GError) error = NULL;

  g_free (rogue->peer_fingerprint);
  rogue->peer_fingerprint = g_strdup (message->fingerprint);
  qp_path_set_remote_credentials (rogue->path, message->ufrag,
      message->password, &error);
  g_assert_no_error (error);
}

static void
answer (Rogue *rogue, const QpMessage *offer)
{
  rogue->call = g_strdup (offer->call);
  rogue->peer = g_strdup (offer->from);
  make_path (rogue, FALSE);
  take_description (rogue, offer);
  member_send (&rogue->member, rogue->peer,
      describe (rogue, QP_MESSAGE_ANSWER));
  qp_path_gather (rogue->path);
}

static void
on_message (Member *member, const QpMessage *message)
{
  Rogue *rogue = (Rogue *) member;

  if (message->type == QP_MESSAGE_OFFER && !rogue->path) {
    answer (rogue, message);
  } else if (!rogue->path || g_strcmp0 (message->call, rogue->call) != 0) {
    return;
  } else if (message->type == QP_MESSAGE_ANSWER && rogue->offerer) {
    take_description (rogue, message);
    start_quic (rogue);
  } else if (message->type == QP_MESSAGE_CANDIDATE && message->path == 0) {
    if (message->candidate[0] == '\0')
      qp_path_remote_gathering_done (rogue->path);
    else
      qp_path_add_remote_candidate (rogue->path, message->candidate, NULL);
  }
}

/* --- Life ----------------------------------------------------------------- */

void
rogue_join (Rogue *rogue, guint port, const char *name, gboolean produces)
{
  g_autoptr (GError) error = NULL;

  rogue_thread = g_thread_self ();
  rogue->identity = qp_identity_generate (&error);
  g_assert_no_error (error);
  rogue->deframer = qp_deframer_new ();
  rogue->member.received = on_message;
  member_join (&rogue->member, port, name, produces);
}

void
rogue_call_camera (Rogue *rogue)
{
  rogue->call = new_id ();
  rogue->peer = g_strdup (rogue->member.camera);
  make_path (rogue, TRUE);
  member_send (&rogue->member, rogue->peer, describe (rogue, QP_MESSAGE_OFFER));
  qp_path_gather (rogue->path);
}

void
rogue_connect (Rogue *rogue, guint port)
{
  rogue_join (rogue, port, "rogue", FALSE);
  rogue_call_camera (rogue);
  ROGUE_WAIT (rogue->established);
}

static void
on_path_closed (gpointer user)
{
  *(gboolean *) user = TRUE;
}

void
rogue_leave (Rogue *rogue)
{
  gboolean closed = FALSE;

  g_clear_pointer (&rogue->quic, qp_quic_free);
  if (rogue->path) {
    qp_path_free (rogue->path, on_path_closed, &closed);
    ROGUE_WAIT (closed);
  }
  if (tight == rogue)
    tight = NULL;
  member_leave (&rogue->member);
  qp_deframer_free (rogue->deframer);
  qp_identity_unref (rogue->identity);
  g_clear_error (&rogue->error);
  g_free (rogue->sdp);
  g_free (rogue->call);
  g_free (rogue->peer);
  g_free (rogue->peer_fingerprint);
}

/* --- Misdeeds --------------------------------------------------------------- */

gint64
rogue_open (Rogue *rogue, gboolean bidirectional)
{
  gint64 until = g_get_monotonic_time () + SIDE_WAIT_US;
  gint64 stream = -1;

  while (!rogue->closed) {
    stream = qp_quic_open (rogue->quic, bidirectional, QP_PRIORITY_VIDEO);
    if (stream >= 0)
      break;
    g_assert_cmpint (g_get_monotonic_time (), <, until);
    qp_quic_flush (rogue->quic);
    run_once ();
  }
  return stream;
}

void
rogue_write (Rogue *rogue, gint64 stream, const void *data, gsize size,
    gboolean fin)
{
  g_autoptr (GBytes) bytes = g_bytes_new (data, size);

  qp_quic_write (rogue->quic, stream, bytes, fin);
  qp_quic_flush (rogue->quic);
}

void
rogue_datagram (Rogue *rogue, const void *data, gsize size)
{
  g_autoptr (GBytes) bytes = g_bytes_new (data, size);

  qp_quic_send_datagram (rogue->quic, NULL, 0, bytes);
  qp_quic_flush (rogue->quic);
}

void
rogue_control (Rogue *rogue, const char *json)
{
  g_autoptr (GBytes) framed = qp_framing_frame (json);

  qp_quic_write (rogue->quic, 0, framed, FALSE);
  qp_quic_flush (rogue->quic);
}

guint64
rogue_flow_id (Rogue *rogue)
{
  const char *line;

  ROGUE_WAIT (rogue->sdp);
  line = strstr (rogue->sdp, "a=roq-flow-id:");
  g_assert_nonnull (line);
  return g_ascii_strtoull (line + strlen ("a=roq-flow-id:"), NULL, 10);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What ngtcp2 calls.  ngtcp2 must not be entered again from here, so all but
 * received data is only noted, and told to the owner when ngtcp2 has returned
 * (qp_quic_leave). */
#include "quic/connection-private.h"

#include <openssl/rand.h>
#include <string.h>

/* A peer's streams are given back in portions: each MAX_STREAMS frame asks for
 * an acknowledgement of its own. */
#define UNI_CREDIT_PORTION 64

/* See give_back_early(): half a kilobyte each. */
#define MAX_RESETS_OPEN 65536

#define STATIC_SECRET_SIZE 32

static void
on_rand (uint8_t *out, size_t size, const ngtcp2_rand_ctx *context)
{
  if (RAND_bytes (out, (int) size) != 1)
    g_error ("the system gives no random numbers");
}

/* Stateless reset tokens come from one secret of the process, as they would in
 * a server that keeps no state (RFC 9000, 10.3.2). */
static const guint8 *
static_secret (void)
{
  static guint8 secret[STATIC_SECRET_SIZE];
  static gsize made = 0;

  if (g_once_init_enter (&made)) {
    on_rand (secret, sizeof secret, NULL);
    g_once_init_leave (&made, 1);
  }
  return secret;
}

gboolean
qp_quic_make_reset_token (const ngtcp2_cid *cid, guint8 *token)
{
  return ngtcp2_crypto_generate_stateless_reset_token (token, static_secret (),
             STATIC_SECRET_SIZE, cid) == 0;
}

static int
on_new_connection_id (ngtcp2_conn *conn, ngtcp2_cid *cid,
    ngtcp2_stateless_reset_token *token, size_t size, void *user)
{
  on_rand (cid->data, size, NULL);
  cid->datalen = size;
  return qp_quic_make_reset_token (cid, token->data)
      ? 0
      : NGTCP2_ERR_CALLBACK_FAILURE;
}

/* TLS has judged the peer (verify_peer); what TLS does not insist on is judged
 * here. A client that is refused hears of it after this, since its certificate
 * is the last thing the server sees. */
static int
on_handshake_completed (ngtcp2_conn *conn, void *user)
{
  QpQuic *quic = user;
  QpEvent event = { .type = QP_EVENT_ESTABLISHED };

  quic->alpn = qp_tls_get_alpn (quic->tls, &quic->callback_error);
  if (quic->alpn == NULL) {
    ngtcp2_conn_set_tls_alert (conn, QP_TLS_ALERT_NO_APPLICATION_PROTOCOL);
    return NGTCP2_ERR_CALLBACK_FAILURE;
  }
  qp_quic_add_event (quic, &event);
  return 0;
}

static int
on_stream_open (ngtcp2_conn *conn, int64_t id, void *user)
{
  QpQuic *quic = user;
  /* Our answers on a peer's stream are control messages. */
  QpStream *stream = qp_stream_new (quic, id, QP_PRIORITY_CONTROL, FALSE);

  ngtcp2_conn_set_stream_user_data (conn, id, stream);
  return 0;
}

/* The client's first data may share a UDP datagram with the end of its
 * handshake: then `established` comes first, from in here. */
static gboolean
may_deliver (QpQuic *quic)
{
  qp_quic_establish (quic);
  return quic->state == QP_QUIC_ESTABLISHED && !quic->close_wanted &&
      !quic->freed;
}

static int
on_stream_data (ngtcp2_conn *conn, uint32_t flags, int64_t id, uint64_t offset,
    const uint8_t *data, size_t size, void *user, void *stream_user)
{
  QpQuic *quic = user;
  QpStream *stream = stream_user;
  gboolean fin = (flags & NGTCP2_STREAM_DATA_FLAG_FIN) != 0;

  /* The owner's calls may put other streams away, not this one: it is closed
   * by ngtcp2 after this has returned. */
  if (stream != NULL && !stream->stopped && may_deliver (quic)) {
    stream->told = TRUE;
    quic->delivering = stream;
    quic->callbacks.stream_data (quic, id, data, size, fin, quic->user);
    quic->delivering = NULL;
    if (stream->stopped)
      qp_stream_stop (quic, stream);
  }
  if (size > 0) {
    ngtcp2_conn_extend_max_stream_offset (conn, id, size);
    ngtcp2_conn_extend_max_offset (conn, size);
  }
  return 0;
}

static int
on_acked (ngtcp2_conn *conn, int64_t id, uint64_t offset, uint64_t size,
    void *user, void *stream_user)
{
  QpQuic *quic = user;

  quic->last_ack_us = g_get_monotonic_time ();
  quic->acked = TRUE;
  if (stream_user != NULL)
    qp_stream_acked (quic, stream_user, offset + size);
  return 0;
}

static int
on_acked_datagram (ngtcp2_conn *conn, uint64_t id, void *user)
{
  QpQuic *quic = user;

  quic->last_ack_us = g_get_monotonic_time ();
  quic->acked = TRUE;
  return 0;
}

/* The peer may open another stream for this one. */
static void
give_back (QpQuic *quic, int64_t id)
{
  if (ngtcp2_is_bidi_stream (id)) {
    ngtcp2_conn_extend_max_streams_bidi (quic->conn, 1);
  } else if (++quic->uni_credit >= UNI_CREDIT_PORTION) {
    ngtcp2_conn_extend_max_streams_uni (quic->conn, quic->uni_credit);
    quic->uni_credit = 0;
  }
}

#if NGTCP2_VERSION_NUM < 0x011700
/* ngtcp2 1.22 never closes a peer's unidirectional stream of which the reset is
 * the first that it hears: nothing was sent of it, or it was lost. Without this
 * the peer would run out of streams; what ngtcp2 keeps of each is bounded. */
static int
give_back_early (QpQuic *quic, QpStream *stream)
{
  if (stream->local || ngtcp2_is_bidi_stream (stream->id))
    return 0;
  if (++quic->resets_open > MAX_RESETS_OPEN) {
    QUIC_WARNING (quic, "the peer has reset too many streams");
    return NGTCP2_ERR_CALLBACK_FAILURE;
  }
  stream->given_back = TRUE;
  give_back (quic, stream->id);
  return 0;
}
#endif

static int
on_stream_reset (ngtcp2_conn *conn, int64_t id, uint64_t final_size,
    uint64_t code, void *user, void *stream_user)
{
  QpStream *stream = stream_user;
  QpEvent event = { .type = QP_EVENT_STREAM_RESET, .stream = id, .code = code };

  if (stream == NULL)
    return 0;
  if (stream->told && !stream->stopped)
    qp_quic_add_event (user, &event);
#if NGTCP2_VERSION_NUM < 0x011700
  return give_back_early (user, stream);
#else
  return 0;
#endif
}

static void
tell_stopped (QpQuic *quic, QpStream *stream, guint64 code)
{
  QpEvent event = { .type = QP_EVENT_STREAM_STOPPED,
    .stream = stream->id,
    .code = code };

  if (stream->stop_told || !stream->told)
    return;
  stream->stop_told = TRUE;
  qp_quic_add_event (quic, &event);
}

#if NGTCP2_VERSION_NUM >= 0x011800
static int
on_stop_sending (ngtcp2_conn *conn, int64_t id, uint64_t code, void *user,
    void *stream_user)
{
  QpStream *stream = stream_user;

  /* ngtcp2 sends the RESET_STREAM by itself. */
  if (stream != NULL && !stream->reset) {
    tell_stopped (user, stream, code);
    qp_stream_forget (user, stream);
  }
  return 0;
}
#endif

static int
on_stream_close (ngtcp2_conn *conn, uint32_t flags, int64_t id, uint64_t code,
    void *user, void *stream_user)
{
  QpQuic *quic = user;
  QpStream *stream = stream_user;
  QpEvent event = { .type = QP_EVENT_STREAM_CLOSED, .stream = id };
  gboolean given_back = ngtcp2_conn_is_local_stream (conn, id);

  if (stream != NULL) {
#if NGTCP2_VERSION_NUM < 0x011700
    if (stream->given_back) {
      given_back = TRUE;
      quic->resets_open--;
    }
#endif
#if NGTCP2_VERSION_NUM < 0x011800
    /* Before 1.24 ngtcp2 tells of STOP_SENDING only by the code with which
     * it closes the stream. */
    if (stream->local &&
        (flags & NGTCP2_STREAM_CLOSE_FLAG_APP_ERROR_CODE_SET) &&
        !ngtcp2_is_bidi_stream (id) && !stream->reset_here)
      tell_stopped (quic, stream, code);
#endif
    if (stream->told)
      qp_quic_add_event (quic, &event);
    qp_stream_free (quic, stream);
  }
  if (!given_back)
    give_back (quic, id);
  return 0;
}

static int
on_stream_credit (ngtcp2_conn *conn, int64_t id, uint64_t max, void *user,
    void *stream_user)
{
  if (stream_user != NULL)
    qp_stream_unblock (user, stream_user);
  return 0;
}

static int
on_more_streams (ngtcp2_conn *conn, uint64_t max, void *user)
{
  qp_quic_tell_streams_available (user);
  return 0;
}

static int
on_datagram (ngtcp2_conn *conn, uint32_t flags, const uint8_t *data,
    size_t size, void *user)
{
  QpQuic *quic = user;

  if (may_deliver (quic) && quic->callbacks.datagram != NULL)
    quic->callbacks.datagram (quic, data, size, quic->user);
  return 0;
}

static int
on_path_validation (ngtcp2_conn *conn, uint32_t flags, const ngtcp2_path *path,
    const ngtcp2_path *fallback, ngtcp2_path_validation_result result,
    void *user)
{
  qp_quic_on_path_validation (user, path, fallback, result);
  return 0;
}

static int
on_stateless_reset (ngtcp2_conn *conn, const ngtcp2_pkt_stateless_reset2 *reset,
    void *user)
{
  ((QpQuic *) user)->stateless_reset = TRUE;
  return 0;
}

void
qp_quic_fill_callbacks (ngtcp2_callbacks *callbacks, gboolean server)
{
  *callbacks = (ngtcp2_callbacks)
  {
    .client_initial = server ? NULL : ngtcp2_crypto_client_initial_cb,
    .recv_client_initial = server ? ngtcp2_crypto_recv_client_initial_cb : NULL,
    .recv_crypto_data = ngtcp2_crypto_recv_crypto_data_cb,
    .recv_retry = server ? NULL : ngtcp2_crypto_recv_retry_cb,
    .encrypt = ngtcp2_crypto_encrypt_cb, .decrypt = ngtcp2_crypto_decrypt_cb,
    .hp_mask = ngtcp2_crypto_hp_mask_cb,
    .update_key = ngtcp2_crypto_update_key_cb,
    .delete_crypto_aead_ctx = ngtcp2_crypto_delete_crypto_aead_ctx_cb,
    .delete_crypto_cipher_ctx = ngtcp2_crypto_delete_crypto_cipher_ctx_cb,
    .version_negotiation = ngtcp2_crypto_version_negotiation_cb,
    .get_path_challenge_data2 = ngtcp2_crypto_get_path_challenge_data2_cb,
    .rand = on_rand, .get_new_connection_id2 = on_new_connection_id,
    .handshake_completed = on_handshake_completed,
    .stream_open = on_stream_open, .recv_stream_data = on_stream_data,
    .acked_stream_data_offset = on_acked, .stream_reset = on_stream_reset,
    .stream_close = on_stream_close, .extend_max_stream_data = on_stream_credit,
    .extend_max_local_streams_bidi = on_more_streams,
    .extend_max_local_streams_uni = on_more_streams,
    .recv_datagram = on_datagram, .ack_datagram = on_acked_datagram,
    .path_validation = on_path_validation,
    .recv_stateless_reset2 = on_stateless_reset,
#if NGTCP2_VERSION_NUM >= 0x011800
    .recv_stop_sending = on_stop_sending,
#endif
  };
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ends of a connection: ours, the peer's, and the accidents; each with its
 * cause in words.  After an end the connection lingers for three PTOs and
 * answers a peer that has not understood yet (RFC 9000, 10.2), unless its owner
 * frees it before. */
#include "quic/connection-private.h"

#include <string.h>

#define MAX_REASON 128     /* bytes of a peer's reason that are shown */
#define MAX_OWN_REASON 256 /* bytes that are sent: they must fit in a packet */

/* RFC 9001, 4.8: TLS alerts as transport error codes. */
#define CRYPTO_ERROR_FIRST 0x100
#define CRYPTO_ERROR_LAST 0x1ff

static char *
quote_reason (const ngtcp2_ccerr *reason)
{
  g_autofree char *raw = NULL;

  if (reason->reasonlen == 0)
    return g_strdup ("no reason given");
  raw = g_strndup ((const char *) reason->reason,
      MIN (reason->reasonlen, MAX_REASON));
  return g_strescape (raw, NULL);
}

static const char *
transport_error_name (guint64 code)
{
  static const char *const names[] = {
    "NO_ERROR",
    "INTERNAL_ERROR",
    "CONNECTION_REFUSED",
    "FLOW_CONTROL_ERROR",
    "STREAM_LIMIT_ERROR",
    "STREAM_STATE_ERROR",
    "FINAL_SIZE_ERROR",
    "FRAME_ENCODING_ERROR",
    "TRANSPORT_PARAMETER_ERROR",
    "CONNECTION_ID_LIMIT_ERROR",
    "PROTOCOL_VIOLATION",
    "INVALID_TOKEN",
    "APPLICATION_ERROR",
    "CRYPTO_BUFFER_EXCEEDED",
    "KEY_UPDATE_ERROR",
    "AEAD_LIMIT_REACHED",
    "NO_VIABLE_PATH",
  };

  return code < G_N_ELEMENTS (names) ? names[code] : "unknown code";
}

/* What the peer's CONNECTION_CLOSE means. */
static GError *
peer_close_error (QpQuic *quic)
{
  const ngtcp2_ccerr *reason = ngtcp2_conn_get_ccerr (quic->conn);
  g_autofree char *quoted = quote_reason (reason);
  guint64 code = reason->error_code;

  if (quic->stateless_reset)
    return g_error_new_literal (QP_QUIC_ERROR, QP_QUIC_ERROR_PEER_CLOSED,
        "the peer no longer knows the connection (stateless reset): it was restarted");
  if (reason->type == NGTCP2_CCERR_TYPE_APPLICATION)
    return g_error_new (QP_QUIC_ERROR, QP_QUIC_ERROR_PEER_CLOSED,
        "the peer closed the connection: code %" G_GUINT64_FORMAT ", \"%s\"",
        code, quoted);
  if (code >= CRYPTO_ERROR_FIRST && code <= CRYPTO_ERROR_LAST)
    return qp_tls_get_refusal (quic->tls, (guint8) (code - CRYPTO_ERROR_FIRST));
  /* RFC 9000, 10.2.3: an application's close before the handshake is complete
   * is sent as APPLICATION_ERROR; so may be a regular end. */
  if (code == NGTCP2_NO_ERROR || code == NGTCP2_APPLICATION_ERROR)
    return g_error_new (QP_QUIC_ERROR, QP_QUIC_ERROR_PEER_CLOSED,
        "the peer closed the connection: \"%s\"", quoted);
  return g_error_new (QP_QUIC_ERROR, QP_QUIC_ERROR_PROTOCOL,
      "the peer ended the connection with the QUIC error 0x%" G_GINT64_MODIFIER
      "x (%s): \"%s\"",
      code, transport_error_name (code), quoted);
}

/* How long closing and draining last (RFC 9000, 10.2): three PTOs. */
static void
start_lingering (QpQuic *quic)
{
  quic->deadline = qp_quic_now () + 3 * ngtcp2_conn_get_pto (quic->conn);
}

void
qp_quic_end (QpQuic *quic, QpQuicState state, GError *error)
{
  if (quic->state >= QP_QUIC_CLOSING) {
    g_error_free (error);
    return;
  }
  if (state == QP_QUIC_CLOSING)
    start_lingering (quic);
  qp_quic_set_state (quic, state, error->message);
  qp_quic_drop_batches (quic);
  quic->end = error; /* told by qp_quic_leave() */
}

void
qp_quic_send_close (QpQuic *quic, const ngtcp2_ccerr *reason)
{
  ngtcp2_path_storage storage;
  ngtcp2_ssize size;
  gsize sent = 0;

  ngtcp2_path_storage_zero (&storage);
  quic->close_packet = g_realloc (quic->close_packet, quic->max_payload);
  quic->inside = TRUE;
  size = ngtcp2_conn_write_connection_close (quic->conn, &storage.path, NULL,
      quic->close_packet, quic->max_payload, reason, qp_quic_now ());
  quic->inside = FALSE;
  quic->close_packet_size = size > 0 ? (gsize) size : 0;
  /* Past a batch that is stuck: nobody waits for that any more. */
  if (size > 0)
    quic->callbacks.send (quic, qp_virtual_path_get_number (&storage.path),
        quic->close_packet, quic->close_packet_size, quic->close_packet_size,
        &sent, quic->user);
}

/* RFC 9000, 10.2.1: answer, but ever more rarely. */
void
qp_quic_receive_while_closing (QpQuic *quic)
{
  gsize sent = 0;
  guint count = ++quic->close_datagrams;

  if (quic->close_packet_size == 0 || (count & (count - 1)) != 0)
    return;
  quic->callbacks.send (quic, quic->path, quic->close_packet,
      quic->close_packet_size, quic->close_packet_size, &sent, quic->user);
}

/* The connection dies by our decision: tells the peer, then the owner. */
static void
refuse (QpQuic *quic, const ngtcp2_ccerr *reason, GError *error)
{
  if (quic->state >= QP_QUIC_CLOSING) {
    g_error_free (error);
    return;
  }
  qp_quic_send_close (quic, reason);
  qp_quic_end (quic, QP_QUIC_CLOSING, error);
}

static void
refuse_tls (QpQuic *quic)
{
  guint8 alert = ngtcp2_conn_get_tls_alert (quic->conn);
  GError *error = g_steal_pointer (&quic->callback_error);
  ngtcp2_ccerr reason;

  ngtcp2_ccerr_set_tls_alert (&reason, alert, NULL, 0);
  if (error == NULL)
    error = qp_tls_get_failure (quic->tls, alert);
  refuse (quic, &reason, error);
}

static void
refuse_protocol (QpQuic *quic, int result, const char *what)
{
  gboolean ours = result == NGTCP2_ERR_NOMEM || result == NGTCP2_ERR_INTERNAL ||
      result == NGTCP2_ERR_CALLBACK_FAILURE ||
      result == NGTCP2_ERR_PKT_NUM_EXHAUSTED ||
      result == NGTCP2_ERR_INVALID_ARGUMENT ||
      result == NGTCP2_ERR_INVALID_STATE;
  ngtcp2_ccerr reason;

  ngtcp2_ccerr_set_liberr (&reason, result, NULL, 0);
  refuse (quic, &reason,
      g_error_new (QP_QUIC_ERROR,
          ours ? QP_QUIC_ERROR_INTERNAL : QP_QUIC_ERROR_PROTOCOL,
          ours ? "QUIC failed here while %s: %s"
               : "the peer broke the QUIC protocol while %s: %s",
          what, ngtcp2_strerror (result)));
}

/* A first Initial that led to nothing: wait for another. */
static void
forget_initial (QpQuic *quic)
{
  QUIC_DEBUG (quic, "a first Initial led to no connection and is forgotten");
  quic->initials_refused++;
  qp_quic_drop_conn (quic);
}

static GError *
timeout_error (const char *what, ngtcp2_duration after)
{
  return g_error_new (QP_QUIC_ERROR, QP_QUIC_ERROR_TIMEOUT,
      "%s within %" G_GUINT64_FORMAT " ms", what, after / NGTCP2_MILLISECONDS);
}

/* RFC 9000, 10.1: the smaller of the two sides' values, where 0 is none. */
static ngtcp2_duration
effective_idle_timeout (QpQuic *quic)
{
  const ngtcp2_transport_params *params =
      ngtcp2_conn_get_remote_transport_params (quic->conn);

  if (params == NULL || params->max_idle_timeout == 0)
    return quic->idle_timeout;
  if (quic->idle_timeout == 0)
    return params->max_idle_timeout;
  return MIN (quic->idle_timeout, params->max_idle_timeout);
}

void
qp_quic_handle_result (QpQuic *quic, int result, const char *what)
{
  ngtcp2_ccerr reason;

  switch (result) {
    case 0:
    case NGTCP2_ERR_CLOSING:
      return;
    case NGTCP2_ERR_DRAINING:
      qp_quic_end (quic, QP_QUIC_CLOSING, peer_close_error (quic));
      return;
    case NGTCP2_ERR_DROP_CONN:
    case NGTCP2_ERR_RETRY:
      forget_initial (quic);
      return;
    case NGTCP2_ERR_IDLE_CLOSE:
      qp_quic_end (quic, QP_QUIC_CLOSED,
          timeout_error ("nothing was heard from the peer",
              effective_idle_timeout (quic)));
      return;
    case NGTCP2_ERR_HANDSHAKE_TIMEOUT:
      ngtcp2_ccerr_set_liberr (&reason, result, NULL, 0);
      refuse (quic, &reason,
          timeout_error ("the QUIC handshake was not finished",
              quic->handshake_timeout));
      return;
    case NGTCP2_ERR_RECV_VERSION_NEGOTIATION:
      qp_quic_end (quic, QP_QUIC_CLOSED,
          g_error_new_literal (QP_QUIC_ERROR, QP_QUIC_ERROR_PROTOCOL,
              "the peer does not speak QUIC version 1"));
      return;
    case NGTCP2_ERR_CRYPTO:
      refuse_tls (quic);
      return;
    case NGTCP2_ERR_CALLBACK_FAILURE:
      if (quic->callback_error != NULL) {
        refuse_tls (quic);
        return;
      }
      /* fall through */
    default:
      refuse_protocol (quic, result, what);
      return;
  }
}

void
qp_quic_do_close (QpQuic *quic, guint64 code, const char *reason)
{
  gsize size = reason != NULL ? MIN (strlen (reason), MAX_OWN_REASON) : 0;
  ngtcp2_ccerr ccerr;

  if (quic->state >= QP_QUIC_CLOSING)
    return;
  if (quic->conn == NULL) { /* nobody there to be told */
    qp_quic_set_state (quic, QP_QUIC_CLOSED,
        "closed here before the peer came");
    return;
  }
  ngtcp2_ccerr_set_application_error (&ccerr, code, (const uint8_t *) reason,
      size);
  qp_quic_send_close (quic, &ccerr);
  start_lingering (quic);
  qp_quic_set_state (quic, QP_QUIC_CLOSING, "closed here");
  qp_quic_drop_batches (quic);
}

void
qp_quic_close (QpQuic *quic, guint64 code, const char *reason)
{
  if (quic->inside) {
    /* From stream_data or datagram: ngtcp2 cannot write now. */
    quic->close_wanted = TRUE;
    quic->close_code = code;
    g_free (quic->close_reason);
    quic->close_reason = g_strdup (reason);
    return;
  }
  qp_quic_enter (quic);
  qp_quic_do_close (quic, code, reason);
  qp_quic_leave (quic);
}

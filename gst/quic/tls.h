/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* TLS 1.3 for one connection: the OpenSSL context, mutual authentication,
 * ALPN, the key log, and the translation of alerts into words.  Relies on
 * OpenSSL >= 3.5 and ngtcp2's crypto helper for it; runs on the connection's
 * thread. */
#pragma once

#include "quic/identity.h"

#include <ngtcp2/ngtcp2_crypto.h>
#include <ngtcp2/ngtcp2_crypto_ossl.h>

G_BEGIN_DECLS

typedef struct _QpTls QpTls;

/* The alerts that are judged by number (RFC 8446, 6.2). */
#define QP_TLS_ALERT_CERTIFICATE_REQUIRED 116
#define QP_TLS_ALERT_NO_APPLICATION_PROTOCOL 120

/* `trust` and `alpn` are copied, `identity` is referenced. */
QpTls *qp_tls_new (gboolean server, QpIdentity *identity, const QpTrust *trust,
    const char *const *alpn, GError **error);
void qp_tls_free (QpTls *tls);

/* Makes the state of one handshake, whose ngtcp2_conn `ref` finds. */
gboolean qp_tls_start (QpTls *tls, ngtcp2_crypto_conn_ref *ref, GError **error);
/* Undoes start; only after ngtcp2_conn_del(). */
void qp_tls_stop (QpTls *tls);
ngtcp2_crypto_ossl_ctx *qp_tls_get_handle (QpTls *tls);

/* The negotiated protocol; NULL with QP_QUIC_ERROR_ALPN if there is none of
 * ours, for TLS itself does not insist. */
const char *qp_tls_get_alpn (QpTls *tls, GError **error);
/* Why we refused the peer; for a failed handshake whose alert was `alert`.
 * Never NULL (transfer full). */
GError *qp_tls_get_failure (QpTls *tls, guint8 alert);
/* What the peer's `alert` means for the user (transfer full). */
GError *qp_tls_get_refusal (QpTls *tls, guint8 alert);

gboolean qp_tls_export (QpTls *tls, const char *label, guint8 *out, gsize size);

G_END_DECLS

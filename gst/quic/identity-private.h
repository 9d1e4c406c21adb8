/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What only this room may do with an identity and a peer's certificate. */
#pragma once

#include "quic/identity.h"

#include <openssl/ssl.h>

G_BEGIN_DECLS

/* Makes `context` present the identity's certificate chain and key. */
gboolean qp_identity_apply (QpIdentity *identity, SSL_CTX *context,
    GError **error);

/* "sha-256 AB:CD:…" of `certificate` (transfer full). */
char *qp_certificate_fingerprint (X509 *certificate);

/* Judges the peer's chain in `store` by `trust`. On FALSE, `error` is in the
 * domain QP_QUIC_ERROR, and the store's error is set so that OpenSSL sends the
 * fitting alert. */
gboolean qp_trust_judge (const QpTrust *trust, X509_STORE_CTX *store,
    GError **error);

QpTrust *qp_trust_copy (const QpTrust *trust);
void qp_trust_free (QpTrust *trust);

/* The newest of OpenSSL's queued errors as a sentence (transfer full); empties
 * the queue. */
char *qp_openssl_error (void);

G_END_DECLS

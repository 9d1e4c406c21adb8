/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See tls.h.  Neither tickets nor 0-RTT: a resumed session would skip the
 * certificates, and with them all that authenticates a peer. */
#include "quic/tls.h"

#include "quic/connection.h"
#include "quic/identity-private.h"
#include "quic/keylog.h"

#include <openssl/err.h>
#include <string.h>

struct _QpTls {
  gboolean server;
  QpTrust *trust;
  GStrv alpn;            /* ours, preferred first */
  GByteArray *alpn_wire; /* the same as in RFC 7301, 3.1 */
  SSL_CTX *context;
  SSL *ssl;                       /* NULL outside start … stop */
  ngtcp2_crypto_ossl_ctx *handle; /* likewise */
  GError *refused;                /* our own verdict on the peer; set once */
};

static int
verify_peer (X509_STORE_CTX *store, void *user)
{
  QpTls *tls = user;
  g_autoptr (GError) error = NULL;

  if (qp_trust_judge (tls->trust, store, &error))
    return 1;
  if (tls->refused == NULL)
    tls->refused = g_steal_pointer (&error);
  return 0;
}

/* "roq-14, roq-12" out of the wire's form, safe to show. */
static char *
alpn_to_string (const guint8 *wire, guint size)
{
  GString *text = g_string_new (NULL);
  guint at = 0;

  while (at < size && text->len < 200) {
    guint length = wire[at++];
    g_autofree char *raw = g_strndup ((const char *) wire + at,
        MIN (length, size - at));
    g_autofree char *escaped = g_strescape (raw, NULL);

    g_string_append_printf (text, "%s%s", text->len > 0 ? ", " : "", escaped);
    at += length;
  }
  return g_string_free (text, FALSE);
}

static GError *
alpn_error (QpTls *tls, const char *found)
{
  g_autofree char *ours = g_strjoinv (", ", tls->alpn);

  return g_error_new (QP_QUIC_ERROR, QP_QUIC_ERROR_ALPN,
      "no common protocol (ALPN): the peer speaks %s, we speak %s", found,
      ours);
}

/* The server's preference decides. */
static int
select_alpn (SSL *ssl, const unsigned char **out, unsigned char *out_size,
    const unsigned char *offered, unsigned int offered_size, void *user)
{
  QpTls *tls = user;
  guint i, at;

  for (i = 0; tls->alpn[i] != NULL; i++) {
    gsize length = strlen (tls->alpn[i]);

    for (at = 0; at + 1 + length <= offered_size; at += 1 + offered[at]) {
      if (offered[at] == length &&
          memcmp (offered + at + 1, tls->alpn[i], length) == 0) {
        *out = offered + at + 1;
        *out_size = (unsigned char) length;
        return SSL_TLSEXT_ERR_OK;
      }
    }
  }
  if (tls->refused == NULL) {
    g_autofree char *found = alpn_to_string (offered, offered_size);

    tls->refused = alpn_error (tls, found);
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static gboolean
configure_context (QpTls *tls, QpIdentity *identity, GError **error)
{
  SSL_CTX *context = tls->context;

  if (context == NULL ||
      !SSL_CTX_set_min_proto_version (context, TLS1_3_VERSION) ||
      !SSL_CTX_set_max_proto_version (context, TLS1_3_VERSION) ||
      /* AES-128 first: media at a gigabit costs a third less than AES-256. */
      !SSL_CTX_set_ciphersuites (context,
          "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256") ||
      !SSL_CTX_set_num_tickets (context, 0)) {
    g_autofree char *reason = qp_openssl_error ();

    g_set_error (error, QP_QUIC_ERROR, QP_QUIC_ERROR_INTERNAL,
        "OpenSSL cannot be set up for TLS 1.3: %s", reason);
    return FALSE;
  }
  SSL_CTX_set_options (context, SSL_OP_NO_TICKET);
  SSL_CTX_set_session_cache_mode (context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode (context, SSL_MODE_NO_AUTO_CHAIN);
  SSL_CTX_set_verify (context,
      SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
  SSL_CTX_set_cert_verify_callback (context, verify_peer, tls);
  if (qp_keylog_is_wanted ())
    SSL_CTX_set_keylog_callback (context, qp_keylog_write);
  if (tls->server)
    SSL_CTX_set_alpn_select_cb (context, select_alpn, tls);
  return qp_identity_apply (identity, context, error);
}

static gboolean
load_ca (QpTls *tls, GError **error)
{
  const char *file = tls->trust->ca_file;
  g_autofree char *reason = NULL;

  if (file == NULL)
    return TRUE;
  if (SSL_CTX_load_verify_file (tls->context, file) == 1) {
    /* What the user names is trusted, be it a root or not. */
    X509_STORE_set_flags (SSL_CTX_get_cert_store (tls->context),
        X509_V_FLAG_PARTIAL_CHAIN);
    return TRUE;
  }
  reason = qp_openssl_error ();
  g_set_error (error, QP_QUIC_ERROR, QP_QUIC_ERROR_CERTIFICATE,
      "cannot load the CA file \"%s\": %s", file, reason);
  return FALSE;
}

static gboolean
check_arguments (const QpTrust *trust, const char *const *alpn, GError **error)
{
  guint i;

  if ((trust->fingerprint != NULL &&
          !qp_fingerprint_is_valid (trust->fingerprint)) ||
      (trust->pinned_fingerprint != NULL &&
          !qp_fingerprint_is_valid (trust->pinned_fingerprint))) {
    g_set_error_literal (error, QP_QUIC_ERROR, QP_QUIC_ERROR_FINGERPRINT,
        "the fingerprint to expect is not \"sha-256 \" and 32 pairs of hex digits");
    return FALSE;
  }
  for (i = 0; alpn[i] != NULL; i++) {
    if (strlen (alpn[i]) < 1 || strlen (alpn[i]) > 255)
      break;
  }
  if (i > 0 && alpn[i] == NULL)
    return TRUE;
  g_set_error_literal (error, QP_QUIC_ERROR, QP_QUIC_ERROR_ALPN,
      "the protocols (ALPN) to offer must be one or more names of 1 to 255 bytes");
  return FALSE;
}

/* Once per process: without it each packet pays for fetching the ciphers. */
static void
init_crypto (void)
{
  static gsize done = 0;

  if (g_once_init_enter (&done)) {
    if (ngtcp2_crypto_ossl_init () != 0)
      g_warning (
          "ngtcp2's use of OpenSSL cannot be prepared; packets will cost more");
    g_once_init_leave (&done, 1);
  }
}

QpTls *
qp_tls_new (gboolean server, QpIdentity *identity, const QpTrust *trust,
    const char *const *alpn, GError **error)
{
  QpTls *tls;
  guint i;

  init_crypto ();
  if (!check_arguments (trust, alpn, error))
    return NULL;
  tls = g_new0 (QpTls, 1);
  tls->server = server;
  tls->trust = qp_trust_copy (trust);
  tls->alpn = g_strdupv ((char **) alpn);
  tls->alpn_wire = g_byte_array_new ();
  for (i = 0; alpn[i] != NULL; i++) {
    guint8 length = (guint8) strlen (alpn[i]);

    g_byte_array_append (tls->alpn_wire, &length, 1);
    g_byte_array_append (tls->alpn_wire, (const guint8 *) alpn[i], length);
  }
  tls->context = SSL_CTX_new (server ? TLS_server_method ()
                                     : TLS_client_method ());
  if (configure_context (tls, identity, error) && load_ca (tls, error))
    return tls;
  qp_tls_free (tls);
  return NULL;
}

void
qp_tls_free (QpTls *tls)
{
  if (tls == NULL)
    return;
  qp_tls_stop (tls);
  SSL_CTX_free (tls->context);
  g_byte_array_unref (tls->alpn_wire);
  g_strfreev (tls->alpn);
  qp_trust_free (tls->trust);
  g_clear_error (&tls->refused);
  g_free (tls);
}

gboolean
qp_tls_start (QpTls *tls, ngtcp2_crypto_conn_ref *ref, GError **error)
{
  gboolean done;

  tls->ssl = SSL_new (tls->context);
  done = tls->ssl != NULL &&
      ngtcp2_crypto_ossl_ctx_new (&tls->handle, tls->ssl) == 0;
  if (done) {
    /* This order is asked for: the helper reads the app data from the first
     * callback on. */
    SSL_set_app_data (tls->ssl, ref);
    if (tls->server) {
      SSL_set_accept_state (tls->ssl);
      done = ngtcp2_crypto_ossl_configure_server_session (tls->ssl) == 0;
    } else {
      SSL_set_connect_state (tls->ssl);
      /* 0 is success here, unlike everywhere else in OpenSSL. */
      done = ngtcp2_crypto_ossl_configure_client_session (tls->ssl) == 0 &&
          SSL_set_alpn_protos (tls->ssl, tls->alpn_wire->data,
              tls->alpn_wire->len) == 0;
    }
  }
  if (!done) {
    g_autofree char *reason = qp_openssl_error ();

    qp_tls_stop (tls);
    g_set_error (error, QP_QUIC_ERROR, QP_QUIC_ERROR_INTERNAL,
        "OpenSSL cannot start a handshake: %s", reason);
  }
  return done;
}

void
qp_tls_stop (QpTls *tls)
{
  if (tls->ssl != NULL) {
    /* The connection is gone: SSL_free() must not call back into it. */
    SSL_set_app_data (tls->ssl, NULL);
    SSL_free (tls->ssl);
    tls->ssl = NULL;
  }
  if (tls->handle != NULL) {
    ngtcp2_crypto_ossl_ctx_del (tls->handle);
    tls->handle = NULL;
  }
}

ngtcp2_crypto_ossl_ctx *
qp_tls_get_handle (QpTls *tls)
{
  return tls->handle;
}

const char *
qp_tls_get_alpn (QpTls *tls, GError **error)
{
  const unsigned char *selected = NULL;
  unsigned int size = 0;
  guint i;

  SSL_get0_alpn_selected (tls->ssl, &selected, &size);
  for (i = 0; tls->alpn[i] != NULL; i++) {
    if (strlen (tls->alpn[i]) == size &&
        memcmp (tls->alpn[i], selected, size) == 0)
      return tls->alpn[i];
  }
  if (error != NULL)
    *error = alpn_error (tls, size == 0 ? "none" : "another one");
  return NULL;
}

/* "bad_certificate", as RFC 8446 and everyone's logs spell it. */
static char *
alert_to_string (guint8 alert)
{
  char *name;

  switch (alert) {
    case QP_TLS_ALERT_CERTIFICATE_REQUIRED:
      return g_strdup ("certificate_required");
    case QP_TLS_ALERT_NO_APPLICATION_PROTOCOL:
      return g_strdup ("no_application_protocol");
    default:
      name = g_ascii_strdown (SSL_alert_desc_string_long (alert), -1);
      return g_strdelimit (name, " ", '_');
  }
}

GError *
qp_tls_get_failure (QpTls *tls, guint8 alert)
{
  g_autofree char *name = NULL;
  g_autofree char *reason = NULL;

  if (tls->refused != NULL)
    return g_error_copy (tls->refused);
  reason = qp_openssl_error ();
  if (alert == QP_TLS_ALERT_CERTIFICATE_REQUIRED)
    return g_error_new_literal (QP_QUIC_ERROR, QP_QUIC_ERROR_CERTIFICATE,
        "the peer presented no certificate");
  if (alert == QP_TLS_ALERT_NO_APPLICATION_PROTOCOL)
    return alpn_error (tls, "none of them");
  name = alert_to_string (alert);
  return g_error_new (QP_QUIC_ERROR, QP_QUIC_ERROR_TLS,
      "the TLS handshake with the peer failed: %s (%s)", name, reason);
}

/* RFC 8446, 6.2: the alerts by which a certificate is refused. */
static gboolean
is_certificate_alert (guint8 alert)
{
  switch (alert) {
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
    case SSL_AD_CERTIFICATE_REVOKED:
    case SSL_AD_CERTIFICATE_EXPIRED:
    case SSL_AD_CERTIFICATE_UNKNOWN:
    case SSL_AD_UNKNOWN_CA:
    case SSL_AD_ACCESS_DENIED:
    case QP_TLS_ALERT_CERTIFICATE_REQUIRED:
      return TRUE;
    default:
      return FALSE;
  }
}

GError *
qp_tls_get_refusal (QpTls *tls, guint8 alert)
{
  g_autofree char *name = alert_to_string (alert);

  if (alert == QP_TLS_ALERT_NO_APPLICATION_PROTOCOL)
    return alpn_error (tls, "none of them");
  return g_error_new (QP_QUIC_ERROR, QP_QUIC_ERROR_TLS,
      is_certificate_alert (alert) ? "the peer refused our certificate: %s"
                                   : "the peer refused the TLS handshake: %s",
      name);
}

gboolean
qp_tls_export (QpTls *tls, const char *label, guint8 *out, gsize size)
{
  return tls->ssl != NULL && SSL_is_init_finished (tls->ssl) &&
      SSL_export_keying_material (tls->ssl, out, size, label, strlen (label),
          NULL, 0, 0) == 1;
}

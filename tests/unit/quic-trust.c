/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who is let in: each way in which a peer can be the wrong one, in both
 * directions, and what either end is told.  The certificates are made here. */
#include "quic/connection-private.h"
#include "quic/identity-private.h"
#include "tests/unit/quic-wire.h"

#include <glib/gstdio.h>
#include <gst/gst.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#define DAY (24 * 60 * 60)

/* --- certificates ------------------------------------------------------------ */

typedef struct {
  X509 *certificate;
  EVP_PKEY *key;
} Signer;

static char *dir;
static GPtrArray *files;

static char *
file_in_dir (const char *name)
{
  char *path = g_build_filename (dir, name, NULL);

  g_ptr_array_add (files, g_strdup (path));
  return path;
}

static void
add_extension (X509 *certificate, X509 *issuer, int nid, const char *value)
{
  X509V3_CTX context;
  X509_EXTENSION *extension;

  X509V3_set_ctx (&context, issuer, certificate, NULL, NULL, 0);
  extension = X509V3_EXT_conf_nid (NULL, &context, nid, value);
  g_assert_nonnull (extension);
  X509_add_ext (certificate, extension, -1);
  X509_EXTENSION_free (extension);
}

/* `issuer` NULL: a CA of its own. */
static Signer
make_certificate (const char *name, const Signer *issuer, const char *san,
    long from, long until)
{
  static long serial = 1;
  Signer made = { X509_new (), EVP_EC_gen ("P-256") };
  X509 *by = issuer != NULL ? issuer->certificate : made.certificate;

  X509_set_version (made.certificate, X509_VERSION_3);
  ASN1_INTEGER_set (X509_get_serialNumber (made.certificate), serial++);
  X509_NAME_add_entry_by_txt (X509_get_subject_name (made.certificate), "CN",
      MBSTRING_UTF8, (const guint8 *) name, -1, -1, 0);
  X509_set_issuer_name (made.certificate, X509_get_subject_name (by));
  X509_gmtime_adj (X509_getm_notBefore (made.certificate), from);
  X509_gmtime_adj (X509_getm_notAfter (made.certificate), until);
  X509_set_pubkey (made.certificate, made.key);
  if (issuer == NULL)
    add_extension (made.certificate, by, NID_basic_constraints,
        "critical,CA:TRUE");
  if (san != NULL)
    add_extension (made.certificate, by, NID_subject_alt_name, san);
  g_assert_cmpint (X509_sign (made.certificate,
                       issuer != NULL ? issuer->key : made.key, EVP_sha256 ()),
      >, 0);
  return made;
}

static void
signer_clear (Signer *signer)
{
  X509_free (signer->certificate);
  EVP_PKEY_free (signer->key);
}

static void
write_certificate (const char *path, X509 *certificate)
{
  FILE *file = fopen (path, "w");

  g_assert_nonnull (file);
  g_assert_cmpint (PEM_write_X509 (file, certificate), ==, 1);
  fclose (file);
}

static void
write_key (const char *path, EVP_PKEY *key)
{
  FILE *file = fopen (path, "w");

  g_assert_nonnull (file);
  g_assert_cmpint (PEM_write_PrivateKey (file, key, NULL, NULL, 0, NULL, NULL),
      ==, 1);
  fclose (file);
}

static QpIdentity *
to_identity (const Signer *signer)
{
  g_autofree char *certificate = file_in_dir ("leaf.pem");
  g_autofree char *key = file_in_dir ("leaf-key.pem");
  g_autoptr (GError) error = NULL;
  QpIdentity *identity;

  write_certificate (certificate, signer->certificate);
  write_key (key, signer->key);
  identity = qp_identity_load (certificate, key, &error);
  g_assert_no_error (error);
  return identity;
}

static QpIdentity *
make_identity (const Signer *issuer, const char *san, long from, long until)
{
  Signer signer = make_certificate ("leaf", issuer, san, from, until);
  QpIdentity *identity = to_identity (&signer);

  signer_clear (&signer);
  return identity;
}

static void
setup_dir (void)
{
  dir = g_dir_make_tmp ("quicp2p-XXXXXX", NULL);
  files = g_ptr_array_new_with_free_func (g_free);
}

static void
clear_dir (void)
{
  guint i;

  for (i = 0; i < files->len; i++)
    g_unlink (files->pdata[i]);
  g_ptr_array_unref (files);
  g_assert_cmpint (g_rmdir (dir), ==, 0);
  g_free (dir);
}

/* --- identities -------------------------------------------------------------- */

static void
test_fingerprint (void)
{
  g_autoptr (QpIdentity) identity = qp_identity_generate (NULL);
  g_autoptr (QpIdentity) other = qp_identity_generate (NULL);
  const char *text = qp_identity_get_fingerprint (identity);
  g_autofree char *lower = g_ascii_strdown (text, -1);
  g_autofree char *longer = g_strconcat (text, ":00", NULL);
  g_autofree char *shorter = g_strndup (text, strlen (text) - 3);

  g_assert_true (qp_fingerprint_is_valid (text));
  g_assert_true (qp_fingerprint_is_valid (lower));
  g_assert_true (qp_fingerprint_equal (text, lower));
  g_assert_false (qp_fingerprint_equal (text,
      qp_identity_get_fingerprint (other)));
  g_assert_false (qp_fingerprint_is_valid (NULL));
  g_assert_false (qp_fingerprint_is_valid (""));
  g_assert_false (qp_fingerprint_is_valid ("sha-256 "));
  g_assert_false (qp_fingerprint_is_valid (text + 1));
  g_assert_false (qp_fingerprint_is_valid (longer));
  g_assert_false (qp_fingerprint_is_valid (shorter));
}

static void
assert_not_loaded (const char *certificate, const char *key, int code,
    const char *says)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (qp_identity_load (certificate, key, &error));
  g_assert_nonnull (error);
  if (code >= 0)
    g_assert_error (error, QP_QUIC_ERROR, code);
  g_assert_nonnull (strstr (error->message, says));
}

static void
test_load (void)
{
  Signer one = make_certificate ("one", NULL, NULL, -DAY, DAY);
  Signer two = make_certificate ("two", NULL, NULL, -DAY, DAY);
  g_autofree char *cert = NULL, *key = NULL, *other_key = NULL, *junk = NULL;

  setup_dir ();
  cert = file_in_dir ("cert.pem");
  key = file_in_dir ("key.pem");
  other_key = file_in_dir ("other.pem");
  junk = file_in_dir ("junk.pem");
  write_certificate (cert, one.certificate);
  write_key (key, one.key);
  write_key (other_key, two.key);
  g_assert_true (g_file_set_contents (junk, "-----BEGIN", -1, NULL));
  {
    g_autoptr (QpIdentity) identity = qp_identity_load (cert, key, NULL);

    g_assert_nonnull (identity);
  }
  assert_not_loaded ("/nonexistent.pem", key, -1, "/nonexistent.pem");
  assert_not_loaded (cert, "/nonexistent.key", -1, "/nonexistent.key");
  assert_not_loaded (junk, key, QP_QUIC_ERROR_CERTIFICATE, "junk.pem");
  assert_not_loaded (cert, junk, QP_QUIC_ERROR_CERTIFICATE, "junk.pem");
  assert_not_loaded (cert, other_key, QP_QUIC_ERROR_CERTIFICATE, "other.pem");
  signer_clear (&one);
  signer_clear (&two);
  clear_dir ();
}

/* --- refusals ---------------------------------------------------------------- */

/* Connects and expects `refuser` to end with `code` and `says`, and the other
 * end with a TLS error that says `peer_says`. */
static void
assert_refused (WireConfig *config, gboolean by_server, int code,
    const char *says, int peer_code, const char *peer_says)
{
  Wire *wire = wire_new (30);
  WireEnd *refuser = by_server ? &wire->server : &wire->client;
  WireEnd *refused = refuser->other;

  wire->paths[0].delay_us = 500;
  wire_connect (wire, config);
  wire_config_clear (config);
  wire_run_until (wire, &refuser->closed, 3000);
  wire_run_until (wire, &refused->closed, 3000);
  g_assert_error (refuser->error, QP_QUIC_ERROR, code);
  g_assert_error (refused->error, QP_QUIC_ERROR, peer_code);
  g_test_message ("refuser: %s", refuser->error->message);
  g_test_message ("refused: %s", refused->error->message);
  g_assert_nonnull (strstr (refuser->error->message, says));
  g_assert_nonnull (strstr (refused->error->message, peer_says));
  /* Nobody who refuses ever lets media through. */
  g_assert_false (refuser->established);
  wire_free (wire);
}

static void
test_wrong_fingerprint (void)
{
  guint by_server, pinned;

  for (by_server = 0; by_server < 2; by_server++) {
    for (pinned = 0; pinned < 2; pinned++) {
      g_autoptr (QpIdentity) stranger = qp_identity_generate (NULL);
      const char *other = qp_identity_get_fingerprint (stranger);
      WireConfig config;
      QpTrust *trust;

      wire_config_init (&config);
      config.client.identity = qp_identity_generate (NULL);
      config.server.identity = qp_identity_generate (NULL);
      trust = by_server ? &config.server.trust : &config.client.trust;
      if (pinned) {
        /* Signaling tells the truth, but the user expects someone else. */
        trust->fingerprint = qp_identity_get_fingerprint (by_server
                ? config.client.identity
                : config.server.identity);
        trust->pinned_fingerprint = other;
      } else {
        trust->fingerprint = other;
      }
      assert_refused (&config, by_server, QP_QUIC_ERROR_FINGERPRINT,
          pinned ? "the pinned one is" : "signaling announced",
          QP_QUIC_ERROR_TLS,
          "the peer refused our certificate: bad_certificate");
    }
  }
}

static void
test_dates (void)
{
  guint by_server, early;

  setup_dir ();
  for (by_server = 0; by_server < 2; by_server++) {
    for (early = 0; early < 2; early++) {
      QpIdentity *bad = early ? make_identity (NULL, NULL, DAY, 2 * DAY)
                              : make_identity (NULL, NULL, -2 * DAY, -DAY);
      WireConfig config;

      wire_config_init (&config);
      if (by_server)
        config.client.identity = bad;
      else
        config.server.identity = bad;
      /* The fingerprint matches (wire_connect): the dates count all the same. */
      assert_refused (&config, by_server, QP_QUIC_ERROR_CERTIFICATE,
          early ? "is not valid before 20" : "expired on 20", QP_QUIC_ERROR_TLS,
          early ? "the peer refused our certificate: bad_certificate"
                : "the peer refused our certificate: certificate_expired");
    }
  }
  clear_dir ();
}

static void
test_ca (void)
{
  Signer ca, foreign;
  g_autofree char *ca_file = NULL;
  guint by_server;

  setup_dir ();
  ca = make_certificate ("good CA", NULL, NULL, -DAY, DAY);
  foreign = make_certificate ("foreign CA", NULL, NULL, -DAY, DAY);
  ca_file = file_in_dir ("ca.pem");
  write_certificate (ca_file, ca.certificate);

  { /* as it should be, names checked both ways */
    Wire *wire = wire_new (31);
    WireConfig config;

    wire_config_init (&config);
    config.client.identity = make_identity (&ca, "DNS:viewer.example", -DAY,
        DAY);
    config.server.identity = make_identity (&ca,
        "DNS:other.example,DNS:camera.example", -DAY, DAY);
    config.client.trust = (QpTrust){ .ca_file = ca_file,
      .name = "camera.example" };
    config.server.trust = (QpTrust){ .ca_file = ca_file,
      .name = "viewer.example" };
    wire_connect (wire, &config);
    wire_config_clear (&config);
    wire_establish (wire);
    wire_free (wire);
  }
  for (by_server = 0; by_server < 2; by_server++) {
    WireConfig config;
    QpTrust *trust;
    QpIdentity **judged;

    wire_config_init (&config);
    trust = by_server ? &config.server.trust : &config.client.trust;
    judged = by_server ? &config.client.identity : &config.server.identity;
    *trust = (QpTrust){ .ca_file = ca_file };
    *judged = make_identity (&foreign, "DNS:camera.example", -DAY, DAY);
    assert_refused (&config, by_server, QP_QUIC_ERROR_CERTIFICATE,
        "does not lead to a certificate in", QP_QUIC_ERROR_TLS,
        "the peer refused our certificate: unknown_ca");

    wire_config_init (&config);
    *trust = (QpTrust){ .ca_file = ca_file, .name = "camera.example" };
    *judged = make_identity (&ca, "DNS:door.example", -DAY, DAY);
    assert_refused (&config, by_server, QP_QUIC_ERROR_CERTIFICATE,
        "is not for \"camera.example\"; it names \"door.example\"",
        QP_QUIC_ERROR_TLS, "the peer refused our certificate: bad_certificate");

    /* A common name is no name (RFC 6125). */
    wire_config_init (&config);
    *trust = (QpTrust){ .ca_file = ca_file, .name = "leaf" };
    *judged = make_identity (&ca, NULL, -DAY, DAY);
    assert_refused (&config, by_server, QP_QUIC_ERROR_CERTIFICATE,
        "is not for \"leaf\"; it names no DNS name", QP_QUIC_ERROR_TLS,
        "the peer refused our certificate: bad_certificate");

    /* A self-signed one of the same name as a good one. */
    wire_config_init (&config);
    *trust = (QpTrust){ .ca_file = ca_file, .name = "camera.example" };
    *judged = make_identity (NULL, "DNS:camera.example", -DAY, DAY);
    assert_refused (&config, by_server, QP_QUIC_ERROR_CERTIFICATE,
        "does not lead to a certificate in", QP_QUIC_ERROR_TLS,
        "the peer refused our certificate: unknown_ca");
  }
  signer_clear (&ca);
  signer_clear (&foreign);
  clear_dir ();
}

static void
test_bad_settings (void)
{
  g_autoptr (QpIdentity) identity = qp_identity_generate (NULL);
  static const char *const alpn[] = { "roq-14", NULL };
  static const char *const no_alpn[] = { NULL };
  QpQuicConfig config = { .identity = identity,
    .alpn = alpn,
    .max_payload = 1200,
    .handshake_timeout_ms = 1000 };
  g_autoptr (GError) error = NULL;

  config.trust.fingerprint = "sha-256 00";
  g_assert_null (qp_quic_new (NULL, &config, &wire_callbacks, NULL, &error));
  g_assert_error (error, QP_QUIC_ERROR, QP_QUIC_ERROR_FINGERPRINT);
  g_clear_error (&error);
  config.trust = (QpTrust){ .ca_file = "/nonexistent/ca.pem" };
  g_assert_null (qp_quic_new (NULL, &config, &wire_callbacks, NULL, &error));
  g_assert_error (error, QP_QUIC_ERROR, QP_QUIC_ERROR_CERTIFICATE);
  g_assert_nonnull (strstr (error->message, "/nonexistent/ca.pem"));
  g_clear_error (&error);
  config.trust = (QpTrust){ NULL };
  config.alpn = no_alpn;
  g_assert_null (qp_quic_new (NULL, &config, &wire_callbacks, NULL, &error));
  g_assert_error (error, QP_QUIC_ERROR, QP_QUIC_ERROR_ALPN);
}

/* --- peers that do not play by the rules -------------------------------------- */

static SSL *
get_ssl (QpQuic *quic)
{
  return ngtcp2_crypto_ossl_ctx_get_ssl (qp_tls_get_handle (quic->tls));
}

static void
connect_with (Wire *wire, void (*tamper) (SSL *ssl))
{
  WireConfig config;

  wire_config_init (&config);
  wire_connect (wire, &config);
  wire_config_clear (&config);
  /* Before the client's first packet. */
  tamper (get_ssl (wire->client.quic));
  wire_run_until (wire, &wire->server.closed, 3000);
  wire_run_until (wire, &wire->client.closed, 3000);
}

static void
drop_certificate (SSL *ssl)
{
  SSL_certs_clear (ssl);
}

static void
test_no_client_certificate (void)
{
  Wire *wire = wire_new (32);

  connect_with (wire, drop_certificate);
  g_assert_error (wire->server.error, QP_QUIC_ERROR, QP_QUIC_ERROR_CERTIFICATE);
  g_assert_nonnull (strstr (wire->server.error->message,
      "presented no certificate"));
  g_assert_error (wire->client.error, QP_QUIC_ERROR, QP_QUIC_ERROR_TLS);
  g_assert_nonnull (strstr (wire->client.error->message,
      "certificate_required"));
  g_assert_false (wire->server.established);
  wire_free (wire);
}

static void
drop_alpn (SSL *ssl)
{
  SSL_set_alpn_protos (ssl, NULL, 0);
}

static void
test_no_alpn (void)
{
  Wire *wire = wire_new (33);

  connect_with (wire, drop_alpn);
  g_assert_error (wire->server.error, QP_QUIC_ERROR, QP_QUIC_ERROR_ALPN);
  g_assert_error (wire->client.error, QP_QUIC_ERROR, QP_QUIC_ERROR_ALPN);
  g_assert_false (wire->server.established);
  wire_free (wire);
}

/* The public half of `victim` and the private half of somebody else: what a
 * thief of a certificate can muster. */
static EVP_PKEY *
forge_key (EVP_PKEY *victim)
{
  EVP_PKEY *own = EVP_EC_gen ("P-256");
  EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name (NULL, "EC", NULL);
  OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new ();
  OSSL_PARAM *params;
  BIGNUM *private_half = NULL;
  guint8 public_half[256];
  size_t size = 0;
  EVP_PKEY *forged = NULL;

  EVP_PKEY_get_bn_param (own, OSSL_PKEY_PARAM_PRIV_KEY, &private_half);
  EVP_PKEY_get_octet_string_param (victim, OSSL_PKEY_PARAM_PUB_KEY, public_half,
      sizeof public_half, &size);
  OSSL_PARAM_BLD_push_utf8_string (builder, OSSL_PKEY_PARAM_GROUP_NAME, "P-256",
      0);
  OSSL_PARAM_BLD_push_octet_string (builder, OSSL_PKEY_PARAM_PUB_KEY,
      public_half, size);
  OSSL_PARAM_BLD_push_BN (builder, OSSL_PKEY_PARAM_PRIV_KEY, private_half);
  params = OSSL_PARAM_BLD_to_param (builder);
  EVP_PKEY_fromdata_init (context);
  EVP_PKEY_fromdata (context, &forged, EVP_PKEY_KEYPAIR, params);
  OSSL_PARAM_free (params);
  OSSL_PARAM_BLD_free (builder);
  EVP_PKEY_CTX_free (context);
  EVP_PKEY_free (own);
  BN_clear_free (private_half);
  g_assert_nonnull (forged);
  return forged;
}

/* A certificate that is not its own: only the key's owner can sign. */
static void
test_stolen_certificate (void)
{
  Wire *wire = wire_new (34);
  WireConfig config;
  Signer victim = make_certificate ("victim", NULL, NULL, -DAY, DAY);
  g_autofree char *fingerprint =
      qp_certificate_fingerprint (victim.certificate);
  EVP_PKEY *forged = forge_key (victim.key);
  SSL *ssl;

  wire_config_init (&config);
  config.server.trust.fingerprint = fingerprint;
  wire_connect (wire, &config);
  wire_config_clear (&config);
  ssl = get_ssl (wire->client.quic);
  SSL_certs_clear (ssl);
  g_assert_cmpint (SSL_use_certificate (ssl, victim.certificate), ==, 1);
  g_assert_cmpint (SSL_use_PrivateKey (ssl, forged), ==, 1);
  wire_run_until (wire, &wire->server.closed, 3000);
  wire_run_until (wire, &wire->client.closed, 3000);
  g_assert_error (wire->server.error, QP_QUIC_ERROR, QP_QUIC_ERROR_TLS);
  g_assert_nonnull (strstr (wire->server.error->message, "decrypt_error"));
  g_assert_nonnull (wire->client.error);
  g_assert_false (wire->server.established);
  EVP_PKEY_free (forged);
  signer_clear (&victim);
  wire_free (wire);
}

static void
test_alpn (void)
{
  static const char *const ours[] = { "roq-14-p2p", "roq-14", NULL };
  static const char *const plain[] = { "roq-12", "roq-14", NULL };
  static const char *const foreign[] = { "h3", "roq-12", NULL };
  Wire *wire = wire_new (35);
  WireConfig config;

  wire_config_init (&config);
  config.client.alpn = plain;
  config.server.alpn = ours;
  wire_connect (wire, &config);
  wire_config_clear (&config);
  wire_establish (wire);
  g_assert_cmpstr (wire->client.alpn, ==, "roq-14");
  g_assert_cmpstr (wire->server.alpn, ==, "roq-14");
  wire_free (wire);

  wire_config_init (&config);
  config.client.alpn = foreign;
  assert_refused (&config, TRUE, QP_QUIC_ERROR_ALPN,
      "the peer speaks h3, roq-12, we speak roq-14-p2p, roq-14",
      QP_QUIC_ERROR_ALPN, "we speak h3, roq-12");
}

/* The client is done before the server has judged it: what it sends at once
 * must not reach the server's owner if the server refuses. */
static void
test_early_media_of_a_stranger (void)
{
  g_autoptr (QpIdentity) stranger = qp_identity_generate (NULL);
  g_autoptr (GBytes) data = g_bytes_new_static ("media", 5);
  Wire *wire = wire_new (36);
  WireConfig config;
  gint64 id;

  wire->paths[0].delay_us = 2000;
  wire_config_init (&config);
  config.server.trust.fingerprint = qp_identity_get_fingerprint (stranger);
  wire_connect (wire, &config);
  wire_config_clear (&config);
  g_assert_true (wire_run_until (wire, &wire->client.established, 3000));
  id = qp_quic_open (wire->client.quic, FALSE, QP_PRIORITY_VIDEO);
  g_assert_cmpint (id, >=, 0);
  g_assert_true (qp_quic_write (wire->client.quic, id, data, TRUE));
  qp_quic_flush (wire->client.quic);
  g_assert_true (wire_run_until (wire, &wire->client.closed, 3000));
  g_assert_cmpuint (wire->server.stream_bytes, ==, 0);
  g_assert_false (wire->server.established);
  g_assert_error (wire->client.error, QP_QUIC_ERROR, QP_QUIC_ERROR_TLS);
  wire_free (wire);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/quic/identity/fingerprint", test_fingerprint);
  g_test_add_func ("/quic/identity/load", test_load);
  g_test_add_func ("/quic/trust/fingerprint", test_wrong_fingerprint);
  g_test_add_func ("/quic/trust/dates", test_dates);
  g_test_add_func ("/quic/trust/ca", test_ca);
  g_test_add_func ("/quic/trust/settings", test_bad_settings);
  g_test_add_func ("/quic/trust/no-client-certificate",
      test_no_client_certificate);
  g_test_add_func ("/quic/trust/stolen-certificate", test_stolen_certificate);
  g_test_add_func ("/quic/trust/early-media", test_early_media_of_a_stranger);
  g_test_add_func ("/quic/alpn", test_alpn);
  g_test_add_func ("/quic/alpn/none", test_no_alpn);
  return g_test_run ();
}

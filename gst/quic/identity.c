/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Our own certificate and key: made fresh or loaded from PEM files, and the
 * fingerprint by which signaling announces it (RFC 8122).  Immutable once
 * made, so any thread may use it; relies on OpenSSL's own reference counts. */
#include "quic/identity-private.h"

#include "quic/connection.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <string.h>

#define FINGERPRINT_PREFIX "sha-256 "
#define SHA256_SIZE 32
#define VALID_BEFORE_S (24 * 60 * 60) /* peers' clocks may be behind */
#define VALID_FOR_S (30L * 24 * 60 * 60)

struct _QpIdentity {
  gatomicrefcount references;
  X509 *certificate;
  STACK_OF (X509) * chain; /* intermediates, may be empty */
  EVP_PKEY *key;
  char *fingerprint;
};

char *
qp_openssl_error (void)
{
  unsigned long code = ERR_peek_last_error ();
  const char *reason = code != 0 ? ERR_reason_error_string (code) : NULL;
  char *text = g_strdup (reason != NULL ? reason : "unknown reason");

  ERR_clear_error ();
  return text;
}

char *
qp_certificate_fingerprint (X509 *certificate)
{
  guint8 digest[SHA256_SIZE];
  unsigned int size = sizeof digest;
  GString *text = g_string_sized_new (sizeof FINGERPRINT_PREFIX +
      3 * sizeof digest);
  guint i;

  if (!X509_digest (certificate, EVP_sha256 (), digest, &size))
    memset (digest, 0, sizeof digest);
  g_string_append (text, FINGERPRINT_PREFIX);
  for (i = 0; i < sizeof digest; i++)
    g_string_append_printf (text, i == 0 ? "%02X" : ":%02X", digest[i]);
  return g_string_free (text, FALSE);
}

gboolean
qp_fingerprint_is_valid (const char *text)
{
  guint i;

  if (text == NULL ||
      g_ascii_strncasecmp (text, FINGERPRINT_PREFIX,
          strlen (FINGERPRINT_PREFIX)))
    return FALSE;
  text += strlen (FINGERPRINT_PREFIX);
  for (i = 0; i < SHA256_SIZE; i++, text += 3) {
    gboolean last = i == SHA256_SIZE - 1;

    if (!g_ascii_isxdigit (text[0]) || !g_ascii_isxdigit (text[1]))
      return FALSE;
    if (text[2] != (last ? '\0' : ':'))
      return FALSE;
  }
  return TRUE;
}

gboolean
qp_fingerprint_equal (const char *a, const char *b)
{
  return g_ascii_strcasecmp (a, b) == 0;
}

/* Takes ownership of all three. */
static QpIdentity *
identity_new (X509 *certificate, STACK_OF (X509) * chain, EVP_PKEY *key)
{
  QpIdentity *identity = g_new0 (QpIdentity, 1);

  g_atomic_ref_count_init (&identity->references);
  identity->certificate = certificate;
  identity->chain = chain;
  identity->key = key;
  identity->fingerprint = qp_certificate_fingerprint (certificate);
  return identity;
}

static gboolean
set_random_serial (X509 *certificate)
{
  guint8 bytes[16];
  BIGNUM *number;
  gboolean done;

  if (RAND_bytes (bytes, sizeof bytes) != 1)
    return FALSE;
  bytes[0] &= 0x7f; /* RFC 5280, 4.1.2.2: positive */
  number = BN_bin2bn (bytes, sizeof bytes, NULL);
  done = number != NULL &&
      BN_to_ASN1_INTEGER (number, X509_get_serialNumber (certificate)) != NULL;
  BN_free (number);
  return done;
}

/* The name says nothing about the machine: it goes to every peer. */
static gboolean
set_names (X509 *certificate)
{
  X509_NAME *name = X509_get_subject_name (certificate);

  return X509_NAME_add_entry_by_txt (name, "CN", MBSTRING_ASC,
             (const guint8 *) "quicp2p", -1, -1, 0) &&
      X509_set_issuer_name (certificate, name);
}

static X509 *
self_sign (EVP_PKEY *key)
{
  X509 *certificate = X509_new ();

  if (certificate != NULL && X509_set_version (certificate, X509_VERSION_3) &&
      set_random_serial (certificate) && set_names (certificate) &&
      X509_gmtime_adj (X509_getm_notBefore (certificate), -VALID_BEFORE_S) !=
          NULL &&
      X509_gmtime_adj (X509_getm_notAfter (certificate), VALID_FOR_S) != NULL &&
      X509_set_pubkey (certificate, key) &&
      X509_sign (certificate, key, EVP_sha256 ()))
    return certificate;
  X509_free (certificate);
  return NULL;
}

QpIdentity *
qp_identity_generate (GError **error)
{
  /* P-256 takes well under a millisecond; RSA would delay the first frame. */
  EVP_PKEY *key = EVP_EC_gen ("P-256");
  X509 *certificate = key != NULL ? self_sign (key) : NULL;

  if (certificate == NULL) {
    g_autofree char *reason = qp_openssl_error ();

    g_set_error (error, QP_QUIC_ERROR, QP_QUIC_ERROR_CERTIFICATE,
        "cannot make a certificate: %s", reason);
    EVP_PKEY_free (key);
    return NULL;
  }
  return identity_new (certificate, sk_X509_new_null (), key);
}

/* OpenSSL would ask the terminal for a passphrase, and so block a pipeline. */
static int
no_passphrase (char *buffer G_GNUC_UNUSED, int size G_GNUC_UNUSED,
    int writing G_GNUC_UNUSED, void *user G_GNUC_UNUSED)
{
  return -1;
}

static BIO *
open_pem (const char *file, const char *what, GError **error)
{
  g_autofree char *contents = NULL;
  gsize size = 0;
  BIO *bio;

  if (!g_file_get_contents (file, &contents, &size, error)) {
    g_prefix_error (error, "cannot read the %s: ", what);
    return NULL;
  }
  bio = BIO_new (BIO_s_mem ());
  if (bio == NULL ||
      BIO_write (bio, contents, (int) MIN (size, G_MAXINT)) != (int) size) {
    BIO_free (bio);
    g_set_error (error, QP_QUIC_ERROR, QP_QUIC_ERROR_CERTIFICATE,
        "cannot read the %s \"%s\": it is empty or too large", what, file);
    bio = NULL;
  }
  /* A private key may have been in there. */
  OPENSSL_cleanse (contents, size);
  return bio;
}

static X509 *
load_certificates (const char *file, STACK_OF (X509) * chain, GError **error)
{
  BIO *bio = open_pem (file, "certificate", error);
  X509 *leaf, *next;

  if (bio == NULL)
    return NULL;
  leaf = PEM_read_bio_X509_AUX (bio, NULL, no_passphrase, NULL);
  if (leaf == NULL) {
    g_set_error (error, QP_QUIC_ERROR, QP_QUIC_ERROR_CERTIFICATE,
        "\"%s\" holds no certificate in PEM form", file);
  } else {
    while ((next = PEM_read_bio_X509 (bio, NULL, no_passphrase, NULL)) !=
        NULL) {
      if (!sk_X509_push (chain, next))
        X509_free (next);
    }
  }
  ERR_clear_error (); /* the end of the file is one */
  BIO_free (bio);
  return leaf;
}

static EVP_PKEY *
load_key (const char *file, GError **error)
{
  BIO *bio = open_pem (file, "private key", error);
  EVP_PKEY *key;

  if (bio == NULL)
    return NULL;
  key = PEM_read_bio_PrivateKey (bio, NULL, no_passphrase, NULL);
  if (key == NULL) {
    g_autofree char *reason = qp_openssl_error ();

    g_set_error (error, QP_QUIC_ERROR, QP_QUIC_ERROR_CERTIFICATE,
        "\"%s\" holds no private key in PEM form without a passphrase (%s)",
        file, reason);
  }
  BIO_free (bio);
  return key;
}

QpIdentity *
qp_identity_load (const char *certificate_file, const char *key_file,
    GError **error)
{
  STACK_OF (X509) *chain = sk_X509_new_null ();
  X509 *certificate = load_certificates (certificate_file, chain, error);
  EVP_PKEY *key = certificate != NULL ? load_key (key_file, error) : NULL;

  if (key != NULL && X509_check_private_key (certificate, key) == 1)
    return identity_new (certificate, chain, key);
  if (key != NULL) {
    g_set_error (error, QP_QUIC_ERROR, QP_QUIC_ERROR_CERTIFICATE,
        "the private key \"%s\" is not that of the certificate \"%s\"",
        key_file, certificate_file);
    ERR_clear_error ();
  }
  EVP_PKEY_free (key);
  X509_free (certificate);
  sk_X509_pop_free (chain, X509_free);
  return NULL;
}

QpIdentity *
qp_identity_ref (QpIdentity *identity)
{
  g_atomic_ref_count_inc (&identity->references);
  return identity;
}

void
qp_identity_unref (QpIdentity *identity)
{
  if (!g_atomic_ref_count_dec (&identity->references))
    return;
  X509_free (identity->certificate);
  sk_X509_pop_free (identity->chain, X509_free);
  EVP_PKEY_free (identity->key);
  g_free (identity->fingerprint);
  g_free (identity);
}

const char *
qp_identity_get_fingerprint (QpIdentity *identity)
{
  return identity->fingerprint;
}

gboolean
qp_identity_apply (QpIdentity *identity, SSL_CTX *context, GError **error)
{
  int i;

  if (SSL_CTX_use_certificate (context, identity->certificate) == 1 &&
      SSL_CTX_use_PrivateKey (context, identity->key) == 1) {
    for (i = 0; i < sk_X509_num (identity->chain); i++) {
      if (SSL_CTX_add1_chain_cert (context,
              sk_X509_value (identity->chain, i)) != 1)
        break;
    }
    if (i == sk_X509_num (identity->chain))
      return TRUE;
  }
  {
    g_autofree char *reason = qp_openssl_error ();

    g_set_error (error, QP_QUIC_ERROR, QP_QUIC_ERROR_CERTIFICATE,
        "our certificate cannot be used: %s", reason);
  }
  return FALSE;
}

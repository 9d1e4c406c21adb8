/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Judges a peer's certificate by the rules of a QpTrust, and says in one
 * sentence what was expected and what was found.  Pure but for the clock of
 * the validity check; called by OpenSSL in the middle of a handshake. */
#include "quic/identity-private.h"

#include "quic/connection.h"

#include <openssl/x509v3.h>
#include <string.h>

/* What a person compares: "sha-256 AB:CD:EF:01:23:45:67:89...". */
#define SHOWN_FINGERPRINT_SIZE 31
#define MAX_SHOWN_NAMES 4

QpTrust *
qp_trust_copy (const QpTrust *trust)
{
  QpTrust *copy = g_new (QpTrust, 1);

  copy->fingerprint = g_strdup (trust->fingerprint);
  copy->pinned_fingerprint = g_strdup (trust->pinned_fingerprint);
  copy->ca_file = g_strdup (trust->ca_file);
  copy->name = g_strdup (trust->name);
  return copy;
}

void
qp_trust_free (QpTrust *trust)
{
  if (trust == NULL)
    return;
  g_free ((char *) trust->fingerprint);
  g_free ((char *) trust->pinned_fingerprint);
  g_free ((char *) trust->ca_file);
  g_free ((char *) trust->name);
  g_free (trust);
}

static gboolean
refuse (X509_STORE_CTX *store, int verify_error)
{
  X509_STORE_CTX_set_error (store, verify_error);
  return FALSE;
}

static gboolean
judge_fingerprint (X509_STORE_CTX *store, const char *expected,
    const char *found, const char *who, GError **error)
{
  if (expected == NULL || qp_fingerprint_equal (expected, found))
    return TRUE;
  g_set_error (error, QP_QUIC_ERROR, QP_QUIC_ERROR_FINGERPRINT,
      "the peer's certificate has the fingerprint %.*s..., but %s %.*s...",
      SHOWN_FINGERPRINT_SIZE, found, who, SHOWN_FINGERPRINT_SIZE, expected);
  return refuse (store, X509_V_ERR_CERT_REJECTED);
}

static char *
time_to_string (const ASN1_TIME *time)
{
  struct tm tm;

  if (!ASN1_TIME_to_tm (time, &tm))
    return g_strdup ("an unreadable date");
  return g_strdup_printf ("%04d-%02d-%02d %02d:%02d:%02d UTC",
      tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
      tm.tm_sec);
}

/* X509_cmp_current_time() answers 0 for a date that it cannot read: neither
 * before nor after is then a reason to accept. */
static gboolean
judge_validity (X509_STORE_CTX *store, X509 *leaf, GError **error)
{
  const ASN1_TIME *not_before = X509_get0_notBefore (leaf);
  const ASN1_TIME *not_after = X509_get0_notAfter (leaf);

  if (X509_cmp_current_time (not_before) >= 0) {
    g_autofree char *date = time_to_string (not_before);

    g_set_error (error, QP_QUIC_ERROR, QP_QUIC_ERROR_CERTIFICATE,
        "the peer's certificate is not valid before %s; are both clocks right?",
        date);
    return refuse (store, X509_V_ERR_CERT_NOT_YET_VALID);
  }
  if (X509_cmp_current_time (not_after) <= 0) {
    g_autofree char *date = time_to_string (not_after);

    g_set_error (error, QP_QUIC_ERROR, QP_QUIC_ERROR_CERTIFICATE,
        "the peer's certificate expired on %s", date);
    return refuse (store, X509_V_ERR_CERT_HAS_EXPIRED);
  }
  return TRUE;
}

/* The store holds the CA file's certificates and nothing of the system's. */
static gboolean
judge_chain (X509_STORE_CTX *store, const QpTrust *trust, GError **error)
{
  g_autofree char *subject = NULL;
  X509 *failed;

  if (trust->ca_file == NULL || X509_verify_cert (store) == 1)
    return TRUE;
  failed = X509_STORE_CTX_get_current_cert (store);
  if (failed != NULL) {
    g_autofree char *line = NULL;
    char *raw = X509_NAME_oneline (X509_get_subject_name (failed), NULL, 0);

    line = g_strndup (raw != NULL ? raw : "", 120);
    subject = g_strescape (line, NULL);
    OPENSSL_free (raw);
  }
  g_set_error (error, QP_QUIC_ERROR, QP_QUIC_ERROR_CERTIFICATE,
      "the peer's certificate does not lead to a certificate in \"%s\": %s (at \"%s\")",
      trust->ca_file,
      X509_verify_cert_error_string (X509_STORE_CTX_get_error (store)),
      subject != NULL ? subject : "");
  return FALSE; /* the store's error is X509_verify_cert()'s */
}

static void
append_names (GString *text, X509 *leaf)
{
  GENERAL_NAMES *names = X509_get_ext_d2i (leaf, NID_subject_alt_name, NULL,
      NULL);
  guint shown = 0;
  int i;

  for (i = 0; i < sk_GENERAL_NAME_num (names) && shown < MAX_SHOWN_NAMES; i++) {
    const GENERAL_NAME *name = sk_GENERAL_NAME_value (names, i);
    g_autofree char *raw = NULL;
    g_autofree char *escaped = NULL;

    if (name->type != GEN_DNS)
      continue;
    raw = g_strndup ((const char *) ASN1_STRING_get0_data (name->d.dNSName),
        MIN (ASN1_STRING_length (name->d.dNSName), 64));
    escaped = g_strescape (raw, NULL);
    g_string_append_printf (text, "%s\"%s\"", shown++ == 0 ? "" : ", ",
        escaped);
  }
  if (shown == 0)
    g_string_append (text, "no DNS name");
  GENERAL_NAMES_free (names);
}

static gboolean
judge_name (X509_STORE_CTX *store, const QpTrust *trust, X509 *leaf,
    GError **error)
{
  /* RFC 6125, 6.4.4: a common name is no name any more. */
  const unsigned int flags = X509_CHECK_FLAG_NEVER_CHECK_SUBJECT |
      X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS;
  GString *found;

  if (trust->name == NULL ||
      X509_check_host (leaf, trust->name, 0, flags, NULL) == 1 ||
      X509_check_ip_asc (leaf, trust->name, 0) == 1)
    return TRUE;
  found = g_string_new (NULL);
  append_names (found, leaf);
  g_set_error (error, QP_QUIC_ERROR, QP_QUIC_ERROR_CERTIFICATE,
      "the peer's certificate is not for \"%s\"; it names %s", trust->name,
      found->str);
  g_string_free (found, TRUE);
  return refuse (store, X509_V_ERR_HOSTNAME_MISMATCH);
}

gboolean
qp_trust_judge (const QpTrust *trust, X509_STORE_CTX *store, GError **error)
{
  X509 *leaf = X509_STORE_CTX_get0_cert (store);
  g_autofree char *found = NULL;

  if (leaf == NULL) {
    g_set_error_literal (error, QP_QUIC_ERROR, QP_QUIC_ERROR_CERTIFICATE,
        "the peer presented no certificate");
    return refuse (store, X509_V_ERR_UNSPECIFIED);
  }
  if (trust->fingerprint == NULL && trust->pinned_fingerprint == NULL &&
      trust->ca_file == NULL) {
    g_set_error_literal (error, QP_QUIC_ERROR, QP_QUIC_ERROR_CERTIFICATE,
        "nothing is known by which the peer's certificate could be trusted: neither a "
        "fingerprint nor a CA file");
    return refuse (store, X509_V_ERR_CERT_UNTRUSTED);
  }
  found = qp_certificate_fingerprint (leaf);
  if (judge_fingerprint (store, trust->fingerprint, found,
          "signaling announced", error) &&
      judge_fingerprint (store, trust->pinned_fingerprint, found,
          "the pinned one is", error) &&
      judge_validity (store, leaf, error) &&
      judge_chain (store, trust, error) &&
      judge_name (store, trust, leaf, error)) {
    X509_STORE_CTX_set_error (store, X509_V_OK);
    return TRUE;
  }
  return FALSE;
}

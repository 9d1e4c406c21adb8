/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who we are and whom we trust: a certificate with its key, its fingerprint
 * (RFC 8122), and the rules by which a peer's certificate is judged.  Relies on
 * OpenSSL 3.5.  A QpIdentity is immutable after construction and may be shared
 * by any threads. */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

typedef struct _QpIdentity QpIdentity;

/* Makes a fresh self-signed P-256 certificate, valid from a day ago for 30
 * days. */
QpIdentity *qp_identity_generate (GError **error);
/* Loads a certificate chain and its key from PEM files. Errors name the file
 * and the reason. */
QpIdentity *qp_identity_load (const char *certificate_file,
    const char *key_file, GError **error);
QpIdentity *qp_identity_ref (QpIdentity *identity);
void qp_identity_unref (QpIdentity *identity);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (QpIdentity, qp_identity_unref)

/* "sha-256 AB:CD:…" of the leaf, as in a=fingerprint. */
const char *qp_identity_get_fingerprint (QpIdentity *identity);

/* TRUE if `text` is "sha-256 " and 32 upper- or lower-case hex pairs. */
gboolean qp_fingerprint_is_valid (const char *text);
/* Compares two valid fingerprints without regard to case. */
gboolean qp_fingerprint_equal (const char *a, const char *b);

/* How the peer is judged. Every non-NULL rule must hold; with neither
 * fingerprint nor CA file a peer is never accepted. */
typedef struct {
  const char *fingerprint;        /* from signaling */
  const char *pinned_fingerprint; /* from the user (peer-fingerprint) */
  const char *ca_file;            /* PEM; chain must end there */
  const char *name; /* subjectAltName the leaf must carry (CA mode) */
} QpTrust;

G_END_DECLS

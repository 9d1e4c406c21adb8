/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One connection's qlog file (draft-ietf-quic-qlog-main-schema, JSON-SEQ, as
 * ngtcp2 writes it).  Runs on the connection's thread; stdio's buffer keeps the
 * writes few. */
#pragma once

#include <glib.h>
#include <ngtcp2/ngtcp2.h>

G_BEGIN_DECLS

typedef struct _QpQlog QpQlog;

/* Makes "<name>-<client|server>-<original DCID>.sqlog" in `dir`, readable by
 * its owner only. NULL with a warning in the log if that fails: a connection
 * does not die of its log. */
QpQlog *qp_qlog_new (const char *dir, const char *name, gboolean server,
    const ngtcp2_cid *odcid);
void qp_qlog_write (QpQlog *qlog, const void *data, size_t size);
void qp_qlog_free (QpQlog *qlog);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A GIOStream around another that bounds what may be read from it between two
 * calls of qp_meter_stream_restart(). It answers for memory: libsoup collects
 * the body of a request, and the fragments of a WebSocket message, without an
 * end in the versions before 3.6.
 *
 * Threads: that of the wrapped stream.
 */

#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

#define QP_TYPE_METER_STREAM (qp_meter_stream_get_type ())
G_DECLARE_FINAL_TYPE (QpMeterStream, qp_meter_stream, QP, METER_STREAM,
    GIOStream)

/* @base: with pollable streams, as of sockets and of TLS. Reading more than
 * @limit bytes fails with G_IO_ERROR_MESSAGE_TOO_LARGE. */
QpMeterStream *qp_meter_stream_new (GIOStream *base, gsize limit);

/* What was read so far is forgiven. */
void qp_meter_stream_restart (QpMeterStream *self);

/* Returns: (transfer none): the wrapped stream. */
GIOStream *qp_meter_stream_get_base (QpMeterStream *self);

G_END_DECLS

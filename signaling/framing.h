/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Framing of messages on a byte stream (the control stream between two peers):
 * each message is preceded by its size in bytes, a uint32 in network byte
 * order, 1 to QP_MESSAGE_MAX_SIZE. Pure; any thread, one at a time.
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Returns: (transfer full): @json (a message without NUL) with its size before it. */
GBytes *qp_framing_frame (const char *json);

typedef struct _QpDeframer QpDeframer;

QpDeframer *qp_deframer_new (void);
void qp_deframer_free (QpDeframer *deframer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (QpDeframer, qp_deframer_free)

/*
 * Takes the next @size bytes of the stream, in pieces of any size; never holds
 * more than one message and what was pushed but not pulled yet.
 * FALSE with QP_SIGNALING_ERROR_TOO_BIG or _BAD_MESSAGE (size 0): the stream
 * cannot be read on; close it. Messages that ended before can still be pulled.
 */
gboolean qp_deframer_push (QpDeframer *deframer, const guint8 *data, gsize size,
    GError **error);

/* Returns: (transfer full): the next whole message, for qp_message_parse(); NULL
 * if there is none yet. */
GBytes *qp_deframer_pull (QpDeframer *deframer);

/* TRUE if the stream may end here: no message was cut off. */
gboolean qp_deframer_is_clean (const QpDeframer *deframer);

G_END_DECLS

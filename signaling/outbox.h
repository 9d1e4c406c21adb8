/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What is to be sent on one WebSocket, bounded. libsoup queues without limit
 * and does not tell how much, so it is handed one window at a time, the next
 * when it has written the last; the rest waits here.
 *
 * Threads: that of the WebSocket's main context, which must be thread-default.
 */

#pragma once

#include <libsoup/soup.h>

G_BEGIN_DECLS

typedef struct _QpOutbox QpOutbox;

/* @max_bytes: what may wait here, beyond a window of 64 KiB within libsoup. */
QpOutbox *qp_outbox_new (SoupWebsocketConnection *websocket, gsize max_bytes);
void qp_outbox_free (QpOutbox *outbox);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (QpOutbox, qp_outbox_free)

/* Sends one text message. FALSE: @max_bytes are waiting, it was not taken. On a
 * WebSocket that is closing or closed it goes nowhere, with TRUE. */
gboolean qp_outbox_send (QpOutbox *outbox, const char *text, gsize size);

/* Closes the WebSocket once everything before has been handed over. */
void qp_outbox_close (QpOutbox *outbox, guint code, const char *reason);

/* Cuts the connection, sending nothing more: the WebSocket's closed signal
 * follows from the main context, whatever the other side does. */
void qp_outbox_abort (QpOutbox *outbox);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A WebSocket on its way to be closed: what was sent still goes out, the other
 * side's close frame is waited for a moment, and no client needs to stay for
 * that. All on the thread of the main context.
 */

#pragma once

#include <libsoup/soup.h>

#include "signaling/outbox.h"

G_BEGIN_DECLS

typedef struct _QpFarewell QpFarewell;

/*
 * Takes @websocket and @outbox, and keeps @session, until it is closed, for half
 * a second at most; then it frees itself. @slot, if any, holds it until then, and
 * is NULL when @done is called. @done may be NULL.
 */
void qp_farewell_start (GMainContext *context, SoupSession *session,
    SoupWebsocketConnection *websocket, QpOutbox *outbox, GSourceFunc done,
    gpointer user_data, QpFarewell **slot);
/* Clears the slot: @done is not called any more. */
void qp_farewell_forget (QpFarewell *farewell);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a WebSocket delivered and nobody has read yet. libsoup hands over
 * everything that a socket holds without returning to the main loop, for as
 * long as more comes; reading it there would keep whatever else runs on that
 * loop (media, in a session) waiting for a server that talks without end. Here
 * it waits for its turn, a few messages at a time.
 *
 * Threads: that of the context.
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* What waits at most; nobody who means well comes near it. */
#define QP_INBOX_MAX_MESSAGES 4096
#define QP_INBOX_MAX_BYTES (8 * 1024 * 1024)

typedef struct _QpInbox QpInbox;

/* @func is called from @context for each message, in order; it may free the
 * inbox. */
QpInbox *qp_inbox_new (GMainContext *context,
    void (*func) (GBytes *message, gpointer user_data), gpointer user_data);

/* FALSE, and it was not taken: too much waits already. */
gboolean qp_inbox_push (QpInbox *inbox, GBytes *message);

/* Calls @func for all that waits, now: no more will come. */
void qp_inbox_drain (QpInbox *inbox);

/* What waits is forgotten; @func is not called any more. NULL is fine. */
void qp_inbox_free (QpInbox *inbox);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Between registry.c, which knows the sessions of this process by name and
 * judges settings, and session.c, which runs one. */
#pragma once

#include "session/session-private.h"

G_BEGIN_DECLS

/* session.c. A new session has no thread yet; any thread. */
QpSession *qp_session_new (const char *name, const QpConfig *config,
    GError **error);
void qp_session_start (QpSession *session);
void qp_session_add_member (QpSession *session, QpMember *member);
/* TRUE if it was the last: the transport thread has said goodbye and is
 * ending. */
gboolean qp_session_remove_member (QpSession *session, QpMember *member);
/* Joins the thread. */
void qp_session_free (QpSession *session);

/* registry.c: reads the URI, the identity and the servers out of the settings. */
gboolean qp_session_read_settings (QpSession *session, GError **error);
gboolean qp_session_read_own_servers (const QpConfig *config,
    QpIceServers *servers, GError **error);

G_END_DECLS

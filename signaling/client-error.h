/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Why a client could not connect, said in the terms of QP_SIGNALING_ERROR with
 * a sentence that names the server. Pure; any thread.
 */

#pragma once

#include <libsoup/soup.h>

#include "signaling/error.h"

G_BEGIN_DECLS

/*
 * Returns: (transfer full): what @cause, from GIO or libsoup, means to the user.
 * @where: "host port 8443"; @message (nullable): the request, asked for its
 * HTTP status and its certificate.
 */
GError *qp_client_error_new (const GError *cause, const char *where,
    SoupMessage *message);

/* TRUE if trying again cannot help until someone changes a setting.  Who
 * @was_joined has been let in with these, and a certificate that is wrong now may
 * be that of a hotel's network. */
gboolean qp_client_error_is_final (QpSignalingError code, gboolean was_joined);

G_END_DECLS

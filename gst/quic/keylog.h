/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SSLKEYLOGFILE: TLS secrets for Wireshark and friends, only if the user asks
 * for them by that variable.  Safe on any thread. */
#pragma once

#include <glib.h>
#include <openssl/ssl.h>

G_BEGIN_DECLS

gboolean qp_keylog_is_wanted (void);
/* An SSL_CTX_keylog_cb_func. */
void qp_keylog_write (const SSL *ssl, const char *line);

G_END_DECLS

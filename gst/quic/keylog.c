/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See keylog.h.  The file is opened for each line, so that rotation and
 * several processes work, and each line is one write(), so that they do not
 * mix. */
#include "quic/keylog.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* secure_getenv(): a program with raised privileges does not write its secrets
 * where its caller says. */
static const char *
keylog_file (void)
{
  const char *file = secure_getenv ("SSLKEYLOGFILE");

  return file != NULL && *file != '\0' ? file : NULL;
}

gboolean
qp_keylog_is_wanted (void)
{
  return keylog_file () != NULL;
}

void
qp_keylog_write (const SSL *ssl, const char *line)
{
  const char *file = keylog_file ();
  g_autofree char *text = NULL;
  int fd;

  if (file == NULL)
    return;
  fd = open (file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) {
    g_warning ("cannot open SSLKEYLOGFILE \"%s\": %s", file,
        g_strerror (errno));
    return;
  }
  text = g_strconcat (line, "\n", NULL);
  if (write (fd, text, strlen (text)) < 0)
    g_warning ("cannot write to SSLKEYLOGFILE \"%s\": %s", file,
        g_strerror (errno));
  OPENSSL_cleanse (text, strlen (text));
  close (fd);
}

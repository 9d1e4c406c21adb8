/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See qlog.h. */
#include "quic/qlog.h"

#include "quic/connection-private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define MAX_NAME 64

struct _QpQlog {
  FILE *file;
};

/* A peer's or user's name is no path. */
static char *
safe_name (const char *name)
{
  char *safe = g_strndup (name, MAX_NAME);

  g_strcanon (safe,
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_", '_');
  return safe;
}

static char *
file_name (const char *name, gboolean server, const ngtcp2_cid *odcid)
{
  g_autofree char *safe = safe_name (name);
  GString *text = g_string_new (NULL);
  size_t i;

  g_string_printf (text, "%s-%s-", safe, server ? "server" : "client");
  for (i = 0; i < odcid->datalen; i++)
    g_string_append_printf (text, "%02x", odcid->data[i]);
  g_string_append (text, ".sqlog");
  return g_string_free (text, FALSE);
}

QpQlog *
qp_qlog_new (const char *dir, const char *name, gboolean server,
    const ngtcp2_cid *odcid)
{
  g_autofree char *base = file_name (name, server, odcid);
  g_autofree char *path = g_build_filename (dir, base, NULL);
  int fd = open (path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  FILE *file = fd >= 0 ? fdopen (fd, "w") : NULL;
  QpQlog *qlog;

  if (file == NULL) {
    GST_CAT_WARNING (qp_quic_debug, "%s: no qlog: cannot make \"%s\": %s", name,
        path, g_strerror (errno));
    if (fd >= 0)
      close (fd);
    return NULL;
  }
  qlog = g_new0 (QpQlog, 1);
  qlog->file = file;
  return qlog;
}

void
qp_qlog_write (QpQlog *qlog, const void *data, size_t size)
{
  /* A full disk costs the log, nothing else. */
  if (fwrite (data, 1, size, qlog->file) != size)
    clearerr (qlog->file);
}

void
qp_qlog_free (QpQlog *qlog)
{
  if (qlog == NULL)
    return;
  fclose (qlog->file);
  g_free (qlog);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Resolving one host name without blocking and within a time limit. */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

typedef struct _QpResolution QpResolution;

/* `addresses`: of GInetAddress*, valid during the call only, NULL on failure,
 * when `error` tells why (G_IO_ERROR_TIMED_OUT: the limit passed). */
typedef void (*QpResolvedFunc) (GList *addresses, const GError *error,
    gpointer user);

/* Resolves `name` (numeric addresses are taken as they are) within `timeout`
 * milliseconds and calls `func` once from `context`, never from within this
 * call. The handle is gone when `func` is called. */
QpResolution *qp_resolve (GMainContext *context, const char *name,
    guint timeout, QpResolvedFunc func, gpointer user);

/* Frees the handle; `func` is not called any more. */
void qp_resolution_cancel (QpResolution *resolution);

G_END_DECLS

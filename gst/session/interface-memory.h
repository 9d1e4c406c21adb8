/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a call remembers of each network interface while its paths come and go:
 * when a path was tried there last, so that a network that leads nowhere is not
 * tried all the time, and how often it went away, so that a flapping one is not
 * moved back to at once.
 *
 * Pure: time is an argument, in microseconds of a monotonic clock. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct _QpInterfaceMemory QpInterfaceMemory;

QpInterfaceMemory *qp_interface_memory_new (void);
void qp_interface_memory_free (QpInterfaceMemory *memory);

/* Whether a path may be tried on the interface `name`, whose addresses are
 * summed up in `addresses`: with others than before it is another network, which
 * may be tried at once; else half a second after the last attempt, and after
 * twice as much with each further one, up to eight seconds. */
gboolean qp_interface_memory_may_try (QpInterfaceMemory *memory,
    const char *name, guint addresses, gint64 now_us);
void qp_interface_memory_tried (QpInterfaceMemory *memory, const char *name,
    guint addresses, gint64 now_us);
/* A path came up there: the next attempt waits for nothing. */
void qp_interface_memory_worked (QpInterfaceMemory *memory, const char *name);

/* The network under a path that worked went away. */
void qp_interface_memory_lost (QpInterfaceMemory *memory, const char *name,
    gint64 now_us);
/* How long a path there has to last before it is preferred to one that works:
 * 0 for an interface that never went away, two seconds after the first time,
 * twice as much with each further one up to 32 s; a minute of calm forgives. */
gint64 qp_interface_memory_get_trial (QpInterfaceMemory *memory,
    const char *name, gint64 now_us);

/* Forgets what is too old to matter, so that interfaces with ever new names do
 * not add up. */
void qp_interface_memory_forget (QpInterfaceMemory *memory, gint64 now_us);

G_END_DECLS

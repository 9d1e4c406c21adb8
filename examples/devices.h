/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which screen, loudspeaker and microphone the examples use, and pictures out
 * of a sink. Main thread. */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

/* What shows or plays where nothing can: it keeps the time and counts. */
#define DEVICE_NOTHING "fakesink sync=true"

/* The element that `automatic` ("autovideosink", "autoaudiosink",
 * "autoaudiosrc") would choose (transfer full), or NULL if there is none. It is
 * asked beforehand because it tries one after the other when it starts, which
 * takes seconds where there is no sound. */
char *device_choose (const char *automatic);

/* As above, but DEVICE_NOTHING if there is none. */
char *device_choose_sink (const char *automatic);

/* Writes what `sink` (any base sink) showed last as PNG. */
gboolean device_write_picture (GstElement *sink, const char *path,
    GError **error);

G_END_DECLS

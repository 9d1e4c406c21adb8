/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the examples' pictures and sound come from: a camera with the
 * microphone, a file that is played over and over, or test sources.
 *
 * Made and freed on the main thread; streams appear on streaming threads. */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

/* What raw streams pass through first.  identity paces a file like a camera
 * would, and gives a file that is played over and over one timeline. */
#define SOURCE_PACE "identity name=pace sync=true single-segment=true"

typedef struct _Source Source;

/* A raw stream is there: link `pad` before returning, at best to SOURCE_PACE.
 * On the main thread within source_add(), else on a streaming thread. */
typedef void (*SourceStream) (GstPad *pad, gboolean is_video, gpointer user);

/* The test picture; a device and a file give what they have. */
typedef struct {
  int width, height;
  guint32 background; /* ARGB */
} SourceTest;

/* Adds elements to `pipeline` for `what`: "test", a V4L2 device or a file.  NULL
 * with an error if there is no such thing (transfer full; free it when the
 * pipeline is in NULL). */
Source *source_add (GstElement *pipeline, const char *what,
    const SourceTest *test, SourceStream callback, gpointer user,
    GError **error);

/* To be called on the pipeline's SEGMENT_DONE: plays a file from its start. */
void source_play_again (Source *source);

void source_free (Source *source);

/* Ends what goes into the request pads of `sink`, so that viewers see the end
 * and not a loss.  There and not at the source, because a file is read far
 * ahead.  May wait until the viewers have everything. */
void source_end_streams (GstElement *sink);

G_END_DECLS

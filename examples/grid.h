/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Everybody's pictures beside each other, with names below, and everybody's
 * sound in one: what a conference shows.  In the upper right corner stand the
 * names of those who send sound only.
 *
 * Streams may be added and removed on any thread while the pipeline plays. */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

/* The size in which pictures are sent and shown. */
#define GRID_CELL_WIDTH 640
#define GRID_CELL_HEIGHT 360

typedef struct _Grid Grid;

/* Adds the mixers to `pipeline`, and `screen` and `speaker`, which are
 * descriptions for gst_parse_launch().  `latency` is that of the streams that
 * will be added (transfer full; free it when the pipeline is in NULL). */
Grid *grid_new (GstElement *pipeline, const char *screen, const char *speaker,
    GstClockTime latency, GError **error);
void grid_free (Grid *grid);

/* Shows `pad`, which gives raw pictures and never goes, under `name`. */
void grid_add_own (Grid *grid, GstPad *pad, const char *name);

/* Shows or plays one of quicp2psrc's pads.  As its first picture is there, the
 * pipeline posts the application message "first-picture" with the field "name".
 * Both mixers go on without a stream that stalls, and with its last picture. */
void grid_add_stream (Grid *grid, GstPad *pad);

/* To be called when the pad has been removed. */
void grid_remove_stream (Grid *grid, GstPad *pad);

/* If an error came from within what shows a stream, gives that stream up:
 * returns its name (transfer full); else NULL. */
char *grid_give_up_stream (Grid *grid, GstObject *origin);

/* "name: N pictures", a line for each that is in the grid (transfer full). */
char *grid_describe (Grid *grid);

gboolean grid_write_picture (Grid *grid, const char *path, GError **error);

G_END_DECLS

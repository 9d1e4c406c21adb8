/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Cameras and viewers in one process, with the real session between them on
 * loopback, and ways to wait for what they do.  Every wait has an end and then
 * fails the test. */
#pragma once

#include <gst/check/gstcheck.h>

G_BEGIN_DECLS

/* (transfer full): a room on a port of 127.0.0.1 that nobody has. */
char *fixture_new_uri (void);

/* No change of state may take so long, in ms, even where the processor is not ours
 * alone: nothing that a peer or a server could keep us waiting for is shorter. */
#define PIPE_MAX_STATE_MS 2000

/* A pipeline whose messages are kept, and whose buffers are counted at each
 * element that is named "count" or "count_N". */
typedef struct {
  GstElement *pipeline;
  GstBus *bus;
  gint counts[4]; /* atomic: buffers seen at count or count_0 … count_3 */
} Pipe;

/* @description is as for gst_parse_launch() after printf().  Not started. */
Pipe *pipe_new (const char *description, ...) G_GNUC_PRINTF (1, 2);
/* To NULL, in less than PIPE_MAX_STATE_MS, and frees it. */
void pipe_free (Pipe *pipe);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Pipe, pipe_free)

void pipe_set_state (Pipe *pipe, GstState state);
/* Sets the state, and returns how long that call took, in ms. */
guint pipe_time_set_state (Pipe *pipe, GstState state);

/* (transfer full): the element of that name. */
GstElement *pipe_get (Pipe *pipe, const char *name);
/* (transfer full): a copy of the `stats` of the element of that name. */
GstStructure *pipe_get_stats (Pipe *pipe, const char *name);

/* Counts what leaves the element, or enters it where nothing leaves. */
void pipe_count_at (Pipe *pipe, GstElement *element, guint index);
gint pipe_get_count (Pipe *pipe, guint index);
/* Until @n more buffers than now have been counted. */
void pipe_wait_for_buffers (Pipe *pipe, guint index, gint n);
/* Until none came for half a second. */
void pipe_wait_for_silence (Pipe *pipe, guint index);
/* Until a message of @types comes, at most @timeout_ms.  Returns: (transfer
 * full): it.  An error that is not asked for fails the test. */
GstMessage *pipe_wait_for_message (Pipe *pipe, GstMessageType types,
    guint timeout_ms);
/* Until the element message @name with the field @field = @value came. */
void pipe_wait_for_element_message (Pipe *pipe, const char *name,
    const char *field, const char *value);
/* Fails on an error message. */
void pipe_check_no_error (Pipe *pipe);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Participants of a conference in one process: a pipeline with a sink and a source
 * of one session, what its application sees, and ways to wait for that. */
#pragma once

#include "fixture.h"

G_BEGIN_DECLS

#define JPEG                                                                \
  "videotestsrc is-live=true ! video/x-raw,format=I420,width=64,height=48," \
  "framerate=25/1 ! jpegenc ! rtpjpegpay ! "
#define OPUS \
  "audiotestsrc is-live=true samplesperbuffer=960 ! opusenc ! rtpopuspay ! "

typedef struct {
  Pipe *pipe;
  GstElement *src;

  GMutex lock; /* guards the fields below */
  GCond changed;
  guint pads, added, removed; /* `pads`: now */
  guint joined, left;
  GPtrArray *events;   /* of char*: "joined NAME", "pad NAME KIND", … */
  GHashTable *counts;  /* GstPad* → buffers that came out of it, GUINT */
  const char *refuses; /* the name of whom it does not accept; nullable */
} Participant;

/* @media is what it sends, linked to "sink."; NULL: it has no sink.  @producer is
 * whom it plays, NULL: the first.  Not started. */
Participant *participant_new (const char *name, const char *media,
    const char *producer, const char *uri);
/* To NULL, in less than PIPE_MAX_STATE_MS, and frees it. */
void participant_free (Participant *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Participant, participant_free)

/* Starts it, and returns it. */
Participant *participant_start (Participant *self);

/* A participant's halves, each with a pipeline of its own and not started: the
 * sink, and the source. */
Pipe *participant_new_camera (const char *name, const char *media,
    const char *uri);
Participant *participant_new_watcher (const char *name, const char *producer,
    const char *uri);

/* Somebody who is in a room of its own and runs the server for all others. */
Pipe *participant_start_server (const char *uri);

/* TRUE if that event was seen; with the lock. */
gboolean participant_saw (Participant *self, const char *event);
/* Until every pad that there is now gave @n buffers more. */
void participant_wait_for_pads (Participant *self, guint n);
/* How many peers the statistics of the element of that name tell of. */
guint participant_count_peers (Pipe *pipe, const char *name);

/* Fails unless the condition holds in time. */
#define WAIT_FOR(self, condition)                                              \
  G_STMT_START                                                                 \
  {                                                                            \
    gint64 until = g_get_monotonic_time () + 20 * G_USEC_PER_SEC;              \
    g_mutex_lock (&(self)->lock);                                              \
    while (!(condition))                                                       \
      fail_unless (g_cond_wait_until (&(self)->changed, &(self)->lock, until), \
          "%s: %s did not come true", GST_OBJECT_NAME ((self)->src),           \
          #condition);                                                         \
    g_mutex_unlock (&(self)->lock);                                            \
  }                                                                            \
  G_STMT_END

G_END_DECLS

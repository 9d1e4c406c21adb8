/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two paths in one context that hear of each other without a server, on the
 * machine's own addresses or, where the machine lets us, in a network namespace
 * of our own whose loopback is the only interface.  One thread. */
#pragma once

#include "path/path.h"

#define PATIENCE (10 * G_USEC_PER_SEC)

typedef struct _Side Side;

/* One end, with everything its callbacks saw. */
struct _Side {
  QpPath *path;
  Side *peer;
  gboolean trickle;      /* hand candidates to the peer as they come */
  GPtrArray *candidates; /* of char* */
  gboolean candidates_done;
  QpPathState state;
  char *cause;
  GArray *sizes;    /* of gsize, of the datagrams received */
  guint64 checksum; /* sum of the first bytes */
  guint batches;
  guint in_batch, largest_batch;
  guint writable;
  gboolean free_in_received, free_in_state;
  gboolean closed;
};

typedef struct {
  Side a, b; /* a is controlling */
} Pair;

extern GMainContext *context;
extern gboolean own_namespace; /* we are in one */

/* Enters the namespace, runs what `add_tests` adds, and returns main's result.
 * To be called first. */
int path_tests_run (int argc, char **argv, void (*add_tests) (void));

/* Runs the context until `done` or for `patience` µs; returns what `done`
 * says. */
gboolean run_until (gboolean (*done) (gpointer), gpointer user,
    gint64 patience);
void run_for (guint ms);
/* TRUE if the command, split at blanks, was there and succeeded. */
gboolean run_quietly (const char *command);

/* `peer` may be NULL if `trickle` is cleared before candidates come. */
void side_init (Side *side, const QpPathConfig *config, Side *peer);
/* Frees the path, if it is there, and waits for its close. */
void side_clear (Side *side);
void side_free_path (Side *side);
gboolean side_is_closed (gpointer side);
/* Waits for `count` datagrams in all; more are a failure. */
void side_expect (Side *side, guint count);

/* Two sides that hand each other their candidates; neither gathers yet. */
void pair_init (Pair *pair);
/* The same, and lets them find each other. */
void pair_connect (Pair *pair);
void pair_clear (Pair *pair);
void pair_exchange_credentials (Pair *pair);
gboolean pair_is_connected (gpointer pair);

/* Bytes that are no STUN. */
guint8 *make_data (gsize size);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the tests of hostile members, servers and peers share: two victims, a
 * camera and a viewer whose call carries packets all the time, and a member of
 * their room that may say anything.
 *
 * The sessions have their own threads; everything else, the signaling server
 * included, runs in the default main context of the test's thread, so waiting
 * means running that (RUN_UNTIL). */
#pragma once

#include "signaling/client.h"
#include "signaling/server.h"
#include "tests/unit/session-side.h"

G_BEGIN_DECLS

/* Runs the main context until the condition holds, which is looked at with the
 * side's lock held. */
#define RUN_UNTIL(side, condition)                           \
  G_STMT_START                                               \
  {                                                          \
    gint64 until = g_get_monotonic_time () + SIDE_WAIT_US;   \
    for (;;) {                                               \
      gboolean holds;                                        \
      g_mutex_lock (&(side)->lock);                          \
      holds = (condition);                                   \
      g_mutex_unlock (&(side)->lock);                        \
      if (holds)                                             \
        break;                                               \
      if (g_get_monotonic_time () > until)                   \
        g_error ("%s: timed out: %s", G_STRLOC, #condition); \
      run_once ();                                           \
    }                                                        \
  }                                                          \
  G_STMT_END

/* Instead of gst_init(), g_test_init() and own_namespace_enter(). */
void hostile_init (int *argc, char ***argv);

/* What is ready in the main context, or a millisecond's sleep. */
void run_once (void);
void run_for (guint ms);

/* A permissive signaling server on a free port: nothing holds the members
 * back. */
QpSignalingServer *hostile_server_new (void);

/* --- Victims -------------------------------------------------------------- */

typedef struct {
  Side camera, viewer;
  QpTrack *track;

  GThread *feeder;
  gint feeding;   /* atomic */
  guint sent;     /* packets; the feeder's until it has ended */
  GArray *delays; /* of gint64 µs, guarded by viewer.lock */
  char path[64];  /* remote address of the viewer's call at the mark */

  /* At the mark, and the highest seen since (victims_watch). */
  gint64 marked_us, camera_cpu, viewer_cpu;
  gsize heap, peak_heap;
  guint fds, peak_fds;
  guint warnings, messages; /* of both */
} Victims;

/* What is allocated, in bytes. */
gsize hostile_heap_size (void);
/* Descriptors that are open. */
guint hostile_count_fds (void);
/* What the side's transport thread has used, in µs. */
gint64 hostile_cpu_time (Side *side);
/* It had time to spare since @began_us, when it had used @cpu_us. */
void hostile_check_cpu (Side *side, gint64 began_us, gint64 cpu_us);

/* What the attack may cost at most; 0: what two lines of a log cost. */
typedef struct {
  gsize heap; /* bytes above the mark, at any time */
  guint fds;  /* above the mark, at any time */
  guint warnings;
  guint messages; /* on the bus */
} Cost;

/* Connects them; a frame of three packets goes out every 10 ms from then on. */
void victims_start (Victims *victims, const QpConfig *camera,
    const QpConfig *viewer, QpMapping mapping);
/* The same at the port of a server that is there already. */
void victims_start_at (Victims *victims, guint port);
/* The attack begins. */
void victims_mark (Victims *victims);
/* To be called now and then during it. */
void victims_watch (Victims *victims);
/* Nothing of the call changed: it is the same one, on the same path, and every
 * packet arrived soon; the attack cost no more than `cost`, and its sockets
 * are given back. Ends the call. */
void victims_survived (Victims *victims, const Cost *cost);

/* CONNECTED's address of the other end, for `path`. */
void victims_get_path (Side *side, char *out, gsize size);

/* --- Members -------------------------------------------------------------- */

typedef struct _Member Member;
struct _Member {
  QpSignalingClient *client;
  char *camera, *viewer; /* the other members' ids, nullable */
  GPtrArray *messages;   /* of QpMessage: from other members, in order */
  guint errors;          /* the server's */
  void (*received) (Member *member, const QpMessage *message);
};

void member_join (Member *member, guint port, const char *name,
    gboolean produces);
void member_leave (Member *member);
/* Takes the message. */
void member_send (Member *member, const char *to, QpMessage *message);
/* Waits until `n` messages of that type came. */
const QpMessage *member_wait (Member *member, QpMessageType type, guint n);
guint member_count (Member *member, QpMessageType type);
const QpMessage *member_last (Member *member, QpMessageType type);

/* 32 random hex digits. */
char *new_id (void);
/* Of a certificate that nobody has. */
char *some_fingerprint (void);
/* Sound, with a fresh call id if `call` is NULL. */
QpMessage *new_offer (const char *call);
QpMessage *new_candidate (const char *call, const char *candidate);
QpMessage *new_bye (const char *call);
QpMessage *new_media (const char *call, const char *sdp);
/* A description of `n` flows named <prefix>0…, with IDs from `first_id`. */
char *make_sdp (const char *prefix, guint n, guint64 first_id);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the tests of whole sessions share: one session whose callbacks are
 * recorded, packets to feed it, and waiting with an end. */
#pragma once

#include <gst/gst.h>
#include <time.h>

#include "session/session.h"

G_BEGIN_DECLS

#define SIDE_WAIT_US (20 * G_USEC_PER_SEC)

/* What one side saw; its callbacks run on that session's transport thread. */
typedef struct _Side Side;
struct _Side {
  QpMember *member;
  /* Nullable: each RTP packet, on the transport thread, with the lock held. */
  void (*packet) (Side *side, const guint8 *data, gsize size);
  gpointer user;

  GMutex lock; /* guards the fields below */
  GCond changed;
  QpRemoteTrack *remote;
  QpRtcpReturn *rtcp_return;
  guint added, removed, caps_changes;
  QpTrackEnd last_end;
  guint packets, rtcp, keyframes, warnings, messages;
  char *last_warning;
  GByteArray *payload; /* of all RTP packets, in order of arrival */
  GArray *seqs;        /* of guint16 */
  char *failure;
  int failure_code;
  gboolean producer_timeout, connected;
  clockid_t cpu; /* of the transport thread, once `messages` > 0 */
};

void side_init (Side *side);
/* After its session was left. */
void side_clear (Side *side);
/* A private session. */
void side_join (Side *side, const QpConfig *config, gboolean producer);
extern const QpSessionCallbacks side_callbacks;

#define SIDE_CHANGE(side, statement)     \
  G_STMT_START                           \
  {                                      \
    g_mutex_lock (&(side)->lock);        \
    statement;                           \
    g_cond_broadcast (&(side)->changed); \
    g_mutex_unlock (&(side)->lock);      \
  }                                      \
  G_STMT_END

#define SIDE_WAIT_FOR(side, condition)                                 \
  G_STMT_START                                                         \
  {                                                                    \
    gint64 until = g_get_monotonic_time () + SIDE_WAIT_US;             \
    g_mutex_lock (&(side)->lock);                                      \
    while (!(condition)) {                                             \
      if (!g_cond_wait_until (&(side)->changed, &(side)->lock, until)) \
        g_error ("timed out waiting for: %s", #condition);             \
    }                                                                  \
    g_mutex_unlock (&(side)->lock);                                    \
  }                                                                    \
  G_STMT_END

/* A port that no other test of this process uses. */
guint side_next_port (void);
/* Of a room at 127.0.0.1. */
QpConfig *side_make_config (guint port, gboolean server);

GstCaps *side_video_caps (const char *encoding);
GstBuffer *side_make_packet (guint16 seq, guint32 timestamp, gboolean marker,
    gsize size);
GstBuffer *side_make_rtcp (void);
/* One frame of `n` packets, numbered from frame * n. */
void side_push_frame (QpTrack *track, guint frame, guint n, gsize size);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* When a connected call moves from one of its paths to another.  Only the QUIC
 * client can move (RFC 9000, section 9); the server, when its own network goes
 * away, sends what it has on another path, and the client takes that as the
 * sign to move there.
 *
 *   visible loss   the network under the path in use is gone: move at once
 *   silence        in doubt (liveness.h): move at once if nothing comes in
 *                  either, else try another path before moving
 *   preference     a better path came up: validate it, then move
 *   succession     likewise, path 0's place is taken by a path that differs in
 *                  nothing but its ICE credentials
 *   the peer's     packets come in on another path: validate it, then move
 *   deafness       until something is heard, what is sent goes out on the other
 *                  paths as well, each in turn, and not only when QUIC has
 *                  something to send: the first answer decides; the server does
 *                  so too while it hears, but has no answer
 *   no other path  fresh paths are asked for; the first that comes up is taken
 *
 * Transport thread only. Paths and connection are borrowed. */
#pragma once

#include "quic/connection.h"
#include "session/paths.h"

G_BEGIN_DECLS

typedef struct _QpMover QpMover;

typedef struct {
  /* The connection moved and the first packet came in on the new path;
   * `gap_us` since the last one on the old. */
  void (*moved) (guint from, guint to, const char *cause, gint64 gap_us,
      gpointer user);
  /* The path in use stopped working. */
  void (*lost) (guint number, const char *cause, gpointer user);
  /* TRUE: no path works; FALSE: one works again. */
  void (*cut) (gboolean cut, gpointer user);
  /* Send anything that the peer will get to see, if QUIC can. */
  void (*ping) (gpointer user);
} QpMoverCallbacks;

QpMover *qp_mover_new (GMainContext *context, QpPaths *paths, QpQuic *quic,
    gboolean client, const char *name, const QpMoverCallbacks *callbacks,
    gpointer user);
void qp_mover_free (QpMover *mover);

/* A datagram arrived on a path: the number under which QUIC shall take it. */
guint qp_mover_receive (QpMover *mover, guint path);
/* A batch is over, QUIC is not inside: acts on what it brought. */
void qp_mover_received_all (QpMover *mover);
/* QUIC sends on `path`; the arguments and the result are qp_path_send()'s. */
QpPathSendResult qp_mover_send (QpMover *mover, guint path, const guint8 *data,
    gsize size, gsize segment, gsize *sent);

/* From QpPathsCallbacks. */
void qp_mover_path_answers (QpMover *mover, guint path);
void qp_mover_path_usable (QpMover *mover, guint path);
void qp_mover_path_lost (QpMover *mover, guint path, const char *cause);
/* From QpQuicCallbacks. */
void qp_mover_path_result (QpMover *mover, guint path, gboolean validated);
void qp_mover_path_changed (QpMover *mover, guint path);

gboolean qp_mover_is_cut (QpMover *mover);
/* How often the call moved, path 0's succession not counted; `gap_us` is what
 * the last one cost, -1 before any. */
guint qp_mover_get_moves (QpMover *mover, gint64 *gap_us);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The paths of one call: path 0, which the call began on, and those that either
 * side adds while it lives, one for each further network interface, so that
 * there is somewhere to go when a network goes away.  It makes and drops paths,
 * offers them to the peer, and says which are usable; whether and when the
 * connection moves is the call's business.
 *
 * Numbers: the QUIC server, which is ICE's controlling side and made the call's
 * offer, offers even ones, the client odd ones; none is used twice in a call.
 * Offers and answers carry a MAC under a key that only the two ends of the QUIC
 * connection have, because they may travel over signaling, which need not be
 * trusted with a call that is up.
 *
 * Transport thread only. Callbacks come from the context. */
#pragma once

#include "path/path.h"
#include "session/path-choice.h"
#include "signaling/message.h"

G_BEGIN_DECLS

typedef struct _QpPaths QpPaths;

/* Paths of a call at once, those being tried included. */
#define QP_PATHS_MAX 8
#define QP_PATHS_KEY_SIZE 32

typedef struct {
  /* path-offer, path-answer or candidate, without `to`. */
  void (*signal) (QpMessage *message, gpointer user);
  void (*received) (guint number, const guint8 *data, gsize size,
      gpointer user);
  void (*received_all) (gpointer user);
  /* `cause` as in QpPathCallbacks. A path other than 0 that failed is gone
   * after this. */
  void (*state_changed) (guint number, QpPathState state, const char *cause,
      gpointer user);
  /* Another pair carries a usable path: proof that it works. */
  void (*pair_changed) (guint number, gpointer user);
  void (*writable) (gpointer user);
  /* The network under a usable path went away. */
  void (*lost) (guint number, const char *why, gpointer user);
} QpPathsCallbacks;

/* `config` and its strings are copied; its interface is ignored. */
QpPaths *qp_paths_new (GMainContext *context, const QpPathConfig *config,
    const char *call, const char *name, const char *interfaces,
    const QpPathsCallbacks *callbacks, gpointer user);
/* `closed` once every path is. */
void qp_paths_free (QpPaths *paths, void (*closed) (gpointer), gpointer user);

/* Path 0, which exists from the start; its messages are the call's offer,
 * answer and candidates. */
QpPath *qp_paths_get_first (QpPaths *paths);

/* The call is connected: from now on further paths are offered and accepted. */
void qp_paths_start (QpPaths *paths, const guint8 *key);

/* path-offer, path-answer, and candidates of any path. */
void qp_paths_handle (QpPaths *paths, const QpMessage *message);

/* Interfaces, addresses or routes have changed (or may have). */
void qp_paths_network_changed (QpPaths *paths);
/* No path works: offers fresh ones, on interfaces that have one already as
 * well (a NAT may have forgotten it), each at most every two seconds. */
void qp_paths_renew (QpPaths *paths);
/* Signaling is back: repeats the offers that were not answered. */
void qp_paths_repeat (QpPaths *paths);
/* Repeats the candidates of path 0, after its offer. */
void qp_paths_repeat_first (QpPaths *paths);
/* Tells which path is in use: it is never dropped to make room. */
void qp_paths_set_active (QpPaths *paths, guint number);
/* The path was tried and did not answer; worth another try later. */
void qp_paths_doubt (QpPaths *paths, guint number);
/* QUIC has validated it: doubts are over. */
void qp_paths_trust (QpPaths *paths, guint number);
gboolean qp_paths_is_doubted (QpPaths *paths, guint number);

/* See qp_path_check(). */
gboolean qp_paths_check (QpPaths *paths, guint number);

QpPathSendResult qp_paths_send (QpPaths *paths, guint number,
    const guint8 *data, gsize size, gsize segment, gsize *sent);

/* The best usable path other than `except` (-1: any); -1: none. */
int qp_paths_get_best (QpPaths *paths, int except);
/* Of the usable paths other than `except` the one that follows `after`, in a ring
 * in no order of merit; -1: none. */
int qp_paths_get_next (QpPaths *paths, int after, int except);
/* A usable path that is preferred to the one in use, -1: none. */
int qp_paths_get_preferred (QpPaths *paths);
gboolean qp_paths_is_usable (QpPaths *paths, guint number);
/* They join the same two interfaces: what a network does to one, it does to the
 * other. FALSE if one of them is gone. */
gboolean qp_paths_are_twins (QpPaths *paths, guint number, guint other);
/* Through a TURN server, on either side. */
gboolean qp_paths_is_relayed (QpPaths *paths, guint number);

/* FALSE if there is no such path. */
gboolean qp_paths_get_info (QpPaths *paths, guint number, QpPathInfo *info);
/* What path 0 tried, for the first connection's errors. (transfer full) */
char *qp_paths_describe (QpPaths *paths);
/* QUIC's round trip on a path that it uses, µs. */
void qp_paths_set_rtt (QpPaths *paths, guint number, gint64 rtt_us);

/* Calls `func` for each path; `interface` is NULL where it is not known, and
 * `rtt_us` is -1 for a path that QUIC has not used; of one that it has left, it
 * is the last one. */
void qp_paths_foreach (QpPaths *paths,
    void (*func) (guint number, const char *interface, gboolean usable,
        gint64 rtt_us, const QpPathInfo *info, gpointer user),
    gpointer user);

G_END_DECLS

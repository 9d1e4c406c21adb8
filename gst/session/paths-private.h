/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the set of a call's paths is made of, for its own files only.
 *
 *   paths.c         the set itself: its entries, their life, what they carry
 *   path-supply.c   which paths there should be: made and dropped as networks
 *                   come and go
 *   path-offers.c   how the two ends agree on one: offers and answers with MAC
 *   path-ranking.c  which of them is best
 *
 * Transport thread only. */
#pragma once

#include "path/interfaces.h"
#include "session/interface-memory.h"
#include "session/paths.h"

G_BEGIN_DECLS

/* Why a path exists. */
typedef enum {
  QP_PATH_ROLE_FIRST,     /* path 0: its ICE password went through signaling */
  QP_PATH_ROLE_INTERFACE, /* ours, bound to one of our network interfaces */
  QP_PATH_ROLE_RELAY, /* ours, through a TURN server only: the last resort */
  QP_PATH_ROLE_PEER,  /* offered by the peer, for reasons of its own */
} QpPathRole;

typedef struct {
  QpPaths *paths;
  guint number;
  QpPathRole role;
  QpPath *path;
  gboolean answered;
  gboolean peer_gave_up; /* nobody waits for our word that it is gone */
  char *interface;       /* ours: restricted to it; NULL: any */
  GPtrArray *candidates; /* ours, told so far, for repeats; of char* */
  gint64 born_us, usable_us;
  gint64 rtt_us; /* QUIC's, -1: unknown */
  gint64 doubted_until_us;
  guint doubts;      /* since it proved itself */
  gboolean routed;   /* there was a route for it */
  gboolean unrouted; /* ... and is none now */
  gboolean lost;     /* its network went away */
  gboolean refused;  /* what was sent on it last was refused by the system */
  gboolean untold;   /* ... which is to be told from the idle */
  gboolean dead;     /* to be freed from the idle */
} QpPathEntry;

struct _QpPaths {
  GMainContext *context;
  QpPathConfig config; /* interface NULL */
  char *stun_host;
  GPtrArray *turn;
  char *call, *name, *interfaces;
  QpPathsCallbacks callbacks;
  gpointer user;

  /* Of QpPathEntry*, owned; the first is path 0 while it lives. */
  GPtrArray *entries;
  QpPath *first;     /* path 0's, NULL once it is gone */
  guint next_number; /* of ours */
  guint peer_number; /* the highest that the peer has offered */
  guint active;
  gboolean started;
  guint8 key[QP_PATHS_KEY_SIZE];

  gint64 started_us;
  gint64 left_first_us; /* when the connection left path 0; 0: it is there */
  GPtrArray *present;   /* of QpInterface*: what there was at the last update */
  QpInterfaceMemory *memory;
  double tokens; /* for the peer's offers */
  gint64 tokens_us;
  GSource *upkeep; /* every second once started */
  GSource *idle;   /* frees dead entries, tells refusals */

  guint open; /* paths being closed */
  gboolean freed;
  void (*closed) (gpointer);
  gpointer closed_user;
};

/* paths.c */
QpPathEntry *qp_paths_find (QpPaths *paths, guint number);
gboolean qp_path_entry_is_usable (const QpPathEntry *entry);
QpPathEntry *qp_paths_add (QpPaths *paths, guint number, QpPathRole role,
    const char *interface);
gboolean qp_path_entry_is_ours (const QpPathEntry *entry);
/* Ends a path, from within any callback. */
void qp_path_entry_drop (QpPathEntry *entry, const char *why);
/* The network under it is gone, on whichever side. The path in use stays until
 * there is another; it may return. */
void qp_path_entry_lose (QpPathEntry *entry, const char *why);

/* path-offers.c */
/* Offers of the peer that are followed at once; then one in half a second. */
#define QP_PATHS_OFFER_BURST 16
char *qp_paths_make_password (QpPaths *paths, guint number,
    gboolean controlling);
void qp_path_entry_offer (QpPathEntry *entry);
void qp_path_entry_send_gone (QpPathEntry *entry);
void qp_path_entry_send_candidate (QpPathEntry *entry, const char *candidate);

/* path-supply.c */
/* The interface that the path's packets leave through, NULL if it is gone;
 * FALSE if that cannot be told (a relayed pair of an unrestricted path). */
gboolean qp_path_entry_locate (const QpPathEntry *entry, GPtrArray *interfaces,
    QpInterface **found);
/* The oldest that is neither in use nor usable gives its place; for one of ours,
 * the oldest of the peer's does if need be. FALSE: all are needed. */
gboolean qp_paths_make_room (QpPaths *paths, gboolean for_ours);
/* A path came up. */
void qp_paths_note_usable (QpPathEntry *entry);
void qp_paths_start_supply (QpPaths *paths);
void qp_paths_stop_supply (QpPaths *paths);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of this room share: the session itself, and what a peer may
 * ask of it.  Everything on the transport thread but where a field says
 * otherwise. */
#pragma once

#include "path/netlink.h"
#include "session/ice-servers.h"
#include "session/peer.h"
#include "session/rate-limit.h"
#include "session/session.h"
#include "session/track.h"
#include "signaling/client.h"
#include "signaling/server.h"
#include "signaling/uri.h"

G_BEGIN_DECLS

/* "quicp2p-session"; registered when the first session is made. */
extern GstDebugCategory *qp_session_debug;

/* Peers that are kept at once; a room larger than that is not ours to serve. */
#define QP_SESSION_MAX_PEERS 256

/* What strangers may make us do. A call that is not up costs a NiceAgent with
 * its sockets, and an answer to an offer a handful of messages of the 200 a
 * second that the server allows us. */
#define QP_SESSION_MAX_HALF_OPEN 64
#define QP_SESSION_OFFERS_BURST 64
#define QP_SESSION_OFFERS_US ((gint64) G_USEC_PER_SEC / 16)
#define QP_SESSION_REFUSALS_BURST 32
#define QP_SESSION_REFUSALS_US ((gint64) G_USEC_PER_SEC / 16)
/* Warnings to the application. */
#define QP_SESSION_WARNINGS_BURST 8
#define QP_SESSION_WARNINGS_US ((gint64) 2 * G_USEC_PER_SEC)

typedef enum {
  QP_SESSION_IDLE,
  QP_SESSION_SIGNALING,    /* not in the room, no peer connected */
  QP_SESSION_WAITING,      /* in the room, nobody to talk with */
  QP_SESSION_CONNECTING,   /* a call is under way, none connected */
  QP_SESSION_CONNECTED,    /* at least one call is connected */
  QP_SESSION_DISCONNECTED, /* was CONNECTED, nobody is now; trying again */
  QP_SESSION_FAILED,       /* gave up; `failed` was called */
} QpSessionState;

struct _QpMember {
  QpSession *session;
  gboolean producer, consumer;
  QpSessionCallbacks callbacks;
  gpointer user;
};

struct _QpSession {
  char *name;         /* NULL: private; guarded by the registry's lock */
  GPtrArray *members; /* of QpMember*, at most a producer and a consumer */
  QpConfig *config;
  QpSignalingUri *uri;
  QpIdentity *identity;
  QpIceServers *servers; /* from the settings and from signaling */

  GThread *thread;
  GMainContext *context;
  GMainLoop *loop;

  QpSessionState state;
  char *reason;              /* why the state is what it is, for people */
  char *token;               /* signaling; secret */
  QpSignalingServer *server; /* run-signaling-server */
  QpSignalingClient *client;
  gboolean was_connected; /* ever; qp_session_connected() alone sets it */
  gboolean played;    /* `selected` was connected since the consumer joined */
  GError *last_error; /* of a call, for the connect timeout */

  GPtrArray *peers;   /* of QpPeer* (owned), in order of arrival */
  QpPeer *selected;   /* consumer: the one that is played; NULL: none yet */
  GPtrArray *tracks;  /* of QpTrack* (owned) */
  guint64 next_media; /* the next media number */
  guint64 keyframe_requests;

  QpRateLimit offers;   /* of others that are followed */
  QpRateLimit refusals; /* of offers that are answered by a bye */
  QpRateLimit warnings;
  guint warnings_held_back; /* since the last one */

  GQueue retired;     /* of calls to be freed from an idle */
  GSource *retire;    /* that idle */
  GSource *review;    /* an idle: qp_session_review() was called */
  guint open_paths;   /* retired calls whose relays are not given back yet */
  GSource *keyframes; /* a request for a keyframe is due */
  GSource *wake;      /* the tracks' queues are not empty */
  GSource *tick;      /* every 100 ms */
  GSource *drain;     /* every 10 ms while a track ends */
  GSource *connect_timeout, *producer_timeout, *disconnect_timeout;
  QpNetworkWatch *network; /* NULL where there is no rtnetlink */
  GSource *network_idle;   /* the network changed */
  gboolean network_lost;   /* …an address or a link went away */
  gboolean leaving;

  GMutex lock;         /* guards `stats` */
  GstStructure *stats; /* the newest snapshot */
};

/* --- session.c ------------------------------------------------------------- */

void qp_session_set_state (QpSession *session, QpSessionState state,
    const char *reason);
/* Gives up: tells the members. Peers stay as they are until these leave. */
void qp_session_fail (QpSession *session, const GError *error);
/* (transfer full): attached to the session's context. */
GSource *qp_session_add_timeout (QpSession *session, guint ms,
    GSourceFunc func);
/* Destroys and forgets a source; NULL is fine. */
void qp_clear_source (GSource **source);
/* Any other thread: runs `func` on the transport thread, which never waits for
 * anybody, so that this is short. */
void qp_session_call_and_wait (QpSession *session,
    void (*func) (QpSession *session, gpointer data), gpointer data);

/* --- review.c -------------------------------------------------------------- */

void qp_session_start_connect_timeout (QpSession *session);
/* To be called now and then: looks for a successor of a silent producer. */
void qp_session_watch_silence (QpSession *session, gint64 now);

/* --- session-signaling.c --------------------------------------------------- */

gboolean qp_session_start_server (QpSession *session, GError **error);
gboolean qp_session_start_client (QpSession *session, GError **error);

/* --- session-network.c ------------------------------------------------------ */

/* Listens to the kernel's news about the network. */
void qp_session_start_network (QpSession *session);
void qp_session_stop_network (QpSession *session);

/* --- session-tracks.c ------------------------------------------------------ */

void qp_session_init_tracks (QpSession *session);
/* Frees the track, a QpTrack. */
void qp_session_forget_track (QpSession *session, gpointer track);

/* --- session-rate.c --------------------------------------------------------- */

/* What a path carries has changed, or who is there. */
void qp_session_rates_changed (QpSession *session);

/* --- For peers -------------------------------------------------------------- */

QpMember *qp_session_get_producer (QpSession *session);
QpMember *qp_session_get_consumer (QpSession *session);
/* Sends to the peer over the WebSocket. */
gboolean qp_session_signal (QpSession *session, const char *peer_id,
    QpMessage *message);
/* Frees the call soon, when no callback of its is running. */
void qp_session_retire_call (QpSession *session, QpCall *call, guint64 code,
    const char *reason);
/* The calls that are over, but not freed yet, are not to touch a track that goes. */
void qp_session_spare_retired (QpSession *session, QpTrack *track);
/* A call is connected, at once: it may be over again before the next review. */
void qp_session_connected (QpSession *session, QpPeer *peer);
/* A call changed: looks at whom to call, and at the session's own state. */
void qp_session_review (QpSession *session);
/* A call failed: warns, or gives up where trying again cannot help. */
void qp_session_call_failed (QpSession *session, QpPeer *peer,
    const GError *error);
void qp_session_post (QpSession *session, GstStructure *message);
/* A peer needs a keyframe: it has just come, or it lost a frame. */
void qp_session_keyframe (QpSession *session, QpTrack *track,
    gboolean newcomer);
/* NULL if one more call that somebody else asked for may be made, and counts
 * it; else why not. */
const char *qp_session_admit_call (QpSession *session);
/* The settings of a new call with `peer`; `path` borrows from the session. */
void qp_session_fill_call_config (QpSession *session, QpCallConfig *config);
const char *qp_session_get_own_id (QpSession *session);

/* --- stats.c -------------------------------------------------------------- */

const char *qp_session_state_to_string (QpSessionState state);
/* Makes a snapshot. (transfer full) */
GstStructure *qp_session_make_stats (QpSession *session);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of a peer share.  They call downwards only: peer-signaling.c
 * uses peer-call.c, that uses peer-send.c and peer-receive.c, and all use the
 * flows of peer.c.  Transport thread only. */
#pragma once

#include "session/peer.h"
#include "session/rate-limit.h"
#include "session/remote-track.h"

G_BEGIN_DECLS

/* To whom the application does not want. */
#define QP_PEER_NOT_ACCEPTED "this member is not accepted here"

#define QP_PEER_BITRATE_SAMPLES \
  11 /* 100 ms apart: one second from end to end */

/* Where packets of one flow belong: exactly one of the tracks is set. */
typedef struct {
  QpPeer *peer;
  QpTrack *local;        /* RTCP about what we send */
  guint32 ssrc;          /* of `local`, as the call's receiver knows it */
  QpRemoteTrack *remote; /* RTP and RTCP of what we are sent */
} QpPeerFlow;

typedef struct {
  gint64 time;
  guint64 sent, received;
} QpPeerSample;

typedef enum {
  QP_PEER_AWAY, /* the application knows nothing of it */
  QP_PEER_HERE, /* a call was connected and did not end since */
  QP_PEER_LOST, /* …ended against its will: it may come back */
} QpPeerPresence;

struct _QpPeer {
  QpSession *session;
  char *id, *name;
  gboolean produces, consumes, present;
  gboolean wanted;
  gboolean refused; /* by the application; we do not call it */

  QpPeerPresence presence;
  char *lost_reason;       /* LOST: why */
  GSource *return_timeout; /* LOST: until it is AWAY; NULL: never */

  QpCall *call;      /* the newest that works, else the newest */
  QpCall *next;      /* to replace `call`, which is connected */
  gint64 offered_us; /* when we called it last */
  guint failures;
  GSource *retry;

  GPtrArray *flows;     /* of QpPeerFlow* */
  char *early_sdp;      /* `media` that came before the call was connected */
  char *sdp;            /* the newest of the call's descriptions */
  gboolean sdp_applied; /* its tracks are there */
  gboolean media_waits; /* ours, for the control stream to open */
  char *held_sdp;       /* the newest of those that came too fast; NULL: none */
  GSource *hold;        /* when `held_sdp` is due */

  QpRateLimit offers, refusals, media;

  QpPeerSample samples[QP_PEER_BITRATE_SAMPLES];
  guint n_samples;
};

/* --- peer.c ---------------------------------------------------------------- */

/* The flow ID that our track has in the current call. */
guint64 qp_peer_get_flow_id (QpPeer *peer, QpTrack *track);
/* (transfer none): without a track yet. */
QpPeerFlow *qp_peer_add_flow (QpPeer *peer);
/* Nothing arrives for the flow any more; frees it. */
void qp_peer_forget_flow (QpPeer *peer, QpPeerFlow *flow);

/* --- peer-presence.c ------------------------------------------------------- */

/* `reason` is a sentence for people, NULL for HERE. */
void qp_peer_set_presence (QpPeer *peer, QpPeerPresence presence,
    const char *reason);
void qp_peer_set_name (QpPeer *peer, const char *name);
/* Asks the application; `fingerprint` is NULL if it is not known yet. */
gboolean qp_peer_is_accepted (QpPeer *peer, const char *fingerprint);

/* --- peer-send.c ----------------------------------------------------------- */

/* Our tracks as SDP. (transfer full); NULL if there is nothing to say it with. */
char *qp_peer_describe_media (QpPeer *peer);
void qp_peer_send_media (QpPeer *peer);
/* The call is connected and the peer has the description: sends the track. */
void qp_peer_start_track (QpPeer *peer, QpTrack *track);

/* --- peer-receive.c -------------------------------------------------------- */

/* A description of the peer's, read now, or later if they come too fast. */
void qp_peer_take_media (QpPeer *peer, const char *sdp);
/* …read now. */
void qp_peer_apply_media (QpPeer *peer, const char *sdp);
/* Of what came too fast nothing counts any more. */
void qp_peer_forget_held (QpPeer *peer);
void qp_peer_remove_remote (QpPeer *peer, QpTrackEnd end);
/* Of QpCallCallbacks. */
void qp_peer_receive_rtp (gpointer flow, GstBufferList *list, gpointer user);
void qp_peer_receive_rtcp (gpointer flow, GstBuffer *buffer, gpointer user);

/* --- peer-call.c ----------------------------------------------------------- */

QpCall *qp_peer_make_call (QpPeer *peer, gboolean offerer, const char *id);
/* The call is over; retires it. `error` is NULL if it ended on purpose. */
void qp_peer_call_ended (QpPeer *peer, QpCall *call, const GError *error);
/* The application does not want the peer: ends its calls. */
void qp_peer_turn_away (QpPeer *peer);
void qp_peer_send_bye (QpPeer *peer, const char *call, const char *code,
    const char *text);

G_END_DECLS

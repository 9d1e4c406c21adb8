/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A call: one attempt to reach a peer, and the connection that comes of it.  It
 * joins the rooms below: ICE on a path, QUIC on that path, a sender, a receiver
 * and the control stream over QUIC.  What the call carries, and whether to try
 * again, is the peer's business (peer.h).
 *
 * Transport thread only.  No callback is called from within a function here,
 * and a call must not be freed in a callback: it is given to
 * qp_call_free() from an idle of its owner's. */
#pragma once

#include "quic/connection.h"
#include "session/mover.h"
#include "session/paths.h"
#include "session/receiver.h"
#include "session/sender.h"
#include "signaling/message.h"

G_BEGIN_DECLS

typedef struct _QpCall QpCall;

typedef enum {
  QP_CALL_NEW,
  QP_CALL_OFFERING,    /* offerer: the offer is out, no answer yet */
  QP_CALL_CHECKING,    /* both descriptions are known, ICE looks for a pair */
  QP_CALL_HANDSHAKING, /* a pair works, QUIC shakes hands on it */
  QP_CALL_CONNECTED,   /* both identities are proven; media may flow */
  QP_CALL_FAILED,      /* final; the error was given to `failed` */
  QP_CALL_CLOSED,      /* final; ended on purpose by either side */
} QpCallState;

const char *qp_call_state_to_string (QpCallState state);

typedef struct {
  GMainContext *context;
  gboolean offerer; /* = ICE controlling = QUIC server */
  const char *id;   /* 16 to 32 hex digits; the offerer's choice */
  const char *name; /* for log lines */
  QpIdentity *identity;
  const char *pinned_fingerprint, *ca_file, *peer_name; /* see QpTrust */
  QpPathConfig path;
  const char *interfaces; /* see qp_interface_rank(); nullable */
  QpCongestionControl congestion_control;
  const char *qlog_dir;
  guint timeout_ms; /* from start to CONNECTED */
} QpCallConfig;

typedef struct {
  /* To be sent over the WebSocket; `to` is the owner's to fill in. */
  void (*signal) (QpCall *call, QpMessage *message, gpointer user);
  void (*state_changed) (QpCall *call, QpCallState old_state, QpCallState state,
      gpointer user);
  /* With state FAILED or CLOSED; error is NULL for CLOSED. Domains: QP_QUIC_ERROR and
   * QP_SESSION_ERROR. */
  void (*ended) (QpCall *call, const GError *error, gpointer user);
  /* A message of the peer's on the control stream. */
  void (*message) (QpCall *call, const QpMessage *message, gpointer user);
  /* ICE selected a pair, or another one, on the path in use. */
  void (*path_selected) (QpCall *call, gpointer user);
  /* See QpMoverCallbacks. */
  void (*path_lost) (QpCall *call, guint path, const char *cause,
      gpointer user);
  void (*moved) (QpCall *call, guint from, guint to, const char *cause,
      gint64 gap_us, gpointer user);
  void (*cut) (QpCall *call, gboolean cut, gpointer user);
  /* What qp_call_get_rate() tells has changed by some percent. */
  void (*rate_changed) (QpCall *call, gpointer user);
  void (*keyframe) (QpTrack *track, gboolean newcomer, gpointer user);
  void (*rtp) (gpointer flow, GstBufferList *list, gpointer user);
  void (*rtcp) (gpointer flow, GstBuffer *buffer, gpointer user);
} QpCallCallbacks;

QpCall *qp_call_new (const QpCallConfig *config,
    const QpCallCallbacks *callbacks, gpointer user);
/* Says goodbye if it is not over yet (CONNECTION_CLOSE with `code` and
 * `reason`), and frees; `closed`, nullable, once the path's relays are given
 * back. */
void qp_call_free (QpCall *call, guint64 code, const char *reason,
    void (*closed) (gpointer), gpointer user);

/* Nothing is called back any more; the call is about to be freed. */
void qp_call_abandon (QpCall *call);

/* Offerer: gathers, and signals the offer. */
void qp_call_start (QpCall *call);
/* Answerer: takes the offer, gathers, signals the answer with `sdp` (nullable). */
void qp_call_accept (QpCall *call, const QpMessage *offer, const char *sdp);
/* answer, candidate: what came by signaling for this call. */
void qp_call_handle (QpCall *call, const QpMessage *message);

/* Sends over the control stream; FALSE if there is none (plain RoQ, or the
 * client has not opened it yet). */
gboolean qp_call_send (QpCall *call, const QpMessage *message);
/* Sends what was queued since; deliveries of a batch end with it by themselves. */
void qp_call_flush (QpCall *call);

const char *qp_call_get_id (QpCall *call);
QpCallState qp_call_get_state (QpCall *call);
gboolean qp_call_is_offerer (QpCall *call);
/* "sha-256 …" that the peer announced; NULL before. */
const char *qp_call_get_peer_fingerprint (QpCall *call);
/* The SDP that came with the answer, NULL if none. */
const char *qp_call_get_answer_sdp (QpCall *call);
/* NULL before CONNECTED. */
QpSender *qp_call_get_sender (QpCall *call);
QpReceiver *qp_call_get_receiver (QpCall *call);
const char *qp_call_get_alpn (QpCall *call);
/* One sentence: what ICE tried. (transfer full) */
char *qp_call_describe (QpCall *call);
/* FALSE: there is no QUIC connection yet, *quic is zeroed. */
gboolean qp_call_get_info (QpCall *call, QpPathInfo *path, QpQuicInfo *quic);
/* Monotonic µs of the last datagram from the peer; 0: none yet. */
gint64 qp_call_get_last_received (QpCall *call);
/* µs from start to CONNECTED; 0 before. */
gint64 qp_call_get_connect_time (QpCall *call);

/* To be called at least every 100 ms. */
void qp_call_watch_rate (QpCall *call);
/* bit/s of UDP payload that the path carries, 0 if that is not known yet; and
 * what to send at most, 0 if no limit was seen. See rate-estimate.h. */
guint64 qp_call_get_rate (QpCall *call, guint64 *target);

/* Interfaces or addresses have changed, or may have. */
void qp_call_network_changed (QpCall *call);
/* We or the peer are in the room again: what may have been lost is repeated. */
void qp_call_signaling_returned (QpCall *call);
/* TRUE while no path works. */
gboolean qp_call_is_cut (QpCall *call);
/* How often it moved; `gap_us` was without a packet the last time, -1 before. */
guint qp_call_get_moves (QpCall *call, gint64 *gap_us);
QpPaths *qp_call_get_paths (QpCall *call); /* transfer none */

G_END_DECLS

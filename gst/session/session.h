/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A session: our membership of one room, with one transport thread that owns
 * the signaling client, every path and every QUIC connection.  This is all that
 * the elements see of what lies below.
 *
 * Functions may be called from any thread unless they say otherwise and never
 * wait for a peer.  Callbacks run on the transport thread: they must not block
 * and must not call qp_session_stop(). */
#pragma once

#include "session/config.h"

G_BEGIN_DECLS

typedef struct _QpSession QpSession;
typedef struct _QpTrack QpTrack;             /* what we send: one sink pad */
typedef struct _QpRemoteTrack QpRemoteTrack; /* what a peer sends us */

#define QP_SESSION_ERROR (qp_session_error_quark ())
GQuark qp_session_error_quark (void);
typedef enum {
  QP_SESSION_ERROR_SETTINGS,  /* bad URI, file, address… */
  QP_SESSION_ERROR_SIGNALING, /* unreachable, refused us, wrong secret */
  QP_SESSION_ERROR_NO_PEER,   /* nobody came within connect-timeout */
  QP_SESSION_ERROR_NO_PATH,   /* ICE found no path */
  QP_SESSION_ERROR_REFUSED,   /* TLS: identity or ALPN, on either side */
  QP_SESSION_ERROR_LOST,      /* the connection was up and is gone */
} QpSessionError;

/* A remote member, valid during the callback that shows it. */
typedef struct {
  const char *id; /* 32 hex digits */
  const char *name;
} QpPeerName;

/* What the path to one consumer of ours carries, bit/s of UDP payload. */
typedef struct {
  QpPeerName peer;
  guint64 estimate; /* 0: not known yet */
  guint64 target; /* what to send at most now: less while a queue drains; 0: no
                     * limit was seen yet */
} QpPeerRate;

typedef enum {
  QP_TRACK_ENDED,     /* the producer sent EOS */
  QP_TRACK_PEER_GONE, /* the peer left or was lost; it may come back */
  QP_TRACK_REPLACED,  /* another codec follows under the same mid */
} QpTrackEnd;

typedef struct {
  /* For the bus: an element message (transfer full). See "Messages". */
  void (*message) (GstStructure *structure, gpointer user);
  /* Costs one peer only. */
  void (*warning) (const GError *error, gpointer user);
  /* The session is over; qp_session_stop() remains to be called. */
  void (*failed) (const GError *error, gpointer user);

  /* The connection with that member is up, its identity proven; comes before
   * its tracks do. The next four are nullable. */
  void (*peer_joined) (const QpPeerName *peer, gpointer user);
  /* It is gone for good: it ended the call, left the room, or was lost and did
   * not come back in time. Comes after its tracks went. */
  void (*peer_left) (const QpPeerName *peer, const char *reason, gpointer user);
  /* A member that has joined has another name now. */
  void (*peer_renamed) (const QpPeerName *peer, gpointer user);
  /* May there be a call with that member? Asked before it is called, when
   * `fingerprint` ("sha-256 …") is still NULL, and before its offer or answer is
   * followed. The call needs the yes of every member of the session; one that
   * joins later is asked then. */
  gboolean (*accept_peer) (const QpPeerName *peer, const char *fingerprint,
      gpointer user);

  /* Producer: RTCP about `track` (transfer full); a keyframe is wanted (already
   * limited to one a second). */
  void (*track_rtcp) (QpTrack *track, GstBuffer *buffer, gpointer user);
  void (*track_keyframe) (QpTrack *track, gpointer user);
  /* Nullable: what all `n` connected consumers' paths carry, whenever one of
   * them changed by some percent, and every 100 ms. */
  void (*rates) (const QpPeerRate *rates, guint n, gpointer user);

  /* Consumer: `track` is valid from `added` until `removed` returned. */
  void (*remote_track_added) (QpRemoteTrack *track, gpointer user);
  /* Same codec, other details (resolution, parameter sets). */
  void (*remote_track_caps) (QpRemoteTrack *track, GstCaps *caps,
      gpointer user);
  void (*remote_track_removed) (QpRemoteTrack *track, QpTrackEnd end,
      gpointer user);
  /* A batch in order of arrival (transfer full); no timestamps are set. */
  void (*remote_rtp) (QpRemoteTrack *track, GstBufferList *list, gpointer user);
  void (*remote_rtcp) (QpRemoteTrack *track, GstBuffer *buffer, gpointer user);
  /* All tracks of the played producer have been gone for producer-timeout. */
  void (*producer_timeout) (gpointer user);
} QpSessionCallbacks;

/* Finds the session of that name in this process or makes one (NULL: a private
 * one), and takes part in it with these callbacks; `producer` and `consumer`
 * tell the part. Fails with QP_SESSION_ERROR_SETTINGS if the name is in use
 * with settings that differ (the message says which), or with both parts
 * taken. `config` is copied. The result is the caller's membership. */
typedef struct _QpMember QpMember;
QpMember *qp_session_join (const char *session_name, const QpConfig *config,
    gboolean producer, gboolean consumer, const QpSessionCallbacks *callbacks,
    gpointer user, GError **error);
/* Says goodbye to the peers (within 300 ms; other members of the same session
 * go on), stops the thread with the last one. After it returned no callback is
 * running or will. The member's tracks go with it: peers see the producer leave
 * (QP_TRACK_PEER_GONE), not its tracks end. */
void qp_session_leave (QpMember *member);

/* Our own fingerprint, "sha-256 …". */
char *qp_session_get_fingerprint (QpMember *member);

/* --- Producer ----------------------------------------------------------- */

typedef struct {
  const char
      *mid; /* [A-Za-z0-9._-]{1,32}, unique in the session: the pad's name */
  QpMapping mapping;
  guint deadline_ms; /* a frame older than this is cancelled; 0: never */
} QpTrackConfig;

/* transfer none: valid until qp_session_remove_track() */
QpTrack *qp_session_add_track (QpMember *member, const QpTrackConfig *config,
    gpointer track_user);
void qp_session_remove_track (QpMember *member, QpTrack *track);
gpointer qp_track_get_user (QpTrack *track);
/* application/x-rtp caps. Called before the first push and on each change. */
void qp_track_set_caps (QpTrack *track, GstCaps *caps);
/* Streaming thread: hands over RTP packets (transfer full). Never blocks: when
 * the queue is full the oldest whole frames are dropped and counted. */
void qp_track_push (QpTrack *track, GstBufferList *list);
void qp_track_push_rtcp (QpTrack *track, GstBuffer *buffer); /* transfer full */
/* A viewer asked for a keyframe (PLI, FIR). Any thread; `track_keyframe` is called
 * when the limit allows it, once for all who asked. */
void qp_track_request_keyframe (QpTrack *track);
/* EOS: waits until every peer has acknowledged all, at most `timeout_ms`, then
 * tells the peers that the track has ended. Broken by qp_track_unlock(). */
void qp_track_end (QpTrack *track, guint timeout_ms);
/* Flushing or going to READY: while set, qp_track_end() returns at once. */
void qp_track_set_flushing (QpTrack *track, gboolean flushing);

/* --- Consumer ----------------------------------------------------------- */

const char *qp_remote_track_get_mid (QpRemoteTrack *track);
const char *qp_remote_track_get_kind (QpRemoteTrack
        *track); /* "audio", "video", "application" */
QpPeerName qp_remote_track_get_peer (QpRemoteTrack *track);
guint64 qp_remote_track_get_flow_id (QpRemoteTrack *track);
GstCaps *qp_remote_track_get_caps (QpRemoteTrack *track); /* transfer none */
/* The element's own data on a track; set it in remote_track_added. */
void qp_remote_track_set_user (QpRemoteTrack *track, gpointer user);
gpointer qp_remote_track_get_user (QpRemoteTrack *track);
/* RTCP to the track's sender, from any thread, e.g. rtpbin's (transfer full). A
 * handle outlives the track: RTCP to one that is gone is dropped. */
typedef struct _QpRtcpReturn QpRtcpReturn;
QpRtcpReturn *qp_remote_track_ref_rtcp_return (QpRemoteTrack *track);
void qp_rtcp_return_push (QpRtcpReturn *rtcp, GstBuffer *buffer);
void qp_rtcp_return_unref (QpRtcpReturn *rtcp);

/* --- Insight ------------------------------------------------------------ */

/* "application/x-quicp2p-stats" (transfer full), a snapshot not older than
 * 100 ms, taken without waiting for the transport thread:
 *   state            string   see "States"
 *   signaling        string   "disconnected", "connecting", "joined"
 *   fingerprint      string   ours
 *   peer-count       uint     connected peers
 *   keyframe-requests uint64  made on behalf of peers
 *   queue-dropped-frames uint64  dropped before any peer was tried
 *   peers            GstValueArray of GstStructure "peer":
 *     peer-id, peer-name, state                string
 *     quic-role                                string "client", "server"
 *     alpn                                     string
 *     path-id                                  uint
 *     local-candidate-type, local-address      string "host", "10.0.0.2:4000"
 *     remote-candidate-type, remote-address    string
 *     paths   GstValueArray of GstStructure "path", the one in use and those that
 *             stand behind it: path-id, state, usable (boolean), interface,
 *             the four candidate fields, bytes-sent, bytes-received; rtt-ms
 *             (double) if QUIC has used it: the last one there
 *     rtt-ms, min-rtt-ms, latest-rtt-ms        double
 *     cwnd-bytes, bytes-in-flight, bytes-unsent  uint64
 *     mtu-bytes                                uint    UDP payload that the path
 *                        is known to carry: 1200 at first, up to 1452 if it does
 *     bytes-sent, bytes-received               uint64  UDP payload
 *     packets-sent, packets-received, packets-lost  uint64  QUIC
 *     send-bitrate, receive-bitrate            uint64  bit/s over the last second
 *     estimated-bitrate                        uint64  bit/s that the path carries,
 *                        of UDP payload; 0: not known yet
 *     target-bitrate                           uint64  bit/s to be sent at most
 *                        now; 0: no limit was seen yet
 *     connect-ms                               double  offer to established
 *     migrations                               uint    not counted: path 0's
 *                        place being taken, early in a call, by a path on the
 *                        same two interfaces with ICE credentials of its own
 *     last-migration-gap-ms                    double  after the first
 *     unknown-flow-packets                     uint64
 *     flows   GstValueArray of GstStructure "flow":
 *       mid, kind, direction ("send"/"receive"), mapping  string
 *       flow-id                                uint64
 *       packets-sent, bytes-sent, frames-sent  uint64  (direction send)
 *       frames-cancelled, packets-dropped      uint64  (direction send)
 *       packets-received, bytes-received, streams-cancelled  uint64  (receive)
 * For one-line uses the fields of the first connected peer from
 * local-candidate-type to migrations stand at the top level as well, together
 * with the totals over all peers and flows of frames-sent, frames-cancelled,
 * packets-sent, bytes-sent, packets-received, bytes-received (RTP).
 *
 * States of a session (a consumer's or producer's whole):
 *   "idle"          not started
 *   "signaling"     not in the room yet (or not any more, with no peer)
 *   "waiting"       in the room, no peer to talk with
 *   "connecting"    at least one peer being connected, none connected
 *   "connected"     at least one peer connected
 *   "disconnected"  was connected, no peer or no path to it now, trying again
 *   "failed"        gave up; `failed` was called
 *
 * Messages (element messages on the bus):
 *   "session-state"  old-state, new-state, reason (strings)
 *   "peer-state"     peer-id, peer-name, old-state, new-state, reason (strings);
 *                    states "new", "offering", "checking", "handshaking",
 *                    "connected", "failed", "closed"
 *   "path-changed"   peer-id, peer-name, old-path, new-path (uint; the same
 *                    when ICE chose another pair on the path),
 *                    local-candidate-type, local-address, remote-candidate-type, remote-address,
 *                    cause, gap-ms (double: without a packet around the move)
 *   "path-lost"      peer-id, peer-name, path (uint), cause: the path in use
 *                    does not work
 *   "peer-joined"    peer-id, peer-name (strings): see `peer_joined`
 *   "peer-left"      peer-id, peer-name, reason (strings): see `peer_left`
 *   "peer-renamed"   peer-id, peer-name (strings): the new one
 *   "signaling-state" state, reason
 */
GstStructure *qp_session_get_stats (QpMember *member);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A remote member of the room: the call with it, when to try again, what it is
 * sent and what it sends.  The media descriptions of both sides meet here.
 *
 * A call that works is never given up for one that does not work yet: a new
 * offer of a connected peer, with the same fingerprint, is carried through
 * beside the old call and replaces it once it is connected.
 *
 * Transport thread only. */
#pragma once

#include "session/call.h"
#include "session/track.h"

G_BEGIN_DECLS

typedef struct _QpPeer QpPeer;

QpPeer *qp_peer_new (QpSession *session, const char *id);
/* Ends the calls with `reason`, takes its tracks away. */
void qp_peer_free (QpPeer *peer, const char *reason);

const char *qp_peer_get_id (QpPeer *peer);
const char *qp_peer_get_name (QpPeer *peer);
/* What signaling says of it now. */
void qp_peer_update (QpPeer *peer, const QpPeerInfo *info);
/* …it does not list it any more. */
void qp_peer_set_absent (QpPeer *peer);
gboolean qp_peer_is_present (QpPeer *peer);
gboolean qp_peer_is_producer (QpPeer *peer);
/* Lost, and expected back. */
gboolean qp_peer_is_lost (QpPeer *peer);
/* The application does not want a call with it. */
gboolean qp_peer_is_refused (QpPeer *peer);
/* A member of our own that has come late is asked whether it accepts the peer
 * that we have a call with, and told of it if it has joined. */
void qp_peer_meet_member (QpPeer *peer, QpMember *member);

/* We want its media: offers a call unless one is under way, again after
 * failures with growing pauses. FALSE if the application refused it. */
gboolean qp_peer_want (QpPeer *peer);
/* …no more: takes its tracks away, and ends the call unless the peer wants ours. */
void qp_peer_unwant (QpPeer *peer, const char *reason);
/* We send no more: ends the call unless we want its media. */
void qp_peer_send_no_more (QpPeer *peer, const char *reason);
/* Ends the call. */
void qp_peer_drop (QpPeer *peer, const char *reason);

/* offer, answer, candidate, media, bye from signaling. */
void qp_peer_handle (QpPeer *peer, const QpMessage *message);

QpCallState qp_peer_get_state (QpPeer *peer); /* NEW without a call */
gboolean qp_peer_is_connected (QpPeer *peer);
/* Connected, but no path works at the moment. */
gboolean qp_peer_is_cut (QpPeer *peer);
void qp_peer_network_changed (QpPeer *peer);
void qp_peer_signaling_returned (QpPeer *peer);
/* Calls that are being set up. */
guint qp_peer_count_half_open (QpPeer *peer);
guint qp_peer_get_failures (QpPeer *peer); /* in a row */
gboolean qp_peer_has_remote_tracks (QpPeer *peer);
/* µs since anything came from it: on a connected call, or since it was sent an
 * offer that it has not answered; 0 in any other state. */
gint64 qp_peer_get_silence (QpPeer *peer, gint64 now);

/* The track is new or has new caps: tells the peer, and sends it. */
void qp_peer_set_track (QpPeer *peer, QpTrack *track);
void qp_peer_remove_track (QpPeer *peer, QpTrack *track);
void qp_peer_push_item (QpPeer *peer, QpTrack *track, const QpTrackItem *item);
gboolean qp_peer_is_drained (QpPeer *peer, QpTrack *track);
void qp_peer_flush (QpPeer *peer);

/* Measures the bitrates; to be called every 100 ms. */
void qp_peer_tick (QpPeer *peer, gint64 now);
/* For stats: the current call, NULL if none. */
QpCall *qp_peer_get_call (QpPeer *peer);
/* Whether it wants what we send. */
gboolean qp_peer_consumes (QpPeer *peer);
void qp_peer_get_bitrates (QpPeer *peer, guint64 *sent, guint64 *received);
/* Calls `func` for each flow, with one of the tracks set. */
void qp_peer_foreach_flow (QpPeer *peer,
    void (*func) (QpTrack *local, QpRemoteTrack *remote, gpointer flow,
        gpointer user),
    gpointer user);

G_END_DECLS

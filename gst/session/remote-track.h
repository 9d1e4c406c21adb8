/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A track that a peer sends us, under its media identification (mid), through
 * changes of caps and of the connection that carries it.
 *
 * Transport thread only, but for QpRtcpReturn, the way back for RTCP that any
 * thread may hold. */
#pragma once

#include "session/media.h"
#include "session/session.h"

G_BEGIN_DECLS

/* Takes one RTCP packet on the transport thread. */
typedef void (*QpRtcpFunc) (QpRemoteTrack *track, GBytes *packet,
    gpointer user);

/* `media` is copied, the peer's names are too. */
QpRemoteTrack *qp_remote_track_new (const QpMedia *media, const char *peer_id,
    const char *peer_name, GMainContext *context, QpRtcpFunc send_rtcp,
    gpointer user);
/* Cuts the way back for RTCP. */
void qp_remote_track_free (QpRemoteTrack *track);

/* TRUE if `media` can go on under the same decoder: same kind, codec, clock
 * rate and payload type. */
gboolean qp_remote_track_is_compatible (QpRemoteTrack *track,
    const QpMedia *media);
/* Takes over flow ID and caps; TRUE if the caps changed. */
gboolean qp_remote_track_update (QpRemoteTrack *track, const QpMedia *media);

G_END_DECLS

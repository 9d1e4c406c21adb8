/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See peer.h.  This file is a peer's life and what others may ask about it.
 * Beside it, peer-call.c follows the call and decides when to try again,
 * peer-signaling.c answers what comes through the server, peer-send.c and
 * peer-receive.c are the media of the two directions.  Transport thread only. */
#include "session/peer-private.h"

#include "session/session-private.h"

/* Offers of one peer that are followed, or refused with a bye: somebody who
 * retries as we do stays below it. */
#define OFFERS_BURST 5
#define OFFERS_US ((gint64) G_USEC_PER_SEC)
/* Media descriptions of one peer that are read at once: each may add and remove
 * every pad that it has. Of those that come faster the newest is read. */
#define MEDIA_BURST 10
#define MEDIA_US ((gint64) G_USEC_PER_SEC / 5)

/* --- Life ------------------------------------------------------------------ */

QpPeer *
qp_peer_new (QpSession *session, const char *id)
{
  QpPeer *peer = g_new0 (QpPeer, 1);

  peer->session = session;
  peer->id = g_strdup (id);
  peer->flows = g_ptr_array_new_with_free_func (g_free);
  qp_rate_limit_init (&peer->offers, OFFERS_BURST, OFFERS_US);
  qp_rate_limit_init (&peer->refusals, OFFERS_BURST, OFFERS_US);
  qp_rate_limit_init (&peer->media, MEDIA_BURST, MEDIA_US);
  return peer;
}

void
qp_peer_free (QpPeer *peer, const char *reason)
{
  qp_peer_drop (peer, reason);
  g_ptr_array_unref (peer->flows);
  g_free (peer->early_sdp);
  g_free (peer->sdp);
  g_free (peer->id);
  g_free (peer->name);
  g_free (peer);
}

void
qp_peer_update (QpPeer *peer, const QpPeerInfo *info)
{
  /* Who has come anew, or calls itself otherwise, may be somebody else to the
   * application. */
  if (!peer->present || g_strcmp0 (peer->name, info->name) != 0)
    peer->refused = FALSE;
  qp_peer_set_name (peer, info->name);
  peer->produces = info->produces;
  peer->consumes = info->consumes;
  peer->present = TRUE;
}

void
qp_peer_set_absent (QpPeer *peer)
{
  peer->present = FALSE;
}

const char *
qp_peer_get_id (QpPeer *peer)
{
  return peer->id;
}

const char *
qp_peer_get_name (QpPeer *peer)
{
  return peer->name;
}

gboolean
qp_peer_is_present (QpPeer *peer)
{
  return peer->present;
}

gboolean
qp_peer_is_producer (QpPeer *peer)
{
  return peer->produces;
}

gboolean
qp_peer_is_lost (QpPeer *peer)
{
  return peer->presence == QP_PEER_LOST;
}

gboolean
qp_peer_is_refused (QpPeer *peer)
{
  return peer->refused;
}

QpCallState
qp_peer_get_state (QpPeer *peer)
{
  return peer->call ? qp_call_get_state (peer->call) : QP_CALL_NEW;
}

gboolean
qp_peer_is_connected (QpPeer *peer)
{
  return peer->call && qp_call_get_state (peer->call) == QP_CALL_CONNECTED;
}

gboolean
qp_peer_is_cut (QpPeer *peer)
{
  return qp_peer_is_connected (peer) && qp_call_is_cut (peer->call);
}

void
qp_peer_network_changed (QpPeer *peer)
{
  if (peer->call)
    qp_call_network_changed (peer->call);
}

void
qp_peer_signaling_returned (QpPeer *peer)
{
  if (peer->call)
    qp_call_signaling_returned (peer->call);
}

guint
qp_peer_get_failures (QpPeer *peer)
{
  return peer->failures;
}

gint64
qp_peer_get_silence (QpPeer *peer, gint64 now)
{
  if (qp_peer_is_connected (peer))
    return now - qp_call_get_last_received (peer->call);
  if (qp_peer_get_state (peer) == QP_CALL_OFFERING)
    return now - peer->offered_us;
  return 0;
}

QpCall *
qp_peer_get_call (QpPeer *peer)
{
  return peer->call;
}

/* --- Flows ----------------------------------------------------------------- */

/* Both directions of a connection share one space of flow IDs (RTCP goes the
 * other way under the ID of its RTP), so the side is in the lowest bit. */
guint64
qp_peer_get_flow_id (QpPeer *peer, QpTrack *track)
{
  return 2 * track->media_number + (qp_call_is_offerer (peer->call) ? 1 : 0);
}

QpPeerFlow *
qp_peer_add_flow (QpPeer *peer)
{
  QpPeerFlow *flow = g_new0 (QpPeerFlow, 1);

  flow->peer = peer;
  g_ptr_array_add (peer->flows, flow);
  return flow;
}

void
qp_peer_forget_flow (QpPeer *peer, QpPeerFlow *flow)
{
  if (qp_peer_is_connected (peer))
    qp_receiver_remove_flow (qp_call_get_receiver (peer->call), flow);
  g_ptr_array_remove (peer->flows, flow);
}

gboolean
qp_peer_has_remote_tracks (QpPeer *peer)
{
  for (guint i = 0; i < peer->flows->len; i++) {
    if (((QpPeerFlow *) g_ptr_array_index (peer->flows, i))->remote)
      return TRUE;
  }
  return FALSE;
}

void
qp_peer_foreach_flow (QpPeer *peer,
    void (*func) (QpTrack *local, QpRemoteTrack *remote, gpointer flow,
        gpointer user),
    gpointer user)
{
  for (guint i = 0; i < peer->flows->len; i++) {
    QpPeerFlow *flow = g_ptr_array_index (peer->flows, i);

    func (flow->local, flow->remote, flow, user);
  }
}

/* --- Bitrates -------------------------------------------------------------- */

gboolean
qp_peer_consumes (QpPeer *peer)
{
  return peer->consumes;
}

void
qp_peer_tick (QpPeer *peer, gint64 now)
{
  QpPathInfo path;
  QpQuicInfo quic;
  QpPeerSample *sample =
      &peer->samples[peer->n_samples % QP_PEER_BITRATE_SAMPLES];

  if (!qp_peer_is_connected (peer))
    return;
  qp_call_watch_rate (peer->call);
  qp_call_get_info (peer->call, &path, &quic);
  sample->time = now;
  sample->sent = quic.bytes_sent;
  sample->received = quic.bytes_received;
  peer->n_samples++;
}

void
qp_peer_get_bitrates (QpPeer *peer, guint64 *sent, guint64 *received)
{
  const QpPeerSample *newest, *oldest;
  guint64 span;

  *sent = *received = 0;
  if (peer->n_samples < 2 || !qp_peer_is_connected (peer))
    return;
  newest = &peer->samples[(peer->n_samples - 1) % QP_PEER_BITRATE_SAMPLES];
  oldest = &peer->samples[peer->n_samples > QP_PEER_BITRATE_SAMPLES
          ? peer->n_samples % QP_PEER_BITRATE_SAMPLES
          : 0];
  span = (guint64) MAX (newest->time - oldest->time, 1);
  *sent = gst_util_uint64_scale (newest->sent - oldest->sent,
      8 * G_USEC_PER_SEC, span);
  *received = gst_util_uint64_scale (newest->received - oldest->received,
      8 * G_USEC_PER_SEC, span);
}

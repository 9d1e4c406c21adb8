/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a peer is sent: the description of our tracks, and their packets, which
 * go to the sender of its call.  Transport thread only. */
#include "roq/roq.h"
#include "session/media.h"
#include "session/peer-private.h"
#include "session/session-private.h"

#define GST_CAT_DEFAULT qp_session_debug

static QpPeerFlow *
find_local (QpPeer *peer, QpTrack *track)
{
  for (guint i = 0; i < peer->flows->len; i++) {
    QpPeerFlow *flow = g_ptr_array_index (peer->flows, i);

    if (flow->local == track)
      return flow;
  }
  return NULL;
}

/* Describes our tracks to this peer; NULL if there is nothing to say it with. */
char *
qp_peer_describe_media (QpPeer *peer)
{
  g_autoptr (GPtrArray)
      media = g_ptr_array_new_with_free_func ((GDestroyNotify) qp_media_free);
  g_autoptr (GError) error = NULL;
  char *sdp;

  for (guint i = 0; i < peer->session->tracks->len; i++) {
    QpTrack *track = g_ptr_array_index (peer->session->tracks, i);

    if (track->announced)
      g_ptr_array_add (media,
          qp_media_new (qp_peer_get_flow_id (peer, track), track->mid,
              track->caps));
  }
  sdp = qp_media_to_sdp (media, peer->session->config->display_name, &error);
  if (!sdp)
    GST_ERROR ("our tracks cannot be described: %s", error->message);
  return sdp;
}

void
qp_peer_send_media (QpPeer *peer)
{
  g_autoptr (QpMessage) message = NULL;
  char *sdp = qp_peer_describe_media (peer);

  if (!sdp)
    return;
  message = qp_message_new (QP_MESSAGE_MEDIA);
  message->call = g_strdup (qp_call_get_id (peer->call));
  message->sdp = sdp;
  peer->media_waits = !qp_call_send (peer->call, message);
  /* A plain RoQ peer has no control stream and never will. */
  if (peer->media_waits &&
      g_str_equal (qp_call_get_alpn (peer->call), QP_ROQ_ALPN)) {
    peer->media_waits = FALSE;
    qp_session_signal (peer->session, peer->id, message);
  }
}

/* A peer that claims to be us would be believed by our RTP session, which all
 * peers share. */
static void
tell_ssrc (QpPeer *peer, QpPeerFlow *flow)
{
  flow->ssrc = flow->local->ssrc;
  qp_receiver_set_own_ssrc (qp_call_get_receiver (peer->call), flow,
      flow->ssrc);
}

void
qp_peer_start_track (QpPeer *peer, QpTrack *track)
{
  QpPeerFlow *flow = find_local (peer, track);
  guint64 id = qp_peer_get_flow_id (peer, track);

  if (!flow) {
    flow = qp_peer_add_flow (peer);
    flow->local = track;
  }
  qp_receiver_add_flow (qp_call_get_receiver (peer->call), id, flow, -1);
  tell_ssrc (peer, flow);
  qp_sender_set_flow (qp_call_get_sender (peer->call), track, id);
}

void
qp_peer_set_track (QpPeer *peer, QpTrack *track)
{
  if (!qp_peer_is_connected (peer))
    return;
  /* The description first: on the same connection it mostly arrives first. */
  qp_peer_send_media (peer);
  qp_peer_start_track (peer, track);
}

void
qp_peer_remove_track (QpPeer *peer, QpTrack *track)
{
  QpPeerFlow *flow = find_local (peer, track);

  if (!flow)
    return;
  if (qp_peer_is_connected (peer)) {
    qp_sender_remove (qp_call_get_sender (peer->call), track);
    qp_peer_send_media (peer);
  }
  qp_peer_forget_flow (peer, flow);
}

void
qp_peer_push_item (QpPeer *peer, QpTrack *track, const QpTrackItem *item)
{
  QpSender *sender;
  QpPeerFlow *flow;

  if (item->type == QP_TRACK_ITEM_CAPS)
    qp_peer_set_track (peer, track);
  if (!qp_peer_is_connected (peer) || !(flow = find_local (peer, track)))
    return;
  if (flow->ssrc != track->ssrc)
    tell_ssrc (peer, flow);
  sender = qp_call_get_sender (peer->call);
  switch (item->type) {
    case QP_TRACK_ITEM_CHUNK:
      qp_sender_push (sender, track, item->chunk);
      break;
    case QP_TRACK_ITEM_RTCP:
      qp_sender_push_rtcp (sender, qp_peer_get_flow_id (peer, track),
          item->rtcp);
      break;
    case QP_TRACK_ITEM_LOSS:
      qp_sender_push_loss (sender, track);
      break;
    case QP_TRACK_ITEM_END:
      qp_sender_finish (sender, track);
      break;
    case QP_TRACK_ITEM_CAPS:
      break;
  }
}

gboolean
qp_peer_is_drained (QpPeer *peer, QpTrack *track)
{
  return !qp_peer_is_connected (peer) ||
      qp_sender_is_drained (qp_call_get_sender (peer->call), track);
}

void
qp_peer_flush (QpPeer *peer)
{
  if (qp_peer_is_connected (peer))
    qp_call_flush (peer->call);
}

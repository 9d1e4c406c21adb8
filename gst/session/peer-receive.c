/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a peer sends us: its media descriptions become remote tracks, which the
 * consumer is told of, and its packets go to them, or, RTCP about our media, to
 * the track of the producer.  Descriptions that come too fast are held, and the
 * newest counts.  Transport thread only. */
#include <string.h>

#include "session/media.h"
#include "session/peer-private.h"
#include "session/remote-track.h"
#include "session/session-private.h"

#define GST_CAT_DEFAULT qp_session_debug

static QpPeerFlow *
find_remote (QpPeer *peer, const char *mid)
{
  for (guint i = 0; i < peer->flows->len; i++) {
    QpPeerFlow *flow = g_ptr_array_index (peer->flows, i);

    if (flow->remote &&
        g_str_equal (qp_remote_track_get_mid (flow->remote), mid))
      return flow;
  }
  return NULL;
}

static void
send_remote_rtcp (QpRemoteTrack *track, GBytes *packet, gpointer user)
{
  QpPeer *peer = user;

  if (!qp_peer_is_connected (peer))
    return;
  qp_sender_push_rtcp (qp_call_get_sender (peer->call),
      qp_remote_track_get_flow_id (track), packet);
  qp_call_flush (peer->call);
}

static void
remove_remote (QpPeer *peer, QpPeerFlow *flow, QpTrackEnd end)
{
  QpMember *consumer = qp_session_get_consumer (peer->session);
  QpRemoteTrack *track = flow->remote;

  qp_peer_forget_flow (peer, flow);
  if (consumer)
    consumer->callbacks.remote_track_removed (track, end, consumer->user);
  qp_remote_track_free (track);
}

void
qp_peer_remove_remote (QpPeer *peer, QpTrackEnd end)
{
  peer->sdp_applied = FALSE;
  for (guint i = peer->flows->len; i > 0; i--) {
    QpPeerFlow *flow = g_ptr_array_index (peer->flows, i - 1);

    if (flow->remote)
      remove_remote (peer, flow, end);
  }
}

static void
add_remote (QpPeer *peer, const QpMedia *media)
{
  QpMember *consumer = qp_session_get_consumer (peer->session);
  QpPeerFlow *flow = qp_peer_add_flow (peer);

  flow->remote = qp_remote_track_new (media, peer->id, peer->name,
      peer->session->context, send_remote_rtcp, peer);
  consumer->callbacks.remote_track_added (flow->remote, consumer->user);
}

static gint
get_payload_type (const QpMedia *media)
{
  gint payload_type = -1;

  gst_structure_get_int (gst_caps_get_structure (media->caps, 0), "payload",
      &payload_type);
  return payload_type;
}

static void
apply_one (QpPeer *peer, const QpMedia *media)
{
  QpMember *consumer = qp_session_get_consumer (peer->session);
  QpPeerFlow *flow = find_remote (peer, media->mid);

  if (flow && !qp_remote_track_is_compatible (flow->remote, media)) {
    remove_remote (peer, flow, QP_TRACK_REPLACED);
    flow = NULL;
  }
  if (!flow)
    add_remote (peer, media);
  else if (qp_remote_track_update (flow->remote, media))
    consumer->callbacks.remote_track_caps (flow->remote, media->caps,
        consumer->user);

  qp_receiver_add_flow (qp_call_get_receiver (peer->call), media->flow_id,
      find_remote (peer, media->mid), get_payload_type (media));
}

static gboolean
describes (GPtrArray *media, const char *mid)
{
  for (guint i = 0; i < media->len; i++) {
    if (g_str_equal (((QpMedia *) g_ptr_array_index (media, i))->mid, mid))
      return TRUE;
  }
  return FALSE;
}

void
qp_peer_apply_media (QpPeer *peer, const char *sdp)
{
  g_autoptr (GPtrArray) media = NULL;
  g_autoptr (GError) error = NULL;

  if (sdp != peer->sdp) {
    g_free (peer->sdp);
    peer->sdp = g_strdup (sdp);
  }
  /* Who has called us may only later be somebody we want to see. */
  peer->sdp_applied = qp_session_get_consumer (peer->session) && peer->wanted;
  if (!peer->sdp_applied)
    return;
  media = qp_media_from_sdp (sdp, strlen (sdp), &error);
  if (!media) {
    GST_WARNING ("%s: media description ignored: %s", peer->id, error->message);
    return;
  }

  /* What came before this description belongs to the old one. */
  qp_receiver_flush (qp_call_get_receiver (peer->call));
  for (guint i = peer->flows->len; i > 0; i--) {
    QpPeerFlow *flow = g_ptr_array_index (peer->flows, i - 1);

    if (flow->remote &&
        !describes (media, qp_remote_track_get_mid (flow->remote)))
      remove_remote (peer, flow, QP_TRACK_ENDED);
  }
  for (guint i = 0; i < media->len; i++)
    apply_one (peer, g_ptr_array_index (media, i));
}

void
qp_peer_forget_held (QpPeer *peer)
{
  g_clear_pointer (&peer->held_sdp, g_free);
  qp_clear_source (&peer->hold);
}

static gboolean
on_hold (gpointer data)
{
  QpPeer *peer = data;
  g_autofree char *sdp = g_steal_pointer (&peer->held_sdp);

  qp_clear_source (&peer->hold);
  qp_rate_limit_take (&peer->media, g_get_monotonic_time ());
  if (qp_peer_is_connected (peer))
    qp_peer_apply_media (peer, sdp);
  return G_SOURCE_REMOVE;
}

void
qp_peer_take_media (QpPeer *peer, const char *sdp)
{
  gint64 now = g_get_monotonic_time ();

  if (!peer->held_sdp && qp_rate_limit_take (&peer->media, now)) {
    qp_peer_apply_media (peer, sdp);
    return;
  }
  g_free (peer->held_sdp);
  peer->held_sdp = g_strdup (sdp);
  if (peer->hold)
    return;
  GST_INFO ("%s: its media changes too often, only the newest counts",
      peer->id);
  peer->hold = g_timeout_source_new (
      MAX (qp_rate_limit_due (&peer->media) - now, 0) / 1000 + 1);
  g_source_set_callback (peer->hold, on_hold, peer, NULL);
  g_source_attach (peer->hold, peer->session->context);
}

void
qp_peer_receive_rtp (gpointer data, GstBufferList *list, gpointer user)
{
  QpPeerFlow *flow = data;
  QpMember *consumer = qp_session_get_consumer (flow->peer->session);

  if (flow->remote && consumer)
    consumer->callbacks.remote_rtp (flow->remote, list, consumer->user);
  else
    gst_buffer_list_unref (list);
}

void
qp_peer_receive_rtcp (gpointer data, GstBuffer *buffer, gpointer user)
{
  QpPeerFlow *flow = data;
  QpMember *consumer = qp_session_get_consumer (flow->peer->session);
  QpMember *producer = qp_session_get_producer (flow->peer->session);

  if (flow->remote && consumer)
    consumer->callbacks.remote_rtcp (flow->remote, buffer, consumer->user);
  else if (flow->local && producer)
    producer->callbacks.track_rtcp (flow->local, buffer, producer->user);
  else
    gst_buffer_unref (buffer);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See remote-track.h. */
#include "session/remote-track.h"

#include "roq/roq.h"

struct _QpRtcpReturn {
  gatomicrefcount refs;
  GMainContext *context;
  QpRemoteTrack *track; /* transport thread only; NULL once the track is gone */
};

struct _QpRemoteTrack {
  QpMedia *media;
  char *peer_id, *peer_name;
  QpRtcpReturn *rtcp;
  QpRtcpFunc send_rtcp;
  gpointer send_user;
  gpointer user; /* the element's */
};

static QpMedia *
media_copy (const QpMedia *media)
{
  return qp_media_new (media->flow_id, media->mid, media->caps);
}

QpRemoteTrack *
qp_remote_track_new (const QpMedia *media, const char *peer_id,
    const char *peer_name, GMainContext *context, QpRtcpFunc send_rtcp,
    gpointer user)
{
  QpRemoteTrack *track = g_new0 (QpRemoteTrack, 1);

  track->media = media_copy (media);
  track->peer_id = g_strdup (peer_id);
  track->peer_name = g_strdup (peer_name);
  track->send_rtcp = send_rtcp;
  track->send_user = user;
  track->rtcp = g_new0 (QpRtcpReturn, 1);
  g_atomic_ref_count_init (&track->rtcp->refs);
  track->rtcp->context = g_main_context_ref (context);
  track->rtcp->track = track;
  return track;
}

void
qp_remote_track_free (QpRemoteTrack *track)
{
  track->rtcp->track = NULL;
  qp_rtcp_return_unref (track->rtcp);
  qp_media_free (track->media);
  g_free (track->peer_id);
  g_free (track->peer_name);
  g_free (track);
}

static gboolean
same_field (const GstStructure *a, const GstStructure *b, const char *field)
{
  const GValue *va = gst_structure_get_value (a, field);
  const GValue *vb = gst_structure_get_value (b, field);

  if (!va || !vb)
    return va == vb;
  return gst_value_compare (va, vb) == GST_VALUE_EQUAL;
}

gboolean
qp_remote_track_is_compatible (QpRemoteTrack *track, const QpMedia *media)
{
  static const char *const fields[] = { "media", "encoding-name", "clock-rate",
    "payload", "encoding-params" };
  const GstStructure *old = gst_caps_get_structure (track->media->caps, 0);
  const GstStructure *new = gst_caps_get_structure (media->caps, 0);

  for (guint i = 0; i < G_N_ELEMENTS (fields); i++) {
    if (!same_field (old, new, fields[i]))
      return FALSE;
  }
  return TRUE;
}

gboolean
qp_remote_track_update (QpRemoteTrack *track, const QpMedia *media)
{
  gboolean changed = !gst_caps_is_equal (track->media->caps, media->caps);

  qp_media_free (track->media);
  track->media = media_copy (media);
  return changed;
}

const char *
qp_remote_track_get_mid (QpRemoteTrack *track)
{
  return track->media->mid;
}

const char *
qp_remote_track_get_kind (QpRemoteTrack *track)
{
  switch (qp_media_kind (track->media->caps)) {
    case QP_FRAME_KIND_AUDIO:
      return "audio";
    case QP_FRAME_KIND_VIDEO:
      return "video";
    case QP_FRAME_KIND_OTHER:
      break;
  }
  return "application";
}

QpPeerName
qp_remote_track_get_peer (QpRemoteTrack *track)
{
  return (QpPeerName){ .id = track->peer_id, .name = track->peer_name };
}

guint64
qp_remote_track_get_flow_id (QpRemoteTrack *track)
{
  return track->media->flow_id;
}

GstCaps *
qp_remote_track_get_caps (QpRemoteTrack *track)
{
  return track->media->caps;
}

void
qp_remote_track_set_user (QpRemoteTrack *track, gpointer user)
{
  track->user = user;
}

gpointer
qp_remote_track_get_user (QpRemoteTrack *track)
{
  return track->user;
}

/* --- The way back ------------------------------------------------------- */

typedef struct {
  QpRtcpReturn *rtcp;
  GBytes *packet;
} RtcpPush;

static void
rtcp_push_free (gpointer data)
{
  RtcpPush *push = data;

  qp_rtcp_return_unref (push->rtcp);
  g_bytes_unref (push->packet);
  g_free (push);
}

static gboolean
rtcp_push_run (gpointer data)
{
  RtcpPush *push = data;
  QpRemoteTrack *track = push->rtcp->track;

  if (track)
    track->send_rtcp (track, push->packet, track->send_user);
  return G_SOURCE_REMOVE;
}

QpRtcpReturn *
qp_remote_track_ref_rtcp_return (QpRemoteTrack *track)
{
  g_atomic_ref_count_inc (&track->rtcp->refs);
  return track->rtcp;
}

void
qp_rtcp_return_unref (QpRtcpReturn *rtcp)
{
  if (!g_atomic_ref_count_dec (&rtcp->refs))
    return;
  g_main_context_unref (rtcp->context);
  g_free (rtcp);
}

void
qp_rtcp_return_push (QpRtcpReturn *rtcp, GstBuffer *buffer)
{
  gsize size = gst_buffer_get_size (buffer);

  if (size > 0 && size <= QP_ROQ_MAX_PACKET_SIZE) {
    RtcpPush *push = g_new0 (RtcpPush, 1);
    guint8 *data = g_malloc (size);

    gst_buffer_extract (buffer, 0, data, size);
    g_atomic_ref_count_inc (&rtcp->refs);
    push->rtcp = rtcp;
    push->packet = g_bytes_new_take (data, size);
    g_main_context_invoke_full (rtcp->context, G_PRIORITY_DEFAULT,
        rtcp_push_run, push, rtcp_push_free);
  }
  gst_buffer_unref (buffer);
}

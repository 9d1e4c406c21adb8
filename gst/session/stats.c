/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The snapshot behind the `stats` property, as session.h documents it.
 * Transport thread only. */
#include "session/media.h"
#include "session/remote-track.h"
#include "session/session-private.h"

/* RTP totals over all peers and flows, for the top level. */
typedef struct {
  guint64 frames_sent, frames_cancelled, packets_sent, bytes_sent;
  guint64 packets_received, bytes_received;
} Totals;

typedef struct {
  QpCall *call;
  GValue *flows; /* a GstValueArray of GstStructure */
  Totals *totals;
} FlowWalk;

const char *
qp_session_state_to_string (QpSessionState state)
{
  static const char *const names[] = { "idle", "signaling", "waiting",
    "connecting", "connected", "disconnected", "failed" };

  return names[state];
}

static const char *
signaling_to_string (QpSignalingClient *client)
{
  if (!client)
    return "disconnected";
  switch (qp_signaling_client_get_state (client)) {
    case QP_SIGNALING_JOINED:
      return "joined";
    case QP_SIGNALING_CONNECTING:
    case QP_SIGNALING_JOINING:
    case QP_SIGNALING_WAITING:
      return "connecting";
    default:
      return "disconnected";
  }
}

static void
append_structure (GValue *array, GstStructure *structure)
{
  GValue value = G_VALUE_INIT;

  g_value_init (&value, GST_TYPE_STRUCTURE);
  g_value_take_boxed (&value, structure);
  gst_value_array_append_and_take_value (array, &value);
}

static const char *
mapping_to_string (QpMapping mapping)
{
  static const char *const names[] = { "stream-per-frame", "stream",
    "datagram" };

  return names[mapping];
}

static const char *
kind_to_string (QpFrameKind kind)
{
  static const char *const names[] = { [QP_FRAME_KIND_VIDEO] = "video",
    [QP_FRAME_KIND_AUDIO] = "audio",
    [QP_FRAME_KIND_OTHER] = "application" };

  return names[kind];
}

static GstStructure *
sent_flow (FlowWalk *walk, QpTrack *track)
{
  QpSenderCounters counters;
  guint64 id;

  if (!qp_sender_get_counters (qp_call_get_sender (walk->call), track, &id,
          &counters))
    return NULL;
  walk->totals->frames_sent += counters.frames;
  walk->totals->frames_cancelled += counters.frames_cancelled;
  walk->totals->packets_sent += counters.packets;
  walk->totals->bytes_sent += counters.bytes;
  return gst_structure_new ("flow", "mid", G_TYPE_STRING, track->mid, "kind",
      G_TYPE_STRING, kind_to_string (qp_track_get_kind (track)), "direction",
      G_TYPE_STRING, "send", "mapping", G_TYPE_STRING,
      mapping_to_string (track->mapping), "flow-id", G_TYPE_UINT64, id,
      "packets-sent", G_TYPE_UINT64, counters.packets, "bytes-sent",
      G_TYPE_UINT64, counters.bytes, "frames-sent", G_TYPE_UINT64,
      counters.frames, "frames-cancelled", G_TYPE_UINT64,
      counters.frames_cancelled, "frames-skipped", G_TYPE_UINT64,
      counters.frames_skipped, "packets-oversized", G_TYPE_UINT64,
      counters.oversized, NULL);
}

static GstStructure *
received_flow (FlowWalk *walk, QpRemoteTrack *track, gpointer flow)
{
  QpReceiverCounters counters = { 0 };

  qp_receiver_get_counters (qp_call_get_receiver (walk->call), flow, &counters);
  walk->totals->packets_received += counters.packets;
  walk->totals->bytes_received += counters.bytes;
  return gst_structure_new ("flow", "mid", G_TYPE_STRING,
      qp_remote_track_get_mid (track), "kind", G_TYPE_STRING,
      qp_remote_track_get_kind (track), "direction", G_TYPE_STRING, "receive",
      "flow-id", G_TYPE_UINT64, qp_remote_track_get_flow_id (track),
      "packets-received", G_TYPE_UINT64, counters.packets, "bytes-received",
      G_TYPE_UINT64, counters.bytes, "packets-refused", G_TYPE_UINT64,
      counters.refused, "streams-cancelled", G_TYPE_UINT64,
      counters.streams_cancelled, NULL);
}

static void
add_flow (QpTrack *local, QpRemoteTrack *remote, gpointer flow, gpointer user)
{
  FlowWalk *walk = user;
  GstStructure *structure = local ? sent_flow (walk, local)
                                  : received_flow (walk, remote, flow);

  if (structure)
    append_structure (walk->flows, structure);
}

/* The fields that a peer and, for the first connected one, the top level have. */
static void
set_transport_fields (GstStructure *structure, QpPeer *peer)
{
  QpPathInfo path;
  QpQuicInfo quic;
  QpSender *sender = qp_call_get_sender (qp_peer_get_call (peer));
  guint64 unsent = sender ? qp_sender_get_unsent (sender) : 0;
  guint64 sent, received, target;
  guint64 estimate = qp_call_get_rate (qp_peer_get_call (peer), &target);
  gint64 gap;
  guint moves = qp_call_get_moves (qp_peer_get_call (peer), &gap);

  qp_call_get_info (qp_peer_get_call (peer), &path, &quic);
  qp_peer_get_bitrates (peer, &sent, &received);
  gst_structure_set (structure, "local-candidate-type", G_TYPE_STRING,
      path.local.type, "local-address", G_TYPE_STRING, path.local.address,
      "remote-candidate-type", G_TYPE_STRING, path.remote.type,
      "remote-address", G_TYPE_STRING, path.remote.address, "rtt-ms",
      G_TYPE_DOUBLE, quic.srtt_us / 1000.0, "min-rtt-ms", G_TYPE_DOUBLE,
      quic.min_rtt_us / 1000.0, "latest-rtt-ms", G_TYPE_DOUBLE,
      quic.latest_rtt_us / 1000.0, "cwnd-bytes", G_TYPE_UINT64, quic.cwnd,
      "mtu-bytes", G_TYPE_UINT, (guint) quic.payload, "bytes-in-flight",
      G_TYPE_UINT64, quic.bytes_in_flight, "bytes-unsent", G_TYPE_UINT64,
      unsent, "packets-lost", G_TYPE_UINT64, quic.packets_lost, "send-bitrate",
      G_TYPE_UINT64, sent, "receive-bitrate", G_TYPE_UINT64, received,
      "connect-ms", G_TYPE_DOUBLE,
      qp_call_get_connect_time (qp_peer_get_call (peer)) / 1000.0, "migrations",
      G_TYPE_UINT, moves, NULL);
  gst_structure_set (structure, "estimated-bitrate", G_TYPE_UINT64, estimate,
      "target-bitrate", G_TYPE_UINT64, target, NULL);
  if (gap >= 0)
    gst_structure_set (structure, "last-migration-gap-ms", G_TYPE_DOUBLE,
        gap / 1000.0, NULL);
}

static void
add_path (guint number, const char *interface, gboolean usable, gint64 rtt_us,
    const QpPathInfo *info, gpointer user)
{
  GstStructure *path = gst_structure_new ("path", "path-id", G_TYPE_UINT,
      number, "state", G_TYPE_STRING, qp_path_state_to_string (info->state),
      "usable", G_TYPE_BOOLEAN, usable, "interface", G_TYPE_STRING, interface,
      "local-candidate-type", G_TYPE_STRING, info->local.type, "local-address",
      G_TYPE_STRING, info->local.address, "remote-candidate-type",
      G_TYPE_STRING, info->remote.type, "remote-address", G_TYPE_STRING,
      info->remote.address, "bytes-sent", G_TYPE_UINT64, info->bytes_sent,
      "bytes-received", G_TYPE_UINT64, info->bytes_received, NULL);

  if (rtt_us >= 0)
    gst_structure_set (path, "rtt-ms", G_TYPE_DOUBLE, rtt_us / 1000.0, NULL);
  append_structure (user, path);
}

static void
set_connection_fields (GstStructure *structure, QpPeer *peer, Totals *totals)
{
  GValue flows = G_VALUE_INIT, paths = G_VALUE_INIT;
  QpCall *call = qp_peer_get_call (peer);
  FlowWalk walk = { .call = call, .flows = &flows, .totals = totals };
  QpPathInfo path;
  QpQuicInfo quic;

  qp_call_get_info (call, &path, &quic);
  set_transport_fields (structure, peer);
  gst_structure_set (structure, "quic-role", G_TYPE_STRING,
      qp_call_is_offerer (call) ? "server" : "client", "alpn", G_TYPE_STRING,
      qp_call_get_alpn (call), "path-id", G_TYPE_UINT, quic.path, "bytes-sent",
      G_TYPE_UINT64, quic.bytes_sent, "bytes-received", G_TYPE_UINT64,
      quic.bytes_received, "packets-sent", G_TYPE_UINT64, quic.packets_sent,
      "packets-received", G_TYPE_UINT64, quic.packets_received,
      "unknown-flow-packets", G_TYPE_UINT64,
      qp_receiver_get_unknown_packets (qp_call_get_receiver (call)), NULL);

  g_value_init (&paths, GST_TYPE_ARRAY);
  qp_paths_foreach (qp_call_get_paths (call), add_path, &paths);
  gst_structure_take_value (structure, "paths", &paths);

  g_value_init (&flows, GST_TYPE_ARRAY);
  qp_peer_foreach_flow (peer, add_flow, &walk);
  gst_structure_take_value (structure, "flows", &flows);
}

static GstStructure *
describe_peer (QpPeer *peer, Totals *totals)
{
  GstStructure *structure = gst_structure_new ("peer", "peer-id", G_TYPE_STRING,
      qp_peer_get_id (peer), "peer-name", G_TYPE_STRING,
      qp_peer_get_name (peer), "state", G_TYPE_STRING,
      qp_call_state_to_string (qp_peer_get_state (peer)), NULL);

  if (qp_peer_is_connected (peer))
    set_connection_fields (structure, peer, totals);
  return structure;
}

static guint64
count_dropped (QpSession *session)
{
  guint64 dropped = 0;

  for (guint i = 0; i < session->tracks->len; i++)
    dropped += qp_track_get_dropped_frames (g_ptr_array_index (session->tracks,
        i));
  return dropped;
}

GstStructure *
qp_session_make_stats (QpSession *session)
{
  GstStructure *stats = gst_structure_new ("application/x-quicp2p-stats",
      "state", G_TYPE_STRING, qp_session_state_to_string (session->state),
      "signaling", G_TYPE_STRING, signaling_to_string (session->client),
      "fingerprint", G_TYPE_STRING,
      qp_identity_get_fingerprint (session->identity), "keyframe-requests",
      G_TYPE_UINT64, session->keyframe_requests, "queue-dropped-frames",
      G_TYPE_UINT64, count_dropped (session), NULL);
  GValue peers = G_VALUE_INIT;
  Totals totals = { 0 };
  guint connected = 0;

  g_value_init (&peers, GST_TYPE_ARRAY);
  for (guint i = 0; i < session->peers->len; i++) {
    QpPeer *peer = g_ptr_array_index (session->peers, i);

    append_structure (&peers, describe_peer (peer, &totals));
    if (qp_peer_is_connected (peer) && connected++ == 0)
      set_transport_fields (stats, peer);
  }
  gst_structure_take_value (stats, "peers", &peers);
  gst_structure_set (stats, "peer-count", G_TYPE_UINT, connected, "frames-sent",
      G_TYPE_UINT64, totals.frames_sent, "frames-cancelled", G_TYPE_UINT64,
      totals.frames_cancelled, "packets-sent", G_TYPE_UINT64,
      totals.packets_sent, "bytes-sent", G_TYPE_UINT64, totals.bytes_sent,
      "packets-received", G_TYPE_UINT64, totals.packets_received,
      "bytes-received", G_TYPE_UINT64, totals.bytes_received, NULL);
  return stats;
}

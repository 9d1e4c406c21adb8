/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A session's side of signaling: the client, the server of
 * run-signaling-server, and what their messages mean for peers.  Transport
 * thread only. */
#include "session/membership.h"

#define GST_CAT_DEFAULT qp_session_debug

const char *
qp_session_get_own_id (QpSession *session)
{
  return qp_signaling_client_get_id (session->client);
}

gboolean
qp_session_signal (QpSession *session, const char *peer_id, QpMessage *message)
{
  g_free (message->to);
  message->to = g_strdup (peer_id);
  return session->client && qp_signaling_client_send (session->client, message);
}

static QpPeer *
find_peer (QpSession *session, const char *id)
{
  for (guint i = 0; i < session->peers->len; i++) {
    QpPeer *peer = g_ptr_array_index (session->peers, i);

    if (g_str_equal (qp_peer_get_id (peer), id))
      return peer;
  }
  return NULL;
}

static QpPeer *
ensure_peer (QpSession *session, const char *id)
{
  QpPeer *peer = find_peer (session, id);

  if (!peer && session->peers->len < QP_SESSION_MAX_PEERS) {
    peer = qp_peer_new (session, id);
    g_ptr_array_add (session->peers, peer);
  }
  return peer;
}

static void
peer_seen (QpSession *session, const QpPeerInfo *info)
{
  QpPeer *peer = ensure_peer (session, info->id);

  if (peer)
    qp_peer_update (peer, info);
}

static void
on_joined (QpSession *session, const QpMessage *joined)
{
  g_clear_pointer (&session->servers, qp_ice_servers_free);
  session->servers = qp_ice_servers_new ();
  qp_session_read_own_servers (session->config, session->servers, NULL);
  for (guint i = 0; i < joined->ice_servers->len; i++)
    qp_ice_servers_add_offered (session->servers,
        g_ptr_array_index (joined->ice_servers, i));

  for (guint i = 0; i < session->peers->len; i++)
    qp_peer_set_absent (g_ptr_array_index (session->peers, i));
  for (guint i = 0; i < joined->peers->len; i++)
    peer_seen (session, g_ptr_array_index (joined->peers, i));
  for (guint i = 0; i < session->peers->len; i++)
    qp_peer_signaling_returned (g_ptr_array_index (session->peers, i));
}

static void
on_relayed (QpSession *session, const QpMessage *message)
{
  /* An offer may overtake the word that its sender has joined. */
  QpPeer *peer = message->type == QP_MESSAGE_OFFER
      ? ensure_peer (session, message->from)
      : find_peer (session, message->from);

  if (peer)
    qp_peer_handle (peer, message);
}

static void
on_message (QpSignalingClient *client, const QpMessage *message, gpointer user)
{
  QpSession *session = user;
  QpPeer *peer;

  if (session->leaving)
    return;
  switch (message->type) {
    case QP_MESSAGE_JOINED:
      on_joined (session, message);
      break;
    case QP_MESSAGE_PEER_JOINED:
      peer = find_peer (session, message->peer->id);
      peer_seen (session, message->peer);
      if (peer)
        qp_peer_signaling_returned (peer);
      break;
    case QP_MESSAGE_PEER_LEFT:
      if ((peer = find_peer (session, message->id)))
        qp_peer_set_absent (peer);
      break;
    case QP_MESSAGE_ERROR:
      GST_WARNING ("signaling server: %s (%s)", message->text, message->code);
      break;
    default:
      if (qp_message_type_is_relayed (message->type) && message->from)
        on_relayed (session, message);
      break;
  }
  qp_session_review (session);
}

static void
on_signaling_state (QpSignalingClient *client, QpSignalingState state,
    const GError *why, gpointer user)
{
  QpSession *session = user;

  if (session->leaving)
    return;
  qp_session_post (session,
      gst_structure_new ("signaling-state", "state", G_TYPE_STRING,
          qp_signaling_state_to_string (state), "reason", G_TYPE_STRING,
          why ? why->message : NULL, NULL));
  if (why) {
    g_free (session->reason);
    session->reason = g_strdup (why->message);
  }
  /* Calls that are up do not need signaling; without any, trying again the
   * same way cannot help. */
  if (state == QP_SIGNALING_FAILED && session->state != QP_SESSION_CONNECTED) {
    g_autoptr (GError) error = g_error_new (QP_SESSION_ERROR,
        QP_SESSION_ERROR_SIGNALING, "%s", why->message);

    qp_session_fail (session, error);
  }
  qp_session_review (session);
}

gboolean
qp_session_start_server (QpSession *session, GError **error)
{
  gboolean loopback = g_str_equal (session->uri->host, "localhost") ||
      g_str_equal (session->uri->host, "::1") ||
      g_str_has_prefix (session->uri->host, "127.");
  QpSignalingServerConfig config = {
    .address = loopback && !g_str_equal (session->uri->host, "localhost")
        ? session->uri->host
        : loopback ? "127.0.0.1"
                   : NULL,
    .port = session->uri->port,
    .certificate_file = session->uri->tls ? session->config->certificate_file
                                          : NULL,
    .key_file = session->uri->tls ? session->config->key_file : NULL,
    .hub = { .default_secret = session->config->room_secret },
  };

  session->server = qp_signaling_server_new (&config, error);
  return session->server != NULL;
}

gboolean
qp_session_start_client (QpSession *session, GError **error)
{
  static const QpSignalingClientCallbacks callbacks = {
    .state_changed = on_signaling_state,
    .message = on_message
  };
  QpSignalingClientConfig config = {
    /* Our own server is reached without asking the network. */
    .host = session->server && !session->uri->tls ? "127.0.0.1"
                                                  : session->uri->host,
    .port = session->uri->port,
    .tls = session->uri->tls,
    .room = session->uri->room,
    .token = session->token,
    .name = session->config->display_name,
    .secret = session->config->room_secret,
    .produces = qp_session_get_producer (session) != NULL,
    .consumes = qp_session_get_consumer (session) != NULL,
    .ca_file = session->config->ca_file,
  };

  if (session->server && g_str_equal (session->uri->host, "::1"))
    config.host = "::1";
  session->client = qp_signaling_client_new (&config, &callbacks, session,
      error);
  if (!session->client)
    return FALSE;
  qp_signaling_client_start (session->client);
  return TRUE;
}

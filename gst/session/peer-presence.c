/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether a peer counts as being here, which is what the application is told:
 * it has joined once a call with it is up, and has left when that ended on
 * purpose or when it was lost and did not come back in time.  Calls may come and
 * go meanwhile.  Transport thread only. */
#include "session/peer-private.h"
#include "session/session-private.h"

#define GST_CAT_DEFAULT qp_session_debug

/* How long a lost viewer may stay away; a lost producer may as long as
 * producer-timeout says. */
#define VIEWER_RETURN_MS 10000

static const char *
presence_to_string (QpPeerPresence presence)
{
  static const char *const names[] = { "away", "here", "lost" };

  return names[presence];
}

/* --- Telling ---------------------------------------------------------------- */

static void
announce (QpPeer *peer, QpMember *member)
{
  QpPeerName name = { peer->id, peer->name };

  if (peer->presence != QP_PEER_AWAY && member->callbacks.peer_joined)
    member->callbacks.peer_joined (&name, member->user);
}

static GstStructure *
make_message (QpPeer *peer, const char *name)
{
  return gst_structure_new (name, "peer-id", G_TYPE_STRING, peer->id,
      "peer-name", G_TYPE_STRING, peer->name, NULL);
}

static void
tell_joined (QpPeer *peer)
{
  QpSession *session = peer->session;

  for (guint i = 0; i < session->members->len; i++)
    announce (peer, g_ptr_array_index (session->members, i));
  qp_session_post (session, make_message (peer, "peer-joined"));
}

static void
tell_left (QpPeer *peer, const char *reason)
{
  QpSession *session = peer->session;
  QpPeerName name = { peer->id, peer->name };
  GstStructure *message = make_message (peer, "peer-left");

  for (guint i = 0; i < session->members->len; i++) {
    QpMember *member = g_ptr_array_index (session->members, i);

    if (member->callbacks.peer_left)
      member->callbacks.peer_left (&name, reason, member->user);
  }
  gst_structure_set (message, "reason", G_TYPE_STRING, reason, NULL);
  qp_session_post (session, message);
}

static void
tell_renamed (QpPeer *peer)
{
  QpSession *session = peer->session;
  QpPeerName name = { peer->id, peer->name };

  for (guint i = 0; i < session->members->len; i++) {
    QpMember *member = g_ptr_array_index (session->members, i);

    if (member->callbacks.peer_renamed)
      member->callbacks.peer_renamed (&name, member->user);
  }
  qp_session_post (session, make_message (peer, "peer-renamed"));
}

/* --- Changing --------------------------------------------------------------- */

static gboolean
on_return_timeout (gpointer data)
{
  QpPeer *peer = data;
  g_autofree char *reason = g_strdup_printf ("did not come back: %s",
      peer->lost_reason);

  qp_peer_set_presence (peer, QP_PEER_AWAY, reason);
  return G_SOURCE_REMOVE;
}

static void
await_return (QpPeer *peer, const char *reason)
{
  QpSession *session = peer->session;
  guint ms = qp_session_get_consumer (session)
      ? session->config->producer_timeout_ms
      : VIEWER_RETURN_MS;

  peer->lost_reason = g_strdup (reason);
  if (ms == 0)
    return;
  peer->return_timeout = g_timeout_source_new (ms);
  g_source_set_callback (peer->return_timeout, on_return_timeout, peer, NULL);
  g_source_attach (peer->return_timeout, session->context);
}

void
qp_peer_set_presence (QpPeer *peer, QpPeerPresence presence, const char *reason)
{
  QpPeerPresence old = peer->presence;

  if (old == presence || (old == QP_PEER_AWAY && presence == QP_PEER_LOST))
    return;
  GST_INFO ("%s: %s → %s%s%s", peer->id, presence_to_string (old),
      presence_to_string (presence), reason ? ": " : "", reason ? reason : "");
  peer->presence = presence;
  qp_clear_source (&peer->return_timeout);
  g_clear_pointer (&peer->lost_reason, g_free);

  if (presence == QP_PEER_LOST)
    await_return (peer, reason);
  else if (presence == QP_PEER_AWAY)
    tell_left (peer, reason);
  else if (old == QP_PEER_AWAY)
    tell_joined (peer);
}

void
qp_peer_set_name (QpPeer *peer, const char *name)
{
  if (g_strcmp0 (peer->name, name) == 0)
    return;
  g_free (peer->name);
  peer->name = g_strdup (name);
  if (peer->presence != QP_PEER_AWAY)
    tell_renamed (peer);
}

/* --- Accepting -------------------------------------------------------------- */

static gboolean
ask (QpPeer *peer, QpMember *member, const char *fingerprint)
{
  QpPeerName name = { peer->id, peer->name };

  if (!member->callbacks.accept_peer ||
      member->callbacks.accept_peer (&name, fingerprint, member->user))
    return TRUE;
  GST_INFO ("%s (%s): not accepted by the application", peer->id,
      peer->name ? peer->name : "no name");
  peer->refused = TRUE;
  return FALSE;
}

gboolean
qp_peer_is_accepted (QpPeer *peer, const char *fingerprint)
{
  QpSession *session = peer->session;

  for (guint i = 0; i < session->members->len; i++) {
    if (!ask (peer, g_ptr_array_index (session->members, i), fingerprint))
      return FALSE;
  }
  return TRUE;
}

void
qp_peer_meet_member (QpPeer *peer, QpMember *member)
{
  if (peer->call &&
      !ask (peer, member, qp_call_get_peer_fingerprint (peer->call)))
    qp_peer_turn_away (peer);
  else
    announce (peer, member);
}

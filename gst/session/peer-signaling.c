/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a peer says through the signaling server, and our answers: offers are
 * followed or refused, the rest goes to the call it names.  The server and the
 * peer are believed as little as possible: a call that is up ends by its own
 * connection's word only, and whoever offers too often is not answered.
 * Transport thread only. */
#include <string.h>

#include "roq/roq.h"
#include "session/peer-private.h"
#include "session/session-private.h"

#define GST_CAT_DEFAULT qp_session_debug

static QpCall *
find_call (QpPeer *peer, const char *id)
{
  if (peer->call && g_str_equal (qp_call_get_id (peer->call), id))
    return peer->call;
  if (peer->next && g_str_equal (qp_call_get_id (peer->next), id))
    return peer->next;
  return NULL;
}

/* Says no to an offer, and nothing at all to the many that follow it: our own
 * share of the server's patience is for calls. */
static gboolean
refuse (QpPeer *peer, const QpMessage *offer, const char *code,
    const char *text)
{
  gint64 now = g_get_monotonic_time ();

  if (qp_rate_limit_take (&peer->refusals, now) &&
      qp_rate_limit_take (&peer->session->refusals, now)) {
    GST_INFO ("%s: offer refused: %s", peer->id, text);
    qp_peer_send_bye (peer, offer->call, code, text);
  }
  return FALSE;
}

/* Whether one more call may be made for the peer. */
static gboolean
admit (QpPeer *peer, const QpMessage *offer)
{
  const char *reason;

  if (!qp_rate_limit_take (&peer->offers, g_get_monotonic_time ()))
    return refuse (peer, offer, "too-many",
        "too many offers: wait a second before the next");
  reason = qp_session_admit_call (peer->session);
  if (reason)
    return refuse (peer, offer, "busy", reason);
  if (!qp_peer_is_accepted (peer, offer->fingerprint))
    return refuse (peer, offer, "not-accepted", QP_PEER_NOT_ACCEPTED);
  return TRUE;
}

/* Whether an offer may be followed, given the call there is. */
static gboolean
may_accept (QpPeer *peer, const QpMessage *offer)
{
  QpSession *session = peer->session;

  if (!qp_session_get_producer (session))
    return refuse (peer, offer, "no-media", "this member sends no media");
  if (find_call (peer, offer->call))
    return FALSE;

  if (qp_peer_is_connected (peer)) {
    const char *known = qp_call_get_peer_fingerprint (peer->call);

    /* Whoever speaks for signaling cannot put another in the peer's place. */
    if (!qp_fingerprint_equal (known, offer->fingerprint))
      return refuse (peer, offer, "wrong-peer",
          "a call with another fingerprint is up, and goes on");
  } else if (peer->call && qp_call_is_offerer (peer->call) &&
      strcmp (qp_session_get_own_id (session), peer->id) < 0) {
    /* Both offered at once: the lower id's offer stands. */
    return FALSE;
  }
  return admit (peer, offer);
}

static void
handle_offer (QpPeer *peer, const QpMessage *offer)
{
  g_autofree char *sdp = NULL;
  QpCall *call;

  if (!may_accept (peer, offer))
    return;

  call = qp_peer_make_call (peer, FALSE, offer->call);
  qp_clear_source (&peer->retry);
  if (qp_peer_is_connected (peer)) {
    if (peer->next)
      qp_session_retire_call (peer->session, peer->next, QP_ROQ_NO_ERROR,
          "a newer offer came");
    peer->next = call;
    qp_call_accept (call, offer, NULL);
  } else {
    if (peer->call)
      qp_session_retire_call (peer->session, peer->call, QP_ROQ_NO_ERROR,
          "a newer offer came");
    peer->call = call;
    sdp = qp_peer_describe_media (peer);
    qp_call_accept (call, offer, sdp);
  }
}

/* We have called somebody whom the application knows better by its
 * certificate. */
static void
handle_answer (QpPeer *peer, QpCall *call, const QpMessage *answer)
{
  if (qp_call_get_state (call) != QP_CALL_OFFERING ||
      qp_peer_is_accepted (peer, answer->fingerprint)) {
    qp_call_handle (call, answer);
    return;
  }
  qp_peer_turn_away (peer);
}

static void
handle_bye (QpPeer *peer, QpCall *call, const QpMessage *bye)
{
  g_autoptr (GError) error = NULL;

  /* A call that is up ends by its own connection's word only. */
  if (qp_call_get_state (call) == QP_CALL_CONNECTED)
    return;
  error = g_error_new (QP_SESSION_ERROR, QP_SESSION_ERROR_NO_PATH,
      "%s ended the call: %s", peer->id, bye->text);
  qp_peer_call_ended (peer, call, error);
}

void
qp_peer_handle (QpPeer *peer, const QpMessage *message)
{
  QpCall *call;

  if (message->type == QP_MESSAGE_OFFER) {
    handle_offer (peer, message);
    return;
  }
  call = find_call (peer, message->call);
  if (!call)
    return;
  if (message->type == QP_MESSAGE_MEDIA) {
    if (qp_call_get_state (call) != QP_CALL_CONNECTED) {
      g_free (peer->early_sdp);
      peer->early_sdp = g_strdup (message->sdp);
    } else if (g_str_equal (qp_call_get_alpn (call), QP_ROQ_ALPN)) {
      /* With a control stream, the peer's own word counts, not signaling's. */
      qp_peer_take_media (peer, message->sdp);
    }
  } else if (message->type == QP_MESSAGE_BYE) {
    handle_bye (peer, call, message);
  } else if (message->type == QP_MESSAGE_ANSWER) {
    handle_answer (peer, call, message);
  } else {
    qp_call_handle (call, message);
  }
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whom a session calls, when it gives up, and what state it is in: looked at
 * anew, from an idle, whenever a call or the membership of the room has changed.
 * Transport thread only. */
#include "session/session-private.h"

#define GST_CAT_DEFAULT qp_session_debug

/* A producer that said nothing for so long is taken for dead when another of
 * its name joins: a camera that was restarted. */
#define SILENCE_US (2 * G_USEC_PER_SEC)

/* --- Whom to call --------------------------------------------------------- */

static gboolean
matches (QpSession *session, QpPeer *peer)
{
  const char *wish = session->config->producer;

  return !wish || g_str_equal (wish, qp_peer_get_id (peer)) ||
      g_strcmp0 (wish, qp_peer_get_name (peer)) == 0;
}

static gboolean
wants_all (QpSession *session)
{
  return qp_session_get_consumer (session) &&
      g_strcmp0 (session->config->producer, QP_CONFIG_ALL_PRODUCERS) == 0;
}

static gboolean
is_candidate (QpSession *session, QpPeer *peer)
{
  return qp_peer_is_present (peer) && qp_peer_is_producer (peer) &&
      !qp_peer_is_refused (peer) && matches (session, peer);
}

/* The first producer that fits, those that failed least before the others. */
static QpPeer *
choose_producer (QpSession *session)
{
  QpPeer *best = NULL;

  for (guint i = 0; i < session->peers->len; i++) {
    QpPeer *peer = g_ptr_array_index (session->peers, i);

    if (is_candidate (session, peer) &&
        (!best || qp_peer_get_failures (peer) < qp_peer_get_failures (best)))
      best = peer;
  }
  return best;
}

/* A producer of the same name that joined after the played one fell silent. */
static QpPeer *
find_successor (QpSession *session, gint64 now)
{
  QpPeer *old = session->selected;

  if (qp_peer_get_silence (old, now) < SILENCE_US)
    return NULL;
  for (guint i = session->peers->len; i > 0; i--) {
    QpPeer *peer = g_ptr_array_index (session->peers, i - 1);

    if (peer == old)
      break;
    if (is_candidate (session, peer) &&
        g_strcmp0 (qp_peer_get_name (peer), qp_peer_get_name (old)) == 0)
      return peer;
  }
  return NULL;
}

static void
select_producer (QpSession *session, gint64 now)
{
  QpPeer *old = session->selected, *chosen = old;

  if (!old ||
      (!qp_peer_is_connected (old) && qp_peer_get_state (old) == QP_CALL_NEW))
    chosen = choose_producer (session);
  else if (find_successor (session, now))
    chosen = find_successor (session, now);
  if (!chosen && old)
    chosen = old;

  if (chosen != old) {
    session->selected = chosen;
    if (old)
      qp_peer_unwant (old, "another producer is played");
  }
  if (chosen && !qp_peer_want (chosen)) {
    /* The next one then. */
    session->selected = NULL;
    qp_session_review (session);
  }
}

static guint
count_half_open (QpSession *session)
{
  guint n = 0;

  for (guint i = 0; i < session->peers->len; i++)
    n += qp_peer_count_half_open (g_ptr_array_index (session->peers, i));
  return n;
}

/* Those who never failed first, and no more calls at a time than may be set up:
 * a crowd that does not answer must not keep us from those who do. The end of a
 * call brings the next review. */
static void
want_all (QpSession *session)
{
  for (guint failed = 0; failed < 2; failed++) {
    for (guint i = 0; i < session->peers->len; i++) {
      QpPeer *peer = g_ptr_array_index (session->peers, i);

      if (qp_peer_is_present (peer) && qp_peer_is_producer (peer) &&
          (qp_peer_get_failures (peer) > 0) == failed &&
          (qp_peer_get_call (peer) ||
              count_half_open (session) < QP_SESSION_MAX_HALF_OPEN))
        qp_peer_want (peer);
    }
  }
}

static void
want_peers (QpSession *session)
{
  if (!qp_session_get_consumer (session) || session->state == QP_SESSION_FAILED)
    return;
  if (wants_all (session))
    want_all (session);
  else
    select_producer (session, g_get_monotonic_time ());
}

/* --- Timeouts ------------------------------------------------------------- */

static gboolean
on_producer_timeout (gpointer data)
{
  QpSession *session = data;
  QpMember *consumer = qp_session_get_consumer (session);

  g_clear_pointer (&session->producer_timeout, g_source_unref);
  GST_INFO ("the producer has been gone for %u ms",
      session->config->producer_timeout_ms);
  if (consumer)
    consumer->callbacks.producer_timeout (consumer->user);
  return G_SOURCE_REMOVE;
}

/* Runs while the one producer that is to be played was connected and is not. */
static void
watch_producer (QpSession *session)
{
  /* One that cannot be reached has not left. */
  gboolean connected = session->selected &&
      qp_peer_is_connected (session->selected);

  /* It may have been connected before it was chosen. */
  session->played |= connected;
  if (connected || !session->played || wants_all (session) ||
      session->config->producer_timeout_ms == 0 ||
      !qp_session_get_consumer (session) || session->state == QP_SESSION_FAILED)
    qp_clear_source (&session->producer_timeout);
  else if (!session->producer_timeout)
    session->producer_timeout = qp_session_add_timeout (session,
        session->config->producer_timeout_ms, on_producer_timeout);
}

static gboolean
on_disconnect_timeout (gpointer data)
{
  QpSession *session = data;
  g_autoptr (GError)
      error = g_error_new (QP_SESSION_ERROR, QP_SESSION_ERROR_LOST,
          "disconnected for %u ms: %s", session->config->disconnect_timeout_ms,
          session->reason ? session->reason : "the peer is gone");

  g_clear_pointer (&session->disconnect_timeout, g_source_unref);
  qp_session_fail (session, error);
  return G_SOURCE_REMOVE;
}

/* Runs while a session that was connected is not. */
static void
watch_disconnection (QpSession *session, gboolean connected)
{
  if (connected || !session->was_connected ||
      session->config->disconnect_timeout_ms == 0 ||
      session->state == QP_SESSION_FAILED)
    qp_clear_source (&session->disconnect_timeout);
  else if (!session->disconnect_timeout)
    session->disconnect_timeout = qp_session_add_timeout (session,
        session->config->disconnect_timeout_ms, on_disconnect_timeout);
}

/* A call that is under way, NULL if there is none. */
static QpPeer *
find_connecting (QpSession *session)
{
  for (guint i = 0; i < session->peers->len; i++) {
    QpPeer *peer = g_ptr_array_index (session->peers, i);
    QpCallState state = qp_peer_get_state (peer);

    if (state > QP_CALL_NEW && state < QP_CALL_CONNECTED)
      return peer;
  }
  return NULL;
}

/* What stands in the way of the first connection. (transfer full) */
static GError *
explain_timeout (QpSession *session)
{
  const QpSignalingUri *uri = session->uri;
  guint ms = session->config->connect_timeout_ms;
  QpPeer *peer = find_connecting (session);

  if (qp_signaling_client_get_state (session->client) != QP_SIGNALING_JOINED)
    return g_error_new (QP_SESSION_ERROR, QP_SESSION_ERROR_SIGNALING,
        "signaling server %s:%u was not reached within %u ms: %s", uri->host,
        uri->port, ms, session->reason ? session->reason : "no answer");
  if (peer) {
    QpCall *call = qp_peer_get_call (peer);
    g_autofree char *tried = qp_call_describe (call);

    return g_error_new (QP_SESSION_ERROR, QP_SESSION_ERROR_NO_PATH,
        "the call with %s is still %s after %u ms: %s", qp_peer_get_id (peer),
        qp_call_state_to_string (qp_call_get_state (call)), ms, tried);
  }
  if (session->last_error)
    return g_error_copy (session->last_error);
  if (session->peers->len == 0)
    return g_error_new (QP_SESSION_ERROR, QP_SESSION_ERROR_NO_PEER,
        "nobody else came to room \"%s\" on %s:%u within %u ms", uri->room,
        uri->host, uri->port, ms);
  return g_error_new (QP_SESSION_ERROR, QP_SESSION_ERROR_NO_PEER,
      "none of the %u other members of room \"%s\" on %s:%u sends what is "
      "wanted; waited for %u ms",
      session->peers->len, uri->room, uri->host, uri->port, ms);
}

static gboolean
on_connect_timeout (gpointer data)
{
  QpSession *session = data;
  g_autoptr (GError) error = NULL;

  g_clear_pointer (&session->connect_timeout, g_source_unref);
  /* Whoever plays all waits for nobody in particular. */
  if (wants_all (session) &&
      qp_signaling_client_get_state (session->client) == QP_SIGNALING_JOINED)
    return G_SOURCE_REMOVE;
  error = explain_timeout (session);
  qp_session_fail (session, error);
  return G_SOURCE_REMOVE;
}

void
qp_session_start_connect_timeout (QpSession *session)
{
  qp_clear_source (&session->connect_timeout);
  if (session->config->connect_timeout_ms > 0)
    session->connect_timeout = qp_session_add_timeout (session,
        session->config->connect_timeout_ms, on_connect_timeout);
}

/* --- Review --------------------------------------------------------------- */

static void
review_state (QpSession *session)
{
  gboolean connecting = FALSE, connected = FALSE, cut = FALSE, lost = FALSE;

  for (guint i = 0; i < session->peers->len; i++) {
    QpPeer *peer = g_ptr_array_index (session->peers, i);
    QpCallState state = qp_peer_get_state (peer);

    cut |= qp_peer_is_cut (peer);
    lost |= qp_peer_is_lost (peer);
    connected |= state == QP_CALL_CONNECTED && !qp_peer_is_cut (peer);
    connecting |= state > QP_CALL_NEW && state < QP_CALL_CONNECTED;
  }
  watch_producer (session);
  watch_disconnection (session, connected);
  if (session->state == QP_SESSION_FAILED)
    return;

  if (connected) {
    qp_clear_source (&session->connect_timeout);
    g_clear_error (&session->last_error);
    qp_session_set_state (session, QP_SESSION_CONNECTED, NULL);
  } else if (cut) {
    qp_session_set_state (session, QP_SESSION_DISCONNECTED,
        "no network path works; trying to find another");
  } else if (wants_all (session) ? lost : session->played) {
    qp_session_set_state (session, QP_SESSION_DISCONNECTED,
        wants_all (session) ? "the other members are lost"
                            : "the producer is gone");
  } else if (connecting) {
    qp_session_set_state (session, QP_SESSION_CONNECTING, NULL);
  } else if (qp_signaling_client_get_state (session->client) ==
      QP_SIGNALING_JOINED) {
    qp_session_set_state (session, QP_SESSION_WAITING, NULL);
  } else {
    qp_session_set_state (session, QP_SESSION_SIGNALING, NULL);
  }
}

/* Members that left the room and have no connected call are forgotten. */
static void
forget_gone_peers (QpSession *session)
{
  for (guint i = session->peers->len; i > 0; i--) {
    QpPeer *peer = g_ptr_array_index (session->peers, i - 1);

    if (qp_peer_is_present (peer) || qp_peer_is_connected (peer))
      continue;
    if (session->selected == peer)
      session->selected = NULL;
    g_ptr_array_remove_index (session->peers, i - 1);
    qp_peer_free (peer, "left the room");
  }
}

static gboolean
on_review (gpointer data)
{
  QpSession *session = data;

  qp_clear_source (&session->review);
  if (session->leaving || !session->client)
    return G_SOURCE_REMOVE;
  forget_gone_peers (session);
  want_peers (session);
  review_state (session);
  return G_SOURCE_REMOVE;
}

void
qp_session_connected (QpSession *session, QpPeer *peer)
{
  session->was_connected = TRUE;
  session->played |= peer == session->selected;
  if (session->state != QP_SESSION_FAILED)
    qp_session_set_state (session, QP_SESSION_CONNECTED, NULL);
}

/* From an idle: whoever asks may be in the middle of a peer's own change. */
void
qp_session_review (QpSession *session)
{
  if (session->review || session->leaving)
    return;
  session->review = g_idle_source_new ();
  g_source_set_priority (session->review, G_PRIORITY_DEFAULT);
  g_source_set_callback (session->review, on_review, session, NULL);
  g_source_attach (session->review, session->context);
}

static gboolean
is_refusal (const GError *error)
{
  return error->domain == QP_QUIC_ERROR &&
      (error->code == QP_QUIC_ERROR_TLS ||
          error->code == QP_QUIC_ERROR_FINGERPRINT ||
          error->code == QP_QUIC_ERROR_CERTIFICATE ||
          error->code == QP_QUIC_ERROR_ALPN);
}

/* Others may fail as often as they like; the application hears of it now and
 * then. */
static void
warn (QpSession *session, const GError *error)
{
  g_autoptr (GError) told = NULL;

  if (!qp_rate_limit_take (&session->warnings, g_get_monotonic_time ())) {
    session->warnings_held_back++;
    GST_INFO ("warning held back: %s", error->message);
    return;
  }
  told = g_error_copy (error);
  if (session->warnings_held_back > 0)
    g_prefix_error (&told, "(after %u more warnings) ",
        session->warnings_held_back);
  session->warnings_held_back = 0;
  for (guint i = 0; i < session->members->len; i++) {
    QpMember *member = g_ptr_array_index (session->members, i);

    member->callbacks.warning (told, member->user);
  }
}

/* Another producer than `peer` that would do. */
static gboolean
has_alternative (QpSession *session, QpPeer *peer)
{
  for (guint i = 0; i < session->peers->len; i++) {
    QpPeer *other = g_ptr_array_index (session->peers, i);

    if (other != peer && is_candidate (session, other))
      return TRUE;
  }
  return FALSE;
}

void
qp_session_call_failed (QpSession *session, QpPeer *peer, const GError *error)
{
  g_autoptr (GError) told = NULL;

  if (is_refusal (error))
    told = g_error_new (QP_SESSION_ERROR, QP_SESSION_ERROR_REFUSED,
        "the connection with %s (%.8s) was refused: %s",
        qp_peer_get_name (peer) ? qp_peer_get_name (peer) : "a peer",
        qp_peer_get_id (peer), error->message);
  else if (error->domain == QP_SESSION_ERROR)
    told = g_error_copy (error);
  else
    told = g_error_new (QP_SESSION_ERROR, QP_SESSION_ERROR_LOST, "%s",
        error->message);

  g_clear_error (&session->last_error);
  session->last_error = g_error_copy (told);

  /* Who waits for this one producer waits in vain: it will be refused again. Was
   * it one of several, the next one is tried: an impostor that came first must
   * not end what the true one can serve. */
  if (is_refusal (error) && peer == session->selected &&
      !session->was_connected && !has_alternative (session, peer))
    qp_session_fail (session, told);
  else
    warn (session, told);
}

void
qp_session_watch_silence (QpSession *session, gint64 now)
{
  if (session->selected && find_successor (session, now))
    qp_session_review (session);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a session does when the machine's network changes: tells every call, and
 * takes signaling to where it can be reached.  The kernel's news come in bursts
 * (an interface brings its addresses and routes with it), so they are acted on
 * once, when the burst is over.  Transport thread only. */
#include "session/session-private.h"

#define GST_CAT_DEFAULT qp_session_debug

static void
move_signaling (QpSession *session)
{
  /* Its TCP connection would notice the loss of its address only after
   * minutes; and where it is waiting for its next attempt, now is better. */
  if (session->client &&
      (session->network_lost ||
          qp_signaling_client_get_state (session->client) !=
              QP_SIGNALING_JOINED))
    qp_signaling_client_reconnect (session->client, NULL);
  session->network_lost = FALSE;
}

static gboolean
on_network_idle (gpointer data)
{
  QpSession *session = data;

  qp_clear_source (&session->network_idle);
  for (guint i = 0; i < session->peers->len; i++)
    qp_peer_network_changed (g_ptr_array_index (session->peers, i));
  move_signaling (session);
  return G_SOURCE_REMOVE;
}

static void
on_network_event (const QpNetworkEvent *event, gpointer user)
{
  QpSession *session = user;

  GST_DEBUG ("network: %s, interface %u %s",
      qp_network_event_type_to_string (event->type), event->index, event->name);
  if (event->type == QP_NETWORK_LINK_GONE ||
      event->type == QP_NETWORK_ADDRESS_GONE ||
      (event->type == QP_NETWORK_LINK && !event->up))
    session->network_lost = TRUE;
  if (session->network_idle)
    return;
  session->network_idle = g_idle_source_new ();
  g_source_set_priority (session->network_idle, G_PRIORITY_DEFAULT);
  g_source_set_callback (session->network_idle, on_network_idle, session, NULL);
  g_source_attach (session->network_idle, session->context);
}

void
qp_session_start_network (QpSession *session)
{
  g_autoptr (GError) error = NULL;

  session->network = qp_network_watch_new (session->context, on_network_event,
      session, &error);
  if (!session->network)
    GST_WARNING ("changes of the network are noticed late: %s", error->message);
}

void
qp_session_stop_network (QpSession *session)
{
  g_clear_pointer (&session->network, qp_network_watch_free);
  qp_clear_source (&session->network_idle);
}

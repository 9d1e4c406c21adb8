/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the paths to all peers carry, as the producer is told it.  Transport
 * thread only. */
#include "session/session-private.h"

void
qp_session_rates_changed (QpSession *session)
{
  QpMember *producer = qp_session_get_producer (session);
  QpPeerRate rates[QP_SESSION_MAX_PEERS];
  guint n = 0;

  if (!producer || !producer->callbacks.rates)
    return;
  for (guint i = 0; i < session->peers->len && n < G_N_ELEMENTS (rates); i++) {
    QpPeer *peer = g_ptr_array_index (session->peers, i);

    if (qp_peer_is_connected (peer) && qp_peer_consumes (peer)) {
      rates[n].peer = (QpPeerName){ qp_peer_get_id (peer),
        qp_peer_get_name (peer) };
      rates[n].estimate = qp_call_get_rate (qp_peer_get_call (peer),
          &rates[n].target);
      n++;
    }
  }
  producer->callbacks.rates (rates, n, producer->user);
}

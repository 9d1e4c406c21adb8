/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The NiceAgent of a path: how it is set up, and what is noted down when it
 * signals.  Its signals come on the path's thread, without libnice's lock. */
#include "path/path-private.h"

#include <netinet/in.h>
#include <nice/nice-version.h>

/* Ta of RFC 8445, section 14.2: 5 ms is the least it allows. One path is one
 * component, so a call sends far fewer checks than the 50 ms were made for. */
#define PACING 5 /* ms */
/* RTO of requests to STUN and TURN servers; libnice's default of 500 ms costs
 * half a second whenever the first packet is lost. */
#define INITIAL_TIMEOUT 150 /* ms */
/* With libnice's fixed 500 ms for checks: 0.5 + 1 + 2 + 4 + 2 s of trying. */
#define TRANSMISSIONS 5
/* From the last failed check to the verdict, for checks of the peer's that
 * are still under way. */
#define IDLE_TIMEOUT 2000 /* ms */

/* Bursts of a gigabit a second arrive faster than a thread is woken. The
 * kernel's rmem_max cuts this short unless the process may exceed it. */
#define RECEIVE_BUFFER (8 << 20)
#define SEND_BUFFER (2 << 20)

/* From 0.1.23 on, libnice gives a relay back without hearing its answer, and
 * repeats itself for seconds, unless it is told not to. */
#if NICE_VERSION_MAJOR > 0 || NICE_VERSION_MINOR > 1 || NICE_VERSION_MICRO >= 23
#define CLOSE_OPTION NICE_AGENT_OPTION_CLOSE_FORCED
#else
#define CLOSE_OPTION NICE_AGENT_OPTION_NONE
#endif

/* Consent (RFC 7675) is asked for every 5 s and expires after 30 s.  Before
 * 0.1.22 libnice lets it expire after 10 s, which one lost packet brings about:
 * at 2 % loss a call lived for two minutes. There its other kind of keep-alive
 * sends the same checks and gives up after 50 s; QUIC's idle timeout sees to the
 * 30. */
#if NICE_VERSION_MAJOR > 0 || NICE_VERSION_MINOR > 1 || NICE_VERSION_MICRO >= 22
#define CONSENT_OPTION NICE_AGENT_OPTION_CONSENT_FRESHNESS
#define CHECK_KEEPALIVE FALSE
#else
#define CONSENT_OPTION NICE_AGENT_OPTION_NONE
#define CHECK_KEEPALIVE TRUE
#endif

static void
on_new_candidate (NiceAgent *agent, const NiceCandidate *nice, gpointer user)
{
  QpPath *path = user;
  QpCandidate candidate = { 0 };
  char text[NICE_ADDRESS_STRING_LEN];

  g_strlcpy (candidate.foundation, nice->foundation,
      sizeof candidate.foundation);
  candidate.priority = nice->priority;
  candidate.type = (QpCandidateType) nice->type;
  nice_address_to_string (&nice->addr, text);
  g_strlcpy (candidate.address, text, sizeof candidate.address);
  candidate.port = nice_address_get_port (&nice->addr);
  if (nice->type != NICE_CANDIDATE_TYPE_HOST) {
    /* RFC 8828's modes that hide addresses hide the base as well. */
    if (path->relay_only) {
      g_strlcpy (candidate.related_address,
          nice_address_ip_version (&nice->addr) == 6 ? "::" : "0.0.0.0",
          sizeof candidate.related_address);
    } else {
      nice_address_to_string (&nice->base_addr, text);
      g_strlcpy (candidate.related_address, text,
          sizeof candidate.related_address);
      candidate.related_port = nice_address_get_port (&nice->base_addr);
    }
  }
  g_array_append_val (path->local, candidate);
  qp_path_wake (path);
}

static void
on_gathering_done (NiceAgent *agent, guint stream, gpointer user)
{
  QpPath *path = user;

  path->gathering_done = TRUE;
  qp_path_wake (path);
}

static void
on_selected_pair (NiceAgent *agent, guint stream, guint component,
    NiceCandidate *local, NiceCandidate *remote, gpointer user)
{
  QpPath *path = user;

  char base[NICE_ADDRESS_STRING_LEN];

  nice_address_to_string (&local->base_addr, base);
  g_strlcpy (path->pair_base, base, sizeof path->pair_base);
  qp_path_end_from_candidate (&path->pair_local, local);
  qp_path_end_from_candidate (&path->pair_remote, remote);
  nice_address_copy_to_sockaddr (&remote->addr,
      (struct sockaddr *) &path->pair_address);
  path->have_pair = TRUE;
  path->pair_changed = TRUE;
  qp_path_wake (path);
}

static void
on_component_state (NiceAgent *agent, guint stream, guint component,
    guint state, gpointer user)
{
  QpPath *path = user;

  GST_DEBUG ("path %u: libnice says %s", path->id,
      nice_component_state_to_string (state));
  path->component_state = state;
  qp_path_wake (path);
}

void
qp_path_make_agent (QpPath *path)
{
  char *made = NULL;

  /* Aggressive nomination, libnice's default: the pair that answers first
   * carries data at once, and a better one replaces it when it answers. The
   * regular kind costs one more round trip, and QUIC does not mind a change of
   * pair that it cannot see. */
  path->agent = nice_agent_new_full (path->context, NICE_COMPATIBILITY_RFC5245,
      NICE_AGENT_OPTION_ICE_TRICKLE | CONSENT_OPTION | CLOSE_OPTION);
  g_object_set (path->agent, "controlling-mode", path->controlling,
      "keepalive-conncheck", CHECK_KEEPALIVE, "upnp", FALSE, "ice-tcp", FALSE,
      "force-relay", path->relay_only, "stun-pacing-timer", PACING,
      "stun-initial-timeout", INITIAL_TIMEOUT, "stun-max-retransmissions",
      TRANSMISSIONS, "idle-timeout", IDLE_TIMEOUT, NULL);

  path->stream = nice_agent_add_stream (path->agent, QP_PATH_COMPONENT);
  nice_agent_get_local_credentials (path->agent, path->stream, &path->ufrag,
      &made);
  if (!path->password) {
    path->password = made;
  } else {
    nice_agent_set_local_credentials (path->agent, path->stream, path->ufrag,
        path->password);
    g_free (made);
  }
  if (path->min_port)
    nice_agent_set_port_range (path->agent, path->stream, QP_PATH_COMPONENT,
        path->min_port, path->max_port);

  g_signal_connect (path->agent, "new-candidate-full",
      G_CALLBACK (on_new_candidate), path);
  g_signal_connect (path->agent, "candidate-gathering-done",
      G_CALLBACK (on_gathering_done), path);
  g_signal_connect (path->agent, "new-selected-pair-full",
      G_CALLBACK (on_selected_pair), path);
  g_signal_connect (path->agent, "component-state-changed",
      G_CALLBACK (on_component_state), path);
  /* libnice answers STUN on sockets that somebody reads only. */
  nice_agent_attach_recv (path->agent, path->stream, QP_PATH_COMPONENT,
      path->context, qp_path_receive, path);
}

static void
tune_socket (GSocket *socket)
{
  int fd = g_socket_get_fd (socket);
  const int receive = RECEIVE_BUFFER, send = SEND_BUFFER;
  const int probe4 = IP_PMTUDISC_PROBE, probe6 = IPV6_PMTUDISC_PROBE;

  if (setsockopt (fd, SOL_SOCKET, SO_RCVBUFFORCE, &receive, sizeof receive) < 0)
    setsockopt (fd, SOL_SOCKET, SO_RCVBUF, &receive, sizeof receive);
  if (setsockopt (fd, SOL_SOCKET, SO_SNDBUFFORCE, &send, sizeof send) < 0)
    setsockopt (fd, SOL_SOCKET, SO_SNDBUF, &send, sizeof send);
  /* QUIC's datagrams must not be fragmented (RFC 9000, section 14). */
  if (g_socket_get_family (socket) == G_SOCKET_FAMILY_IPV6)
    setsockopt (fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &probe6, sizeof probe6);
  else
    setsockopt (fd, IPPROTO_IP, IP_MTU_DISCOVER, &probe4, sizeof probe4);
}

void
qp_path_tune_sockets (QpPath *path)
{
  g_autoptr (GPtrArray) sockets = nice_agent_get_sockets (path->agent,
      path->stream, QP_PATH_COMPONENT);

  for (guint i = 0; sockets && i < sockets->len; i++) {
    GSocket *socket = sockets->pdata[i];

    if (g_socket_get_socket_type (socket) == G_SOCKET_TYPE_DATAGRAM)
      tune_socket (socket);
  }
}

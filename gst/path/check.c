/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A connectivity check on the selected pair, at once.  libnice sends one every
 * five seconds; but when a NAT on our side has given the pair another port, the
 * peer's libnice drops everything from there until a check has come from it
 * (RFC 8445, 7.3.1.3: a peer-reflexive candidate), and we cannot be heard until
 * then.  libnice has no call for it, so the check is written here, with
 * libnice's own STUN library; the answer goes to libnice, which does not know
 * the transaction and ignores it.  Runs on the path's thread. */
#include "path/path-private.h"

#include <errno.h>
#include <string.h>
#include <stun/usages/ice.h>

/* Type preference of peer-reflexive candidates (RFC 8445, 5.1.2.2). */
#define PRFLX_PREFERENCE 110
/* Local preferences of these checks, above those that libnice gives. */
#define FIRST_PREFERENCE 0xff00
#define LAST_PREFERENCE 0xffff

static const guint16 no_attributes[] = { 0 };

/* The peer moves to the pair that it learns by this only if its priority
 * exceeds that of the one it has, which it may have learnt in the same way. */
static guint32
next_priority (QpPath *path)
{
  guint preference = MIN (FIRST_PREFERENCE + path->checks, LAST_PREFERENCE);

  path->checks++;
  return ((guint32) PRFLX_PREFERENCE << 24) | (preference << 8) |
      (256 - QP_PATH_COMPONENT);
}

static gsize
write_check (QpPath *path, guint8 *out, gsize size)
{
  g_autofree char *username = g_strdup_printf ("%s:%s", path->remote_ufrag,
      path->ufrag);
  StunAgent agent;
  StunMessage message;

  stun_agent_init (&agent, no_attributes, STUN_COMPATIBILITY_RFC5389,
      STUN_AGENT_USAGE_SHORT_TERM_CREDENTIALS |
          STUN_AGENT_USAGE_USE_FINGERPRINT);
  return stun_usage_ice_conncheck_create (&agent, &message, out, size,
      (const guint8 *) username, strlen (username),
      (const guint8 *) path->remote_password, strlen (path->remote_password),
      path->controlling, path->controlling, next_priority (path),
      ((guint64) g_random_int () << 32) | g_random_int (), NULL,
      STUN_USAGE_ICE_COMPATIBILITY_RFC5245);
}

gboolean
qp_path_check (QpPath *path)
{
  guint8 check[STUN_MAX_MESSAGE_SIZE_IPV6];
  gsize size;

  /* A relayed pair's packets come from the relay, whatever our NAT does. */
  if (path->state != QP_PATH_CONNECTED || !path->socket)
    return FALSE;
  size = write_check (path, check, sizeof check);
  if (size == 0)
    return FALSE;
  GST_DEBUG ("path %u: checks %s %s ↔ %s %s", path->id, path->pair_local.type,
      path->pair_local.address, path->pair_remote.type,
      path->pair_remote.address);
  return sendto (g_socket_get_fd (path->socket), check, size, MSG_DONTWAIT,
             (struct sockaddr *) &path->remote_address,
             path->remote_address_size) == (gssize) size;
}

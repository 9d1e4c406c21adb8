/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See virtual-path.h.  An address is fd00::/8 (RFC 4193), and in it the
 * generation, which makes it unique, and the number, so that no table is
 * needed for the paths that ngtcp2 still remembers after they are gone here. */
#include "quic/virtual-path.h"

#include <string.h>

#define GENERATION_AT 8
#define NUMBER_AT 12

static void
fill_address (struct sockaddr_in6 *address, guint16 port, guint number,
    guint32 generation)
{
  guint32 generation_be = GUINT32_TO_BE (generation);
  guint32 number_be = GUINT32_TO_BE (number);

  memset (address, 0, sizeof *address);
  address->sin6_family = AF_INET6;
  address->sin6_port = GUINT16_TO_BE (port);
  address->sin6_addr.s6_addr[0] = 0xfd;
  memcpy (address->sin6_addr.s6_addr + GENERATION_AT, &generation_be,
      sizeof generation_be);
  memcpy (address->sin6_addr.s6_addr + NUMBER_AT, &number_be, sizeof number_be);
}

QpVirtualPath *
qp_virtual_path_new (guint number, guint32 generation, gsize max_payload)
{
  QpVirtualPath *path = g_new0 (QpVirtualPath, 1);

  fill_address (&path->local, 1, number, generation);
  fill_address (&path->remote, 2, number, generation);
  path->path.local.addr = (struct sockaddr *) &path->local;
  path->path.local.addrlen = sizeof path->local;
  path->path.remote.addr = (struct sockaddr *) &path->remote;
  path->path.remote.addrlen = sizeof path->remote;
  path->number = number;
  path->generation = generation;
  path->max_payload = max_payload;
  return path;
}

void
qp_virtual_path_free (QpVirtualPath *path)
{
  g_free (path);
}

static guint32
read_word (const ngtcp2_path *path, guint at)
{
  const struct sockaddr_in6 *address = (const struct sockaddr_in6 *)
                                           path->local.addr;
  guint32 word;

  g_assert (path->local.addrlen == sizeof *address);
  memcpy (&word, address->sin6_addr.s6_addr + at, sizeof word);
  return GUINT32_FROM_BE (word);
}

guint
qp_virtual_path_get_number (const ngtcp2_path *path)
{
  return read_word (path, NUMBER_AT);
}

guint32
qp_virtual_path_get_generation (const ngtcp2_path *path)
{
  return read_word (path, GENERATION_AT);
}

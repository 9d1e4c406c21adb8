/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The addresses that stand for paths towards ngtcp2.  The owner's paths are
 * numbers; ngtcp2 wants address pairs, lets a client migrate only if the local
 * one changes, and treats a pair that it has seen before differently from a
 * new one.  So each number gets an address pair that was never used before,
 * and a fresh one whenever the connection moves (back) to that number.  The
 * addresses leave this room in no packet.  Pure; no thread of its own. */
#pragma once

#include <glib.h>
#include <netinet/in.h>
#include <ngtcp2/ngtcp2.h>

G_BEGIN_DECLS

typedef struct {
  struct sockaddr_in6 local, remote;
  ngtcp2_path path; /* points to the two above */
  guint number;
  guint32 generation; /* unique among the paths of one connection */
  gsize max_payload;  /* bytes of UDP payload that the real path carries */
} QpVirtualPath;

QpVirtualPath *qp_virtual_path_new (guint number, guint32 generation,
    gsize max_payload);
void qp_virtual_path_free (QpVirtualPath *path);

/* What `path`, one of the above or ngtcp2's copy of it, stands for. */
guint qp_virtual_path_get_number (const ngtcp2_path *path);
guint32 qp_virtual_path_get_generation (const ngtcp2_path *path);

G_END_DECLS

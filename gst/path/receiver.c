/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Datagrams in.  libnice reads its sockets until they are empty and hands over
 * one datagram at a time; this file makes batches of them, and sees to it that
 * a flood cannot keep the thread in libnice's loop.  Runs on the path's
 * thread, called by libnice without its lock. */
#include "path/path-private.h"

/* After so many, the owner acts (acknowledges, sends) before the rest. */
#define BATCH 64
/* After so many in a row, other sources of the context get their turn. */
#define BURST 512

static void
deliver (QpPath *path, const guint8 *data, gsize size)
{
  path->datagrams_received++;
  path->bytes_received += size;
  path->batch++;
  path->callbacks.received (path, data, size, path->user);
}

/* A datagram may come before the state is CONNECTED: the peer saw its check
 * answered first. Dropping it would cost the handshake a retransmission. */
static void
keep_early (QpPath *path, const guint8 *data, gsize size)
{
  if (path->early.length < QP_PATH_MAX_EARLY)
    g_queue_push_tail (&path->early, g_bytes_new (data, size));
}

void
qp_path_deliver_early (QpPath *path)
{
  GBytes *datagram;

  while (path->state == QP_PATH_CONNECTED &&
      (datagram = g_queue_pop_head (&path->early)) != NULL) {
    gsize size;
    const guint8 *data = g_bytes_get_data (datagram, &size);

    deliver (path, data, size);
    g_bytes_unref (datagram);
  }
}

void
qp_path_end_batch (QpPath *path)
{
  if (path->batch == 0 || path->state != QP_PATH_CONNECTED)
    return;
  path->batch = 0;
  path->callbacks.received_all (path, path->user);
}

/* libnice's loop ends when the socket is empty, when nobody listens, or when
 * its source is gone. Only the last can be had from outside in all versions:
 * moving to another context and back makes new sources, which the context
 * visits in its next round. */
static void
leave_loop (QpPath *path)
{
  if (!path->elsewhere)
    path->elsewhere = g_main_context_new ();
  nice_agent_attach_recv (path->agent, path->stream, QP_PATH_COMPONENT,
      path->elsewhere, qp_path_receive, path);
  nice_agent_attach_recv (path->agent, path->stream, QP_PATH_COMPONENT,
      path->context, qp_path_receive, path);
}

/* Nobody runs the context from within libnice's callback; but a source that may
 * not recurse is taken out of poll() while it runs, and that, and its return,
 * wake the context once more each: with small batches, every second of its
 * rounds would be for nothing. */
static void
spare_wakeups (void)
{
  GSource *source = g_main_current_source ();

  if (source)
    g_source_set_can_recurse (source, TRUE);
}

void
qp_path_receive (NiceAgent *agent, guint stream, guint component, guint size,
    char *data, gpointer user)
{
  QpPath *path = user;

  if (qp_path_is_over (path))
    return;
  spare_wakeups ();
  qp_path_wake (path);
  if (path->state != QP_PATH_CONNECTED) {
    keep_early (path, (const guint8 *) data, size);
    return;
  }
  /* Early ones first, to keep the order. */
  qp_path_deliver_early (path);
  if (path->state != QP_PATH_CONNECTED)
    return;
  deliver (path, (const guint8 *) data, size);
  if (path->batch >= BATCH)
    qp_path_end_batch (path);
  if (++path->burst >= BURST) {
    path->burst = 0;
    leave_loop (path);
  }
}

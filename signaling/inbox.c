/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* See inbox.h. Counted, so that its callback may free it. */

#include "signaling/inbox.h"

/* Between two turns of the main loop. */
#define TURN_MESSAGES 16

struct _QpInbox {
  void (*func) (GBytes *message, gpointer user_data); /* NULL: freed */
  gpointer user_data;
  GQueue messages; /* of GBytes, oldest first */
  gsize bytes;
  GSource *source;
};

static void
inbox_clear (gpointer data)
{
  QpInbox *inbox = data;

  g_queue_clear_full (&inbox->messages, (GDestroyNotify) g_bytes_unref);
  g_source_unref (inbox->source);
}

/* FALSE: nothing waits, or the inbox was freed. */
static gboolean
read_one (QpInbox *inbox)
{
  GBytes *message = inbox->func ? g_queue_pop_head (&inbox->messages) : NULL;

  if (!message)
    return FALSE;
  inbox->bytes -= g_bytes_get_size (message);
  inbox->func (message, inbox->user_data);
  g_bytes_unref (message);
  return TRUE;
}

static void
read_some (QpInbox *inbox, guint most)
{
  g_rc_box_acquire (inbox);
  while (most > 0 && read_one (inbox))
    most--;
  g_rc_box_release_full (inbox, inbox_clear);
}

static gboolean
on_ready (gpointer user_data)
{
  QpInbox *inbox = user_data;

  if (inbox->messages.length <= TURN_MESSAGES)
    g_source_set_ready_time (inbox->source, -1);
  read_some (inbox, TURN_MESSAGES);
  return G_SOURCE_CONTINUE;
}

static gboolean
dispatch (GSource *source, GSourceFunc callback, gpointer user_data)
{
  return callback (user_data);
}

static GSourceFuncs source_funcs = { .dispatch = dispatch };

QpInbox *
qp_inbox_new (GMainContext *context,
    void (*func) (GBytes *message, gpointer user_data), gpointer user_data)
{
  QpInbox *inbox = g_rc_box_new0 (QpInbox);

  inbox->func = func;
  inbox->user_data = user_data;
  g_queue_init (&inbox->messages);
  inbox->source = g_source_new (&source_funcs, sizeof (GSource));
  g_source_set_name (inbox->source, "quicp2p inbox");
  g_source_set_callback (inbox->source, on_ready, inbox, NULL);
  g_source_attach (inbox->source, context);
  return inbox;
}

gboolean
qp_inbox_push (QpInbox *inbox, GBytes *message)
{
  gsize size = g_bytes_get_size (message);

  if (inbox->messages.length >= QP_INBOX_MAX_MESSAGES ||
      size > QP_INBOX_MAX_BYTES - inbox->bytes)
    return FALSE;
  g_queue_push_tail (&inbox->messages, g_bytes_ref (message));
  inbox->bytes += size;
  g_source_set_ready_time (inbox->source, 0);
  return TRUE;
}

void
qp_inbox_drain (QpInbox *inbox)
{
  read_some (inbox, G_MAXUINT);
}

void
qp_inbox_free (QpInbox *inbox)
{
  if (!inbox)
    return;
  inbox->func = NULL;
  g_source_destroy (inbox->source);
  g_rc_box_release_full (inbox, inbox_clear);
}

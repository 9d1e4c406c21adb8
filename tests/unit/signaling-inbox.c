/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The inbox: order, turns, bounds, and being freed by its own reader. */
#include "signaling/inbox.h"

typedef struct {
  QpInbox *inbox;
  guint read;
  guint free_at; /* 0: never */
} Reader;

static void
on_message (GBytes *message, gpointer user_data)
{
  Reader *reader = user_data;
  const guint *number = g_bytes_get_data (message, NULL);

  g_assert_cmpuint (*number, ==, reader->read);
  if (++reader->read == reader->free_at)
    g_clear_pointer (&reader->inbox, qp_inbox_free);
}

static gboolean
push (Reader *reader, guint number)
{
  g_autoptr (GBytes) message = g_bytes_new (&number, sizeof number);

  return qp_inbox_push (reader->inbox, message);
}

/* Another source of the loop has its turn between a few messages. */
static void
test_turns (void)
{
  Reader reader = { 0 };
  guint turns = 0;

  reader.inbox = qp_inbox_new (NULL, on_message, &reader);
  g_assert_false (g_main_context_iteration (NULL, FALSE));
  for (guint i = 0; i < 1000; i++)
    g_assert_true (push (&reader, i));
  g_assert_cmpuint (reader.read, ==, 0);
  while (g_main_context_iteration (NULL, FALSE))
    turns++;
  g_assert_cmpuint (reader.read, ==, 1000);
  g_assert_cmpuint (turns, >=, 50);
  qp_inbox_free (reader.inbox);
}

static void
test_bounds (void)
{
  g_autofree char *large = g_malloc0 (QP_INBOX_MAX_BYTES);
  g_autoptr (GBytes) most = g_bytes_new (large, QP_INBOX_MAX_BYTES - 4);
  Reader reader = { 0 };

  reader.inbox = qp_inbox_new (NULL, on_message, &reader);
  for (guint i = 0; i < QP_INBOX_MAX_MESSAGES; i++)
    g_assert_true (push (&reader, i));
  g_assert_false (push (&reader, QP_INBOX_MAX_MESSAGES));
  qp_inbox_drain (reader.inbox);
  g_assert_cmpuint (reader.read, ==, QP_INBOX_MAX_MESSAGES);
  g_assert_false (g_main_context_iteration (NULL, FALSE) &&
      g_main_context_iteration (NULL, FALSE));

  reader.read = 0;
  g_assert_true (push (&reader, 0));
  g_assert_true (qp_inbox_push (reader.inbox, most));
  g_assert_false (push (&reader, 2));
  qp_inbox_free (reader.inbox);
}

static void
test_freed (void)
{
  for (guint drained = 0; drained < 2; drained++) {
    Reader reader = { .free_at = 5 };

    reader.inbox = qp_inbox_new (NULL, on_message, &reader);
    for (guint i = 0; i < 20; i++)
      g_assert_true (push (&reader, i));
    if (drained)
      qp_inbox_drain (reader.inbox);
    while (g_main_context_iteration (NULL, FALSE))
      ;
    g_assert_null (reader.inbox);
    g_assert_cmpuint (reader.read, ==, 5);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/signaling/inbox/turns", test_turns);
  g_test_add_func ("/signaling/inbox/bounds", test_bounds);
  g_test_add_func ("/signaling/inbox/freed", test_freed);
  return g_test_run ();
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See path-fixture.h. */
#include "tests/unit/path-fixture.h"

#include "tests/own-namespace.h"

#include <gst/gst.h>
#include <string.h>

GMainContext *context;
gboolean own_namespace;

static void
on_closed (gpointer user)
{
  ((Side *) user)->closed = TRUE;
}

void
side_free_path (Side *side)
{
  qp_path_free (g_steal_pointer (&side->path), on_closed, side);
}

static void
on_local_candidate (QpPath *path, const char *candidate, gpointer user)
{
  Side *side = user;
  g_autoptr (GError) error = NULL;

  g_assert_false (side->candidates_done);
  if (!candidate) {
    side->candidates_done = TRUE;
    if (side->trickle && side->peer->path)
      qp_path_remote_gathering_done (side->peer->path);
    return;
  }
  g_assert_true (g_str_has_prefix (candidate, "candidate:"));
  g_ptr_array_add (side->candidates, g_strdup (candidate));
  if (side->trickle && side->peer->path) {
    qp_path_add_remote_candidate (side->peer->path, candidate, &error);
    g_assert_no_error (error);
  }
}

static void
on_state (QpPath *path, QpPathState state, const char *cause, gpointer user)
{
  Side *side = user;

  g_assert_cmpint (state, !=, side->state);
  g_assert_cmpint (cause != NULL, ==, state == QP_PATH_FAILED);
  side->state = state;
  g_free (side->cause);
  side->cause = g_strdup (cause);
  if (side->free_in_state)
    side_free_path (side);
}

static void
on_received (QpPath *path, const guint8 *data, gsize size, gpointer user)
{
  Side *side = user;

  g_assert_cmpint (side->state, ==, QP_PATH_CONNECTED);
  g_array_append_val (side->sizes, size);
  side->checksum += data[0];
  side->in_batch++;
  if (side->free_in_received && side->path)
    side_free_path (side);
}

static void
on_received_all (QpPath *path, gpointer user)
{
  Side *side = user;

  g_assert_cmpuint (side->in_batch, >, 0);
  side->batches++;
  side->largest_batch = MAX (side->largest_batch, side->in_batch);
  side->in_batch = 0;
}

static const QpPathCallbacks callbacks = {
  on_local_candidate,
  on_state,
  on_received,
  on_received_all,
};

void
side_init (Side *side, const QpPathConfig *config, Side *peer)
{
  memset (side, 0, sizeof *side);
  side->peer = peer;
  side->trickle = TRUE;
  side->candidates = g_ptr_array_new_with_free_func (g_free);
  side->sizes = g_array_new (FALSE, FALSE, sizeof (gsize));
  side->path = qp_path_new (context, config, &callbacks, side);
}

static gboolean
on_tick (gpointer user)
{
  return G_SOURCE_CONTINUE;
}

gboolean
run_until (gboolean (*done) (gpointer), gpointer user, gint64 patience)
{
  const gint64 end = g_get_monotonic_time () + patience;
  GSource *tick = g_timeout_source_new (10);

  g_source_set_callback (tick, on_tick, NULL, NULL);
  g_source_attach (tick, context);
  while (!done (user) && g_get_monotonic_time () < end)
    g_main_context_iteration (context, TRUE);
  g_source_destroy (tick);
  g_source_unref (tick);
  return done (user);
}

gboolean
side_is_closed (gpointer user)
{
  return ((Side *) user)->closed;
}

void
side_clear (Side *side)
{
  if (side->path)
    side_free_path (side);
  g_assert_true (run_until (side_is_closed, side, PATIENCE));
  g_ptr_array_unref (side->candidates);
  g_array_unref (side->sizes);
  g_free (side->cause);
}

static gboolean
never (gpointer user)
{
  return FALSE;
}

void
run_for (guint ms)
{
  run_until (never, NULL, ms * 1000);
}

void
pair_exchange_credentials (Pair *pair)
{
  g_autoptr (GError) error = NULL;

  qp_path_set_remote_credentials (pair->a.path,
      qp_path_get_ufrag (pair->b.path), qp_path_get_password (pair->b.path),
      &error);
  g_assert_no_error (error);
  qp_path_set_remote_credentials (pair->b.path,
      qp_path_get_ufrag (pair->a.path), qp_path_get_password (pair->a.path),
      &error);
  g_assert_no_error (error);
}

gboolean
pair_is_connected (gpointer user)
{
  Pair *pair = user;

  return pair->a.state == QP_PATH_CONNECTED &&
      pair->b.state == QP_PATH_CONNECTED;
}

void
pair_init (Pair *pair)
{
  QpPathConfig config = { .controlling = TRUE };

  side_init (&pair->a, &config, &pair->b);
  config.controlling = FALSE;
  side_init (&pair->b, &config, &pair->a);
}

void
pair_connect (Pair *pair)
{
  pair_init (pair);
  qp_path_gather (pair->a.path);
  qp_path_gather (pair->b.path);
  /* No callback from within a function. */
  g_assert_cmpint (pair->a.state, ==, QP_PATH_NEW);
  pair_exchange_credentials (pair);
  g_assert_true (run_until (pair_is_connected, pair, PATIENCE));
}

void
pair_clear (Pair *pair)
{
  side_clear (&pair->a);
  side_clear (&pair->b);
}

guint8 *
make_data (gsize size)
{
  guint8 *data = g_malloc (size);

  /* First bits 01, as QUIC's: never STUN. */
  memset (data, 0x40, size);
  return data;
}

typedef struct {
  Side *side;
  guint count;
} Count;

static gboolean
has_received (gpointer user)
{
  Count *count = user;

  return count->side->sizes->len >= count->count;
}

void
side_expect (Side *side, guint count)
{
  Count expected = { side, count };

  g_assert_true (run_until (has_received, &expected, PATIENCE));
  g_assert_cmpuint (side->sizes->len, ==, count);
}

gboolean
run_quietly (const char *command)
{
  g_auto (GStrv) argv = g_strsplit (command, " ", -1);
  int status;

  return g_spawn_sync (NULL, argv, NULL,
             G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL |
                 G_SPAWN_STDERR_TO_DEV_NULL,
             NULL, NULL, NULL, NULL, &status, NULL) &&
      g_spawn_check_wait_status (status, NULL);
}

int
path_tests_run (int argc, char **argv, void (*add_tests) (void))
{
  int result;

  /* Before any thread is there. */
  own_namespace = own_namespace_enter ();
  g_test_init (&argc, &argv, NULL);
  gst_init (NULL, NULL);
  context = g_main_context_new ();
  g_main_context_push_thread_default (context);
  add_tests ();
  result = g_test_run ();
  g_main_context_pop_thread_default (context);
  g_main_context_unref (context);
  return result;
}

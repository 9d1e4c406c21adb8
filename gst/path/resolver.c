/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* GResolver with a time limit.  GResolver's own answer may come long after the
 * limit or after a cancel, so the state lives until both have let go of it.
 * Runs on the thread of the context it was given. */
#include "path/resolver.h"

struct _QpResolution {
  GCancellable *cancellable;
  GSource *timeout;
  QpResolvedFunc func; /* NULL: reported or cancelled */
  gpointer user;
  char *name;
  guint timeout_ms;
};

/* Stops the clock and hands out the function at most once. */
static QpResolvedFunc
take_func (QpResolution *resolution)
{
  QpResolvedFunc func = resolution->func;

  resolution->func = NULL;
  if (resolution->timeout) {
    g_source_destroy (resolution->timeout);
    g_clear_pointer (&resolution->timeout, g_source_unref);
  }
  return func;
}

static void
on_resolved (GObject *source, GAsyncResult *result, gpointer user)
{
  QpResolution *resolution = user;
  g_autoptr (GError) error = NULL;
  GList *addresses;
  QpResolvedFunc func;

  addresses = g_resolver_lookup_by_name_finish (G_RESOLVER (source), result,
      &error);
  func = take_func (resolution);
  if (func)
    func (addresses, error, resolution->user);

  g_resolver_free_addresses (addresses);
  g_object_unref (resolution->cancellable);
  g_free (resolution->name);
  g_free (resolution);
}

static gboolean
on_timeout (gpointer user)
{
  QpResolution *resolution = user;
  QpResolvedFunc func = take_func (resolution);
  g_autoptr (GError) error = g_error_new (G_IO_ERROR, G_IO_ERROR_TIMED_OUT,
      "no answer about \"%s\" within %u ms", resolution->name,
      resolution->timeout_ms);

  func (NULL, error, resolution->user);
  /* Leads to on_resolved(), which frees. */
  g_cancellable_cancel (resolution->cancellable);
  return G_SOURCE_REMOVE;
}

QpResolution *
qp_resolve (GMainContext *context, const char *name, guint timeout,
    QpResolvedFunc func, gpointer user)
{
  g_autoptr (GResolver) resolver = g_resolver_get_default ();
  QpResolution *resolution = g_new0 (QpResolution, 1);

  resolution->cancellable = g_cancellable_new ();
  resolution->func = func;
  resolution->user = user;
  resolution->name = g_strdup (name);
  resolution->timeout_ms = timeout;
  resolution->timeout = g_timeout_source_new (timeout);
  g_source_set_callback (resolution->timeout, on_timeout, resolution, NULL);
  g_source_attach (resolution->timeout, context);

  g_main_context_push_thread_default (context);
  g_resolver_lookup_by_name_async (resolver, name, resolution->cancellable,
      on_resolved, resolution);
  g_main_context_pop_thread_default (context);
  return resolution;
}

void
qp_resolution_cancel (QpResolution *resolution)
{
  take_func (resolution);
  g_cancellable_cancel (resolution->cancellable);
}

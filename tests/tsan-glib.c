/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tells ThreadSanitizer what GLib and GStreamer synchronize.  They are not
 * instrumented, and GLib's mutexes, conditions and queues are futexes and plain
 * atomics that ThreadSanitizer cannot see: without this, whatever a GMutex
 * guards looks like a race.  Preloaded into the tests of a ThreadSanitizer
 * build; in a process without ThreadSanitizer it changes nothing.  Any thread.
 *
 * GRecMutex and GRWLock are pthread objects: those ThreadSanitizer sees by
 * itself. */
#include <dlfcn.h>
#include <gst/gst.h>

/* Of <sanitizer/tsan_interface.h>: what was written before a release of an
 * address is seen after an acquire of it. */
void __tsan_acquire (void *address) __attribute__ ((weak));
void __tsan_release (void *address) __attribute__ ((weak));

#define ACQUIRE(address)                   \
  G_STMT_START                             \
  {                                        \
    if (__tsan_acquire)                    \
      __tsan_acquire ((void *) (address)); \
  }                                        \
  G_STMT_END

#define RELEASE(address)                   \
  G_STMT_START                             \
  {                                        \
    if (__tsan_release)                    \
      __tsan_release ((void *) (address)); \
  }                                        \
  G_STMT_END

/* Declares `kept`, GLib's own function of that name. Threads that look it up at
 * once find the same. */
#define KEPT(name)                \
  static __typeof__ (&name) kept; \
  if (!kept)                      \
  kept = (__typeof__ (&name)) dlsym (RTLD_NEXT, #name)

void
g_mutex_lock (GMutex *mutex)
{
  KEPT (g_mutex_lock);
  kept (mutex);
  ACQUIRE (mutex);
}

gboolean
g_mutex_trylock (GMutex *mutex)
{
  gboolean locked;

  KEPT (g_mutex_trylock);
  locked = kept (mutex);
  if (locked)
    ACQUIRE (mutex);
  return locked;
}

void
g_mutex_unlock (GMutex *mutex)
{
  KEPT (g_mutex_unlock);
  RELEASE (mutex);
  kept (mutex);
}

void
g_cond_wait (GCond *cond, GMutex *mutex)
{
  KEPT (g_cond_wait);
  RELEASE (mutex);
  kept (cond, mutex);
  ACQUIRE (mutex);
}

gboolean
g_cond_wait_until (GCond *cond, GMutex *mutex, gint64 end_time)
{
  gboolean signalled;

  KEPT (g_cond_wait_until);
  RELEASE (mutex);
  signalled = kept (cond, mutex, end_time);
  ACQUIRE (mutex);
  return signalled;
}

/* The reading half of a once is an atomic load in the caller. */
void (g_once_init_leave) (volatile void *location, gsize result)
{
  KEPT (g_once_init_leave);
  RELEASE (location);
  kept (location, result);
}

void
g_async_queue_push (GAsyncQueue *queue, gpointer data)
{
  KEPT (g_async_queue_push);
  RELEASE (queue);
  kept (queue, data);
}

gpointer
g_async_queue_pop (GAsyncQueue *queue)
{
  gpointer data;

  KEPT (g_async_queue_pop);
  data = kept (queue);
  ACQUIRE (queue);
  return data;
}

gpointer
g_async_queue_try_pop (GAsyncQueue *queue)
{
  gpointer data;

  KEPT (g_async_queue_try_pop);
  data = kept (queue);
  ACQUIRE (queue);
  return data;
}

gpointer
g_async_queue_timeout_pop (GAsyncQueue *queue, guint64 timeout)
{
  gpointer data;

  KEPT (g_async_queue_timeout_pop);
  data = kept (queue, timeout);
  ACQUIRE (queue);
  return data;
}

/* A function on its way into another thread. */
typedef struct {
  union {
    GSourceFunc source;
    GstElementCallAsyncFunc element;
  } function;
  gpointer data;
  GDestroyNotify notify;
} Invocation;

static gboolean
run_invocation (gpointer data)
{
  Invocation *invocation = data;

  ACQUIRE (invocation);
  return invocation->function.source (invocation->data);
}

static void
free_invocation (gpointer data)
{
  Invocation *invocation = data;

  ACQUIRE (invocation);
  if (invocation->notify)
    invocation->notify (invocation->data);
  g_free (invocation);
}

void
g_main_context_invoke_full (GMainContext *context, gint priority,
    GSourceFunc function, gpointer data, GDestroyNotify notify)
{
  Invocation *invocation = g_new (Invocation, 1);

  KEPT (g_main_context_invoke_full);
  *invocation = (Invocation){ { .source = function }, data, notify };
  RELEASE (invocation);
  kept (context, priority, run_invocation, invocation, free_invocation);
}

static void
run_element_invocation (GstElement *element, gpointer data)
{
  Invocation *invocation = data;

  ACQUIRE (invocation);
  invocation->function.element (element, invocation->data);
}

void
gst_element_call_async (GstElement *element, GstElementCallAsyncFunc function,
    gpointer data, GDestroyNotify notify)
{
  Invocation *invocation = g_new (Invocation, 1);

  KEPT (gst_element_call_async);
  *invocation = (Invocation){ { .element = function }, data, notify };
  RELEASE (invocation);
  kept (element, run_element_invocation, invocation, free_invocation);
}

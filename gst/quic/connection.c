/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A connection's life: construction, its one timer, what comes in, and how its
 * owner is told.  See connection.h for the contract and connection-private.h
 * for what the files of this room share. */
#include "quic/connection-private.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

GST_DEBUG_CATEGORY (qp_quic_debug);

G_DEFINE_QUARK (qp_quic_error, qp_quic_error)

void
qp_quic_init_debug (void)
{
  static gsize done = 0;

  if (g_once_init_enter (&done)) {
    GST_DEBUG_CATEGORY_INIT (qp_quic_debug, "quicp2p-quic", 0,
        "QUIC connections of quicp2p");
    g_once_init_leave (&done, 1);
  }
}

ngtcp2_tstamp
qp_quic_now (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return (ngtcp2_tstamp) now.tv_sec * NGTCP2_SECONDS +
      (ngtcp2_tstamp) now.tv_nsec;
}

void
qp_quic_set_state (QpQuic *quic, QpQuicState state, const char *why)
{
  static const char *const names[] = { "handshaking", "established", "closing",
    "closed" };

  if (quic->state == state)
    return;
  g_assert (state > quic->state); /* there is no way back */
  QUIC_INFO (quic, "%s -> %s: %s", names[quic->state], names[state], why);
  quic->state = state;
}

QpQuicState
qp_quic_get_state (QpQuic *quic)
{
  return quic->state;
}

/* --- telling the owner ------------------------------------------------------ */

void
qp_quic_add_event (QpQuic *quic, const QpEvent *event)
{
  g_array_append_val (quic->events, *event);
}

void
qp_quic_establish (QpQuic *quic)
{
  if (quic->state != QP_QUIC_HANDSHAKING || quic->alpn == NULL)
    return;
  qp_quic_set_state (quic, QP_QUIC_ESTABLISHED, quic->alpn);
  quic->callbacks.established (quic, quic->alpn, quic->user);
}

#define CALL(quic, callback, ...)                                     \
  G_STMT_START                                                        \
  {                                                                   \
    if ((quic)->callbacks.callback != NULL)                           \
      (quic)->callbacks.callback (quic, ##__VA_ARGS__, (quic)->user); \
  }                                                                   \
  G_STMT_END

static void
tell (QpQuic *quic, const QpEvent *event)
{
  switch (event->type) {
    case QP_EVENT_ESTABLISHED:
      qp_quic_establish (quic);
      break;
    case QP_EVENT_STREAM_RESET:
      CALL (quic, stream_reset, event->stream, event->code);
      break;
    case QP_EVENT_STREAM_STOPPED:
      CALL (quic, stream_stopped, event->stream, event->code);
      break;
    case QP_EVENT_STREAM_CLOSED:
      CALL (quic, stream_closed, event->stream);
      break;
    case QP_EVENT_STREAMS_AVAILABLE:
      CALL (quic, streams_available);
      break;
    case QP_EVENT_PATH_RESULT:
      CALL (quic, path_result, event->path, event->validated);
      break;
    case QP_EVENT_PATH_CHANGED:
      CALL (quic, path_changed, event->path);
      break;
  }
}

/* Callbacks may lead to more events, which are told in turn. */
static void
tell_all (QpQuic *quic)
{
  guint i;

  for (i = 0; i < quic->events->len && !quic->freed; i++) {
    QpEvent event = g_array_index (quic->events, QpEvent, i);

    tell (quic, &event);
  }
  g_array_set_size (quic->events, 0);
}

static void
tell_end (QpQuic *quic)
{
  g_autoptr (GError) end = g_steal_pointer (&quic->end);

  if (end != NULL && !quic->freed)
    quic->callbacks.closed (quic, end, quic->user);
}

/* What was asked for while ngtcp2 or the owner was on the stack. */
static void
do_deferred (QpQuic *quic)
{
  if (quic->close_wanted) {
    quic->close_wanted = FALSE;
    qp_quic_do_close (quic, quic->close_code, quic->close_reason);
  }
  if (quic->flush_wanted) {
    quic->flush_wanted = FALSE;
    qp_quic_send_all (quic);
  }
}

void
qp_quic_enter (QpQuic *quic)
{
  quic->drained = FALSE;
  quic->depth++;
}

static void finalize (QpQuic *quic);

static void
leave (QpQuic *quic, gboolean set_timer)
{
  if (quic->depth == 1) {
    quic->dispatching = TRUE;
    while (!quic->freed &&
        (quic->events->len > 0 || quic->close_wanted || quic->flush_wanted ||
            quic->end != NULL)) {
      tell_all (quic);
      if (!quic->freed)
        do_deferred (quic);
      if (quic->events->len == 0)
        tell_end (quic);
    }
    quic->dispatching = FALSE;
    if (!quic->freed && set_timer)
      qp_quic_update_timer (quic);
  }
  quic->depth--;
  if (quic->depth == 0 && quic->freed)
    finalize (quic);
}

void
qp_quic_leave (QpQuic *quic)
{
  leave (quic, TRUE);
}

/* --- the timer -------------------------------------------------------------- */

static ngtcp2_tstamp
next_deadline (QpQuic *quic)
{
  ngtcp2_tstamp next;

  if (quic->state == QP_QUIC_CLOSED)
    return UINT64_MAX;
  if (quic->state == QP_QUIC_CLOSING || quic->conn == NULL)
    return quic->deadline;
  if (quic->start_wanted)
    return 0;
  next = quic->drained ? quic->drained_expiry
                       : ngtcp2_conn_get_expiry (quic->conn);
  next = MIN (next, quic->tail_at);
  /* While the owner cannot send, a packet that is due stays due. */
  if (quic->blocked)
    next = MAX (next, qp_quic_now () + NGTCP2_MILLISECONDS);
  return next;
}

static void
arm_timer (QpQuic *quic, ngtcp2_tstamp when)
{
  struct itimerspec spec = { 0 };

  when = MAX (when, 1); /* zero would disarm it */
  spec.it_value.tv_sec = (time_t) (when / NGTCP2_SECONDS);
  spec.it_value.tv_nsec = (long) (when % NGTCP2_SECONDS);
  if (timerfd_settime (quic->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL) < 0)
    QUIC_WARNING (quic, "the timer cannot be set: %s", g_strerror (errno));
  quic->armed = when;
}

/* A timer that is set too early costs one idle wakeup, less than a system call
 * each time that a deadline moves on; so it is only ever moved forward. */
void
qp_quic_update_timer (QpQuic *quic)
{
  ngtcp2_tstamp next = next_deadline (quic);

  if (next < quic->armed)
    arm_timer (quic, next);
}

static void
on_own_deadline (QpQuic *quic)
{
  if (quic->state == QP_QUIC_CLOSING) {
    qp_quic_set_state (quic, QP_QUIC_CLOSED, "the peer had its time");
    return;
  }
  qp_quic_end (quic, QP_QUIC_CLOSED,
      g_error_new (QP_QUIC_ERROR, QP_QUIC_ERROR_TIMEOUT,
          "no QUIC client called within %" G_GUINT64_FORMAT " ms",
          quic->handshake_timeout / NGTCP2_MILLISECONDS));
}

static void
on_expiry (QpQuic *quic, ngtcp2_tstamp now)
{
  gboolean probe;
  int result;

  if (quic->state == QP_QUIC_CLOSING || quic->conn == NULL) {
    on_own_deadline (quic);
    return;
  }
  quic->start_wanted = FALSE;
  quic->inside = TRUE;
  result = ngtcp2_conn_handle_expiry (quic->conn, now);
  quic->inside = FALSE;
  qp_quic_handle_result (quic, result, "waiting");
  if (quic->conn == NULL)
    return;
  qp_quic_watch_received (quic, now);
  probe = qp_quic_begin_tail_probe (quic, now);
  qp_quic_send_all (quic);
  if (probe)
    qp_quic_end_tail_probe (quic);
}

static gboolean
on_timer (int fd, GIOCondition condition, gpointer user)
{
  QpQuic *quic = user;
  ngtcp2_tstamp now = qp_quic_now ();
  guint64 times;

  if (read (fd, &times, sizeof times) < 0 && errno != EAGAIN)
    QUIC_WARNING (quic, "the timer cannot be read: %s", g_strerror (errno));
  quic->armed = UINT64_MAX;
  qp_quic_enter (quic);
  if (next_deadline (quic) <= now)
    on_expiry (quic, now);
  qp_quic_leave (quic); /* sets the timer again */
  return G_SOURCE_CONTINUE;
}

static gboolean
make_timer (QpQuic *quic, GError **error)
{
  /* GLib's own timeouts end in poll(), which counts in ms; pacing needs µs. */
  quic->timer_fd = timerfd_create (CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  if (quic->timer_fd < 0) {
    g_set_error (error, QP_QUIC_ERROR, QP_QUIC_ERROR_INTERNAL,
        "no timer can be made: %s", g_strerror (errno));
    return FALSE;
  }
  quic->timer = g_unix_fd_source_new (quic->timer_fd, G_IO_IN);
  g_source_set_static_name (quic->timer, "quicp2p-quic timer");
  g_source_set_callback (quic->timer, G_SOURCE_FUNC (on_timer), quic, NULL);
  /* Nobody runs the context from within on_timer(); but a source that may not
   * recurse is taken out of poll() while it runs, and its return wakes the
   * context once more. */
  g_source_set_can_recurse (quic->timer, TRUE);
  g_source_attach (quic->timer, quic->context);
  return TRUE;
}

/* --- life ------------------------------------------------------------------- */

static ngtcp2_conn *
get_conn (ngtcp2_crypto_conn_ref *ref)
{
  return ((QpQuic *) ref->user_data)->conn;
}

static QpQuic *
quic_alloc (GMainContext *context, const QpQuicConfig *config,
    const QpQuicCallbacks *callbacks, gpointer user)
{
  QpQuic *quic = g_new0 (QpQuic, 1);

  quic->callbacks = *callbacks;
  quic->user = user;
  quic->context = g_main_context_ref (context != NULL
          ? context
          : g_main_context_default ());
  quic->name = g_strdup (config->name != NULL ? config->name : "quic");
  quic->server = config->server;
  quic->congestion_control = config->congestion_control;
  quic->idle_timeout = config->idle_timeout_ms * NGTCP2_MILLISECONDS;
  quic->keep_alive = config->keep_alive_ms * NGTCP2_MILLISECONDS;
  quic->handshake_timeout = config->handshake_timeout_ms * NGTCP2_MILLISECONDS;
  quic->deadline = quic->handshake_timeout > 0
      ? qp_quic_now () + quic->handshake_timeout
      : UINT64_MAX;
  quic->qlog_dir = g_strdup (config->qlog_dir);
  quic->max_payload = CLAMP (config->max_payload, NGTCP2_MAX_UDP_PAYLOAD_SIZE,
      MIN (NGTCP2_MAX_TX_UDP_PAYLOAD_SIZE, QP_QUIC_BATCH_SIZE));
  quic->probe_payload = config->probe_payload > QP_BASE_PAYLOAD
      ? MIN (config->probe_payload, QP_MAX_PROBE_PAYLOAD)
      : 0;
  quic->payload = QP_BASE_PAYLOAD;
  quic->black_hole.name = quic->name;
  quic->conn_ref.get_conn = get_conn;
  quic->conn_ref.user_data = quic;
  quic->events = g_array_new (FALSE, FALSE, sizeof (QpEvent));
  quic->timer_fd = -1;
  quic->armed = quic->tail_at = UINT64_MAX;
  quic->paths = g_hash_table_new_full (NULL, NULL, NULL,
      (GDestroyNotify) qp_virtual_path_free);
  quic->path = config->first_path;
  quic->buffer = g_malloc (QP_QUIC_BUFFER_SIZE);
  qp_ring_init (&quic->batches, sizeof (QpBatch));
  qp_ring_init (&quic->unused, sizeof (gint64));
  quic->datagram_queues = g_ptr_array_new ();
  quic->urgent = qp_datagram_queue_new (quic, QP_PRIORITY_CONTROL);
  quic->generation =
      qp_quic_set_path (quic, quic->path, config->max_payload)->generation;
  return quic;
}

QpQuic *
qp_quic_new (GMainContext *context, const QpQuicConfig *config,
    const QpQuicCallbacks *callbacks, gpointer user, GError **error)
{
  QpQuic *quic;

  g_return_val_if_fail (config->identity != NULL && config->alpn != NULL, NULL);
  g_return_val_if_fail (callbacks->established != NULL &&
          callbacks->stream_data != NULL && callbacks->closed != NULL &&
          callbacks->send != NULL,
      NULL);
  qp_quic_init_debug ();
  quic = quic_alloc (context, config, callbacks, user);
  quic->tls = qp_tls_new (config->server, config->identity, &config->trust,
      config->alpn, error);
  if (quic->tls == NULL || !make_timer (quic, error) ||
      (!quic->server && !qp_quic_start_client (quic, error))) {
    qp_quic_free (quic);
    return NULL;
  }
  /* The client's first packet goes out from the timer: not now, since the owner
   * does not have us yet. */
  quic->start_wanted = !quic->server;
  qp_quic_update_timer (quic);
  return quic;
}

static void
finalize (QpQuic *quic)
{
  if (quic->tls != NULL)
    qp_quic_drop_conn (quic);
  qp_tls_free (quic->tls);
  if (quic->timer != NULL) {
    g_source_destroy (quic->timer);
    g_source_unref (quic->timer);
  }
  if (quic->timer_fd >= 0)
    close (quic->timer_fd);
  qp_datagram_queue_free (quic->urgent);
  g_assert (quic->datagram_queues->len == 0);
  g_ptr_array_unref (quic->datagram_queues);
  g_hash_table_unref (quic->paths);
  g_array_unref (quic->events);
  g_clear_error (&quic->callback_error);
  g_clear_error (&quic->end);
  g_free (quic->close_reason);
  g_free (quic->close_packet);
  qp_ring_clear (&quic->batches);
  qp_ring_clear (&quic->unused);
  g_free (quic->buffer);
  g_free (quic->qlog_dir);
  g_free (quic->name);
  g_main_context_unref (quic->context);
  g_free (quic);
}

void
qp_quic_free (QpQuic *quic)
{
  if (quic == NULL || quic->freed)
    return;
  quic->freed = TRUE;
  if (quic->timer != NULL)
    g_source_destroy (quic->timer);
  if (quic->depth == 0)
    finalize (quic);
}

/* --- what comes in ---------------------------------------------------------- */

static void
receive (QpQuic *quic, guint number, const guint8 *data, gsize size)
{
  QpVirtualPath *path = qp_quic_get_path (quic, number);
  const ngtcp2_pkt_info info = { 0 };
  ngtcp2_tstamp now;
  ngtcp2_path_storage arrival;
  int result;

  if (path == NULL) {
    QUIC_DEBUG (quic,
        "%" G_GSIZE_FORMAT " bytes on unknown path %u are ignored", size,
        number);
    return;
  }
  if (quic->conn == NULL && !qp_quic_start_server (quic, path, data, size))
    return;
  now = qp_quic_now ();
  /* A callback may replace `path`, which the addresses are in, too: the
   * PATH_RESPONSE that ends a path may come on that very path. */
  ngtcp2_path_storage_zero (&arrival);
  ngtcp2_path_copy (&arrival.path, &path->path);
  quic->inside = TRUE;
  result = ngtcp2_conn_read_pkt (quic->conn, &arrival.path, &info, data, size,
      now);
  quic->inside = FALSE;
  qp_quic_handle_result (quic, result, "receiving");
  qp_quic_track_path (quic);
  qp_quic_watch_received (quic, now);
}

void
qp_quic_receive (QpQuic *quic, guint path, const guint8 *data, gsize size)
{
  g_return_if_fail (!quic->inside);
  if (quic->state == QP_QUIC_CLOSED || size == 0)
    return;
  qp_quic_enter (quic);
  if (quic->state == QP_QUIC_CLOSING)
    qp_quic_receive_while_closing (quic);
  else
    receive (quic, path, data, size);
  /* The flush that ends the batch sets the timer: what the batch needs next
   * changes with each datagram. */
  leave (quic, quic->state == QP_QUIC_CLOSING);
}

/* --- asked from outside ----------------------------------------------------- */

gboolean
qp_quic_export_key (QpQuic *quic, const char *label, guint8 *out, gsize size)
{
  return quic->alpn != NULL && qp_tls_export (quic->tls, label, out, size);
}

void
qp_quic_get_info (QpQuic *quic, QpQuicInfo *info)
{
  ngtcp2_conn_info conn_info;

  *info = (QpQuicInfo){
    .state = quic->state,
    .path = quic->path,
    .bytes_unsent = quic->bytes_unsent,
    .datagrams_dropped = quic->datagrams_dropped,
    .last_ack_us = quic->last_ack_us,
    .migrations = quic->migrations,
    .payload = qp_quic_get_payload (quic),
    .searching = qp_quic_is_searching (quic),
  };
  if (quic->conn == NULL)
    return;
  ngtcp2_conn_get_conn_info (quic->conn, &conn_info);
  info->srtt_us = conn_info.smoothed_rtt / NGTCP2_MICROSECONDS;
  /* Before the first sample it is "infinite". */
  if (conn_info.min_rtt != UINT64_MAX)
    info->min_rtt_us = conn_info.min_rtt / NGTCP2_MICROSECONDS;
  info->latest_rtt_us = conn_info.latest_rtt / NGTCP2_MICROSECONDS;
  info->rttvar_us = conn_info.rttvar / NGTCP2_MICROSECONDS;
  info->cwnd = MIN (conn_info.cwnd, quic->flight.limit);
  info->bytes_in_flight = conn_info.bytes_in_flight;
  info->bytes_sent = conn_info.bytes_sent;
  info->bytes_received = conn_info.bytes_recv;
  info->packets_sent = conn_info.pkt_sent;
  info->packets_received = conn_info.pkt_recv;
  info->packets_lost = conn_info.pkt_lost;
  info->bytes_lost = conn_info.bytes_lost;
  info->pto_us = ngtcp2_conn_get_pto (quic->conn) / NGTCP2_MICROSECONDS;
}

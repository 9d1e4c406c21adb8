/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See quic-wire.h. */
#include "tests/unit/quic-wire.h"

#include <string.h>

typedef struct {
  gint64 due; /* monotonic µs */
  guint64 order;
  WireEnd *to;
  guint path;
  gsize size;
  guint8 data[];
} Parcel;

static const char *const default_alpn[] = { "roq-14-p2p", "roq-14", NULL };

/* --- the wire --------------------------------------------------------------- */

static gint
compare_parcels (gconstpointer a, gconstpointer b, gpointer user)
{
  const Parcel *left = a, *right = b;

  if (left->due != right->due)
    return left->due < right->due ? -1 : 1;
  return left->order < right->order ? -1 : left->order > right->order;
}

static void
schedule (Wire *wire)
{
  GSequenceIter *first = g_sequence_get_begin_iter (wire->flying);

  if (g_sequence_iter_is_end (first))
    g_source_set_ready_time (wire->delivery, -1);
  else
    g_source_set_ready_time (wire->delivery,
        ((Parcel *) g_sequence_get (first))->due);
}

static void
post (Wire *wire, WireEnd *to, guint number, const guint8 *data, gsize size)
{
  WirePath *path = &wire->paths[number];
  guint direction = to == &wire->server;
  gint64 due = g_get_monotonic_time ();
  Parcel *parcel;

  if (path->down || (path->mtu > 0 && size > path->mtu) ||
      (path->loss > 0 &&
          g_rand_int_range (wire->rand, 0, 10000) < (gint32) path->loss))
    return;
  if (path->rate > 0) {
    gint64 start = MAX (due, path->busy_until[direction]);

    if (start - due > path->queue_us)
      return;
    path->busy_until[direction] = start +
        (gint64) ((size + 28) * 8 * G_USEC_PER_SEC / path->rate);
    due = path->busy_until[direction];
  }
  due += path->delay_us;
  if (path->jitter_us > 0)
    due += g_rand_int_range (wire->rand, 0, (gint32) path->jitter_us);
  parcel = g_malloc (sizeof *parcel + size);
  parcel->due = due;
  parcel->order = wire->order++;
  parcel->to = to;
  parcel->path = number;
  parcel->size = size;
  memcpy (parcel->data, data, size);
  /* Nearly always the last one. */
  if (g_sequence_is_empty (wire->flying) || path->jitter_us == 0) {
    GSequenceIter *last = g_sequence_get_end_iter (wire->flying);

    if (g_sequence_is_empty (wire->flying) ||
        compare_parcels (g_sequence_get (g_sequence_iter_prev (last)), parcel,
            NULL) < 0) {
      g_sequence_append (wire->flying, parcel);
      schedule (wire);
      return;
    }
  }
  g_sequence_insert_sorted (wire->flying, parcel, compare_parcels, NULL);
  schedule (wire);
}

static gboolean
deliver (gpointer user)
{
  Wire *wire = user;
  gint64 now = g_get_monotonic_time ();
  guint count = 0;
  GSequenceIter *first;

  /* Bounded, so that the connections' timers have their turn. */
  while (count++ < 256 &&
      !g_sequence_iter_is_end (first =
                                   g_sequence_get_begin_iter (wire->flying))) {
    Parcel *parcel = g_sequence_get (first);

    if (parcel->due > now)
      break;
    g_sequence_remove (first);
    if (parcel->to->quic != NULL)
      qp_quic_receive (parcel->to->quic, parcel->path, parcel->data,
          parcel->size);
    g_free (parcel);
  }
  if (wire->client.quic != NULL)
    qp_quic_flush (wire->client.quic);
  if (wire->server.quic != NULL)
    qp_quic_flush (wire->server.quic);
  schedule (wire);
  return G_SOURCE_CONTINUE;
}

static gboolean
dispatch_delivery (GSource *source, GSourceFunc callback, gpointer user)
{
  return callback (user);
}

static GSourceFuncs delivery_funcs = { NULL, NULL, dispatch_delivery, NULL,
  NULL, NULL };

/* --- what the connections call ---------------------------------------------- */

static gboolean
make_writable (gpointer user)
{
  WireEnd *end = user;

  if (end->quic != NULL)
    qp_quic_writable (end->quic);
  return G_SOURCE_REMOVE;
}

static QpQuicSendResult
on_send (QpQuic *quic, guint path, const guint8 *data, gsize size,
    gsize segment, gsize *sent, gpointer user)
{
  WireEnd *end = user;
  gsize limit = size;
  gsize at;
  gboolean again = FALSE;

  g_assert_cmpuint (path, <, WIRE_MAX_PATHS);
  g_assert_cmpuint (segment, >, 0);
  g_assert_cmpuint (size, >, 0);
  if (end->fail || (end->fails != NULL && end->fails (end, path)))
    return QP_QUIC_SEND_ERROR;
  if (end->again_every > 0 && ++end->again_count % end->again_every == 0) {
    /* A prefix of whole segments, perhaps none. */
    guint segments = (guint) ((size + segment - 1) / segment);

    limit = segment *
        (gsize) g_rand_int_range (end->wire->rand, 0, (gint32) segments);
    again = TRUE;
  }
  end->sent_batches++;
  end->max_segments = MAX (end->max_segments,
      (guint) ((size + segment - 1) / segment));
  if (size > segment)
    end->largest_batched = MAX (end->largest_batched, segment);
  for (at = 0; at < limit; at += segment) {
    gsize length = MIN (segment, size - at);

    end->sent_datagrams++;
    if (end->tap != NULL) {
      g_autofree guint8 *copy = g_memdup2 (data + at, length);

      end->tap (end, path, copy, length);
      post (end->wire, end->other, path, copy, length);
    } else {
      post (end->wire, end->other, path, data + at, length);
    }
  }
  if (!again)
    return QP_QUIC_SEND_OK;
  *sent = limit;
  end->agains++;
  {
    GSource *source = g_timeout_source_new (1);

    g_source_set_callback (source, make_writable, end, NULL);
    g_source_attach (source, end->wire->context);
    g_source_unref (source);
  }
  return QP_QUIC_SEND_AGAIN;
}

static void
on_established (QpQuic *quic, const char *alpn, gpointer user)
{
  WireEnd *end = user;

  g_assert_false (end->established);
  g_assert_false (end->closed);
  end->established = TRUE;
  end->alpn = g_strdup (alpn);
}

WireStream *
wire_get_stream (WireEnd *end, gint64 id)
{
  gint64 *key;
  WireStream *stream = g_hash_table_lookup (end->streams, &id);

  if (stream == NULL) {
    stream = g_new0 (WireStream, 1);
    stream->data = g_byte_array_new ();
    key = g_new (gint64, 1);
    *key = id;
    g_hash_table_insert (end->streams, key, stream);
  }
  return stream;
}

static void
stream_free (gpointer data)
{
  WireStream *stream = data;

  g_byte_array_unref (stream->data);
  g_free (stream);
}

static void
on_stream_data (QpQuic *quic, gint64 id, const guint8 *data, gsize size,
    gboolean fin, gpointer user)
{
  WireEnd *end = user;
  gint64 now = g_get_monotonic_time ();

  g_assert_true (end->established);
  if (end->last_data_at > 0)
    end->longest_gap_us = MAX (end->longest_gap_us, now - end->last_data_at);
  end->last_data_at = now;
  end->got_data = TRUE;
  end->data_calls++;
  end->stream_bytes += size;
  end->streams_finished += fin;
  if (end->keep) {
    WireStream *stream = wire_get_stream (end, id);

    g_assert_false (stream->fin);
    g_assert_false (stream->closed);
    g_byte_array_append (stream->data, data, (guint) size);
    stream->fin = fin;
  }
  if (end->echo && (id & 2) == 0) {
    g_autoptr (GBytes) bytes = g_bytes_new (data, size);

    qp_quic_write (quic, id, bytes, fin);
    qp_quic_flush (quic);
  }
  if (end->on_data != NULL) {
    g_autofree guint8 *copy = NULL;

    end->on_data (end, id);
    /* Still there, whatever was called. */
    copy = g_memdup2 (data, size);
  }
}

static void
on_stream_reset (QpQuic *quic, gint64 id, guint64 code, gpointer user)
{
  WireEnd *end = user;

  end->resets++;
  end->last_reset_code = code;
  if (end->keep) {
    WireStream *stream = wire_get_stream (end, id);

    stream->reset = TRUE;
    stream->reset_code = code;
  }
}

static void
on_stream_stopped (QpQuic *quic, gint64 id, guint64 code, gpointer user)
{
  WireEnd *end = user;

  end->stops++;
  end->last_stop = id;
  end->last_stop_code = code;
  g_assert_false (qp_quic_write (quic, id, NULL, TRUE));
}

static void
on_stream_closed (QpQuic *quic, gint64 id, gpointer user)
{
  WireEnd *end = user;

  end->streams_closed++;
  g_assert_cmpint (qp_quic_get_unsent (quic, id), ==, -1);
  if (end->keep) {
    WireStream *stream = wire_get_stream (end, id);

    g_assert_false (stream->closed);
    stream->closed = TRUE;
  }
}

static void
on_datagram (QpQuic *quic, const guint8 *data, gsize size, gpointer user)
{
  WireEnd *end = user;

  g_assert_true (end->established);
  end->datagram_bytes += size;
  if (end->keep)
    g_ptr_array_add (end->datagrams, g_bytes_new (data, size));
}

static void
on_streams_available (QpQuic *quic, gpointer user)
{
  ((WireEnd *) user)->streams_available++;
}

static void
on_path_result (QpQuic *quic, guint path, gboolean validated, gpointer user)
{
  WireEnd *end = user;

  end->path_results++;
  end->last_result_path = path;
  end->last_result = validated;
}

static void
on_path_changed (QpQuic *quic, guint path, gpointer user)
{
  WireEnd *end = user;

  end->path_changes++;
  end->last_path = path;
}

static void
on_closed (QpQuic *quic, const GError *error, gpointer user)
{
  WireEnd *end = user;

  g_assert_false (end->closed);
  g_assert_nonnull (error);
  end->closed = TRUE;
  end->error = g_error_copy (error);
}

const QpQuicCallbacks wire_callbacks = {
  .established = on_established,
  .stream_data = on_stream_data,
  .stream_reset = on_stream_reset,
  .stream_stopped = on_stream_stopped,
  .stream_closed = on_stream_closed,
  .datagram = on_datagram,
  .streams_available = on_streams_available,
  .path_result = on_path_result,
  .path_changed = on_path_changed,
  .closed = on_closed,
  .send = on_send,
};

/* --- setting up and tearing down -------------------------------------------- */

static void
config_end (QpQuicConfig *config, gboolean server)
{
  *config = (QpQuicConfig){
    .server = server,
    .alpn = default_alpn,
    .congestion_control = QP_CC_BBR,
    .idle_timeout_ms = 30000,
    .handshake_timeout_ms = 10000,
    .name = server ? "server" : "client",
    .max_payload = 1200,
  };
}

void
wire_config_init (WireConfig *config)
{
  config_end (&config->client, FALSE);
  config_end (&config->server, TRUE);
}

void
wire_config_clear (WireConfig *config)
{
  g_clear_pointer (&config->client.identity, qp_identity_unref);
  g_clear_pointer (&config->server.identity, qp_identity_unref);
}

static void
end_init (WireEnd *end, Wire *wire, WireEnd *other)
{
  end->wire = wire;
  end->other = other;
  end->keep = TRUE;
  end->streams = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free,
      stream_free);
  end->datagrams =
      g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
}

static void
end_clear (WireEnd *end)
{
  g_clear_pointer (&end->quic, qp_quic_free);
  g_hash_table_unref (end->streams);
  g_ptr_array_unref (end->datagrams);
  g_list_free_full (end->late, (GDestroyNotify) g_bytes_unref);
  g_clear_error (&end->error);
  g_free (end->alpn);
}

Wire *
wire_new (guint32 seed)
{
  Wire *wire = g_new0 (Wire, 1);

  wire->context = g_main_context_new ();
  wire->rand = g_rand_new_with_seed (seed);
  wire->flying = g_sequence_new (NULL);
  wire->delivery = g_source_new (&delivery_funcs, sizeof (GSource));
  g_source_set_callback (wire->delivery, deliver, wire, NULL);
  g_source_set_ready_time (wire->delivery, -1);
  g_source_attach (wire->delivery, wire->context);
  end_init (&wire->client, wire, &wire->server);
  end_init (&wire->server, wire, &wire->client);
  return wire;
}

static void
complete_config (QpQuicConfig *config)
{
  g_autoptr (GError) error = NULL;

  if (config->identity == NULL)
    config->identity = qp_identity_generate (&error);
  g_assert_no_error (error);
}

static gboolean
trusts_nobody (const QpTrust *trust)
{
  return trust->fingerprint == NULL && trust->pinned_fingerprint == NULL &&
      trust->ca_file == NULL;
}

void
wire_connect (Wire *wire, WireConfig *config)
{
  g_autoptr (GError) error = NULL;

  complete_config (&config->client);
  complete_config (&config->server);
  if (trusts_nobody (&config->client.trust))
    config->client.trust.fingerprint =
        qp_identity_get_fingerprint (config->server.identity);
  if (trusts_nobody (&config->server.trust))
    config->server.trust.fingerprint =
        qp_identity_get_fingerprint (config->client.identity);
  wire->server.quic = qp_quic_new (wire->context, &config->server,
      &wire_callbacks, &wire->server, &error);
  g_assert_no_error (error);
  wire->client.quic = qp_quic_new (wire->context, &config->client,
      &wire_callbacks, &wire->client, &error);
  g_assert_no_error (error);
}

static gboolean
on_timeout (gpointer user)
{
  *(gboolean *) user = TRUE;
  return G_SOURCE_REMOVE;
}

static GSource *
start_timeout (Wire *wire, guint ms, gboolean *over)
{
  GSource *source = g_timeout_source_new (ms);

  g_source_set_callback (source, on_timeout, over, NULL);
  g_source_attach (source, wire->context);
  return source;
}

static void
stop_timeout (GSource *source)
{
  g_source_destroy (source);
  g_source_unref (source);
}

gboolean
wire_run_until (Wire *wire, const gboolean *flag, guint timeout_ms)
{
  gboolean over = FALSE;
  GSource *timeout = start_timeout (wire, timeout_ms, &over);

  while (!*flag && !over)
    g_main_context_iteration (wire->context, TRUE);
  stop_timeout (timeout);
  return *flag;
}

gboolean
wire_run_while (Wire *wire, gboolean (*again) (Wire *wire), guint timeout_ms)
{
  gboolean over = FALSE;
  GSource *timeout = start_timeout (wire, timeout_ms, &over);

  while (again (wire) && !over)
    g_main_context_iteration (wire->context, TRUE);
  stop_timeout (timeout);
  return !again (wire);
}

void
wire_run_for (Wire *wire, guint ms)
{
  gboolean never = FALSE;

  wire_run_until (wire, &never, ms);
}

void
wire_establish (Wire *wire)
{
  wire_run_until (wire, &wire->client.established, 10000);
  wire_run_until (wire, &wire->server.established, 10000);
  g_assert_no_error (wire->client.error);
  g_assert_no_error (wire->server.error);
  g_assert_true (wire->client.established);
  g_assert_true (wire->server.established);
}

Wire *
wire_new_established (guint32 seed, guint delay_us)
{
  Wire *wire = wire_new (seed);
  WireConfig config;
  guint i;

  for (i = 0; i < WIRE_MAX_PATHS; i++)
    wire->paths[i].delay_us = delay_us;
  wire_config_init (&config);
  wire_connect (wire, &config);
  wire_config_clear (&config);
  wire_establish (wire);
  return wire;
}

GBytes *
wire_make_bytes (guint32 seed, gsize size)
{
  guint8 *data = g_malloc (MAX (size, 1));
  guint32 state = seed * 2654435761u + 1;
  gsize i;

  for (i = 0; i < size; i++) {
    state = state * 1664525 + 1013904223;
    data[i] = (guint8) (state >> 24);
  }
  return g_bytes_new_take (data, size);
}

void
wire_assert_stream (WireEnd *end, gint64 id, guint32 seed, gsize size)
{
  g_autoptr (GBytes) expected = wire_make_bytes (seed, size);
  WireStream *stream = wire_get_stream (end, id);

  g_assert_true (stream->fin);
  g_assert_cmpmem (stream->data->data, stream->data->len,
      g_bytes_get_data (expected, NULL), size);
}

void
wire_inject (WireEnd *end, guint path, const guint8 *data, gsize size)
{
  /* A copy of exactly this size, so that a sanitizer sees any read beyond. */
  g_autofree guint8 *copy = g_memdup2 (data, size);

  if (end->quic == NULL)
    return;
  qp_quic_receive (end->quic, path, copy, size);
  qp_quic_flush (end->quic);
}

void
wire_free (Wire *wire)
{
  end_clear (&wire->client);
  end_clear (&wire->server);
  /* Pending make_writable() calls refer to the ends. */
  while (g_main_context_iteration (wire->context, FALSE))
    ;
  g_source_destroy (wire->delivery);
  g_source_unref (wire->delivery);
  g_sequence_foreach (wire->flying, (GFunc) (void *) g_free, NULL);
  g_sequence_free (wire->flying);
  g_rand_free (wire->rand);
  g_main_context_unref (wire->context);
  g_free (wire);
}

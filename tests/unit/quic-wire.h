/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two QUIC connections in one main context, joined by paths that exist in
 * memory only, with delay, jitter (which reorders), loss and back-pressure
 * from a seeded generator.  For tests and the benchmark; one thread. */
#pragma once

#include "quic/connection.h"

#define WIRE_MAX_PATHS 8

typedef struct _WireEnd WireEnd;

/* One path, both directions. */
typedef struct {
  gboolean down;        /* takes everything and delivers nothing */
  gsize mtu;            /* UDP payload; larger datagrams vanish; 0: any */
  guint delay_us;       /* one way */
  guint jitter_us;      /* up to this much more, each datagram for itself */
  guint loss;           /* per 10000 */
  guint64 rate;         /* bits per second, each way; 0: infinite */
  guint queue_us;       /* what the rate's queue holds before it drops */
  gint64 busy_until[2]; /* the rate's queue, per direction */
} WirePath;

typedef struct {
  GByteArray *data;
  gboolean fin, reset, closed;
  guint64 reset_code;
} WireStream;

struct _WireEnd {
  struct _Wire *wire;
  WireEnd *other;
  QpQuic *quic;  /* NULL after the test freed it */
  gboolean keep; /* keep what streams deliver, per stream */
  gboolean
      echo; /* answer each peer's bidirectional stream with its own bytes */

  /* What happened. */
  gboolean established, closed;
  char *alpn;
  GError *error;
  GHashTable *streams; /* id → WireStream */
  gboolean got_data;
  guint64 data_calls;
  guint64 stream_bytes, streams_finished, streams_closed, resets, stops;
  gint64 last_stop;
  guint64 last_stop_code, last_reset_code;
  guint streams_available;
  GPtrArray *datagrams; /* of GBytes */
  guint64 datagram_bytes;
  guint path_changes, path_results;
  guint last_path, last_result_path;
  gboolean last_result;
  gint64 last_data_at;   /* monotonic µs */
  gint64 longest_gap_us; /* between stream_data; reset by the test */

  /* How sending behaves. */
  guint again_every; /* every n-th batch is taken in part; 0: never */
  guint again_count;
  guint64 agains;
  gboolean fail;                                /* every send is an error */
  gboolean (*fails) (WireEnd *end, guint path); /* likewise, if TRUE */
  guint64 sent_datagrams;
  guint64 sent_batches;
  guint max_segments;    /* in one batch */
  gsize largest_batched; /* segment that did not go alone */
  /* Called at the end of each stream_data. */
  void (*on_data) (WireEnd *end, gint64 stream);
  GList *late; /* of GBytes: for the test's own use; freed with the wire */
  /* Sees, and may change in place, what this end sends. */
  void (*tap) (WireEnd *end, guint path, guint8 *data, gsize size);
};

typedef struct _Wire {
  GMainContext *context;
  GRand *rand;
  WirePath paths[WIRE_MAX_PATHS];
  WireEnd client, server;
  GSequence *flying; /* of Parcel, by due time */
  GSource *delivery;
  guint64 order;
} Wire;

typedef struct {
  QpQuicConfig client,
      server; /* identity NULL: made; trust empty: each other */
} WireConfig;

/* What a connection of a WireEnd calls. */
extern const QpQuicCallbacks wire_callbacks;

/* Settings that work; change what the test is about. */
void wire_config_init (WireConfig *config);
void wire_config_clear (WireConfig *config);

Wire *wire_new (guint32 seed);
/* Makes both connections. Trust without any rule means the other's fingerprint. */
void wire_connect (Wire *wire, WireConfig *config);
/* Lets both run until `*flag` or `timeout_ms` is over; TRUE if the flag came. */
gboolean wire_run_until (Wire *wire, const gboolean *flag, guint timeout_ms);
/* As above with a condition. */
gboolean wire_run_while (Wire *wire, gboolean (*again) (Wire *wire),
    guint timeout_ms);
void wire_run_for (Wire *wire, guint ms);
/* Both established, or a failed test. */
void wire_establish (Wire *wire);
/* Connected and established with settings that work. */
Wire *wire_new_established (guint32 seed, guint delay_us);
WireStream *wire_get_stream (WireEnd *end, gint64 id);
/* Bytes made from `seed`, the same anywhere. */
GBytes *wire_make_bytes (guint32 seed, gsize size);
/* The stream came to its end with wire_make_bytes (seed, size). */
void wire_assert_stream (WireEnd *end, gint64 id, guint32 seed, gsize size);
/* Delivers `size` bytes on `path` to `end` as if the peer had sent them. */
void wire_inject (WireEnd *end, guint path, const guint8 *data, gsize size);
void wire_free (Wire *wire);

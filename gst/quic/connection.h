/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One QUIC connection (RFC 9000, 9001, 9002, 9221) on ngtcp2 and OpenSSL, with
 * mutual TLS 1.3.  It knows paths only as numbers: each gets a fresh virtual
 * address pair that only ngtcp2 sees, never used again, so that a move of
 * either side's network is a client migration onto a new path.  It owns its
 * send buffers, its timer and its qlog; sockets and ICE are its owner's.
 *
 * Runs on the thread of the GMainContext given at construction. Callbacks come
 * when ngtcp2 has returned, but for received data (and an `established` that
 * must precede it); what the owner asks for in there that ngtcp2 cannot do at
 * once (flush, close, stop) is done right afterwards. */
#pragma once

#include "quic/identity.h"

G_BEGIN_DECLS

typedef struct _QpQuic QpQuic;

typedef enum {
  QP_QUIC_HANDSHAKING,
  QP_QUIC_ESTABLISHED, /* TLS done, peer's certificate and ALPN accepted */
  QP_QUIC_CLOSING,     /* CONNECTION_CLOSE sent or received */
  QP_QUIC_CLOSED,
} QpQuicState;

/* Why a connection ended; also the GError domain's codes. */
typedef enum {
  QP_QUIC_ERROR_TLS, /* handshake refused by either side; message says why */
  QP_QUIC_ERROR_FINGERPRINT, /* certificate is not the one signaling (or the pin) announced */
  QP_QUIC_ERROR_CERTIFICATE, /* missing, expired, foreign CA, wrong name */
  QP_QUIC_ERROR_ALPN,
  QP_QUIC_ERROR_TIMEOUT, /* handshake or idle */
  QP_QUIC_ERROR_PEER_CLOSED, /* application close by the peer; code in the message */
  QP_QUIC_ERROR_PROTOCOL,
  QP_QUIC_ERROR_INTERNAL,
} QpQuicError;
#define QP_QUIC_ERROR (qp_quic_error_quark ())
GQuark qp_quic_error_quark (void);

typedef enum {
  QP_QUIC_SEND_OK,
  QP_QUIC_SEND_AGAIN,
  QP_QUIC_SEND_ERROR, /* this path does not work now; the datagrams count as lost */
} QpQuicSendResult;

typedef enum { QP_CC_CUBIC, QP_CC_RENO, QP_CC_BBR } QpCongestionControl;

/* Lower number, sent first; within one priority in order of opening. */
typedef enum {
  QP_PRIORITY_CONTROL,
  QP_PRIORITY_AUDIO,
  QP_PRIORITY_VIDEO,
} QpPriority;
#define QP_N_PRIORITIES 3

/* established, stream_data, closed and send must be set. */
typedef struct {
  /* The handshake is complete, the peer's certificate and ALPN are accepted,
   * streams may be opened. A client is there before the server has judged the
   * client's certificate (RFC 8446, 4.4.4); what it sends now is lost if the
   * server refuses, and `closed` follows with QP_QUIC_ERROR_TLS. A server gets
   * this, and data, only from a client that it has accepted. */
  void (*established) (QpQuic *quic, const char *alpn, gpointer user);
  /* In-order bytes of a peer's uni- or bidirectional stream, or of the answer
   * on one of ours. Credit is extended by the connection itself. */
  void (*stream_data) (QpQuic *quic, gint64 stream, const guint8 *data,
      gsize size, gboolean fin, gpointer user);
  /* The peer will send no more on `stream` (RESET_STREAM). */
  void (*stream_reset) (QpQuic *quic, gint64 stream, guint64 code,
      gpointer user);
  /* The peer wants no more of `stream` (STOP_SENDING). Already reset for the
   * caller with the same code. With ngtcp2 before 1.24 this comes only when
   * the peer has acknowledged that; qp_quic_write() fails at once. */
  void (*stream_stopped) (QpQuic *quic, gint64 stream, guint64 code,
      gpointer user);
  /* `stream` is over in both directions (everything acknowledged, or reset);
   * its number means nothing any more. Called once for each stream that was
   * opened here (and not taken back) or delivered data from there. A peer's stream that was reset
   * before it delivered anything is never told of. */
  void (*stream_closed) (QpQuic *quic, gint64 stream, gpointer user);
  void (*datagram) (QpQuic *quic, const guint8 *data, gsize size,
      gpointer user);
  /* There may be streams again, after qp_quic_open() failed. */
  void (*streams_available) (QpQuic *quic, gpointer user);
  /* A path asked for with qp_quic_migrate() was validated, or not. */
  void (*path_result) (QpQuic *quic, guint path, gboolean validated,
      gpointer user);
  /* Server: the client moved to `path`. Client: the move took effect. */
  void (*path_changed) (QpQuic *quic, guint path, gpointer user);
  /* The end, once; error is never NULL (a close of our own has none and calls
   * nothing). The owner may free `quic` here. */
  void (*closed) (QpQuic *quic, const GError *error, gpointer user);
  /* Sends `size` bytes in datagrams of `segment` bytes (the last may be
   * shorter; at most 64 datagrams, 65000 bytes) on `path`; `*sent` is filled on
   * AGAIN with whole datagrams. After AGAIN the owner calls qp_quic_writable(),
   * later; until then nothing more is sent. */
  QpQuicSendResult (*send) (QpQuic *quic, guint path, const guint8 *data,
      gsize size, gsize segment, gsize *sent, gpointer user);
} QpQuicCallbacks;

typedef struct {
  gboolean server;
  QpIdentity *identity;
  QpTrust trust;           /* copied */
  const char *const *alpn; /* NULL-terminated, preferred first */
  QpCongestionControl congestion_control;
  guint idle_timeout_ms; /* max_idle_timeout, RFC 9000, 10.1 */
  guint keep_alive_ms;   /* PING after this silence; 0: never */
  guint handshake_timeout_ms;
  const char *qlog_dir; /* nullable; one file per connection */
  const char *name;     /* for log lines and the qlog's name */
  guint first_path;     /* the path that the handshake uses */
  gsize max_payload;    /* UDP payload of that path, bytes; at least 1200, and
                         * the most that any later path will use */
  gsize probe_payload;  /* 0, or up to 1452: each path starts at 1200 bytes
                         * instead, and is probed for up to so many (RFC 8899).
                         * `send` must not let them be fragmented, and lose
                         * those that are too large. */
} QpQuicConfig;

/* Makes the connection; a client sends its first packet when the context runs
 * next. SSLKEYLOGFILE in the environment is honoured. */
QpQuic *qp_quic_new (GMainContext *context, const QpQuicConfig *config,
    const QpQuicCallbacks *callbacks, gpointer user, GError **error);
/* Frees at once and silently; say goodbye with qp_quic_close() before. */
void qp_quic_free (QpQuic *quic);

QpQuicState qp_quic_get_state (QpQuic *quic);

/* Takes in one datagram that arrived on `path`. Nothing is sent back and no
 * timer is set before qp_quic_flush(), which must follow, so that a batch is
 * answered once. */
void qp_quic_receive (QpQuic *quic, guint path, const guint8 *data, gsize size);
/* Sends whatever may be sent now: acknowledgements, stream data, datagrams. */
void qp_quic_flush (QpQuic *quic);
/* As flush, after `send` said AGAIN. */
void qp_quic_writable (QpQuic *quic);

/* Opens a unidirectional (or bidirectional) stream. Returns its number, or -1
 * when the peer's limit is reached (streams_available follows). */
gint64 qp_quic_open (QpQuic *quic, gboolean bidirectional, QpPriority priority);
/* Queues `data` (a reference is taken and held until acknowledged; NULL with
 * `fin` ends the stream). FALSE if the stream is gone or already ended. */
gboolean qp_quic_write (QpQuic *quic, gint64 stream, GBytes *data,
    gboolean fin);
/* RESET_STREAM with `code`; unsent and unacknowledged data is forgotten. A
 * unidirectional stream of which nothing has left is taken back instead: the
 * peer hears nothing, stream_closed does not come, and the next qp_quic_open()
 * has its number again. */
void qp_quic_reset (QpQuic *quic, gint64 stream, guint64 code);
/* STOP_SENDING with `code`: no more stream_data for it is delivered. */
void qp_quic_stop (QpQuic *quic, gint64 stream, guint64 code);
/* Bytes queued on `stream` that were never sent yet; -1 if it is gone. */
gssize qp_quic_get_unsent (QpQuic *quic, gint64 stream);

/* Largest `size` qp_quic_send_datagram() takes now; 0: the peer takes none. It
 * grows as the path is probed, and shrinks with a move or when large packets
 * are lost; what waits and has become too large is dropped and counted. */
gsize qp_quic_get_max_datagram (QpQuic *quic);
/* Queues one DATAGRAM frame made of `header` (copied, at most 16 bytes) and
 * `data` (nullable, referenced), before all media. FALSE if it can never be
 * sent. */
gboolean qp_quic_send_datagram (QpQuic *quic, const guint8 *header,
    gsize header_size, GBytes *data);

/* A queue of one flow's DATAGRAM frames. They leave in their order, those of
 * queues of one priority in the order of queueing. To be freed, with what is in
 * it, before the connection. */
typedef struct _QpDatagramQueue QpDatagramQueue;

QpDatagramQueue *qp_datagram_queue_new (QpQuic *quic, QpPriority priority);
void qp_datagram_queue_free (QpDatagramQueue *queue);
/* As qp_quic_send_datagram(). */
gboolean qp_datagram_queue_push (QpDatagramQueue *queue, const guint8 *header,
    gsize header_size, GBytes *data);
/* How many wait. */
guint qp_datagram_queue_get_unsent (QpDatagramQueue *queue);
/* Drops the `n` that wait for longest. */
void qp_datagram_queue_drop (QpDatagramQueue *queue, guint n);
/* How many were dropped because a path had become too narrow for them. */
guint64 qp_datagram_queue_get_too_large (QpDatagramQueue *queue);

/* Client: moves to `path`. With `immediate` at once, else after validation,
 * while the old path goes on carrying data. `max_payload` means nothing where
 * paths are probed. FALSE with an error if the
 * handshake is not confirmed or no spare connection ID is left. */
gboolean qp_quic_migrate (QpQuic *quic, guint path, gboolean immediate,
    gsize max_payload, GError **error);
/* Begins anew on the path in use, for when it is heard again after long: what
 * congestion control, timers and the search for the path MTU made of the silence
 * is forgotten. The client does so at once, the server with the next packet. Not
 * from within a callback; before the packet is given to qp_quic_receive(). */
void qp_quic_renew_path (QpQuic *quic);
/* Makes `path` known to a server (any number may be), so that packets may
 * arrive there. */
void qp_quic_add_path (QpQuic *quic, guint path);
void qp_quic_remove_path (QpQuic *quic, guint path);

/* Both ends get the same bytes for the same label (RFC 5705/8446 exporters);
 * FALSE before the handshake is complete. */
gboolean qp_quic_export_key (QpQuic *quic, const char *label, guint8 *out,
    gsize size);
/* Sends CONNECTION_CLOSE with an application code and reason. */
void qp_quic_close (QpQuic *quic, guint64 code, const char *reason);

typedef struct {
  QpQuicState state;
  guint path; /* the one in use */
  guint64 srtt_us, min_rtt_us, latest_rtt_us, rttvar_us;
  guint64 cwnd, bytes_in_flight; /* bytes */
  guint64 bytes_sent, bytes_received, packets_sent, packets_received,
      packets_lost;
  guint64 bytes_lost;
  guint64 bytes_unsent;      /* queued on streams and as datagrams */
  guint64 datagrams_dropped; /* by their owner, or too large */
  guint64 pto_us;
  gint64 last_ack_us; /* monotonic; when the peer last acknowledged data */
  gsize payload;      /* UDP payload that the path is known to carry, bytes */
  gboolean searching; /* it may grow yet */
  guint migrations;
} QpQuicInfo;
void qp_quic_get_info (QpQuic *quic, QpQuicInfo *info);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The connection as the files of this room share it.  Everything in it belongs
 * to the thread of the connection's GMainContext; there is no lock. */
#pragma once

#include "quic/black-hole.h"
#include "quic/connection.h"
#include "quic/flight-limit.h"
#include "quic/qlog.h"
#include "quic/ring.h"
#include "quic/tls.h"
#include "quic/virtual-path.h"

#include <gst/gst.h>
#include <ngtcp2/ngtcp2.h>

G_BEGIN_DECLS

GST_DEBUG_CATEGORY_EXTERN (qp_quic_debug);

/* A connection's log lines carry its name: a session has many. */
#define QUIC_DEBUG(quic, format, ...) \
  GST_CAT_DEBUG (qp_quic_debug, "%s: " format, (quic)->name, ##__VA_ARGS__)
#define QUIC_INFO(quic, format, ...) \
  GST_CAT_INFO (qp_quic_debug, "%s: " format, (quic)->name, ##__VA_ARGS__)
#define QUIC_WARNING(quic, format, ...) \
  GST_CAT_WARNING (qp_quic_debug, "%s: " format, (quic)->name, ##__VA_ARGS__)

#define QP_QUIC_CID_SIZE \
  8 /* bytes; the demultiplexing is the owner's, by path */

/* One sendmsg() with UDP_SEGMENT takes no more than 64 segments, and no more
 * bytes than an IPv4 datagram has room for. */
#define QP_QUIC_BATCH_SIZE 65000
#define QP_QUIC_BATCH_SEGMENTS 64
#define QP_QUIC_BUFFER_SIZE (64 * 1024)

/* More is not probed for; see pmtu.c. */
#define QP_MAX_PROBE_PAYLOAD 1452

/* Datagrams of one size on one path, one after the other in the send buffer. */
typedef struct {
  gsize offset, size; /* bytes; shrink when a part is sent */
  gsize segment;      /* size of each but the last, which may be smaller */
  guint path;
} QpBatch;

typedef struct _QpStream QpStream;

/* One piece of a stream's data, held until all of it is acknowledged. */
typedef struct {
  GBytes *bytes;
  const guint8 *data;
  gsize size;
} QpChunk;

/* A stream that ngtcp2 knows; its stream_user_data.  Lives from open (here or
 * by the peer) to ngtcp2's stream_close. */
struct _QpStream {
  gint64 id;
  QpPriority priority;
  guint64 order;                     /* of opening, over all streams */
  QpStream *all_prev, *all_next;     /* QpQuic.streams */
  QpStream *ready_prev, *ready_next; /* QpQuic.ready[priority], if `ready` */

  /* The sending side, in stream offsets:
   * acked_offset <= sent_offset <= queued_offset. */
  QpRing chunks; /* of QpChunk; the first begins at acked_offset - acked_skip */
  gsize acked_skip; /* bytes of the first chunk that are acknowledged */
  guint64 acked_offset;
  guint64 sent_offset;
  guint64 queued_offset;
  guint
      unsent_index; /* the chunk that holds sent_offset; chunks.length if none */
  gsize unsent_skip;    /* bytes of it that were sent */
  gboolean ready : 1;   /* has something to send and is in the ready list */
  gboolean blocked : 1; /* by the peer's stream credit; never ready as well */
  gboolean fin_queued : 1; /* the owner ended it */
  gboolean fin_sent : 1;
  gboolean reset : 1;      /* RESET_STREAM was asked for, here or by the peer */
  gboolean reset_here : 1; /* by qp_quic_reset() */
  gboolean stop_told : 1;  /* the owner knows that the peer wants no more */

  gboolean local : 1;  /* opened here */
  gboolean told : 1;   /* the owner knows this stream */
  gboolean unused : 1; /* local: taken back, nobody's; in QpQuic.unused */
#if NGTCP2_VERSION_NUM < 0x011700
  gboolean given_back : 1; /* see give_back_early() */
#endif
  guint64 stop_code;
  gboolean stopped : 1; /* STOP_SENDING sent: deliver nothing any more */
};

typedef struct {
  QpStream *head, *tail;
} QpStreamList;

/* Longer RoQ headers do not exist: a varint has at most 8 bytes. */
#define QP_DATAGRAM_MAX_HEADER 16

typedef struct {
  guint8 header[QP_DATAGRAM_MAX_HEADER];
  guint8 header_size;
  GBytes *data;  /* nullable */
  guint64 order; /* of queueing, over all queues */
} QpDatagram;

struct _QpDatagramQueue {
  QpQuic *quic;
  QpPriority priority;
  QpRing datagrams;  /* of QpDatagram */
  guint64 too_large; /* dropped because the path had become too narrow */
};

/* What the owner is told once ngtcp2 has returned. */
typedef enum {
  QP_EVENT_ESTABLISHED,
  QP_EVENT_STREAM_RESET,
  QP_EVENT_STREAM_STOPPED,
  QP_EVENT_STREAM_CLOSED,
  QP_EVENT_STREAMS_AVAILABLE,
  QP_EVENT_PATH_RESULT,
  QP_EVENT_PATH_CHANGED,
} QpEventType;

typedef struct {
  QpEventType type;
  gint64 stream;
  guint64 code;
  guint path;
  gboolean validated;
} QpEvent;

/* What is seen of ngtcp2's search for the path MTU. */
typedef struct {
  gsize size;         /* of the last probe; 0: none was sent yet */
  guint tries;        /* with that size */
  ngtcp2_tstamp sent; /* when */
  gsize failed;       /* the smallest size known not to pass, or G_MAXSIZE */
} QpSearch;

struct _QpQuic {
  QpQuicCallbacks callbacks;
  gpointer user;
  GMainContext *context;
  char *name;
  gboolean server;

  /* Settings, as asked for. */
  QpCongestionControl congestion_control;
  ngtcp2_duration idle_timeout, keep_alive, handshake_timeout; /* ns */
  char *qlog_dir;
  gsize max_payload;   /* the largest that any path may use unprobed, bytes */
  gsize probe_payload; /* the largest to probe for, 0: none */

  /* Life. */
  QpQuicState state; /* changed by qp_quic_set_state() only */
  QpTls *tls;
  ngtcp2_conn *conn; /* NULL in a server before the first Initial */
  ngtcp2_crypto_conn_ref conn_ref;
  QpQlog *qlog;           /* nullable */
  const char *alpn;       /* owned by tls; NULL before established */
  gboolean start_wanted;  /* client: the first packet is still to be sent */
  guint initials_refused; /* first Initials that led to nothing */
  gboolean stateless_reset;

  /* Who is on the stack. */
  guint depth;          /* public calls that may call the owner back */
  gboolean inside;      /* ngtcp2 is: it must not be entered again */
  gboolean sending;     /* the owner's `send` is */
  gboolean dispatching; /* the owner is being called back */
  QpStream *delivering; /* stream_data is being called for it */
  gboolean freed;       /* qp_quic_free() was called further up */

  /* What is to be told or done when ngtcp2 has returned. */
  GArray *events;         /* of QpEvent */
  GError *callback_error; /* why one of ngtcp2's callbacks failed */
  GError *end;            /* to be told by `closed` */
  gboolean close_wanted;  /* qp_quic_close() was called from inside */
  guint64 close_code;
  char *close_reason;
  gboolean flush_wanted;

  /* The timer: one timerfd for all of the connection's deadlines. */
  int timer_fd;
  GSource *timer;
  ngtcp2_tstamp armed; /* UINT64_MAX: not */
  /* All was sent that ngtcp2 had, and nothing happened since: then this is
   * when it needs to be asked again, whatever pacing says. */
  gboolean drained;
  ngtcp2_tstamp drained_expiry;
  ngtcp2_tstamp
      deadline; /* of the handshake before conn exists, or of closing */

  /* Paths. */
  GHashTable *paths; /* number → QpVirtualPath: where packets arrive now */
  guint32 next_generation;
  guint path;             /* the one in use */
  guint32 generation;     /* of its virtual path */
  gboolean move_unproven; /* client: moved at once, not validated yet */
  guint migrations;

  /* Path MTU, of the path in use. */
  gsize payload; /* as it was told last */
  QpSearch search;
  QpBlackHole black_hole;

  /* Streams. */
  QpStreamList streams; /* all of them */
  QpStreamList ready[QP_N_PRIORITIES];
  guint64 next_order; /* of streams and of datagrams */
  guint uni_credit;   /* peer's streams closed but not given back yet */
#if NGTCP2_VERSION_NUM < 0x011700
  guint resets_open; /* the peer's streams that were reset, but not closed */
#endif
  gboolean streams_wanted; /* qp_quic_open() failed */
  QpRing unused; /* of gint64: streams that were reset before anything left */
  guint64 bytes_unsent; /* on streams and as datagrams */

  /* Datagrams. */
  GPtrArray *datagram_queues; /* of QpDatagramQueue; their owners free them */
  QpDatagramQueue *urgent;    /* ours, for qp_quic_send_datagram() */
  guint64 datagrams_dropped;
  gint64 last_ack_us; /* of stream data or a datagram; 0: none yet */

  /* Sending. */
  guint8 *buffer; /* QP_QUIC_BUFFER_SIZE bytes of packets, as they were made */
  QpRing batches; /* of QpBatch: what of them is not sent yet */
  gboolean blocked; /* `send` said AGAIN; ends with qp_quic_writable() */
  gboolean credit_exhausted; /* the peer's connection credit, in this flush */

  /* Of the path in use. */
  QpFlightLimit flight;
  gboolean acked;      /* something was, since `flight` heard of it */
  guint64 flight_room; /* bytes that it leaves to the packets being made */

  /* Tail probes (tail.c). */
  guint burst;           /* packets since all had been sent */
  guint64 lost_seen;     /* packets, when all had been sent */
  ngtcp2_tstamp tail_at; /* UINT64_MAX: no probe is due */

  /* Closing (RFC 9000, 10.2). */
  guint8 *close_packet; /* repeated when the peer goes on sending */
  gsize close_packet_size;
  guint close_datagrams; /* received since */
};

/* connection.c */
/* Makes the log category, once. */
void qp_quic_init_debug (void);
ngtcp2_tstamp qp_quic_now (void); /* CLOCK_MONOTONIC, ns */
void qp_quic_set_state (QpQuic *quic, QpQuicState state, const char *why);
/* Between enter and leave the owner may not be called, and qp_quic_free() only
 * marks. leave() tells the owner what has happened. */
void qp_quic_enter (QpQuic *quic);
void qp_quic_leave (QpQuic *quic);
void qp_quic_add_event (QpQuic *quic, const QpEvent *event);
/* Tells the owner that the handshake is complete, if it is and was not told. */
void qp_quic_establish (QpQuic *quic);
/* Sees to it that the timer fires when ngtcp2 (or closing) needs it next. */
void qp_quic_update_timer (QpQuic *quic);
/* Notices that ngtcp2 uses another path than before. */
void qp_quic_track_path (QpQuic *quic);

/* setup.c: makes and unmakes the ngtcp2_conn. */
gboolean qp_quic_start_client (QpQuic *quic, GError **error);
/* TRUE if `data` began a connection and may be read now. */
gboolean qp_quic_start_server (QpQuic *quic, const QpVirtualPath *path,
    const guint8 *data, gsize size);
/* Frees all that hangs on the ngtcp2_conn, streams included. */
void qp_quic_drop_conn (QpQuic *quic);

/* callbacks.c */
void qp_quic_fill_callbacks (ngtcp2_callbacks *callbacks, gboolean server);
gboolean qp_quic_make_reset_token (const ngtcp2_cid *cid, guint8 *token);

/* close.c */
/* Acts on what an ngtcp2 function returned; 0 is fine. */
void qp_quic_handle_result (QpQuic *quic, int result, const char *what);
/* Ends the connection without a word to the peer; takes `error`. */
void qp_quic_end (QpQuic *quic, QpQuicState state, GError *error);
void qp_quic_send_close (QpQuic *quic, const ngtcp2_ccerr *reason);
void qp_quic_receive_while_closing (QpQuic *quic);
void qp_quic_do_close (QpQuic *quic, guint64 code, const char *reason);

/* stream.c */
QpStream *qp_stream_new (QpQuic *quic, gint64 id, QpPriority priority,
    gboolean local);
void qp_stream_free (QpQuic *quic, QpStream *stream);
QpStream *qp_quic_find_stream (QpQuic *quic, gint64 id);
/* The stream of that priority whose turn it is; NULL if none. */
QpStream *qp_quic_next_stream (QpQuic *quic, QpPriority priority);
/* Points `vec` to `size` unsent bytes, `limit` and a little at most; `fin`
 * tells whether the stream ends there. */
guint qp_stream_gather (QpStream *stream, ngtcp2_vec *vec, guint max,
    gsize limit, gsize *size, gboolean *fin);
void qp_stream_advance (QpQuic *quic, QpStream *stream, gsize size,
    gboolean fin);
void qp_stream_acked (QpQuic *quic, QpStream *stream, guint64 offset);
void qp_stream_block (QpQuic *quic, QpStream *stream);
void qp_stream_unblock (QpQuic *quic, QpStream *stream);
/* Tells the owner, if qp_quic_open() has failed, that it may be tried again. */
void qp_quic_tell_streams_available (QpQuic *quic);
/* Forgets all data and sends no more. */
void qp_stream_forget (QpQuic *quic, QpStream *stream);
/* Sends the STOP_SENDING that qp_quic_stop() asked for. */
void qp_stream_stop (QpQuic *quic, QpStream *stream);

/* datagram.c */
/* The queue of that priority whose first datagram waits for longest, after
 * dropping those too large for the path; NULL if none, or if it is in doubt
 * that it fits. */
QpDatagramQueue *qp_quic_next_datagram_queue (QpQuic *quic,
    QpPriority priority);
/* Forgets the first datagram: it was sent. */
void qp_datagram_queue_pop (QpDatagramQueue *queue);

/* send.c */
void qp_quic_send_all (QpQuic *quic);
void qp_quic_drop_batches (QpQuic *quic);
void qp_quic_drop_batches_of (QpQuic *quic, guint path);

/* tail.c */
/* All is sent; the last `packets` since it was the time before. */
void qp_quic_plan_tail_probe (QpQuic *quic, guint packets, ngtcp2_tstamp now);
/* TRUE if a probe is due: the next packet is one, until end_tail_probe(). */
gboolean qp_quic_begin_tail_probe (QpQuic *quic, ngtcp2_tstamp now);
void qp_quic_end_tail_probe (QpQuic *quic);

/* migration.c */
QpVirtualPath *qp_quic_set_path (QpQuic *quic, guint number, gsize max_payload);
QpVirtualPath *qp_quic_get_path (QpQuic *quic, guint number);
void qp_quic_on_path_validation (QpQuic *quic, const ngtcp2_path *path,
    const ngtcp2_path *fallback, ngtcp2_path_validation_result result);
/* Tells ngtcp2 when to send a PING by itself. */
void qp_quic_set_keep_alive (QpQuic *quic);

/* pmtu.c */
void qp_quic_fill_probes (QpQuic *quic, ngtcp2_settings *settings);
/* What the path in use is known to carry, bytes. */
gsize qp_quic_get_payload (QpQuic *quic);
/* The size of full packets now: less while that is in doubt. */
gsize qp_quic_get_packet_size (QpQuic *quic);
/* The room that ngtcp2 must be given for one packet: it writes its probes where
 * it finds place, and keeps all others to the path's size. */
gsize qp_quic_get_room (QpQuic *quic);
/* Whether the path's size may grow yet. */
gboolean qp_quic_is_searching (QpQuic *quic);
/* After packets were written, `large` bytes of them in packets above the base
 * size; `probe` is the size of ngtcp2's probe among them, 0: none. */
void qp_quic_watch_sent (QpQuic *quic, gsize large, gsize probe,
    ngtcp2_tstamp now);
/* After ngtcp2 has read a packet, or handled its timer. */
void qp_quic_watch_received (QpQuic *quic, ngtcp2_tstamp now);
/* The path in use is another one. */
void qp_quic_restart_search (QpQuic *quic);
/* Writes a packet that tells whether a black hole is over. Returns its size,
 * which may be small if ngtcp2 had something to say, 0, or ngtcp2's error. */
gssize qp_quic_write_probe (QpQuic *quic, ngtcp2_path *path, guint8 *out,
    ngtcp2_tstamp now);

G_END_DECLS

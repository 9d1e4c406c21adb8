/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Makes the ngtcp2_conn: settings, transport parameters, connection IDs, and
 * in a server the first Initial that calls for it. */
#include "quic/connection-private.h"

#include <openssl/rand.h>
#include <stdarg.h>

/* Credit that a peer gets (RFC 9000, 4). Fixed, no auto-tuning: 16 MiB carry
 * 1 Gb/s at 100 ms, and bound what a peer can make us buffer. */
#define CONNECTION_WINDOW (16 * 1024 * 1024)
#define MEDIA_STREAM_WINDOW (4 * 1024 * 1024)
#define CONTROL_STREAM_WINDOW (1024 * 1024)
#define MAX_STREAMS_UNI 1024 /* a stream per frame, for a few RTTs of frames */
#define MAX_STREAMS_BIDI 16

/* Larger than any that fit in a packet: the packet is what limits. */
#define MAX_DATAGRAM_FRAME 65535

/* RFC 9000, 18.2: how many connection IDs of the peer we keep. The default, 2,
 * would allow one migration at a time only. */
#define ACTIVE_CID_LIMIT 8

/* Before the first sample; the default of 333 ms makes the first loss cost a
 * second (RFC 9002, 6.2.2). */
#define INITIAL_RTT (100 * NGTCP2_MILLISECONDS)

/* Datagrams come in batches, each of which is acknowledged at once: to wait for
 * more would take a timer, which costs more than the packet, and time. What is
 * left of the delay is how late the thread may run; it is part of the peer's
 * PTO (RFC 9002, 6.2.1), whose default for it is 25 ms. */
#define ACK_THRESHOLD 1
#define MAX_ACK_DELAY (2 * NGTCP2_MILLISECONDS)

/* First Initials that may come to nothing before we stop trying: each costs a
 * handshake's first flight. */
#define MAX_REFUSED_INITIALS 16

static const ngtcp2_cc_algo congestion_controls[] = {
  [QP_CC_CUBIC] = NGTCP2_CC_ALGO_CUBIC,
  [QP_CC_RENO] = NGTCP2_CC_ALGO_RENO,
  [QP_CC_BBR] = NGTCP2_CC_ALGO_BBR,
};

static void
write_qlog (void *user, uint32_t flags, const void *data, size_t size)
{
  QpQuic *quic = user;

  if (quic->qlog != NULL)
    qp_qlog_write (quic->qlog, data, size);
}

static void G_GNUC_PRINTF (2, 3) write_log (void *user, const char *format, ...)
{
  QpQuic *quic = user;
  g_autofree char *line = NULL;
  va_list arguments;

  va_start (arguments, format);
  line = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  GST_CAT_TRACE (qp_quic_debug, "%s: %s", quic->name, line);
}

static void
fill_settings (QpQuic *quic, ngtcp2_settings *settings, const ngtcp2_cid *odcid)
{
  ngtcp2_settings_default (settings);
  settings->initial_ts = qp_quic_now ();
  settings->initial_rtt = INITIAL_RTT;
  settings->ack_thresh = ACK_THRESHOLD;
  settings->cc_algo = congestion_controls[quic->congestion_control];
  /* A server may have waited for its first packet. */
  if (quic->deadline != UINT64_MAX)
    settings->handshake_timeout = MAX (quic->deadline,
                                      settings->initial_ts + 1) -
        settings->initial_ts;
  qp_quic_fill_probes (quic, settings);
  if (quic->qlog_dir != NULL) {
    quic->qlog = qp_qlog_new (quic->qlog_dir, quic->name, quic->server, odcid);
    if (quic->qlog != NULL)
      settings->qlog_write = write_qlog;
  }
  if (gst_debug_category_get_threshold (qp_quic_debug) >= GST_LEVEL_TRACE)
    settings->log_printf = write_log;
}

static void
fill_params (QpQuic *quic, ngtcp2_transport_params *params)
{
  ngtcp2_transport_params_default (params);
  params->initial_max_data = CONNECTION_WINDOW;
  params->initial_max_stream_data_uni = MEDIA_STREAM_WINDOW;
  params->initial_max_stream_data_bidi_local = CONTROL_STREAM_WINDOW;
  params->initial_max_stream_data_bidi_remote = CONTROL_STREAM_WINDOW;
  params->initial_max_streams_uni = MAX_STREAMS_UNI;
  params->initial_max_streams_bidi = MAX_STREAMS_BIDI;
  params->max_idle_timeout = quic->idle_timeout;
  params->max_ack_delay = MAX_ACK_DELAY;
  params->active_connection_id_limit = ACTIVE_CID_LIMIT;
  params->max_datagram_frame_size = MAX_DATAGRAM_FRAME;
  /* The QUIC bit tells QUIC from STUN on the same socket (RFC 9443). */
  params->grease_quic_bit = 0;
}

static void
make_cid (ngtcp2_cid *cid, gsize size)
{
  cid->datalen = size;
  if (RAND_bytes (cid->data, (int) size) != 1)
    g_error ("the system gives no random numbers");
}

/* After ngtcp2_conn_{client,server}_new(), for both. */
static gboolean
finish_conn (QpQuic *quic, int result, GError **error)
{
  if (result != 0) {
    quic->conn = NULL;
    g_set_error (error, QP_QUIC_ERROR, QP_QUIC_ERROR_INTERNAL,
        "a QUIC connection cannot be made: %s", ngtcp2_strerror (result));
    return FALSE;
  }
  ngtcp2_conn_set_tls_native_handle (quic->conn, qp_tls_get_handle (quic->tls));
  qp_quic_set_keep_alive (quic);
  qp_quic_restart_search (quic);
  qp_flight_limit_reset (&quic->flight);
  return TRUE;
}

gboolean
qp_quic_start_client (QpQuic *quic, GError **error)
{
  QpVirtualPath *path = qp_quic_get_path (quic, quic->path);
  ngtcp2_callbacks callbacks;
  ngtcp2_settings settings;
  ngtcp2_transport_params params;
  ngtcp2_cid dcid, scid;

  if (!qp_tls_start (quic->tls, &quic->conn_ref, error))
    return FALSE;
  make_cid (&dcid, NGTCP2_MAX_CIDLEN);
  make_cid (&scid, QP_QUIC_CID_SIZE);
  qp_quic_fill_callbacks (&callbacks, FALSE);
  fill_settings (quic, &settings, &dcid);
  fill_params (quic, &params);
  return finish_conn (quic,
      ngtcp2_conn_client_new (&quic->conn, &dcid, &scid, &path->path,
          NGTCP2_PROTO_VER_V1, &callbacks, &settings, &params, NULL, quic),
      error);
}

static gboolean
make_server_conn (QpQuic *quic, const QpVirtualPath *path,
    const ngtcp2_pkt_hd *first, GError **error)
{
  ngtcp2_callbacks callbacks;
  ngtcp2_settings settings;
  ngtcp2_transport_params params;
  ngtcp2_cid scid;

  if (!qp_tls_start (quic->tls, &quic->conn_ref, error))
    return FALSE;
  make_cid (&scid, QP_QUIC_CID_SIZE);
  qp_quic_fill_callbacks (&callbacks, TRUE);
  fill_settings (quic, &settings, &first->dcid);
  fill_params (quic, &params);
  params.original_dcid = first->dcid;
  params.original_dcid_present = 1;
  params.stateless_reset_token_present = qp_quic_make_reset_token (&scid,
      params.stateless_reset_token);
  return finish_conn (quic,
      ngtcp2_conn_server_new (&quic->conn, &first->scid, &scid, &path->path,
          first->version, &callbacks, &settings, &params, NULL, quic),
      error);
}

gboolean
qp_quic_start_server (QpQuic *quic, const QpVirtualPath *path,
    const guint8 *data, gsize size)
{
  g_autoptr (GError) error = NULL;
  ngtcp2_pkt_hd first;

  if (ngtcp2_accept (&first, data, size) != 0 ||
      first.type != NGTCP2_PKT_INITIAL ||
      first.version != NGTCP2_PROTO_VER_V1) {
    QUIC_DEBUG (quic,
        "%" G_GSIZE_FORMAT " bytes that are no first Initial are ignored",
        size);
    return FALSE;
  }
  if (quic->initials_refused >= MAX_REFUSED_INITIALS)
    return FALSE;
  /* What serves as the connection's first packet must decrypt; if it does not,
   * ngtcp2 says so when it reads it, and qp_quic_drop_conn() follows. */
  if (make_server_conn (quic, path, &first, &error))
    return TRUE;
  qp_quic_drop_conn (quic);
  qp_quic_end (quic, QP_QUIC_CLOSED, g_steal_pointer (&error));
  return FALSE;
}

void
qp_quic_drop_conn (QpQuic *quic)
{
  /* The order matters: ngtcp2's objects use the TLS ones, and stream data must
   * outlive them. */
  if (quic->conn != NULL)
    ngtcp2_conn_del (quic->conn);
  quic->conn = NULL;
  qp_tls_stop (quic->tls);
  while (quic->streams.head != NULL)
    qp_stream_free (quic, quic->streams.head);
  /* ngtcp2 writes to it until the end. */
  g_clear_pointer (&quic->qlog, qp_qlog_free);
}

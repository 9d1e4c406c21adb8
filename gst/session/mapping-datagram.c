/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The datagram mapping: each packet goes once, in a DATAGRAM frame that is
 * dropped if its deadline passes before it could leave.  RoQ lets a flow mix
 * both forms, so a packet larger than the path's datagrams goes on a stream of
 * its own, counted, rather than nowhere.
 *
 * Transport thread only; see sender-private.h. */
#include "session/sender-private.h"

#include "roq/varint.h"
#include "session/session-private.h"

#define GST_CAT_DEFAULT qp_session_debug

/* Not while larger datagrams may yet turn out to pass: a connection's first
 * packets are nothing to change a pipeline for. */
static void
warn_oversized (QpOutFlow *flow)
{
  QpQuicInfo info;

  if (flow->oversized_told)
    return;
  qp_quic_get_info (flow->sender->quic, &info);
  if (info.searching)
    return;
  flow->oversized_told = TRUE;
  GST_WARNING (
      "%s: packets are larger than the %" G_GSIZE_FORMAT
      " bytes a datagram takes on this path and go on streams; lower the payloader's mtu",
      flow->track->mid, qp_quic_get_max_datagram (flow->sender->quic));
}

static void
send_on_stream (QpOutFlow *flow, GBytes *framed)
{
  gint64 stream = qp_out_flow_open (flow);

  if (stream < 0) {
    qp_out_flow_lost (flow, 1);
    return;
  }
  qp_quic_write (flow->sender->quic, stream, framed, TRUE);
  flow->counters.oversized++;
  warn_oversized (flow);
}

static void
push (QpOutFlow *flow, QpChunk *chunk)
{
  QpQuic *quic = flow->sender->quic;
  gint64 deadline = qp_out_flow_deadline (flow, chunk->born_us);
  gsize header_size, size, offset = 0;
  const guint8 *header = g_bytes_get_data (flow->header, &header_size);
  const guint8 *data;

  if (!chunk->framed)
    return;

  data = g_bytes_get_data (chunk->framed, &size);
  while (offset < size) {
    guint64 length = 0;
    gsize prefix = qp_varint_get (data + offset, size - offset, &length);
    g_autoptr (GBytes) packet = g_bytes_new_from_bytes (chunk->framed,
        offset + prefix, length);

    if (header_size + length > qp_quic_get_max_datagram (quic) ||
        !qp_quic_send_datagram (quic, header, header_size, packet,
            deadline == G_MAXINT64 ? 0 : deadline)) {
      g_autoptr (GBytes) framed = g_bytes_new_from_bytes (chunk->framed, offset,
          prefix + length);

      send_on_stream (flow, framed);
    }
    offset += prefix + length;
  }
}

static void
cancel_open (QpOutFlow *flow)
{
  /* Each packet stands for itself. */
}

static gint64
expire (QpOutFlow *flow, gint64 now)
{
  /* The connection drops datagrams by their own deadline. */
  return G_MAXINT64;
}

static void
streams_available (QpOutFlow *flow)
{
}

static void
on_stream_gone (QpOutFlow *flow, gint64 stream, gint64 code)
{
}

static void
finish (QpOutFlow *flow)
{
}

static gboolean
is_drained (QpOutFlow *flow)
{
  QpQuicInfo info;

  qp_quic_get_info (flow->sender->quic, &info);
  return info.bytes_unsent == 0;
}

static void
clear (QpOutFlow *flow)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, flow->sender->streams);
  while (g_hash_table_iter_next (&iter, NULL, &value)) {
    if (((QpOutStream *) value)->flow == flow)
      g_hash_table_iter_remove (&iter);
  }
}

const QpMappingOps qp_mapping_datagram = {
  .push = push,
  .cancel_open = cancel_open,
  .expire = expire,
  .streams_available = streams_available,
  .stream_gone = on_stream_gone,
  .finish = finish,
  .is_drained = is_drained,
  .clear = clear,
};

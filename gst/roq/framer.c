/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* RoQ framing (draft-ietf-avtcore-rtp-over-quic-14, section 5).  Runs once per
 * packet on the sender's hot path: one memcpy and nothing else. */
#include "roq/framer.h"

#include <string.h>

gsize
qp_roq_flow_id_size (guint64 flow_id)
{
  return qp_varint_size (flow_id);
}

gsize
qp_roq_packet_size (gsize size)
{
  return qp_varint_size (size) + size;
}

gsize
qp_roq_framed_size (const gsize *sizes, guint n)
{
  gsize total = 0;
  guint i;

  for (i = 0; i < n; i++)
    total += qp_roq_packet_size (sizes[i]);

  return total;
}

guint8 *
qp_roq_put_flow_id (guint8 *dst, guint64 flow_id)
{
  return dst + qp_varint_put (dst, flow_id);
}

guint8 *
qp_roq_put_length (guint8 *dst, gsize size)
{
  g_assert (size <= QP_ROQ_MAX_PACKET_SIZE);

  return dst + qp_varint_put (dst, size);
}

guint8 *
qp_roq_put_packet (guint8 *dst, const guint8 *packet, gsize size)
{
  dst = qp_roq_put_length (dst, size);
  memcpy (dst, packet, size);

  return dst + size;
}

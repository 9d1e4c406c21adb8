/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Looking into RTP and RTCP headers.  GstRTPBuffer could, but needs a GstBuffer
 * around the bytes, and these functions run before there is one. */
#include "roq/rtp.h"

#include "roq/parser.h"

#define RTP_VERSION 2

static guint16
read_u16 (const guint8 *data)
{
  return (guint16) (data[0] << 8 | data[1]);
}

static guint32
read_u32 (const guint8 *data)
{
  return (guint32) data[0] << 24 | (guint32) data[1] << 16 |
      (guint32) data[2] << 8 | data[3];
}

gboolean
qp_rtp_is_rtcp (const guint8 *packet, gsize size)
{
  return size >= 2 && packet[1] >= 192 && packet[1] <= 223;
}

/* Reads an RTP packet's header.  Returns NULL or what is wrong with it. */
static const char *
parse_rtp (const guint8 *packet, gsize size, QpRtpHeader *header)
{
  gsize offset = QP_RTP_HEADER_SIZE;
  gsize padding = 0;

  if (size < QP_RTP_HEADER_SIZE)
    return "an RTP packet is shorter than its header";
  if (packet[0] >> 6 != RTP_VERSION)
    return "an RTP packet is not of version 2";

  offset += (packet[0] & 0x0f) * 4;
  if (packet[0] & 0x10) {
    if (size < offset + 4)
      return "an RTP packet ends before its header extension";
    offset += 4 + read_u16 (packet + offset + 2) * (gsize) 4;
  }
  if (size < offset)
    return "an RTP packet ends inside its CSRCs or header extension";

  if (packet[0] & 0x20) {
    padding = packet[size - 1];
    /* With nothing behind the header that last byte is not padding at all. */
    if (padding == 0 || padding > size - offset)
      return "an RTP packet has more padding than payload";
  }

  header->marker = (packet[1] & 0x80) != 0;
  header->payload_type = packet[1] & 0x7f;
  header->seq = read_u16 (packet + 2);
  header->timestamp = read_u32 (packet + 4);
  header->ssrc = read_u32 (packet + 8);
  header->payload_offset = offset;
  header->payload_size = size - offset - padding;

  return NULL;
}

/* Walks the packets of an RTCP compound (RFC 3550, section 6.1; reduced-size
 * ones of RFC 5506 too).  Returns NULL or what is wrong. */
static const char *
check_rtcp (const guint8 *packet, gsize size)
{
  gsize length;

  while (size > 0) {
    if (size < QP_RTCP_HEADER_SIZE)
      return "an RTCP compound ends inside a packet's header";
    if (packet[0] >> 6 != RTP_VERSION)
      return "an RTCP packet is not of version 2";
    if (!qp_rtp_is_rtcp (packet, size))
      return "an RTCP compound holds something that is not RTCP";

    /* In 32-bit words, less the one of the header. */
    length = (read_u16 (packet + 2) + (gsize) 1) * 4;
    if (length > size)
      return "an RTCP packet is longer than what holds it";

    packet += length;
    size -= length;
  }

  return NULL;
}

gboolean
qp_rtp_parse (const guint8 *packet, gsize size, QpRtpHeader *header)
{
  return !qp_rtp_is_rtcp (packet, size) &&
      parse_rtp (packet, size, header) == NULL;
}

gboolean
qp_rtp_check (const guint8 *packet, gsize size, GError **error)
{
  QpRtpHeader header;
  const char *wrong;

  if (qp_rtp_is_rtcp (packet, size))
    wrong = check_rtcp (packet, size);
  else
    wrong = parse_rtp (packet, size, &header);

  if (wrong == NULL)
    return TRUE;

  g_set_error (error, QP_ROQ_ERROR, QP_ROQ_PACKET_ERROR,
      "%s (%" G_GSIZE_FORMAT " bytes)", wrong, size);
  return FALSE;
}

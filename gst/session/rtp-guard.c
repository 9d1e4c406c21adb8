/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See rtp-guard.h. */
#include "session/rtp-guard.h"

#include <string.h>

#define RTP_HEADER_SIZE 12

/* RTCP: RFC 3550, section 12.1; RFC 4585, section 6.1; RFC 5104, section 4.3. */
#define RTCP_HEADER_SIZE 4
#define RTCP_SR 200
#define RTCP_RR 201
#define RTCP_SDES 202
#define RTCP_BYE 203
#define RTCP_PSFB 206
#define PSFB_PLI 1
#define PSFB_FIR 4
#define SDES_END 0
#define SDES_CNAME 1

#define SR_SIZE 28 /* without report blocks */
#define RR_SIZE 8
#define REPORT_BLOCK_SIZE 24
#define FEEDBACK_SIZE 12 /* without FCI */
#define FIR_ENTRY_SIZE 8

static guint32
read_u32 (const guint8 *data)
{
  return (guint32) data[0] << 24 | (guint32) data[1] << 16 |
      (guint32) data[2] << 8 | data[3];
}

void
qp_rtp_guard_init (QpRtpGuard *guard, gint payload_type)
{
  *guard = (QpRtpGuard){ .payload_type = payload_type };
  qp_rate_limit_init (&guard->newcomers, QP_RTP_GUARD_SSRCS,
      QP_RTP_GUARD_SSRC_US);
  qp_rate_limit_init (&guard->keyframes, QP_RTP_GUARD_KEYFRAMES,
      QP_RTP_GUARD_KEYFRAME_US);
}

void
qp_rtp_guard_set_own_ssrc (QpRtpGuard *guard, guint32 ssrc)
{
  guard->own_ssrc = ssrc;
  guard->has_own = TRUE;
}

/* --- SSRCs ----------------------------------------------------------------- */

static void
put_first (QpRtpGuard *guard, guint index, guint32 ssrc)
{
  memmove (guard->ssrcs + 1, guard->ssrcs, index * sizeof *guard->ssrcs);
  guard->ssrcs[0] = ssrc;
}

/* Whether it was heard of; the ones heard of last stay known. */
static gboolean
is_known (QpRtpGuard *guard, guint32 ssrc)
{
  for (guint i = 0; i < guard->n_ssrcs; i++) {
    if (guard->ssrcs[i] == ssrc) {
      put_first (guard, i, ssrc);
      return TRUE;
    }
  }
  return FALSE;
}

static gboolean
admit_ssrc (QpRtpGuard *guard, guint32 ssrc, gint64 now_us)
{
  if (guard->has_own && ssrc == guard->own_ssrc)
    return FALSE;
  if (is_known (guard, ssrc))
    return TRUE;
  if (!qp_rate_limit_take (&guard->newcomers, now_us))
    return FALSE;
  if (guard->n_ssrcs < QP_RTP_GUARD_SSRCS)
    guard->n_ssrcs++;
  put_first (guard, guard->n_ssrcs - 1, ssrc);
  return TRUE;
}

gboolean
qp_rtp_guard_admit (QpRtpGuard *guard, const guint8 *packet, gsize size,
    gint64 now_us)
{
  guint n_csrcs = packet[0] & 0x0f;

  g_assert (size >= RTP_HEADER_SIZE + 4 * n_csrcs);
  if (guard->payload_type >= 0 && (packet[1] & 0x7f) != guard->payload_type)
    return FALSE;
  if (!admit_ssrc (guard, read_u32 (packet + 8), now_us))
    return FALSE;
  for (guint i = 0; i < n_csrcs; i++) {
    if (!admit_ssrc (guard, read_u32 (packet + RTP_HEADER_SIZE + 4 * i),
            now_us))
      return FALSE;
  }
  return TRUE;
}

/* --- RTCP ------------------------------------------------------------------ */

/* An SDES chunk at @data: its CNAME, and where the next chunk is.  FALSE if the
 * chunk does not fit. */
static gboolean
read_chunk (const guint8 *data, gsize size, const guint8 **cname,
    gsize *chunk_size)
{
  gsize offset = 4;

  *cname = NULL;
  while (offset < size && data[offset] != SDES_END) {
    if (size - offset < 2 || size - offset - 2 < data[offset + 1])
      return FALSE;
    if (data[offset] == SDES_CNAME && data[offset + 1] > 0)
      *cname = data + offset;
    offset += 2 + data[offset + 1];
  }
  /* At least one zero, and then as many as fill the word. */
  *chunk_size = (offset / 4 + 1) * 4;
  return *chunk_size <= size;
}

/* Writes a chunk with nothing but a CNAME, which may lie behind @out in the same
 * packet.  Returns: its size, at most that of the chunk that was read. */
static gsize
write_chunk (guint8 *out, const guint8 *ssrc, const guint8 *cname)
{
  gsize item = 2 + cname[1];
  gsize size = ((4 + item) / 4 + 1) * 4;

  memmove (out, ssrc, 4);
  memmove (out + 4, cname, item);
  memset (out + 4 + item, 0, size - 4 - item);
  return size;
}

static gboolean
is_sound_sdes (const guint8 *packet, gsize size)
{
  guint n = packet[0] & 0x1f;
  gsize offset = RTCP_HEADER_SIZE;

  for (guint i = 0; i < n; i++) {
    const guint8 *cname;
    gsize chunk_size;

    if (size - offset < 4 ||
        !read_chunk (packet + offset, size - offset, &cname, &chunk_size))
      return FALSE;
    offset += chunk_size;
  }
  return TRUE;
}

/* Leaves the CNAMEs of those who may have one.  Returns: the size that is left,
 * 0: nothing. */
static gsize
clean_sdes (QpRtpGuard *guard, guint8 *packet, gsize size, gint64 now_us)
{
  guint n = packet[0] & 0x1f, kept = 0;
  gsize in = RTCP_HEADER_SIZE, out = RTCP_HEADER_SIZE;

  if (!is_sound_sdes (packet, size))
    return 0;
  for (guint i = 0; i < n; i++) {
    const guint8 *chunk = packet + in, *cname;
    gsize chunk_size;

    read_chunk (chunk, size - in, &cname, &chunk_size);
    in += chunk_size;
    if (cname && admit_ssrc (guard, read_u32 (chunk), now_us)) {
      out += write_chunk (packet + out, chunk, cname);
      kept++;
    }
  }
  if (kept == 0)
    return 0;
  packet[0] = (guint8) (0x80 | kept);
  packet[2] = (guint8) ((out / 4 - 1) >> 8);
  packet[3] = (guint8) (out / 4 - 1);
  return out;
}

static gboolean
is_sound_bye (QpRtpGuard *guard, const guint8 *packet, gsize size)
{
  guint n = packet[0] & 0x1f;

  if (n == 0 || size < RTCP_HEADER_SIZE + 4 * n)
    return FALSE;
  for (guint i = 0; i < n; i++) {
    if (!is_known (guard, read_u32 (packet + RTCP_HEADER_SIZE + 4 * i)))
      return FALSE;
  }
  return TRUE;
}

static gboolean
is_sound_request (QpRtpGuard *guard, const guint8 *packet, gsize size,
    gint64 now_us)
{
  guint format = packet[0] & 0x1f;

  if (format == PSFB_PLI
          ? size != FEEDBACK_SIZE
          : format != PSFB_FIR || size != FEEDBACK_SIZE + FIR_ENTRY_SIZE)
    return FALSE;
  return admit_ssrc (guard, read_u32 (packet + RTCP_HEADER_SIZE), now_us) &&
      qp_rate_limit_take (&guard->keyframes, now_us);
}

/* One packet of a compound.  Returns: the size that is left of it, 0: nothing. */
static gsize
clean_report (QpRtpGuard *guard, guint8 *packet, gsize size, gint64 now_us)
{
  gsize blocks = (packet[0] & 0x1f) * (gsize) REPORT_BLOCK_SIZE;
  gsize fixed = packet[1] == RTCP_SR ? SR_SIZE : RR_SIZE;

  /* Padding is for block ciphers, of which there are none here. */
  if (packet[0] & 0x20)
    return 0;
  switch (packet[1]) {
    case RTCP_SR:
    case RTCP_RR:
      return size >= fixed + blocks &&
              admit_ssrc (guard, read_u32 (packet + RTCP_HEADER_SIZE), now_us)
          ? size
          : 0;
    case RTCP_SDES:
      return clean_sdes (guard, packet, size, now_us);
    case RTCP_BYE:
      return is_sound_bye (guard, packet, size) ? size : 0;
    case RTCP_PSFB:
      return is_sound_request (guard, packet, size, now_us) ? size : 0;
    default:
      return 0;
  }
}

gsize
qp_rtp_guard_clean_rtcp (QpRtpGuard *guard, guint8 *packet, gsize size,
    gint64 now_us)
{
  gsize in = 0, out = 0;

  for (guint kept = 0; in < size && kept < QP_RTP_GUARD_REPORTS;) {
    gsize report = ((gsize) (packet[in + 2] << 8 | packet[in + 3]) + 1) * 4;
    gsize left;

    g_assert (report <= size - in);
    left = clean_report (guard, packet + in, report, now_us);
    memmove (packet + out, packet + in, left);
    in += report;
    out += left;
    kept += left > 0;
  }
  return out;
}

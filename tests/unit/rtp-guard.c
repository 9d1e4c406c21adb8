/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a peer's RTP and RTCP must be like to be let in, on a clock of the test's
 * own. */
#include "session/rtp-guard.h"

#include <string.h>

#include "roq/rtp.h"

#define START ((gint64) 1000 * G_USEC_PER_SEC)
#define OWN 0x0a0b0c0d

static void
put_u32 (guint8 *data, guint32 value)
{
  for (guint i = 0; i < 4; i++)
    data[i] = (guint8) (value >> (24 - 8 * i));
}

/* --- RTP ------------------------------------------------------------------- */

static gboolean
admit (QpRtpGuard *guard, guint payload_type, guint32 ssrc, gint64 now)
{
  guint8 packet[16] = { 0x80, (guint8) payload_type };

  put_u32 (packet + 8, ssrc);
  return qp_rtp_guard_admit (guard, packet, sizeof packet, now);
}

static void
test_payload_type (void)
{
  QpRtpGuard guard;

  qp_rtp_guard_init (&guard, 96);
  g_assert_true (admit (&guard, 96, 1, START));
  g_assert_true (admit (&guard, 0x80 | 96, 1, START));
  g_assert_false (admit (&guard, 97, 1, START));
  qp_rtp_guard_init (&guard, -1);
  g_assert_true (admit (&guard, 97, 1, START));
}

/* Eight come at once, then one a second; who sends is known all the time. */
static void
test_ssrcs (void)
{
  QpRtpGuard guard;
  guint admitted = 0;

  qp_rtp_guard_init (&guard, -1);
  for (guint i = 0; i < 10000; i++) {
    admitted += admit (&guard, 96, 1000 + i, START);
    g_assert_true (admit (&guard, 96, 1000, START));
  }
  g_assert_cmpuint (admitted, ==, QP_RTP_GUARD_SSRCS);

  for (guint i = 0; i < 10000; i++) {
    admitted += admit (&guard, 96, 50000 + i, START + i * 1000);
    g_assert_true (admit (&guard, 96, 1000, START + i * 1000));
  }
  g_assert_cmpuint (admitted, >=, QP_RTP_GUARD_SSRCS + 9);
  g_assert_cmpuint (admitted, <=, QP_RTP_GUARD_SSRCS + 11);
}

static void
test_csrcs (void)
{
  QpRtpGuard guard;
  guint8 packet[12 + 15 * 4] = { 0x8f, 96 };

  qp_rtp_guard_init (&guard, -1);
  for (guint i = 0; i < 16; i++)
    put_u32 (packet + 8 + 4 * i, i);
  g_assert_false (qp_rtp_guard_admit (&guard, packet, sizeof packet, START));
  packet[0] = 0x83;
  g_assert_true (qp_rtp_guard_admit (&guard, packet, sizeof packet, START));
}

/* --- RTCP ------------------------------------------------------------------ */

#define SSRC 1, 2, 3, 4
#define OTHER 5, 6, 7, 8
#define OWN_BYTES 0x0a, 0x0b, 0x0c, 0x0d
#define BLOCK SSRC, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
#define RR 0x80, 201, 0, 1, SSRC
#define PLI 0x81, 206, 0, 2, SSRC, OWN_BYTES

static const struct {
  const char *name;
  gsize size;
  guint8 in[64];
  gsize left;
  guint8 out[64];
} reports[] = {
  { "a receiver report", 8, { RR }, 8, { RR } },
  { "a report with a block", 32, { 0x81, 201, 0, 7, SSRC, BLOCK }, 32,
      { 0x81, 201, 0, 7, SSRC, BLOCK } },
  { "a report that promises a block", 8, { 0x81, 201, 0, 1, SSRC }, 0, { 0 } },
  { "a sender report without its half", 8, { 0x80, 200, 0, 1, SSRC }, 0,
      { 0 } },
  { "a report of ours", 8, { 0x80, 201, 0, 1, OWN_BYTES }, 0, { 0 } },
  { "a padded report", 8, { 0xa0, 201, 0, 1, SSRC }, 0, { 0 } },
  { "no sender at all", 4, { 0x80, 201, 0, 0 }, 0, { 0 } },
  { "a CNAME", 16, { 0x81, 202, 0, 3, SSRC, 1, 2, 'm', 'e', 0 }, 16,
      { 0x81, 202, 0, 3, SSRC, 1, 2, 'm', 'e', 0 } },
  { "a CNAME for us", 16, { 0x81, 202, 0, 3, OWN_BYTES, 1, 2, 'm', 'e', 0 }, 0,
      { 0 } },
  { "a CNAME among others", 24,
      { 0x81, 202, 0, 5, SSRC, 2, 1, 'x', 1, 2, 'm', 'e', 8, 4, 9, 'p', 'r',
          'i', 0, 0 },
      16, { 0x81, 202, 0, 3, SSRC, 1, 2, 'm', 'e', 0 } },
  { "a second chunk", 28,
      { 0x82, 202, 0, 6, OTHER, 6, 1, 'x', 0, SSRC, 1, 2, 'm', 'e', 0 }, 16,
      { 0x81, 202, 0, 3, SSRC, 1, 2, 'm', 'e', 0 } },
  { "a private item that is longer than its place", 12,
      { 0x81, 202, 0, 2, SSRC, 8, 2, 200, 'x' }, 0, { 0 } },
  { "an item that is longer than its packet", 12,
      { 0x81, 202, 0, 2, SSRC, 1, 200, 'm', 'e' }, 0, { 0 } },
  { "a chunk without an end", 12, { 0x81, 202, 0, 2, SSRC, 1, 2, 'm', 'e' }, 0,
      { 0 } },
  { "chunks that are not there", 16,
      { 0x9f, 202, 0, 3, SSRC, 1, 2, 'm', 'e', 0 }, 0, { 0 } },
  { "a keyframe, please", 20, { RR, PLI }, 20, { RR, PLI } },
  { "a PLI too long", 16, { 0x81, 206, 0, 3, SSRC, OWN_BYTES, 0, 0, 0, 0 }, 0,
      { 0 } },
  { "a FIR", 20, { 0x84, 206, 0, 4, SSRC, 0, 0, 0, 0, OWN_BYTES, 1, 0, 0, 0 },
      20, { 0x84, 206, 0, 4, SSRC, 0, 0, 0, 0, OWN_BYTES, 1, 0, 0, 0 } },
  { "a FIR about nobody", 12, { 0x84, 206, 0, 2, SSRC, 0, 0, 0, 0 }, 0, { 0 } },
  { "transport-wide feedback", 16,
      { 0x8f, 205, 0, 3, SSRC, OWN_BYTES, 0, 0, 0xff, 0xff }, 0, { 0 } },
  { "an application's", 12, { 0x80, 204, 0, 2, SSRC, 'n', 'a', 'm', 'e' }, 0,
      { 0 } },
  { "what is sound of a compound", 28,
      { 0x80, 204, 0, 2, SSRC, 'n', 'a', 'm', 'e', RR, 0x80, 207, 0, 1, SSRC },
      8, { RR } },
  { "a known one's BYE", 16, { RR, 0x81, 203, 0, 1, SSRC }, 16,
      { RR, 0x81, 203, 0, 1, SSRC } },
  { "somebody else's BYE", 16, { RR, 0x81, 203, 0, 1, OTHER }, 8, { RR } },
  { "a BYE of more than are there", 16, { RR, 0x9f, 203, 0, 1, SSRC }, 8,
      { RR } },
};

static void
test_reports (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (reports); i++) {
    /* A heap block of its own, so that sanitizers see its end. */
    g_autofree guint8 *data = g_memdup2 (reports[i].in, reports[i].size);
    QpRtpGuard guard;
    gsize left;

    qp_rtp_guard_init (&guard, -1);
    qp_rtp_guard_set_own_ssrc (&guard, OWN);
    g_test_message ("%s", reports[i].name);
    g_assert_true (qp_rtp_check (data, reports[i].size, NULL));
    left = qp_rtp_guard_clean_rtcp (&guard, data, reports[i].size, START);
    g_assert_cmpmem (data, left, reports[i].out, reports[i].left);
    g_assert_true (left == 0 || qp_rtp_check (data, left, NULL));
  }
}

/* Three keyframes at once, then one a second, however they are asked for. */
static void
test_keyframes (void)
{
  const guint8 pli[] = { PLI };
  QpRtpGuard guard;
  guint n = 0;

  qp_rtp_guard_init (&guard, -1);
  for (guint i = 0; i < 1000; i++) {
    guint8 data[10 * sizeof pli];

    for (guint j = 0; j < 10; j++)
      memcpy (data + j * sizeof pli, pli, sizeof pli);
    n += qp_rtp_guard_clean_rtcp (&guard, data, sizeof data,
             START + i * 10000) /
        sizeof pli;
  }
  g_assert_cmpuint (n, >=, QP_RTP_GUARD_KEYFRAMES + 9);
  g_assert_cmpuint (n, <=, QP_RTP_GUARD_KEYFRAMES + 10);
}

/* A compound of thousands of reports about ever new sources. */
static void
test_crowd (void)
{
  gsize size = 8 * 8000, left;
  g_autofree guint8 *data = g_malloc0 (size);
  QpRtpGuard guard;

  qp_rtp_guard_init (&guard, -1);
  for (guint i = 0; i < 8000; i++) {
    memcpy (data + 8 * i, "\x80\xc9\x00\x01", 4);
    put_u32 (data + 8 * i + 4, i);
  }
  left = qp_rtp_guard_clean_rtcp (&guard, data, size, START);
  g_assert_cmpuint (left, ==, 8 * QP_RTP_GUARD_SSRCS);

  for (guint i = 0; i < 8000; i++)
    put_u32 (data + 8 * i + 4, 3);
  for (guint i = 0; i < 8000; i++)
    memcpy (data + 8 * i, "\x80\xc9\x00\x01", 4);
  left = qp_rtp_guard_clean_rtcp (&guard, data, size, START);
  g_assert_cmpuint (left, ==, 8 * QP_RTP_GUARD_REPORTS);
}

/* Whatever passes the first check is read within its bounds, and what comes out
 * would pass it again. */
static void
test_random (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);
  QpRtpGuard guard;
  guint checked = 0, kept = 0;

  qp_rtp_guard_init (&guard, -1);
  for (guint i = 0; i < 200000; i++) {
    gsize size = 4 * (gsize) g_rand_int_range (rand, 1, 16), left;
    g_autofree guint8 *data = g_malloc (size);

    for (gsize j = 0; j < size; j++)
      data[j] = (guint8) g_rand_int_range (rand, 0, i % 2 ? 256 : 4);
    data[0] = (guint8) (0x80 | g_rand_int_range (rand, 0, 5));
    data[1] = (guint8) g_rand_int_range (rand, 200, 208);
    data[2] = 0;
    data[3] = (guint8) (size / 4 - 1);
    if (!qp_rtp_check (data, size, NULL))
      continue;
    checked++;
    left = qp_rtp_guard_clean_rtcp (&guard, data, size,
        START + (gint64) i * G_USEC_PER_SEC);
    g_assert_cmpuint (left, <=, size);
    if (left > 0) {
      kept++;
      g_assert_true (qp_rtp_check (data, left, NULL));
    }
  }
  g_test_message ("%u sound compounds, something left of %u", checked, kept);
  g_assert_cmpuint (checked, >, 100000);
  g_assert_cmpuint (kept, >, 1000);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/rtp-guard/payload-type", test_payload_type);
  g_test_add_func ("/rtp-guard/ssrcs", test_ssrcs);
  g_test_add_func ("/rtp-guard/csrcs", test_csrcs);
  g_test_add_func ("/rtp-guard/reports", test_reports);
  g_test_add_func ("/rtp-guard/keyframes", test_keyframes);
  g_test_add_func ("/rtp-guard/crowd", test_crowd);
  g_test_add_func ("/rtp-guard/random", test_random);
  return g_test_run ();
}

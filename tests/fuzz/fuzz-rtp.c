/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* RTP and RTCP of a peer on their way to an RTP session: read within their
 * bounds (which the sanitizers see), what is left of RTCP is sound to GStreamer,
 * and no second look takes anything away from it. */
#include "session/rtp-guard.h"

#include <gst/rtp/rtp.h>
#include <string.h>

#include "roq/rtp.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

#define NOW ((gint64) 1000 * G_USEC_PER_SEC)

static gsize
clean (guint8 *packet, gsize size)
{
  QpRtpGuard guard;

  qp_rtp_guard_init (&guard, -1);
  qp_rtp_guard_set_own_ssrc (&guard, 0x0a0b0c0d);
  return qp_rtp_guard_clean_rtcp (&guard, packet, size, NOW);
}

static void
check_rtcp (const guint8 *data, gsize size)
{
  g_autofree guint8 *packet = g_memdup2 (data, size);
  g_autofree guint8 *again = NULL;
  gsize left = clean (packet, size);

  g_assert_cmpuint (left, <=, size);
  if (left == 0)
    return;
  g_assert_true (qp_rtp_check (packet, left, NULL));
  g_assert_true (gst_rtcp_buffer_validate_data_reduced (packet, left));
  again = g_memdup2 (packet, left);
  g_assert_cmpuint (clean (again, left), ==, left);
  g_assert_cmpmem (again, left, packet, left);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  QpRtpGuard guard;

  if (size == 0 || !qp_rtp_check (data, size, NULL))
    return 0;
  if (qp_rtp_is_rtcp (data, size)) {
    check_rtcp (data, size);
    return 0;
  }
  qp_rtp_guard_init (&guard, data[1] & 0x7f);
  /* It may have more SSRCs than come at once, but then it has them always. */
  if (qp_rtp_guard_admit (&guard, data, size, NOW))
    g_assert_true (qp_rtp_guard_admit (&guard, data, size, NOW));
  return 0;
}

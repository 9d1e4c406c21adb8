/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What of a peer's packets an RTP session gets to see.  GStreamer's makes a
 * source for every SSRC that it hears of, from CSRCs and RTCP too, and rtpbin a
 * thread for each that sends; takes SDES of anybody for itself, even our own
 * SSRC's, and asks the encoder for a keyframe at each PLI; and it reads past the
 * end of some reports (SDES PRIV, transport-wide feedback).  So of RTCP only
 * what we have a use for is passed on (RFC 3550: SR, RR, CNAMEs, BYE; RFC 4585
 * and 5104: PLI and FIR), and a peer has a few SSRCs for each flow.
 *
 * Pure: time is an argument, in microseconds of a monotonic clock.  Packets have
 * passed qp_rtp_check(). */
#pragma once

#include <glib.h>

#include "session/rate-limit.h"

G_BEGIN_DECLS

/* SSRCs and CSRCs of a flow that are known at a time. That many may come at
 * once, then one in a second: payloaders that start again, not crowds. */
#define QP_RTP_GUARD_SSRCS 8
#define QP_RTP_GUARD_SSRC_US ((gint64) G_USEC_PER_SEC)

/* Keyframes that a peer may ask for by RTCP: at once, and one per interval. */
#define QP_RTP_GUARD_KEYFRAMES 3
#define QP_RTP_GUARD_KEYFRAME_US ((gint64) G_USEC_PER_SEC)

/* Reports of one compound that are passed on. */
#define QP_RTP_GUARD_REPORTS 16

/* To be embedded; its fields are the guard's own. */
typedef struct {
  gint payload_type;
  gboolean has_own;
  guint32 own_ssrc;
  guint32 ssrcs[QP_RTP_GUARD_SSRCS]; /* the one heard of last is first */
  guint n_ssrcs;
  QpRateLimit newcomers;
  QpRateLimit keyframes;
} QpRtpGuard;

/* Only RTP of that payload type is let in; -1: of any. */
void qp_rtp_guard_init (QpRtpGuard *guard, gint payload_type);

/* The SSRC that we send under in this flow; nobody else is believed to be it. */
void qp_rtp_guard_set_own_ssrc (QpRtpGuard *guard, guint32 ssrc);

/* Whether an RTP packet is let in. */
gboolean qp_rtp_guard_admit (QpRtpGuard *guard, const guint8 *packet,
    gsize size, gint64 now_us);

/* Takes out of an RTCP compound, in place, what shall not be passed on, and
 * returns the size of what is left; 0: nothing. */
gsize qp_rtp_guard_clean_rtcp (QpRtpGuard *guard, guint8 *packet, gsize size,
    gint64 now_us);

G_END_DECLS

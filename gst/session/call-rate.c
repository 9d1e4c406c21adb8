/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Feeds the estimate of what a call's path carries with what QUIC tells, and
 * tells the call's owner when it has changed.  Looked at after each batch of
 * datagrams from the peer, among which are its acknowledgements, but no more
 * often than is of use, and with the session's tick, for silence is news as well.
 * Transport thread only. */
#include "session/call-private.h"
#include "session/session-private.h"

#define GST_CAT_DEFAULT qp_session_debug

/* Round trips of so many µs are one to the estimate. */
#define LOOK_AGAIN_US 4000
/* Less is not told. */
#define TELL_PERCENT 2

static gboolean
differs (guint64 rate, guint64 told)
{
  guint64 more = MAX (rate, told), less = MIN (rate, told);

  return (more - less) * 100 > more * TELL_PERCENT;
}

static void
follow_move (QpCall *call, const QpQuicInfo *info)
{
  gboolean same_network = qp_paths_are_twins (call->paths, call->rate_path,
      info->path);

  call->rate_path = info->path;
  if (same_network)
    return;
  qp_rate_estimate_move (&call->rate);
  GST_INFO ("%s: path %u may carry %" G_GUINT64_FORMAT
            " kbit/s, half of what the former did, until it is known better",
      call->name, info->path, qp_rate_estimate_get (&call->rate) / 1000);
}

static void
tell (QpCall *call, const QpQuicInfo *info)
{
  guint64 estimate = qp_rate_estimate_get (&call->rate);
  guint64 target = qp_rate_estimate_get_target (&call->rate);

  if (!differs (estimate, call->rate_told) &&
      !differs (target, call->target_told))
    return;
  GST_DEBUG ("%s: the path carries %" G_GUINT64_FORMAT
             " kbit/s, to be sent now: %" G_GUINT64_FORMAT
             " kbit/s; round trip %.1f ms, at best %.1f; %" G_GUINT64_FORMAT
             " bytes wait",
      call->name, estimate / 1000, target / 1000, info->latest_rtt_us / 1000.0,
      info->min_rtt_us / 1000.0, qp_sender_get_unsent (call->sender));
  call->rate_told = estimate;
  call->target_told = target;
  call->callbacks.rate_changed (call, call->user);
}

void
qp_call_watch_rate (QpCall *call)
{
  gint64 now = g_get_monotonic_time ();
  QpRateSample sample;
  QpQuicInfo info;

  if (call->state != QP_CALL_CONNECTED || now - call->rate_at < LOOK_AGAIN_US)
    return;
  call->rate_at = now;
  qp_quic_get_info (call->quic, &info);
  if (info.path != call->rate_path)
    follow_move (call, &info);
  sample = (QpRateSample){ .now = now,
    .acked_at = info.last_ack_us,
    .rtt = info.latest_rtt_us,
    .sent = info.bytes_sent,
    .lost = info.bytes_lost,
    .in_flight = info.bytes_in_flight,
    .unsent = qp_sender_get_unsent (call->sender) };
  qp_rate_estimate_update (&call->rate, &sample);
  tell (call, &info);
}

guint64
qp_call_get_rate (QpCall *call, guint64 *target)
{
  *target = qp_rate_estimate_get_target (&call->rate);
  return qp_rate_estimate_get (&call->rate);
}

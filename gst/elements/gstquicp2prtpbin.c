/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See gstquicp2prtpbin.h. */
#include "elements/gstquicp2prtpbin.h"

/* Instead of 5 s (RFC 3550, section 6.2 allows less at our rates): a viewer
 * synchronises sound and picture by the first sender reports, and the sender
 * learns of losses and round trips in time. */
#define RTCP_MIN_INTERVAL GST_SECOND

void
gst_quicp2p_rtpbin_configure_session (GstElement *rtpbin, guint number)
{
  GstElement *session = NULL;

  g_signal_emit_by_name (rtpbin, "get-session", number, &session);
  if (!session)
    return;
  /* No probation: that holds the first packet back until the second one comes,
   * to guard against strangers.  Ours have proved who they are. */
  g_object_set (session, "rtcp-min-interval", (guint64) RTCP_MIN_INTERVAL,
      "probation", 0, NULL);
  gst_object_unref (session);
}

void
gst_quicp2p_rtpbin_release_pad (GstElement *rtpbin, GstPad **pad)
{
  if (!*pad)
    return;
  gst_element_release_request_pad (rtpbin, *pad);
  gst_clear_object (pad);
}

void
gst_quicp2p_bin_remove (GstBin *bin, GstElement *element)
{
  gst_element_set_locked_state (element, TRUE);
  gst_element_set_state (element, GST_STATE_NULL);
  gst_bin_remove (bin, element);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the examples show of an element's `stats` and of its messages: a line of
 * each, for people. */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

/* State, path and round-trip time out of the "stats" property of `element`, a
 * quicp2psink or quicp2psrc; `bitrate` names the field to show with it,
 * "send-bitrate" or "receive-bitrate" (transfer full). */
char *report_line (GstElement *element, const char *bitrate);

/* Sum of `field` over the flows of `kind` ("audio", "video") of all peers. */
guint64 report_flow_total (GstElement *element, const char *kind,
    const char *field);

/* What an element message of quicp2psink or quicp2psrc tells: who came, left or
 * moved, and why the room cannot be reached (transfer full).  NULL for what is
 * of no interest to most.  Every step of a session is told by each element that
 * has part in it. */
char *report_message (const GstStructure *message);

/* Sets a property from "name=value", the way gst-launch-1.0 does. FALSE if
 * there is no such property, or that is none of its values. */
gboolean report_set_property (GstElement *element, const char *assignment,
    GError **error);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pieces of session descriptions, and their way there and back.  What is
 * returned is the caller's. */
#pragma once

#include "session/media.h"

#define HEAD "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"
#define MLINE "m=video 9 QUIC/RTP/AVPF 96\r\n"
#define TRANSPORT "a=mid:v\r\na=rtcp-mux\r\na=roq-flow-id:4\r\n"
#define RTPMAP "a=rtpmap:96 H264/90000\r\n"
#define VIDEO MLINE TRANSPORT RTPMAP
#define PRINT                                        \
  "AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67:89:" \
  "AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67:89"

GPtrArray *media_new_array (void);
GPtrArray *media_parse (const char *sdp, GError **error);
/* The only track of @sdp, which must be sound. */
QpMedia *media_parse_one (const char *sdp);
/* The description of one track. */
char *media_to_sdp (guint64 flow_id, const char *mid, GstCaps *caps,
    GError **error);
/* Caps as they come out of the SDP that they went into. */
GstCaps *media_round_trip (GstCaps *caps);
void media_assert_caps (const GstCaps *caps, const char *expected);

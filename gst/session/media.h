/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The media description: which RTP flows a producer sends and with which caps.
 * It travels as SDP (RFC 8866, draft-ietf-avtcore-sdp-roq-00), one m-line per
 * flow:
 *
 *   m=video 9 QUIC/RTP/AVPF 96
 *   a=mid:video_0
 *   a=sendonly
 *   a=rtcp-mux
 *   a=roq-flow-id:0
 *   a=rtpmap:96 H264/90000
 *
 * Made and read with GstSDP, so that the receiver's pads have the payloader's
 * caps without a property.  A description that came from a peer is checked
 * whole: either all of it is sound or none of it is used.
 *
 * No I/O, no clock; any thread. */
#pragma once

#include <gst/gst.h>

#include "session/frame-tracker.h"

G_BEGIN_DECLS

/* Limits on what is read, and so on what is written. */
#define QP_MEDIA_MAX_SDP_SIZE (48 * 1024)
#define QP_MEDIA_MAX_MEDIA 64
#define QP_MEDIA_MAX_ATTRIBUTES 64 /* per m-line, and for the session */
#define QP_MEDIA_MAX_MID_SIZE 32

/* The only profile described: RTP with feedback; QUIC encrypts. */
#define QP_MEDIA_PROTO "QUIC/RTP/AVPF"

#define QP_MEDIA_ERROR (qp_media_error_quark ())

GQuark qp_media_error_quark (void);

typedef enum {
  QP_MEDIA_ERROR_SYNTAX,      /* not SDP, or a value that cannot be */
  QP_MEDIA_ERROR_LIMIT,       /* larger than the limits above */
  QP_MEDIA_ERROR_UNSUPPORTED, /* sound, but not RTP over QUIC as we speak it */
  QP_MEDIA_ERROR_CAPS,        /* caps that cannot be described */
} QpMediaError;

/* One track. */
typedef struct {
  guint64 flow_id;   /* of its RTP and RTCP, at most 2^62 - 1 */
  char *mid;         /* its name in this description: [A-Za-z0-9._-]{1,32} */
  GstCaps *caps;     /* one fixed application/x-rtp structure */
  char *setup;       /* "active", "passive", "actpass" or NULL */
  char *fingerprint; /* "sha-256 AB:CD:…" or NULL */
} QpMedia;

/* @mid is copied, @caps referenced.  Nothing is checked here: qp_media_to_sdp()
 * does. */
QpMedia *qp_media_new (guint64 flow_id, const char *mid, GstCaps *caps);

/* NULL is fine. */
void qp_media_free (QpMedia *media);

/* TRUE if both describe the same track in the same way. */
gboolean qp_media_equal (const QpMedia *a, const QpMedia *b);

/* What the frames of these caps are, by their field "media". */
QpFrameKind qp_media_kind (const GstCaps *caps);

/* Describes @media, an array of QpMedia, in their order; an empty array is
 * fine.  @session_name is shown to people (s=); NULL or characters that SDP
 * does not take become "-".  Of the caps go in: what RTP
 * needs, strings, ssrc, rtcp-fb-* and extmap-*; not what belongs to one run of
 * the payloader (seqnum-offset, timestamp-offset) and not H.264's "profile",
 * which profile-level-id says too.  Returns (transfer
 * full) the SDP, or NULL with @error set: a mid or flow ID that is not unique,
 * caps that are not fixed RTP or that do not fit.  What it returns,
 * qp_media_from_sdp() reads. */
char *qp_media_to_sdp (GPtrArray *media, const char *session_name,
    GError **error);

/* Reads a description from a peer: @size bytes at @sdp, a NUL behind them is
 * not needed.  Returns (transfer full) an array of QpMedia that frees them, or
 * NULL with @error naming the m-line (counted from 1) and what is wrong.
 * M-lines that the peer does not send (recvonly, inactive, port 0) are left
 * out of the array, attributes that are of no use to a receiver of RTP ignored.
 * The caps' strings are printable ASCII without quotes and backslashes. */
GPtrArray *qp_media_from_sdp (const char *sdp, gsize size, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (QpMedia, qp_media_free)

G_END_DECLS

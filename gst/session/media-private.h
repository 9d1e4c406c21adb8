/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the media description's reader share: media-text.c checks
 * the lines, media-attributes.c the attributes, media-reader.c makes caps and
 * tracks of them. */
#pragma once

#include <gst/sdp/gstsdpmessage.h>

#include "session/media.h"

G_BEGIN_DECLS

/* Of one a=fmtp. */
#define QP_MEDIA_MAX_PARAMETERS 64

/* One m-line being read. */
typedef struct {
  QpMedia *media; /* owned */
  char *payload_type;

  /* Attributes that passed, for GstSDP to translate: those that it reads for a
   * payload type, and all others. */
  GstSDPMedia *codec;
  GstSDPMedia *others;

  guint seen;  /* bits: the entries of the table that were read */
  char **fmtp; /* parameters, unchecked */
  guint8 extmap_ids[256 / 8];
  guint32 ssrc;
  gboolean has_rtpmap;
  gboolean has_ssrc;
  gboolean has_flow_id;
  gboolean has_rtcp_mux;
} QpMediaReader;

/* Sets @error and returns FALSE. */
gboolean qp_media_fail (GError **error, QpMediaError code, const char *format,
    ...) G_GNUC_PRINTF (3, 4);

/* TRUE if the text holds to the limits and every line is one that SDP has, each
 * m-line one that we read. */
gboolean qp_media_check_text (const char *sdp, gsize size, GError **error);

/* Reads one attribute of the m-line. */
gboolean qp_media_read_attribute (QpMediaReader *reader,
    const GstSDPAttribute *attribute, GError **error);

/* The values of a=setup and a=fingerprint, of an m-line or the session. */
gboolean qp_media_check_setup (const char *value, GError **error);
gboolean qp_media_check_fingerprint (const char *value, GError **error);

/* To be asked before a name from a peer becomes that of a field in caps. */
gboolean qp_media_claim_name (const char *name, GError **error);

G_END_DECLS

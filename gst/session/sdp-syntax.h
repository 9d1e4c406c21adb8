/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parts of SDP's grammar that the media description is held to, stricter
 * than RFC 8866: GstSDP takes nearly anything, and what it takes would end up
 * in caps.  Pure functions over strings; any thread. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Names of attributes, parameters and encodings. */
#define QP_SDP_MAX_NAME_SIZE 64

/* [A-Za-z0-9._-]{1,@max} */
gboolean qp_sdp_is_token (const char *string, gsize max);

/* A parameter of a=fmtp: [A-Za-z][A-Za-z0-9_-]*, not too long. */
gboolean qp_sdp_is_parameter_name (const char *string);

/* What may become a string in caps: printable ASCII without spaces and without
 * what caps or SDP could take for syntax.  Empty is fine. */
gboolean qp_sdp_is_parameter_value (const char *string);

/* The same with spaces and semicolons. */
gboolean qp_sdp_is_attribute_value (const char *string);

/* A URI, as in a=extmap, without spaces; not empty. */
gboolean qp_sdp_is_uri (const char *string);

/* "sha-256 " and 32 bytes as hexadecimal pairs with colons. */
gboolean qp_sdp_is_fingerprint (const char *string);

/* Decimal digits without sign and leading zeros, at most @max. */
gboolean qp_sdp_parse_uint (const char *string, guint64 max, guint64 *value);

/* Attributes that tell how packets travel, not what is in them, and so have no
 * place in caps. */
gboolean qp_sdp_is_transport_attribute (const char *name);

G_END_DECLS

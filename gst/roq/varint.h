/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* QUIC variable-length integers (RFC 9000, section 16), which RoQ uses for
 * flow IDs and lengths.  Pure functions over memory; any thread. */
#pragma once

#include <glib.h>

#include "roq/roq.h"

G_BEGIN_DECLS

/* Most bytes that one integer takes. */
#define QP_VARINT_MAX_SIZE 8

/* Bytes (1, 2, 4 or 8) that @value takes.  0 if it is above QP_VARINT_MAX
 * and so has no encoding. */
guint qp_varint_size (guint64 value);

/* Writes @value at @dst, which has room for qp_varint_size() bytes, and
 * returns how many it wrote.  @value is at most QP_VARINT_MAX. */
guint qp_varint_put (guint8 *dst, guint64 value);

/* Reads an integer from the start of @data, never past @size.  Returns the
 * bytes it took, or 0, leaving @value alone, when more of them are needed.  An
 * encoding longer than necessary is valid. */
gsize qp_varint_get (const guint8 *data, gsize size, guint64 *value);

G_END_DECLS

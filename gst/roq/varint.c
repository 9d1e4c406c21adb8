/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* QUIC variable-length integers: the two top bits of the first byte tell how
 * many bytes there are, the rest is big endian. */
#include "roq/varint.h"

guint
qp_varint_size (guint64 value)
{
  if (value < 1 << 6)
    return 1;
  if (value < 1 << 14)
    return 2;
  if (value < 1 << 30)
    return 4;
  if (value <= QP_VARINT_MAX)
    return 8;
  return 0;
}

guint
qp_varint_put (guint8 *dst, guint64 value)
{
  guint size = qp_varint_size (value);
  guint i;

  g_assert (size > 0);

  for (i = size; i > 0; i--) {
    dst[i - 1] = value & 0xff;
    value >>= 8;
  }

  /* 1, 2, 4, 8 bytes are 0, 1, 2, 3 in the top bits. */
  dst[0] |= (guint) g_bit_nth_lsf (size, -1) << 6;

  return size;
}

gsize
qp_varint_get (const guint8 *data, gsize size, guint64 *value)
{
  gsize needed, i;
  guint64 v;

  if (size == 0)
    return 0;

  needed = (gsize) 1 << (data[0] >> 6);
  if (size < needed)
    return 0;

  v = data[0] & 0x3f;
  for (i = 1; i < needed; i++)
    v = v << 8 | data[i];

  *value = v;
  return needed;
}

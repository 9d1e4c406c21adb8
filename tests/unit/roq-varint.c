/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of the QUIC variable-length integers. */
#include "roq/varint.h"

#include <string.h>

static const struct {
  guint64 value;
  guint size;
  guint8 bytes[8];
} table[] = {
  { 0, 1, { 0x00 } },
  { 63, 1, { 0x3f } },
  { 64, 2, { 0x40, 0x40 } },
  { 16383, 2, { 0x7f, 0xff } },
  { 16384, 4, { 0x80, 0x00, 0x40, 0x00 } },
  { 1073741823, 4, { 0xbf, 0xff, 0xff, 0xff } },
  { 1073741824, 8, { 0xc0, 0x00, 0x00, 0x00, 0x40, 0x00, 0x00, 0x00 } },
  { QP_VARINT_MAX, 8, { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } },
  /* RFC 9000, appendix A.1 */
  { G_GUINT64_CONSTANT (151288809941952652), 8,
      { 0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c } },
  { 494878333, 4, { 0x9d, 0x7f, 0x3e, 0x7d } },
  { 15293, 2, { 0x7b, 0xbd } },
  { 37, 1, { 0x25 } },
};

static void
test_table (void)
{
  guint i;

  for (i = 0; i < G_N_ELEMENTS (table); i++) {
    guint8 bytes[QP_VARINT_MAX_SIZE];
    guint64 value = 0;

    g_assert_cmpuint (qp_varint_size (table[i].value), ==, table[i].size);
    g_assert_cmpuint (qp_varint_put (bytes, table[i].value), ==, table[i].size);
    g_assert_cmpmem (bytes, table[i].size, table[i].bytes, table[i].size);
    g_assert_cmpuint (qp_varint_get (bytes, table[i].size, &value), ==,
        table[i].size);
    g_assert_cmpuint (value, ==, table[i].value);
  }
}

static void
test_too_large (void)
{
  g_assert_cmpuint (qp_varint_size (QP_VARINT_MAX + 1), ==, 0);
  g_assert_cmpuint (qp_varint_size (G_MAXUINT64), ==, 0);
}

/* Each integer cut short at each byte, in memory of exactly that size. */
static void
test_truncated (void)
{
  guint i;
  gsize size;

  for (i = 0; i < G_N_ELEMENTS (table); i++) {
    for (size = 0; size < table[i].size; size++) {
      g_autofree guint8 *bytes = g_memdup2 (table[i].bytes, size);
      guint64 value = 12345;

      g_assert_cmpuint (qp_varint_get (bytes, size, &value), ==, 0);
      g_assert_cmpuint (value, ==, 12345);
    }
  }
}

static void
test_longer_than_necessary (void)
{
  const guint8 bytes[] = { 0xc0, 0, 0, 0, 0, 0, 0, 37, 0xff };
  guint64 value = 0;

  g_assert_cmpuint (qp_varint_get (bytes, sizeof bytes, &value), ==, 8);
  g_assert_cmpuint (value, ==, 37);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/roq/varint/table", test_table);
  g_test_add_func ("/roq/varint/too-large", test_too_large);
  g_test_add_func ("/roq/varint/truncated", test_truncated);
  g_test_add_func ("/roq/varint/longer-than-necessary",
      test_longer_than_necessary);

  return g_test_run ();
}

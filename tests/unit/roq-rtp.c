/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of looking into RTP and RTCP headers. */
#include "roq/rtp.h"

#include "roq/parser.h"

#define RTP(first, second, ...)                                                \
  {                                                                            \
    first, second, 0x12, 0x34, 0x01, 0x02, 0x03, 0x04, 0xde, 0xad, 0xbe, 0xef, \
        __VA_ARGS__                                                            \
  }

static const struct {
  const char *name;
  gboolean valid;
  gsize size;
  guint8 bytes[40];
} table[] = {
  { "rtp, no payload", TRUE, 12, RTP (0x80, 96, 0) },
  { "rtp, payload", TRUE, 15, RTP (0x80, 0xe0, 1, 2, 3) },
  { "rtp, too short", FALSE, 11, RTP (0x80, 96, 0) },
  { "rtp, version 1", FALSE, 12, RTP (0x40, 96, 0) },
  { "rtp, version 0", FALSE, 12, RTP (0x00, 96, 0) },
  { "rtp, one csrc", TRUE, 16, RTP (0x81, 96, 1, 2, 3, 4) },
  { "rtp, csrc cut", FALSE, 15, RTP (0x81, 96, 1, 2, 3) },
  { "rtp, 15 csrcs of which one is there", FALSE, 16,
      RTP (0x8f, 96, 1, 2, 3, 4) },
  { "rtp, extension", TRUE, 21,
      RTP (0x90, 96, 0xbe, 0xde, 0, 1, 1, 2, 3, 4, 5) },
  { "rtp, empty extension", TRUE, 16, RTP (0x90, 96, 0xbe, 0xde, 0, 0) },
  { "rtp, extension's header cut", FALSE, 15, RTP (0x90, 96, 0xbe, 0xde, 0) },
  { "rtp, extension cut", FALSE, 19,
      RTP (0x90, 96, 0xbe, 0xde, 0, 1, 1, 2, 3) },
  { "rtp, huge extension", FALSE, 20,
      RTP (0x90, 96, 0xbe, 0xde, 0xff, 0xff, 1, 2, 3, 4) },
  { "rtp, padding", TRUE, 15, RTP (0xa0, 96, 9, 0, 2) },
  { "rtp, only padding", TRUE, 14, RTP (0xa0, 96, 0, 2) },
  { "rtp, no room for padding", FALSE, 12, RTP (0xa0, 96, 0) },
  { "rtp, more padding than payload", FALSE, 14, RTP (0xa0, 96, 0, 3) },
  { "rtp, padding of 0", FALSE, 14, RTP (0xa0, 96, 0, 0) },
  { "rtp, type below rtcp", TRUE, 12, RTP (0x80, 191, 0) },
  { "rtp, type above rtcp", TRUE, 12, RTP (0x80, 224, 0) },
  { "rtcp, empty bye", TRUE, 4, { 0x80, 203, 0, 0 } },
  { "rtcp, rr", TRUE, 8, { 0x80, 201, 0, 1, 1, 2, 3, 4 } },
  { "rtcp, compound", TRUE, 12,
      { 0x80, 201, 0, 1, 1, 2, 3, 4, 0x80, 203, 0, 0 } },
  { "rtcp, header cut", FALSE, 3, { 0x80, 203, 0 } },
  { "rtcp, body cut", FALSE, 7, { 0x80, 201, 0, 1, 1, 2, 3 } },
  { "rtcp, rest after the last", FALSE, 9,
      { 0x80, 201, 0, 1, 1, 2, 3, 4, 0x80 } },
  { "rtcp, then rtp", FALSE, 12,
      { 0x80, 201, 0, 1, 1, 2, 3, 4, 0x80, 96, 0, 0 } },
  { "rtcp, huge length", FALSE, 8, { 0x80, 201, 0xff, 0xff, 1, 2, 3, 4 } },
  { "rtcp, version 1", FALSE, 4, { 0x40, 203, 0, 0 } },
  { "rtcp, version 1 in the second", FALSE, 8,
      { 0x80, 203, 0, 0, 0x40, 203, 0, 0 } },
  { "rtcp, first type", TRUE, 4, { 0x80, 192, 0, 0 } },
  { "rtcp, last type", TRUE, 4, { 0x80, 223, 0, 0 } },
  { "nothing", FALSE, 0, { 0 } },
  { "one byte", FALSE, 1, { 0x80 } },
};

static void
test_check (void)
{
  guint i;

  for (i = 0; i < G_N_ELEMENTS (table); i++) {
    /* Exactly as large as the packet, so that a sanitizer sees reads past it. */
    g_autofree guint8 *bytes = g_memdup2 (table[i].bytes, table[i].size);
    g_autoptr (GError) error = NULL;
    gboolean valid = qp_rtp_check (bytes, table[i].size, &error);
    QpRtpHeader header;

    g_test_message ("%s", table[i].name);
    g_assert_true (valid == table[i].valid);
    if (valid) {
      g_assert_no_error (error);
      g_assert_true (qp_rtp_is_rtcp (bytes, table[i].size) ==
          g_str_has_prefix (table[i].name, "rtcp"));
    } else {
      g_assert_error (error, QP_ROQ_ERROR, QP_ROQ_PACKET_ERROR);
    }

    g_assert_true (qp_rtp_parse (bytes, table[i].size, &header) ==
        (valid && g_str_has_prefix (table[i].name, "rtp")));
  }
}

static void
test_fields (void)
{
  const guint8 plain[] = RTP (0x80, 0xe0, 1, 2, 3);
  const guint8 full[] = RTP (0xb1, 26, 9, 9, 9, 9, 0xbe, 0xde, 0, 1, 1, 2, 3, 4,
      5, 6, 0, 2);
  QpRtpHeader header;

  g_assert_true (qp_rtp_parse (plain, sizeof plain, &header));
  g_assert_true (header.marker);
  g_assert_cmpuint (header.payload_type, ==, 96);
  g_assert_cmpuint (header.seq, ==, 0x1234);
  g_assert_cmpuint (header.timestamp, ==, 0x01020304);
  g_assert_cmpuint (header.ssrc, ==, 0xdeadbeef);
  g_assert_cmpuint (header.payload_offset, ==, 12);
  g_assert_cmpuint (header.payload_size, ==, 3);

  g_assert_true (qp_rtp_parse (full, sizeof full, &header));
  g_assert_false (header.marker);
  g_assert_cmpuint (header.payload_type, ==, 26);
  g_assert_cmpuint (header.payload_offset, ==, 24);
  g_assert_cmpuint (header.payload_size, ==, 2);
}

/* Whatever the bytes are: no read past them, and what is accepted adds up. */
static void
test_random (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (20250301);
  guint i, valid = 0;

  for (i = 0; i < 200000; i++) {
    gsize size = (gsize) g_rand_int_range (rand, 0, 64), j;
    g_autofree guint8 *bytes = g_malloc (size);
    QpRtpHeader header;

    for (j = 0; j < size; j++)
      bytes[j] = (guint8) g_rand_int (rand);
    if (size > 0)
      bytes[0] = (bytes[0] & 0x3f) | 0x80;

    if (qp_rtp_parse (bytes, size, &header)) {
      g_assert_cmpuint (header.payload_offset + header.payload_size, <=, size);
      valid++;
    }
    qp_rtp_check (bytes, size, NULL);
  }

  g_assert_cmpuint (valid, >, 1000);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/roq/rtp/check", test_check);
  g_test_add_func ("/roq/rtp/fields", test_fields);
  g_test_add_func ("/roq/rtp/random", test_random);

  return g_test_run ();
}

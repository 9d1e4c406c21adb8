/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Messages on the control stream, in pieces of any size. */

#include "signaling/framing.h"

#include <string.h>

#include "signaling/message.h"

static void
append_frame (GByteArray *stream, const char *json)
{
  g_autoptr (GBytes) frame = qp_framing_frame (json);

  g_byte_array_append (stream, g_bytes_get_data (frame, NULL),
      g_bytes_get_size (frame));
}

static void
assert_pull (QpDeframer *deframer, const char *json)
{
  g_autoptr (GBytes) message = qp_deframer_pull (deframer);

  g_assert_nonnull (message);
  g_assert_cmpmem (g_bytes_get_data (message, NULL), g_bytes_get_size (message),
      json, strlen (json));
}

static void
test_frame (void)
{
  static const guint8 expected[] = { 0, 0, 0, 2, '{', '}' };
  g_autoptr (GBytes) frame = qp_framing_frame ("{}");

  g_assert_cmpmem (g_bytes_get_data (frame, NULL), g_bytes_get_size (frame),
      expected, sizeof expected);
}

static void
test_pieces (void)
{
  g_autoptr (GByteArray) stream = g_byte_array_new ();
  g_autofree char *largest = g_strnfill (QP_MESSAGE_MAX_SIZE, 'x');

  append_frame (stream, "{}");
  append_frame (stream, largest);
  append_frame (stream, "x");
  for (gsize piece = 1; piece < stream->len * 2; piece = piece * 3 + 1) {
    g_autoptr (QpDeframer) deframer = qp_deframer_new ();
    g_autoptr (GError) error = NULL;

    g_assert_true (qp_deframer_is_clean (deframer));
    for (gsize at = 0; at < stream->len; at += piece) {
      g_assert_true (qp_deframer_push (deframer, stream->data + at,
          MIN (piece, stream->len - at), &error));
      g_assert_no_error (error);
    }
    g_assert_true (qp_deframer_is_clean (deframer));
    assert_pull (deframer, "{}");
    assert_pull (deframer, largest);
    assert_pull (deframer, "x");
    g_assert_null (qp_deframer_pull (deframer));
  }
}

static void
test_cut_off (void)
{
  g_autoptr (QpDeframer) deframer = qp_deframer_new ();
  static const guint8 bytes[] = { 0, 0, 0, 2, '{' };

  for (guint i = 0; i < sizeof bytes; i++) {
    g_assert_true (qp_deframer_push (deframer, bytes + i, 1, NULL));
    g_assert_null (qp_deframer_pull (deframer));
    g_assert_false (qp_deframer_is_clean (deframer));
  }
  g_assert_true (qp_deframer_push (deframer, NULL, 0, NULL));
}

static void
test_bad_size (void)
{
  static const guint8 bad[][4] = { { 0, 0, 0, 0 }, { 0, 1, 0, 1 },
    { 255, 255, 255, 255 } };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
    g_autoptr (QpDeframer) deframer = qp_deframer_new ();
    g_autoptr (GByteArray) stream = g_byte_array_new ();
    int code = i == 0 ? QP_SIGNALING_ERROR_BAD_MESSAGE
                      : QP_SIGNALING_ERROR_TOO_BIG;
    g_autoptr (GError) error = NULL;

    append_frame (stream, "{}");
    g_byte_array_append (stream, bad[i], 4);
    /* Told with the last byte of the header, and for good. */
    g_assert_false (qp_deframer_push (deframer, stream->data, stream->len,
        &error));
    g_assert_error (error, QP_SIGNALING_ERROR, code);
    g_assert_false (qp_deframer_push (deframer, stream->data, 1, NULL));
    g_assert_false (qp_deframer_is_clean (deframer));
    /* What came before is not lost. */
    assert_pull (deframer, "{}");
    g_assert_null (qp_deframer_pull (deframer));
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/signaling/framing/frame", test_frame);
  g_test_add_func ("/signaling/framing/pieces", test_pieces);
  g_test_add_func ("/signaling/framing/cut-off", test_cut_off);
  g_test_add_func ("/signaling/framing/bad-size", test_bad_size);
  return g_test_run ();
}

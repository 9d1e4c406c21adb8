/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The control stream: the same bytes give the same messages and the same end in
 * whatever pieces they arrive.  The first byte of an input chooses the pieces,
 * the rest is the stream. */
#include "signaling/framing.h"

#include <string.h>

#include "signaling/message.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

static void
pull (QpDeframer *deframer, GString *log)
{
  GBytes *bytes;

  while ((bytes = qp_deframer_pull (deframer))) {
    gsize size;
    const char *text = g_bytes_get_data (bytes, &size);
    g_autoptr (GError) error = NULL;
    g_autoptr (QpMessage) message = qp_message_parse (text, size, &error);

    g_assert_cmpuint (size, >=, 1);
    g_assert_cmpuint (size, <=, QP_MESSAGE_MAX_SIZE);
    g_assert_true ((message == NULL) == (error != NULL));
    g_string_append_printf (log, "%" G_GSIZE_FORMAT " %s\n", size,
        message ? qp_message_type_to_string (message->type) : error->message);
    g_bytes_unref (bytes);
  }
}

/* Pushes in pieces of `step` bytes until the stream breaks. */
static char *
read_stream (const guint8 *data, gsize size, gsize step)
{
  g_autoptr (GError) error = NULL;
  QpDeframer *deframer = qp_deframer_new ();
  GString *log = g_string_new (NULL);
  gboolean sound = TRUE;

  for (gsize at = 0; sound && at < size; at += step) {
    sound = qp_deframer_push (deframer, data + at, MIN (step, size - at),
        &error);
    g_assert_true (sound == (error == NULL));
    pull (deframer, log);
  }
  if (!sound) {
    g_string_append (log, error->message);
    g_assert_false (qp_deframer_is_clean (deframer));
    g_assert_false (qp_deframer_push (deframer, data, size, NULL));
  }
  qp_deframer_free (deframer);
  return g_string_free (log, FALSE);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autofree char *whole = NULL;
  g_autofree char *pieces = NULL;

  if (size < 2)
    return 0;
  whole = read_stream (data + 1, size - 1, size);
  pieces = read_stream (data + 1, size - 1, data[0] % 64 + 1);
  g_assert_cmpstr (whole, ==, pieces);
  return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Framing of messages on the control stream; see framing.h. */

#include "signaling/framing.h"

#include <string.h>

#include "signaling/message.h"

#define HEADER_SIZE 4

struct _QpDeframer {
  GByteArray
      *partial; /* header and message so far; at most HEADER_SIZE + MAX_SIZE */
  GQueue messages; /* of GBytes */
  gboolean broken;
};

GBytes *
qp_framing_frame (const char *json)
{
  gsize size = strlen (json);
  guint32 header = GUINT32_TO_BE ((guint32) size);
  guint8 *frame;

  g_return_val_if_fail (size > 0 && size <= QP_MESSAGE_MAX_SIZE, NULL);

  frame = g_malloc (HEADER_SIZE + size);
  memcpy (frame, &header, HEADER_SIZE);
  memcpy (frame + HEADER_SIZE, json, size);
  return g_bytes_new_take (frame, HEADER_SIZE + size);
}

QpDeframer *
qp_deframer_new (void)
{
  QpDeframer *deframer = g_new0 (QpDeframer, 1);

  deframer->partial = g_byte_array_new ();
  g_queue_init (&deframer->messages);
  return deframer;
}

void
qp_deframer_free (QpDeframer *deframer)
{
  g_byte_array_unref (deframer->partial);
  g_queue_clear_full (&deframer->messages, (GDestroyNotify) g_bytes_unref);
  g_free (deframer);
}

/* The size that a complete header announces; FALSE if nobody may send that. */
static gboolean
read_header (QpDeframer *deframer, guint32 *size, GError **error)
{
  guint32 header;

  memcpy (&header, deframer->partial->data, HEADER_SIZE);
  *size = GUINT32_FROM_BE (header);
  if (*size > QP_MESSAGE_MAX_SIZE) {
    g_set_error (error, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_TOO_BIG,
        "The control stream announces a message of %u bytes, over the limit of 64 KiB",
        *size);
    return FALSE;
  }
  if (*size == 0) {
    g_set_error_literal (error, QP_SIGNALING_ERROR,
        QP_SIGNALING_ERROR_BAD_MESSAGE,
        "The control stream announces an empty message");
    return FALSE;
  }
  return TRUE;
}

gboolean
qp_deframer_push (QpDeframer *deframer, const guint8 *data, gsize size,
    GError **error)
{
  if (deframer->broken) {
    g_set_error_literal (error, QP_SIGNALING_ERROR,
        QP_SIGNALING_ERROR_BAD_MESSAGE, "The control stream broke before");
    return FALSE;
  }
  while (size > 0) {
    guint32 wanted = 0;
    gsize n;

    if (deframer->partial->len >= HEADER_SIZE &&
        !read_header (deframer, &wanted, error)) {
      deframer->broken = TRUE;
      return FALSE;
    }
    n = MIN (size, HEADER_SIZE + wanted - deframer->partial->len);
    g_byte_array_append (deframer->partial, data, n);
    data += n;
    size -= n;
    if (wanted > 0 && deframer->partial->len == HEADER_SIZE + wanted) {
      g_queue_push_tail (&deframer->messages,
          g_bytes_new (deframer->partial->data + HEADER_SIZE, wanted));
      g_byte_array_set_size (deframer->partial, 0);
    }
  }
  /* A bad header is told at once, not with the next byte. */
  if (deframer->partial->len == HEADER_SIZE) {
    guint32 wanted;

    deframer->broken = !read_header (deframer, &wanted, error);
  }
  return !deframer->broken;
}

GBytes *
qp_deframer_pull (QpDeframer *deframer)
{
  return g_queue_pop_head (&deframer->messages);
}

gboolean
qp_deframer_is_clean (const QpDeframer *deframer)
{
  return !deframer->broken && deframer->partial->len == 0;
}

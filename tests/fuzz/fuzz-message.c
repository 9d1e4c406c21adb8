/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The signaling codec: what it takes is within its bounds, and reads the same
 * once written; what it refuses comes with an error that may be sent back. */

#include "signaling/message.h"

#include <string.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

static void
check_error (const GError *error)
{
  g_assert_true (error->domain == QP_SIGNALING_ERROR);
  g_assert_true (g_utf8_validate (error->message, -1, NULL));
  g_assert_null (strpbrk (error->message, "\r\n\033"));
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (QpMessage)
      message = qp_message_parse ((const char *) data, size, &error);
  g_autoptr (QpMessage) again = NULL;
  g_autoptr (QpMessage) copy = NULL;
  g_autofree char *json = NULL;
  g_autofree char *json_again = NULL;
  g_autofree char *json_copy = NULL;

  if (!message) {
    check_error (error);
    return 0;
  }
  g_assert_no_error (error);
  json = qp_message_to_json (message);
  copy = qp_message_copy (message);
  json_copy = qp_message_to_json (copy);
  g_assert_cmpstr (json, ==, json_copy);
  if (!qp_message_check (message, &error)) {
    /* Escapes may make it longer than it came; nothing else may be wrong. */
    g_assert_error (error, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_TOO_BIG);
    return 0;
  }
  again = qp_message_parse (json, strlen (json), &error);
  g_assert_no_error (error);
  json_again = qp_message_to_json (again);
  g_assert_cmpstr (json, ==, json_again);
  return 0;
}

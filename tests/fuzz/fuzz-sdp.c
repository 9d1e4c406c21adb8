/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fuzz target: the reader of media descriptions.  What it accepts must hold to
 * the limits, and must be the same after being written and read again. */
#include <string.h>

#include "roq/roq.h"
#include "session/media.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);
const char *__lsan_default_options (void)
    __attribute__ ((visibility ("default")));

/* GLib's table of quarks grows by leaking the old one, once in a while and not
 * again for the same input.  libFuzzer looks for leaks after each input that
 * leaves more behind every time it is run; that stays on. */
const char *
__lsan_default_options (void)
{
  return "leak_check_at_exit=0";
}

static gboolean
check_string (GQuark field, const GValue *value, gpointer user_data)
{
  const char *string;

  if (!G_VALUE_HOLDS_STRING (value))
    return TRUE;

  for (string = g_value_get_string (value); *string != '\0'; string++)
    g_assert_true (g_ascii_isprint (*string) && *string != '"' &&
        *string != '\\');
  return TRUE;
}

static void
check_media (const QpMedia *media)
{
  g_assert_cmpuint (media->flow_id, <=, QP_VARINT_MAX);
  g_assert_cmpuint (strlen (media->mid), >=, 1);
  g_assert_cmpuint (strlen (media->mid), <=, QP_MEDIA_MAX_MID_SIZE);
  g_assert_true (gst_caps_is_fixed (media->caps));
  gst_structure_foreach (gst_caps_get_structure (media->caps, 0), check_string,
      NULL);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (GPtrArray) all = NULL;
  g_autoptr (GPtrArray) again = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *sdp = NULL;
  guint i;

  if (!gst_is_initialized ())
    gst_init (NULL, NULL);

  all = qp_media_from_sdp ((const char *) data, size, &error);
  if (all == NULL) {
    g_assert_nonnull (error);
    g_assert_true (g_utf8_validate (error->message, -1, NULL));
    return 0;
  }
  g_assert_no_error (error);
  g_assert_cmpuint (all->len, <=, QP_MEDIA_MAX_MEDIA);

  /* Written with every default spelled out it may be too long. */
  sdp = qp_media_to_sdp (all, NULL, &error);
  if (sdp == NULL) {
    g_assert_error (error, QP_MEDIA_ERROR, QP_MEDIA_ERROR_LIMIT);
    return 0;
  }

  again = qp_media_from_sdp (sdp, strlen (sdp), &error);
  g_assert_no_error (error);
  g_assert_cmpuint (again->len, ==, all->len);
  for (i = 0; i < all->len; i++) {
    const QpMedia *media = g_ptr_array_index (all, i);

    check_media (media);
    if (!qp_media_equal (media, g_ptr_array_index (again, i)))
      g_error ("not the same when read again:\n%s", sdp);
  }

  return 0;
}

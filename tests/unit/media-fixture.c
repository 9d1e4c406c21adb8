/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See media-fixture.h. */
#include "tests/unit/media-fixture.h"

#include <string.h>

GPtrArray *
media_new_array (void)
{
  return g_ptr_array_new_with_free_func ((GDestroyNotify) qp_media_free);
}

GPtrArray *
media_parse (const char *sdp, GError **error)
{
  /* Without a NUL behind it, so that a sanitizer sees reads past the end. */
  g_autofree char *copy = g_memdup2 (sdp, strlen (sdp));

  return qp_media_from_sdp (copy, strlen (sdp), error);
}

QpMedia *
media_parse_one (const char *sdp)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) all = media_parse (sdp, &error);

  g_assert_no_error (error);
  g_assert_nonnull (all);
  g_assert_cmpuint (all->len, ==, 1);
  return g_ptr_array_steal_index (all, 0);
}

char *
media_to_sdp (guint64 flow_id, const char *mid, GstCaps *caps, GError **error)
{
  g_autoptr (GPtrArray) all = media_new_array ();

  g_ptr_array_add (all, qp_media_new (flow_id, mid, caps));
  return qp_media_to_sdp (all, "test", error);
}

GstCaps *
media_round_trip (GstCaps *caps)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *sdp = media_to_sdp (7, "track_0", caps, &error);
  g_autoptr (QpMedia) media = NULL;

  g_assert_no_error (error);
  g_test_message ("%s", sdp);
  media = media_parse_one (sdp);
  g_assert_cmpuint (media->flow_id, ==, 7);
  g_assert_cmpstr (media->mid, ==, "track_0");
  return gst_caps_ref (media->caps);
}

void
media_assert_caps (const GstCaps *caps, const char *expected)
{
  g_autoptr (GstCaps) wanted = gst_caps_from_string (expected);

  g_assert_nonnull (wanted);
  if (!gst_caps_is_equal (caps, wanted)) {
    g_autofree char *found = gst_caps_to_string (caps);

    g_error ("expected %s\nfound %s", expected, found);
  }
}

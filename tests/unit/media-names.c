/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests that peers cannot fill the process's table of names with their media
 * descriptions.  A program of its own, because it uses up what all peers
 * together may use. */
#include "session/media.h"

#include <string.h>

#define HEAD                                         \
  "v=0\r\nm=video 9 QUIC/RTP/AVPF 96\r\na=mid:v\r\n" \
  "a=rtcp-mux\r\na=roq-flow-id:4\r\na=rtpmap:96 H264/90000\r\n"

static gboolean
accepts (const char *attribute)
{
  g_autofree char *sdp = g_strconcat (HEAD, attribute, "\r\n", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) all = qp_media_from_sdp (sdp, strlen (sdp), &error);

  if (all == NULL)
    g_assert_error (error, QP_MEDIA_ERROR, QP_MEDIA_ERROR_LIMIT);
  return all != NULL;
}

static void
test_flood (void)
{
  GQuark before = g_quark_from_string ("before-the-flood");
  guint i, accepted = 0;

  for (i = 0; i < 1000; i++) {
    g_autofree char *parameter = g_strdup_printf ("a=fmtp:96 made-up-%u=1", i);
    g_autofree char *attribute = g_strdup_printf ("a=made-up-%u", i);
    g_autofree char *x = g_strdup_printf ("a=x-made-up-%u:y", i);
    g_autofree char *feedback = g_strdup_printf ("a=rtcp-fb:* made up %u", i);

    accepted += accepts (parameter) + accepts (attribute) + accepts (x) +
        accepts (feedback);
  }

  g_assert_cmpuint (accepted, ==, 1024);
  /* A few are GStreamer's own. */
  g_assert_cmpuint (g_quark_from_string ("behind-the-flood") - before, <, 1200);

  /* The usual names and those of before still pass. */
  g_assert_true (
      accepts ("a=fmtp:96 packetization-mode=1;profile-level-id=42"));
  g_assert_true (accepts ("a=rtcp-fb:96 nack pli"));
  g_assert_true (accepts ("a=framerate:30"));
  g_assert_true (accepts ("a=x-dimensions:1,2"));
  g_assert_true (accepts ("a=extmap:9 urn:x"));
  g_assert_true (accepts ("a=fmtp:96 made-up-0=2"));
  g_assert_false (accepts ("a=fmtp:96 one-more=1"));
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/media/names/flood", test_flood);

  return g_test_run ();
}

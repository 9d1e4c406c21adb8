/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* quicp2p:// URIs and the names of rooms. */

#include "signaling/uri.h"

#include <string.h>

#include "signaling/message.h"

typedef struct {
  const char *uri;
  gboolean tls;
  const char *host;
  guint port;
  const char *room;
  const char *path;
} Good;

static const Good good[] = {
  { "quicp2p://host/door", FALSE, "host", 8443, "door", "/door" },
  { "quicp2ps://h.example.org:443/door", TRUE, "h.example.org", 443, "door",
      "/door" },
  { "QUICP2P://192.0.2.1:1/d", FALSE, "192.0.2.1", 1, "d", "/d" },
  { "quicp2p://[2001:db8::1]:65535/d", FALSE, "2001:db8::1", 65535, "d", "/d" },
  { "quicp2p://[::1]/d", FALSE, "::1", 8443, "d", "/d" },
  { "quicp2p://h/front%20door", FALSE, "h", 8443, "front door",
      "/front%20door" },
  { "quicp2p://h/T%C3%BCr", FALSE, "h", 8443, "Tür", "/T%C3%BCr" },
  { "quicp2p://h/a/b%2Fc", FALSE, "h", 8443, "a/b/c", "/a/b/c" },
  { "quicp2p://h/100%25", FALSE, "h", 8443, "100%", "/100%25" },
  { "quicp2p://h/a%3Fb%23", FALSE, "h", 8443, "a?b#", "/a%3Fb%23" },
  { "quicp2p://h_1.local/d?", FALSE, "h_1.local", 8443, "d", "/d" },
  { "quicp2p://m\xc3\xbcller.example/d", FALSE, "xn--mller-kva.example", 8443,
      "d", "/d" },
};

static void
test_good (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (good); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (QpSignalingUri)
        uri = qp_signaling_uri_parse (good[i].uri, &error);
    g_autofree char *path = NULL;
    g_autofree char *room = NULL;

    g_assert_no_error (error);
    g_assert_cmpint (uri->tls, ==, good[i].tls);
    g_assert_cmpstr (uri->host, ==, good[i].host);
    g_assert_cmpuint (uri->port, ==, good[i].port);
    g_assert_cmpstr (uri->room, ==, good[i].room);
    g_assert_cmpuint (g_hash_table_size (uri->query), ==, 0);
    path = qp_signaling_room_to_path (uri->room);
    g_assert_cmpstr (path, ==, good[i].path);
    room = qp_signaling_room_from_path (path, &error);
    g_assert_cmpstr (room, ==, uri->room);
  }
}

static void
test_query (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (QpSignalingUri) uri =
      qp_signaling_uri_parse ("quicp2p://h/d?latency=50&name=a%26b%3D&empty=",
          &error);

  g_assert_no_error (error);
  g_assert_cmpuint (g_hash_table_size (uri->query), ==, 3);
  g_assert_cmpstr (g_hash_table_lookup (uri->query, "latency"), ==, "50");
  g_assert_cmpstr (g_hash_table_lookup (uri->query, "name"), ==, "a&b=");
  g_assert_cmpstr (g_hash_table_lookup (uri->query, "empty"), ==, "");
}

static const struct {
  const char *uri;
  const char *says;
} bad[] = {
  { "", "Not a URI" },
  { "door", "Not a URI" },
  { "quicp2p", "Not a URI" },
  { "http://h/door", "scheme" },
  { "quicp2pss://h/door", "scheme" },
  { "quicp2p:///door", "no host" },
  { "quicp2p:door", "no host" },
  { "quicp2p://h", "room is missing" },
  { "quicp2p://h/", "room is missing" },
  { "quicp2p://h//", "'/'" },
  { "quicp2p://h//d", "'/'" },
  { "quicp2p://h/d/", "'/'" },
  { "quicp2p://h/a//b", "'/'" },
  { "quicp2p://h/a%0Ab", "control character" },
  { "quicp2p://h/a%7F", "control character" },
  { "quicp2p://h/a%00b", "percent" },
  { "quicp2p://h/a%ff", "UTF-8" },
  { "quicp2p://h/a%2", "" },
  { "quicp2p://u@h/d", "user" },
  { "quicp2p://u:p@h/d", "user" },
  { "quicp2p://@h/d", "user" },
  { "quicp2p://h:0/d", "port" },
  { "quicp2p://h:65536/d", "" },
  { "quicp2p://h:-1/d", "" },
  { "quicp2p://h:x/d", "" },
  { "quicp2p://[::1/d", "Not a URI" },
  { "quicp2p://[h]/d", "" },
  { "quicp2p://h h/d", "" },
  { "quicp2p://h%00h/d", "" },
  { "quicp2p://h%2f/d", "host" },
  { "quicp2p://.h/d", "host" },
  { "quicp2p://h/d#f", "fragment" },
  { "quicp2p://h/d?x", "query" },
};

static void
test_bad (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (QpSignalingUri)
        uri = qp_signaling_uri_parse (bad[i].uri, &error);

    if (uri)
      g_error ("taken: %s", bad[i].uri);
    g_assert_error (error, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_BAD_URI);
    if (!strstr (error->message, bad[i].says))
      g_error ("%s: %s", bad[i].uri, error->message);
  }
}

static void
test_long (void)
{
  g_autofree char *longest = g_strnfill (QP_MESSAGE_MAX_ROOM, 'x');
  g_autofree char *too_long = g_strnfill (QP_MESSAGE_MAX_ROOM + 1, 'x');
  g_autofree char *absurd = g_strnfill (1024 * 1024, 'x');
  g_autofree char *uris[4] = { NULL };

  uris[0] = g_strconcat ("quicp2p://h/", longest, NULL);
  uris[1] = g_strconcat ("quicp2p://h/", too_long, NULL);
  uris[2] = g_strconcat ("quicp2p://h/", absurd, NULL);
  uris[3] = g_strconcat ("quicp2p://", absurd, "/d", NULL);
  for (guint i = 0; i < G_N_ELEMENTS (uris); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (QpSignalingUri) uri = qp_signaling_uri_parse (uris[i], &error);

    if (i == 0)
      g_assert_no_error (error);
    else
      g_assert_error (error, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_BAD_URI);
    g_free (uris[i]);
    uris[i] = NULL;
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/signaling/uri/good", test_good);
  g_test_add_func ("/signaling/uri/query", test_query);
  g_test_add_func ("/signaling/uri/bad", test_bad);
  g_test_add_func ("/signaling/uri/long", test_long);
  return g_test_run ();
}

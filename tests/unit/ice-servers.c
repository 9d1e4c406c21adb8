/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* STUN and TURN servers in every form that people write them. */
#include "session/ice-servers.h"

#include <gst/gst.h>
#include <string.h>

#include "session/session.h"

static void
test_stun (void)
{
  static const struct {
    const char *text, *host; /* host NULL: refused */
    guint16 port;
  } cases[] = {
    { "stun://192.0.2.1:1234", "192.0.2.1", 1234 },
    { "stun:stun.example.org", "stun.example.org", 3478 },
    { "STUN:stun.example.org:5", "stun.example.org", 5 },
    { "stun.example.org", "stun.example.org", 3478 },
    { "stun.example.org:3479", "stun.example.org", 3479 },
    { "stun://[2001:db8::1]:9", "2001:db8::1", 9 },
    { "[2001:db8::1]", "2001:db8::1", 3478 },
    { "", NULL, 0 },
    { "stun://", NULL, 0 },
    { "stun://host:99999", NULL, 0 },
    { "stun://host/path", NULL, 0 },
    { "stun://ho st", NULL, 0 },
    { "stun://host:0x10", NULL, 0 },
    { "stun://host:0", NULL, 0 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (QpIceServers) servers = qp_ice_servers_new ();
    g_autoptr (GError) error = NULL;
    gboolean ok = qp_ice_servers_set_stun (servers, cases[i].text, &error);

    g_test_message ("\"%s\"", cases[i].text);
    g_assert_cmpint (ok, ==, cases[i].host != NULL);
    g_assert_cmpstr (servers->stun_host, ==, cases[i].host);
    if (ok)
      g_assert_cmpuint (servers->stun_port, ==, cases[i].port);
    else
      g_assert_error (error, QP_SESSION_ERROR, QP_SESSION_ERROR_SETTINGS);
  }
}

static void
test_turn (void)
{
  static const struct {
    const char *text, *host, *username, *password;
    guint16 port;
    gboolean tcp;
  } cases[] = {
    { "turn://me:pass@192.0.2.1", "192.0.2.1", "me", "pass", 3478, FALSE },
    { "turn://me:pa%3Ass@h:1?transport=tcp", "h", "me", "pa:ss", 1, TRUE },
    { "turn:me:pass@h?transport=udp", "h", "me", "pass", 3478, FALSE },
    { "turn://me@h", NULL, NULL, NULL, 0, FALSE },
    { "turn://h", NULL, NULL, NULL, 0, FALSE },
    { "turn://me:pass@h?transport=sctp", NULL, NULL, NULL, 0, FALSE },
    { "turn://me:pass@", NULL, NULL, NULL, 0, FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (QpIceServers) servers = qp_ice_servers_new ();
    g_autoptr (GError) error = NULL;
    gboolean ok = qp_ice_servers_add_turn (servers, cases[i].text, NULL, NULL,
        &error);

    g_test_message ("\"%s\"", cases[i].text);
    g_assert_cmpint (ok, ==, cases[i].host != NULL);
    if (ok) {
      QpTurnServer *server = g_ptr_array_index (servers->turn, 0);

      g_assert_cmpstr (server->host, ==, cases[i].host);
      g_assert_cmpstr (server->username, ==, cases[i].username);
      g_assert_cmpstr (server->password, ==, cases[i].password);
      g_assert_cmpuint (server->port, ==, cases[i].port);
      g_assert_cmpint (server->tcp, ==, cases[i].tcp);
    } else {
      g_assert_cmpuint (servers->turn->len, ==, 0);
      g_assert_null (strstr (error->message, "pass@"));
    }
  }
}

/* What the server hands out is taken where it is understood; the user's own
 * STUN server stands. */
static void
test_offered (void)
{
  static const char *const urls[] = { "stun:offered",
    "turn:relay:1?transport=udp", "turn:relay:1?transport=tcp", "turns:relay",
    "http://x", "turn:", NULL };
  g_autoptr (QpIceServer) offered = qp_ice_server_new (urls, "user", "secret");
  g_autoptr (QpIceServers) servers = qp_ice_servers_new ();
  g_autoptr (QpIceServers) own = qp_ice_servers_new ();

  qp_ice_servers_add_offered (servers, offered);
  g_assert_cmpstr (servers->stun_host, ==, "offered");
  g_assert_cmpuint (servers->turn->len, ==, 2);

  g_assert_true (qp_ice_servers_set_stun (own, "mine", NULL));
  qp_ice_servers_add_offered (own, offered);
  g_assert_cmpstr (own->stun_host, ==, "mine");
}

/* A server that hands out all that its message has room for. */
static void
test_absurd (void)
{
  g_autofree char *host = g_strnfill (500, 'a');
  g_autofree char *long_stun = g_strconcat ("stun:", host, NULL);
  g_autofree char *long_turn = g_strconcat ("turn:", host, ":1", NULL);
  const char *urls[] = { long_stun, long_turn, "turn:h:0", "turn:h:70000",
    "turn:h1", "turn:h2", "turn:h3", NULL };
  g_autoptr (QpIceServers) servers = qp_ice_servers_new ();

  for (guint i = 0; i < QP_MESSAGE_MAX_ICE_SERVERS; i++) {
    g_autoptr (QpIceServer)
        offered = qp_ice_server_new (urls, "user", "secret");

    qp_ice_servers_add_offered (servers, offered);
  }
  g_assert_null (servers->stun_host);
  g_assert_cmpuint (servers->turn->len, ==, QP_ICE_SERVERS_MAX_OFFERED_TURN);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/ice-servers/stun", test_stun);
  g_test_add_func ("/ice-servers/turn", test_turn);
  g_test_add_func ("/ice-servers/offered", test_offered);
  g_test_add_func ("/ice-servers/absurd", test_absurd);
  /* Warnings about what is left out are the point of a case. */
  g_log_set_always_fatal (G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_ERROR);
  return g_test_run ();
}

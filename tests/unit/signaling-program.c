/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * quicp2p-signaling as its users run it: options, errors, signals, and what a
 * client makes of a server that stands still.
 */

#include "signaling-fixture.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static char *program; /* quicp2p-signaling */

typedef struct {
  GPid pid;
  guint port;
  gboolean ended;
  int status;
} Server;

static void
on_end (GPid pid, int status, gpointer user_data)
{
  Server *server = user_data;

  server->ended = TRUE;
  server->status = status;
}

/* A failed test leaves no server behind. */
static void
end_with_parent (gpointer user_data)
{
  prctl (PR_SET_PDEATHSIG, SIGKILL);
}

/* Starts it and waits until it says that it listens. */
static void
server_start (Server *server, const char *const *options)
{
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  g_autoptr (GError) error = NULL;
  char line[128] = "";
  const char *colon;
  FILE *output;
  int fd;

  memset (server, 0, sizeof *server);
  g_ptr_array_add (argv, program);
  for (; options && *options; options++)
    g_ptr_array_add (argv, (gpointer) *options);
  g_ptr_array_add (argv, NULL);
  g_spawn_async_with_pipes (NULL, (char **) argv->pdata, NULL,
      G_SPAWN_DO_NOT_REAP_CHILD, end_with_parent, NULL, &server->pid, NULL, &fd,
      NULL, &error);
  g_assert_no_error (error);
  g_child_watch_add (server->pid, on_end, server);
  output = fdopen (fd, "r");
  g_assert_nonnull (fgets (line, sizeof line, output));
  g_assert_true (g_str_has_prefix (line, "listening on ws"));
  colon = strrchr (line, ':');
  g_assert_nonnull (colon);
  server->port = g_ascii_strtoull (colon + 1, NULL, 10);
  g_assert_cmpuint (server->port, !=, 0);
  fclose (output);
}

static void
server_stop (Server *server)
{
  gint64 start = g_get_monotonic_time ();

  kill (server->pid, SIGTERM);
  wait_for (&server->ended, "the program's end");
  g_assert_true (WIFEXITED (server->status));
  g_assert_cmpint (WEXITSTATUS (server->status), ==, 0);
  g_assert_cmpint (g_get_monotonic_time () - start, <, 2500 * 1000);
}

static void
test_life (void)
{
  static const char *const options[] = { "--address=127.0.0.1", "--port=0",
    "--stun-server=stun:192.0.2.1:3478",
    "--turn-server=turn:192.0.2.1:3478?transport=udp", "--turn-secret=north",
    NULL };
  g_autoptr (Peer) a = NULL;
  g_autoptr (Peer) b = NULL;
  const QpMessage *joined;
  Server server;

  server_start (&server, options);
  a = peer_join (server.port, TOKEN_A);
  joined = peer_find (a, QP_MESSAGE_JOINED);
  g_assert_cmpuint (joined->ice_servers->len, ==, 2);
  b = peer_join (server.port, TOKEN_B);
  peer_wait_message (a, QP_MESSAGE_PEER_JOINED);
  server_stop (&server);
  peer_wait_state (a, QP_SIGNALING_WAITING);
}

/* All addresses, both families. */
static void
test_families (void)
{
  static const char *const options[] = { "--port=0", NULL };
  QpSignalingClientConfig config = { .host = "::1",
    .token = TOKEN_A,
    .connect_timeout_ms = 1000 };
  g_autoptr (GSocket) v6 = g_socket_new (G_SOCKET_FAMILY_IPV6,
      G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL);
  g_autoptr (GSocketAddress)
      any = g_inet_socket_address_new_from_string ("::1", 0);
  g_autoptr (Peer) over_v4 = NULL;
  g_autoptr (Peer) over_v6 = NULL;
  Server server;

  server_start (&server, options);
  over_v4 = peer_join (server.port, TOKEN_B);
  if (v6 && g_socket_bind (v6, any, FALSE, NULL)) {
    config.port = server.port;
    over_v6 = peer_new (&config);
    peer_wait_state (over_v6, QP_SIGNALING_JOINED);
    peer_wait_message (over_v4, QP_MESSAGE_PEER_JOINED);
  } else {
    g_test_message ("no IPv6 here");
  }
  server_stop (&server);
}

/* A server that stands still is noticed by its silence, within the ping's
 * interval and timeout; when it goes on, the client is back by itself. */
static void
test_frozen (void)
{
  static const char *const options[] = { "--address=127.0.0.1", "--port=0",
    NULL };
  QpSignalingClientConfig config = { .token = TOKEN_A,
    .ping_interval_ms = 200,
    .ping_timeout_ms = 300,
    .connect_timeout_ms = 1000 };
  g_autoptr (Peer) a = NULL;
  gint64 frozen;
  Server server;

  server_start (&server, options);
  config.port = server.port;
  a = peer_new (&config);
  peer_wait_state (a, QP_SIGNALING_JOINED);
  run_for (800);
  g_assert_cmpuint (a->n_joined, ==, 1);

  frozen = g_get_monotonic_time ();
  kill (server.pid, SIGSTOP);
  peer_wait_state (a, QP_SIGNALING_WAITING);
  g_assert_error (a->why, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_LOST);
  g_assert_nonnull (strstr (a->why->message, "has not answered"));
  g_assert_cmpint (g_get_monotonic_time () - frozen, <, 2 * G_USEC_PER_SEC);
  kill (server.pid, SIGCONT);
  peer_wait_state (a, QP_SIGNALING_JOINED);
  server_stop (&server);
}

/* Runs it to its end, which must come at once. Returns what it printed. */
static char *
run (const char *const *options, int expected_status)
{
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  g_autoptr (GError) error = NULL;
  g_autofree char *output = NULL;
  g_autofree char *errors = NULL;
  int status = 0;

  g_ptr_array_add (argv, program);
  for (; *options; options++)
    g_ptr_array_add (argv, (gpointer) *options);
  g_ptr_array_add (argv, NULL);
  g_spawn_sync (NULL, (char **) argv->pdata, NULL, G_SPAWN_DEFAULT, NULL, NULL,
      &output, &errors, &status, &error);
  g_assert_no_error (error);
  if (!WIFEXITED (status) || WEXITSTATUS (status) != expected_status)
    g_error ("ended with %d: %s%s", status, output, errors);
  return g_strconcat (output, errors, NULL);
}

static void
test_errors (void)
{
  static const struct {
    const char *options[6];
    int status;
    const char *says;
  } cases[] = {
    { { "--version", NULL }, 0, "quicp2p-signaling" },
    { { "--help", NULL }, 0, "Seconds" },
    { { "--port=65536", NULL }, 1, "--port must be 0 to 65535" },
    { { "--port=x", NULL }, 2, "--help" },
    { { "door", NULL }, 2, "door" },
    { { "--max-peers=0", NULL }, 1, "--max-peers" },
    { { "--max-peers=1000", "--port=0", NULL }, 1, "200 at most" },
    { { "--address=localhost", "--port=0", NULL }, 1, "not an IP address" },
    { { "--address=192.0.2.1", "--port=0", NULL }, 1, "192.0.2.1" },
    { { "--certificate=/nonexistent.pem", "--port=0", NULL }, 1, "both" },
    { { "--certificate=/nonexistent.pem", "--key=/nonexistent.pem", "--port=0",
          NULL },
        1, "/nonexistent.pem" },
    { { "--room-secret-file=/nonexistent", "--port=0", NULL }, 1,
        "/nonexistent" },
    { { "--turn-server=turn:192.0.2.1:3478", "--port=0", NULL }, 1, "secret" },
    { { "--turn-server=http://192.0.2.1", "--turn-secret=s", "--port=0", NULL },
        1, "turn:host:port" },
    { { "--stun-server=192.0.2.1", "--port=0", NULL }, 1, "stun:host:port" },
    { { "--turn-secret=s", "--turn-secret-file=/nonexistent", "--port=0",
          NULL },
        1, "either" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *printed = run (cases[i].options, cases[i].status);

    if (!strstr (printed, cases[i].says))
      g_error ("%s: %s", cases[i].options[0], printed);
  }
}

static void
test_in_use (void)
{
  static const char *const any[] = { "--address=127.0.0.1", "--port=0", NULL };
  g_autofree char *port = NULL;
  g_autofree char *printed = NULL;
  const char *same[] = { "--address=127.0.0.1", NULL, NULL };
  Server server;

  server_start (&server, any);
  port = g_strdup_printf ("--port=%u", server.port);
  same[1] = port;
  printed = run (same, 1);
  g_assert_nonnull (strstr (printed, "another program does"));
  server_stop (&server);
}

static void
test_secret_file (void)
{
  static const struct {
    const char *text;
    const char *says;
  } bad[] = {
    { "door:sesame\nhall\n", "line 2" },
    { "door:\n", "line 1" },
    { "/door:x\n", "line 1" },
    { "a:b\na:c\n", "line 2" },
    { "*:b\n\n*:c\n", "line 3" },
  };
  g_autofree char *file = NULL;
  g_autofree char *option = NULL;
  const char *options[] = { NULL, "--address=127.0.0.1", "--port=0", NULL };
  QpSignalingClientConfig config = { .token = TOKEN_A, .secret = "a:b" };
  g_autoptr (Peer) right = NULL;
  g_autoptr (Peer) wrong = NULL;
  Server server;
  int fd = g_file_open_tmp ("quicp2p-XXXXXX", &file, NULL);

  g_assert_cmpint (fd, >=, 0);
  close (fd);
  option = g_strconcat ("--room-secret-file=", file, NULL);
  options[0] = option;
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
    g_autofree char *printed = NULL;

    g_assert_true (g_file_set_contents (file, bad[i].text, -1, NULL));
    printed = run (options, 1);
    if (!strstr (printed, bad[i].says) || strstr (printed, "sesame"))
      g_error ("%s: %s", bad[i].text, printed);
  }

  g_assert_true (g_file_set_contents (file,
      "# rooms\r\n\ndoor:a:b\r\n*:other\n", -1, NULL));
  server_start (&server, options);
  config.port = server.port;
  right = peer_new (&config);
  config.secret = "other";
  wrong = peer_new (&config);
  peer_wait_state (right, QP_SIGNALING_JOINED);
  peer_wait_state (wrong, QP_SIGNALING_FAILED);
  server_stop (&server);
  g_unlink (file);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  if (argc != 2) {
    g_printerr ("usage: %s PATH-OF-quicp2p-signaling\n", argv[0]);
    return 2;
  }
  program = argv[1];
  g_test_add_func ("/signaling/program/life", test_life);
  g_test_add_func ("/signaling/program/families", test_families);
  g_test_add_func ("/signaling/program/frozen", test_frozen);
  g_test_add_func ("/signaling/program/errors", test_errors);
  g_test_add_func ("/signaling/program/in-use", test_in_use);
  g_test_add_func ("/signaling/program/secret-file", test_secret_file);
  return g_test_run ();
}

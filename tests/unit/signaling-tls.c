/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * wss: which certificates the signaling client accepts. A program of its own
 * because of the leak checker, see below.
 */

#include "signaling-fixture.h"

#include <glib/gstdio.h>
#include <string.h>

/* ms; never waited for unless something is wrong. */
#define PATIENT 8000

/*
 * GIO's TLS module loads p11-kit, whose thread-local storage LeakSanitizer
 * cannot walk: it crashes at exit ("Tracer caught signal 11"). All that is ours
 * here runs under the checker in the other tests.
 */
int __lsan_is_turned_off (void);

__attribute__ ((visibility ("default"))) int
__lsan_is_turned_off (void)
{
  return 1;
}

static const char *const files[] = { "cert.pem", "key.pem", "other.pem",
  "other-key.pem", "openssl.log" };

static void
make_certificate (const char *dir, const char *certificate, const char *key)
{
  g_autofree char *command =
      g_strdup_printf ("sh -c 'cd \"%s\" && exec openssl req -x509 -newkey ec "
                       "-pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
                       "-subj /CN=test -addext subjectAltName=IP:127.0.0.1 "
                       "-keyout %s -out %s 2>openssl.log'",
          dir, key, certificate);
  int status = 0;

  g_assert_true (g_spawn_command_line_sync (command, NULL, NULL, &status,
      NULL));
  g_assert_true (g_spawn_check_wait_status (status, NULL));
}

/* Another server at the same port, of another process: within one, TLS would
 * resume its session without looking at the certificate. (transfer full) */
static GSubprocess *
start_impostor (const char *dir, guint port)
{
  g_autoptr (GSubprocessLauncher)
      launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDOUT_SILENCE |
          G_SUBPROCESS_FLAGS_STDERR_SILENCE | G_SUBPROCESS_FLAGS_STDIN_PIPE);
  g_autofree char *address = g_strdup_printf ("127.0.0.1:%u", port);
  g_autoptr (GError) error = NULL;
  GSubprocess *impostor;

  make_certificate (dir, "other.pem", "other-key.pem");
  g_subprocess_launcher_set_cwd (launcher, dir);
  impostor = g_subprocess_launcher_spawn (launcher, &error, "openssl",
      "s_server", "-accept", address, "-cert", "other.pem", "-key",
      "other-key.pem", NULL);
  g_assert_no_error (error);
  return impostor;
}

/* Trying again cannot help: the member gives up at once, and says why. */
static void
check_refused (guint port, const char *ca_file, const char *host,
    const char *reason)
{
  QpSignalingClientConfig config = { .host = host,
    .port = port,
    .token = TOKEN_A,
    .tls = TRUE,
    .ca_file = ca_file };
  g_autoptr (Peer) peer = peer_new (&config);

  peer_wait_state (peer, QP_SIGNALING_FAILED);
  g_test_message ("%s", peer->why->message);
  g_assert_error (peer->why, QP_SIGNALING_ERROR,
      QP_SIGNALING_ERROR_CERTIFICATE);
  g_assert_nonnull (strstr (peer->why->message, reason));
}

static void
test_tls (void)
{
  g_autofree char *openssl = g_find_program_in_path ("openssl");
  g_autofree char *dir = g_dir_make_tmp ("quicp2p-XXXXXX", NULL);
  g_autofree char *certificate = g_build_filename (dir, "cert.pem", NULL);
  g_autofree char *key = g_build_filename (dir, "key.pem", NULL);
  QpSignalingServerConfig config = { .certificate_file = certificate,
    .key_file = key };
  QpSignalingClientConfig member = { .token = TOKEN_A,
    .tls = TRUE,
    .ca_file = certificate };
  g_autoptr (QpSignalingServer) server = NULL;
  g_autoptr (GSubprocess) impostor = NULL;
  g_autoptr (Peer) a = NULL;
  g_autoptr (GError) why = NULL;

  if (!openssl) {
    g_rmdir (dir);
    g_test_skip (
        "the program openssl, which makes the certificate, is missing");
    return;
  }
  make_certificate (dir, "cert.pem", "key.pem");
  server = start_server (config);
  member.port = qp_signaling_server_get_port (server);
  a = peer_new (&member);
  peer_wait_state (a, QP_SIGNALING_JOINED);

  /* An unknown CA, another name, no TLS. */
  check_refused (member.port, NULL, NULL, "CA we trust");
  check_refused (member.port, certificate, "localhost", "another host name");
  why = try_port (member.port, FALSE, NULL, NULL, PATIENT);
  g_assert_error (why, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_NOT_SIGNALING);

  /* Who has been let in before goes on trying: the true one may be back. */
  g_clear_pointer (&server, qp_signaling_server_free);
  impostor = start_impostor (dir, member.port);
  peer_wait_why (a, QP_SIGNALING_ERROR_CERTIFICATE);
  peer_wait_state (a, QP_SIGNALING_WAITING);
  g_subprocess_force_exit (impostor);
  g_assert_true (g_subprocess_wait (impostor, NULL, NULL));
  config.port = member.port;
  server = start_server (config);
  peer_wait_state (a, QP_SIGNALING_JOINED);

  for (guint i = 0; i < G_N_ELEMENTS (files); i++) {
    g_autofree char *path = g_build_filename (dir, files[i], NULL);

    g_unlink (path);
  }
  g_rmdir (dir);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/signaling/tls", test_tls);
  return g_test_run ();
}

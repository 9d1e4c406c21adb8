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

static void
run_openssl (const char *dir, const char *command)
{
  g_autofree char *in_dir =
      g_strdup_printf ("sh -c 'cd \"%s\" && exec openssl %s 2>openssl.log'",
          dir, command);
  int status = 0;

  g_assert_true (g_spawn_command_line_sync (in_dir, NULL, NULL, &status, NULL));
  g_assert_true (g_spawn_check_wait_status (status, NULL));
}

static void
test_tls (void)
{
  g_autofree char *openssl = g_find_program_in_path ("openssl");
  g_autofree char *dir = g_dir_make_tmp ("quicp2p-XXXXXX", NULL);
  g_autofree char *certificate = g_build_filename (dir, "cert.pem", NULL);
  g_autofree char *key = g_build_filename (dir, "key.pem", NULL);
  g_autofree char *log = g_build_filename (dir, "openssl.log", NULL);
  QpSignalingServerConfig config = { .certificate_file = certificate,
    .key_file = key };
  QpSignalingClientConfig member = { .token = TOKEN_A,
    .tls = TRUE,
    .ca_file = certificate };
  g_autoptr (QpSignalingServer) server = NULL;
  g_autoptr (Peer) a = NULL;
  g_autoptr (GError) why = NULL;

  if (!openssl) {
    g_rmdir (dir);
    g_test_skip (
        "the program openssl, which makes the certificate, is missing");
    return;
  }
  run_openssl (dir,
      "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 "
      "-nodes -days 2 -subj /CN=test -addext "
      "subjectAltName=IP:127.0.0.1 -keyout key.pem -out cert.pem");
  server = start_server (config);
  member.port = qp_signaling_server_get_port (server);
  a = peer_new (&member);
  peer_wait_state (a, QP_SIGNALING_JOINED);

  /* An unknown CA, another name, no TLS. */
  why = try_port (member.port, TRUE, NULL, NULL, PATIENT);
  g_assert_error (why, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_TLS);
  g_assert_nonnull (strstr (why->message, "CA"));
  g_clear_error (&why);
  why = try_port (member.port, TRUE, certificate, "localhost", PATIENT);
  g_assert_error (why, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_TLS);
  g_assert_nonnull (strstr (why->message, "another host name"));
  g_clear_error (&why);
  why = try_port (member.port, FALSE, NULL, NULL, PATIENT);
  g_assert_error (why, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_NOT_SIGNALING);

  g_unlink (certificate);
  g_unlink (key);
  g_unlink (log);
  g_rmdir (dir);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/signaling/tls", test_tls);
  return g_test_run ();
}

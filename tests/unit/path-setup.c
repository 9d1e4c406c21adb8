/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a path offers, takes from the peer and refuses, and what it says when it
 * finds no way or loses it. */
#include "tests/unit/path-fixture.h"

#include "path/interfaces.h"

#include <gio/gio.h>
#include <string.h>

static void
assert_refused (QpPath *path, const char *candidate, int code)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (qp_path_add_remote_candidate (path, candidate, &error));
  g_assert_error (error, G_IO_ERROR, code);
}

static void
test_remote_limits (void)
{
  QpPathConfig config = { 0 };
  Side side;
  QpPathInfo info;
  g_autoptr (GError) error = NULL;

  side_init (&side, &config, NULL);
  assert_refused (side.path, "candidate:1 1 udp 1 224.0.0.1 9 typ host",
      G_IO_ERROR_INVALID_DATA);
  assert_refused (side.path, "not a candidate", G_IO_ERROR_INVALID_DATA);
  for (guint i = 0; i < 25; i++) {
    g_autofree char *line =
        g_strdup_printf ("candidate:1 1 udp 1 10.0.0.%u 9 typ host", i + 1);

    g_assert_true (qp_path_add_remote_candidate (side.path, line, &error));
    g_assert_no_error (error);
    /* Repeated ones do not count. */
    g_assert_true (qp_path_add_remote_candidate (side.path, line, &error));
  }
  assert_refused (side.path, "candidate:1 1 udp 1 10.0.0.99 9 typ host",
      G_IO_ERROR_NO_SPACE);
  qp_path_get_info (side.path, &info);
  g_assert_cmpuint (info.remote_candidates, ==, 25);

  g_assert_false (qp_path_set_remote_credentials (side.path, "abc",
      "0123456789012345678901", &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA);
  g_clear_error (&error);
  g_assert_true (qp_path_set_remote_credentials (side.path, "abcd",
      "0123456789012345678901", &error));
  g_assert_no_error (error);
  g_assert_false (qp_path_set_remote_credentials (side.path, "abcd",
      "0123456789012345678901", &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA);
  side_clear (&side);
}

/* Loopback candidates are for those who are on loopback. */
static void
test_remote_loopback (void)
{
  QpPathConfig config = { 0 };
  Side side;
  g_autoptr (GError) error = NULL;
  const char *line = "candidate:1 1 udp 1 127.0.0.1 9 typ host";

  side_init (&side, &config, NULL);
  if (own_namespace) {
    g_assert_true (qp_path_add_remote_candidate (side.path, line, &error));
    g_assert_no_error (error);
  } else {
    assert_refused (side.path, line, G_IO_ERROR_INVALID_DATA);
  }
  side_clear (&side);
}

static gboolean
is_listed (gpointer name)
{
  g_autoptr (GPtrArray) interfaces = qp_interfaces_list ();

  for (guint i = 0; i < interfaces->len; i++) {
    if (strcmp (((QpInterface *) interfaces->pdata[i])->name, name) == 0)
      return TRUE;
  }
  return FALSE;
}

/* Two networks beside loopback: no address of loopback is offered or taken any
 * more, and a path that is bound to one interface offers that one's only. */
static void
test_interfaces (void)
{
  QpPathConfig config = { 0 };
  Side side;

  if (!own_namespace ||
      !run_quietly ("ip link add qpa type veth peer name qpb")) {
    g_test_skip ("needs a network namespace, iproute2 and veth");
    return;
  }
  g_assert_true (run_quietly ("ip addr add 192.0.2.1/24 dev qpa"));
  g_assert_true (run_quietly ("ip addr add 198.51.100.1/24 dev qpb"));
  g_assert_true (run_quietly ("ip link set qpa up"));
  g_assert_true (run_quietly ("ip link set qpb up"));
  g_assert_true (run_until (is_listed, (gpointer) "qpa", PATIENCE));
  g_assert_true (run_until (is_listed, (gpointer) "qpb", PATIENCE));

  side_init (&side, &config, NULL);
  side.trickle = FALSE;
  assert_refused (side.path, "candidate:1 1 udp 1 127.0.0.1 9 typ host",
      G_IO_ERROR_INVALID_DATA);
  qp_path_gather (side.path);
  run_for (30);
  g_assert_cmpuint (side.candidates->len, ==, 2);
  side_clear (&side);

  config.interface = "qpb";
  side_init (&side, &config, NULL);
  side.trickle = FALSE;
  qp_path_gather (side.path);
  run_for (30);
  g_assert_cmpuint (side.candidates->len, ==, 1);
  g_assert_nonnull (strstr (side.candidates->pdata[0], " 198.51.100.1 "));
  side_clear (&side);
  g_assert_true (run_quietly ("ip link del qpa"));
}

static gboolean
has_failed (gpointer user)
{
  return ((Side *) user)->state == QP_PATH_FAILED;
}

/* A peer that vanished without a word: its consent expires (RFC 7675). */
static void
test_consent (void)
{
  Pair pair;

  if (!g_test_slow ()) {
    g_test_skip ("takes up to a minute; run with -m slow");
    return;
  }
  pair_connect (&pair);
  side_free_path (&pair.a);
  g_assert_true (run_until (has_failed, &pair.b, 90 * G_USEC_PER_SEC));
  g_test_message ("%s", pair.b.cause);
  g_assert_nonnull (strstr (pair.b.cause, "consent"));
  pair_clear (&pair);
}

static void
test_failures (void)
{
  QpPathConfig config = { .relay_only = TRUE };
  Side side;

  side_init (&side, &config, NULL);
  side.trickle = FALSE;
  qp_path_gather (side.path);
  g_assert_true (run_until (has_failed, &side, PATIENCE));
  g_test_message ("%s", side.cause);
  g_assert_nonnull (strstr (side.cause, "no TURN server is set"));
  g_assert_cmpint (qp_path_send (side.path, (guint8 *) "@", 1, 1, NULL), ==,
      QP_PATH_SEND_ERROR);
  side_clear (&side);

  config.relay_only = FALSE;
  config.interface = "nosuchif0";
  side_init (&side, &config, NULL);
  qp_path_gather (side.path);
  g_assert_true (run_until (has_failed, &side, PATIENCE));
  g_test_message ("%s", side.cause);
  g_assert_nonnull (strstr (side.cause, "nosuchif0"));
  side_clear (&side);
}

/* What an owner that loses patience can say. */
static void
test_describe (void)
{
  QpPathConfig config = { 0 };
  Side side;
  g_autofree char *line = NULL, *text = NULL, *before = NULL;
  g_autoptr (GError) error = NULL;

  side_init (&side, &config, NULL);
  side.trickle = FALSE;
  before = qp_path_describe (side.path);
  g_assert_nonnull (strstr (before, "not started"));
  qp_path_gather (side.path);
  run_for (50);
  /* An address of our own that nobody listens at. */
  g_assert_cmpuint (side.candidates->len, >, 0);
  qp_path_set_remote_credentials (side.path, "abcd", "0123456789012345678901",
      &error);
  for (guint i = 0; i < 10; i++) {
    g_autofree char *address = g_strdup_printf ("127.1.0.%u", i + 1);
    g_autofree char *remote = g_strdup_printf (
        "candidate:1 1 udp 1 %s 9 typ srflx raddr 0.0.0.0 rport 0",
        own_namespace ? address : "192.0.2.1");

    qp_path_add_remote_candidate (side.path, remote, &error);
    g_assert_no_error (error);
  }
  run_for (50);
  text = qp_path_describe (side.path);
  g_test_message ("%s", text);
  g_assert_nonnull (strstr (text, "no way to the peer"));
  if (own_namespace) {
    g_assert_nonnull (strstr (text, "srflx 127.1.0.1:9"));
    g_assert_nonnull (strstr (text, "127.1.0.6:9, …)"));
    g_assert_null (strstr (text, "127.1.0.7"));
  } else {
    g_assert_nonnull (strstr (text, "no TURN server is set"));
  }
  g_assert_cmpint (side.state, ==, QP_PATH_CHECKING);
  side_clear (&side);
}

static void
test_port_range (void)
{
  QpPathConfig config = { .min_port = 45000, .max_port = 45003 };
  Side sides[4], fifth;

  for (guint i = 0; i < 4; i++) {
    side_init (&sides[i], &config, NULL);
    sides[i].trickle = FALSE;
    qp_path_gather (sides[i].path);
    run_for (30);
    for (guint j = 0; j < sides[i].candidates->len; j++) {
      g_auto (GStrv)
          fields = g_strsplit (sides[i].candidates->pdata[j], " ", -1);
      guint64 port = g_ascii_strtoull (fields[5], NULL, 10);

      g_assert_cmpuint (port, >=, 45000);
      g_assert_cmpuint (port, <=, 45003);
    }
    g_assert_cmpuint (sides[i].candidates->len, >, 0);
  }
  side_init (&fifth, &config, NULL);
  fifth.trickle = FALSE;
  qp_path_gather (fifth.path);
  g_assert_true (run_until (has_failed, &fifth, PATIENCE));
  g_test_message ("%s", fifth.cause);
  g_assert_nonnull (strstr (fifth.cause, "45000"));
  side_clear (&fifth);
  for (guint i = 0; i < 4; i++)
    side_clear (&sides[i]);
}

static void
add_tests (void)
{
  g_test_add_func ("/path/remote-limits", test_remote_limits);
  g_test_add_func ("/path/remote-loopback", test_remote_loopback);
  g_test_add_func ("/path/interfaces", test_interfaces);
  g_test_add_func ("/path/consent", test_consent);
  g_test_add_func ("/path/failures", test_failures);
  g_test_add_func ("/path/describe", test_describe);
  g_test_add_func ("/path/port-range", test_port_range);
}

int
main (int argc, char **argv)
{
  return path_tests_run (argc, argv, add_tests);
}

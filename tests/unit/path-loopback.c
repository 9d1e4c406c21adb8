/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two paths find each other and exchange datagrams: in batches, into full
 * buffers, early, over a network that becomes narrow, and until they are freed
 * at any moment. */
#include "tests/unit/path-fixture.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void
test_connect (void)
{
  Pair pair;
  gint64 begun = g_get_monotonic_time ();
  QpPathInfo info;
  g_autofree char *text = NULL;

  pair_connect (&pair);
  g_test_message ("connected after %.1f ms",
      (g_get_monotonic_time () - begun) / 1000.0);
  qp_path_get_info (pair.a.path, &info);
  g_assert_cmpint (info.state, ==, QP_PATH_CONNECTED);
  g_assert_cmpuint (info.local_candidates, >, 0);
  g_assert_cmpuint (info.remote_candidates, >, 0);
  g_assert_cmpstr (info.local.address, !=, "");
  g_assert_cmpstr (info.remote.type, !=, "");
  text = qp_path_describe (pair.a.path);
  g_assert_nonnull (strstr (text, info.remote.address));
  g_assert_true (pair.a.candidates_done);
  if (own_namespace)
    g_assert_true (g_str_has_prefix (info.local.address, "127.0.0.1:") ||
        g_str_has_prefix (info.local.address, "[::1]:"));
  pair_clear (&pair);
}

static void
test_datagrams (void)
{
  Pair pair;
  g_autofree guint8 *data = make_data (12000);
  gsize sent = 0;
  QpPathInfo info;

  pair_connect (&pair);
  g_assert_cmpint (qp_path_send (pair.a.path, data, 1200, 1200, &sent), ==,
      QP_PATH_SEND_OK);
  g_assert_cmpuint (sent, ==, 1200);
  side_expect (&pair.b, 1);
  g_assert_cmpint (qp_path_send (pair.b.path, data, 1, 1200, NULL), ==,
      QP_PATH_SEND_OK);
  side_expect (&pair.a, 1);

  /* One batch: nine whole ones and a shorter one, in order. */
  g_assert_cmpint (qp_path_send (pair.a.path, data, 9 * 1100 + 7, 1100, &sent),
      ==, QP_PATH_SEND_OK);
  g_assert_cmpuint (sent, ==, 9 * 1100 + 7);
  side_expect (&pair.b, 11);
  for (guint i = 1; i < 10; i++)
    g_assert_cmpuint (g_array_index (pair.b.sizes, gsize, i), ==, 1100);
  g_assert_cmpuint (g_array_index (pair.b.sizes, gsize, 10), ==, 7);
  g_assert_cmpuint (pair.b.checksum, ==, 11 * 0x40);
  run_for (20);
  g_assert_cmpuint (pair.b.in_batch, ==, 0);
  g_assert_cmpuint (pair.b.batches, >=, 2);

  qp_path_get_info (pair.a.path, &info);
  g_assert_cmpuint (info.datagrams_sent, ==, 11);
  g_assert_cmpuint (info.bytes_sent, ==, 1200 + 9 * 1100 + 7);
  g_assert_cmpuint (info.datagrams_received, ==, 1);
  g_assert_cmpuint (info.send_errors, ==, 0);
  qp_path_get_info (pair.b.path, &info);
  g_assert_cmpuint (info.bytes_received, ==, 1200 + 9 * 1100 + 7);
  pair_clear (&pair);
}

/* More than one call's worth: 64 segments, or 65000 bytes. */
static void
test_large_batch (void)
{
  Pair pair;
  const guint n = 150;
  g_autofree guint8 *data = make_data (n * 1200);
  gsize sent = 0;

  pair_connect (&pair);
  g_assert_cmpint (qp_path_send (pair.a.path, data, n * 1200, 1200, &sent), ==,
      QP_PATH_SEND_OK);
  g_assert_cmpuint (sent, ==, n * 1200);
  side_expect (&pair.b, n);
  run_for (20);
  g_assert_cmpuint (pair.b.largest_batch, <=, 64);
  pair_clear (&pair);
}

/* A datagram too large for any network is lost; the path is well. */
static void
test_too_large (void)
{
  Pair pair;
  g_autofree guint8 *data = make_data (65535);
  gsize sent = 0;
  QpPathInfo info;

  pair_connect (&pair);
  g_assert_cmpint (qp_path_send (pair.a.path, data, 65535, 65535, &sent), ==,
      QP_PATH_SEND_OK);
  g_assert_cmpuint (sent, ==, 65535);
  qp_path_get_info (pair.a.path, &info);
  g_assert_cmpuint (info.send_errors, ==, 1);
  g_assert_cmpuint (info.datagrams_sent, ==, 0);
  g_assert_cmpint (qp_path_send (pair.a.path, data, 1200, 1200, &sent), ==,
      QP_PATH_SEND_OK);
  side_expect (&pair.b, 1);
  pair_clear (&pair);
}

static void
on_writable (QpPath *path, gpointer user)
{
  ((Side *) user)->writable++;
}

/* The UDP sockets of that family that this process has open. */
static GArray *
open_udp_sockets (int family)
{
  GArray *fds = g_array_new (FALSE, FALSE, sizeof (int));

  for (int fd = 0; fd < 1024; fd++) {
    int type = 0, domain = 0;
    socklen_t size = sizeof type;

    if (getsockopt (fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 &&
        getsockopt (fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 &&
        type == SOCK_DGRAM && domain == family)
      g_array_append_val (fds, fd);
  }
  return fds;
}

/* Nothing that a path sends may be fragmented (RFC 9000, section 14), and what
 * the kernel has heard of the path's MTU must not keep probes from leaving. */
static void
test_do_not_fragment (void)
{
  static const int families[][4] = {
    { AF_INET, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE },
    { AF_INET6, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE },
  };
  Pair pair;
  guint seen = 0;

  pair_connect (&pair);
  for (guint i = 0; i < G_N_ELEMENTS (families); i++) {
    g_autoptr (GArray) fds = open_udp_sockets (families[i][0]);

    for (guint j = 0; j < fds->len; j++, seen++) {
      int value = -1;
      socklen_t size = sizeof value;

      g_assert_cmpint (getsockopt (g_array_index (fds, int, j), families[i][1],
                           families[i][2], &value, &size),
          ==, 0);
      g_assert_cmpint (value, ==, families[i][3]);
    }
  }
  g_assert_cmpuint (seen, >=, 2);
  pair_clear (&pair);
}

/* A network that becomes narrower than the batches sent on it: what is too
 * large is lost, and smaller batches go out as before. */
static void
test_narrow (void)
{
  Pair pair;
  g_autofree guint8 *data = make_data (20 * 1452);
  gsize sent = 0;
  QpPathInfo info;

  if (!own_namespace) {
    g_test_skip ("needs a network namespace of its own");
    return;
  }
  pair_connect (&pair);
  if (!run_quietly ("ip link set lo mtu 1400")) {
    g_test_skip ("needs ip");
    pair_clear (&pair);
    return;
  }
  g_assert_cmpint (qp_path_send (pair.a.path, data, 20 * 1452, 1452, &sent), ==,
      QP_PATH_SEND_OK);
  g_assert_cmpuint (sent, ==, 20 * 1452);
  qp_path_get_info (pair.a.path, &info);
  g_assert_cmpuint (info.datagrams_sent, ==, 0);
  g_assert_cmpuint (info.send_errors, ==, 20);
  g_assert_cmpint (qp_path_send (pair.a.path, data, 20 * 1300, 1300, &sent), ==,
      QP_PATH_SEND_OK);
  side_expect (&pair.b, 20);
  g_assert_true (run_quietly ("ip link set lo mtu 65536"));
  pair_clear (&pair);
}

/* 10,000 datagrams at once: each that was not refused with AGAIN arrives,
 * however full the buffers, because writable is waited for. */
static void
test_burst (void)
{
  Pair pair;
  const guint total = 10000, per_call = 50;
  g_autofree guint8 *data = make_data (per_call * 1200);
  guint done = 0, again = 0;
  gint64 end = g_get_monotonic_time () + PATIENCE;

  pair_connect (&pair);
  while (done < total && g_get_monotonic_time () < end) {
    gsize sent = 0;
    QpPathSendResult result = qp_path_send (pair.a.path, data, per_call * 1200,
        1200, &sent);

    g_assert_cmpint (result, !=, QP_PATH_SEND_ERROR);
    g_assert_cmpuint (sent % 1200, ==, 0);
    done += sent / 1200;
    if (result == QP_PATH_SEND_AGAIN) {
      again++;
      pair.a.writable = 0;
      qp_path_notify_writable (pair.a.path, on_writable);
      while (pair.a.writable == 0 && g_get_monotonic_time () < end)
        g_main_context_iteration (context, TRUE);
    }
    /* What the receiver's buffer certainly holds. */
    if (done % 1000 == 0)
      while (g_main_context_iteration (context, FALSE))
        ;
  }
  g_assert_cmpuint (done, >=, total);
  run_for (100);
  g_test_message ("%u of %u arrived, %u times AGAIN, %u batches",
      pair.b.sizes->len, done, again, pair.b.batches);
  g_assert_cmpuint (pair.b.sizes->len, >=, total * 9 / 10);
  g_assert_cmpuint (pair.b.largest_batch, <=, 64);
  g_assert_cmpuint (pair.b.batches, >=, pair.b.sizes->len / 64);
  pair_clear (&pair);
}

/* A slow link fills the socket: AGAIN, then writable once it has drained. */
static void
test_again (void)
{
  Pair pair;
  const guint per_call = 50;
  g_autofree guint8 *data = make_data (per_call * 1200);
  gsize sent = 0;
  guint done = 0, calls = 0;
  QpPathSendResult result;

  if (!own_namespace) {
    g_test_skip ("needs a network namespace of its own");
    return;
  }
  pair_connect (&pair);
  if (!run_quietly ("tc qdisc add dev lo root tbf rate 20mbit burst 128k "
                    "limit 64m")) {
    g_test_skip ("needs tc with the token bucket filter");
    pair_clear (&pair);
    return;
  }
  do {
    result = qp_path_send (pair.a.path, data, per_call * 1200, 1200, &sent);
    done += sent / 1200;
  } while (result == QP_PATH_SEND_OK && ++calls < 1000);
  g_assert_cmpint (result, ==, QP_PATH_SEND_AGAIN);
  g_assert_cmpuint (sent % 1200, ==, 0);
  g_test_message ("AGAIN after %u datagrams", done);

  qp_path_notify_writable (pair.a.path, on_writable);
  g_assert_cmpuint (pair.a.writable, ==, 0);
  side_expect (&pair.b, done);
  g_assert_cmpuint (pair.a.writable, ==, 1);
  g_assert_cmpint (qp_path_send (pair.a.path, data, 1200, 1200, &sent), ==,
      QP_PATH_SEND_OK);
  side_expect (&pair.b, done + 1);
  g_assert_cmpuint (pair.a.writable, ==, 1);
  g_assert_true (run_quietly ("tc qdisc del dev lo root"));
  pair_clear (&pair);
}

/* The peer's candidates may be there before anything else. */
static void
test_candidates_first (void)
{
  Pair pair;
  g_autoptr (GError) error = NULL;

  pair_init (&pair);
  pair.a.trickle = pair.b.trickle = FALSE;
  qp_path_gather (pair.a.path);
  run_for (50);
  g_assert_true (pair.a.candidates_done);
  g_assert_cmpint (pair.a.state, ==, QP_PATH_GATHERING);
  for (guint i = 0; i < pair.a.candidates->len; i++) {
    /* As the seed writes them. */
    const char *line = (char *) pair.a.candidates->pdata[i] +
        strlen ("candidate:");

    g_assert_true (qp_path_add_remote_candidate (pair.b.path, line, &error));
    g_assert_no_error (error);
  }
  qp_path_remote_gathering_done (pair.b.path);
  pair_exchange_credentials (&pair);
  run_for (20);
  g_assert_cmpint (pair.b.state, ==, QP_PATH_NEW);
  /* a learns b's candidates from b's checks only. */
  qp_path_gather (pair.b.path);
  g_assert_true (run_until (pair_is_connected, &pair, PATIENCE));
  pair_clear (&pair);
}

/* What arrives before CONNECTED waits for it, in order. */
static void
test_early_data (void)
{
  Pair pair;
  g_autofree guint8 *data = make_data (1200);
  guint done = 0;
  gint64 end = g_get_monotonic_time () + PATIENCE;

  pair_init (&pair);
  qp_path_gather (pair.a.path);
  qp_path_gather (pair.b.path);
  pair_exchange_credentials (&pair);
  while (!pair_is_connected (&pair) && g_get_monotonic_time () < end) {
    g_main_context_iteration (context, TRUE);
    /* Sizes tell the order. */
    if (pair.b.state == QP_PATH_CONNECTED && done < 20) {
      g_assert_cmpint (qp_path_send (pair.b.path, data, 100 + done, 1200, NULL),
          ==, QP_PATH_SEND_OK);
      done++;
    }
  }
  g_assert_true (pair_is_connected (&pair));
  if (done == 0) /* b was the last: nothing was early */
    g_assert_cmpint (qp_path_send (pair.b.path, data, 100 + done++, 1200, NULL),
        ==, QP_PATH_SEND_OK);
  side_expect (&pair.a, done);
  for (guint i = 0; i < done; i++)
    g_assert_cmpuint (g_array_index (pair.a.sizes, gsize, i), ==, 100 + i);
  pair_clear (&pair);
}

static void
test_free_in_each_state (void)
{
  Pair pair;
  QpPathConfig config = { .stun_host = "nowhere.invalid", .stun_port = 3478 };
  Side side;
  g_autofree guint8 *data = make_data (1200);

  /* NEW */
  side_init (&side, &config, NULL);
  side_clear (&side);
  /* The STUN server's name is being resolved. */
  side_init (&side, &config, NULL);
  side.trickle = FALSE;
  qp_path_gather (side.path);
  g_main_context_iteration (context, FALSE);
  g_assert_cmpint (side.state, ==, QP_PATH_GATHERING);
  side_clear (&side);
  g_assert_cmpint (side.state, ==, QP_PATH_GATHERING);
  /* Asked to gather, and freed in the same breath. */
  side_init (&side, &config, NULL);
  qp_path_gather (side.path);
  side_clear (&side);
  g_assert_cmpint (side.state, ==, QP_PATH_NEW);
  /* CHECKING */
  pair_init (&pair);
  pair.a.trickle = pair.b.trickle = FALSE;
  qp_path_gather (pair.a.path);
  pair_exchange_credentials (&pair);
  run_for (20);
  g_assert_cmpint (pair.a.state, ==, QP_PATH_CHECKING);
  pair_clear (&pair);
  /* Within state_changed. */
  pair_init (&pair);
  pair.a.free_in_state = TRUE;
  qp_path_gather (pair.a.path);
  g_assert_true (run_until (side_is_closed, &pair.a, PATIENCE));
  pair_clear (&pair);
  /* CONNECTED, within received, with more waiting. */
  pair_connect (&pair);
  pair.b.free_in_received = TRUE;
  for (guint i = 0; i < 5; i++)
    qp_path_send (pair.a.path, data, 1200, 1200, NULL);
  g_assert_true (run_until (side_is_closed, &pair.b, PATIENCE));
  g_assert_cmpuint (pair.b.sizes->len, ==, 1);
  g_assert_cmpuint (pair.b.batches, ==, 0);
  pair_clear (&pair);
}

static void
add_tests (void)
{
  g_test_add_func ("/path/connect", test_connect);
  g_test_add_func ("/path/datagrams", test_datagrams);
  g_test_add_func ("/path/large-batch", test_large_batch);
  g_test_add_func ("/path/too-large", test_too_large);
  g_test_add_func ("/path/do-not-fragment", test_do_not_fragment);
  g_test_add_func ("/path/narrow", test_narrow);
  g_test_add_func ("/path/burst", test_burst);
  g_test_add_func ("/path/again", test_again);
  g_test_add_func ("/path/candidates-first", test_candidates_first);
  g_test_add_func ("/path/early-data", test_early_data);
  g_test_add_func ("/path/free-in-each-state", test_free_in_each_state);
}

int
main (int argc, char **argv)
{
  return path_tests_run (argc, argv, add_tests);
}

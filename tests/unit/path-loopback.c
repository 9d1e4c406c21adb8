/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two paths in one context find each other and exchange datagrams, on the
 * machine's own addresses or, where the machine lets us, in a network
 * namespace of our own whose loopback is the only interface. */
#include "path/interfaces.h"
#include "path/path.h"
#include "tests/own-namespace.h"

#include <gst/gst.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE (10 * G_USEC_PER_SEC)

typedef struct _Side Side;

/* One end, with everything its callbacks saw. */
struct _Side {
  QpPath *path;
  Side *peer;
  gboolean trickle;      /* hand candidates to the peer as they come */
  GPtrArray *candidates; /* of char* */
  gboolean candidates_done;
  QpPathState state;
  char *cause;
  GArray *sizes;    /* of gsize, of the datagrams received */
  guint64 checksum; /* sum of the first bytes */
  guint batches;
  guint in_batch, largest_batch;
  guint writable;
  gboolean free_in_received, free_in_state;
  gboolean closed;
};

static GMainContext *context;
static gboolean own_namespace;

static void
on_closed (gpointer user)
{
  ((Side *) user)->closed = TRUE;
}

static void
free_path (Side *side)
{
  qp_path_free (g_steal_pointer (&side->path), on_closed, side);
}

static void
on_local_candidate (QpPath *path, const char *candidate, gpointer user)
{
  Side *side = user;
  g_autoptr (GError) error = NULL;

  g_assert_false (side->candidates_done);
  if (!candidate) {
    side->candidates_done = TRUE;
    if (side->trickle && side->peer->path)
      qp_path_remote_gathering_done (side->peer->path);
    return;
  }
  g_assert_true (g_str_has_prefix (candidate, "candidate:"));
  g_ptr_array_add (side->candidates, g_strdup (candidate));
  if (side->trickle && side->peer->path) {
    qp_path_add_remote_candidate (side->peer->path, candidate, &error);
    g_assert_no_error (error);
  }
}

static void
on_state (QpPath *path, QpPathState state, const char *cause, gpointer user)
{
  Side *side = user;

  g_assert_cmpint (state, !=, side->state);
  g_assert_cmpint (cause != NULL, ==, state == QP_PATH_FAILED);
  side->state = state;
  g_free (side->cause);
  side->cause = g_strdup (cause);
  if (side->free_in_state)
    free_path (side);
}

static void
on_received (QpPath *path, const guint8 *data, gsize size, gpointer user)
{
  Side *side = user;

  g_assert_cmpint (side->state, ==, QP_PATH_CONNECTED);
  g_array_append_val (side->sizes, size);
  side->checksum += data[0];
  side->in_batch++;
  if (side->free_in_received && side->path)
    free_path (side);
}

static void
on_received_all (QpPath *path, gpointer user)
{
  Side *side = user;

  g_assert_cmpuint (side->in_batch, >, 0);
  side->batches++;
  side->largest_batch = MAX (side->largest_batch, side->in_batch);
  side->in_batch = 0;
}

static void
on_writable (QpPath *path, gpointer user)
{
  ((Side *) user)->writable++;
}

static const QpPathCallbacks callbacks = {
  on_local_candidate,
  on_state,
  on_received,
  on_received_all,
};

static void
side_init (Side *side, const QpPathConfig *config, Side *peer)
{
  memset (side, 0, sizeof *side);
  side->peer = peer;
  side->trickle = TRUE;
  side->candidates = g_ptr_array_new_with_free_func (g_free);
  side->sizes = g_array_new (FALSE, FALSE, sizeof (gsize));
  side->path = qp_path_new (context, config, &callbacks, side);
}

static gboolean
on_tick (gpointer user)
{
  return G_SOURCE_CONTINUE;
}

/* Iterates until `*flag` is set or patience ends. */
static gboolean
wait_until (gboolean (*done) (gpointer), gpointer user, gint64 patience)
{
  const gint64 end = g_get_monotonic_time () + patience;
  GSource *tick = g_timeout_source_new (10);

  g_source_set_callback (tick, on_tick, NULL, NULL);
  g_source_attach (tick, context);
  while (!done (user) && g_get_monotonic_time () < end)
    g_main_context_iteration (context, TRUE);
  g_source_destroy (tick);
  g_source_unref (tick);
  return done (user);
}

static gboolean
is_closed (gpointer user)
{
  return ((Side *) user)->closed;
}

static void
side_clear (Side *side)
{
  if (side->path)
    free_path (side);
  g_assert_true (wait_until (is_closed, side, PATIENCE));
  g_ptr_array_unref (side->candidates);
  g_array_unref (side->sizes);
  g_free (side->cause);
}

static gboolean
never (gpointer user)
{
  return FALSE;
}

static void
run_for (guint ms)
{
  wait_until (never, NULL, ms * 1000);
}

typedef struct {
  Side a, b; /* a is controlling */
} Pair;

static void
exchange_credentials (Pair *pair)
{
  g_autoptr (GError) error = NULL;

  qp_path_set_remote_credentials (pair->a.path,
      qp_path_get_ufrag (pair->b.path), qp_path_get_password (pair->b.path),
      &error);
  g_assert_no_error (error);
  qp_path_set_remote_credentials (pair->b.path,
      qp_path_get_ufrag (pair->a.path), qp_path_get_password (pair->a.path),
      &error);
  g_assert_no_error (error);
}

static gboolean
both_connected (gpointer user)
{
  Pair *pair = user;

  return pair->a.state == QP_PATH_CONNECTED &&
      pair->b.state == QP_PATH_CONNECTED;
}

static void
pair_init (Pair *pair)
{
  QpPathConfig config = { .controlling = TRUE };

  side_init (&pair->a, &config, &pair->b);
  config.controlling = FALSE;
  side_init (&pair->b, &config, &pair->a);
}

static void
pair_connect (Pair *pair)
{
  pair_init (pair);
  qp_path_gather (pair->a.path);
  qp_path_gather (pair->b.path);
  /* No callback from within a function. */
  g_assert_cmpint (pair->a.state, ==, QP_PATH_NEW);
  exchange_credentials (pair);
  g_assert_true (wait_until (both_connected, pair, PATIENCE));
}

static void
pair_clear (Pair *pair)
{
  side_clear (&pair->a);
  side_clear (&pair->b);
}

static guint8 *
make_data (gsize size)
{
  guint8 *data = g_malloc (size);

  /* First bits 01, as QUIC's: never STUN. */
  memset (data, 0x40, size);
  return data;
}

typedef struct {
  Side *side;
  guint count;
} Count;

static gboolean
has_received (gpointer user)
{
  Count *count = user;

  return count->side->sizes->len >= count->count;
}

static void
expect (Side *side, guint count)
{
  Count expected = { side, count };

  g_assert_true (wait_until (has_received, &expected, PATIENCE));
  g_assert_cmpuint (side->sizes->len, ==, count);
}

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
  expect (&pair.b, 1);
  g_assert_cmpint (qp_path_send (pair.b.path, data, 1, 1200, NULL), ==,
      QP_PATH_SEND_OK);
  expect (&pair.a, 1);

  /* One batch: nine whole ones and a shorter one, in order. */
  g_assert_cmpint (qp_path_send (pair.a.path, data, 9 * 1100 + 7, 1100, &sent),
      ==, QP_PATH_SEND_OK);
  g_assert_cmpuint (sent, ==, 9 * 1100 + 7);
  expect (&pair.b, 11);
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
  expect (&pair.b, n);
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
  expect (&pair.b, 1);
  pair_clear (&pair);
}

static gboolean
run_quietly (const char *command)
{
  g_auto (GStrv) argv = g_strsplit (command, " ", -1);
  int status;

  return g_spawn_sync (NULL, argv, NULL,
             G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL |
                 G_SPAWN_STDERR_TO_DEV_NULL,
             NULL, NULL, NULL, NULL, &status, NULL) &&
      g_spawn_check_wait_status (status, NULL);
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
  expect (&pair.b, 20);
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
  expect (&pair.b, done);
  g_assert_cmpuint (pair.a.writable, ==, 1);
  g_assert_cmpint (qp_path_send (pair.a.path, data, 1200, 1200, &sent), ==,
      QP_PATH_SEND_OK);
  expect (&pair.b, done + 1);
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
  exchange_credentials (&pair);
  run_for (20);
  g_assert_cmpint (pair.b.state, ==, QP_PATH_NEW);
  /* a learns b's candidates from b's checks only. */
  qp_path_gather (pair.b.path);
  g_assert_true (wait_until (both_connected, &pair, PATIENCE));
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
  exchange_credentials (&pair);
  while (!both_connected (&pair) && g_get_monotonic_time () < end) {
    g_main_context_iteration (context, TRUE);
    /* Sizes tell the order. */
    if (pair.b.state == QP_PATH_CONNECTED && done < 20) {
      g_assert_cmpint (qp_path_send (pair.b.path, data, 100 + done, 1200, NULL),
          ==, QP_PATH_SEND_OK);
      done++;
    }
  }
  g_assert_true (both_connected (&pair));
  if (done == 0) /* b was the last: nothing was early */
    g_assert_cmpint (qp_path_send (pair.b.path, data, 100 + done++, 1200, NULL),
        ==, QP_PATH_SEND_OK);
  expect (&pair.a, done);
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
  exchange_credentials (&pair);
  run_for (20);
  g_assert_cmpint (pair.a.state, ==, QP_PATH_CHECKING);
  pair_clear (&pair);
  /* Within state_changed. */
  pair_init (&pair);
  pair.a.free_in_state = TRUE;
  qp_path_gather (pair.a.path);
  g_assert_true (wait_until (is_closed, &pair.a, PATIENCE));
  pair_clear (&pair);
  /* CONNECTED, within received, with more waiting. */
  pair_connect (&pair);
  pair.b.free_in_received = TRUE;
  for (guint i = 0; i < 5; i++)
    qp_path_send (pair.a.path, data, 1200, 1200, NULL);
  g_assert_true (wait_until (is_closed, &pair.b, PATIENCE));
  g_assert_cmpuint (pair.b.sizes->len, ==, 1);
  g_assert_cmpuint (pair.b.batches, ==, 0);
  pair_clear (&pair);
}

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
  g_assert_true (wait_until (is_listed, (gpointer) "qpa", PATIENCE));
  g_assert_true (wait_until (is_listed, (gpointer) "qpb", PATIENCE));

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
has_lost (gpointer user)
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
  free_path (&pair.a);
  g_assert_true (wait_until (has_lost, &pair.b, 90 * G_USEC_PER_SEC));
  g_test_message ("%s", pair.b.cause);
  g_assert_nonnull (strstr (pair.b.cause, "consent"));
  pair_clear (&pair);
}

static gboolean
has_failed (gpointer user)
{
  return ((Side *) user)->state == QP_PATH_FAILED;
}

static void
test_failures (void)
{
  QpPathConfig config = { .relay_only = TRUE };
  Side side;

  side_init (&side, &config, NULL);
  side.trickle = FALSE;
  qp_path_gather (side.path);
  g_assert_true (wait_until (has_failed, &side, PATIENCE));
  g_test_message ("%s", side.cause);
  g_assert_nonnull (strstr (side.cause, "no TURN server is set"));
  g_assert_cmpint (qp_path_send (side.path, (guint8 *) "@", 1, 1, NULL), ==,
      QP_PATH_SEND_ERROR);
  side_clear (&side);

  config.relay_only = FALSE;
  config.interface = "nosuchif0";
  side_init (&side, &config, NULL);
  qp_path_gather (side.path);
  g_assert_true (wait_until (has_failed, &side, PATIENCE));
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
  g_assert_true (wait_until (has_failed, &fifth, PATIENCE));
  g_test_message ("%s", fifth.cause);
  g_assert_nonnull (strstr (fifth.cause, "45000"));
  side_clear (&fifth);
  for (guint i = 0; i < 4; i++)
    side_clear (&sides[i]);
}

int
main (int argc, char **argv)
{
  int result;

  /* Before any thread is there. */
  own_namespace = own_namespace_enter ();
  g_test_init (&argc, &argv, NULL);
  gst_init (NULL, NULL);
  context = g_main_context_new ();
  g_main_context_push_thread_default (context);

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
  g_test_add_func ("/path/remote-limits", test_remote_limits);
  g_test_add_func ("/path/remote-loopback", test_remote_loopback);
  g_test_add_func ("/path/interfaces", test_interfaces);
  g_test_add_func ("/path/consent", test_consent);
  g_test_add_func ("/path/failures", test_failures);
  g_test_add_func ("/path/describe", test_describe);
  g_test_add_func ("/path/port-range", test_port_range);
  result = g_test_run ();

  g_main_context_pop_thread_default (context);
  g_main_context_unref (context);
  return result;
}

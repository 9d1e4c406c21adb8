/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A NAT between two paths forgets what it knew, and gives the side behind it
 * another port.  The NAT is two sockets of this test on loopback: `inside` is
 * where the side behind it sends to, `outside` where its packets come from, and
 * another port for `outside` is the rebinding. */
#include "path/path.h"
#include "tests/own-namespace.h"

#include <gst/gst.h>
#include <string.h>

#define PATIENCE (10 * G_USEC_PER_SEC)

typedef struct {
  QpPath *path;
  QpPathState state;
  guint received;
  char *candidate; /* its only one */
  gboolean closed;
} Side;

typedef struct {
  GSocket *inside, *outside;
  GSource *inside_source, *outside_source;
  GSocketAddress *hidden; /* of the side behind it, once it has sent */
  GSocketAddress *open;   /* of the side in front */
} Nat;

static GMainContext *context;

static void
on_candidate (QpPath *path, const char *candidate, gpointer user)
{
  Side *side = user;

  if (candidate && !side->candidate)
    side->candidate = g_strdup (candidate);
}

static void
on_state (QpPath *path, QpPathState state, const char *cause, gpointer user)
{
  ((Side *) user)->state = state;
}

static void
on_received (QpPath *path, const guint8 *data, gsize size, gpointer user)
{
  ((Side *) user)->received++;
}

static void
on_received_all (QpPath *path, gpointer user)
{
}

static void
on_closed (gpointer user)
{
  ((Side *) user)->closed = TRUE;
}

static const QpPathCallbacks callbacks = { on_candidate, on_state, on_received,
  on_received_all };

static gboolean
on_tick (gpointer user)
{
  return G_SOURCE_CONTINUE;
}

#define RUN_UNTIL(condition)                                 \
  G_STMT_START                                               \
  {                                                          \
    gint64 until = g_get_monotonic_time () + PATIENCE;       \
    while (!(condition)) {                                   \
      if (g_get_monotonic_time () > until)                   \
        g_error ("%s: timed out: %s", G_STRLOC, #condition); \
      g_main_context_iteration (context, TRUE);              \
    }                                                        \
  }                                                          \
  G_STMT_END

static void
run_for (gint64 us)
{
  gint64 until = g_get_monotonic_time () + us;

  while (g_get_monotonic_time () < until)
    g_main_context_iteration (context, TRUE);
}

/* --- The NAT ---------------------------------------------------------------- */

static gboolean
on_inside (GSocket *socket, GIOCondition condition, gpointer user)
{
  Nat *nat = user;
  char data[2048];
  gssize size;

  g_clear_object (&nat->hidden);
  size = g_socket_receive_from (socket, &nat->hidden, data, sizeof data, NULL,
      NULL);
  if (size > 0 && nat->open)
    g_socket_send_to (nat->outside, nat->open, data, (gsize) size, NULL, NULL);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_outside (GSocket *socket, GIOCondition condition, gpointer user)
{
  Nat *nat = user;
  char data[2048];
  gssize size = g_socket_receive (socket, data, sizeof data, NULL, NULL);

  if (size > 0 && nat->hidden)
    g_socket_send_to (nat->inside, nat->hidden, data, (gsize) size, NULL, NULL);
  return G_SOURCE_CONTINUE;
}

static GSocket *
open_socket (GSource **source, GSocketSourceFunc func, Nat *nat)
{
  g_autoptr (GSocketAddress)
      address = g_inet_socket_address_new_from_string ("127.0.0.1", 0);
  g_autoptr (GError) error = NULL;
  GSocket *socket = g_socket_new (G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_DATAGRAM,
      G_SOCKET_PROTOCOL_UDP, &error);

  g_assert_no_error (error);
  g_assert_true (g_socket_bind (socket, address, FALSE, &error));
  g_socket_set_blocking (socket, FALSE);
  *source = g_socket_create_source (socket, G_IO_IN, NULL);
  g_source_set_callback (*source, G_SOURCE_FUNC (func), nat, NULL);
  g_source_attach (*source, context);
  return socket;
}

static void
close_socket (GSocket **socket, GSource **source)
{
  g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
  g_clear_object (socket);
}

static void
nat_rebind (Nat *nat)
{
  close_socket (&nat->outside, &nat->outside_source);
  nat->outside = open_socket (&nat->outside_source, on_outside, nat);
}

static guint16
port_of (GSocket *socket)
{
  g_autoptr (GSocketAddress)
      address = g_socket_get_local_address (socket, NULL);

  return g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (address));
}

/* --- The paths -------------------------------------------------------------- */

static void
side_init (Side *side, gboolean controlling)
{
  QpPathConfig config = { .controlling = controlling };

  memset (side, 0, sizeof *side);
  side->path = qp_path_new (context, &config, &callbacks, side);
}

static void
side_clear (Side *side)
{
  qp_path_free (side->path, on_closed, side);
  RUN_UNTIL (side->closed);
  g_free (side->candidate);
}

static void
exchange_credentials (Side *a, Side *b)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (qp_path_set_remote_credentials (a->path,
      qp_path_get_ufrag (b->path), qp_path_get_password (b->path), &error));
  g_assert_true (qp_path_set_remote_credentials (b->path,
      qp_path_get_ufrag (a->path), qp_path_get_password (a->path), &error));
}

/* Only the side in front has an address that can be given away. */
static void
connect_through (Nat *nat, Side *hidden, Side *open)
{
  g_autofree char *inside = NULL;
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) words = NULL;

  qp_path_gather (hidden->path);
  qp_path_gather (open->path);
  exchange_credentials (hidden, open);
  RUN_UNTIL (open->candidate);
  /* candidate:F C udp PRIORITY ADDRESS PORT typ host */
  words = g_strsplit (open->candidate, " ", -1);
  nat->open = g_inet_socket_address_new_from_string (words[4],
      (guint) g_ascii_strtoull (words[5], NULL, 10));
  inside =
      g_strdup_printf ("candidate:1 1 udp 2130706431 127.0.0.1 %u typ host",
          port_of (nat->inside));
  g_assert_true (qp_path_add_remote_candidate (hidden->path, inside, &error));
  qp_path_remote_gathering_done (hidden->path);
  RUN_UNTIL (hidden->state == QP_PATH_CONNECTED &&
      open->state == QP_PATH_CONNECTED);
}

static void
send_one (Side *side)
{
  static const guint8 datagram[] = { 0x40, 1, 2, 3 };

  g_assert_cmpint (qp_path_send (side->path, datagram, sizeof datagram,
                       sizeof datagram, NULL),
      ==, QP_PATH_SEND_OK);
}

static char *
remote_of (Side *side)
{
  QpPathInfo info;

  qp_path_get_info (side->path, &info);
  return g_strdup (info.remote.address);
}

static gboolean
sends_to (Side *side, const char *address)
{
  g_autofree char *now = remote_of (side);

  return g_str_equal (now, address);
}

/* The NAT rebinds `times` times; each time both sides are heard again within a
 * check and its answer. */
static void
rebind (gboolean hidden_controls, guint times)
{
  Nat nat = { 0 };
  Side hidden, open;

  nat.inside = open_socket (&nat.inside_source, on_inside, &nat);
  nat.outside = open_socket (&nat.outside_source, on_outside, &nat);
  side_init (&hidden, hidden_controls);
  side_init (&open, !hidden_controls);
  connect_through (&nat, &hidden, &open);
  send_one (&hidden);
  send_one (&open);
  RUN_UNTIL (open.received == 1 && hidden.received == 1);

  for (guint i = 0; i < times; i++) {
    g_autofree char *expected = NULL;

    hidden.received = open.received = 0;
    nat_rebind (&nat);
    expected = g_strdup_printf ("127.0.0.1:%u", port_of (nat.outside));
    send_one (&hidden);
    run_for (20000);
    /* What makes the check necessary. */
    g_assert_cmpuint (open.received, ==, 0);
    g_assert_true (qp_path_check (hidden.path));
    send_one (&hidden);
    RUN_UNTIL (open.received == 1);
    RUN_UNTIL (sends_to (&open, expected));
    run_for (10000);
    send_one (&open);
    RUN_UNTIL (hidden.received == 1);
    g_assert_cmpint (open.state, ==, QP_PATH_CONNECTED);
  }
  side_clear (&hidden);
  side_clear (&open);
  close_socket (&nat.inside, &nat.inside_source);
  close_socket (&nat.outside, &nat.outside_source);
  g_clear_object (&nat.hidden);
  g_clear_object (&nat.open);
}

static void
test_controlled (void)
{
  rebind (FALSE, 1);
}

static void
test_controlling (void)
{
  rebind (TRUE, 1);
}

static void
test_often (void)
{
  rebind (FALSE, 30);
  rebind (TRUE, 30);
}

/* A check where nothing changed is answered, and changes nothing. */
static void
test_needless (void)
{
  Nat nat = { 0 };
  Side hidden, open;
  g_autofree char *before = NULL;
  g_autofree char *after = NULL;

  nat.inside = open_socket (&nat.inside_source, on_inside, &nat);
  nat.outside = open_socket (&nat.outside_source, on_outside, &nat);
  side_init (&hidden, FALSE);
  side_init (&open, TRUE);
  g_assert_false (qp_path_check (hidden.path));
  connect_through (&nat, &hidden, &open);
  before = remote_of (&open);
  for (guint i = 0; i < 300; i++) {
    g_assert_true (qp_path_check (hidden.path));
    g_assert_true (qp_path_check (open.path));
    run_for (1000);
  }
  after = remote_of (&open);
  g_assert_cmpstr (before, ==, after);
  send_one (&hidden);
  send_one (&open);
  RUN_UNTIL (open.received == 1 && hidden.received == 1);
  side_clear (&hidden);
  side_clear (&open);
  close_socket (&nat.inside, &nat.inside_source);
  close_socket (&nat.outside, &nat.outside_source);
  g_clear_object (&nat.hidden);
  g_clear_object (&nat.open);
}

int
main (int argc, char **argv)
{
  GSource *tick;
  int result;

  if (!own_namespace_enter ()) {
    g_print ("SKIP: no network namespace can be made\n");
    return 77;
  }
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  context = g_main_context_new ();
  tick = g_timeout_source_new (5);
  g_source_set_callback (tick, on_tick, NULL, NULL);
  g_source_attach (tick, context);
  g_test_add_func ("/path/rebinding/controlled", test_controlled);
  g_test_add_func ("/path/rebinding/controlling", test_controlling);
  g_test_add_func ("/path/rebinding/often", test_often);
  g_test_add_func ("/path/rebinding/needless", test_needless);
  result = g_test_run ();
  g_source_destroy (tick);
  g_source_unref (tick);
  g_main_context_unref (context);
  return result;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is no packet of the peer's must change nothing: noise, mutated and
 * repeated packets, forged Version Negotiation, Retry and Stateless Reset, in
 * each state of a connection. */
#include "quic/connection-private.h"
#include "tests/unit/quic-wire.h"

#include <gst/gst.h>
#include <string.h>

#define TRANSFER 400000

static void
fill_random (GRand *rand, guint8 *data, gsize size)
{
  gsize i;

  for (i = 0; i < size; i++)
    data[i] = (guint8) g_rand_int (rand);
}

/* Noise, some of it with the looks of QUIC. */
static void
inject_noise (Wire *wire, WireEnd *end)
{
  guint8 data[1500];
  gsize size = (gsize) g_rand_int_range (wire->rand, 1, sizeof data);
  static const guint8 version_1[] = { 0, 0, 0, 1 };

  fill_random (wire->rand, data, size);
  switch (g_rand_int_range (wire->rand, 0, 4)) {
    case 0: /* short header */
      data[0] = 0x40 | (data[0] & 0x3f);
      break;
    case 1: /* long header, any type, version 1 */
      data[0] |= 0xc0;
      if (size > 5)
        memcpy (data + 1, version_1, sizeof version_1);
      break;
    case 2: /* version negotiation */
      data[0] |= 0x80;
      if (size > 5)
        memset (data + 1, 0, 4);
      break;
    default:
      break;
  }
  wire_inject (end, (guint) g_rand_int_range (wire->rand, 0, 3), data, size);
}

static void
inject_noises (Wire *wire, guint count)
{
  while (count-- > 0) {
    inject_noise (wire, &wire->client);
    inject_noise (wire, &wire->server);
  }
}

static gboolean
transfer_missing (Wire *wire)
{
  return wire->server.streams_finished < 1 || wire->client.streams_finished < 1;
}

static GBytes *
make_payload (void)
{
  guint8 *data = g_malloc (TRANSFER);
  guint i;

  for (i = 0; i < TRANSFER; i++)
    data[i] = (guint8) (i * 7 + i / 251);
  return g_bytes_new_take (data, TRANSFER);
}

/* Both ways, byte for byte. */
static void
assert_transfer (Wire *wire)
{
  g_autoptr (GBytes) payload = make_payload ();
  gint64 up = qp_quic_open (wire->client.quic, FALSE, QP_PRIORITY_VIDEO);
  gint64 down = qp_quic_open (wire->server.quic, FALSE, QP_PRIORITY_VIDEO);
  WireStream *at_server, *at_client;

  g_assert_true (qp_quic_write (wire->client.quic, up, payload, TRUE));
  g_assert_true (qp_quic_write (wire->server.quic, down, payload, TRUE));
  qp_quic_flush (wire->client.quic);
  qp_quic_flush (wire->server.quic);
  g_assert_true (wire_run_while (wire, transfer_missing, 30000));
  g_assert_no_error (wire->client.error);
  g_assert_no_error (wire->server.error);
  at_server = wire_get_stream (&wire->server, up);
  at_client = wire_get_stream (&wire->client, down);
  g_assert_cmpmem (at_server->data->data, at_server->data->len,
      g_bytes_get_data (payload, NULL), TRANSFER);
  g_assert_cmpmem (at_client->data->data, at_client->data->len,
      g_bytes_get_data (payload, NULL), TRANSFER);
}

static Wire *
start (guint32 seed, guint delay_us)
{
  Wire *wire = wire_new (seed);
  WireConfig config;

  wire->paths[0].delay_us = delay_us;
  wire_config_init (&config);
  wire_connect (wire, &config);
  wire_config_clear (&config);
  return wire;
}

static void
test_noise (void)
{
  Wire *wire = start (70, 2000);
  guint i;

  inject_noises (wire, 500);
  for (i = 0; i < 10; i++) {
    wire_run_for (wire, 1);
    inject_noises (wire, 50);
  }
  wire_establish (wire);
  inject_noises (wire, 2000);
  assert_transfer (wire);
  qp_quic_close (wire->client.quic, 0, NULL);
  inject_noises (wire, 500);
  wire_run_for (wire, 10);
  g_assert_true (wire->server.closed);
  inject_noises (wire, 500);
  wire_free (wire);
}

/* Each datagram is followed, or preceded, by a damaged copy of itself. */
static void
mutate (WireEnd *end, guint path, guint8 *data, gsize size)
{
  GRand *rand = end->wire->rand;
  g_autofree guint8 *copy = g_malloc (size + 64);
  gsize length = size;
  guint flips = (guint) g_rand_int_range (rand, 1, 5);

  memcpy (copy, data, size);
  switch (g_rand_int_range (rand, 0, 4)) {
    case 0: /* cut */
      length = (gsize) g_rand_int_range (rand, 1, (gint32) size + 1);
      break;
    case 1: /* longer */
      length = size + (gsize) g_rand_int_range (rand, 1, 64);
      fill_random (rand, copy + size, length - size);
      break;
    case 2: /* damaged headers: these are read before anything is decrypted */
      copy[g_rand_int_range (rand, 0, (gint32) MIN (size, 48))] ^= (guint8)
          g_rand_int_range (rand, 1, 256);
      break;
    default:
      while (flips-- > 0)
        copy[g_rand_int_range (rand, 0, (gint32) size)] ^= (guint8) (1
            << g_rand_int_range (rand, 0, 8));
      break;
  }
  end->other->late = g_list_prepend (end->other->late,
      g_bytes_new (copy, length));
}

/* Outside of anybody's callbacks. */
static gboolean
inject_late (gpointer user)
{
  Wire *wire = user;
  WireEnd *ends[] = { &wire->client, &wire->server };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (ends); i++) {
    GList *late = g_list_reverse (g_steal_pointer (&ends[i]->late));
    GList *item;

    for (item = late; item != NULL; item = item->next) {
      gsize size;
      const guint8 *data = g_bytes_get_data (item->data, &size);

      wire_inject (ends[i], 0, data, size);
    }
    g_list_free_full (late, (GDestroyNotify) g_bytes_unref);
  }
  return G_SOURCE_CONTINUE;
}

static void
with_injector (Wire *wire, void (*tap) (WireEnd *, guint, guint8 *, gsize))
{
  GSource *source = g_timeout_source_new (1);

  wire->client.tap = wire->server.tap = tap;
  g_source_set_callback (source, inject_late, wire, NULL);
  g_source_attach (source, wire->context);
  wire_establish (wire);
  assert_transfer (wire);
  wire->client.tap = wire->server.tap = NULL;
  inject_late (wire);
  g_source_destroy (source);
  g_source_unref (source);
  g_assert_no_error (wire->client.error);
  g_assert_no_error (wire->server.error);
}

static void
test_mutations (void)
{
  guint seed;

  for (seed = 0; seed < 10; seed++) {
    Wire *wire = start (200 + seed, 1000);

    with_injector (wire, mutate);
    wire_free (wire);
  }
}

static void
repeat (WireEnd *end, guint path, guint8 *data, gsize size)
{
  end->other->late = g_list_prepend (end->other->late,
      g_bytes_new (data, size));
}

static void
test_replay (void)
{
  Wire *wire = start (71, 1000);

  with_injector (wire, repeat);
  wire_free (wire);
}

/* An Initial that looks right and is not: anyone could make the server keep
 * state for it, were it not dropped again. */
static void
test_false_initials (void)
{
  Wire *wire = start (72, 0);
  guint8 data[1200];
  guint i;

  for (i = 0; i < 10; i++) {
    static const guint8 head[] = { 0xc3, 0, 0, 0, 1, 8 };
    gsize at = sizeof head;

    fill_random (wire->rand, data, sizeof data);
    memcpy (data, head, sizeof head);
    at += 8;
    data[at++] = 8;
    at += 8;
    data[at++] = 0;                                           /* no token */
    data[at] = 0x40 | (guint8) ((sizeof data - at - 2) >> 8); /* the rest */
    data[at + 1] = (guint8) (sizeof data - at - 2);
    wire_inject (&wire->server, 0, data, sizeof data);
    g_assert_false (wire->server.closed);
  }
  g_assert_cmpuint (wire->server.quic->initials_refused, ==, 10);
  g_assert_null (wire->server.quic->conn);
  wire_establish (wire);
  assert_transfer (wire);
  wire_free (wire);
}

/* --- forgeries of someone who sees the client's first packet ------------------ */

static GBytes *first_initial;

static void
keep_first (WireEnd *end, guint path, guint8 *data, gsize size)
{
  if (first_initial == NULL)
    first_initial = g_bytes_new (data, size);
}

/* A client whose first flight went out and reached nobody. */
static Wire *
start_unanswered (guint32 seed, ngtcp2_version_cid *cids)
{
  Wire *wire = wire_new (seed);
  WireConfig config;

  g_clear_pointer (&first_initial, g_bytes_unref);
  wire->client.tap = keep_first;
  wire->paths[0].down = TRUE;
  wire_config_init (&config);
  wire_connect (wire, &config);
  wire_config_clear (&config);
  wire_run_for (wire, 5);
  g_assert_nonnull (first_initial);
  g_assert_cmpint (ngtcp2_pkt_decode_version_cid (cids,
                       g_bytes_get_data (first_initial, NULL),
                       g_bytes_get_size (first_initial), 8),
      ==, 0);
  wire->paths[0].down = FALSE;
  return wire;
}

static void
inject_version_negotiation (Wire *wire, const ngtcp2_version_cid *cids,
    guint32 version)
{
  guint8 data[128];
  ngtcp2_ssize size = ngtcp2_pkt_write_version_negotiation (data, sizeof data,
      0, cids->scid, cids->scidlen, cids->dcid, cids->dcidlen, &version, 1);

  g_assert_cmpint (size, >, 0);
  wire_inject (&wire->client, 0, data, (gsize) size);
}

static void
test_version_negotiation (void)
{
  ngtcp2_version_cid cids;
  Wire *wire = start_unanswered (73, &cids);

  /* It names the version that is in use: RFC 9000, 6.2: ignore. */
  inject_version_negotiation (wire, &cids, NGTCP2_PROTO_VER_V1);
  wire_establish (wire);
  /* Too late for any. */
  inject_version_negotiation (wire, &cids, 0x0a0a0a0a);
  assert_transfer (wire);
  wire_free (wire);

  /* A peer that speaks another version only: an end with a cause. */
  wire = start_unanswered (74, &cids);
  inject_version_negotiation (wire, &cids, 0x0a0a0a0a);
  g_assert_true (wire->client.closed);
  g_assert_error (wire->client.error, QP_QUIC_ERROR, QP_QUIC_ERROR_PROTOCOL);
  g_assert_nonnull (strstr (wire->client.error->message, "version 1"));
  wire_free (wire);
}

static gboolean
no_token_seen (Wire *wire)
{
  ngtcp2_pkt_hd header;

  if (first_initial == NULL)
    return TRUE;
  g_assert_cmpint (ngtcp2_pkt_decode_hd_long (&header,
                       g_bytes_get_data (first_initial, NULL),
                       g_bytes_get_size (first_initial)),
      >, 0);
  if (header.tokenlen == 0)
    g_clear_pointer (&first_initial, g_bytes_unref); /* look at the next */
  return header.tokenlen == 0;
}

static void
test_retry (void)
{
  static const guint8 token[] = "a token";
  ngtcp2_version_cid cids;
  Wire *wire = start_unanswered (75, &cids);
  ngtcp2_cid client_scid, client_dcid, new_scid;
  guint8 data[256];
  ngtcp2_ssize size;

  ngtcp2_cid_init (&client_scid, cids.scid, cids.scidlen);
  ngtcp2_cid_init (&client_dcid, cids.dcid, cids.dcidlen);
  ngtcp2_cid_init (&new_scid, (const guint8 *) "12345678", 8);
  size = ngtcp2_crypto_write_retry (data, sizeof data, NGTCP2_PROTO_VER_V1,
      &client_scid, &new_scid, &client_dcid, token, sizeof token);
  g_assert_cmpint (size, >, 0);
  /* With a broken integrity tag it is noise ... */
  data[size - 1] ^= 1;
  wire_inject (&wire->client, 0, data, (gsize) size);
  g_assert_false (wire->client.closed);
  data[size - 1] ^= 1;
  /* ... and else the client comes again with the token. */
  wire->paths[0].down = TRUE; /* our server has never asked for one */
  g_clear_pointer (&first_initial, g_bytes_unref);
  wire_inject (&wire->client, 0, data, (gsize) size);
  g_assert_true (wire_run_while (wire, no_token_seen, 3000));
  g_assert_false (wire->client.closed);
  g_clear_pointer (&first_initial, g_bytes_unref);
  wire_free (wire);
}

static void
test_stateless_reset (void)
{
  Wire *wire = wire_new_established (76, 0);
  guint8 data[64];
  guint i;

  wire_run_for (wire, 20);
  for (i = 0; i < 200; i++) {
    fill_random (wire->rand, data, sizeof data);
    data[0] = 0x40 | (data[0] & 0x3f);
    wire_inject (&wire->client, 0, data, sizeof data);
    wire_inject (&wire->server, 0, data, sizeof data);
  }
  assert_transfer (wire);
  /* The real one ends the connection, with its cause. Both ends are in this
   * process, so the token of the server's connection ID can be made here. */
  g_assert_true (
      qp_quic_make_reset_token (ngtcp2_conn_get_dcid (wire->client.quic->conn),
          data + sizeof data - NGTCP2_STATELESS_RESET_TOKENLEN));
  wire_inject (&wire->client, 0, data, sizeof data);
  g_assert_true (wire->client.closed);
  g_assert_error (wire->client.error, QP_QUIC_ERROR, QP_QUIC_ERROR_PEER_CLOSED);
  g_assert_nonnull (strstr (wire->client.error->message, "stateless reset"));
  wire_free (wire);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/quic/hostile/noise", test_noise);
  g_test_add_func ("/quic/hostile/mutations", test_mutations);
  g_test_add_func ("/quic/hostile/replay", test_replay);
  g_test_add_func ("/quic/hostile/false-initials", test_false_initials);
  g_test_add_func ("/quic/hostile/version-negotiation",
      test_version_negotiation);
  g_test_add_func ("/quic/hostile/retry", test_retry);
  g_test_add_func ("/quic/hostile/stateless-reset", test_stateless_reset);
  return g_test_run ();
}

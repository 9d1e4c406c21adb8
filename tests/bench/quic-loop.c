/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How fast two connections in one thread move RTP-like packets over memory,
 * and what a gigabyte costs in CPU time, both ends and the copying between
 * them together.  With a loss rate and a delay it compares the congestion
 * controllers.  With --camera it sends frames at a bit rate instead and tells
 * how long a whole frame takes beyond the wire's delay.  Prints one line per
 * run; measures, judges nothing. */
#include "tests/unit/quic-wire.h"

#include <gst/gst.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PACKET_SIZE 1200
#define QUEUE_LIMIT (4 * 1024 * 1024) /* bytes that wait in the connection */

static gint frame_packets = 20;
static gint seconds = 3;
static gint delay_ms = 0;
static gdouble loss_percent = 0;
static gint rate_mbps = 0;
static gint payload = 1200;
static gint probe = 0;
static gint camera_mbps = 0;
static gint fps = 30;
static char *controller = NULL;
static char *mapping = NULL;

static const GOptionEntry entries[] = {
  { "seconds", 's', 0, G_OPTION_ARG_INT, &seconds, "Length of the run", "N" },
  { "frame", 'f', 0, G_OPTION_ARG_INT, &frame_packets,
      "Packets per frame (stream)", "N" },
  { "delay", 'd', 0, G_OPTION_ARG_INT, &delay_ms, "One-way delay", "MS" },
  { "loss", 'l', 0, G_OPTION_ARG_DOUBLE, &loss_percent, "Random loss",
      "PERCENT" },
  { "rate", 'r', 0, G_OPTION_ARG_INT, &rate_mbps, "Rate of the link (0: none)",
      "MBPS" },
  { "payload", 'p', 0, G_OPTION_ARG_INT, &payload, "UDP payload", "BYTES" },
  { "probe", 0, 0, G_OPTION_ARG_INT, &probe,
      "UDP payload to find out instead (0: none)", "BYTES" },
  { "camera", 0, 0, G_OPTION_ARG_INT, &camera_mbps,
      "Send frames at this bit rate", "MBPS" },
  { "fps", 0, 0, G_OPTION_ARG_INT, &fps, "Frames per second of it", "N" },
  { "cc", 'c', 0, G_OPTION_ARG_STRING, &controller, "cubic, reno or bbr",
      "NAME" },
  { "mapping", 'm', 0, G_OPTION_ARG_STRING, &mapping,
      "stream-per-frame, stream or datagram", "NAME" },
  { NULL }
};

static double
cpu_seconds (void)
{
  struct timespec now;

  clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &now);
  return now.tv_sec + now.tv_nsec / 1e9;
}

static gint64
write_packet (Wire *wire, gint64 stream, gboolean last, GBytes *packet)
{
  QpQuic *quic = wire->client.quic;

  if (!g_strcmp0 (mapping, "datagram")) {
    qp_quic_send_datagram (quic, NULL, 0, packet);
    return -1;
  }
  if (stream < 0)
    stream = qp_quic_open (quic, FALSE, QP_PRIORITY_VIDEO);
  if (stream < 0)
    return -1;
  last = last && g_strcmp0 (mapping, "stream");
  qp_quic_write (quic, stream, packet, last);
  return last ? -1 : stream;
}

/* Keeps the connection's queue full, as a camera of infinite rate would. */
static void
feed (Wire *wire, gint64 *stream, gint *in_frame, GBytes *packet)
{
  QpQuicInfo info;

  qp_quic_get_info (wire->client.quic, &info);
  if (info.bytes_unsent > QUEUE_LIMIT / 2)
    return;
  while (info.bytes_unsent < QUEUE_LIMIT) {
    /* One allocation per packet, as the elements need. */
    g_autoptr (GBytes)
        bytes = g_bytes_new_from_bytes (packet, 0, g_bytes_get_size (packet));

    *stream = write_packet (wire, *stream, ++*in_frame >= frame_packets, bytes);
    if (*in_frame >= frame_packets)
      *in_frame = 0;
    if (*stream < 0 && *in_frame != 0 && g_strcmp0 (mapping, "datagram"))
      break; /* no stream to be had now */
    info.bytes_unsent += g_bytes_get_size (packet);
  }
  qp_quic_flush (wire->client.quic);
}

static QpCongestionControl
parse_controller (void)
{
  if (!g_strcmp0 (controller, "cubic"))
    return QP_CC_CUBIC;
  if (!g_strcmp0 (controller, "reno"))
    return QP_CC_RENO;
  return QP_CC_BBR;
}

static Wire *
connect_wire (void)
{
  Wire *wire = wire_new (1);
  WireConfig config;

  wire_config_init (&config);
  config.client.congestion_control = config.server.congestion_control =
      parse_controller ();
  config.client.max_payload = config.server.max_payload = (gsize) payload;
  config.client.probe_payload = config.server.probe_payload = (gsize) probe;
  wire_connect (wire, &config);
  wire_config_clear (&config);
  wire->paths[0].delay_us = (guint) delay_ms * 1000;
  wire->paths[0].rate = (guint64) rate_mbps * 1000000;
  wire->paths[0].queue_us = 50000;
  wire_establish (wire);
  wire->paths[0].loss = (guint) (loss_percent * 100);
  wire->server.keep = FALSE;
  return wire;
}

/* --- a camera ---------------------------------------------------------------- */

static GArray *latencies;    /* of gint64, µs beyond the delay */
static GHashTable *departed; /* stream → when its frame was written */

static void
on_frame_data (WireEnd *end, gint64 stream)
{
  gint64 now = g_get_monotonic_time ();
  gint64 *when = g_hash_table_lookup (departed, &stream);
  gint64 took;

  if (when == NULL || !wire_get_stream (end, stream)->fin)
    return;
  took = now - *when - (gint64) delay_ms * 1000;
  g_array_append_val (latencies, took);
}

static gint
compare_times (gconstpointer a, gconstpointer b)
{
  gint64 left = *(const gint64 *) a, right = *(const gint64 *) b;

  return left < right ? -1 : left > right;
}

static void
send_frame (Wire *wire, guint number)
{
  gsize average = (gsize) camera_mbps * 1000000 / 8 / fps;
  /* Every 60th is a keyframe, five times as large. */
  gsize size = number % 60 == 0 ? 5 * average : average;
  g_autofree guint8 *zeros = g_malloc0 (PACKET_SIZE);
  gint64 *id = g_new (gint64, 1), *when = g_new (gint64, 1);
  gsize at;

  *id = qp_quic_open (wire->client.quic, FALSE, QP_PRIORITY_VIDEO);
  *when = g_get_monotonic_time ();
  for (at = 0; at < size; at += PACKET_SIZE) {
    g_autoptr (GBytes) packet = g_bytes_new (zeros, PACKET_SIZE);

    qp_quic_write (wire->client.quic, *id, packet, at + PACKET_SIZE >= size);
  }
  g_hash_table_insert (departed, id, when);
  qp_quic_flush (wire->client.quic);
}

static double
percentile (guint percent)
{
  return g_array_index (latencies, gint64,
             MIN (latencies->len - 1, latencies->len * percent / 100)) /
      1e3;
}

static void
run_camera (void)
{
  Wire *wire = connect_wire ();
  gint64 start = g_get_monotonic_time ();
  guint number = 0;
  double cpu = cpu_seconds ();
  QpQuicInfo info;

  latencies = g_array_new (FALSE, FALSE, sizeof (gint64));
  departed = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free,
      g_free);
  wire->server.keep = TRUE;
  wire->server.on_data = on_frame_data;
  while (number < (guint) (seconds * fps)) {
    if (g_get_monotonic_time () >= start + (gint64) number * 1000000 / fps)
      send_frame (wire, number++);
    g_main_context_iteration (wire->context, FALSE);
    g_usleep (20); /* a finer clock than poll()'s */
  }
  wire_run_for (wire, 500);
  g_array_sort (latencies, compare_times);
  qp_quic_get_info (wire->client.quic, &info);
  g_print ("%s camera %d Mb/s %d fps rtt=%d ms loss=%.1f%%: %u of %u frames, "
           "beyond the delay: p50 %.2f ms, p90 %.2f ms, p99 %.2f ms, max %.2f "
           "ms; CPU %.0f%%, srtt %.2f ms, rttvar %.2f ms, PTO %.2f ms, "
           "cwnd %" G_GUINT64_FORMAT " kB\n",
      controller != NULL ? controller : "bbr", camera_mbps, fps, 2 * delay_ms,
      loss_percent, latencies->len, number, percentile (50), percentile (90),
      percentile (99), percentile (100), 100 * (cpu_seconds () - cpu) / seconds,
      info.srtt_us / 1e3, info.rttvar_us / 1e3, info.pto_us / 1e3,
      info.cwnd / 1000);
  g_hash_table_unref (departed);
  g_array_unref (latencies);
  wire_free (wire);
}

static void
run (void)
{
  Wire *wire = connect_wire ();
  g_autofree guint8 *zeros = g_malloc0 (PACKET_SIZE);
  g_autoptr (GBytes)
      packet = g_bytes_new (zeros, PACKET_SIZE - (payload == 1200 ? 40 : 0));
  double cpu = cpu_seconds ();
  gint64 start = g_get_monotonic_time ();
  gint64 end = start + seconds * G_USEC_PER_SEC;
  gint64 stream = -1;
  gint in_frame = 0;
  guint64 bytes;
  double took;
  QpQuicInfo info;

  while (g_get_monotonic_time () < end) {
    feed (wire, &stream, &in_frame, packet);
    g_main_context_iteration (wire->context, delay_ms > 0);
  }
  took = (g_get_monotonic_time () - start) / 1e6;
  cpu = cpu_seconds () - cpu;
  bytes = wire->server.stream_bytes + wire->server.datagram_bytes;
  qp_quic_get_info (wire->client.quic, &info);
  g_print (
      "%s %s frame=%d payload=%d rtt=%d ms loss=%.1f%%: %.0f Mb/s, %.2f CPU s/GB (both ends), "
      "%.0f datagrams/batch, lost %.2f%%, srtt %.2f ms, cwnd %" G_GUINT64_FORMAT
      " kB\n",
      controller != NULL ? controller : "bbr",
      mapping != NULL ? mapping : "stream-per-frame", frame_packets, payload,
      2 * delay_ms, loss_percent, bytes * 8 / took / 1e6,
      bytes > 0 ? cpu / (bytes / 1e9) : 0,
      (double) wire->client.sent_datagrams / MAX (wire->client.sent_batches, 1),
      100.0 * info.packets_lost / MAX (info.packets_sent, 1),
      info.srtt_us / 1e3, info.cwnd / 1000);
  wire_free (wire);
}

int
main (int argc, char **argv)
{
  g_autoptr (GOptionContext)
      options = g_option_context_new ("- two QUIC connections in memory");
  g_autoptr (GError) error = NULL;

  gst_init (&argc, &argv);
  g_option_context_add_main_entries (options, entries, NULL);
  if (!g_option_context_parse (options, &argc, &argv, &error)) {
    g_printerr ("%s\n", error->message);
    return 2;
  }
  if (camera_mbps > 0)
    run_camera ();
  else
    run ();
  return 0;
}

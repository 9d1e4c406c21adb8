/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Sends one flow of RTP packets at an even rate into a sink.
 *
 *   rtp-flood --rate BITS_PER_SECOND [--size 1200] SINK…
 *
 * SINK is a description as for gst-launch-1.0, whose first element takes
 * application/x-rtp. Every millisecond the packets that are due go down as one
 * buffer list; a frame lasts 1/60 s. Prints each second, as JSON, how many
 * packets it has made; a benchmark measures this process's CPU time from
 * outside, the same for every kind of sink. Ends when its input is closed.
 *
 * The packets are made on a thread of their own, which a sink may block: what
 * was due meanwhile is made up for, up to a quarter of a second.
 */

#include <errno.h>
#include <gst/app/gstappsrc.h>
#include <gst/gst.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define FRAMES_PER_SECOND 60
#define CLOCK_RATE 90000
#define NS_PER_MS 1000000
#define CATCH_UP_MS 250

typedef struct {
  GMainLoop *loop;
  GstElement *pipeline;
  GstAppSrc *source;
  guint packet_size;
  double packets_per_ms;
  gint stop;    /* atomic */
  gsize made;   /* atomic: packets */
  gsize missed; /* atomic: packets that were not made because of blocking */
  int code;
} Flood;

static gint64 rate = 100000000;
static int size = 1200;
static char **words;

static const GOptionEntry options[] = {
  { "rate", 0, 0, G_OPTION_ARG_INT64, &rate, "Bits of RTP a second", "BITS" },
  { "size", 0, 0, G_OPTION_ARG_INT, &size, "Bytes of an RTP packet", "BYTES" },
  { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_STRING_ARRAY, &words, NULL, "SINK" },
  { NULL }
};

static GstBuffer *
packet_new (Flood *flood, gsize number, GstClockTime running_time)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, flood->packet_size, NULL);
  gsize per_frame = MAX (1,
      (gsize) (flood->packets_per_ms * 1000 / FRAMES_PER_SECOND));
  guint8 header[12] = { 0x80 };

  header[1] = 96 | (number % per_frame == per_frame - 1 ? 0x80 : 0);
  GST_WRITE_UINT16_BE (header + 2, (guint16) number);
  GST_WRITE_UINT32_BE (header + 4,
      (guint32) (number / per_frame * (CLOCK_RATE / FRAMES_PER_SECOND)));
  GST_WRITE_UINT32_BE (header + 8, 0x71756963);
  gst_buffer_fill (buffer, 0, header, sizeof header);
  gst_buffer_memset (buffer, sizeof header, (guint8) number,
      flood->packet_size - sizeof header);
  GST_BUFFER_PTS (buffer) = GST_BUFFER_DTS (buffer) = running_time;
  return buffer;
}

static GstClockTime
running_time (Flood *flood)
{
  g_autoptr (GstClock) clock = gst_element_get_clock (flood->pipeline);

  if (!clock)
    return 0;
  return gst_clock_get_time (clock) -
      gst_element_get_base_time (flood->pipeline);
}

static gpointer
flood_thread (gpointer user)
{
  Flood *flood = user;
  struct timespec next;
  double due = 0;
  gsize number = 0;

  clock_gettime (CLOCK_MONOTONIC, &next);
  while (!g_atomic_int_get (&flood->stop)) {
    struct timespec now;
    gint64 late_ms;
    gsize count;
    GstBufferList *list;
    GstClockTime time;

    next.tv_nsec += NS_PER_MS;
    if (next.tv_nsec >= 1000 * NS_PER_MS) {
      next.tv_nsec -= 1000 * NS_PER_MS;
      next.tv_sec++;
    }
    clock_nanosleep (CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
    clock_gettime (CLOCK_MONOTONIC, &now);
    late_ms = (now.tv_sec - next.tv_sec) * 1000 +
        (now.tv_nsec - next.tv_nsec) / NS_PER_MS;
    if (late_ms > CATCH_UP_MS) {
      g_atomic_pointer_add (&flood->missed,
          (gssize) (late_ms * flood->packets_per_ms));
      next = now;
    }

    due += flood->packets_per_ms;
    count = (gsize) due;
    due -= count;
    if (count == 0)
      continue;
    time = running_time (flood);
    list = gst_buffer_list_new_sized (count);
    for (gsize i = 0; i < count; i++)
      gst_buffer_list_add (list, packet_new (flood, number++, time));
    if (gst_app_src_push_buffer_list (flood->source, list) != GST_FLOW_OK)
      break;
    g_atomic_pointer_add (&flood->made, (gssize) count);
  }
  return NULL;
}

static gboolean
print_made (gpointer user)
{
  Flood *flood = user;

  printf ("{\"t\": %.6f, \"packets\": %zu, \"missed\": %zu}\n",
      g_get_monotonic_time () / 1e6,
      (gsize) g_atomic_pointer_get (&flood->made),
      (gsize) g_atomic_pointer_get (&flood->missed));
  fflush (stdout);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_message (GstBus *bus, GstMessage *message, gpointer user)
{
  Flood *flood = user;

  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
    g_autoptr (GError) error = NULL;
    g_autofree char *debug = NULL;

    gst_message_parse_error (message, &error, &debug);
    g_printerr ("rtp-flood: %s: %s\n", error->message, debug ? debug : "");
    flood->code = 1;
    g_main_loop_quit (flood->loop);
  } else if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_LATENCY) {
    gst_bin_recalculate_latency (GST_BIN (flood->pipeline));
  }
  return G_SOURCE_CONTINUE;
}

static gboolean
on_input (GIOChannel *channel, GIOCondition condition, gpointer user)
{
  Flood *flood = user;
  char waste[64];

  if (read (STDIN_FILENO, waste, sizeof waste) > 0)
    return G_SOURCE_CONTINUE;
  g_main_loop_quit (flood->loop);
  return G_SOURCE_REMOVE;
}

static void
source_configure (GstAppSrc *source)
{
  g_autoptr (GstCaps) caps = gst_caps_from_string (
      "application/x-rtp, media=(string)video, clock-rate=(int)90000, "
      "encoding-name=(string)H264, payload=(int)96, "
      "packetization-mode=(string)1");

  gst_app_src_set_caps (source, caps);
  /* A blocked sink blocks the thread, not the memory. */
  g_object_set (source, "is-live", TRUE, "format", GST_FORMAT_TIME, "block",
      TRUE, "max-bytes", (guint64) 4000000, NULL);
}

static void
run (Flood *flood)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (flood->pipeline);
  g_autoptr (GIOChannel) input = g_io_channel_unix_new (STDIN_FILENO);
  GThread *thread;

  gst_bus_add_watch (bus, on_message, flood);
  g_io_add_watch (input, G_IO_IN | G_IO_HUP, on_input, flood);
  g_timeout_add_seconds (1, print_made, flood);
  gst_element_set_state (flood->pipeline, GST_STATE_PLAYING);
  thread = g_thread_new ("flood", flood_thread, flood);
  g_main_loop_run (flood->loop);

  g_atomic_int_set (&flood->stop, 1);
  gst_element_set_state (flood->pipeline, GST_STATE_NULL);
  g_thread_join (thread);
  gst_bus_remove_watch (bus);
}

int
main (int argc, char **argv)
{
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;
  g_autofree char *sink = NULL;
  g_autofree char *description = NULL;
  Flood flood = { 0 };

  g_option_context_add_main_entries (context, options, NULL);
  g_option_context_add_group (context, gst_init_get_option_group ());
  if (!g_option_context_parse (context, &argc, &argv, &error) || !words ||
      rate <= 0 || size < 12 || size > 65000) {
    g_printerr ("rtp-flood: %s\n", error ? error->message : "bad arguments");
    return 2;
  }
  sink = g_strjoinv (" ", words);
  description = g_strdup_printf ("appsrc name=flood ! %s", sink);
  flood.pipeline = gst_parse_launch (description, &error);
  if (!flood.pipeline || error) {
    g_printerr ("rtp-flood: %s\n", error->message);
    return 2;
  }

  flood.packet_size = (guint) size;
  flood.packets_per_ms = rate / 8.0 / size / 1000;
  flood.source = GST_APP_SRC (gst_bin_get_by_name (GST_BIN (flood.pipeline),
      "flood"));
  flood.loop = g_main_loop_new (NULL, FALSE);
  source_configure (flood.source);
  run (&flood);

  g_main_loop_unref (flood.loop);
  gst_object_unref (flood.source);
  gst_object_unref (flood.pipeline);
  g_strfreev (words);
  return flood.code;
}

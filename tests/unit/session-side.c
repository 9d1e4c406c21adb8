/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See session-side.h. */
#include "tests/unit/session-side.h"

#include <pthread.h>
#include <string.h>

void
side_init (Side *side)
{
  memset (side, 0, sizeof *side);
  g_mutex_init (&side->lock);
  g_cond_init (&side->changed);
  side->payload = g_byte_array_new ();
  side->seqs = g_array_new (FALSE, FALSE, sizeof (guint16));
}

void
side_clear (Side *side)
{
  g_clear_pointer (&side->rtcp_return, qp_rtcp_return_unref);
  g_byte_array_unref (side->payload);
  g_array_unref (side->seqs);
  g_free (side->failure);
  g_free (side->last_warning);
  g_cond_clear (&side->changed);
  g_mutex_clear (&side->lock);
}

static void
on_message (GstStructure *structure, gpointer user)
{
  g_autofree char *text = gst_structure_to_string (structure);
  Side *side = user;
  clockid_t cpu;

  g_assert_cmpint (pthread_getcpuclockid (pthread_self (), &cpu), ==, 0);
  SIDE_CHANGE (side, side->messages++; side->cpu = cpu);
  if (gst_structure_has_name (structure, "session-state") &&
      g_str_equal (gst_structure_get_string (structure, "new-state"),
          "connected"))
    SIDE_CHANGE (side, side->connected = TRUE);
  g_test_message ("%s", text);
  gst_structure_free (structure);
}

static void
on_warning (const GError *error, gpointer user)
{
  Side *side = user;

  g_test_message ("warning: %s", error->message);
  SIDE_CHANGE (side, side->warnings++; g_free (side->last_warning);
               side->last_warning = g_strdup (error->message));
}

static void
on_failed (const GError *error, gpointer user)
{
  Side *side = user;

  g_test_message ("failed: %s", error->message);
  SIDE_CHANGE (side, g_free (side->failure);
               side->failure = g_strdup (error->message);
               side->failure_code = error->code);
}

static void
on_track_rtcp (QpTrack *track, GstBuffer *buffer, gpointer user)
{
  Side *side = user;

  gst_buffer_unref (buffer);
  SIDE_CHANGE (side, side->rtcp++);
}

static void
on_track_keyframe (QpTrack *track, gpointer user)
{
  Side *side = user;

  SIDE_CHANGE (side, side->keyframes++);
}

static void
on_added (QpRemoteTrack *track, gpointer user)
{
  Side *side = user;

  SIDE_CHANGE (side, side->remote = track; side->added++;
               g_clear_pointer (&side->rtcp_return, qp_rtcp_return_unref);
               side->rtcp_return = qp_remote_track_ref_rtcp_return (track));
}

static void
on_caps (QpRemoteTrack *track, GstCaps *caps, gpointer user)
{
  Side *side = user;

  SIDE_CHANGE (side, side->caps_changes++);
}

static void
on_removed (QpRemoteTrack *track, QpTrackEnd end, gpointer user)
{
  Side *side = user;

  SIDE_CHANGE (side, side->remote = NULL; side->removed++;
               side->last_end = end);
}

static void
on_rtp (QpRemoteTrack *track, GstBufferList *list, gpointer user)
{
  Side *side = user;

  g_mutex_lock (&side->lock);
  for (guint i = 0; i < gst_buffer_list_length (list); i++) {
    GstMapInfo map;
    guint16 seq;

    gst_buffer_map (gst_buffer_list_get (list, i), &map, GST_MAP_READ);
    seq = GST_READ_UINT16_BE (map.data + 2);
    g_array_append_val (side->seqs, seq);
    g_byte_array_append (side->payload, map.data, map.size);
    if (side->packet)
      side->packet (side, map.data, map.size);
    gst_buffer_unmap (gst_buffer_list_get (list, i), &map);
    side->packets++;
  }
  g_cond_broadcast (&side->changed);
  g_mutex_unlock (&side->lock);
  gst_buffer_list_unref (list);
}

static void
on_rtcp (QpRemoteTrack *track, GstBuffer *buffer, gpointer user)
{
  Side *side = user;

  gst_buffer_unref (buffer);
  SIDE_CHANGE (side, side->rtcp++);
}

static void
on_producer_timeout (gpointer user)
{
  Side *side = user;

  SIDE_CHANGE (side, side->producer_timeout = TRUE);
}

const QpSessionCallbacks side_callbacks = {
  .message = on_message,
  .warning = on_warning,
  .failed = on_failed,
  .track_rtcp = on_track_rtcp,
  .track_keyframe = on_track_keyframe,
  .remote_track_added = on_added,
  .remote_track_caps = on_caps,
  .remote_track_removed = on_removed,
  .remote_rtp = on_rtp,
  .remote_rtcp = on_rtcp,
  .producer_timeout = on_producer_timeout,
};

guint
side_next_port (void)
{
  static guint port;

  if (port == 0)
    port = 20000 + g_random_int_range (0, 20000);
  return port++;
}

QpConfig *
side_make_config (guint port, gboolean server)
{
  QpConfig *config = qp_config_new ();

  config->uri = g_strdup_printf ("quicp2p://127.0.0.1:%u/room", port);
  config->run_signaling_server = server;
  return config;
}

void
side_join (Side *side, const QpConfig *config, gboolean producer)
{
  g_autoptr (GError) error = NULL;

  side->member = qp_session_join (NULL, config, producer, !producer,
      &side_callbacks, side, &error);
  g_assert_no_error (error);
}

GstCaps *
side_video_caps (const char *encoding)
{
  return gst_caps_new_simple ("application/x-rtp", "media", G_TYPE_STRING,
      "video", "encoding-name", G_TYPE_STRING, encoding, "clock-rate",
      G_TYPE_INT, 90000, "payload", G_TYPE_INT, 96, NULL);
}

GstBuffer *
side_make_packet (guint16 seq, guint32 timestamp, gboolean marker, gsize size)
{
  guint8 *data = g_malloc (size);

  for (gsize i = 12; i < size; i++)
    data[i] = (guint8) (seq + i);
  data[0] = 0x80;
  data[1] = 96 | (marker ? 0x80 : 0);
  GST_WRITE_UINT16_BE (data + 2, seq);
  GST_WRITE_UINT32_BE (data + 4, timestamp);
  GST_WRITE_UINT32_BE (data + 8, 0x12345678);
  return gst_buffer_new_wrapped (data, size);
}

GstBuffer *
side_make_rtcp (void)
{
  static const guint8 receiver_report[] = { 0x80, 201, 0, 1, 1, 2, 3, 4 };

  return gst_buffer_new_memdup (receiver_report, sizeof receiver_report);
}

/* One frame of `n` packets. */
void
side_push_frame (QpTrack *track, guint frame, guint n, gsize size)
{
  GstBufferList *list = gst_buffer_list_new ();

  for (guint i = 0; i < n; i++)
    gst_buffer_list_add (list,
        side_make_packet ((guint16) (frame * n + i), frame * 3000, i == n - 1,
            size));
  qp_track_push (track, list);
}

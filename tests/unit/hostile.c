/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See hostile.h. */
#include "tests/unit/hostile.h"

#include <malloc.h>
#include <string.h>

#include "tests/own-namespace.h"

#define FRAME_US 10000
#define FRAME_PACKETS 3
#define PACKET_SIZE 300

/* On a machine whose cores are taken away now and then. The sanitizer makes a
 * NiceAgent cost a hundred times as much. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MEDIAN_US (500 * 1000)
#define LATEST_US ((gint64) 15 * G_USEC_PER_SEC)
#define CPU_PERCENT 99
#else
#define MEDIAN_US (20 * 1000)
#define LATEST_US (G_USEC_PER_SEC)
#define CPU_PERCENT 75
#endif

#define SPARE_FDS 16

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
size_t __sanitizer_get_current_allocated_bytes (void);
#endif

static void
drop_log (const char *domain, GLogLevelFlags level, const char *text,
    gpointer user)
{
}

void
hostile_init (int *argc, char ***argv)
{
  own_namespace_enter ();
  gst_init (argc, argv);
  g_test_init (argc, argv, NULL);
  /* A line for each frame of each WebSocket costs more than the frames. */
  g_log_set_handler ("libsoup", G_LOG_LEVEL_DEBUG, drop_log, NULL);
}

void
run_once (void)
{
  if (!g_main_context_iteration (NULL, FALSE))
    g_usleep (1000);
}

void
run_for (guint ms)
{
  gint64 until = g_get_monotonic_time () + ms * 1000;

  while (g_get_monotonic_time () < until)
    run_once ();
}

QpSignalingServer *
hostile_server_new (void)
{
  const QpSignalingServerConfig config = {
    .address = "127.0.0.1",
    .hub = { .max_peers = 200,
        .messages_per_second = 100000,
        .message_burst = 100000,
        .max_seats_per_address = 200,
        .joins_per_second = 1000 },
  };
  g_autoptr (GError) error = NULL;
  QpSignalingServer *server = qp_signaling_server_new (&config, &error);

  g_assert_no_error (error);
  return server;
}

/* --- Measuring ------------------------------------------------------------ */

/* What is allocated, over all threads; a resident size would have the
 * allocator's habits in it. */
gsize
hostile_heap_size (void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return __sanitizer_get_current_allocated_bytes ();
#else
  struct mallinfo2 info = mallinfo2 ();

  return info.uordblks + info.hblkhd;
#endif
}

guint
hostile_count_fds (void)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc/self/fd", 0, NULL);
  guint n = 0;

  g_assert_nonnull (dir);
  while (g_dir_read_name (dir))
    n++;
  return n;
}

gint64
hostile_cpu_time (Side *side)
{
  struct timespec time;

  g_assert_cmpint (clock_gettime (side->cpu, &time), ==, 0);
  return (gint64) time.tv_sec * G_USEC_PER_SEC + time.tv_nsec / 1000;
}

void
hostile_check_cpu (Side *side, gint64 began_us, gint64 cpu_us)
{
  gint64 wall = g_get_monotonic_time () - began_us;
  gint64 used = hostile_cpu_time (side) - cpu_us;

  g_test_message ("CPU %.0f %%", 100.0 * used / wall);
  g_assert_cmpint (used, <, wall * CPU_PERCENT / 100);
}

/* --- Victims -------------------------------------------------------------- */

/* Each packet tells when it was made. */
static void
on_packet (Side *side, const guint8 *data, gsize size)
{
  Victims *victims = side->user;
  gint64 made, delay;

  g_assert_cmpuint (size, ==, PACKET_SIZE);
  memcpy (&made, data + 12, sizeof made);
  delay = g_get_monotonic_time () - made;
  g_array_append_val (victims->delays, delay);
}

static GstBuffer *
make_stamped (guint16 seq, guint32 timestamp, gboolean marker)
{
  GstBuffer *buffer = side_make_packet (seq, timestamp, marker, PACKET_SIZE);
  gint64 now = g_get_monotonic_time ();

  gst_buffer_fill (buffer, 12, &now, sizeof now);
  return buffer;
}

static gpointer
feed (gpointer data)
{
  Victims *victims = data;
  guint frame;

  for (frame = 0; g_atomic_int_get (&victims->feeding); frame++) {
    GstBufferList *list = gst_buffer_list_new ();

    for (guint i = 0; i < FRAME_PACKETS; i++)
      gst_buffer_list_add (list,
          make_stamped ((guint16) victims->sent++, frame * 900,
              i == FRAME_PACKETS - 1));
    qp_track_push (victims->track, list);
    g_usleep (FRAME_US);
  }
  return NULL;
}

void
victims_start (Victims *victims, const QpConfig *camera, const QpConfig *viewer,
    QpMapping mapping)
{
  g_autoptr (GstCaps) caps = side_video_caps ("H264");
  QpTrackConfig track = { .mid = "sink_0", .mapping = mapping };

  memset (victims, 0, sizeof *victims);
  side_init (&victims->camera);
  side_init (&victims->viewer);
  victims->delays = g_array_new (FALSE, FALSE, sizeof (gint64));
  victims->viewer.user = victims;
  victims->viewer.packet = on_packet;
  side_join (&victims->camera, camera, TRUE);
  victims->track = qp_session_add_track (victims->camera.member, &track, NULL);
  qp_track_set_caps (victims->track, caps);
  side_join (&victims->viewer, viewer, FALSE);
  RUN_UNTIL (&victims->viewer, victims->viewer.added == 1);
  RUN_UNTIL (&victims->camera, victims->camera.keyframes > 0);
  g_atomic_int_set (&victims->feeding, TRUE);
  victims->feeder = g_thread_new ("feeder", feed, victims);
  RUN_UNTIL (&victims->viewer, victims->viewer.packets > 0);
}

void
victims_start_at (Victims *victims, guint port)
{
  g_autoptr (QpConfig) config = side_make_config (port, FALSE);

  victims_start (victims, config, config, QP_MAPPING_STREAM_PER_FRAME);
}

void
victims_get_path (Side *side, char *out, gsize size)
{
  g_autoptr (GstStructure) stats = qp_session_get_stats (side->member);
  const char *address = gst_structure_get_string (stats, "remote-address");

  g_strlcpy (out, address ? address : "", size);
}

/* What both sides were told so far, and warned of. */
static void
count_told (Victims *victims, guint *warnings, guint *messages)
{
  Side *sides[] = { &victims->camera, &victims->viewer };

  *warnings = *messages = 0;
  for (guint i = 0; i < G_N_ELEMENTS (sides); i++) {
    g_mutex_lock (&sides[i]->lock);
    *warnings += sides[i]->warnings;
    *messages += sides[i]->messages;
    g_mutex_unlock (&sides[i]->lock);
  }
}

void
victims_mark (Victims *victims)
{
  /* The snapshot of stats is up to 100 ms old. */
  run_for (200);
  victims_get_path (&victims->viewer, victims->path, sizeof victims->path);
  g_assert_cmpstr (victims->path, !=, "");
  victims->marked_us = g_get_monotonic_time ();
  victims->camera_cpu = hostile_cpu_time (&victims->camera);
  victims->viewer_cpu = hostile_cpu_time (&victims->viewer);
  victims->heap = victims->peak_heap = hostile_heap_size ();
  victims->fds = victims->peak_fds = hostile_count_fds ();
  count_told (victims, &victims->warnings, &victims->messages);
}

void
victims_watch (Victims *victims)
{
  victims->peak_heap = MAX (victims->peak_heap, hostile_heap_size ());
  victims->peak_fds = MAX (victims->peak_fds, hostile_count_fds ());
}

static int
compare (gconstpointer a, gconstpointer b)
{
  gint64 x = *(const gint64 *) a, y = *(const gint64 *) b;

  return x < y ? -1 : x > y;
}

static void
check_packets (Victims *victims)
{
  Side *viewer = &victims->viewer;
  g_autofree guint8 *seen = g_malloc0 (G_MAXUINT16 + 1);
  gint64 median, latest;

  g_atomic_int_set (&victims->feeding, FALSE);
  g_thread_join (victims->feeder);
  RUN_UNTIL (viewer, viewer->packets >= victims->sent);

  g_mutex_lock (&viewer->lock);
  g_assert_cmpuint (viewer->packets, ==, victims->sent);
  g_assert_cmpuint (victims->sent, <, G_MAXUINT16);
  for (guint i = 0; i < viewer->seqs->len; i++)
    seen[g_array_index (viewer->seqs, guint16, i)]++;
  for (guint i = 0; i < victims->sent; i++)
    g_assert_cmpuint (seen[i], ==, 1);
  g_array_sort (victims->delays, compare);
  median = g_array_index (victims->delays, gint64, victims->delays->len / 2);
  latest = g_array_index (victims->delays, gint64, victims->delays->len - 1);
  g_mutex_unlock (&viewer->lock);

  g_test_message ("%u packets, median %.1f ms, latest %.1f ms", victims->sent,
      median / 1000.0, latest / 1000.0);
  g_assert_cmpint (median, <, MEDIAN_US);
  g_assert_cmpint (latest, <, LATEST_US);
}

static void
check_cost (Victims *victims, const Cost *cost)
{
  gint64 wall = g_get_monotonic_time () - victims->marked_us;
  guint warnings, messages;
  gsize heap = victims->peak_heap - victims->heap;
  guint fds = victims->peak_fds - victims->fds;

  count_told (victims, &warnings, &messages);
  warnings -= victims->warnings;
  messages -= victims->messages;
  g_test_message ("%.1f s, heap +%.1f MiB, %u descriptors, %u warnings, "
                  "%u messages",
      wall / 1e6, heap / 1048576.0, fds, warnings, messages);
  /* Neither thread was kept from its call. */
  hostile_check_cpu (&victims->camera, victims->marked_us, victims->camera_cpu);
  hostile_check_cpu (&victims->viewer, victims->marked_us, victims->viewer_cpu);
  g_assert_cmpuint (heap, <=, cost->heap ? cost->heap : 4 * 1024 * 1024);
  g_assert_cmpuint (fds, <=, cost->fds + SPARE_FDS);
  g_assert_cmpuint (warnings, <=, cost->warnings);
  g_assert_cmpuint (messages, <=, cost->messages);
}

void
victims_survived (Victims *victims, const Cost *cost)
{
  Side *camera = &victims->camera, *viewer = &victims->viewer;
  char path[64];

  victims_watch (victims);
  check_packets (victims);
  check_cost (victims, cost);
  /* But for a few that libraries make when first needed. */
  RUN_UNTIL (viewer, hostile_count_fds () <= victims->fds + SPARE_FDS);

  g_assert_null (camera->failure);
  g_assert_null (viewer->failure);
  g_assert_cmpuint (viewer->added, ==, 1);
  g_assert_cmpuint (viewer->removed, ==, 0);
  g_assert_cmpuint (viewer->caps_changes, ==, 0);
  victims_get_path (viewer, path, sizeof path);
  g_assert_cmpstr (path, ==, victims->path);

  qp_session_leave (viewer->member);
  qp_session_leave (camera->member);
  side_clear (viewer);
  side_clear (camera);
  g_array_unref (victims->delays);
}

/* --- Members -------------------------------------------------------------- */

static void
note_peer (Member *member, const QpPeerInfo *peer)
{
  char **id = peer->produces ? &member->camera : &member->viewer;

  /* The victims were there first. */
  if (!*id)
    *id = g_strdup (peer->id);
}

static void
on_message (QpSignalingClient *client, const QpMessage *message, gpointer user)
{
  Member *member = user;

  if (message->type == QP_MESSAGE_JOINED) {
    for (guint i = 0; i < message->peers->len; i++)
      note_peer (member, g_ptr_array_index (message->peers, i));
  } else if (message->type == QP_MESSAGE_ERROR) {
    member->errors++;
  } else if (message->from) {
    g_ptr_array_add (member->messages, qp_message_copy (message));
    if (member->received)
      member->received (member, message);
  }
}

void
member_join (Member *member, guint port, const char *name, gboolean produces)
{
  static const QpSignalingClientCallbacks callbacks = { .message = on_message };
  g_autofree char *token = qp_signaling_token_new ();
  QpSignalingClientConfig config = {
    .host = "127.0.0.1",
    .port = port,
    .room = "room",
    .token = token,
    .name = name,
    .produces = produces,
    .consumes = !produces,
  };
  g_autoptr (GError) error = NULL;
  gint64 until = g_get_monotonic_time () + SIDE_WAIT_US;

  member->messages =
      g_ptr_array_new_with_free_func ((GDestroyNotify) qp_message_free);
  member->client = qp_signaling_client_new (&config, &callbacks, member,
      &error);
  g_assert_no_error (error);
  qp_signaling_client_start (member->client);
  while (qp_signaling_client_get_state (member->client) !=
      QP_SIGNALING_JOINED) {
    g_assert_cmpint (g_get_monotonic_time (), <, until);
    run_once ();
  }
}

static gboolean
set_true (gpointer data)
{
  *(gboolean *) data = TRUE;
  return G_SOURCE_REMOVE;
}

void
member_leave (Member *member)
{
  gboolean left = FALSE;
  gint64 until = g_get_monotonic_time () + SIDE_WAIT_US;

  qp_signaling_client_leave (member->client, set_true, &left);
  while (!left) {
    g_assert_cmpint (g_get_monotonic_time (), <, until);
    run_once ();
  }
  qp_signaling_client_free (member->client);
  g_ptr_array_unref (member->messages);
  g_free (member->camera);
  g_free (member->viewer);
}

void
member_send (Member *member, const char *to, QpMessage *message)
{
  gint64 until = g_get_monotonic_time () + SIDE_WAIT_US;

  g_free (message->to);
  message->to = g_strdup (to);
  /* A megabyte is queued at most. */
  while (!qp_signaling_client_send (member->client, message)) {
    g_assert_cmpint (g_get_monotonic_time (), <, until);
    run_once ();
  }
  qp_message_free (message);
}

guint
member_count (Member *member, QpMessageType type)
{
  guint n = 0;

  for (guint i = 0; i < member->messages->len; i++)
    n += ((QpMessage *) g_ptr_array_index (member->messages, i))->type == type;
  return n;
}

const QpMessage *
member_wait (Member *member, QpMessageType type, guint n)
{
  gint64 until = g_get_monotonic_time () + SIDE_WAIT_US;

  while (member_count (member, type) < n) {
    if (g_get_monotonic_time () > until)
      g_error ("no %s came", qp_message_type_to_string (type));
    run_once ();
  }
  return member_last (member, type);
}

const QpMessage *
member_last (Member *member, QpMessageType type)
{
  for (guint i = member->messages->len; i > 0; i--) {
    const QpMessage *message = g_ptr_array_index (member->messages, i - 1);

    if (message->type == type)
      return message;
  }
  return NULL;
}

/* --- Messages ------------------------------------------------------------- */

char *
new_id (void)
{
  return g_strdup_printf ("%08x%08x%08x%08x", g_random_int (), g_random_int (),
      g_random_int (), g_random_int ());
}

char *
some_fingerprint (void)
{
  GString *text = g_string_new ("sha-256 ");

  for (guint i = 0; i < 32; i++)
    g_string_append_printf (text, "%s%02X", i > 0 ? ":" : "",
        (guint) g_random_int_range (0, 256));
  return g_string_free (text, FALSE);
}

QpMessage *
new_offer (const char *call)
{
  QpMessage *offer = qp_message_new (QP_MESSAGE_OFFER);

  offer->call = call ? g_strdup (call) : new_id ();
  offer->fingerprint = some_fingerprint ();
  offer->ufrag = g_strdup ("abcd");
  offer->password = g_strdup ("abcdefghijklmnopqrstuvwx");
  return offer;
}

QpMessage *
new_candidate (const char *call, const char *candidate)
{
  QpMessage *message = qp_message_new (QP_MESSAGE_CANDIDATE);

  message->call = g_strdup (call);
  message->candidate = g_strdup (candidate);
  return message;
}

QpMessage *
new_bye (const char *call)
{
  QpMessage *bye = qp_message_new (QP_MESSAGE_BYE);

  bye->call = g_strdup (call);
  bye->code = g_strdup ("over");
  bye->text = g_strdup ("the end");
  return bye;
}

QpMessage *
new_media (const char *call, const char *sdp)
{
  QpMessage *media = qp_message_new (QP_MESSAGE_MEDIA);

  media->call = g_strdup (call);
  media->sdp = g_strdup (sdp);
  return media;
}

char *
make_sdp (const char *prefix, guint n, guint64 first_id)
{
  GString *sdp = g_string_new ("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\n"
                               "t=0 0\r\n");

  for (guint i = 0; i < n; i++)
    g_string_append_printf (sdp,
        "m=video 9 QUIC/RTP/AVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:%s%u\r\n"
        "a=sendonly\r\na=rtcp-mux\r\na=roq-flow-id:%" G_GUINT64_FORMAT
        "\r\na=rtpmap:96 H264/90000\r\n",
        prefix, i, first_id + i);
  return g_string_free (sdp, FALSE);
}

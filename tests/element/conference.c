/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Participants: a sink and a source of one session each, in one room, with the
 * real sessions between them on loopback. */
#include <gst/check/gstcheck.h>

#include "fixture.h"

#define JPEG                                                                \
  "videotestsrc is-live=true ! video/x-raw,format=I420,width=64,height=48," \
  "framerate=25/1 ! jpegenc ! rtpjpegpay ! "
#define OPUS \
  "audiotestsrc is-live=true samplesperbuffer=960 ! opusenc ! rtpopuspay ! "
#define SERVER "quicp2psink run-signaling-server=true uri=%s"

#define FINGERPRINT                                                     \
  "\"sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:" \
  "33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\""

/* --- Participants ---------------------------------------------------------- */

/* What the application of a participant sees. */
typedef struct {
  Pipe *pipe;
  GstElement *src;

  GMutex lock; /* guards the fields below */
  GCond changed;
  guint pads, added, removed; /* `pads`: now */
  guint joined, left;
  GPtrArray *events;   /* of char*: "joined NAME", "pad NAME KIND", … */
  GHashTable *counts;  /* GstPad* → buffers that came out of it, GUINT */
  const char *refuses; /* the name of whom it does not accept; nullable */
} Participant;

static void
note (Participant *self, char *event)
{
  g_mutex_lock (&self->lock);
  g_ptr_array_add (self->events, event);
  g_cond_broadcast (&self->changed);
  g_mutex_unlock (&self->lock);
}

/* Fails unless the condition holds in time. */
#define WAIT_FOR(self, condition)                                              \
  G_STMT_START                                                                 \
  {                                                                            \
    gint64 until = g_get_monotonic_time () + 20 * G_USEC_PER_SEC;              \
    g_mutex_lock (&(self)->lock);                                              \
    while (!(condition))                                                       \
      fail_unless (g_cond_wait_until (&(self)->changed, &(self)->lock, until), \
          "%s: %s did not come true", GST_OBJECT_NAME ((self)->src),           \
          #condition);                                                         \
    g_mutex_unlock (&(self)->lock);                                            \
  }                                                                            \
  G_STMT_END

/* TRUE if that event was seen; with the lock. */
static gboolean
seen (Participant *self, const char *event)
{
  for (guint i = 0; i < self->events->len; i++) {
    if (g_str_equal (g_ptr_array_index (self->events, i), event))
      return TRUE;
  }
  return FALSE;
}

static GstPadProbeReturn
count_buffer (GstPad *pad, GstPadProbeInfo *info, gpointer user)
{
  Participant *self = user;
  guint n;

  g_mutex_lock (&self->lock);
  n = GPOINTER_TO_UINT (g_hash_table_lookup (self->counts, pad));
  g_hash_table_insert (self->counts, pad, GUINT_TO_POINTER (n + 1));
  g_cond_broadcast (&self->changed);
  g_mutex_unlock (&self->lock);
  return GST_PAD_PROBE_OK;
}

static void
check_stream_start (GstPad *pad, const char *peer_id)
{
  g_autoptr (GstEvent)
      event = gst_pad_get_sticky_event (pad, GST_EVENT_STREAM_START, 0);
  g_autoptr (GstEvent) tag = gst_pad_get_sticky_event (pad, GST_EVENT_TAG, 0);
  g_autofree char *title = NULL;
  g_autofree char *name = NULL;
  GstTagList *tags;
  const char *stream_id;
  guint group = 0;

  fail_unless (event != NULL);
  gst_event_parse_stream_start (event, &stream_id);
  fail_unless (strstr (stream_id, peer_id) != NULL, "%s", stream_id);
  fail_unless (gst_event_parse_group_id (event, &group) && group != 0);

  g_object_get (pad, "peer-name", &name, NULL);
  fail_unless (tag != NULL);
  gst_event_parse_tag (tag, &tags);
  fail_unless (gst_tag_list_get_string (tags, GST_TAG_TITLE, &title));
  fail_unless_equals_string (title, name);
}

/* A branch for each pad, as an application makes it. */
static void
on_pad_added (GstElement *src, GstPad *pad, gpointer user)
{
  Participant *self = user;
  GstElement *sink = gst_element_factory_make ("fakesink", NULL);
  g_autoptr (GstPad) sinkpad = gst_element_get_static_pad (sink, "sink");
  g_autofree char *id = NULL;
  g_autofree char *name = NULL;
  g_autofree char *kind = NULL;

  g_object_get (pad, "peer-id", &id, "peer-name", &name, "kind", &kind, NULL);
  fail_unless (id && strlen (id) == 32, "peer-id is %s", id);
  check_stream_start (pad, id);

  g_object_set (sink, "sync", FALSE, "async", FALSE, NULL);
  g_object_set_data (G_OBJECT (pad), "sink", sink);
  gst_pad_add_probe (sinkpad,
      GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST, count_buffer,
      self, NULL);
  gst_bin_add (GST_BIN (self->pipe->pipeline), sink);
  gst_element_sync_state_with_parent (sink);
  fail_unless_equals_int (gst_pad_link (pad, sinkpad), GST_PAD_LINK_OK);

  g_mutex_lock (&self->lock);
  self->pads++;
  self->added++;
  g_mutex_unlock (&self->lock);
  note (self, g_strdup_printf ("pad %s %s", name, kind));
}

static void
on_pad_removed (GstElement *src, GstPad *pad, gpointer user)
{
  Participant *self = user;
  GstElement *sink = g_object_steal_data (G_OBJECT (pad), "sink");
  g_autoptr (GstPad) sinkpad = NULL;
  g_autofree char *name = NULL;
  g_autofree char *kind = NULL;

  if (!sink)
    return;
  g_object_get (pad, "peer-name", &name, "kind", &kind, NULL);
  sinkpad = gst_element_get_static_pad (sink, "sink");
  note (self,
      g_strdup_printf ("pad %s %s gone%s", name, kind,
          GST_PAD_IS_EOS (sinkpad) ? " after EOS" : ""));
  gst_element_set_state (sink, GST_STATE_NULL);
  gst_bin_remove (GST_BIN (self->pipe->pipeline), sink);
  g_mutex_lock (&self->lock);
  self->pads--;
  self->removed++;
  g_cond_broadcast (&self->changed);
  g_mutex_unlock (&self->lock);
}

static void
on_joined (GstElement *src, const char *id, const char *name, gpointer user)
{
  Participant *self = user;

  g_mutex_lock (&self->lock);
  self->joined++;
  g_mutex_unlock (&self->lock);
  note (self, g_strdup_printf ("joined %s", name));
}

static void
on_left (GstElement *src, const char *id, const char *name, const char *reason,
    gpointer user)
{
  Participant *self = user;

  fail_unless (reason != NULL && *reason);
  g_mutex_lock (&self->lock);
  self->left++;
  g_mutex_unlock (&self->lock);
  note (self, g_strdup_printf ("left %s", name));
}

static gboolean
on_accept (GstElement *src, const char *id, const char *name,
    const char *fingerprint, gpointer user)
{
  Participant *self = user;
  gboolean accepted = !self->refuses || g_strcmp0 (name, self->refuses) != 0;

  fail_unless (id && strlen (id) == 32);
  fail_if (fingerprint && !g_str_has_prefix (fingerprint, "sha-256 "));
  /* Who calls us first is asked about once, and by its fingerprint. */
  note (self,
      g_strdup_printf ("%s %s", accepted ? "accepted" : "refused", name));
  if (fingerprint)
    note (self, g_strdup_printf ("fingerprint of %s", name));
  return accepted;
}

/* @media is what it sends, linked to "sink."; NULL: it has no sink.  Not
 * started. */
static Participant *
participant_new (const char *name, const char *media, const char *producer,
    const char *uri)
{
  Participant *self = g_new0 (Participant, 1);
  g_autofree char *sink = media
      ? g_strdup_printf (" quicp2psink name=sink session=%s display-name=%s "
                         "uri=%s",
            name, name, uri)
      : g_strdup ("");

  g_mutex_init (&self->lock);
  g_cond_init (&self->changed);
  self->events = g_ptr_array_new_with_free_func (g_free);
  self->counts = g_hash_table_new (NULL, NULL);
  self->pipe = pipe_new ("quicp2psrc name=src session=%s display-name=%s "
                         "latency=50 %s%s uri=%s %s%s",
      name, name, producer ? "producer=" : "", producer ? producer : "", uri,
      media ? media : "", sink);
  self->src = pipe_get (self->pipe, "src");
  g_signal_connect (self->src, "pad-added", G_CALLBACK (on_pad_added), self);
  g_signal_connect (self->src, "pad-removed", G_CALLBACK (on_pad_removed),
      self);
  g_signal_connect (self->src, "peer-joined", G_CALLBACK (on_joined), self);
  g_signal_connect (self->src, "peer-left", G_CALLBACK (on_left), self);
  g_signal_connect (self->src, "accept-peer", G_CALLBACK (on_accept), self);
  return self;
}

static void
participant_free (Participant *self)
{
  gst_object_unref (self->src);
  pipe_free (self->pipe);
  g_ptr_array_unref (self->events);
  g_hash_table_unref (self->counts);
  g_cond_clear (&self->changed);
  g_mutex_clear (&self->lock);
  g_free (self);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Participant, participant_free)

static Participant *
participant_start (Participant *self)
{
  pipe_set_state (self->pipe, GST_STATE_PLAYING);
  return self;
}

/* Until every pad that there is now gave @n buffers more. */
static void
wait_for_all_pads (Participant *self, guint n)
{
  g_autoptr (GHashTable) before = g_hash_table_new (NULL, NULL);
  gint64 until = g_get_monotonic_time () + 20 * G_USEC_PER_SEC;
  GHashTableIter iter;
  gpointer sinkpad, count;

  g_mutex_lock (&self->lock);
  g_hash_table_remove_all (self->counts);
  for (;;) {
    guint flowing = 0;

    g_hash_table_iter_init (&iter, self->counts);
    while (g_hash_table_iter_next (&iter, &sinkpad, &count))
      flowing += GPOINTER_TO_UINT (count) >= n;
    if (flowing >= self->pads)
      break;
    fail_unless (g_cond_wait_until (&self->changed, &self->lock, until),
        "%s: only %u of %u pads give buffers", GST_OBJECT_NAME (self->src),
        flowing, self->pads);
  }
  g_mutex_unlock (&self->lock);
}

static guint
get_peer_count (Pipe *pipe, const char *name)
{
  g_autoptr (GstStructure) stats = pipe_get_stats (pipe, name);
  guint count = 0;

  fail_unless (gst_structure_get_uint (stats, "peer-count", &count));
  return count;
}

static Pipe *
start_server (const char *uri)
{
  Pipe *server = pipe_new (SERVER, uri);

  pipe_set_state (server, GST_STATE_PLAYING);
  return server;
}

/* --- Two and three --------------------------------------------------------- */

GST_START_TEST (test_three)
{
  g_autofree char *server_uri = fixture_new_uri ();
  g_autofree char *uri = g_strconcat (server_uri, "/three", NULL);
  g_autoptr (Pipe) server = start_server (server_uri);
  static const char media[] = JPEG "sink. " OPUS "sink.";
  g_autoptr (Participant)
      ada = participant_start (participant_new ("ada", media, "all", uri));
  g_autoptr (Participant)
      bob = participant_start (participant_new ("bob", media, "all", uri));
  Participant *cem = participant_start (participant_new ("cem", media, "all",
      uri));

  WAIT_FOR (ada, ada->pads == 4);
  WAIT_FOR (bob, bob->pads == 4);
  WAIT_FOR (cem, cem->pads == 4);
  wait_for_all_pads (ada, 10);
  wait_for_all_pads (bob, 10);
  wait_for_all_pads (cem, 10);
  WAIT_FOR (ada, seen (ada, "pad bob video"));
  WAIT_FOR (ada, seen (ada, "pad cem audio"));
  /* Sink and source are one member, with one connection to each other. */
  fail_unless_equals_int (get_peer_count (ada->pipe, "src"), 2);
  fail_unless_equals_int (get_peer_count (ada->pipe, "sink"), 2);
  fail_unless_equals_int (ada->joined, 2);

  participant_free (cem);
  WAIT_FOR (ada, ada->pads == 2);
  WAIT_FOR (bob, bob->pads == 2);
  WAIT_FOR (ada, seen (ada, "left cem"));
  WAIT_FOR (ada, seen (ada, "pad cem video gone after EOS"));
  fail_if (seen (ada, "left bob"));
  wait_for_all_pads (ada, 10);
  wait_for_all_pads (bob, 10);
  pipe_check_no_error (ada->pipe);

  /* The same name again is another member. */
  cem = participant_start (participant_new ("cem", media, "all", uri));
  WAIT_FOR (ada, ada->pads == 4);
  WAIT_FOR (cem, cem->pads == 4);
  wait_for_all_pads (ada, 10);
  participant_free (cem);
}
GST_END_TEST

/* One pipeline for what is sent and what is shown, by sinks that preroll: none
 * of the two waits for the other's picture before it sends its own. */
GST_START_TEST (test_one_pipeline)
{
  g_autofree char *uri = fixture_new_uri ();
  g_autofree char *room = g_strconcat (uri, "/pipeline", NULL);
  g_autoptr (Pipe) server = start_server (uri);
  const char *live = __i__ ? "is-live=true" : "";
  Pipe *pipes[2];

  for (guint i = 0; i < 2; i++) {
    pipes[i] = pipe_new ("videotestsrc %s ! "
                         "video/x-raw,format=I420,width=64,height=48 ! "
                         "jpegenc ! rtpjpegpay ! quicp2psink session=%u uri=%s "
                         "quicp2psrc session=%u uri=%s ! rtpjpegdepay ! "
                         "jpegdec ! fakesink name=count sync=true",
        live, i, room, i, room);
    pipe_set_state (pipes[i], GST_STATE_PLAYING);
    g_usleep (200000);
  }
  for (guint i = 0; i < 2; i++) {
    pipe_wait_for_buffers (pipes[i], 0, 10);
    fail_unless_equals_int (gst_element_get_state (pipes[i]->pipeline, NULL,
                                NULL, 5 * GST_SECOND),
        GST_STATE_CHANGE_SUCCESS);
  }
  pipe_free (pipes[0]);
  pipe_free (pipes[1]);
}
GST_END_TEST

/* --- Sink and source of one session ---------------------------------------- */

/* A sink that is the other half of a participant's session. */
static Pipe *
camera_new (const char *name, const char *media, const char *uri)
{
  return pipe_new ("%s quicp2psink name=sink session=%s display-name=%s uri=%s",
      media, name, name, uri);
}

/* A source alone; its sink is for the caller to make. */
static Participant *
watcher_new (const char *name, const char *producer, const char *uri)
{
  return participant_new (name, NULL, producer, uri);
}

/* Either may come first, go and come back, while the other plays on. */
GST_START_TEST (test_halves_come_and_go)
{
  g_autofree char *server_uri = fixture_new_uri ();
  g_autofree char *uri = g_strconcat (server_uri, "/halves", NULL);
  g_autoptr (Pipe) server = start_server (server_uri);
  g_autoptr (Participant) bob = participant_start (participant_new ("bob",
      JPEG "sink.", "all", uri));
  gboolean source_first = __i__ == 0;
  g_autoptr (Pipe) camera = camera_new ("ada", JPEG, uri);
  g_autoptr (Participant) ada = watcher_new ("ada", "all", uri);

  if (source_first)
    participant_start (ada);
  pipe_set_state (camera, GST_STATE_PLAYING);
  participant_start (ada);
  WAIT_FOR (ada, ada->pads == 1);
  WAIT_FOR (bob, bob->pads == 1);
  wait_for_all_pads (ada, 5);
  wait_for_all_pads (bob, 5);
  fail_unless_equals_int (get_peer_count (ada->pipe, "src"), 1);

  /* The sink goes: its streams end at the others, and it sees them still. */
  pipe_set_state (camera, GST_STATE_NULL);
  WAIT_FOR (bob, bob->pads == 0);
  wait_for_all_pads (ada, 5);
  fail_unless_equals_int (get_peer_count (ada->pipe, "src"), 1);
  pipe_set_state (camera, GST_STATE_PLAYING);
  WAIT_FOR (bob, bob->pads == 1);
  wait_for_all_pads (bob, 5);
  fail_unless_equals_int (ada->added, 1);

  /* The source goes: it is seen all the time, on the same pad. */
  pipe_set_state (ada->pipe, GST_STATE_NULL);
  fail_unless_equals_int (ada->pads, 0);
  wait_for_all_pads (bob, 5);
  pipe_set_state (ada->pipe, GST_STATE_PLAYING);
  WAIT_FOR (ada, ada->pads == 1);
  wait_for_all_pads (ada, 5);
  fail_unless_equals_int (bob->added, 2);
  fail_unless_equals_int (bob->joined, 1);
  fail_unless_equals_int (bob->left, 0);
  /* Told to the source each time that it came. */
  fail_unless_equals_int (ada->joined, 2);
  pipe_check_no_error (camera);
}
GST_END_TEST

/* One who plays one producer keeps the pad for the time when that is back. */
GST_START_TEST (test_sink_returns_to_viewer)
{
  g_autofree char *server_uri = fixture_new_uri ();
  g_autofree char *uri = g_strconcat (server_uri, "/viewer", NULL);
  g_autoptr (Pipe) server = start_server (server_uri);
  g_autoptr (Participant) ada = watcher_new ("ada", "all", uri);
  g_autoptr (Pipe) camera = camera_new ("ada", JPEG, uri);
  g_autoptr (Participant) eve = watcher_new ("eve", NULL, uri);

  pipe_set_state (camera, GST_STATE_PLAYING);
  participant_start (ada);
  participant_start (eve);
  WAIT_FOR (eve, eve->pads == 1);
  wait_for_all_pads (eve, 5);
  pipe_set_state (camera, GST_STATE_NULL);
  WAIT_FOR (eve, seen (eve, "left ada"));
  pipe_set_state (camera, GST_STATE_PLAYING);
  wait_for_all_pads (eve, 5);
  fail_unless_equals_int (eve->added, 1);
  fail_unless_equals_int (eve->removed, 0);
}
GST_END_TEST

/* --- Whom to play ---------------------------------------------------------- */

/* One of several, however late, and nobody else. */
GST_START_TEST (test_chosen_producer)
{
  g_autofree char *server_uri = fixture_new_uri ();
  g_autofree char *uri = g_strconcat (server_uri, "/chosen", NULL);
  g_autoptr (Pipe) server = start_server (server_uri);
  g_autoptr (Pipe) ada = camera_new ("ada", JPEG, uri);
  g_autoptr (Pipe) bob = camera_new ("bob", JPEG, uri);
  g_autoptr (Participant) by_name = watcher_new ("eve", "bob", uri);
  g_autoptr (Participant) by_id = NULL;
  g_autoptr (GstPad) pad = NULL;
  g_autofree char *id = NULL;

  pipe_set_state (ada, GST_STATE_PLAYING);
  pipe_wait_for_element_message (ada, "session-state", "new-state", "waiting");
  participant_start (by_name);
  g_usleep (500000);
  fail_unless_equals_int (by_name->joined, 0);
  pipe_set_state (bob, GST_STATE_PLAYING);
  WAIT_FOR (by_name, seen (by_name, "pad bob video"));
  wait_for_all_pads (by_name, 5);

  pad = gst_element_get_static_pad (by_name->src, "src_0");
  g_object_get (pad, "peer-id", &id, NULL);
  by_id = participant_start (watcher_new ("fay", id, uri));
  WAIT_FOR (by_id, seen (by_id, "pad bob video"));
  wait_for_all_pads (by_id, 5);
  /* The camera is told too. */
  pipe_wait_for_element_message (bob, "peer-joined", "peer-name", "eve");
  pipe_wait_for_element_message (bob, "peer-joined", "peer-name", "fay");

  /* Who is gone is not replaced by another. */
  pipe_set_state (bob, GST_STATE_NULL);
  WAIT_FOR (by_name, seen (by_name, "left bob"));
  WAIT_FOR (by_id, seen (by_id, "left bob"));
  g_usleep (500000);
  fail_unless_equals_int (by_name->added, 1);
  fail_unless_equals_int (by_id->added, 1);
  fail_if (seen (by_name, "joined ada") || seen (by_id, "joined ada"));
}
GST_END_TEST

/* --- Settings -------------------------------------------------------------- */

GST_START_TEST (test_different_settings)
{
  static const struct {
    const char *sink, *src, *names;
  } tests[] = {
    { "display-name=a", "display-name=b", "display-name" },
    { "room-secret=a", "room-secret=b", "room-secret" },
    { "congestion-control=cubic", "congestion-control=bbr",
        "congestion-control" },
    { "min-port=4000 max-port=4100", "min-port=4001 max-port=4100",
        "min-port" },
    { "ice-transport-policy=relay", "", "ice-transport-policy" },
    { "interfaces=lo", "", "interfaces" },
    { "", "max-port=4100", "max-port" },
    { "", "stun-server=192.0.2.1", "stun-server" },
    { "", "turn-server=turn://ann:room-secret=@192.0.2.1", "turn-server" },
    { "", "certificate=c.pem key=k.pem", "certificate" },
    { "", "ca-file=ca.pem", "ca-file" },
    { "", "peer-name=b ca-file=ca.pem", "ca-file" },
    { "", "peer-fingerprint=" FINGERPRINT, "peer-fingerprint" },
    { "", "qlog-dir=/nowhere", "qlog-dir" },
  };
  g_autofree char *uri = fixture_new_uri ();
  g_autoptr (Pipe) camera = pipe_new ("quicp2psink name=sink session=s "
                                      "run-signaling-server=true %s uri=%s",
      tests[__i__].sink, uri);
  g_autoptr (Pipe) viewer = pipe_new ("quicp2psrc name=src session=s %s uri=%s",
      tests[__i__].src, uri);
  g_autoptr (GstMessage) message = NULL;
  g_autoptr (GError) error = NULL;

  pipe_set_state (camera, GST_STATE_PLAYING);
  fail_unless_equals_int (gst_element_set_state (viewer->pipeline,
                              GST_STATE_PLAYING),
      GST_STATE_CHANGE_FAILURE);
  message = pipe_wait_for_message (viewer, GST_MESSAGE_ERROR, 1000);
  gst_message_parse_error (message, &error, NULL);
  fail_unless (g_error_matches (error, GST_RESOURCE_ERROR,
      GST_RESOURCE_ERROR_SETTINGS));
  fail_unless (strstr (error->message, tests[__i__].names) != NULL, "%s",
      error->message);
  /* And no secret. */
  fail_if (strstr (error->message, "room-secret=") != NULL);
  pipe_check_no_error (camera);
}
GST_END_TEST

/* --- Who may come ---------------------------------------------------------- */

GST_START_TEST (test_not_accepted)
{
  g_autofree char *server_uri = fixture_new_uri ();
  g_autofree char *uri = g_strconcat (server_uri, "/accept", NULL);
  g_autoptr (Pipe) server = start_server (server_uri);
  g_autoptr (Participant)
      ada = participant_new ("ada", JPEG "sink.", "all", uri);
  g_autoptr (Participant)
      bob = participant_new ("bob", JPEG "sink.", "all", uri);
  g_autoptr (Participant)
      mallory = participant_new ("mallory", JPEG "sink.", "all", uri);

  ada->refuses = "mallory";
  /* Mallory calls first, or is called. */
  participant_start (__i__ ? ada : mallory);
  participant_start (__i__ ? mallory : ada);
  participant_start (bob);
  WAIT_FOR (ada, seen (ada, "refused mallory"));
  WAIT_FOR (ada, seen (ada, "accepted bob"));
  WAIT_FOR (bob, bob->pads == 2);
  WAIT_FOR (ada, ada->pads == 1);
  WAIT_FOR (mallory, mallory->pads == 1);
  wait_for_all_pads (bob, 10);
  /* Long enough to call again. */
  g_usleep (1500000);
  fail_if (seen (ada, "joined mallory"));
  fail_if (seen (mallory, "joined ada"));
  /* Nobody is connected whose certificate was not asked about. */
  fail_unless (seen (ada, "fingerprint of bob"));
  fail_unless (seen (bob, "fingerprint of mallory"));
  fail_unless_equals_int (ada->added, 1);
  fail_unless_equals_int (mallory->added, 1);
  wait_for_all_pads (ada, 10);
  pipe_check_no_error (ada->pipe);
  pipe_check_no_error (mallory->pipe);
}
GST_END_TEST

/* Who joins a session later has a say about the calls that are there. */
GST_START_TEST (test_not_accepted_later)
{
  g_autofree char *server_uri = fixture_new_uri ();
  g_autofree char *uri = g_strconcat (server_uri, "/later", NULL);
  g_autoptr (Pipe) server = start_server (server_uri);
  g_autoptr (Pipe) camera = camera_new ("ada", JPEG, uri);
  g_autoptr (Participant) ada = watcher_new ("ada", "all", uri);
  g_autoptr (Participant)
      bob = participant_new ("bob", JPEG "sink.", "all", uri);
  g_autoptr (Participant)
      mallory = participant_new ("mallory", JPEG "sink.", "all", uri);

  ada->refuses = "mallory";
  pipe_set_state (camera, GST_STATE_PLAYING);
  participant_start (bob);
  participant_start (mallory);
  WAIT_FOR (bob, bob->pads == 2);
  WAIT_FOR (mallory, mallory->pads == 2);
  wait_for_all_pads (mallory, 5);
  participant_start (ada);
  WAIT_FOR (mallory, seen (mallory, "left ada"));
  WAIT_FOR (mallory, mallory->pads == 1);
  WAIT_FOR (ada, ada->pads == 1);
  fail_unless (seen (ada, "refused mallory"));
  fail_if (seen (ada, "joined mallory"));
  fail_if (seen (bob, "left ada"));
  wait_for_all_pads (ada, 10);
  wait_for_all_pads (bob, 10);
  fail_unless_equals_int (get_peer_count (camera, "sink"), 1);
  pipe_check_no_error (camera);
  pipe_check_no_error (mallory->pipe);
}
GST_END_TEST

/* Somebody who plays one takes the next one that it accepts. */
GST_START_TEST (test_first_not_accepted)
{
  g_autofree char *server_uri = fixture_new_uri ();
  g_autofree char *uri = g_strconcat (server_uri, "/first", NULL);
  g_autoptr (Pipe) server = start_server (server_uri);
  g_autoptr (Pipe) mallory = camera_new ("mallory", JPEG, uri);
  g_autoptr (Pipe) bob = camera_new ("bob", JPEG, uri);
  g_autoptr (Participant) eve = watcher_new ("eve", NULL, uri);

  eve->refuses = "mallory";
  pipe_set_state (mallory, GST_STATE_PLAYING);
  pipe_wait_for_element_message (mallory, "session-state", "new-state",
      "waiting");
  pipe_set_state (bob, GST_STATE_PLAYING);
  pipe_wait_for_element_message (bob, "session-state", "new-state", "waiting");
  participant_start (eve);
  WAIT_FOR (eve, seen (eve, "pad bob video"));
  wait_for_all_pads (eve, 10);
  fail_if (seen (eve, "joined mallory"));
}
GST_END_TEST

/* --- Pads in trouble ------------------------------------------------------- */

static GstPadProbeReturn
hold (GstPad *pad, GstPadProbeInfo *info, gpointer user)
{
  return GST_PAD_PROBE_OK; /* while the probe is there, the pad is blocked */
}

/* Blocks the branch of the pad that shows @name: whoever comes, waits there. */
static void
block_branch (GstElement *src, GstPad *pad, gpointer name)
{
  GstElement *sink = g_object_get_data (G_OBJECT (pad), "sink");
  g_autofree char *peer_name = NULL;
  g_autoptr (GstPad) sinkpad = NULL;

  g_object_get (pad, "peer-name", &peer_name, NULL);
  if (g_strcmp0 (peer_name, name) != 0)
    return;
  sinkpad = gst_element_get_static_pad (sink, "sink");
  gst_pad_add_probe (sinkpad, GST_PAD_PROBE_TYPE_BLOCK_DOWNSTREAM, hold, NULL,
      NULL);
}

/* A streaming thread waits in the branch of a peer that leaves. */
GST_START_TEST (test_peer_leaves_blocked_pad)
{
  g_autofree char *server_uri = fixture_new_uri ();
  g_autofree char *uri = g_strconcat (server_uri, "/blocked", NULL);
  g_autoptr (Pipe) server = start_server (server_uri);
  g_autoptr (Participant)
      ada = participant_new ("ada", JPEG "sink.", "all", uri);
  g_autoptr (Participant)
      bob = participant_new ("bob", JPEG "sink.", "all", uri);
  Participant *cem = participant_new ("cem", JPEG "sink.", "all", uri);

  g_signal_connect (ada->src, "pad-added", G_CALLBACK (block_branch),
      (gpointer) "cem");
  participant_start (ada);
  participant_start (bob);
  participant_start (cem);
  WAIT_FOR (ada, ada->pads == 2);
  WAIT_FOR (cem, cem->pads == 2);
  g_usleep (300000);
  participant_free (cem);
  WAIT_FOR (ada, seen (ada, "pad cem video gone"));
  WAIT_FOR (ada, ada->pads == 1);
  wait_for_all_pads (ada, 10);
  pipe_check_no_error (ada->pipe);
}
GST_END_TEST

/* Members that come and go while we are on our way somewhere else. */
GST_START_TEST (test_stop_while_others_come)
{
  g_autofree char *server_uri = fixture_new_uri ();
  g_autofree char *uri = g_strconcat (server_uri, "/rush", NULL);
  g_autoptr (Pipe) server = start_server (server_uri);
  g_autoptr (Participant)
      ada = participant_new ("ada", JPEG "sink. " OPUS "sink.", "all", uri);

  for (guint i = 0; i < 12; i++) {
    g_autoptr (Participant)
        bob = participant_new ("bob", JPEG "sink. " OPUS "sink.", "all", uri);
    guint ms;

    participant_start (i % 2 ? ada : bob);
    participant_start (i % 2 ? bob : ada);
    if (i % 3 == 0)
      pipe_set_state (ada->pipe, GST_STATE_PAUSED);
    g_usleep (i * 25000);
    ms = pipe_time_set_state (ada->pipe, GST_STATE_NULL);
    fail_unless (ms < PIPE_MAX_STATE_MS, "to NULL took %u ms", ms);
    fail_unless_equals_int (ada->src->numsrcpads, 0);
    fail_unless_equals_int (ada->pads, 0);
    pipe_check_no_error (ada->pipe);
    pipe_check_no_error (bob->pipe);
  }
}
GST_END_TEST

static Suite *
conference_suite (void)
{
  Suite *suite = suite_create ("conference");
  TCase *many = tcase_create ("many");

  suite_add_tcase (suite, many);
  tcase_set_timeout (many, 120);
  tcase_add_test (many, test_three);
  tcase_add_loop_test (many, test_one_pipeline, 0, 2);
  tcase_add_loop_test (many, test_halves_come_and_go, 0, 2);
  tcase_add_test (many, test_sink_returns_to_viewer);
  tcase_add_test (many, test_chosen_producer);
  tcase_add_loop_test (many, test_different_settings, 0, 14);
  tcase_add_loop_test (many, test_not_accepted, 0, 2);
  tcase_add_test (many, test_not_accepted_later);
  tcase_add_test (many, test_first_not_accepted);
  tcase_add_test (many, test_peer_leaves_blocked_pad);
  tcase_add_test (many, test_stop_while_others_come);
  return suite;
}

GST_CHECK_MAIN (conference)

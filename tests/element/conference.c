/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Participants that come, see each other and go, in one room, with the real
 * sessions between them on loopback. */
#include <gst/check/gstcheck.h>

#include "participant.h"

/* --- Two and three --------------------------------------------------------- */

GST_START_TEST (test_three)
{
  g_autofree char *server_uri = fixture_new_uri ();
  g_autofree char *uri = g_strconcat (server_uri, "/three", NULL);
  g_autoptr (Pipe) server = participant_start_server (server_uri);
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
  participant_wait_for_pads (ada, 10);
  participant_wait_for_pads (bob, 10);
  participant_wait_for_pads (cem, 10);
  WAIT_FOR (ada, participant_saw (ada, "pad bob video"));
  WAIT_FOR (ada, participant_saw (ada, "pad cem audio"));
  /* Sink and source are one member, with one connection to each other. */
  fail_unless_equals_int (participant_count_peers (ada->pipe, "src"), 2);
  fail_unless_equals_int (participant_count_peers (ada->pipe, "sink"), 2);
  fail_unless_equals_int (ada->joined, 2);

  participant_free (cem);
  WAIT_FOR (ada, ada->pads == 2);
  WAIT_FOR (bob, bob->pads == 2);
  WAIT_FOR (ada, participant_saw (ada, "left cem"));
  WAIT_FOR (ada, participant_saw (ada, "pad cem video gone after EOS"));
  fail_if (participant_saw (ada, "left bob"));
  participant_wait_for_pads (ada, 10);
  participant_wait_for_pads (bob, 10);
  pipe_check_no_error (ada->pipe);

  /* The same name again is another member. */
  cem = participant_start (participant_new ("cem", media, "all", uri));
  WAIT_FOR (ada, ada->pads == 4);
  WAIT_FOR (cem, cem->pads == 4);
  participant_wait_for_pads (ada, 10);
  participant_free (cem);
}
GST_END_TEST

/* One pipeline for what is sent and what is shown, by sinks that preroll: none
 * of the two waits for the other's picture before it sends its own. */
GST_START_TEST (test_one_pipeline)
{
  g_autofree char *uri = fixture_new_uri ();
  g_autofree char *room = g_strconcat (uri, "/pipeline", NULL);
  g_autoptr (Pipe) server = participant_start_server (uri);
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

/* Either may come first, go and come back, while the other plays on. */
GST_START_TEST (test_halves_come_and_go)
{
  g_autofree char *server_uri = fixture_new_uri ();
  g_autofree char *uri = g_strconcat (server_uri, "/halves", NULL);
  g_autoptr (Pipe) server = participant_start_server (server_uri);
  g_autoptr (Participant) bob = participant_start (participant_new ("bob",
      JPEG "sink.", "all", uri));
  gboolean source_first = __i__ == 0;
  g_autoptr (Pipe) camera = participant_new_camera ("ada", JPEG, uri);
  g_autoptr (Participant) ada = participant_new_watcher ("ada", "all", uri);

  if (source_first)
    participant_start (ada);
  pipe_set_state (camera, GST_STATE_PLAYING);
  participant_start (ada);
  WAIT_FOR (ada, ada->pads == 1);
  WAIT_FOR (bob, bob->pads == 1);
  participant_wait_for_pads (ada, 5);
  participant_wait_for_pads (bob, 5);
  fail_unless_equals_int (participant_count_peers (ada->pipe, "src"), 1);

  /* The sink goes: its streams end at the others, and it sees them still. */
  pipe_set_state (camera, GST_STATE_NULL);
  WAIT_FOR (bob, bob->pads == 0);
  participant_wait_for_pads (ada, 5);
  fail_unless_equals_int (participant_count_peers (ada->pipe, "src"), 1);
  pipe_set_state (camera, GST_STATE_PLAYING);
  WAIT_FOR (bob, bob->pads == 1);
  participant_wait_for_pads (bob, 5);
  fail_unless_equals_int (ada->added, 1);

  /* The source goes: it is seen all the time, on the same pad. */
  pipe_set_state (ada->pipe, GST_STATE_NULL);
  fail_unless_equals_int (ada->pads, 0);
  participant_wait_for_pads (bob, 5);
  pipe_set_state (ada->pipe, GST_STATE_PLAYING);
  WAIT_FOR (ada, ada->pads == 1);
  participant_wait_for_pads (ada, 5);
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
  g_autoptr (Pipe) server = participant_start_server (server_uri);
  g_autoptr (Participant) ada = participant_new_watcher ("ada", "all", uri);
  g_autoptr (Pipe) camera = participant_new_camera ("ada", JPEG, uri);
  g_autoptr (Participant) eve = participant_new_watcher ("eve", NULL, uri);

  pipe_set_state (camera, GST_STATE_PLAYING);
  participant_start (ada);
  participant_start (eve);
  WAIT_FOR (eve, eve->pads == 1);
  participant_wait_for_pads (eve, 5);
  pipe_set_state (camera, GST_STATE_NULL);
  WAIT_FOR (eve, participant_saw (eve, "left ada"));
  pipe_set_state (camera, GST_STATE_PLAYING);
  participant_wait_for_pads (eve, 5);
  fail_unless_equals_int (eve->added, 1);
  fail_unless_equals_int (eve->removed, 0);
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
  g_autoptr (Pipe) server = participant_start_server (server_uri);
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
  WAIT_FOR (ada, participant_saw (ada, "pad cem video gone"));
  WAIT_FOR (ada, ada->pads == 1);
  participant_wait_for_pads (ada, 10);
  pipe_check_no_error (ada->pipe);
}
GST_END_TEST

/* Members that come and go while we are on our way somewhere else. */
GST_START_TEST (test_stop_while_others_come)
{
  g_autofree char *server_uri = fixture_new_uri ();
  g_autofree char *uri = g_strconcat (server_uri, "/rush", NULL);
  g_autoptr (Pipe) server = participant_start_server (server_uri);
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
  tcase_add_test (many, test_peer_leaves_blocked_pad);
  tcase_add_test (many, test_stop_while_others_come);
  return suite;
}

GST_CHECK_MAIN (conference)

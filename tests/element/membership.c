/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who plays whom and who accepts whom in a room, and what two elements of one
 * session must agree about, with the real sessions between them on loopback. */
#include <gst/check/gstcheck.h>

#include "participant.h"

#define FINGERPRINT                                                     \
  "\"sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:" \
  "33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\""

/* --- Whom to play ---------------------------------------------------------- */

/* One of several, however late, and nobody else. */
GST_START_TEST (test_chosen_producer)
{
  g_autofree char *server_uri = fixture_new_uri ();
  g_autofree char *uri = g_strconcat (server_uri, "/chosen", NULL);
  g_autoptr (Pipe) server = participant_start_server (server_uri);
  g_autoptr (Pipe) ada = participant_new_camera ("ada", JPEG, uri);
  g_autoptr (Pipe) bob = participant_new_camera ("bob", JPEG, uri);
  g_autoptr (Participant) by_name = participant_new_watcher ("eve", "bob", uri);
  g_autoptr (Participant) by_id = NULL;
  g_autoptr (GstPad) pad = NULL;
  g_autofree char *id = NULL;

  pipe_set_state (ada, GST_STATE_PLAYING);
  pipe_wait_for_element_message (ada, "session-state", "new-state", "waiting");
  participant_start (by_name);
  g_usleep (500000);
  fail_unless_equals_int (by_name->joined, 0);
  pipe_set_state (bob, GST_STATE_PLAYING);
  WAIT_FOR (by_name, participant_saw (by_name, "pad bob video"));
  participant_wait_for_pads (by_name, 5);

  pad = gst_element_get_static_pad (by_name->src, "src_0");
  g_object_get (pad, "peer-id", &id, NULL);
  by_id = participant_start (participant_new_watcher ("fay", id, uri));
  WAIT_FOR (by_id, participant_saw (by_id, "pad bob video"));
  participant_wait_for_pads (by_id, 5);
  /* The camera is told too. */
  pipe_wait_for_element_message (bob, "peer-joined", "peer-name", "eve");
  pipe_wait_for_element_message (bob, "peer-joined", "peer-name", "fay");

  /* Who is gone is not replaced by another. */
  pipe_set_state (bob, GST_STATE_NULL);
  WAIT_FOR (by_name, participant_saw (by_name, "left bob"));
  WAIT_FOR (by_id, participant_saw (by_id, "left bob"));
  g_usleep (500000);
  fail_unless_equals_int (by_name->added, 1);
  fail_unless_equals_int (by_id->added, 1);
  fail_if (participant_saw (by_name, "joined ada") ||
      participant_saw (by_id, "joined ada"));
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
  g_autoptr (Pipe) server = participant_start_server (server_uri);
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
  WAIT_FOR (ada, participant_saw (ada, "refused mallory"));
  WAIT_FOR (ada, participant_saw (ada, "accepted bob"));
  WAIT_FOR (bob, bob->pads == 2);
  WAIT_FOR (ada, ada->pads == 1);
  WAIT_FOR (mallory, mallory->pads == 1);
  participant_wait_for_pads (bob, 10);
  /* Long enough to call again. */
  g_usleep (1500000);
  fail_if (participant_saw (ada, "joined mallory"));
  fail_if (participant_saw (mallory, "joined ada"));
  /* Nobody is connected whose certificate was not asked about. */
  fail_unless (participant_saw (ada, "fingerprint of bob"));
  fail_unless (participant_saw (bob, "fingerprint of mallory"));
  fail_unless_equals_int (ada->added, 1);
  fail_unless_equals_int (mallory->added, 1);
  participant_wait_for_pads (ada, 10);
  pipe_check_no_error (ada->pipe);
  pipe_check_no_error (mallory->pipe);
}
GST_END_TEST

/* Who joins a session later has a say about the calls that are there. */
GST_START_TEST (test_not_accepted_later)
{
  g_autofree char *server_uri = fixture_new_uri ();
  g_autofree char *uri = g_strconcat (server_uri, "/later", NULL);
  g_autoptr (Pipe) server = participant_start_server (server_uri);
  g_autoptr (Pipe) camera = participant_new_camera ("ada", JPEG, uri);
  g_autoptr (Participant) ada = participant_new_watcher ("ada", "all", uri);
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
  participant_wait_for_pads (mallory, 5);
  participant_start (ada);
  WAIT_FOR (mallory, participant_saw (mallory, "left ada"));
  WAIT_FOR (mallory, mallory->pads == 1);
  WAIT_FOR (ada, ada->pads == 1);
  fail_unless (participant_saw (ada, "refused mallory"));
  fail_if (participant_saw (ada, "joined mallory"));
  fail_if (participant_saw (bob, "left ada"));
  participant_wait_for_pads (ada, 10);
  participant_wait_for_pads (bob, 10);
  fail_unless_equals_int (participant_count_peers (camera, "sink"), 1);
  pipe_check_no_error (camera);
  pipe_check_no_error (mallory->pipe);
}
GST_END_TEST

/* Somebody who plays one takes the next one that it accepts. */
GST_START_TEST (test_first_not_accepted)
{
  g_autofree char *server_uri = fixture_new_uri ();
  g_autofree char *uri = g_strconcat (server_uri, "/first", NULL);
  g_autoptr (Pipe) server = participant_start_server (server_uri);
  g_autoptr (Pipe) mallory = participant_new_camera ("mallory", JPEG, uri);
  g_autoptr (Pipe) bob = participant_new_camera ("bob", JPEG, uri);
  g_autoptr (Participant) eve = participant_new_watcher ("eve", NULL, uri);

  eve->refuses = "mallory";
  pipe_set_state (mallory, GST_STATE_PLAYING);
  pipe_wait_for_element_message (mallory, "session-state", "new-state",
      "waiting");
  pipe_set_state (bob, GST_STATE_PLAYING);
  pipe_wait_for_element_message (bob, "session-state", "new-state", "waiting");
  participant_start (eve);
  WAIT_FOR (eve, participant_saw (eve, "pad bob video"));
  participant_wait_for_pads (eve, 10);
  fail_if (participant_saw (eve, "joined mallory"));
}
GST_END_TEST

static Suite *
membership_suite (void)
{
  Suite *suite = suite_create ("membership");
  TCase *many = tcase_create ("many");

  suite_add_tcase (suite, many);
  tcase_set_timeout (many, 120);
  tcase_add_test (many, test_chosen_producer);
  tcase_add_loop_test (many, test_different_settings, 0, 14);
  tcase_add_loop_test (many, test_not_accepted, 0, 2);
  tcase_add_test (many, test_not_accepted_later);
  tcase_add_test (many, test_first_not_accepted);
  return suite;
}

GST_CHECK_MAIN (membership)

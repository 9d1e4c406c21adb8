/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The encoders upstream of quicp2psink, on a loopback that carries anything: what
 * is set when it is asked for, and what is left alone when it is not. */
#include <gst/check/gstcheck.h>

#include "fixture.h"

#define CAMERA                                                    \
  "videotestsrc is-live=true ! video/x-raw,width=160,height=120," \
  "framerate=30/1 ! x264enc name=encoder tune=zerolatency "       \
  "speed-preset=ultrafast bitrate=2000 ! rtph264pay name=pay "    \
  "! quicp2psink name=sink run-signaling-server=true uri=%s %s"
#define VIEWER                                              \
  "quicp2psrc latency=50 uri=%s ! rtph264depay ! fakesink " \
  "name=count sync=false"

#define OWN_KBIT 2000
#define MOST_WAIT_MS 10000

static gboolean
have_codec (void)
{
  g_autoptr (GstElementFactory) encoder = gst_element_factory_find ("x264enc");

  if (!encoder)
    g_print ("not tested: there is no x264enc\n");
  return encoder != NULL;
}

static Pipe *
start_camera (const char *uri, const char *settings)
{
  Pipe *camera = pipe_new (CAMERA, uri, settings);

  pipe_set_state (camera, GST_STATE_PLAYING);
  pipe_wait_for_element_message (camera, "session-state", "new-state",
      "waiting");
  return camera;
}

static Pipe *
start_viewer (const char *uri)
{
  Pipe *viewer = pipe_new (VIEWER, uri);

  pipe_set_state (viewer, GST_STATE_PLAYING);
  pipe_wait_for_buffers (viewer, 0, 5);
  return viewer;
}

static guint
get_kbit (Pipe *camera)
{
  g_autoptr (GstElement) encoder = pipe_get (camera, "encoder");
  guint kbit;

  g_object_get (encoder, "bitrate", &kbit, NULL);
  return kbit;
}

static void
wait_for_kbit (Pipe *camera, guint kbit)
{
  gint64 end = g_get_monotonic_time () + MOST_WAIT_MS * 1000;

  while (get_kbit (camera) != kbit && g_get_monotonic_time () < end)
    g_usleep (10000);
  fail_unless_equals_int (get_kbit (camera), kbit);
}

/* Fails on a message that says less than the encoder makes. */
static void
check_no_limit (Pipe *camera)
{
  GstMessage *message;

  while ((message = gst_bus_pop_filtered (camera->bus, GST_MESSAGE_ELEMENT))) {
    const GstStructure *structure = gst_message_get_structure (message);
    guint64 bitrate = OWN_KBIT * 1000;

    if (gst_structure_has_name (structure, "estimated-bitrate"))
      fail_unless (gst_structure_get_uint64 (structure, "bitrate", &bitrate));
    fail_unless (bitrate >= OWN_KBIT * 1000,
        "it says that the path carries %u kbit/s", (guint) (bitrate / 1000));
    gst_message_unref (message);
  }
}

/* A picture that does not move needs far less than its encoder may make: that is
 * no limit of the path. */
GST_START_TEST (test_no_limit)
{
  g_autofree char *uri = fixture_new_uri ();
  g_autoptr (Pipe) camera = NULL;
  g_autoptr (Pipe) viewer = NULL;

  if (!have_codec ())
    return;
  camera = start_camera (uri, "");
  viewer = start_viewer (uri);
  for (guint i = 0; i < 40; i++) {
    g_usleep (100000);
    fail_unless_equals_int (get_kbit (camera), OWN_KBIT);
  }
  check_no_limit (camera);
}
GST_END_TEST

GST_START_TEST (test_changed_at_runtime)
{
  g_autofree char *uri = fixture_new_uri ();
  g_autoptr (Pipe) camera = NULL;
  g_autoptr (Pipe) viewer = NULL;
  g_autoptr (GstElement) sink = NULL;

  if (!have_codec ())
    return;
  camera = start_camera (uri, "");
  sink = pipe_get (camera, "sink");
  viewer = start_viewer (uri);

  g_object_set (sink, "max-bitrate", (guint64) 500000, NULL);
  wait_for_kbit (camera, 500);
  g_object_set (sink, "max-bitrate", (guint64) 300000, NULL);
  wait_for_kbit (camera, 300);
  g_object_set (sink, "max-bitrate", (guint64) 0, NULL);
  wait_for_kbit (camera, OWN_KBIT);
  g_object_set (sink, "max-bitrate", (guint64) 500000, NULL);
  wait_for_kbit (camera, 500);
  gst_util_set_object_arg (G_OBJECT (sink), "adapt", "none");
  wait_for_kbit (camera, OWN_KBIT);
}
GST_END_TEST

/* One that is not there, and one that is no encoder. */
static const char *const wrong[] = { "nobody", "pay" };

GST_START_TEST (test_wrong_encoder)
{
  g_autofree char *uri = fixture_new_uri ();
  g_autofree char *setting = g_strdup_printf ("encoder=%s", wrong[__i__]);
  g_autoptr (Pipe) camera = NULL;
  g_autoptr (Pipe) viewer = NULL;
  g_autoptr (GError) warning = NULL;
  GstMessage *message;

  if (!have_codec ())
    return;
  camera = start_camera (uri, setting);
  viewer = start_viewer (uri);
  message = pipe_wait_for_message (camera, GST_MESSAGE_WARNING, MOST_WAIT_MS);
  gst_message_parse_warning (message, &warning, NULL);
  gst_message_unref (message);
  fail_unless (g_error_matches (warning, GST_LIBRARY_ERROR,
      GST_LIBRARY_ERROR_SETTINGS));
  fail_unless (strstr (warning->message, wrong[__i__]) != NULL, "%s",
      warning->message);
  /* Once, and the call goes on. */
  pipe_wait_for_buffers (viewer, 0, 60);
  message = gst_bus_pop_filtered (camera->bus, GST_MESSAGE_WARNING);
  fail_unless (message == NULL);
}
GST_END_TEST

static Suite *
bitrate_suite (void)
{
  Suite *suite = suite_create ("bitrate");
  TCase *encoders = tcase_create ("encoders");

  suite_add_tcase (suite, encoders);
  tcase_set_timeout (encoders, 60);
  tcase_add_test (encoders, test_no_limit);
  tcase_add_test (encoders, test_changed_at_runtime);
  tcase_add_loop_test (encoders, test_wrong_encoder, 0, G_N_ELEMENTS (wrong));
  return suite;
}

GST_CHECK_MAIN (bitrate)

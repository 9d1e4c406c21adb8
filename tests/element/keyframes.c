/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keyframes on demand: what an encoder is asked for when many viewers want one,
 * with the real sessions between them on loopback. */
#include <gst/check/gstcheck.h>
#include <gst/video/video.h>

#include "fixture.h"

#define CAMERA                                                                 \
  "videotestsrc is-live=true ! video/x-raw,width=160,height=120,"              \
  "framerate=30/1 ! x264enc name=encoder tune=zerolatency "                    \
  "speed-preset=ultrafast key-int-max=100000 ! rtph264pay config-interval=-1 " \
  "! quicp2psink name=sink run-signaling-server=true uri=%s"
#define VIEWER                                                           \
  "quicp2psrc name=src latency=50 uri=%s ! rtph264depay ! avdec_h264 ! " \
  "fakesink name=count sync=false"

#define VIEWERS 4
#define MAX_REQUESTS 64

/* The limits of the session, in µs, less what a loaded machine may add to the
 * earlier of two. */
#define AFTER_LOSS (950 * G_TIME_SPAN_MILLISECOND)
#define FOR_NEWCOMER (150 * G_TIME_SPAN_MILLISECOND)

/* What the encoder was asked for. */
typedef struct {
  GMutex lock; /* guards the fields below */
  gint64 at[MAX_REQUESTS];
  guint n;
} Requests;

static GstPadProbeReturn
note_request (GstPad *pad, GstPadProbeInfo *info, gpointer user)
{
  Requests *self = user;

  if (!gst_video_event_is_force_key_unit (GST_PAD_PROBE_INFO_EVENT (info)))
    return GST_PAD_PROBE_OK;
  g_mutex_lock (&self->lock);
  fail_unless (self->n < MAX_REQUESTS);
  self->at[self->n++] = g_get_monotonic_time ();
  g_mutex_unlock (&self->lock);
  return GST_PAD_PROBE_OK;
}

static guint
count_requests (Requests *self)
{
  guint n;

  g_mutex_lock (&self->lock);
  n = self->n;
  g_mutex_unlock (&self->lock);
  return n;
}

/* No two of them, from the @first on, came closer together. */
static void
check_distances (Requests *self, guint first, gint64 least_us)
{
  g_mutex_lock (&self->lock);
  for (guint i = first + 1; i < self->n; i++)
    fail_unless (self->at[i] - self->at[i - 1] >= least_us,
        "request %u came %d ms after the one before it", i,
        (int) ((self->at[i] - self->at[i - 1]) / 1000));
  g_mutex_unlock (&self->lock);
}

static Pipe *
start_camera (const char *uri, Requests *requests)
{
  Pipe *camera = pipe_new (CAMERA, uri);
  g_autoptr (GstElement) encoder = pipe_get (camera, "encoder");
  g_autoptr (GstPad) pad = gst_element_get_static_pad (encoder, "src");

  g_mutex_init (&requests->lock);
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_EVENT_UPSTREAM, note_request,
      requests, NULL);
  pipe_set_state (camera, GST_STATE_PLAYING);
  pipe_wait_for_element_message (camera, "session-state", "new-state",
      "waiting");
  return camera;
}

static void
start_viewers (Pipe *viewers[VIEWERS], const char *uri)
{
  for (guint i = 0; i < VIEWERS; i++)
    viewers[i] = pipe_new (VIEWER, uri);
  for (guint i = 0; i < VIEWERS; i++)
    pipe_set_state (viewers[i], GST_STATE_PLAYING);
  for (guint i = 0; i < VIEWERS; i++)
    pipe_wait_for_buffers (viewers[i], 0, 5);
}

static void
stop_viewers (Pipe *viewers[VIEWERS])
{
  for (guint i = 0; i < VIEWERS; i++)
    pipe_free (viewers[i]);
}

static gboolean
have_codec (void)
{
  g_autoptr (GstElementFactory) encoder = gst_element_factory_find ("x264enc");
  g_autoptr (GstElementFactory)
      decoder = gst_element_factory_find ("avdec_h264");

  if (!encoder || !decoder)
    g_print ("not tested: there is no x264enc or avdec_h264\n");
  return encoder && decoder;
}

/* A crowd that comes at once sees pictures, for a few keyframes in all. */
GST_START_TEST (test_crowd)
{
  g_autofree char *uri = fixture_new_uri ();
  g_autoptr (Pipe) camera = NULL;
  Pipe *viewers[VIEWERS];
  Requests requests = { .n = 0 };

  if (!have_codec ())
    return;
  camera = start_camera (uri, &requests);
  g_usleep (300000);
  fail_unless_equals_int (count_requests (&requests), 0);
  start_viewers (viewers, uri);
  fail_unless (count_requests (&requests) >= 1);
  fail_unless (count_requests (&requests) <= VIEWERS);
  check_distances (&requests, 0, FOR_NEWCOMER);
  stop_viewers (viewers);
}
GST_END_TEST

/* What a decoder that is in trouble sends; rtpbin makes a PLI of it. */
static void
complain (Pipe *viewer)
{
  g_autoptr (GstElement) src = pipe_get (viewer, "src");
  g_autoptr (GstPad) pad = gst_element_get_static_pad (src, "src_0");

  gst_pad_send_event (pad,
      gst_video_event_new_upstream_force_key_unit (GST_CLOCK_TIME_NONE, TRUE,
          0));
}

/* Many viewers within a second: one request. */
GST_START_TEST (test_many_losses)
{
  g_autofree char *uri = fixture_new_uri ();
  g_autoptr (Pipe) camera = NULL;
  Pipe *viewers[VIEWERS];
  Requests requests = { .n = 0 };
  guint before;
  gint64 start;

  if (!have_codec ())
    return;
  camera = start_camera (uri, &requests);
  start_viewers (viewers, uri);
  g_usleep (1500000);
  before = count_requests (&requests);

  start = g_get_monotonic_time ();
  for (guint round = 0; round < 4; round++) {
    for (guint i = 0; i < VIEWERS; i++)
      complain (viewers[i]);
    g_usleep (150000);
  }
  /* The first one passed at once, the others wait together. */
  if (g_get_monotonic_time () - start < AFTER_LOSS)
    fail_unless_equals_int (count_requests (&requests), before + 1);
  g_usleep (2000000);
  fail_unless (count_requests (&requests) >= before + 1);
  fail_unless (count_requests (&requests) <= before + 3);
  check_distances (&requests, before, AFTER_LOSS);
  stop_viewers (viewers);
}
GST_END_TEST

static Suite *
keyframes_suite (void)
{
  Suite *suite = suite_create ("keyframes");
  TCase *on_demand = tcase_create ("on demand");

  suite_add_tcase (suite, on_demand);
  tcase_set_timeout (on_demand, 60);
  tcase_add_test (on_demand, test_crowd);
  tcase_add_test (on_demand, test_many_losses);
  return suite;
}

GST_CHECK_MAIN (keyframes)

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A member of a room of three that is in a call like any other, and sends into
 * it what RTP sessions do not expect: the other two see nothing of it.  The
 * cameras and viewers are the plugin's elements, the rogue is built from the
 * rooms below (tests/unit/hostile-peer.h) and runs in the default main context
 * of the test's thread. */
#include <gst/check/gstcheck.h>
#include <string.h>

#include "fixture.h"
#include "roq/framer.h"
#include "roq/rtp.h"
#include "tests/unit/hostile-peer.h"

#define CAMERA                                                                \
  "videotestsrc is-live=true ! video/x-raw,format=I420,width=160,height=120," \
  "framerate=50/1 ! jpegenc name=encoder ! rtpjpegpay ! "                     \
  "quicp2psink name=sink run-signaling-server=true uri=%s "

/* A host may be away for a while; a picture that hangs is gone for longer. */
#define LONGEST_GAP_US ((gint64) G_USEC_PER_SEC)

#define FLOW 4 /* of the rogue's media */

/* --- What a good member sees ----------------------------------------------- */

typedef struct {
  Pipe *pipe;
  char *good_id; /* pictures of this member count; NULL: of any */
  GMutex lock;   /* guards the fields below */
  guint frames;
  gint64 last_us, longest_us; /* between two of them, since watch_mark() */
} Watch;

static GstPadProbeReturn
on_frame (GstPad *pad, GstPadProbeInfo *info, gpointer user)
{
  Watch *watch = user;
  gint64 now = g_get_monotonic_time ();

  g_mutex_lock (&watch->lock);
  watch->frames++;
  if (watch->last_us > 0)
    watch->longest_us = MAX (watch->longest_us, now - watch->last_us);
  watch->last_us = now;
  g_mutex_unlock (&watch->lock);
  return GST_PAD_PROBE_OK;
}

static void
on_pad_added (GstElement *src, GstPad *pad, gpointer user)
{
  Watch *watch = user;
  g_autofree char *stream_id = gst_pad_get_stream_id (pad);
  gboolean good = !watch->good_id || strstr (stream_id, watch->good_id);
  g_autoptr (GstElement) bin = gst_parse_bin_from_description (good
          ? "rtpjpegdepay ! fakesink name=out sync=false async=false"
          : "fakesink sync=false async=false",
      TRUE, NULL);
  g_autoptr (GstElement) out = gst_bin_get_by_name (GST_BIN (bin), "out");
  g_autoptr (GstPad) sink = gst_element_get_static_pad (bin, "sink");

  if (good) {
    g_autoptr (GstPad) last = gst_element_get_static_pad (out, "sink");

    gst_pad_add_probe (last, GST_PAD_PROBE_TYPE_BUFFER, on_frame, watch, NULL);
  }
  gst_bin_add (GST_BIN (watch->pipe->pipeline), gst_object_ref_sink (bin));
  gst_element_sync_state_with_parent (bin);
  gst_pad_link (pad, sink);
}

static void
watch_start (Watch *watch, const char *uri)
{
  g_autoptr (GstElement) src = NULL;

  g_mutex_init (&watch->lock);
  watch->pipe = pipe_new ("quicp2psrc name=src producer=all uri=%s", uri);
  src = pipe_get (watch->pipe, "src");
  g_signal_connect (src, "pad-added", G_CALLBACK (on_pad_added), watch);
  pipe_set_state (watch->pipe, GST_STATE_PLAYING);
}

static guint
watch_frames (Watch *watch)
{
  guint frames;

  g_mutex_lock (&watch->lock);
  frames = watch->frames;
  g_mutex_unlock (&watch->lock);
  return frames;
}

static void
watch_mark (Watch *watch)
{
  guint n = watch_frames (watch);

  ROGUE_WAIT (watch_frames (watch) > n + 10);
  g_mutex_lock (&watch->lock);
  watch->longest_us = 0;
  g_mutex_unlock (&watch->lock);
}

/* Pictures came all the time, and still come. */
static void
watch_check (Watch *watch)
{
  guint n = watch_frames (watch);

  ROGUE_WAIT (watch_frames (watch) > n + 10);
  g_mutex_lock (&watch->lock);
  g_test_message ("%u frames, longest gap %.0f ms", watch->frames,
      watch->longest_us / 1000.0);
  fail_unless (watch->longest_us < LONGEST_GAP_US, "a gap of %.0f ms",
      watch->longest_us / 1000.0);
  g_mutex_unlock (&watch->lock);
  pipe_check_no_error (watch->pipe);
}

static void
watch_end (Watch *watch)
{
  pipe_free (watch->pipe);
  g_free (watch->good_id);
  g_mutex_clear (&watch->lock);
}

/* --- What the process pays ------------------------------------------------- */

static guint
count_threads (void)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc/self/task", 0, NULL);
  guint n = 0;

  fail_unless (dir != NULL);
  while (g_dir_read_name (dir))
    n++;
  return n;
}

/* --- The RTP sessions inside the elements ---------------------------------- */

/* (transfer full): the RTP session 0 of the first rtpbin in there. */
static GObject *
get_rtp_session (Pipe *pipe)
{
  g_autoptr (GstIterator) elements =
      gst_bin_iterate_all_by_element_factory_name (GST_BIN (pipe->pipeline),
          "rtpbin");
  GValue value = G_VALUE_INIT;
  GObject *session = NULL;

  fail_unless (gst_iterator_next (elements, &value) == GST_ITERATOR_OK);
  g_signal_emit_by_name (g_value_get_object (&value), "get-internal-session", 0,
      &session);
  g_value_unset (&value);
  fail_unless (session != NULL);
  return session;
}

static guint
count_sources (Pipe *pipe)
{
  g_autoptr (GObject) session = get_rtp_session (pipe);
  guint n;

  g_object_get (session, "num-sources", &n, NULL);
  return n;
}

/* The SSRC that the pipe's session sends with. */
static guint32
get_own_ssrc (Pipe *pipe)
{
  g_autoptr (GObject) session = get_rtp_session (pipe);
  guint ssrc;

  g_object_get (session, "internal-ssrc", &ssrc, NULL);
  return ssrc;
}

/* (transfer full), nullable: what the session believes that SSRC's CNAME is. */
static char *
get_cname (Pipe *pipe, guint32 ssrc)
{
  g_autoptr (GObject) session = get_rtp_session (pipe);
  g_autoptr (GObject) source = NULL;
  GstStructure *sdes = NULL;
  char *cname;

  g_signal_emit_by_name (session, "get-source-by-ssrc", ssrc, &source);
  if (!source)
    return NULL;
  g_object_get (source, "sdes", &sdes, NULL);
  if (!sdes)
    return NULL;
  cname = g_strdup (gst_structure_get_string (sdes, "cname"));
  gst_structure_free (sdes);
  return cname;
}

/* --- A viewer that sends RTCP ---------------------------------------------- */

static void
send_packet (Rogue *rogue, guint64 flow, const guint8 *packet, gsize size)
{
  g_autofree guint8 *data = g_malloc (16 + size);
  guint8 *end = qp_roq_put_flow_id (data, flow);

  end = qp_roq_put_packet (end, packet, size);
  rogue_write (rogue, rogue_open (rogue, FALSE), data, end - data, TRUE);
}

/* Reports of ever new members, as many as one packet holds. */
static void
send_crowd (Rogue *rogue, guint64 flow, guint32 *next)
{
  guint8 packet[8 * 200];

  for (guint i = 0; i < 200; i++) {
    GST_WRITE_UINT32_BE (packet + 8 * i, 0x80c90001);
    GST_WRITE_UINT32_BE (packet + 8 * i + 4, (*next)++);
  }
  send_packet (rogue, flow, packet, sizeof packet);
}

/* A CNAME for the camera itself, that others would have from it then. */
static void
send_rename (Rogue *rogue, guint64 flow, guint32 ssrc)
{
  guint8 packet[16] = { 0x81, 202, 0, 3, 0, 0, 0, 0, 1, 4, 'e', 'v', 'i', 'l' };

  GST_WRITE_UINT32_BE (packet + 4, ssrc);
  send_packet (rogue, flow, packet, sizeof packet);
}

static void
send_plis (Rogue *rogue, guint64 flow, guint32 ssrc)
{
  guint8 packet[12 * 50];

  for (guint i = 0; i < 50; i++) {
    GST_WRITE_UINT32_BE (packet + 12 * i, 0x81ce0002);
    GST_WRITE_UINT32_BE (packet + 12 * i + 4, 0x01010101);
    GST_WRITE_UINT32_BE (packet + 12 * i + 8, ssrc);
  }
  send_packet (rogue, flow, packet, sizeof packet);
}

/* Sound to whoever looks at lengths only. */
static void
send_random_rtcp (Rogue *rogue, guint64 flow, GRand *rand)
{
  gsize size = 4 * (gsize) g_rand_int_range (rand, 1, 40);
  g_autofree guint8 *packet = g_malloc (size);

  for (gsize i = 0; i < size; i++)
    packet[i] = (guint8) g_rand_int (rand);
  packet[0] = (guint8) (0x80 | g_rand_int_range (rand, 0, 32));
  packet[1] = (guint8) g_rand_int_range (rand, 200, 208);
  packet[2] = 0;
  packet[3] = (guint8) (size / 4 - 1);
  send_packet (rogue, flow, packet, size);
}

static GstPadProbeReturn
on_upstream_event (GstPad *pad, GstPadProbeInfo *info, gpointer user)
{
  if (gst_event_has_name (GST_PAD_PROBE_INFO_EVENT (info), "GstForceKeyUnit"))
    g_atomic_int_inc ((gint *) user);
  return GST_PAD_PROBE_OK;
}

static void
count_key_requests (Pipe *camera, gint *count)
{
  g_autoptr (GstElement) encoder = pipe_get (camera, "encoder");
  g_autoptr (GstPad) pad = gst_element_get_static_pad (encoder, "src");

  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_EVENT_UPSTREAM, on_upstream_event,
      count, NULL);
}

static guint
port_of (const char *uri)
{
  return (guint) g_ascii_strtoull (strrchr (uri, ':') + 1, NULL, 10);
}

GST_START_TEST (test_rtcp_of_a_viewer)
{
  g_autofree char *uri = fixture_new_uri ();
  g_autofree char *cname = NULL, *seen = NULL;
  g_autoptr (Pipe) camera = pipe_new (CAMERA, uri);
  g_autoptr (GRand) rand = g_rand_new_with_seed (7);
  Watch viewer = { 0 };
  Rogue rogue = { 0 };
  guint32 ssrc, next = 1;
  guint64 flow;
  gint key_requests = 0;
  gsize heap;

  pipe_set_state (camera, GST_STATE_PLAYING);
  watch_start (&viewer, uri);
  ROGUE_WAIT (watch_frames (&viewer) > 0);
  rogue_connect (&rogue, port_of (uri));
  flow = rogue_flow_id (&rogue);
  ssrc = get_own_ssrc (camera);
  /* Its CNAME is at the viewer with the first report. */
  ROGUE_WAIT ((cname = get_cname (viewer.pipe, ssrc)));
  watch_mark (&viewer);
  count_key_requests (camera, &key_requests);
  heap = hostile_heap_size ();

  for (guint i = 0; i < 3000; i++) {
    send_plis (&rogue, flow, ssrc);
    send_crowd (&rogue, flow, &next);
    send_rename (&rogue, flow, ssrc);
    send_random_rtcp (&rogue, flow, rand);
    if (i % 10 == 0)
      run_for (10);
  }
  run_for (1500); /* and a report of the camera's */
  heap = MAX (hostile_heap_size (), heap) - heap;

  seen = get_cname (viewer.pipe, ssrc);
  g_test_message ("%u sources, %d keyframes, heap +%.1f MiB",
      count_sources (camera), g_atomic_int_get (&key_requests),
      heap / 1048576.0);
  fail_unless_equals_string (seen, cname);
  fail_unless (count_sources (camera) < 40);
  fail_unless (g_atomic_int_get (&key_requests) > 0);
  fail_unless (g_atomic_int_get (&key_requests) < 20);
  fail_unless (heap < 8 * 1024 * 1024);
  fail_if (rogue.closed);
  watch_check (&viewer);
  pipe_check_no_error (camera);

  rogue_leave (&rogue);
  watch_end (&viewer);
}
GST_END_TEST

/* --- A producer that sends RTP --------------------------------------------- */

typedef void (*Misdeed) (guint8 *packet, guint i, GRand *rand);

static void
change_ssrc (guint8 *packet, guint i, GRand *rand)
{
  GST_WRITE_UINT32_BE (packet + 8, i);
}

static void
add_csrcs (guint8 *packet, guint i, GRand *rand)
{
  packet[0] = 0x8f;
  for (guint j = 0; j < 15; j++)
    GST_WRITE_UINT32_BE (packet + 12 + 4 * j, 15 * i + j);
}

static void
change_payload_type (guint8 *packet, guint i, GRand *rand)
{
  packet[1] = (guint8) (i % 64); /* not 64 to 95: RTCP */
}

static void
jump (guint8 *packet, guint i, GRand *rand)
{
  GST_WRITE_UINT16_BE (packet + 2, g_rand_int (rand));
  GST_WRITE_UINT32_BE (packet + 4, g_rand_int (rand));
}

static void
extend (guint8 *packet, guint i, GRand *rand)
{
  packet[0] = 0x90;
  GST_WRITE_UINT16_BE (packet + 12, i % 2 ? 0xbede : 0x1000);
  GST_WRITE_UINT16_BE (packet + 14, i % 20);
}

static void
fill (guint8 *packet, guint i, GRand *rand)
{
  for (guint j = 12; j < 100; j++)
    packet[j] = (guint8) g_rand_int (rand);
}

static const struct {
  const char *name;
  Misdeed misdeed;
} misdeeds[] = {
  { "ever new SSRCs", change_ssrc },
  { "ever new CSRCs", add_csrcs },
  { "payload types that nobody announced", change_payload_type },
  { "numbers and times that jump", jump },
  { "extensions of any length", extend },
  { "bytes without a meaning", fill },
};

static void
send_media (Rogue *rogue)
{
  g_autofree char *sdp = make_sdp ("evil", 1, FLOW);
  g_autoptr (QpMessage) media = new_media (rogue->call, sdp);
  g_autofree char *json = qp_message_to_json (media);

  fail_unless (rogue_open (rogue, TRUE) == 0);
  rogue_control (rogue, json);
}

static void
misbehave (Rogue *rogue, Misdeed misdeed, GRand *rand)
{
  for (guint i = 0; i < 3000 && !rogue->closed; i++) {
    guint8 packet[100] = { 0x80, 96 };

    GST_WRITE_UINT16_BE (packet + 2, i);
    GST_WRITE_UINT32_BE (packet + 4, i * 900);
    GST_WRITE_UINT32_BE (packet + 8, 0x07070707);
    misdeed (packet, i, rand);
    fail_unless (qp_rtp_check (packet, sizeof packet, NULL));
    send_packet (rogue, FLOW, packet, sizeof packet);
    if (i % 10 == 0)
      run_for (2);
    if (i % 100 == 0)
      send_random_rtcp (rogue, FLOW, rand);
  }
}

GST_START_TEST (test_rtp_of_a_producer)
{
  g_autofree char *uri = fixture_new_uri ();
  g_autoptr (Pipe) camera = pipe_new (CAMERA, uri);
  g_autoptr (GRand) rand = g_rand_new_with_seed (7);
  Watch viewer = { 0 };
  Rogue rogue = { 0 };
  guint threads;
  gsize heap;

  pipe_set_state (camera, GST_STATE_PLAYING);
  rogue_join (&rogue, port_of (uri), "rogue", TRUE);
  viewer.good_id = g_strdup (rogue.member.camera);
  fail_unless (viewer.good_id != NULL);
  watch_start (&viewer, uri);
  ROGUE_WAIT (rogue.established);
  send_media (&rogue);
  ROGUE_WAIT (watch_frames (&viewer) > 0);
  watch_mark (&viewer);
  heap = hostile_heap_size ();
  threads = count_threads ();

  g_test_message ("%s", misdeeds[__i__].name);
  misbehave (&rogue, misdeeds[__i__].misdeed, rand);
  run_for (500);

  threads = MAX (count_threads (), threads) - threads;
  heap = MAX (hostile_heap_size (), heap) - heap;
  g_test_message ("%u threads, heap +%.1f MiB", threads, heap / 1048576.0);
  fail_unless (threads <= 24, "%u threads more", threads);
  fail_unless (heap < 8 * 1024 * 1024);
  fail_if (rogue.closed, "%s", rogue.closed ? rogue.error->message : "");
  watch_check (&viewer);

  rogue_leave (&rogue);
  watch_end (&viewer);
}
GST_END_TEST

static Suite *
hostile_suite (void)
{
  Suite *suite = suite_create ("hostile");
  TCase *tcase = tcase_create ("rtp");

  suite_add_tcase (suite, tcase);
  tcase_set_timeout (tcase, 120);
  tcase_add_test (tcase, test_rtcp_of_a_viewer);
  tcase_add_loop_test (tcase, test_rtp_of_a_producer, 0,
      G_N_ELEMENTS (misdeeds));
  return suite;
}

GST_CHECK_MAIN (hostile)

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of the media description: what payloaders put in their caps comes back
 * out of the SDP, and what a peer may send instead of SDP is refused. */
#include "session/media.h"

#include <string.h>

#include "roq/roq.h"

#define HEAD "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"
#define MLINE "m=video 9 QUIC/RTP/AVPF 96\r\n"
#define TRANSPORT "a=mid:v\r\na=rtcp-mux\r\na=roq-flow-id:4\r\n"
#define RTPMAP "a=rtpmap:96 H264/90000\r\n"
#define VIDEO MLINE TRANSPORT RTPMAP

static GPtrArray *
new_array (void)
{
  return g_ptr_array_new_with_free_func ((GDestroyNotify) qp_media_free);
}

static GPtrArray *
parse (const char *sdp, GError **error)
{
  /* Without a NUL behind it, so that a sanitizer sees reads past the end. */
  g_autofree char *copy = g_memdup2 (sdp, strlen (sdp));

  return qp_media_from_sdp (copy, strlen (sdp), error);
}

/* The only track of @sdp, which must be sound. */
static QpMedia *
parse_one (const char *sdp)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) all = parse (sdp, &error);

  g_assert_no_error (error);
  g_assert_nonnull (all);
  g_assert_cmpuint (all->len, ==, 1);
  return g_ptr_array_steal_index (all, 0);
}

static char *
to_sdp (guint64 flow_id, const char *mid, GstCaps *caps, GError **error)
{
  g_autoptr (GPtrArray) all = new_array ();

  g_ptr_array_add (all, qp_media_new (flow_id, mid, caps));
  return qp_media_to_sdp (all, "test", error);
}

static GstCaps *
round_trip (GstCaps *caps)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *sdp = to_sdp (7, "track_0", caps, &error);
  g_autoptr (QpMedia) media = NULL;

  g_assert_no_error (error);
  g_test_message ("%s", sdp);
  media = parse_one (sdp);
  g_assert_cmpuint (media->flow_id, ==, 7);
  g_assert_cmpstr (media->mid, ==, "track_0");
  return gst_caps_ref (media->caps);
}

static void
assert_caps (const GstCaps *caps, const char *expected)
{
  g_autoptr (GstCaps) wanted = gst_caps_from_string (expected);

  g_assert_nonnull (wanted);
  if (!gst_caps_is_equal (caps, wanted)) {
    g_autofree char *found = gst_caps_to_string (caps);

    g_error ("expected %s\nfound %s", expected, found);
  }
}

/* --- there and back --- */

/* Caps that come back as they were. */
static const char *const same_caps[] = {
  "application/x-rtp, media=video, clock-rate=90000, encoding-name=H264, "
  "packetization-mode=(string)1, "
  "sprop-parameter-sets=(string)\"Z/QADZGWQFB+wFqD\\,aOvMRIRA\", "
  "profile-level-id=(string)f4000d, payload=96, ssrc=(uint)4294967295, "
  "a-framerate=(string)30",
  "application/x-rtp, media=video, clock-rate=90000, encoding-name=H264, "
  "payload=96, level-asymmetry-allowed=(string)1, "
  "profile-level-id=(string)42e01f",
  "application/x-rtp, media=video, clock-rate=90000, encoding-name=H265, "
  "sprop-vps=(string)\"QAEMAf//BAgAAAMAnggAAAMAAD+SgJA\\=\", payload=100, "
  "tier-flag=(string)0, tx-mode=(string)SRST",
  "application/x-rtp, media=video, clock-rate=90000, encoding-name=VP9, "
  "payload=98, profile-id=(string)0, ssrc=(uint)0",
  "application/x-rtp, media=audio, clock-rate=48000, encoding-name=OPUS, "
  "sprop-stereo=(string)0, encoding-params=(string)2, "
  "sprop-maxcapturerate=(string)48000, payload=111",
  "application/x-rtp, media=audio, clock-rate=48000, encoding-name=MULTIOPUS, "
  "num_streams=(string)4, coupled_streams=(string)2, "
  "channel_mapping=(string)\"0\\,4\\,1\\,2\\,3\\,5\", "
  "encoding-params=(string)6, payload=96",
  "application/x-rtp, media=audio, clock-rate=8000, encoding-name=PCMA, "
  "payload=8",
  "application/x-rtp, media=video, clock-rate=90000, encoding-name=RAW, "
  "sampling=(string)YCbCr-4:2:0, depth=(string)8, width=(string)320, "
  "height=(string)240, colorimetry=(string)BT601-5, payload=96",
  "application/x-rtp, media=video, clock-rate=90000, encoding-name=JPEG, "
  "a-framerate=(string)25.000000, x-dimensions=(string)\"640\\,480\", "
  "payload=26",
  "application/x-rtp, media=video, clock-rate=90000, encoding-name=H263-1998, "
  "a-framesize=(string)352-288, payload=97",
  "application/x-rtp, media=application, clock-rate=90000, "
  "encoding-name=SMPTE336M, payload=99",
  "application/x-rtp, media=video, clock-rate=90000, encoding-name=VP8, "
  "payload=96, rtcp-fb-nack=true, rtcp-fb-nack-pli=true, rtcp-fb-ccm-fir=true, "
  "rtcp-fb-transport-cc=true, rtcp-fb-goog-remb=true, rtcp-fb-ack-rpsi=true",
  "application/x-rtp, media=audio, clock-rate=48000, encoding-name=OPUS, "
  "payload=96, extmap-1=(string)\"urn:ietf:params:rtp-hdrext:ntp-64\", "
  "extmap-2=(string)<\"sendonly\", \"http://www.ietf.org/id/draft-x-01\", \"\">, "
  "extmap-14=(string)<\"\", \"urn:ietf:params:rtp-hdrext:ssrc-audio-level\", "
  "\"vad=on\">, extmap-255=(string)<\"inactive\", \"urn:x\", \"a b\">",
  "application/x-rtp, media=audio, clock-rate=48000, encoding-name=L24, "
  "encoding-params=(string)2, payload=96, "
  "a-ts-refclk=(string)\"ptp=IEEE1588-2008:39-A7-94-FF-FE-07-CB-D0:0\", "
  "a-mediaclk=(string)\"direct=963214424\", a-ptime=(string)1",
};

static void
test_same (void)
{
  guint i;

  for (i = 0; i < G_N_ELEMENTS (same_caps); i++) {
    g_autoptr (GstCaps) caps = gst_caps_from_string (same_caps[i]);
    g_autoptr (GstCaps) back = NULL;

    g_assert_nonnull (caps);
    back = round_trip (caps);
    assert_caps (back, same_caps[i]);
  }
}

/* What is not to travel: the state of one run, keys, and what is not a
 * string. */
static void
test_left_out (void)
{
  g_autoptr (GstCaps) caps = gst_caps_from_string (
      "application/x-rtp, media=video, clock-rate=90000, encoding-name=H264, "
      "payload=96, seqnum-offset=(uint)1, seqnum-base=(uint)1, "
      "timestamp-offset=(uint)5, clock-base=(uint)9, profile=(string)main, "
      "srtp-key=(string)secret, srtp-cipher=(string)aes-128-icm, a-mid=(string)x,"
      " a-setup=(string)active, ssrc-1-cname=(string)x, channels=(int)2, "
      "rtcp-fb-nack=(boolean)false, rate=(double)1, s=(string)t");
  g_autoptr (GstCaps) back = round_trip (caps);
  g_autofree char *sdp = to_sdp (7, "track_0", caps, NULL);

  assert_caps (back,
      "application/x-rtp, media=video, clock-rate=90000, encoding-name=H264, "
      "payload=96, s=(string)t");
  g_assert_null (strstr (sdp, "secret"));
}

static void
test_text (void)
{
  g_autoptr (GstCaps) caps = gst_caps_from_string (
      "application/x-rtp, media=video, clock-rate=90000, encoding-name=H264, "
      "payload=96, packetization-mode=(string)1, ssrc=(uint)5");
  g_autoptr (GPtrArray) all = new_array ();
  g_autoptr (GError) error = NULL;
  g_autofree char *sdp = NULL;
  QpMedia *media = qp_media_new (QP_VARINT_MAX, "video_0", caps);

  g_ptr_array_add (all, media);
  media->setup = g_strdup ("passive");
  sdp = qp_media_to_sdp (all, "a door", &error);
  g_assert_no_error (error);
  g_assert_cmpstr (sdp, ==,
      "v=0\r\n"
      "o=- 0 0 IN IP4 0.0.0.0\r\n"
      "s=a door\r\n"
      "c=IN IP4 0.0.0.0\r\n"
      "t=0 0\r\n"
      "m=video 9 QUIC/RTP/AVPF 96\r\n"
      "a=mid:video_0\r\n"
      "a=sendonly\r\n"
      "a=rtcp-mux\r\n"
      "a=roq-flow-id:4611686018427387903\r\n"
      "a=setup:passive\r\n"
      "a=rtpmap:96 H264/90000\r\n"
      "a=fmtp:96 packetization-mode=1\r\n"
      "a=ssrc:5 label:video_0\r\n");
}

#define PRINT                                        \
  "AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67:89:" \
  "AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67:89"

static void
test_several (void)
{
  g_autoptr (GPtrArray) all = new_array ();
  g_autoptr (GPtrArray) back = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *sdp = NULL;
  guint i;

  for (i = 0; i < QP_MEDIA_MAX_MEDIA; i++) {
    g_autoptr (GstCaps)
        caps = gst_caps_from_string (same_caps[i % G_N_ELEMENTS (same_caps)]);
    g_autofree char *mid = g_strdup_printf ("m.%u_-x", i);
    QpMedia *media = qp_media_new (i * G_GUINT64_CONSTANT (1000000007), mid,
        caps);

    media->setup = g_strdup (i % 2 ? "active" : "actpass");
    media->fingerprint = g_strdup ("sha-256 " PRINT);
    g_ptr_array_add (all, media);
  }

  sdp = qp_media_to_sdp (all, NULL, &error);
  g_assert_no_error (error);
  back = parse (sdp, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (back->len, ==, all->len);
  for (i = 0; i < all->len; i++) {
    g_assert_true (qp_media_equal (g_ptr_array_index (all, i),
        g_ptr_array_index (back, i)));
    if (i > 0)
      g_assert_false (qp_media_equal (g_ptr_array_index (all, i),
          g_ptr_array_index (back, i - 1)));
  }

  /* One more than is accepted. */
  {
    g_autoptr (GstCaps) caps = gst_caps_from_string (same_caps[0]);
    g_ptr_array_add (all, qp_media_new (1, "one-more", caps));
  }
  g_clear_pointer (&sdp, g_free);
  sdp = qp_media_to_sdp (all, NULL, &error);
  g_assert_null (sdp);
  g_assert_error (error, QP_MEDIA_ERROR, QP_MEDIA_ERROR_LIMIT);
}

static void
test_empty (void)
{
  g_autoptr (GPtrArray) none = new_array ();
  g_autoptr (GPtrArray) back = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *sdp = qp_media_to_sdp (none, NULL, &error);

  g_assert_no_error (error);
  back = parse (sdp, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (back->len, ==, 0);
}

static void
test_session_name (void)
{
  static const char *const names[] = { NULL, "", "a\nb", "a\rb", "\"", "é" };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autoptr (GPtrArray) none = new_array ();
    g_autofree char *sdp = qp_media_to_sdp (none, names[i], NULL);

    g_assert_nonnull (strstr (sdp, "\r\ns=-\r\n"));
  }
}

static void
test_unwritable (void)
{
  static const struct {
    const char *mid, *caps;
    QpMediaError code;
  } table[] = {
    { "", "application/x-rtp, media=video, clock-rate=1, payload=0",
        QP_MEDIA_ERROR_SYNTAX },
    { "a b", "application/x-rtp, media=video, clock-rate=1, payload=0",
        QP_MEDIA_ERROR_SYNTAX },
    { "0123456789012345678901234567890123",
        "application/x-rtp, media=video, clock-rate=1, payload=0",
        QP_MEDIA_ERROR_SYNTAX },
    { "v", "video/x-raw", QP_MEDIA_ERROR_CAPS },
    { "v", "ANY", QP_MEDIA_ERROR_CAPS },
    { "v", "EMPTY", QP_MEDIA_ERROR_CAPS },
    { "v", "application/x-rtp, media=video, clock-rate=90000, payload=[96, 97]",
        QP_MEDIA_ERROR_CAPS },
    { "v", "application/x-rtp, media=video, clock-rate=90000",
        QP_MEDIA_ERROR_CAPS },
    { "v", "application/x-rtp, media=video, payload=96", QP_MEDIA_ERROR_CAPS },
    { "v", "application/x-rtp, clock-rate=90000, payload=96",
        QP_MEDIA_ERROR_CAPS },
    { "v",
        "application/x-rtp, media=video, clock-rate=90000, payload=96, "
        "encoding-name=X, config=(string)\"a;b\"",
        QP_MEDIA_ERROR_CAPS },
    { "v",
        "application/x-rtp, media=video, clock-rate=90000, payload=96, "
        "encoding-name=X, config=(string)\"a\\012a\\=roq-flow-id:1\"",
        QP_MEDIA_ERROR_CAPS },
    { "v",
        "application/x-rtp, media=video, clock-rate=90000, payload=96, "
        "encoding-name=X, extmap-1=(string)<\"\", \"urn:x\", \"\\012m\\=\">",
        QP_MEDIA_ERROR_CAPS },
    { "v",
        "application/x-rtp, media=video, clock-rate=90000, payload=96, "
        "encoding-name=\"X\\012Y\"",
        QP_MEDIA_ERROR_CAPS },
    { "v",
        "application/x-rtp, media=video, clock-rate=90000, payload=96, "
        "encoding-name=X/Y/Z",
        QP_MEDIA_ERROR_SYNTAX },
    { "v",
        "application/x-rtp, media=message, clock-rate=90000, payload=96, "
        "encoding-name=X",
        QP_MEDIA_ERROR_UNSUPPORTED },
    { "v",
        "application/x-rtp, media=video, clock-rate=90000, payload=72, "
        "encoding-name=X",
        QP_MEDIA_ERROR_UNSUPPORTED },
    { "v",
        "application/x-rtp, media=video, clock-rate=90000, payload=128, "
        "encoding-name=X",
        QP_MEDIA_ERROR_SYNTAX },
    { "v",
        "application/x-rtp, media=video, clock-rate=0, payload=96, "
        "encoding-name=X",
        QP_MEDIA_ERROR_SYNTAX },
    { "v", "application/x-rtp, media=video, clock-rate=90000, payload=96",
        QP_MEDIA_ERROR_SYNTAX },
  };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (table); i++) {
    g_autoptr (GstCaps) caps = gst_caps_from_string (table[i].caps);
    g_autoptr (GError) error = NULL;
    g_autofree char *sdp = NULL;

    g_test_message ("%s", table[i].caps);
    g_assert_nonnull (caps);
    sdp = to_sdp (0, table[i].mid, caps, &error);
    g_assert_null (sdp);
    g_assert_error (error, QP_MEDIA_ERROR, (int) table[i].code);
  }
}

static void
test_not_unique (void)
{
  g_autoptr (GstCaps) caps = gst_caps_from_string (same_caps[0]);
  g_autoptr (GPtrArray) all = new_array ();
  g_autoptr (GError) error = NULL;
  g_autofree char *sdp = NULL;

  g_ptr_array_add (all, qp_media_new (1, "a", caps));
  g_ptr_array_add (all, qp_media_new (1, "b", caps));
  sdp = qp_media_to_sdp (all, NULL, &error);
  g_assert_null (sdp);
  g_assert_error (error, QP_MEDIA_ERROR, QP_MEDIA_ERROR_SYNTAX);
  g_clear_error (&error);

  g_ptr_array_set_size (all, 1);
  g_ptr_array_add (all, qp_media_new (2, "a", caps));
  sdp = qp_media_to_sdp (all, NULL, &error);
  g_assert_null (sdp);
  g_assert_error (error, QP_MEDIA_ERROR, QP_MEDIA_ERROR_SYNTAX);
}

static void
test_kind (void)
{
  static const struct {
    const char *caps;
    QpFrameKind kind;
  } table[] = {
    { "application/x-rtp, media=video", QP_FRAME_KIND_VIDEO },
    { "application/x-rtp, media=audio", QP_FRAME_KIND_AUDIO },
    { "application/x-rtp, media=application", QP_FRAME_KIND_OTHER },
    { "application/x-rtp", QP_FRAME_KIND_OTHER },
    { "ANY", QP_FRAME_KIND_OTHER },
    { "EMPTY", QP_FRAME_KIND_OTHER },
  };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (table); i++) {
    g_autoptr (GstCaps) caps = gst_caps_from_string (table[i].caps);

    g_assert_cmpint (qp_media_kind (caps), ==, table[i].kind);
  }
}

/* --- real payloaders --- */

/* Runs @launch until EOS.  Returns the pipeline, still PLAYING, or NULL with
 * the test skipped if an element is missing.  @caps, if any, replaces what
 * goes through the element "setter". */
static GstElement *
run_pipeline (const char *launch, GstCaps *caps)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GstElement) pipeline = gst_parse_launch_full (launch, NULL,
      GST_PARSE_FLAG_FATAL_ERRORS, &error);
  g_autoptr (GstMessage) message = NULL;
  g_autoptr (GstBus) bus = NULL;

  if (error != NULL) {
    g_assert_error (error, GST_PARSE_ERROR, GST_PARSE_ERROR_NO_SUCH_ELEMENT);
    g_test_skip (error->message);
    return NULL;
  }

  if (caps != NULL) {
    g_autoptr (GstElement)
        setter = gst_bin_get_by_name (GST_BIN (pipeline), "setter");

    g_object_set (setter, "join", FALSE, "replace", TRUE, "caps", caps, NULL);
  }

  bus = gst_element_get_bus (pipeline);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  message = gst_bus_timed_pop_filtered (bus, 30 * GST_SECOND,
      GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  g_assert_nonnull (message);
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
    gst_message_parse_error (message, &error, NULL);
    g_error ("%s: %s", launch, error->message);
  }

  return g_steal_pointer (&pipeline);
}

static GstCaps *
caps_of (const char *launch)
{
  g_autofree char *line = g_strdup_printf ("%s ! fakesink name=end", launch);
  g_autoptr (GstElement) pipeline = run_pipeline (line, NULL);
  g_autoptr (GstElement) sink = NULL;
  g_autoptr (GstPad) pad = NULL;
  GstCaps *caps;

  if (pipeline == NULL)
    return NULL;

  sink = gst_bin_get_by_name (GST_BIN (pipeline), "end");
  pad = gst_element_get_static_pad (sink, "sink");
  caps = gst_pad_get_current_caps (pad);
  gst_element_set_state (pipeline, GST_STATE_NULL);

  return caps;
}

/* With caps that came out of SDP the depayloader works. */
static void
check_depayloads (const char *launch, GstCaps *caps, const char *depayloader)
{
  g_autofree char *line =
      g_strdup_printf ("%s ! capssetter name=setter ! %s ! fakesink name=end",
          launch, depayloader);
  g_autoptr (GstElement) pipeline = run_pipeline (line, caps);
  g_autoptr (GstElement) sink = NULL;
  g_autoptr (GstSample) sample = NULL;

  if (pipeline == NULL)
    return;

  sink = gst_bin_get_by_name (GST_BIN (pipeline), "end");
  g_object_get (sink, "last-sample", &sample, NULL);
  g_assert_nonnull (sample);
  gst_element_set_state (pipeline, GST_STATE_NULL);
}

typedef struct {
  const char *name, *launch, *depayloader;
} Payloader;

#define VIDEO_SOURCE                                               \
  "videotestsrc num-buffers=5 ! video/x-raw,width=320,height=240," \
  "framerate=30/1 ! videoconvert"
#define AUDIO_SOURCE(n)                                           \
  "audiotestsrc num-buffers=20 ! audioconvert ! audioresample ! " \
  "audio/x-raw,rate=48000,channels=" n
static const Payloader payloaders[] = {
  { "h264", VIDEO_SOURCE " ! x264enc tune=zerolatency ! rtph264pay",
      "rtph264depay ! h264parse ! video/x-h264,width=320,height=240" },
  { "h264-avc",
      VIDEO_SOURCE " ! x264enc tune=zerolatency ! video/x-h264,"
                   "profile=constrained-baseline ! rtph264pay pt=102",
      "rtph264depay ! video/x-h264,stream-format=avc" },
  { "h265", VIDEO_SOURCE " ! x265enc tune=zerolatency ! rtph265pay",
      "rtph265depay ! h265parse ! video/x-h265,width=320,height=240" },
  { "vp8", VIDEO_SOURCE " ! vp8enc deadline=1 ! rtpvp8pay", "rtpvp8depay" },
  { "vp9", VIDEO_SOURCE " ! vp9enc deadline=1 ! rtpvp9pay", "rtpvp9depay" },
  { "jpeg", VIDEO_SOURCE " ! video/x-raw,format=I420 ! jpegenc ! rtpjpegpay",
      "rtpjpegdepay ! jpegdec ! video/x-raw,width=320,height=240" },
  { "raw", VIDEO_SOURCE " ! video/x-raw,format=UYVY ! rtpvrawpay",
      "rtpvrawdepay ! video/x-raw,format=UYVY,width=320,height=240" },
  { "mpeg-ts",
      VIDEO_SOURCE " ! x264enc tune=zerolatency ! mpegtsmux ! rtpmp2tpay",
      "rtpmp2tdepay" },
  { "opus-mono", AUDIO_SOURCE ("1") " ! opusenc ! rtpopuspay",
      "rtpopusdepay ! opusdec" },
  { "opus-stereo", AUDIO_SOURCE ("2") " ! opusenc ! rtpopuspay",
      "rtpopusdepay ! opusdec ! audio/x-raw,channels=2" },
  { "opus-5.1",
      AUDIO_SOURCE ("6") ",channel-mask=(bitmask)0x3f ! opusenc ! rtpopuspay",
      "rtpopusdepay ! opusdec ! audio/x-raw,channels=6" },
  { "l16", AUDIO_SOURCE ("2") " ! audioconvert ! rtpL16pay",
      "rtpL16depay ! audio/x-raw,channels=2,rate=48000" },
  { "pcma",
      "audiotestsrc num-buffers=20 ! audioconvert ! audioresample ! alawenc ! "
      "rtppcmapay",
      "rtppcmadepay" },
};

/* What a payloader says of itself in its caps and what is left out of SDP. */
static gboolean
is_expected (const char *field)
{
  static const char *const not_in_sdp[] = { "timestamp-offset", "seqnum-offset",
    "profile", "channels", NULL };

  return !g_strv_contains (not_in_sdp, field);
}

static void
test_payloader (gconstpointer data)
{
  const Payloader *payloader = data;
  g_autoptr (GstCaps) caps = caps_of (payloader->launch);
  g_autoptr (GstCaps) back = NULL;
  g_autoptr (GstCaps) again = NULL;
  const GstStructure *s, *t;
  int i;

  if (caps == NULL)
    return;

  back = round_trip (caps);
  s = gst_caps_get_structure (caps, 0);
  t = gst_caps_get_structure (back, 0);
  for (i = 0; i < gst_structure_n_fields (s); i++) {
    const char *field = gst_structure_nth_field_name (s, i);
    const GValue *value = gst_structure_get_value (t, field);

    if (!is_expected (field))
      continue;
    g_test_message ("field %s", field);
    g_assert_nonnull (value);
    g_assert_cmpint (gst_value_compare (value,
                         gst_structure_get_value (s, field)),
        ==, GST_VALUE_EQUAL);
  }

  again = round_trip (back);
  g_assert_true (gst_caps_is_equal (again, back));

  check_depayloads (payloader->launch, back, payloader->depayloader);
}

/* --- what a peer may send --- */

/* From outside, with what other implementations write, and its caps. */
static const struct {
  const char *name, *sdp, *caps;
} sound[] = {
  { "plain", HEAD VIDEO,
      "application/x-rtp, media=video, payload=96, clock-rate=90000, "
      "encoding-name=H264" },
  { "line ends are LF only, the last is missing",
      "v=0\no=- 0 0 IN IP4 0.0.0.0\ns=\xc3\xa9\nt=0 0\n"
      "m=video 9 QUIC/RTP/AVPF 96\na=mid:v\na=rtcp-mux\na=roq-flow-id:4\n"
      "a=rtpmap:96 H264/90000",
      "application/x-rtp, media=video, payload=96, clock-rate=90000, "
      "encoding-name=H264" },
  { "lower case", HEAD MLINE TRANSPORT "a=rtpmap:96 h264/90000\r\n",
      "application/x-rtp, media=video, payload=96, clock-rate=90000, "
      "encoding-name=H264" },
  { "level asymmetry",
      HEAD VIDEO "a=fmtp:96 profile-level-id=42e01f; "
                 "level-asymmetry-allowed=1;packetization-mode=1;\r\n",
      "application/x-rtp, media=video, payload=96, clock-rate=90000, "
      "encoding-name=H264, profile-level-id=(string)42e01f, "
      "level-asymmetry-allowed=(string)1, packetization-mode=(string)1" },
  { "a parameter without a value, one with spaces",
      HEAD VIDEO "a=fmtp:96 Some-Flag; empty=; spaced = x \r\n",
      "application/x-rtp, media=video, payload=96, clock-rate=90000, "
      "encoding-name=H264, some-flag=(string)1, empty=(string)\"\", "
      "spaced=(string)x" },
  { "static, without rtpmap", HEAD "m=audio 9 QUIC/RTP/AVPF 10\r\n" TRANSPORT,
      "application/x-rtp, media=audio, payload=10, clock-rate=44100, "
      "encoding-name=L16, encoding-params=(string)2" },
  { "static, with parameters",
      HEAD "m=video 9 QUIC/RTP/AVPF 26\r\n" TRANSPORT "a=fmtp:26 a=b\r\n",
      "application/x-rtp, media=video, payload=26, clock-rate=90000, "
      "encoding-name=JPEG, a=(string)b" },
  { "feedback for all, two SSRCs",
      HEAD VIDEO "a=rtcp-fb:* nack pli\r\na=rtcp-fb:96 transport-cc\r\n"
                 "a=ssrc:7 cname:\"x y\"\r\na=ssrc:8\r\n",
      "application/x-rtp, media=video, payload=96, clock-rate=90000, "
      "encoding-name=H264, rtcp-fb-nack-pli=true, rtcp-fb-transport-cc=true, "
      "ssrc=(uint)7" },
  { "attributes of the transport and a few others",
      HEAD VIDEO "a=ice-ufrag:\"\"\r\na=candidate:1 1 udp 1 ::1 9 typ host\r\n"
                 "a=crypto:1 AES\r\na=key-mgmt:mikey AQAA\r\na=rid:1 send\r\n"
                 "a=tls-id:1\r\na=quality:10\r\na=x-gst-foo:1\r\n",
      "application/x-rtp, media=video, payload=96, clock-rate=90000, "
      "encoding-name=H264, a-quality=(string)10" },
};

static void
test_sound (void)
{
  guint i;

  for (i = 0; i < G_N_ELEMENTS (sound); i++) {
    g_autoptr (QpMedia) media = NULL;
    g_autoptr (GstCaps) back = NULL;

    g_test_message ("%s", sound[i].name);
    media = parse_one (sound[i].sdp);
    g_assert_cmpuint (media->flow_id, ==, 4);
    g_assert_cmpstr (media->mid, ==, "v");
    assert_caps (media->caps, sound[i].caps);
    back = round_trip (media->caps);
    assert_caps (back, sound[i].caps);
  }
}

static void
test_inherited (void)
{
  g_autoptr (QpMedia) media = parse_one (HEAD
      "a=setup:active\r\na=fingerprint:SHA-256 " PRINT "\r\n" VIDEO);
  g_autoptr (QpMedia) own = parse_one (HEAD
      "a=setup:active\r\na=sendonly\r\n" VIDEO "a=setup:passive\r\n");

  g_assert_cmpstr (media->setup, ==, "active");
  g_assert_cmpstr (media->fingerprint, ==, "SHA-256 " PRINT);
  g_assert_cmpstr (own->setup, ==, "passive");
  g_assert_null (own->fingerprint);
}

static void
test_not_sent (void)
{
  static const struct {
    const char *sdp;
    guint n;
  } table[] = {
    { HEAD VIDEO "a=recvonly\r\n", 0 },
    { HEAD VIDEO "a=inactive\r\n", 0 },
    { HEAD VIDEO "a=sendonly\r\n", 1 },
    { HEAD VIDEO "a=sendrecv\r\n", 1 },
    { HEAD "a=inactive\r\n" VIDEO, 0 },
    { HEAD "a=recvonly\r\n" VIDEO "a=sendonly\r\n", 1 },
    { HEAD "m=video 0 QUIC/RTP/AVPF 96\r\n" TRANSPORT RTPMAP, 0 },
    { HEAD "m=video 0 QUIC/RTP/AVPF 96\r\n", 0 },
    { HEAD "m=video 0 QUIC/RTP/AVPF 96\r\n" TRANSPORT RTPMAP VIDEO, 1 },
  };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (table); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (GPtrArray) all = parse (table[i].sdp, &error);

    g_assert_no_error (error);
    g_assert_cmpuint (all->len, ==, table[i].n);
  }
}

#define SYNTAX QP_MEDIA_ERROR_SYNTAX
#define LIMIT QP_MEDIA_ERROR_LIMIT
#define UNSUPPORTED QP_MEDIA_ERROR_UNSUPPORTED
#define NO_RTPMAP HEAD MLINE TRANSPORT

static const struct {
  const char *sdp;
  QpMediaError code;
  const char *told; /* part of the message */
} bad[] = {
  { "", SYNTAX, "empty" },
  { "\n", SYNTAX, "v=0" },
  { "v", SYNTAX, "v=0" },
  { "v=1\r\n", SYNTAX, "v=0" },
  { " v=0\r\n", SYNTAX, "v=0" },
  { MLINE, SYNTAX, "v=0" },
  { "v=0\r\n\r\nm=x", SYNTAX, "line 2" },
  { "v=0\r\nM=video 9 QUIC/RTP/AVPF 96\r\n", SYNTAX, "line 2" },
  { "v=0\r\n m=video 9 QUIC/RTP/AVPF 96\r\n", SYNTAX, "line 2" },
  { "v=0\r\nhello", SYNTAX, "line 2" },
  { "v=0\rs=-\r\n", SYNTAX, "control" },
  { "v=0\ns=\x01\r\n", SYNTAX, "control" },
  { "v=0\ns=\xff\r\n", SYNTAX, "UTF-8" },
  { "v=0\ns=\xc0\x80\r\n", SYNTAX, "UTF-8" },
  /* m-lines */
  { HEAD "m=\r\n", SYNTAX, "m-line 1" },
  { HEAD "m=video\r\n", SYNTAX, "m-line 1" },
  { HEAD "m=video 9 QUIC/RTP/AVPF\r\n", SYNTAX, "m-line 1" },
  { HEAD "m=video  9 QUIC/RTP/AVPF 96\r\n", UNSUPPORTED, "m-line 1" },
  { HEAD "m=video 9 QUIC/RTP/AVPF 96 97\r\n", UNSUPPORTED, "payload types" },
  { HEAD "m=message 9 QUIC/RTP/AVPF 96\r\n", UNSUPPORTED, "m-line 1" },
  { HEAD "m=video 9/2 QUIC/RTP/AVPF 96\r\n", SYNTAX, "port" },
  { HEAD "m=video 65536 QUIC/RTP/AVPF 96\r\n", SYNTAX, "port" },
  { HEAD "m=video -1 QUIC/RTP/AVPF 96\r\n", SYNTAX, "port" },
  { HEAD "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n", UNSUPPORTED, "QUIC/RTP/AVPF" },
  { HEAD "m=video 9 QUIC/RTP/AVPF 128\r\n", SYNTAX, "0 to 127" },
  { HEAD "m=video 9 QUIC/RTP/AVPF x\r\n", SYNTAX, "0 to 127" },
  { HEAD "m=video 9 QUIC/RTP/AVPF 096\r\n", SYNTAX, "0 to 127" },
  { HEAD "m=video 9 QUIC/RTP/AVPF 64\r\n", UNSUPPORTED, "RFC 5761" },
  { HEAD "m=video 9 QUIC/RTP/AVPF 95\r\n", UNSUPPORTED, "RFC 5761" },
  { HEAD VIDEO "m=x", SYNTAX, "m-line 2" },
  /* identity */
  { HEAD MLINE "a=rtcp-mux\r\na=roq-flow-id:4\r\n" RTPMAP, SYNTAX, "no mid" },
  { HEAD MLINE "a=mid:v\r\na=rtcp-mux\r\n" RTPMAP, SYNTAX, "roq-flow-id" },
  { HEAD MLINE "a=mid:v\r\na=roq-flow-id:4\r\n" RTPMAP, UNSUPPORTED,
      "rtcp-mux" },
  { HEAD VIDEO "a=mid:w\r\n", SYNTAX, "two mid" },
  { HEAD VIDEO "a=roq-flow-id:5\r\n", SYNTAX, "two roq-flow-id" },
  { HEAD VIDEO RTPMAP, SYNTAX, "two rtpmap" },
  { HEAD VIDEO "a=fmtp:96 a=b\r\na=fmtp:96 c=d\r\n", SYNTAX, "two fmtp" },
  { HEAD VIDEO VIDEO, SYNTAX, "m-line 2: its roq-flow-id 4" },
  { HEAD VIDEO MLINE "a=mid:v\r\na=rtcp-mux\r\na=roq-flow-id:5\r\n" RTPMAP,
      SYNTAX, "m-line 2: its mid v" },
  { HEAD MLINE "a=mid:\r\n", SYNTAX, "mid" },
  { HEAD MLINE "a=mid\r\n", SYNTAX, "mid" },
  { HEAD MLINE "a=mid:a/b\r\n", SYNTAX, "mid" },
  { HEAD MLINE "a=mid:012345678901234567890123456789012\r\n", SYNTAX, "mid" },
  { HEAD MLINE "a=roq-flow-id:\r\n", SYNTAX, "roq-flow-id" },
  { HEAD MLINE "a=roq-flow-id:-1\r\n", SYNTAX, "roq-flow-id" },
  { HEAD MLINE "a=roq-flow-id:01\r\n", SYNTAX, "roq-flow-id" },
  { HEAD MLINE "a=roq-flow-id: 1\r\n", SYNTAX, "roq-flow-id" },
  { HEAD MLINE "a=roq-flow-id:1 \r\n", SYNTAX, "roq-flow-id" },
  { HEAD MLINE "a=roq-flow-id:0x1\r\n", SYNTAX, "roq-flow-id" },
  { HEAD MLINE "a=roq-flow-id:4611686018427387904\r\n", SYNTAX, "roq-flow-id" },
  { HEAD MLINE "a=roq-flow-id:18446744073709551616\r\n", SYNTAX,
      "roq-flow-id" },
  { HEAD MLINE "a=roq-flow-id:99999999999999999999999999\r\n", SYNTAX,
      "roq-flow-id" },
  { HEAD MLINE "a=setup:holdconn\r\n", SYNTAX, "setup" },
  { HEAD "a=setup:x\r\n" VIDEO, SYNTAX, "session" },
  { HEAD MLINE "a=fingerprint:sha-1 AA\r\n", SYNTAX, "fingerprint" },
  { HEAD MLINE "a=fingerprint:sha-256 " PRINT ":00\r\n", SYNTAX,
      "fingerprint" },
  { HEAD "a=fingerprint:sha-256 " PRINT "x\r\n" VIDEO, SYNTAX, "fingerprint" },
  /* attributes */
  { HEAD "a=\r\n", SYNTAX, "line 5" },
  { HEAD "a=:x\r\n", SYNTAX, "line 5" },
  { HEAD VIDEO "a= mid:x\r\n", SYNTAX, "m-line 1" },
  { HEAD VIDEO "a=\xc3\xa9:x\r\n", SYNTAX, "m-line 1" },
  { HEAD VIDEO "a=x-foo:\"\r\n", SYNTAX, "x-foo" },
  { HEAD VIDEO "a=x-foo:\\\r\n", SYNTAX, "x-foo" },
  { HEAD VIDEO "a=x-foo:\xc3\xa9\r\n", SYNTAX, "x-foo" },
  { HEAD MLINE TRANSPORT, SYNTAX, "no rtpmap" },
  { HEAD "m=audio 9 QUIC/RTP/AVPF 20\r\n" TRANSPORT, SYNTAX, "no rtpmap" },
  { HEAD "m=audio 9 QUIC/RTP/AVPF 50\r\n" TRANSPORT, SYNTAX, "no rtpmap" },
  { NO_RTPMAP "a=rtpmap:97 H264/90000\r\n", SYNTAX, "payload type, 96" },
  { NO_RTPMAP "a=rtpmap:966 H264/90000\r\n", SYNTAX, "payload type, 96" },
  { NO_RTPMAP "a=rtpmap:96\r\n", SYNTAX, "payload type, 96" },
  { NO_RTPMAP "a=rtpmap:\r\n", SYNTAX, "payload type, 96" },
  { NO_RTPMAP "a=rtpmap:96 \r\n", SYNTAX, "rtpmap" },
  { NO_RTPMAP "a=rtpmap:96 H264\r\n", SYNTAX, "rtpmap" },
  { NO_RTPMAP "a=rtpmap:96 /90000\r\n", SYNTAX, "rtpmap" },
  { NO_RTPMAP "a=rtpmap:96  H264/90000\r\n", SYNTAX, "rtpmap" },
  { NO_RTPMAP "a=rtpmap:96 H264/\r\n", SYNTAX, "clock rate" },
  { NO_RTPMAP "a=rtpmap:96 H264/0\r\n", SYNTAX, "clock rate" },
  { NO_RTPMAP "a=rtpmap:96 H264/2147483648\r\n", SYNTAX, "clock rate" },
  { NO_RTPMAP "a=rtpmap:96 H264/90000/\r\n", SYNTAX, "encoding parameters" },
  { NO_RTPMAP "a=rtpmap:96 H264/90000/1/2\r\n", SYNTAX, "rtpmap" },
  { HEAD VIDEO "a=fmtp:97 a=b\r\n", SYNTAX, "fmtp" },
  { HEAD VIDEO "a=fmtp:96 =b\r\n", SYNTAX, "fmtp" },
  { HEAD VIDEO "a=fmtp:96 0-15\r\n", SYNTAX, "fmtp" },
  { HEAD VIDEO "a=fmtp:96 a b=c\r\n", SYNTAX, "fmtp" },
  { HEAD VIDEO "a=fmtp:96 a=b c\r\n", SYNTAX, "fmtp" },
  { HEAD VIDEO "a=fmtp:96 a=\"b\"\r\n", SYNTAX, "parameter a" },
  { HEAD VIDEO "a=fmtp:96 Media=audio\r\n", SYNTAX, "media" },
  { HEAD VIDEO "a=fmtp:96 clock-rate=1\r\n", SYNTAX, "clock-rate" },
  { HEAD VIDEO "a=fmtp:96 ssrc=1\r\n", SYNTAX, "ssrc" },
  { HEAD VIDEO "a=fmtp:96 srtp-key=1\r\n", SYNTAX, "srtp-key" },
  { HEAD VIDEO "a=fmtp:96 x-foo=1\r\n", SYNTAX, "x-foo" },
  { HEAD VIDEO "a=rtcp-fb:97 nack\r\n", SYNTAX, "rtcp-fb" },
  { HEAD VIDEO "a=rtcp-fb:96 \r\n", SYNTAX, "rtcp-fb" },
  { HEAD VIDEO "a=rtcp-fb:96 nack  pli\r\n", SYNTAX, "rtcp-fb" },
  { HEAD VIDEO "a=rtcp-fb:96 n=1\r\n", SYNTAX, "rtcp-fb" },
  { HEAD VIDEO "a=rtcp-fb:*\r\n", SYNTAX, "rtcp-fb" },
  { HEAD VIDEO "a=framesize:96 x-y\r\n", SYNTAX, "framesize" },
  { HEAD VIDEO "a=framesize:96 1-2-3\r\n", SYNTAX, "framesize" },
  { HEAD VIDEO "a=framesize:96 100000-1\r\n", SYNTAX, "framesize" },
  { HEAD VIDEO "a=extmap:\r\n", SYNTAX, "extmap" },
  { HEAD VIDEO "a=extmap:1\r\n", SYNTAX, "extmap" },
  { HEAD VIDEO "a=extmap: urn:x\r\n", SYNTAX, "extmap" },
  { HEAD VIDEO "a=extmap:0 urn:x\r\n", SYNTAX, "extmap" },
  { HEAD VIDEO "a=extmap:15 urn:x\r\n", SYNTAX, "extmap" },
  { HEAD VIDEO "a=extmap:256 urn:x\r\n", SYNTAX, "extmap" },
  { HEAD VIDEO "a=extmap:1/up urn:x\r\n", SYNTAX, "extmap" },
  { HEAD VIDEO "a=extmap:1/ urn:x\r\n", SYNTAX, "extmap" },
  { HEAD VIDEO "a=extmap:1 \r\n", SYNTAX, "extmap" },
  { HEAD VIDEO "a=extmap:1 urn:\"x\r\n", SYNTAX, "extmap" },
  { HEAD VIDEO "a=extmap:1 urn:x \"\r\n", SYNTAX, "extmap" },
  { HEAD VIDEO "a=extmap:1 urn:x\r\na=extmap:1 urn:y\r\n", SYNTAX, "extmap" },
  { HEAD VIDEO "a=ssrc:\r\n", SYNTAX, "ssrc" },
  { HEAD VIDEO "a=ssrc:x cname:y\r\n", SYNTAX, "ssrc" },
  { HEAD VIDEO "a=ssrc:4294967296 cname:y\r\n", SYNTAX, "ssrc" },
};

static void
assert_bad (const char *sdp, gsize size, QpMediaError code, const char *told)
{
  g_autofree char *copy = g_memdup2 (sdp, size);
  g_autoptr (GError) error = NULL;
  GPtrArray *all = qp_media_from_sdp (copy, size, &error);

  g_test_message ("%s", error ? error->message : "accepted");
  g_assert_null (all);
  g_assert_error (error, QP_MEDIA_ERROR, (int) code);
  g_assert_nonnull (strstr (error->message, told));
}

static void
test_bad (void)
{
  guint i;

  for (i = 0; i < G_N_ELEMENTS (bad); i++) {
    g_test_message ("%s", bad[i].sdp);
    assert_bad (bad[i].sdp, strlen (bad[i].sdp), bad[i].code, bad[i].told);
  }

  assert_bad ("v=0\n\0m=", 7, SYNTAX, "UTF-8");
}

static char *
repeat (const char *head, const char *line, guint n)
{
  GString *string = g_string_new (head);

  while (n-- > 0)
    g_string_append (string, line);
  return g_string_free (string, FALSE);
}

static void
test_limits (void)
{
  static const struct {
    const char *head, *line;
    guint accepted; /* so many and no more */
    const char *told;
  } table[] = {
    { HEAD, "a=x:y\r\n", QP_MEDIA_MAX_ATTRIBUTES, "attribute" },
    { HEAD VIDEO, "a=x:y\r\n", QP_MEDIA_MAX_ATTRIBUTES - 4, "attribute" },
    { HEAD, "m=video 0 QUIC/RTP/AVPF 96\r\n", QP_MEDIA_MAX_MEDIA, "m-line" },
    { HEAD VIDEO "a=fmtp:96 a", ";a=b", 63, "parameters" },
    { HEAD "i=", "0123456789abcdef", 1023, "longer" },
    { "v=0\n", "i=01234567\n", (QP_MEDIA_MAX_SDP_SIZE - 4) / 11, "bytes" },
  };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (table); i++) {
    g_autofree char *fits = repeat (table[i].head, table[i].line,
        table[i].accepted);
    g_autofree char *more = repeat (table[i].head, table[i].line,
        table[i].accepted + 1);
    g_autoptr (GError) error = NULL;
    g_autoptr (GPtrArray) all = parse (fits, &error);

    g_assert_no_error (error);
    g_assert_nonnull (all);
    assert_bad (more, strlen (more), LIMIT, table[i].told);
  }
}

/* Cut at each byte: never a read past the end, and what is left is either
 * refused or whole m-lines. */
static void
test_truncated (void)
{
  static const char sdp[] = HEAD VIDEO
      "a=fmtp:96 packetization-mode=1;sprop-parameter-sets=Z/Q=,aOvM\r\n"
      "a=extmap:1/sendonly urn:x a=b\r\na=rtcp-fb:96 nack pli\r\n"
      "a=framesize:96 640-480\r\na=ssrc:5 cname:x\r\n"
      "m=audio 9 QUIC/RTP/AVPF 8\r\na=mid:a\r\na=rtcp-mux\r\n"
      "a=roq-flow-id:6\r\n";
  gsize size;
  guint accepted = 0;

  for (size = 0; size < sizeof sdp; size++) {
    g_autofree char *copy = g_memdup2 (sdp, size);
    g_autoptr (GError) error = NULL;
    g_autoptr (GPtrArray) all = qp_media_from_sdp (copy, size, &error);

    g_assert_true ((all == NULL) == (error != NULL));
    if (all != NULL)
      accepted++;
  }

  g_assert_cmpuint (accepted, >, 0);
  g_assert_cmpuint (accepted, <, sizeof sdp - 1);
}

/* Bytes changed at random: refused, or still readable when written. */
static void
test_mutated (void)
{
  static const char sdp[] = HEAD VIDEO
      "a=fmtp:96 packetization-mode=1;sprop-parameter-sets=Z/Q=,aOvM\r\n"
      "a=extmap:1/sendonly urn:x a=b\r\na=rtcp-fb:96 nack pli\r\n"
      "a=framesize:96 640-480\r\na=ssrc:5 cname:x\r\n";
  g_autoptr (GRand) rand = g_rand_new_with_seed (9);
  guint i, accepted = 0;

  for (i = 0; i < 20000; i++) {
    g_autofree char *copy = g_memdup2 (sdp, sizeof sdp - 1);
    g_autoptr (GPtrArray) all = NULL;
    guint n = (guint) g_rand_int_range (rand, 1, 4);

    while (n-- > 0)
      copy[g_rand_int_range (rand, 0, sizeof sdp - 1)] = (char)
          g_rand_int_range (rand, 0, 128);

    all = qp_media_from_sdp (copy, sizeof sdp - 1, NULL);
    if (all != NULL) {
      g_autoptr (GError) error = NULL;
      g_autofree char *text = qp_media_to_sdp (all, NULL, &error);
      g_autoptr (GPtrArray) back = NULL;
      guint j;

      g_assert_no_error (error);
      back = parse (text, &error);
      g_assert_no_error (error);
      g_assert_cmpuint (back->len, ==, all->len);
      for (j = 0; j < all->len; j++)
        g_assert_true (qp_media_equal (g_ptr_array_index (all, j),
            g_ptr_array_index (back, j)));
      accepted++;
    }
  }

  g_assert_cmpuint (accepted, >, 1000);
}

int
main (int argc, char **argv)
{
  guint i;

  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/media/write/same", test_same);
  g_test_add_func ("/media/write/left-out", test_left_out);
  g_test_add_func ("/media/write/text", test_text);
  g_test_add_func ("/media/write/several", test_several);
  g_test_add_func ("/media/write/empty", test_empty);
  g_test_add_func ("/media/write/session-name", test_session_name);
  g_test_add_func ("/media/write/unwritable", test_unwritable);
  g_test_add_func ("/media/write/not-unique", test_not_unique);
  g_test_add_func ("/media/write/kind", test_kind);
  g_test_add_func ("/media/read/sound", test_sound);
  g_test_add_func ("/media/read/inherited", test_inherited);
  g_test_add_func ("/media/read/not-sent", test_not_sent);
  g_test_add_func ("/media/read/bad", test_bad);
  g_test_add_func ("/media/read/limits", test_limits);
  g_test_add_func ("/media/read/truncated", test_truncated);
  g_test_add_func ("/media/read/mutated", test_mutated);

  for (i = 0; i < G_N_ELEMENTS (payloaders); i++) {
    g_autofree char *path = g_strdup_printf ("/media/payloader/%s",
        payloaders[i].name);

    g_test_add_data_func (path, &payloaders[i], test_payloader);
  }

  return g_test_run ();
}

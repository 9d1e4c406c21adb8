/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of the media description that we write: what payloaders put in their
 * caps comes back out of the SDP. */
#include "tests/unit/media-fixture.h"

#include <string.h>

#include "roq/varint.h"

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
    back = media_round_trip (caps);
    media_assert_caps (back, same_caps[i]);
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
  g_autoptr (GstCaps) back = media_round_trip (caps);
  g_autofree char *sdp = media_to_sdp (7, "track_0", caps, NULL);

  media_assert_caps (back,
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
  g_autoptr (GPtrArray) all = media_new_array ();
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

static void
test_several (void)
{
  g_autoptr (GPtrArray) all = media_new_array ();
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
  back = media_parse (sdp, &error);
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
  g_autoptr (GPtrArray) none = media_new_array ();
  g_autoptr (GPtrArray) back = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *sdp = qp_media_to_sdp (none, NULL, &error);

  g_assert_no_error (error);
  back = media_parse (sdp, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (back->len, ==, 0);
}

static void
test_session_name (void)
{
  static const char *const names[] = { NULL, "", "a\nb", "a\rb", "\"", "é" };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autoptr (GPtrArray) none = media_new_array ();
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
    sdp = media_to_sdp (0, table[i].mid, caps, &error);
    g_assert_null (sdp);
    g_assert_error (error, QP_MEDIA_ERROR, (int) table[i].code);
  }
}

static void
test_not_unique (void)
{
  g_autoptr (GstCaps) caps = gst_caps_from_string (same_caps[0]);
  g_autoptr (GPtrArray) all = media_new_array ();
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

  back = media_round_trip (caps);
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

  again = media_round_trip (back);
  g_assert_true (gst_caps_is_equal (again, back));

  check_depayloads (payloader->launch, back, payloader->depayloader);
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

  for (i = 0; i < G_N_ELEMENTS (payloaders); i++) {
    g_autofree char *path = g_strdup_printf ("/media/payloader/%s",
        payloaders[i].name);

    g_test_add_data_func (path, &payloaders[i], test_payloader);
  }

  return g_test_run ();
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of the media description that we read: what a peer may send instead of
 * SDP is refused, what is sound is understood. */
#include "tests/unit/media-fixture.h"

#include <string.h>

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
    media = media_parse_one (sound[i].sdp);
    g_assert_cmpuint (media->flow_id, ==, 4);
    g_assert_cmpstr (media->mid, ==, "v");
    media_assert_caps (media->caps, sound[i].caps);
    back = media_round_trip (media->caps);
    media_assert_caps (back, sound[i].caps);
  }
}

static void
test_inherited (void)
{
  g_autoptr (QpMedia) media = media_parse_one (HEAD
      "a=setup:active\r\na=fingerprint:SHA-256 " PRINT "\r\n" VIDEO);
  g_autoptr (QpMedia) own = media_parse_one (HEAD
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
    g_autoptr (GPtrArray) all = media_parse (table[i].sdp, &error);

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
    g_autoptr (GPtrArray) all = media_parse (fits, &error);

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
      back = media_parse (text, &error);
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
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/media/read/sound", test_sound);
  g_test_add_func ("/media/read/inherited", test_inherited);
  g_test_add_func ("/media/read/not-sent", test_not_sent);
  g_test_add_func ("/media/read/bad", test_bad);
  g_test_add_func ("/media/read/limits", test_limits);
  g_test_add_func ("/media/read/truncated", test_truncated);
  g_test_add_func ("/media/read/mutated", test_mutated);

  return g_test_run ();
}

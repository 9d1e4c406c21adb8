/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The codec of the signaling protocol, with what a hostile peer may send. */

#include "signaling/message.h"

#include <string.h>

#define ID "0123456789abcdef0123456789abcdef"
#define CALL "0011223344556677"
#define FINGERPRINT                                          \
  "sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:" \
  "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF"
#define PASSWORD "0123456789012345678901"
#define ICE "\"ufrag\":\"abcd\",\"password\":\"" PASSWORD "\""
#define PEER "{\"id\":\"" ID "\",\"produces\":true,\"consumes\":false}"

/* Written exactly as the codec writes them. */
static const char *const good[] = {
  "{\"type\":\"join\",\"version\":1,\"token\":\"" ID
  "\",\"name\":\"Tür \\\"1\\\"\",\"secret\":\"s\",\"produces\":true,"
  "\"consumes\":false}",
  "{\"type\":\"leave\"}",
  "{\"type\":\"ping\"}",
  "{\"type\":\"pong\"}",
  "{\"type\":\"draining\"}",
  "{\"type\":\"joined\",\"id\":\"" ID "\",\"room\":\"a/b c\",\"peers\":[" PEER
  ",{\"id\":\"" ID "\",\"name\":\"x\",\"produces\":false,\"consumes\":true,"
  "\"away\":true}],\"ice-servers\":[{\"urls\":[\"stun:192.0.2.1:3478\"]},"
  "{\"urls\":[\"turn:h:1?transport=udp\",\"turns:h\"],\"username\":\"9:x\","
  "\"credential\":\"Zm9v\"}]}",
  "{\"type\":\"joined\",\"id\":\"" ID
  "\",\"room\":\"r\",\"peers\":[],\"ice-servers\":[]}",
  "{\"type\":\"peer-joined\",\"peer\":" PEER "}",
  "{\"type\":\"peer-left\",\"id\":\"" ID "\",\"reason\":\"expired\"}",
  "{\"type\":\"error\",\"id\":\"" ID
  "\",\"code\":\"no-such-peer\",\"message\":\"A sentence.\",\"call\":\"" CALL
  "\"}",
  "{\"type\":\"error\",\"code\":\"internal\",\"message\":\"\"}",
  "{\"type\":\"offer\",\"to\":\"" ID "\",\"call\":\"" CALL
  "\",\"fingerprint\":\"" FINGERPRINT "\"," ICE ",\"path\":2147483647}",
  "{\"type\":\"answer\",\"from\":\"" ID "\",\"call\":\"" CALL
  "\",\"fingerprint\":\"" FINGERPRINT "\"," ICE
  ",\"sdp\":\"v=0\\r\\n\",\"path\":0}",
  "{\"type\":\"candidate\",\"call\":\"" CALL
  "\",\"candidate\":\"candidate:1 1 udp 1 192.0.2.1 9 typ host\",\"path\":2}",
  "{\"type\":\"candidate\",\"call\":\"" CALL
  "\",\"candidate\":\"\",\"path\":2}",
  "{\"type\":\"media\",\"call\":\"" CALL "\",\"sdp\":\"v=0\\r\\n\"}",
  "{\"type\":\"bye\",\"code\":\"tls-refused\",\"message\":\"Why.\",\"call\":\"" CALL
  "\"}",
  "{\"type\":\"path-offer\",\"call\":\"" CALL
  "\",\"ufrag\":\"abcd\",\"mac\":\"" ID "\",\"path\":7}",
  "{\"type\":\"path-answer\",\"call\":\"" CALL
  "\",\"ufrag\":\"abcd\",\"mac\":\"" ID "\",\"path\":7}",
  "{\"type\":\"candidate\",\"call\":\"" CALL
  "\",\"candidate\":\"\",\"mac\":\"" ID "\",\"path\":7}",
  "{\"type\":\"path-gone\",\"call\":\"" CALL "\",\"mac\":\"" ID
  "\",\"path\":7}",
};

static void
test_good (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (good); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (QpMessage)
        message = qp_message_parse (good[i], strlen (good[i]), &error);
    g_autoptr (QpMessage) copy = NULL;
    g_autofree char *json = NULL;
    g_autofree char *again = NULL;

    g_assert_no_error (error);
    json = qp_message_to_json (message);
    g_assert_cmpstr (json, ==, good[i]);
    g_assert_true (qp_message_check (message, &error));
    copy = qp_message_copy (message);
    again = qp_message_to_json (copy);
    g_assert_cmpstr (again, ==, good[i]);
  }
}

static void
test_fields (void)
{
  g_autoptr (QpMessage)
      join = qp_message_parse (good[0], strlen (good[0]), NULL);
  g_autoptr (QpMessage)
      joined = qp_message_parse (good[5], strlen (good[5]), NULL);
  const QpPeerInfo *peer = joined->peers->pdata[1];
  const QpIceServer *server = joined->ice_servers->pdata[1];

  g_assert_cmpint (join->type, ==, QP_MESSAGE_JOIN);
  g_assert_cmpuint (join->version, ==, 1);
  g_assert_cmpstr (join->token, ==, ID);
  g_assert_cmpstr (join->name, ==, "Tür \"1\"");
  g_assert_true (join->produces && !join->consumes);
  g_assert_cmpuint (joined->peers->len, ==, 2);
  g_assert_true (peer->away && peer->consumes && !peer->produces);
  g_assert_cmpstr (server->urls[1], ==, "turns:h");
  g_assert_cmpstr (server->username, ==, "9:x");
  g_assert_cmpstr (server->credential, ==, "Zm9v");
}

/* What a lenient reader takes: other fields, null for an absent one, any order,
 * escapes, white space. */
static void
test_lenient (void)
{
  static const char json[] = "\t{ \"x\" : [1, {\"y\":null}, -1.5e3 ],\r\n"
                             "\"path\":3,\"to\":null, \"call\":\"" CALL "\","
                             "\"candidate\":\"\\u0063andidate:\\/\","
                             "\"type\":\"candidate\",\"sdp\":[] }\n";
  g_autoptr (GError) error = NULL;
  g_autoptr (QpMessage)
      message = qp_message_parse (json, strlen (json), &error);

  g_assert_no_error (error);
  g_assert_cmpuint (message->path, ==, 3);
  g_assert_cmpstr (message->candidate, ==, "candidate:/");
  g_assert_null (message->to);
  g_assert_null (message->sdp);
}

typedef struct {
  const char *json;
  QpSignalingError code;
  const char *says;
} Bad;

#define BAD QP_SIGNALING_ERROR_BAD_MESSAGE
#define OFFER_HEAD "{\"type\":\"offer\",\"call\":\"" CALL "\",\"path\":1,"
#define JOIN_HEAD "{\"type\":\"join\",\"version\":1,"

static const Bad bad[] = {
  /* not JSON */
  { "", BAD, "object" },
  { " ", BAD, "object" },
  { "null", BAD, "object" },
  { "[]", BAD, "object" },
  { "\"ping\"", BAD, "object" },
  { "{", BAD, "bracket" },
  { "}", BAD, "object" },
  { "{\"type\":\"ping\"", BAD, "bracket" },
  { "{\"type\":\"ping\"}}", BAD, "follows" },
  { "{\"type\":\"ping", BAD, "does not end" },
  { "{\"type\":\"ping\\\"}", BAD, "does not end" },
  { "{\"type\":\"ping\\", BAD, "does not end" },
  { "{\"type\" \"ping\"}", BAD, "parse" },
  { "{\"type\":\"ping\",}", BAD, "parse" },
  { "{\"type\":\"ping\"} {}", BAD, "follows" },
  { "{\"type\":\"ping\"]", BAD, "parse" },
  { "{'type':'ping'}", BAD, "unexpected character" },
  { "{/* [[[[ */\"type\":\"ping\"}", BAD, "unexpected character" },
  { "// \"\n{\"type\":\"ping\"}", BAD, "object" },
  { "var x = {\"type\":\"ping\"};", BAD, "object" },
  { "{\"type\":\"pi\ng\"}", BAD, "control character" },
  { "{\"type\":\"\\u0000\"}", BAD, "NUL" },
  { "{\"type\":\"\xff\"}", BAD, "UTF-8" },
  { "{\"type\":\"\xc0\x80\"}", BAD, "UTF-8" },
  { "{\"a\":[[[[[[[[[1]]]]]]]]]}", BAD, "nested" },
  /* type */
  { "{}", QP_SIGNALING_ERROR_NO_TYPE, "type" },
  { "{\"candidates\":[]}", QP_SIGNALING_ERROR_NO_TYPE, "type" },
  { "{\"type\":null}", BAD, "\"type\" must be a string" },
  { "{\"type\":7}", BAD, "\"type\" must be a string" },
  { "{\"type\":[\"ping\"]}", BAD, "\"type\" must be a string" },
  { "{\"type\":\"\"}", QP_SIGNALING_ERROR_UNKNOWN_TYPE, "No such type" },
  { "{\"type\":\"PING\"}", QP_SIGNALING_ERROR_UNKNOWN_TYPE, "No such type" },
  { "{\"type\":\"reboot\"}", QP_SIGNALING_ERROR_UNKNOWN_TYPE, "reboot" },
  /* join */
  { "{\"type\":\"join\"}", BAD, "\"version\" is missing" },
  { "{\"type\":\"join\",\"version\":2}", QP_SIGNALING_ERROR_BAD_VERSION, "2" },
  { "{\"type\":\"join\",\"version\":0,\"token\":5}",
      QP_SIGNALING_ERROR_BAD_VERSION, "0" },
  { "{\"type\":\"join\",\"version\":\"1\"}", BAD, "\"version\" must be" },
  { "{\"type\":\"join\",\"version\":1.0}", BAD, "\"version\" must be" },
  { "{\"type\":\"join\",\"version\":-1}", BAD, "\"version\" is out of" },
  { "{\"type\":\"join\",\"version\":99999999999999999999}", BAD, "version" },
  { JOIN_HEAD "\"produces\":true,\"consumes\":true}", BAD,
      "\"token\" is missing" },
  { JOIN_HEAD "\"token\":\"\",\"produces\":true,\"consumes\":true}", BAD,
      "\"token\" must be" },
  { JOIN_HEAD "\"token\":\"ABCDEF" ID "\",\"produces\":true,"
              "\"consumes\":true}",
      BAD, "\"token\" must be" },
  { JOIN_HEAD "\"token\":\"" ID ID "0\",\"produces\":true,"
              "\"consumes\":true}",
      BAD, "\"token\" must be" },
  { JOIN_HEAD "\"token\":\"" ID "\",\"consumes\":true}", BAD,
      "\"produces\" is missing" },
  { JOIN_HEAD "\"token\":\"" ID "\",\"produces\":1,\"consumes\":true}", BAD,
      "\"produces\" must be true or false" },
  { JOIN_HEAD "\"token\":\"" ID "\",\"produces\":true,\"consumes\":\"no\"}",
      BAD, "\"consumes\" must be true or false" },
  { JOIN_HEAD "\"token\":\"" ID "\",\"name\":\"\",\"produces\":true,"
              "\"consumes\":true}",
      BAD, "\"name\" must be" },
  { JOIN_HEAD "\"token\":\"" ID "\",\"name\":\"a\\nb\",\"produces\":true,"
              "\"consumes\":true}",
      BAD, "\"name\" must be" },
  { JOIN_HEAD "\"token\":\"" ID "\",\"name\":{},\"produces\":true,"
              "\"consumes\":true}",
      BAD, "\"name\" must be a string" },
  { JOIN_HEAD "\"token\":\"" ID "\",\"secret\":\"\\u001b[2J\","
              "\"produces\":true,\"consumes\":true}",
      BAD, "\"secret\" must be" },
  /* offers */
  { "{\"type\":\"offer\",\"call\":\"" CALL "\"}", BAD, "\"path\" is missing" },
  { "{\"type\":\"offer\",\"path\":1}", BAD, "\"call\" is missing" },
  { "{\"type\":\"offer\",\"call\":\"xyz\",\"path\":1}", BAD,
      "\"call\" must be" },
  { "{\"type\":\"offer\",\"call\":\"" CALL "\",\"path\":2147483648}", BAD,
      "\"path\" is out of" },
  { "{\"type\":\"offer\",\"call\":\"" CALL "\",\"path\":\"1\"}", BAD,
      "\"path\" must be an integer" },
  { OFFER_HEAD ICE "}", BAD, "\"fingerprint\" is missing" },
  { OFFER_HEAD ICE ",\"fingerprint\":\"sha-256 00:11\"}", BAD,
      "\"fingerprint\" must be" },
  { OFFER_HEAD ICE ",\"fingerprint\":\"sha-1 "
                   "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:"
                   "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\"}",
      BAD, "\"fingerprint\" must be" },
  { OFFER_HEAD ICE ",\"fingerprint\":\"sha-256 "
                   "00:11:22:33:44:55:66:77:88:99:aa:BB:CC:DD:EE:FF:"
                   "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\"}",
      BAD, "\"fingerprint\" must be" },
  { OFFER_HEAD "\"ufrag\":\"abc\",\"password\":\"" PASSWORD
               "\",\"fingerprint\":\"" FINGERPRINT "\"}",
      BAD, "\"ufrag\" must be" },
  { OFFER_HEAD "\"ufrag\":\"ab:d\",\"password\":\"" PASSWORD
               "\",\"fingerprint\":\"" FINGERPRINT "\"}",
      BAD, "\"ufrag\" must be" },
  { OFFER_HEAD "\"ufrag\":\"abcd\",\"password\":\"short\",\"fingerprint\":"
               "\"" FINGERPRINT "\"}",
      BAD, "\"password\" must be" },
  { OFFER_HEAD ICE ",\"fingerprint\":\"" FINGERPRINT "\",\"to\":\"x\"}", BAD,
      "\"to\" must be" },
  { OFFER_HEAD ICE ",\"fingerprint\":\"" FINGERPRINT "\",\"to\":1}", BAD,
      "\"to\" must be a string" },
  { "{\"type\":\"answer\",\"call\":\"" CALL "\",\"path\":1," ICE
    ",\"fingerprint\":\"" FINGERPRINT "\",\"sdp\":\"v=\\u0001\"}",
      BAD, "\"sdp\" must be" },
  { "{\"type\":\"candidate\",\"call\":\"" CALL "\",\"path\":1}", BAD,
      "\"candidate\" is missing" },
  { "{\"type\":\"candidate\",\"call\":\"" CALL
    "\",\"path\":1,\"candidate\":\"a\\r\\nb\"}",
      BAD, "\"candidate\" must be" },
  { "{\"type\":\"media\",\"call\":\"" CALL "\"}", BAD, "\"sdp\" is missing" },
  { "{\"type\":\"media\",\"call\":\"" CALL "\",\"sdp\":\"\"}", BAD,
      "\"sdp\" must be" },
  { "{\"type\":\"bye\",\"call\":\"" CALL
    "\",\"code\":\"Bad Code\",\"message\":\"\"}",
      BAD, "\"code\" must be" },
  { "{\"type\":\"path-offer\",\"call\":\"" CALL "\",\"path\":1," ICE
    ",\"mac\":\"0\"}",
      BAD, "\"mac\" must be" },
  { "{\"type\":\"path-offer\",\"call\":\"" CALL "\",\"path\":1," ICE "}", BAD,
      "\"mac\" is missing" },
  /* the server's */
  { "{\"type\":\"joined\",\"id\":\"" ID "\",\"room\":\"r\"}", BAD,
      "\"peers\" is missing" },
  { "{\"type\":\"joined\",\"id\":\"" ID
    "\",\"room\":\"r\",\"peers\":{},\"ice-servers\":[]}",
      BAD, "\"peers\" must be an array" },
  { "{\"type\":\"joined\",\"id\":\"" ID
    "\",\"room\":\"r\",\"peers\":[1],\"ice-servers\":[]}",
      BAD, "\"peers\" must be an object" },
  { "{\"type\":\"joined\",\"id\":\"" ID
    "\",\"room\":\"r\",\"peers\":[],\"ice-servers\":[{}]}",
      BAD, "\"ice-servers\"" },
  { "{\"type\":\"joined\",\"id\":\"" ID
    "\",\"room\":\"r\",\"peers\":[],\"ice-servers\":[{\"urls\":[]}]}",
      BAD, "\"ice-servers\"" },
  { "{\"type\":\"joined\",\"id\":\"" ID "\",\"room\":\"r\",\"peers\":[],"
    "\"ice-servers\":[{\"urls\":[\"http://x\"]}]}",
      BAD, "\"ice-servers\"" },
  { "{\"type\":\"joined\",\"id\":\"" ID "\",\"room\":\"r\",\"peers\":[],"
    "\"ice-servers\":[{\"urls\":[7]}]}",
      BAD, "\"ice-servers\"" },
  { "{\"type\":\"joined\",\"id\":\"" ID
    "\",\"room\":\"/r\",\"peers\":[],\"ice-servers\":[]}",
      BAD, "\"room\"" },
  { "{\"type\":\"peer-joined\"}", BAD, "\"peer\" is missing" },
  { "{\"type\":\"peer-joined\",\"peer\":{\"id\":\"" ID "\"}}", BAD,
      "\"produces\" is missing" },
  { "{\"type\":\"peer-joined\",\"peer\":{\"produces\":true,"
    "\"consumes\":true}}",
      BAD, "\"peer\" must have an \"id\"" },
  { "{\"type\":\"peer-left\",\"id\":\"" ID "\",\"reason\":\"bored\"}", BAD,
      "\"reason\" must be" },
};

static void
test_bad (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
    g_autoptr (GError) error = NULL;
    /* Exactly the bytes, so that a sanitizer sees a read past them. */
    g_autofree char *bytes = g_memdup2 (bad[i].json, strlen (bad[i].json));
    g_autoptr (QpMessage)
        message = qp_message_parse (bytes, strlen (bad[i].json), &error);

    if (message)
      g_error ("taken: %s", bad[i].json);
    if (error->domain != QP_SIGNALING_ERROR ||
        error->code != (int) bad[i].code ||
        !strstr (error->message, bad[i].says))
      g_error ("%s: %s", bad[i].json, error->message);
    g_assert_true (g_utf8_validate (error->message, -1, NULL));
    g_assert_null (strpbrk (error->message, "\r\n\033"));
  }
}

/* As bad[], but too long to write down. */
static void
test_huge (void)
{
  g_autofree char *deep = g_strnfill (60000, '[');
  g_autofree char *deep_objects = NULL;
  g_autofree char *long_name = g_strnfill (QP_MESSAGE_MAX_NAME + 1, 'x');
  g_autofree char *padding = g_strnfill (QP_MESSAGE_MAX_SIZE, ' ');
  g_autofree char *sdp = g_strnfill (QP_MESSAGE_MAX_SDP + 1, 'x');
  g_autoptr (GString) many = g_string_new (NULL);
  g_autofree char *texts[6] = { NULL };

  for (guint i = 0; i < 5000; i++)
    g_string_append (many, "{\"a\":");
  deep_objects = g_strdup (many->str);
  g_string_truncate (many, 0);
  for (guint i = 0; i < QP_MESSAGE_MAX_PEERS + 1; i++)
    g_string_append_printf (many, "%s%s", i ? "," : "", PEER);

  texts[0] = g_strdup (deep);
  texts[1] = g_strdup (deep_objects);
  texts[2] = g_strdup_printf (JOIN_HEAD "\"token\":\"" ID
                                        "\",\"name\":\"%s\",\"produces\":true,"
                                        "\"consumes\":true}",
      long_name);
  texts[3] = g_strdup_printf ("{\"type\":\"media\",\"call\":\"" CALL
                              "\",\"sdp\":\"%s\"}",
      sdp);
  texts[4] = g_strdup_printf ("{\"type\":\"joined\",\"id\":\"" ID
                              "\",\"room\":\"r\",\"peers\":[%s],"
                              "\"ice-servers\":[]}",
      many->str);
  texts[5] = g_strdup_printf ("{\"type\":\"ping\"%s}", padding);
  for (guint i = 0; i < G_N_ELEMENTS (texts); i++) {
    int code = i == 5 ? QP_SIGNALING_ERROR_TOO_BIG
                      : QP_SIGNALING_ERROR_BAD_MESSAGE;
    g_autoptr (GError) error = NULL;

    g_assert_null (qp_message_parse (texts[i], strlen (texts[i]), &error));
    g_assert_error (error, QP_SIGNALING_ERROR, code);
    g_free (texts[i]);
    texts[i] = NULL;
  }
}

/* 60,000 bytes of many small things are read without pain and refused. */
static void
test_many (void)
{
  g_autoptr (GString) json = g_string_new ("{\"x\":[");
  g_autoptr (GError) error = NULL;
  gint64 start = g_get_monotonic_time ();

  while (json->len < 60000)
    g_string_append (json, "{},[],0,");
  g_string_append (json, "0]}");
  g_assert_null (qp_message_parse (json->str, json->len, &error));
  g_assert_error (error, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_NO_TYPE);
  /* A thousandth of that is what it takes; a reader that is quadratic in the
   * number of values takes minutes. */
  g_assert_cmpint (g_get_monotonic_time () - start, <, 20 * G_USEC_PER_SEC);
}

static void
test_truncated (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (good); i++) {
    for (gsize size = 0; size < strlen (good[i]); size++) {
      g_autofree char *bytes = g_memdup2 (good[i], size);

      g_assert_null (qp_message_parse (bytes ? bytes : "", size, NULL));
    }
  }
}

static void
test_check (void)
{
  g_autoptr (QpMessage) media = qp_message_new (QP_MESSAGE_MEDIA);
  g_autoptr (GError) error = NULL;

  media->call = g_strdup (CALL);
  g_assert_false (qp_message_check (media, &error));
  g_assert_error (error, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_BAD_MESSAGE);
  g_clear_error (&error);

  /* Within its own bound, but not once its quotes are escaped. */
  media->sdp = g_strnfill (QP_MESSAGE_MAX_SDP, '"');
  g_assert_false (qp_message_check (media, &error));
  g_assert_error (error, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_TOO_BIG);
  g_clear_error (&error);

  memset (media->sdp, 'x', QP_MESSAGE_MAX_SDP);
  g_assert_true (qp_message_check (media, &error));
  g_assert_no_error (error);
}

static void
test_errors (void)
{
  for (guint i = 0; i <= QP_SIGNALING_ERROR_CONFIG; i++) {
    QpSignalingError code = QP_SIGNALING_ERROR_CONFIG + 1;

    g_assert_true (qp_signaling_error_from_string (
        qp_signaling_error_to_string (i), &code));
    g_assert_cmpuint (code, ==, i);
    g_assert_cmpuint (strlen (qp_signaling_error_to_string (i)), <=,
        QP_MESSAGE_MAX_CODE);
  }
  g_assert_cmpstr (qp_signaling_error_to_string (4711), ==, "internal");
}

static void
test_id (void)
{
  g_autofree char *id = qp_member_id_from_token (ID);

  /* The beginning of what sha256sum says of the token. */
  g_assert_cmpstr (id, ==, "3eb1bd439947eb762998e566ccc2e099");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/signaling/message/good", test_good);
  g_test_add_func ("/signaling/message/fields", test_fields);
  g_test_add_func ("/signaling/message/lenient", test_lenient);
  g_test_add_func ("/signaling/message/bad", test_bad);
  g_test_add_func ("/signaling/message/huge", test_huge);
  g_test_add_func ("/signaling/message/many", test_many);
  g_test_add_func ("/signaling/message/truncated", test_truncated);
  g_test_add_func ("/signaling/message/check", test_check);
  g_test_add_func ("/signaling/message/errors", test_errors);
  g_test_add_func ("/signaling/message/id", test_id);
  return g_test_run ();
}

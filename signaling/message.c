/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The codec of message.h. One table says which string belongs to which types,
 * and what it may hold; reading, writing and checking all go by it. Before
 * json-glib sees a byte, scan() has bounded size and nesting: json-glib parses
 * recursively and, beyond RFC 8259, takes comments, in which quotes and braces
 * would hide from a scan. So comments are refused, too.
 */

#include "signaling/message.h"

#include <json-glib/json-glib.h>
#include <string.h>

#include "signaling/uri.h"

static const char *const type_strings[] = {
  [QP_MESSAGE_JOIN] = "join",
  [QP_MESSAGE_LEAVE] = "leave",
  [QP_MESSAGE_PING] = "ping",
  [QP_MESSAGE_JOINED] = "joined",
  [QP_MESSAGE_PEER_JOINED] = "peer-joined",
  [QP_MESSAGE_PEER_LEFT] = "peer-left",
  [QP_MESSAGE_PONG] = "pong",
  [QP_MESSAGE_ERROR] = "error",
  [QP_MESSAGE_DRAINING] = "draining",
  [QP_MESSAGE_OFFER] = "offer",
  [QP_MESSAGE_ANSWER] = "answer",
  [QP_MESSAGE_CANDIDATE] = "candidate",
  [QP_MESSAGE_MEDIA] = "media",
  [QP_MESSAGE_BYE] = "bye",
  [QP_MESSAGE_PATH_OFFER] = "path-offer",
  [QP_MESSAGE_PATH_ANSWER] = "path-answer",
};

#define BIT(type) (1u << QP_MESSAGE_##type)
#define RELAYED                                                             \
  (BIT (OFFER) | BIT (ANSWER) | BIT (CANDIDATE) | BIT (MEDIA) | BIT (BYE) | \
      BIT (PATH_OFFER) | BIT (PATH_ANSWER))
#define ICE (BIT (OFFER) | BIT (ANSWER) | BIT (PATH_OFFER) | BIT (PATH_ANSWER))
#define WITH_PATH (ICE | BIT (CANDIDATE))

/* --- what a string may hold -------------------------------------------------- */

static gboolean
is_lower_hex (const char *s, gsize min, gsize max)
{
  gsize n = strspn (s, "0123456789abcdef");

  return s[n] == '\0' && n >= min && n <= max;
}

/* Text that is safe to print on one line. */
static gboolean
is_line (const char *s, gsize min, gsize max)
{
  gsize n = strlen (s);

  if (n < min || n > max || !g_utf8_validate (s, n, NULL))
    return FALSE;
  for (; *s; s = g_utf8_next_char (s)) {
    if (g_unichar_iscntrl (g_utf8_get_char (s)))
      return FALSE;
  }
  return TRUE;
}

static gboolean
is_id (const char *s)
{
  return is_lower_hex (s, QP_MESSAGE_ID_LENGTH, QP_MESSAGE_ID_LENGTH);
}

static gboolean
is_token (const char *s)
{
  return is_lower_hex (s, 32, 64);
}

static gboolean
is_call (const char *s)
{
  return is_lower_hex (s, 16, 32);
}

static gboolean
is_mac (const char *s)
{
  return is_lower_hex (s, 32, 128);
}

static gboolean
is_name (const char *s)
{
  return is_line (s, 1, QP_MESSAGE_MAX_NAME);
}

static gboolean
is_secret (const char *s)
{
  return is_line (s, 1, QP_MESSAGE_MAX_SECRET);
}

static gboolean
is_text (const char *s)
{
  return is_line (s, 0, QP_MESSAGE_MAX_TEXT);
}

static gboolean
is_credential (const char *s)
{
  return is_line (s, 1, QP_MESSAGE_MAX_CREDENTIAL);
}

static gboolean
is_candidate (const char *s)
{
  return is_line (s, 0, QP_MESSAGE_MAX_CANDIDATE);
}

static gboolean
is_room (const char *s)
{
  return qp_signaling_room_check (s, NULL);
}

static gboolean
is_reason (const char *s)
{
  return g_str_equal (s, "left") || g_str_equal (s, "expired");
}

static gboolean
is_code (const char *s)
{
  gsize n = strspn (s, "abcdefghijklmnopqrstuvwxyz0123456789-");

  return s[n] == '\0' && n >= 1 && n <= QP_MESSAGE_MAX_CODE;
}

/* ice-char of RFC 8839 section 5.4 */
static gboolean
is_ice_chars (const char *s, gsize min, gsize max)
{
  gsize n = 0;

  while (n <= max && (g_ascii_isalnum (s[n]) || s[n] == '+' || s[n] == '/'))
    n++;
  return s[n] == '\0' && n >= min && n <= max;
}

static gboolean
is_ufrag (const char *s)
{
  return is_ice_chars (s, 4, 256);
}

static gboolean
is_password (const char *s)
{
  return is_ice_chars (s, 22, 256);
}

static gboolean
is_fingerprint (const char *s)
{
  if (!g_str_has_prefix (s, "sha-256 "))
    return FALSE;
  s += strlen ("sha-256 ");
  if (strlen (s) != 32 * 3 - 1)
    return FALSE;
  for (guint i = 0; s[i]; i++) {
    if (i % 3 == 2 ? s[i] != ':'
                   : !g_ascii_isxdigit (s[i]) || g_ascii_islower (s[i]))
      return FALSE;
  }
  return TRUE;
}

static gboolean
is_sdp (const char *s)
{
  gsize n = strlen (s);

  if (n == 0 || n > QP_MESSAGE_MAX_SDP || !g_utf8_validate (s, n, NULL))
    return FALSE;
  for (; *s; s = g_utf8_next_char (s)) {
    if (g_unichar_iscntrl (g_utf8_get_char (s)) && !strchr ("\r\n\t", *s))
      return FALSE;
  }
  return TRUE;
}

static gboolean
is_url (const char *s)
{
  if (!g_str_has_prefix (s, "stun:") && !g_str_has_prefix (s, "stuns:") &&
      !g_str_has_prefix (s, "turn:") && !g_str_has_prefix (s, "turns:"))
    return FALSE;
  for (const char *c = s; *c; c++) {
    if (!g_ascii_isgraph (*c))
      return FALSE;
  }
  return strlen (s) <= QP_MESSAGE_MAX_URL;
}

typedef struct {
  const char *key;
  gsize offset; /* of the char * in QpMessage */
  guint required;
  guint optional;
  gboolean (*is_valid) (const char *s);
  const char *expected;
} StringField;

#define FIELD(member) G_STRUCT_OFFSET (QpMessage, member)

static const StringField string_fields[] = {
  { "to", FIELD (to), 0, RELAYED, is_id, "must be 32 lower-case hex digits" },
  { "from", FIELD (from), 0, RELAYED, is_id,
      "must be 32 lower-case hex digits" },
  { "token", FIELD (token), BIT (JOIN), 0, is_token,
      "must be 32 to 64 lower-case hex digits" },
  { "name", FIELD (name), 0, BIT (JOIN), is_name,
      "must be 1 to 64 bytes without control characters" },
  { "secret", FIELD (secret), 0, BIT (JOIN), is_secret,
      "must be 1 to 256 bytes without control characters" },
  { "id", FIELD (id), BIT (JOINED) | BIT (PEER_LEFT), BIT (ERROR), is_id,
      "must be 32 lower-case hex digits" },
  { "room", FIELD (room), BIT (JOINED), 0, is_room,
      "must be the name of a room" },
  { "reason", FIELD (reason), BIT (PEER_LEFT), 0, is_reason,
      "must be \"left\" or \"expired\"" },
  { "code", FIELD (code), BIT (ERROR) | BIT (BYE), 0, is_code,
      "must be 1 to 32 of a-z, 0-9 and '-'" },
  { "message", FIELD (text), BIT (ERROR) | BIT (BYE), 0, is_text,
      "must be at most 512 bytes without control characters" },
  { "call", FIELD (call), RELAYED, BIT (ERROR), is_call,
      "must be 16 to 32 lower-case hex digits" },
  { "fingerprint", FIELD (fingerprint), BIT (OFFER) | BIT (ANSWER), 0,
      is_fingerprint,
      "must be \"sha-256 \" and 32 upper-case hex pairs joined by ':'" },
  { "ufrag", FIELD (ufrag), ICE, 0, is_ufrag,
      "must be 4 to 256 ICE characters" },
  { "password", FIELD (password), ICE, 0, is_password,
      "must be 22 to 256 ICE characters" },
  { "candidate", FIELD (candidate), BIT (CANDIDATE), 0, is_candidate,
      "must be at most 512 bytes without control characters" },
  { "sdp", FIELD (sdp), BIT (MEDIA), BIT (ANSWER), is_sdp,
      "must be 1 to 49152 bytes without control characters but CR, LF and TAB" },
  { "mac", FIELD (mac), 0, BIT (PATH_OFFER) | BIT (PATH_ANSWER), is_mac,
      "must be 32 to 128 lower-case hex digits" },
};

static char **
string_at (const QpMessage *message, const StringField *field)
{
  return (char **) ((guint8 *) message + field->offset);
}

static gboolean
field_error (QpMessageType type, const char *key, const char *what,
    GError **error)
{
  g_set_error (error, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_BAD_MESSAGE,
      "%s: field \"%s\" %s", type_strings[type], key, what);
  return FALSE;
}

/* --- memory ------------------------------------------------------------------ */

static void
free_secret (char *secret)
{
  if (secret)
    explicit_bzero (secret, strlen (secret));
  g_free (secret);
}

QpPeerInfo *
qp_peer_info_new (const char *id, const char *name, gboolean produces,
    gboolean consumes)
{
  QpPeerInfo *peer = g_new0 (QpPeerInfo, 1);

  peer->id = g_strdup (id);
  peer->name = g_strdup (name);
  peer->produces = produces;
  peer->consumes = consumes;
  return peer;
}

QpPeerInfo *
qp_peer_info_copy (const QpPeerInfo *peer)
{
  QpPeerInfo *copy = qp_peer_info_new (peer->id, peer->name, peer->produces,
      peer->consumes);

  copy->away = peer->away;
  return copy;
}

void
qp_peer_info_free (QpPeerInfo *peer)
{
  g_free (peer->id);
  g_free (peer->name);
  g_free (peer);
}

QpIceServer *
qp_ice_server_new (const char *const *urls, const char *username,
    const char *credential)
{
  QpIceServer *server = g_new0 (QpIceServer, 1);

  server->urls = g_strdupv ((char **) urls);
  server->username = g_strdup (username);
  server->credential = g_strdup (credential);
  return server;
}

void
qp_ice_server_free (QpIceServer *server)
{
  g_strfreev (server->urls);
  g_free (server->username);
  free_secret (server->credential);
  g_free (server);
}

QpMessage *
qp_message_new (QpMessageType type)
{
  QpMessage *message = g_new0 (QpMessage, 1);

  message->type = type;
  if (type == QP_MESSAGE_JOIN)
    message->version = QP_PROTOCOL_VERSION;
  if (type == QP_MESSAGE_JOINED) {
    message->peers =
        g_ptr_array_new_with_free_func ((GDestroyNotify) qp_peer_info_free);
    message->ice_servers =
        g_ptr_array_new_with_free_func ((GDestroyNotify) qp_ice_server_free);
  }
  return message;
}

QpMessage *
qp_message_copy (const QpMessage *message)
{
  QpMessage *copy = qp_message_new (message->type);

  for (guint i = 0; i < G_N_ELEMENTS (string_fields); i++)
    *string_at (copy,
        &string_fields[i]) = g_strdup (*string_at (message, &string_fields[i]));
  copy->version = message->version;
  copy->produces = message->produces;
  copy->consumes = message->consumes;
  copy->path = message->path;
  if (message->peer)
    copy->peer = qp_peer_info_copy (message->peer);
  for (guint i = 0; message->peers && i < message->peers->len; i++)
    g_ptr_array_add (copy->peers, qp_peer_info_copy (message->peers->pdata[i]));
  for (guint i = 0; message->ice_servers && i < message->ice_servers->len;
       i++) {
    const QpIceServer *server = message->ice_servers->pdata[i];

    g_ptr_array_add (copy->ice_servers,
        qp_ice_server_new ((const char *const *) server->urls, server->username,
            server->credential));
  }
  return copy;
}

void
qp_message_free (QpMessage *message)
{
  if (!message)
    return;
  for (guint i = 0; i < G_N_ELEMENTS (string_fields); i++)
    free_secret (*string_at (message, &string_fields[i]));
  g_clear_pointer (&message->peer, qp_peer_info_free);
  g_clear_pointer (&message->peers, g_ptr_array_unref);
  g_clear_pointer (&message->ice_servers, g_ptr_array_unref);
  g_free (message);
}

const char *
qp_message_type_to_string (QpMessageType type)
{
  g_return_val_if_fail ((guint) type < G_N_ELEMENTS (type_strings), NULL);

  return type_strings[type];
}

gboolean
qp_message_type_is_relayed (QpMessageType type)
{
  return (RELAYED & (1u << type)) != 0;
}

char *
qp_member_id_from_token (const char *token)
{
  g_autofree char *digest = g_compute_checksum_for_string (G_CHECKSUM_SHA256,
      token, -1);

  return g_strndup (digest, QP_MESSAGE_ID_LENGTH);
}

/* --- checking ---------------------------------------------------------------- */

static gboolean
check_peer (QpMessageType type, const char *key, const QpPeerInfo *peer,
    GError **error)
{
  if (!peer)
    return field_error (type, key, "is missing", error);
  if (!peer->id || !is_id (peer->id))
    return field_error (type, key,
        "must have an \"id\" of 32 lower-case hex digits", error);
  if (peer->name && !is_name (peer->name))
    return field_error (type, key,
        "has a \"name\" that is empty, too long or not printable", error);
  return TRUE;
}

static gboolean
check_ice_server (QpMessageType type, const QpIceServer *server, GError **error)
{
  guint n = server->urls ? g_strv_length (server->urls) : 0;

  if (n < 1 || n > QP_MESSAGE_MAX_URLS)
    return field_error (type, "ice-servers", "must have 1 to 8 \"urls\" each",
        error);
  for (guint i = 0; i < n; i++) {
    if (!is_url (server->urls[i]))
      return field_error (type, "ice-servers",
          "may have \"urls\" of the schemes stun, stuns, turn and turns only",
          error);
  }
  if ((server->username && !is_credential (server->username)) ||
      (server->credential && !is_credential (server->credential)))
    return field_error (type, "ice-servers",
        "must have a \"username\" and a \"credential\" of 1 to 512 printable bytes",
        error);
  return TRUE;
}

static gboolean
check_joined (const QpMessage *message, GError **error)
{
  if (!message->peers)
    return field_error (message->type, "peers", "is missing", error);
  if (message->peers->len > QP_MESSAGE_MAX_PEERS)
    return field_error (message->type, "peers", "has more than 256 entries",
        error);
  for (guint i = 0; i < message->peers->len; i++) {
    if (!check_peer (message->type, "peers", message->peers->pdata[i], error))
      return FALSE;
  }
  if (message->ice_servers->len > QP_MESSAGE_MAX_ICE_SERVERS)
    return field_error (message->type, "ice-servers",
        "has more than 16 entries", error);
  for (guint i = 0; i < message->ice_servers->len; i++) {
    if (!check_ice_server (message->type, message->ice_servers->pdata[i],
            error))
      return FALSE;
  }
  return TRUE;
}

static gboolean
check_fields (const QpMessage *message, GError **error)
{
  guint bit = 1u << message->type;

  for (guint i = 0; i < G_N_ELEMENTS (string_fields); i++) {
    const StringField *field = &string_fields[i];
    const char *value = *string_at (message, field);

    if (!value) {
      if (field->required & bit)
        return field_error (message->type, field->key, "is missing", error);
    } else if (!field->is_valid (value)) {
      return field_error (message->type, field->key, field->expected, error);
    }
  }
  if (message->type == QP_MESSAGE_JOIN &&
      message->version != QP_PROTOCOL_VERSION) {
    g_set_error (error, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_BAD_VERSION,
        "join: version %u is not supported, only %u is", message->version,
        QP_PROTOCOL_VERSION);
    return FALSE;
  }
  if (message->path > QP_MESSAGE_MAX_PATH)
    return field_error (message->type, "path", "must be 0 to 65535", error);
  if (message->type == QP_MESSAGE_PEER_JOINED)
    return check_peer (message->type, "peer", message->peer, error);
  if (message->type == QP_MESSAGE_JOINED)
    return check_joined (message, error);
  return TRUE;
}

gboolean
qp_message_check (const QpMessage *message, GError **error)
{
  g_autofree char *json = NULL;

  if ((guint) message->type >= G_N_ELEMENTS (type_strings)) {
    g_set_error (error, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_UNKNOWN_TYPE,
        "No such type: %u", message->type);
    return FALSE;
  }
  if (!check_fields (message, error))
    return FALSE;
  json = qp_message_to_json (message);
  if (strlen (json) > QP_MESSAGE_MAX_SIZE) {
    g_set_error (error, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_TOO_BIG,
        "%s: %" G_GSIZE_FORMAT " bytes are more than 64 KiB",
        type_strings[message->type], strlen (json));
    return FALSE;
  }
  return TRUE;
}

/* --- reading ----------------------------------------------------------------- */

static gboolean
bad_json (GError **error, const char *what)
{
  g_set_error (error, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_BAD_MESSAGE,
      "Not JSON: %s", what);
  return FALSE;
}

/* Inside a string, @i at the character after the quote. Returns the position of
 * the closing quote, 0 if there is none. \u0000 would cut a C string short. */
static gsize
scan_string (const char *json, gsize size, gsize i, GError **error)
{
  for (; i < size; i++) {
    guchar c = json[i];

    if (c == '"')
      return i;
    if (c < 0x20) {
      bad_json (error, "a control character in a string");
      return 0;
    }
    if (c == '\\') {
      if (size - i > 5 && memcmp (json + i, "\\u0000", 6) == 0) {
        bad_json (error, "a NUL in a string");
        return 0;
      }
      i++;
    }
  }
  bad_json (error, "a string does not end");
  return 0;
}

static gboolean
scan (const char *json, gsize size, GError **error)
{
  guint depth = 0;

  if (size > QP_MESSAGE_MAX_SIZE) {
    g_set_error (error, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_TOO_BIG,
        "A message of %" G_GSIZE_FORMAT " bytes is over the limit of 64 KiB",
        size);
    return FALSE;
  }
  if (!g_utf8_validate_len (json, size, NULL))
    return bad_json (error, "not UTF-8");

  for (gsize i = 0; i < size; i++) {
    guchar c = json[i];

    if (c == '"') {
      i = scan_string (json, size, i + 1, error);
      if (i == 0)
        return FALSE;
    } else if (c == '{' || c == '[') {
      if (++depth > QP_MESSAGE_MAX_DEPTH)
        return bad_json (error, "nested more than 8 deep");
    } else if (c == '}' || c == ']') {
      if (depth-- == 0)
        return bad_json (error, "a bracket too many");
    } else if (!g_ascii_isalnum (c) && !strchr (" \t\r\n:,+-.", c)) {
      return bad_json (error, "an unexpected character");
    }
  }
  if (depth != 0)
    return bad_json (error, "a bracket is missing");
  return TRUE;
}

static gboolean
is_type (JsonNode *node, GType type)
{
  return JSON_NODE_HOLDS_VALUE (node) &&
      json_node_get_value_type (node) == type;
}

/* JSON null counts as absent, as other serializers write it. */
static JsonNode *
get_member (JsonObject *object, const char *key)
{
  JsonNode *node = json_object_get_member (object, key);

  return node && JSON_NODE_HOLDS_NULL (node) ? NULL : node;
}

static gboolean
read_string (QpMessageType type, JsonObject *object, const char *key,
    char **value, GError **error)
{
  JsonNode *node = get_member (object, key);

  if (!node)
    return TRUE;
  if (!is_type (node, G_TYPE_STRING))
    return field_error (type, key, "must be a string", error);
  *value = g_strdup (json_node_get_string (node));
  return TRUE;
}

static gboolean
read_boolean (QpMessageType type, JsonObject *object, const char *key,
    gboolean required, gboolean *value, GError **error)
{
  JsonNode *node = get_member (object, key);

  if (!node)
    return required ? field_error (type, key, "is missing", error) : TRUE;
  if (!is_type (node, G_TYPE_BOOLEAN))
    return field_error (type, key, "must be true or false", error);
  *value = json_node_get_boolean (node);
  return TRUE;
}

static gboolean
read_uint (QpMessageType type, JsonObject *object, const char *key, guint max,
    guint *value, GError **error)
{
  JsonNode *node = get_member (object, key);
  gint64 number;

  if (!node)
    return field_error (type, key, "is missing", error);
  if (!is_type (node, G_TYPE_INT64))
    return field_error (type, key, "must be an integer", error);
  number = json_node_get_int (node);
  if (number < 0 || number > max)
    return field_error (type, key, "is out of its range", error);
  *value = number;
  return TRUE;
}

/* (transfer full): NULL with @error set */
static QpPeerInfo *
read_peer (QpMessageType type, const char *key, JsonNode *node, GError **error)
{
  g_autoptr (QpPeerInfo) peer = g_new0 (QpPeerInfo, 1);
  JsonObject *object;

  if (!node || !JSON_NODE_HOLDS_OBJECT (node)) {
    field_error (type, key, node ? "must be an object" : "is missing", error);
    return NULL;
  }
  object = json_node_get_object (node);
  if (!read_string (type, object, "id", &peer->id, error) ||
      !read_string (type, object, "name", &peer->name, error) ||
      !read_boolean (type, object, "produces", TRUE, &peer->produces, error) ||
      !read_boolean (type, object, "consumes", TRUE, &peer->consumes, error) ||
      !read_boolean (type, object, "away", FALSE, &peer->away, error) ||
      !check_peer (type, key, peer, error))
    return NULL;
  return g_steal_pointer (&peer);
}

static QpIceServer *
read_ice_server (QpMessageType type, JsonNode *node, GError **error)
{
  g_autoptr (QpIceServer) server = g_new0 (QpIceServer, 1);
  g_autoptr (GStrvBuilder) urls = g_strv_builder_new ();
  JsonObject *object;
  JsonArray *array;
  JsonNode *list;

  if (!JSON_NODE_HOLDS_OBJECT (node)) {
    field_error (type, "ice-servers", "must be objects", error);
    return NULL;
  }
  object = json_node_get_object (node);
  list = get_member (object, "urls");
  if (!list || !JSON_NODE_HOLDS_ARRAY (list)) {
    field_error (type, "ice-servers", "must have an array \"urls\" each",
        error);
    return NULL;
  }
  array = json_node_get_array (list);
  for (guint i = 0; i < json_array_get_length (array); i++) {
    JsonNode *url = json_array_get_element (array, i);

    if (!is_type (url, G_TYPE_STRING)) {
      field_error (type, "ice-servers", "must have strings as \"urls\"", error);
      return NULL;
    }
    g_strv_builder_add (urls, json_node_get_string (url));
  }
  server->urls = g_strv_builder_end (urls);
  if (!read_string (type, object, "username", &server->username, error) ||
      !read_string (type, object, "credential", &server->credential, error) ||
      !check_ice_server (type, server, error))
    return NULL;
  return g_steal_pointer (&server);
}

/* @max bounds the work before check_joined() bounds the result. */
static gboolean
read_array (QpMessageType type, JsonObject *object, const char *key, guint max,
    JsonArray **array, GError **error)
{
  JsonNode *node = get_member (object, key);

  *array = NULL;
  if (!node)
    return field_error (type, key, "is missing", error);
  if (!JSON_NODE_HOLDS_ARRAY (node))
    return field_error (type, key, "must be an array", error);
  *array = json_node_get_array (node);
  if (json_array_get_length (*array) > max)
    return field_error (type, key, "has too many entries", error);
  return TRUE;
}

static gboolean
read_joined (QpMessage *message, JsonObject *object, GError **error)
{
  JsonArray *array;

  if (!read_array (message->type, object, "peers", QP_MESSAGE_MAX_PEERS, &array,
          error))
    return FALSE;
  for (guint i = 0; i < json_array_get_length (array); i++) {
    QpPeerInfo *peer = read_peer (message->type, "peers",
        json_array_get_element (array, i), error);

    if (!peer)
      return FALSE;
    g_ptr_array_add (message->peers, peer);
  }
  if (!read_array (message->type, object, "ice-servers",
          QP_MESSAGE_MAX_ICE_SERVERS, &array, error))
    return FALSE;
  for (guint i = 0; i < json_array_get_length (array); i++) {
    QpIceServer *server = read_ice_server (message->type,
        json_array_get_element (array, i), error);

    if (!server)
      return FALSE;
    g_ptr_array_add (message->ice_servers, server);
  }
  return TRUE;
}

static gboolean
read_fields (QpMessage *message, JsonObject *object, GError **error)
{
  QpMessageType type = message->type;
  guint bit = 1u << type;

  if (type == QP_MESSAGE_JOIN &&
      !read_uint (type, object, "version", G_MAXINT, &message->version, error))
    return FALSE;
  if (type == QP_MESSAGE_JOIN && message->version != QP_PROTOCOL_VERSION)
    return TRUE; /* another version's fields are not ours to judge: check_fields() refuses it */
  for (guint i = 0; i < G_N_ELEMENTS (string_fields); i++) {
    const StringField *field = &string_fields[i];

    if ((field->required | field->optional) & bit &&
        !read_string (type, object, field->key, string_at (message, field),
            error))
      return FALSE;
  }
  if (type == QP_MESSAGE_JOIN &&
      (!read_boolean (type, object, "produces", TRUE, &message->produces,
           error) ||
          !read_boolean (type, object, "consumes", TRUE, &message->consumes,
              error)))
    return FALSE;
  if (WITH_PATH & bit &&
      !read_uint (type, object, "path", QP_MESSAGE_MAX_PATH, &message->path,
          error))
    return FALSE;
  if (type == QP_MESSAGE_PEER_JOINED) {
    message->peer = read_peer (type, "peer", get_member (object, "peer"),
        error);
    return message->peer != NULL;
  }
  if (type == QP_MESSAGE_JOINED)
    return read_joined (message, object, error);
  return TRUE;
}

static gboolean
read_type (JsonObject *object, QpMessageType *type, GError **error)
{
  JsonNode *node = json_object_get_member (object, "type");
  const char *string;

  if (!node) {
    g_set_error_literal (error, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_NO_TYPE,
        "The message has no field \"type\"");
    return FALSE;
  }
  if (!is_type (node, G_TYPE_STRING)) {
    g_set_error_literal (error, QP_SIGNALING_ERROR,
        QP_SIGNALING_ERROR_BAD_MESSAGE, "Field \"type\" must be a string");
    return FALSE;
  }
  string = json_node_get_string (node);
  for (guint i = 0; i < G_N_ELEMENTS (type_strings); i++) {
    if (g_str_equal (type_strings[i], string)) {
      *type = i;
      return TRUE;
    }
  }
  g_set_error (error, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_UNKNOWN_TYPE,
      "No such type of message: \"%.*s\"",
      is_code (string) ? QP_MESSAGE_MAX_CODE : 0, string);
  return FALSE;
}

QpMessage *
qp_message_parse (const char *json, gsize size, GError **error)
{
  g_autoptr (QpMessage) message = NULL;
  g_autoptr (JsonParser) parser = NULL;
  QpMessageType type;
  JsonNode *root;

  if (!scan (json, size, error))
    return NULL;
  parser = json_parser_new_immutable ();
  if (!json_parser_load_from_data (parser, json, size, NULL)) {
    /* json-glib's own message quotes what it read: not fit to be sent on. */
    bad_json (error, "it does not parse");
    return NULL;
  }
  root = json_parser_get_root (parser);
  if (!root || !JSON_NODE_HOLDS_OBJECT (root)) {
    g_set_error_literal (error, QP_SIGNALING_ERROR,
        QP_SIGNALING_ERROR_BAD_MESSAGE, "A message must be a JSON object");
    return NULL;
  }
  if (!read_type (json_node_get_object (root), &type, error))
    return NULL;
  message = qp_message_new (type);
  if (!read_fields (message, json_node_get_object (root), error) ||
      !check_fields (message, error))
    return NULL;
  return g_steal_pointer (&message);
}

/* --- writing ----------------------------------------------------------------- */

static void
add_string (JsonBuilder *builder, const char *key, const char *value)
{
  if (!value)
    return;
  json_builder_set_member_name (builder, key);
  json_builder_add_string_value (builder, value);
}

static void
add_boolean (JsonBuilder *builder, const char *key, gboolean value)
{
  json_builder_set_member_name (builder, key);
  json_builder_add_boolean_value (builder, value);
}

static void
add_uint (JsonBuilder *builder, const char *key, guint value)
{
  json_builder_set_member_name (builder, key);
  json_builder_add_int_value (builder, value);
}

static void
add_peer (JsonBuilder *builder, const QpPeerInfo *peer)
{
  json_builder_begin_object (builder);
  add_string (builder, "id", peer->id);
  add_string (builder, "name", peer->name);
  add_boolean (builder, "produces", peer->produces);
  add_boolean (builder, "consumes", peer->consumes);
  if (peer->away)
    add_boolean (builder, "away", TRUE);
  json_builder_end_object (builder);
}

static void
add_ice_server (JsonBuilder *builder, const QpIceServer *server)
{
  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "urls");
  json_builder_begin_array (builder);
  for (char **url = server->urls; *url; url++)
    json_builder_add_string_value (builder, *url);
  json_builder_end_array (builder);
  add_string (builder, "username", server->username);
  add_string (builder, "credential", server->credential);
  json_builder_end_object (builder);
}

static void
add_joined (JsonBuilder *builder, const QpMessage *message)
{
  json_builder_set_member_name (builder, "peers");
  json_builder_begin_array (builder);
  for (guint i = 0; i < message->peers->len; i++)
    add_peer (builder, message->peers->pdata[i]);
  json_builder_end_array (builder);
  json_builder_set_member_name (builder, "ice-servers");
  json_builder_begin_array (builder);
  for (guint i = 0; i < message->ice_servers->len; i++)
    add_ice_server (builder, message->ice_servers->pdata[i]);
  json_builder_end_array (builder);
}

char *
qp_message_to_json (const QpMessage *message)
{
  g_autoptr (JsonBuilder) builder = json_builder_new_immutable ();
  g_autoptr (JsonGenerator) generator = json_generator_new ();
  g_autoptr (JsonNode) root = NULL;
  guint bit = 1u << message->type;

  json_builder_begin_object (builder);
  add_string (builder, "type", type_strings[message->type]);
  if (message->type == QP_MESSAGE_JOIN)
    add_uint (builder, "version", message->version);
  for (guint i = 0; i < G_N_ELEMENTS (string_fields); i++) {
    if ((string_fields[i].required | string_fields[i].optional) & bit)
      add_string (builder, string_fields[i].key,
          *string_at (message, &string_fields[i]));
  }
  if (message->type == QP_MESSAGE_JOIN) {
    add_boolean (builder, "produces", message->produces);
    add_boolean (builder, "consumes", message->consumes);
  }
  if (WITH_PATH & bit)
    add_uint (builder, "path", message->path);
  if (message->peer && message->type == QP_MESSAGE_PEER_JOINED) {
    json_builder_set_member_name (builder, "peer");
    add_peer (builder, message->peer);
  }
  if (message->type == QP_MESSAGE_JOINED)
    add_joined (builder, message);
  json_builder_end_object (builder);

  root = json_builder_get_root (builder);
  json_generator_set_root (generator, root);
  return json_generator_to_data (generator, NULL);
}

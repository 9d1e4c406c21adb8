/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * From JSON to a message. Before json-glib sees a byte, scan() has bounded size
 * and nesting: json-glib parses recursively and, beyond RFC 8259, takes several
 * values in a row, and comments, in which quotes and braces would hide from a
 * scan. Both are refused, too.
 */

#include "signaling/message-fields.h"

#include <json-glib/json-glib.h>
#include <string.h>

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

/* Of what follows the first '{' of a message. Returns where its last '}' is; 0
 * with @error set if it has none, is nested too deep or is no JSON. */
static gsize
scan_object (const char *json, gsize size, gsize i, GError **error)
{
  guint depth = 1;

  while (depth > 0) {
    guchar c;

    if (++i >= size)
      return bad_json (error, "a bracket is missing");
    c = json[i];
    if (c == '"') {
      i = scan_string (json, size, i + 1, error);
      if (i == 0)
        return 0;
    } else if (c == '{' || c == '[') {
      if (++depth > QP_MESSAGE_MAX_DEPTH)
        return bad_json (error, "nested more than 8 deep");
    } else if (c == '}' || c == ']') {
      depth--;
    } else if (!g_ascii_isalnum (c) && !strchr (" \t\r\n:,+-.", c)) {
      return bad_json (error, "an unexpected character");
    }
  }
  return i;
}

static gsize
skip_space (const char *json, gsize size, gsize i)
{
  while (i < size && strchr (" \t\r\n", json[i]) && json[i] != '\0')
    i++;
  return i;
}

static gboolean
scan (const char *json, gsize size, GError **error)
{
  gsize i;

  if (size > QP_MESSAGE_MAX_SIZE) {
    g_set_error (error, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_TOO_BIG,
        "A message of %" G_GSIZE_FORMAT " bytes is over the limit of 64 KiB",
        size);
    return FALSE;
  }
  if (size > 0 && !g_utf8_validate_len (json, size, NULL))
    return bad_json (error, "not UTF-8");
  i = skip_space (json, size, 0);
  if (i == size || json[i] != '{') {
    g_set_error_literal (error, QP_SIGNALING_ERROR,
        QP_SIGNALING_ERROR_BAD_MESSAGE, "A message must be a JSON object");
    return FALSE;
  }
  i = scan_object (json, size, i, error);
  if (i == 0)
    return FALSE;
  if (skip_space (json, size, i + 1) != size)
    return bad_json (error, "something follows the object");
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
    return qp_message_field_error (type, key, "must be a string", error);
  *value = g_strdup (json_node_get_string (node));
  return TRUE;
}

static gboolean
read_boolean (QpMessageType type, JsonObject *object, const char *key,
    gboolean required, gboolean *value, GError **error)
{
  JsonNode *node = get_member (object, key);

  if (!node)
    return required ? qp_message_field_error (type, key, "is missing", error)
                    : TRUE;
  if (!is_type (node, G_TYPE_BOOLEAN))
    return qp_message_field_error (type, key, "must be true or false", error);
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
    return qp_message_field_error (type, key, "is missing", error);
  if (!is_type (node, G_TYPE_INT64))
    return qp_message_field_error (type, key, "must be an integer", error);
  number = json_node_get_int (node);
  if (number < 0 || number > max)
    return qp_message_field_error (type, key, "is out of its range", error);
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
    qp_message_field_error (type, key,
        node ? "must be an object" : "is missing", error);
    return NULL;
  }
  object = json_node_get_object (node);
  if (!read_string (type, object, "id", &peer->id, error) ||
      !read_string (type, object, "name", &peer->name, error) ||
      !read_boolean (type, object, "produces", TRUE, &peer->produces, error) ||
      !read_boolean (type, object, "consumes", TRUE, &peer->consumes, error) ||
      !read_boolean (type, object, "away", FALSE, &peer->away, error) ||
      !qp_message_check_peer (type, key, peer, error))
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
    qp_message_field_error (type, "ice-servers", "must be objects", error);
    return NULL;
  }
  object = json_node_get_object (node);
  list = get_member (object, "urls");
  if (!list || !JSON_NODE_HOLDS_ARRAY (list)) {
    qp_message_field_error (type, "ice-servers",
        "must have an array \"urls\" each", error);
    return NULL;
  }
  array = json_node_get_array (list);
  for (guint i = 0; i < json_array_get_length (array); i++) {
    JsonNode *url = json_array_get_element (array, i);

    if (!is_type (url, G_TYPE_STRING)) {
      qp_message_field_error (type, "ice-servers",
          "must have strings as \"urls\"", error);
      return NULL;
    }
    g_strv_builder_add (urls, json_node_get_string (url));
  }
  server->urls = g_strv_builder_end (urls);
  if (!read_string (type, object, "username", &server->username, error) ||
      !read_string (type, object, "credential", &server->credential, error) ||
      !qp_message_check_ice_server (type, server, error))
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
    return qp_message_field_error (type, key, "is missing", error);
  if (!JSON_NODE_HOLDS_ARRAY (node))
    return qp_message_field_error (type, key, "must be an array", error);
  *array = json_node_get_array (node);
  if (json_array_get_length (*array) > max)
    return qp_message_field_error (type, key, "has too many entries", error);
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
  for (guint i = 0; i < qp_message_n_string_fields; i++) {
    const QpStringField *field = &qp_message_string_fields[i];

    if ((field->required | field->optional) & bit &&
        !read_string (type, object, field->key,
            qp_message_string_at (message, field), error))
      return FALSE;
  }
  if (type == QP_MESSAGE_JOIN &&
      (!read_boolean (type, object, "produces", TRUE, &message->produces,
           error) ||
          !read_boolean (type, object, "consumes", TRUE, &message->consumes,
              error)))
    return FALSE;
  if (QP_PATH_TYPES & bit &&
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
  if (qp_message_type_from_string (string, type))
    return TRUE;
  g_set_error (error, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_UNKNOWN_TYPE,
      "No such type of message: \"%.*s\"",
      qp_message_is_code (string) ? QP_MESSAGE_MAX_CODE : 0, string);
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
  if (!json_parser_load_from_data (parser, json, size, NULL) ||
      !JSON_NODE_HOLDS_OBJECT (json_parser_get_root (parser))) {
    /* json-glib's own message quotes what it read: not fit to be sent on. */
    bad_json (error, "it does not parse");
    return NULL;
  }
  root = json_parser_get_root (parser);
  if (!read_type (json_node_get_object (root), &type, error))
    return NULL;
  message = qp_message_new (type);
  if (!read_fields (message, json_node_get_object (root), error) ||
      !qp_message_check_fields (message, error))
    return NULL;
  return g_steal_pointer (&message);
}

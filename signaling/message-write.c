/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* From a message to JSON. */

#include "signaling/message-fields.h"

#include <json-glib/json-glib.h>
#include <string.h>

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
  add_string (builder, "type", qp_message_type_to_string (message->type));
  if (message->type == QP_MESSAGE_JOIN)
    add_uint (builder, "version", message->version);
  for (guint i = 0; i < qp_message_n_string_fields; i++) {
    if ((qp_message_string_fields[i].required |
            qp_message_string_fields[i].optional) &
        bit)
      add_string (builder, qp_message_string_fields[i].key,
          *qp_message_string_at (message, &qp_message_string_fields[i]));
  }
  if (message->type == QP_MESSAGE_JOIN) {
    add_boolean (builder, "produces", message->produces);
    add_boolean (builder, "consumes", message->consumes);
  }
  if (QP_PATH_TYPES & bit)
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

gboolean
qp_message_check (const QpMessage *message, GError **error)
{
  g_autofree char *json = NULL;

  if ((guint) message->type > QP_MESSAGE_PATH_GONE) {
    g_set_error (error, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_UNKNOWN_TYPE,
        "No such type: %u", message->type);
    return FALSE;
  }
  if (!qp_message_check_fields (message, error))
    return FALSE;
  json = qp_message_to_json (message);
  if (strlen (json) > QP_MESSAGE_MAX_SIZE) {
    g_set_error (error, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_TOO_BIG,
        "%s: %" G_GSIZE_FORMAT " bytes are more than 64 KiB",
        qp_message_type_to_string (message->type), strlen (json));
    return FALSE;
  }
  return TRUE;
}

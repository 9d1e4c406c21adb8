/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See signaling-hub-world.h. */
#include "tests/unit/signaling-hub-world.h"

#include <string.h>

const char *const hub_world_tokens[] = {
  "00000000000000000000000000000000",
  "11111111111111111111111111111111",
  "22222222222222222222222222222222",
  "33333333333333333333333333333333",
};

static void
on_send (guint64 connection, const char *text, gsize size, gpointer user_data)
{
  HubWorld *world = user_data;

  g_assert_cmpuint (connection, <, N_CONNECTIONS);
  g_assert_cmpuint (world->closed[connection], ==, 0);
  g_assert_cmpint (text[size], ==, '\0');
  g_queue_push_tail (&world->sent[connection], g_strndup (text, size));
}

static void
on_close (guint64 connection, guint code, const char *reason,
    gpointer user_data)
{
  HubWorld *world = user_data;

  g_assert_cmpuint (world->closed[connection], ==, 0);
  world->closed[connection] = code;
}

static void
on_log (const char *line, gpointer user_data)
{
  HubWorld *world = user_data;

  g_string_append_printf (world->log, "%s\n", line);
}

static gint64
on_unix_time (gpointer user_data)
{
  return UNIX_NOW;
}

void
hub_world_init (HubWorld *world, QpHubConfig config)
{
  static const QpHubCallbacks callbacks = { on_send, on_close, on_log,
    on_unix_time };
  g_autoptr (GError) error = NULL;

  memset (world, 0, sizeof *world);
  world->now = 1000 * S;
  world->log = g_string_new (NULL);
  world->hub = qp_hub_new (&config, &callbacks, world, &error);
  g_assert_no_error (error);
}

void
hub_world_clear (HubWorld *world)
{
  qp_hub_free (world->hub);
  for (guint i = 0; i < N_CONNECTIONS; i++)
    g_queue_clear_full (&world->sent[i], g_free);
  g_string_free (world->log, TRUE);
}

void
hub_world_connect (HubWorld *world, guint connection, const char *path)
{
  g_autoptr (GError) error = NULL;

  world->closed[connection] = 0;
  g_assert_true (qp_hub_connected (world->hub, connection, path, "192.0.2.1",
      world->now, &error));
  g_assert_no_error (error);
}

void
hub_world_say (HubWorld *world, guint connection, const char *text)
{
  /* Exactly the bytes, so that a sanitizer sees a read past them. */
  g_autofree char *bytes = g_strdup (text);

  qp_hub_received (world->hub, connection, bytes, strlen (bytes), world->now);
}

void
hub_world_join (HubWorld *world, guint connection, guint token,
    const char *more)
{
  g_autofree char *text = g_strdup_printf (
      "{\"type\":\"join\",\"version\":1,\"token\":\"%s\",\"produces\":true,"
      "\"consumes\":false%s}",
      hub_world_tokens[token], more);

  hub_world_say (world, connection, text);
}

void
hub_world_connect_and_join (HubWorld *world, guint connection, guint token)
{
  hub_world_connect (world, connection, "/door");
  hub_world_join (world, connection, token, "");
}

char *
hub_world_id_of (guint token)
{
  return qp_member_id_from_token (hub_world_tokens[token]);
}

QpMessage *
hub_world_next (HubWorld *world, guint connection, QpMessageType type)
{
  g_autofree char *json = g_queue_pop_head (&world->sent[connection]);
  g_autoptr (GError) error = NULL;
  QpMessage *message;

  if (!json)
    g_error ("nothing was said to %u, expected %s", connection,
        qp_message_type_to_string (type));
  message = qp_message_parse (json, strlen (json), &error);
  g_assert_no_error (error);
  if (message->type != type)
    g_error ("expected %s, got %s", qp_message_type_to_string (type), json);
  return message;
}

void
hub_world_skip (HubWorld *world, guint connection, QpMessageType type)
{
  qp_message_free (hub_world_next (world, connection, type));
}

void
hub_world_assert_error (HubWorld *world, guint connection, const char *code)
{
  g_autoptr (QpMessage)
      message = hub_world_next (world, connection, QP_MESSAGE_ERROR);

  g_assert_cmpstr (message->code, ==, code);
  g_assert_cmpuint (strlen (message->text), >, 10);
}

void
hub_world_assert_silence (HubWorld *world)
{
  for (guint i = 0; i < N_CONNECTIONS; i++) {
    if (world->sent[i].length > 0)
      g_error ("unexpected, to %u: %s", i, (char *) world->sent[i].head->data);
  }
}

/* Forgets what was said so far. */
void
hub_world_hush (HubWorld *world)
{
  for (guint i = 0; i < N_CONNECTIONS; i++)
    g_queue_clear_full (&world->sent[i], g_free);
}

char *
hub_world_candidate_to (guint token, const char *candidate)
{
  g_autofree char *id = hub_world_id_of (token);

  return g_strdup_printf (
      "{\"type\":\"candidate\",\"to\":\"%s\",\"call\":\"0011223344556677\","
      "\"path\":1,\"candidate\":\"%s\",\"unknown\":[1]}",
      id, candidate);
}

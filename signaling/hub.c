/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The hub's connections: what each may say, how much, and for how long it may
 * be silent; see hub.h. Rooms and seats are in hub-room.c.
 */

#include "signaling/hub-private.h"

#include <stdarg.h>
#include <string.h>

#include "signaling/uri.h"

/* A client over its limit is told so no more often than this. */
#define COMPLAINT_INTERVAL G_USEC_PER_SEC

static void
connection_free (Connection *connection)
{
  g_free (connection->address);
  g_free (connection);
}

/* --- construction ------------------------------------------------------------ */

static guint
or_default (guint value, guint fallback)
{
  return value ? value : fallback;
}

static gboolean
check_config (const QpHubConfig *config, GError **error)
{
  const char *what = NULL;

  if (config->max_peers > 200)
    what = "max-peers may be 200 at most";
  else if (config->max_message_size > QP_MESSAGE_MAX_SIZE)
    what = "max-message-size may be 65536 bytes at most";
  else if (config->turn_uris && config->turn_uris[0] &&
      (!config->turn_secret || config->turn_secret[0] == '\0'))
    what =
        "a TURN server needs its shared secret (coturn's static-auth-secret)";
  else if (config->default_secret && config->default_secret[0] == '\0')
    what = "the room secret is empty";
  if (what)
    g_set_error (error, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_CONFIG,
        "Wrong setting: %s", what);
  return what == NULL;
}

static gboolean
check_ice_uris (const char *const *uris, const char *scheme, GError **error)
{
  gsize n = uris ? g_strv_length ((char **) uris) : 0;

  if (n > QP_MESSAGE_MAX_URLS) {
    g_set_error (error, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_CONFIG,
        "Wrong setting: %" G_GSIZE_FORMAT " %s servers, 8 at most", n, scheme);
    return FALSE;
  }
  for (gsize i = 0; i < n; i++) {
    g_autofree char *secure = g_strconcat (scheme, "s:", NULL);
    g_autofree char *plain = g_strconcat (scheme, ":", NULL);
    gboolean printable = TRUE;

    for (const char *c = uris[i]; *c; c++)
      printable = printable && g_ascii_isgraph (*c);
    if (!printable || strlen (uris[i]) > QP_MESSAGE_MAX_URL ||
        (!g_str_has_prefix (uris[i], plain) &&
            !g_str_has_prefix (uris[i], secure)) ||
        g_str_has_suffix (uris[i], ":") || strstr (uris[i], "://")) {
      g_set_error (error, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_CONFIG,
          "Wrong setting: \"%s\" is not %s:host:port", uris[i], scheme);
      return FALSE;
    }
  }
  return TRUE;
}

QpHub *
qp_hub_new (const QpHubConfig *config, const QpHubCallbacks *callbacks,
    gpointer user_data, GError **error)
{
  QpHub *hub;

  if (!check_config (config, error) ||
      !check_ice_uris (config->stun_uris, "stun", error) ||
      !check_ice_uris (config->turn_uris, "turn", error))
    return NULL;

  hub = g_new0 (QpHub, 1);
  hub->config = (QpHubConfig){
    .max_rooms = or_default (config->max_rooms, 1000),
    .max_peers = or_default (config->max_peers, 64),
    .max_connections = or_default (config->max_connections, 4096),
    .max_connections_per_address =
        or_default (config->max_connections_per_address, 256),
    .max_seats_per_address = or_default (config->max_seats_per_address, 32),
    .joins_per_second = or_default (config->joins_per_second, 4),
    .max_message_size = or_default (config->max_message_size,
        QP_MESSAGE_MAX_SIZE),
    .messages_per_second = or_default (config->messages_per_second, 200),
    .message_burst = or_default (config->message_burst, 1000),
    .max_mailbox = or_default (config->max_mailbox, 128),
    .seat_seconds = or_default (config->seat_seconds, 60),
    .join_seconds = or_default (config->join_seconds, 30),
    .listener_seconds = or_default (config->listener_seconds, 600),
    .default_secret = g_strdup (config->default_secret),
    .secrets = config->secrets ? g_hash_table_ref (config->secrets) : NULL,
    .stun_uris = (const char *const *) g_strdupv ((char **) config->stun_uris),
    .turn_uris = (const char *const *) g_strdupv ((char **) config->turn_uris),
    .turn_secret = g_strdup (config->turn_secret),
    .turn_ttl_seconds = or_default (config->turn_ttl_seconds, 86400),
  };
  hub->callbacks = *callbacks;
  hub->user_data = user_data;
  hub->connections = g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL,
      (GDestroyNotify) connection_free);
  hub->rooms = g_hash_table_new_full (g_str_hash, g_str_equal, NULL,
      (GDestroyNotify) qp_room_free);
  hub->addresses = qp_addresses_new ();
  return hub;
}

void
qp_hub_free (QpHub *hub)
{
  if (!hub)
    return;
  g_hash_table_unref (hub->connections);
  g_hash_table_unref (hub->rooms);
  g_hash_table_unref (hub->addresses);
  g_free ((char *) hub->config.default_secret);
  g_free ((char *) hub->config.turn_secret);
  g_strfreev ((char **) hub->config.stun_uris);
  g_strfreev ((char **) hub->config.turn_uris);
  g_clear_pointer (&hub->config.secrets, g_hash_table_unref);
  g_free (hub);
}

/* --- output ------------------------------------------------------------------ */

void
qp_hub_log (QpHub *hub, const char *format, ...)
{
  g_autofree char *line = NULL;
  va_list args;

  if (!hub->callbacks.log)
    return;
  va_start (args, format);
  line = g_strdup_vprintf (format, args);
  va_end (args);
  hub->callbacks.log (line, hub->user_data);
}

void
qp_hub_send (QpHub *hub, Connection *connection, const QpMessage *message)
{
  g_autofree char *json = qp_message_to_json (message);

  hub->callbacks.send (connection->number, json, strlen (json), hub->user_data);
}

void
qp_hub_send_error (QpHub *hub, Connection *connection, QpSignalingError code,
    const char *text, const char *about, const char *call)
{
  g_autoptr (QpMessage) message = qp_message_new (QP_MESSAGE_ERROR);

  message->code = g_strdup (qp_signaling_error_to_string (code));
  message->text = g_utf8_substring (text, 0,
      MIN (g_utf8_strlen (text, -1), 120));
  message->id = g_strdup (about);
  message->call = g_strdup (call);
  qp_hub_send (hub, connection, message);
}

static guint
close_code (QpSignalingError code)
{
  switch (code) {
    case QP_SIGNALING_ERROR_TOO_BIG:
      return QP_HUB_CLOSE_TOO_BIG;
    case QP_SIGNALING_ERROR_DRAINING:
      return QP_HUB_CLOSE_GOING_AWAY;
    case QP_SIGNALING_ERROR_ROOM_FULL:
    case QP_SIGNALING_ERROR_TOO_MANY_ROOMS:
    case QP_SIGNALING_ERROR_TOO_MANY_CONNECTIONS:
      return QP_HUB_CLOSE_TRY_LATER;
    default:
      return QP_HUB_CLOSE_POLICY;
  }
}

/* --- coming and going -------------------------------------------------------- */

gboolean
qp_hub_connected (QpHub *hub, guint64 number, const char *path,
    const char *address, gint64 now, GError **error)
{
  g_autofree char *name = NULL;
  Connection *connection;
  Address *host;
  Room *room;

  if (hub->draining) {
    g_set_error_literal (error, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_DRAINING,
        "This server is stopping; try again in a moment");
    return FALSE;
  }
  if (path[0] == '\0' || g_str_equal (path, "/"))
    name = g_strdup (""); /* untyped clients may meet there, members may not */
  else
    name = qp_signaling_room_from_path (path, error);
  if (!name || !(host = qp_address_connect (hub, address, error)))
    return FALSE;
  room = qp_room_get (hub, name, error);
  if (!room) {
    qp_address_disconnect (host);
    return FALSE;
  }

  connection = g_new0 (Connection, 1);
  connection->number = number;
  connection->address = g_strdup (address);
  connection->host = host;
  connection->room = room;
  connection->deadline = now + hub->config.listener_seconds * G_USEC_PER_SEC;
  connection->tokens = hub->config.message_burst;
  connection->refilled = now;
  connection->complained = now - COMPLAINT_INTERVAL;
  g_hash_table_add (room->connections, connection);
  g_hash_table_insert (hub->connections, &connection->number, connection);
  return TRUE;
}

static void
forget (QpHub *hub, Connection *connection, gint64 now)
{
  Room *room = connection->room;

  if (connection->member)
    qp_room_away (hub, room, connection->member, now);
  g_hash_table_remove (room->connections, connection);
  qp_address_disconnect (connection->host);
  g_hash_table_remove (hub->connections, &connection->number);
  qp_room_release (hub, room);
}

void
qp_hub_drop (QpHub *hub, Connection *connection, QpSignalingError code,
    const char *text, gint64 now)
{
  guint64 number = connection->number;

  qp_hub_log (hub, "room \"%s\": closing the connection from %s: %s",
      connection->room->name, connection->address, text);
  /* Clients that do not speak our protocol would take it for their peer's. */
  if (connection->state == CONNECTION_TYPED ||
      connection->state == CONNECTION_MEMBER)
    qp_hub_send_error (hub, connection, code, text, NULL, NULL);
  forget (hub, connection, now);
  hub->callbacks.close (number, close_code (code),
      qp_signaling_error_to_string (code), hub->user_data);
}

void
qp_hub_disconnected (QpHub *hub, guint64 number, gint64 now)
{
  Connection *connection = g_hash_table_lookup (hub->connections, &number);

  if (connection)
    forget (hub, connection, now);
}

void
qp_hub_refuse (QpHub *hub, guint64 number, const GError *why, gint64 now)
{
  Connection *connection = g_hash_table_lookup (hub->connections, &number);

  if (connection)
    qp_hub_drop (hub, connection, why->code, why->message, now);
}

/* --- what comes in ----------------------------------------------------------- */

static gboolean
take_token (QpHub *hub, Connection *connection, gint64 now)
{
  double burst = hub->config.message_burst;
  double passed = MAX (now - connection->refilled, 0) / (double) G_USEC_PER_SEC;

  connection->refilled = now;
  connection->tokens = MIN (burst,
      connection->tokens + passed * hub->config.messages_per_second);
  if (connection->tokens >= burst)
    connection->n_dropped = 0;
  if (connection->tokens < 1.0)
    return FALSE;
  connection->tokens -= 1.0;
  return TRUE;
}

/* A message over the limit is dropped; a client that goes on for as long as its
 * burst does not listen and is dropped itself. */
static void
over_limit (QpHub *hub, Connection *connection, gint64 now)
{
  g_autofree char *text =
      g_strdup_printf ("More than %u messages a second are not accepted",
          hub->config.messages_per_second);

  connection->n_dropped++;
  if (connection->n_dropped > hub->config.message_burst ||
      connection->state == CONNECTION_UNTYPED ||
      connection->state == CONNECTION_SILENT) {
    qp_hub_drop (hub, connection, QP_SIGNALING_ERROR_RATE_LIMITED, text, now);
  } else if (now - connection->complained >= COMPLAINT_INTERVAL) {
    connection->complained = now;
    qp_hub_log (hub, "room \"%s\": too many messages from %s",
        connection->room->name, connection->address);
    qp_hub_send_error (hub, connection, QP_SIGNALING_ERROR_RATE_LIMITED, text,
        NULL, NULL);
  }
}

static void
received_untyped (QpHub *hub, Connection *connection, const char *text,
    gsize size, gint64 now)
{
  /* They cannot name a secret, so a room that has one is closed to them. */
  if (qp_room_get_secret (hub, connection->room)) {
    qp_hub_drop (hub, connection, QP_SIGNALING_ERROR_WRONG_SECRET,
        "An untyped client in a room that needs a secret", now);
    return;
  }
  if (connection->state != CONNECTION_UNTYPED) {
    connection->state = CONNECTION_UNTYPED;
    qp_hub_log (hub, "room \"%s\": untyped client from %s",
        connection->room->name, connection->address);
  }
  connection->deadline = now + hub->config.listener_seconds * G_USEC_PER_SEC;
  qp_room_relay_untyped (hub, connection, text, size);
}

static void
join (QpHub *hub, Connection *connection, const QpMessage *message, gint64 now)
{
  g_autoptr (GError) why = NULL;

  if (connection->state == CONNECTION_MEMBER)
    qp_hub_send_error (hub, connection, QP_SIGNALING_ERROR_ALREADY_JOINED,
        "This connection has joined already", NULL, NULL);
  else if (!qp_address_take_join (hub, connection->host, now, &why) ||
      !qp_room_join (hub, connection, message, now, &why))
    qp_hub_drop (hub, connection, why->code, why->message, now);
}

static void
leave (QpHub *hub, Connection *connection, gint64 now)
{
  guint64 number = connection->number;

  if (connection->member)
    qp_room_leave (hub, connection->room, connection->member, "left");
  forget (hub, connection, now);
  hub->callbacks.close (number, QP_HUB_CLOSE_NORMAL, "", hub->user_data);
}

static void
received_message (QpHub *hub, Connection *connection, QpMessage *message,
    gint64 now)
{
  if (message->type == QP_MESSAGE_JOIN) {
    join (hub, connection, message, now);
  } else if (message->type == QP_MESSAGE_LEAVE) {
    leave (hub, connection, now);
  } else if (message->type == QP_MESSAGE_PING) {
    g_autoptr (QpMessage) pong = qp_message_new (QP_MESSAGE_PONG);

    qp_hub_send (hub, connection, pong);
  } else if (!qp_message_type_is_relayed (message->type)) {
    qp_hub_send_error (hub, connection, QP_SIGNALING_ERROR_BAD_MESSAGE,
        "Only the server sends messages of that type", NULL, NULL);
  } else if (connection->state != CONNECTION_MEMBER) {
    qp_hub_send_error (hub, connection, QP_SIGNALING_ERROR_NOT_JOINED,
        "Join the room before sending to its members", message->to,
        message->call);
  } else {
    qp_room_relay (hub, connection, message);
  }
}

void
qp_hub_received (QpHub *hub, guint64 number, const char *text, gsize size,
    gint64 now)
{
  Connection *connection = g_hash_table_lookup (hub->connections, &number);
  g_autoptr (QpMessage) message = NULL;
  g_autoptr (GError) why = NULL;

  if (!connection)
    return;
  if (!take_token (hub, connection, now)) {
    over_limit (hub, connection, now);
    return;
  }
  if (size > hub->config.max_message_size) {
    qp_hub_drop (hub, connection, QP_SIGNALING_ERROR_TOO_BIG,
        "A message is over this server's limit of size", now);
    return;
  }
  if (connection->state == CONNECTION_UNTYPED) {
    received_untyped (hub, connection, text, size, now);
    return;
  }
  message = qp_message_parse (text, size, &why);
  if (!message && connection->state == CONNECTION_SILENT &&
      why->code == QP_SIGNALING_ERROR_NO_TYPE) {
    received_untyped (hub, connection, text, size, now);
    return;
  }
  if (connection->state == CONNECTION_SILENT) {
    connection->state = CONNECTION_TYPED;
    connection->deadline = now + hub->config.join_seconds * G_USEC_PER_SEC;
  }
  if (message)
    received_message (hub, connection, message, now);
  else if (why->code == QP_SIGNALING_ERROR_BAD_VERSION)
    qp_hub_drop (hub, connection, why->code, why->message, now);
  else
    qp_hub_send_error (hub, connection, why->code, why->message, NULL, NULL);
}

/* --- time -------------------------------------------------------------------- */

static void
drop_idle (QpHub *hub, gint64 now)
{
  g_autoptr (GPtrArray) idle = g_ptr_array_new ();
  GHashTableIter iter;
  Connection *connection;

  g_hash_table_iter_init (&iter, hub->connections);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &connection)) {
    if (connection->deadline <= now)
      g_ptr_array_add (idle, connection);
  }
  for (guint i = 0; i < idle->len; i++) {
    connection = idle->pdata[i];
    qp_hub_drop (hub, connection, QP_SIGNALING_ERROR_IDLE,
        connection->state == CONNECTION_TYPED ? "It did not join"
                                              : "It has been silent",
        now);
  }
}

static void
expire_seats (QpHub *hub, gint64 now)
{
  g_autoptr (GList) rooms = g_hash_table_get_values (hub->rooms);

  for (GList *item = rooms; item; item = item->next) {
    Room *room = item->data;

    for (guint j = room->members->len; j > 0; j--) {
      Member *member = room->members->pdata[j - 1];

      if (!member->connection && member->away_until <= now)
        qp_room_leave (hub, room, member, "expired");
    }
    qp_room_release (hub, room);
  }
}

void
qp_hub_advance (QpHub *hub, gint64 now)
{
  drop_idle (hub, now);
  expire_seats (hub, now);
  qp_addresses_forget (hub, now);
}

void
qp_hub_drain (QpHub *hub, gint64 now)
{
  g_autoptr (QpMessage) message = qp_message_new (QP_MESSAGE_DRAINING);
  g_autoptr (GList) connections = g_hash_table_get_values (hub->connections);

  hub->draining = TRUE;
  qp_hub_log (hub, "draining: %u connections",
      g_hash_table_size (hub->connections));
  for (GList *item = connections; item; item = item->next) {
    Connection *connection = item->data;
    guint64 number = connection->number;

    if (connection->state == CONNECTION_TYPED ||
        connection->state == CONNECTION_MEMBER)
      qp_hub_send (hub, connection, message);
    /* Seats go silently: everyone is told to come back, none is reported gone. */
    if (connection->member)
      g_ptr_array_remove (connection->room->members,
          g_steal_pointer (&connection->member));
    forget (hub, connection, now);
    hub->callbacks.close (number, QP_HUB_CLOSE_GOING_AWAY,
        qp_signaling_error_to_string (QP_SIGNALING_ERROR_DRAINING),
        hub->user_data);
  }
}

guint
qp_hub_get_n_connections (const QpHub *hub)
{
  return g_hash_table_size (hub->connections);
}

guint
qp_hub_get_n_rooms (const QpHub *hub)
{
  return g_hash_table_size (hub->rooms);
}

guint
qp_hub_get_n_members (const QpHub *hub)
{
  GHashTableIter iter;
  Room *room;
  guint n = 0;

  g_hash_table_iter_init (&iter, hub->rooms);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &room))
    n += room->members->len;
  return n;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Rooms and seats; see hub-private.h. A seat outlives its connection so that a
 * member that changes networks is not reported gone; what others send it
 * meanwhile waits in its mailbox.
 */

#include "signaling/hub-private.h"

#include <string.h>

#include "signaling/hub-ice.h"

#define MAILBOX_BYTES (256 * 1024)

/* Enough of an id to tell members apart in a log line. */
#define ID_LOGGED 8

static void
member_free (Member *member)
{
  qp_address_sit (NULL, member);
  qp_peer_info_free (member->info);
  g_queue_clear_full (&member->mailbox, g_free);
  g_free (member);
}

Room *
qp_room_get (QpHub *hub, const char *name, GError **error)
{
  Room *room = g_hash_table_lookup (hub->rooms, name);

  if (room)
    return room;
  if (g_hash_table_size (hub->rooms) >= hub->config.max_rooms) {
    g_set_error (error, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_TOO_MANY_ROOMS,
        "This server has all of its %u rooms in use", hub->config.max_rooms);
    return NULL;
  }
  room = g_new0 (Room, 1);
  room->name = g_strdup (name);
  room->members = g_ptr_array_new_with_free_func ((GDestroyNotify) member_free);
  room->connections = g_hash_table_new (NULL, NULL);
  g_hash_table_insert (hub->rooms, room->name, room);
  return room;
}

void
qp_room_free (Room *room)
{
  g_ptr_array_unref (room->members);
  g_hash_table_unref (room->connections);
  g_free (room->name);
  g_free (room);
}

void
qp_room_release (QpHub *hub, Room *room)
{
  if (room->members->len == 0 && g_hash_table_size (room->connections) == 0)
    g_hash_table_remove (hub->rooms, room->name);
}

const char *
qp_room_get_secret (const QpHub *hub, const Room *room)
{
  const char *secret = NULL;

  if (hub->config.secrets)
    secret = g_hash_table_lookup (hub->config.secrets, room->name);
  return secret ? secret : hub->config.default_secret;
}

Member *
qp_room_find (const Room *room, const char *id)
{
  for (guint i = 0; i < room->members->len; i++) {
    Member *member = room->members->pdata[i];

    if (g_str_equal (member->info->id, id))
      return member;
  }
  return NULL;
}

/* Digests are compared, so that neither the length nor the place of the first
 * difference shows in the time it takes. */
static gboolean
secrets_equal (const char *a, const char *b)
{
  g_autofree char *digest_a = g_compute_checksum_for_string (G_CHECKSUM_SHA256,
      a, -1);
  g_autofree char *digest_b = g_compute_checksum_for_string (G_CHECKSUM_SHA256,
      b, -1);
  guint difference = 0;

  for (gsize i = 0; digest_a[i]; i++)
    difference |= (guchar) digest_a[i] ^ (guchar) digest_b[i];
  return difference == 0;
}

static gboolean
check_secret (const QpHub *hub, const Room *room, const char *given,
    GError **error)
{
  const char *secret = qp_room_get_secret (hub, room);

  if (!secret)
    return TRUE;
  if (given && secrets_equal (secret, given))
    return TRUE;
  g_set_error (error, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_WRONG_SECRET,
      given ? "The secret is not that of room \"%s\""
            : "Room \"%s\" needs a secret to join",
      room->name);
  return FALSE;
}

/* Tells all members with a connection but @except. */
static void
broadcast (QpHub *hub, Room *room, const Member *except,
    const QpMessage *message)
{
  for (guint i = 0; i < room->members->len; i++) {
    Member *member = room->members->pdata[i];

    if (member != except && member->connection)
      qp_hub_send (hub, member->connection, message);
  }
}

static void
broadcast_joined (QpHub *hub, Room *room, const Member *member)
{
  g_autoptr (QpMessage) message = qp_message_new (QP_MESSAGE_PEER_JOINED);

  message->peer = qp_peer_info_copy (member->info);
  message->peer->away = FALSE;
  broadcast (hub, room, member, message);
}

void
qp_room_leave (QpHub *hub, Room *room, Member *member, const char *reason)
{
  g_autoptr (QpMessage) message = qp_message_new (QP_MESSAGE_PEER_LEFT);

  message->id = g_strdup (member->info->id);
  message->reason = g_strdup (reason);
  if (member->connection)
    member->connection->member = NULL;
  g_ptr_array_remove (room->members, member);
  qp_hub_log (hub, "room \"%s\": %.*s %s; %u left in it", room->name, ID_LOGGED,
      message->id, reason, room->members->len);
  broadcast (hub, room, NULL, message);
}

void
qp_room_away (QpHub *hub, Room *room, Member *member, gint64 now)
{
  member->connection = NULL;
  member->info->away = TRUE;
  member->away_until = now + hub->config.seat_seconds * G_USEC_PER_SEC;
  qp_hub_log (hub,
      "room \"%s\": %.*s lost its connection, its seat is held for %u s",
      room->name, ID_LOGGED, member->info->id, hub->config.seat_seconds);
}

/* A full room gives up the seat whose member has been away for longest. */
static gboolean
make_place (QpHub *hub, Room *room, GError **error)
{
  Member *longest = NULL;

  if (room->members->len < hub->config.max_peers)
    return TRUE;
  for (guint i = 0; i < room->members->len; i++) {
    Member *member = room->members->pdata[i];

    if (!member->connection &&
        (!longest || member->away_until < longest->away_until))
      longest = member;
  }
  if (longest) {
    qp_room_leave (hub, room, longest, "expired");
    return TRUE;
  }
  g_set_error (error, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_ROOM_FULL,
      "Room \"%s\" is full: it has %u members", room->name, room->members->len);
  return FALSE;
}

static void
send_joined (QpHub *hub, Room *room, const Member *self)
{
  g_autoptr (QpMessage) message = qp_message_new (QP_MESSAGE_JOINED);

  message->id = g_strdup (self->info->id);
  message->room = g_strdup (room->name);
  for (guint i = 0; i < room->members->len; i++) {
    const Member *member = room->members->pdata[i];

    if (member != self)
      g_ptr_array_add (message->peers, qp_peer_info_copy (member->info));
  }
  qp_hub_add_ice_servers (&hub->config, self->info->id,
      hub->callbacks.unix_time (hub->user_data), message->ice_servers);
  qp_hub_send (hub, self->connection, message);
}

static void
empty_mailbox (QpHub *hub, Member *member)
{
  char *json;

  while ((json = g_queue_pop_head (&member->mailbox))) {
    hub->callbacks.send (member->connection->number, json, strlen (json),
        hub->user_data);
    g_free (json);
  }
  member->mailbox_bytes = 0;
}

static void
seat (Connection *connection, Member *member)
{
  connection->state = CONNECTION_MEMBER;
  connection->member = member;
  qp_address_sit (connection->host, member);
  connection->deadline = G_MAXINT64;
  member->connection = connection;
  member->info->away = FALSE;
}

/* Back with its token: on its own seat. The others hear of it only if something
 * about it changed, so that nothing disturbs a call that goes on. */
static void
resume (QpHub *hub, Connection *connection, Member *member,
    const QpMessage *join, gint64 now)
{
  QpPeerInfo *info = member->info;
  Connection *old = member->connection;
  gboolean changed = g_strcmp0 (info->name, join->name) != 0 ||
      info->produces != join->produces || info->consumes != join->consumes;

  if (old) {
    old->member = NULL;
    qp_hub_drop (hub, old, QP_SIGNALING_ERROR_REPLACED,
        "A newer connection with the same token took the seat", now);
  }
  g_free (info->name);
  info->name = g_strdup (join->name);
  info->produces = join->produces;
  info->consumes = join->consumes;
  seat (connection, member);
  qp_hub_log (hub, "room \"%s\": %.*s is back from %s%s",
      connection->room->name, ID_LOGGED, info->id, connection->address,
      old ? ", replacing its older connection" : "");
  send_joined (hub, connection->room, member);
  empty_mailbox (hub, member);
  if (changed)
    broadcast_joined (hub, connection->room, member);
}

gboolean
qp_room_join (QpHub *hub, Connection *connection, const QpMessage *join,
    gint64 now, GError **error)
{
  Room *room = connection->room;
  g_autofree char *id = NULL;
  Member *member;

  if (room->name[0] == '\0') {
    g_set_error_literal (error, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_BAD_ROOM,
        "The URL names no room: join at ws://host:port/room");
    return FALSE;
  }
  if (!check_secret (hub, room, join->secret, error))
    return FALSE;
  id = qp_member_id_from_token (join->token);
  member = qp_room_find (room, id);
  if (member) {
    resume (hub, connection, member, join, now);
    return TRUE;
  }
  if (!qp_address_may_sit (hub, connection->host, room, error) ||
      !make_place (hub, room, error))
    return FALSE;

  member = g_new0 (Member, 1);
  member->info = qp_peer_info_new (id, join->name, join->produces,
      join->consumes);
  g_queue_init (&member->mailbox);
  g_ptr_array_add (room->members, member);
  seat (connection, member);
  qp_hub_log (hub, "room \"%s\": %.*s%s%s%s joined from %s (%s); %u in it",
      room->name, ID_LOGGED, id, join->name ? " \"" : "",
      join->name ? join->name : "", join->name ? "\"" : "", connection->address,
      join->produces
          ? (join->consumes ? "produces and consumes" : "produces")
          : (join->consumes ? "consumes" : "neither produces nor consumes"),
      room->members->len);
  send_joined (hub, room, member);
  broadcast_joined (hub, room, member);
  return TRUE;
}

static gboolean
put_into_mailbox (const QpHub *hub, Member *member, const char *json)
{
  gsize size = strlen (json);

  if (member->mailbox.length >= hub->config.max_mailbox ||
      member->mailbox_bytes + size > MAILBOX_BYTES)
    return FALSE;
  g_queue_push_tail (&member->mailbox, g_strdup (json));
  member->mailbox_bytes += size;
  return TRUE;
}

void
qp_room_relay (QpHub *hub, Connection *connection, QpMessage *message)
{
  Room *room = connection->room;
  g_autofree char *to = g_steal_pointer (&message->to);
  g_autofree char *json = NULL;
  Member *receiver;

  if (!to) {
    qp_hub_send_error (hub, connection, QP_SIGNALING_ERROR_BAD_MESSAGE,
        "A message to a peer needs the field \"to\"", NULL, message->call);
    return;
  }
  receiver = qp_room_find (room, to);
  if (!receiver || receiver == connection->member) {
    qp_hub_send_error (hub, connection, QP_SIGNALING_ERROR_NO_SUCH_PEER,
        "No other member of this room has that id", to, message->call);
    return;
  }
  g_free (message->from);
  message->from = g_strdup (connection->member->info->id);
  json = qp_message_to_json (message);
  /* Escapes may have made it longer than it came. */
  if (strlen (json) > QP_MESSAGE_MAX_SIZE)
    qp_hub_send_error (hub, connection, QP_SIGNALING_ERROR_TOO_BIG,
        "The message is over the limit of 64 KiB when written out", to,
        message->call);
  else if (receiver->connection)
    hub->callbacks.send (receiver->connection->number, json, strlen (json),
        hub->user_data);
  else if (!put_into_mailbox (hub, receiver, json))
    qp_hub_send_error (hub, connection, QP_SIGNALING_ERROR_PEER_AWAY,
        "The peer has lost its connection and its mailbox is full", to,
        message->call);
}

void
qp_room_relay_untyped (QpHub *hub, Connection *connection, const char *text,
    gsize size)
{
  GHashTableIter iter;
  Connection *other;

  g_hash_table_iter_init (&iter, connection->room->connections);
  while (g_hash_table_iter_next (&iter, (gpointer *) &other, NULL)) {
    if (other == connection ||
        (other->state != CONNECTION_UNTYPED &&
            other->state != CONNECTION_SILENT))
      continue;
    other->deadline = MAX (other->deadline, connection->deadline);
    hub->callbacks.send (other->number, text, size, hub->user_data);
  }
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Messages as values: types, memory, ids. Reading and writing are in
 * message-read.c and message-write.c. */

#include "signaling/message-fields.h"

#include <string.h>
#include <sys/random.h>

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
  [QP_MESSAGE_PATH_GONE] = "path-gone",
};

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

  for (guint i = 0; i < qp_message_n_string_fields; i++)
    *qp_message_string_at (copy, &qp_message_string_fields[i]) =
        g_strdup (*qp_message_string_at (message,
            &qp_message_string_fields[i]));
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
  for (guint i = 0; i < qp_message_n_string_fields; i++)
    free_secret (*qp_message_string_at (message, &qp_message_string_fields[i]));
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
qp_message_type_from_string (const char *string, QpMessageType *type)
{
  for (guint i = 0; i < G_N_ELEMENTS (type_strings); i++) {
    if (g_str_equal (type_strings[i], string)) {
      *type = i;
      return TRUE;
    }
  }
  return FALSE;
}

gboolean
qp_message_type_is_relayed (QpMessageType type)
{
  return (QP_RELAYED_TYPES & (1u << type)) != 0;
}

char *
qp_member_id_from_token (const char *token)
{
  g_autofree char *digest = g_compute_checksum_for_string (G_CHECKSUM_SHA256,
      token, -1);

  return g_strndup (digest, QP_MESSAGE_ID_LENGTH);
}

char *
qp_signaling_token_new (void)
{
  guint8 random[32];
  char *token;
  gsize got = 0;

  /* The kernel's generator: GLib's own is predictable, and the token is all that
   * stands between a member and whoever wants its seat. */
  while (got < sizeof random) {
    gssize n = getrandom (random + got, sizeof random - got, 0);

    if (n > 0)
      got += n;
  }
  token = g_malloc (2 * sizeof random + 1);
  for (gsize i = 0; i < sizeof random; i++)
    g_snprintf (token + 2 * i, 3, "%02x", random[i]);
  return token;
}

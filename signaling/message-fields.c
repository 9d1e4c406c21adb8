/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The table of fields and their bounds; see message-fields.h. */

#include "signaling/message-fields.h"

#include <string.h>

#include "signaling/uri.h"

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

gboolean
qp_message_is_code (const char *s)
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

#define FIELD(member) G_STRUCT_OFFSET (QpMessage, member)

const QpStringField qp_message_string_fields[] = {
  { "to", FIELD (to), 0, QP_RELAYED_TYPES, is_id,
      "must be 32 lower-case hex digits" },
  { "from", FIELD (from), 0, QP_RELAYED_TYPES, is_id,
      "must be 32 lower-case hex digits" },
  { "token", FIELD (token), QP_BIT (JOIN), 0, is_token,
      "must be 32 to 64 lower-case hex digits" },
  { "name", FIELD (name), 0, QP_BIT (JOIN), is_name,
      "must be 1 to 64 bytes without control characters" },
  { "secret", FIELD (secret), 0, QP_BIT (JOIN), is_secret,
      "must be 1 to 256 bytes without control characters" },
  { "id", FIELD (id), QP_BIT (JOINED) | QP_BIT (PEER_LEFT), QP_BIT (ERROR),
      is_id, "must be 32 lower-case hex digits" },
  { "room", FIELD (room), QP_BIT (JOINED), 0, is_room,
      "must be the name of a room" },
  { "reason", FIELD (reason), QP_BIT (PEER_LEFT), 0, is_reason,
      "must be \"left\" or \"expired\"" },
  { "code", FIELD (code), QP_BIT (ERROR) | QP_BIT (BYE), 0, qp_message_is_code,
      "must be 1 to 32 of a-z, 0-9 and '-'" },
  { "message", FIELD (text), QP_BIT (ERROR) | QP_BIT (BYE), 0, is_text,
      "must be at most 512 bytes without control characters" },
  { "call", FIELD (call), QP_RELAYED_TYPES, QP_BIT (ERROR), is_call,
      "must be 16 to 32 lower-case hex digits" },
  { "fingerprint", FIELD (fingerprint), QP_BIT (OFFER) | QP_BIT (ANSWER), 0,
      is_fingerprint,
      "must be \"sha-256 \" and 32 upper-case hex pairs joined by ':'" },
  { "ufrag", FIELD (ufrag), QP_ICE_TYPES, 0, is_ufrag,
      "must be 4 to 256 ICE characters" },
  { "password", FIELD (password), QP_BIT (OFFER) | QP_BIT (ANSWER), 0,
      is_password, "must be 22 to 256 ICE characters" },
  { "candidate", FIELD (candidate), QP_BIT (CANDIDATE), 0, is_candidate,
      "must be at most 512 bytes without control characters" },
  { "sdp", FIELD (sdp), QP_BIT (MEDIA), QP_BIT (ANSWER), is_sdp,
      "must be 1 to 49152 bytes without control characters but CR, LF and TAB" },
  { "mac", FIELD (mac),
      QP_BIT (PATH_OFFER) | QP_BIT (PATH_ANSWER) | QP_BIT (PATH_GONE),
      QP_BIT (CANDIDATE), is_mac, "must be 32 to 128 lower-case hex digits" },
};

const guint qp_message_n_string_fields =
    G_N_ELEMENTS (qp_message_string_fields);

char **
qp_message_string_at (const QpMessage *message, const QpStringField *field)
{
  return (char **) ((guint8 *) message + field->offset);
}

gboolean
qp_message_field_error (QpMessageType type, const char *key, const char *what,
    GError **error)
{
  g_set_error (error, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_BAD_MESSAGE,
      "%s: field \"%s\" %s", qp_message_type_to_string (type), key, what);
  return FALSE;
}

/* --- checking ---------------------------------------------------------------- */

gboolean
qp_message_check_peer (QpMessageType type, const char *key,
    const QpPeerInfo *peer, GError **error)
{
  if (!peer)
    return qp_message_field_error (type, key, "is missing", error);
  if (!peer->id || !is_id (peer->id))
    return qp_message_field_error (type, key,
        "must have an \"id\" of 32 lower-case hex digits", error);
  if (peer->name && !is_name (peer->name))
    return qp_message_field_error (type, key,
        "has a \"name\" that is empty, too long or not printable", error);
  return TRUE;
}

gboolean
qp_message_check_ice_server (QpMessageType type, const QpIceServer *server,
    GError **error)
{
  guint n = server->urls ? g_strv_length (server->urls) : 0;

  if (n < 1 || n > QP_MESSAGE_MAX_URLS)
    return qp_message_field_error (type, "ice-servers",
        "must have 1 to 8 \"urls\" each", error);
  for (guint i = 0; i < n; i++) {
    if (!is_url (server->urls[i]))
      return qp_message_field_error (type, "ice-servers",
          "may have \"urls\" of the schemes stun, stuns, turn and turns only",
          error);
  }
  if ((server->username && !is_credential (server->username)) ||
      (server->credential && !is_credential (server->credential)))
    return qp_message_field_error (type, "ice-servers",
        "must have a \"username\" and a \"credential\" of 1 to 512 printable bytes",
        error);
  return TRUE;
}

static gboolean
check_joined (const QpMessage *message, GError **error)
{
  if (!message->peers)
    return qp_message_field_error (message->type, "peers", "is missing", error);
  if (message->peers->len > QP_MESSAGE_MAX_PEERS)
    return qp_message_field_error (message->type, "peers",
        "has more than 256 entries", error);
  for (guint i = 0; i < message->peers->len; i++) {
    if (!qp_message_check_peer (message->type, "peers",
            message->peers->pdata[i], error))
      return FALSE;
  }
  if (message->ice_servers->len > QP_MESSAGE_MAX_ICE_SERVERS)
    return qp_message_field_error (message->type, "ice-servers",
        "has more than 16 entries", error);
  for (guint i = 0; i < message->ice_servers->len; i++) {
    if (!qp_message_check_ice_server (message->type,
            message->ice_servers->pdata[i], error))
      return FALSE;
  }
  return TRUE;
}

gboolean
qp_message_check_fields (const QpMessage *message, GError **error)
{
  guint bit = 1u << message->type;

  if (message->type == QP_MESSAGE_JOIN &&
      message->version != QP_PROTOCOL_VERSION) {
    g_set_error (error, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_BAD_VERSION,
        "join: version %u is not supported, only %u is", message->version,
        QP_PROTOCOL_VERSION);
    return FALSE;
  }
  for (guint i = 0; i < qp_message_n_string_fields; i++) {
    const QpStringField *field = &qp_message_string_fields[i];
    const char *value = *qp_message_string_at (message, field);

    if (!value) {
      if (field->required & bit)
        return qp_message_field_error (message->type, field->key, "is missing",
            error);
    } else if (!field->is_valid (value)) {
      return qp_message_field_error (message->type, field->key, field->expected,
          error);
    }
  }
  if (message->path > QP_MESSAGE_MAX_PATH)
    return qp_message_field_error (message->type, "path",
        "must be 0 to 2147483647", error);
  if (message->type == QP_MESSAGE_PEER_JOINED)
    return qp_message_check_peer (message->type, "peer", message->peer, error);
  if (message->type == QP_MESSAGE_JOINED)
    return check_joined (message, error);
  return TRUE;
}

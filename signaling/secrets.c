/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The file of room secrets; declared in server.h. */

#include <string.h>

#include "signaling/server.h"
#include "signaling/uri.h"

/* @line is cut in two. Returns what is wrong with it, NULL if nothing is. */
static const char *
read_line (char *line, GHashTable *secrets, char **default_secret)
{
  char *colon = strchr (line, ':');

  if (!colon)
    return "is not ROOM:SECRET";
  *colon = '\0';
  if (colon[1] == '\0' || strlen (colon + 1) > QP_MESSAGE_MAX_SECRET ||
      !g_utf8_validate (colon + 1, -1, NULL))
    return "has no secret of 1 to 256 bytes of UTF-8 after the first ':'";
  if (g_str_equal (line, "*")) {
    if (*default_secret)
      return "is the second one for *";
    *default_secret = g_strdup (colon + 1);
    return NULL;
  }
  if (!qp_signaling_room_check (line, NULL))
    return "does not begin with the name of a room";
  if (g_hash_table_contains (secrets, line))
    return "is the second one for this room";
  g_hash_table_insert (secrets, g_strdup (line), g_strdup (colon + 1));
  return NULL;
}

gboolean
qp_signaling_secrets_load (const char *file, GHashTable **secrets,
    char **default_secret, GError **error)
{
  g_autoptr (GHashTable)
      table = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_autofree char *text = NULL;
  g_autofree char *all_rooms = NULL;
  g_auto (GStrv) lines = NULL;
  g_autoptr (GError) cause = NULL;

  if (!g_file_get_contents (file, &text, NULL, &cause)) {
    g_set_error (error, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_CONFIG,
        "Cannot read the room secrets: %s", cause->message);
    return FALSE;
  }
  lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; lines[i]; i++) {
    const char *what;

    g_strchomp (lines[i]);
    if (lines[i][0] == '\0' || lines[i][0] == '#')
      continue;
    what = read_line (lines[i], table, &all_rooms);
    if (what) {
      g_set_error (error, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_CONFIG,
          "Room secrets: line %u of %s %s", i + 1, file, what);
      return FALSE;
    }
  }
  *secrets = g_steal_pointer (&table);
  *default_secret = g_steal_pointer (&all_rooms);
  return TRUE;
}

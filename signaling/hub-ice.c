/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* TURN credentials for one member; see hub-ice.h. */

#include "signaling/hub-ice.h"

#include <string.h>

#define SHA1_SIZE 20

static char *
turn_credential (const char *secret, const char *username)
{
  guint8 digest[SHA1_SIZE];
  gsize size = sizeof digest;
  g_autoptr (GHmac) hmac = g_hmac_new (G_CHECKSUM_SHA1, (const guchar *) secret,
      strlen (secret));

  g_hmac_update (hmac, (const guchar *) username, -1);
  g_hmac_get_digest (hmac, digest, &size);
  return g_base64_encode (digest, size);
}

void
qp_hub_add_ice_servers (const QpHubConfig *config, const char *id,
    gint64 unix_now, GPtrArray *servers)
{
  if (config->stun_uris && config->stun_uris[0])
    g_ptr_array_add (servers,
        qp_ice_server_new (config->stun_uris, NULL, NULL));

  if (config->turn_uris && config->turn_uris[0]) {
    g_autofree char *username = g_strdup_printf ("%" G_GINT64_FORMAT ":%s",
        unix_now + config->turn_ttl_seconds, id);
    g_autofree char *credential = turn_credential (config->turn_secret,
        username);

    g_ptr_array_add (servers,
        qp_ice_server_new (config->turn_uris, username, credential));
  }
}

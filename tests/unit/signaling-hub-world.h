/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A hub with a simulated clock and no sockets, and what it says to each
 * connection.  Strings and messages that are returned are the caller's. */
#pragma once

#include "signaling/hub.h"

#define S G_USEC_PER_SEC
#define UNIX_NOW G_GINT64_CONSTANT (1700000000)
#define N_CONNECTIONS 16

extern const char *const hub_world_tokens[4];

/* Records what the hub says to each connection. */
typedef struct {
  QpHub *hub;
  gint64 now;
  GQueue sent[N_CONNECTIONS]; /* of char * */
  guint closed[N_CONNECTIONS];
  GString *log;
} HubWorld;

void hub_world_init (HubWorld *world, QpHubConfig config);
void hub_world_clear (HubWorld *world);
void hub_world_connect (HubWorld *world, guint connection, const char *path);
void hub_world_say (HubWorld *world, guint connection, const char *text);
void hub_world_join (HubWorld *world, guint connection, guint token,
    const char *more);
void hub_world_connect_and_join (HubWorld *world, guint connection,
    guint token);
char *hub_world_id_of (guint token);
/* (transfer full): the next message to @connection, which must be of @type. */
QpMessage *hub_world_next (HubWorld *world, guint connection,
    QpMessageType type);
void hub_world_skip (HubWorld *world, guint connection, QpMessageType type);
void hub_world_assert_error (HubWorld *world, guint connection,
    const char *code);
void hub_world_assert_silence (HubWorld *world);
/* Forgets what was said so far. */
void hub_world_hush (HubWorld *world);
char *hub_world_candidate_to (guint token, const char *candidate);

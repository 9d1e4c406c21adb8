/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What the tests of the signaling server and client share: a member that
 * records what it is told, and waiting with an end. One thread, the default
 * main context.
 */

#pragma once

#include <libsoup/soup.h>

#include "signaling/client.h"
#include "signaling/server.h"

#define TOKEN_A "0123456789abcdef0123456789abcdef"
#define TOKEN_B "fedcba9876543210fedcba9876543210fedcba9876543210"

typedef struct {
  QpSignalingClient *client;
  GPtrArray *messages; /* of QpMessage, in order */
  GArray *states;      /* of QpSignalingState */
  GError *why;         /* of the latest WAITING or FAILED */
  guint n_joined;      /* times it got the state JOINED */
} Peer;

/* @config: as given, with host and room filled in where NULL. */
Peer *peer_new (const QpSignalingClientConfig *config);
Peer *peer_join (guint port, const char *token);
void peer_free (Peer *peer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Peer, peer_free)

/* The latest message of @type, or NULL. */
const QpMessage *peer_find (const Peer *peer, QpMessageType type);
void peer_wait_state (Peer *peer, QpSignalingState state);
/* Until its latest WAITING or FAILED was for that. */
void peer_wait_why (Peer *peer, QpSignalingError why);
const QpMessage *peer_wait_message (Peer *peer, QpMessageType type);
void peer_forget (Peer *peer);

/* Runs the main context until *@flag, or fails the test after 20 s. */
void wait_for (const gboolean *flag, const char *what);
/* Runs the main context for that long. */
void run_for (guint ms);

/* (transfer full): why a member cannot join there; NULL host: 127.0.0.1; after
 * @timeout_ms it is TIMED_OUT. */
GError *try_port (guint port, gboolean tls, const char *ca_file,
    const char *host, guint timeout_ms);

QpMessage *new_offer (const char *to);

/* A server on a free port of 127.0.0.1, its log lines kept. */
extern GString *server_log;
QpSignalingServer *start_server (QpSignalingServerConfig config);

/* A WebSocket without our client: sends and records anything. */
typedef struct {
  SoupSession *session;
  SoupWebsocketConnection *websocket;
  GPtrArray *texts; /* of char * */
  gboolean closed;
} RawClient;

RawClient *raw_client_new (guint port, const char *path);
void raw_client_send (RawClient *raw, const char *text);
/* (transfer none): the next text that begins with @prefix. */
const char *raw_client_wait_text (RawClient *raw, const char *prefix);
void raw_client_free (RawClient *raw);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RawClient, raw_client_free)

/* A TCP connection to 127.0.0.1; by hand. */
GSocketConnection *tcp_client_new (guint port);
/* FALSE if the other side has cut it off. */
gboolean tcp_client_write (GSocketConnection *client, const void *data,
    gsize size);
void tcp_client_wait_end (GSocketConnection *client);

/* A WebSocket by hand that never reads: the client a server must survive. */
GSocketConnection *deaf_client_new (guint port, const char *path);
void deaf_client_send (GSocketConnection *deaf, const char *text);

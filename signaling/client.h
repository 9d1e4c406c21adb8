/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A member's connection to a room of a signaling server: connects, joins, stays
 * joined. It answers for reconnecting by itself and for telling apart why it
 * could not; it knows nothing of calls. Relies on libsoup.
 *
 * Threads: everything, callbacks included, runs on the GMainContext that was
 * thread-default when qp_signaling_client_new() was called; call the functions
 * below only from the thread that runs it. None of them blocks, and no callback
 * is called from within a function below.
 */

#pragma once

#include <gio/gio.h>

#include "signaling/message.h"

G_BEGIN_DECLS

typedef struct _QpSignalingClient QpSignalingClient;

/*
 *   DISCONNECTED ──start──▶ CONNECTING ──upgraded──▶ JOINING ──joined──▶ JOINED
 *        ▲                      │ ▲                     │                  │
 *        │                      │ └──── backoff ── WAITING ◀──────────────┘
 *        └ leave                └── wrong secret, bad room … ──▶ FAILED
 */
typedef enum {
  QP_SIGNALING_DISCONNECTED, /* not started, or left */
  QP_SIGNALING_CONNECTING,   /* resolving, TCP, TLS, WebSocket upgrade */
  QP_SIGNALING_JOINING,      /* join sent, no answer yet */
  QP_SIGNALING_JOINED,       /* qp_signaling_client_send() works */
  QP_SIGNALING_WAITING,      /* failed or lost; tries again after the backoff */
  QP_SIGNALING_FAILED,       /* gave up for good: trying again cannot help */
} QpSignalingState;

/* Returns: (transfer none): such as "joined". */
const char *qp_signaling_state_to_string (QpSignalingState state);

/* Copied by qp_signaling_client_new(). Zero or NULL means the default. */
typedef struct {
  const char *host; /* name or IP literal, IPv6 without brackets */
  guint port;       /* default 8443 */
  gboolean tls;     /* wss */
  const char *room; /* decoded: 1 to 128 bytes of UTF-8, see uri.h */
  const char
      *token; /* 32 to 64 lower-case hex digits; qp_signaling_token_new() */
  const char *name;   /* nullable */
  const char *secret; /* nullable: the room's secret */
  gboolean produces;
  gboolean consumes;
  const char *ca_file; /* nullable: PEM; trusted instead of the system's CAs */
  guint connect_timeout_ms; /* one attempt, until joined; default 10000 */
  guint ping_interval_ms;   /* default 10000 */
  guint
      ping_timeout_ms;  /* silence after a ping that means dead; default 5000 */
  guint backoff_min_ms; /* default 100; doubles, ±25 % at random */
  guint backoff_max_ms; /* default 5000 */
} QpSignalingClientConfig;

typedef struct {
  /*
   * @why is set for WAITING and FAILED (QP_SIGNALING_ERROR: CANNOT_RESOLVE,
   * REFUSED, UNREACHABLE, TLS, NOT_SIGNALING, TIMED_OUT, LOST, DRAINING,
   * ROOM_FULL, …), else NULL; its message names host and port and fits an
   * element message. FAILED: WRONG_SECRET, BAD_ROOM, BAD_VERSION,
   * BAD_MESSAGE, CONFIG, and CERTIFICATE before the first JOINED.
   */
  void (*state_changed) (QpSignalingClient *client, QpSignalingState state,
      const GError *why, gpointer user_data);
  /*
   * joined (each time: also after a reconnection, after the state changed to
   * JOINED), peer-joined, peer-left, the relayed types (from set) and error.
   * A peer-joined for an id already known is the same member after the server
   * was restarted. @message is the client's: copy what is to be kept.
   */
  void (*message) (QpSignalingClient *client, const QpMessage *message,
      gpointer user_data);
} QpSignalingClientCallbacks;

/* Returns: (transfer full): a client that does nothing until started, or NULL
 * with QP_SIGNALING_ERROR_CONFIG if a setting is out of its bounds. */
QpSignalingClient *qp_signaling_client_new (const QpSignalingClientConfig
                                                *config,
    const QpSignalingClientCallbacks *callbacks, gpointer user_data,
    GError **error);

/* Starts connecting, from DISCONNECTED or FAILED; the first state change comes
 * from the main context. */
void qp_signaling_client_start (QpSignalingClient *client);

/*
 * Sends a message of a relayed type, with "to" set. What is sent right before a
 * connection breaks may be lost, as with any TCP connection.
 *
 * Returns: FALSE, and nothing was sent, if not JOINED, if @message is not
 * within its bounds, or if the server does not read (1 MiB is queued).
 */
gboolean qp_signaling_client_send (QpSignalingClient *client,
    const QpMessage *message);

/*
 * Drops the connection, if any, and connects anew at once: for a change of
 * network. The seat in the room is kept. @local_address (nullable) binds the
 * new connections to that IP address; NULL leaves it to the routing table.
 * Does nothing in DISCONNECTED and FAILED.
 */
void qp_signaling_client_reconnect (QpSignalingClient *client,
    const char *local_address);

/*
 * Tells the room what this member does from now on. The others hear of it by a
 * peer-joined with the same id; the seat is kept, the connection is a new one.
 */
void qp_signaling_client_set_parts (QpSignalingClient *client,
    gboolean produces, gboolean consumes);

/*
 * Gives up the seat: sends leave and closes. @done (nullable) is called once
 * from the main context: when that is on its way, or failed, or after 500 ms.
 * The state is DISCONNECTED from now on; no other callback comes.
 */
void qp_signaling_client_leave (QpSignalingClient *client, GSourceFunc done,
    gpointer user_data);

QpSignalingState qp_signaling_client_get_state (const QpSignalingClient
        *client);

/* Returns: (transfer none): this member's id, known before joining. */
const char *qp_signaling_client_get_id (const QpSignalingClient *client);

/*
 * Ends everything; no callback comes afterwards, that of a pending leave
 * included. If still joined it leaves first: the goodbye is then written by the
 * next turns of the main context, so whoever stops the context right after
 * wants qp_signaling_client_leave() and its @done instead.
 */
void qp_signaling_client_free (QpSignalingClient *client);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (QpSignalingClient, qp_signaling_client_free)

G_END_DECLS

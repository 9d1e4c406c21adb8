/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * See client.h. One attempt at a time: its cancellable, its WebSocket and its
 * timers are all torn down by drop_connection(), after which nothing of it can
 * call back. The struct is counted so that a callback may free its client.
 */

#include "signaling/client.h"

#include <libsoup/soup.h>
#include <string.h>

#include "signaling/client-error.h"
#include "signaling/farewell.h"
#include "signaling/inbox.h"
#include "signaling/outbox.h"
#include "signaling/uri.h"

#define DEFAULT_CONNECT_TIMEOUT_MS 10000
#define DEFAULT_PING_INTERVAL_MS 10000
#define DEFAULT_PING_TIMEOUT_MS 5000
#define DEFAULT_BACKOFF_MIN_MS 100
#define DEFAULT_BACKOFF_MAX_MS 5000
#define QUEUE_BYTES (1024 * 1024)
/* A connection that lasted that long counts as a success. */
#define STABLE_US G_USEC_PER_SEC

struct _QpSignalingClient {
  GMainContext *context;
  char *host;
  char *room;
  char *id;
  char *where;                    /* "host:8443", for errors */
  QpMessage *join;                /* what is sent on each connection */
  QpSignalingClientConfig config; /* numbers and flags only */
  GTlsDatabase *ca;               /* nullable */
  QpSignalingClientCallbacks callbacks;
  gpointer user_data;

  QpSignalingState state;
  gboolean freed; /* no callback any more */
  QpFarewell
      *farewell; /* nullable: of the leave whose done is still to be called */
  SoupSession *session;
  char *local_address; /* nullable: of session */
  guint backoff_ms;

  /* Of the attempt or connection, if any. */
  GCancellable *cancellable;
  SoupWebsocketConnection *websocket;
  QpInbox *inbox;
  QpOutbox *outbox;
  gint64 joined_at;
  gint64 heard;  /* when the last message came */
  gint64 pinged; /* when the last ping was sent */
  GError *told;  /* nullable: the error that the server sent before it closes */
  GSource *
      timer; /* nullable: connect timeout, ping, ping timeout or retry, by state */
};

const char *
qp_signaling_state_to_string (QpSignalingState state)
{
  static const char *const names[] = { "disconnected", "connecting", "joining",
    "joined", "waiting", "failed" };

  g_return_val_if_fail ((guint) state < G_N_ELEMENTS (names), NULL);

  return names[state];
}

/* --- state and callbacks ----------------------------------------------------- */

static void
client_clear (QpSignalingClient *client)
{
  g_free (client->host);
  g_free (client->room);
  g_free (client->id);
  g_free (client->where);
  g_free (client->local_address);
  qp_message_free (client->join);
  g_clear_object (&client->ca);
  g_clear_object (&client->session);
  g_clear_error (&client->told);
  g_main_context_unref (client->context);
}

/* Returns FALSE if the callback freed the client. */
static gboolean
set_state (QpSignalingClient *client, QpSignalingState state, const GError *why)
{
  gboolean alive = TRUE;

  if (client->state == state && state != QP_SIGNALING_WAITING)
    return TRUE;
  g_debug ("signaling %s: %s -> %s%s%s", client->where,
      qp_signaling_state_to_string (client->state),
      qp_signaling_state_to_string (state), why ? ": " : "",
      why ? why->message : "");
  client->state = state;
  if (client->callbacks.state_changed) {
    g_rc_box_acquire (client);
    client->callbacks.state_changed (client, state, why, client->user_data);
    alive = !client->freed;
    g_rc_box_release_full (client, (GDestroyNotify) client_clear);
  }
  return alive;
}

static void
emit_message (QpSignalingClient *client, const QpMessage *message)
{
  if (client->callbacks.message)
    client->callbacks.message (client, message, client->user_data);
}

static void
clear_timer (QpSignalingClient *client)
{
  if (client->timer)
    g_source_destroy (client->timer);
  g_clear_pointer (&client->timer, g_source_unref);
}

static void
set_timer (QpSignalingClient *client, guint ms, GSourceFunc callback)
{
  clear_timer (client);
  client->timer = g_timeout_source_new (ms);
  g_source_set_callback (client->timer, callback, client, NULL);
  g_source_attach (client->timer, client->context);
}

/* Ends the attempt or the connection; nothing of it calls back any more. */
static void
drop_connection (QpSignalingClient *client)
{
  clear_timer (client);
  if (client->cancellable)
    g_cancellable_cancel (client->cancellable);
  g_clear_object (&client->cancellable);
  if (client->websocket) {
    g_signal_handlers_disconnect_by_data (client->websocket, client);
    g_clear_pointer (&client->inbox, qp_inbox_free);
    qp_outbox_abort (client->outbox);
    g_clear_pointer (&client->outbox, qp_outbox_free);
    g_clear_object (&client->websocket);
  }
}

/* Takes the WebSocket from the client and lets it close by itself. */
static void
part (QpSignalingClient *client, GSourceFunc done, gpointer user_data)
{
  g_signal_handlers_disconnect_by_data (client->websocket, client);
  g_clear_pointer (&client->inbox, qp_inbox_free);
  qp_farewell_start (client->context, client->session,
      g_steal_pointer (&client->websocket), g_steal_pointer (&client->outbox),
      done, user_data, done ? &client->farewell : NULL);
}

/* --- trying again ------------------------------------------------------------ */

static void connect_now (QpSignalingClient *client);

static gboolean
on_retry (gpointer user_data)
{
  QpSignalingClient *client = user_data;

  clear_timer (client);
  connect_now (client);
  return G_SOURCE_REMOVE;
}

/* The attempt or connection ended because of @cause (transfer full). */
static void
fail (QpSignalingClient *client, GError *cause)
{
  g_autoptr (GError) why = cause;
  gint64 lasted = g_get_monotonic_time () - client->joined_at;
  guint delay;

  drop_connection (client);
  if (qp_client_error_is_final (why->code, client->joined_at > 0)) {
    set_state (client, QP_SIGNALING_FAILED, why);
    return;
  }
  /* A server that accepts and breaks at once is not asked ten times a second. */
  if (client->state == QP_SIGNALING_JOINED && lasted > STABLE_US)
    client->backoff_ms = client->config.backoff_min_ms;
  delay = client->backoff_ms * g_random_double_range (0.75, 1.25);
  client->backoff_ms = MIN (client->backoff_ms * 2,
      client->config.backoff_max_ms);
  set_timer (client, delay, on_retry);
  set_state (client, QP_SIGNALING_WAITING, why);
}

/* --- joined ------------------------------------------------------------------ */

static gboolean on_ping (gpointer user_data);

static gboolean
on_ping_timeout (gpointer user_data)
{
  QpSignalingClient *client = user_data;
  gint64 silent = g_get_monotonic_time () - client->heard;

  if (client->heard >= client->pinged) {
    set_timer (client, client->config.ping_interval_ms, on_ping);
    return G_SOURCE_REMOVE;
  }
  fail (client,
      g_error_new (QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_LOST,
          "The signaling server at %s has not answered for %u ms",
          client->where, (guint) (silent / 1000)));
  return G_SOURCE_REMOVE;
}

static gboolean
on_ping (gpointer user_data)
{
  QpSignalingClient *client = user_data;
  static const char ping[] = "{\"type\":\"ping\"}";

  /* If even that finds no place, the timeout says why. */
  client->pinged = g_get_monotonic_time ();
  qp_outbox_send (client->outbox, ping, strlen (ping));
  set_timer (client, client->config.ping_timeout_ms, on_ping_timeout);
  return G_SOURCE_REMOVE;
}

static void
received_joined (QpSignalingClient *client, const QpMessage *message)
{
  if (!g_str_equal (message->id, client->id)) {
    fail (client,
        g_error_new (QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_NOT_SIGNALING,
            "The signaling server at %s gives us an id that is not that of our token",
            client->where));
    return;
  }
  client->joined_at = g_get_monotonic_time ();
  set_timer (client, client->config.ping_interval_ms, on_ping);
  if (set_state (client, QP_SIGNALING_JOINED, NULL) && client->websocket)
    emit_message (client, message);
}

/* Errors after which the server closes, as opposed to those about one message. */
static gboolean
ends_connection (QpSignalingError code)
{
  switch (code) {
    case QP_SIGNALING_ERROR_TOO_BIG:
    case QP_SIGNALING_ERROR_RATE_LIMITED:
    case QP_SIGNALING_ERROR_TOO_SLOW:
    case QP_SIGNALING_ERROR_REPLACED:
    case QP_SIGNALING_ERROR_IDLE:
    case QP_SIGNALING_ERROR_DRAINING:
      return TRUE;
    default:
      return FALSE;
  }
}

static void
received_error (QpSignalingClient *client, const QpMessage *message)
{
  QpSignalingError code = QP_SIGNALING_ERROR_INTERNAL;
  GError *why;

  qp_signaling_error_from_string (message->code, &code);
  why = g_error_new (QP_SIGNALING_ERROR, code,
      "The signaling server at %s says: %s", client->where, message->text);
  if (client->state != QP_SIGNALING_JOINED) {
    part (client, NULL, NULL);
    fail (client, why);
    return;
  }
  if (ends_connection (code))
    client->told = why;
  else
    g_error_free (why);
  emit_message (client, message);
}

static void
received (QpSignalingClient *client, const QpMessage *message)
{
  gboolean joined = client->state == QP_SIGNALING_JOINED;

  /* Only the last message before a close says why. */
  g_clear_error (&client->told);
  if (message->type == QP_MESSAGE_JOINED) {
    if (!joined)
      received_joined (client, message);
  } else if (message->type == QP_MESSAGE_ERROR) {
    received_error (client, message);
  } else if (message->type == QP_MESSAGE_DRAINING) {
    client->told = g_error_new (QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_DRAINING,
        "The signaling server at %s is stopping", client->where);
  } else if (joined &&
      (message->type == QP_MESSAGE_PEER_JOINED ||
          message->type == QP_MESSAGE_PEER_LEFT || message->from)) {
    emit_message (client, message);
  }
}

/* What does not parse is skipped: before we joined it may be an untyped client's,
 * and a newer server may have more types. */
static void
read_message (GBytes *bytes, gpointer user_data)
{
  QpSignalingClient *client = user_data;
  gsize size;
  const char *data = g_bytes_get_data (bytes, &size);
  g_autoptr (QpMessage) message = NULL;
  g_autoptr (GError) why = NULL;

  message = qp_message_parse (data ? data : "", size, &why);
  if (message)
    received (client, message);
  else
    g_debug ("signaling %s: skipped a message: %s", client->where,
        why->message);
}

static void
on_message (SoupWebsocketConnection *websocket, SoupWebsocketDataType type,
    GBytes *bytes, QpSignalingClient *client)
{
  client->heard = g_get_monotonic_time ();
  if (type == SOUP_WEBSOCKET_DATA_TEXT && !qp_inbox_push (client->inbox, bytes))
    fail (client,
        g_error_new (QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_RATE_LIMITED,
            "The signaling server at %s sends more than can be read",
            client->where));
}

/* What came before the end is read first; it may say why. FALSE if the
 * connection has ended by that. */
static gboolean
read_rest (QpSignalingClient *client, SoupWebsocketConnection *websocket)
{
  gboolean same;

  g_rc_box_acquire (client);
  qp_inbox_drain (client->inbox);
  same = !client->freed && client->websocket == websocket;
  g_rc_box_release_full (client, (GDestroyNotify) client_clear);
  return same;
}

static GError *
close_error (QpSignalingClient *client)
{
  guint code = soup_websocket_connection_get_close_code (client->websocket);

  if (client->told)
    return g_steal_pointer (&client->told);
  if (code == 0)
    return g_error_new (QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_LOST,
        "The connection to the signaling server at %s broke", client->where);
  return g_error_new (QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_LOST,
      "The signaling server at %s closed the connection (WebSocket code %u)",
      client->where, code);
}

static void
on_closed (SoupWebsocketConnection *websocket, QpSignalingClient *client)
{
  if (read_rest (client, websocket))
    fail (client, close_error (client));
}

/* The server's close frame came: its FIN may take another round trip, for which
 * libsoup can wait alone. */
static void
on_closing (SoupWebsocketConnection *websocket, QpSignalingClient *client)
{
  GError *why;

  if (!read_rest (client, websocket))
    return;
  why = close_error (client);
  part (client, NULL, NULL);
  fail (client, why);
}

/* --- connecting -------------------------------------------------------------- */

static gboolean
on_connect_timeout (gpointer user_data)
{
  QpSignalingClient *client = user_data;

  fail (client,
      g_error_new (QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_TIMED_OUT,
          "The signaling server at %s did not answer within %u ms",
          client->where, client->config.connect_timeout_ms));
  return G_SOURCE_REMOVE;
}

static void
upgraded (QpSignalingClient *client, SoupWebsocketConnection *websocket)
{
  g_autofree char *json = qp_message_to_json (client->join);

  client->websocket = g_object_ref (websocket);
  client->inbox = qp_inbox_new (client->context, read_message, client);
  client->outbox = qp_outbox_new (websocket, QUEUE_BYTES);
  client->heard = g_get_monotonic_time ();
  soup_websocket_connection_set_max_incoming_payload_size (websocket,
      QP_MESSAGE_MAX_SIZE);
  g_signal_connect (websocket, "message", G_CALLBACK (on_message), client);
  g_signal_connect (websocket, "closing", G_CALLBACK (on_closing), client);
  g_signal_connect (websocket, "closed", G_CALLBACK (on_closed), client);
  qp_outbox_send (client->outbox, json, strlen (json));
  set_state (client, QP_SIGNALING_JOINING, NULL);
}

/* What the callback of an attempt needs, whatever became of the client. */
typedef struct {
  QpSignalingClient *client; /* counted */
  GCancellable
      *cancellable; /* cancelled: the client has dropped this attempt */
  SoupMessage *request;
} Attempt;

static void
attempt_free (Attempt *attempt)
{
  g_object_unref (attempt->cancellable);
  g_object_unref (attempt->request);
  g_rc_box_release_full (attempt->client, (GDestroyNotify) client_clear);
  g_free (attempt);
}

static void
on_connected (GObject *session, GAsyncResult *result, gpointer user_data)
{
  Attempt *attempt = user_data;
  QpSignalingClient *client = attempt->client;
  g_autoptr (GError) cause = NULL;
  g_autoptr (SoupWebsocketConnection)
      websocket = soup_session_websocket_connect_finish (SOUP_SESSION (session),
          result, &cause);

  if (!g_cancellable_is_cancelled (attempt->cancellable)) {
    if (websocket)
      upgraded (client, websocket);
    else
      fail (client,
          qp_client_error_new (cause, client->where, attempt->request));
  }
  attempt_free (attempt);
}

static SoupSession *
make_session (const QpSignalingClient *client)
{
  g_autoptr (GSocketAddress) local = NULL;
  SoupSession *session;

  if (client->local_address)
    local = g_inet_socket_address_new_from_string (client->local_address, 0);
  /* No proxies: asking for one may take longer than all the rest. */
  session = soup_session_new_with_options ("proxy-resolver", NULL, "timeout", 0,
      "idle-timeout", 0, "user-agent", "quicp2p", "local-address", local, NULL);
  soup_session_remove_feature_by_type (session,
      SOUP_TYPE_WEBSOCKET_EXTENSION_MANAGER);
  if (client->ca)
    soup_session_set_tls_database (session, client->ca);
  return session;
}

static SoupMessage *
make_request (const QpSignalingClient *client)
{
  g_autofree char *path = qp_signaling_room_to_path (client->room);
  g_autoptr (GUri)
      uri = g_uri_build (SOUP_HTTP_URI_FLAGS, client->config.tls ? "wss" : "ws",
          NULL, client->host, client->config.port, path, NULL, NULL);

  return soup_message_new_from_uri (SOUP_METHOD_GET, uri);
}

static void
connect_now (QpSignalingClient *client)
{
  Attempt *attempt = g_new0 (Attempt, 1);

  if (!client->session)
    client->session = make_session (client);
  g_clear_error (&client->told);
  client->cancellable = g_cancellable_new ();
  attempt->client = g_rc_box_acquire (client);
  attempt->cancellable = g_object_ref (client->cancellable);
  attempt->request = make_request (client);
  soup_session_websocket_connect_async (client->session, attempt->request, NULL,
      NULL, G_PRIORITY_DEFAULT, client->cancellable, on_connected, attempt);
  set_timer (client, client->config.connect_timeout_ms, on_connect_timeout);
  set_state (client, QP_SIGNALING_CONNECTING, NULL);
}

/* --- construction ------------------------------------------------------------ */

static guint
or_default (guint value, guint fallback)
{
  return value ? value : fallback;
}

static gboolean
check_config (const QpSignalingClientConfig *config, const QpMessage *join,
    GError **error)
{
  g_autoptr (GError) cause = NULL;

  if (!config->host || config->host[0] == '\0')
    g_set_error_literal (&cause, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_CONFIG,
        "The host of the signaling server is missing");
  else if (config->port > 65535)
    g_set_error (&cause, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_CONFIG,
        "Port %u is not in 1 to 65535", config->port);
  else if (qp_signaling_room_check (config->room ? config->room : "", &cause))
    qp_message_check (join, &cause);
  if (!cause)
    return TRUE;
  g_set_error_literal (error, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_CONFIG,
      cause->message);
  return FALSE;
}

static gboolean
load_ca (QpSignalingClient *client, const char *ca_file, GError **error)
{
  g_autofree char *path = NULL;
  g_autoptr (GError) cause = NULL;

  if (!ca_file)
    return TRUE;
  path = g_canonicalize_filename (ca_file, NULL);
  client->ca = g_tls_file_database_new (path, &cause);
  if (client->ca)
    return TRUE;
  g_set_error (error, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_CONFIG,
      "Cannot read the CA file %s: %s", ca_file, cause->message);
  return FALSE;
}

static QpMessage *
make_join (const QpSignalingClientConfig *config)
{
  QpMessage *join = qp_message_new (QP_MESSAGE_JOIN);

  join->token = g_strdup (config->token);
  join->name = g_strdup (config->name);
  join->secret = g_strdup (config->secret);
  join->produces = config->produces;
  join->consumes = config->consumes;
  return join;
}

QpSignalingClient *
qp_signaling_client_new (const QpSignalingClientConfig *config,
    const QpSignalingClientCallbacks *callbacks, gpointer user_data,
    GError **error)
{
  g_autoptr (QpMessage) join = make_join (config);
  QpSignalingClient *client;
  gboolean v6;

  if (!check_config (config, join, error))
    return NULL;

  client = g_rc_box_new0 (QpSignalingClient);
  client->context = g_main_context_ref_thread_default ();
  client->host = g_strdup (config->host);
  client->room = g_strdup (config->room);
  client->id = qp_member_id_from_token (config->token);
  client->join = g_steal_pointer (&join);
  client->callbacks = *callbacks;
  client->user_data = user_data;
  client->config = (QpSignalingClientConfig){
    .port = or_default (config->port, QP_URI_DEFAULT_PORT),
    .tls = config->tls,
    .connect_timeout_ms = or_default (config->connect_timeout_ms,
        DEFAULT_CONNECT_TIMEOUT_MS),
    .ping_interval_ms = or_default (config->ping_interval_ms,
        DEFAULT_PING_INTERVAL_MS),
    .ping_timeout_ms = or_default (config->ping_timeout_ms,
        DEFAULT_PING_TIMEOUT_MS),
    .backoff_min_ms = or_default (config->backoff_min_ms,
        DEFAULT_BACKOFF_MIN_MS),
    .backoff_max_ms = or_default (config->backoff_max_ms,
        DEFAULT_BACKOFF_MAX_MS),
  };
  client->backoff_ms = client->config.backoff_min_ms;
  v6 = strchr (client->host, ':') != NULL;
  client->where = g_strdup_printf (v6 ? "[%s]:%u" : "%s:%u", client->host,
      client->config.port);
  if (!load_ca (client, config->ca_file, error)) {
    qp_signaling_client_free (client);
    return NULL;
  }
  return client;
}

void
qp_signaling_client_start (QpSignalingClient *client)
{
  if ((client->state == QP_SIGNALING_DISCONNECTED ||
          client->state == QP_SIGNALING_FAILED) &&
      !client->timer)
    set_timer (client, 0, on_retry);
}

gboolean
qp_signaling_client_send (QpSignalingClient *client, const QpMessage *message)
{
  g_autofree char *json = NULL;
  g_autoptr (GError) why = NULL;

  g_return_val_if_fail (qp_message_type_is_relayed (message->type) &&
          message->to,
      FALSE);

  if (client->state != QP_SIGNALING_JOINED)
    return FALSE;
  if (!qp_message_check (message, &why)) {
    g_warning ("signaling %s: not sent: %s", client->where, why->message);
    return FALSE;
  }
  json = qp_message_to_json (message);
  return qp_outbox_send (client->outbox, json, strlen (json));
}

void
qp_signaling_client_reconnect (QpSignalingClient *client,
    const char *local_address)
{
  if (client->state == QP_SIGNALING_DISCONNECTED ||
      client->state == QP_SIGNALING_FAILED)
    return;
  drop_connection (client);
  if (g_strcmp0 (local_address, client->local_address) != 0) {
    g_free (client->local_address);
    client->local_address = g_strdup (local_address);
    g_clear_object (&client->session);
  }
  client->backoff_ms = client->config.backoff_min_ms;
  /* Not told: CONNECTING follows from the main context. */
  client->state = QP_SIGNALING_WAITING;
  set_timer (client, 0, on_retry);
}

void
qp_signaling_client_set_parts (QpSignalingClient *client, gboolean produces,
    gboolean consumes)
{
  if (client->join->produces == produces && client->join->consumes == consumes)
    return;
  client->join->produces = produces;
  client->join->consumes = consumes;
  /* Before that, the join that tells it is yet to be sent. */
  if (client->state == QP_SIGNALING_JOINING ||
      client->state == QP_SIGNALING_JOINED)
    qp_signaling_client_reconnect (client, client->local_address);
}

static void
call_later (GMainContext *context, GSourceFunc done, gpointer user_data)
{
  g_autoptr (GSource) source = g_idle_source_new ();

  g_source_set_callback (source, done, user_data, NULL);
  g_source_attach (source, context);
}

/* Gives up the seat before it closes. */
static void
say_goodbye (QpSignalingClient *client, GSourceFunc done, gpointer user_data)
{
  static const char leave[] = "{\"type\":\"leave\"}";

  qp_outbox_send (client->outbox, leave, strlen (leave));
  part (client, done, user_data);
}

void
qp_signaling_client_leave (QpSignalingClient *client, GSourceFunc done,
    gpointer user_data)
{
  if (client->state == QP_SIGNALING_JOINED)
    say_goodbye (client, done, user_data);
  else if (done)
    call_later (client->context, done, user_data);
  drop_connection (client);
  client->state = QP_SIGNALING_DISCONNECTED;
}

QpSignalingState
qp_signaling_client_get_state (const QpSignalingClient *client)
{
  return client->state;
}

const char *
qp_signaling_client_get_id (const QpSignalingClient *client)
{
  return client->id;
}

void
qp_signaling_client_free (QpSignalingClient *client)
{
  if (!client)
    return;
  client->freed = TRUE;
  if (client->farewell)
    qp_farewell_forget (client->farewell);
  if (client->state == QP_SIGNALING_JOINED)
    say_goodbye (client, NULL, NULL);
  drop_connection (client);
  client->state = QP_SIGNALING_DISCONNECTED;
  g_rc_box_release_full (client, (GDestroyNotify) client_clear);
}

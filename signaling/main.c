/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * quicp2p-signaling, the signaling server as a program: options, log lines and
 * signals around QpSignalingServer. One thread.
 */

#include "config.h"

#include <glib-unix.h>
#include <locale.h>
#include <stdio.h>
#include <sys/resource.h>

#include "signaling/server.h"

#define DEFAULT_PORT 8443
/* Files beside the clients' sockets. */
#define SPARE_FILES 64

typedef struct {
  char *address;
  int port;
  char *certificate;
  char *key;
  char *room_secret_file;
  char **stun_servers;
  char **turn_servers;
  char *turn_secret;
  char *turn_secret_file;
  int turn_ttl;
  int max_rooms;
  int max_peers;
  int max_connections;
  int max_connections_per_address;
  int max_seats_per_address;
  int max_joins_per_second;
  int max_message_size;
  int max_messages_per_second;
  int max_queue;
  int seat_time;
  gboolean version;
} Options;

static Options options = {
  .port = DEFAULT_PORT,
  .turn_ttl = 86400,
  .max_rooms = 1000,
  .max_peers = 64,
  .max_connections = 4096,
  .max_connections_per_address = 256,
  .max_seats_per_address = 32,
  .max_joins_per_second = 4,
  .max_message_size = QP_MESSAGE_MAX_SIZE,
  .max_messages_per_second = 200,
  .max_queue = 1024 * 1024,
  .seat_time = 60,
};

static const GOptionEntry entries[] = {
  { "address", 'a', 0, G_OPTION_ARG_STRING, &options.address,
      "IP address to listen on (default: all, IPv4 and IPv6)", "ADDRESS" },
  { "port", 'p', 0, G_OPTION_ARG_INT, &options.port,
      "TCP port to listen on, 0 for any free one (default: 8443)", "PORT" },
  { "certificate", 0, 0, G_OPTION_ARG_FILENAME, &options.certificate,
      "Serve wss:// with this certificate (PEM, its chain after it)", "FILE" },
  { "key", 0, 0, G_OPTION_ARG_FILENAME, &options.key,
      "The certificate's private key (PEM)", "FILE" },
  { "room-secret-file", 0, 0, G_OPTION_ARG_FILENAME, &options.room_secret_file,
      "Secrets needed to join: a line ROOM:SECRET each, * for all other rooms",
      "FILE" },
  { "stun-server", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options.stun_servers,
      "STUN server told to members, stun:HOST:PORT; may be repeated", "URI" },
  { "turn-server", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options.turn_servers,
      "TURN server told to members, turn:HOST:PORT?transport=udp; may be repeated",
      "URI" },
  { "turn-secret", 0, 0, G_OPTION_ARG_STRING, &options.turn_secret,
      "The TURN servers' static-auth-secret (others on this machine can see it: "
      "better --turn-secret-file)",
      "SECRET" },
  { "turn-secret-file", 0, 0, G_OPTION_ARG_FILENAME, &options.turn_secret_file,
      "File whose first line is the TURN servers' static-auth-secret", "FILE" },
  { "turn-ttl", 0, 0, G_OPTION_ARG_INT, &options.turn_ttl,
      "Seconds for which TURN credentials are valid (default: 86400)",
      "SECONDS" },
  { "seat-time", 0, 0, G_OPTION_ARG_INT, &options.seat_time,
      "Seconds for which a member that lost its connection keeps its seat (default: 60)",
      "SECONDS" },
  { "max-rooms", 0, 0, G_OPTION_ARG_INT, &options.max_rooms,
      "Rooms in use at once (default: 1000)", "N" },
  { "max-peers", 0, 0, G_OPTION_ARG_INT, &options.max_peers,
      "Members per room, at most 200 (default: 64)", "N" },
  { "max-connections", 0, 0, G_OPTION_ARG_INT, &options.max_connections,
      "Connections in all (default: 4096)", "N" },
  { "max-connections-per-address", 0, 0, G_OPTION_ARG_INT,
      &options.max_connections_per_address,
      "Connections from one IP address (default: 256)", "N" },
  { "max-seats-per-address", 0, 0, G_OPTION_ARG_INT,
      &options.max_seats_per_address,
      "Members of one room from one IP address (default: 32)", "N" },
  { "max-joins-per-second", 0, 0, G_OPTION_ARG_INT,
      &options.max_joins_per_second,
      "Joins a second from one IP address, sixteen times as many at once (default: 4)",
      "N" },
  { "max-message-size", 0, 0, G_OPTION_ARG_INT, &options.max_message_size,
      "Bytes of one message, at most 65536 (default: 65536)", "BYTES" },
  { "max-messages-per-second", 0, 0, G_OPTION_ARG_INT,
      &options.max_messages_per_second,
      "Messages a second from one connection, five times as many at once (default: 200)",
      "N" },
  { "max-queue", 0, 0, G_OPTION_ARG_INT, &options.max_queue,
      "Bytes that may wait for one slow client before it is dropped (default: 1048576)",
      "BYTES" },
  { "version", 0, 0, G_OPTION_ARG_NONE, &options.version,
      "Print the version and exit", NULL },
  { NULL }
};

static void
on_log (const char *line, gpointer user_data)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_local ();
  g_autofree char *time = g_date_time_format (now, "%F %T");

  g_printerr ("%s %s\n", time, line);
}

/* All numbers must be positive but the port, which may be 0. */
static gboolean
check_numbers (GError **error)
{
  const struct {
    const char *name;
    int value;
  } numbers[] = {
    { "turn-ttl", options.turn_ttl },
    { "seat-time", options.seat_time },
    { "max-rooms", options.max_rooms },
    { "max-peers", options.max_peers },
    { "max-connections", options.max_connections },
    { "max-connections-per-address", options.max_connections_per_address },
    { "max-seats-per-address", options.max_seats_per_address },
    { "max-joins-per-second", options.max_joins_per_second },
    { "max-message-size", options.max_message_size },
    { "max-messages-per-second", options.max_messages_per_second },
    { "max-queue", options.max_queue },
  };

  for (guint i = 0; i < G_N_ELEMENTS (numbers); i++) {
    if (numbers[i].value < 1 || numbers[i].value > 1000 * 1000 * 1000) {
      g_set_error (error, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_CONFIG,
          "--%s must be 1 to 1000000000, not %d", numbers[i].name,
          numbers[i].value);
      return FALSE;
    }
  }
  if (options.port < 0 || options.port > 65535) {
    g_set_error (error, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_CONFIG,
        "--port must be 0 to 65535, not %d", options.port);
    return FALSE;
  }
  return TRUE;
}

static gboolean
load_turn_secret (GError **error)
{
  g_autofree char *text = NULL;

  if (!options.turn_secret_file)
    return TRUE;
  if (options.turn_secret) {
    g_set_error_literal (error, QP_SIGNALING_ERROR, QP_SIGNALING_ERROR_CONFIG,
        "Give either --turn-secret or --turn-secret-file");
    return FALSE;
  }
  if (!g_file_get_contents (options.turn_secret_file, &text, NULL, error)) {
    g_prefix_error (error, "Cannot read the TURN secret: ");
    return FALSE;
  }
  text[strcspn (text, "\r\n")] = '\0';
  options.turn_secret = g_steal_pointer (&text);
  return TRUE;
}

static QpSignalingServer *
start (GError **error)
{
  g_autoptr (GHashTable) secrets = NULL;
  g_autofree char *default_secret = NULL;
  QpSignalingServerConfig config = { .log = on_log };

  if (!check_numbers (error) || !load_turn_secret (error))
    return NULL;
  if (options.room_secret_file &&
      !qp_signaling_secrets_load (options.room_secret_file, &secrets,
          &default_secret, error))
    return NULL;

  config.address = options.address;
  config.port = options.port;
  config.certificate_file = options.certificate;
  config.key_file = options.key;
  config.max_queue_bytes = options.max_queue;
  config.hub.max_rooms = options.max_rooms;
  config.hub.max_peers = options.max_peers;
  config.hub.max_connections = options.max_connections;
  config.hub.max_connections_per_address = options.max_connections_per_address;
  config.hub.max_seats_per_address = options.max_seats_per_address;
  config.hub.joins_per_second = options.max_joins_per_second;
  config.hub.max_message_size = options.max_message_size;
  config.hub.messages_per_second = options.max_messages_per_second;
  config.hub.message_burst = 5 * options.max_messages_per_second;
  config.hub.seat_seconds = options.seat_time;
  config.hub.default_secret = default_secret;
  config.hub.secrets = secrets;
  config.hub.stun_uris = (const char *const *) options.stun_servers;
  config.hub.turn_uris = (const char *const *) options.turn_servers;
  config.hub.turn_secret = options.turn_secret;
  config.hub.turn_ttl_seconds = options.turn_ttl;
  return qp_signaling_server_new (&config, error);
}

/* The usual soft limit of 1024 files is less than max-connections. */
static void
raise_file_limit (void)
{
  struct rlimit limit;
  rlim_t wanted = (rlim_t) options.max_connections + SPARE_FILES;

  if (getrlimit (RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
    return;
  limit.rlim_cur = MIN (wanted, limit.rlim_max);
  if (setrlimit (RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < wanted)
    g_printerr (
        "The limit of open files (%lu) is below --max-connections; raise it with "
        "ulimit -n\n",
        (unsigned long) limit.rlim_cur);
}

typedef struct {
  GMainLoop *loop;
  QpSignalingServer *server;
} Program;

static gboolean
on_drained (gpointer user_data)
{
  g_main_loop_quit (user_data);
  return G_SOURCE_REMOVE;
}

static gboolean
on_signal (gpointer user_data)
{
  Program *program = user_data;

  qp_signaling_server_drain (program->server, on_drained, program->loop);
  return G_SOURCE_CONTINUE;
}

int
main (int argc, char **argv)
{
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GMainLoop) loop = NULL;
  g_autoptr (QpSignalingServer) server = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *uri = NULL;
  Program program;

  setlocale (LC_ALL, "");
  g_option_context_set_summary (context,
      "The signaling server of quicp2p: rooms in which cameras and viewers meet.\n"
      "SIGTERM and SIGINT tell the clients, then stop it within 2 seconds.");
  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error)) {
    g_printerr ("%s; see --help\n", error->message);
    return 2;
  }
  if (argc > 1) {
    g_printerr ("\"%s\" is no option; see --help\n", argv[1]);
    return 2;
  }
  if (options.version) {
    g_print ("quicp2p-signaling %s\n", VERSION);
    return 0;
  }
  raise_file_limit ();
  server = start (&error);
  if (!server) {
    g_printerr ("%s\n", error->message);
    return 1;
  }

  loop = g_main_loop_new (NULL, FALSE);
  program = (Program){ loop, server };
  g_unix_signal_add (SIGTERM, on_signal, &program);
  g_unix_signal_add (SIGINT, on_signal, &program);
  uri = qp_signaling_server_get_uri (server);
  g_print ("listening on %s\n", uri);
  fflush (stdout);
  g_main_loop_run (loop);
  on_log ("stopped", NULL);
  return 0;
}

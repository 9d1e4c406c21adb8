/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The sessions of this process by name, so that elements with the same
 * `session` share one membership, and the judgement of settings before a
 * session starts.  Any thread; one lock guards the table. */
#include "session/membership.h"

#define GST_CAT_DEFAULT qp_session_debug

/* Guards `sessions` and, against a second join or leave, each session's
 * beginning and end. */
static GMutex registry_lock;
static GHashTable *sessions; /* char* → QpSession*, named ones only */

static void
init_once (void)
{
  static gsize once;

  if (!g_once_init_enter (&once))
    return;
  GST_DEBUG_CATEGORY_INIT (qp_session_debug, "quicp2p-session", 0,
      "quicp2p sessions and calls");
  sessions = g_hash_table_new (g_str_hash, g_str_equal);
  g_once_init_leave (&once, 1);
}

/* --- Settings --------------------------------------------------------------- */

static gboolean
settings_error (GError **error, const GError *cause)
{
  g_set_error_literal (error, QP_SESSION_ERROR, QP_SESSION_ERROR_SETTINGS,
      cause->message);
  return FALSE;
}

gboolean
qp_config_check_uri (const char *uri, GError **error)
{
  g_autoptr (GError) cause = NULL;
  g_autoptr (QpSignalingUri) parsed = qp_signaling_uri_parse (uri, &cause);

  return parsed ? TRUE : settings_error (error, cause);
}

gboolean
qp_session_read_own_servers (const QpConfig *config, QpIceServers *servers,
    GError **error)
{
  return (!config->stun_server ||
             qp_ice_servers_set_stun (servers, config->stun_server, error)) &&
      (!config->turn_server ||
          qp_ice_servers_add_turn (servers, config->turn_server, NULL, NULL,
              error));
}

static gboolean
check_settings (const QpConfig *config, GError **error)
{
  const char *wrong = NULL;

  if (!config->uri)
    wrong = "uri is not set: expected quicp2p://host[:port]/room";
  else if (!config->certificate_file != !config->key_file)
    wrong = "certificate and key go together: set both or neither";
  else if (config->peer_name && !config->ca_file)
    wrong = "peer-name is checked against a CA: set ca-file as well";
  else if (config->peer_fingerprint &&
      !qp_fingerprint_is_valid (config->peer_fingerprint))
    wrong =
        "peer-fingerprint is not \"sha-256 \" and 32 pairs of hex digits joined by ':'";
  else if (config->min_port > config->max_port)
    wrong = "min-port is above max-port";

  if (wrong)
    g_set_error_literal (error, QP_SESSION_ERROR, QP_SESSION_ERROR_SETTINGS,
        wrong);
  return wrong == NULL;
}

gboolean
qp_session_read_settings (QpSession *session, GError **error)
{
  const QpConfig *config = session->config;
  g_autoptr (GError) cause = NULL;

  if (!check_settings (config, error) ||
      !qp_session_read_own_servers (config, session->servers, error))
    return FALSE;
  session->uri = qp_signaling_uri_parse (config->uri, &cause);
  if (!session->uri)
    return settings_error (error, cause);
  if (config->run_signaling_server && session->uri->tls &&
      !config->certificate_file) {
    g_set_error_literal (error, QP_SESSION_ERROR, QP_SESSION_ERROR_SETTINGS,
        "run-signaling-server with quicp2ps:// needs certificate and key");
    return FALSE;
  }
  session->identity = config->certificate_file
      ? qp_identity_load (config->certificate_file, config->key_file, &cause)
      : qp_identity_generate (&cause);
  return session->identity ? TRUE : settings_error (error, cause);
}

static const char *
string_difference (const QpConfig *a, const QpConfig *b)
{
#define DIFFERS(field, property)           \
  if (g_strcmp0 (a->field, b->field) != 0) \
    return property;
  DIFFERS (uri, "uri")
  DIFFERS (display_name, "display-name")
  DIFFERS (room_secret, "room-secret")
  DIFFERS (stun_server, "stun-server")
  DIFFERS (turn_server, "turn-server")
  DIFFERS (certificate_file, "certificate")
  DIFFERS (key_file, "key")
  DIFFERS (ca_file, "ca-file")
  DIFFERS (peer_name, "peer-name")
  DIFFERS (peer_fingerprint, "peer-fingerprint")
  DIFFERS (qlog_dir, "qlog-dir")
  DIFFERS (interfaces, "interfaces")
#undef DIFFERS
  return NULL;
}

/* The first setting of the connection in which two members differ. What only
 * one side uses (producer, timeouts, run-signaling-server) may differ. */
static const char *
difference (const QpConfig *a, const QpConfig *b)
{
  const char *name = string_difference (a, b);

  if (name)
    return name;
  if (a->ice_policy != b->ice_policy)
    return "ice-transport-policy";
  if (a->min_port != b->min_port)
    return "min-port";
  if (a->max_port != b->max_port)
    return "max-port";
  if (a->congestion_control != b->congestion_control)
    return "congestion-control";
  return NULL;
}

/* The parts of a session's settings that belong to its consumer; on the
 * transport thread, which reads them. */
static void
take_consumer_settings (QpSession *session, gpointer data)
{
  const QpConfig *config = data;

  g_free (session->config->producer);
  session->config->producer = g_strdup (config->producer);
  session->config->producer_timeout_ms = config->producer_timeout_ms;
  session->config->connect_timeout_ms = config->connect_timeout_ms;
  session->config->disconnect_timeout_ms = config->disconnect_timeout_ms;
}

static gboolean
may_share (QpSession *session, const QpConfig *config, gboolean producer,
    gboolean consumer, GError **error)
{
  const char *differs = difference (session->config, config);

  if (differs) {
    g_set_error (error, QP_SESSION_ERROR, QP_SESSION_ERROR_SETTINGS,
        "session \"%s\" is in use with another %s", session->name, differs);
    return FALSE;
  }
  if ((producer && qp_session_get_producer (session)) ||
      (consumer && qp_session_get_consumer (session))) {
    g_set_error (error, QP_SESSION_ERROR, QP_SESSION_ERROR_SETTINGS,
        "session \"%s\" has a %s already", session->name,
        producer ? "sink" : "source");
    return FALSE;
  }
  return TRUE;
}

/* --- Membership --------------------------------------------------------------- */

/* Called with the lock held. */
static QpSession *
find_or_make (const char *name, const QpConfig *config, gboolean producer,
    gboolean consumer, GError **error)
{
  QpSession *session = name ? g_hash_table_lookup (sessions, name) : NULL;

  if (session) {
    if (!may_share (session, config, producer, consumer, error))
      return NULL;
    if (consumer)
      qp_session_call_and_wait (session, take_consumer_settings,
          (gpointer) config);
    return session;
  }
  session = qp_session_new (name, config, error);
  if (session && name)
    g_hash_table_insert (sessions, session->name, session);
  return session;
}

QpMember *
qp_session_join (const char *session_name, const QpConfig *config,
    gboolean producer, gboolean consumer, const QpSessionCallbacks *callbacks,
    gpointer user, GError **error)
{
  QpMember *member = NULL;
  QpSession *session;

  init_once ();
  g_mutex_lock (&registry_lock);
  session = find_or_make (session_name, config, producer, consumer, error);
  if (session) {
    member = g_new0 (QpMember, 1);
    member->session = session;
    member->producer = producer;
    member->consumer = consumer;
    member->callbacks = *callbacks;
    member->user = user;
    qp_session_add_member (session, member);
    if (!session->thread)
      qp_session_start (session);
  }
  g_mutex_unlock (&registry_lock);
  return member;
}

void
qp_session_leave (QpMember *member)
{
  QpSession *session = member->session;
  gboolean named = session->name != NULL, last;

  /* Nobody else can find a private session: its goodbye holds up no other. */
  if (named)
    g_mutex_lock (&registry_lock);
  last = qp_session_remove_member (session, member);
  if (last && named)
    g_hash_table_remove (sessions, session->name);
  if (named)
    g_mutex_unlock (&registry_lock);
  if (last)
    qp_session_free (session);
  g_free (member);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Common properties and the life of the membership; see gstquicp2pcommon.h. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "elements/gstquicp2pcommon.h"

GType
gst_quicp2p_mapping_get_type (void)
{
  static gsize type = 0;
  static const GEnumValue values[] = {
    { QP_MAPPING_STREAM_PER_FRAME, "Each frame on a QUIC stream of its own",
        "stream-per-frame" },
    { QP_MAPPING_STREAM, "All frames of a flow on one QUIC stream", "stream" },
    { QP_MAPPING_DATAGRAM, "Each packet in a QUIC DATAGRAM frame", "datagram" },
    { 0, NULL, NULL },
  };

  if (g_once_init_enter (&type))
    g_once_init_leave (&type,
        g_enum_register_static ("GstQuicP2PMapping", values));
  return type;
}

GType
gst_quicp2p_ice_transport_policy_get_type (void)
{
  static gsize type = 0;
  static const GEnumValue values[] = {
    { QP_ICE_POLICY_ALL, "Any candidate", "all" },
    { QP_ICE_POLICY_RELAY, "Relayed candidates only", "relay" },
    { 0, NULL, NULL },
  };

  if (g_once_init_enter (&type))
    g_once_init_leave (&type,
        g_enum_register_static ("GstQuicP2PIceTransportPolicy", values));
  return type;
}

GType
gst_quicp2p_congestion_control_get_type (void)
{
  static gsize type = 0;
  static const GEnumValue values[] = {
    { QP_CC_CUBIC, "CUBIC (RFC 9438)", "cubic" },
    { QP_CC_RENO, "NewReno (RFC 9002)", "reno" },
    { QP_CC_BBR, "BBR", "bbr" },
    { 0, NULL, NULL },
  };

  if (g_once_init_enter (&type))
    g_once_init_leave (&type,
        g_enum_register_static ("GstQuicP2PCongestionControl", values));
  return type;
}

void
gst_quicp2p_common_init (GstQuicP2PCommon *common, gboolean producer,
    guint connect_timeout_ms)
{
  g_mutex_init (&common->lock);
  common->producer = producer;
  common->config = qp_config_new ();
  common->config->connect_timeout_ms = connect_timeout_ms;
}

void
gst_quicp2p_common_clear (GstQuicP2PCommon *common)
{
  g_assert (!common->member);
  g_clear_pointer (&common->config, qp_config_free);
  g_clear_pointer (&common->session, g_free);
  g_clear_error (&common->uri_error);
  g_mutex_clear (&common->lock);
}

static void
install_string (GObjectClass *klass, guint id, const char *name,
    const char *blurb, GParamFlags flags)
{
  g_autofree char *nick = g_strdup (name);

  g_strdelimit (nick, "-", ' ');
  nick[0] = g_ascii_toupper (nick[0]);
  /* The nick is ours: it must be copied, the other two are literals. */
  g_object_class_install_property (klass, id,
      g_param_spec_string (name, g_intern_string (nick), blurb, NULL, flags));
}

static void
install_identity_properties (GObjectClass *klass)
{
  GParamFlags flags = GST_QUICP2P_PARAM_FLAGS;

  install_string (klass, GST_QUICP2P_PROP_CERTIFICATE, "certificate",
      "PEM file with our certificate chain; needs key (NULL: a fresh self-signed P-256 "
      "certificate at each start)",
      flags);
  install_string (klass, GST_QUICP2P_PROP_KEY, "key",
      "PEM file with the private key of certificate", flags);
  install_string (klass, GST_QUICP2P_PROP_CA_FILE, "ca-file",
      "PEM file with the CA certificates that a peer's certificate must chain to, and the "
      "signaling server's with quicp2ps:// (NULL: the server's to those of the system; a "
      "peer's fingerprint must be the one that signaling announced)",
      flags);
  install_string (klass, GST_QUICP2P_PROP_PEER_NAME, "peer-name",
      "Name that a peer's certificate must carry as subjectAltName; needs ca-file (NULL: any)",
      flags);
  install_string (klass, GST_QUICP2P_PROP_PEER_FINGERPRINT, "peer-fingerprint",
      "The only certificate accepted from a peer, as \"sha-256 AB:CD:…\", so that not even the "
      "signaling server need be trusted (NULL: the one that signaling announces)",
      flags);
  install_string (klass, GST_QUICP2P_PROP_FINGERPRINT, "fingerprint",
      "Our own certificate's fingerprint, as \"sha-256 AB:CD:…\"; NULL before PAUSED",
      G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
}

static void
install_path_properties (GObjectClass *klass, const QpConfig *defaults)
{
  GParamFlags flags = GST_QUICP2P_PARAM_FLAGS;

  install_string (klass, GST_QUICP2P_PROP_STUN_SERVER, "stun-server",
      "STUN server as stun://host:port or host:port (NULL: none but what the signaling server "
      "offers)",
      flags);
  install_string (klass, GST_QUICP2P_PROP_TURN_SERVER, "turn-server",
      "TURN server as turn://user:password@host:port[?transport=tcp]; holds a password and "
      "cannot be read back (NULL: none but what the signaling server offers)",
      flags & ~G_PARAM_READABLE);
  g_object_class_install_property (klass, GST_QUICP2P_PROP_ICE_TRANSPORT_POLICY,
      g_param_spec_enum ("ice-transport-policy", "ICE transport policy",
          "Which candidates are used: all, or relayed ones only (RFC 8828)",
          GST_TYPE_QUICP2P_ICE_TRANSPORT_POLICY, defaults->ice_policy, flags));
  g_object_class_install_property (klass, GST_QUICP2P_PROP_MIN_PORT,
      g_param_spec_uint ("min-port", "Min port",
          "Lowest UDP port of host candidates (0: any)", 0, 65535,
          defaults->min_port, flags));
  g_object_class_install_property (klass, GST_QUICP2P_PROP_MAX_PORT,
      g_param_spec_uint ("max-port", "Max port",
          "Highest UDP port of host candidates (0: any)", 0, 65535,
          defaults->max_port, flags));
  install_string (klass, GST_QUICP2P_PROP_INTERFACES, "interfaces",
      "Network interfaces to use for further paths, best first, as shell patterns separated by "
      "commas; ! forbids: \"wlan*,!docker*\" (NULL: all; cable, then wireless LAN, then mobile)",
      flags);
}

void
gst_quicp2p_common_install_properties (GObjectClass *klass,
    guint connect_timeout_ms)
{
  g_autoptr (QpConfig) defaults = qp_config_new ();
  GParamFlags flags = GST_QUICP2P_PARAM_FLAGS;

  install_string (klass, GST_QUICP2P_PROP_URI, "uri",
      "Room to meet the peers in: quicp2p://host[:port]/room[?property=value&…], or quicp2ps:// "
      "for signaling over TLS",
      flags);
  install_string (klass, GST_QUICP2P_PROP_SESSION, "session",
      "Name of the session; elements of one process with the same name share one membership of "
      "the room, and so one QUIC connection to each peer (NULL: a session of its own)",
      flags);
  install_string (klass, GST_QUICP2P_PROP_DISPLAY_NAME, "display-name",
      "Name shown to the other members of the room (NULL: none)", flags);
  install_string (klass, GST_QUICP2P_PROP_ROOM_SECRET, "room-secret",
      "Secret that the signaling server asks for this room; cannot be read back (NULL: none)",
      (flags & ~G_PARAM_READABLE));

  install_path_properties (klass, defaults);
  install_identity_properties (klass);

  g_object_class_install_property (klass, GST_QUICP2P_PROP_CONGESTION_CONTROL,
      g_param_spec_enum ("congestion-control", "Congestion control",
          "Congestion control of the QUIC connections",
          GST_TYPE_QUICP2P_CONGESTION_CONTROL, defaults->congestion_control,
          flags));
  g_object_class_install_property (klass, GST_QUICP2P_PROP_CONNECT_TIMEOUT,
      g_param_spec_uint ("connect-timeout", "Connect timeout",
          "Give up with an error when no peer is connected this long after the start, in ms "
          "(0: wait for ever)",
          0, G_MAXINT, connect_timeout_ms, flags));
  g_object_class_install_property (klass, GST_QUICP2P_PROP_DISCONNECT_TIMEOUT,
      g_param_spec_uint ("disconnect-timeout", "Disconnect timeout",
          "Give up with an error when all connections that there were have been gone for this "
          "long, in ms (0: never)",
          0, G_MAXINT, defaults->disconnect_timeout_ms, flags));
  install_string (klass, GST_QUICP2P_PROP_QLOG_DIR, "qlog-dir",
      "Directory for a qlog file of each QUIC connection (NULL: none)", flags);
  g_object_class_install_property (klass, GST_QUICP2P_PROP_STATS,
      g_param_spec_boxed ("stats", "Statistics",
          "State, paths, RTT, rates, losses and flows of the session, at most 100 ms old; units "
          "are in the fields' names",
          GST_TYPE_STRUCTURE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));

  gst_type_mark_as_plugin_api (GST_TYPE_QUICP2P_ICE_TRANSPORT_POLICY, 0);
  gst_type_mark_as_plugin_api (GST_TYPE_QUICP2P_CONGESTION_CONTROL, 0);
}

/* --- Signals --------------------------------------------------------------- */

/* Whoever is connected may say no; the last word is the class's own yes. */
static gboolean
ask_all (GSignalInvocationHint *hint, GValue *result, const GValue *answer,
    gpointer data)
{
  g_value_copy (answer, result);
  return g_value_get_boolean (answer);
}

static gboolean
accept_anybody (GstElement *element, const char *peer_id, const char *peer_name,
    const char *fingerprint)
{
  return TRUE;
}

void
gst_quicp2p_common_install_signals (GObjectClass *klass)
{
  GType type = G_OBJECT_CLASS_TYPE (klass);

  g_signal_new ("peer-joined", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
      G_TYPE_NONE, 2, G_TYPE_STRING, G_TYPE_STRING);
  g_signal_new ("peer-left", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
      G_TYPE_NONE, 3, G_TYPE_STRING, G_TYPE_STRING, G_TYPE_STRING);
  g_signal_new_class_handler ("accept-peer", type, G_SIGNAL_RUN_LAST,
      G_CALLBACK (accept_anybody), ask_all, NULL, NULL, G_TYPE_BOOLEAN, 3,
      G_TYPE_STRING, G_TYPE_STRING, G_TYPE_STRING);
}

/* --- Setting and getting --------------------------------------------------- */

/* The member of the config that holds the string property @id, else NULL. */
static char **
string_member (GstQuicP2PCommon *common, guint id)
{
  switch (id) {
    case GST_QUICP2P_PROP_SESSION:
      return &common->session;
    case GST_QUICP2P_PROP_DISPLAY_NAME:
      return &common->config->display_name;
    case GST_QUICP2P_PROP_ROOM_SECRET:
      return &common->config->room_secret;
    case GST_QUICP2P_PROP_STUN_SERVER:
      return &common->config->stun_server;
    case GST_QUICP2P_PROP_TURN_SERVER:
      return &common->config->turn_server;
    case GST_QUICP2P_PROP_CERTIFICATE:
      return &common->config->certificate_file;
    case GST_QUICP2P_PROP_KEY:
      return &common->config->key_file;
    case GST_QUICP2P_PROP_CA_FILE:
      return &common->config->ca_file;
    case GST_QUICP2P_PROP_PEER_NAME:
      return &common->config->peer_name;
    case GST_QUICP2P_PROP_PEER_FINGERPRINT:
      return &common->config->peer_fingerprint;
    case GST_QUICP2P_PROP_INTERFACES:
      return &common->config->interfaces;
    case GST_QUICP2P_PROP_QLOG_DIR:
      return &common->config->qlog_dir;
    default:
      return NULL;
  }
}

static guint *
uint_member (GstQuicP2PCommon *common, guint id)
{
  switch (id) {
    case GST_QUICP2P_PROP_MIN_PORT:
      return &common->config->min_port;
    case GST_QUICP2P_PROP_MAX_PORT:
      return &common->config->max_port;
    case GST_QUICP2P_PROP_CONNECT_TIMEOUT:
      return &common->config->connect_timeout_ms;
    case GST_QUICP2P_PROP_DISCONNECT_TIMEOUT:
      return &common->config->disconnect_timeout_ms;
    default:
      return NULL;
  }
}

/* A query in the URI sets other properties, so it is taken apart by the URI
 * handler, which then comes back here without it.  A property cannot return
 * an error: it is kept until the element starts. */
static void
set_uri_property (GstQuicP2PCommon *common, GObject *object, const char *uri)
{
  g_autoptr (GError) error = NULL;
  gboolean good = TRUE;

  if (uri && strchr (uri, '?'))
    good = gst_uri_handler_set_uri (GST_URI_HANDLER (object), uri, &error);

  g_mutex_lock (&common->lock);
  g_clear_error (&common->uri_error);
  if (!good) {
    common->uri_error = g_steal_pointer (&error);
    g_clear_pointer (&common->config->uri, g_free);
  } else if (!uri || !strchr (uri, '?')) {
    g_free (common->config->uri);
    common->config->uri = g_strdup (uri);
  }
  g_mutex_unlock (&common->lock);
}

void
gst_quicp2p_common_set_property (GstQuicP2PCommon *common, GObject *object,
    guint id, const GValue *value, GParamSpec *pspec)
{
  char **string;
  guint *number;

  if (id == GST_QUICP2P_PROP_URI) {
    set_uri_property (common, object, g_value_get_string (value));
    return;
  }

  g_mutex_lock (&common->lock);
  if ((string = string_member (common, id))) {
    g_free (*string);
    *string = g_value_dup_string (value);
  } else if ((number = uint_member (common, id))) {
    *number = g_value_get_uint (value);
  } else if (id == GST_QUICP2P_PROP_ICE_TRANSPORT_POLICY) {
    common->config->ice_policy = g_value_get_enum (value);
  } else if (id == GST_QUICP2P_PROP_CONGESTION_CONTROL) {
    common->config->congestion_control = g_value_get_enum (value);
  } else {
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
  g_mutex_unlock (&common->lock);
}

void
gst_quicp2p_common_get_property (GstQuicP2PCommon *common, GObject *object,
    guint id, GValue *value, GParamSpec *pspec)
{
  char **string;
  guint *number;

  if (id == GST_QUICP2P_PROP_STATS) {
    g_value_take_boxed (value, gst_quicp2p_common_get_stats (common));
    return;
  }

  g_mutex_lock (&common->lock);
  if (id == GST_QUICP2P_PROP_URI) {
    g_value_set_string (value, common->config->uri);
  } else if ((string = string_member (common, id))) {
    g_value_set_string (value, *string);
  } else if ((number = uint_member (common, id))) {
    g_value_set_uint (value, *number);
  } else if (id == GST_QUICP2P_PROP_ICE_TRANSPORT_POLICY) {
    g_value_set_enum (value, common->config->ice_policy);
  } else if (id == GST_QUICP2P_PROP_CONGESTION_CONTROL) {
    g_value_set_enum (value, common->config->congestion_control);
  } else if (id == GST_QUICP2P_PROP_FINGERPRINT) {
    if (common->member)
      g_value_take_string (value, qp_session_get_fingerprint (common->member));
  } else {
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
  g_mutex_unlock (&common->lock);
}

/* (transfer full): the settings as they are now, NULL if they are no good. */
static QpConfig *
copy_config (GstQuicP2PCommon *common, char **session, GError **error)
{
  QpConfig *config = NULL;

  g_mutex_lock (&common->lock);
  if (common->uri_error) {
    g_set_error_literal (error, QP_SESSION_ERROR, QP_SESSION_ERROR_SETTINGS,
        common->uri_error->message);
  } else if (!common->config->uri) {
    g_set_error_literal (error, QP_SESSION_ERROR, QP_SESSION_ERROR_SETTINGS,
        "No room was given: set the property \"uri\", for example to "
        "quicp2p://host:8443/room");
  } else {
    config = qp_config_copy (common->config);
    *session = g_strdup (common->session);
  }
  g_mutex_unlock (&common->lock);
  return config;
}

gboolean
gst_quicp2p_common_join (GstQuicP2PCommon *common, GstElement *element,
    const QpSessionCallbacks *callbacks, GError **error)
{
  g_autofree char *session = NULL;
  g_autoptr (QpConfig) config = copy_config (common, &session, error);
  QpMember *member;

  if (!config)
    return FALSE;
  /* Without the lock: callbacks may come meanwhile, and read us. */
  member = qp_session_join (session, config, common->producer,
      !common->producer, callbacks, element, error);
  if (!member)
    return FALSE;

  g_mutex_lock (&common->lock);
  common->member = member;
  g_mutex_unlock (&common->lock);
  return TRUE;
}

void
gst_quicp2p_common_joined (GstElement *element, const GError *error)
{
  if (error)
    gst_quicp2p_on_failed (error, element);
  else
    g_object_notify (G_OBJECT (element), "fingerprint");
}

void
gst_quicp2p_common_leave (GstQuicP2PCommon *common)
{
  QpMember *member;

  /* Readers of statistics hold the lock while they use the member; leaving
   * itself must not hold it, for it waits for the callbacks. */
  g_mutex_lock (&common->lock);
  member = g_steal_pointer (&common->member);
  g_mutex_unlock (&common->lock);

  if (member)
    qp_session_leave (member);
}

gboolean
gst_quicp2p_common_check_rtpbin (GstElement *element, gboolean there)
{
  if (there)
    return TRUE;
  GST_ELEMENT_ERROR (element, CORE, MISSING_PLUGIN,
      ("The element rtpbin is missing: install GStreamer's good plugins"),
      (NULL));
  return FALSE;
}

GstStructure *
gst_quicp2p_common_get_stats (GstQuicP2PCommon *common)
{
  GstStructure *stats = NULL;

  g_mutex_lock (&common->lock);
  if (common->member)
    stats = qp_session_get_stats (common->member);
  g_mutex_unlock (&common->lock);

  if (!stats)
    stats = gst_structure_new ("application/x-quicp2p-stats", "state",
        G_TYPE_STRING, "idle", "signaling", G_TYPE_STRING, "disconnected",
        "peer-count", G_TYPE_UINT, 0, NULL);
  return stats;
}

/* Which code of GST_RESOURCE_ERROR tells an application what it may act on. */
static gint
resource_error (gboolean sink, const GError *error)
{
  if (error->domain != QP_SESSION_ERROR)
    return GST_RESOURCE_ERROR_FAILED;

  switch ((QpSessionError) error->code) {
    case QP_SESSION_ERROR_SETTINGS:
      return GST_RESOURCE_ERROR_SETTINGS;
    case QP_SESSION_ERROR_NO_PEER:
      return GST_RESOURCE_ERROR_NOT_FOUND;
    case QP_SESSION_ERROR_REFUSED:
      return GST_RESOURCE_ERROR_NOT_AUTHORIZED;
    case QP_SESSION_ERROR_SIGNALING:
    case QP_SESSION_ERROR_NO_PATH:
      return sink ? GST_RESOURCE_ERROR_OPEN_WRITE
                  : GST_RESOURCE_ERROR_OPEN_READ;
    case QP_SESSION_ERROR_LOST:
      return sink ? GST_RESOURCE_ERROR_WRITE : GST_RESOURCE_ERROR_READ;
  }
  return GST_RESOURCE_ERROR_FAILED;
}

/* The message is for people, the debug string for whoever helps them. */
static void
post_problem (GstElement *element, GstMessageType type, const GError *error)
{
  gboolean sink = GST_OBJECT_FLAG_IS_SET (element, GST_ELEMENT_FLAG_SINK);

  gst_element_message_full (element, type, GST_RESOURCE_ERROR,
      resource_error (sink, error), g_strdup (error->message),
      g_strdup_printf ("%s, code %d", g_quark_to_string (error->domain),
          error->code),
      __FILE__, G_STRFUNC, __LINE__);
}

void
gst_quicp2p_on_message (GstStructure *structure, gpointer element)
{
  gst_element_post_message (element,
      gst_message_new_element (GST_OBJECT_CAST (element), structure));
}

void
gst_quicp2p_on_warning (const GError *error, gpointer element)
{
  post_problem (element, GST_MESSAGE_WARNING, error);
}

void
gst_quicp2p_on_failed (const GError *error, gpointer element)
{
  post_problem (element, GST_MESSAGE_ERROR, error);
}

void
gst_quicp2p_on_peer_joined (const QpPeerName *peer, gpointer element)
{
  g_signal_emit_by_name (element, "peer-joined", peer->id, peer->name);
}

void
gst_quicp2p_on_peer_left (const QpPeerName *peer, const char *reason,
    gpointer element)
{
  g_signal_emit_by_name (element, "peer-left", peer->id, peer->name, reason);
}

gboolean
gst_quicp2p_on_accept_peer (const QpPeerName *peer, const char *fingerprint,
    gpointer element)
{
  gboolean accepted = TRUE;

  g_signal_emit_by_name (element, "accept-peer", peer->id, peer->name,
      fingerprint, &accepted);
  return accepted;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What quicp2psink and quicp2psrc have in common: the properties that make up a
 * QpConfig, the membership of a session with its life, and how errors of the
 * session reach the bus.
 *
 * A GstQuicP2PCommon is embedded in the element.  Any thread may call these
 * functions; only the state-changing thread calls join and leave. */
#pragma once

#include "session/session.h"

G_BEGIN_DECLS

#define GST_TYPE_QUICP2P_MAPPING (gst_quicp2p_mapping_get_type ())
GType gst_quicp2p_mapping_get_type (void);

#define GST_TYPE_QUICP2P_ICE_TRANSPORT_POLICY \
  (gst_quicp2p_ice_transport_policy_get_type ())
GType gst_quicp2p_ice_transport_policy_get_type (void);

#define GST_TYPE_QUICP2P_CONGESTION_CONTROL \
  (gst_quicp2p_congestion_control_get_type ())
GType gst_quicp2p_congestion_control_get_type (void);

/* Properties of an element that take effect at READY to PAUSED. */
#define GST_QUICP2P_PARAM_FLAGS \
  (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY)

#define GST_QUICP2P_DEFAULT_MAPPING QP_MAPPING_STREAM_PER_FRAME
#define GST_QUICP2P_DEFAULT_FRAME_DEADLINE 400 /* ms */
#define GST_QUICP2P_MAX_FRAME_DEADLINE 60000   /* ms */

/* Numbers of the common properties; an element's own follow. */
enum {
  GST_QUICP2P_PROP_0,
  GST_QUICP2P_PROP_URI,
  GST_QUICP2P_PROP_SESSION,
  GST_QUICP2P_PROP_DISPLAY_NAME,
  GST_QUICP2P_PROP_ROOM_SECRET,
  GST_QUICP2P_PROP_STUN_SERVER,
  GST_QUICP2P_PROP_TURN_SERVER,
  GST_QUICP2P_PROP_ICE_TRANSPORT_POLICY,
  GST_QUICP2P_PROP_MIN_PORT,
  GST_QUICP2P_PROP_MAX_PORT,
  GST_QUICP2P_PROP_CERTIFICATE,
  GST_QUICP2P_PROP_KEY,
  GST_QUICP2P_PROP_CA_FILE,
  GST_QUICP2P_PROP_PEER_NAME,
  GST_QUICP2P_PROP_PEER_FINGERPRINT,
  GST_QUICP2P_PROP_FINGERPRINT,
  GST_QUICP2P_PROP_CONGESTION_CONTROL,
  GST_QUICP2P_PROP_CONNECT_TIMEOUT,
  GST_QUICP2P_PROP_DISCONNECT_TIMEOUT,
  GST_QUICP2P_PROP_INTERFACES,
  GST_QUICP2P_PROP_QLOG_DIR,
  GST_QUICP2P_PROP_STATS,
  GST_QUICP2P_PROP_OWN, /* the first of the element's own */
};

typedef struct {
  gboolean producer; /* the sink's part; else the source's */

  GMutex lock; /* guards the fields below */
  QpConfig *config;
  char *session; /* nullable */
  GError
      *uri_error; /* why the `uri` property's last value is no good; nullable */
  QpMember *member; /* NULL outside PAUSED and PLAYING */
} GstQuicP2PCommon;

/* @connect_timeout_ms is the element's own default. */
void gst_quicp2p_common_init (GstQuicP2PCommon *common, gboolean producer,
    guint connect_timeout_ms);
void gst_quicp2p_common_clear (GstQuicP2PCommon *common);

/* Installs GST_QUICP2P_PROP_URI to GST_QUICP2P_PROP_STATS. */
void gst_quicp2p_common_install_properties (GObjectClass *klass,
    guint connect_timeout_ms);
/* Adds the signals peer-joined, peer-left and accept-peer. */
void gst_quicp2p_common_install_signals (GObjectClass *klass);
/* Warn about an invalid @id, as the last resort of the element's own. */
void gst_quicp2p_common_set_property (GstQuicP2PCommon *common, GObject *object,
    guint id, const GValue *value, GParamSpec *pspec);
void gst_quicp2p_common_get_property (GstQuicP2PCommon *common, GObject *object,
    guint id, GValue *value, GParamSpec *pspec);

/* Joins the session; FALSE with an error of QP_SESSION_ERROR.  Callbacks may
 * come before it returns. */
gboolean gst_quicp2p_common_join (GstQuicP2PCommon *common, GstElement *element,
    const QpSessionCallbacks *callbacks, GError **error);
/* Tells the application how joining went: a new fingerprint, or the error. */
void gst_quicp2p_common_joined (GstElement *element, const GError *error);
/* Leaves it, within 300 ms; afterwards no callback is running.  Does nothing
 * if there is none. */
void gst_quicp2p_common_leave (GstQuicP2PCommon *common);

/* FALSE, with the messages that tell it, unless rtpbin is there. */
gboolean gst_quicp2p_common_check_rtpbin (GstElement *element, gboolean there);

/* (transfer full): qp_session_get_stats(), or its like without a session. */
GstStructure *gst_quicp2p_common_get_stats (GstQuicP2PCommon *common);

/* The session's callbacks of the same names; `user` is the element. */
void gst_quicp2p_on_message (GstStructure *structure, gpointer element);
void gst_quicp2p_on_warning (const GError *error, gpointer element);
void gst_quicp2p_on_failed (const GError *error, gpointer element);
void gst_quicp2p_on_peer_joined (const QpPeerName *peer, gpointer element);
void gst_quicp2p_on_peer_left (const QpPeerName *peer, const char *reason,
    gpointer element);
gboolean gst_quicp2p_on_accept_peer (const QpPeerName *peer,
    const char *fingerprint, gpointer element);

/* Adds GstURIHandler for quicp2p:// and quicp2ps:// to an element type. */
void gst_quicp2p_uri_handler_init_src (gpointer iface, gpointer data);
void gst_quicp2p_uri_handler_init_sink (gpointer iface, gpointer data);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The settings of a session: what the elements' properties say, gathered in one
 * plain struct that is copied when a session starts.  No thread of its own; the
 * owner of a QpConfig is the only one who touches it. */
#pragma once

#include <gst/gst.h>

#include "quic/connection.h"

G_BEGIN_DECLS

/* As QpConfig's producer: everybody is played. */
#define QP_CONFIG_ALL_PRODUCERS "all"

typedef enum {
  QP_MAPPING_STREAM_PER_FRAME, /* each frame on a QUIC stream of its own */
  QP_MAPPING_STREAM,           /* all frames of a flow on one stream */
  QP_MAPPING_DATAGRAM,         /* each packet in a DATAGRAM frame */
} QpMapping;

typedef enum {
  QP_ICE_POLICY_ALL,
  QP_ICE_POLICY_RELAY,
} QpIcePolicy;

typedef struct {
  char *uri;          /* quicp2p://host[:port]/room or quicp2ps://… */
  char *display_name; /* ours, shown to others; nullable */
  char *room_secret;  /* nullable; never logged */
  gboolean run_signaling_server;

  char *stun_server; /* "stun://host:port" or "host:port"; nullable */
  char *
      turn_server; /* "turn://user:password@host:port[?transport=tcp]"; nullable; never logged */
  QpIcePolicy ice_policy;
  guint min_port, max_port; /* 0, 0: any */

  char *certificate_file, *key_file; /* PEM; both or neither */
  char *ca_file;                     /* CA mode when set */
  char *
      peer_name; /* subjectAltName asked of the peer in CA mode; NULL: the URI's host is not used, only the chain is checked */
  char *peer_fingerprint; /* pin; nullable */

  QpCongestionControl congestion_control;
  guint connect_timeout_ms;    /* 0: never give up */
  guint disconnect_timeout_ms; /* after having been connected; 0: never */
  /* Which interfaces are used, best first, as "wlan*,!docker*"; NULL: all. */
  char *interfaces;
  guint
      producer_timeout_ms; /* consumer: EOS this long after the producer left; 0: never */
  /* Consumer: id or name; NULL: the first; QP_CONFIG_ALL_PRODUCERS. */
  char *producer;
  char *qlog_dir;
} QpConfig;

QpConfig *qp_config_new (void); /* with every default */
QpConfig *qp_config_copy (const QpConfig *config);
void qp_config_free (QpConfig *config);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (QpConfig, qp_config_free)

/* TRUE if @uri, without a query, names a room: scheme, host, port and path are
 * sound.  Else FALSE with QP_SESSION_ERROR_SETTINGS and a sentence that says
 * which part is wrong. */
gboolean qp_config_check_uri (const char *uri, GError **error);

G_END_DECLS

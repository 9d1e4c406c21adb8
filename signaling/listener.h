/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The signaling server's door: accepts TCP connections, puts TLS and a meter
 * around them and hands them on. It answers for those that are no WebSocket yet,
 * which the hub cannot see: how many, for how long, and how much they may send.
 *
 * Threads: that of the main context that is thread-default when it is made.
 */

#pragma once

#include <gio/gio.h>

#include "signaling/meter.h"

G_BEGIN_DECLS

typedef struct _QpListener QpListener;

typedef struct {
  const char *address;          /* nullable: IP address; NULL: all */
  guint port;                   /* 0: any free one */
  GTlsCertificate *certificate; /* nullable: TLS */
  guint max_connections;        /* more are closed at once */
  gsize max_bytes;              /* of qp_meter_stream_new() */
  guint
      upgrade_seconds; /* a connection that is no WebSocket by then is cut off */
} QpListenerConfig;

/* A connection was accepted; @stream is borrowed. */
typedef void (*QpListenerFunc) (QpMeterStream *stream, GSocketAddress *local,
    GSocketAddress *remote, gpointer user_data);

/* NULL with QP_SIGNALING_ERROR_IN_USE or _CONFIG. */
QpListener *qp_listener_new (const QpListenerConfig *config,
    QpListenerFunc incoming, gpointer user_data, GError **error);
void qp_listener_free (QpListener *listener);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (QpListener, qp_listener_free)

guint qp_listener_get_port (const QpListener *listener);

/* @stream became a WebSocket: it may stay. */
void qp_listener_keep (QpListener *listener, QpMeterStream *stream);

/* Cuts off what is overdue. To be called about once a second. */
void qp_listener_advance (QpListener *listener, gint64 now);

/* Accepts no more; connections that are there stay. */
void qp_listener_stop (QpListener *listener);

G_END_DECLS

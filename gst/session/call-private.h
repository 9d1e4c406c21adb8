/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of a call share.  call.c owns the state; call-signaling.c,
 * call-paths.c and call-quic.c each join one room below to it, call-control.c
 * reads and writes the control stream.  Transport thread only. */
#pragma once

#include "session/call.h"
#include "session/rate-estimate.h"
#include "signaling/framing.h"

G_BEGIN_DECLS

/* The path that a call begins on. */
#define QP_CALL_FIRST_PATH 0
/* What a peer does wrong is told in the log so often per call. */
#define QP_CALL_MAX_COMPLAINTS 5

struct _QpCall {
  GMainContext *context;
  QpCallCallbacks callbacks;
  gpointer user;
  QpCallState state;

  char *id, *name, *qlog_dir;
  gboolean offerer;
  QpIdentity *identity;
  char *pinned_fingerprint, *ca_file, *peer_name;
  char *peer_fingerprint; /* "sha-256 …", from signaling */
  QpCongestionControl congestion_control;
  char *answer_sdp;

  gint64 started_us, connected_us, last_received_us;
  GSource *timeout; /* until CONNECTED */
  guint timeout_ms;

  QpPaths *paths;
  gboolean
      peer_gathered_early; /* end of candidates came before the credentials */
  QpQuic *quic;
  QpMover *mover; /* once CONNECTED */
  char *alpn;
  QpSender *sender;
  QpReceiver *receiver;

  QpRateEstimate rate;
  gint64 rate_at;                 /* when it was fed last */
  guint rate_path;                /* the one that it is about */
  guint64 rate_told, target_told; /* bit/s */

  gint64 control; /* the control stream, -1: none */
  QpDeframer *deframer;
  guint complaints;
};

/* What a peer may do again and again must not fill a log. */
#define QP_CALL_COMPLAIN(call, format, ...)                     \
  G_STMT_START                                                  \
  {                                                             \
    if ((call)->complaints++ < QP_CALL_MAX_COMPLAINTS)          \
      GST_WARNING ("%s: " format, (call)->name, ##__VA_ARGS__); \
    else                                                        \
      GST_DEBUG ("%s: " format, (call)->name, ##__VA_ARGS__);   \
  }                                                             \
  G_STMT_END

/* --- call.c ---------------------------------------------------------------- */

/* The clock of `timeout_ms` starts. */
void qp_call_begin (QpCall *call);
void qp_call_set_state (QpCall *call, QpCallState state);
/* Takes the error; NULL: ended on purpose. The objects below live until the
 * owner frees the call. */
void qp_call_end (QpCall *call, GError *error);
gboolean qp_call_is_over (const QpCall *call);
QpPath *qp_call_get_first_path (QpCall *call);
/* The number of the path that QUIC sends on. */
guint qp_call_get_active_path (QpCall *call);

/* --- call-signaling.c ------------------------------------------------------ */

/* Of whatever way they came. */
void qp_call_handle_candidate (QpCall *call, const QpMessage *message);
void qp_call_handle_path (QpCall *call, const QpMessage *message);

/* --- call-quic.c ----------------------------------------------------------- */

/* The peer's fingerprint is known, and a path can send or may soon. */
void qp_call_start_quic (QpCall *call);

/* --- call-paths.c ---------------------------------------------------------- */

extern const QpPathsCallbacks qp_call_paths_callbacks; /* user: the call */
/* The connection is up: further paths are made, between two of us. */
void qp_call_start_paths (QpCall *call);

/* --- call-control.c -------------------------------------------------------- */

void qp_call_control_data (QpCall *call, const guint8 *data, gsize size);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A member that makes calls like any other, with ICE and QUIC, and may then do
 * what it likes with the connection.  Runs in the default main context. */
#pragma once

#include "path/path.h"
#include "quic/connection.h"
#include "signaling/framing.h"
#include "tests/unit/hostile.h"

G_BEGIN_DECLS

#define ROGUE_MAX_CODE 16

typedef struct {
  Member member; /* first */

  /* Before it joins. */
  const char *const *alpn; /* NULL: ours */
  gboolean nameless;       /* shows no certificate */
  gboolean tight;          /* gives no credit beyond a few packets */
  gboolean stop_all;       /* answers each stream with STOP_SENDING */
  gboolean deaf;           /* hears nothing any more */

  /* What became of it. */
  gboolean established, closed;
  GError *error;                 /* why it was closed */
  guint stopped[ROGUE_MAX_CODE]; /* STOP_SENDING that came, by code */
  guint64 received;              /* bytes on streams */
  guint datagrams;
  char *sdp; /* the last description that came over the control stream */

  gboolean offerer;
  char *call, *peer, *peer_fingerprint;
  QpIdentity *identity;
  QpPath *path;
  QpPath *further; /* nullable, the test's own: QUIC's path 1 */
  QpQuic *quic;
  QpDeframer *deframer;
} Rogue;

/* As a consumer it calls the camera and is QUIC server, as a producer it takes
 * the call of whoever offers first and is QUIC client. */
void rogue_join (Rogue *rogue, guint port, const char *name, gboolean produces);
void rogue_call_camera (Rogue *rogue);
/* Joins, calls the camera, and has a connection. */
void rogue_connect (Rogue *rogue, guint port);
void rogue_leave (Rogue *rogue);

#define ROGUE_WAIT(condition)                                \
  G_STMT_START                                               \
  {                                                          \
    gint64 until = g_get_monotonic_time () + SIDE_WAIT_US;   \
    while (!(condition)) {                                   \
      if (g_get_monotonic_time () > until)                   \
        g_error ("%s: timed out: %s", G_STRLOC, #condition); \
      run_once ();                                           \
    }                                                        \
  }                                                          \
  G_STMT_END

/* Waits for the peer's credit where there is none; -1 once closed. */
gint64 rogue_open (Rogue *rogue, gboolean bidirectional);
void rogue_write (Rogue *rogue, gint64 stream, const void *data, gsize size,
    gboolean fin);
void rogue_datagram (Rogue *rogue, const void *data, gsize size);
/* A message, or what should be one, on the control stream. */
void rogue_control (Rogue *rogue, const char *json);
/* The first flow ID of the description that came. */
guint64 rogue_flow_id (Rogue *rogue);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One path: one NiceAgent with one stream and one component, on one local
 * interface or on all of them.  It gathers, trickles, checks, and then moves
 * datagrams; it knows nothing of what is inside them.  ICE and whatever runs
 * above share the socket for the path's whole life (RFC 9443 demultiplexes).
 *
 * Everything here runs on the thread that iterates the GMainContext given at
 * construction; nothing blocks. Callbacks come from the context only, never
 * from within a function of this header. */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

typedef struct _QpPath QpPath;

typedef enum {
  QP_PATH_NEW,       /* no gathering yet */
  QP_PATH_GATHERING, /* local candidates are being found; remote may be known */
  QP_PATH_CHECKING,  /* both sides' credentials known, no pair works yet */
  QP_PATH_CONNECTED, /* a pair is selected; qp_path_send() works */
  QP_PATH_FAILED,    /* no pair worked, or consent was lost; final */
  QP_PATH_CLOSED,    /* qp_path_free() was called; final */
} QpPathState;

const char *qp_path_state_to_string (QpPathState state);

/* One relay as handed out by signaling or set by the user. */
typedef struct {
  char *host; /* name or address */
  guint16 port;
  gboolean tcp; /* transport to the relay */
  char *username;
  char *password; /* secret: never logged */
} QpTurnServer;

QpTurnServer *qp_turn_server_copy (const QpTurnServer *server);
void qp_turn_server_free (QpTurnServer *server);

typedef struct {
  gboolean controlling;
  const char *interface; /* restrict host candidates to it; NULL: all usable */
  const char *stun_host; /* nullable; name or address */
  guint16 stun_port;
  GPtrArray *turn_servers; /* of QpTurnServer*, nullable; copied */
  gboolean relay_only;     /* RFC 8828 "relay": only relayed candidates leave */
  guint16 min_port, max_port; /* of host candidates; 0, 0: any */
  /* Our ICE password, 22 to 256 ICE characters, where both sides know it from
   * elsewhere; NULL: made by the path. Copied; never logged. */
  const char *password;
} QpPathConfig;

/* A candidate as people want to see it. */
typedef struct {
  char type[8];     /* "host", "srflx", "prflx", "relay" */
  char address[64]; /* numeric address:port, [v6]:port */
} QpPathEnd;

typedef struct {
  QpPathState state;
  QpPathEnd local, remote; /* of the selected pair; empty strings before */
  /* The local address, without port, that its packets leave from on this
   * machine; of a relayed pair the relay's, which is not here. */
  char base[64];
  guint local_candidates, remote_candidates; /* how many are known */
  guint64 bytes_sent, bytes_received;
  guint64 datagrams_sent, datagrams_received;
  guint64 send_errors;
} QpPathInfo;

typedef struct {
  /* A local candidate in the SDP form of RFC 8839 without "a=", i.e.
   * "candidate:…".  NULL: there will be no more. */
  void (*local_candidate) (QpPath *path, const char *candidate, gpointer user);
  /* `cause` is a sentence for people, NULL unless the state is FAILED: which
   * candidates were tried and why none worked. */
  void (*state_changed) (QpPath *path, QpPathState state, const char *cause,
      gpointer user);
  /* One datagram; valid during the call only. STUN never arrives here. Called
   * in state CONNECTED only: what arrives earlier waits for it. */
  void (*received) (QpPath *path, const guint8 *data, gsize size,
      gpointer user);
  /* All datagrams that were waiting on the socket have been delivered, or 64 of
   * them: the moment to act once on a whole batch. */
  void (*received_all) (QpPath *path, gpointer user);
  /* In state CONNECTED ICE went over to another pair, which has just answered.
   * Nullable. */
  void (*pair_changed) (QpPath *path, gpointer user);
} QpPathCallbacks;

/* Makes a path in state NEW. `config` is copied. Never fails: what can go
 * wrong later is told by state_changed. */
QpPath *qp_path_new (GMainContext *context, const QpPathConfig *config,
    const QpPathCallbacks *callbacks, gpointer user);

/* Starts gathering (resolving server names first where needed). */
void qp_path_gather (QpPath *path);

/* The local ICE credentials (RFC 8445, section 5.3), owned by the path and
 * valid from qp_path_new() on. */
const char *qp_path_get_ufrag (QpPath *path);
const char *qp_path_get_password (QpPath *path);

/* Sets the remote credentials, once. Returns FALSE with G_IO_ERROR_INVALID_DATA
 * if they are not what RFC 8839 allows. */
gboolean qp_path_set_remote_credentials (QpPath *path, const char *ufrag,
    const char *password, GError **error);

/* Adds one remote candidate ("candidate:…" as above, or the seed's form
 * without the prefix); may precede the credentials and gathering. Candidates
 * that point at multicast, broadcast, reserved or unspecified addresses, at
 * port 0, at loopback (unless this path is on loopback itself), that are not
 * UDP, or that do not parse are refused with G_IO_ERROR_INVALID_DATA; the 26th
 * is refused with G_IO_ERROR_NO_SPACE. A repeated one is taken and ignored.
 * ".local" names are resolved (mDNS) before use. */
gboolean qp_path_add_remote_candidate (QpPath *path, const char *candidate,
    GError **error);
void qp_path_remote_gathering_done (QpPath *path);

typedef enum {
  QP_PATH_SEND_OK,
  QP_PATH_SEND_AGAIN, /* the socket is full; nothing was sent */
  QP_PATH_SEND_ERROR, /* counted; the network said no (ENETUNREACH, EPERM…) */
} QpPathSendResult;

/* Sends `size` bytes as datagrams of `segment` bytes each, the last may be
 * shorter (UDP_SEGMENT where the kernel and the pair allow it, one by one
 * where not). On AGAIN, `*sent` tells how many bytes, a multiple of `segment`,
 * went out. */
QpPathSendResult qp_path_send (QpPath *path, const guint8 *data, gsize size,
    gsize segment, gsize *sent);

/* Calls `writable` once when the socket takes data again after AGAIN. */
void qp_path_notify_writable (QpPath *path,
    void (*writable) (QpPath *path, gpointer user));

/* Sends a connectivity check on the selected pair now, which costs about 120
 * bytes each way: for when the path is silent. If a NAT on our side has changed
 * the pair's address, the peer hears us from there again as soon as it comes,
 * and sends there one round trip later. FALSE: there is no pair, or it is a
 * relayed one, which nothing of this happens to. */
gboolean qp_path_check (QpPath *path);

void qp_path_get_info (QpPath *path, QpPathInfo *info);

/* One sentence for people about what was found and tried so far, in any state:
 * for an error when the owner gives up before the path does. (transfer full) */
char *qp_path_describe (QpPath *path);

/* Largest UDP payload that is safe without probing, in bytes: 1200. Larger ones
 * are not fragmented on their way (DF is set), so those that a network does not
 * carry are lost, even where qp_path_send() says OK. The limit holds
 * for relayed pairs too: QUIC needs no less (RFC 9000, section 14), and with
 * TURN's 4 bytes and IPv6's headers it stays below 1280. */
gsize qp_path_get_max_payload (QpPath *path);

/* Closes the path: no callback is called any more. May be called in any state
 * and from within any callback. TURN allocations are given back in the
 * background (the context must go on being iterated); `closed`, nullable, is
 * called when all is gone, or after 250 ms if a relay does not answer: then the
 * rest goes when the relay's timers end, within three seconds. */
void qp_path_free (QpPath *path, void (*closed) (gpointer user), gpointer user);

G_END_DECLS

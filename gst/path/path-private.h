/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a path is made of, for the files of this room only.
 *
 *   path.c      its life, its state, and what the outside may ask it
 *   agent.c     the NiceAgent: settings, and notes about what it signals
 *   gather.c    local addresses, the start of gathering
 *   servers.c   STUN and TURN servers
 *   remote.c    the peer's credentials and candidates
 *   receiver.c  datagrams in
 *   sender.c    datagrams out
 *   check.c     connectivity checks at will
 *   describe.c  sentences for people
 *
 * libnice's signals and this room's own functions only note what happened and
 * call qp_path_wake(); everything that follows from it, callbacks to the owner
 * included, happens in qp_path_work(), which the context calls. So no callback
 * ever comes from within a function of path.h, nor from within libnice with
 * one exception: `received`, which libnice calls without its lock. */
#pragma once

#include <gst/gst.h>
#include <nice/agent.h>
#include <sys/socket.h>

#include "path/candidate.h"
#include "path/path.h"
#include "path/resolver.h"

G_BEGIN_DECLS

#define QP_PATH_COMPONENT 1
#define QP_PATH_SAFE_PAYLOAD 1200 /* bytes; see qp_path_get_max_payload() */
#define QP_PATH_MAX_REMOTE 25     /* candidates of the peer */
#define QP_PATH_MAX_LOCAL_ADDRESSES 16
#define QP_PATH_MAX_TURN_SERVERS 4   /* libnice takes 8 */
#define QP_PATH_MAX_EARLY 32         /* datagrams held until CONNECTED */
#define QP_PATH_RESOLVE_TIMEOUT 3000 /* ms */

extern GstDebugCategory *qp_path_debug;
#define GST_CAT_DEFAULT qp_path_debug

/* A candidate of the peer. Owned by QpPath.remote, in order of arrival. */
typedef struct {
  QpPath *path;
  QpCandidate candidate;
  QpResolution *resolution; /* of a ".local" name, while it runs */
  gboolean applied;         /* libnice has it */
  gboolean dropped;         /* its name led nowhere */
} QpRemoteCandidate;

/* A STUN or TURN server. Owned by QpPath.server_names. */
typedef struct {
  QpPath *path;
  const QpTurnServer *turn; /* NULL: the STUN server */
  const char *host;
  QpResolution *resolution; /* NULL: answered */
  GList *addresses;         /* of GInetAddress*, the answer */
  gboolean asked;           /* TURN: libnice knows it */
} QpServerName;

struct _QpPath {
  guint id; /* for log lines */
  GMainContext *context;
  QpPathCallbacks callbacks;
  gpointer user;

  gboolean controlling;
  gboolean relay_only;
  char *interface;
  char *stun_host;
  guint16 stun_port;
  GPtrArray *turn_servers; /* of QpTurnServer*, never NULL */
  guint16 min_port, max_port;

  NiceAgent *agent;
  guint stream;
  char *ufrag, *password;

  /* Changed in path.c's set_state() only. */
  QpPathState state;
  gint64 begun; /* monotonic µs of qp_path_gather(), 0 before */

  GSource *work;
  gboolean work_wanted;

  /* Gathering. */
  gboolean gather_asked;
  gboolean gathering; /* libnice gathers, or has gathered */
  gboolean gathering_done;
  gboolean end_told;             /* local_candidate (NULL) was called */
  gboolean have_ipv4, have_ipv6; /* families of the local addresses */
  gboolean loopback;             /* a local candidate is on loopback */
  char *gather_fault;            /* why gathering could not start */
  GPtrArray *server_names;       /* of QpServerName* */
  GSource *turn_delay;           /* until turn_open */
  gboolean turn_open;            /* TURN servers are asked once resolved */
  GArray *local;                 /* of QpCandidate */
  guint local_told;

  /* The peer. */
  char *remote_ufrag, *remote_password;
  gboolean remote_known;   /* credentials were set */
  gboolean remote_applied; /* ... and libnice has them */
  guint checks;            /* qp_path_check(): how many so far */
  gboolean remote_done;
  GPtrArray *remote; /* of QpRemoteCandidate* */

  /* What libnice said last. */
  NiceComponentState component_state;
  gboolean pair_changed;
  gboolean have_pair;
  QpPathEnd pair_local, pair_remote;
  char pair_base[64]; /* numeric address of the local candidate's base */
  struct sockaddr_storage pair_address; /* the remote one's */

  /* Sending; all of the selected pair. */
  GSocket *socket; /* NULL: relayed, libnice sends */
  struct sockaddr_storage remote_address;
  socklen_t remote_address_size;
  gsize gso_below; /* segments that UDP_SEGMENT may take are smaller, bytes */
  int last_errno;  /* so that each new failure is logged once */
  GSource *writable;
  void (*writable_func) (QpPath *path, gpointer user);

  /* Receiving. */
  guint batch;             /* datagrams since the last received_all */
  guint burst;             /* datagrams since the context was last free */
  GMainContext *elsewhere; /* never iterated; see receiver.c */
  GQueue early;            /* of GBytes*, arrived before CONNECTED */

  guint64 bytes_sent, bytes_received;
  guint64 datagrams_sent, datagrams_received;
  guint64 send_errors;

  gboolean closing;
  GSource *close_timeout;
  void (*closed) (gpointer user);
  gpointer closed_user;
};

/* path.c */
void qp_path_wake (QpPath *path);
gboolean qp_path_is_over (QpPath *path); /* FAILED or CLOSED */

/* agent.c */
void qp_path_make_agent (QpPath *path);
void qp_path_tune_sockets (QpPath *path);

/* gather.c */
void qp_path_begin_gathering (QpPath *path);
void qp_path_start_agent (QpPath *path);      /* once STUN is resolved */
gboolean qp_path_has_gathered (QpPath *path); /* no candidate will come */

/* servers.c */
gboolean qp_path_resolve_servers (QpPath *path); /* TRUE: STUN is, or none */
void qp_path_ask_servers (QpPath *path);
gboolean qp_path_expects_servers (QpPath *path);
void qp_path_forget_servers (QpPath *path);
void qp_path_server_name_free (gpointer data);

/* remote.c */
void qp_path_apply_remote (QpPath *path);
void qp_path_remote_candidate_free (gpointer data);

/* receiver.c */
void qp_path_receive (NiceAgent *agent, guint stream, guint component,
    guint size, char *data, gpointer user);
void qp_path_deliver_early (QpPath *path);
void qp_path_end_batch (QpPath *path);

/* sender.c */
void qp_path_use_pair (QpPath *path);
void qp_path_stop_sending (QpPath *path);

/* describe.c */
void qp_path_end_from_candidate (QpPathEnd *end,
    const NiceCandidate *candidate);
void qp_path_end_from_parts (QpPathEnd *end, QpCandidateType type,
    const char *address, guint16 port);
char *qp_path_describe_failure (QpPath *path);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See mover.h. */
#include "session/mover.h"

#include <string.h>

#include "session/liveness.h"
#include "session/session-private.h"

#define GST_CAT_DEFAULT qp_session_debug

/* How exact liveness is. */
#define TICK_MS 10
/* A tick that comes later than this tells of this machine, not of a path. */
#define LATE_US (20 * 1000)
/* A better path is looked for so often: that asks the kernel for its interfaces,
 * and with sixteen peers was half of what sending them 2 Mb/s costs. */
#define PLAN_US ((gint64) 100 * 1000)
/* A path that is silent, with no other known, may yet speak up. */
#define HOPE_US (100 * 1000)
/* Without any path for so long, people are told. */
#define CUT_US (1 * G_USEC_PER_SEC)
/* The peer sends elsewhere and nothing comes on the path in use: longer than
 * the pauses between frames, so that it is no accident. */
#define DESERTED_US (30 * 1000)
/* After a move the rest of what was sent on the former path still comes in. */
#define LEFTOVERS_US (250 * 1000)
/* While nothing is heard, so long each other path has its turn: as a part of
 * the time that it has lasted, with bounds. */
#define TURN_PART 16
#define TURN_MIN_US (20 * 1000)
#define TURN_MAX_US (200 * 1000)
/* What is given to the first choice before the others have theirs: a round trip,
 * but that is not known of a fresh path. */
#define HEAD_START_MIN_US (50 * 1000)
#define HEAD_START_MAX_US (200 * 1000)
/* The server repeats its sign to move. */
#define PING_US (20 * 1000)
/* A silent path is checked, and again after this, and after twice as much each
 * time up to a limit, while it stays silent. */
#define CHECK_US (20 * 1000)
#define CHECK_DOUBLINGS 6
/* A planned move, or the server's wish for one, that led nowhere is not
 * repeated before. */
#define PATIENCE_US (3 * G_USEC_PER_SEC)
/* The cause of path 0's succession, in which no network changes. */
#define SUCCESSION "secured by the call's own keys"

/* Every path carries a datagram of that size (RFC 9000, 14). */
#define LAST_SIZE 1200

typedef enum {
  QP_MOVER_SETTLED,    /* on the path in use, with no other in mind */
  QP_MOVER_VALIDATING, /* client: `target` is being validated, the path in use
                        * carries the data */
  QP_MOVER_HOMELESS, /* the path in use does not work, and no other is known */
} QpMoverState;

struct _QpMover {
  QpPaths *paths;
  QpQuic *quic;
  gboolean client;
  char *name;
  QpMoverCallbacks callbacks;
  gpointer user;

  QpMoverState state;
  guint active; /* as QUIC has it */
  guint target; /* VALIDATING */
  char *cause;  /* of the move under way or just made; nullable */
  QpLiveness liveness;
  QpHearing hearing;    /* of `active` */
  gint64 pto_us;        /* of the last path that answered */
  gint64 former_pto_us; /* the same, until `active` has answered; then 0 */
  guint checks;         /* of `active` since it was heard or answered */
  gint64 check_us;      /* not before */
  gint64 ticked_us;
  GSource *tick;
  gint64 planned_us;

  int wanted; /* client: move there when QUIC lets us; -1 */
  gboolean wanted_at_once;
  int detour; /* server: what QUIC sends on `active` leaves here; -1 */
  /* Since the path in use was left in silence or with its network, nothing was
   * heard: what is sent leaves on `extra` as well, each path in turn. */
  gboolean searching;
  gboolean unanswered; /* server: the peer is heard, but does not hear us */
  int extra;           /* -1 */
  gint64 search_us, turn_us;
  guint8 last[LAST_SIZE]; /* the last datagram that QUIC sent and that fits */
  gsize last_size;
  gboolean sent; /* QUIC has sent something in this turn */
  int nudge;     /* server: the next batch leaves here; -1 */
  gint64 patient_until_us;
  gint64 moved_us;  /* when QUIC moved last */
  gint64 pinged_us; /* server: the last sign to move */

  gint64 last_received_us; /* on any path */
  gint64 heard_us;         /* on `active` */
  int moved_from;          /* the first packet on the new path is awaited; -1 */
  gint64 gap_from_us, last_gap_us;
  guint moves;
  gint64 homeless_us; /* HOMELESS: since */
  gboolean told_lost; /* of the path in use */
  gboolean cut;
};

static const char *
state_to_string (QpMoverState state)
{
  static const char *const names[] = { "settled", "validating", "homeless" };

  return names[state];
}

static void
set_state (QpMover *mover, QpMoverState state, const char *why)
{
  if (mover->state == state)
    return;
  GST_INFO ("%s: path %u, %s → %s: %s", mover->name, mover->active,
      state_to_string (mover->state), state_to_string (state), why);
  mover->state = state;
  if (state == QP_MOVER_HOMELESS)
    mover->homeless_us = g_get_monotonic_time ();
}

static void
set_cut (QpMover *mover, gboolean cut)
{
  if (mover->cut == cut)
    return;
  mover->cut = cut;
  mover->callbacks.cut (cut, mover->user);
}

/* --- Moving ----------------------------------------------------------------- */

/* Client. FALSE: not now; it is tried again with the next tick. */
static gboolean
move (QpMover *mover, guint number, gboolean at_once)
{
  g_autoptr (GError) error = NULL;

  if (number == mover->active || !qp_paths_is_usable (mover->paths, number)) {
    mover->wanted = -1;
    return FALSE;
  }
  if (mover->state == QP_MOVER_VALIDATING && mover->target == number &&
      !at_once)
    return TRUE;
  if (!qp_quic_migrate (mover->quic, number, at_once, 1200, &error)) {
    GST_DEBUG ("%s: %s", mover->name, error->message);
    mover->wanted = (int) number;
    mover->wanted_at_once = at_once;
    return FALSE;
  }
  mover->wanted = -1;
  mover->target = number;
  qp_liveness_init (&mover->liveness);
  if (!at_once)
    set_state (mover, QP_MOVER_VALIDATING, mover->cause);
  return TRUE;
}

static void
set_cause (QpMover *mover, const char *cause)
{
  char *former = mover->cause;

  /* `cause` may be the former one. */
  mover->cause = g_strdup (cause);
  g_free (former);
}

static void
tell_lost (QpMover *mover, const char *cause)
{
  if (mover->told_lost)
    return;
  mover->told_lost = TRUE;
  mover->callbacks.lost (mover->active, cause, mover->user);
}

/* Nothing is heard: every usable path gets copies of what is sent, until one
 * brings an answer. The first choice has a head start. */
static void
search (QpMover *mover, gint64 head_start_us)
{
  if (mover->searching)
    return;
  mover->searching = TRUE;
  mover->extra = -1;
  mover->search_us = g_get_monotonic_time ();
  mover->turn_us = mover->search_us + head_start_us;
}

static guint
get_way_out (QpMover *mover)
{
  if (mover->nudge >= 0)
    return (guint) mover->nudge;
  return mover->detour >= 0 ? (guint) mover->detour : mover->active;
}

/* QUIC falls silent itself, with its window full of what is lost and its timers
 * backing off: then what it sent last goes out again. Where the first copy got
 * through, QUIC ignores the second; where none did, it is as good as new. */
static void
repeat_last (QpMover *mover)
{
  if (mover->last_size == 0)
    return;
  qp_paths_send (mover->paths, get_way_out (mover), mover->last,
      mover->last_size, mover->last_size, NULL);
  if (mover->extra >= 0)
    qp_paths_send (mover->paths, (guint) mover->extra, mover->last,
        mover->last_size, mover->last_size, NULL);
}

static void
take_turns (QpMover *mover, gint64 now)
{
  if (!mover->searching || now < mover->turn_us)
    return;
  mover->turn_us = now +
      CLAMP ((now - mover->search_us) / TURN_PART, TURN_MIN_US, TURN_MAX_US);
  mover->extra = qp_paths_get_next (mover->paths, mover->extra,
      (int) get_way_out (mover));
  mover->sent = FALSE;
  mover->callbacks.ping (mover->user);
  if (!mover->sent)
    repeat_last (mover);
}

static void
stop_search (QpMover *mover)
{
  mover->searching = mover->unanswered = FALSE;
  mover->extra = -1;
}

static void
leave_for (QpMover *mover, guint best, const char *cause, gboolean at_once)
{
  if (mover->client) {
    move (mover, best, at_once);
  } else if (mover->detour != (int) best) {
    GST_INFO ("%s: sending on path %u instead of %u: %s", mover->name, best,
        mover->active, cause);
    mover->detour = (int) best;
    mover->pinged_us = g_get_monotonic_time ();
    mover->callbacks.ping (mover->user);
  }
}

/* The path in use does not work (any more); at once: not even in one direction. */
static void
leave_path (QpMover *mover, const char *cause, gboolean at_once)
{
  int best = qp_paths_get_best (mover->paths, (int) mover->active);
  gboolean hopeless = best < 0 ||
      (at_once && qp_paths_is_doubted (mover->paths, (guint) best));

  set_cause (mover, cause);
  cause = mover->cause; /* it may have been the former one */
  if (best >= 0)
    tell_lost (mover, cause);
  if (at_once)
    search (mover,
        hopeless ? 0
                 : CLAMP (mover->pto_us, HEAD_START_MIN_US, HEAD_START_MAX_US));
  if (hopeless)
    set_state (mover, QP_MOVER_HOMELESS, cause);
  else
    leave_for (mover, (guint) best, cause, at_once);
  take_turns (mover, g_get_monotonic_time ());
}

/* --- Silence ---------------------------------------------------------------- */

/* A relay beside the path in use is the last resort: it may well be cut off by
 * what cut us off, and a check may mend that. */
static gboolean
is_worth_waiting (QpMover *mover, gint64 silence)
{
  int best = qp_paths_get_best (mover->paths, (int) mover->active);

  return silence < HOPE_US + QP_LIVENESS_MIN_US && best >= 0 &&
      qp_paths_is_relayed (mover->paths, (guint) best) &&
      !qp_paths_is_relayed (mover->paths, mover->active) &&
      qp_paths_is_usable (mover->paths, mover->active);
}

/* While something is heard, a slow network is no reason to go to another path
 * over the same one. */
static gboolean
has_only_a_twin (QpMover *mover)
{
  int best = qp_paths_get_best (mover->paths, (int) mover->active);

  return best >= 0 &&
      qp_paths_are_twins (mover->paths, mover->active, (guint) best);
}

static void
doubt (QpMover *mover, gint64 now, gboolean deaf)
{
  gint64 silence = now - mover->liveness.waiting_since_us;

  if (is_worth_waiting (mover, silence))
    return;
  /* While the client's packets come in, the server stays where it is; but the
   * client may be deaf, and its calls on other paths are nothing new to QUIC, for
   * they come in here as well: so copies go out for it to find. */
  if (!mover->client && !deaf) {
    mover->unanswered = TRUE;
    search (mover, 0);
    return;
  }
  if (!deaf && has_only_a_twin (mover)) {
    qp_liveness_init (&mover->liveness);
    return;
  }
  GST_INFO ("%s: path %u is in doubt: nothing acknowledged for %.0f ms, "
            "nothing heard for %.0f ms",
      mover->name, mover->active, silence / 1000.0,
      (now - mover->heard_us) / 1000.0);
  qp_paths_doubt (mover->paths, mover->active);
  qp_liveness_init (&mover->liveness);
  leave_path (mover, "silence", deaf);
}

/* Long before there is doubt: if nothing but a NAT's memory is at fault, an ICE
 * check mends it, and there is no reason to move. */
static void
check (QpMover *mover, const QpQuicInfo *info, gint64 now)
{
  gboolean overdue = qp_liveness_is_overdue (&mover->liveness, now,
      (gint64) info->srtt_us, (gint64) info->rttvar_us);

  if (!overdue && !qp_hearing_is_silent (&mover->hearing, now)) {
    mover->checks = 0;
    return;
  }
  if (now < mover->check_us)
    return;
  mover->check_us = now +
      ((gint64) CHECK_US << MIN (mover->checks, CHECK_DOUBLINGS));
  mover->checks++;
  if (qp_paths_check (mover->paths, mover->active))
    GST_DEBUG ("%s: path %u is checked: nothing %s", mover->name, mover->active,
        overdue ? "acknowledged in time" : "heard for longer than usual");
}

static gboolean
is_succession (QpMover *mover, guint to)
{
  return mover->active == 0 && qp_paths_are_twins (mover->paths, 0, to);
}

static void
plan (QpMover *mover, gint64 now)
{
  int preferred;

  if (mover->state != QP_MOVER_SETTLED || now < mover->patient_until_us ||
      mover->detour >= 0 || now - mover->planned_us < PLAN_US)
    return;
  mover->planned_us = now;
  preferred = qp_paths_get_preferred (mover->paths);
  if (preferred < 0)
    return;
  mover->patient_until_us = now + PATIENCE_US;
  if (mover->client) {
    set_cause (mover,
        is_succession (mover, (guint) preferred) ? SUCCESSION
                                                 : "a better path came up");
    move (mover, (guint) preferred, FALSE);
  } else {
    mover->nudge = preferred;
    mover->callbacks.ping (mover->user);
    mover->nudge = -1;
  }
}

static void
seek_home (QpMover *mover, gint64 now)
{
  int best = qp_paths_get_best (mover->paths, (int) mover->active);

  if (best >= 0 && !qp_paths_is_doubted (mover->paths, (guint) best)) {
    leave_path (mover, mover->cause, TRUE);
    return;
  }
  /* With nowhere to go, a pause of the machine's or the peer's is no reason to
   * build new paths; a network that is gone is. */
  if (!qp_paths_is_usable (mover->paths, mover->active) ||
      now - mover->homeless_us > HOPE_US)
    qp_paths_renew (mover->paths);
  if (now - mover->homeless_us > CUT_US) {
    tell_lost (mover, mover->cause);
    set_cut (mover, TRUE);
  }
}

/* QUIC begins on each path with a guess of the round trip that is three times
 * what most have. Until there is a first answer, what the path before had is a
 * better one. */
static gint64
get_pto (QpMover *mover, const QpQuicInfo *info)
{
  gint64 pto = (gint64) info->pto_us;

  if (info->last_ack_us > mover->moved_us)
    mover->former_pto_us = 0;
  if (mover->former_pto_us > 0)
    return MIN (pto, mover->former_pto_us);
  mover->pto_us = pto;
  if (info->srtt_us > 0 && info->last_ack_us > mover->moved_us)
    qp_paths_set_rtt (mover->paths, mover->active, (gint64) info->srtt_us);
  return pto;
}

/* While this thread slept, or was kept from running, answers may have come that
 * are still to be read: that time says nothing about the path. */
static void
forgive_own_sleep (QpMover *mover, gint64 now)
{
  gint64 late = now - mover->ticked_us - TICK_MS * 1000;

  mover->ticked_us = now;
  if (late <= LATE_US)
    return;
  qp_liveness_forgive (&mover->liveness, late);
  qp_hearing_forgive (&mover->hearing, late);
  mover->heard_us = MIN (mover->heard_us + late, now);
}

static gboolean
on_tick (gpointer data)
{
  QpMover *mover = data;
  gint64 now = g_get_monotonic_time ();
  gboolean deaf, doubtful;
  QpQuicInfo info;

  forgive_own_sleep (mover, now);

  qp_quic_get_info (mover->quic, &info);
  if (info.state != QP_QUIC_ESTABLISHED)
    return G_SOURCE_CONTINUE;
  if (mover->wanted >= 0)
    move (mover, (guint) mover->wanted, mover->wanted_at_once);
  if (mover->detour >= 0 && now - mover->pinged_us >= PING_US) {
    mover->pinged_us = now;
    mover->callbacks.ping (mover->user);
  }

  qp_liveness_update (&mover->liveness, now, info.bytes_in_flight,
      info.last_ack_us);
  check (mover, &info, now);
  take_turns (mover, now);
  deaf = now - mover->heard_us > QP_LIVENESS_MIN_US / 2;
  doubtful = qp_liveness_in_doubt (&mover->liveness, now,
      get_pto (mover, &info), deaf);
  if (mover->unanswered && !doubtful)
    stop_search (mover);
  if (mover->state == QP_MOVER_HOMELESS)
    seek_home (mover, now);
  else if (doubtful)
    doubt (mover, now, deaf);
  else
    plan (mover, now);
  return G_SOURCE_CONTINUE;
}

/* --- From the paths --------------------------------------------------------- */

/* Client: the server sends on another path. */
static void
heed_sign (QpMover *mover, guint path, gint64 now)
{
  gboolean deserted = now - mover->heard_us > DESERTED_US;

  if (mover->wanted >= 0)
    return;
  if (!mover->searching &&
      (mover->state == QP_MOVER_VALIDATING ||
          now - mover->moved_us < LEFTOVERS_US ||
          (!deserted && now < mover->patient_until_us)))
    return;
  /* Whatever was sent there arrived, or its answer would not be here. */
  qp_paths_trust (mover->paths, path);
  set_cause (mover, mover->searching ? mover->cause : "the peer sends there");
  if (deserted || mover->searching) {
    move (mover, path, TRUE);
  } else {
    mover->wanted = (int) path;
    mover->wanted_at_once = FALSE;
  }
}

static void
tell_moved (QpMover *mover, gint64 now)
{
  gint64 gap = MAX (now - mover->gap_from_us, 0);
  g_autofree char *cause = g_steal_pointer (&mover->cause);

  if (g_strcmp0 (cause, SUCCESSION) != 0) {
    mover->moves++;
    mover->last_gap_us = gap;
  }
  mover->callbacks.moved ((guint) mover->moved_from, mover->active,
      cause ? cause : "the peer moved", gap, mover->user);
  mover->moved_from = -1;
}

static void
hear (QpMover *mover, gint64 now)
{
  if (mover->moved_from >= 0)
    tell_moved (mover, now);
  mover->heard_us = now;
  qp_hearing_heard (&mover->hearing, now);
  if (!mover->unanswered)
    stop_search (mover);
  if (mover->detour >= 0 && qp_paths_is_usable (mover->paths, mover->active)) {
    GST_INFO ("%s: path %u works again, no more detour over %d", mover->name,
        mover->active, mover->detour);
    mover->detour = -1;
  }
  if (mover->state == QP_MOVER_HOMELESS) {
    /* What a long silence has made of congestion control and timers would hold
     * media back for seconds. */
    if (now - mover->homeless_us > CUT_US)
      qp_quic_renew_path (mover->quic);
    set_state (mover, QP_MOVER_SETTLED, "the path works again");
    mover->told_lost = FALSE;
    qp_liveness_init (&mover->liveness);
  }
  set_cut (mover, FALSE);
}

guint
qp_mover_receive (QpMover *mover, guint path)
{
  gint64 now = g_get_monotonic_time ();
  gboolean elsewhere = mover->client && path != mover->active &&
      (mover->state != QP_MOVER_VALIDATING || path != mover->target);

  /* What is left of a former path, or the server's wish to move. If QUIC moves,
   * it does so before it gets the packet, and answers there: the server may
   * wait for that, with a challenge (RFC 9000, 8.2) and no leave to send. */
  if (elsewhere)
    heed_sign (mover, path, now);
  if (path == mover->active)
    hear (mover, now);
  mover->last_received_us = now;
  /* QUIC knows only the path in use, and must not lose the packet. */
  return elsewhere ? mover->active : path;
}

void
qp_mover_received_all (QpMover *mover)
{
  if (mover->wanted >= 0)
    move (mover, (guint) mover->wanted, mover->wanted_at_once);
}

static void
remember_last (QpMover *mover, const guint8 *data, gsize size, gsize segment)
{
  gsize begin = (size - 1) / segment * segment;

  mover->sent = TRUE;
  if (size - begin > sizeof mover->last)
    return;
  mover->last_size = size - begin;
  memcpy (mover->last, data + begin, mover->last_size);
}

QpPathSendResult
qp_mover_send (QpMover *mover, guint path, const guint8 *data, gsize size,
    gsize segment, gsize *sent)
{
  guint out = path == mover->active ? get_way_out (mover) : path;
  QpPathSendResult result = qp_paths_send (mover->paths, out, data, size,
      segment, sent);

  remember_last (mover, data, size, segment);
  if (result == QP_PATH_SEND_AGAIN)
    size = *sent;
  /* QUIC does not mind a packet that arrives twice. */
  if (mover->extra >= 0 && (guint) mover->extra != out && size > 0)
    qp_paths_send (mover->paths, (guint) mover->extra, data, size, segment,
        NULL);
  return result;
}

void
qp_mover_path_answers (QpMover *mover, guint path)
{
  qp_paths_trust (mover->paths, path);
  if (path == mover->active)
    qp_liveness_init (&mover->liveness);
  else if (mover->searching)
    mover->extra = (int) path;
}

void
qp_mover_path_usable (QpMover *mover, guint path)
{
  if (!mover->client)
    qp_quic_add_path (mover->quic, path);
  if (mover->state == QP_MOVER_HOMELESS && path != mover->active)
    leave_path (mover, mover->cause, TRUE);
}

void
qp_mover_path_lost (QpMover *mover, guint path, const char *cause)
{
  if ((int) path == mover->detour) {
    mover->detour = -1;
    leave_path (mover, cause, TRUE);
  }
  if (path != mover->active)
    return;
  tell_lost (mover, cause);
  leave_path (mover, cause, TRUE);
}

/* --- From QUIC -------------------------------------------------------------- */

void
qp_mover_path_result (QpMover *mover, guint path, gboolean validated)
{
  if (validated) {
    qp_paths_trust (mover->paths, path);
    if (mover->state == QP_MOVER_VALIDATING && path == mover->target)
      set_state (mover, QP_MOVER_SETTLED, "validated");
    return;
  }
  qp_paths_doubt (mover->paths, path);
  if (mover->state == QP_MOVER_VALIDATING && path == mover->target)
    set_state (mover, QP_MOVER_SETTLED, "the other path did not answer");
  mover->patient_until_us = g_get_monotonic_time () + PATIENCE_US;
}

void
qp_mover_path_changed (QpMover *mover, guint path)
{
  if (path == mover->active)
    return;
  if (mover->moved_from < 0) {
    mover->moved_from = (int) mover->active;
    mover->gap_from_us = mover->last_received_us;
  }
  if (!mover->client && mover->detour < 0 && is_succession (mover, path))
    set_cause (mover, SUCCESSION);
  /* A client that leaves by itself had its reasons: no sign to go back soon. */
  if (!mover->client && mover->detour < 0)
    qp_paths_doubt (mover->paths, mover->active);
  mover->active = path;
  mover->told_lost = mover->unanswered = FALSE;
  mover->detour = -1;
  mover->heard_us = mover->moved_us = g_get_monotonic_time ();
  mover->former_pto_us = mover->pto_us;
  mover->patient_until_us = mover->heard_us + PATIENCE_US;
  qp_liveness_init (&mover->liveness);
  qp_hearing_init (&mover->hearing, mover->heard_us);
  set_state (mover, QP_MOVER_SETTLED, "moved");
  qp_paths_set_active (mover->paths, path);
}

/* --- Life ------------------------------------------------------------------- */

QpMover *
qp_mover_new (GMainContext *context, QpPaths *paths, QpQuic *quic,
    gboolean client, const char *name, const QpMoverCallbacks *callbacks,
    gpointer user)
{
  QpMover *mover = g_new0 (QpMover, 1);

  mover->paths = paths;
  mover->quic = quic;
  mover->client = client;
  mover->name = g_strdup (name);
  mover->callbacks = *callbacks;
  mover->user = user;
  mover->wanted = mover->detour = mover->nudge = mover->moved_from = -1;
  mover->extra = -1;
  mover->last_gap_us = -1;
  mover->last_received_us = mover->heard_us = mover->ticked_us =
      g_get_monotonic_time ();
  qp_liveness_init (&mover->liveness);
  qp_hearing_init (&mover->hearing, mover->heard_us);
  mover->tick = g_timeout_source_new (TICK_MS);
  g_source_set_callback (mover->tick, on_tick, mover, NULL);
  g_source_attach (mover->tick, context);
  return mover;
}

void
qp_mover_free (QpMover *mover)
{
  qp_clear_source (&mover->tick);
  g_free (mover->cause);
  g_free (mover->name);
  g_free (mover);
}

gboolean
qp_mover_is_cut (QpMover *mover)
{
  return mover->cut;
}

guint
qp_mover_get_moves (QpMover *mover, gint64 *gap_us)
{
  *gap_us = mover->last_gap_us;
  return mover->moves;
}

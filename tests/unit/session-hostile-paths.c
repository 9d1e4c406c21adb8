/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Offers of further paths by those who may make them and by those who may not,
 * and peers that move all the time: bounded work and memory for the camera, and
 * its call with somebody else goes on. */
#include <string.h>

#include "tests/unit/hostile-peer.h"

/* The sanitizer makes each allocation while an offer is read cost a hundred
 * times as much. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MANY 1000
#else
#define MANY 10000
#endif

#define KEY_SIZE 32
#define KEY_LABEL "EXPORTER-quicp2p-paths"

/* Offers that are followed at once, and one in half a second after that. */
#define BURST 16
#define A_SECOND 2
/* Paths at once. */
#define MAX_PATHS 8

typedef struct {
  QpSignalingServer *server;
  Victims victims;
  Rogue rogue;
  guint8 key[KEY_SIZE];
} Scene;

/* What eight paths cost on the camera's side. */
static const Cost eight_paths = { .heap = 16 * 1024 * 1024, .fds = 64 };

static void
scene_start (Scene *scene)
{
  g_autoptr (QpConfig) config = NULL;
  guint port;

  scene->server = hostile_server_new ();
  port = qp_signaling_server_get_port (scene->server);
  config = side_make_config (port, FALSE);
  victims_start (&scene->victims, config, config, QP_MAPPING_STREAM_PER_FRAME);
  rogue_connect (&scene->rogue, port);
  /* The client opens the control stream. */
  ROGUE_WAIT (scene->rogue.sdp != NULL);
  g_assert_true (qp_quic_export_key (scene->rogue.quic, KEY_LABEL, scene->key,
      sizeof scene->key));
  victims_mark (&scene->victims);
}

static void
scene_end (Scene *scene, const Cost *cost)
{
  victims_watch (&scene->victims);
  g_assert_false (scene->rogue.closed);
  rogue_leave (&scene->rogue);
  victims_survived (&scene->victims, cost);
  qp_signaling_server_free (scene->server);
}

static char *
make_mac (Scene *scene, const guint8 *key, const char *type, guint path,
    const char *text)
{
  g_autofree char *all = g_strdup_printf ("%s\n%s\n%u\ncontrolling\n%s", type,
      scene->rogue.call, path, text);

  return g_compute_hmac_for_string (G_CHECKSUM_SHA256, key, KEY_SIZE, all, -1);
}

static QpMessage *
make_offer (Scene *scene, const guint8 *key, guint path)
{
  QpMessage *offer = qp_message_new (QP_MESSAGE_PATH_OFFER);

  offer->call = g_strdup (scene->rogue.call);
  offer->path = path;
  offer->ufrag = g_strdup ("abcd");
  offer->mac = make_mac (scene, key, "path-offer", path, offer->ufrag);
  return offer;
}

/* Takes the message. The camera reads it before long: in between it is looked
 * at what that costs. */
static void
send_control (Scene *scene, QpMessage *message)
{
  g_autofree char *json = qp_message_to_json (message);

  qp_message_free (message);
  rogue_control (&scene->rogue, json);
  while (qp_quic_get_unsent (scene->rogue.quic, 0) > 65536)
    run_once ();
}

static void
send_signaling (Scene *scene, QpMessage *message)
{
  member_send (&scene->rogue.member, scene->rogue.peer, message);
}

static guint
count_answers (Scene *scene)
{
  return member_count (&scene->rogue.member, QP_MESSAGE_PATH_ANSWER);
}

/* Answers that the time since `begin` allows, with one more for good measure. */
static guint
allowed (gint64 begin)
{
  gint64 seconds = (g_get_monotonic_time () - begin) / G_USEC_PER_SEC + 1;

  return BURST + (guint) seconds * A_SECOND + 1;
}

static void
test_thousands (void)
{
  Scene scene = { 0 };
  gint64 begin;

  scene_start (&scene);
  begin = g_get_monotonic_time ();
  for (guint i = 1; i <= MANY; i++) {
    send_control (&scene, make_offer (&scene, scene.key, 2 * i));
    if (i % 100 == 0) {
      run_once ();
      victims_watch (&scene.victims);
    }
  }
  run_for (500);
  g_assert_cmpuint (count_answers (&scene), >=, MAX_PATHS / 2);
  g_assert_cmpuint (count_answers (&scene), <=, allowed (begin));
  scene_end (&scene, &eight_paths);
}

/* By one who does not have the keys: nothing is made, nothing answered. */
static void
test_forged (void)
{
  const Cost cost = { .heap = 4 * 1024 * 1024, .fds = 2 };
  guint8 key[KEY_SIZE] = { 1, 2, 3 };
  Scene scene = { 0 };

  scene_start (&scene);
  for (guint i = 1; i <= MANY; i++) {
    QpMessage *offer = make_offer (&scene, key, 2 * i);

    if (i % 10 == 0)
      send_signaling (&scene, offer);
    else
      send_control (&scene, offer);
    if (i % 100 == 0) {
      run_once ();
      victims_watch (&scene.victims);
    }
  }
  run_for (500);
  g_assert_cmpuint (count_answers (&scene), ==, 0);
  scene_end (&scene, &cost);
}

/* Numbers that are not the peer's to use: path 0, and those of the other side. */
static void
test_foreign_numbers (void)
{
  const Cost cost = { .heap = 4 * 1024 * 1024, .fds = 2 };
  Scene scene = { 0 };

  scene_start (&scene);
  for (guint i = 0; i < 100; i++) {
    send_control (&scene, make_offer (&scene, scene.key, 2 * i + 1));
    send_control (&scene, make_offer (&scene, scene.key, 0));
  }
  run_for (500);
  g_assert_cmpuint (count_answers (&scene), ==, 0);
  scene_end (&scene, &cost);
}

static void
send_gone (Scene *scene, guint path)
{
  QpMessage *gone = qp_message_new (QP_MESSAGE_PATH_GONE);

  gone->call = g_strdup (scene->rogue.call);
  gone->path = path;
  gone->mac = make_mac (scene, scene->key, "path-gone", path, "");
  send_control (scene, gone);
}

/* A true offer that is over, kept by the server and sent again. */
static void
test_replayed (void)
{
  const Cost cost = { .heap = 4 * 1024 * 1024, .fds = 12 };
  Scene scene = { 0 };
  guint answers;

  scene_start (&scene);
  send_control (&scene, make_offer (&scene, scene.key, 2));
  ROGUE_WAIT (count_answers (&scene) == 1);
  send_gone (&scene, 2);
  run_for (300);
  answers = count_answers (&scene);
  for (guint i = 0; i < 1000; i++) {
    send_signaling (&scene, make_offer (&scene, scene.key, 2));
    if (i % 20 == 0)
      run_once ();
  }
  run_for (500);
  g_assert_cmpuint (count_answers (&scene), ==, answers);
  /* A new one is followed. */
  send_control (&scene, make_offer (&scene, scene.key, 4));
  ROGUE_WAIT (count_answers (&scene) == answers + 1);
  scene_end (&scene, &cost);
}

/* Candidates without end for a path that is made, true ones and forged ones. */
static void
test_candidates (void)
{
  Scene scene = { 0 };

  scene_start (&scene);
  send_control (&scene, make_offer (&scene, scene.key, 2));
  ROGUE_WAIT (count_answers (&scene) == 1);
  for (guint i = 0; i < MANY; i++) {
    g_autofree char *line =
        g_strdup_printf ("candidate:%u 1 udp 2130706431 127.0.0.1 %u typ host",
            i, 1024 + i);
    QpMessage *candidate = new_candidate (scene.rogue.call, line);

    candidate->path = 2;
    if (i % 2 == 0)
      candidate->mac = make_mac (&scene, scene.key, "candidate", 2, line);
    send_control (&scene, candidate);
    if (i % 100 == 0) {
      run_once ();
      victims_watch (&scene.victims);
    }
  }
  run_for (500);
  scene_end (&scene, &eight_paths);
}

/* A path that is offered and given up again, and again. */
static void
test_churn (void)
{
  Scene scene = { 0 };
  gint64 begin;

  scene_start (&scene);
  begin = g_get_monotonic_time ();
  for (guint i = 1; i <= MANY / 10; i++) {
    send_control (&scene, make_offer (&scene, scene.key, 2 * i));
    send_gone (&scene, 2 * i);
    if (i % 20 == 0) {
      run_once ();
      victims_watch (&scene.victims);
    }
  }
  run_for (500);
  g_assert_cmpuint (count_answers (&scene), >=, BURST / 2);
  g_assert_cmpuint (count_answers (&scene), <=, allowed (begin));
  scene_end (&scene, &eight_paths);
}

/* --- A peer that moves all the time ----------------------------------------- */

/* A viewer of everybody, and a producer with a second path to it. */
typedef struct {
  Rogue rogue;
  Side all;
  guint8 key[KEY_SIZE];
  QpPathState state;
} Mover;

static char *
sign (Mover *mover, const char *type, const char *text)
{
  g_autofree char *all = g_strdup_printf ("%s\n%s\n1\ncontrolled\n%s", type,
      mover->rogue.call, text);

  return g_compute_hmac_for_string (G_CHECKSUM_SHA256, mover->key, KEY_SIZE,
      all, -1);
}

static char *
make_password (Mover *mover, const char *side)
{
  g_autofree char *all = g_strdup_printf ("ice-password\n%s\n1\n%s",
      mover->rogue.call, side);

  return g_compute_hmac_for_string (G_CHECKSUM_SHA256, mover->key, KEY_SIZE,
      all, -1);
}

static void
on_further_candidate (QpPath *path, const char *line, gpointer user)
{
  Mover *mover = user;
  QpMessage *candidate = new_candidate (mover->rogue.call, line ? line : "");

  candidate->path = 1;
  candidate->mac = sign (mover, "candidate", line ? line : "");
  member_send (&mover->rogue.member, mover->rogue.peer, candidate);
}

static void
on_further_state (QpPath *path, QpPathState state, const char *cause,
    gpointer user)
{
  ((Mover *) user)->state = state;
}

static void
on_further_received (QpPath *path, const guint8 *data, gsize size,
    gpointer user)
{
  qp_quic_receive (((Mover *) user)->rogue.quic, 1, data, size);
}

static void
on_further_received_all (QpPath *path, gpointer user)
{
  qp_quic_flush (((Mover *) user)->rogue.quic);
}

static void
take_candidates (Mover *mover)
{
  GPtrArray *messages = mover->rogue.member.messages;

  for (guint i = 0; i < messages->len; i++) {
    const QpMessage *message = g_ptr_array_index (messages, i);

    if (message->type == QP_MESSAGE_CANDIDATE && message->path == 1 &&
        message->candidate[0])
      qp_path_add_remote_candidate (mover->rogue.further, message->candidate,
          NULL);
  }
}

static void
add_path (Mover *mover)
{
  static const QpPathCallbacks callbacks = {
    .local_candidate = on_further_candidate,
    .state_changed = on_further_state,
    .received = on_further_received,
    .received_all = on_further_received_all,
  };
  g_autofree char *ours = NULL, *theirs = NULL;
  QpMessage *offer = qp_message_new (QP_MESSAGE_PATH_OFFER);
  QpPathConfig config = { 0 };

  g_assert_true (qp_quic_export_key (mover->rogue.quic, KEY_LABEL, mover->key,
      sizeof mover->key));
  ours = make_password (mover, "controlled");
  theirs = make_password (mover, "controlling");
  config.password = ours;
  mover->rogue.further = qp_path_new (NULL, &config, &callbacks, mover);
  offer->call = g_strdup (mover->rogue.call);
  offer->path = 1;
  offer->ufrag = g_strdup (qp_path_get_ufrag (mover->rogue.further));
  offer->mac = sign (mover, "path-offer", offer->ufrag);
  member_send (&mover->rogue.member, mover->rogue.peer, offer);
  qp_path_gather (mover->rogue.further);
  g_assert_true (qp_path_set_remote_credentials (mover->rogue.further,
      member_wait (&mover->rogue.member, QP_MESSAGE_PATH_ANSWER, 1)->ufrag,
      theirs, NULL));
  ROGUE_WAIT ((take_candidates (mover), mover->state == QP_PATH_CONNECTED));
}

static void
on_closed (gpointer user)
{
  *(gboolean *) user = TRUE;
}

/* As often as QUIC lets it, and with garbage on both paths. */
static guint
move_about (Mover *mover, Victims *victims, guint seconds)
{
  gint64 until = g_get_monotonic_time () + seconds * G_USEC_PER_SEC;
  guint8 garbage[1200];
  guint moves = 0, to = 1;

  memset (garbage, 0x5a, sizeof garbage);
  while (g_get_monotonic_time () < until && !mover->rogue.closed) {
    if (qp_quic_migrate (mover->rogue.quic, to, TRUE, 1200, NULL)) {
      moves++;
      to = !to;
    }
    garbage[1]++;
    qp_path_send (mover->rogue.further, garbage, sizeof garbage, 1200, NULL);
    qp_path_send (mover->rogue.path, garbage, sizeof garbage, 1200, NULL);
    run_for (10);
    victims_watch (victims);
  }
  return moves;
}

static void
test_restless (void)
{
  const Cost cost = { .heap = 16 * 1024 * 1024, .fds = 64, .messages = 16 };
  QpSignalingServer *server = hostile_server_new ();
  guint port = qp_signaling_server_get_port (server);
  g_autoptr (QpConfig) config = side_make_config (port, FALSE);
  Victims victims;
  Mover mover = { 0 };
  guint moves, before, warnings;
  gint64 cpu;
  gboolean closed = FALSE;

  victims_start_at (&victims, port);
  config->producer = g_strdup ("all");
  side_init (&mover.all);
  rogue_join (&mover.rogue, port, "rogue", TRUE);
  side_join (&mover.all, config, FALSE);
  ROGUE_WAIT (mover.rogue.established);
  RUN_UNTIL (&mover.all, mover.all.packets > 10);
  /* The client opens the control stream. */
  g_assert_cmpint (rogue_open (&mover.rogue, TRUE), ==, 0);
  add_path (&mover);
  victims_mark (&victims);
  g_mutex_lock (&mover.all.lock);
  before = mover.all.packets;
  g_mutex_unlock (&mover.all.lock);
  cpu = hostile_cpu_time (&mover.all);
  moves = move_about (&mover, &victims, 6);
  g_test_message ("%u moves in 6 s", moves);
  /* 1000 a minute would be 100. */
  g_assert_cmpuint (moves, >=, 100);
  hostile_check_cpu (&mover.all, victims.marked_us, cpu);
  g_assert_false (mover.rogue.closed);
  /* Beside it the camera is played as before. */
  RUN_UNTIL (&mover.all, mover.all.packets > before + 1000);
  g_mutex_lock (&mover.all.lock);
  warnings = mover.all.warnings;
  g_mutex_unlock (&mover.all.lock);
  g_assert_cmpuint (warnings, ==, 0);
  qp_path_free (g_steal_pointer (&mover.rogue.further), on_closed, &closed);
  ROGUE_WAIT (closed);
  rogue_leave (&mover.rogue);
  qp_session_leave (mover.all.member);
  side_clear (&mover.all);
  victims_survived (&victims, &cost);
  qp_signaling_server_free (server);
}

int
main (int argc, char **argv)
{
  hostile_init (&argc, &argv);
  g_test_add_func ("/hostile/paths/thousands", test_thousands);
  g_test_add_func ("/hostile/paths/forged", test_forged);
  g_test_add_func ("/hostile/paths/foreign-numbers", test_foreign_numbers);
  g_test_add_func ("/hostile/paths/replayed", test_replayed);
  g_test_add_func ("/hostile/paths/candidates", test_candidates);
  g_test_add_func ("/hostile/paths/churn", test_churn);
  g_test_add_func ("/hostile/paths/restless", test_restless);
  return g_test_run ();
}

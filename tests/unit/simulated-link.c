/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See simulated-link.h. */
#include "simulated-link.h"

#define MS ((gint64) 1000)
#define SECOND (1000 * MS)
#define STEP MS
#define DEADLINE (400 * MS) /* of a frame */

typedef struct {
  gint64 born;
  guint64 unsent; /* bytes */
  guint64 unacked;
  gboolean cancelled;
  guint flying; /* packets; freed when nothing is left of it */
} SimFrame;

typedef struct {
  SimCamera *camera;
  SimFrame *frame; /* nullable */
  guint64 size;    /* bytes */
  gint64 sent_at;
  gint64 answer_at; /* G_MAXINT64: lost, or on its way */
} SimPacket;

/* --- The camera ----------------------------------------------------------- */

static void
frame_done (SimCamera *camera, SimFrame *frame)
{
  if (frame->unsent > 0 || frame->flying > 0)
    return;
  if (frame->unacked == 0 && !frame->cancelled) {
    camera->frames_whole++;
    camera->latest = MAX (camera->latest, camera->link->now - frame->born);
  }
  g_queue_remove (&camera->frames, frame);
  g_free (frame);
}

static void
cancel_late_frames (SimCamera *camera)
{
  GList *link = camera->frames.head;

  while (link) {
    SimFrame *frame = link->data;

    link = link->next;
    if (camera->link->now - frame->born <= DEADLINE || frame->cancelled)
      continue;
    frame->cancelled = TRUE;
    camera->frames_cancelled++;
    camera->unsent -= frame->unsent;
    frame->unsent = 0;
    frame_done (camera, frame);
  }
}

/* An encoder keeps its rate on the average only. */
static void
make_frame (SimCamera *camera)
{
  guint64 rate = camera->max;
  guint64 target = qp_rate_estimate_get_target (&camera->estimate);
  SimFrame *frame = g_new0 (SimFrame, 1);
  gdouble size;

  if (target > 0)
    rate = MIN (rate, target);
  size = (gdouble) rate / 8 / camera->frame_rate *
      g_rand_double_range (camera->link->random, 0.7, 1.3);
  if (camera->key_every > 0) {
    guint place = camera->frame_number % camera->key_every;

    size *= (place == 0 ? camera->key_size : 1) * (gdouble) camera->key_every /
        (camera->key_every - 1 + camera->key_size);
  }
  camera->frame_number++;
  frame->born = camera->link->now;
  frame->unsent = frame->unacked = (guint64) size;
  camera->unsent += frame->unsent;
  g_queue_push_tail (&camera->frames, frame);
}

static SimFrame *
first_unsent (SimCamera *camera)
{
  for (GList *link = camera->frames.head; link; link = link->next) {
    if (((SimFrame *) link->data)->unsent > 0)
      return link->data;
  }
  return NULL;
}

static void
send_packet (SimCamera *camera, SimFrame *frame)
{
  SimLink *link = camera->link;
  SimPacket *packet = g_new0 (SimPacket, 1);

  *packet = (SimPacket){ camera, frame, SIM_PACKET, link->now, G_MAXINT64 };
  if (frame) {
    packet->size = MIN (frame->unsent, SIM_PACKET);
    frame->unsent -= packet->size;
    frame->flying++;
    camera->unsent -= packet->size;
  }
  camera->sent += packet->size;
  camera->in_flight += packet->size;
  camera->credit -= (gdouble) packet->size;
  g_queue_push_tail (&camera->flying, packet);
  if (g_rand_double (link->random) >= link->loss &&
      link->queued + packet->size <= link->queue_limit) {
    g_queue_push_tail (&link->queue, packet);
    link->queued += packet->size;
  }
}

/* As BBR does: at a little more than what came through lately, and no more than
 * twice a round trip of it in flight. */
static gboolean
may_send (SimCamera *camera)
{
  if (camera->greedy)
    return camera->in_flight + SIM_PACKET <= camera->window;
  return camera->in_flight < camera->window && camera->credit > 0 &&
      qp_flight_limit_get_room (&camera->flight, camera->in_flight,
          (guint64) camera->link->now * 1000) > 0;
}

static void
send_what_may_be (SimCamera *camera)
{
  gdouble pace = MAX (camera->best * 1.25, 120000.0);

  camera->credit = MIN (camera->credit + pace * STEP / SECOND, 10 * SIM_PACKET);
  while (may_send (camera)) {
    SimFrame *frame = camera->greedy ? NULL : first_unsent (camera);

    if (!frame && !camera->greedy)
      break;
    send_packet (camera, frame);
  }
}

/* --- Answers -------------------------------------------------------------- */

static void
forget_packet (SimCamera *camera, SimPacket *packet, gboolean lost)
{
  SimFrame *frame = packet->frame;

  camera->in_flight -= packet->size;
  if (frame) {
    frame->flying--;
    if (!lost) {
      frame->unacked -= packet->size;
    } else if (!frame->cancelled) {
      frame->unsent += packet->size; /* once more */
      camera->unsent += packet->size;
    }
    frame_done (camera, frame);
  }
  g_free (packet);
}

static void
packet_acked (SimCamera *camera, SimPacket *packet)
{
  if (packet->sent_at >= camera->moved_at)
    camera->rtt = (guint64) (camera->link->now - packet->sent_at);
  camera->acked += packet->size;
  camera->acked_at = camera->link->now;
  if (camera->greedy)
    camera->window += (gdouble) SIM_PACKET * SIM_PACKET / camera->window;
  forget_packet (camera, packet, FALSE);
}

/* Packets before one that was answered 10 ms ago are lost. */
static void
find_losses (SimCamera *camera, gint64 answered_from)
{
  SimPacket *packet;
  gboolean lost = FALSE;

  while ((packet = g_queue_peek_head (&camera->flying)) &&
      packet->answer_at == G_MAXINT64 &&
      (packet->sent_at < answered_from - 10 * MS ||
          camera->link->now - packet->sent_at > 2 * SECOND)) {
    if (g_queue_find (&camera->link->queue, packet))
      break;
    g_queue_pop_head (&camera->flying);
    camera->lost += packet->size;
    lost = TRUE;
    forget_packet (camera, packet, TRUE);
  }
  if (lost && camera->greedy)
    camera->window = MAX (camera->window / 2, 4 * SIM_PACKET);
}

static void
feed (SimCamera *camera)
{
  QpRateSample sample = { .now = camera->link->now,
    .acked_at = camera->acked_at,
    .rtt = camera->rtt,
    .sent = camera->sent,
    .lost = camera->lost,
    .in_flight = camera->in_flight,
    .unsent = camera->unsent };

  qp_rate_estimate_update (&camera->estimate, &sample);
}

static void
take_answers (SimCamera *camera)
{
  GList *link = camera->flying.head;
  gint64 answered_from = 0;

  while (link) {
    SimPacket *packet = link->data;
    GList *following = link->next;

    if (packet->answer_at <= camera->link->now) {
      answered_from = MAX (answered_from, packet->sent_at);
      g_queue_delete_link (&camera->flying, link);
      packet_acked (camera, packet);
    }
    link = following;
  }
  if (answered_from > 0 && camera->rtt > 0)
    qp_flight_limit_update (&camera->flight, camera->rtt * 1000, camera->acked,
        camera->in_flight, (guint64) camera->link->now * 1000);
  find_losses (camera, answered_from);
  if (answered_from > 0 || camera->link->now % (100 * MS) == 0)
    feed (camera);
}

/* The best rate of 100 ms of the last two to four seconds. */
static void
update_window (SimCamera *camera)
{
  static const gint64 span = 100 * MS;
  gint64 round_trip = 2 * camera->link->delay + 20 * MS;
  guint64 rate;

  if (camera->greedy || camera->link->now % span != 0)
    return;
  rate = (camera->acked - camera->best_acked) * SECOND / span;
  camera->best_acked = camera->acked;
  if (camera->link->now - camera->best_turn > 2 * SECOND) {
    camera->best_before = camera->best_now;
    camera->best_now = 0;
    camera->best_turn = camera->link->now;
  }
  camera->best_now = MAX (camera->best_now, rate);
  camera->best = MAX (camera->best_now, camera->best_before);
  camera->window = MAX (2.0 * camera->best * round_trip / SECOND,
      10.0 * SIM_PACKET);
}

static void
run_camera (SimCamera *camera)
{
  if (!camera->on)
    return;
  take_answers (camera);
  update_window (camera);
  if (!camera->greedy) {
    cancel_late_frames (camera);
    if (camera->link->now >= camera->next_frame) {
      make_frame (camera);
      /* No two clocks are alike. */
      camera->next_frame += SECOND / camera->frame_rate + 97 * camera->index;
    }
  }
  send_what_may_be (camera);
}

/* --- The link ------------------------------------------------------------- */

static gint64
jittered (SimLink *link, gint64 not_before)
{
  gint64 at = link->now + link->delay;

  if (link->jitter > 0)
    at += (gint64) (g_rand_double (link->random) * (gdouble) link->jitter);
  return MAX (at, not_before);
}

static void
run_link (SimLink *link)
{
  SimPacket *packet;

  link->sent_share += (gdouble) link->rate / 8 * STEP / SECOND;
  while ((packet = g_queue_peek_head (&link->queue)) &&
      link->sent_share >= (gdouble) packet->size) {
    gint64 now = link->now;

    g_queue_pop_head (&link->queue);
    link->queued -= packet->size;
    link->sent_share -= (gdouble) packet->size;
    link->last_arrival = jittered (link, link->last_arrival);
    link->now = link->last_arrival;
    link->last_answer = jittered (link, link->last_answer);
    link->now = now;
    packet->answer_at = link->last_answer;
  }
  if (!packet)
    link->sent_share = MIN (link->sent_share, SIM_PACKET);
}

void
sim_run (SimLink *link, gint64 time)
{
  gint64 end = link->now + time;

  for (; link->now < end; link->now += STEP) {
    run_link (link);
    for (guint i = 0; i < SIM_MAX_CAMERAS; i++)
      run_camera (&link->cameras[i]);
  }
}

/* --- Life and figures ----------------------------------------------------- */

static void
camera_clear (SimCamera *camera)
{
  g_queue_clear_full (&camera->frames, g_free);
  g_queue_clear_full (&camera->flying, g_free);
}

void
sim_switch_on (SimLink *link, guint index, guint64 max)
{
  SimCamera *camera = &link->cameras[index];

  g_assert (!camera->on);
  *camera = (SimCamera){ .link = link,
    .index = index,
    .on = TRUE,
    .next_frame = link->now,
    .max = max,
    .frame_rate = 30,
    .window = 100 * SIM_PACKET,
    .best = max,
    .best_now = max,
    .best_turn = link->now };
  g_queue_init (&camera->frames);
  g_queue_init (&camera->flying);
  qp_rate_estimate_init (&camera->estimate);
  qp_flight_limit_reset (&camera->flight);
}

void
sim_move (SimCamera *camera)
{
  qp_rate_estimate_move (&camera->estimate);
  qp_flight_limit_reset (&camera->flight);
  camera->moved_at = camera->link->now;
  camera->rtt = 0;
}

void
sim_init (SimLink *link, guint64 rate, guint64 max)
{
  *link = (SimLink){ .now = 1000 * SECOND,
    .rate = rate,
    .queue_limit = rate / 8 / 5,
    .delay = 20 * MS };
  link->random = g_rand_new_with_seed (1);
  g_queue_init (&link->queue);
  sim_switch_on (link, 0, max);
  sim_mark (link);
}

void
sim_clear (SimLink *link)
{
  for (guint i = 0; i < SIM_MAX_CAMERAS; i++)
    camera_clear (&link->cameras[i]);
  g_queue_clear (&link->queue);
  g_rand_free (link->random);
}

void
sim_mark (SimLink *link)
{
  link->mark_at = link->now;
  for (guint i = 0; i < SIM_MAX_CAMERAS; i++) {
    SimCamera *camera = &link->cameras[i];

    camera->mark_sent = camera->sent;
    camera->mark_acked = camera->acked;
    camera->latest = 0;
    camera->frames_whole = camera->frames_cancelled = 0;
  }
}

static guint64
rate_since_mark (const SimCamera *camera, guint64 bytes)
{
  gint64 time = camera->link->now - camera->link->mark_at;

  return time > 0 ? bytes * 8 * SECOND / (guint64) time : 0;
}

guint64
sim_sent_rate (const SimCamera *camera)
{
  return rate_since_mark (camera, camera->sent - camera->mark_sent);
}

guint64
sim_carried_rate (const SimCamera *camera)
{
  return rate_since_mark (camera, camera->acked - camera->mark_acked);
}

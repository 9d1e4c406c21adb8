/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which stream shows on which pad of quicp2psrc.  Pads are exposed by the
 * streaming thread on which the first packet comes out of rtpbin, one at a
 * time; they outlive their producers. */
#include "elements/gstquicp2psrc-private.h"

GST_DEBUG_CATEGORY_EXTERN (gst_quicp2p_src_debug);
#define GST_CAT_DEFAULT gst_quicp2p_src_debug

/* How long after the first pad announced streams without packets may hold up
 * no-more-pads, which players wait for. */
#define NO_MORE_PADS_DELAY GST_SECOND

/* TRUE for the one caller that is to take the pad away. */
static gboolean
claim_pad (GstQuicP2PSrc *self, GstQuicP2PSrcPad *pad)
{
  GList *link;

  /* A pad is in the list before it is on the element, but not with this. */
  g_mutex_lock (&self->expose_lock);
  g_mutex_lock (&self->lock);
  link = g_list_find (self->pads, pad);
  if (link)
    self->pads = g_list_delete_link (self->pads, link);
  g_mutex_unlock (&self->lock);
  g_mutex_unlock (&self->expose_lock);
  return link != NULL;
}

void
gst_quicp2p_src_retire_pad (GstQuicP2PSrc *self, GstQuicP2PSrcPad *pad)
{
  if (!claim_pad (self, pad))
    return;
  GST_INFO_OBJECT (self, "pad %s goes", GST_PAD_NAME (pad));
  gst_quicp2p_src_pad_try_push_eos (pad);
  /* Removed first: who holds a buffer of the pad back lets go of it once the
   * application takes its branch away, and only then the pad comes to rest. */
  g_mutex_lock (&self->expose_lock);
  gst_element_remove_pad (GST_ELEMENT_CAST (self), GST_PAD_CAST (pad));
  g_mutex_unlock (&self->expose_lock);
  gst_pad_set_active (GST_PAD_CAST (pad), FALSE);
  gst_object_unref (pad);
}

/* For gst_element_call_async(). */
static void
retire_pad (GstElement *element, gpointer user)
{
  gst_quicp2p_src_retire_pad (GST_QUICP2P_SRC (element), user);
}

/* EOS of the track is out of its pad. */
static void
on_eos (gpointer user)
{
  GstQuicP2PTrack *track = user;
  g_autoptr (GstElement) self = NULL;

  self = (GstElement *)
      gst_object_get_parent (GST_OBJECT_CAST (track->rtp_src));
  if (self)
    gst_element_call_async (self, gst_quicp2p_src_demolish_track,
        gst_quicp2p_track_ref (track),
        (GDestroyNotify) gst_quicp2p_track_unref);
}

static void
signal_no_more_pads (GstQuicP2PSrc *self)
{
  gboolean signalled;

  g_mutex_lock (&self->lock);
  signalled = self->no_more_pads;
  self->no_more_pads = TRUE;
  g_mutex_unlock (&self->lock);
  if (!signalled)
    gst_element_no_more_pads (GST_ELEMENT_CAST (self));
}

static gboolean
on_pads_timer (GstClock *clock, GstClockTime time, GstClockID id, gpointer user)
{
  signal_no_more_pads (user);
  return TRUE;
}

/* Players wait for no-more-pads, and a stream without packets has no pad: give
 * it a moment. With the lock. */
static void
start_pads_timer (GstQuicP2PSrc *self)
{
  g_autoptr (GstClock) clock = NULL;

  if (self->pads_timer)
    return;
  clock = gst_system_clock_obtain ();
  self->pads_timer = gst_clock_new_single_shot_id (clock,
      gst_clock_get_time (clock) + NO_MORE_PADS_DELAY);
  gst_clock_id_wait_async (self->pads_timer, on_pads_timer,
      gst_object_ref (self), gst_object_unref);
}

void
gst_quicp2p_src_stop_pads_timer (GstQuicP2PSrc *self)
{
  GstClockID timer;

  g_mutex_lock (&self->lock);
  timer = g_steal_pointer (&self->pads_timer);
  self->no_more_pads = FALSE;
  g_mutex_unlock (&self->lock);
  if (timer) {
    gst_clock_id_unschedule (timer);
    gst_clock_id_unref (timer);
  }
}

/* (transfer full), nullable: the pad without a producer that fits best; where
 * all are played, one of the same peer.  A pad with another codec under the same
 * mid will never be shown again: it is returned in @retired (transfer full).
 * With the lock. */
static GstQuicP2PSrcPad *
find_orphan (GstQuicP2PSrc *self, GstQuicP2PTrack *track,
    GstQuicP2PSrcPad **retired)
{
  const char *peer_id = gst_quicp2p_producer_get_peer_id (track->producer);
  GstQuicP2PSrcPad *best = NULL;
  GstQuicP2PMatch best_match = GST_QUICP2P_MATCH_MID;
  GstQuicP2PStreamKind kind;

  gst_quicp2p_track_get_kind (track, &kind);
  for (GList *walk = self->pads; walk; walk = walk->next) {
    GstQuicP2PSrcPad *pad = walk->data;
    GstQuicP2PMatch match = gst_quicp2p_src_pad_match (pad, &kind);
    gboolean eos = gst_quicp2p_src_pad_is_eos (pad);

    if (gst_quicp2p_src_pad_is_shown (pad) && !eos)
      continue;
    if (self->all && !gst_quicp2p_src_pad_is_of (pad, peer_id))
      continue;
    if (match == GST_QUICP2P_MATCH_MID ||
        (match == GST_QUICP2P_MATCH_SAME && eos)) {
      if (!*retired)
        *retired = gst_object_ref (pad);
    } else if (match > best_match && !eos) {
      best = pad;
      best_match = match;
    }
  }
  return best ? gst_object_ref (best) : NULL;
}

/* (transfer full).  With the lock. */
static GstQuicP2PSrcPad *
make_pad (GstQuicP2PSrc *self, GstQuicP2PTrack *track)
{
  GstPadTemplate *templ =
      gst_element_class_get_pad_template (GST_ELEMENT_GET_CLASS (self),
          "src_%u");
  g_autofree char *name = g_strdup_printf ("src_%u", self->next_pad++);
  g_autofree char *stream_id = g_strdup_printf ("%s/%s",
      gst_quicp2p_producer_get_peer_id (track->producer), track->mid);
  GstQuicP2PStreamKind kind;
  GstQuicP2PStreamOwner owner;
  GstPad *pad;

  gst_quicp2p_track_get_kind (track, &kind);
  gst_quicp2p_track_get_owner (track, &owner);
  pad = gst_quicp2p_src_pad_new (templ, name, &kind, stream_id,
      gst_quicp2p_producer_get_group_id (track->producer), self->latency_ms);
  gst_object_ref_sink (pad);
  gst_quicp2p_src_pad_set_owner (GST_QUICP2P_SRC_PAD (pad), &owner);
  self->pads = g_list_append (self->pads, gst_object_ref (pad));
  return GST_QUICP2P_SRC_PAD (pad);
}

/* TRUE if each track that the session has shows on its pad.  With the lock. */
static gboolean
all_shown (GstQuicP2PSrc *self)
{
  for (GList *walk = self->live; walk; walk = walk->next) {
    if (!((GstQuicP2PTrack *) walk->data)->pad)
      return FALSE;
  }
  return TRUE;
}

/* (transfer full), NULL if the track is not to be seen any more: its pad, which
 * is new if @added.  With the lock. */
static GstQuicP2PSrcPad *
choose_pad (GstQuicP2PSrc *self, GstQuicP2PTrack *track, gboolean *added,
    GstQuicP2PSrcPad **retired)
{
  if (track->gone)
    return NULL;
  if (!track->pad) {
    track->pad = find_orphan (self, track, retired);
    *added = !track->pad;
    if (*added)
      track->pad = make_pad (self, track);
  }
  return gst_object_ref (track->pad);
}

/* Tells the pad whose stream it shows now.  With expose_lock, so that an older
 * name does not come last. */
static void
name_owner (GstQuicP2PSrc *self, GstQuicP2PTrack *track, GstQuicP2PSrcPad *pad)
{
  g_autofree char *name = NULL;
  GstQuicP2PStreamOwner owner;

  g_mutex_lock (&self->lock);
  gst_quicp2p_track_get_owner (track, &owner);
  owner.peer_name = name = g_strdup (owner.peer_name);
  g_mutex_unlock (&self->lock);
  /* Without the lock: applications are told of properties that change. */
  gst_quicp2p_src_pad_set_owner (pad, &owner);
}

static gpointer
copy_track (gconstpointer track, gpointer unused)
{
  return gst_quicp2p_track_ref ((GstQuicP2PTrack *) track);
}

/* (transfer full), nullable */
static GstQuicP2PSrcPad *
get_pad (GstQuicP2PSrc *self, GstQuicP2PTrack *track)
{
  GstQuicP2PSrcPad *pad;

  g_mutex_lock (&self->lock);
  pad = track->pad ? gst_object_ref (track->pad) : NULL;
  g_mutex_unlock (&self->lock);
  return pad;
}

void
gst_quicp2p_src_name_owners (GstElement *element, gpointer unused)
{
  GstQuicP2PSrc *self = GST_QUICP2P_SRC (element);
  GList *tracks;

  g_mutex_lock (&self->expose_lock);
  g_mutex_lock (&self->lock);
  tracks = g_list_copy_deep (self->live, copy_track, NULL);
  g_mutex_unlock (&self->lock);
  for (GList *walk = tracks; walk; walk = walk->next) {
    g_autoptr (GstQuicP2PSrcPad) pad = get_pad (self, walk->data);

    if (pad)
      name_owner (self, walk->data, pad);
  }
  g_mutex_unlock (&self->expose_lock);
  g_list_free_full (tracks, (GDestroyNotify) gst_quicp2p_track_unref);
}

void
gst_quicp2p_src_expose (GstQuicP2PTrack *track, GstPad *target, gpointer user)
{
  GstQuicP2PSrc *self = GST_QUICP2P_SRC (user);
  g_autoptr (GstQuicP2PSrcPad) pad = NULL;
  GstQuicP2PSrcPad *retired = NULL;
  gboolean added = FALSE, complete;

  g_mutex_lock (&self->expose_lock);
  g_mutex_lock (&self->lock);
  pad = choose_pad (self, track, &added, &retired);
  complete = all_shown (self);
  if (!complete)
    start_pads_timer (self);
  g_mutex_unlock (&self->lock);
  if (!pad) {
    g_mutex_unlock (&self->expose_lock);
    gst_quicp2p_src_pad_discard (target);
    return;
  }

  GST_INFO_OBJECT (self, "%s of peer %s shows on %s pad %s", track->mid,
      gst_quicp2p_producer_get_peer_id (track->producer), added ? "new" : "old",
      GST_PAD_NAME (pad));
  name_owner (self, track, pad);
  gst_quicp2p_src_pad_attach (pad, target, &track->ended, on_eos,
      gst_quicp2p_track_ref (track), (GDestroyNotify) gst_quicp2p_track_unref);
  if (added)
    gst_element_add_pad (GST_ELEMENT_CAST (self), GST_PAD_CAST (pad));
  g_mutex_unlock (&self->expose_lock);

  if (retired)
    gst_element_call_async (GST_ELEMENT_CAST (self), retire_pad, retired,
        gst_object_unref);
  if (complete)
    signal_no_more_pads (self);
  /* Sinks that were linked only now do not know our latency. */
  if (added)
    gst_element_post_message (GST_ELEMENT_CAST (self),
        gst_message_new_latency (GST_OBJECT_CAST (self)));
}

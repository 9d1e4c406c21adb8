/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A sometimes pad of quicp2psrc: a ghost pad that outlives the producer behind
 * it.  When the producer comes back, the pad gets a new target, and downstream
 * sees no more than new caps and a discontinuity.  Its properties tell whose
 * stream it shows. */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_QUICP2P_SRC_PAD (gst_quicp2p_src_pad_get_type ())
G_DECLARE_FINAL_TYPE (GstQuicP2PSrcPad, gst_quicp2p_src_pad, GST,
    QUICP2P_SRC_PAD, GstGhostPad)

/* What a stream is, to find the pad again that shows it. */
typedef struct {
  const char *mid;           /* its name at the producer */
  const char *media;         /* "audio", "video", … */
  const char *encoding_name; /* as in the caps */
} GstQuicP2PStreamKind;

/* Whose stream it is. */
typedef struct {
  const char *peer_id;
  const char *peer_name; /* nullable */
  guint64 flow_id;
} GstQuicP2PStreamOwner;

/* (transfer floating).  @latency_ms is answered to latency queries. */
GstPad *gst_quicp2p_src_pad_new (GstPadTemplate *templ, const char *name,
    const GstQuicP2PStreamKind *kind, const char *stream_id, guint group_id,
    guint latency_ms);

/* The pad shows a stream of @owner from now on, or its name has changed.  Any
 * thread; blocks nowhere.  Downstream hears of a name by a tag before the next
 * buffer. */
void gst_quicp2p_src_pad_set_owner (GstQuicP2PSrcPad *self,
    const GstQuicP2PStreamOwner *owner);
gboolean gst_quicp2p_src_pad_is_of (GstQuicP2PSrcPad *self,
    const char *peer_id);

typedef enum {
  GST_QUICP2P_MATCH_NONE,
  GST_QUICP2P_MATCH_MID,  /* the same mid, but another codec */
  GST_QUICP2P_MATCH_KIND, /* another mid, the same media and codec */
  GST_QUICP2P_MATCH_SAME, /* all the same */
} GstQuicP2PMatch;

/* How well the pad fits a stream. */
GstQuicP2PMatch gst_quicp2p_src_pad_match (GstQuicP2PSrcPad *self,
    const GstQuicP2PStreamKind *kind);

/* Called on the streaming thread after EOS went out of the pad. */
typedef void (*GstQuicP2PEosFunc) (gpointer user);

/* Makes @target, a pad of rtpbin, the pad's source.  EOS from there is passed
 * on if `*ends`, else dropped: then it is an accident and the producer may come
 * back.  @ends must live as long as @user, which @destroy releases. */
void gst_quicp2p_src_pad_attach (GstQuicP2PSrcPad *self, GstPad *target,
    const gint *ends, GstQuicP2PEosFunc eos, gpointer user,
    GDestroyNotify destroy);
void gst_quicp2p_src_pad_detach (GstQuicP2PSrcPad *self);

/* TRUE while rtpbin feeds the pad. */
gboolean gst_quicp2p_src_pad_is_shown (GstQuicP2PSrcPad *self);

/* Ends the stream, if it has not ended; waits for whoever is downstream. */
void gst_quicp2p_src_pad_push_eos (GstQuicP2PSrcPad *self);
/* …does not wait long: an element that holds a buffer back may do so until the
 * pad that it came from is gone. */
void gst_quicp2p_src_pad_try_push_eos (GstQuicP2PSrcPad *self);
/* The pad is going to be removed without an EOS of its own. */
void gst_quicp2p_src_pad_withhold_eos (GstQuicP2PSrcPad *self);
gboolean gst_quicp2p_src_pad_is_eos (GstQuicP2PSrcPad *self);

/* A pad of rtpbin that nobody wants: lets it run empty. */
void gst_quicp2p_src_pad_discard (GstPad *target);

G_END_DECLS

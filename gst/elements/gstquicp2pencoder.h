/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The encoder upstream of a sink pad, whatever it is called and in whatever unit
 * it counts its bitrate: found by walking against the stream, and set in bit/s.
 *
 * Setting a property may wait for an encoder that is at work: not for the
 * transport thread.  A GstQuicP2PEncoder is used by one thread at a time. */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

typedef struct _GstQuicP2PEncoder GstQuicP2PEncoder;

GstQuicP2PEncoder *gst_quicp2p_encoder_new (void);
/* Gives the encoder its own bitrate back. */
void gst_quicp2p_encoder_free (GstQuicP2PEncoder *self);

/* Looks upstream of @pad for an encoder whose bitrate can be set while it runs,
 * or, if @name is not NULL, for the element of that name.  One that was not there
 * before, or was set by somebody else since, has that bitrate as its own.
 * Returns: FALSE if there is none. */
gboolean gst_quicp2p_encoder_find (GstQuicP2PEncoder *self, GstPad *pad,
    const char *name);

/* What it was set to when it was found, bit/s; 0: automatic. */
guint64 gst_quicp2p_encoder_get_own (GstQuicP2PEncoder *self);
/* Sets it if that differs by some percent, or is its own; 0 for its own. */
void gst_quicp2p_encoder_set (GstQuicP2PEncoder *self, guint64 bitrate);

G_END_DECLS

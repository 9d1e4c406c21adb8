/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What passes one pad: counted, and written to a file if asked for. */
#pragma once

#include <gst/gst.h>
#include <json-glib/json-glib.h>
#include <stdio.h>

typedef struct _ProbeTap ProbeTap;

typedef enum {
  /* Counts only. */
  PROBE_TAP_COUNT,
  /* Each buffer: PTS in ns (u64), size (u32), the bytes. */
  PROBE_TAP_DATA,
  /* Each buffer as RTP: CLOCK_MONOTONIC in us (u64), sequence number (u16),
   * timestamp (u32), SSRC (u32), size (u32). */
  PROBE_TAP_RTP,
} ProbeTapKind;

/* `spec` is ELEMENT.PAD, followed by =FILE unless kind is PROBE_TAP_COUNT. All
 * numbers in the file are little-endian, without padding. NULL with *error set
 * if there is no such pad or the file cannot be written. */
ProbeTap *probe_tap_new (GstBin *pipeline, const char *spec, ProbeTapKind kind,
    GError **error);
/* Counts what passes `pad`, under `name`. */
ProbeTap *probe_tap_new_for_pad (GstPad *pad, const char *name);
/* Records what passes `pad` as PROBE_TAP_RTP does, until the pad is gone; the
 * file is unbuffered, belongs to the caller and may be several pads'. */
void probe_tap_record_arrivals (GstPad *pad, FILE *file);
/* Adds {"ELEMENT.PAD": {"buffers": …, "bytes": …, "caps": …}}. */
void probe_tap_add_counts (ProbeTap *tap, JsonBuilder *builder);
/* Closes the file. Nothing may flow any more. */
void probe_tap_free (ProbeTap *tap);

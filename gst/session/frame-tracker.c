/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where a track's frames start and end.  Two ways to end one, and both are
 * needed: the marker lets the last packet go with the end of its stream at
 * once, the timestamp catches payloaders that set no marker, and frames whose
 * last packet never came. */
#include "session/frame-tracker.h"

void
qp_frame_tracker_init (QpFrameTracker *tracker, QpFrameKind kind)
{
  *tracker = (QpFrameTracker){ .kind = kind };
}

QpFrameEvents
qp_frame_tracker_push (QpFrameTracker *tracker, guint32 timestamp,
    gboolean marker, gboolean delta_unit)
{
  QpFrameEvents events = QP_FRAME_CONTINUES;
  gboolean ends = tracker->kind == QP_FRAME_KIND_AUDIO || marker;

  if (tracker->open && tracker->timestamp != timestamp) {
    events |= QP_FRAME_ENDS_PREVIOUS;
    tracker->open = FALSE;
  }

  if (!tracker->open) {
    events |= QP_FRAME_STARTS;
    tracker->open = TRUE;
    tracker->timestamp = timestamp;
    tracker->key = FALSE;
  }

  /* A keyframe's parameter sets and slices may be flagged one by one. */
  if (!delta_unit)
    tracker->key = TRUE;

  if (ends) {
    events |= QP_FRAME_ENDS;
    tracker->open = FALSE;
  }

  return events;
}

gboolean
qp_frame_tracker_end (QpFrameTracker *tracker)
{
  gboolean was_open = tracker->open;

  tracker->open = FALSE;

  return was_open;
}

gboolean
qp_frame_tracker_is_key (const QpFrameTracker *tracker)
{
  return tracker->key;
}

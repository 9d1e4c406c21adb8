# SPDX-License-Identifier: LGPL-2.1-or-later
"""Draws how a call's rate followed its link, as an SVG: what the link carried, the
estimate of it and what was sent, and below how late each frame came."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__)))), 'examples'))

from handover_picture import BOTTOM, LEFT, PLOT, RIGHT, SPACE, TOP, WIDTH, Picture, nice  # noqa: E402

LINK, SENT, ESTIMATE, LOST = '#999', '#56b4e9', '#d55e00', '#b00020'
MOST = 12     # Mb/s, the scale's end
AVERAGED = 5  # steps: one is less than four frames, and none is like another


def averaged(series):
  values = [value for _, value in series]
  windows = [values[max(0, i - AVERAGED):i] for i in range(1, len(values) + 1)]
  return [(at, sum(window) / len(window)) for (at, _), window in zip(series, windows)]


class RatePicture(Picture):

  def grid(self, top, highest, unit):
    for share in (0.25, 0.5, 0.75, 1):
      y = top + PLOT * (1 - share)
      self.line(LEFT, y, WIDTH - RIGHT, y, '#ddd')
      self.text(LEFT - 6, y + 4, '%g %s' % (highest * share, unit), 'end', 11)
    self.line(LEFT, top + PLOT, WIDTH - RIGHT, top + PLOT)

  def curve(self, series, colour, width, stairs=False):
    points, before = [], None
    for time, rate in series:
      if not 0 <= time <= self.seconds:
        continue
      y = TOP + PLOT * (1 - min(rate / 1e6 / MOST, 1))
      if stairs and before is not None:
        points.append('%.1f,%.1f' % (self.x(time), before))
      points.append('%.1f,%.1f' % (self.x(time), y))
      before = y
    self.parts.append('<polyline points="%s" fill="none" stroke="%s" stroke-width="%g"/>'
                      % (' '.join(points), colour, width))

  def frames(self, frames):
    top = TOP + PLOT + SPACE
    highest = nice(1000 * max(age for _, age in frames if age is not None))
    self.grid(top, highest, 'ms')
    for time, age in frames:
      if age is None:
        self.rect(self.x(time) - 0.6, top, 1.2, PLOT, LOST, 0.35)
      else:
        height = PLOT * 1000 * age / highest
        self.rect(self.x(time) - 0.6, top + PLOT - height, 1.2, height, '#222')

  def legend(self, entries):
    x = LEFT
    for name, colour in entries:
      self.rect(x, 64, 14, 14, colour)
      self.text(x + 20, 76, name)
      x += 60 + 8 * len(name)


def draw(path, steps):
  start = steps.course.steps[0]
  seconds = sum(length for length, _ in steps.SCHEDULE)

  def shifted(series):
    return [(at - start, value) for at, value in series]

  picture = RatePicture(seconds)
  picture.text(LEFT, 34, 'A call over a link of 8, 1 and again 8 Mb/s', size=17, weight='bold')
  picture.legend([('the link', LINK), ('sent, average of half a second', SENT),
                  ('estimate', ESTIMATE), ('frame given up', LOST)])
  picture.grid(TOP, MOST, 'Mb/s')
  picture.curve(shifted(steps.course.link), LINK, 5, stairs=True)
  picture.curve(averaged(shifted(steps.course.sent)), SENT, 1.5)
  picture.curve(shifted(steps.call.estimates()), ESTIMATE, 2, stairs=True)
  picture.frames([frame for frame in shifted(steps.call.frames()) if 0 <= frame[0] < seconds - 0.5])
  picture.axis()
  picture.text((LEFT + WIDTH - RIGHT) / 2, BOTTOM + 36, 'latency of each frame, from payloader to '
               'depayloader', 'middle')
  picture.save(path, BOTTOM + 56)

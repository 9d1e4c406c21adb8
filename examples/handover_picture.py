# SPDX-License-Identifier: LGPL-2.1-or-later
"""Draws what a call went through as an SVG: how long after the one before each
packet came, how late it was, which network carried it, and what happened when."""

# Colours that the colour-blind can tell apart.
COLOURS = {'WiFi': '#0072b2', 'mobile network': '#e69f00'}
MARK = '#b00020'
WIDTH, LEFT, RIGHT = 1000, 72, 24
TOP, PLOT, SPACE = 132, 150, 60
BOTTOM = TOP + 2 * PLOT + SPACE
# Between packets of one frame and the first of the next at 30 frames a second.
SPACING = 1 / 30


def delays(packets):
  """[(time, ms)]: how much later than the fastest packet each one came."""
  unwrapped, last, turns = [], None, 0
  for t, ts in packets:
    if last is not None and ts - last < -2**31:
      turns += 2**32
    last = ts
    unwrapped.append((t, t - (ts + turns) / 90000))
  fastest = min((d for _, d in unwrapped), default=0)
  return [(t, (d - fastest) * 1000) for t, d in unwrapped]


def gaps_of(packets, seconds):
  """[(time, ms)]: how long after the one before each packet came; the silence at
  the end counts."""
  times = [t for t, _ in packets if t <= seconds]
  gaps = [(b, (b - a) * 1000) for a, b in zip(times, times[1:])]
  if not times or times[-1] < seconds - 2 * SPACING:
    gaps.append((seconds, (seconds - (times[-1] if times else 0)) * 1000))
  return gaps


def label(ms, highest):
  return '%g ms' % ms if highest < 2000 else '%g s' % (ms / 1000)


def nice(value):
  """The least round number that is not below it."""
  step = 10
  while True:
    for factor in (1, 2, 4):
      if value <= factor * step:
        return factor * step
    step *= 10


class Picture:

  def __init__(self, seconds):
    self.seconds = seconds
    self.parts = []

  def x(self, time):
    return LEFT + min(max(time, 0), self.seconds) / self.seconds * (WIDTH - LEFT - RIGHT)

  def text(self, x, y, text, anchor='start', size=13, colour='#222', weight='normal'):
    self.parts.append('<text x="%.1f" y="%.1f" font-size="%d" text-anchor="%s" fill="%s" '
                      'font-weight="%s">%s</text>' % (x, y, size, anchor, colour, weight, text))

  def rect(self, x, y, width, height, colour, opacity=1):
    self.parts.append('<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s" opacity="%g"/>'
                      % (x, y, width, height, colour, opacity))

  def line(self, x1, y1, x2, y2, colour='#222', dash='none'):
    self.parts.append('<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s" '
                      'stroke-dasharray="%s"/>' % (x1, y1, x2, y2, colour, dash))

  def bands(self, spans):
    for begin, end, name in spans:
      if name:
        self.rect(self.x(begin), TOP - 8, self.x(end) - self.x(begin), BOTTOM - TOP + 8,
                  COLOURS[name], 0.2)
    x = LEFT
    for name, colour in COLOURS.items():
      self.rect(x, 46, 14, 14, colour, 0.45)
      self.text(x + 20, 58, 'through the ' + name)
      x += 70 + 8 * len(name) + 90
    self.text(x, 58, 'white: nothing is sent')

  def marks(self, events):
    for number, (time, text) in enumerate(events):
      # Two rows: neighbours do not get in each other's way.
      y = 88 + 18 * (number % 2)
      self.line(self.x(time), y - 10, self.x(time), BOTTOM, MARK, '5 3')
      self.text(self.x(time) + 5, y, text, colour=MARK)

  def bars(self, values, top, title, wide=False):
    """values: [(time, ms)], on a scale to the next round number; wide: as long as
    they are high."""
    highest = nice(max([100] + [ms for _, ms in values]))
    for share in (0.25, 0.5, 0.75, 1):
      y = top + PLOT * (1 - share)
      self.line(LEFT, y, WIDTH - RIGHT, y, '#ccc')
      self.text(LEFT - 6, y + 4, label(highest * share, highest), 'end', 11)
    for time, ms in values:
      if 0 <= time <= self.seconds and ms > 0:
        height = PLOT * ms / highest
        begin = self.x(time - ms / 1000) if wide else 0
        width = max(1.2, self.x(time) - begin) if wide else 1.2
        self.rect(self.x(time) - width, top + PLOT - height, width, height, '#222')
    self.line(LEFT, top + PLOT, WIDTH - RIGHT, top + PLOT)
    # Under the numbers of the axis.
    self.text((LEFT + WIDTH - RIGHT) / 2, top + PLOT + 32, title, 'middle')

  def axis(self):
    step = next(step for step in (1, 2, 5, 10, 60, 600) if self.seconds / step <= 14)
    for time in range(0, int(self.seconds) + 1, step):
      self.text(self.x(time), TOP + PLOT + 14, '%d s' % time, 'middle', 11)
      self.text(self.x(time), BOTTOM + 14, '%d s' % time, 'middle', 11)

  def save(self, path, height):
    with open(path, 'w') as stream:
      stream.write('<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" '
                   'font-family="sans-serif"><rect width="100%%" height="100%%" fill="white"/>%s'
                   '</svg>\n' % (WIDTH, height, '\n'.join(self.parts)))


def worst_after(gaps, events, seconds):
  """[(text, ms)]: the longest gap that began after each event and before the
  next. A gap begins with the last packet, a frame earlier than its cause."""
  begun = [(time - ms / 1000 + 2 * SPACING, ms) for time, ms in gaps]
  ends = [time for time, _ in events[1:]] + [seconds]
  return [(text, max((ms for time, ms in begun if begin <= time < end), default=0))
          for (begin, text), end in zip(events, ends)]


def draw(path, transport, seconds, events, spans, packets, sent, decoded):
  """Writes the picture; returns its last line."""
  picture = Picture(seconds)
  gaps = gaps_of([packet for packet in packets if packet[0] >= 0], seconds)
  worst = max((ms for _, ms in gaps), default=seconds * 1000)
  result = ('%s: worst gap %.0f ms, %d of %d frames decoded'
            % (transport, worst, decoded, sent))
  picture.bands(spans)
  picture.bars(gaps, TOP, 'time since the packet before, at the viewer’s transport', wide=True)
  picture.bars(delays(packets), TOP + PLOT + SPACE, 'delay of each packet over the fastest one')
  picture.axis()
  picture.marks(events)
  picture.text(LEFT, 30, '%s: a camera with WiFi and a mobile network' % transport, size=18)
  y = BOTTOM + 76
  picture.text(LEFT, y, result, size=16, weight='bold')
  picture.text(LEFT, y + 24, 'worst gap after — ' + '; '.join(
      '%s: %.0f ms' % one for one in worst_after(gaps, events, seconds)))
  picture.save(path, y + 44)
  return result

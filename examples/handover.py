#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The second half of handover.sh: runs the world and draws it.

handover.py TRANSPORT CLIP PICTURE
"""

import os
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TOP, 'tests', 'net'))

import topology                                    # noqa: E402
from lab import Lab, Skip, require                 # noqa: E402
from peers import Peer, properties, read_rtp       # noqa: E402

SECONDS = 14
SOURCE = ('filesrc location=%s ! decodebin ! videoconvert ! videorate ! '
          'video/x-raw,format=I420,framerate=30/1 ! x264enc tune=zerolatency '
          'speed-preset=ultrafast bitrate=4000 key-int-max=60 ! rtph264pay name=pay')
RTP_CAPS = 'application/x-rtp,media=video,encoding-name=H264,clock-rate=90000,payload=96'
COLOURS = ('#4c72b0', '#dd8452', '#55a868', '#c44e52', '#8172b3', '#937860')


def pipelines(network, transport):
  """(camera's end, viewer's beginning)"""
  if transport == 'srt':
    return ('srtsink uri="srt://%s:5005?mode=caller&latency=200" wait-for-connection=false'
            % network.viewer.address,
            'srtsrc uri="srt://:5005?mode=listener&latency=200" ! %s' % RTP_CAPS)
  room = properties({'uri': network.uri()})
  return 'quicp2psink name=out ' + room, 'quicp2psrc name=source latency=0 ' + room


def play(lab, transport, clip):
  """Returns (start, events, path changes, packets, frames)."""
  network = topology.roaming(lab, ('camera',))
  if transport == 'quicp2p':
    network.start_signaling()
  rtp = lab.file('rtp')
  sink, source = pipelines(network, transport)
  receiver = Peer(network.viewer, 'viewer',
                  source + ' ! rtph264depay name=in ! avdec_h264 ! fakesink name=out sync=false',
                  counts=['out.sink'], rtp={'in.sink': rtp}, keep=True)
  if transport == 'srt':
    receiver.wait_event('state', where=lambda e: e['new'] == 'PAUSED')
  else:
    receiver.wait_state('waiting')
  sender = Peer(network.camera, 'camera', '%s ! %s' % (SOURCE % clip, sink), counts=['pay.src'],
                keep=True)
  receiver.wait_event('first-buffer', 20, lambda e: e['pad'] == 'in.sink')
  start = time.clock_gettime(time.CLOCK_MONOTONIC)
  events = []

  def at(second, text, *commands):
    time.sleep(max(0, start + second - time.clock_gettime(time.CLOCK_MONOTONIC)))
    for command in commands:
      command()
    now = time.clock_gettime(time.CLOCK_MONOTONIC) - start
    events.append((now, text))
    print('%5.1f s  %s' % (now, text), flush=True)

  camera = network.camera
  gateway, metric = network.uplinks['camera-wlan0']
  at(3, 'WiFi is pulled', lambda: camera.ip('link set wlan0 down'))
  at(6, 'WiFi is back', lambda: camera.ip('link set wlan0 up'),
     lambda: camera.ip('route replace default via %s dev wlan0 metric %d' % (gateway, metric)))
  at(10, 'WiFi falls silent', lambda: network.links['camera-wlan0'].set('both down'))
  at(SECONDS, 'end')
  changes = [(event['t'] - start, event['message']) for event in sender.events()
             if event['type'] == 'element' and event['message']['name'] == 'path-changed']
  frames = receiver.count('out.sink')
  sender.process.stop()
  receiver.process.stop()
  packets = [(t - start, ts) for t, _, ts, *_ in read_rtp(rtp)]
  return events, changes, packets, frames


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


class Picture:
  """An SVG with two plots over one time axis."""

  WIDTH, LEFT, RIGHT = 1000, 70, 20

  def __init__(self):
    self.parts = []

  def x(self, seconds):
    return self.LEFT + seconds / SECONDS * (self.WIDTH - self.LEFT - self.RIGHT)

  def text(self, x, y, text, anchor='start', size=13, colour='#333'):
    self.parts.append('<text x="%.1f" y="%.1f" font-size="%d" text-anchor="%s" fill="%s">%s</text>'
                      % (x, y, size, anchor, colour, text))

  def rect(self, x, y, width, height, colour, opacity=1):
    self.parts.append('<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s" opacity="%g"/>'
                      % (x, y, width, height, colour, opacity))

  def line(self, x1, y1, x2, y2, colour='#333', dash=''):
    self.parts.append('<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s" '
                      'stroke-dasharray="%s"/>' % (x1, y1, x2, y2, colour, dash))

  def bars(self, values, top, height, title):
    """values: [(time, ms)]; the scale is the largest, at least 200 ms."""
    highest = max([200] + [ms for _, ms in values])
    for share in (0.25, 0.5, 0.75, 1):
      y = top + height * (1 - share)
      self.line(self.LEFT, y, self.WIDTH - self.RIGHT, y, '#ddd')
      self.text(self.LEFT - 6, y + 4, '%.0f ms' % (highest * share), 'end', 11)
    for t, ms in values:
      if 0 <= t <= SECONDS:
        self.rect(self.x(t), top + height * (1 - ms / highest), 1.2, height * ms / highest, '#333')
    self.line(self.LEFT, top + height, self.WIDTH - self.RIGHT, top + height)
    self.text(self.LEFT, top - 6, title)

  def save(self, path, height):
    with open(path, 'w') as stream:
      stream.write('<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" '
                   'font-family="sans-serif"><rect width="100%%" height="100%%" fill="white"/>%s'
                   '</svg>\n' % (self.WIDTH, height, ''.join(self.parts)))


def draw(path, transport, events, changes, packets, frames):
  picture = Picture()
  times = [t for t, _ in packets]
  gaps = [(b, (b - a) * 1000) for a, b in zip(times, times[1:])]
  if times and times[-1] < SECONDS - 0.2:
    gaps.append((SECONDS, (SECONDS - times[-1]) * 1000))
  worst = max((ms for _, ms in gaps), default=SECONDS * 1000)
  # The paths as bands behind the plots.
  spans = [(max(0, t), message) for t, message in changes] or [(0, None)]
  for number, (begin, message) in enumerate(spans):
    end = spans[number + 1][0] if number + 1 < len(spans) else SECONDS
    label = ('path %d, %s' % (message['new-path'], message['local-address'])
             if message else 'the one address it has')
    picture.rect(picture.x(begin), 60, picture.x(end) - picture.x(begin), 430,
                 COLOURS[(message['new-path'] if message else 0) % len(COLOURS)], 0.18)
    if end - begin > 1.8:
      picture.text(picture.x(begin) + 4, 76, label, size=11)
  picture.text(picture.LEFT, 28, '%s: a camera loses its WiFi twice' % transport, size=18)
  picture.bars(gaps, 110, 160, 'time since the packet before, at the viewer')
  picture.bars(delays(packets), 310, 160, 'delay over the fastest packet')
  for t, text in events[:-1]:
    picture.line(picture.x(t), 60, picture.x(t), 490, '#c00', '4 3')
    picture.text(picture.x(t) + 4, 54, text, colour='#c00')
  for second in range(0, SECONDS + 1, 2):
    picture.text(picture.x(second), 506, '%d s' % second, 'middle', 11)
  result = 'worst gap %.0f ms, %d frames decoded in %d s' % (worst, frames, SECONDS)
  picture.text(picture.LEFT, 536, result, size=16)
  picture.save(path, 556)
  return result


def main():
  transport, clip, path = sys.argv[1:]
  try:
    require()
  except Skip as skip:
    sys.exit('handover: %s' % skip)
  with Lab() as lab:
    result = draw(path, transport, *play(lab, transport, clip))
  print('%s; see %s' % (result, os.path.basename(path)))


if __name__ == '__main__':
  main()

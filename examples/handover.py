#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The second half of handover.sh: builds the world, runs the call in it, and has
it drawn.

handover.py TRANSPORT SECONDS PICTURE

Answers for: the same video, the same networks and the same events for every
transport; what a transport needs besides is a function of its own. The world is
that of the tests (tests/net/roaming.py), which leaves nothing behind.
"""

import os
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TOP, 'tests', 'net'))

from handover_picture import draw                           # noqa: E402
from handover_relay import Relay                            # noqa: E402
from lab import Lab, LabError, Skip, ahead_of_others        # noqa: E402
from lab import require, wait_until                         # noqa: E402
from moving_call import video                               # noqa: E402
from peers import Peer, properties                          # noqa: E402
from peers import environment, read_rtp                     # noqa: E402
from roaming import World                                   # noqa: E402

NAMES = {'wlan0': 'WiFi', 'wwan0': 'mobile network'}
RTP_CAPS = 'application/x-rtp,media=video,encoding-name=H264,clock-rate=90000,payload=96'
DECODE = 'rtph264depay name=in ! avdec_h264 ! fakesink name=out sync=false async=false'


def source():
  """The camera's pipeline. SRT cannot ask for keyframes, and carries at most 1316
  bytes in one piece."""
  return video(keyframes=60) + ' mtu=1300'


class Ends:
  """Camera and viewer of one transport, playing. `record`: the RTP packets as
  they came to the viewer."""

  def __init__(self, world, record):
    self.world, self.record = world, record

  def frames(self):
    """(sent, decoded) so far."""
    return self.sender.count('encoder.src'), self.receiver.count('out.sink')

  def _camera(self, sink):
    self.sender = Peer(self.world.camera, 'camera', '%s ! %s' % (source(), sink),
                       counts=['encoder.src'], keep=True)

  def _viewer(self, source, **taps):
    self.receiver = Peer(self.world.viewer, 'viewer', '%s ! %s' % (source, DECODE),
                         counts=['out.sink'], keep=True, **taps)


class QuicP2P(Ends):
  def __init__(self, world, record):
    super().__init__(world, record)
    world.start_signaling()
    room = properties({'uri': world.uri()})
    self._viewer('quicp2psrc ' + room, arrivals=record)
    self.receiver.wait_state('waiting')
    self._camera('quicp2psink ' + room)


class Srt(Ends):
  def __init__(self, world, record):
    super().__init__(world, record)
    self._viewer('srtsrc uri="srt://:5005?mode=listener&latency=200" ! ' + RTP_CAPS,
                 rtp={'in.sink': record})
    self.receiver.wait_event('state', where=lambda e: e['new'] == 'PAUSED')
    self._camera('srtsink uri="srt://%s:5005?mode=caller&latency=200" wait-for-connection=false'
                 % world.viewer.address)


class WebRtc(Ends):
  """Two webrtcbins; what they have to tell each other goes through this process,
  so signaling never fails."""

  def __init__(self, world, record):
    super().__init__(world, record)
    program = os.path.join(TOP, 'examples', 'handover_webrtc.py')
    self.viewer = world.viewer.spawn('viewer', [program, 'viewer', record, DECODE], environment())
    self.viewer.wait_for('^ready')
    self.camera = world.camera.spawn('camera', [program, 'camera', source()],
                                     environment())
    self.relay = Relay(self.camera, self.viewer)

  def frames(self):
    return self.relay.frames[self.camera], self.relay.frames[self.viewer]


TRANSPORTS = {'quicp2p': QuicP2P, 'srt': Srt, 'webrtc': WebRtc}


class Watch:
  """Which network the camera's packets leave through, by what it carries."""

  PATIENCE = 0.25       # seconds; the camera itself may be late

  def __init__(self, uplinks, start):
    self.uplinks, self.start = uplinks, start
    self.carried = self._read()
    self.spans = []       # [begin, end, name]

  def _read(self):
    return [uplink.link.stats()['a']['received-bytes'] for uplink in self.uplinks]

  def look(self):
    now = time.monotonic() - self.start
    carried = self._read()
    grown = [b - a for a, b in zip(self.carried, carried)]
    self.carried = carried
    # A few checks of an idle network are no media.
    name = NAMES[self.uplinks[grown.index(max(grown))].interface] if max(grown) > 2000 else None
    if not name and self.spans and now - self.spans[-1][1] < self.PATIENCE:
      return
    if self.spans and self.spans[-1][2] == name:
      self.spans[-1][1] = now
    else:
      self.spans.append([self.spans[-1][1] if self.spans else 0, now, name])


def settle(world, patience=8):
  """Waits until the WiFi, which is the better network, carries the media; returns
  the time."""
  deadline = time.monotonic() + patience
  name = None
  while name != NAMES['wlan0'] and time.monotonic() < deadline:
    watch = Watch(world.uplinks_of('camera'), 0)
    time.sleep(0.1)
    watch.look()
    name = watch.spans[-1][2]
  return time.monotonic()


def play(lab, transport, seconds):
  """Returns what there is to draw."""
  world = World(lab, ('camera',))
  record = lab.file('arrivals')
  ends = TRANSPORTS[transport](world, record)
  wait_until(lambda: os.path.exists(record) and len(read_rtp(record)) > 800, 30,
             'the first two seconds of media', 0.05)
  wifi = world.uplinks['camera-wlan0']
  schedule = [(0.2, 'WiFi is pulled', wifi.link_down), (0.4, 'WiFi is back', wifi.restore),
              (0.65, 'WiFi falls silent', wifi.fall_silent)]
  start = settle(world)
  begun = ends.frames()
  watch = Watch(world.uplinks_of('camera'), start)
  events = []
  while time.monotonic() < start + seconds:
    if schedule and time.monotonic() >= start + schedule[0][0] * seconds:
      _, text, command = schedule.pop(0)
      events.append((time.monotonic() - start, text))
      command()
      print('%5.1f s  %s' % events[-1], flush=True)
    watch.look()
    time.sleep(0.08)
  sent, decoded = (end - begin for begin, end in zip(begun, ends.frames()))
  packets = [(t - start, ts) for t, _, ts, *_ in read_rtp(record)]
  return {'transport': transport, 'seconds': seconds, 'events': events, 'spans': watch.spans,
          'packets': packets, 'sent': sent, 'decoded': min(decoded, sent)}


def main():
  transport, seconds, path = sys.argv[1:]
  try:
    require()
    ahead_of_others()
    with Lab() as lab:
      result = draw(path, **play(lab, transport, float(seconds)))
  except (Skip, LabError) as error:
    sys.exit('handover: %s' % error)
  print('%s; see %s' % (result, path))


if __name__ == '__main__':
  main()

# SPDX-License-Identifier: LGPL-2.1-or-later
"""A call whose networks come and go, and what is measured of it.

Answers for: a camera and a viewer in either QUIC role, with video at 30 frames a
second and 4 Mb/s out of a real clip, and sound; waiting until the call flows as
it should with a path in reserve; and the figures of one event.

The records are made where packets enter the camera's sink, where they leave the
viewer's transport (before any jitter buffer), and where they reach the viewer's
depayloader, behind the jitter buffer. One thread.
"""

import collections
import fcntl
import os
import struct
import subprocess
import time

from harness import expect
from lab import BUILD, TOP, Skip, wait_until
from peers import Peer, properties

WIDTH, HEIGHT = 320, 180
AUDIO = ('audiotestsrc is-live=true wave=ticks samplesperbuffer=960 ! audio/x-raw,rate=48000 ! '
         'opusenc frame-size=20 ! rtpopuspay name=apay')
# Seconds between packets of a flow when all is well.
SPACING = {'video': 1 / 30, 'audio': 0.02}
# Further apart than that beyond its spacing, a flow is not in its steady state.
STEADY_SECONDS = 0.06


def raw_clip():
  """The path of a real clip as raw pictures, made once for each build."""
  path = os.path.join(BUILD, 'tests', 'net', 'clip-%dx%d.i420' % (WIDTH, HEIGHT))
  with open(path + '.lock', 'w') as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    if not os.path.exists(path):
      found = subprocess.run([os.path.join(TOP, 'examples', 'clip.sh')], stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True)
      if found.returncode:
        raise Skip(found.stdout.strip())
      subprocess.run(['gst-launch-1.0', '-q', 'filesrc', 'location=' + found.stdout.strip(), '!',
                      'decodebin', '!', 'videoconvert', '!', 'videoscale', '!', 'videorate', '!',
                      'video/x-raw,format=I420,width=%d,height=%d,framerate=30/1' % (WIDTH, HEIGHT),
                      '!', 'filesink', 'location=' + path + '.new'], check=True)
      os.rename(path + '.new', path)
  return path


def video(keyframes=900):
  """The clip over and over, live, encoded; a keyframe at least every so many
  frames. Elements `encoder` and `pay`."""
  return ('multifilesrc location=%s loop=true ! rawvideoparse width=%d height=%d format=i420 '
          'framerate=30/1 ! identity sync=true ! x264enc name=encoder tune=zerolatency '
          'speed-preset=ultrafast threads=1 bitrate=4000 key-int-max=%d qp-min=1 ! '
          'rtph264pay name=pay' % (raw_clip(), WIDTH, HEIGHT, keyframes))


class Record:
  """The packets that passed a place, read while more come."""

  SIZE = struct.calcsize('<QHIII')

  def __init__(self, path):
    self.path = path
    self.packets = []     # (seconds, SSRC, timestamp, sequence number)
    self.read = 0         # bytes

  def update(self):
    if os.path.exists(self.path):
      with open(self.path, 'rb') as stream:
        stream.seek(self.read)
        data = stream.read()
      data = data[:len(data) // self.SIZE * self.SIZE]
      self.read += len(data)
      self.packets += [(us / 1e6, ssrc, ts, seq)
                       for us, seq, ts, ssrc, _ in struct.iter_unpack('<QHIII', data)]
    return self.packets

  def since(self, begin):
    """The packets from `begin` on, oldest first."""
    packets = self.update()
    first = len(packets)
    while first > 0 and packets[first - 1][0] >= begin:
      first -= 1
    return packets[first:]


# What one event cost: the longest gap in ms, RTP packets that never came, video
# frames that were sent, that came whole, that came to the decoder whole, that
# were decoded (of those due in the same time), keyframes asked of the encoder,
# times that somebody was told "disconnected".
Sample = collections.namedtuple('Sample', 'gap packets_lost sent whole played due decoded '
                                'keyframes disconnects')


class Call:
  """camera_calls: the camera is the QUIC server. It is when both are full
  participants, each with a sink and a source, and the camera's offer wins; else
  only the viewer calls."""

  def __init__(self, world, camera_calls=False, **settings):
    self.world = world
    self.camera_calls = camera_calls
    self.settings = dict({'uri': world.uri()}, **settings)
    for _ in range(16):
      self._start()
      # Which of two offers wins is a matter of the members' ids, which are random.
      if self.peer_stats('camera')['quic-role'] == ('server' if camera_calls else 'client'):
        break
      self.stop()
    else:
      raise AssertionError('the camera was never the one who calls')
    self.ssrc = {}
    for kind, record in self.records.items():
      record.update()
      self.ssrc[kind] = record.packets[-1][1]

  def _start(self):
    number = len(self.world.lab.processes)      # of this attempt and no other
    def record(name):
      return Record(self.world.lab.file('%s-%d' % (name, number)))
    self.records = {'video': record('sent-video'), 'audio': record('sent-audio')}
    self.arrivals, self.played = record('arrivals'), record('played')
    self.camera = self._start_camera('camera-%d' % number)
    self.viewer = self._start_viewer('viewer-%d' % number)
    self.viewer.wait_count('out.sink', 15, 30)

  def _start_camera(self, name):
    settings = properties(self.settings)
    pipeline = '%s ! quicp2psink name=out %s' % (video(), settings)
    pipeline += ' %s ! out.' % AUDIO
    if self.camera_calls:
      pipeline = pipeline.replace('name=out', 'name=out session=camera')
      pipeline += ' quicp2psrc name=in session=camera ' + settings
    return Peer(self.world.camera, name, pipeline, counts=['pay.src'], keep=True,
                rtp={'pay.src': self.records['video'].path, 'apay.src': self.records['audio'].path})

  def _start_viewer(self, name):
    settings = properties(self.settings)
    both = self.camera_calls
    pipeline = ('quicp2psrc name=source %s %s '
                'source. ! application/x-rtp,media=video ! rtph264depay name=in ! '
                'avdec_h264 max-threads=1 ! fakesink name=out sync=false async=false '
                'source. ! application/x-rtp,media=audio ! rtpopusdepay ! '
                'fakesink sync=false async=false' % ('session=viewer' if both else '', settings))
    if both:
      pipeline += ' quicp2psink name=back session=viewer ' + settings
    return Peer(self.world.viewer, name, pipeline, counts=['out.sink'], keep=True,
                arrivals=self.arrivals.path, rtp={'in.sink': self.played.path})

  def stop(self):
    self.viewer.stop()
    self.camera.stop()

  # --- What it is like now --------------------------------------------------------

  def peer_of(self, side):
    return self.camera if side == 'camera' else self.viewer

  def element_stats(self, side):
    elements = self.peer_of(side).fresh()['elements']
    return elements['out' if side == 'camera' else 'source']

  def peers_stats(self, side):
    return [peer for peer in self.element_stats(side)['peers'] if 'quic-role' in peer]

  def peer_stats(self, side):
    peers = self.peers_stats(side)
    expect(len(peers) == 1, '%s has %d connections', side, len(peers))
    return peers[0]

  def in_use(self, side):
    """The side's uplink that carries the media now, by what it carries."""
    direction = 'a' if side == 'camera' else 'b'
    uplinks = self.world.uplinks_of(side)
    before = [uplink.link.stats()[direction]['received-bytes'] for uplink in uplinks]
    time.sleep(0.1)
    after = [uplink.link.stats()[direction]['received-bytes'] for uplink in uplinks]
    carried = [b - a for a, b in zip(before, after)]
    return uplinks[carried.index(max(carried))]

  def standby(self, side, uplink):
    """Whether a usable path of the side's leaves through uplink."""
    for path in self.peer_stats(side)['paths']:
      address = path['local-address'].rpartition(':')[0].strip('[]')
      if path['usable'] and (path['interface'] == uplink.interface
                             or address in uplink.all_addresses()):
        return True
    return False

  def flows_normally(self, seconds=1.0):
    """Whether both flows have come without a pause for so long, until now."""
    now = time.monotonic()
    packets = self.arrivals.since(now - seconds)
    for kind, ssrc in self.ssrc.items():
      times = [now - seconds] + [t for t, s, *_ in packets if s == ssrc] + [now]
      if max(b - a for a, b in zip(times, times[1:])) > SPACING[kind] + STEADY_SECONDS:
        return False
    return True

  def moves(self):
    return [event for peer in (self.camera, self.viewer) for event in peer.events()
            if event['type'] == 'element' and event['message']['name'] == 'path-changed']

  def lost_cause(self, side, since):
    """Why the side says that it lost its path after `since`; '' if it does not."""
    lost = self.peer_of(side).find('element', lambda e: e['message']['name'] == 'path-lost'
                                   and e['t'] > since)
    return lost['message']['cause'] if lost else ''

  def wait_steady(self, timeout=30):
    """Waits until media flow normally and no path has changed for a second."""
    def steady():
      moves = self.moves()
      return ((not moves or moves[-1]['t'] < time.monotonic() - 1) and self.flows_normally())
    wait_until(steady, timeout, 'a second without a pause or a move', 0.05)

  def wait_standby(self, side, timeout=30):
    """Waits until every uplink of the side has a usable path, then for steady
    flow; returns the one in use and another."""
    uplinks = self.world.uplinks_of(side)
    wait_until(lambda: all(self.standby(side, uplink) for uplink in uplinks), timeout,
               'paths of the %s on %s' % (side, ', '.join(u.interface for u in uplinks)), 0.1)
    self.wait_steady(timeout)
    used = self.in_use(side)
    return used, next((uplink for uplink in uplinks if uplink is not used), None)

  def wait_paths(self, side, number, timeout=30):
    """Waits until the side has so many usable paths."""
    wait_until(lambda: sum(path['usable'] for path in self.peer_stats(side)['paths']) >= number,
               timeout, '%d usable paths of the %s' % (number, side), 0.1)

  def wait_media(self, since, timeout):
    """Waits until both flows have gone on after `since`."""
    def flows():
      packets = self.arrivals.since(since)
      return all(any(s == ssrc for _, s, *_ in packets) for ssrc in self.ssrc.values())
    wait_until(flows, timeout, 'media at the viewer', 0.02)

  # --- Figures ----------------------------------------------------------------------

  def counters(self):
    """What a sample has the differences of: frames sent, frames decoded, keyframes
    asked for, disconnections told."""
    video = self.records['video'].update()
    told = [m for peer in (self.camera, self.viewer) for m in peer.messages('session-state')
            if m['new-state'] == 'disconnected']
    return (len({packet[2] for packet in video}), self.viewer.count('out.sink'),
            self.element_stats('camera')['keyframe-requests'], len(told))

  def gap(self, event, end, usable=None):
    """ms: the longest pause of a flow beyond its spacing from the event on; with
    `usable`, from when a network was there again."""
    worst = 0
    packets = self.arrivals.since(event - 2)
    for kind, ssrc in self.ssrc.items():
      times = [t for t, s, *_ in packets if s == ssrc and t < end]
      if usable is not None:
        times = [usable - SPACING[kind]] + [t for t in times if t > usable]
      times.append(end)
      gaps = [b - a - SPACING[kind] for a, b in zip(times, times[1:]) if b > event]
      worst = max([worst] + gaps)
    return worst * 1000

  def sample(self, event, end, before, usable=None):
    """The Sample of an event at `event` that was over by `end`, both CLOCK_MONOTONIC;
    before: counters() from before it. To be called half a second after `end`."""
    self.played.update()
    arrived = {packet[1:] for packet in self.arrivals.since(event - 2)}
    played = {packet[1:] for packet in self.played.since(event - 2)}
    lost = 0
    frames = {}
    for kind, record in self.records.items():
      for t, *packet in record.since(event - 0.5):
        if t >= end:
          break
        packet = tuple(packet)
        lost += packet not in arrived
        if kind == 'video':
          frames.setdefault(packet[1], []).append(packet)
    counts = [b - a for a, b in zip(before, self.counters())]
    return Sample(self.gap(event, end, usable), lost, len(frames),
                  sum(arrived.issuperset(frame) for frame in frames.values()),
                  sum(played.issuperset(frame) for frame in frames.values()), *counts)

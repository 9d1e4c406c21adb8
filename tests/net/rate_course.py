# SPDX-License-Identifier: LGPL-2.1-or-later
"""A call over a link whose rate changes, and what came of it: what the link could
carry, what the sender believed, what it sent, and how late frames were.

Answers for: the pipelines, the schedule and the figures; what they should be is
for test_rate.py and bench_rate.py to say. Relies on lab.py's linkem.
"""

import collections
import time

import topology
from peers import Peer, properties, read_rtp

# A picture that an encoder can make 300 kb/s or 8 Mb/s of, at little expense, and
# an encoder set as README.md recommends.
PICTURE = ('videotestsrc is-live=true pattern=zone-plate kx2=20 ky2=20 kt=1 horizontal-speed=3 ! '
           'video/x-raw,format=I420,width=640,height=360,framerate=30/1 ! '
           'x264enc name=%s tune=zerolatency speed-preset=ultrafast key-int-max=300 '
           'vbv-buf-capacity=200 bitrate=%d ! rtph264pay name=%s mtu=1200')
SOUND = ('audiotestsrc is-live=true samplesperbuffer=960 ! audio/x-raw,rate=48000 ! '
         'opusenc frame-size=20 ! rtpopuspay name=apay')
STEP = 0.1    # seconds between two looks at the link


class Call:
  """A camera and its viewer, or several."""

  def __init__(self, network, name, room, kbits, sound=False, **settings):
    lab = network.lab
    self.name = name
    self.lab, self.sound = lab, sound
    self.uri = {'uri': network.uri(room)}
    self.sent_path, self.said_path = lab.file('sent-' + name), lab.file('said-' + name)
    self.got_paths, self.heard_paths, self.viewers = [], [], []
    self.add_viewer(network.viewer).wait_state('waiting', 30)
    pipeline = '%s ! quicp2psink name=out %s' % (
        PICTURE % ('encoder', kbits, 'pay'), properties(dict(self.uri, **settings)))
    rtp = {'pay.src': self.sent_path}
    if sound:
      pipeline += ' %s ! out.' % SOUND
      rtp['apay.src'] = self.said_path
    self.camera = Peer(network.camera, 'camera-' + name, pipeline, rtp=rtp)

  def add_viewer(self, host):
    name = '%s-%d' % (self.name, len(self.viewers))
    self.got_paths.append(self.lab.file('got-' + name))
    self.heard_paths.append(self.lab.file('heard-' + name))
    rtp = {'in.sink': self.got_paths[-1]}
    pipeline = ('quicp2psrc name=source latency=0 %s '
                'source. ! application/x-rtp,media=video ! rtph264depay name=in ! '
                'fakesink sync=false' % properties(self.uri))
    if self.sound:
      pipeline += (' source. ! application/x-rtp,media=audio ! rtpopusdepay name=ear ! '
                   'fakesink sync=false')
      rtp['ear.sink'] = self.heard_paths[-1]
    viewer = Peer(host, 'viewer-' + name, pipeline, rtp=rtp)
    self.viewers.append(viewer)
    return viewer

  def wait(self):
    self.camera.wait_state('connected', 30)
    return self

  def stop(self):
    for viewer in self.viewers:
      viewer.stop()
    self.camera.stop()

  def estimates(self):
    """[(seconds, bit/s)]"""
    return [(event['t'], event['message']['bitrate']) for event in self.camera.events()
            if event['type'] == 'element' and event['message']['name'] == 'estimated-bitrate']

  def frames(self, viewer=0):
    """[(seconds when it was made, seconds that it took; None: never came whole)]"""
    return latencies(self.sent_path, self.got_paths[viewer])

  def sounds(self, viewer=0):
    return latencies(self.said_path, self.heard_paths[viewer])

  def rate(self, start, end):
    """bit/s of video RTP that the first viewer got."""
    return sum(packet[4] for packet in read_rtp(self.got_paths[0])
               if start <= packet[0] < end) * 8 / (end - start)


def latencies(sent_path, got_path):
  sent, got = {}, {}
  for at, sequence, timestamp, *_ in read_rtp(sent_path):
    sent.setdefault(timestamp, []).append((at, sequence))
  for at, sequence, timestamp, *_ in read_rtp(got_path):
    got.setdefault(timestamp, {})[sequence] = at
  frames = []
  for timestamp, packets in sent.items():
    came = got.get(timestamp, {})
    born = packets[0][0]
    whole = all(sequence in came for _, sequence in packets)
    frames.append((born, max(came.values()) - born if whole else None))
  return sorted(frames, key=lambda frame: frame[0])


class Course:
  """Drives the link through a schedule, [(seconds, bit/s)], and keeps records.

  link: [(seconds, bit/s that it can carry)]; sent: [(seconds, bit/s that were
  offered to it in the step before)]; both of the clock that events have."""

  def __init__(self, link, schedule):
    self.link, self.sent = [], []
    self.steps = []       # when each rate was set
    bytes_before, before = None, None
    for seconds, rate in schedule:
      link.set('a rate %d' % rate)
      self.steps.append(time.monotonic())
      end = self.steps[-1] + seconds
      while True:
        now = time.monotonic()
        count = link.stats()['a']['received-bytes']
        if before is not None:
          self.sent.append((now, (count - bytes_before) * 8 / (now - before)))
        self.link.append((now, rate))
        bytes_before, before = count, now
        if now >= end:
          break
        time.sleep(min(STEP, end - now))

  def sent_rate(self, start, end):
    """bit/s on average."""
    inside = [rate for at, rate in self.sent if start < at <= end]
    return sum(inside) / len(inside)


def build(lab, rate, delay=20, queue=125000):
  """Two hosts, `rate` bit/s from the camera's; queue: bytes at the bottleneck."""
  network = topology.lan(lab, shape={
      'camera': 'both delay %d; a queue %d; a rate %d' % (delay, queue, rate)})
  network.start_signaling()
  return network


def first(series, start, condition):
  """Seconds from start to the first value for which condition holds, or None."""
  for at, value in series:
    if at >= start and condition(value):
      return at - start
  return None


def between(series, start, end):
  return [value for at, value in series if start <= at < end]


def percentile(values, percent):
  ordered = sorted(values)
  return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


# down, up: seconds until the estimate is below the slow rate, and at 90 % of the
# fast one again; None: never. The slow link's other figures leave the first two
# seconds out, sent_slow the first; latest is seconds beyond the link's own delay;
# got_fast is of the time after 15 s.
Figures = collections.namedtuple(
    'Figures', 'down sent_slow cancelled latest up got_fast sounds_lost sound_p95 sound_p99')


class Steps:
  """A call with sound over 8 Mb/s, then 1, then 8 again."""

  SCHEDULE = ((12, 8000000), (20, 1000000), (22, 8000000))
  DELAY = 10    # ms, each way

  def __init__(self, lab):
    network = build(lab, self.SCHEDULE[0][1], delay=self.DELAY)
    self.call = Call(network, 'one', 'door', 8000, sound=True).wait()
    self.course = Course(network.links['camera'], self.SCHEDULE)
    self.call.stop()

  def figures(self):
    _, slow, fast = self.course.steps
    estimates = self.call.estimates()
    frames = between(self.call.frames(), slow + 2, fast)
    sounds = between(self.call.sounds(), slow + 2, fast)
    heard = [age for age in sounds if age is not None]
    return Figures(
        down=first(estimates, slow, lambda rate: rate < self.SCHEDULE[1][1]),
        sent_slow=self.course.sent_rate(slow + 1, fast),
        cancelled=frames.count(None),
        latest=max(age for age in frames if age is not None) - self.DELAY / 1000,
        up=first(estimates, fast, lambda rate: rate >= 0.9 * self.SCHEDULE[2][1]),
        got_fast=self.call.rate(fast + 15, fast + 20),
        sounds_lost=sounds.count(None),
        sound_p95=percentile(heard, 95),
        sound_p99=percentile(heard, 99))

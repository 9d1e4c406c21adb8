#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""CPU time of a camera for each further viewer, and of a participant of a
conference for each further one.

  sudo tests/bench/bench_viewers.py [--viewers 0,1,2,4,8,16] [--participants 2,4,6]
                                    [--seconds 10] [--rounds 3]

The camera plays a file that was encoded before (H.264, 30 frames and 2 Mb/s by
default), so that no encoder hides the rest; each viewer is a process of its own
at the other end of a veth pair and throws the packets away. CPU time is that of
the scheduler (/proc/PID/task/*/schedstat), in milliseconds per second of media:
of the whole process, and of its transport thread alone. A participant is one
process that sends the file and gets everybody else's.

The goal: at most linear. The last viewers cost no more than those before them.
"""

import argparse
import os
import subprocess
import time

# First: it makes tests/net known.
from bench import Lab, percentile, run, table

import topology
from lab import wait_until
from peers import Peer, environment, prepare_registry, properties

TRANSPORT = 'quicp2p'   # the thread's name
LATE = 0.1              # what noise may make of "no more"


def encode(path, rate, seconds):
  """Moving bars and noise: about `rate` bits a second of 720p."""
  prepare_registry()
  subprocess.run(
      ['gst-launch-1.0', '-q', 'videotestsrc', 'num-buffers=%d' % (30 * seconds), 'pattern=ball',
       '!', 'video/x-raw,width=1280,height=720,framerate=30/1', '!', 'agingtv', '!',
       'videoconvert', '!', 'x264enc', 'tune=zerolatency', 'speed-preset=ultrafast',
       'key-int-max=60', 'bitrate=%d' % (rate // 1000), '!', 'h264parse', '!',
       'matroskamux', '!', 'filesink', 'location=' + path],
      env=dict(os.environ, **environment()), check=True)


class Cpu:
  """CPU time of a process's threads, in ns, since it was made."""

  def __init__(self, process):
    self.pid = process.pid
    self.start = self.read()

  def read(self):
    times = {}
    for thread in os.listdir('/proc/%d/task' % self.pid):
      folder = '/proc/%d/task/%s/' % (self.pid, thread)
      try:
        with open(folder + 'comm') as name, open(folder + 'schedstat') as stat:
          times[thread] = (name.read().strip(), int(stat.read().split()[0]))
      except FileNotFoundError:   # it ended meanwhile
        pass
    return times

  def milliseconds(self):
    """(of all threads, of the transport thread)"""
    total = transport = 0
    for thread, (name, now) in self.read().items():
      used = now - self.start.get(thread, (name, 0))[1]
      total += used
      transport += used * (name == TRANSPORT)
    return total / 1e6, transport / 1e6


def source(path):
  return ('filesrc location=%s ! matroskademux ! h264parse ! rtph264pay config-interval=-1 '
          'aggregate-mode=zero-latency' % path)


def measure(peers, seconds):
  """[(ms per second of all threads, of the transport thread)] of each peer."""
  time.sleep(2)         # joins, slow start and the search for the MTU are over
  meters = [Cpu(peer.process) for peer in peers]
  start = time.monotonic()
  time.sleep(seconds)
  used = [meter.milliseconds() for meter in meters]
  elapsed = time.monotonic() - start
  return [(total / elapsed, transport / elapsed) for total, transport in used]


def check_counts(peers, pads, seconds):
  """Everybody got what was sent."""
  for peer in peers:
    for pad in pads:
      before = peer.count(pad)
      wait_until(lambda: peer.count(pad) > before + 20, 5 + seconds, '%s gets media' % peer.name)


def viewers(path, count, seconds):
  with Lab() as lab:
    network = topology.pair(lab)
    network.start_signaling()
    room = properties({'uri': network.uri()})
    watching = [Peer(network.viewer, 'viewer%d' % i,
                     'quicp2psrc name=in %s ! fakesink name=out sync=false' % room,
                     counts=['out.sink'], keep=True) for i in range(count)]
    for peer in watching:
      peer.wait_state('waiting')
    camera = Peer(network.camera, 'camera', '%s ! quicp2psink name=out %s' % (source(path), room))
    for peer in watching:
      peer.wait_event('first-buffer', 20)
    camera.wait_event('state', 20, where=lambda e: e['new'] == 'PLAYING')
    used = measure([camera] + watching, seconds)
    check_counts(watching, ['out.sink'], seconds)
  return used[0] + (percentile([total for total, _ in used[1:]], 50) if watching else 0.0,)


def participants(path, count, seconds):
  with Lab() as lab:
    network = topology.pair(lab)
    network.start_signaling()
    everybody = []
    for i in range(count):
      room = properties({'uri': network.uri(), 'session': 'me', 'display_name': 'p%d' % i})
      everybody.append(Peer(
          network.camera if i % 2 else network.viewer, 'p%d' % i,
          '%s ! quicp2psink name=out %s quicp2psrc name=in producer=all %s in. ! '
          'fakesink name=show sync=false async=false' % (source(path), room, room),
          counts=['show.sink'], keep=True))
    for peer in everybody:
      peer.wait_event('first-buffer', 20)
    used = measure(everybody, seconds)
    check_counts(everybody, ['show.sink'], seconds)
  return tuple(percentile([one[i] for one in used], 50) for i in (0, 1))


def median(rounds):
  return [percentile([one[i] for one in rounds], 50) for i in range(len(rounds[0]))]


def is_linear(costs):
  """costs: {number of others: ms per second}. Each of those that the last step
  added costs no more than each of those before it, the first one aside."""
  numbers = sorted(number for number in costs if number > 0)
  if len(numbers) < 3:
    return True
  first, former, last = numbers[0], numbers[-2], numbers[-1]
  before = (costs[former] - costs[first]) / (former - first)
  return (costs[last] - costs[former]) / (last - former) <= before * (1 + LATE)


def verdict(what, costs):
  print('at most linear, %s: %s' % (what, 'yes' if is_linear(costs) else 'NO'))


def main():
  options = argparse.ArgumentParser()
  options.add_argument('--viewers', default='0,1,2,4,8,16')
  options.add_argument('--participants', default='2,4,6')
  options.add_argument('--rate', type=int, default=2000000)
  options.add_argument('--seconds', type=int, default=10)
  options.add_argument('--rounds', type=int, default=3)
  options = options.parse_args()
  numbers = [int(n) for n in options.viewers.split(',') if n]
  sizes = [int(n) for n in options.participants.split(',') if n]
  path = '/tmp/bench-viewers-%d.mkv' % os.getpid()
  encode(path, options.rate, options.seconds + 30)
  try:
    seen = {n: median([viewers(path, n, options.seconds) for _ in range(options.rounds)])
            for n in numbers}
    talked = {n: median([participants(path, n, options.seconds) for _ in range(options.rounds)])
              for n in sizes}
  finally:
    os.unlink(path)

  base = seen[0] if 0 in seen else (0, 0)
  rows = [[str(n), total, transport, (total - base[0]) / n if n else '-',
           (transport - base[1]) / n if n else '-', one if n else '-']
          for n, (total, transport, one) in seen.items()]
  if rows:
    table(['viewers, ms/s', 'camera', 'transport', 'camera/viewer', 'transport/viewer', 'a viewer'],
          rows)
    verdict('viewers', {n: total for n, (total, _, _) in seen.items()})
  rows = [[str(n), total, transport, total / (n - 1), transport / (n - 1)]
          for n, (total, transport) in talked.items()]
  if rows:
    table(['participants, ms/s', 'one of them', 'transport', 'for each other', 'transport'], rows)
    verdict('participants', {n - 1: total for n, (total, _) in talked.items()})


if __name__ == '__main__':
  run(main, 'gst-launch-1.0')

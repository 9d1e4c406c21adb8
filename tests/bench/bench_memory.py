#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Resident memory of camera and viewer at 20 Mb/s with 2 % loss and 20 ms RTT.

  sudo tests/bench/bench_memory.py [--minutes 10] [--mapping stream-per-frame]

The goal: flat after the first minute, within 3 %.

While the network (or the machine) stands still, media waits at the camera, up to
a frame's deadline, and then comes to the viewer at once. That takes a megabyte
or two, which the C library keeps for the next time: in an undisturbed run it is
a step at some random minute. So the link stands still for half a second three
times within the first minute, and once in each further one, where that must not
cost anything more.
"""

import argparse
import os
import signal
import time

# First: it makes tests/net known.
from bench import Lab, percentile, run, table

import topology
from lab import program
from peers import Peer, environment, properties


STALL = 0.5             # seconds
STALLS = (20, 30, 40)   # seconds into the first minute; then at each half minute


def stand_still(link):
  os.kill(link.process.pid, signal.SIGSTOP)
  time.sleep(STALL)
  os.kill(link.process.pid, signal.SIGCONT)


def main():
  options = argparse.ArgumentParser()
  options.add_argument('--minutes', type=float, default=10)
  options.add_argument('--mapping', default='stream-per-frame')
  options = options.parse_args()
  with Lab() as lab:
    network = topology.far(lab, 'loss 2')
    network.start_signaling()
    room = properties({'uri': network.uri()})
    receiver = Peer(network.viewer, 'viewer',
                    'quicp2psrc latency=200 %s ! fakesink name=out sync=false' % room,
                    counts=['out.sink'], keep=True)
    sender = network.camera.spawn('camera', [
        program('rtp-flood', 'tests/bench'), '--rate', 20000000,
        'quicp2psink mapping=%s %s' % (options.mapping, room)], env=environment())
    receiver.wait_event('first-buffer', 20)
    started = time.monotonic()
    samples = []
    stalls = [*STALLS, *(60 * minute + 30 for minute in range(1, int(options.minutes)))]
    while time.monotonic() < started + options.minutes * 60:
      time.sleep(1)
      samples.append((time.monotonic() - started, sender.resident_bytes() / 1e6,
                      receiver.process.resident_bytes() / 1e6))
      if stalls and samples[-1][0] >= stalls[0]:
        stalls.pop(0)
        stand_still(network.links['camera'])
    count = receiver.count('out.sink')

  rows = []
  minutes = int(options.minutes)
  for minute in range(minutes):
    part = [s for s in samples if minute * 60 <= s[0] < minute * 60 + 60]
    rows.append([str(minute + 1)] + [percentile([s[i] for s in part], 50) for i in (1, 2)])
  table(['minute, MB', 'camera', 'viewer'], rows)
  for name, i in (('camera', 1), ('viewer', 2)):
    base = percentile([s[i] for s in samples if 55 <= s[0] < 65], 50)
    rest = [s[i] for s in samples if s[0] >= 65]
    if rest:
      low, high = min(rest) / base - 1, max(rest) / base - 1
      print('%s: %+.1f to %+.1f %% of what it was after a minute; goal +-3 %%: %s'
            % (name, low * 100, high * 100, 'yes' if -0.03 <= low and high <= 0.03 else 'NO'))
  print('%.1f Mb/s of RTP arrived' % (count * 1200 * 8 / samples[-1][0] / 1e6))


if __name__ == '__main__':
  run(main)

#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The rate follows the network: a link that becomes slow and fast again, a link
that is fast enough, one that two calls share, and viewers of which one is slow."""

import time

import topology
from harness import expect, run
from lab import ahead_of_others
from rate_course import Call, Course, Steps, between, build, percentile

MBIT = 1000000
SHARED = 4 * MBIT
# Until two calls have found their shares, and how long these are looked at.
SETTLE, LOOK = 30, 20


def slower_and_faster(lab):
  figures = Steps(lab).figures()
  print(figures)
  expect(figures.down is not None and figures.down <= 1, 'the estimate is above the link')
  expect(figures.sent_slow <= 1 * MBIT, '%.2f Mb/s are sent over 1', figures.sent_slow / 1e6)
  expect(figures.sent_slow >= 0.7 * MBIT, 'only %.2f Mb/s are sent', figures.sent_slow / 1e6)
  expect(figures.cancelled == 0, '%d frames were given up on the slow link', figures.cancelled)
  expect(figures.latest < 0.4, 'a frame came %.0f ms late', 1000 * figures.latest)
  expect(figures.up is not None and figures.up <= 15, 'the estimate does not come back')
  expect(figures.got_fast > 0.75 * 8 * MBIT, '%.2f Mb/s of 8 are used', figures.got_fast / 1e6)
  expect(figures.sounds_lost == 0, '%d sounds are missing', figures.sounds_lost)
  # Pictures wait for 100 to 250 ms there; a machine that stands still is in p99.
  expect(figures.sound_p95 < 0.12, 'sound waits %.0f ms', 1000 * figures.sound_p95)
  expect(figures.sound_p99 < 0.25, 'sound waits %.0f ms at times', 1000 * figures.sound_p99)


def fast_enough(lab):
  """No limit is made up, and none is told, where there is none."""
  network = build(lab, 100 * MBIT, delay=10)
  call = Call(network, 'one', 'door', 2000).wait()
  started = time.monotonic()
  time.sleep(8)
  call.stop()
  told = [rate for _, rate in call.estimates()]
  # While this machine stands still what is sent waits, and is all that is carried.
  expect(all(rate >= 1.6 * MBIT for rate in told), 'a limit is told: %s', told)
  rate = call.rate(started + 2, started + 7)
  expect(rate > 1.6 * MBIT, '%.2f Mb/s of 2 arrive', rate / 1e6)


def two_calls(lab):
  network = build(lab, SHARED, delay=10)
  calls = [Call(network, name, name, 4000).wait() for name in ('one', 'other')]
  course = Course(network.links['camera'], [(SETTLE + LOOK, SHARED)])
  for call in calls:
    call.stop()
  start = course.steps[0] + SETTLE - 1
  rates = [call.rate(start, start + LOOK) for call in calls]
  share = min(rates) / sum(rates)
  print('%.2f and %.2f Mb/s: %.0f %%' % (rates[0] / 1e6, rates[1] / 1e6, 100 * share))
  expect(share >= 0.4, 'one gets %.0f %% of the link', 100 * share)
  expect(sum(rates) > 0.8 * SHARED, '%.2f Mb/s of 4 are used', sum(rates) / 1e6)


def one_slow_viewer(lab):
  """Of three viewers two get every frame, and the slow one whole frames, each in
  time or not at all. (It can carry half of them; of one that cannot carry a keyframe
  within the deadline nothing would be seen.)"""
  network = topology.lan(lab, viewers=3, shape={
      'camera': 'both delay 10', 'viewer3': 'b queue 64000; b rate %d' % (3 * MBIT // 2)})
  network.start_signaling()
  call = Call(network, 'one', 'door', 3000)
  others = [call.add_viewer(host) for host in network.viewers[1:]]
  call.wait()
  for viewer in others:
    viewer.wait_state('connected', 30)
  time.sleep(3)
  started = time.monotonic()
  time.sleep(12)
  call.stop()
  shares = []
  for number in range(3):
    frames = between(call.frames(number), started, started + 10)
    whole = [age for age in frames if age is not None]
    shares.append(len(whole) / len(frames))
    print('viewer %d: %d of %d frames, p95 %.0f ms'
          % (number, len(whole), len(frames), 1000 * percentile(whole, 95) if whole else 0))
  expect(shares[0] == 1 and shares[1] == 1, 'a fast viewer lost frames')
  expect(0.05 < shares[2] < 0.6, 'the slow viewer got %.0f %% of the frames', 100 * shares[2])
  rate = call.rate(started, started + 10)
  expect(rate > 2.2 * MBIT, 'the encoder makes %.2f Mb/s for one slow viewer', rate / 1e6)
  # A network that is slow is still there, and there is no other.
  for peer in [call.camera] + call.viewers:
    expect(not peer.find('element', lambda e: e['message']['name'] == 'path-lost'),
           '%s: a path was given up', peer.name)


if __name__ == '__main__':
  ahead_of_others()
  run([slower_and_faster, fast_enough, two_calls, one_slow_viewer])

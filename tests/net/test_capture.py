#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""ICE and QUIC share their sockets for the whole session: on the wire, each 5-tuple
that has QUIC has STUN from before the first packet of QUIC on. There are two: the
path that the call begins on, whose ICE password went through signaling, and the one
that soon takes its place and stays.

A minute by default; QUICP2P_CAPTURE_SECONDS for longer."""

import os
import time

import topology
from capture import Capture
from harness import expect, run
from peers import camera, viewer

SECONDS = float(os.environ.get('QUICP2P_CAPTURE_SECONDS', 60))
# How long the two may have QUIC both: the move is validated on one while the other
# still carries the media.
OVERLAP = 1


def check(host, interface, sender, receiver):
  """Captures a call while it lasts."""
  capture = Capture(host, interface)
  sender.command('play')
  receiver.wait_count('out.sink', 15, 30)
  started = time.monotonic()
  while time.monotonic() < started + SECONDS:
    before = receiver.count('out.sink')
    time.sleep(5)
    expect(receiver.count('out.sink') > before, 'no frames after %.0f s',
           time.monotonic() - started)
  missed = capture.missed()
  capture.stop()
  ended = time.monotonic()

  stats = receiver.stats()
  pair = tuple(sorted(
      (address, int(port)) for address, _, port in (
          stats[end + '-address'].rpartition(':') for end in ('local', 'remote'))))
  tuples = {}
  for (ends, kind), (packets, first, last) in capture.counts().items():
    print('%-46s %-12s %7d packets, %6.2f to %6.2f s' % (
        ' '.join('%s:%d' % end for end in ends), kind, packets, first - started, last - started))
    of_kind = tuples.setdefault(kind.split('-')[0], {})
    before = of_kind.get(ends, (0, first, last))
    of_kind[ends] = before[0] + packets, min(before[1], first), max(before[2], last)
  expect(missed == 0, 'the capture missed %d packets', missed)
  expect(set(tuples) <= {'stun', 'quic'}, 'something else was on the wire: %s', list(tuples))
  check_quic(tuples, pair, ended)
  # Consent checks (RFC 7675) or keepalives: at least every half minute.
  if SECONDS >= 40:
    expect(ended - tuples['stun'][pair][2] < 35, 'the last STUN packet came %.1f s before the end',
           ended - tuples['stun'][pair][2])


def check_quic(tuples, pair, ended):
  """pair: the ends of the path that ICE and the elements say is in use at the end."""
  stun = tuples['stun']
  used = sorted(tuples['quic'].items(), key=lambda item: item[1][1])
  expect(len(used) <= 2 and used[-1][0] == pair, 'QUIC on %s, the selected pair is %s',
         [ends for ends, _ in used], pair)
  for ends, (_, first, _) in used:
    expect(ends in stun, 'no STUN on %s, which QUIC uses: %s', ends, list(stun))
    expect(stun[ends][1] < first, 'QUIC came before STUN on %s', ends)
  for (_, former), (_, latter) in zip(used, used[1:]):
    expect(former[2] < latter[1] + OVERLAP, 'QUIC went on for %.1f s where it had begun',
           former[2] - latter[1])
  expect(ended - used[-1][1][2] < 2, 'QUIC ended %.1f s before the end', ended - used[-1][1][2])


def stun_before_quic_on_a_lan(lab):
  network = topology.lan(lab)
  network.start_signaling()
  check(network.viewer, 'eth0', camera(network, wait=True), viewer(network, decode=False))


if __name__ == '__main__':
  run([stun_before_quic_on_a_lan])

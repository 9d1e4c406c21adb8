#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""ICE and QUIC share one socket for the whole session: on the wire, STUN and
QUIC have the same 5-tuple from the first packet to the last.

A minute by default; QUICP2P_CAPTURE_SECONDS for longer."""

import os
import time

import topology
from capture import Capture
from harness import expect, run
from peers import camera, viewer

SECONDS = float(os.environ.get('QUICP2P_CAPTURE_SECONDS', 60))


def check(network, host, interface, local, sender, receiver):
  """Captures a call while it lasts; local: the address of our end there."""
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
    tuples.setdefault(kind.split('-')[0], {})[ends] = packets, first, last
  expect(missed == 0, 'the capture missed %d packets', missed)
  expect(list(tuples['quic']) == [pair], 'QUIC on %s, the selected pair is %s',
         list(tuples['quic']), pair)
  stun = tuples['stun'].get(pair)
  expect(stun, 'no STUN on the pair that QUIC uses: %s', list(tuples['stun']))
  quic = tuples['quic'][pair]
  expect(stun[1] < quic[1], 'QUIC came before STUN on this pair')
  expect(ended - quic[2] < 2, 'QUIC ended %.1f s before the end', ended - quic[2])
  # Consent checks (RFC 7675) or keepalives: at least every half minute.
  if SECONDS >= 40:
    expect(stun[2] - quic[1] > SECONDS - 35, 'the last STUN packet came after %.1f s',
           stun[2] - quic[1])
  expect(set(tuples) <= {'stun', 'quic'}, 'something else was on the wire: %s', list(tuples))


def one_five_tuple_on_a_lan(lab):
  network = topology.lan(lab)
  network.start_signaling()
  check(network, network.viewer, 'eth0', network.viewer.address,
        camera(network, wait=True), viewer(network, decode=False))


if __name__ == '__main__':
  run([one_five_tuple_on_a_lan])

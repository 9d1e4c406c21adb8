#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""How long until a viewer has its first RTP packet, the camera running already.

  sudo tests/bench/bench_join.py [--runs 15]

Three networks: one link with 20 ms RTT; both behind NATs, with STUN and 40 ms
RTT between the peers (20 ms to the server); the same, relayed. "in the room" is
counted from the viewer being in the room, where the camera is already; "from
PLAYING" from the viewer's start, so with its TCP connection to the server and
its WebSocket upgrade. The viewer's process runs already, its latency is 0.
"""

import argparse
import time

# First: it makes tests/net known.
from bench import Lab, percentile, run, table

import topology
from peers import camera, viewer


def link(lab):
  return topology.far(lab), {}, 150


def nats(lab):
  network = topology.nat(lab, shape=topology.TWENTY_MS)
  network.start_coturn()
  network.turn_secret = None
  return network, {'stun_server': network.stun}, 300


def relayed(lab):
  network = topology.nat(lab, 'symmetric', 'symmetric', shape=topology.TWENTY_MS)
  network.start_coturn()
  return network, {'stun_server': network.stun}, 600


def one_join(network, settings, number):
  """Milliseconds from being in the room to QUIC's handshake and to the first
  packet, and to the latter from PLAYING."""
  receiver = viewer(network, 'viewer-%d' % number, decode=False, latency=0, wait=True, **settings)
  receiver.command('stats')     # the process is up
  since = len(receiver.events())
  receiver.process.send('play')
  first = receiver.wait_event('first-buffer', 20, lambda e: e['pad'] == 'in.sink')
  # The bus may be behind the packets.
  joined = receiver.wait_event('element', 5, lambda e: e['message']['name'] == 'signaling-state'
                               and e['message']['state'] == 'joined', since)
  up = receiver.wait_event('element', 5, lambda e: e['message']['name'] == 'peer-state'
                           and e['message']['new-state'] == 'connected', since)
  play = receiver.wait_event('done', 5, lambda e: e['command'] == 'play', since)
  receiver.stop()
  return ((up['t'] - joined['t']) * 1000, (first['t'] - joined['t']) * 1000,
          (first['t'] - play['t'] + play['seconds']) * 1000)


def measure(make, runs):
  with Lab() as lab:
    network, settings, goal = make(lab)
    network.start_signaling()
    sender = camera(network, **settings)
    sender.wait_count('pay.src', 30)
    times = []
    for number in range(runs):
      times.append(one_join(network, settings, number))
      # Not in step with the camera's keyframes, and more than a second apart: an
      # encoder is asked for a keyframe once a second at most.
      time.sleep(1.2 + number % 5 * 0.13)
    return times, goal


def main():
  options = argparse.ArgumentParser()
  options.add_argument('--runs', type=int, default=15)
  runs = options.parse_args().runs
  rows = []
  for name, make in (('one link, 20 ms', link), ('NATs, STUN, 40 ms', nats),
                     ('NATs, relayed, 40 ms', relayed)):
    times, goal = measure(make, runs)
    up, room, play = ([one[i] for one in times] for i in (0, 1, 2))
    rows.append([name, str(runs), '%.0f' % percentile(up, 50)]
                + ['%.0f' % percentile(room, p) for p in (10, 50, 90)]
                + ['%.0f' % percentile(play, 50), '<= %d' % goal,
                   'yes' if percentile(room, 50) <= goal else 'NO'])
  table(['first RTP, ms', 'runs', 'connected', 'p10', 'median', 'p90', 'from PLAYING', 'goal', 'met'], rows)


if __name__ == '__main__':
  run(main, 'turnserver')

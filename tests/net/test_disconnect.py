#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""No path is left: people are told, the pipelines wait, and what was cut is found
again without anybody's help, unless `disconnect-timeout` says that it is enough.
"""

import time

from harness import expect, run
from peers import camera, viewer
from roaming import World

# Longer than `producer-timeout`, which is about a camera that left.
AWAY_SECONDS = 12


def start(lab, **settings):
  """A camera and a viewer with one network each; settings are the viewer's."""
  network = World(lab, movers=())
  network.start_signaling()
  network.sender = camera(network, keep=True)
  network.receiver = viewer(network, keep=True, **settings)
  network.receiver.wait_count('out.sink', 30, 20)
  return network


def sent(network):
  """Packets that the viewer has sent, whether or not they get anywhere."""
  return network.links['viewer-eth0'].stats()['a']['received']


def comes_back(lab, cut):
  """cut(uplink): what happens to the viewer's only network. Returns how many packets
  a second the viewer sent meanwhile."""
  network = start(lab)
  uplink = network.uplinks['viewer-eth0']
  marks = [len(peer.events()) for peer in (network.sender, network.receiver)]
  cut(uplink)
  for peer, mark in zip((network.sender, network.receiver), marks):
    told = peer.wait_state('disconnected', 15, mark)
    print('%s: disconnected: %s' % (peer.name, told['message']['reason']))
  time.sleep(AWAY_SECONDS / 2)
  before = sent(network)
  time.sleep(AWAY_SECONDS / 2)
  rate = (sent(network) - before) / (AWAY_SECONDS / 2)
  back = time.monotonic()
  uplink.restore()
  for peer, mark in zip((network.sender, network.receiver), marks):
    peer.wait_state('connected', 15, mark)
  took = time.monotonic() - back
  network.receiver.wait_more('out.sink', 60, 15)
  print('back after %.1f s; while away the viewer sent %.1f packets a second' % (took, rate))
  for peer in (network.sender, network.receiver):
    for kind in ('error', 'eos'):
      expect(not peer.find(kind), '%s: %s: %s', peer.name, kind, peer.errors())
    expect(len([e for e in peer.events() if e['type'] == 'state' and e['new'] == 'PLAYING']) == 1,
           '%s left PLAYING', peer.name)
    peer.stop()
  return rate


def link_down(lab):
  comes_back(lab, lambda uplink: uplink.link_down())


def silence(lab):
  rate = comes_back(lab, lambda uplink: uplink.fall_silent())
  expect(0 < rate < 30, 'the viewer sent %.1f packets a second into nothing', rate)


def enough_is_enough(lab):
  """The viewer gives up with an error that says why; the camera waits."""
  network = start(lab, disconnect_timeout=3000)
  mark = len(network.receiver.events())
  network.uplinks['viewer-eth0'].link_down()
  told = network.receiver.wait_state('disconnected', 15, mark)
  error = network.receiver.wait_event('error', 15)
  waited = error['t'] - told['t']
  print('%.1f s later: %s (%s)' % (waited, error['text'], error['debug']))
  expect(2.9 < waited < 5, 'it took %.1f s', waited)
  expect('disconnected for 3000 ms' in error['text'] + error['debug'], 'it says %r', error['text'])
  expect(not network.sender.find('error'), 'the camera: %s', network.sender.errors())
  network.sender.stop()


if __name__ == '__main__':
  run([link_down, silence, enough_is_enough])

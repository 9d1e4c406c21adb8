#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A camera reaches a viewer, in each kind of network: video is decoded, and the
path is the one that this network asks for."""

import re
import signal

import topology
from harness import expect, run
from lab import need, wait_until
from peers import camera, environment, need_plain_build, viewer

FRAMES = 30


def meet(network, camera_settings=None, viewer_settings=None, types=('host', 'host')):
  """Starts both, waits for decoded frames, checks the path; returns both."""
  sender = camera(network, **(camera_settings or {}))
  receiver = viewer(network, **(viewer_settings or {}))
  receiver.wait_count('out.sink', FRAMES, 30)
  for peer, (local, remote) in ((sender, types), (receiver, types[::-1])):
    stats = peer.stats()
    expect(stats['state'] == 'connected', '%s is %s', peer.name, stats['state'])
    found = stats['local-candidate-type'], stats['remote-candidate-type']
    # A peer-reflexive candidate is the same socket, found by a check.
    expect(all(a in b.split('|') for a, b in zip(found, (local, remote))),
           '%s: candidates %s, wanted %s', peer.name, found, (local, remote))
  return sender, receiver


def part(sender, receiver):
  receiver.stop()
  sender.stop()


def lan_ipv4(lab):
  network = topology.lan(lab)
  network.start_signaling()
  sender, receiver = meet(network)
  stats = receiver.stats()
  expect(stats['remote-address'].startswith(network.camera.address + ':'),
         'remote address %s', stats['remote-address'])
  part(sender, receiver)


def lan_ipv6_only(lab):
  network = topology.lan(lab, ipv4=False, ipv6=True)
  network.start_signaling()
  sender, receiver = meet(network)
  expect(receiver.stats()['remote-address'].startswith('['), 'remote address %s',
         receiver.stats()['remote-address'])
  part(sender, receiver)


def lan_dual_stack(lab):
  network = topology.lan(lab, ipv6=True)
  network.start_signaling(everywhere=True)
  # One member reaches the server by IPv4, the other by IPv6.
  part(*meet(network, {'uri': network.uri(address='192.168.77.1')},
             {'uri': network.uri(address='fd77::1')}))


def both_behind_nat_with_stun(lab):
  network = topology.nat(lab)
  network.start_coturn()
  network.turn_secret = None      # STUN only
  network.start_signaling()
  stun = {'stun_server': network.stun}
  sender, receiver = meet(network, stun, stun, ('srflx|prflx|host', 'srflx|prflx'))
  expect(receiver.stats()['remote-address'].startswith('203.0.113.10:'), 'remote address %s',
         receiver.stats()['remote-address'])
  part(sender, receiver)


def stun_server_without_a_scheme(lab):
  network = topology.nat(lab, viewer=None)
  network.start_coturn()
  network.turn_secret = None
  network.start_signaling()
  stun = {'stun_server': network.stun.replace('stun://', '')}
  part(*meet(network, stun, stun, ('host|srflx|prflx', 'host')))


def relayed(lab, sender_nat, receiver_nat):
  network = topology.nat(lab, sender_nat, receiver_nat)
  network.start_coturn()
  network.start_signaling()
  stun = {'stun_server': network.stun}
  sender, receiver = meet(network, stun, stun, ('host|srflx|prflx|relay', ) * 2)
  found = [receiver.stats()[end + '-candidate-type'] for end in ('local', 'remote')]
  expect('relay' in found, 'two NATs that cannot be punched, but no relay: %s', found)
  part(sender, receiver)


def one_symmetric_nat_through_turn(lab):
  relayed(lab, 'masquerade', 'symmetric')


def both_symmetric_nats_through_turn(lab):
  relayed(lab, 'symmetric', 'symmetric')


def relay_forced(lab):
  """The policy of one side is enough that nothing else is used by it."""
  network = topology.lan(lab)
  network.start_coturn()
  network.start_signaling()
  settings = {'ice_transport_policy': 'relay'}
  sender, receiver = meet(network, settings, settings, ('relay', 'relay'))
  expect(receiver.stats()['local-address'].startswith(network.server.address + ':'),
         'relayed address %s', receiver.stats()['local-address'])
  part(sender, receiver)


def turn_server_as_a_property(lab):
  """No credentials from signaling: the user's own."""
  import base64
  import hashlib
  import hmac
  import time
  network = topology.lan(lab)
  network.start_coturn()
  user = '%d:test' % (time.time() + 600)
  password = base64.b64encode(hmac.new(network.turn_secret.encode(), user.encode(),
                                       hashlib.sha1).digest()).decode()
  network.turn_secret = None
  network.start_signaling()
  escaped = [re.sub('[^A-Za-z0-9]', lambda m: '%%%02X' % ord(m.group()), text)
             for text in (user, password)]
  settings = {'ice_transport_policy': 'relay', 'turn_server': 'turn://%s:%s@%s:%d' % (
      *escaped, network.server.address, topology.TURN_PORT)}
  sender, receiver = meet(network, settings, settings, ('relay', 'relay'))
  part(sender, receiver)
  log = sender.process.output() + receiver.process.output()
  expect(password not in log and escaped[1] not in log, 'the password is in the output')


def port_range(lab):
  network = topology.lan(lab)
  network.start_signaling()
  settings = {'min_port': 40100, 'max_port': 40110}
  sender, receiver = meet(network, settings, settings)
  for peer in (sender, receiver):
    port = int(peer.stats()['local-address'].rpartition(':')[2])
    expect(40100 <= port <= 40110, '%s uses port %d', peer.name, port)
  part(sender, receiver)


def signaling_inside_the_camera(lab):
  network = topology.lan(lab)
  here = network.uri(address=network.camera.address)
  sender, receiver = meet(network, {'uri': here, 'run_signaling_server': 'true'}, {'uri': here})
  part(sender, receiver)


def viewer_first(lab):
  network = topology.lan(lab)
  network.start_signaling()
  receiver = viewer(network)
  receiver.wait_state('waiting')
  sender = camera(network)
  receiver.wait_count('out.sink', FRAMES, 30)
  part(sender, receiver)


def peers_before_the_server(lab):
  network = topology.lan(lab)
  sender = camera(network)
  receiver = viewer(network)
  receiver.wait_event('element', where=lambda e: e['message']['name'] == 'signaling-state')
  network.start_signaling()
  receiver.wait_count('out.sink', FRAMES, 30)
  part(sender, receiver)


def gst_launch_commands(lab):
  """The two commands of the README, as a user types them."""
  need('gst-launch-1.0')
  need_plain_build()
  network = topology.lan(lab)
  network.start_signaling()
  sender = network.camera.spawn('gst-launch-camera', [
      'gst-launch-1.0', 'videotestsrc', 'is-live=true', '!', 'videoconvert', '!', 'x264enc',
      'tune=zerolatency', 'speed-preset=ultrafast', '!', 'rtph264pay', '!', 'quicp2psink',
      'uri=' + network.uri()], env=environment())
  receiver = network.viewer.spawn('gst-launch-viewer', [
      'gst-launch-1.0', '-v', 'quicp2psrc', 'uri=' + network.uri(), '!', 'rtph264depay', '!',
      'avdec_h264', '!', 'fakesink', 'silent=false'], env=environment())
  wait_until(lambda: receiver.output().count('last-message = chain') >= FRAMES, 30, 'frames')
  for process in (receiver, sender):
    process.signal(signal.SIGINT)
    expect(process.wait(5) == 0, '%s ended with %d after Ctrl-C', process.name,
           process.popen.returncode)


def gst_play(lab):
  """The URI handler finds the element, decodebin the depayloaders: both media."""
  need('gst-play-1.0')
  need_plain_build()
  network = topology.lan(lab)
  network.start_signaling()
  sender = camera(network, audio=True)
  player = network.viewer.spawn('gst-play', [
      'gst-play-1.0', '--videosink=fakesink name=v sync=true', '--audiosink=fakesink sync=true',
      network.uri()],
      env=dict(environment(), GST_DEBUG='GST_CAPS:3,playbin*:4,decodebin*:4'))
  player.wait_for(r'Now playing', 10)

  def position():
    found = re.findall(r'(\d):(\d\d):(\d\d)\.(\d)', player.output().replace('\r', '\n'))
    return max((int(h) * 3600 + int(m) * 60 + int(s) for h, m, s, _ in found), default=0)
  wait_until(lambda: position() >= 2, 30, 'gst-play-1.0 shows its position')
  expect(player.running(), 'the player has ended')
  player.stop()
  sender.stop()


if __name__ == '__main__':
  run([lan_ipv4, lan_ipv6_only, lan_dual_stack, both_behind_nat_with_stun,
       stun_server_without_a_scheme, one_symmetric_nat_through_turn,
       both_symmetric_nats_through_turn, relay_forced, turn_server_as_a_property, port_range,
       signaling_inside_the_camera, viewer_first, peers_before_the_server, gst_launch_commands,
       gst_play])

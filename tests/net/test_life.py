#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What happens over the life of a call: peers and servers that come, go, freeze
and never were; stopping in every state; errors that say what failed."""

import re
import time

import topology
from harness import expect, run
from lab import wait_until
from peers import VIDEO, Peer, camera, properties, viewer
from roaming import World

# A stop may take this long from outside, the process's own end included.
STOP_SECONDS = 1.0


def lan(lab, **options):
  network = topology.lan(lab, **options)
  network.start_signaling()
  return network


def connected(lab, **options):
  network = lan(lab, **options)
  sender, receiver = camera(network), viewer(network)
  receiver.wait_count('out.sink', 15, 30)
  return network, sender, receiver


def expect_fast_null(peer):
  seconds = peer.command('null', 10)['seconds']
  expect(seconds < STOP_SECONDS, '%s: PLAYING to NULL took %.2f s', peer.name, seconds)


def server_restart(lab):
  """Media does not care, and who comes later is served by the new server."""
  network, sender, receiver = connected(lab)
  network.signaling.kill()
  before = receiver.stats()
  receiver.wait_more('out.sink', 60)
  network.start_signaling()
  # Both come back to the room, but not a second time to each other.
  for peer in (sender, receiver):
    wait_until(lambda: peer.stats()['signaling'] == 'joined', 20, peer.name + ' is back')
  receiver.wait_more('out.sink', 30)
  expect(receiver.stats()['local-address'] == before['local-address'], 'the call was made anew')
  expect(len(receiver.stats()['peers']) == 1, 'the camera is known twice')
  expect(receiver.messages('session-state')[-1]['new-state'] == 'connected', 'not connected')
  second = viewer(network, 'second')
  second.wait_count('out.sink', 15, 20)
  for peer in (second, receiver, sender):
    peer.stop()


def server_drains_on_sigterm(lab):
  network, sender, receiver = connected(lab)
  network.signaling.popen.terminate()
  code = network.signaling.wait(5)
  expect(code == 0, 'the server ended with %d', code)
  receiver.wait_more('out.sink', 60)
  receiver.stop()
  sender.stop()


def viewer_comes_and_goes(lab):
  """As processes and within one; half of them without a goodbye."""
  network = lan(lab)
  sender = camera(network)
  for number in range(8):
    receiver = viewer(network, 'viewer-%d' % number, decode=False)
    receiver.wait_count('out.sink', 5, 20)
    if number % 2:
      receiver.process.kill()
    else:
      receiver.stop()
  receiver = Peer(network.viewer, 'viewer-last', 'quicp2psrc name=source '
                  + properties({'uri': network.uri()}),
                  plug='source=rtph264depay name=in ! fakesink name=out')
  for number in range(12):
    pad = 'plug%d.sink' % number
    wait_until(lambda: receiver.fresh()['pads'].get(pad, {'buffers': 0})['buffers'] >= 5, 20,
               'time %d' % number)
    expect_fast_null(receiver)
    receiver.command('play')
  receiver.stop()
  wait_until(lambda: sender.stats()['peer-count'] == 0, 45, 'the camera forgets its viewers')
  sender.stop()


def camera_restarts(lab):
  """The viewer's pipeline goes on through a goodbye and through a kill."""
  network, sender, receiver = connected(lab)
  sender.stop()
  sender = camera(network, 'camera-2')
  receiver.wait_more('out.sink', 30, 30)
  sender.process.kill()
  sender = camera(network, 'camera-3')
  receiver.wait_more('out.sink', 60, 45)
  receiver.stop()
  sender.stop()


def two_viewers(lab):
  network = lan(lab, viewers=2)
  sender = camera(network)
  first = viewer(network, 'first')
  first.wait_count('out.sink', 15, 20)
  second = viewer(network, 'second', host=network.viewers[1])
  second.wait_count('out.sink', 30, 20)
  expect(sender.stats()['peer-count'] == 2, 'the camera has %d viewers',
         sender.stats()['peer-count'])
  second.process.kill()
  first.wait_more('out.sink', 60)
  first.stop()
  sender.stop()


def eos_reaches_the_viewer(lab):
  network = lan(lab)
  source = VIDEO.replace('name=source', 'name=source num-buffers=90')
  receiver = viewer(network)
  receiver.wait_state('waiting')
  sender = camera(network, source=source)
  expect(sender.wait_end(30) == 0, 'the camera failed: %s', sender.errors())
  expect(receiver.wait_end(10) == 0, 'the viewer failed: %s', receiver.errors())
  expect(receiver.find('eos'), 'no EOS')


def null_within_a_second_connected(lab):
  network, sender, receiver = connected(lab)
  expect_fast_null(receiver)
  expect_fast_null(sender)


def null_within_a_second_frozen_peer(lab):
  network, sender, receiver = connected(lab)
  receiver.process.freeze()
  time.sleep(1.5)
  expect_fast_null(sender)
  receiver.process.thaw()
  sender.command('play')
  receiver.wait_more('out.sink', 30, 45)
  sender.process.freeze()
  time.sleep(1.5)
  expect_fast_null(receiver)
  sender.process.thaw()


def null_within_a_second_alone(lab):
  """Waiting in the room; no server; a server that swallows; a name nobody knows."""
  network = lan(lab)
  waiting = [camera(network), viewer(network)]
  for peer in waiting[:1]:
    peer.wait_event('element', where=lambda e: e['message']['name'] == 'session-state')
  expect_fast_null(waiting[0])
  expect_fast_null(waiting[1])
  for number, address in enumerate(('192.168.77.1:9', '192.168.77.99:8443', 'nowhere.invalid:8443')):
    for make in (camera, viewer):
      peer = make(network, '%s-%d' % (make.__name__, number), keep=True,
                  uri='quicp2p://%s/door' % address)
      peer.wait_event('state', where=lambda e: e['new'] in ('PAUSED', 'PLAYING'))
      time.sleep(0.3)
      expect_fast_null(peer)
  # A server that accepts and then says nothing.
  network.signaling.freeze()
  for make in (camera, viewer):
    peer = make(network, make.__name__ + '-unheard', keep=True)
    peer.wait_event('element', where=lambda e: e['message']['name'] == 'signaling-state')
    time.sleep(0.3)
    expect_fast_null(peer)
  network.signaling.thaw()


def null_within_a_second_connecting(lab):
  """While ICE checks go nowhere: the peers cannot reach each other."""
  network = topology.nat(lab, 'symmetric', 'symmetric')
  network.start_signaling()
  peers = [camera(network, keep=True), viewer(network, keep=True)]
  for peer in peers:
    peer.wait_state('connecting')
  time.sleep(0.5)
  for peer in peers:
    expect_fast_null(peer)


def null_within_a_second_disconnected(lab):
  """While both look for a path: the only network of one of them is gone."""
  network = World(lab, movers=())
  network.start_signaling()
  sender, receiver = camera(network, keep=True), viewer(network, keep=True)
  receiver.wait_count('out.sink', 15, 30)
  network.uplinks['viewer-eth0'].link_down()
  for peer in (sender, receiver):
    peer.wait_state('disconnected')
    time.sleep(0.3)
    expect_fast_null(peer)


def wait_error(peer, pattern, seconds=20):
  error = peer.wait_event('error', seconds)
  told = error['text'] + '\n' + (error['debug'] or '')
  expect(re.search(pattern, told, re.IGNORECASE), '%s says %r, not /%s/', peer.name, told, pattern)
  expect(peer.wait_end(5) == 1, '%s: exit code', peer.name)
  return told


def timeout_server_unreachable(lab):
  """Nothing listens there; nobody answers there; nobody knows the name."""
  network = topology.lan(lab)
  for number, (address, pattern) in enumerate((
      ('192.168.77.1:8443', 'refused'),
      ('192.168.77.99:8443', 'unreachable|no route|timed out|no answer'),
      ('nowhere.invalid:8443', 'resolve'))):
    for make in (camera, viewer):
      peer = make(network, '%s-%d' % (make.__name__, number), connect_timeout=1500,
                  uri='quicp2p://%s/door' % address)
      told = wait_error(peer, pattern)
      expect(address.split(':')[0] in told, 'the server is not named: %s', told)


def timeout_no_peer(lab):
  network = lan(lab)
  wait_error(viewer(network, connect_timeout=1500), 'nobody|no (peer|producer|camera|one)|door')


def timeout_no_path(lab):
  """Both behind symmetric NATs, no relay: the candidates are named."""
  network = topology.nat(lab, 'symmetric', 'symmetric')
  network.start_coturn()
  network.turn_secret = None
  network.start_signaling()
  sender = camera(network, stun_server=network.stun, connect_timeout=4000, keep=True)
  receiver = viewer(network, stun_server=network.stun, connect_timeout=4000)
  told = wait_error(receiver, r'ICE|path', 40)
  expect('10.2.0.2' in told and '10.1.0.2' in told, 'the candidates are not named: %s', told)
  sender.stop()


def wrong_room_secret(lab):
  network = topology.lan(lab)
  secrets = lab.file('secrets')
  with open(secrets, 'w') as stream:
    stream.write('*:open sesame\n')
  network.start_signaling('--room-secret-file', secrets)
  sender = camera(network, room_secret='open sesame')
  receiver = viewer(network, room_secret='open sesame')
  receiver.wait_count('out.sink', 5, 20)
  told = wait_error(viewer(network, 'stranger', room_secret='guess'), 'secret')
  expect('open sesame' not in told, 'the secret is told')
  told = wait_error(viewer(network, 'silent'), 'secret')
  receiver.stop()
  sender.stop()


def resolution_changes_in_mid_stream(lab):
  network = lan(lab)
  source = VIDEO.replace(
      'video/x-raw,format=I420,width=320,height=240,framerate=30/1',
      'capsfilter name=size caps=video/x-raw,format=I420,width=320,height=240,framerate=30/1')
  sender = camera(network, source=source)
  receiver = viewer(network)
  receiver.wait_count('out.sink', 15, 20)
  sender.command('set size caps video/x-raw,format=I420,width=640,height=360,framerate=30/1')

  def caps():
    text = receiver.fresh()['pads']['out.sink']['caps']
    return 'width=(int)640' in text and 'height=(int)360' in text
  wait_until(caps, 20, 'the viewer decodes the new size')
  receiver.wait_more('out.sink', 30)
  receiver.stop()
  sender.stop()


def codec_changes_in_mid_stream(lab):
  """H.264, then VP8, then H.264 again, by the same pad of the same sink."""
  network = lan(lab)
  raw = 'videotestsrc is-live=true ! video/x-raw,format=I420,width=320,height=240,framerate=30/1'
  source = ('input-selector name=codec '
            '%s ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=15 ! rtph264pay ! '
            'codec.sink_0 '
            '%s ! vp8enc deadline=1 keyframe-max-dist=15 cpu-used=8 ! rtpvp8pay ! codec.sink_1 '
            'codec. ! identity name=pay ' % (raw, raw))
  sender = Peer(network.camera, 'camera', source + '! quicp2psink %s'
                % properties({'uri': network.uri()}), counts=['pay.src'])
  receiver = Peer(network.viewer, 'viewer', 'quicp2psrc name=source %s'
                  % properties({'uri': network.uri()}), plug='source=decodebin name=in ! fakesink name=out', keep=True)

  def decoded(number):
    pads = receiver.fresh()['pads']
    return pads.get('plug%d.sink' % number, {'buffers': 0})['buffers'] >= 15
  for number, codec in enumerate(('sink_0', 'sink_1', 'sink_0')):
    if number:
      sender.command('set codec active-pad ' + codec)
    wait_until(lambda: decoded(number), 20, 'frames of codec %d' % number, 0.1)
  added = [event['caps'] for event in receiver.events() if event['type'] == 'pad-added']
  expect(['VP8' in caps for caps in added] == [False, True, False], 'pads: %s', added)
  expect(not receiver.find('eos'), 'a change of codec ended the viewer')
  receiver.stop()
  sender.stop()


if __name__ == '__main__':
  run([server_restart, server_drains_on_sigterm, viewer_comes_and_goes, camera_restarts,
       two_viewers, eos_reaches_the_viewer, null_within_a_second_connected,
       null_within_a_second_frozen_peer, null_within_a_second_alone,
       null_within_a_second_connecting, null_within_a_second_disconnected,
       timeout_server_unreachable, timeout_no_peer, timeout_no_path, wrong_room_secret,
       resolution_changes_in_mid_stream, codec_changes_in_mid_stream])

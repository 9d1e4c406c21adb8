#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who is refused, and what the user is told: wrong fingerprint, foreign CA,
wrong name, expired certificate. No media passes before both sides agree. And
what a crowd at the signaling server costs those who are in the room."""

import json
import os
import re
import subprocess
import time

import topology
from harness import expect, run
from lab import TOP
from peers import camera, viewer
from websocket import Closed, WebSocket


class Authority:
  """A CA in a directory of the lab, made with the project's own script."""

  def __init__(self, lab, name):
    self.directory = lab.file(name)
    self.leaf('any.example')
    self.certificate = os.path.join(self.directory, 'ca.pem')

  def leaf(self, name, expired=False):
    """Makes a certificate for a DNS name; returns the elements' settings."""
    done = subprocess.run(
        (os.path.join(TOP, 'certs', 'make-certs.sh'), '--dir', self.directory,
         '--days', '-3' if expired else '30', name),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    expect(done.returncode == 0, 'make-certs.sh: %s', done.stdout)
    base = os.path.join(self.directory, name)
    return {'certificate': base + '.pem', 'key': base + '.key'}


def lan(lab):
  network = topology.lan(lab)
  network.start_signaling()
  return network


def told(peer):
  """All that the bus said of problems."""
  return ' | '.join('%s %s' % (event['text'], event['debug'] or '') for event in peer.events()
                    if event['type'] in ('error', 'warning'))


def expect_refused(sender, receiver, refuser, pattern, seconds=20):
  """The side that refuses says why; nothing was received."""
  def error_or_warning(event):
    return re.search(pattern, event['text'] + (event['debug'] or ''), re.IGNORECASE)
  deadline = time.monotonic() + seconds
  while True:
    found = [event for event in refuser.events()
             if event['type'] in ('error', 'warning') and error_or_warning(event)]
    if found:
      break
    expect(time.monotonic() < deadline, '%s never said /%s/ but: %s', refuser.name, pattern,
           told(refuser))
    time.sleep(0.1)
  print('%s: %s' % (refuser.name, found[0]['text']))
  expect(not receiver.find('first-buffer'), 'media passed before the refusal')


def fingerprint_of(peer):
  peer.wait_event('state', where=lambda e: e['new'] == 'PAUSED')
  return peer.command('get out fingerprint')['value']


def pinned_fingerprints(lab):
  network = lan(lab)
  sender = camera(network)
  receiver = viewer(network, wait=True)
  # Before it plays it has no certificate: the camera's is what can be pinned.
  receiver.command('set source peer-fingerprint ' + fingerprint_of(sender))
  receiver.command('play')
  receiver.wait_count('out.sink', 15, 20)
  receiver.stop()
  sender.stop()


def wrong_fingerprint(lab):
  network = lan(lab)
  wrong = 'sha-256 ' + ':'.join(['AB'] * 32)
  sender = camera(network, keep=True)
  receiver = viewer(network, keep=True, peer_fingerprint=wrong, connect_timeout=5000)
  expect_refused(sender, receiver, receiver, 'fingerprint')
  receiver.stop()
  sender.stop()
  sender = camera(network, 'camera-2', keep=True, peer_fingerprint=wrong)
  receiver = viewer(network, 'viewer-2', keep=True)
  expect_refused(sender, receiver, sender, 'fingerprint')
  receiver.stop()
  sender.stop()


def certificates_of_one_authority(lab):
  network = lan(lab)
  authority = Authority(lab, 'ours')
  sender = camera(network, ca_file=authority.certificate, peer_name='viewer.test',
                  **authority.leaf('camera.test'))
  receiver = viewer(network, ca_file=authority.certificate, peer_name='camera.test',
                    **authority.leaf('viewer.test'))
  receiver.wait_count('out.sink', 15, 20)
  receiver.stop()
  sender.stop()


def refused_by_viewer(lab, pattern, sender_settings, receiver_settings):
  network = lan(lab)
  sender = camera(network, keep=True, **sender_settings)
  receiver = viewer(network, keep=True, connect_timeout=5000, **receiver_settings)
  expect_refused(sender, receiver, receiver, pattern)
  receiver.stop()
  sender.stop()


def foreign_authority(lab):
  ours, theirs = Authority(lab, 'ours'), Authority(lab, 'theirs')
  refused_by_viewer(lab, 'certificate|issuer|CA', theirs.leaf('camera.test'),
                    dict(ours.leaf('viewer.test'), ca_file=ours.certificate))


def certificate_nobody_signed(lab):
  """A camera without a certificate of its own, a viewer that asks for the CA's."""
  ours = Authority(lab, 'ours')
  refused_by_viewer(lab, 'self.signed|certificate|CA', {},
                    dict(ours.leaf('viewer.test'), ca_file=ours.certificate))


def viewer_nobody_signed(lab):
  """The other way round: it is the camera that refuses."""
  network = lan(lab)
  ours = Authority(lab, 'ours')
  sender = camera(network, keep=True, ca_file=ours.certificate, **ours.leaf('camera.test'))
  receiver = viewer(network, keep=True)
  expect_refused(sender, receiver, sender, 'self.signed|certificate|CA')
  receiver.stop()
  sender.stop()


def wrong_name(lab):
  ours = Authority(lab, 'ours')
  refused_by_viewer(lab, 'name', ours.leaf('camera.test'),
                    dict(ours.leaf('viewer.test'), ca_file=ours.certificate,
                         peer_name='other.test'))


def expired_certificate(lab):
  ours = Authority(lab, 'ours')
  refused_by_viewer(lab, 'expired', ours.leaf('camera.test', expired=True),
                    dict(ours.leaf('viewer.test'), ca_file=ours.certificate))


def signaling_over_tls(lab):
  """quicp2ps://: a server whose certificate names another host is refused."""
  network = topology.lan(lab)
  ours = Authority(lab, 'ours')
  camera_files, viewer_files = ours.leaf('camera.test'), ours.leaf('viewer.test')
  for name in ('other.test', network.server.address):
    server = ours.leaf(name)
    network.start_signaling('--certificate', server['certificate'], '--key', server['key'])
    uri = network.uri(scheme='quicp2ps')
    if name == network.server.address:
      break
    receiver = viewer(network, 'viewer-refuses', uri=uri, ca_file=ours.certificate, **viewer_files)
    told = receiver.wait_event('element', 40, lambda e: e['message']['name'] == 'signaling-state'
                               and e['message']['reason'], what='signaling-state with a reason')
    reason = told['message']['reason']
    expect('certificate' in reason and network.server.address in reason, 'the reason: %s', reason)
    receiver.process.kill()
    network.signaling.stop()
  sender = camera(network, uri=uri, ca_file=ours.certificate, **camera_files)
  receiver = viewer(network, uri=uri, ca_file=ours.certificate, **viewer_files)
  receiver.wait_count('out.sink', 15, 20)
  receiver.stop()
  sender.stop()


def keys_and_qlog_on_request(lab):
  """SSLKEYLOGFILE and qlog-dir, and nothing of either without."""
  network = lan(lab)
  keys, logs = lab.file('keys'), lab.file('logs')
  os.mkdir(logs)
  sender = camera(network)
  receiver = viewer(network, qlog_dir=logs, env={'SSLKEYLOGFILE': keys})
  receiver.wait_count('out.sink', 15, 20)
  receiver.stop()
  sender.stop()
  with open(keys) as stream:
    text = stream.read()
  for label in ('CLIENT_HANDSHAKE_TRAFFIC_SECRET', 'SERVER_TRAFFIC_SECRET_0'):
    expect(re.search('^' + label + ' [0-9a-f]{64} [0-9a-f]+$', text, re.MULTILINE),
           'no %s in the key log', label)
  names = os.listdir(logs)
  expect(len(names) == 1, 'qlog files: %s', names)
  with open(os.path.join(logs, names[0])) as stream:
    expect('packet_received' in stream.read(), 'the qlog tells of no packet')


class Flooder:
  """Joins as a producer, a consumer, comes, goes, breaks off, as fast as it can."""

  def __init__(self, network, host):
    self.network, self.host = network, host
    self.held, self.joined, self.refused = [], 0, {}

  def join(self, number):
    try:
      socket = WebSocket(self.host, self.network.server.address, 8443, '/door', 5)
      socket.send(json.dumps({'type': 'join', 'version': 1, 'token': os.urandom(16).hex(),
                              'name': 'camera', 'produces': number % 2 == 0, 'consumes': True}))
      answer = json.loads(socket.receive(5))
    except (Closed, OSError) as refused:
      self.refuse(str(refused))
      return
    if answer['type'] != 'joined':
      self.refuse(answer.get('code'))
      return
    self.joined += 1
    if number % 3 == 0:
      self.held.append(socket)
    elif number % 3 == 1:
      socket.socket.close()     # its seat is held
    else:
      socket.send('{"type":"leave"}')
      socket.close()

  def refuse(self, why):
    self.refused[why] = self.refused.get(why, 0) + 1

  def go_on(self, seconds):
    deadline = time.monotonic() + seconds
    number = 0
    while time.monotonic() < deadline:
      self.join(number)
      number += 1
    return number

  def close(self):
    for socket in self.held:
      socket.close()


def join_flood(lab):
  """One address floods the room: a call goes on, a viewer who comes is served."""
  network = topology.lan(lab, viewers=3)
  network.start_signaling()
  sender = camera(network)
  receiver = viewer(network)
  receiver.wait_count('out.sink', 15, 20)
  flooder = Flooder(network, network.viewers[2])
  before, start = receiver.count('out.sink'), time.monotonic()
  tried = flooder.go_on(6)
  frames, seconds = receiver.count('out.sink') - before, time.monotonic() - start
  late = viewer(network, 'late', host=network.viewers[1])
  late.wait_count('out.sink', 15, 20)
  flooder.close()
  print('%d joins, %d accepted, refused: %s' % (tried, flooder.joined, flooder.refused))
  # 64 at once and 4 a second, 32 seats at a time, absent members' included.
  expect(tried > 200, 'only %d joins were tried', tried)
  expect(32 <= flooder.joined <= 64 + 4 * 8, '%d of them were accepted', flooder.joined)
  expect({'too-many-connections', 'room-full'} & set(flooder.refused), 'refused: %s',
         flooder.refused)
  expect(frames > 0.8 * 30 * seconds, '%d frames in %.1f s', frames, seconds)
  for peer in (receiver, late, sender):
    expect(not peer.errors(), '%s: %s', peer.name, told(peer))
    peer.stop()


if __name__ == '__main__':
  run([pinned_fingerprints, wrong_fingerprint, certificates_of_one_authority, foreign_authority,
       certificate_nobody_signed, viewer_nobody_signed, wrong_name, expired_certificate, signaling_over_tls,
       keys_and_qlog_on_request, join_flood],
      commands=['openssl'])

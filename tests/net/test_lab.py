#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The laboratory measured with plain sockets: what it promises of links, NATs,
coturn and of leaving nothing behind. A test that fails here explains others."""

import base64
import hashlib
import hmac
import os
import select
import signal
import socket
import statistics
import struct
import subprocess
import sys
import time

import topology
from capture import Capture, classify
from harness import expect, run
from lab import wait_until

HERE = os.path.dirname(os.path.abspath(__file__))


def udp_socket(host, port=0):
  with host.inside():
    family = socket.AF_INET6 if ':' in host.address else socket.AF_INET
    made = socket.socket(family, socket.SOCK_DGRAM)
    made.setsockopt(socket.SOL_SOCKET, 33, 32 << 20)    # SO_RCVBUFFORCE
    made.bind((host.address, port))
  return made


def send_numbered(source, sink, count, gap=0.0, size=200):
  """Sends datagrams with their number and time; returns [(number, delay in ms)]."""
  target = sink.getsockname()[:2]
  arrived = []
  sink.setblocking(False)

  def collect(timeout):
    deadline = time.monotonic() + timeout
    while select.select([sink], [], [], max(0, deadline - time.monotonic()))[0]:
      data = sink.recv(2048)
      number, sent = struct.unpack('!Id', data[:12])
      arrived.append((number, (time.monotonic() - sent) * 1000))

  for number in range(count):
    source.sendto(struct.pack('!Id', number, time.monotonic()).ljust(size, b'\0'), target)
    collect(gap)
  collect(0.3)
  return arrived


def warm_up(source, sink):
  """Neighbour discovery is done before anything is measured."""
  send_numbered(source, sink, 1)


def shaped_pair(lab, shape):
  network = topology.lan(lab, shape={'camera': shape})
  source, sink = udp_socket(network.camera), udp_socket(network.viewer)
  warm_up(source, sink)
  return network.links['camera'], source, sink


def link_delay(lab):
  link, source, sink = shaped_pair(lab, '')
  floor = statistics.median(d for _, d in send_numbered(source, sink, 200, 0.003))
  link.set('a delay 20')
  delays = [d for _, d in send_numbered(source, sink, 200, 0.003)]
  expect(len(delays) == 200, '%d of 200 arrived', len(delays))
  median = statistics.median(delays)
  print('delay: floor %.3f ms, 20 ms set: median %.3f, p10 %.3f, p90 %.3f' % (
      floor, median, sorted(delays)[20], sorted(delays)[180]))
  expect(min(delays) >= 20, 'early: %.3f ms', min(delays))
  expect(median < 20.7, 'median %.3f ms', median)
  back = [d for _, d in send_numbered(sink, source, 50, 0.003)]
  expect(statistics.median(back) < 2, 'the other direction is delayed by %.3f ms',
         statistics.median(back))


def link_jitter_keeps_order(lab):
  link, source, sink = shaped_pair(lab, 'a delay 10 jitter 8')
  arrived = send_numbered(source, sink, 300, 0.001)
  numbers = [n for n, _ in arrived]
  expect(numbers == list(range(300)), 'lost or out of order')
  delays = [d for _, d in arrived]
  expect(min(delays) >= 10 and max(delays) - min(delays) > 3, 'no jitter: %.2f to %.2f ms',
         min(delays), max(delays))
  link.set('a reorder on')
  numbers = [n for n, _ in send_numbered(source, sink, 300, 0.001)]
  expect(sorted(numbers) == list(range(300)), 'lost while reordering')
  expect(numbers != sorted(numbers), 'order kept although reordering is on')


def link_loss_is_random_and_repeatable(lab):
  link, source, sink = shaped_pair(lab, '')
  link.set('a loss 2')
  lost = 5000 - len(send_numbered(source, sink, 5000))
  # Binomial: mean 100, standard deviation 9.9.
  print('loss: %d of 5000 at 2 %%' % lost)
  expect(50 <= lost <= 150, '%d of 5000 lost at 2 %%', lost)
  expect(link.stats()['a']['lost'] == lost, 'counted %d', link.stats()['a']['lost'])
  link.set('a loss 0 drop 3')
  numbers = [n for n, _ in send_numbered(source, sink, 10)]
  expect(numbers == list(range(3, 10)), 'drop 3 left %s', numbers)


def link_rate_and_queue(lab):
  link, source, sink = shaped_pair(lab, 'a rate 8000000 queue 50000')
  arrived = send_numbered(source, sink, 100, size=958)    # 1000 bytes with its headers
  # 1 ms of wire each; 50 fit the queue while the burst comes in.
  expect(48 <= len(arrived) <= 60, '%d of 100 passed a queue for 50', len(arrived))
  longest = max(d for _, d in arrived)
  expect(45 < longest < 65, 'the last one took %.1f ms', longest)
  link.set('a rate 0')
  expect(len(send_numbered(source, sink, 1000, size=958)) == 1000, 'loss without a rate')


def link_black_hole_and_carrier(lab):
  link, source, sink = shaped_pair(lab, '')
  link.set('both down')
  expect(not send_numbered(source, sink, 5), 'passed a black hole')
  link.set('both up')
  expect(len(send_numbered(source, sink, 5)) == 5, 'not up again')
  link.set('a carrier off')
  shown = link.host.ip('link show eth0')
  expect('NO-CARRIER' in shown, 'carrier not lost: %s', shown)
  link.set('a carrier on')
  wait_until(lambda: 'NO-CARRIER' not in link.host.ip('link show eth0'), 2, 'carrier back')


def link_carries_a_gigabit(lab):
  """1200-byte packets, generated and counted by the kernel's own sockets."""
  link, source, sink = shaped_pair(lab, '')
  source.connect(sink.getsockname())
  # UDP_SEGMENT: 40 packets a call, or Python would be what is measured.
  source.setsockopt(socket.IPPROTO_UDP, 103, 1200)
  source.setsockopt(socket.SOL_SOCKET, 32, 32 << 20)      # SO_SNDBUFFORCE
  payload = bytes(1200 * 40)
  before = link.stats()['a']['delivered']
  started = time.monotonic()
  sent = 0
  while time.monotonic() < started + 2:
    # 1 Gb/s of payload.
    if sent * 1200 * 8 < (time.monotonic() - started) * 1e9:
      source.send(payload)
      sent += 40
    else:
      time.sleep(0.0002)
  time.sleep(0.2)
  passed = link.stats()['a']['delivered'] - before
  print('throughput: %.0f Mb/s offered, %.0f Mb/s delivered' % (
      sent * 1200 * 8 / 2e6, passed * 1200 * 8 / 2e6))
  # A link slower than 400 Mb/s would be what is measured; a busy machine halves it.
  expect(passed * 1200 * 8 / 2 > 400e6, 'only %.0f Mb/s', passed * 1200 * 8 / 2e6)


def observed_ports(network, host, targets):
  probe = udp_socket(host)
  ports = []
  for target in targets:
    probe.sendto(b'who am I', target.getsockname()[:2])
    target.settimeout(3)
    ports.append(target.recvfrom(100)[1])
  return probe, ports


def nat_mapping_and_filtering(lab):
  network = topology.nat(lab, 'masquerade', 'symmetric')
  targets = [udp_socket(network.server, port) for port in (7001, 7002)]
  probe, seen = observed_ports(network, network.camera, targets)
  expect(seen[0] == seen[1], 'endpoint-independent NAT maps to %s', seen)
  expect(seen[0][1] == probe.getsockname()[1], 'the port is not kept: %s', seen)
  stranger = udp_socket(network.server, 7003)
  stranger.sendto(b'stranger', seen[0])
  targets[0].sendto(b'friend', seen[0])
  probe.settimeout(3)
  expect(probe.recv(100) == b'friend', 'the stranger came through')
  # The stranger's packet must not have cost the mapping its port.
  probe.sendto(b'again', stranger.getsockname())
  stranger.settimeout(3)
  expect(stranger.recvfrom(100)[1] == seen[0], 'the mapping has moved')
  _, seen = observed_ports(network, network.viewer, targets)
  expect(seen[0][0] == '203.0.113.20' and seen[0] != seen[1], 'symmetric NAT maps to %s', seen)


def stun_attribute(kind, value):
  return struct.pack('!HH', kind, len(value)) + value + bytes(-len(value) % 4)


def stun_message(kind, attributes, key=None):
  body = b''.join(attributes)
  transaction = os.urandom(12)

  def head(size):
    return struct.pack('!HHI', kind, size, 0x2112a442) + transaction
  if key:
    digest = hmac.new(key, head(len(body) + 24) + body, hashlib.sha1).digest()
    body += stun_attribute(0x0008, digest)
  return head(len(body)) + body


def stun_parse(data):
  kind, size = struct.unpack('!HH', data[:4])
  attributes = {}
  at = 20
  while at < 20 + size:
    name, length = struct.unpack('!HH', data[at:at + 4])
    attributes[name] = data[at + 4:at + 4 + length]
    at += 4 + (length + 3) // 4 * 4
  return kind, attributes


def stun_ask(probe, server, message):
  probe.settimeout(3)
  probe.sendto(message, server)
  return stun_parse(probe.recv(2048))


def unxor(value):
  port = struct.unpack('!H', value[2:4])[0] ^ 0x2112
  address = struct.unpack('!I', value[4:8])[0] ^ 0x2112a442
  return socket.inet_ntoa(struct.pack('!I', address)), port


def coturn_serves(lab):
  network = topology.nat(lab)
  network.start_coturn()
  capture = Capture(network.server, 'eth0', [(network.server.address, topology.TURN_PORT)])
  server = (network.server.address, topology.TURN_PORT)
  probe = udp_socket(network.camera)
  kind, answer = stun_ask(probe, server, stun_message(0x0001, []))
  expect(kind == 0x0101 and unxor(answer[0x0020])[0] == '203.0.113.10', 'binding: %x', kind)

  udp = stun_attribute(0x0019, bytes([17, 0, 0, 0]))
  kind, answer = stun_ask(probe, server, stun_message(0x0003, [udp]))
  expect(kind == 0x0113, 'an allocation without credentials: %x', kind)
  user = '%d:test' % (time.time() + 600)
  password = base64.b64encode(
      hmac.new(network.turn_secret.encode(), user.encode(), hashlib.sha1).digest())
  realm = answer[0x0014]
  key = hashlib.md5(user.encode() + b':' + realm + b':' + password).digest()
  kind, answer = stun_ask(probe, server, stun_message(0x0003, [
      udp, stun_attribute(0x0006, user.encode()), stun_attribute(0x0014, realm),
      stun_attribute(0x0015, answer[0x0015])], key))
  expect(kind == 0x0103, 'the allocation is refused: %x', kind)
  expect(unxor(answer[0x0016])[0] == network.server.address, 'relayed: %s', answer)

  capture.stop()
  counts = capture.counts()
  expect([kind for _, kind in counts] == ['stun'], 'captured %s', counts)
  expect(sum(c[0] for c in counts.values()) == 6, 'captured %s', counts)


def first_byte_tells_protocols_apart(lab):
  expect(classify(b'\x00\x01\x00\x00\x21\x12\xa4\x42') == 'stun', 'stun')
  expect(classify(b'\x00\x01\x00\x00\x00\x00\x00\x00') == 'unknown', 'no cookie')
  for first, kind in ((16, 'zrtp'), (22, 'dtls'), (64, 'quic-short'), (127, 'quic-short'),
                      (128, 'rtp'), (191, 'rtp'), (192, 'quic-long'), (255, 'quic-long')):
    expect(classify(bytes([first]) + bytes(9)) == kind, 'first byte %d', first)
  expect(classify(bytes([64]) + bytes(9), True) == 'turn-channel', 'channel data')


def nothing_is_left_behind(lab):
  """A lab that is terminated cleans up; one that is killed is cleaned up after."""
  def prefix(child):
    return 'qp%d-' % child.pid

  def namespaces():
    return subprocess.run(['ip', 'netns', 'list'], stdout=subprocess.PIPE, text=True).stdout

  def started():
    child = subprocess.Popen([sys.executable, os.path.join(HERE, 'topology.py'), 'far'],
                             stdout=subprocess.PIPE, text=True)
    for line in child.stdout:
      if 'Ctrl-C' in line:
        break
    expect(prefix(child) in namespaces(), 'the lab has no namespace')
    return child

  for number in (signal.SIGINT, signal.SIGTERM):
    child = started()
    child.send_signal(number)
    child.wait(10)
    expect(prefix(child) not in namespaces(), 'left behind after %s', number)

  child = started()
  child.kill()
  child.wait()
  expect(prefix(child) in namespaces(), 'SIGKILL cannot have been cleaned up after')
  again = started()
  expect(prefix(child) not in namespaces(), 'leftovers of a killed run stay')
  again.terminate()
  again.wait(10)
  expect(prefix(again) not in namespaces(), 'left behind')


if __name__ == '__main__':
  run([first_byte_tells_protocols_apart, link_delay, link_jitter_keeps_order,
       link_loss_is_random_and_repeatable, link_rate_and_queue, link_black_hole_and_carrier,
       link_carries_a_gigabit, nat_mapping_and_filtering, coturn_serves, nothing_is_left_behind])

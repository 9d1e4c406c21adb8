#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The seed's clients, which send untyped messages and know of no rooms, are
served by the same server: relayed verbatim to the others on their URL."""

import json
import socket

import topology
from harness import expect, run
from peers import camera, viewer
from websocket import WebSocket

# Spaces, order and escapes as no JSON library would write them back.
OFFER = ('{"candidates":   ["6f8c 1 udp 2130706431 192.168.77.2 40000 typ host",'
         '"6f8d 1 udp 1694498815 203.0.113.7 40001 typ srflx raddr 192.168.77.2 rport 40000"],\n'
         ' "username": "abcd", "password": "sl\\/ash and \\u00fc", "more": [1.50, null]}')
ANSWER = ('{"password":"0123456789012345678901","candidates":["1 1 udp 2130706431 192.168.77.3 '
          '40002 typ host"],"username":"wxyz"}')


def expect_silence(client, seconds=0.5):
  try:
    text = client.receive(seconds)
  except socket.timeout:
    return
  raise AssertionError('got %r' % text)


def open_client(network, host, path='/'):
  return WebSocket(host, network.server.address, topology.SIGNALING_PORT, path)


def offer_and_answer_are_relayed_verbatim(lab):
  network = topology.lan(lab)
  network.start_signaling()
  answerer = open_client(network, network.viewer)
  offerer = open_client(network, network.camera)
  elsewhere = open_client(network, network.viewer, '/elsewhere')
  offerer.send(OFFER)
  expect(answerer.receive() == OFFER, 'the offer was changed')
  answerer.send(ANSWER)
  expect(offerer.receive() == ANSWER, 'the answer was changed')
  # The seed's clients leave as soon as they have what they need.
  answerer.close()
  offerer.send(OFFER)
  for client in (offerer, elsewhere):
    expect_silence(client)


def every_other_client_gets_it(lab):
  network = topology.lan(lab)
  network.start_signaling()
  clients = [open_client(network, network.viewer) for _ in range(4)]
  clients[0].send(OFFER)
  for client in clients[1:]:
    expect(client.receive() == OFFER, 'not relayed to all')
  expect_silence(clients[0])


def beside_a_call_in_the_same_room(lab):
  """Typed members see nothing of untyped talk on their URL, and work."""
  network = topology.lan(lab)
  network.start_signaling()
  sender = camera(network)
  clients = [open_client(network, network.viewer, '/door') for _ in range(2)]
  clients[0].send(OFFER)
  expect(clients[1].receive() == OFFER, 'not relayed')
  receiver = viewer(network)
  receiver.wait_count('out.sink', 15, 20)
  clients[1].send(ANSWER)
  expect(json.loads(clients[0].receive()) == json.loads(ANSWER), 'not relayed beside a call')
  receiver.wait_more('out.sink', 15)
  expect(not sender.errors() and not receiver.errors(), 'the call was disturbed: %s %s',
         sender.errors(), receiver.errors())
  receiver.stop()
  sender.stop()


if __name__ == '__main__':
  run([offer_and_answer_are_relayed_verbatim, every_other_client_gets_it,
       beside_a_call_in_the_same_room])

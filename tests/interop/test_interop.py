#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Our elements and an implementation of RTP over QUIC that shares nothing with
them (roq_peer.py: aioice and aioquic), each as camera and as viewer.

The two are in no release of Debian that we build on; without them the tests say
SKIP. QUICP2P_INTEROP_PYTHON names a Python that has them:

  python3 -m venv /tmp/interop && /tmp/interop/bin/pip install aioquic aioice
  sudo QUICP2P_INTEROP_PYTHON=/tmp/interop/bin/python tests/interop/test_interop.py
"""

import json
import os
import subprocess
import sys

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TESTS, 'net'))

import topology  # noqa: E402
from harness import expect, run  # noqa: E402
from lab import Skip  # noqa: E402
from peers import AUDIO, VIDEO, Peer, properties, read_rtp, read_units  # noqa: E402

PYTHON = os.environ.get('QUICP2P_INTEROP_PYTHON', sys.executable)
TONE = 50               # packets in each of the three forms


def roq_peer(network, host, *args):
  if subprocess.run([PYTHON, '-c', 'import aioice, aioquic'], stdin=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL).returncode:
    raise Skip('%s has no aioice and aioquic (see test_interop.py)' % PYTHON)
  return host.spawn('roq-peer', [
      PYTHON, os.path.join(TESTS, 'interop', 'roq_peer.py'), network.server.address,
      str(topology.SIGNALING_PORT), 'door', *map(str, args)])


def events(process, code=0):
  """{type: event} of what it printed, when it has ended."""
  ended = process.wait(60)
  output = process.output()
  expect(ended == code, 'roq_peer.py ended with %s: %s', ended, output[-3000:])
  with open(process.out_path) as stream:
    return {event['type']: event for event in map(json.loads, stream)}


def it_views(lab, mapping, streams):
  network = topology.lan(lab)
  network.start_signaling()
  picture = VIDEO.replace('key-int-max=30', 'key-int-max=10000')
  sender = Peer(network.camera, 'camera',
                '%s ! rtph264pay name=pay mtu=1100 ! quicp2psink name=out mapping=%s %s '
                '%s ! rtpopuspay name=apay ! out.'
                % (picture, mapping, properties({'uri': network.uri()}), AUDIO),
                rtp={'pay.src': lab.file('video'), 'apay.src': lab.file('audio')})
  sender.wait_event('state', where=lambda e: e['new'] == 'PLAYING')
  seen = events(roq_peer(network, network.viewer, 'view', 4))
  sender.stop()
  expect(seen['connected']['alpn'] == 'roq-14', 'connected as %s', seen['connected'])
  result = seen['result']
  # RoQ knows no bidirectional streams.
  expect(result['streams']['bidi'] == 0, 'streams: %s', result['streams'])
  for kind, least in (('video', 100), ('audio', 150)):
    sent = [packet[1:] for packet in read_rtp(lab.file(kind))]
    got = [tuple(packet[2:]) for packet in result['packets'] if packet[4] == sent[0][2]]
    forms = {packet[1] for packet in result['packets'] if packet[4] == sent[0][2]}
    expect(len(got) > least, '%s: only %d packets', kind, len(got))
    # Frames on streams of their own may overtake each other.
    start = min(sent.index(packet) for packet in got)
    expect(sorted(got) == sorted(sent[start:start + len(got)]), '%s: not what was sent', kind)
    expect(forms == {streams}, '%s: on streams: %s', kind, forms)
    print('%s, %s: %d packets came, every one' % (mapping, kind, len(got)))
  flows = {packet[0] for packet in result['packets']}
  expect(len(flows) == 2, 'flows: %s', flows)
  expect(result['rtcp'] > 0, 'no sender reports')
  expect(result['keyframes'] == [1, 1], 'keyframes before and after the PLI: %s',
         result['keyframes'])


def it_views_stream_per_frame(lab):
  it_views(lab, 'stream-per-frame', True)


def it_views_stream(lab):
  it_views(lab, 'stream', True)


def it_views_datagram(lab):
  it_views(lab, 'datagram', False)


def it_produces(lab):
  """One flow in three forms, which a receiver must take as one (section 5.1)."""
  network = topology.lan(lab)
  network.start_signaling()
  receiver = Peer(network.viewer, 'viewer',
                  'quicp2psrc latency=100 %s ! rtppcmudepay ! fakesink name=out sync=false'
                  % properties({'uri': network.uri()}),
                  counts=['out.sink'], dumps={'out.sink': lab.file('tone')})
  receiver.wait_state('waiting')
  process = roq_peer(network, network.camera, 'produce', TONE)
  receiver.wait_count('out.sink', 3 * TONE, 30)
  receiver.stop()
  seen = events(process)
  expect(seen['connected']['alpn'] == 'roq-14', 'connected as %s', seen['connected'])
  expect(seen['result']['streams']['bidi'] == 0, 'streams: %s', seen['result']['streams'])
  expect(seen['result']['rtcp'] > 0, 'no receiver reports')
  data = b''.join(unit for _, unit in read_units(lab.file('tone')))
  numbers = [int.from_bytes(data[i:i + 2], 'big') for i in range(0, len(data), 160)]
  expect(numbers == list(range(3 * TONE)), 'what came: %s', numbers)
  expect(seen['terminated']['code'] == 0, 'the viewer closed with %s', seen['terminated'])


if __name__ == '__main__':
  run([it_views_stream_per_frame, it_views_stream, it_views_datagram, it_produces])

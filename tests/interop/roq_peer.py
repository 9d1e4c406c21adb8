#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A member of a room that shares no code with ours: aioice, aioquic, and RTP
over QUIC (draft-ietf-avtcore-rtp-over-quic-14) with the plain ALPN `roq-14`,
written from the draft and signaling/PROTOCOL.md.

  roq_peer.py HOST PORT ROOM view SECONDS
  roq_peer.py HOST PORT ROOM produce PACKETS

Prints one JSON object per line: {"type": "connected"} and so on, and at the end
{"type": "result", …}. The viewer asks for a keyframe halfway (PLI). The producer
sends a tone of PACKETS packets of PCMU three times: one stream for each packet,
all on one stream, and in datagrams.
"""

import asyncio
import binascii
import contextlib
import datetime
import json
import os
import re
import secrets
import ssl
import struct
import sys
import time

import aioice
from aioquic.buffer import Buffer, BufferReadError
from aioquic.quic import events
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.packet import pull_quic_header
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'net'))

from websocket import Closed, WebSocket  # noqa: E402

# What aioquic takes for the peer's address. ICE chooses the pair below it, and
# may change it; QUIC must not see that.
ADDRESS = ('192.0.2.1', 1)
PCMU_FLOW = 3
PCMU_BYTES = 160        # 20 ms
SDP = ('v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n'
       'm=audio 9 QUIC/RTP/AVPF 0\r\nc=IN IP4 0.0.0.0\r\na=mid:tone\r\na=sendonly\r\n'
       'a=rtcp-mux\r\na=roq-flow-id:%d\r\na=rtpmap:0 PCMU/8000\r\n' % PCMU_FLOW)


def tell(kind, **fields):
  print(json.dumps(dict(fields, type=kind)), flush=True)


class Here:
  """For websocket.py, which knows hosts of a laboratory: this one."""

  inside = contextlib.nullcontext


def make_identity():
  """(certificate, private key, fingerprint as in SDP)"""
  key = ec.generate_private_key(ec.SECP256R1())
  name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, 'roq_peer')])
  now = datetime.datetime.now(datetime.timezone.utc)
  certificate = (x509.CertificateBuilder().subject_name(name).issuer_name(name)
                 .public_key(key.public_key()).serial_number(x509.random_serial_number())
                 .not_valid_before(now - datetime.timedelta(days=1))
                 .not_valid_after(now + datetime.timedelta(days=1))
                 .sign(key, hashes.SHA256()))
  return certificate, key, fingerprint_of(certificate)


def fingerprint_of(certificate):
  digest = binascii.hexlify(certificate.fingerprint(hashes.SHA256())).decode().upper()
  return 'sha-256 ' + ':'.join(digest[i:i + 2] for i in range(0, len(digest), 2))


class Signaling:
  """The member's side of PROTOCOL.md, sections 1 to 3.1."""

  def __init__(self, host, port, room, produces):
    self.socket = WebSocket(Here, host, int(port), '/' + room)
    self.socket.socket.settimeout(None)
    self.messages = asyncio.Queue()
    self.send(type='join', version=1, token=secrets.token_hex(16), name='roq_peer',
              produces=produces, consumes=not produces)
    asyncio.get_running_loop().run_in_executor(None, self.read, asyncio.get_running_loop())

  def read(self, loop):
    try:
      while True:
        text = self.socket.receive(None)
        loop.call_soon_threadsafe(self.messages.put_nowait, json.loads(text))
    except (Closed, OSError):
      pass

  def send(self, **message):
    self.socket.send(json.dumps(message))

  async def wait(self, *types):
    while True:
      message = await self.messages.get()
      if message['type'] in ('error', 'bye'):
        raise AssertionError('signaling: %s' % message)
      if message['type'] in types:
        return message


class Call:
  """One call: ICE below, QUIC above, RoQ's bytes on top."""

  def __init__(self, signaling, consumer):
    self.signaling, self.consumer = signaling, consumer
    self.certificate, self.key, self.fingerprint = make_identity()
    self.ice = aioice.Connection(ice_controlling=consumer, use_ipv6=False)
    self.quic = None
    self.timer = None
    self.closed = asyncio.Event()
    self.established = asyncio.Event()
    self.buffers = {}           # stream → bytes not parsed yet
    self.flow_of = {}           # stream → flow ID
    self.packets = []           # [flow, on a stream?, RTP]
    self.rtcp = 0
    self.streams = {'uni': 0, 'bidi': 0}
    self.on_rtp = None

  # --- signaling ---

  async def connect(self):
    await self.ice.gather_candidates()
    if self.consumer:
      joined = await self.signaling.wait('joined')
      producers = [peer['id'] for peer in joined['peers'] if peer['produces']]
      self.peer = producers[0] if producers else None
      while not self.peer:
        joined = await self.signaling.wait('peer-joined')
        self.peer = joined['peer']['id'] if joined['peer']['produces'] else None
      self.id = secrets.token_hex(16)
      self.describe('offer')
      message = await self.signaling.wait('answer')
    else:
      message = await self.signaling.wait('offer')
      self.peer, self.id = message['from'], message['call']
      self.describe('answer', sdp=SDP)
    self.sdp = message.get('sdp')
    self.peer_fingerprint = message['fingerprint']
    self.ice.remote_username, self.ice.remote_password = message['ufrag'], message['password']
    while True:
      message = await self.signaling.wait('candidate')
      if message['call'] == self.id and not message['candidate']:
        break
      candidate = aioice.Candidate.from_sdp(message['candidate'].split(':', 1)[1])
      await self.ice.add_remote_candidate(candidate)
    await self.ice.add_remote_candidate(None)
    await self.ice.connect()
    tell('ice')
    self.start_quic()
    asyncio.ensure_future(self.receive())
    await asyncio.wait_for(self.established.wait(), 10)

  def describe(self, kind, **more):
    common = {'to': self.peer, 'call': self.id, 'path': 0}
    self.signaling.send(type=kind, fingerprint=self.fingerprint, ufrag=self.ice.local_username,
                        password=self.ice.local_password, **common, **more)
    for candidate in self.ice.local_candidates:
      self.signaling.send(type='candidate', candidate='candidate:' + candidate.to_sdp(), **common)
    self.signaling.send(type='candidate', candidate='', **common)

  # --- QUIC on the pair of ICE ---

  def start_quic(self):
    self.configuration = QuicConfiguration(
        is_client=not self.consumer, alpn_protocols=['roq-14'], max_datagram_frame_size=65536,
        verify_mode=ssl.CERT_NONE, certificate=self.certificate, private_key=self.key)
    if not self.consumer:
      self.quic = QuicConnection(configuration=self.configuration)
      self.quic.connect(ADDRESS, now=time.monotonic())
      self.flush()

  def accept(self, datagram):
    """The consumer is the server: its connection begins with the first packet."""
    header = pull_quic_header(Buffer(data=datagram), host_cid_length=8)
    self.quic = QuicConnection(configuration=self.configuration,
                               original_destination_connection_id=header.destination_cid)
    initialize = self.quic._initialize

    def demand_certificate(*args):
      initialize(*args)
      self.quic.tls._request_client_certificate = True

    self.quic._initialize = demand_certificate

  async def receive(self):
    try:
      while True:
        datagram = await self.ice.recv()
        if self.quic is None:
          self.accept(datagram)
        self.quic.receive_datagram(datagram, ADDRESS, now=time.monotonic())
        self.flush()
    except ConnectionError:
      self.closed.set()

  def on_timer(self):
    self.quic.handle_timer(now=time.monotonic())
    self.flush()

  def flush(self):
    while (event := self.quic.next_event()) is not None:
      self.handle(event)
    for datagram, _ in self.quic.datagrams_to_send(now=time.monotonic()):
      asyncio.ensure_future(self.ice.send(datagram))
    if self.timer:
      self.timer.cancel()
    due = self.quic.get_timer()
    self.timer = due and asyncio.get_running_loop().call_later(
        max(0, due - time.monotonic()), self.on_timer)

  def handle(self, event):
    if isinstance(event, events.HandshakeCompleted):
      found = fingerprint_of(self.quic.tls._peer_certificate)
      if found != self.peer_fingerprint:
        raise AssertionError('the peer is %s, announced was %s' % (found, self.peer_fingerprint))
      tell('connected', alpn=event.alpn_protocol)
      self.established.set()
    elif isinstance(event, events.StreamDataReceived):
      self.on_stream(event.stream_id, event.data)
    elif isinstance(event, events.DatagramFrameReceived):
      buffer = Buffer(data=event.data)
      flow = buffer.pull_uint_var()
      self.on_packet(flow, False, event.data[buffer.tell():])
    elif isinstance(event, events.ConnectionTerminated):
      tell('terminated', code=event.error_code, reason=event.reason_phrase)
      self.closed.set()

  # --- RTP over QUIC ---

  def on_stream(self, stream, data):
    if stream not in self.buffers:
      self.streams['uni' if stream & 2 else 'bidi'] += 1
    pending = self.buffers.get(stream, b'') + data
    buffer = Buffer(data=pending)
    used = 0
    try:
      if stream not in self.flow_of:
        self.flow_of[stream] = buffer.pull_uint_var()
        used = buffer.tell()
      while True:
        packet = buffer.pull_bytes(buffer.pull_uint_var())
        used = buffer.tell()
        self.on_packet(self.flow_of[stream], True, packet)
    except BufferReadError:
      self.buffers[stream] = pending[used:]

  def on_packet(self, flow, on_stream, packet):
    if 192 <= packet[1] <= 223:         # RFC 5761, section 4
      self.rtcp += 1
      return
    self.packets.append((flow, on_stream, packet))

  def send_on_stream(self, flow, packets, stream=None, end=True):
    data = Buffer(capacity=65536)
    if stream is None:
      stream = self.quic.get_next_available_stream_id(is_unidirectional=True)
      data.push_uint_var(flow)
    for packet in packets:
      data.push_uint_var(len(packet))
      data.push_bytes(packet)
    self.quic.send_stream_data(stream, data.data, end_stream=end)
    self.flush()
    return stream

  def send_datagram(self, flow, packet):
    data = Buffer(capacity=2048)
    data.push_uint_var(flow)
    data.push_bytes(packet)
    self.quic.send_datagram_frame(data.data)
    self.flush()

  async def close(self):
    self.quic.close(error_code=0, reason_phrase='seen enough')
    self.flush()
    await asyncio.sleep(0.2)
    await self.ice.close()


def begins_keyframe(packet):
  """Whether an RTP packet of H.264 holds the first bytes of an IDR picture's
  first slice."""
  kind, at = packet[12] & 31, 13
  if kind == 28 and packet[13] & 0x80:
    kind, at = packet[13] & 31, 14
  return kind == 5 and packet[at] & 0x80 != 0


async def view(signaling, seconds):
  call = Call(signaling, True)
  await call.connect()
  sdp = call.sdp or (await signaling.wait('media'))['sdp']
  flow = int(re.search('m=video.*?a=roq-flow-id:([0-9]+)', sdp, re.DOTALL).group(1))
  await asyncio.sleep(seconds / 2)
  before = len(call.packets)
  # RFC 4585, section 6.3.1, behind an empty report, as RFC 3550 has it.
  source = next(struct.unpack('!I', p[2][8:12])[0] for p in call.packets if p[0] == flow)
  call.send_datagram(flow, struct.pack('!BBHI', 0x80, 201, 1, 7) +
                     struct.pack('!BBHII', 0x81, 206, 2, 7, source))
  await asyncio.sleep(seconds / 2)
  await call.close()
  tell('result', streams=call.streams, rtcp=call.rtcp,
       keyframes=[sum(begins_keyframe(p[2]) for p in part if p[0] == flow)
                  for part in (call.packets[:before], call.packets[before:])],
       packets=[(flow, on_stream, *struct.unpack('!HII', packet[2:12]), len(packet))
                for flow, on_stream, packet in call.packets])


def tone(number):
  """Packet `number`: RTP with a payload that no other has."""
  header = struct.pack('!BBHII', 0x80, 0, number, number * PCMU_BYTES, 0x726f7121)
  return header + struct.pack('!H', number) * (PCMU_BYTES // 2)


async def produce(signaling, count):
  call = Call(signaling, False)
  await call.connect()
  stream = None
  for number in range(3 * count):
    if number < count:
      call.send_on_stream(PCMU_FLOW, [tone(number)])
    elif number < 2 * count:
      stream = call.send_on_stream(PCMU_FLOW, [tone(number)], stream, number == 2 * count - 1)
    else:
      call.send_datagram(PCMU_FLOW, tone(number))
    await asyncio.sleep(0.02)
  tell('sent', packets=3 * count)
  with contextlib.suppress(asyncio.TimeoutError):
    await asyncio.wait_for(call.closed.wait(), 5)
  tell('result', rtcp=call.rtcp, streams=call.streams)
  await call.close()


async def main():
  host, port, room, what, amount = sys.argv[1:]
  signaling = Signaling(host, port, room, what == 'produce')
  await (view if what == 'view' else produce)(signaling, int(amount))
  os._exit(0)   # the reader's thread waits for the server


if __name__ == '__main__':
  asyncio.run(main())

# SPDX-License-Identifier: LGPL-2.1-or-later
"""What passes an interface, counted by 5-tuple and by protocol.

Answers for: telling STUN, TURN channel data, DTLS, RTP and QUIC apart by the
first byte of the UDP payload, as RFC 9443 has peers do it. Relies on AF_PACKET.
Only counts are kept, so that a capture may last minutes.

One thread per capture reads the socket; counts() may be called from any.
"""

import socket
import struct
import threading
import time

ETH_P_ALL = 3
SO_RCVBUFFORCE = 33
SOL_PACKET = 263
PACKET_STATISTICS = 6
STUN_COOKIE = b'\x21\x12\xa4\x42'


def classify(payload, turn_server=False):
  """RFC 9443, section 3. 64-79 is QUIC unless it came from or goes to TURN."""
  if not payload:
    return 'empty'
  first = payload[0]
  if first <= 3:
    return 'stun' if payload[4:8] == STUN_COOKIE else 'unknown'
  if 16 <= first <= 19:
    return 'zrtp'
  if 20 <= first <= 63:
    return 'dtls'
  if 64 <= first <= 79 and turn_server:
    return 'turn-channel'
  if 64 <= first <= 127:
    return 'quic-short'
  if 128 <= first <= 191:
    return 'rtp'
  if first >= 192:
    return 'quic-long'
  return 'unknown'


def parse_udp(frame):
  """(source address, port, destination address, port, payload) or None."""
  kind = frame[12:14]
  if kind == b'\x08\x00' and len(frame) >= 42:
    header = (frame[14] & 15) * 4
    fragment = struct.unpack('!H', frame[20:22])[0] & 0x1fff
    if frame[23] != socket.IPPROTO_UDP or fragment:
      return None
    source = socket.inet_ntop(socket.AF_INET, frame[26:30])
    destination = socket.inet_ntop(socket.AF_INET, frame[30:34])
    udp = 14 + header
  elif kind == b'\x86\xdd' and len(frame) >= 62 and frame[20] == socket.IPPROTO_UDP:
    source = socket.inet_ntop(socket.AF_INET6, frame[22:38])
    destination = socket.inet_ntop(socket.AF_INET6, frame[38:54])
    udp = 54
  else:
    return None
  if len(frame) < udp + 8:
    return None
  ports = struct.unpack('!HH', frame[udp:udp + 4])
  return source, ports[0], destination, ports[1], frame[udp + 8:]


class Flow:
  """Both directions of one 5-tuple, for one protocol."""
  __slots__ = ('packets', 'bytes', 'first', 'last')

  def __init__(self, now):
    self.packets = 0
    self.bytes = 0
    self.first = self.last = now


class Capture:
  """Counts on host's interface from construction to stop()."""

  def __init__(self, host, interface, turn_servers=()):
    self.turn_servers = set(turn_servers)   # (address, port)
    self.flows = {}                         # (ends, kind) -> Flow
    self.lock = threading.Lock()            # guards flows
    with host.inside():
      self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
      self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
      self.socket.bind((interface, 0))
    self.socket.settimeout(0.2)
    self.stopping = False
    self.thread = threading.Thread(target=self._read, daemon=True)
    self.thread.start()
    host.lab.closers.append(self.stop)

  def _read(self):
    frame = bytearray(128)    # headers and the first bytes are enough
    view = memoryview(frame)
    while not self.stopping:
      try:
        size = self.socket.recv_into(view)
      except socket.timeout:
        continue
      self._count(bytes(view[:size]))

  def _count(self, frame):
    udp = parse_udp(frame)
    if not udp:
      return
    one, two = udp[0:2], udp[2:4]
    kind = classify(udp[4], one in self.turn_servers or two in self.turn_servers)
    key = (min(one, two), max(one, two)), kind
    now = time.monotonic()
    with self.lock:
      flow = self.flows.get(key)
      if flow is None:
        flow = self.flows[key] = Flow(now)
      flow.packets += 1
      flow.bytes += len(frame)
      flow.last = now

  def counts(self):
    """{(ends, kind): (packets, first seconds, last seconds)}"""
    with self.lock:
      return {key: (flow.packets, flow.first, flow.last) for key, flow in self.flows.items()}

  def missed(self):
    """Packets that this reader was too slow for, since the last call."""
    return struct.unpack('II', self.socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))[1]

  def stop(self):
    if not self.stopping:
      self.stopping = True
      self.thread.join()
      self.socket.close()

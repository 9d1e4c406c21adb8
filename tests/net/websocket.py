# SPDX-License-Identifier: LGPL-2.1-or-later
"""A WebSocket client (RFC 6455) just large enough to be an untyped peer: text
messages, pings answered, masking. One thread, blocking with a timeout."""

import base64
import os
import socket
import struct


class Closed(Exception):
  """The server closed; .code is its close code, or None without one."""

  def __init__(self, code, reason=''):
    super().__init__('closed with %s %s' % (code, reason))
    self.code = code


class WebSocket:
  def __init__(self, host, address, port, path='/', timeout=10):
    """Connects from a lab's host."""
    with host.inside():
      family = socket.AF_INET6 if ':' in address else socket.AF_INET
      self.socket = socket.socket(family, socket.SOCK_STREAM)
    self.socket.settimeout(timeout)
    self.socket.connect((address, port))
    key = base64.b64encode(os.urandom(16)).decode()
    shown = '[%s]' % address if ':' in address else address
    self.socket.sendall(('GET %s HTTP/1.1\r\nHost: %s:%d\r\nUpgrade: websocket\r\n'
                         'Connection: Upgrade\r\nSec-WebSocket-Key: %s\r\n'
                         'Sec-WebSocket-Version: 13\r\n\r\n' % (path, shown, port, key)).encode())
    self.pending = b''
    head = self._until(b'\r\n\r\n')
    if not head.startswith(b'HTTP/1.1 101'):
      raise Closed(None, head.decode(errors='replace').splitlines()[0])

  def _until(self, mark):
    while mark not in self.pending:
      self._more()
    head, _, self.pending = self.pending.partition(mark)
    return head

  def _more(self):
    data = self.socket.recv(65536)
    if not data:
      raise Closed(None, 'end of stream')
    self.pending += data

  def _take(self, size):
    while len(self.pending) < size:
      self._more()
    data, self.pending = self.pending[:size], self.pending[size:]
    return data

  def _send(self, opcode, payload):
    size = len(payload)
    head = bytes([0x80 | opcode])
    if size < 126:
      head += bytes([0x80 | size])
    elif size < 65536:
      head += bytes([0x80 | 126]) + struct.pack('!H', size)
    else:
      head += bytes([0x80 | 127]) + struct.pack('!Q', size)
    mask = os.urandom(4)
    body = bytes(byte ^ mask[i & 3] for i, byte in enumerate(payload))
    self.socket.sendall(head + mask + body)

  def send(self, text):
    self._send(1, text.encode())

  def receive(self, timeout=10):
    """The next text message; raises Closed, or socket.timeout."""
    self.socket.settimeout(timeout)
    whole = b''
    while True:
      first, second = self._take(2)
      size = second & 127
      if size == 126:
        size = struct.unpack('!H', self._take(2))[0]
      elif size == 127:
        size = struct.unpack('!Q', self._take(8))[0]
      payload = self._take(size)
      opcode = first & 15
      if opcode == 9:
        self._send(10, payload)
      elif opcode == 8:
        code = struct.unpack('!H', payload[:2])[0] if len(payload) >= 2 else None
        raise Closed(code, payload[2:].decode(errors='replace'))
      elif opcode in (0, 1):
        whole += payload
        if first & 0x80:
          return whole.decode()

  def close(self):
    try:
      self._send(8, struct.pack('!H', 1000))
    except OSError:
      pass
    self.socket.close()

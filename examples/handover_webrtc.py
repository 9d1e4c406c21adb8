#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""One end of a call with webrtcbin, for handover.py to compare with.

  handover_webrtc.py camera PIPELINE            ends in an RTP payloader
  handover_webrtc.py viewer RECORD PIPELINE     begins with a depayloader; RECORD
                                                as pipe-probe's --arrivals

Prints `ready`, `signal JSON` (for the other end's input) and ten times a second
`frames N`, encoded or decoded so far. Ends with its input.
"""

import json
import struct
import sys
import threading

import gi
gi.require_version('Gst', '1.0')
gi.require_version('GstSdp', '1.0')
gi.require_version('GstWebRTC', '1.0')
from gi.repository import GLib, Gst, GstSdp, GstWebRTC    # noqa: E402

CAPS = 'application/x-rtp,media=video,encoding-name=H264,payload=96'


def say(word, rest=''):
  sys.stdout.write('%s %s\n' % (word, rest))
  sys.stdout.flush()


class End:

  def __init__(self, pipeline, counted):
    self.frames = 0
    self.pipeline = Gst.parse_launch(pipeline)
    self.rtc = self.pipeline.get_by_name('rtc')
    self.rtc.connect('on-ice-candidate', lambda _, line, candidate: say(
        'signal', json.dumps({'line': line, 'candidate': candidate})))
    self._count(*counted)
    GLib.timeout_add(100, lambda: say('frames', self.frames) or True)

  def _count(self, element, pad):
    def on_frame(*_):
      self.frames += 1
      return Gst.PadProbeReturn.OK
    self.pipeline.get_by_name(element).get_static_pad(pad).add_probe(
        Gst.PadProbeType.BUFFER, on_frame)

  def tell(self, description):
    self.rtc.emit('set-local-description', description, Gst.Promise.new())
    say('signal', json.dumps({'sdp': description.sdp.as_text()}))

  def hear(self, line):
    """What the other end said; on the main thread."""
    message = json.loads(line)
    if 'candidate' in message:
      self.rtc.emit('add-ice-candidate', message['line'], message['candidate'])
      return
    _, sdp = GstSdp.SDPMessage.new_from_text(message['sdp'])
    self.rtc.emit('set-remote-description', GstWebRTC.WebRTCSessionDescription.new(
        self.kind_heard, sdp), Gst.Promise.new_with_change_func(self.on_heard))


class Camera(End):
  kind_heard = GstWebRTC.WebRTCSDPType.ANSWER

  def __init__(self, pipeline):
    super().__init__('webrtcbin name=rtc bundle-policy=max-bundle %s ! %s ! rtc.'
                     % (pipeline, CAPS), ('encoder', 'src'))
    self.rtc.connect('on-negotiation-needed', self.on_negotiation_needed)

  def on_negotiation_needed(self, _):
    def made(promise):
      reply = promise.get_reply()     # owns the offer
      self.tell(reply.get_value('offer'))
    self.rtc.emit('create-offer', None, Gst.Promise.new_with_change_func(made))

  def on_heard(self, _):
    pass


class Viewer(End):
  kind_heard = GstWebRTC.WebRTCSDPType.OFFER

  def __init__(self, record, pipeline):
    super().__init__('webrtcbin name=rtc bundle-policy=max-bundle %s' % pipeline, ('out', 'sink'))
    self.record = open(record, 'wb', buffering=0)
    self.rtc.connect('pad-added', self.on_pad)
    self.pipeline.connect('deep-element-added', self.on_element)

  def on_heard(self, _):
    def made(promise):
      reply = promise.get_reply()     # owns the answer
      self.tell(reply.get_value('answer'))
    self.rtc.emit('create-answer', None, Gst.Promise.new_with_change_func(made))

  def on_pad(self, _, pad):
    if pad.direction == Gst.PadDirection.SRC:
      pad.link(self.pipeline.get_by_name('in').get_static_pad('sink'))

  def on_element(self, _, bin, element):
    # Where packets leave the transport, before the jitter buffer.
    if element.get_factory() and element.get_factory().get_name() == 'dtlssrtpdec':
      element.get_static_pad('rtp_src').add_probe(
          Gst.PadProbeType.BUFFER | Gst.PadProbeType.BUFFER_LIST, self.on_packets)

  def on_packets(self, _, info):
    now = GLib.get_monotonic_time()
    buffers = [info.get_buffer()] if info.type & Gst.PadProbeType.BUFFER else [
        info.get_buffer_list().get(i) for i in range(info.get_buffer_list().length())]
    for buffer in buffers:
      header = buffer.extract_dup(0, 12)
      sequence, timestamp, ssrc = struct.unpack('!2xHII', header)
      self.record.write(struct.pack('<QHIII', now, sequence, timestamp, ssrc, buffer.get_size()))
    return Gst.PadProbeReturn.OK


def main():
  Gst.init(None)
  end = {'camera': Camera, 'viewer': Viewer}[sys.argv[1]](*sys.argv[2:])
  loop = GLib.MainLoop()

  def listen():
    for line in sys.stdin:
      GLib.idle_add(lambda text: end.hear(text), line)
    GLib.idle_add(loop.quit)
  threading.Thread(target=listen, daemon=True).start()
  end.pipeline.set_state(Gst.State.PLAYING)
  say('ready')
  loop.run()
  end.pipeline.set_state(Gst.State.NULL)


if __name__ == '__main__':
  main()

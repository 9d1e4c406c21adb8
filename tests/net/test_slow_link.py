#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""8 Mb/s of video and sound into a link of 2 Mb/s, in each mapping: sound does
not wait behind the picture, and what arrives of the picture is whole frames."""

import threading
import time

import topology
from harness import expect, run
from peers import AUDIO, Peer, camera, properties, read_rtp

RATE = 2000000          # bit/s
SETTLE = 4              # seconds until the sender knows the link
SECONDS = 10
PICTURE = ('videotestsrc is-live=true pattern=snow ! '
           'video/x-raw,format=I420,width=320,height=240,framerate=30/1 ! '
           'x264enc tune=zerolatency speed-preset=ultrafast key-int-max=300 bitrate=8000')


def percentile(values, percent):
  ordered = sorted(values)
  return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


class Machine(threading.Thread):
  """Sees how late the machine runs what is due. With other work on it that is
  more than a link's delay, and a tail says nothing about us."""

  def __init__(self):
    super().__init__(daemon=True)
    self.late, self.over = [], False

  def run(self):
    while not self.over:
      due = time.monotonic() + 0.005
      time.sleep(0.005)
      self.late.append(1000 * (time.monotonic() - due))

  def end(self):
    """ms, at the 99th percentile."""
    self.over = True
    self.join()
    return percentile(self.late, 99)


def ages(sent, got, since):
  """Seconds on the way, of the packets sent from `since` on that arrived."""
  left = {packet[1:4]: packet[0] for packet in sent if packet[0] >= since}
  return [packet[0] - left[packet[1:4]] for packet in got if packet[1:4] in left]


def frames(sent, got, since):
  """(sent, arrived in part, arrived whole) frames; a frame is an RTP timestamp."""
  want, have = {}, {}
  for packet in sent:
    if packet[0] >= since:
      want.setdefault(packet[2], set()).add(packet[1])
  for packet in got:
    have.setdefault(packet[2], set()).add(packet[1])
  whole = sum(have.get(timestamp) == packets for timestamp, packets in want.items())
  return len(want), sum(timestamp in have for timestamp in want) - whole, whole


def slow_link(lab, mapping):
  network = topology.lan(
      lab, shape={'viewer': 'both delay 10; b rate %d queue 64000' % RATE})
  network.start_signaling()
  receiver = Peer(
      network.viewer, 'viewer',
      'quicp2psrc name=source latency=0 %s '
      'source. ! application/x-rtp,media=video ! rtph264depay name=video ! fakesink sync=false '
      'source. ! application/x-rtp,media=audio ! rtpopusdepay name=audio ! fakesink sync=false'
      % properties({'uri': network.uri()}),
      rtp={'video.sink': lab.file('video-got'), 'audio.sink': lab.file('audio-got')})
  receiver.wait_state('waiting')
  sender = camera(network, source=PICTURE, audio=True, mapping=mapping, adapt='none',
                  rtp={'pay.src': lab.file('video-sent'), 'apay.src': lab.file('audio-sent')})
  receiver.wait_event('first-buffer', 20)
  time.sleep(SETTLE)
  since = time.clock_gettime(time.CLOCK_MONOTONIC)
  machine = Machine()
  machine.start()
  time.sleep(SECONDS)
  late = machine.end()
  for peer in (receiver, sender):
    peer.stop()

  video_sent, video_got, audio_sent, audio_got = (
      read_rtp(lab.file(name))
      for name in ('video-sent', 'video-got', 'audio-sent', 'audio-got'))
  offered, part, whole = frames(video_sent, video_got, since)
  sound = [1000 * age for age in ages(audio_sent, audio_got, since)]
  picture = [1000 * age for age in ages(video_sent, video_got, since)]
  spoken = sum(packet[0] >= since for packet in audio_sent)
  expect(sound and picture, '%s: nothing arrived', mapping)
  middle, tail = percentile(sound, 50), percentile(sound, 95)
  print('%s: sound %d of %d, p50 %.0f ms, p95 %.0f ms, max %.0f ms; picture %d of %d frames '
        'whole, %d in part, p50 %.0f ms, p95 %.0f ms; the machine is %.0f ms late'
        % (mapping, len(sound), spoken, middle, tail, max(sound), whole, offered, part,
           percentile(picture, 50), percentile(picture, 95), late))
  # A quarter of the picture fits, and behind each frame that comes too late it
  # takes a keyframe, asked for once a second, to go on. 10 ms are the link's own
  # delay; a frame's deadline, up to which the picture waits, is 400.
  expect(len(sound) > 0.95 * spoken, '%s: sound is missing', mapping)
  expect(middle < min(60 + 3 * late, 300), '%s: sound waits behind the picture', mapping)
  expect(whole >= SECONDS, '%s: %d whole frames in %d s', mapping, whole, SECONDS)
  if late < 10:
    expect(tail < 150, '%s: sound waits behind the picture at times', mapping)
    expect(whole > 2 * SECONDS, '%s: %d whole frames in %d s', mapping, whole, SECONDS)
    expect(part <= whole, '%s: more frames came in part than whole', mapping)
    expect(percentile(picture, 95) < 600, '%s: the picture is late', mapping)


def stream_per_frame(lab):
  slow_link(lab, 'stream-per-frame')


def stream(lab):
  slow_link(lab, 'stream')


def datagram(lab):
  slow_link(lab, 'datagram')


if __name__ == '__main__':
  run([stream_per_frame, stream, datagram])

#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the transport adds to the latency of udpsink/udpsrc at 8 Mb/s.

  sudo tests/bench/bench_latency.py [--seconds 20] [--rounds 3]

The same H.264 file, 1280x720 at 30 frames a second, is paid and sent over the
same link in turns by udpsink and by quicp2psink in each mapping; each RTP
packet's time is taken where it leaves the payloader and where it enters the
depayloader. The link has no loss and no delay; then 20 ms of RTT and 2 % random
loss, where whole frames are looked at: from a frame's first packet out of the
payloader to its last one at the depayloader.
"""

import argparse
import subprocess
import time

# First: it makes tests/net known.
from bench import Lab, expect, percentile, run, table

import topology
from peers import Peer, properties, read_rtp

MAPPINGS = ('stream-per-frame', 'stream', 'datagram')
CAPS = 'application/x-rtp,media=video,encoding-name=H264,clock-rate=90000,payload=96'


def make_clip(path, seconds):
  """A file whose encoding costs nothing while measuring."""
  subprocess.run(
      ('gst-launch-1.0 -q videotestsrc num-buffers=%d pattern=smpte ! '
       'video/x-raw,format=I420,width=1280,height=720,framerate=30/1 ! '
       'x264enc bitrate=8000 pass=cbr option-string=nal-hrd=cbr tune=zerolatency speed-preset=ultrafast '
       'key-int-max=60 ! h264parse ! matroskamux ! filesink location=%s'
       % (seconds * 30, path)).split(), check=True)


class Run:
  """The records of one stream through one transport."""

  def __init__(self, network, clip, transport, number):
    lab = network.lab
    self.sent_path = lab.file('sent-%s-%d' % (transport, number))
    self.got_path = lab.file('got-%s-%d' % (transport, number))
    source = ('filesrc location=%s ! matroskademux ! h264parse ! identity sync=true ! '
              'rtph264pay name=pay config-interval=-1 mtu=1200 ! ' % clip)
    name = '%s-%d' % (transport, number)
    if transport == 'udp':
      out = 'udpsink sync=false host=%s port=5004' % network.viewer.address
      into = 'udpsrc port=5004 buffer-size=8000000 caps=%s' % CAPS
    else:
      room = properties({'uri': network.uri(name)})
      out = 'quicp2psink mapping=%s %s' % (transport, room)
      into = 'quicp2psrc latency=0 ' + room
    receiver = Peer(network.viewer, 'viewer-' + name,
                    into + ' ! rtph264depay name=in ! fakesink sync=false',
                    rtp={'in.sink': self.got_path}, keep=True)
    if transport == 'udp':
      receiver.wait_event('state', where=lambda e: e['new'] == 'PAUSED')
    else:
      receiver.wait_state('waiting')
    sender = Peer(network.camera, 'camera-' + name, source + out,
                  rtp={'pay.src': self.sent_path}, keep=True)
    sender.wait_event('eos', 600)
    time.sleep(1)
    receiver.stop()
    sender.stop()

  def packets(self):
    """Milliseconds that each packet took; how many did not come."""
    sent = {packet[1:3]: packet[0] for packet in read_rtp(self.sent_path)}
    got = read_rtp(self.got_path)
    expect(got, 'nothing arrived (%s)', self.got_path)
    times = [(packet[0] - sent[packet[1:3]]) * 1000 for packet in got]
    first = sent[got[0][1:3]]
    return times, sum(1 for t in sent.values() if t >= first) - len(got)

  def frames(self):
    """Milliseconds that each whole frame took; how many did not come whole."""
    sent, got = {}, {}
    for packet in read_rtp(self.sent_path):
      sent.setdefault(packet[2], []).append(packet[0])
    for packet in read_rtp(self.got_path):
      got.setdefault(packet[2], []).append(packet[0])
    begun = min(min(sent[ts]) for ts in got)
    times, broken = [], 0
    for ts, out in sent.items():
      if min(out) < begun:
        continue
      if len(got.get(ts, ())) < len(out):
        broken += 1
      else:
        times.append((max(got[ts]) - min(out)) * 1000)
    return times, broken


def without_loss(clip, rounds):
  with Lab() as lab:
    network = topology.lan(lab)
    network.start_signaling()
    times = {}
    lost = {}
    for number in range(rounds):
      for transport in ('udp', ) + MAPPINGS:
        one, missing = Run(network, clip, transport, number).packets()
        times.setdefault(transport, []).extend(one)
        lost[transport] = lost.get(transport, 0) + missing
  floor = [percentile(times['udp'], p) for p in (50, 99)]
  rows = []
  for transport, values in times.items():
    p50, p99 = (percentile(values, p) for p in (50, 99))
    rows.append([transport, str(len(values)), str(lost[transport]), p50, p99,
                 p50 - floor[0], p99 - floor[1],
                 '-' if transport == 'udp' else
                 'yes' if p50 - floor[0] <= 1 and p99 - floor[1] <= 5 else 'NO'])
  print('8 Mb/s, no loss, no delay; goal: p50 +1 ms, p99 +5 ms')
  table(['packets, ms', 'count', 'lost', 'p50', 'p99', 'p50 added', 'p99 added', 'met'], rows)


def with_loss(clip, rounds):
  with Lab() as lab:
    network = topology.far(lab)
    network.start_signaling()
    floor = percentile(Run(network, clip, 'udp', 0).frames()[0], 50)
    network.links['camera'].set('both loss 2')
    rows = []
    for transport in MAPPINGS:
      times, broken = [], 0
      for number in range(1, rounds + 1):
        one, missing = Run(network, clip, transport, number).frames()
        times += one
        broken += missing
      p99 = percentile(times, 99)
      rows.append([transport, str(len(times)), str(broken), percentile(times, 50), p99,
                   (p99 - floor) / 20, '-' if transport == 'datagram' else
                   'yes' if not broken and p99 - floor <= 50 else 'NO'])
  print('\n8 Mb/s, 20 ms RTT, 2 %% loss; floor (udp without loss, median frame): %.2f ms; '
        'goal: every frame, p99 within 2.5 RTT over the floor' % floor)
  table(['whole frames, ms', 'count', 'broken', 'p50', 'p99', 'p99 over, RTT', 'met'], rows)


def main():
  options = argparse.ArgumentParser()
  options.add_argument('--seconds', type=int, default=20)
  options.add_argument('--rounds', type=int, default=3)
  options = options.parse_args()
  with Lab() as lab:
    clip = lab.file('clip.mkv')
    make_clip(clip, options.seconds)
    without_loss(clip, options.rounds)
    with_loss(clip, options.rounds)


if __name__ == '__main__':
  run(main)

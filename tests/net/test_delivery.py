#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What arrives: access units byte for byte in each mapping, with and without
loss; a slow viewer that costs a fast one nothing; sound with the picture."""

import os
import time

import topology
from harness import expect, run
from peers import AUDIO, VIDEO, Peer, camera, properties, read_rtp, read_units, viewer

CLIPS = '/usr/lib/python3/dist-packages/imageio/resources/images/cockatoo.mp4'
SECONDS = 6
# One form of NAL unit prefix, and parameter sets in each keyframe, so that there
# is one way to write each access unit.
UNITS = 'h264parse config-interval=-1 ! video/x-h264,stream-format=byte-stream,alignment=au'


def units_source():
  """A real clip with B-frames where the package is there, else a made one."""
  if os.path.exists(CLIPS):
    source = 'filesrc location=%s ! qtdemux ! h264parse ! identity sync=true' % CLIPS
  else:
    source = ('videotestsrc pattern=snow is-live=true num-buffers=280 ! '
              'video/x-raw,format=I420,width=640,height=360,framerate=20/1 ! x264enc '
              'tune=zerolatency speed-preset=ultrafast key-int-max=40 bitrate=1500 ! h264parse')
  return source + ' ! ' + UNITS + ' ! identity name=tap'


def parameter_sets_only(data):
  """Whether it is nothing but sequence and picture parameter sets."""
  return all(unit[0] & 31 in (7, 8) for unit in data.split(b'\0\0\0\1')[1:])


def same_unit(sent, got):
  """Byte for byte; the depayloader, which knows the parameter sets from the caps
  as well, puts them in front of keyframes."""
  return got.endswith(sent) and parameter_sets_only(got[:len(got) - len(sent)])


def units_compare(lab, mapping):
  """The viewer's units are the camera's from some keyframe on to the last."""
  sent = [unit for _, unit in read_units(lab.file('sent-' + mapping))]
  got = [unit for _, unit in read_units(lab.file('got-' + mapping))]
  expect(len(sent) >= 200, '%s: the camera sent only %d units', mapping, len(sent))
  expect(len(got) > len(sent) / 2, '%s: %d of %d units came', mapping, len(got), len(sent))
  tail = sent[len(sent) - len(got):]
  wrong = [i for i, (one, other) in enumerate(zip(tail, got)) if not same_unit(one, other)]
  if wrong:
    missing = [i for i, unit in enumerate(tail) if not any(same_unit(unit, one) for one in got)]
    raise AssertionError('%s: of %d sent units %d came; of the last %d, these did not: %s; '
                         'not what was sent in their place: %s'
                         % (mapping, len(sent), len(got), len(got), missing[:40], wrong[:20]))
  print('%s: the last %d of %d access units came, byte for byte, %d bytes'
        % (mapping, len(got), len(sent), sum(map(len, got))))


def units_run(lab, network, mappings):
  """One room for each mapping, all at the same time over the same links."""
  network.start_signaling()
  calls = []
  for mapping in mappings:
    receiver = Peer(
        network.viewer, 'viewer-' + mapping,
        'quicp2psrc latency=1000 %s ! rtph264depay ! '
        'video/x-h264,stream-format=byte-stream,alignment=au ! identity name=tap ! '
        'fakesink sync=false' % properties({'uri': network.uri(mapping)}),
        dumps={'tap.src': lab.file('got-' + mapping)})
    receiver.wait_state('waiting')
    sender = Peer(
        network.camera, 'camera-' + mapping,
        '%s ! rtph264pay config-interval=0 ! quicp2psink frame-deadline=0 mapping=%s %s'
        % (units_source(), mapping, properties({'uri': network.uri(mapping)})),
        dumps={'tap.src': lab.file('sent-' + mapping)})
    calls.append((mapping, sender, receiver))
  for mapping, sender, receiver in calls:
    expect(sender.wait_end(40) == 0, '%s: the camera failed: %s', mapping, sender.errors())
    expect(receiver.wait_end(15) == 0, '%s: the viewer failed: %s', mapping, receiver.errors())
  for mapping in mappings:
    units_compare(lab, mapping)


def units_on_a_clean_link(lab):
  units_run(lab, topology.lan(lab), ['stream-per-frame', 'stream', 'datagram'])


def units_at_two_percent_loss(lab):
  network = topology.far(lab, 'loss 2')
  units_run(lab, network, ['stream-per-frame', 'stream'])
  lost = network.links['camera'].stats()
  expect(lost['a']['lost'] > 10, 'the link lost nothing: %s', lost)


def slow_viewer_beside_a_fast_one(lab):
  """1.5 Mb/s of video, whatever the lines carry; the slow one's, a third of it."""
  network = topology.lan(lab, viewers=2, shape={'viewer2': 'both delay 10; b rate 500000 queue 30000'})
  network.start_signaling()
  source = ('videotestsrc is-live=true pattern=snow ! '
            'video/x-raw,format=I420,width=320,height=240,framerate=30/1 ! x264enc '
            'tune=zerolatency speed-preset=ultrafast key-int-max=30 bitrate=1500 pass=cbr ! '
            'identity name=camera')
  sender = camera(network, source=source, adapt='none', rtp={'pay.src': lab.file('sent')})
  fast = viewer(network, 'fast', rtp={'in.sink': lab.file('fast')}, latency=0)
  fast.wait_count('out.sink', 30, 20)
  slow = viewer(network, 'slow', host=network.viewers[1], latency=0,
                rtp={'in.sink': lab.file('slow')})
  slow.wait_event('first-buffer', 20)
  before, started = fast.count('out.sink'), time.monotonic()
  encoded = sender.count('pay.src')
  time.sleep(SECONDS)
  frames, seconds = fast.count('out.sink') - before, time.monotonic() - started
  expect(frames > seconds * 29, 'the fast viewer saw %.1f frames a second', frames / seconds)
  expect(sender.count('pay.src') - encoded > 100 * seconds, 'the encoder was held up')
  expect(slow.process.running() and not slow.find('error'), 'the slow one failed: %s', slow.errors())
  peers = sender.stats()['peers']
  expect(len(peers) == 2, 'the camera has %d viewers', len(peers))
  cancelled = sorted(sum(flow['frames-cancelled'] + flow['frames-skipped']
                         for flow in peer['flows']) for peer in peers)
  # A machine that stands still for a moment may cost the fast one a frame.
  expect(cancelled[1] > 50, 'the slow viewer missed only %d frames', cancelled[1])
  expect(cancelled[0] <= 2, 'frames were cancelled for the fast viewer, too: %s', cancelled)
  # It still gets something, and what it gets is not minutes old.
  moved = slow.count('in.sink')
  time.sleep(2)
  expect(slow.count('in.sink') > moved, 'the slow viewer gets nothing')
  unsent = max(peer['bytes-unsent'] for peer in peers)
  expect(unsent < 500000, '%d bytes wait for the slow viewer', unsent)
  for peer in (slow, fast, sender):
    peer.stop()
  sent = {packet[1:4]: packet[0] for packet in read_rtp(lab.file('sent'))}
  ages = sorted(packet[0] - sent[packet[1:4]] for packet in read_rtp(lab.file('slow')))
  # The deadline of a frame (0.4 s), and what the line's own queue holds (0.5 s).
  print('at the slow viewer: %d of %d packets, median age %.2f s, oldest %.2f s'
        % (len(ages), len(sent), ages[len(ages) // 2], ages[-1]))
  expect(ages[-1] < 2, 'a packet came %.2f s late', ages[-1])


def decodes_at_two_percent_loss(lab):
  network = topology.far(lab, 'loss 2')
  network.start_signaling()
  sender, receiver = camera(network), viewer(network)
  receiver.wait_count('out.sink', 15, 30)
  before = receiver.count('out.sink')
  started = time.monotonic()
  time.sleep(SECONDS)
  frames, seconds = receiver.count('out.sink') - before, time.monotonic() - started
  # Every frame arrives; one may be under way at either end.
  expect(frames >= seconds * 30 - 4, '%d frames in %.1f s', frames, seconds)
  expect(sender.stats()['packets-lost'] > 0 or sender.stats()['peers'][0]['packets-lost'] > 0,
         'no loss was seen')
  receiver.stop()
  sender.stop()


def reordering_and_jitter(lab):
  """Datagrams that overtake each other are put in order by the jitter buffer."""
  network = topology.lan(lab, shape={'camera': 'both delay 10 jitter 8 reorder on'})
  network.start_signaling()
  sender, receiver = camera(network, mapping='datagram'), viewer(network)
  receiver.wait_count('out.sink', 15, 30)
  before = receiver.fresh()['pads']
  time.sleep(SECONDS)
  after = receiver.fresh()['pads']
  frames = after['out.sink']['buffers'] - before['out.sink']['buffers']
  expect(frames >= SECONDS * 30 - 4, '%d frames in %.1f s', frames, SECONDS)
  expect(after['in.sink']['discontinuities'] == before['in.sink']['discontinuities'],
         'packets are missing')
  receiver.stop()
  sender.stop()


def participants_share_a_connection(lab):
  """A sink and a source of one session name at each end: one membership each,
  one QUIC connection, media both ways."""
  network = topology.lan(lab)
  network.start_signaling()
  peers = [Peer(host, name,
                '%s ! rtph264pay name=pay ! quicp2psink session=us %s '
                'quicp2psrc session=us %s ! rtph264depay ! avdec_h264 ! '
                'fakesink name=out sync=false async=false'
                % (VIDEO, *(properties({'uri': network.uri()}), ) * 2),
                counts=['pay.src', 'out.sink'])
           for host, name in ((network.camera, 'one'), (network.viewer, 'other'))]
  for peer in peers:
    peer.wait_count('out.sink', 30, 30)
  for peer in peers:
    elements = peer.fresh()['elements']
    expect(len(elements) == 2, '%s: stats of %s', peer.name, list(elements))
    for stats in elements.values():
      expect(len(stats['peers']) == 1, '%s has %d connections', peer.name, len(stats['peers']))
      directions = sorted(flow['direction'] for flow in stats['peers'][0]['flows'])
      expect(directions == ['receive', 'send'], '%s: flows %s', peer.name, directions)
  # Who becomes a viewer as well joins anew, but is never there twice.
  expect('; 3 in it' not in network.signaling.output(), 'a process is two members')
  for peer in peers:
    peer.stop()


def sound_and_picture(lab):
  network = topology.lan(lab)
  network.start_signaling()
  sender = camera(network, audio=True)
  receiver = Peer(
      network.viewer, 'viewer',
      'quicp2psrc name=source %s '
      'source. ! application/x-rtp,media=video ! rtph264depay ! avdec_h264 ! '
      'fakesink name=video '
      'source. ! application/x-rtp,media=audio ! rtpopusdepay ! opusdec ! '
      'fakesink name=audio' % properties({'uri': network.uri()}),
      counts=['video.sink', 'audio.sink'])
  receiver.wait_count('video.sink', 60, 30)
  receiver.wait_count('audio.sink', 100, 10)
  expect(len(receiver.stats()['peers']) == 1, 'two connections for one camera')
  expect(len(receiver.stats()['peers'][0]['flows']) == 2, 'flows: %s',
         receiver.stats()['peers'][0]['flows'])
  receiver.stop()
  sender.stop()


def other_codecs(lab):
  """Each is decoded without the receiver having been told what it is."""
  raw = 'videotestsrc is-live=true ! video/x-raw,format=I420,width=320,height=240,framerate=30/1'
  codecs = {
      'vp8': (raw + ' ! vp8enc deadline=1 cpu-used=8', 'rtpvp8pay name=pay', 'rtpvp8depay', 'vp8dec'),
      'vp9': (raw + ' ! vp9enc deadline=1 cpu-used=8', 'rtpvp9pay name=pay', 'rtpvp9depay', 'vp9dec'),
      'jpeg': (raw + ' ! jpegenc', 'rtpjpegpay name=pay', 'rtpjpegdepay', 'jpegdec'),
      'opus': (AUDIO, 'rtpopuspay name=pay', 'rtpopusdepay', 'opusdec'),
  }
  network = topology.lan(lab)
  network.start_signaling()
  for name, (source, pay, depay, decoder) in codecs.items():
    sender = camera(network, 'camera-' + name, source=source, pay=pay, room=name)
    receiver = Peer(network.viewer, 'viewer-' + name,
                    'quicp2psrc %s ! %s ! %s ! fakesink name=out sync=false'
                    % (properties({'uri': network.uri(name)}), depay, decoder), counts=['out.sink'])
    receiver.wait_count('out.sink', 30, 20)
    receiver.stop()
    sender.stop()


if __name__ == '__main__':
  run([units_on_a_clean_link, units_at_two_percent_loss, slow_viewer_beside_a_fast_one,
       decodes_at_two_percent_loss, reordering_and_jitter, sound_and_picture,
       participants_share_a_connection, other_codecs])

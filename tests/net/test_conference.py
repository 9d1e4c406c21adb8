#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A conference: participants that send and see, each in a process and on a host
of its own. Sound and picture stay together; whoever comes sees at once."""

import topology
from harness import expect, run
from lab import program, wait_until
from peers import AUDIO, Peer, camera, environment, prepare_registry, properties
from roaming import World

# 360p, at a rate that two cores encode once and decode five times, six times over.
SMALL_VIDEO = ('videotestsrc is-live=true pattern=ball ! '
               'video/x-raw,format=I420,width=640,height=360,framerate=10/1 ! '
               'x264enc tune=zerolatency speed-preset=ultrafast key-int-max=600 bitrate=300 '
               'threads=1')
SHOW = ('source=rtph264depay name=in ! avdec_h264 max-threads=1 ! '
        'fakesink name=out sync=false async=false')


def participant(network, host, name, source=SMALL_VIDEO, plug=SHOW, **settings):
  """A Peer that sends video and shows that of all others in sinks plugN.sink."""
  settings = dict({'uri': network.uri(), 'session': 'me', 'display_name': name,
                   'interfaces': 'eth0'}, **settings)
  pipeline = ('quicp2psrc name=source producer=all %s  %s ! rtph264pay config-interval=-1 ! '
              'quicp2psink name=sink %s' % (properties(settings), source, properties(settings)))
  return Peer(host, name, pipeline, plug=plug)


def shown(peer):
  """How many frames each sink got."""
  pads = peer.fresh()['pads']
  return {name: pad['buffers'] for name, pad in pads.items() if name.startswith('plug')}


def wait_shown(peer, others, frames, timeout=60):
  def enough():
    expect(peer.process.running(), '%s ended, errors: %s', peer.name, peer.errors())
    return sum(count >= frames for count in shown(peer).values()) >= others
  try:
    wait_until(enough, timeout, '%s: %d frames of %d others' % (peer.name, frames, others), 0.2)
  except AssertionError as error:
    raise AssertionError('%s: %s; errors: %s' % (error, shown(peer), peer.errors())) from None


def names_of(peer, kind):
  return sorted(message['peer-name'] for message in peer.messages(kind)
                if message.get('peer-name'))


def six_in_a_full_mesh(lab):
  network = topology.lan(lab, viewers=5)
  network.start_signaling()
  hosts = [network.camera] + network.viewers
  peers = [participant(network, host, 'member%d' % i) for i, host in enumerate(hosts)]
  for peer in peers:
    wait_shown(peer, 5, 20, 90)
  for peer in peers:
    # The two elements tell of one session.
    elements = peer.fresh()['elements']
    expect(elements['source']['peer-count'] == 5 and elements['sink']['peer-count'] == 5,
           '%s is connected with %s', peer.name, elements['source']['peer-count'])
    joined = {message['peer-id'] for message in peer.messages('peer-joined')}
    expect(len(joined) == 5, '%s saw %d join', peer.name, len(joined))
    expect(not peer.messages('peer-left'), '%s: somebody left', peer.name)

  # One goes, and the others see nothing of it but that.
  gone = peers.pop()
  before = {peer.name: shown(peer) for peer in peers}
  gone.stop()
  for peer in peers:
    peer.wait_event('element', 15, lambda e: e['message']['name'] == 'peer-left'
                    and e['message']['peer-name'] == gone.name, what='of ' + gone.name)
    peer.wait_event('pad-removed', 15)
  for peer in peers:
    old = before[peer.name]
    wait_until(lambda: sum(count >= old[name] + 20 for name, count in shown(peer).items()) >= 4,
               30, '%s: more of the four others' % peer.name, 0.2)
    expect(names_of(peer, 'peer-left').count(gone.name) >= 1, '%s left', gone.name)
    expect(not peer.errors(), '%s: %s', peer.name, peer.errors())
  for peer in peers:
    peer.stop()


# --- Who comes, sees ---------------------------------------------------------------

# With all of 20 ms there and back.
ROUND_TRIP = {'camera': 'both delay 5', 'viewer': 'both delay 5', 'viewer2': 'both delay 5',
              'viewer3': 'both delay 5', 'viewer4': 'both delay 5'}
PICTURE_SECONDS = 0.3


def newcomers_see_at_once(lab):
  network = topology.lan(lab, viewers=4, shape=ROUND_TRIP)
  network.start_signaling()
  sender = camera(network, source='videotestsrc is-live=true ! '
                  'video/x-raw,format=I420,width=640,height=360,framerate=30/1 ! '
                  'x264enc name=encoder tune=zerolatency speed-preset=ultrafast '
                  'key-int-max=100000 bitrate=600')
  sender.wait_state('waiting')
  # Two at the same moment, then one more while there is nothing to be asked for.
  viewers = [Peer(host, 'viewer%d' % i, 'quicp2psrc latency=100 uri=%s ! rtph264depay name=in ! '
                  'avdec_h264 max-threads=1 ! fakesink name=out sync=false' % network.uri(),
                  counts=['in.src', 'out.sink']) for i, host in enumerate(network.viewers)]
  took = []
  for viewer in viewers:
    connected = viewer.wait_event('element', 30, lambda e: e['message']['name'] == 'peer-state'
                                  and e['message']['new-state'] == 'connected')
    picture = viewer.wait_event('first-buffer', 30, lambda e: e['pad'] == 'out.sink')
    took.append(picture['t'] - connected['t'])
  print('first pictures after %s ms' % ', '.join('%.0f' % (1000 * t) for t in sorted(took)))
  expect(sorted(took)[len(took) // 2] < PICTURE_SECONDS, 'the first pictures took %s s', took)
  expect(max(took) < 3 * PICTURE_SECONDS, 'the first pictures took %s s', took)
  requests = sender.stats()['keyframe-requests']
  expect(1 <= requests <= len(viewers), '%d keyframes were asked for', requests)
  for peer in viewers + [sender]:
    peer.stop()


# --- Sound and picture --------------------------------------------------------------

# The picture leaves that much later than the sound that belongs to it, as from an
# encoder that looks ahead: unless the receiver mends it, they are apart.
LATE = 150
SYNC_CAMERA = ('videotestsrc is-live=true ! video/x-raw,format=I420,width=64,height=48,'
               'framerate=25/1 ! identity name=flash ! '
               'queue max-size-buffers=0 max-size-time=0 max-size-bytes=0 '
               'min-threshold-time=%d000000 ! jpegenc ! rtpjpegpay ! sink. '
               'audiotestsrc is-live=true samplesperbuffer=160 ! '
               'audio/x-raw,format=S16LE,rate=8000,channels=1 ! identity name=beep ! '
               'audioconvert ! rtpL16pay max-ptime=20000000 ! sink. '
               'quicp2psink name=sink %s')
# A packet that is later than `latency` makes a jitter buffer begin anew, after which
# sound and picture meet again with the next reports; a machine that is not ours
# alone takes the processor away for longer than the default of 200 ms.
SYNC_VIEWER = ('quicp2psrc name=source latency=600 %s '
               'source. ! application/x-rtp,media=video ! rtpjpegdepay ! jpegdec ! '
               'identity name=flash ! fakesink sync=true '
               'source. ! application/x-rtp,media=audio ! rtpL16depay ! audioconvert ! '
               'audio/x-raw,format=S16LE ! identity name=beep ! fakesink sync=true')
APART_MS = 40


class SyncPeer(Peer):
  """sync-probe on a host."""

  def __init__(self, host, role, pipeline, *options):
    prepare_registry()
    self.name = role
    self.process = host.spawn(role, [program('sync-probe', 'tests/net'), role, pipeline,
                                     *options], env=environment())
    self.read = 0
    self.seen = []

  def times(self, kind):
    return [event['time'] for event in self.events() if event['type'] == kind]


def apart(viewer, after=0):
  """By how much each flash follows its beep, in ms: [(time of the flash, ms)]."""
  beeps = viewer.times('beep')
  found = []
  for flash in viewer.times('flash'):
    near = min(beeps, key=lambda beep: abs(beep - flash), default=None)
    if near is not None and flash > after and abs(near - flash) < 0.5:
      found.append((flash, 1000 * (flash - near)))
  return found


def start_sync(network, *options):
  uri = {'uri': network.uri()}
  sender = SyncPeer(network.camera, 'camera', SYNC_CAMERA % (LATE, properties(uri)), *options)
  receiver = SyncPeer(network.viewer, 'viewer', SYNC_VIEWER % properties(uri))
  wait_until(lambda: receiver.times('flash') and receiver.times('beep'), 30, 'flash and beep')
  return sender, receiver


def check_sync(sender, receiver, after, least):
  """All from then on are as far apart as at the camera, whose frames do not begin
  at full seconds."""
  own = sorted(ms for _, ms in apart(sender))
  pairs = [(time, ms - own[len(own) // 2]) for time, ms in apart(receiver, after)]
  print('picture after sound: %s ms' % ', '.join('%.0f' % ms for _, ms in pairs))
  expect(len(pairs) >= least, 'only %d of %d flashes and beeps came', len(pairs), least)
  wrong = [pair for pair in pairs if abs(pair[1]) > APART_MS]
  expect(not wrong, 'picture after sound, [(s, ms)]: %s', wrong)


def newest(receiver):
  return max(receiver.times('flash'))


def wait_flashes(receiver, more, timeout):
  wanted = len(receiver.times('flash')) + more
  wait_until(lambda: len(receiver.times('flash')) >= wanted, timeout, '%d more flashes' % more, 0.2)


def stop_sync(*peers):
  for peer in peers:
    peer.stop()


# Sender reports come each second, and the first ones tell.
SETTLED = 3


def together(lab):
  network = topology.lan(lab, shape={'camera': 'both delay 10'})
  network.start_signaling()
  sender, receiver = start_sync(network)
  start = newest(receiver)
  wait_flashes(receiver, SETTLED + 10, 40)
  check_sync(sender, receiver, start + SETTLED, 7)
  stop_sync(receiver, sender)


def together_with_drift(lab):
  """In 40 s a clock that is 5000 ppm fast drifts as far as one of 330 ppm in ten
  minutes."""
  network = topology.lan(lab, shape={'camera': 'both delay 10'})
  network.start_signaling()
  sender, receiver = start_sync(network, '--ppm=5000')
  start = newest(receiver)
  wait_flashes(receiver, 40, 80)
  check_sync(sender, receiver, start + SETTLED, 36)
  stop_sync(receiver, sender)


def together_after_migration(lab):
  network = World(lab, movers=('camera',))
  network.start_signaling()
  sender, receiver = start_sync(network)
  wait_flashes(receiver, SETTLED, 30)
  start = newest(receiver)
  network.uplinks['camera-wlan0'].link_down()
  wait_until(lambda: any(message['old-path'] != message['new-path']
                         for message in receiver.messages('path-changed')), 20, 'the move')
  wait_flashes(receiver, 10, 40)
  check_sync(sender, receiver, start, 8)
  stop_sync(receiver, sender)


if __name__ == '__main__':
  run([six_in_a_full_mesh, newcomers_see_at_once, together, together_with_drift,
       together_after_migration])

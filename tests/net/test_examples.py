#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The examples as people run them: the scripts that they paste, and a conference
whose participants come, go, die and send what nobody can decode."""

import os
import re
import signal
import subprocess
import time

import topology
from harness import expect, run
from lab import BUILD, TOP, Skip, program, wait_until
from peers import Peer, environment, need_plain_build, prepare_registry, properties

SCRIPTS = ('camera', 'viewer', 'conference', 'demo')

# A program may take so long from a signal to its end.
STOP_SECONDS = 2.0

GRID = (1280, 720)


def script(host, name, *args):
  """Runs examples/NAME.sh with this build; the test's directory is its own."""
  prepare_registry()
  count = sum(process.name.startswith(name) for process in host.lab.processes)
  return host.spawn('%s-%d' % (name, count), [os.path.join(TOP, 'examples', name + '.sh')] + list(args),
                    env=dict(environment(), QUICP2P_BUILD=BUILD))


def conference(network, host, name, *args, source='test'):
  prepare_registry()
  return host.spawn(name, [program('conference', 'examples'), '--headless', '--name', name,
                           '--source', source, *args, network.uri()], env=environment())


def need_clip():
  if subprocess.run([os.path.join(TOP, 'examples', 'clip.sh')], capture_output=True).returncode:
    raise Skip('there is no clip (examples/clip.sh)')


def end(process, number=signal.SIGINT, code=0, seconds=STOP_SECONDS):
  started = time.monotonic()
  process.signal(number)
  got = process.wait(10)
  took = time.monotonic() - started
  expect(got == code, '%s ended with %d: %s', process.name, got, process.output()[-1500:])
  expect(took < seconds, '%s took %.1f s to end', process.name, took)


def read_picture(path):
  """A PNG's width, height and brightness, row by row."""
  expect(os.path.exists(path), 'there is no %s', os.path.basename(path))
  with open(path, 'rb') as stream:
    head = stream.read(24)
  expect(head[:8] == b'\x89PNG\r\n\x1a\n', '%s is no PNG', path)
  width, height = int.from_bytes(head[16:20], 'big'), int.from_bytes(head[20:24], 'big')
  raw = path + '.gray'
  subprocess.run(['gst-launch-1.0', '-q', 'filesrc', 'location=' + path, '!', 'pngdec', '!',
                  'videoconvert', '!', 'video/x-raw,format=GRAY8', '!', 'filesink',
                  'location=' + raw], check=True)
  with open(raw, 'rb') as stream:
    pixels = stream.read()
  stride = len(pixels) // height
  return width, height, [pixels[y * stride:y * stride + width] for y in range(height)]


def cells(participants):
  """Where the grid shows them: [(x, y, width, height)], as in grid.c."""
  columns = 1
  while columns * columns < participants:
    columns += 1
  rows = -(-participants // columns)
  width = GRID[0] // columns & ~1
  height = width * 9 // 16 & ~1
  found = []
  for number in range(participants):
    row, column = divmod(number, columns)
    in_row = min(columns, participants - row * columns)
    found.append((((GRID[0] - in_row * width) // 2 & ~1) + column * width,
                  ((GRID[1] - rows * height) // 2 & ~1) + row * height, width, height))
  return found


def expect_grid(path, participants):
  """Each cell shows something, with a name in its lower left corner, and there
  is nothing beside them."""
  width, height, rows = read_picture(path)
  expect((width, height) == GRID, 'the grid is %d x %d', width, height)
  outside = [bytearray(row) for row in rows]
  for number, (x, y, w, h) in enumerate(cells(participants)):
    picture = [row[x:x + w] for row in rows[y:y + h]]
    middle = b''.join(row[w // 10:-w // 10] for row in picture[h // 10:h * 7 // 10])
    expect(sum(middle) / len(middle) > 25, 'cell %d of %d is black', number, participants)
    label = b''.join(row[:w // 4] for row in picture[h * 3 // 4:])
    bright = sum(value > 200 for value in label)
    expect(bright > 40 and min(label) < 60, 'cell %d of %d has no name', number, participants)
    for row in outside[y:y + h]:
      row[x:x + w] = bytes([16]) * w
  brightest = max(max(row) for row in outside)
  expect(brightest < 40, 'there is something beside the %d cells', participants)


def seen(process, name, timeout=20):
  process.wait_for('first picture of %s$' % re.escape(name), timeout)


def shown(process, name):
  """Pictures of a participant who is in the grid at the end."""
  match = re.search('^%s: ([0-9]+) pictures$' % re.escape(name), process.output(), re.MULTILINE)
  return int(match.group(1)) if match else 0


# --- Scripts ------------------------------------------------------------------------


def scripts_tell_their_usage(lab):
  network = topology.lan(lab)
  for name in SCRIPTS:
    helped = script(network.server, name, '--help')
    expect(helped.wait(20) == 0, '%s.sh --help failed', name)
    expect('Usage: examples/%s.sh' % name in helped.output(), '%s.sh: %s', name, helped.output())
  for name, wrong in (('viewer', '--source=test'), ('conference', '--participants=1'),
                      ('conference', '--seconds=soon'), ('demo', '--nonsense')):
    refused = script(network.server, name, wrong)
    expect(refused.wait(20) == 2, '%s.sh %s was taken', name, wrong)
  for name in SCRIPTS[:3]:
    refused = script(network.server, name, '--nonsense')
    expect(refused.wait(20) != 0, '%s.sh --nonsense was taken', name)


def demo_script(lab):
  need_plain_build()
  need_clip()
  network = topology.lan(lab)
  demo = script(network.server, 'demo', '--headless', '--seconds', '6')
  expect(demo.wait(60) == 0, 'demo.sh failed: %s', demo.output()[-2000:])
  decoded = int(re.search(r'frames decoded +([0-9]+)', demo.output()).group(1))
  expect(decoded > 60, '%d frames were decoded', decoded)
  expect(read_picture(lab.file('demo.png'))[:2] == (1280, 720), 'the picture has another size')


def camera_and_viewer_scripts(lab):
  """Two lines without a word more; and with a URI, on two machines."""
  need_plain_build()
  need_clip()
  network = topology.lan(lab)
  network.start_signaling()
  for room, camera_host, viewer_host in (((), network.viewer, network.viewer),
                                         ((network.uri(),), network.camera, network.viewer)):
    camera = script(camera_host, 'camera', *room)
    viewer = script(viewer_host, 'viewer', '--seconds=5', '--snapshot=seen.png', *room)
    expect(viewer.wait(60) == 0, 'viewer.sh failed: %s', viewer.output()[-2000:])
    decoded = int(re.search('frames decoded: ([0-9]+)', viewer.output()).group(1))
    expect(decoded > 60, '%d frames were decoded', decoded)
    read_picture(lab.file('seen.png'))
    os.unlink(lab.file('seen.png'))
    end(camera, seconds=3)


def conference_script(lab):
  need_plain_build()
  need_clip()
  network = topology.lan(lab)
  whole = script(network.server, 'conference', '--seconds', '12')
  expect(whole.wait(60) == 0, 'conference.sh failed: %s', whole.output()[-3000:])
  expect_grid(lab.file('conference.png'), 4)


def conference_script_of_six(lab):
  need_plain_build()
  need_clip()
  network = topology.lan(lab)
  whole = script(network.server, 'conference', '--participants', '6', '--seconds', '20')
  expect(whole.wait(90) == 0, 'conference.sh failed: %s', whole.output()[-3000:])
  expect_grid(lab.file('conference.png'), 6)


def conference_script_joins(lab):
  """With a URI it is one more in a room of others."""
  need_plain_build()
  network = topology.lan(lab)
  network.start_signaling()
  ada = conference(network, network.camera, 'Ada')
  bob = script(network.viewer, 'conference', '--name=Bob', '--source=test', '--seconds=6',
               '--headless', '--picture=bob.png', network.uri())
  seen(ada, 'Bob')
  expect(bob.wait(30) == 0, 'conference.sh failed: %s', bob.output()[-2000:])
  expect_grid(lab.file('bob.png'), 2)
  ada.wait_for('Bob left', 5)
  end(ada)


# --- Programs ------------------------------------------------------------------------


def participants_come_and_go(lab):
  """Ada sees all of it: Carol comes late and says goodbye, Dan dies, and Bob's
  picture never stops."""
  network = topology.lan(lab, viewers=3)
  network.start_signaling()
  ada = conference(network, network.camera, 'Ada', '--picture', lab.file('ada.png'))
  bob = conference(network, network.viewers[0], 'Bob')
  seen(ada, 'Bob')
  seen(bob, 'Ada')
  started = time.monotonic()
  carol = conference(network, network.viewers[1], 'Carol', '--picture', lab.file('carol.png'))
  dan = conference(network, network.viewers[2], 'Dan')
  for process, names in ((ada, 'Carol Dan'), (carol, 'Ada Bob Dan'), (dan, 'Ada Bob Carol')):
    for name in names.split():
      seen(process, name)
  time.sleep(1)
  end(carol)
  expect_grid(lab.file('carol.png'), 4)
  ada.wait_for('Carol left', 5)
  dan.kill()
  # Bob's stream goes on while Dan's has nothing more to show.
  time.sleep(3)
  end(ada)
  lasted = time.monotonic() - started
  expect(shown(ada, 'Carol') == 0, 'Carol is still in the grid')
  expect(shown(ada, 'Bob') > 10 * lasted, 'Ada saw %d pictures of Bob in %.1f s', shown(ada, 'Bob'),
         lasted)
  end(bob)


def sound_only_and_back_again(lab):
  """Who sends no picture has no cell, but a name in the corner; who comes back has
  his place again."""
  network = topology.lan(lab, viewers=2)
  network.start_signaling()
  sound = lab.file('sound.wav')
  subprocess.run(['gst-launch-1.0', '-q', 'audiotestsrc', 'num-buffers=400', '!', 'wavenc', '!',
                  'filesink', 'location=' + sound], check=True)
  ada = conference(network, network.camera, 'Ada', '--picture', lab.file('ada.png'))
  eve = conference(network, network.viewers[0], 'Eve', source=sound)
  seen(eve, 'Ada')
  dan = conference(network, network.viewers[1], 'Dan')
  seen(ada, 'Dan')
  end(dan)
  ada.wait_for('Dan left', 5)
  dan = conference(network, network.viewers[1], 'Dan')
  wait_until(lambda: ada.output().count('first picture of Dan') == 2, 20, 'Dan is seen again')
  time.sleep(1)
  end(ada)
  expect(shown(ada, 'Dan') > 10, 'Dan is frozen since he is back')
  expect('first picture of Eve' not in ada.output(), 'Eve has a picture')
  rows = read_picture(lab.file('ada.png'))[2]
  corner = b''.join(row[GRID[0] // 2:] for row in rows[:GRID[1] // 8])
  expect(sum(value > 200 for value in corner) > 40, 'Eve is not named')
  end(dan)
  end(eve)


def stops_at_once_in_every_state(lab):
  """Alone without a server, alone in the room, while it connects, in the call."""
  network = topology.lan(lab)
  lost = conference(network, network.camera, 'lost')
  lost.wait_for('signaling: ')
  time.sleep(0.5)
  end(lost)
  network.start_signaling()
  alone = conference(network, network.camera, 'alone')
  alone.wait_for('signaling: joined')
  starting = conference(network, network.viewer, 'starting')
  starting.wait_for('session: connecting')
  end(starting)
  second = conference(network, network.viewer, 'second')
  seen(alone, 'second')
  end(second, signal.SIGTERM)
  end(alone, signal.SIGTERM)


def viewer_stops_at_once(lab):
  """Ten times, at ten moments."""
  network = topology.lan(lab)
  network.start_signaling()
  prepare_registry()
  camera = network.camera.spawn('camera', [program('camera', 'examples'), '--source=test',
                                           '--uri', network.uri()], env=environment())
  camera.wait_for('^ +[0-9]+ s ')
  for number in range(10):
    viewer = network.viewer.spawn('viewer-%d' % number, [
        program('viewer', 'examples'), '--headless', '--uri', network.uri()], env=environment())
    time.sleep(0.2 + 0.15 * number)
    started = time.monotonic()
    viewer.signal(signal.SIGTERM)
    viewer.wait(10)
    took = time.monotonic() - started
    expect(took < STOP_SECONDS, 'viewer %d took %.1f s to end', number, took)
  end(camera)


def undecodable_stream_costs_itself(lab):
  """A participant whose picture nobody can decode is heard, and all others are
  seen."""
  network = topology.lan(lab, viewers=2)
  network.start_signaling()
  ada = conference(network, network.camera, 'Ada', '--picture', lab.file('ada.png'))
  bob = conference(network, network.viewer, 'Bob')
  seen(ada, 'Bob')
  strange = Peer(network.viewers[1], 'strange',
                 'videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=30/1 ! '
                 'x264enc tune=zerolatency speed-preset=ultrafast ! rtph264pay ! '
                 'capssetter caps="application/x-rtp,encoding-name=NO-SUCH-CODEC" ! '
                 'quicp2psink %s' % properties({'uri': network.uri(), 'display_name': 'Strange'}))
  ada.wait_for('cannot show a stream of Strange', 20)
  before = time.monotonic()
  time.sleep(3)
  expect(ada.running(), 'Ada ended: %s', ada.output()[-2000:])
  end(ada)
  expect_grid(lab.file('ada.png'), 2)
  expect(shown(ada, 'Bob') > 10 * (time.monotonic() - before), 'Ada saw %d pictures of Bob',
         shown(ada, 'Bob'))
  end(bob)
  strange.stop()


if __name__ == '__main__':
  run([scripts_tell_their_usage, demo_script, camera_and_viewer_scripts, conference_script,
       conference_script_of_six, conference_script_joins, participants_come_and_go,
       sound_only_and_back_again, stops_at_once_in_every_state, viewer_stops_at_once,
       undecodable_stream_costs_itself])

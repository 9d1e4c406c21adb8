# SPDX-License-Identifier: LGPL-2.1-or-later
"""Cameras and viewers: pipelines run by pipe-probe, and what tests ask of them.

Answers for: reading pipe-probe's JSON, waiting for an event in it, and the
pipelines that most tests share. Relies on lab.py; one thread.
"""

import fcntl
import json
import os
import struct
import subprocess

from harness import expect
from lab import BUILD, Skip, program, wait_until

# Small enough for two of them and a decoder on two cores.
VIDEO = ('videotestsrc name=source is-live=true pattern=ball ! '
         'video/x-raw,format=I420,width=320,height=240,framerate=30/1 ! '
         'x264enc name=encoder tune=zerolatency speed-preset=ultrafast key-int-max=30 bitrate=800')
AUDIO = ('audiotestsrc is-live=true samplesperbuffer=960 ! audio/x-raw,rate=48000 ! '
         'opusenc frame-size=20')


def environment():
  """What GStreamer needs to find our plugin when meson did not say it."""
  env = {}
  if 'GST_PLUGIN_PATH_1_0' not in os.environ:
    env['GST_PLUGIN_PATH_1_0'] = os.path.join(BUILD, 'gst')
    env['GST_REGISTRY_1_0'] = os.path.join(BUILD, 'tests', 'net', 'registry.bin')
  return env


def prepare_registry():
  """Lets GStreamer look at all plugins once, without a time limit and without
  regard to what they leak; with sanitizers that takes a quarter of a minute."""
  env = dict(os.environ, **environment())
  registry = env.get('GST_REGISTRY_1_0')
  if not registry or os.path.exists(registry):
    return
  options = env.get('ASAN_OPTIONS', '')
  env['ASAN_OPTIONS'] = (options + ':' if options else '') + 'detect_leaks=0'
  with open(os.path.join(BUILD, 'tests', 'net', 'registry.lock'), 'w') as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)    # tests run side by side
    if not os.path.exists(registry):
      subprocess.run([program('pipe-probe', 'tests/net'), 'fakesrc num-buffers=1 ! fakesink'],
                     stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=env, check=True)


def need_plain_build():
  """Skips when the plugin is instrumented, which programs not built with it
  cannot load."""
  with open(os.path.join(BUILD, 'gst', 'libgstquicp2p.so'), 'rb') as stream:
    plugin = stream.read()
  if b'__asan_init' in plugin or b'__tsan_init' in plugin:
    raise Skip('programs without sanitizers cannot load a plugin with them')


def properties(settings):
  """'a=1 b="x y"' from {'a': 1, 'b': 'x y'}; underscores become dashes."""
  return ' '.join('%s="%s"' % (key.replace('_', '-'), value) for key, value in settings.items())


class Peer:
  """A pipeline on a host."""

  def __init__(self, host, name, pipeline, counts=(), dumps=None, rtp=None, plug=None,
               arrivals=None, keep=False, wait=False, env=None):
    """counts: pads ELEMENT.PAD; dumps, rtp: {pad: path}; plug:
    ELEMENT=DESCRIPTION; arrivals: a path; see pipe-probe.c."""
    prepare_registry()
    args = [program('pipe-probe', 'tests/net')]
    for pad in counts:
      args += ['--count', pad]
    for pad, path in (dumps or {}).items():
      args += ['--dump', '%s=%s' % (pad, path)]
    for pad, path in (rtp or {}).items():
      args += ['--rtp', '%s=%s' % (pad, path)]
    args += ['--plug', plug] if plug else []
    args += ['--arrivals', arrivals] if arrivals else []
    args += ['--keep'] * keep + ['--wait'] * wait
    self.name = name
    self.process = host.spawn(name, args + [pipeline], env=dict(environment(), **(env or {})))
    self.read = 0         # bytes of the output that have been parsed
    self.seen = []        # events, in their order

  def events(self):
    """Everything told so far."""
    with open(self.process.out_path, 'rb') as stream:
      stream.seek(self.read)
      text = stream.read()
    complete = text[:text.rfind(b'\n') + 1]
    self.read += len(complete)
    # Libraries print, too.
    self.seen += [json.loads(line) for line in complete.splitlines() if line.startswith(b'{"t"')]
    return self.seen

  def find(self, kind, where=None, since=0):
    """The first event of a type for which `where` holds, or None."""
    for event in self.events()[since:]:
      if event['type'] == kind and (where is None or where(event)):
        return event
    return None

  def wait_event(self, kind, timeout=15, where=None, since=0, what=''):
    def look():
      running = self.process.running()
      event = self.find(kind, where, since)
      if not event and not running:
        raise AssertionError('%s ended with %s before %s %s; errors: %s' % (
            self.name, self.process.popen.returncode, kind, what, self.errors()))
      return event
    try:
      return wait_until(look, timeout, '%s: %s %s' % (self.name, kind, what))
    except AssertionError as error:
      raise AssertionError('%s; errors: %s' % (error, self.errors())) from None

  def errors(self):
    return [event['text'] for event in self.events() if event['type'] in ('error', 'warning')]

  def messages(self, name):
    """Our element messages of that name, oldest first."""
    return [event['message'] for event in self.events()
            if event['type'] == 'element' and event['message']['name'] == name]

  def command(self, line, timeout=15):
    """Returns the answer; its "seconds" is how long the command took."""
    since = len(self.events())
    self.process.send(line)
    reply = self.wait_event('done', timeout, lambda e: e['command'] == line, since, line)
    expect(reply['ok'], '%s: %s was refused', self.name, line)
    return reply

  def fresh(self):
    """The newest stats event, asked for now."""
    since = len(self.events())
    self.command('stats')
    return self.find('stats', since=since)

  def stats(self):
    """Our element's stats, now; of the only one of our elements."""
    elements = self.fresh()['elements']
    expect(len(elements) == 1, '%s has %d elements of ours', self.name, len(elements))
    return next(iter(elements.values()))

  def count(self, pad):
    return self.fresh()['pads'][pad]['buffers']

  def wait_count(self, pad, wanted, timeout=15):
    """Waits until that many buffers have passed the pad."""
    def enough():
      expect(self.process.running(), '%s ended, errors: %s', self.name, self.errors())
      return self.count(pad) >= wanted
    wait_until(enough, timeout, '%s: %d buffers at %s (errors: %s)'
               % (self.name, wanted, pad, self.errors()), 0.1)

  def wait_more(self, pad, more, timeout=15):
    self.wait_count(pad, self.count(pad) + more, timeout)

  def wait_state(self, state, timeout=15, since=0):
    """Waits for the session state, as told by the bus messages."""
    return self.wait_event('element', timeout,
                           lambda e: e['message']['name'] == 'session-state'
                           and e['message']['new-state'] == state, since, 'session-state ' + state)

  def wait_end(self, timeout=15):
    """Waits until the pipeline ended by itself; returns the exit code."""
    code = self.process.wait(timeout)
    self.events()
    return code

  def stop(self):
    """Ends it as a user would; fails when that takes longer than it may."""
    self.process.send('quit')
    code = self.process.wait(10)
    expect(code == 0, '%s ended with %d: %s', self.name, code, self.process.output()[-2000:])


def camera(network, name='camera', host=None, source=VIDEO, pay='rtph264pay name=pay',
           audio=False, room='door', uri=None, **settings):
  """A Peer that sends. Counts pay.src; settings are the sink's properties."""
  host = host or network.camera
  settings = dict({'uri': uri or network.uri(room)}, **settings)
  probe = probe_settings(settings)
  pipeline = '%s ! %s ! quicp2psink name=out %s' % (source, pay, properties(settings))
  if audio:
    pipeline += ' %s ! rtpopuspay name=apay ! out.' % AUDIO
  return Peer(host, name, pipeline, counts=['pay.src'] + ['apay.src'] * audio, **probe)


def viewer(network, name='viewer', host=None, room='door', uri=None, decode=True, **settings):
  """A Peer that receives H.264. Counts in.sink (RTP) and out.sink (frames)."""
  host = host or network.viewer
  settings = dict({'uri': uri or network.uri(room)}, **settings)
  probe = probe_settings(settings)
  pipeline = ('quicp2psrc name=source %s ! rtph264depay name=in ! %s fakesink name=out sync=false'
              % (properties(settings), 'avdec_h264 !' if decode else ''))
  return Peer(host, name, pipeline, counts=['in.sink', 'out.sink'], **probe)


PROBE_SETTINGS = ('dumps', 'rtp', 'arrivals', 'keep', 'wait', 'env')


def probe_settings(settings):
  """Takes what is meant for pipe-probe out of an element's settings."""
  return {key: settings.pop(key) for key in PROBE_SETTINGS if key in settings}


def read_units(path):
  """The buffers of a dump: [(pts, bytes)]."""
  units = []
  with open(path, 'rb') as stream:
    while True:
      header = stream.read(12)
      if len(header) < 12:
        return units
      pts, size = struct.unpack('<QI', header)
      units.append((pts, stream.read(size)))


def read_rtp(path):
  """The packets of an RTP record: [(seconds, sequence, timestamp, ssrc, size)]."""
  with open(path, 'rb') as stream:
    data = stream.read()
  return [(us / 1e6, seq, ts, ssrc, size)
          for us, seq, ts, ssrc, size in struct.iter_unpack('<QHIII', data[:len(data) // 22 * 22])]

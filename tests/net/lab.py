#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A laboratory of network namespaces: hosts, switches, NATs, shaped links and
the processes that run on them.

Answers for: nothing of it being left behind, whether the test ends well, fails,
is interrupted or is terminated; what a killed run left (its namespaces carry the
dead process's number) goes when the next one starts.

Relies on: root, iproute2, nftables; `linkem` for links with delay, loss or a
rate. Python's standard library only, 3.9 or newer. topology.py builds the usual
networks out of it.

Single-threaded; a Lab belongs to the thread that made it.
"""

import atexit
import contextlib
import ctypes
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get('QUICP2P_BUILD', os.path.join(TOP, 'build'))
SKIP_CODE = 77
PREFIX = 'qp'
LOGS = 'quicp2p-lab-'

_libc = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000
_PR_SET_PDEATHSIG = 1


class LabError(Exception):
  """The laboratory itself could not do what it was asked to."""


class Skip(Exception):
  """This machine cannot run the test; the text says why."""


def program(name, *places):
  """The path of a program of this build, in one of places below BUILD."""
  for place in places:
    path = os.path.join(BUILD, place, name)
    if os.access(path, os.X_OK):
      return path
  raise LabError('%s is not built: it is not in %s of %s (QUICP2P_BUILD names another build)'
                 % (name, ' or '.join(places), BUILD))


def need(*commands):
  """Skips unless these programs are installed."""
  for command in commands:
    if not shutil.which(command):
      raise Skip('%s is not installed' % command)


def require(*commands):
  """Skips unless this is root on a machine with namespaces and the commands."""
  if os.geteuid() != 0:
    raise Skip('network namespaces need root')
  os.environ['PATH'] += ':/usr/sbin:/sbin'
  need('ip', 'nft', *commands)
  if not os.path.exists('/dev/net/tun'):
    raise Skip('/dev/net/tun is not there')
  name = '%s%d-try' % (PREFIX, os.getpid())
  tried = subprocess.run(['ip', 'netns', 'add', name], stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True)
  if tried.returncode:
    raise Skip('no network namespace can be made: ' + tried.stdout.strip())
  subprocess.run(['ip', 'netns', 'del', name], check=True)


def ahead_of_others():
  """Lets this process and those that it starts from now on run before all else:
  what is timed to the millisecond must not wait for a compiler. Without the right
  to that it goes on as it is."""
  with contextlib.suppress(OSError):
    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))


def _die_with_parent():
  # Runs in the child. Its signals must not be the test's handlers.
  _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
  signal.signal(signal.SIGINT, signal.SIG_IGN)


def _run(args, **kwargs):
  done = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                        text=True, **kwargs)
  if done.returncode:
    raise LabError('%s: %s' % (' '.join(args), done.stdout.strip()))
  return done.stdout


def _namespaces():
  listed = subprocess.run(['ip', 'netns', 'list'], stdout=subprocess.PIPE, text=True)
  return [line.split()[0] for line in listed.stdout.splitlines() if line.strip()]


def _remove_namespace(name):
  # Kills what still runs inside by its number; nothing of another lab is there.
  pids = subprocess.run(['ip', 'netns', 'pids', name], stdout=subprocess.PIPE,
                        stderr=subprocess.DEVNULL, text=True).stdout.split()
  for pid in pids:
    if int(pid) != os.getpid():
      with contextlib.suppress(ProcessLookupError):
        os.kill(int(pid), signal.SIGKILL)
  subprocess.run(['ip', 'netns', 'del', name], stderr=subprocess.DEVNULL)


def remove_leftovers():
  """Removes the namespaces and files of labs whose process is dead."""
  for name in _namespaces():
    match = re.match(PREFIX + r'(\d+)-', name)
    if match and not os.path.exists('/proc/' + match.group(1)):
      _remove_namespace(name)
  for path in glob.glob(os.path.join(tempfile.gettempdir(), LOGS + '*')):
    if not os.path.exists('/proc/' + path[path.index(LOGS) + len(LOGS):].split('-')[0]):
      shutil.rmtree(path, ignore_errors=True)


def wait_until(condition, timeout, what, step=0.02):
  """Calls condition until it answers something true, and returns that."""
  deadline = time.monotonic() + timeout
  while True:
    answer = condition()
    if answer:
      return answer
    if time.monotonic() > deadline:
      raise AssertionError('%s: not within %g s' % (what, timeout))
    time.sleep(step)


class Process:
  """A program running in a namespace or beside the test, its output going to files."""

  def __init__(self, lab, name, args, netns=None, env=None):
    self.name = name
    self.lab = lab
    self.out_path = self.lab.file(name + '.out')
    self.err_path = self.lab.file(name + '.err')
    environment = dict(os.environ, **self.lab.env)
    environment.update(env or {})
    self.args = [str(a) for a in args]
    with open(self.out_path, 'ab') as out, open(self.err_path, 'ab') as err:
      self.popen = subprocess.Popen(
          (['ip', 'netns', 'exec', netns] if netns else []) + self.args, stdin=subprocess.PIPE,
          stdout=out, stderr=err, env=environment, preexec_fn=_die_with_parent, cwd=lab.directory)
    self.pid = self.popen.pid
    self.lab.processes.append(self)

  def output(self):
    """Everything that it has printed, on either channel."""
    text = ''
    for path in (self.out_path, self.err_path):
      with open(path, errors='replace') as stream:
        text += stream.read()
    return text

  def running(self):
    return self.popen.poll() is None

  def wait_for(self, regex, timeout=10):
    """Waits until the output has a match of regex; fails when the program ends."""
    pattern = re.compile(regex, re.MULTILINE)

    def look():
      ended = not self.running()
      match = pattern.search(self.output())
      if not match and ended:
        raise AssertionError('%s ended with %s before it said /%s/' %
                             (self.name, self.popen.returncode, regex))
      return match
    return wait_until(look, timeout, '%s says /%s/' % (self.name, regex))

  def send(self, line):
    self.popen.stdin.write((line + '\n').encode())
    self.popen.stdin.flush()

  def wait(self, timeout=10):
    """Returns the exit code."""
    try:
      return self.popen.wait(timeout)
    except subprocess.TimeoutExpired:
      raise AssertionError('%s still runs after %g s' % (self.name, timeout)) from None

  def signal(self, number):
    self.popen.send_signal(number)

  def freeze(self):
    self.signal(signal.SIGSTOP)

  def thaw(self):
    self.signal(signal.SIGCONT)

  def stop(self, timeout=3):
    """SIGTERM, then SIGKILL; returns the exit code."""
    if self.running():
      self.thaw()
      self.popen.terminate()
      try:
        self.popen.wait(timeout)
      except subprocess.TimeoutExpired:
        self.popen.kill()
    code = self.popen.wait()
    if self.popen.stdin:
      with contextlib.suppress(OSError):
        self.popen.stdin.close()
    return code

  def kill(self):
    self.popen.kill()
    return self.popen.wait()

  def cpu_seconds(self):
    """User and system time so far, of a process that still runs."""
    with open('/proc/%d/stat' % self.pid) as stream:
      fields = stream.read().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')

  def resident_bytes(self):
    with open('/proc/%d/statm' % self.pid) as stream:
      return int(stream.read().split()[1]) * os.sysconf('SC_PAGE_SIZE')


class Host:
  """A network namespace."""

  def __init__(self, lab, name):
    self.lab = lab
    self.name = name
    self.netns = '%s%d-%s' % (PREFIX, os.getpid(), name)
    self.address = None   # the first IPv4 one, else the first IPv6 one
    self.addresses = []
    _run(['ip', 'netns', 'add', self.netns])
    lab.hosts.append(self)
    # Without this an IPv6 address cannot be used for its first second.
    self.sysctl('net.ipv6.conf.all.accept_dad', 0)
    self.sysctl('net.ipv6.conf.default.accept_dad', 0)
    self.sysctl('net.ipv6.conf.default.router_solicitations', 0)
    self.ip('link set lo up')

  def ip(self, command):
    return _run(['ip', '-n', self.netns] + command.split())

  def run(self, *args, **kwargs):
    return _run(['ip', 'netns', 'exec', self.netns] + [str(a) for a in args], **kwargs)

  def sysctl(self, key, value):
    path = '/proc/sys/' + key.replace('.', '/')
    self.run('sh', '-c', 'echo %s > %s' % (value, path))

  def nft(self, rules):
    self.run('nft', '-f', '-', input=rules)

  def no_ipv6(self):
    self.sysctl('net.ipv6.conf.all.disable_ipv6', 1)
    self.sysctl('net.ipv6.conf.default.disable_ipv6', 1)

  def add_address(self, interface, address):
    """address with its prefix length, of either family."""
    flag = ' nodad' if ':' in address else ''
    self.ip('addr add %s dev %s%s' % (address, interface, flag))
    self.addresses.append(address.split('/')[0])
    self.address = next((a for a in self.addresses if ':' not in a), self.addresses[0])

  def remove_address(self, interface, address):
    self.ip('addr del %s dev %s' % (address, interface))
    self.addresses.remove(address.split('/')[0])

  def spawn(self, name, args, env=None):
    return Process(self.lab, name, args, self.netns, env)

  @contextlib.contextmanager
  def inside(self):
    """Sockets made in here are this host's, also afterwards."""
    with open('/proc/self/ns/net') as home, open('/run/netns/' + self.netns) as there:
      if _libc.setns(there.fileno(), _CLONE_NEWNET):
        raise LabError('setns: ' + os.strerror(ctypes.get_errno()))
      try:
        yield self
      finally:
        _libc.setns(home.fileno(), _CLONE_NEWNET)


class Switch(Host):
  """A host that only bridges its ports."""

  def __init__(self, lab, name):
    super().__init__(lab, name)
    self.no_ipv6()
    self.ports = 0
    self.ip('link add name br0 type bridge forward_delay 0 mcast_snooping 0')
    self.ip('link set br0 up')

  def new_port(self):
    self.ports += 1
    return 'port%d' % self.ports

  def plug(self, port):
    self.ip('link set %s master br0 up' % port)


class Link:
  """A shaped link. `a` is what leaves the host, `b` what comes to it."""

  def __init__(self, host, interface, switch, shape, seed):
    self.host = host
    self.interface = interface
    port = switch.new_port()
    self.process = Process(
        host.lab, 'linkem-%s-%s' % (host.name, interface),
        [program('linkem', 'tests/net'), '--a', host.netns + ':' + interface,
         '--b', switch.netns + ':' + port, '--seed', str(seed)])
    self.replies = 0
    self._reply('ready')
    switch.plug(port)
    if shape:
      self.set(shape)

  def _reply(self, command):
    def look():
      lines = open(self.process.out_path).read().split('\n')[:-1]
      if not self.process.running():
        raise LabError('linkem ended: ' + self.process.output())
      return lines[self.replies:]
    reply = wait_until(look, 10, 'linkem answers ' + command, 0.002)[0]
    self.replies += 1
    if reply.startswith('error'):
      raise LabError('linkem: %s (for %s)' % (reply, command))
    return reply

  def set(self, commands):
    """Commands of linkem.c, such as 'both delay 10 loss 2; b rate 1000000'."""
    for command in commands.split(';'):
      self.process.send(command)
      self._reply(command)

  def stats(self):
    self.process.send('stats')
    return json.loads(self._reply('stats'))


class Lab:
  """Use as a context manager: everything ends with the block."""

  def __init__(self, seed=1):
    remove_leftovers()
    self.hosts = []
    self.processes = []
    self.closers = []     # called first when the lab closes
    self.env = {}
    self.seed = seed
    self.links = 0
    self.closed = False
    self.directory = tempfile.mkdtemp(prefix='%s%d-' % (LOGS, os.getpid()))
    atexit.register(self.close)
    self._handlers = {}
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
      self._handlers[number] = signal.signal(number, self._on_signal)

  def __enter__(self):
    return self

  def __exit__(self, kind, value, trace):
    self.close(keep=kind is not None and not issubclass(kind, (Skip, KeyboardInterrupt)))

  @staticmethod
  def _on_signal(number, frame):
    raise SystemExit(128 + number)

  def file(self, name):
    return os.path.join(self.directory, name)

  def host(self, name, ipv6=True):
    made = Host(self, name)
    if not ipv6:
      made.no_ipv6()
    return made

  def switch(self, name):
    return Switch(self, name)

  def connect(self, host, interface, switch, addresses=(), shape=None):
    """Gives host an interface on switch; returns its Link if shape is not None.

    shape is commands for linkem, '' for a perfect link that is shaped later.
    """
    link = None
    if shape is None:
      port = switch.new_port()
      host.ip('link add name %s type veth peer name %s netns %s' % (interface, port, switch.netns))
      host.ip('link set %s up' % interface)
      switch.plug(port)
    else:
      self.links += 1
      link = Link(host, interface, switch, shape, self.seed * 1000 + self.links)
    for address in addresses:
      host.add_address(interface, address)
    return link

  def wire(self, host, peer, interface='eth0', peer_interface='eth0'):
    """A veth pair straight between two hosts."""
    host.ip('link add name %s type veth peer name %s netns %s'
            % (interface, peer_interface, peer.netns))
    host.ip('link set %s up' % interface)
    peer.ip('link set %s up' % peer_interface)

  def close(self, keep=False):
    if self.closed:
      return
    self.closed = True
    # A second Ctrl-C must not leave half of it behind.
    for number in self._handlers:
      signal.signal(number, signal.SIG_IGN)
    for closer in self.closers:
      closer()
    for process in reversed(self.processes):
      if process.running():
        process.thaw()
        process.popen.terminate()
    deadline = time.monotonic() + 2
    for process in self.processes:
      with contextlib.suppress(subprocess.TimeoutExpired):
        process.popen.wait(max(0.01, deadline - time.monotonic()))
      process.stop(0)
    for host in reversed(self.hosts):
      _remove_namespace(host.netns)
    if keep:
      kept = self.directory.replace(LOGS, 'quicp2p-failed-')
      os.rename(self.directory, kept)
      print('logs are in ' + kept, flush=True)
    else:
      shutil.rmtree(self.directory, ignore_errors=True)
    for number, handler in self._handlers.items():
      signal.signal(number, handler)
    atexit.unregister(self.close)


def print_logs(lab, lines=15):
  """The ends of all logs, for a failure that happens where nobody can look."""
  for process in lab.processes:
    for path in (process.out_path, process.err_path):
      if not os.path.exists(path):
        continue
      with open(path, errors='replace') as stream:
        # Of pipe-probe's statistics the last ones are enough.
        text = stream.read().splitlines()
        text = [line for line in text[:-1] if '"stats"' not in line[:80]
                and '"command":"stats"' not in line] + text[-1:]
      if text:
        print('--- %s' % os.path.basename(path))
        print('\n'.join(line[:600] for line in text[-lines:]))
  sys.stdout.flush()

# SPDX-License-Identifier: LGPL-2.1-or-later
"""What happens to a call's networks, as a table: each event, on the camera's or
the viewer's side, with that side as QUIC's client or server.

An event is a class: which world it needs, how it strikes, what is made whole
again afterwards, and the longest gap it may cost. One call lives through an event
many times; before each it is in its steady state with a path in reserve, unless
the event is about having none.

  migration_cells.py CELL RUNS [GST_DEBUG]

runs one of them and prints what each run gave (a Sample, and why the side says it
lost its path) as JSON, or {"failed": "why"}; with GST_DEBUG the logs are kept.
Several may run at a time. It all runs ahead of whatever else the machine does, which
is not what is measured.
"""

import json
import shutil
import sys
import time

from lab import Lab, ahead_of_others, wait_until
from moving_call import Call
from roaming import World


class Event:
  """A cut of the network in use, with another path in reserve."""

  title = ''            # of its row in the table
  target = None         # ms, p95; None: nothing is promised in ms
  beyond = None         # ms, what would be better still
  lossless = False      # no RTP packet may be lost
  connected = True      # nobody may be told "disconnected"
  visible = False       # the machine can tell the side at once: no silence is waited for
  fresh = False         # every run needs a call without a past
  watch = 1.5           # seconds after the strike that belong to it
  length = 5            # seconds that a run takes, about
  sides = ('camera', 'viewer')      # that it may strike
  movers = None         # the sides with two networks; None: the one it strikes
  nats = False          # that side is behind NATs
  families = None       # see World
  settings = {'interfaces': 'w*'}   # both networks are equally good

  def make_world(self, lab, side):
    return World(lab, self.movers or (side,), (side,) if self.nats else (), self.families)

  def start_servers(self, world):
    world.start_signaling()

  def before_call(self, world, side):
    """What the networks are like when the call begins, if not whole."""

  def prepare(self, call, side):
    """Brings the call where the event finds it."""
    self.used, self.other = call.wait_standby(side)

  def strike(self, call, side):
    """Returns None, or when a network was usable again after it."""
    raise NotImplementedError

  def recovered(self, call, side, begin):
    """Waits until the event is over."""
    call.wait_media(begin + 0.2, 30)

  def restore(self, call, side):
    self.used.restore()


class LinkDown(Event):
  title, target, beyond = 'visible cut: link down', 150, 100
  visible = True

  def strike(self, call, side):
    self.used.link_down()


class CablePulled(LinkDown):
  title = 'visible cut: cable pulled'

  def strike(self, call, side):
    self.used.pull_cable()


class AddressRemoved(LinkDown):
  title = 'visible cut: address removed'

  def strike(self, call, side):
    self.used.remove_addresses()


class RouteRemoved(LinkDown):
  title = 'visible cut: route removed'

  def strike(self, call, side):
    self.used.remove_routes()


class Silence(Event):
  title, target, beyond = 'silence, both directions', 300, 200
  direction = 'both'

  def strike(self, call, side):
    self.used.fall_silent(self.direction)


class SilenceOut(Silence):
  title, direction = 'silence of what the side sends', 'a'


class SilenceIn(Silence):
  title, direction = 'silence of what the side gets', 'b'


class Rebinding(Event):
  """The NAT gives another port; there is no other network."""
  title, target, beyond = 'NAT rebinding', 300, 150
  nats = True

  def start_servers(self, world):
    world.start_coturn()
    world.turn_secret = None
    world.start_signaling('--stun-server', world.stun.replace('//', ''))

  def prepare(self, call, side):
    self.used, other = call.world.uplinks_of(side)
    other.link_down()
    call.wait_media(time.monotonic(), 30)
    call.wait_steady()

  def strike(self, call, side):
    self.used.forget_mappings()

  def restore(self, call, side):
    pass


class Renumbering(Event):
  """The only network gives another address, as with a new lease."""
  title, target, beyond = 'another address, same interface', 1000, 600

  def prepare(self, call, side):
    self.used, other = call.world.uplinks_of(side)
    other.link_down()
    call.wait_media(time.monotonic(), 30)
    call.wait_steady()

  def strike(self, call, side):
    self.used.renumber()

  def restore(self, call, side):
    pass


class NoPathReady(Event):
  """Another network comes up at the very moment."""
  title, target, beyond = 'cut, another up but no path ready', 1000, 600

  def prepare(self, call, side):
    self.used, self.other = call.wait_standby(side)
    self.other.link_down()
    call.wait_steady()

  def strike(self, call, side):
    self.other.restore()
    self.used.link_down()


class AppearsLater(NoPathReady):
  title, target, beyond = 'cut, another appears 1.5 s later', 800, 500
  connected = False
  watch = 2

  def strike(self, call, side):
    self.used.link_down()
    time.sleep(1.5)
    self.other.restore()
    return time.monotonic()


class OnlyOneReturns(AppearsLater):
  title = 'the only network gone for 20 s'
  length = 27

  def strike(self, call, side):
    self.used.link_down()
    time.sleep(20)
    self.used.restore()
    return time.monotonic()

  def restore(self, call, side):
    self.other.restore()


class SignalingThroughNew(AppearsLater):
  title = 'signaling only through the new network'

  def prepare(self, call, side):
    super().prepare(call, side)
    self.used.without_signaling()

  def restore(self, call, side):
    self.used.without_signaling(False)
    self.used.restore()


class WithoutSignaling(LinkDown):
  title = 'visible cut, signaling gone'

  def prepare(self, call, side):
    super().prepare(call, side)
    if call.world.signaling.running():
      call.world.signaling.kill()
      call.wait_steady()


class Planned(Event):
  """The better network comes up while the other works. One that has been away
  often is not moved to as soon."""
  title, target, beyond = 'planned move to a better network', 50, 20
  lossless = fresh = True
  watch = 3
  settings = {}

  def before_call(self, world, side):
    self.other, self.used = world.uplinks_of(side)
    self.other.link_down()

  def prepare(self, call, side):
    call.wait_steady()

  def strike(self, call, side):
    self.other.restore()

  def recovered(self, call, side, begin):
    wait_until(lambda: call.in_use(side) is self.other, 20, 'the move to the better network', 0.2)
    time.sleep(max(0, begin + self.watch - 1 - time.monotonic()))


class OldReturns(Planned):
  """A network that was silent speaks again: nothing may be lost by that."""
  title = 'the old network returns after silence'
  fresh = False
  settings = {'interfaces': 'w*'}

  def before_call(self, world, side):
    pass

  def prepare(self, call, side):
    self.used, self.other = call.wait_standby(side)
    self.used.fall_silent()
    time.sleep(2)
    call.wait_steady()

  def strike(self, call, side):
    self.used.restore()

  def recovered(self, call, side, begin):
    time.sleep(self.watch - 1)


class Relayed(LinkDown):
  """Both ends use a relay and nothing else."""
  title, target, beyond = 'relay only, link down', 1200, 800
  settings = {'interfaces': 'w*', 'ice_transport_policy': 'relay'}

  def start_servers(self, world):
    world.start_coturn()
    world.start_signaling()

  def prepare(self, call, side):
    call.wait_steady()
    self.used = call.in_use(side)
    call.wait_paths(side, 2)
    call.wait_steady()


class OtherFamily(LinkDown):
  """From a network with only IPv4 to one with only IPv6, and back."""
  title, target, beyond = 'cut, IPv4 to IPv6 and back', 150, 100
  families = {'wlan0': '4', 'wwan0': '6'}


class BothAtOnce(Event):
  title, target, beyond = 'both sides\' links down at once', 1500, 1000
  movers = ('camera', 'viewer')
  sides = ('camera',)         # one or the other is all the same

  def prepare(self, call, side):
    for one in self.movers:
      call.wait_standby(one)
    self.both = [call.in_use(one) for one in self.movers]

  def strike(self, call, side):
    for uplink in self.both:
      uplink.link_down()

  def restore(self, call, side):
    for uplink in self.both:
      uplink.restore()


class Flaps(Event):
  """The network in use goes and comes, five times in ten seconds."""
  title = 'five flaps in 10 s'
  length = 16
  fresh = True
  watch = 10
  settings = {}

  def strike(self, call, side):
    for _ in range(5):
      self.used.link_down()
      time.sleep(1)
      self.used.restore()
      time.sleep(1)


class Nothing(Event):
  """What the encoder, the machine and its other users make of the spacing."""
  title = 'nothing happens'
  sides = ('camera',)
  lossless = True

  def strike(self, call, side):
    pass


# Those that a promise is about first, then the same in other ways.
EVENTS = [Planned, LinkDown, Silence, Rebinding, NoPathReady, AppearsLater, Relayed, BothAtOnce,
          Flaps, CablePulled, AddressRemoved, RouteRemoved, WithoutSignaling, OtherFamily,
          SilenceOut, SilenceIn, Renumbering, SignalingThroughNew, OnlyOneReturns, OldReturns]


class Cell:
  """An event on one side, which is QUIC's client or server."""

  def __init__(self, event, side, role):
    self.event, self.side, self.role = event, side, role
    self.camera_calls = (role == 'server') == (side == 'camera')

  @property
  def name(self):
    return '%s_%s_%s' % (self.event.__name__, self.side, self.role)


CELLS = [Cell(event, side, role) for event in EVENTS + [Nothing] for side in event.sides
         for role in ('client', 'server')]


def measure_one(call, cell, event):
  event.prepare(call, cell.side)
  before = call.counters()
  begin = time.monotonic()
  usable = event.strike(call, cell.side)
  event.recovered(call, cell.side, begin)
  call.wait_steady()
  end = max(begin + event.watch, time.monotonic() - 0.5)
  time.sleep(max(0, end + 0.5 - time.monotonic()))
  result = call.sample(begin, end, before, usable)._asdict()
  result['cause'] = call.lost_cause(cell.side, begin)
  event.restore(call, cell.side)
  return result


def measure(lab, cell, runs, report):
  """Runs a cell's event `runs` times, in one call unless it must be fresh; calls
  report(what it gave)."""
  event = cell.event()
  world = event.make_world(lab, cell.side)
  event.start_servers(world)
  call = None
  for _ in range(runs):
    if call is None:
      event.before_call(world, cell.side)
      call = Call(world, cell.camera_calls, **event.settings)
    report(measure_one(call, cell, event))
    if event.fresh:
      call.stop()
      call = None
  if call:
    call.stop()


def run_cell(cell, runs, debug=None):
  """Prints what every run gave. What broke a call is one run; the next has a new
  one."""
  done = 0

  def report(result):
    nonlocal done
    done += 1
    print(json.dumps(result), flush=True)

  while done < runs:
    with Lab() as lab:
      if debug:
        lab.env.update(GST_DEBUG=debug, GST_DEBUG_NO_COLOR='1')
      try:
        measure(lab, cell, runs - done, report)
      except AssertionError as error:
        report({'failed': str(error)})
      if debug:
        kept = lab.directory.replace('quicp2p-lab-', 'quicp2p-kept-')
        shutil.copytree(lab.directory, kept)
        print('logs are in ' + kept, file=sys.stderr)


if __name__ == '__main__':
  ahead_of_others()
  run_cell(next(cell for cell in CELLS if cell.name == sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])

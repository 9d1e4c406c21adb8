# SPDX-License-Identifier: LGPL-2.1-or-later
"""The world of a call that moves: peers with a wireless LAN and a mobile network
each, a router between all of them, a server for signaling and coturn.

Answers for: what a network can do to a peer (lose its link, its cable, its
address or its route, fall silent, forget a NAT's mapping) and to make it whole
again. Relies on topology.py and lab.py; one thread.

Delays are chosen so that round trips between the peers are 20, 40 or 60 ms.
"""

import ipaddress

from topology import NAT_RULES, Network

# Interface, last part of the network's number, metric of its default route,
# milliseconds one way.
MOBILE = (('wlan0', 1, 100, 5), ('wwan0', 2, 200, 15))
FIXED = (('eth0', 0, 100, 5),)
NUMBERS = {'camera': 10, 'viewer': 20}

CORE4, CORE6 = '203.0.113.254', '2001:db8:113::fe'

BLOCKED = '''
table ip block%d {
  chain forward {
    type filter hook forward priority filter
    iifname "net%d" ip daddr %s tcp dport 8443 drop
  }
}
'''


class Uplink:
  """One interface of a peer and the network behind it."""

  def __init__(self, network, name, interface, number, metric, delay, families, nat):
    self.network = network
    self.host = getattr(network, name)
    self.interface = interface
    self.number = number
    self.metric = metric
    self.router = None          # with a NAT
    self.addresses, self.gateways = [], []
    if '4' in families:
      self.addresses.append('10.%d.0.2/24' % number)
      self.gateways.append('10.%d.0.1' % number)
    if '6' in families:
      self.addresses.append('2001:db8:%d::2/64' % number)
      self.gateways.append('2001:db8:%d::1' % number)
    if nat:
      self._behind_nat(name, delay)
    else:
      self._behind_core(name, delay)
    if '6' not in families:
      self.host.sysctl('net.ipv6.conf.%s.disable_ipv6' % interface, 1)
    self.host.addresses += [address.split('/')[0] for address in self.addresses]
    self.host.address = self.host.address or self.host.addresses[0]
    self.restore()

  def _behind_core(self, name, delay):
    lab, core = self.network.lab, self.network.routers['core']
    switch = lab.switch('%s-%s' % (name, self.interface))
    self.link = lab.connect(self.host, self.interface, switch, (), 'both delay %g' % delay)
    inside = [gateway + ('/64' if ':' in gateway else '/24') for gateway in self.gateways]
    lab.connect(core, 'net%d' % self.number, switch, inside)

  def _behind_nat(self, name, delay):
    """A router of its own, whose outside is on the public segment."""
    lab = self.network.lab
    self.router = lab.host('nat-%s-%s' % (name, self.interface), ipv6=False)
    self.network.routers['%s-%s' % (name, self.interface)] = self.router
    self.link = lab.connect(self.router, 'wan', self.network.public, (), 'both delay %g' % delay)
    lab.wire(self.router, self.host, 'lan', self.interface)
    self.router.add_address('lan', self.gateways[0] + '/24')
    self.router.sysctl('net.ipv4.ip_forward', 1)
    self.mappings = 0
    self.forget_mappings()

  def all_addresses(self):
    """Its own, and its NAT's to the outside."""
    own = [address.split('/')[0] for address in self.addresses]
    return own + [self._public_address()] * (self.router is not None)

  def _public_address(self):
    return '203.0.113.%d' % self.number

  # --- What happens to it -------------------------------------------------------

  def link_down(self):
    self.host.ip('link set %s down' % self.interface)

  def pull_cable(self):
    self.link.set('a carrier off')

  def remove_addresses(self):
    for address in self.addresses:
      self.host.ip('addr del %s dev %s' % (address, self.interface))

  def remove_routes(self):
    for gateway in self.gateways:
      self.host.ip('%s route del default via %s dev %s'
                   % ('-6' if ':' in gateway else '-4', gateway, self.interface))

  def fall_silent(self, direction='both'):
    """direction: 'both', 'a' for what the peer sends, 'b' for what it gets."""
    self.link.set(direction + ' down')

  def renumber(self):
    """Another address in the same network, as after a new DHCP lease."""
    old, self.addresses = self.addresses, []
    for address in old:
      interface = ipaddress.ip_interface(address)
      last = int(interface.ip) & 0xff
      other = interface.ip + (1 if last < 0x40 else 2 - last)
      self.addresses.append('%s/%d' % (other, interface.network.prefixlen))
    for address in old:
      self.host.ip('addr del %s dev %s' % (address, self.interface))
    self.restore()

  def forget_mappings(self):
    """The NAT restarts: other ports, other mappings, the same address. The
    kernel forgets a masquerade's mappings with the interface's address."""
    self.mappings += 1
    begin = 20000 + self.mappings % 40 * 1000
    rule = ('meta l4proto { tcp, udp } masquerade to :%d-%d; oifname "wan" masquerade'
            % (begin, begin + 999))
    if self.mappings > 1:
      self.router.ip('addr del %s/24 dev wan' % self._public_address())
    self.router.nft('flush ruleset\n' + NAT_RULES % rule)
    self.router.ip('addr add %s/24 dev wan' % self._public_address())
    self.router.ip('route replace default via ' + CORE4)

  def without_signaling(self, blocked=True):
    """Whether the signaling server cannot be reached through here."""
    core = self.network.routers['core']
    core.nft('add table ip block%d\ndelete table ip block%d' % (self.number, self.number))
    if blocked:
      core.nft(BLOCKED % (self.number, self.number, self.network.server.address))

  def restore(self):
    """As it was in the beginning. Idempotent."""
    if self.link:
      self.link.set('a carrier on')
      self.link.set('both up')
    self.host.ip('link set %s up' % self.interface)
    for address in self.addresses:
      flag = ' nodad' if ':' in address else ''
      self.host.ip('addr replace %s dev %s%s' % (address, self.interface, flag))
    for gateway in self.gateways:
      self.host.ip('%s route replace default via %s dev %s metric %d'
                   % ('-6' if ':' in gateway else '-4', gateway, self.interface, self.metric))


class World(Network):
  """movers: the sides with two networks; nats: those with a NAT before each
  network; families: {'wlan0': '4', …} of the movers' networks, '4' otherwise,
  with which the server and who does not move have both."""

  def __init__(self, lab, movers=('camera', 'viewer'), nats=(), families=None):
    super().__init__(lab)
    both = families is not None
    core = self.routers['core'] = lab.host('core', ipv6=both)
    core.sysctl('net.ipv4.ip_forward', 1)
    if both:
      core.sysctl('net.ipv6.conf.all.forwarding', 1)
    self.public = lab.switch('public')
    lab.connect(core, 'public', self.public, [CORE4 + '/24'] + [CORE6 + '/64'] * both)
    self.server = lab.host('server', ipv6=both)
    lab.connect(self.server, 'eth0', self.public,
                ['203.0.113.1/24'] + ['2001:db8:113::1/64'] * both)
    self.server.ip('route add default via ' + CORE4)
    if both:
      self.server.ip('-6 route add default via ' + CORE6)
    self.uplinks = {}           # 'camera-wlan0' → Uplink
    for name, base in NUMBERS.items():
      setattr(self, name, lab.host(name, ipv6=both))
      for interface, number, metric, delay in MOBILE if name in movers else FIXED:
        family = '4' if not both else families[interface] if name in movers else '46'
        uplink = Uplink(self, name, interface, base + number, metric, delay, family, name in nats)
        self.uplinks['%s-%s' % (name, interface)] = uplink
        self.links['%s-%s' % (name, interface)] = uplink.link
    self.viewers.append(self.viewer)

  def uplinks_of(self, side):
    return [uplink for name, uplink in self.uplinks.items() if name.startswith(side + '-')]

#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The networks that the tests run in, and one to look around in by hand.

Every network has the hosts `camera`, `viewer` and `server`; the server is where
signaling and coturn run, on a segment that both reach:

  lan()   all three on one switch; v4, v6 or both
  pair()  two hosts and nothing between them
  nat()   camera and viewer each behind a NAT router of their own, the server on
          the public segment between the routers

A NAT is Linux's: `masquerade` keeps the source port, so that its mapping is
endpoint-independent, but its filtering is address-and-port-dependent (only who
was sent to may answer), which is what hole punching has to face. `symmetric`
takes a fresh random port for each destination.

By hand, until Ctrl-C:  topology.py lan|lan6|dual|nat|symmetric|far|slow
"""

import os
import secrets
import signal
import sys

from lab import Lab, Skip, need, program, require, wait_until

SIGNALING_PORT = 8443
TURN_PORT = 3478
TURN_REALM = 'quicp2p.test'

NAT_RULES = '''
table ip nat {
  chain postrouting {
    type nat hook postrouting priority srcnat;
    oifname "wan" %s
  }
}
table ip filter {
  # Dropped here, a stranger's packet leaves no connection tracking entry behind
  # that would take the port from the mapping which is being punched.
  chain input {
    type filter hook input priority filter; policy drop;
    iifname != "wan" accept
    ct state established,related accept
    ip protocol icmp accept
  }
  chain forward {
    type filter hook forward priority filter; policy drop;
    iifname "lan" accept
    ct state established,related accept
  }
}
'''


class Network:
  """Hosts, links and the server's programs; made by lan() and nat()."""

  def __init__(self, lab):
    self.lab = lab
    self.camera = self.viewer = self.server = None
    self.viewers = []
    self.routers = {}
    self.links = {}         # host name -> Link, where there is one
    self.turn_secret = None
    self.signaling = None

  def uri(self, room='door', address=None, scheme='quicp2p'):
    address = address or self.server.address
    if ':' in address:
      address = '[%s]' % address
    return '%s://%s:%d/%s' % (scheme, address, SIGNALING_PORT, room)

  @property
  def stun(self):
    return 'stun://%s:%d' % (self.server.address, TURN_PORT)

  def start_signaling(self, *options, host=None, everywhere=False):
    """Starts quicp2p-signaling on the server and waits until it listens: on the
    server's first address, or on all of both families."""
    host = host or self.server
    args = [program('quicp2p-signaling', 'signaling'), '--port', SIGNALING_PORT]
    if not everywhere:
      args += ['--address', host.address]
    if self.turn_secret:
      args += ['--turn-server', 'turn:%s:%d?transport=udp' % (self.server.address, TURN_PORT),
               '--turn-secret', self.turn_secret]
    self.signaling = host.spawn('signaling', args + list(options))
    wait_port(host, self.signaling, SIGNALING_PORT)
    return self.signaling

  def start_coturn(self):
    """Starts a STUN and TURN server; later signaling hands out its credentials."""
    need('turnserver')
    self.turn_secret = secrets.token_hex(16)
    lab = self.lab
    coturn = self.server.spawn('turnserver', [
        'turnserver', '-n', '--listening-ip', self.server.address, '--listening-port', TURN_PORT,
        '--relay-ip', self.server.address, '--min-port', 50000, '--max-port', 50999,
        '--use-auth-secret', '--static-auth-secret', self.turn_secret, '--realm', TURN_REALM,
        '--no-cli', '--userdb', lab.file('turn.db'),
        '--pidfile', lab.file('turn.pid'), '--log-file', 'stdout', '--verbose'])
    wait_port(self.server, coturn, TURN_PORT, 'udp')
    return coturn


def wait_port(host, process, port, kind='tcp', timeout=10):
  """Waits until something listens on port; fails if process ends before."""
  def listening():
    if not process.running():
      raise AssertionError('%s ended: %s' % (process.name, process.output()[-2000:]))
    wanted = ':%04X' % port
    for suffix in ('', '6'):
      # A process's view of /proc/net is its namespace's.
      with open('/proc/%d/net/%s%s' % (process.pid, kind, suffix)) as stream:
        for line in stream.readlines()[1:]:
          fields = line.split()
          if fields[1].endswith(wanted) and fields[3] in ('0A', '07'):
            return True
    return False
  wait_until(listening, timeout, '%s listens on port %d' % (process.name, port))


def lan(lab, ipv4=True, ipv6=False, shape=None, viewers=1):
  """All on one switch. shape: {'camera': 'both delay 10', 'viewer2': 'b rate 1e6'}."""
  network = Network(lab)
  shape = shape or {}
  switch = lab.switch('switch')
  names = ['server', 'camera', 'viewer'] + ['viewer%d' % i for i in range(2, viewers + 1)]
  for number, name in enumerate(names, 1):
    host = lab.host(name, ipv6=ipv6)
    addresses = []
    if ipv4:
      addresses.append('192.168.77.%d/24' % number)
    if ipv6:
      addresses.append('fd77::%d/64' % number)
    link = lab.connect(host, 'eth0', switch, addresses, shape.get(name))
    if link:
      network.links[name] = link
    if name.startswith('viewer'):
      network.viewers.append(host)
    else:
      setattr(network, name, host)
  network.viewer = network.viewers[0]
  return network


def pair(lab):
  """Camera and viewer at the two ends of one veth pair; the viewer's host is the
  server, too."""
  network = Network(lab)
  network.camera = lab.host('camera', ipv6=False)
  network.viewer = network.server = lab.host('viewer', ipv6=False)
  lab.wire(network.camera, network.viewer)
  network.camera.add_address('eth0', '192.168.77.2/24')
  network.viewer.add_address('eth0', '192.168.77.3/24')
  network.viewers.append(network.viewer)
  return network


def internet(host, interface):
  """A default route to where packets for addresses that lead nowhere vanish, as
  beyond a provider's router. An error instead would close coturn's sessions."""
  host.ip('neigh add 203.0.113.254 lladdr 02:00:00:00:00:fe dev %s nud permanent' % interface)
  host.ip('route add default via 203.0.113.254')


def nat(lab, camera='masquerade', viewer='masquerade', shape=None):
  """Each peer behind a router. camera, viewer: 'masquerade', 'symmetric' or None
  for a peer with a public address. shape names the access links, of which each
  packet between the peers crosses both."""
  network = Network(lab)
  shape = shape or {}
  public = lab.switch('public')
  network.server = lab.host('server', ipv6=False)
  lab.connect(network.server, 'eth0', public, ['203.0.113.1/24'])
  internet(network.server, 'eth0')
  for number, (name, kind) in enumerate((('camera', camera), ('viewer', viewer)), 1):
    host = lab.host(name, ipv6=False)
    setattr(network, name, host)
    outside = ['203.0.113.%d/24' % (10 * number)]
    if kind is None:
      link = lab.connect(host, 'eth0', public, outside, shape.get(name))
      internet(host, 'eth0')
    else:
      router = network.routers[name] = lab.host('router-' + name, ipv6=False)
      link = lab.connect(router, 'wan', public, outside, shape.get(name))
      internet(router, 'wan')
      lab.wire(router, host, 'lan', 'eth0')
      router.add_address('lan', '10.%d.0.1/24' % number)
      host.add_address('eth0', '10.%d.0.2/24' % number)
      host.ip('route add default via 10.%d.0.1' % number)
      router.sysctl('net.ipv4.ip_forward', 1)
      router.nft(NAT_RULES % ('masquerade' + ' fully-random' * (kind == 'symmetric')))
    if link:
      network.links[name] = link
  network.viewers.append(network.viewer)
  return network


# On both access links: 40 ms between peers behind NATs, 20 ms to the server.
TWENTY_MS = {'camera': 'both delay 10', 'viewer': 'both delay 10'}


def far(lab, extra=''):
  """One link with 20 ms of round trip between the peers."""
  return lan(lab, shape={'camera': 'both delay 5 ' + extra, 'viewer': 'both delay 5'})


NETWORKS = {
    'lan': lan,
    'lan6': lambda lab: lan(lab, ipv4=False, ipv6=True),
    'dual': lambda lab: lan(lab, ipv6=True),
    'nat': nat,
    'symmetric': lambda lab: nat(lab, 'symmetric', 'symmetric'),
    'symmetric-one': lambda lab: nat(lab, 'symmetric'),
    'far': far,
    'slow': lambda lab: lan(lab, shape={'viewer': 'b rate 2000000 queue 64000'}),
}


def main():
  if len(sys.argv) != 2 or sys.argv[1] not in NETWORKS:
    sys.exit(__doc__)
  try:
    require()
  except Skip as skip:
    sys.exit(str(skip))
  with Lab() as lab:
    NETWORKS[sys.argv[1]](lab)
    for host in lab.hosts:
      print('%-14s %-32s ip netns exec %s bash' % (host.name, ' '.join(host.addresses), host.netns))
    print('logs: %s; Ctrl-C ends it' % lab.directory, flush=True)
    try:
      signal.pause()
    except SystemExit:
      os.write(1, b'\n')


if __name__ == '__main__':
  main()

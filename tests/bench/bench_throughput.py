#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""One flow of 1200-byte RTP packets over a veth pair, as much as goes.

  sudo tests/bench/bench_throughput.py [--seconds 5] [--rounds 3]
                                       [--rates 100,200,…] [--transports udp,srt,…]

udpsink/udpsrc, srtsink/srtsrc with AES-128 (passphrase, pbkeylen=16) and
quicp2psink/quicp2psrc in each mapping, the same source program and the same
counting receiver, MTU 1500. Rates are offered in steps; a step is carried if at
most 0.1 % of its packets are missing. CPU seconds per gigabyte (10^9 bytes) of
RTP that arrived are of the whole process at each end, source and counting
included, at the highest carried rate and at the first step, the same for all.
The table shows medians over the rounds, in which the transports take turns.
"""

import argparse
import json
import time

# First: it makes tests/net known.
from bench import Lab, Meter, percentile, run, table

import topology
from lab import program, wait_until
from peers import Peer, environment, properties

CAPS = 'application/x-rtp,media=video,encoding-name=H264,clock-rate=90000,payload=96'
PASSPHRASE = 'correct horse battery staple'
TRANSPORTS = ('udp', 'srt', 'stream-per-frame', 'stream', 'datagram')


def ends(network, transport, name):
  """(sink, source) descriptions."""
  if transport == 'udp':
    return ('udpsink sync=false async=false host=%s port=5004 buffer-size=8000000'
            % network.viewer.address,
            'udpsrc port=5004 buffer-size=32000000 caps=%s' % CAPS)
  if transport == 'srt':
    # Room for a burst of packets and the whole bandwidth: SRT's defaults are
    # made for 10 Mb/s.
    options = ('?latency=125&passphrase=%s&pbkeylen=16&fc=200000&sndbuf=64000000&rcvbuf=64000000'
               % PASSPHRASE.replace(' ', '-'))
    return ('srtsink sync=false async=false uri="srt://%s:5005%s&mode=caller"'
            % (network.viewer.address, options),
            'srtsrc uri="srt://:5005%s&mode=listener"' % options)
  room = properties({'uri': network.uri(name)})
  return ('quicp2psink mapping=%s %s' % (transport, room), 'quicp2psrc latency=0 ' + room)


def made(process):
  """Packets that rtp-flood has made, with the time of counting."""
  lines = open(process.out_path).read().splitlines()
  return json.loads(lines[-1]) if lines else None


def step(network, transport, rate, seconds, name):
  """Returns (Mb/s that arrived, share missing, sender s/GB, receiver s/GB)."""
  sink, source = ends(network, transport, name)
  receiver = Peer(network.viewer, 'viewer-' + name, source + ' ! fakesink name=out sync=false',
                  counts=['out.sink'], keep=True)
  if transport in ('udp', 'srt'):
    receiver.wait_event('state', where=lambda e: e['new'] == 'PAUSED')
  else:
    receiver.wait_state('waiting')
  sender = network.camera.spawn(
      'camera-' + name, [program('rtp-flood', 'tests/bench'), '--rate', int(rate * 1e6), sink],
      env=environment())
  receiver.wait_event('first-buffer', 20)
  time.sleep(1.5)       # slow start is over

  def snapshot():
    # The sender reports once a second: take the receiver's count right then.
    seen = made(sender)
    newer = wait_until(lambda: made(sender) if made(sender) != seen else None, 5, 'a report', 0.002)
    return newer, receiver.fresh()

  first, got_first = snapshot()
  cpu = Meter(sender, receiver.process)
  time.sleep(seconds)
  last, got_last = snapshot()
  used = cpu.seconds()
  pads = [got['pads']['out.sink'] for got in (got_first, got_last)]
  arrived = pads[1]['bytes'] - pads[0]['bytes']
  offered = (last['packets'] - first['packets'] + last['missed'] - first['missed']) * 1200
  elapsed = got_last['t'] - got_first['t']
  sender.popen.stdin.close()
  sender.wait(10)
  receiver.stop()
  gigabytes = max(arrived, 1) / 1e9
  return (arrived * 8 / elapsed / 1e6, max(0, 1 - arrived / max(offered, 1)),
          used[0] / gigabytes, used[1] / gigabytes)


def climb(network, transport, rates, seconds, number):
  """Raises the rate until packets are missing; returns the results by rate."""
  results = {}
  for rate in rates:
    # One unlucky moment of the machine is no limit of the transport.
    for attempt in (1, 2):
      name = '%s-%d-%d-%d' % (transport, number, rate, attempt)
      result = step(network, transport, rate, seconds, name)
      if result[1] <= 0.001:
        break
    results[rate] = result
    print('  %-17s offered %5d, arrived %7.1f Mb/s, missing %6.3f %%, s/GB %6.2f + %6.2f'
          % (transport, rate, result[0], result[1] * 100, result[2], result[3]), flush=True)
    if result[1] > 0.001:
      break
  return results


def main():
  options = argparse.ArgumentParser()
  options.add_argument('--seconds', type=float, default=5)
  options.add_argument('--rounds', type=int, default=3)
  options.add_argument('--rates', default='100,200,300,400,500,600,800,1000,1200,1500,2000')
  options.add_argument('--transports', default=','.join(TRANSPORTS))
  options = options.parse_args()
  rates = [int(rate) for rate in options.rates.split(',')]
  found = {}
  for number in range(options.rounds):
    for transport in options.transports.split(','):
      with Lab() as lab:
        network = topology.pair(lab)
        if transport not in ('udp', 'srt'):
          network.start_signaling()
        found.setdefault(transport, []).append(
            climb(network, transport, rates, options.seconds, number))
  rows = []
  for transport, rounds in found.items():
    best = [max((r for r in results if results[r][1] <= 0.001), default=None)
            for results in rounds]
    if None in best:
      rows.append([transport, '< %d' % rates[0]] + ['-'] * 6)
      continue
    peak = [results[rate] for results, rate in zip(rounds, best)]
    low = [results[rates[0]] for results in rounds]
    top = [max(result[0] for result in results.values()) for results in rounds]
    rows.append([transport, percentile([r[0] for r in peak], 50), percentile(top, 50)]
                + [percentile([r[i] for r in peak], 50) for i in (2, 3)]
                + [percentile([r[i] for r in low], 50) for i in (2, 3)])
  print()
  table(['Mb/s, CPU s/GB', 'carried', 'most seen', 'send', 'receive', 'send @%d' % rates[0],
         'receive @%d' % rates[0]], rows)


if __name__ == '__main__':
  run(main)

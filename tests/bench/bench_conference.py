#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""How long until somebody who joins a conference sees all others.

  sudo tests/bench/bench_conference.py [--runs 15] [--others 3] [--latency 200]

Three participants with 360p pictures at 800 kbit/s and sound are in a room, each
behind a link of its own, 20 ms RTT between any two and 10 ms to the signaling
server; a fourth comes, time and again. Counted from its being in the room to the
first decoded picture of the last of the others. That includes the jitter buffer,
which holds the first packet of a stream back for its latency, because one before
it may still come. "from PLAYING" begins earlier, with the newcomer's TCP
connection to the server and its WebSocket upgrade; its process runs already.

The stages tell where the time goes, for the stream that was last: connected (ICE
and QUIC, from being in the room), first packet (out of the jitter buffer), first
picture (keyframe and decoder).
"""

import argparse
import time

# First: it makes tests/net known.
from bench import Lab, expect, percentile, run, table

import topology
from lab import wait_until
from peers import AUDIO, Peer, properties

GOAL = 700
RTT = 'both delay 5'
VIDEO = ('videotestsrc is-live=true pattern=ball ! '
         'video/x-raw,format=I420,width=640,height=360,framerate=30/1 ! x264enc tune=zerolatency '
         'speed-preset=ultrafast key-int-max=60 bitrate=800 ! rtph264pay config-interval=-1 '
         'aggregate-mode=zero-latency')


def participant(network, host, name, latency, **options):
  common = properties({'uri': network.uri(), 'session': 'me', 'display_name': name})
  pipeline = ('quicp2psink name=out %s quicp2psrc name=source producer=all latency=%d %s '
              '%s ! out. %s ! rtpopuspay ! out.' % (common, latency, common, VIDEO, AUDIO))
  return Peer(host, name, pipeline, plug='source=decodebin name=in ! fakesink name=out async=false',
              **options)


def from_source(peer, name, since):
  """Element messages of the source: the sink tells the same."""
  return [(event['t'], event['message']) for event in peer.events()[since:]
          if event['type'] == 'element' and event['source'] == 'source'
          and event['message']['name'] == name]


def pictures(peer, since):
  """{pad: (time of its first packet, time of its first picture or None)}, video only."""
  found = {}
  plugs = [event for event in peer.events()[since:] if event['type'] == 'pad-added']
  firsts = {event['pad']: event['t'] for event in peer.events()[since:]
            if event['type'] == 'first-buffer'}
  for number, event in enumerate(plugs):
    if 'media=(string)video' in event['caps']:
      found[event['pad']] = (event['t'], firsts.get('plug%d.sink' % number))
  return found


def one_join(network, host, number, others, latency):
  """Milliseconds: connected, first packet, first picture; the latter from PLAYING."""
  newcomer = participant(network, host, 'newcomer-%d' % number, latency, wait=True)
  newcomer.command('stats')     # the process is up
  since = len(newcomer.events())
  newcomer.process.send('play')

  def complete():
    expect(newcomer.process.running(), 'it ended: %s', newcomer.errors())
    seen = pictures(newcomer, since)
    return len(seen) == others and all(last for _, last in seen.values())
  wait_until(complete, 20, 'pictures of all others', 0.05)
  joined = next(t for t, message in from_source(newcomer, 'signaling-state', since)
                if message['state'] == 'joined')
  connected = [t for t, message in from_source(newcomer, 'peer-state', since)
               if message['new-state'] == 'connected']
  packet, picture = max(pictures(newcomer, since).values(), key=lambda pair: pair[1])
  play = newcomer.find('done', lambda e: e['command'] == 'play', since)
  newcomer.stop()
  return [(t - joined) * 1000 for t in (max(connected), packet, picture)] + [
      (picture - play['t'] + play['seconds']) * 1000]


def measure(others, runs, latency):
  with Lab() as lab:
    names = ['server', 'camera', 'viewer'] + ['viewer%d' % i for i in range(2, others + 1)]
    network = topology.lan(lab, viewers=others, shape={name: RTT for name in names[1:]})
    network.start_signaling()
    room = [participant(network, host, 'member-%d' % number, latency)
            for number, host in enumerate(network.viewers)]
    for peer in room:
      wait_until(lambda: len(pictures(peer, 0)) >= others - 1, 30, peer.name + ' sees the others')
    times = []
    for number in range(runs):
      # Not in step with the others' keyframes, and more than a second apart: an
      # encoder is asked for a keyframe once a second at most.
      time.sleep(1.5 + number % 5 * 0.13)
      times.append(one_join(network, network.camera, number, others, latency))
    return times


def main():
  options = argparse.ArgumentParser()
  options.add_argument('--runs', type=int, default=15)
  options.add_argument('--others', type=int, default=3)
  options.add_argument('--latency', type=int, default=200)
  given = options.parse_args()
  times = measure(given.others, given.runs, given.latency)
  rows = []
  for number, name in enumerate(('connected to all', 'first packet of the last',
                                 'first picture of the last', '… from PLAYING')):
    column = [one[number] for one in times]
    goal = number == 2
    rows.append([name] + ['%.0f' % percentile(column, p) for p in (10, 50, 95)]
                + (['<= %d' % GOAL, 'yes' if percentile(column, 50) <= GOAL else 'NO']
                   if goal else ['', '']))
  print('%d participants, %d joins, jitter buffer %d ms'
        % (given.others + 1, given.runs, given.latency))
  table(['in the room to …, ms', 'p10', 'median', 'p95', 'goal', 'met'], rows)


if __name__ == '__main__':
  run(main)

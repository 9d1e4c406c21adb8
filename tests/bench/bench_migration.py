#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a call loses when networks come and go.

  sudo tests/bench/bench_migration.py [--cell REGEX] [--runs 20] [--jobs 4]
                                      [--json FILE]

The cells are tests/net/migration_cells.py's: an event, on the camera's or the
viewer's side, with that side as QUIC's client or server. Video with 30 frames a
second at 4 Mb/s and sound, round trips of 20 to 60 ms. Each cell is a call that
lives through its event again and again, in the steady state before each; one
that breaks is counted as broken and replaced by a new call.

The gap is the longest pause of either flow at the viewer's transport, before any
jitter buffer, beyond the flow's spacing; where a network has to appear first,
counted from when it is usable. Several cells run at a time (--jobs) in worlds of
their own; --jobs 1 shows whether that makes a difference.
"""

import argparse
import ctypes
import json
import os
import re
import signal
import subprocess
import sys
import threading

# First: it makes tests/net known.
from bench import percentile, run, table

import migration_cells
from moving_call import raw_clip

HEAD = ['event', 'side', 'role', 'runs', 'p50', 'p95', 'max', 'target', 'met', 'lost', 'sent',
        'whole', 'played', 'decoded', 'keys', 'disc', 'broken']


LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1


def end_with_parent():
  """Runs in the child, which then takes its world down."""
  LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def run_cell(cell, runs):
  """What each run gave, as dictionaries."""
  child = subprocess.run([sys.executable, migration_cells.__file__, cell.name, str(runs)],
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         text=True, preexec_fn=end_with_parent)
  results = [json.loads(line) for line in child.stdout.splitlines() if line.startswith('{')]
  if child.returncode:
    sys.stderr.write('%s ended with %d:\n%s' % (cell.name, child.returncode, child.stderr[-2000:]))
    results.append({'failed': 'the benchmark itself: exit code %d' % child.returncode})
  return results


def verdict(event, good, broken):
  """Whether the runs are what the event promises."""
  gaps = [result['gap'] for result in good]
  if broken or not good:
    return 'NO'
  if event.target and percentile(gaps, 95) > event.target:
    return 'NO'
  if event.lossless and any(result['packets_lost'] for result in good):
    return 'NO'
  if event.connected and any(result['disconnects'] for result in good):
    return 'NO'
  return 'beyond' if event.beyond and percentile(gaps, 95) <= event.beyond else 'yes'


def row_of(title, side, role, event, results):
  good = [result for result in results if 'failed' not in result]
  broken = len(results) - len(good)
  gaps = [result['gap'] for result in good] or [float('inf')]
  sums = [str(sum(result[key] for result in good))
          for key in ('packets_lost', 'sent', 'whole', 'played')]
  decoded = '%d/%d' % tuple(sum(result[key] for result in good) for key in ('decoded', 'due'))
  return ([title, side, role, str(len(results))]
          + ['%.0f' % value for value in (percentile(gaps, 50), percentile(gaps, 95), max(gaps))]
          + ['<= %d' % event.target if event.target else '-', verdict(event, good, broken)]
          + sums + [decoded]
          + [str(sum(result[key] for result in good)) for key in ('keyframes', 'disconnects')]
          + [str(broken)])


def measure_all(cells, runs, jobs):
  """{cell: results}; as many cells at a time as there are jobs, longest first."""
  waiting = sorted(cells, key=lambda cell: -cell.event.length)
  results = {}
  lock = threading.Lock()       # guards both

  def work():
    while True:
      with lock:
        if not waiting:
          return
        cell = waiting.pop(0)
      measured = run_cell(cell, runs)
      with lock:
        results[cell] = measured
        print('%3d to go, %s' % (len(cells) - len(results), '  '.join(
            row_of(cell.event.title, cell.side, cell.role, cell.event, measured))),
            file=sys.stderr, flush=True)
  threads = [threading.Thread(target=work) for _ in range(jobs)]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join()
  return results


def main():
  parser = argparse.ArgumentParser()
  parser.add_argument('--cell', default='', help='only cells whose name has a match')
  parser.add_argument('--runs', type=int, default=20)
  parser.add_argument('--jobs', type=int, default=4)
  parser.add_argument('--json', help='write what every run gave')
  parser.add_argument('--list', action='store_true')
  options = parser.parse_args()
  cells = [cell for cell in migration_cells.CELLS if re.search(options.cell, cell.name)]
  if options.list:
    print('\n'.join(cell.name for cell in cells))
    return
  raw_clip()
  results = measure_all(cells, options.runs, options.jobs)
  if options.json:
    with open(options.json, 'w') as stream:
      json.dump({cell.name: results[cell] for cell in cells}, stream, indent=1)
  print('gap in ms; lost: RTP packets; frames sent, whole at the viewer, whole at its decoder,\n'
        'decoded of those due; keyframes asked for; "disconnected" told; calls broken')
  table(HEAD, [row_of(cell.event.title, cell.side, cell.role, cell.event, results[cell])
               for cell in cells])
  print()
  events = [event for event in migration_cells.EVENTS if any(c.event is event for c in cells)]
  table(HEAD[:1] + HEAD[3:], [[row[0]] + row[3:] for row in (
      row_of(event.title, '', '', event, sum((results[c] for c in cells if c.event is event), []))
      for event in events)])


if __name__ == '__main__':
  os.environ['PYTHONDONTWRITEBYTECODE'] = '1'
  run(main, 'turnserver')

#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a call loses when networks come and go.

  sudo tests/bench/bench_migration.py [--cells REGEX] [--runs 20] [--jobs 2]
                                      [--json FILE] [--markdown]

The cells are tests/net/migration_cells.py's: an event, on the camera's or the
viewer's side, with that side as QUIC's client or server. Video with 30 frames a
second at 4 Mb/s and sound, round trips of 20 to 60 ms. A call lives through its
event five times, in the steady state before each, unless the event needs a call
without a past; one that breaks is counted as broken and replaced.

The gap is the longest pause of either flow at the viewer's transport, before any
jitter buffer, beyond the flow's spacing; where a network has to appear first,
counted from when it is usable. Several cells run at a time (--jobs) in worlds of
their own; --jobs 1 shows whether that makes a difference.

All of it takes hours. Every cell has its first five runs before any has more, those
with a target first, and FILE has what was measured so far: the same command
goes on from there, and --runs 0 prints the tables of it. --markdown: as the
README's table.
"""

import argparse
import contextlib
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

HEAD = ['event', 'side', 'role', 'runs', 'p50', 'p95', 'max', 'target', 'met', 'RTP lost', 'frames',
        'lost', 'decoded', 'keys', 'disc', 'broken']
# Runs of a cell in one go.
TURN = 5

LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1


def end_with_parent():
  """Runs in the child, which then takes its world down. A Ctrl-C is not for it: that
  would count as a broken call."""
  LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def run_cell(cell, runs):
  """What each run gave, as dictionaries."""
  child = subprocess.run([sys.executable, migration_cells.__file__, cell.name, str(runs)],
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         text=True, start_new_session=True, preexec_fn=end_with_parent)
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


def total(results, key):
  return sum(result[key] for result in results)


def row_of(title, side, role, event, results):
  good = [result for result in results if 'failed' not in result]
  broken = len(results) - len(good)
  gaps = [result['gap'] for result in good] or [float('inf')]
  frames = total(good, 'sent')
  return ([title, side, role, str(len(results))]
          + ['%.0f' % value for value in (percentile(gaps, 50), percentile(gaps, 95), max(gaps))]
          + ['<= %d' % event.target if event.target else '-', verdict(event, good, broken)]
          + [str(total(good, 'packets_lost')), str(frames), str(frames - total(good, 'whole'))]
          + ['%d/%d' % (total(good, 'decoded'), total(good, 'due'))]
          + [str(total(good, key)) for key in ('keyframes', 'disconnects')] + [str(broken)])


def print_tables(results):
  """results: {cell: what its runs gave}, none empty."""
  print('gap in ms; RTP packets lost; frames sent, lost on the way, decoded of those due;\n'
        'keyframes asked for; "disconnected" told; calls broken')
  table(HEAD, [row_of(cell.event.title, cell.side, cell.role, cell.event, runs)
               for cell, runs in results.items()])
  print()
  table(HEAD[:1] + HEAD[3:], [[row[0]] + row[3:] for row in (
      row_of(event.title, '', '', event, runs) for event, runs in by_event(results))])


def by_event(results):
  """[(event, its runs in all of its cells)]"""
  together = {}
  for cell, runs in results.items():
    together.setdefault(cell.event, []).extend(runs)
  return together.items()


def print_markdown(results):
  """p50 / p95 of the gap in each cell, a row for each event."""
  columns = [(side, role) for side in ('camera', 'viewer') for role in ('client', 'server')]
  print('| event | target | %s | runs | frames lost |'
        % ' | '.join('%s, %s' % column for column in columns))
  print('|%s' % (' --- |' * (len(columns) + 4)))
  for event, runs in by_event(results):
    gaps = {}
    for cell, cell_runs in results.items():
      if cell.event is event:
        row = row_of('', '', '', event, cell_runs)
        gaps[cell.side, cell.role] = '%s / %s' % (row[4], row[5])
    good = [run for run in runs if 'failed' not in run]
    print('| %s | %s | %s | %d | %d of %d |' % (
        event.title, '≤ %d' % event.target if event.target else '–',
        ' | '.join(gaps.get(column, '') for column in columns), len(runs),
        total(good, 'sent') - total(good, 'whole'), total(good, 'sent')))


class Bench:
  """What was measured so far, kept in a file if there is one."""

  def __init__(self, cells, runs, path):
    self.path = path
    self.lock = threading.Lock()      # guards the rest
    self.results = {cell.name: [] for cell in migration_cells.CELLS}
    if path:
      with contextlib.suppress(FileNotFoundError), open(path) as stream:
        self.results.update(json.load(stream))
    # (cell, runs), in the order in which they are to be made
    self.turns = [(cell, min(TURN, runs - done)) for done in range(0, runs, TURN) for cell in cells
                  if len(self.results[cell.name]) <= done]

  def work(self):
    """Measures until nothing is left to be; any number of threads may."""
    while True:
      with self.lock:
        if not self.turns:
          return
        cell, runs = self.turns.pop(0)
      measured = run_cell(cell, runs)
      with self.lock:
        self.results[cell.name] += measured
        self._keep()
        print('%3d to go, %s' % (len(self.turns), '  '.join(
            row_of(cell.event.title, cell.side, cell.role, cell.event, measured))),
            file=sys.stderr, flush=True)

  def _keep(self):
    if self.path:
      with open(self.path + '.new', 'w') as stream:
        json.dump(self.results, stream, indent=1)
      os.rename(self.path + '.new', self.path)


def main():
  parser = argparse.ArgumentParser()
  parser.add_argument('--cells', default='', help='only those whose name has a match')
  parser.add_argument('--runs', type=int, default=20, help='of each cell')
  parser.add_argument('--jobs', type=int, default=2, help='cells at a time')
  parser.add_argument('--json', help='what every run gave: written, and gone on from')
  parser.add_argument('--markdown', action='store_true')
  parser.add_argument('--list', action='store_true')
  options = parser.parse_args()
  cells = [cell for cell in migration_cells.CELLS if re.search(options.cells, cell.name)]
  if options.list:
    print('\n'.join(cell.name for cell in cells))
    return
  raw_clip()
  bench = Bench(cells, options.runs, options.json)
  threads = [threading.Thread(target=bench.work, daemon=True) for _ in range(options.jobs)]
  for thread in threads:
    thread.start()
  # Ctrl-C: the tables of what there is by then.
  with contextlib.suppress(KeyboardInterrupt):
    for thread in threads:
      thread.join()
  results = {cell: bench.results[cell.name] for cell in cells if bench.results[cell.name]}
  (print_markdown if options.markdown else print_tables)(results)


if __name__ == '__main__':
  os.environ['PYTHONDONTWRITEBYTECODE'] = '1'
  run(main, 'turnserver')

# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the benchmarks share: percentiles, tables, and the way into tests/net."""

import math
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'net'))

from harness import expect  # noqa: E402,F401
from lab import Lab, Skip, require  # noqa: E402


def percentile(values, percent):
  """The value below which `percent` of them lie (nearest rank)."""
  ordered = sorted(values)
  return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def table(head, rows):
  """Prints rows under head, as wide as needed, first column to the left."""
  cells = [head] + [[cell if isinstance(cell, str) else '%.2f' % cell for cell in row]
                    for row in rows]
  widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
  for row in cells:
    print('  '.join(cell.ljust(width) if i == 0 else cell.rjust(width)
                    for i, (cell, width) in enumerate(zip(row, widths))))
  sys.stdout.flush()


def run(benchmark, *commands):
  """Calls benchmark (no arguments), or says why this machine cannot."""
  try:
    require(*commands)
    benchmark()
  except Skip as skip:
    print('SKIP: %s' % skip)
    sys.exit(77)


class Meter:
  """CPU time of processes over a stretch of time."""

  def __init__(self, *processes):
    self.processes = processes
    self.start = [process.cpu_seconds() for process in processes]

  def seconds(self):
    return [process.cpu_seconds() - start
            for process, start in zip(self.processes, self.start)]


__all__ = ['Lab', 'Meter', 'Skip', 'expect', 'percentile', 'require', 'run', 'table']

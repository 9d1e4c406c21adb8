#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""How the bitrate follows a link that goes from 8 Mb/s to 1 and back.

  sudo tests/bench/bench_rate.py [--runs 5] [--picture rate.svg]

A camera of up to 8 Mb/s with sound, a round trip of 20 ms and a queue of 125 kB
before the link, as in tests/net/test_rate.py: the seconds until the estimate is
below the new rate, and back at 90 % of the old one; what is sent, and how late
frames and sound come, on the slow link once two seconds are over. The picture is
of the first run; with rsvg-convert there it is written as PNG, too.
"""

import argparse
import os
import shutil
import subprocess

# First: it makes tests/net known.
from bench import Lab, expect, percentile, run, table

from lab import ahead_of_others
from rate_course import Figures, Steps
from rate_picture import draw

ROWS = [
    ('below the new rate after, s', 'down', 1),
    ('sent on the slow link, Mb/s', 'sent_slow', 1e-6),
    ('frames given up there', 'cancelled', 1),
    ('latest frame there, ms beyond the link’s delay', 'latest', 1e3),
    ('sound p99 there, ms', 'sound_p99', 1e3),
    ('sounds lost there', 'sounds_lost', 1),
    ('back at 90 % after, s', 'up', 1),
    ('got 15 to 20 s after, Mb/s', 'got_fast', 1e-6),
]


def measure(options):
  runs = []
  for number in range(options.runs):
    with Lab() as lab:
      steps = Steps(lab)
      runs.append(steps.figures())
      expect(None not in runs[-1], 'run %d never got there: %s', number + 1, runs[-1])
      if number == 0 and options.picture:
        draw(options.picture, steps)
  return runs


def write_png(svg):
  if shutil.which('rsvg-convert'):
    png = os.path.splitext(svg)[0] + '.png'
    subprocess.run(['rsvg-convert', '-o', png, svg], check=True)
    print('picture: %s, %s' % (svg, png))
  else:
    print('picture: %s' % svg)


def main():
  parser = argparse.ArgumentParser(description=__doc__,
                                   formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument('--runs', type=int, default=5)
  parser.add_argument('--picture', metavar='FILE')
  options = parser.parse_args()
  ahead_of_others()
  runs = measure(options)
  rows = []
  for title, field, unit in ROWS:
    values = [unit * one[Figures._fields.index(field)] for one in runs]
    rows.append([title, percentile(values, 50), min(values), max(values)])
  table(['%d runs' % len(runs), 'median', 'least', 'most'], rows)
  if options.picture:
    write_png(options.picture)


if __name__ == '__main__':
  run(main)

#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The call survives: networks come and go on either side, the picture does not
stop. Each cell of migration_cells.py once, those of an event side by side, with a
bound that a broken mechanism fails but a busy machine does not. How fast it is,
tests/bench/bench_migration.py measures.
"""

import json
import os
import sys

import migration_cells
from harness import expect, run
from lab import Process
from moving_call import raw_clip

# One run, on a machine that others use too: so many times the target, and ms.
PATIENCE, GRACE_MS = 2, 300
# Where nothing is promised in ms.
BOUND_MS = 3000


def judge(event, result):
  """What is wrong with a run; '' if nothing."""
  bound = PATIENCE * event.target + GRACE_MS if event.target else BOUND_MS
  if 'failed' in result:
    return result['failed']
  if result['gap'] > bound:
    return 'the gap was %.0f ms, more than %d' % (result['gap'], bound)
  if event.visible and result['cause'] == 'silence':
    return 'the cut was found out by silence, though it was to be seen'
  if event.lossless and result['packets_lost']:
    return '%d packets were lost' % result['packets_lost']
  if event.connected and result['disconnects']:
    return 'somebody was told "disconnected"'
  if result['decoded'] < result['played'] / 2:
    return 'only %(decoded)d of %(played)d frames were decoded' % result
  return ''


def needless_keyframe(result):
  return result.get('keyframes') and result['played'] == result['sent']


def make_test(event):
  def test(lab):
    raw_clip()
    def start(cell):
      return cell, Process(lab, cell.name, [sys.executable, migration_cells.__file__, cell.name, 1])
    children = (start(cell) for cell in migration_cells.CELLS if cell.event is event)
    # A world that is taken down keeps the kernel from telling others of their
    # interfaces for up to a second: where nothing may be lost, one after another.
    if not event.lossless:
      children = list(children)
    wrong, needless = [], []
    for cell, child in children:
      code = child.wait(150)
      with open(child.out_path) as stream:
        results = [json.loads(line) for line in stream if line.startswith('{')]
      if code or not results:
        wrong.append('%s: exit code %d: %s' % (cell.name, code, child.output()[-1000:]))
        continue
      print('%s: %s' % (cell.name, ', '.join(
          '%s %s' % (key, round(value) if key == 'gap' else value)
          for key, value in results[0].items())))
      reason = judge(event, results[0])
      if reason:
        wrong.append('%s: %s' % (cell.name, reason))
      if needless_keyframe(results[0]):
        needless.append(cell.name)
    # Once may be for a frame that was late outside of what was looked at.
    if len(needless) > 1:
      wrong.append('keyframes were asked for, though no frame was lost: ' + ', '.join(needless))
    expect(not wrong, '%s', '\n'.join(wrong))
  test.__name__ = event.__name__
  return test


if __name__ == '__main__':
  os.environ['PYTHONDONTWRITEBYTECODE'] = '1'
  run([make_test(event) for event in migration_cells.EVENTS], ['turnserver'])

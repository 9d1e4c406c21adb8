# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs the cases of a test file, each in a laboratory of its own.

  test_NAME.py [CASE…]   those cases, or all
  test_NAME.py --list    their names, of which meson makes a test each

A case is a function that takes a Lab; it passes by returning, fails by raising
and is left out by raising Skip. With nothing but skipped cases the exit code is
77 after a last line `SKIP: reason`, as meson understands it.
"""

import sys
import time
import traceback

from lab import SKIP_CODE, Lab, Skip, print_logs, require


def run(cases, commands=()):
  """cases: functions, run in their order; commands: programs they need."""
  if sys.argv[1:] == ['--list']:
    print('\n'.join(case.__name__ for case in cases))
    return
  chosen = [case for case in cases if not sys.argv[1:] or case.__name__ in sys.argv[1:]]
  if not chosen or len(chosen) < len(sys.argv[1:]):
    sys.exit('no such case; there are: ' + ' '.join(case.__name__ for case in cases))
  failed = []
  skipped = []
  try:
    require(*commands)
  except Skip as skip:
    print('SKIP: %s' % skip)
    sys.exit(SKIP_CODE)
  for case in chosen:
    started = time.monotonic()
    lab = Lab()
    verdict = 'ok'
    try:
      with lab:
        try:
          case(lab)
        except Exception as error:
          if not isinstance(error, Skip):
            traceback.print_exc(file=sys.stdout)
            print_logs(lab)
          raise
    except Skip as skip:
      verdict = 'skipped: %s' % skip
      skipped.append(str(skip))
    except Exception:
      verdict = 'FAILED'
      failed.append(case.__name__)
    print('%-46s %5.1f s  %s' % (case.__name__, time.monotonic() - started, verdict), flush=True)
  if failed:
    print('FAILED: ' + ' '.join(failed))
    sys.exit(1)
  if len(skipped) == len(chosen):
    print('SKIP: ' + '; '.join(sorted(set(skipped))))
    sys.exit(SKIP_CODE)


def expect(condition, text, *values):
  """An assertion whose text has the values that explain it."""
  if not condition:
    raise AssertionError(text % values if values else text)

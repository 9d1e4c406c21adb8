# SPDX-License-Identifier: LGPL-2.1-or-later
"""Carries what two programs have to tell each other, line by line, from the
output of one to the input of the other. A thread of its own; `frames` may be
read by any."""

import threading
import time


class Relay:

  def __init__(self, *ends):
    self.ends = ends
    self.read = {end: 0 for end in ends}
    self.frames = {end: 0 for end in ends}
    threading.Thread(target=self._run, daemon=True).start()

  def _run(self):
    while all(end.running() for end in self.ends):
      for end, other in (self.ends, self.ends[::-1]):
        for line in self._lines(end):
          word, _, rest = line.partition(' ')
          if word == 'signal':
            other.send(rest)
          elif word == 'frames':
            self.frames[end] = int(rest)
      time.sleep(0.005)

  def _lines(self, end):
    with open(end.out_path) as stream:
      stream.seek(self.read[end])
      text = stream.read()
    complete = text[:text.rfind('\n') + 1]
    self.read[end] += len(complete.encode())
    return complete.splitlines()

#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""examples/handover.sh, as it stands, for a short while: it survives what it
does, draws what it saw, and leaves nothing behind, even when it is interrupted."""

import os
import re
import signal
import subprocess
import time
import xml.etree.ElementTree as xml

from harness import expect, run
from lab import PREFIX, TOP, Process, ahead_of_others
from moving_call import raw_clip

SCRIPT = os.path.join(TOP, 'examples', 'handover.sh')


def namespaces_of(process):
  """The script becomes the program that makes them, under the same number."""
  listed = subprocess.run(['ip', 'netns', 'list'], stdout=subprocess.PIPE, text=True).stdout
  return re.findall('^%s%d-.*' % (PREFIX, process.pid), listed, re.MULTILINE)


def start(lab, *options):
  raw_clip()
  ahead_of_others()
  process = Process(lab, 'handover', [SCRIPT, '--no-setup', *options])
  process.wait_for(r's  WiFi is pulled', 60)
  expect(namespaces_of(process), 'no namespace is there while it runs')
  return process


def draws_what_happened(lab):
  process = start(lab, '--seconds=10')
  code = process.wait(60)
  output = process.output()
  expect(code == 0, 'it ended with %d: %s', code, output)
  gap, decoded, sent = map(int, re.search(
      r'worst gap (\d+) ms, (\d+) of (\d+) frames decoded', output).groups())
  print('worst gap %d ms, %d of %d frames' % (gap, decoded, sent))
  expect(gap <= 1000, 'the worst gap was %d ms', gap)
  expect(sent > 250 and decoded > 0.9 * sent, '%d of %d frames were decoded', decoded, sent)
  expect(not namespaces_of(process), 'left behind: %s', namespaces_of(process))
  judge_picture(lab.file('handover.svg'))


def judge_picture(path):
  elements = list(xml.parse(path).getroot())
  words = ' '.join(element.text or '' for element in elements)
  for wanted in ('WiFi is pulled', 'WiFi is back', 'WiFi falls silent', 'time since the packet',
                 'delay of each packet', 'worst gap', 'through the mobile network'):
    expect(wanted in words, 'the picture does not say "%s"', wanted)
  shapes = [element for element in elements if element.tag.endswith('rect')]
  expect(len(shapes) > 500, 'the picture has only %d bars and bands', len(shapes))
  colours = {element.get('fill') for element in shapes if element.get('opacity') == '0.2'}
  expect(len(colours) == 2, 'bands of %d networks, not 2', len(colours))


def ends_clean_when_interrupted(lab):
  process = start(lab)
  time.sleep(0.5)
  process.signal(signal.SIGINT)
  process.wait(20)
  expect(not namespaces_of(process), 'left behind: %s', namespaces_of(process))
  expect(not os.path.exists(lab.file('handover.svg')), 'it drew half a call')


if __name__ == '__main__':
  run([draws_what_happened, ends_clean_when_interrupted])

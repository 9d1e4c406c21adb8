#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Checks that every tracked C file is formatted as .clang-format says; with
# --fix, formats them.  Versions of clang-format disagree in details, so the
# one of Debian 12 decides, and without it nothing is checked.
set -eu
cd "$(dirname "$0")/.."

WANTED=14
format=
for candidate in clang-format-$WANTED clang-format; do
  if command -v $candidate >/dev/null &&
      $candidate --version | grep -q "version $WANTED\."; then
    format=$candidate
    break
  fi
done
if [ -z "$format" ]; then
  echo "SKIP: clang-format $WANTED is not installed (package clang-format-$WANTED)"
  exit 77
fi
if ! git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
  echo 'SKIP: not a git work tree, so it is unknown which files are ours'
  exit 77
fi

case ${1:-} in
  --fix) git ls-files -z '*.c' '*.h' | xargs -0 -r $format -i ;;
  '') git ls-files -z '*.c' '*.h' | xargs -0 -r $format --dry-run --Werror ;;
  *) echo "usage: $0 [--fix]" >&2; exit 2 ;;
esac

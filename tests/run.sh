#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Sets the machine up, builds, and runs every test that this machine can run.
# What cannot run says why.  The last line counts; it fails if anything did.
#
# Usage: tests/run.sh [option]...
#   --suite NAME      only this suite: unit, element, net, interop, fuzz, format
#                     (may be given more than once)
#   --asan            with AddressSanitizer and UBSan, in build-asan/
#   --tsan            with ThreadSanitizer, in build-tsan/
#   --fuzz-seconds N  fuzz each target for N seconds with libFuzzer, in
#                     build-fuzz/ (default 0: only replay the kept corpus)
#   --no-setup        take the machine as it is: install and ask for nothing
set -euo pipefail
cd "$(dirname "$0")/.."

usage () { sed -n '/^# Usage/,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
suites=()
sanitize=none
dir=build
fuzz_seconds=0
setup=yes
while [ $# -gt 0 ]; do
  case $1 in
    --suite) [ $# -gt 1 ] || usage; suites+=("$2"); shift ;;
    --asan) sanitize=address,undefined; dir=build-asan ;;
    --tsan) sanitize=thread; dir=build-tsan ;;
    --fuzz-seconds) [ $# -gt 1 ] || usage; fuzz_seconds=$2; shift ;;
    --no-setup) setup=no ;;
    *) usage ;;
  esac
  shift
done
case $fuzz_seconds in *[!0-9]*|'') usage ;; esac

[ $setup = no ] || build-aux/setup.sh build demo tests
build-aux/configure.sh "$dir" "-Db_sanitize=$sanitize"
ninja -C "$dir"

args=()
for suite in "${suites[@]}"; do args+=(--suite "$suite"); done
logs=("$dir/meson-logs/testlog.json")
rm -f "${logs[@]}"
# The status is read from the log, where a test that never ran shows, too.
meson test -C "$dir" --no-rebuild "${args[@]}" || true

wants_fuzz () {
  [ "$fuzz_seconds" -gt 0 ] || return 1
  [ ${#suites[@]} -gt 0 ] || return 0
  case " ${suites[*]} " in *' fuzz '*) return 0 ;; esac
  return 1
}
notes=()
if wants_fuzz; then
  if command -v clang >/dev/null; then
    # clang's sanitizers live in the executables: a plugin leaves symbols open.
    CC=clang build-aux/configure.sh build-fuzz -Dfuzz=true -Dexamples=false \
      -Db_sanitize=address,undefined -Db_lundef=false
    ninja -C build-fuzz
    rm -f build-fuzz/meson-logs/testlog.json
    QUICP2P_FUZZ_SECONDS=$fuzz_seconds \
      meson test -C build-fuzz --no-rebuild --suite fuzz || true
    logs+=(build-fuzz/meson-logs/testlog.json)
  else
    notes+=('libFuzzer: clang is not installed (package clang)')
  fi
fi

exec python3 tests/report.py "${notes[@]/#/--skipped=}" "${logs[@]}"

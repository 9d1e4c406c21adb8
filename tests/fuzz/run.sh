#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# run.sh TARGET CORPUS replay|fuzz: runs a fuzz target over its kept corpus, or
# fuzzes it for QUICP2P_FUZZ_SECONDS (default 60) from there.  What libFuzzer
# finds new stays in the build directory; an input that breaks the target is
# printed in base64, to become a file of the corpus with the fix.
set -eu
target=$1
corpus=$2
[ "$3" = fuzz ] || exec "$target" "$corpus"

seconds=${QUICP2P_FUZZ_SECONDS:-60}
found=$target.found
mkdir -p "$found"
status=0
timeout $((seconds + 60)) "$target" -max_total_time="$seconds" -timeout=10 \
  -rss_limit_mb=2048 -max_len=8192 -print_final_stats=1 \
  -artifact_prefix="$found/bad-" "$found" "$corpus" || status=$?
if [ $status != 0 ]; then
  for file in "$found"/bad-*; do
    [ -e "$file" ] || continue
    echo "input: $file"
    base64 "$file"
  done
fi
exit $status

#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A conference in one line. With a URI: joins that room and shows everybody in
# it. Without: plays a whole conference on this machine, signaling server and
# all, and writes what the first participant saw at its end as conference.png
# where it was started; succeeds only if she saw all others.
#
# Usage: examples/conference.sh [option]... [URI]
#   URI                    the room, quicp2p://host[:port]/room
#   --source=DEVICE|FILE|test  what we send (with a URI: the camera and the
#                          microphone, or a test picture where there is none;
#                          else: a clip out of a Debian package, see clip.sh)
#   --participants N       without a URI: how many (default 4; 2 to 16; each
#                          shows all others, so six keep two cores busy)
#   --seconds N            leave after so long (default: with a URI never, else 15)
#   --no-setup             take the machine as it is: install nothing
#   … and the options of build/examples/conference, such as --name=NAME,
#   --headless or --set=NAME=VALUE for a property of the elements
set -euo pipefail
. "$(dirname "$0")/common.sh"

read_options "$@"
set -- "${options[@]}"
options=()
participants=
seconds=
while [ $# -gt 0 ]; do
  case $1 in
    --participants=*) participants=${1#*=} ;;
    --participants) [ $# -gt 1 ] || usage; participants=$2; shift ;;
    --seconds=*) seconds=${1#*=} ;;
    --seconds) [ $# -gt 1 ] || usage; seconds=$2; shift ;;
    *) options+=("$1") ;;
  esac
  shift
done
[ -z "$seconds" ] || number "$seconds"
[ -z "$uri" ] || [ -z "$participants" ] || usage
participants=${participants:-4}
number "$participants"
[ "$participants" -ge 2 ] && [ "$participants" -le 16 ] || usage

build_programs conference

# --- in somebody's room -----------------------------------------------------------

if [ -n "$uri" ]; then
  has_display || options+=(--headless)
  [ -z "$seconds" ] || options+=("--seconds=$seconds")
  if [ -n "$source" ]; then
    find_source
    options+=("--source=$source")
  fi
  cd "$here"
  exec "$build/examples/conference" "${options[@]}" "$uri"
fi

# --- on our own ---------------------------------------------------------------------

seconds=${seconds:-15}
find_source
keep_children
start_signaling conference
names=(Ada Bob Carol Dan Eve Fay Gus Hana Ivan Jo Kim Leo Mia Ned Olga Pia)
for ((i = 1; i < participants; i++)); do
  "$build/examples/conference" --headless --name="${names[i]}" --source=test \
    "${options[@]}" "$uri" >"$logs/${names[i]}" 2>&1 &
  children+=($!)
done
rm -f "$here/conference.png"
say "$participants participants; what ${names[0]} sees:"
status=0
"$build/examples/conference" --headless --name="${names[0]}" --source="$source" \
  --seconds="$seconds" --picture="$here/conference.png" "${options[@]}" "$uri" \
  > >(tee "$logs/${names[0]}") 2>&1 &
first=$!
children+=($first)
wait $first || status=$?
# It was refused before it began.
[ $status != 2 ] || exit $status

for ((i = 1; i < participants; i++)); do
  grep -q "first picture of ${names[i]}\$" "$logs/${names[0]}" || {
    say "${names[0]} never saw ${names[i]}, who said:"
    tail -n 10 "$logs/${names[i]}"
    status=1
  }
done
[ $status = 0 ] || exit $status
say "everybody was seen; the picture is conference.png"

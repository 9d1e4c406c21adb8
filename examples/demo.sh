#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Shows it working on this machine: sets up, builds into build/, starts a
# signaling server, a camera and a viewer, and tells once a second how it goes.
# Succeeds only if the viewer decoded pictures.
#
# Usage: examples/demo.sh [option]...
#   --source=DEVICE|FILE|test  what the camera shows: a V4L2 device, a video
#                              file, or a test picture with ticks (default: a
#                              clip out of a Debian package, see clip.sh)
#   --seconds N                how long (default 20)
#   --headless                 no window: decode, count, and write demo.png where
#                              it was started (so it is anyway where there is no
#                              display)
#   --no-setup                 take the machine as it is: install and ask for
#                              nothing
#   --set NAME=VALUE           set a property of both elements, for instance
#                              --set stun-server=stun.example.org:3478
#   --set-camera NAME=VALUE    of quicp2psink alone
#   --set-viewer NAME=VALUE    of quicp2psrc alone, for instance latency=50;
#                              these three may be given more than once
set -euo pipefail
. "$(dirname "$0")/common.sh"

seconds=20
headless=no
camera_settings=()
viewer_settings=()
read_options "$@"
set -- "${options[@]}"
while [ $# -gt 0 ]; do
  case $1 in
    --seconds=*) seconds=${1#*=} ;;
    --seconds) [ $# -gt 1 ] || usage; seconds=$2; shift ;;
    --set|--set-camera|--set-viewer)
      [ $# -gt 1 ] || usage
      [ "$1" = --set-viewer ] || camera_settings+=("--set=$2")
      [ "$1" = --set-camera ] || viewer_settings+=("--set=$2")
      shift
      ;;
    --headless) headless=yes ;;
    *) usage ;;
  esac
  shift
done
[ -z "$uri" ] || usage
number "$seconds"
has_display || headless=yes

build_programs camera viewer
find_source
keep_children
start_signaling demo

"$build/examples/camera" --uri="$uri" --source="$source" "${camera_settings[@]}" \
  >"$logs/camera" 2>&1 &
camera=$!
children+=($camera)
say "camera shows $source"

options=()
if [ $headless = yes ]; then
  options=(--headless "--snapshot=$here/demo.png")
  rm -f "$here/demo.png"
  say 'viewer has no window; it will write demo.png'
fi
status=0
"$build/examples/viewer" --uri="$uri" --seconds="$seconds" "${options[@]}" \
  "${viewer_settings[@]}" > >(tee "$logs/viewer") 2>&1 &
viewer=$!
children+=($viewer)
# Without a camera there is nothing to wait for.
while kill -0 $viewer 2>/dev/null; do
  kill -0 $camera 2>/dev/null || { kill $viewer 2>/dev/null || true; break; }
  sleep 0.2
done
wait $viewer || status=$?

# --- how it went ---------------------------------------------------------------------

kill -INT $camera 2>/dev/null || true
wait $camera || status=$?
[ $status = 0 ] || { say 'what the camera said:'; tail -n 20 "$logs/camera"; }
decoded=$(value viewer 'frames decoded')
echo
say 'summary'
printf '  %-22s %s\n' \
  'frames sent' "$(value camera 'frames sent')" \
  'frames decoded' "${decoded:-0}" \
  'packets lost' "$(value viewer 'packets lost')" \
  'time to first frame' "$(value viewer 'time to first frame')" \
  'latency' "$(value viewer 'latency, capture to screen')"
[ $headless = no ] || [ ! -s "$here/demo.png" ] || printf '  %-22s %s\n' picture demo.png
[ "${decoded:-0}" -gt 0 ] || { say 'no picture was decoded'; exit 1; }
exit $status

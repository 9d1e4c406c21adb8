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
#   --headless                 no window: decode, count, and write demo.png
#                              (so it is anyway where there is no display)
#   --no-setup                 take the machine as it is: install and ask for
#                              nothing
#   --set NAME=VALUE           set a property of both elements, for instance
#                              --set stun-server=stun.example.org:3478
#   --set-camera NAME=VALUE    of quicp2psink alone
#   --set-viewer NAME=VALUE    of quicp2psrc alone, for instance latency=50;
#                              these three may be given more than once
set -euo pipefail
here=$(pwd)
cd "$(dirname "$0")/.."

usage () { sed -n '/^# Usage/,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
seconds=20
source=
headless=no
setup=yes
camera_settings=()
viewer_settings=()
while [ $# -gt 0 ]; do
  case $1 in
    --seconds=*) seconds=${1#*=} ;;
    --seconds) [ $# -gt 1 ] || usage; seconds=$2; shift ;;
    --source=*) source=${1#*=} ;;
    --source) [ $# -gt 1 ] || usage; source=$2; shift ;;
    --set|--set-camera|--set-viewer)
      [ $# -gt 1 ] || usage
      [ "$1" = --set-viewer ] || camera_settings+=("--set=$2")
      [ "$1" = --set-camera ] || viewer_settings+=("--set=$2")
      shift
      ;;
    --headless) headless=yes ;;
    --no-setup) setup=no ;;
    *) usage ;;
  esac
  shift
done
case $seconds in *[!0-9]*|''|0) usage ;; esac
[ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ] || headless=yes

say () { printf 'demo: %s\n' "$*"; }
die () { printf 'demo: %s\n' "$*" >&2; exit 1; }

# --- set up and build ------------------------------------------------------------

[ $setup = no ] || build-aux/setup.sh build demo
if [ -z "$source" ]; then
  source=$(examples/clip.sh) || die 'no clip; name a video with --source'
elif [ "$source" != test ]; then
  source=$(cd "$here" && readlink -f "$source") || die 'no such source'
  [ -r "$source" ] || die "$source cannot be read"
fi
build-aux/configure.sh build
ninja -C build gst/libgstquicp2p.so signaling/quicp2p-signaling \
  examples/camera examples/viewer

# --- the three programs ------------------------------------------------------------

logs=$(mktemp -d)
server= camera= viewer=
cleanup () {
  local pid
  for pid in $viewer $camera $server; do
    kill "$pid" 2>/dev/null || true
  done
  wait 2>/dev/null || true
  rm -rf "$logs"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

export GST_PLUGIN_PATH_1_0=$PWD/build/gst${GST_PLUGIN_PATH_1_0:+:$GST_PLUGIN_PATH_1_0}

# Port 0: the server takes a free one and says which.
build/signaling/quicp2p-signaling --address 127.0.0.1 --port 0 >"$logs/server" 2>&1 &
server=$!
for _ in $(seq 100); do
  port=$(sed -n 's/.*listening on .*:\([0-9]\{1,5\}\).*/\1/p' "$logs/server" | head -n1)
  [ -z "$port" ] || break
  kill -0 $server 2>/dev/null || break
  sleep 0.1
done
[ -n "$port" ] || { cat "$logs/server" >&2; die 'the signaling server does not start'; }
uri=quicp2p://127.0.0.1:$port/demo
say "signaling server on $uri"

build/examples/camera --uri="$uri" --source="$source" "${camera_settings[@]}" \
  >"$logs/camera" 2>&1 &
camera=$!
say "camera shows $source"

options=()
if [ $headless = yes ]; then
  options=(--headless --snapshot=demo.png)
  rm -f demo.png
  say 'viewer has no window; it will write demo.png'
fi
status=0
build/examples/viewer --uri="$uri" --seconds="$seconds" "${options[@]}" \
  "${viewer_settings[@]}" > >(tee "$logs/viewer") 2>&1 &
viewer=$!
# Without a camera there is nothing to wait for.
while kill -0 $viewer 2>/dev/null; do
  kill -0 $camera 2>/dev/null || { kill $viewer 2>/dev/null || true; break; }
  sleep 0.2
done
wait $viewer || status=$?
viewer=

# --- how it went ---------------------------------------------------------------------

kill -INT $camera 2>/dev/null || true
wait $camera || status=$?
camera=
[ $status = 0 ] || { say 'what the camera said:'; tail -n 20 "$logs/camera"; }
value () { sed -n "s/^$2: //p" "$logs/$1" | tail -n1; }
decoded=$(value viewer 'frames decoded')
echo
say 'summary'
printf '  %-22s %s\n' \
  'frames sent' "$(value camera 'frames sent')" \
  'frames decoded' "${decoded:-0}" \
  'packets lost' "$(value viewer 'packets lost')" \
  'time to first frame' "$(value viewer 'time to first frame')" \
  'latency' "$(value viewer 'latency, capture to screen')"
[ $headless = no ] || [ ! -s demo.png ] || printf '  %-22s %s\n' picture demo.png
[ "${decoded:-0}" -gt 0 ] || { say 'no picture was decoded'; exit 1; }
exit $status

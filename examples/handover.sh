#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A camera walks out of its wireless LAN while people watch. Builds a little
# world of network namespaces (needs root), plays a real clip from a camera with
# two networks to a viewer, takes the one in use away in two ways, and draws what
# happened as handover.svg where it was started. Leaves nothing else behind.
#
# Usage: examples/handover.sh [option]...
#   --transport=quicp2p|srt|webrtc
#                      what carries the media (default quicp2p); srtsink and
#                      webrtcbin go through the same for comparison
#   --seconds N        how long (default 20)
#   --no-setup         take the machine as it is: install and ask for nothing
set -euo pipefail
. "$(dirname "$0")/common.sh"

transport=quicp2p
seconds=20
read_options "$@"
set -- "${options[@]}"
while [ $# -gt 0 ]; do
  case $1 in
    --transport=quicp2p|--transport=srt|--transport=webrtc) transport=${1#*=} ;;
    --seconds=*) seconds=${1#*=} ;;
    --seconds) [ $# -gt 1 ] || usage; seconds=$2; shift ;;
    *) usage ;;
  esac
  shift
done
number "$seconds"
[ "$(id -u)" = 0 ] ||
  die 'it makes network namespaces, which only root may: sudo examples/handover.sh'

if [ -z "${QUICP2P_BUILD:-}" ]; then
  sets=(build demo tests)
  [ $transport != webrtc ] || sets+=(webrtc)
  [ $setup = no ] || build-aux/setup.sh "${sets[@]}"
  build-aux/configure.sh "$build"
  ninja -C "$build" gst/libgstquicp2p.so signaling/quicp2p-signaling \
    tests/net/linkem tests/net/pipe-probe
fi
export QUICP2P_BUILD=$(readlink -f "$build")
exec examples/handover.py "$transport" "$seconds" "$here/handover.svg"

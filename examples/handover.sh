#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A camera walks out of its wireless LAN while people watch. Builds a little
# world of network namespaces (needs root), plays the clip of examples/demo.sh
# from a camera with two networks to a viewer, takes the one in use away in two
# ways, and draws what happened as handover.svg where it was started.
#
# Usage: examples/handover.sh [option]...
#   --transport=quicp2p|srt  what carries the media (default quicp2p; srt for
#                            comparison: it has no second path to go to)
#   --no-setup               take the machine as it is: install and ask for
#                            nothing
set -euo pipefail
here=$(pwd)
cd "$(dirname "$0")/.."

usage () { sed -n '/^# Usage/,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
transport=quicp2p
setup=yes
for option; do
  case $option in
    --transport=quicp2p|--transport=srt) transport=${option#*=} ;;
    --no-setup) setup=no ;;
    *) usage ;;
  esac
done
[ "$(id -u)" = 0 ] || {
  echo 'handover: makes network namespaces, which only root may: use sudo' >&2; exit 1; }

[ $setup = no ] || build-aux/setup.sh build demo tests
clip=$(dpkg -L python3-imageio 2>/dev/null | grep '/cockatoo\.mp4$' | head -n1) || {
  echo 'handover: the clip is not there: install the package python3-imageio' >&2; exit 1; }
build-aux/configure.sh build
ninja -C build gst/libgstquicp2p.so signaling/quicp2p-signaling \
  tests/net/linkem tests/net/pipe-probe
exec examples/handover.py "$transport" "$clip" "$here/handover.svg"

#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A camera in one line: sets up, builds, and sends into a room until Ctrl-C.
#
# Usage: examples/camera.sh [option]... [URI]
#   URI                    the room, quicp2p://host[:port]/room; without one it
#                          is quicp2p://localhost:8443/demo, and the signaling
#                          server for it runs in the camera
#   --source=DEVICE|FILE|test  what it shows (default: a clip out of a Debian
#                          package, see clip.sh)
#   --no-setup             take the machine as it is: install nothing
#   … and the options of build/examples/camera, such as --seconds=N, --bitrate=N
#   or --set=NAME=VALUE for a property of quicp2psink
set -euo pipefail
. "$(dirname "$0")/common.sh"

read_options "$@"
build_programs camera
find_source
if [ -z "$uri" ]; then
  uri=quicp2p://localhost:8443/demo
  options+=(--set=run-signaling-server=true)
fi
say "$source in $uri"
exec "$build/examples/camera" --uri="$uri" --source="$source" "${options[@]}"

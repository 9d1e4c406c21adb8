#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A viewer in one line: sets up, builds, and shows what a room's camera sends
# until Ctrl-C; where there is no display it decodes and counts.
#
# Usage: examples/viewer.sh [option]... [URI]
#   URI                    the room (default quicp2p://localhost:8443/demo, that
#                          of camera.sh)
#   --no-setup             take the machine as it is: install nothing
#   … and the options of build/examples/viewer, such as --seconds=N, --headless,
#   --snapshot=FILE.png or --set=NAME=VALUE for a property of quicp2psrc
set -euo pipefail
. "$(dirname "$0")/common.sh"

read_options "$@"
[ -z "$source" ] || usage
build_programs viewer
has_display || options+=(--headless)
cd "$here"
exec "$build/examples/viewer" --uri="${uri:-quicp2p://localhost:8443/demo}" "${options[@]}"

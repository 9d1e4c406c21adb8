# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What the scripts beside this file share. Sourced by each of them first, with
# their usage in a comment at their top; goes to the top of the repository.
#
# With QUICP2P_BUILD in the environment nothing is set up or built: the programs
# of that build directory are used as they are, which is how the tests do it.
here=$(pwd)
me=$(basename "$0" .sh)
cd "$(dirname "$0")/.."
build=${QUICP2P_BUILD:-build}
setup=yes
source=

say () { printf '%s: %s\n' "$me" "$*"; }
die () { printf '%s: %s\n' "$me" "$*" >&2; exit 1; }
help () { sed -n '/^# Usage/,/^set/s/^# \{0,1\}//p' "examples/$me.sh"; }
usage () { help >&2; exit 2; }

# number TEXT: fails unless it is one, and not 0.
number () { case $1 in *[!0-9]*|''|0) usage ;; esac; }

# read_options ARGUMENT...: those that all scripts know; the others are left in
# `options`, for the program, and the room in `uri`.
options=()
uri=
read_options () {
  while [ $# -gt 0 ]; do
    case $1 in
      -h|--help) help; exit 0 ;;
      --no-setup) setup=no ;;
      --source=*) source=${1#*=} ;;
      --source) [ $# -gt 1 ] || usage; source=$2; shift ;;
      quicp2p://*|quicp2ps://*) uri=$1 ;;
      *) options+=("$1") ;;
    esac
    shift
  done
}

# Lets `source` be the name that the programs understand: the clip if it is empty.
find_source () {
  if [ -z "$source" ]; then
    source=$(examples/clip.sh) || die 'no clip; name a video with --source'
  elif [ "$source" != test ]; then
    cd "$here"
    [ -e "$source" ] || die "there is no $source"
    [ -r "$source" ] || die "$source cannot be read"
    source=$(readlink -f "$source")
    cd - >/dev/null
  fi
}

# build_programs NAME...: sets up and builds the plugin, the signaling server and
# these programs of this directory.
build_programs () {
  local targets=() name
  if [ -z "${QUICP2P_BUILD:-}" ]; then
    [ $setup = no ] || build-aux/setup.sh build demo
    build-aux/configure.sh "$build"
    for name; do targets+=("examples/$name"); done
    ninja -C "$build" gst/libgstquicp2p.so signaling/quicp2p-signaling "${targets[@]}"
  fi
  build=$(readlink -f "$build")
  export GST_PLUGIN_PATH_1_0=$build/gst${GST_PLUGIN_PATH_1_0:+:$GST_PLUGIN_PATH_1_0}
}

has_display () { [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; }

# --- programs in the background ------------------------------------------------

logs=
children=()

end_children () {
  local pid
  for pid in "${children[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  [ -z "$logs" ] || rm -rf "$logs"
}

# From here on `logs` is a directory, and what is in `children` ends with us.
keep_children () {
  logs=$(mktemp -d)
  trap end_children EXIT
  trap 'exit 130' INT TERM
}

# start_signaling ROOM: a server on this machine; lets `uri` be a room there.
start_signaling () {
  local server port
  # Port 0: the server takes a free one and says which.
  "$build/signaling/quicp2p-signaling" --address 127.0.0.1 --port 0 \
    >"$logs/server" 2>&1 &
  server=$!
  children+=($server)
  for _ in $(seq 100); do
    port=$(sed -n 's/.*listening on .*:\([0-9]\{1,5\}\).*/\1/p' "$logs/server" | head -n1)
    [ -z "$port" ] || break
    kill -0 $server 2>/dev/null || break
    sleep 0.1
  done
  [ -n "$port" ] || { cat "$logs/server" >&2; die 'the signaling server does not start'; }
  uri=quicp2p://127.0.0.1:$port/$1
  say "signaling server on $uri"
}

# value LOG NAME: what a program said last as "NAME: …".
value () { sed -n "s/^$2: //p" "$logs/$1" | tail -n1; }

#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# configure.sh DIR [MESON-OPTION]...: makes the build directory, or sees to it
# that an existing one has these options.  Where the QUIC libraries have to be
# made from source that is done here, with its progress shown, which meson
# could not.
set -euo pipefail
cd "$(dirname "$0")/.."
dir=$1
shift

pkg-config --exists 'libngtcp2 >= 1.22' 'libngtcp2_crypto_ossl >= 1.22' \
  'openssl >= 3.5' || build-aux/bundled-quic.sh >/dev/null

if [ -e "$dir/build.ninja" ]; then
  meson configure "$dir" "$@"
else
  meson setup "$dir" "$@" >"$dir.log" 2>&1 || {
    cat "$dir.log" >&2
    rm -f "$dir.log"
    exit 1
  }
  rm -f "$dir.log"
fi

#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Prints the path of a real video clip (H.264, 1280x720, with sound) out of a
# Debian package, or fails: cockatoo.mp4 of python3-imageio on Debian 12, which
# later versions left out, and movie-hello.mp4 of forensics-samples-files since.
#
# Usage: clip.sh            the path of the clip that is installed
#        clip.sh --package  the package that has one on this system
set -eu
if [ "${1:-}" = --package ]; then
  case $(. /etc/os-release && echo "${VERSION_CODENAME:-}") in
    bookworm) echo python3-imageio ;;
    *) echo forensics-samples-files ;;
  esac
  exit
fi
for package in python3-imageio forensics-samples-files; do
  clip=$(dpkg -L $package 2>/dev/null | grep -E '/(cockatoo|movie-hello)\.mp4$' | head -n1)
  if [ -n "$clip" ]; then
    echo "$clip"
    exit
  fi
done
echo "no video clip: install the package $("$0" --package)" >&2
exit 1

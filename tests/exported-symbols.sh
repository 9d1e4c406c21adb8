#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The plugin may export nothing but its entry points: an OpenSSL or ngtcp2
# symbol that leaks out would meet the system's own in the same process.
set -eu
command -v nm >/dev/null || { echo 'SKIP: nm is missing (package binutils)'; exit 77; }
symbols=$(nm -D --defined-only --format=posix "$1" | cut -d' ' -f1)
echo "$symbols" | grep -qx 'gst_plugin_quicp2p_get_desc' || {
  echo "$1 does not export gst_plugin_quicp2p_get_desc"
  exit 1
}
# Sanitizers and fuzzers add symbols of their own.
leaked=$(echo "$symbols" |
  grep -Ev '^(gst_plugin_quicp2p_(get_desc|register)|_init|_fini|__?(asan|ubsan|tsan|lsan|sanitizer|sancov|odr_asan)_.*|_edata|_end|__bss_start)$' || true)
[ -z "$leaked" ] || { echo "exported by mistake:"; echo "$leaked"; exit 1; }

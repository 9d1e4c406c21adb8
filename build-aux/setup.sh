#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Sees to it that the Debian packages which this project needs are there.  As
# root it installs what is missing; as anyone else it prints the one command
# that would, and fails.  Knows Debian 12, 13 and 14.
#
# Usage: setup.sh SET...
#   build   compiler, meson, and the libraries that the plugin uses
#   demo    what examples/demo.sh plays with: GStreamer plugins, a video clip
#   tests   what tests/run.sh needs besides; each of these is a want, not a
#           must: a test whose tool cannot be had is skipped
#   webrtc  what examples/handover.sh --transport=webrtc compares with
#
# The machine's apt sources are used as they are and never changed.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."

# A plain word is a package; tool=package is needed only if the tool is missing.
BUILD='cc=gcc libc6-dev pkg-config=pkgconf meson=meson ninja=ninja-build
  libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev libnice-dev
  libsoup-3.0-dev libjson-glib-dev'
DEMO='gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good
  gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-libav
  gstreamer1.0-x'
TESTS='git=git python3=python3 openssl=openssl ip=iproute2 nft=nftables
  tcpdump=tcpdump turnserver=coturn ping=iputils-ping gst-inspect-1.0=gstreamer1.0-tools
  gstreamer1.0-nice clang=clang libclang-rt-dev clang-format-14=clang-format-14'
WEBRTC='gstreamer1.0-nice python3-gi gir1.2-gst-plugins-base-1.0
  gir1.2-gst-plugins-bad-1.0'
QUIC='libngtcp2-dev libngtcp2-crypto-ossl-dev libssl-dev'

say () { printf 'setup: %s\n' "$*" >&2; }

wanted= wishes= clip=
for set; do
  case $set in
    build) wanted="$wanted $BUILD" ;;
    demo) wanted="$wanted $DEMO"; clip=yes ;;
    tests) wishes="$wishes $TESTS" ;;
    webrtc) wanted="$wanted $WEBRTC" ;;
    *) sed -n '3,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
  esac
done

# What of WORDS... is not there, as package names.
missing_of () {
  local word
  for word; do
    case $word in
      *=*) command -v "${word%%=*}" >/dev/null || echo "${word#*=}" ;;
      *)
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$word" 2>/dev/null)" = installed ] ||
          echo "$word"
        ;;
    esac
  done | sort -u | tr '\n' ' '
}

candidate_of () {
  apt-cache policy "$1" 2>/dev/null | awk '$1 == "Candidate:" && $2 != "(none)" { print $2 }'
}

# --- which libraries for QUIC ------------------------------------------------

quic_in_system () {
  command -v pkg-config >/dev/null && pkg-config --exists \
    'libngtcp2 >= 1.22' 'libngtcp2_crypto_ossl >= 1.22' 'openssl >= 3.5'
}

# The system's packages with their versions, if apt has them new enough and can
# install them together.  On Debian 13 they come from backports, which apt does
# not prefer by itself: hence the explicit versions.
quic_packages () {
  local ossl ssl list
  ossl=$(candidate_of libngtcp2-crypto-ossl-dev)
  ssl=$(candidate_of libssl-dev)
  [ -n "$ossl" ] && [ -n "$ssl" ] || return 1
  dpkg --compare-versions "$ossl" ge 1.22 || return 1
  dpkg --compare-versions "$ssl" ge 3.5 || return 1
  list="libssl-dev libngtcp2-dev=$ossl $(apt-cache depends --recurse --no-recommends --no-suggests \
    --no-conflicts --no-breaks --no-replaces --no-enhances \
    libngtcp2-crypto-ossl-dev="$ossl" 2>/dev/null | grep '^libngtcp2' |
    sort -u | sed "s/\$/=$ossl/" | tr '\n' ' ')"
  # shellcheck disable=SC2086
  apt-get -s install --no-install-recommends $list >/dev/null 2>&1 || return 1
  echo "$list"
}

# --- installing ----------------------------------------------------------------

# coturn's package starts an open TURN server and enables it at boot; the tests
# run their own in network namespaces.  policy-rc.d is Debian's way to say so;
# this one holds back coturn alone, for the time of the installation, and only
# where the administrator has none.  Afterwards the service is left disabled.
policy=/usr/sbin/policy-rc.d
hold_coturn () {
  [ ! -e $policy ] || return 0
  printf '#!/bin/sh\n[ "$1" != coturn ] || exit 101\n' >$policy
  chmod 755 $policy
  trap 'rm -f $policy' EXIT
}
release_coturn () {
  trap - EXIT
  rm -f "$1"
}

# install PACKAGES...: apt-get with its output in a log and one line of progress.
install_packages () {
  local log status held=no line percent last=-10
  case " $* " in
    *' coturn '*) [ -e $policy ] || held=yes; hold_coturn ;;
  esac
  log=$(mktemp)
  say "installing: $*"
  status=0
  {
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      -o DPkg::Lock::Timeout=300 -o APT::Status-Fd=3 -o Dpkg::Use-Pty=0 "$@" \
      3>&1 >"$log" 2>&1 </dev/null
  } | while IFS=: read -r kind item percent line; do
    percent=${percent%%.*}
    case $kind in
      dlstatus) line='downloading' ;;
      pmstatus) line='installing ' ;;
      *) continue ;;
    esac
    if [ -t 2 ]; then
      printf '\rsetup: %s %3d %% \033[K' "$line" "$percent" >&2
    elif [ "$percent" -ge $((last + 10)) ] || [ "$percent" -lt "$last" ]; then
      last=$percent
      say "$line $percent %"
    fi
  done || status=$?
  [ ! -t 2 ] || printf '\r\033[K' >&2
  if [ $held = yes ]; then
    release_coturn $policy
    [ ! -e /lib/systemd/system/coturn.service ] || update-rc.d coturn disable >/dev/null 2>&1 || true
  fi
  if [ $status != 0 ]; then
    tail -n 15 "$log" >&2
  fi
  rm -f "$log"
  return $status
}

# --- what is missing ---------------------------------------------------------------

command -v apt-get >/dev/null || {
  say 'this is no Debian: see to the packages by hand:' $wanted $wishes
  exit 1
}
[ -z "$clip" ] || examples/clip.sh >/dev/null 2>&1 ||
  wanted="$wanted $(examples/clip.sh --package)"
# shellcheck disable=SC2086
missing=$(missing_of $wanted)
# shellcheck disable=SC2086
wished=$(missing_of $wishes)
quic=
case " $* " in
  *' build '*)
    if ! quic_in_system; then
      # shellcheck disable=SC2046
      bundled=$(missing_of $(build-aux/bundled-quic.sh --print-packages))
      quic=unknown
      # Everything for the bundled pair is there and so it may stay: a machine
      # that is set up is not changed again.
      [ -n "$bundled$missing" ] || quic=
    fi
    ;;
esac
[ -n "$missing$wished$quic" ] || exit 0

have_lists () { ls /var/lib/apt/lists/*_Packages* >/dev/null 2>&1; }

root=no
if [ "$(id -u)" = 0 ]; then
  root=yes
  if [ -n "$missing$quic" ] || ! have_lists; then
    say 'asking apt for its package lists'
    apt-get update -q -o DPkg::Lock::Timeout=300 >/dev/null ||
      say 'apt-get update reported errors; going on with what it has'
  fi
fi

from_system=no
if [ "$quic" = unknown ]; then
  if quic=$(quic_packages); then
    from_system=yes
    say 'QUIC libraries: the system has them'
  else
    quic=$bundled
    say 'QUIC libraries: will be made from source (build-aux/bundled-quic.sh)'
  fi
fi

# Wishes that this Debian cannot fulfil are dropped, and the tests that need
# them skipped.
have=
for package in $wished; do
  if ! have_lists || [ -n "$(candidate_of "$package")" ]; then
    have="$have $package"
  else
    say "not to be had here: $package; tests that need it will be skipped"
  fi
done

sorted () { echo "$@" | tr ' ' '\n' | sort -u | tr '\n' ' ' | sed 's/^ *//; s/ *$//'; }

# shellcheck disable=SC2086
if [ $root = no ]; then
  all=$(sorted $missing $quic $have)
  [ -n "$all" ] || exit 0
  say 'packages are missing. Run this, then try again:'
  echo "sudo apt-get install --no-install-recommends $all"
  have_lists ||
    say 'this machine has no package lists yet: run sudo apt-get update before it'
  case " $all " in
    *' coturn '*) say 'coturn starts a TURN server of its own;' \
      'sudo systemctl disable --now coturn stops it (the tests do not use it)' ;;
  esac
  exit 1
fi

# shellcheck disable=SC2086
if [ $from_system = yes ] && ! install_packages $quic; then
  # An index may be ahead of its mirror.
  say 'the packages of the QUIC libraries cannot be installed; they will be' \
    'made from source'
  quic=$bundled
elif [ $from_system = yes ]; then
  quic=
fi
required=$(sorted $missing $quic)
# shellcheck disable=SC2086
[ -z "$required" ] || install_packages $required || {
  say 'packages that are needed cannot be installed; see above'
  exit 1
}
# shellcheck disable=SC2086
if [ -n "$have" ] && ! install_packages $(sorted $have); then
  for package in $have; do
    install_packages "$package" ||
      say "cannot be installed: $package; tests that need it will be skipped"
  done
fi
say 'all packages are there'

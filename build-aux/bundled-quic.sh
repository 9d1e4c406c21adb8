#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Makes the static pair OpenSSL + ngtcp2 that the plugin is linked with where
# the system's own libraries are too old for QUIC (Debian 12, and Debian 13
# without backports).  Both come as Debian's signed source packages from the
# mirror that this machine's apt uses already; apt checks the signatures with
# Debian's archive keyring.  The machine's own apt configuration is only read.
#
# The result is cached: a second call prints the same prefix at once and needs
# no network.  Needs no root.
#
# Usage: bundled-quic.sh [--update] [--print-packages]
#   --update          ask the mirror for newer sources, build if there are any
#   --print-packages  print the Debian packages that this script needs, and stop
#
# Progress goes to stderr (or to the terminal, if QUICP2P_PROGRESS=tty), and
# the last line on stdout is the prefix: include/, lib/, lib/pkgconfig/.
set -euo pipefail
export LC_ALL=C
umask 022

# OpenSSL must be 3.5 (the first with an interface for other QUIC stacks), and
# ngtcp2 1.22.  The first suite that has the source and can deliver it wins.
OPENSSL_SUITES='trixie-security trixie'
OPENSSL_MIN=3.5
NGTCP2_SUITES='trixie-backports forky'
NGTCP2_MIN=1.22

# no-quic drops only OpenSSL's own QUIC stack; the TLS callbacks for others
# stay.  no-module and no-dso make it read nothing from the system at run time
# but /etc/ssl/certs.
OPENSSL_OPTIONS='no-shared no-tests no-apps no-docs no-legacy no-engine no-dso
  no-module no-quic no-ssl3 no-dtls no-tls1 no-tls1_1 no-autoload-config
  --openssldir=/etc/ssl --libdir=lib'
NGTCP2_OPTIONS='-DENABLE_LIB_ONLY=ON -DENABLE_SHARED_LIB=OFF
  -DENABLE_STATIC_LIB=ON -DENABLE_OPENSSL=ON -DBUILD_TESTING=OFF
  -DCMAKE_POSITION_INDEPENDENT_CODE=ON -DCMAKE_BUILD_TYPE=Release
  -DCMAKE_C_VISIBILITY_PRESET=hidden -DCMAKE_INSTALL_LIBDIR=lib'

PACKAGES='dpkg-dev gcc libc6-dev cmake ninja-build make perl xz-utils
  debian-archive-keyring'

self=$(readlink -f "$0")
cache=${XDG_CACHE_HOME:-$HOME/.cache}/quicp2p
update=no
for arg; do
  case $arg in
    --update) update=yes ;;
    --print-packages) echo $PACKAGES; exit 0 ;;
    *) sed -n '3,/^set/s/^# \{0,1\}//p' "$self" >&2; exit 2 ;;
  esac
done

# meson shows nothing of what a program prints during `meson setup`, so under
# it the terminal itself is asked for.
exec 3>&2
if [ "${QUICP2P_PROGRESS:-}" = tty ] && { : >/dev/tty; } 2>/dev/null; then
  exec 3>/dev/tty
fi
say () { printf 'bundled-quic: %s\n' "$*" >&3; }
die () {
  say "error: $*"
  [ -t 3 ] && [ ! -t 2 ] && printf 'bundled-quic: error: %s\n' "$*" >&2
  exit 1
}

# The libraries of one Debian release or processor are of no use to another.
system=$(. /etc/os-release && echo "${VERSION_CODENAME:-${ID:-linux}}")
recipe=$({ echo "$OPENSSL_OPTIONS $NGTCP2_OPTIONS"
  sed -n '/^# --- the build/,$p' "$self"; } | sha256sum | cut -c1-12)
recipe=$recipe-$system-$(uname -m)

# Prints the newest finished prefix of this very recipe, if there is one.
cached () {
  local stamp
  stamp=$(ls -t "$cache/$recipe"_*/.complete 2>/dev/null | head -n1) || true
  [ -n "$stamp" ] && dirname "$stamp"
}

if [ $update = no ] && prefix=$(cached); then
  echo "$prefix"
  exit 0
fi

missing=
for tool in apt-get dpkg-source gcc cmake ninja make perl xz flock; do
  command -v $tool >/dev/null || missing="$missing $tool"
done
[ -z "$missing" ] || die "missing:$missing. Install the packages:" $PACKAGES

mkdir -p "$cache"
exec 9>"$cache/lock"
if ! flock -n 9; then
  say 'another build is at work here; waiting for it'
  flock 9
  if [ $update = no ] && prefix=$(cached); then
    echo "$prefix"
    exit 0
  fi
fi

work=$(mktemp -d "$cache/work.XXXXXX")
child=
cleanup () {
  [ -z "$child" ] || kill "$child" 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# run LABEL COUNT-COMMAND COMMAND...: runs COMMAND with its output in a log and
# shows how far it is.
run () {
  local label=$1 count=$2 start=$SECONDS last=0 log=$work/log
  shift 2
  "$@" >"$log" 2>&1 9>&- </dev/null &
  child=$!
  while kill -0 $child 2>/dev/null; do
    if [ -t 3 ]; then
      printf '\rbundled-quic: %s: %s, %d s \033[K' "$label" "$($count)" \
        $((SECONDS - start)) >&3
    elif [ $((SECONDS - last)) -ge 15 ] && [ $SECONDS -gt $((start + 10)) ]; then
      last=$SECONDS
      say "$label: $($count), $((SECONDS - start)) s"
    fi
    sleep 0.5
  done
  [ ! -t 3 ] || printf '\r\033[K' >&3
  if wait $child; then
    child=
    say "$label: done in $((SECONDS - start)) s"
    return 0
  fi
  child=
  return 1
}
# failed TEXT: shows the end of what the last command printed, and stops.
failed () {
  tail -n 25 "$work/log" >&3
  die "$@"
}
count_objects () {
  echo "$(find "$work/src" -name '*.o' 2>/dev/null | wc -l) files"
}
count_bytes () { du -sh "$work/apt" 2>/dev/null | cut -f1; }

# --- where the source comes from -------------------------------------------

keyring=
for ring in /usr/share/keyrings/debian-archive-keyring.{gpg,pgp}; do
  [ ! -e $ring ] || { keyring=$ring; break; }
done
[ -n "$keyring" ] || die 'no Debian archive keyring: install debian-archive-keyring'

# A configuration of our own on top of the machine's (which may name a proxy):
# other sources, other directories, none of its hooks.
mkdir -p "$work/apt/lists/partial" "$work/apt/cache/archives/partial" "$work/src"
cat >"$work/apt/machine.conf" <<CONF
Dir::State::lists "$work/apt/lists";
Dir::Cache "$work/apt/cache";
APT::Sandbox::User "root";
APT::Get::AllowUnauthenticated "false";
Acquire::AllowInsecureRepositories "false";
Acquire::AllowDowngradeToInsecureRepositories "false";
Acquire::AllowWeakRepositories "false";
Acquire::Languages "none";
Acquire::Retries "3";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
CONF
cat "$work/apt/machine.conf" - >"$work/apt/ours.conf" <<CONF
Dir::Etc::sourcelist "$work/apt/sources.list";
Dir::Etc::sourceparts "/dev/null";
CONF

# mirror_of LABEL [CONF]: the address that this machine's apt has for Debian
# ("Debian") or its security updates ("Debian-Security"); "$(...)" is apt's.
mirror_of () {
  apt-get ${2:+-c "$2"} indextargets --format '$(REPO_URI)|$(LABEL)' \
    'Created-By: Packages' 2>/dev/null | sort -u |
    sed -n "s,|$1\$,,p" | head -n1
}
mirror=$(mirror_of Debian)
security=$(mirror_of Debian-Security)
if [ -z "$mirror" ]; then
  # The machine has never run `apt-get update`: do so in our own directory.
  run 'asking for the package lists' count_bytes \
    apt-get -c "$work/apt/machine.conf" update ||
    failed 'apt-get update failed: is the network up?'
  mirror=$(mirror_of Debian "$work/apt/machine.conf")
  security=$(mirror_of Debian-Security "$work/apt/machine.conf")
  rm -rf "$work/apt/lists"
  mkdir -p "$work/apt/lists/partial"
fi
[ -n "$mirror" ] || die "apt names no Debian mirror: enable one in" \
  '/etc/apt/sources.list and run apt-get update'

# open_suite SUITE: makes apt know the sources of this one suite.
open_suite () {
  local uri=$mirror
  case $1 in *-security) uri=$security ;; esac
  [ -n "$uri" ] || return 1
  echo "deb-src [signed-by=$keyring] $uri $1 main" >"$work/apt/sources.list"
  run "package list of $1" count_bytes apt-get -c "$work/apt/ours.conf" update
}

# newest PACKAGE: the newest version in the suite that is open.
newest () {
  apt-cache -c "$work/apt/ours.conf" showsrc --only-source "$1" 2>/dev/null |
    awk '$1 == "Version:" { print $2 }' | sort -uV | tail -n1
}

# fetch PACKAGE MIN SUITES...: sets version and leaves the source's files in
# $work/src; builds nothing yet.
fetch () {
  local package=$1 min=$2 suite
  shift 2
  for suite; do
    open_suite "$suite" || { say "$suite cannot be read, next"; continue; }
    version=$(newest "$package")
    if [ -z "$version" ] || dpkg --compare-versions "$version" lt "$min"; then
      say "$suite has no $package >= $min, next"
      continue
    fi
    cd "$work/src"
    rm -f "$package"_*.dsc
    if run "source of $package $version from $suite" \
        count_bytes apt-get -c "$work/apt/ours.conf" source --download-only \
        --only-source "$package=$version"; then
      return 0
    fi
    grep '^E: ' "$work/log" | head -n1 >&3
    say "$suite does not deliver $package $version, next"
  done
  die "no suite delivers the source of $package >= $min:" "$@"
}

fetch openssl $OPENSSL_MIN $OPENSSL_SUITES
openssl_version=$version
fetch ngtcp2 $NGTCP2_MIN $NGTCP2_SUITES
ngtcp2_version=$version

prefix=$cache/${recipe}_openssl-${openssl_version}_ngtcp2-${ngtcp2_version}
prefix=${prefix//[:~+]/-}
if [ -e "$prefix/.complete" ]; then
  touch "$prefix/.complete"
  say 'the cached libraries are the newest'
  echo "$prefix"
  exit 0
fi
rm -rf "$prefix"

# --- the build ---------------------------------------------------------------

jobs=$(nproc)
hidden='-O2 -fPIC -fvisibility=hidden -ffile-prefix-map='$work/src=.

unpack () {
  cd "$work/src"
  run "unpacking $1" count_objects dpkg-source -x "$1"_*.dsc "$1" ||
    failed "cannot unpack $1"
  cd "$1"
}

unpack openssl
# shellcheck disable=SC2086
run 'configuring OpenSSL' count_objects ./Configure $OPENSSL_OPTIONS \
  --prefix="$prefix" CFLAGS="$hidden" || failed 'OpenSSL cannot be configured'
run "compiling OpenSSL $openssl_version" count_objects \
  make -s -j"$jobs" build_libs || failed 'OpenSSL does not build'
run 'installing OpenSSL' count_objects make -s install_dev ||
  failed 'OpenSSL cannot be installed'

unpack ngtcp2
# shellcheck disable=SC2086
run 'configuring ngtcp2' count_objects cmake -G Ninja -S . -B build \
  $NGTCP2_OPTIONS -DCMAKE_INSTALL_PREFIX="$prefix" -DCMAKE_C_FLAGS="$hidden" \
  -DOPENSSL_ROOT_DIR="$prefix" -DOPENSSL_USE_STATIC_LIBS=TRUE ||
  failed 'ngtcp2 cannot be configured'
run "compiling ngtcp2 $ngtcp2_version" count_objects \
  ninja -C build -j"$jobs" install || failed 'ngtcp2 does not build'
for file in libssl.a libcrypto.a libngtcp2.a libngtcp2_crypto_ossl.a; do
  [ -s "$prefix/lib/$file" ] || die "the build left no $file"
done

# Both licenses ask that their text goes with the binaries.
mkdir -p "$prefix/share/doc"
cp "$work/src/openssl/LICENSE.txt" "$prefix/share/doc/openssl-LICENSE.txt"
cp "$work/src/ngtcp2/COPYING" "$prefix/share/doc/ngtcp2-COPYING"
touch "$prefix/.complete"
say "finished in $SECONDS s: $prefix"
echo "$prefix"

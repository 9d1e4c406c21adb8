#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Makes what CA mode needs: a certificate authority of your own, and a
# certificate with its key for each machine, to be named by the properties
# ca-file, certificate and key. Everything is PEM, P-256.
#
# Usage: certs/make-certs.sh [--dir DIR] [--days N] NAME...
#   --dir DIR  where to (default: the current directory)
#   --days N   how long certificates are valid from now on (default 365;
#              negative: they expired that long ago, for tests)
#   NAME       a certificate NAME.pem and key NAME.key each, for the DNS name or
#              IP address NAME; peers ask for it with peer-name=NAME
# The authority is ca.pem with ca.key. It is made if DIR has none, else used
# again. Keep ca.key away from the machines.
#
# Each peer is both TLS server and TLS client over time, so certificates allow
# both uses.
set -eu

usage () { sed -n '/^# Usage/,/^# The auth/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
die () { printf 'make-certs: %s\n' "$*" >&2; exit 1; }

dir=.
days=365
while [ $# -gt 0 ]; do
  case $1 in
    --dir) [ $# -gt 1 ] || usage; dir=$2; shift ;;
    --days) [ $# -gt 1 ] || usage; days=$2; shift ;;
    -*) usage ;;
    *) break ;;
  esac
  shift
done
[ $# -gt 0 ] || usage
case ${days#-} in ''|*[!0-9]*) usage ;; esac
command -v openssl > /dev/null || die 'openssl is missing: install the package openssl'

umask 077
mkdir -p "$dir"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

run () { openssl "$@" > "$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }; }
new_key () { run ecparam -name prime256v1 -genkey -noout -out "$1"; }
stamp () { date -u -d "$1" +%Y%m%d%H%M%SZ; }

if [ ! -e "$dir/ca.pem" ]; then
  new_key "$dir/ca.key"
  run req -x509 -new -key "$dir/ca.key" -sha256 -days 3650 \
    -subj '/CN=quicp2p test authority' -out "$dir/ca.pem" \
    -addext basicConstraints=critical,CA:TRUE \
    -addext keyUsage=critical,keyCertSign,cRLSign
  chmod 644 "$dir/ca.pem"
  printf 'made %s\n' "$dir/ca.pem, $dir/ca.key"
fi

# Only `openssl ca` takes dates in the past; it wants a database for that.
: > "$work/index"
cat > "$work/conf" <<CONF
[ca]
default_ca = own
[own]
database = $work/index
new_certs_dir = $work
certificate = $dir/ca.pem
private_key = $dir/ca.key
default_md = sha256
policy = any
rand_serial = yes
unique_subject = no
[any]
commonName = supplied
CONF
if [ "$days" -lt 0 ]; then
  start=$(stamp "$((days - 30)) days")
else
  start=$(stamp '-1 day')
fi
end=$(stamp "$days days")

for name; do
  case $name in
    *[!A-Za-z0-9.:_-]*|'') die "\"$name\" is neither a DNS name nor an IP address" ;;
    *:*|*[0-9].[0-9]*.[0-9]*.[0-9]*) san=IP:$name ;;
    *) san=DNS:$name ;;
  esac
  new_key "$dir/$name.key"
  run req -new -key "$dir/$name.key" -subj "/CN=$name" -out "$work/request"
  cat > "$work/extensions" <<EXTENSIONS
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth,clientAuth
subjectAltName = $san
EXTENSIONS
  run ca -batch -config "$work/conf" -notext -startdate "$start" -enddate "$end" \
    -extfile "$work/extensions" -in "$work/request" -out "$dir/$name.pem"
  chmod 644 "$dir/$name.pem"
  printf 'made %s\n' "$dir/$name.pem, $dir/$name.key"
done

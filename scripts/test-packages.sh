#!/usr/bin/env bash
# Real programs that the tests confine, record and compare with: Debian packages, installed where they are missing. As root; elsewhere it
# only says what is missing, and the tests that need it fail by name.
set -euo pipefail

missing=()
want() { [ -e "$2" ] || missing+=("$1"); } # want PACKAGE FILE
want nginx-light /usr/sbin/nginx
want redis-server /usr/bin/redis-server
want redis-tools /usr/bin/redis-cli
want runc /usr/sbin/runc
want apparmor /sbin/apparmor_parser
want busybox-static /bin/busybox
want curl /usr/bin/curl
want git /usr/bin/git
want python3 /usr/bin/python3
want iproute2 /usr/sbin/ip
command -v go >/dev/null || missing+=(golang-go)
compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || missing+=(postgresql)

[ ${#missing[@]} -gt 0 ] || exit 0
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
  printf 'missing for some tests: %s\n' "${missing[*]}" >&2
  exit 0
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null

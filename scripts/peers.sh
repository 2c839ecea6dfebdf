#!/usr/bin/env bash
# scripts/peers.sh [NAME…]: builds the Go programs that the tests and measurements compare with, from their modules in test/peers/NAME to
# test/peers/NAME/bin. What is built already, from the same sources by the same Go, stays. Says which does not build, and why.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../test/peers"

command -v go >/dev/null || { printf 'peers: Go is not installed; https://go.dev/doc/install\n' >&2; exit 3; }
# Go finds its module by itself; a workspace or flags of the user's would make other programs.
export GOWORK=off GOFLAGS=-buildvcs=false

sources() { # what a build depends on
  go env GOVERSION GOOS GOARCH
  find "$1" -maxdepth 1 -type f \( -name '*.go' -o -name go.mod -o -name go.sum \) -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
}

build() { # build NAME
  local packages=. digest log
  digest=$(sources "$1" | sha256sum)
  [ "$(cat "$1/bin/.built" 2>/dev/null)" != "$digest" ] || return 0
  # A module without sources of its own says by its `tool` lines what is wanted of others.
  compgen -G "$1/*.go" >/dev/null || packages=tool
  printf 'peers: building %s (once; from nothing this can take minutes)\n' "$1" >&2
  log=$(mktemp)
  if ! (cd "$1" && go build -trimpath -ldflags='-s -w' -o bin/ "$packages") >"$log" 2>&1; then
    printf 'peers: %s does not build:\n' "$1" >&2
    tail -n 20 "$log" >&2
    rm -f "$log"
    return 1
  fi
  rm -f "$log"
  printf '%s\n' "$digest" >"$1/bin/.built"
}

names=("$@")
[ ${#names[@]} -gt 0 ] || names=(*/)
failed=0
for name in "${names[@]}"; do
  name=${name%/}
  [ -f "$name/go.mod" ] || { printf 'peers: there is no %s\n' "$name" >&2; exit 2; }
  mkdir -p "$name/bin"
  # Tests that run at the same time wait for each other.
  exec 9>"$name/bin/.lock"
  ! command -v flock >/dev/null || flock 9
  build "$name" || failed=1
  exec 9>&-
done
exit $failed

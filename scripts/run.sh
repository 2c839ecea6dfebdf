#!/bin/sh
# scripts/run.sh FILE [ARGUMENT…]: runs a TypeScript file of this checkout with everything that developers need installed.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
. "$root/scripts/toolchain.sh"
prepare develop
exec "$node" "$@"

#!/bin/sh
# npm test [-- ARGUMENT…]: sets up what is missing, then runs every test (or those that the arguments of vitest select).
# The last line of the output is `N passed, N failed, N skipped`.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
. "$root/scripts/toolchain.sh"
prepare develop
cd "$root"
PATH=${node%/*}:$PATH exec "$node" node_modules/vitest/vitest.mjs run "$@"

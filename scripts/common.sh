# Read by the other scripts: where things are, and how what they need gets installed.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=${TREADLE_VENV:-$root/.venv}
python=$venv/bin/python

say() { printf '%s\n' "$*" >&2; }

fail() {
    say "$(basename "$0"): $*"
    exit 1
}

# Install Debian packages, loudly.
apt_install() {
    command -v apt-get >/dev/null || fail "this machine lacks $* and has no apt-get: install it by hand"
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || fail "this machine lacks $*: install it as root (apt-get install $*)"
        as_root=(sudo)
    fi
    say "$(basename "$0"): this machine lacks $*, installing with apt-get"
    "${as_root[@]}" apt-get update -q >&2
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" >&2
}

need_command() { command -v "$1" >/dev/null || apt_install "${2:-$1}"; }

find_python() {
    local candidate
    for candidate in python3.11 python3 python; do
        if command -v "$candidate" >/dev/null &&
            "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    return 1
}

make_venv() {
    local base
    if ! base=$(find_python); then
        apt_install python3.11 python3.11-venv
        base=$(find_python) || fail "there is no Python 3.11 on this machine"
    fi
    # Debian ships venv without its heart, ensurepip, until python3.11-venv is there.
    "$base" -c 'import ensurepip, venv' 2>/dev/null || apt_install python3.11-venv
    "$base" -m venv "$venv"
}

# What the installed environment was made from: when it changes, the install is made anew.
fingerprint() { (cd "$root" && sha256sum "requirements/$1.txt" pyproject.toml && echo "$venv $root"); }

# install run|dev: an environment with exactly what the lock says, and this package in it.
install() {
    local lock=$1 stamp
    stamp=$venv/.treadle-$lock
    [ -x "$python" ] || make_venv
    if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(fingerprint "$lock")" ]; then return; fi
    say "$(basename "$0"): installing requirements/$lock.txt into $venv"
    rm -f "$stamp"
    "$python" -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
        -r "$root/requirements/$lock.txt" >&2 || fail "the packages of requirements/$lock.txt could not be installed"
    # The build backend is in the lock too, so nothing is fetched here.
    "$python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index \
        -e "$root" >&2 || fail "the package itself could not be installed"
    fingerprint "$lock" >"$stamp"
}

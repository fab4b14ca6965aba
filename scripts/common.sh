# Read by the other scripts: where things are, and how what they need gets installed.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=$(realpath -m "${TREADLE_VENV:-$root/.venv}")
python=$venv/bin/python

# Python must not import from the current folder: PYTHONSAFEPATH keeps the folder off the path of every Python that is
# started from here, -I does so for versions that are too old for that variable.
export PYTHONSAFEPATH=1

say() { printf '%s\n' "$*" >&2; }

fail() {
    say "$(basename "$0"): $*"
    exit 1
}

# quietly WHAT LINES TOTAL COMMAND...: run the command and show its progress as the number of output lines that begin
# with LINES, of TOTAL, and that it is installing once pip says so; its own output is shown only when it fails.
quietly() {
    local what=$1 lines=$2 total=$3 log code=0 ticker
    shift 3
    log=$(mktemp)
    progress "$what" "$lines" "$total" "$log" &
    ticker=$!
    "$@" >"$log" 2>&1 || code=$?
    kill "$ticker" 2>/dev/null || true
    wait "$ticker" 2>/dev/null || true
    if [ "$code" -ne 0 ]; then cat "$log" >&2; fi
    rm -f "$log"
    return "$code"
}

# Print a line every few seconds until this script ends.
progress() {
    local seconds=0 done
    while sleep 2 && kill -0 $$ 2>/dev/null; do
        seconds=$((seconds + 2))
        done=$(grep -c "^$2" "$4" || true)
        if grep -q "^Installing collected packages" "$4"; then
            say "  $1: installing after $seconds s"
        else
            say "  $1: $done of $3 after $seconds s"
        fi
    done
}

# Install Debian packages.
apt_install() {
    command -v apt-get >/dev/null || fail "this machine lacks $* and has no apt-get: install it by hand"
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || fail "this machine lacks $*: install it as root (apt-get install $*)"
        as_root=(sudo)
    fi
    say "$(basename "$0"): this machine lacks $*, installing with apt-get"
    quietly "lists" "Get:" "all" "${as_root[@]}" apt-get update -q
    quietly "packages" "Setting up" "all" "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -q --no-install-recommends "$@"
}

need_command() { command -v "$1" >/dev/null || apt_install "${2:-$1}"; }

# The versions of Python that the locks hold for, newest first.
supported=(3.14 3.13 3.12 3.11)

# version_of INTERPRETER: its version, if it runs and the locks have wheels for it. A version manager leaves commands
# that run nothing, and the wheels are for CPython with its lock.
version_of() {
    # shellcheck disable=SC2016
    "$1" -I -c 'import platform, sys, sysconfig
if platform.python_implementation() != "CPython" or sysconfig.get_config_var("Py_GIL_DISABLED"):
    sys.exit(1)
print("%d.%d" % sys.version_info[:2])' 2>/dev/null
}

# installed_pythons VERSION: the commands that may be that version.
installed_pythons() {
    command -v "python$1" python3 python || true
    if command -v pyenv >/dev/null; then
        find "$(pyenv root)/versions" -mindepth 1 -maxdepth 1 -name "$1.*" 2>/dev/null | sort -rV | sed 's|$|/bin/python|'
    fi
}

# python_of VERSION: an interpreter of that version.
python_of() {
    local candidate
    while read -r candidate; do
        if [ "$(version_of "$candidate")" = "$1" ]; then
            echo "$candidate"
            return
        fi
    done < <(installed_pythons "$1")
    return 1
}

is_supported() { [[ " ${supported[*]} " == *" $1 "* ]]; }

# find_python: the interpreter of TREADLE_PYTHON, else the newest that is supported.
find_python() {
    local version
    if [ -n "${TREADLE_PYTHON:-}" ]; then
        version=$(version_of "$TREADLE_PYTHON") && is_supported "$version" ||
            fail "TREADLE_PYTHON: $TREADLE_PYTHON is no CPython of a supported version (${supported[*]})"
        command -v "$TREADLE_PYTHON"
        return
    fi
    for version in "${supported[@]}"; do
        python_of "$version" && return
    done
    return 1
}

# install_python: the distribution's own, whatever its version is.
install_python() {
    apt_install python3 python3-venv
    find_python >/dev/null || fail "the python3 of this distribution is $(version_of python3 || echo 'none that runs'), and" \
        "none of the supported versions (${supported[*]}) is there: install one of them, or name it in TREADLE_PYTHON"
}

make_venv() {
    local base
    # What is in another folder is not ours to clear.
    [ ! -e "$venv" ] || [ -f "$venv/pyvenv.cfg" ] || fail "$venv is there and is no virtual environment"
    find_python >/dev/null || install_python
    base=$(find_python)
    # Debian ships venv without its heart, ensurepip, until the package of that version is there.
    "$base" -I -c 'import ensurepip, venv' 2>/dev/null || apt_install "python$(version_of "$base")-venv"
    say "$(basename "$0"): making $venv with Python $(version_of "$base") ($base)"
    "$base" -I -m venv --clear "$venv"
}

# Whether the environment is there and runs, with the version of TREADLE_PYTHON where one is named.
venv_is_usable() {
    local version
    version=$(version_of "$python") && is_supported "$version" || return 1
    [ -z "${TREADLE_PYTHON:-}" ] || [ "$(version_of "$TREADLE_PYTHON")" = "$version" ]
}

# What the installed environment was made from: when it changes, the install is made anew.
fingerprint() { (cd "$root" && sha256sum "requirements/$1.txt" pyproject.toml && echo "$venv $root"); }

# is_installed run|test|dev
is_installed() {
    local stamp=$venv/.treadle-$1
    venv_is_usable && [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(fingerprint "$1")" ]
}

# install run|test|dev: an environment with exactly what the lock says, and this package in it.
install() {
    local lock=$1 stamp=$venv/.treadle-$1
    if is_installed "$lock"; then return; fi
    venv_is_usable || make_venv
    say "$(basename "$0"): installing requirements/$lock.txt into $venv"
    rm -f "$stamp"
    quietly "packages" "Collecting " "$(grep -c '==' "$root/requirements/$lock.txt")" \
        "$python" -I -m pip install --disable-pip-version-check --no-input --require-hashes --only-binary :all: \
        -r "$root/requirements/$lock.txt" || fail "the packages of requirements/$lock.txt could not be installed"
    # The build backend is in the lock too, so nothing is fetched here.
    quietly "this package" "Successfully installed" 1 \
        "$python" -I -m pip install --disable-pip-version-check --no-input --no-deps --no-build-isolation --no-index \
        -e "$root" || fail "the package itself could not be installed"
    fingerprint "$lock" >"$stamp"
}

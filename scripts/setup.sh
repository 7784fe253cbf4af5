#!/usr/bin/env bash
# Create .venv, and install the pinned packages and the web page's modules.
#
# Usage: scripts/setup.sh [--dev]
#
# --dev adds the packages of the tests and checks. It can be run again: it installs only what has changed since the last
# run. Environment: PYTHON, the interpreter to use (default: the first of python3, python3.14, ... that is new enough).
# Exit codes: 0 done, 1 a download failed, 4 no Python 3.11 or newer, 5 a system package is missing,
# 6 no permission to write in the project's folder.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/usage.sh"
allow_arguments "--dev" "$@"
cd "$(dirname -- "${BASH_SOURCE[0]}")/.."

fail() {
    echo "$2" >&2
    exit "$1"
}

# Called only when something must be written: an account that may only read can start an existing setup.
fail_to_write() {
    fail 6 "No permission to write in $PWD."
}

new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

find_python() {
    local candidate
    for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11 python}; do
        if new_enough "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    fail 4 "Python 3.11 or newer is needed, and $(describe_python). Install one, or name it with PYTHON=/path/to/python3."
}

describe_python() {
    local name="${PYTHON:-python3}" version
    version="$("$name" --version 2>&1)" && echo "$name is $version" || echo "there is no $name"
}

# Debian and Ubuntu ship Python without the modules that create virtual environments.
ensure_venv_module() {
    if "$1" -c 'import ensurepip, venv' 2>/dev/null; then
        return
    fi
    local package
    package="$("$1" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
    if [[ $EUID -ne 0 ]] || ! command -v apt-get >/dev/null; then
        fail 5 "The package $package is missing. Install it: sudo apt-get install $package"
    fi
    echo "Installing the system package $package ..."
    if ! { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$package" >/dev/null; }; then
        fail 5 "The package $package is missing, and apt-get could not install it."
    fi
}

make_venv() {
    # venv installs pip last: if pip is missing, the creation was interrupted.
    if [[ -x .venv/bin/pip ]] && new_enough .venv/bin/python; then
        return
    fi
    local python
    [[ -w .venv ]] || fail_to_write
    python="$(find_python)"
    ensure_venv_module "$python"
    echo "Making .venv with $("$python" --version) ..."
    "$python" -m venv --clear .venv
}

# install REQUIREMENTS: install the packages if the file or the interpreter has changed since the stamp was written.
install() {
    local stamp=".venv/$1.stamp" wanted
    wanted="$(sha256sum <"$1") $(readlink -f .venv/bin/python)"
    if [[ -f $stamp && $(<"$stamp") == "$wanted" ]]; then
        return
    fi
    [[ -w .venv ]] || fail_to_write
    echo "Installing the $(grep -c '^[a-z]' "$1") packages of $1 ..."
    .venv/bin/python -m pip install --disable-pip-version-check --no-input --progress-bar off \
        --require-hashes -r "$1" 2> >(grep -v '^WARNING: ' >&2) |
        sed -un 's/^Collecting \([^ ]*\).*/  \1/p; s/^Installing collected.*/  unpacking/p' ||
        fail 1 "The packages could not be installed: see the lines above."
    echo "$wanted" >"$stamp"
}

mkdir -p .venv 2>/dev/null || fail_to_write
# Two nodes that start at the same time must not install at the same time.
exec 9<.venv
flock 9

make_venv
install requirements.txt
if [[ ${1:-} == --dev ]]; then
    install requirements-dev.txt
fi
.venv/bin/python scripts/fetch_web.py

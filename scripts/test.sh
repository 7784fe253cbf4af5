#!/usr/bin/env bash
# Set up and run everything that must be green: all checks, then all tests with coverage.
#
# Usage: scripts/test.sh [PYTEST ARGUMENT...]
#
# With arguments only those tests run, without checks and coverage: scripts/test.sh tests/services -k recall
# Besides Python packages the tests need a MariaDB server, Chromium and Node; as root on Debian or Ubuntu what is
# missing is installed, elsewhere one line names it.
# Environment: PYTHON (see scripts/setup.sh). Exit codes: 0 all green, 1 something failed or is missing, others as
# scripts/setup.sh.
set -euo pipefail
cd "$(dirname -- "${BASH_SOURCE[0]}")/.."

PATH="$PATH:/usr/sbin"
# package -> the command that it brings
declare -A needed=(
    [mariadb-server]=mariadbd [redis-server]=redis-server [nginx]=nginx
    [chromium]=chromium [nodejs]=node [npm]=npm [systemd]=systemd-analyze [openssl]=openssl
    [faketime]=faketime
)

install_system_packages() {
    local package missing=()
    for package in "${!needed[@]}"; do
        command -v "${needed[$package]}" >/dev/null || missing+=("$package")
    done
    if ((${#missing[@]} == 0)); then
        return
    fi
    if [[ $EUID -ne 0 ]] || ! command -v apt-get >/dev/null; then
        echo "The tests need what is not installed: sudo apt-get install ${missing[*]}" >&2
        exit 1
    fi
    echo "Installing the system packages ${missing[*]} (some minutes) ..."
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# The official JavaScript client, as pinned in the lock file; again only when that changed.
install_npm_packages() {
    local stamp=tests/npm/node_modules/.stamp wanted
    wanted="$(sha256sum <tests/npm/package-lock.json)"
    if [[ ! -f $stamp || $(<"$stamp") != "$wanted" ]]; then
        echo "Installing the npm packages of the tests ..."
        (cd tests/npm && npm ci --no-audit --no-fund --loglevel=error)
        echo "$wanted" >"$stamp"
    fi
}

# Thousands of commits wait for the disk, and a slow one would make hours of minutes. What the tests kill are
# processes, not the machine: a file that the kernel keeps in memory survives that as one on a disk does.
keep_in_memory() {
    local free_kib
    free_kib="$(df --output=avail /dev/shm 2>/dev/null | tail -1)"
    if [[ -w /dev/shm && ${free_kib:-0} -gt 6000000 ]]; then
        export PYTEST_DEBUG_TEMPROOT=/dev/shm
    fi
}

install_system_packages
scripts/setup.sh --dev
install_npm_packages

if (($#)); then
    exec .venv/bin/python -m pytest "$@"
fi
scripts/check.sh --static
keep_in_memory
# The browser's driver runs an event loop of its own in the main thread: the other tests are not to share it.
.venv/bin/python -m pytest --cov --cov-report= --cov-fail-under=0 --ignore=tests/web
exec .venv/bin/python -m pytest --cov --cov-append --cov-report=term tests/web

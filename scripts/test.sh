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
declare -A needed=([mariadb-server]=mariadbd [chromium]=chromium [nodejs]=node [npm]=npm)

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

install_system_packages
scripts/setup.sh --dev
install_npm_packages

if (($#)); then
    exec .venv/bin/python -m pytest "$@"
fi
scripts/check.sh --static
exec .venv/bin/python -m pytest --cov --cov-report=term

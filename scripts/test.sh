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

# shellcheck source=scripts/test_packages.sh
source scripts/test_packages.sh

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
# Most of the time a test waits for a process to start or to end: two share it, and the browser tests run beside them.
# The tests of a file stay together, with the servers that they share. The browser's driver runs an event loop of its
# own in the main thread, which the other tests must not share: those tests are a process of their own.
mkdir -p run
rm -f .coverage .coverage.*
measured() {
    COVERAGE_FILE="$PWD/.coverage.$1" .venv/bin/python -m pytest --cov --cov-report= --cov-fail-under=0 "${@:2}"
}
measured web tests/web >run/browser-tests.log 2>&1 &
browser_tests=$!
trap 'kill "$browser_tests" 2>/dev/null || true' EXIT
failed=0
measured rest -n 2 --dist loadfile --no-loadscope-reorder --ignore=tests/web || failed=1
wait "$browser_tests" || failed=1
cat run/browser-tests.log
.venv/bin/python -m coverage combine --quiet .coverage.*
.venv/bin/python -m coverage report || failed=1
exit "$failed"

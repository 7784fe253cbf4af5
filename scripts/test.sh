#!/usr/bin/env bash
# Install the packages of the tests, and run all checks, then all tests with coverage.
#
# Usage: scripts/test.sh [--profile | PYTEST ARGUMENT...]
#
# --profile also prints the twenty slowest tests and the seconds of each folder (set-up, call and teardown).
# With other arguments, it runs only these tests, without checks and coverage: scripts/test.sh tests/services -k recall
# Besides Python packages the tests need a MariaDB server, Chromium, Node and others. As root on Debian or Ubuntu, the
# script installs missing system packages; otherwise it names them in one line.
# Environment: PYTHON (see scripts/setup.sh). Exit codes: 0 all passed, 1 a check or test failed or a package is missing,
# others as scripts/setup.sh.
set -euo pipefail
cd "$(dirname -- "${BASH_SOURCE[0]}")/.."

# shellcheck source=scripts/test_packages.sh
source scripts/test_packages.sh

# Keep temporary files in memory: thousands of commits wait for the disk, and on a slow disk the tests would take hours
# instead of minutes. The tests kill processes, not the machine, and a file in memory survives that like one on a disk.
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

# Each of some thousand processes would compile the whole program.
unset PYTHONDONTWRITEBYTECODE
if (($#)) && [[ $1 != --profile ]]; then
    exec .venv/bin/python -m pytest "$@"
fi
scripts/check.sh --static
keep_in_memory
# Two workers run tests. Beside them one process runs the browser tests, and then the folders in `last_folders`: their
# tests mostly wait. So two processors are busy until the end, and no test starves.
# The tests of a file stay in one worker, with the servers that they share. The browser's driver runs an event loop in
# the main thread, which other tests must not share: so the browser tests have their own process.
last_folders=(tests/deploy tests/doctor tests/documents tests/setup)
mkdir -p run
rm -f .coverage .coverage.* run/costs-*.xml
measured() {
    COVERAGE_FILE="$PWD/.coverage.$1" .venv/bin/python -m pytest --cov --cov-report= --cov-fail-under=0 \
        --junitxml="run/costs-$1.xml" "${@:2}"
}
beside() {
    local failed=0
    measured web tests/web || failed=1
    measured last "${last_folders[@]}" || failed=1
    return "$failed"
}
beside >run/beside.log 2>&1 &
beside=$!
trap 'kill "$beside" 2>/dev/null || true' EXIT
failed=0
measured rest -n 2 --dist loadfile --no-loadscope-reorder --ignore=tests/web "${last_folders[@]/#/--ignore=}" || failed=1
wait "$beside" || failed=1
cat run/beside.log
.venv/bin/python -m coverage combine --quiet .coverage.*
.venv/bin/python -m coverage report || failed=1
if [[ ${1:-} == --profile ]]; then
    .venv/bin/python scripts/test_costs.py run/costs-*.xml
fi
exit "$failed"

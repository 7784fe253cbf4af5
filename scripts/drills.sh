#!/usr/bin/env bash
# Inject faults into real nodes, Redis, MariaDB, Nginx and networks under the load of hundreds of clients, and print the
# results.
#
# Usage: scripts/drills.sh [NAME...] [--without NAME...] [--groups N] [--report FILE] [--list]
#        scripts/drills.sh --checker [--micro N] [--long N] [--seed S...] [--setup NAME] [--page] [--fault KIND]
#                          [--users N] [--report FILE] [--keep FOLDER] [--replay FILE [--shrink N]]
#
# It prints a line for each drill: the fault, the time to recover, lost, doubled and reordered messages, the verdict.
# All drills take about half an hour. The two drills in their own network (R18) and the full disk (R14) need root. A
# name without its ending selects all drills of that kind: R1 is R1-3s and R1-20s. The bounds of the drills hold on a
# machine without other load.
#
# The first run installs the tests' packages, including those of npm, which takes a minute or two.
#
# --checker runs random cycles instead: users with two devices each use all functions while faults are injected.
# Afterwards every device must show the same state as a new one, get new pushes, and find every acknowledged change
# stored. A --micro cycle takes about ten seconds and ends during one fault; a --long cycle has a minute of load with
# many faults. The same seed gives the same plan. --setup is default, nginx, sqlite, galera, redis-cluster or sentinel.
# A failed cycle is written to the folder of --keep with the nodes' logs. --replay runs it again, and --shrink searches
# for the smallest part of it that fails, in at most N runs.
# Environment: PYTHON (see scripts/setup.sh). Exit codes: 0 all passed, 1 a drill failed or could not run, others as
# scripts/setup.sh.
set -euo pipefail
cd "$(dirname -- "${BASH_SOURCE[0]}")/.."

# shellcheck source=scripts/test_packages.sh
source scripts/test_packages.sh
needed[iproute2]=ip
install_system_packages
scripts/setup.sh --dev
install_npm_packages
module=tests.drills
if [[ ${1:-} == --checker ]]; then
    module=tests.checker
    shift
fi
exec .venv/bin/python -m "$module" "$@"

#!/usr/bin/env bash
# Harm real nodes, Redis, MariaDB, Nginx and networks while hundreds of clients talk, and print what came of it.
#
# Usage: scripts/drills.sh [NAME...] [--without NAME...] [--groups N] [--report FILE] [--list]
#        scripts/drills.sh --checker [--micro N] [--long N] [--seed S...] [--setup NAME] [--page] [--fault KIND]
#                          [--users N] [--report FILE] [--keep FOLDER] [--replay FILE [--shrink N]]
#
# A line for each drill: what was injected, healed after, messages lost, doubled, reordered, verdict. All of them take
# about half an hour; the two in a network of their own (R18) and the full disk (R14) need root. A name without its
# ending means all of that kind: R1 is R1-3s and R1-20s. Their bounds hold on a machine that does nothing else.
#
# The first run sets up the tests' packages, npm's too, which takes a minute or two.
#
# --checker plays random cycles instead: users with two devices each do all that users do, faults hit them, and at rest
# every device must show what a new one shows, be pushed what is sent, and find everything acknowledged stored. --micro
# cycles take ten seconds or so and end amid one fault; --long ones have a minute of load with many. Each seed gives the
# same plan again; --setup is default, nginx, sqlite, galera, redis-cluster or sentinel. A cycle that fails is written to
# the folder of --keep with the nodes' logs; --replay plays it again, and --shrink looks for the smallest part of it that
# fails, in at most N runs.
# Environment: PYTHON (see scripts/setup.sh). Exit codes: 0 all passed, 1 one did not or could not run, others as
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

#!/usr/bin/env bash
# Harm real nodes, Redis, MariaDB, Nginx and networks while hundreds of clients talk, and print what came of it.
#
# Usage: scripts/drills.sh [NAME...] [--without NAME...] [--groups N] [--report FILE] [--list]
#
# A line for each drill: what was injected, healed after, messages lost, doubled, reordered, verdict. All of them take
# about half an hour; the two in a network of their own (R18) and the full disk (R14) need root. A name without its
# ending means all of that kind: R1 is R1-3s and R1-20s.
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
exec .venv/bin/python -m tests.drills "$@"

#!/usr/bin/env bash
# Run an operator's command with the settings of the cluster on this machine: `scripts/im.sh nodes` is `flask im nodes`.
#
# Usage: scripts/im.sh COMMAND [ARGUMENT]...      (scripts/im.sh --help lists the commands)
#
# Relative paths of files start at the project's folder. Environment: with a cluster.env see scripts/nodes.sh, without
# one docs/settings.md. Exit codes: those of the command.
set -euo pipefail
cd "$(dirname -- "${BASH_SOURCE[0]}")/.."
if [[ -f ${CLUSTER_ENV:-cluster.env} ]]; then
    source scripts/nodes.sh
fi
exec .venv/bin/python -m flask --app wsgi im "$@"

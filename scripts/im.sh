#!/usr/bin/env bash
# An operator's command with the settings of the cluster on this machine: `scripts/im.sh nodes` is `flask im nodes`.
#
# Usage: scripts/im.sh COMMAND [ARGUMENT]...      (scripts/im.sh --help lists the commands)
#
# Paths of files count from the project's folder. Environment: with a cluster.env see scripts/nodes.sh, without one
# docs/settings.md. Exit codes: the command's.
set -euo pipefail
cd "$(dirname -- "${BASH_SOURCE[0]}")/.."
if [[ -f ${CLUSTER_ENV:-cluster.env} ]]; then
    source scripts/nodes.sh
fi
exec .venv/bin/python -m flask --app wsgi im "$@"

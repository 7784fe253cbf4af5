#!/usr/bin/env bash
# Restart the nodes one by one: each node drains and is ready again before the next one stops.
#
# Usage: scripts/restart-cluster.sh
#
# Use it under load to activate a new version or new settings. Environment: see scripts/nodes.sh.
# Exit codes: 0 all nodes are ready, 1 a node did not get ready (the remaining nodes are not restarted).
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/usage.sh"
allow_arguments "" "$@"
source "$(dirname -- "${BASH_SOURCE[0]}")/nodes.sh"

mkdir -p run logs
exec 9<run
flock 9
scripts/setup.sh
for node in $(seq "$nodes"); do
    if [[ -n $(master_of "$node") ]]; then
        say "Draining node-$node / 正在排空节点 node-$node ..."
    fi
    stop_node "$node"
    start_node "$node" || exit 1
done
exec scripts/status-cluster.sh

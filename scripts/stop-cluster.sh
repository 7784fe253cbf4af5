#!/usr/bin/env bash
# Stop every node that start-cluster.sh started from this folder, and nothing else.
#
# Usage: scripts/stop-cluster.sh
#
# All nodes drain at once and get STOP_TIMEOUT (30) seconds for it; then SIGKILL. Environment: see scripts/nodes.sh.
# Exit codes: 0 no process of the cluster is left, 1 one could not be ended.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/usage.sh"
allow_arguments "" "$@"
source "$(dirname -- "${BASH_SOURCE[0]}")/nodes.sh"

stopped=()
for node in $(known_nodes); do
    master="$(master_of "$node")"
    if [[ -n $master ]]; then
        kill -TERM "$master" 2>/dev/null || true
    fi
    if [[ -n $(processes_of "$node") ]]; then
        stopped+=("$node")
    fi
done
if ((${#stopped[@]} == 0)); then
    say "No node runs / 没有运行中的节点"
fi

state=0
for node in $(known_nodes); do
    stop_node "$node"
    if [[ -n $(processes_of "$node") ]]; then
        say "node-$node could not be ended / 节点 node-$node 无法终止"
        state=1
    elif [[ " ${stopped[*]} " == *" $node "* ]]; then
        say "node-$node stopped / 节点 node-$node 已停止"
    fi
done
exit "$state"

#!/usr/bin/env bash
# Stop every node that start-cluster.sh started from this folder, and nothing else.
#
# Usage: scripts/stop-cluster.sh
#
# All nodes drain at the same time, and are killed after STOP_TIMEOUT (30) seconds. Environment: see scripts/nodes.sh.
# Exit codes: 0 no process of the cluster is left, 1 a process could not be killed.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/usage.sh"
allow_arguments "" "$@"
source "$(dirname -- "${BASH_SOURCE[0]}")/nodes.sh"

stopped=()
for node in $(known_nodes); do
    # Before the signal: a node without clients may have ended a moment later.
    if [[ -n $(processes_of "$node") ]]; then
        stopped+=("$node")
    fi
    master="$(master_of "$node")"
    if [[ -n $master ]]; then
        kill -TERM "$master" 2>/dev/null || true
    fi
done
if ((${#stopped[@]} == 0)); then
    say "No node is running / 没有运行中的节点"
fi

state=0
for node in $(known_nodes); do
    stop_node "$node"
    if [[ -n $(processes_of "$node") ]]; then
        say "node-$node could not be killed / 节点 node-$node 无法终止"
        state=1
    elif [[ " ${stopped[*]} " == *" $node "* ]]; then
        say "node-$node stopped / 节点 node-$node 已停止"
    fi
done
exit "$state"

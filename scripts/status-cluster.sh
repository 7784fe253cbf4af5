#!/usr/bin/env bash
# Print a table of the cluster's nodes on this machine.
#
# Usage: scripts/status-cluster.sh
#
# Environment: see scripts/nodes.sh. Exit codes: 0 all nodes are ready, 1 at least one is not.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/usage.sh"
allow_arguments "" "$@"
source "$(dirname -- "${BASH_SOURCE[0]}")/nodes.sh"

memory_mib() {
    local pid kib=0 part
    for pid in $(processes_of "$1"); do
        part="$(sed -n 's/^VmRSS:[[:space:]]*\([0-9]*\) kB/\1/p' "/proc/$pid/status" 2>/dev/null || true)"
        kib=$((kib + ${part:-0}))
    done
    echo $((kib / 1024))
}

uptime_of() {
    local seconds
    seconds="$(ps -o etimes= -p "$1" | tr -d ' ')" || return 0
    printf '%dd%02dh%02dm%02ds' $((seconds / 86400)) $((seconds / 3600 % 24)) $((seconds / 60 % 60)) $((seconds % 60))
}

row='%-9s %-8s %-12s %-16s %-14s %-12s %-8s %s\n'
# shellcheck disable=SC2059  # the format is ours
{
    printf "$row" node pid ports state uptime connections users memory_mib
    printf "$row" 节点 进程 端口 状态 运行时间 连接数 用户数 内存MiB
}
all_ready=0
for node in $(known_nodes); do
    port="$(port_of "$node")"
    master="$(master_of "$node")"
    if [[ -n $master ]]; then
        read -r state connections users < <(state_of "$node")
        set -- "$master" "$state" "$(uptime_of "$master")" "$connections" "$users" "$(memory_mib "$node")"
    elif [[ -e $(pid_file "$node") ]]; then
        set -- - dead - - - -
    else
        set -- - stopped - - - -
    fi
    if [[ $2 != ready ]]; then
        all_ready=1
    fi
    # shellcheck disable=SC2059
    printf "$row" "node-$node" "$1" "$port/$((port + 1))" "$2" "$3" "$4" "$5" "$6"
done
exit "$all_ready"

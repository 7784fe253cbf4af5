# shellcheck shell=bash
# Functions that the cluster scripts share: the list of nodes, and how to recognise their processes. Sourced, not run.
#
# Environment, also read from the file CLUSTER_ENV (cluster.env; only its owner may read it):
#   CLUSTER_NODES (3), CLUSTER_BASE_PORT (8080): node k serves HTTP on base + 2(k-1) and Socket.IO on the port after it
#   REDIS_URL (redis://127.0.0.1:6379/0), DATABASE_URL (no default), HOST (127.0.0.1), IM_TRUSTED_PROXIES (127.0.0.1)
#   START_TIMEOUT (60), STOP_TIMEOUT (30): seconds for each node
# The other settings of docs/settings.md are passed on to the nodes.
cd "$(dirname -- "${BASH_SOURCE[0]}")/.." || exit 1
umask 077

say() {
    printf '%s\n' "$*"
}

# fail CODE ENGLISH CHINESE
fail() {
    printf '%s / %s\n' "$2" "$3" >&2
    exit "$1"
}

CLUSTER_ENV="${CLUSTER_ENV:-cluster.env}"
if [[ -f $CLUSTER_ENV ]]; then
    if [[ $(stat -c %a "$CLUSTER_ENV") != ?00 ]]; then
        fail 2 "$CLUSTER_ENV can be read by others: chmod 600 $CLUSTER_ENV" "其他用户可以读取 $CLUSTER_ENV：请执行 chmod 600 $CLUSTER_ENV"
    fi
    set -a
    # shellcheck disable=SC1090  # the operator's own file
    source "$CLUSTER_ENV"
    set +a
fi

nodes="${CLUSTER_NODES:-3}"
base_port="${CLUSTER_BASE_PORT:-8080}"
start_timeout="${START_TIMEOUT:-60}"
stop_timeout="${STOP_TIMEOUT:-30}"
if [[ ! $nodes =~ ^[1-9][0-9]?$ || ! $base_port =~ ^[1-9][0-9]{1,4}$ ]]; then
    fail 2 "CLUSTER_NODES must be 1 to 99 and CLUSTER_BASE_PORT a port" "CLUSTER_NODES 须为 1 到 99，CLUSTER_BASE_PORT 须为端口号"
fi
export REDIS_URL="${REDIS_URL:-redis://127.0.0.1:6379/0}"
export HOST="${HOST:-127.0.0.1}"
export IM_TRUSTED_PROXIES="${IM_TRUSTED_PROXIES-127.0.0.1}"

port_of() {
    echo $((base_port + 2 * ($1 - 1)))
}

pid_file() {
    echo "$PWD/run/node$1.pid"
}

# Print the numbers of the configured nodes, and of all nodes with a pid file.
known_nodes() {
    {
        seq "$nodes"
        find run -maxdepth 1 -name 'node*.pid' -printf '%f\n' 2>/dev/null | sed -n 's/^node\([0-9]*\)\.pid$/\1/p'
    } | sort -nu
}

# Check that process $2 was started by these scripts, from this folder, as node $1: its command line has our pid file.
is_ours() {
    [[ -r /proc/$2/cmdline ]] && grep -qzxF -- "$(pid_file "$1")" "/proc/$2/cmdline" 2>/dev/null
}

# Print every process of node $1: gunicorn's master and its worker, also a worker after its master was killed.
processes_of() {
    local folder
    for folder in /proc/[0-9]*; do
        if is_ours "$1" "${folder#/proc/}"; then
            echo "${folder#/proc/}"
        fi
    done
}

# Print the master of node $1; nothing if it is not running. A pid in the file counts only if the process is ours.
master_of() {
    local pid
    pid="$(cat "$(pid_file "$1")" 2>/dev/null)" || return 0
    if [[ $pid =~ ^[0-9]+$ ]] && is_ours "$1" "$pid"; then
        echo "$pid"
    fi
}

# signal_all NODE SIGNAL
signal_all() {
    local pid
    for pid in $(processes_of "$1"); do
        kill "-$2" "$pid" 2>/dev/null || true
    done
}

# wait_gone NODE SECONDS: wait until the node has no process left; fail after SECONDS.
wait_gone() {
    local end=$((SECONDS + $2))
    while [[ -n $(processes_of "$1") ]]; do
        if ((SECONDS >= end)); then
            return 1
        fi
        sleep 0.2
    done
}

# Stop node $1: send SIGTERM (it drains), after STOP_TIMEOUT SIGKILL, then remove its pid file.
stop_node() {
    local master
    master="$(master_of "$1")"
    if [[ -n $master ]]; then
        kill -TERM "$master" 2>/dev/null || true
    fi
    if ! wait_gone "$1" "$stop_timeout"; then
        say "node-$1 did not stop within $stop_timeout s: killed / 节点 node-$1 在 $stop_timeout 秒内未停止，已强制终止"
        signal_all "$1" KILL
        wait_gone "$1" 10 || true
    fi
    rm -f "$(pid_file "$1")"
}

# state_of NODE: print "STATE CONNECTIONS USERS", see scripts/node_state.py.
state_of() {
    .venv/bin/python scripts/node_state.py "$HOST" "$(port_of "$1")"
}

# Start node $1 and wait until it is ready; otherwise fail with the last lines of its output. The node rotates its log
# itself. The .err file has the output of its latest start before the log is open, or when it cannot be written.
start_node() {
    local port log err said pid end
    port="$(port_of "$1")"
    log="logs/node$1.log"
    err="logs/node$1.err"
    said="$(stat -c %s "$log" 2>/dev/null || echo 0)"
    rm -f "$(pid_file "$1")"
    NODE_ID="node-$1" PORT="$port" SOCKETIO_PORT="$((port + 1))" IM_LOG_FILE="$PWD/$log" \
        setsid nohup .venv/bin/python -m gunicorn --pid "$(pid_file "$1")" >"$err" 2>&1 </dev/null 9>&- &
    pid=$!
    end=$((SECONDS + start_timeout))
    until [[ $(state_of "$1") == ready* ]]; do
        if ! kill -0 "$pid" 2>/dev/null || ((SECONDS >= end)); then
            printf '%s\n' "node-$1 did not get ready / 节点 node-$1 未能就绪: $log" >&2
            # Omit gunicorn's own last lines: they only report the exit, while the node's lines give the reason.
            {
                cat "$err"
                tail -c "+$((said + 1))" "$log" 2>/dev/null | grep -v 'gunicorn\.error'
            } | tail -n 5 >&2 || true
            return 1
        fi
        sleep 0.2
    done
    say "node-$1 is ready on ports $port and $((port + 1)) / 节点 node-$1 已就绪"
}

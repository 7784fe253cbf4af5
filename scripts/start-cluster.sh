#!/usr/bin/env bash
# Start all nodes of the cluster on this machine. It can be run again: running nodes are not touched.
#
# Usage: scripts/start-cluster.sh
#
# Environment: see scripts/nodes.sh; DATABASE_URL must be set (mysql://USER:PASSWORD@HOST/NAME).
# Exit codes: 0 all nodes are ready, 1 a node did not get ready, 2 an invalid setting,
# 7 the database cannot be used, 8 Redis does not answer, others as scripts/setup.sh.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/usage.sh"
allow_arguments "" "$@"
source "$(dirname -- "${BASH_SOURCE[0]}")/nodes.sh"

check_settings() {
    if [[ -z ${DATABASE_URL:-} ]]; then
        fail 2 "DATABASE_URL is not set: mysql://USER:PASSWORD@HOST/NAME, in the environment or in $CLUSTER_ENV" \
            "未设置 DATABASE_URL：请在环境变量或 $CLUSTER_ENV 中设置 mysql://用户:密码@主机/库名"
    fi
    if [[ $DATABASE_URL == sqlite* ]]; then
        fail 2 "A cluster needs MySQL or MariaDB: SQLite is for one node (scripts/run.sh)" \
            "集群需要 MySQL 或 MariaDB：SQLite 仅用于单节点（scripts/run.sh）"
    fi
}

check_services() {
    local state=0 complaint
    .venv/bin/python scripts/check_redis.py || exit $?
    complaint="$(.venv/bin/python scripts/check_database.py 2>&1)" || state=$?
    case $state in
        0) ;;
        10)
            say "Bringing the database up to date / 正在升级数据库 ..."
            .venv/bin/python -m flask --app wsgi db upgrade
            ;;
        7) fail 7 "MySQL: $complaint" "MySQL 未运行或无法使用" ;;
        *)
            printf '%s\n' "$complaint" >&2
            exit "$state"
            ;;
    esac
}

# Kill the remaining processes of nodes without a master. Their command lines identify them as ours.
clean_up() {
    local node
    for node in $(known_nodes); do
        if [[ -z $(master_of "$node") ]]; then
            if [[ -n $(processes_of "$node") ]]; then
                say "Killing leftover processes of node-$node / 清理节点 node-$node 的残留进程"
                signal_all "$node" KILL
                wait_gone "$node" 10 || true
            fi
            rm -f "$(pid_file "$node")"
        fi
    done
}

check_settings
mkdir -p run logs
# If two operators start the cluster at the same time, the second one waits.
exec 9<run
flock 9
scripts/setup.sh
check_services
clean_up

for node in $(seq "$nodes"); do
    if [[ -n $(master_of "$node") ]]; then
        say "node-$node is already running / 节点 node-$node 已在运行"
    else
        start_node "$node" || exit 1
    fi
done

say "Nginx: deploy/nginx/generate.py writes its configuration / 用 deploy/nginx/generate.py 生成 Nginx 配置"
exec scripts/status-cluster.sh

#!/usr/bin/env bash
# Make the secrets of compose.yaml once; existing secrets are not changed.
#
# Usage: deploy/docker/make-secrets.sh [FOLDER]
#
# FOLDER (default: secrets/ beside this script) is accessible for its owner only. The files in it are readable by
# all, because other users read them in the containers; outside, the folder's mode protects them.
# Exit codes: 0 done, 1 failed.
set -euo pipefail
folder="${1:-$(dirname -- "${BASH_SOURCE[0]}")/secrets}"
umask 077
mkdir -p "$folder"
umask 022

random() {
    od -An -N32 -tx1 /dev/urandom | tr -d ' \n'
}

if [[ -e $folder/imapp.env ]]; then
    echo "The secrets are there already: $folder"
else
    mysql="$(random)"
    redis="$(random)"
    printf '%s' "$mysql" >"$folder/mysql_password"
    printf '%s' "$(random)" >"$folder/mysql_root_password"
    printf 'requirepass %s\n' "$redis" >"$folder/redis.conf"
    printf '%s\n' "SECRET_KEY=$(random)" "DATABASE_URL=mysql://imapp:$mysql@mysql/imapp" \
        "REDIS_URL=redis://:$redis@redis:6379/0" >"$folder/imapp.env.new"
    # Rename last and atomically: the presence of imapp.env shows that all secrets exist.
    mv "$folder/imapp.env.new" "$folder/imapp.env"
    echo "Made $folder"
fi

# Derive the secrets of the profile "monitoring" from the ones above at each run: older folders lack them.
printf '{"redis://redis:6379": "%s"}\n' "$(sed -n 's/^requirepass //p' "$folder/redis.conf")" >"$folder/redis_exporter.json"
printf '[client]\nuser=imapp\npassword=%s\nhost=mysql\n' "$(<"$folder/mysql_password")" >"$folder/mysqld_exporter.cnf"
if [[ ! -e $folder/grafana_password ]]; then
    printf '%s' "$(random)" >"$folder/grafana_password"
fi

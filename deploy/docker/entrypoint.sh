#!/bin/sh
# Read secrets from a file, so that they are in neither the image nor the container's description; then run the command.
#
# Usage: entrypoint.sh COMMAND...
#
# Environment: IMAPP_SECRETS (/run/secrets/imapp.env), with lines NAME=VALUE, used literally; the file may be absent.
# Exit codes: 6 the file cannot be read, otherwise the command's.
set -eu
secrets="${IMAPP_SECRETS:-/run/secrets/imapp.env}"
if [ -e "$secrets" ]; then
    if [ ! -r "$secrets" ]; then
        echo "No permission to read $secrets" >&2
        exit 6
    fi
    while IFS= read -r line || [ -n "$line" ]; do
        case $line in
            '' | '#'*) ;;
            *=*) export "${line%%=*}=${line#*=}" ;;
        esac
    done <"$secrets"
fi
exec "$@"

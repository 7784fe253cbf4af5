#!/usr/bin/env bash
# Start imapp: install missing packages, upgrade the database, serve. Ctrl-C stops it.
#
# Usage: scripts/run.sh
#
# Environment: HOST (127.0.0.1), PORT (8080), DATABASE_URL (SQLite in IM_DATA_DIR), IM_DATA_DIR (instance/), and the
# other settings in docs/settings.md.
# Exit codes: 0 stopped, 1 a download or an upgrade failed, 2 an invalid setting or argument, 3 the port is not
# available, 4 no Python 3.11 or newer, 5 a system package is missing, 6 no permission to write, 7 the database cannot
# be used.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/usage.sh"
allow_arguments "" "$@"
cd "$(dirname -- "${BASH_SOURCE[0]}")/.."

scripts/setup.sh
umask 077

state=0
.venv/bin/python scripts/check_database.py || state=$?
case $state in
    0) ;;
    10)
        echo "Bringing the database up to date ..."
        .venv/bin/python -m flask --app wsgi db upgrade
        ;;
    *) exit "$state" ;;
esac

echo "Starting imapp on http://${HOST:-127.0.0.1}:${PORT:-8080} (Ctrl-C stops it) ..."
exec .venv/bin/python -m gunicorn

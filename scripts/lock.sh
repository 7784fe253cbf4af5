#!/usr/bin/env bash
# Pin requirements.in, requirements-tracing.in and requirements-dev.in, with hashes, for every supported Python and platform.
#
# Usage: scripts/lock.sh [--upgrade | --upgrade-package NAME]
#
# Without an argument, existing pins stay. It needs uv (https://docs.astral.sh/uv/) on the PATH or in .venv.
# Exit codes: 0 done, 1 uv is missing or finds no solution.
set -euo pipefail
cd "$(dirname -- "${BASH_SOURCE[0]}")/.."

PATH="$PWD/.venv/bin:$PATH"
command -v uv >/dev/null || { echo "lock.sh: uv is missing: install it first" >&2; exit 1; }

compile() {
    # Keep extras: with hashes, pip refuses `coverage` as a pin of `coverage[toml]` once a newer release is out.
    # Use only the default index, not this machine's extra indexes or local wheels.
    env -u PIP_EXTRA_INDEX_URL -u PIP_FIND_LINKS -u UV_EXTRA_INDEX_URL -u UV_FIND_LINKS \
        uv pip compile --quiet --no-config --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-emit-find-links --no-annotate --no-strip-extras --custom-compile-command "scripts/lock.sh" "$@"
}

echo "Pinning the runtime ..."
compile requirements.in --output-file requirements.txt "$@"
echo "Pinning the optional tracing ..."
compile requirements-tracing.in --constraint requirements.txt --output-file requirements-tracing.txt "$@"
echo "Pinning the tests and checks ..."
compile requirements-dev.in --constraint requirements.txt --output-file requirements-dev.txt "$@"

#!/usr/bin/env bash
# Run all checks that take a minute or two: format, lint, types, imports, shell, spelling, dependencies, generated
# documents, and the tests that need no server.
#
# Usage: scripts/check.sh [--static]
#
# --static skips the tests. Each check runs even if an earlier one failed; the failed checks are listed at the end.
# Environment: none. Exit codes: 0 all passed, 1 at least one failed, others as scripts/setup.sh.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/usage.sh"
allow_arguments "--static" "$@"
cd "$(dirname -- "${BASH_SOURCE[0]}")/.."

scripts/setup.sh --dev
unset PYTHONDONTWRITEBYTECODE # each worker and command would compile the whole program
PATH="$PWD/.venv/bin:$PATH"
failed=()

check() {
    local name="$1" output
    shift
    if output="$("$@" 2>&1)"; then
        echo "ok      $name"
    else
        echo "FAILED  $name: $*"
        echo "$output"
        failed+=("$name")
    fi
}

# same FILE COMMAND...: fail if the file differs from the output of the command.
same() {
    local file="$1"
    shift
    diff -u "$file" <("$@")
}

mapfile -t shell_files < <(git ls-files '*.sh' .ci/run)

check "format" ruff format --check --output-format concise .
check "lint" ruff check --quiet .
check "types" mypy
check "imports" lint-imports --no-cache
check "shell" shellcheck -x -P SCRIPTDIR "${shell_files[@]}"
check "spelling" codespell
check "dependencies" deptry .
check "dead code" vulture
check "plain English" python scripts/count_riddles.py --at-most 1.5 imapp tests bench docs web deploy
check "docs/settings.md" same docs/settings.md flask im export-settings
if [[ ${1:-} != --static ]]; then
    check "fast tests" python -m pytest -q -m "not slow" -n auto
fi

if ((${#failed[@]})); then
    echo "Failed: ${failed[*]}" >&2
    exit 1
fi

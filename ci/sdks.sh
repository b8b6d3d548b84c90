#!/usr/bin/env bash
# Holds the SDKs that are not Rust's to their own tools: format, lint, types, and tests on their fake hosts. Components are built and run elsewhere, by the
# conformance suite. Usage: ci/sdks.sh CACHE, a folder outside the checkout, where the tools of pinned versions are kept.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../sdk"
cache=$(mkdir -p "$1" && cd "$1" && pwd)

ruff=0.17.6 mypy=2.4.1

check_python() {
    local tools=$cache/python-tools-$ruff-$mypy
    if [ ! -x "$tools/bin/mypy" ]; then
        python3 -m venv "$tools"
        "$tools/bin/pip" install --quiet --disable-pip-version-check "ruff==$ruff" "mypy==$mypy"
    fi
    export PYTHONDONTWRITEBYTECODE=1
    "$tools/bin/ruff" check --quiet --no-cache python
    "$tools/bin/ruff" format --quiet --check --no-cache python
    (cd python && "$tools/bin/mypy" --cache-dir=/dev/null && PYTHONPATH=. timeout 300 python3 -m unittest discover --quiet --start-directory tests)
    (cd python/conformance && MYPYPATH=.. "$tools/bin/mypy" --cache-dir=/dev/null --strict app.py)
    (cd python/example && "$tools/bin/mypy" --cache-dir=/dev/null && PYTHONPATH=.:.. timeout 300 python3 -m unittest discover --quiet --start-directory tests)
}

# In a copy, because npm and esbuild write beside what they read.
check_javascript() {
    local copy
    copy=$(mktemp -d)
    cp -RL js/. "$copy"
    (cd "$copy" && npm ci --ignore-scripts --no-audit --no-fund --silent && npm run --silent check)
    # Each test's line is worth reading only where one failed.
    (cd "$copy" && timeout 300 npm test --silent >tests.log) || { cat "$copy/tests.log"; return 1; }
    rm -r "$copy"
}

check_python
check_javascript

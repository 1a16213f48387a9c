#!/bin/bash
# How much of what decides is run by the tests that start no program: lines and branches
# of the core, the agent's core, supervision and the decoder. Not part of .ci/run.
#
#   tests/coverage.sh                 build, run, and print a line a file; exit status 1
#                                     when an aim is missed
#   tests/coverage.sh --missed FILE   … and each line and branch that was never taken
#   tests/coverage.sh --again …       print what the last run left, run nothing
#
# It wants gcc and its gcov, which come together. The tree is build/coverage, or
# $GG_COVERAGE_TREE. What counts and what is left out: tests/coverage.py.
set -euo pipefail
cd "$(dirname "$0")/.."
tree=${GG_COVERAGE_TREE:-build/coverage}

if [ "${1:-}" = --again ]; then
    shift
    exec python3 -B tests/coverage.py "$tree" "$@"
fi

cmake --preset dev -B "$tree" -DGG_SANITIZE= -DGG_WERROR=OFF \
    -DCMAKE_C_FLAGS_DEBUG="-O0 --coverage" >/dev/null
cmake --build "$tree" -j 2 --target tests/unit/all tests/golden/all tests/fuzz/all \
    tests/fault/memory/all sim test_model >"$tree/build.log" || { tail -n 40 "$tree/build.log"; exit 1; }
find "$tree" -name '*.gcda' -delete

for folder in unit golden fuzz fault/memory; do
    ctest --test-dir "$tree/tests/$folder" -j 2 -E '^test_store' --output-on-failure \
        >"$tree/tests.log" || # The store is slow like this, and none of the groups.
        { tail -n 60 "$tree/tests.log"; exit 1; }
done
"$tree/tests/sim/test_model" 1500
"$tree/tests/sim/sim" --events "${GG_COVERAGE_EVENTS:-5000000}"
exec python3 -B tests/coverage.py "$tree" "$@"

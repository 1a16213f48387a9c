#!/bin/bash
# The model of lease, fence and crash in all its orders, and its twins that leave a rule
# out and must be found wrong. Not part of .ci/run: it wants spin (package spin) and cc.
#
#   tests/spin.sh [FOLDER]    works in FOLDER, or in a temporary one
set -euo pipefail
model=$(cd "$(dirname "$0")" && pwd)/spin/lease.pml
command -v spin >/dev/null || { echo "spin.sh: spin is missing (package spin)" >&2; exit 1; }
work=${1:-$(mktemp -d)}
[ $# -gt 0 ] || trap 'rm -rf "$work"' EXIT
cd "$work"

errors() { # the model with these definitions: how many errors there are, and states
    spin "$@" -a "$model" >/dev/null
    cc -O2 -w -DSAFETY -DCOLLAPSE -o pan pan.c
    ./pan -m1000000 >pan.log
    sed -n 's/^State-vector.*errors: \([0-9]*\)/\1/p' pan.log
}

found=$(errors)
echo "as it is: $found errors, $(sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p' pan.log) states"
failed=$found
for twin in NO_MARGIN NO_WAIT ANY_FENCE OLD_FENCE_ENDS_WAIT; do
    found=$(errors -D$twin)
    echo "$twin: $found errors"
    [ "$found" -gt 0 ] || failed=1
done
exit $((failed > 0))

#!/bin/bash
# The long run: libFuzzer on every target, or on those named, MINUTES each; two at a
# time. What it finds is left in FOLDER and makes the run fail; a finding becomes a line
# of corpus/NAME.hex and is mended.
#
#   tests/fuzz/long.sh MINUTES [TARGET...]    build tree and findings: build/fuzz
#   GG_FUZZ_KEEP=yes tests/fuzz/long.sh …     then put the smallest corpus that reaches
#                                             the same code into the tree
#
# The last line of each target says how many executions it had.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=tests/fuzz
tree=${GG_FUZZ_TREE:-build/fuzz}
minutes=${1:?usage: tests/fuzz/long.sh MINUTES [TARGET...]}
shift
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
    targets=(command core filter frame keep lines record settings)
fi

cmake --preset fuzz -B "$tree" >/dev/null
cmake --build "$tree" -j 2 --target "${targets[@]/#/fuzz_}"
mkdir -p "$tree/found"

fuzz_one() { # target
    local inputs=$tree/inputs/$1
    mkdir -p "$inputs"
    python3 $here/corpus.py unpack "$here/corpus/$1.hex" "$inputs"
    local status=0
    "$tree/tests/fuzz/fuzz_$1" "$inputs" -max_total_time=$((minutes * 60)) -max_len=2048 \
        -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="$tree/found/$1-" >"$tree/$1.log" 2>&1 || status=$?
    local runs
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$tree/$1.log")
    echo "fuzz target=$1 executions=${runs:-unknown} status=$status"
    if [ "$status" -eq 0 ] && [ "${GG_FUZZ_KEEP:-no}" = yes ]; then
        rm -rf "$tree/least/$1"
        mkdir -p "$tree/least/$1"
        "$tree/tests/fuzz/fuzz_$1" -set_cover_merge=1 -max_len=2048 "$tree/least/$1" \
            "$inputs" >>"$tree/$1.log" 2>&1
        python3 $here/corpus.py pack "$tree/least/$1" "$here/corpus/$1.hex"
    fi
    return "$status"
}

failed=0
running=0
for target in "${targets[@]}"; do
    fuzz_one "$target" &
    running=$((running + 1))
    if [ "$running" -ge 2 ]; then
        wait -n || failed=1
        running=$((running - 1))
    fi
done
while [ "$running" -gt 0 ]; do
    wait -n || failed=1
    running=$((running - 1))
done
ls "$tree/found"
exit $failed

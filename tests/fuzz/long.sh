#!/bin/bash
# The long run: libFuzzer on every target, or on those named, two at a time, each with
# EXECUTIONS executions or for MINUTES. It goes on from the corpus that it grew before.
# What it finds is left in FOLDER/found and makes the run fail; a finding becomes a line
# of corpus/NAME.hex and is mended.
#
#   tests/fuzz/long.sh EXECUTIONS [TARGET...]    20000000: what is asked before a release
#   tests/fuzz/long.sh MINUTESm [TARGET...]      5m: each for five minutes
#   GG_FUZZ_TREE=FOLDER                          build tree and corpora, build/fuzz
#   GG_FUZZ_SANITIZE=undefined                   twice as fast as the default, which is
#                                                address;undefined (a tree for each)
#   GG_FUZZ_LEDGER=FILE                          tests/ledger.txt
#   GG_FUZZ_KEEP=yes                             at the end put the smallest corpus that
#                                                reaches the same code into the tree
#
# Each target appends a line to the ledger, also when the run is ended by a signal: then
# with the executions it had. The command `keep` instead of EXECUTIONS does the last step
# alone.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=tests/fuzz
tree=${GG_FUZZ_TREE:-build/fuzz}
ledger=${GG_FUZZ_LEDGER:-tests/ledger.txt}
amount=${1:?usage: tests/fuzz/long.sh EXECUTIONS|MINUTESm|keep [TARGET...]}
shift
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
    targets=(command core filter frame keep lines record settings)
fi
case $amount in
keep) limit="" ;;
*m) limit=-max_total_time=$((${amount%m} * 60)) ;;
*) limit=-runs=$((amount)) ;;
esac

# Longer inputs are slower, not richer: an operation of the core is about six bytes, a
# record of a job about a hundred.
declare -A bytes_max=([command]=512 [core]=256 [keep]=512)

cmake --preset fuzz -B "$tree" \
    -DGG_SANITIZE="${GG_FUZZ_SANITIZE:-address;undefined}" >/dev/null
cmake --build "$tree" -j 2 --target "${targets[@]/#/fuzz_}" >/dev/null
mkdir -p "$tree/found" "$tree/inputs"
commit=$(git rev-parse --short HEAD)
git diff --quiet HEAD -- . :!tests/ledger.txt || commit=$commit+changes
sanitizers=$(sed -n 's/^GG_SANITIZE:[A-Z]*=//p' "$tree/CMakeCache.txt" | tr ';' ',')
# Freed memory is kept back from use for as long as an input lasts, and not much longer:
# the replay of a finding in the dev build has the stacks of who allocated and freed it.
export ASAN_OPTIONS=quarantine_size_mb=4:malloc_context_size=0

stat() { # target, name: what libFuzzer counted
    sed -n "s/^stat::$2: *//p" "$tree/$1.log"
}

# Somebody may stop the run for minutes: nothing hangs then. Weighing inputs by the
# rarity of what they reach costs more than half of the time, looking whether one could be
# shorter a fifth.
fuzz_one() { # target
    trap : INT TERM
    local inputs=$tree/inputs/$1
    mkdir -p "$inputs"
    python3 $here/corpus.py unpack "$here/corpus/$1.hex" "$inputs"
    local status=0
    "$tree/tests/fuzz/fuzz_$1" "$inputs" "$limit" -max_len="${bytes_max[$1]:-1024}" \
        -entropic=0 -timeout=300 -report_slow_units=300 -rss_limit_mb=2048 \
        -print_final_stats=1 -reload=0 -reduce_inputs=0 \
        -artifact_prefix="$tree/found/$1-" >"$tree/$1.log" 2>&1 || status=$?
    local runs rate findings
    runs=$(stat "$1" number_of_executed_units)
    rate=$(stat "$1" average_exec_per_sec)
    findings=$(find "$tree/found" -name "$1-*" -newer "$tree/$1.began" | wc -l)
    local line="$(date -u +%F) commit=$commit fuzz=$1 executions=${runs:-unknown}"
    line="$line per_second=${rate:-unknown} findings=$findings status=$status"
    line="$line corpus=$(find "$inputs" -type f | wc -l) sanitizers=${sanitizers:-none}"
    echo "$line" | tee -a "$ledger"
    return "$status"
}

keep_one() { # target
    rm -rf "$tree/least/$1"
    mkdir -p "$tree/least/$1"
    "$tree/tests/fuzz/fuzz_$1" -set_cover_merge=1 -max_len="${bytes_max[$1]:-1024}" \
        "$tree/least/$1" "$tree/inputs/$1" >"$tree/$1-keep.log" 2>&1
    python3 $here/corpus.py pack "$tree/least/$1" "$here/corpus/$1.hex"
}

failed=0
ended=no
trap 'ended=yes' INT TERM # The fuzzers end, say what they did, and so does this.
for target in "${targets[@]}"; do
    [ -n "$limit" ] && [ "$ended" = no ] || break
    touch "$tree/$target.began"
    fuzz_one "$target" &
    if [ "$(jobs -pr | wc -l)" -ge 2 ]; then
        wait -n || failed=1
    fi
done
while [ "$(jobs -pr | wc -l)" -gt 0 ]; do
    wait -n || failed=1
done
if [ -z "$limit" ] || [ "${GG_FUZZ_KEEP:-no}" = yes ]; then
    for target in "${targets[@]}"; do
        keep_one "$target"
    done
fi
ls "$tree/found"
exit $failed

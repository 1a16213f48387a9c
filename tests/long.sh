#!/bin/bash
# The long run beside .ci/run, which does not start it: everything that is random, with
# fresh seeds, for MINUTES. Each run appends a line to the ledger.
#
#   tests/long.sh MINUTES [LEDGER]    default ledger: tests/ledger.txt
#
# A third of the time goes to the simulator, a third to fuzzing, the rest to the reference
# model and to storms over real processes. The build trees are build/long (optimised) and
# build/fuzz (clang, libFuzzer). What is found is printed with how to see it again, and
# the exit status is 1.
set -uo pipefail
cd "$(dirname "$0")/.."
minutes=${1:?usage: tests/long.sh MINUTES [LEDGER]}
ledger=${2:-tests/ledger.txt}
tree=build/long
seed=$(date +%s)
violations=0
sim_seeds=0 events=0 hours=0 kills=0 operations=0 executions=0 storms=0

cmake --preset release -B "$tree" >/dev/null &&
    cmake --build "$tree" -j 2 --target sim sim_fast test_model gangerd ganger_worker \
        ganger_cli >/dev/null || exit 1

field() { # line, name
    sed -n "s/.*\b$2=\([0-9.]*\).*/\1/p" <<<"$1" | tail -n 1
}

add() { # a b: their sum, with one decimal
    awk -v a="$1" -v b="$2" 'BEGIN { printf "%.1f", a + b }'
}

run_sim() { # until
    while [ "$(date +%s)" -lt "$1" ]; do
        local out
        out=$("$tree/tests/sim/sim_fast" --first "$seed" --events 100000000 --marks) ||
            { violations=$((violations + 1)); grep -A 1 '^seed\|never' <<<"$out"; }
        local line
        line=$(grep '^seeds=' <<<"$out")
        sim_seeds=$((sim_seeds + $(field "$line" seeds)))
        events=$((events + $(field "$line" events)))
        kills=$((kills + $(field "$line" kills)))
        hours=$(add "$hours" "$(field "$line" virtual_hours)")
        seed=$((seed + $(field "$line" seeds)))
    done
}

run_model() { # until
    while [ "$(date +%s)" -lt "$1" ]; do
        "$tree/tests/sim/test_model" 20000 "$seed" || violations=$((violations + 1))
        operations=$((operations + 20000 * 220))
        seed=$((seed + 20000))
    done
}

run_fuzz() { # minutes for all
    local each=$(($1 * 2 / 7))
    local out
    out=$(GG_FUZZ_LEDGER=$ledger tests/fuzz/long.sh $((each > 0 ? each : 1))m) || violations=$((violations + 1))
    echo "$out"
    for count in $(sed -n 's/.*executions=\([0-9]*\).*/\1/p' <<<"$out"); do
        executions=$((executions + count))
    done
}

run_storms() { # until
    while [ "$(date +%s)" -lt "$1" ]; do
        GG_BIN_DIR=$PWD/$tree/bin GG_SEED=$seed GG_KILLS=60 \
            /usr/bin/python3 -B tests/fault/storm/storm.py ||
            violations=$((violations + 1))
        storms=$((storms + 60))
        seed=$((seed + 1))
    done
}

third=$((minutes * 20))
now=$(date +%s)
run_sim $((now + third))
now=$(date +%s)
run_model $((now + third / 2))
now=$(date +%s)
run_storms $((now + third / 2))
run_fuzz $((minutes / 3))

line="$(date -u +%F) commit=$(git rev-parse --short HEAD) seeds=$sim_seeds"
line="$line events=$events virtual_hours=$hours sim_kills=$kills"
line="$line model_operations=$operations fuzz_executions=$executions"
line="$line real_kills=$storms violations=$violations"
echo "$line" | tee -a "$ledger"
[ "$violations" -eq 0 ]

#!/bin/bash
# Ganger beside bare libzmq, in one run: interleaved pairs, median of the pair ratios.
#
#   compare.sh [--pairs N] [--jobs N] [--window N] [--submits N]
#
#   jobs a second       `ganger bench` over the relay; 1.0 and more is better than it
#   idle round trip     the same pair; at most 1.5 is the aim
#   whole process       `ganger submit` over one round trip of a bare libzmq program;
#                       at most 1.5 is the aim
#
# GG_BIN_DIR holds the programs of Ganger, GG_BENCH_DIR relay and roundtrip. Figures are
# printed and nothing is judged: only a run that fails gives an exit status other than 0.
set -euo pipefail

pairs=7
jobs=300000
window=4000
submits=100
while [ $# -gt 1 ]; do
    case $1 in
    --pairs) pairs=$2 ;;
    --jobs) jobs=$2 ;;
    --window) window=$2 ;;
    --submits) submits=$2 ;;
    *) break ;;
    esac
    shift 2
done
if [ $# -gt 0 ]; then
    echo "usage: compare.sh [--pairs N] [--jobs N] [--window N] [--submits N]" >&2
    exit 64
fi
bin=${GG_BIN_DIR:?where the programs are}
bench=${GG_BENCH_DIR:?where relay and roundtrip are}

work=$(mktemp -d)
started=()
cleanup() {
    for pid in "${started[@]}"; do
        kill "$pid" 2>/dev/null || true
    done
    wait
    rm -rf "$work"
}
trap cleanup EXIT

# Start a program whose first line on a pipe says where it listens.
mkfifo "$work/broker" "$work/echo"
"$bin/gangerd" --volatile --listen tcp://127.0.0.1:0 2>"$work/broker" &
started+=($!)
exec 3<"$work/broker"
while read -r line <&3; do
    case $line in
    *event=ready*) break ;;
    esac
done
cat <&3 >/dev/null &
line=${line#* client=}
GANGER_BROKER=${line%% *}
export GANGER_BROKER
"$bench/roundtrip" serve >"$work/echo" &
started+=($!)
read -r echo_endpoint <"$work/echo"

value() { # name, "a=1 b=2"
    sed -n "s/.*$1=\([0-9.]*\).*/\1/p" <<<"$2"
}

member() { # name, file
    sed -n "s/.*\"$1\": \([0-9.]*\).*/\1/p" "$2"
}

# Milliseconds that `submits` runs of a command take, one after the other.
times() {
    local start=$EPOCHREALTIME i
    for ((i = 0; i < submits; i++)); do
        "$@" >/dev/null
    done
    awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.3f", (b - a) * 1000 }'
}

median() {
    sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

ratio() {
    awk -v a="$1" -v b="$2" 'BEGIN { printf "%.3f\n", a / b }'
}

for ((pair = 1; pair <= pairs; pair++)); do
    relay=$("$bench/relay" all --jobs "$jobs" --window "$window")
    "$bin/ganger" bench --jobs "$jobs" --window "$window" --spawn-workers 1 \
        -o json >"$work/bench" 2>"$work/bench.log" || { cat "$work/bench.log" >&2; exit 1; }
    bare_ms=$(times "$bench/roundtrip" "$echo_endpoint")
    submit_ms=$(times "$bin/ganger" submit compare x --keep 0 --expires 1s)

    rate=$(member jobs_per_second "$work/bench")
    idle=$(member idle_round_trip_us_p50 "$work/bench")
    ratio "$rate" "$(value jobs_per_second "$relay")" >>"$work/rates"
    ratio "$idle" "$(value idle_us "$relay")" >>"$work/idles"
    ratio "$submit_ms" "$bare_ms" >>"$work/submits"
    printf 'pair %d: ganger %s jobs/s, idle %s us, cpu %s s/million; relay %s;' \
        "$pair" "${rate%.*}" "$idle" \
        "$(member broker_cpu_seconds_per_million "$work/bench")" "$relay"
    printf ' %d submits %s ms, bare %s ms\n' "$submits" "$submit_ms" "$bare_ms"
done
printf 'jobs a second, ganger over relay:         %s\n' "$(median <"$work/rates")"
printf 'idle round trip, ganger over relay:       %s\n' "$(median <"$work/idles")"
printf 'whole process, submit over bare:          %s\n' "$(median <"$work/submits")"

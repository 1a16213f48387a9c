#!/bin/bash
# What Ganger does, shown on a report of the packages installed on this machine:
#
#   bash deploy/demo.sh
#   bash deploy/demo.sh --built DIR   with what is built in DIR; installs nothing
#
# On a fresh Debian 12 it installs what it needs (as root or through sudo), builds into
# build/demo, starts a broker on a port that the kernel chooses and two agents, and runs
# the commands that it prints. Every step is checked: the exit status is 0 only if all
# was as it should be. It works in a temporary folder and leaves nothing running.
set -euo pipefail
cd "$(dirname "$0")/.."

built=
case "$#:${1-}" in
0:) ;;
2:--built) built=$(realpath -e "$2") ;;
*)
    echo "usage: deploy/demo.sh [--built DIR]" >&2
    exit 64
    ;;
esac

database=/var/lib/dpkg/status
root=$PWD
folder=$(mktemp -d "${TMPDIR:-/tmp}/ganger-demo.XXXXXX")
step="set-up"
started_at=$SECONDS
broker_pid=

if [ -t 1 ] && [ -z "${NO_COLOR-}" ]; then
    bold=$(printf '\033[1m') dim=$(printf '\033[2m') plain=$(printf '\033[0m')
else
    bold='' dim='' plain=''
fi

# ---- showing and checking ------------------------------------------------------------

heading() {
    step=$1
    printf '\n%s== %s%s\n' "$bold" "$1" "$plain"
}

say() {
    printf '%s# %s%s\n' "$dim" "$1" "$plain"
}

# Print a command as a user would type it, and run exactly that.
show() {
    printf '%s$ %s%s\n' "$bold" "$1" "$plain"
    eval "$1"
}

fail() {
    printf 'demo: %s: %s\n' "$step" "$1" >&2
    exit 1
}

check() { # what should be, command...
    local what=$1
    shift
    "$@" || fail "this does not hold: $what"
}

expect_status() { # status, command to show
    local status=0
    show "$2" || status=$?
    [ "$status" -eq "$1" ] || fail "exit status $status instead of $1: $2"
    say "exit status $status"
}

# ---- waiting -------------------------------------------------------------------------

# The first line of a growing file that holds a pattern, now or within 20 s.
await_line() { # file, pattern
    (
        set +o pipefail # `tail` ends by a broken pipe once `grep` has its line.
        : >>"$1" # Who writes it may not have come to open it, and `tail` would end.
        timeout 20 tail -n +1 -f "$1" 2>/dev/null | grep -m 1 -e "$2"
    ) || fail "no line '$2' in $1 within 20 s"
}

count_lines() { # pattern: so many events fit it
    grep -c -e "$1" events.log || true
}

# A field of a job, from its JSON.
field_of() { # field, how `ganger status` is told of the job...
    local field=$1
    shift
    ganger status "$@" -o json 2>/dev/null |
        sed -n "s/^  \"$field\": \"\{0,1\}\([^\",]*\)\"\{0,1\},\{0,1\}$/\1/p"
}

# No command waits for a job's progress, so this one looks ten times a second.
await_progress() { # percent, how `ganger status` is told of the job...
    local least=$1 end=$((SECONDS + 20)) progress
    shift
    while [ "$SECONDS" -lt "$end" ]; do
        progress=$(field_of progress "$@" || true)
        case $progress in
        0.*)
            progress=${progress#0.}00
            if [ "$((10#${progress:0:2}))" -ge "$least" ]; then
                return
            fi
            ;;
        1*) return ;;
        esac
        sleep 0.1
    done
    fail "no progress of $least % within 20 s"
}

# ---- leaving nothing behind ----------------------------------------------------------

# Everything that descends from this demo carries its folder in its environment.
ours() {
    local environment pid
    for environment in /proc/[0-9]*/environ; do
        pid=${environment//[!0-9]/}
        if [ "$pid" != "$$" ] && [ "$pid" != "$BASHPID" ] &&
            tr '\0' '\n' 2>/dev/null <"$environment" | grep -qxF "GANGER_DEMO=$folder"
        then
            echo "$pid"
        fi
    done 2>/dev/null
}

stop() { # pid: TERM, and KILL after 5 s
    kill -TERM "$1" 2>/dev/null || return 0
    timeout 5 tail --pid="$1" -f /dev/null || kill -KILL "$1" 2>/dev/null || true
    wait "$1" 2>/dev/null || true
}

clean_up() {
    local status=$? pid left running
    trap - EXIT INT TERM HUP
    set +e
    running=$(jobs -pr | grep -vxF "${broker_pid:-none}")
    for pid in $running; do
        kill -TERM "$pid" 2>/dev/null
    done
    for pid in $running $broker_pid; do # The broker last: agents say goodbye to it.
        stop "$pid"
    done
    left=$(ours)
    if [ -n "$left" ]; then
        for pid in $left; do
            printf 'demo: left running: %s %s\n' "$pid" \
                "$(tr '\0' ' ' <"/proc/$pid/cmdline")" >&2
            kill -KILL "$pid"
        done
        [ "$status" -ne 0 ] || status=1
    fi
    if [ "$status" -ge 128 ]; then
        echo "demo: interrupted" >&2
    elif [ "$status" -ne 0 ]; then
        printf 'demo: failed at: %s\n' "$step" >&2
        tail -n 20 "$folder"/*.log >&2
    fi
    cd /
    rm -rf "$folder"
    if [ "$status" -eq 0 ]; then
        printf '\nAll as promised, in %s s; nothing is left running.\n' \
            "$((SECONDS - started_at))"
    fi
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# ---- set-up --------------------------------------------------------------------------

quietly() { # what, command...
    local what=$1 began=$SECONDS
    shift
    printf '%s ... ' "$what"
    if ! "$@" >"$folder/set-up.log" 2>&1; then
        echo "failed"
        cat "$folder/set-up.log"
        exit 1
    fi
    echo "$((SECONDS - began)) s"
}

configure() {
    cmake --preset release -B build/demo -DGG_TESTS=OFF
}

[ -r "$database" ] || fail "there is no $database: this demo wants a Debian machine"
if [ -z "$built" ]; then
    built=$root/build/demo
    quietly "packages (deploy/deps.sh --run)" deploy/deps.sh --run
    quietly "configuring (build/demo)" configure
    quietly "building" cmake --build build/demo
fi

export GANGER_DEMO="$folder"
export TMPDIR="$folder"
unset XDG_RUNTIME_DIR GANGER_KEY_FILE GANGER_SERVER_KEY
export PATH="$built/bin:$root/worker/examples:$PATH"
cd "$folder"

heading "A broker and two agents"
show "gangerd --data data --listen tcp://127.0.0.1:0 2>broker.log &"
broker_pid=$!
ready=$(await_line broker.log event=ready)
broker=${ready#*client=}
show "export GANGER_BROKER=${broker%% *}"
ganger events >events.log 2>events-errors.log &
show "ganger-worker --name one --queue reports -- package-report --seconds 2 2>one.log &"
show "ganger-worker --name two --queue reports -- package-report --seconds 2 2>two.log &"
await_line one.log event=connected >/dev/null
await_line two.log event=connected >/dev/null
show "ganger worker list"

heading "1. Two people ask for the same report at the same moment: one job runs"
show "ganger run reports $database --key today >alice.csv 2>alice.log &"
alice=$!
show "ganger run reports $database --key today >bob.csv"
check "Alice's request succeeded" wait "$alice"
show "cmp alice.csv bob.csv && echo same bytes"
show "head -n 4 bob.csv"
show "ganger job list"
check "one job was accepted" [ "$(count_lines ' accepted reports ')" -eq 1 ]
check "it was started once" [ "$(count_lines ' started reports ')" -eq 1 ]
in_report=$(awk -F , 'NR > 1 { sum += $2 } END { print sum }' bob.csv)
in_dpkg=$(dpkg-query -W -f '${db:Status-Status}\n' | grep -cx installed)
check "the report counts what dpkg counts" [ "$in_report" -eq "$in_dpkg" ]
say "$in_report packages, and dpkg-query counts as many"

heading "2. A third asks later: the result is still there"
TIMEFORMAT='%R s'
show "time ganger run reports $database --key today >carol.csv"
show "cmp alice.csv carol.csv && echo same bytes"
check "nothing was started again" [ "$(count_lines ' started reports ')" -eq 1 ]

heading "3. An agent is killed in the middle of a report: the other one finishes it"
show "ganger run reports $database --key again --wait=30s >dave.csv &"
dave=$!
await_progress 30 --queue reports --key again
show "ganger tree"
victim=$(field_of worker --queue reports --key again)
pid=$(ganger worker list -o json |
    sed -n "/\"name\": \"$victim\"/,/\"pid\"/s/^ *\"pid\": \([0-9]*\),$/\1/p")
show "kill -9 $pid # agent $victim"
wait "$pid" 2>/dev/null || true # Or bash says later, in its own words, that it is gone.
check "the request succeeded all the same" wait "$dave"
show "ganger history --queue reports --key again"
show "cmp alice.csv dave.csv && echo same bytes"
check "the first attempt was lost" \
    [ "$(ganger history --queue reports --key again | grep -c ' lease_lost ')" -eq 1 ]
check "the second was another agent's" [ "$(field_of worker --queue reports --key again)" != "$victim" ]
check "there were two attempts" [ "$(field_of attempt --queue reports --key again)" -eq 2 ]

heading "4. A report that fails is tried again, kept among the failed, and retried by hand"
say "a copy of the database that was cut off:"
show "head -n -5 $database >copy"
expect_status 1 "ganger run reports \$PWD/copy --key copy --attempts 2 --backoff fixed:300ms"
show "ganger job list --filter state:failed"
id=$(ganger job list --filter state:failed -o id)
check "one job is among the failed" [ "$(echo "$id" | wc -w)" -eq 1 ]
show "ganger status $id"
check "it was tried twice" [ "$(field_of attempt "$id")" -eq 2 ]
check "it says its exit status" [ "$(field_of exit_status "$id")" -eq 74 ]
show "ganger logs $id"
say "the copy is made again, and the job retried:"
show "cp $database copy"
show "ganger retry $id"
show "ganger wait $id --wait=20s"
show "ganger result $id | cmp - alice.csv && echo same bytes"

heading "5. A queue is paused: jobs wait, and say why"
show "ganger queue pause reports --reason 'the disk is being changed'"
show "id=\$(ganger submit reports $database --keep 2s -o id)"
show "ganger why \$id"
check "the reason is told" \
    grep -q 'paused.*the disk is being changed' <<<"$(ganger why "$id")"
show "ganger queue list"
show "ganger queue resume reports"
show "ganger wait \$id --wait=20s"
check "it started only after the queue was resumed" \
    [ "$(grep -n " resumed reports " events.log | cut -d : -f 1)" -lt \
    "$(grep -n " started reports $id " events.log | cut -d : -f 1)" ]

heading "6. Its result is kept for two seconds (--keep 2s), then it is gone"
show "ganger result \$id | head -n 2"
await_line events.log " evicted reports $id "
expect_status 2 "ganger status \$id"

heading "The end"

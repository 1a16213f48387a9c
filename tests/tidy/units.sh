#!/bin/bash
# Are the systemd units valid, and is their exposure score within our limit?
# The score is times ten: 15 is 1.5 of systemd's 0 (safe) to 10 (exposed).
set -eu
units=$1

if ! command -v systemd-analyze >/dev/null; then
    echo "skipped: systemd-analyze is missing (package systemd)"
    exit 77
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

check() { # unit, limit
    # The programs need not be installed for this, but verify looks for them.
    sed -E 's,^ExecStart=[^ ]+,ExecStart=/bin/true,' "$units/$1" >"$work/$1"

    if ! systemd-analyze verify "$work/$1" >"$work/out" 2>&1 || [ -s "$work/out" ]; then
        # Only what is said about our own unit counts, not about the host's.
        if grep -F "$1" "$work/out"; then
            echo "$1: systemd-analyze verify complains"
            exit 1
        fi
    fi
    if ! systemd-analyze security --offline=yes --no-pager --threshold="$2" "$work/$1" \
        >"$work/out" 2>&1; then
        grep -v '^✓' "$work/out" || true
        echo "$1: exposure is above $2 (times ten)"
        exit 1
    fi
    grep -F 'Overall exposure level' "$work/out"
}

check gangerd.service 15
check ganger-worker@.service 25

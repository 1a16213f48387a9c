#!/bin/bash
# Run the simulator's seeds of cases.txt.   cases.sh SIM CASES
set -u
failed=0
while read -r seed; do
    case $seed in '#'* | '') continue ;; esac
    "$1" --seed "$seed" || failed=1
done <"$2"
exit $failed

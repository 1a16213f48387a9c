#!/bin/bash
# A co-process whose payloads are scripts: each test says what its job does. `answer TEXT`
# succeeds with TEXT; $folder is the job's folder, $jobs counts the jobs of this process,
# $mark is its argument. USR1 and USR2 end it.
answer() { printf 'ok %d\n%s\n' "${#1}" "$1"; }
jobs=0
mark=$1
trap 'exit 0' USR1
trap 'exit 1' USR2
echo ready 1
while read -r _ size; do
    while read -r line && [ -n "$line" ]; do
        case $line in folder=*) folder=${line#folder=} ;; esac
    done
    IFS= read -r -N "$size" payload
    read -r _
    jobs=$((jobs + 1))
    eval "$payload"
done

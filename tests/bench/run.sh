#!/bin/bash
# The benchmarks behind one command; run.py and durable.py say what each row is.
#
#   run.sh [--quick] [--pairs N] [--only TEXT] [--data DIR]
#
# GG_BIN_DIR holds the programs of a release build, GG_BENCH_DIR those of tests/bench.
set -e
/usr/bin/python3 -B "$(dirname "$0")/durable.py" "$@"
/usr/bin/python3 -B "$(dirname "$0")/run.py" "$@" # The last line sums its rows up.

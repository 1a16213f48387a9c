#!/bin/bash
# The benchmarks behind one command; run.py says what each row is.
#
#   run.sh [--quick] [--pairs N] [--only TEXT] [--data DIR]
#
# GG_BIN_DIR holds the programs of a release build, GG_BENCH_DIR relay and roundtrip.
exec /usr/bin/python3 "$(dirname "$0")/run.py" "$@"

#!/bin/sh
# The same seed is the same world in every build: state hashes of the simulator with
# sanitizers and of the optimised one without.
#
#   same_world.sh SIM SIM_FAST SEEDS
set -eu
"$1" --hashes "$3" >"$1.hashes"
"$2" --hashes "$3" >"$2.hashes"
cmp "$1.hashes" "$2.hashes"
echo "$3 seeds, the same world in both"

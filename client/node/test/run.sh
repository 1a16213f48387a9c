#!/bin/sh
# Run tests of the package in its folder of the build tree (see prepare.sh).
#
#   run.sh FOLDER COMMAND ARG...    exit 77 where the folder is not ready
set -eu

cd "$1"
shift
if [ ! -e ready ]; then
    echo "skipped: the package could not be made ready; the test node_package says why" >&2
    exit 77
fi
exec "$@"

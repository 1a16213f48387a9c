#!/bin/sh
# A worker in three lines: payload in, result out, progress on descriptor 3.
#   ganger-worker --queue upper --slots 4 -- ./upper.sh
echo "progress 0.5 reading" >&3
tr a-z A-Z

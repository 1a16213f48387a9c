#!/bin/sh
# The example file in deploy/config is what the table of settings says.
set -eu
"$GG_BIN_DIR/gangerd" --print-config | diff - "$GG_SOURCE_DIR/deploy/config/gangerd.conf"

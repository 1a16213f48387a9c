#!/bin/sh
# A public header compiles alone, as C11 and as C++, without a warning.
set -eu
root=$1
cc=$2
cxx=$(command -v g++ || command -v clang++ || true)
count=0

for header in "$root"/client/include/ganger/*.h "$root"/worker/include/ganger/*.h; do
    if [ ! -e "$header" ]; then
        continue
    fi
    dir=${header%/ganger/*}
    line="#include <ganger/${header##*/}>"
    echo "$line" | "$cc" -std=c11 -Wall -Wextra -Wpedantic -Werror -fsyntax-only \
        -I"$dir" -x c -
    if [ -n "$cxx" ]; then
        echo "$line" | "$cxx" -std=c++11 -Wall -Wextra -Wpedantic -Werror -fsyntax-only \
            -I"$dir" -x c++ -
    else
        echo "no C++ compiler: $header was tried as C only"
    fi
    count=$((count + 1))
done

if [ "$count" -eq 0 ]; then
    echo "skipped: there is no public header yet"
    exit 77
fi
echo "$count public headers compile alone"

#!/bin/sh
# A program outside our tree finds the installed library, by CMake and by pkg-config;
# the library shows only what its header names.
#
#   installed.sh SOURCE BUILD SANITIZERS
set -eu
source=$1
build=$2
if [ -n "${3:-}" ]; then
    echo "skipped: a program without sanitizers cannot use a library with them"
    exit 77
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cmake --install "$build" --prefix "$folder/root" >"$folder/install.log" ||
    { cat "$folder/install.log"; exit 1; }

library=$(find "$folder/root" -name libganger.so)
test -n "$library"
nm -D --defined-only "$library" | awk '{print $NF}' | sort >"$folder/shown"
sed -n 's/^.*\b\(ganger_[a-z_]*\)(.*$/\1/p' \
    "$source/client/include/ganger/client.h" | sort -u >"$folder/named"
if grep -v '^ganger_' "$folder/shown"; then
    echo "the library shows names that are not its own"
    exit 1
fi
if [ -n "$(comm -23 "$folder/shown" "$folder/named")" ]; then
    echo "the library shows what its header does not name:"
    comm -23 "$folder/shown" "$folder/named"
    exit 1
fi
readelf -d "$library" | grep -q 'SONAME.*libganger\.so\.0' ||
    { echo "the library's name is not libganger.so.0"; exit 1; }
if readelf -d "$library" | grep NEEDED | grep -q czmq; then
    echo "the library needs czmq"
    exit 1
fi

mkdir "$folder/user"
cat >"$folder/user/CMakeLists.txt" <<EOF
cmake_minimum_required(VERSION 3.20)
project(user LANGUAGES C CXX)
set(CMAKE_C_STANDARD 11)
set(CMAKE_CXX_STANDARD 17)
find_package(ganger REQUIRED)
add_executable(submit $source/client/examples/submit.c)
add_executable(loop $source/client/examples/loop.c)
add_executable(submit_cpp $source/client/examples/submit.cpp)
add_executable(submit_static $source/client/examples/submit.c)
target_compile_options(submit PRIVATE -Wall -Wextra -Wpedantic -Werror)
target_compile_options(submit_cpp PRIVATE -Wall -Wextra -Wpedantic -Werror)
foreach(program submit loop submit_cpp)
    target_link_libraries(\${program} PRIVATE ganger::ganger)
endforeach()
target_link_libraries(submit_static PRIVATE ganger::ganger-static)
EOF
cmake -S "$folder/user" -B "$folder/made" -DCMAKE_PREFIX_PATH="$folder/root" \
    >"$folder/cmake.log" 2>&1 && cmake --build "$folder/made" >>"$folder/cmake.log" 2>&1 ||
    { cat "$folder/cmake.log"; exit 1; }

# Nobody listens on port 1: exit 5, and one sentence that says where.
for program in submit submit_cpp submit_static; do
    status=0
    GANGER_BROKER=127.0.0.1:1 "$folder/made/$program" q x 2>"$folder/said" || status=$?
    if [ "$status" -ne 5 ] || ! grep -q 'tcp://127.0.0.1:1' "$folder/said"; then
        echo "$program ended with $status and said:"
        cat "$folder/said"
        exit 1
    fi
done

pc=$(find "$folder/root" -name ganger.pc)
flags=$(PKG_CONFIG_PATH=$(dirname "$pc") pkg-config --cflags --libs ganger)
# shellcheck disable=SC2086
cc -std=c11 -o "$folder/by_pkg_config" "$source/client/examples/submit.c" $flags
echo "installed, found by CMake and pkg-config, $(wc -l <"$folder/shown") names shown"

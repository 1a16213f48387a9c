#!/bin/sh
# The one list of the Debian packages that Ganger needs, and what installs them.
#
#   deploy/deps.sh          all: to build, to run, and to run every test
#   deploy/deps.sh --run    only what building and running the programs needs
#   deploy/deps.sh --list   print the packages, install nothing
#
# It looks at what is installed first; when nothing is missing it changes nothing and
# asks no server. Otherwise it calls apt-get, as root or through sudo.
# shellcheck disable=SC2086 # The lists are meant to be split.
set -eu

BUILD_AND_RUN="
    gcc libc6-dev cmake ninja-build pkg-config
    libczmq-dev libinih-dev libjansson-dev libmsgpack-dev libsmartcols-dev
    libsodium-dev libsqlite3-dev libsystemd-dev libxxhash-dev libzmq3-dev uthash-dev
    scdoc
"
TESTS="
    g++ make clang clang-format-14 clang-tidy-14 libclang-rt-14-dev
    libcmocka-dev
    e2fsprogs iproute2 mount procps strace systemd valgrind xfsprogs
    python3 python3-msgpack python3-zmq
    nodejs npm
    mypy python3-pip python3-pytest python3-setuptools python3-venv python3-wheel
"

packages="$BUILD_AND_RUN $TESTS"
list_only=no
for arg in "$@"; do
    case $arg in
    --run) packages=$BUILD_AND_RUN ;;
    --list) list_only=yes ;;
    *)
        echo "usage: deploy/deps.sh [--run] [--list]" >&2
        exit 64
        ;;
    esac
done

if [ "$list_only" = yes ]; then
    printf '%s\n' $packages
    exit 0
fi

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "deps: this is not Debian; install what these packages hold yourself:" >&2
    printf '  %s\n' $packages >&2
    exit 1
fi

# A virtual or never seen package makes dpkg-query fail; that is "missing" as well. A
# nodejs that is not Debian's brings its own npm, and the two exclude each other.
missing=
for package in $packages; do
    if [ "$package" = npm ] && command -v npm >/dev/null; then
        continue
    fi
    state=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
    if [ "$state" != installed ]; then
        missing="$missing $package"
    fi
done

if [ -z "$missing" ]; then
    echo "deps: all $(echo $packages | wc -w) packages are installed"
    exit 0
fi
echo "deps: missing:$missing"

as_root=
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "deps: neither root nor sudo here; run as root:" >&2
        echo "  apt-get update && apt-get install --no-install-recommends$missing" >&2
        exit 1
    fi
    as_root=sudo
    if [ ! -t 0 ]; then
        as_root="sudo -n"
    fi
fi

echo "deps: installing them with apt-get${as_root:+ through sudo}"
apt() {
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y \
        -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 "$@" </dev/null
}
apt update
apt install --no-install-recommends $missing
echo "deps: installed"

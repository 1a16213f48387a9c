#!/bin/sh
# Make the package ready in the build tree: sources copied, dependencies installed from
# package-lock.json, TypeScript compiled. The source tree stays as it is.
#
#   prepare.sh SOURCE FOLDER    exit 77, and say why, where it cannot be done here
#
# Nothing is done twice: dependencies are installed again when the lock has changed.
set -eu

source=$1
folder=$2

skip() {
    echo "skipped: $*" >&2
    rm -f "$folder/ready"
    exit 77
}

command -v node >/dev/null || skip "there is no node here; deploy/deps.sh installs it"
command -v npm >/dev/null || skip "there is no npm here; deploy/deps.sh installs it"
major=$(node -p 'process.versions.node.split(".")[0]')
[ "$major" -ge 18 ] || skip "node $major is too old; 18 is the least"

mkdir -p "$folder"
# One at a time: tests of one build tree may run side by side.
exec 9>"$folder/lock"
flock 9
rm -f "$folder/ready"

for part in src test examples bench; do
    rm -rf "${folder:?}/$part"
    [ ! -d "$source/$part" ] || cp -R "$source/$part" "$folder/$part"
done
for file in package.json package-lock.json tsconfig.json eslint.config.mjs README.md; do
    [ ! -e "$source/$file" ] || cp "$source/$file" "$folder/$file"
done

cd "$folder"
if ! cmp -s package-lock.json installed-lock.json; then
    rm -f installed-lock.json
    # Install scripts are not needed: zeromq brings its library along, compiled.
    if ! npm ci --ignore-scripts --no-audit --no-fund --prefer-offline \
        --fetch-retries=1 --fetch-retry-mintimeout=1000 >npm.log 2>&1; then
        cat npm.log >&2
        # A certificate that is not trusted: something on the way answers for it.
        if grep -qE 'ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ECONNRESET|network|_CERT' \
            npm.log
        then
            skip "the npm registry cannot be reached from here; see above"
        fi
        exit 1
    fi
    cp package-lock.json installed-lock.json
fi

rm -rf dist
node_modules/.bin/tsc -p tsconfig.json
touch ready

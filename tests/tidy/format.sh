#!/bin/sh
# Is every C file formatted? The version of clang-format is pinned: others differ.
set -eu
cd "$1"

if ! command -v clang-format-14 >/dev/null; then
    echo "skipped: clang-format-14 is missing (package clang-format-14)"
    exit 77
fi

list=$(mktemp)
trap 'rm -f "$list"' EXIT
if ! git ls-files -- '*.c' '*.h' >"$list" 2>/dev/null; then
    # A source archive has no list of tracked files.
    find . -path ./build -prune -o -name '*.[ch]' -print >"$list"
fi

# A tracked file may just have been removed from the tree.
while IFS= read -r file; do
    if [ -e "$file" ]; then
        printf '%s\0' "$file"
    fi
done <"$list" >"$list.present"
mv "$list.present" "$list"
count=$(tr -dc '\0' <"$list" | wc -c)

xargs -0 -r clang-format-14 --dry-run -Werror <"$list"
echo "$count files are formatted"

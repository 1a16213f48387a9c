#!/usr/bin/env python3
"""The kept inputs of a fuzz target: a file of hex lines here, files for libFuzzer.

    corpus.py unpack CORPUS.hex FOLDER   one file an input
    corpus.py pack FOLDER CORPUS.hex     the other way, shortest first, up to a limit

What stands behind the line "# found" once was a finding; pack leaves it there.
"""
import hashlib
import pathlib
import sys

INPUT_BYTES_MAX = 2048
CORPUS_BYTES_MAX = 49152  # Of each target, as bytes.
FOUND = "# found\n"


def unpack(corpus, folder):
    folder.mkdir(parents=True, exist_ok=True)
    for line in corpus.read_text().splitlines():
        if not line.startswith("#"):
            data = bytes.fromhex(line)
            (folder / hashlib.sha1(data).hexdigest()).write_bytes(data)


def pack(folder, corpus):
    inputs = sorted({f.read_bytes() for f in folder.iterdir() if f.is_file()},
                    key=lambda data: (len(data), data))
    lines, total = [], 0
    for data in inputs:
        total += len(data)
        if data and len(data) <= INPUT_BYTES_MAX and total <= CORPUS_BYTES_MAX:
            lines.append(data.hex() + "\n")
    _, mark, found = corpus.read_text().partition(FOUND)
    corpus.write_text("".join(lines) + mark + found)
    print(f"{corpus}: {len(lines)} of {len(inputs)} inputs")


def main():
    if len(sys.argv) != 4 or sys.argv[1] not in ("pack", "unpack"):
        sys.exit(__doc__)
    act = pack if sys.argv[1] == "pack" else unpack
    act(pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]))


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""What gcov counted in a build tree, by the files whose coverage is promised.

    coverage.py TREE [--missed FILE ...]

Left out, of lines and of branches: what stands in a GG_ASSERT or is a GG_BUG, the way out
of a switch that names every value of its enum, and what EXCUSED says. They are for what
cannot happen; a test that makes it happen would be a test of nothing. All else counts.
The exit status is 1 when an aim is missed.
"""
import collections
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

# A group, its files, and the least share of its lines and branches, in percent.
GROUPS = [
    ("the core", r"broker/core/\w+\.c", 95, 90),
    ("the agent's core", r"worker/(agent\w*|attempts|postbag|verdict)\.c", 95, 90),
    ("supervision", r"worker/sup/\w+\.c", 95, 90),
    ("the decoder", r"common/(wire|read|codec)\.c", 95, 100),
]

# A line, how many of its branches nothing can take, and why: of all the readers made from
# the records' lists, that of `event` alone has no field for the quick way, because a list
# that may not be empty goes by the table.
EXCUSED = {("common/read.c", "GG_RECORD_LIST(X)"): 1}


def left_out(text):
    """Numbers of the lines inside a GG_ASSERT(…) or GG_BUG(…)."""
    lines = set()
    for start in re.finditer(r"\bGG_(ASSERT|BUG)\(", text):
        depth, end = 1, start.end()
        while depth > 0:
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
        first = text.count("\n", 0, start.start()) + 1
        lines.update(range(first, text.count("\n", 0, end) + 2))
    return lines


def full_switches(text):
    """Lines of the switches without a default: they name every value of an enum, which
    -Wswitch-enum makes an error otherwise. gcov counts a way out for a value that is
    none of them."""
    lines = set()
    for start in re.finditer(r"\bswitch \(", text):
        depth, end = 0, text.index("{", start.end())
        while True:
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
            if depth == 0:
                break
        if not re.search(r"\bdefault\s*:", text[start.start():end]):
            lines.add(text.count("\n", 0, start.start()) + 1)
    return lines


def wanted(name):
    return next((g for g in GROUPS if re.fullmatch(g[1], name)), None)


def counts(tree):
    """For each file that counts: line -> (times run, [times each branch was taken])."""
    files = collections.defaultdict(dict)
    for data in sorted(tree.glob("**/gg_*.dir/**/*.gcda")):
        out = subprocess.run(
            ["gcov", "--json-format", "--branch-probabilities", "--stdout", str(data)],
            check=True, capture_output=True, cwd=tree).stdout
        for document in out.splitlines():
            report = json.loads(document)
            for file in report["files"]:
                path = pathlib.Path(report["current_working_directory"], file["file"])
                path = path.resolve()
                if not path.is_relative_to(ROOT):
                    continue
                name = path.relative_to(ROOT).as_posix()
                if wanted(name) is not None:
                    add(files[name], file["lines"])
    return files


def add(lines, more):
    for line in more:
        was = lines.get(line["line_number"], (0, []))
        taken = [branch["count"] for branch in line["branches"]]
        lines[line["line_number"]] = (was[0] + line["count"], was[1] + taken)


def judge(name, lines):
    text = (ROOT / name).read_text()
    out = left_out(text)
    kept = {n: line for n, line in lines.items() if n not in out}
    for n in full_switches(text) & kept.keys():
        run, taken = kept[n]
        if 0 in taken:
            kept[n] = (run, taken[:taken.index(0)] + taken[taken.index(0) + 1:])
    source = text.splitlines()
    for (file, line), count in EXCUSED.items():
        for n in [n for n in kept if file == name and source[n - 1] == line]:
            run, taken = kept[n]
            for _ in range(min(count, taken.count(0))):
                taken.remove(0)
    branches = [taken for _, line in kept.items() for taken in line[1]]
    return kept, (sum(run > 0 for run, _ in kept.values()), len(kept),
                  sum(taken > 0 for taken in branches), len(branches))


def share(part, whole):
    return 100.0 * part / whole if whole > 0 else 100.0


def print_missed(name, kept):
    text = (ROOT / name).read_text().splitlines()
    for n, (run, taken) in sorted(kept.items()):
        if run == 0:
            print(f"{name}:{n}: never run: {text[n - 1].strip()}")
        elif 0 in taken:
            which = "".join("-" if count == 0 else "+" for count in taken)
            print(f"{name}:{n}: {which}: {text[n - 1].strip()}")


def main():
    tree = pathlib.Path(sys.argv[1]).resolve()
    missed = sys.argv[3:] if sys.argv[2:3] == ["--missed"] else []
    files = counts(tree)
    failed = 0
    for group, pattern, lines_least, branches_least in GROUPS:
        total = [0, 0, 0, 0]
        for name in sorted(files):
            if re.fullmatch(pattern, name):
                kept, got = judge(name, files[name])
                total = [a + b for a, b in zip(total, got)]
                print(f"  {name:<28} lines {got[0]:>4}/{got[1]:<4} branches "
                      f"{got[2]:>4}/{got[3]:<4} {share(got[2], got[3]):6.1f} %")
                if any(name.endswith(want) for want in missed):
                    print_missed(name, kept)
        lines, branches = share(*total[:2]), share(*total[2:])
        good = total[1] > 0 and lines >= lines_least and branches >= branches_least
        failed += not good
        print(f"{group}: lines {lines:.1f} % (aim {lines_least}), branches "
              f"{branches:.1f} % (aim {branches_least}): {'holds' if good else 'MISSED'}")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())

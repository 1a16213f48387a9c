#!/usr/bin/env python3
"""Checks no compiler makes: who may include whom, sizes, banned calls. Run by ctest.

    tidy.py [ROOT]    prints `file:line: why` for each fault; exit 1 if there is one
"""
import pathlib
import re
import sys

# A file under the left folder may include, besides its own folder, only these. The
# public headers are named by the folder they are in: <ganger/client.h> is client/include.
MAY_INCLUDE = {
    "common": [],
    "broker/core": ["common"],
    "broker/store": ["common"],
    "broker/io": ["common", "broker/core", "broker/store"],
    "broker": ["common", "broker/core", "broker/store", "broker/io"],
    "worker/sup": ["common"],
    "worker/exec": ["common"],
    "worker/include": [],
    "worker/lib": ["common", "worker/include"],
    "worker/examples": ["worker/include"],
    "worker": ["common", "worker/sup", "worker/exec"],
    "client/include": [],
    "client/src": ["common", "client/include"],
    "client/cli": ["common", "client/include"],
    "client/web": ["common", "client/include"],
}
PUBLIC = ("client/include", "worker/include")

# These decide and never act: what they know of the world comes in as arguments.
PURE = ("broker/core/", "worker/sup/", "worker/agent.", "client/src/session.")
PURE_CALLS = re.compile(
    r"\b(time|clock_gettime|gettimeofday|rand|random|getrandom|getenv|f?printf|puts|fopen"
    r"|open|read|write|fork|kill|zmq_\w+|gg_log\w*|gg_now|gg_\w+_now|gg_rng_seed)\s*\("
)
PURE_HEADERS = re.compile(
    r"(zmq|czmq|unistd|time|fcntl|poll|pthread|signal|syslog)\.h$|sys/|common/log\.h$"
)

BANNED_CALLS = re.compile(
    r"\b(strcpy|strcat|v?sprintf|gets|strtok|atoi|atol|atoll|atof|usleep|system|alloca)\s*\("
)
# Calls with one home; tests may use them.
ONE_HOME = {
    "common/clock.c": re.compile(r"\b(clock_gettime|gettimeofday|time)\s*\("),
}
# Headers of others with few homes: one wrapper for each foreign library.
FOREIGN = {
    re.compile(r"msgpack"): ("common/", "tests/"),
    re.compile(r"ini\.h$"): ("common/", "tests/"),
    re.compile(r"sqlite3\.h$|libpq"): ("broker/store/", "tests/"),
    re.compile(r"czmq\.h$"): ("broker/io/", "worker/", "tests/"),
    re.compile(r"\bzmq\.h$"): (
        "common/frame.", "broker/", "worker/", "client/src/", "client/cli/keypair.c",
        "tests/",
    ),
    re.compile(r"systemd/"): ("broker/", "worker/", "tests/"),
}

# A comment that says later instead of a program that does it now.
UNFINISHED = re.compile(r"\b(TO[D]O|FIX[M]E|XX[X])\b")
# The one reason for a long function, said in a comment of one line directly above it.
LONG_FUNCTION_REASON = re.compile(r"^/\*.*\bflat (table|list|switch)\b.*\*/$")

LINE_MAX, TABLE_LINE_MAX, FUNCTION_MAX, FILE_MAX = 88, 140, 70, 800
SKIPPED_FOLDERS = {"build", "node_modules", "__pycache__"}
SCRIPTS = {".py", ".sh", ".js", ".mjs", ".jsx", ".cmake"}

TOKEN = re.compile(
    r"""/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""", re.DOTALL
)


def owner(path):
    """The folder of the table that `path` belongs to, or None."""
    fits = [folder for folder in MAY_INCLUDE if path.startswith(folder + "/")]
    return max(fits, key=len, default=None)


def code_only(text):
    """`text` with comments and the insides of strings blanked, line for line."""

    def blank(match):
        token = match[0]
        if token[0] in "\"'":
            return token[0] + token[0]
        return re.sub(r"[^\n]", " ", token)

    return TOKEN.sub(blank, text)


def line_comments(text):
    """Offsets of all // comments that are not inside a string or another comment."""
    return [m.start() for m in TOKEN.finditer(text) if m[0].startswith("//")]


def public_home(root, name):
    """Which folder of public headers holds ganger/NAME; None if none does."""
    for folder in PUBLIC:
        if (root / folder / name).is_file():
            return folder
    return None


def check_include(root, path, line):
    """Why this include line is not allowed, or None."""
    match = re.match(r'\s*#\s*include\s*(["<])([^">]+)[">]', line)
    if not match:
        return None
    quote, target = match.groups()
    home = owner(path)

    if path.startswith(PURE) and PURE_HEADERS.search(target):
        return f"{target}: what decides does no I/O and reads no clock"
    for header, homes in FOREIGN.items():
        if quote == "<" and header.search(target) and not path.startswith(homes):
            return f"{target} may only be used under {', '.join(homes)}"

    if target.startswith("ganger/"):
        there = public_home(root, target)
        if there is None:
            return f"there is no public header {target}"
    elif quote == "<":
        return None
    elif "/" not in target or target.startswith("."):
        return "write includes from the root of the repository"
    elif home in PUBLIC:
        return "a public header includes only public and standard headers"
    else:
        there = owner(target) or target.rsplit("/", 1)[0]

    if home is None or there == home or there in MAY_INCLUDE[home]:
        return None
    return f"{home} may not include {there}"


def check_guard(path, text):
    """Why the include guard of this header is wrong, or None."""
    if path.startswith(tuple(folder + "/" for folder in PUBLIC)):
        name = path.split("/include/", 1)[1]
    else:
        name = "gg/" + path
    guard = re.sub(r"[^A-Z0-9]", "_", name.upper())
    if f"#ifndef {guard}\n#define {guard}\n" not in text:
        return f"the include guard is not {guard}"
    return None


def first_line_of_function(lines, brace):
    """Index of the line where the function starts whose { is alone on line `brace`."""
    start = brace
    while start > 0 and re.match(r"[\w\s]", lines[start - 1]) and lines[start - 1].strip():
        if lines[start - 1].rstrip().endswith(";"):
            break
        start -= 1
    return start


def check_functions(lines, code_lines):
    brace = None
    for index, line in enumerate(code_lines):
        if line == "{":
            brace = index
        elif line.startswith("}") and brace is not None:
            start = first_line_of_function(lines, brace)
            above = lines[start - 1] if start > 0 else ""
            too_long = index - brace - 1 > FUNCTION_MAX
            if too_long and not LONG_FUNCTION_REASON.match(above):
                yield brace + 1, f"function body is longer than {FUNCTION_MAX} lines"
            brace = None


def check_line(root, path, line, code, table):
    limit = TABLE_LINE_MAX if table else LINE_MAX
    if len(line) > limit:
        yield f"line is longer than {limit} columns"
    call = BANNED_CALLS.search(code)
    if call:
        yield f"{call[1]}() is banned"
    call = PURE_CALLS.search(code) if path.startswith(PURE) else None
    if call:
        yield f"{call[1]}(): what decides does no I/O and reads no clock"
    for home, calls in ONE_HOME.items():
        call = calls.search(code)
        if call and path != home and not path.startswith(("tests/",) + PURE):
            yield f"{call[1]}() may only be called in {home}"
    why = check_include(root, path, line)
    if why:
        yield why


def check_c(root, path, text):
    lines = text.split("\n")
    code_lines = code_only(text).split("\n")
    if len(lines) - 1 > FILE_MAX:
        yield 1, f"file has {len(lines) - 1} lines; look for the second idea in it"
    if path.endswith(".h"):
        why = check_guard(path, text)
        if why:
            yield 1, why
    for offset in line_comments(text):
        yield text.count("\n", 0, offset) + 1, "write /* comments */"
    table = False
    for n, (line, code) in enumerate(zip(lines, code_lines), 1):
        if "clang-format off" in line:
            table = True
        elif "clang-format on" in line:
            table = False
        for why in check_line(root, path, line, code, table):
            yield n, why
    yield from check_functions(lines, code_lines)


def check(root, path, text):
    """All faults of one file, as (line, why)."""
    for n, line in enumerate(text.split("\n"), 1):
        if UNFINISHED.search(line):
            yield n, "do it now, or say in the documentation that it is not done"
    if path.endswith((".c", ".h")):
        yield from check_c(root, path, text)


def is_checked(path):
    parts = path.parts
    if any(part in SKIPPED_FOLDERS or part.startswith(".") for part in parts[:-1]):
        return False
    return path.suffix in SCRIPTS | {".c", ".h"} or path.name == "CMakeLists.txt"


def main(argv):
    root = pathlib.Path(argv[1] if len(argv) > 1 else ".")
    files = [p.relative_to(root) for p in root.rglob("*") if p.is_file()]
    files = sorted(p for p in files if is_checked(p))
    bad = 0
    for file in files:
        text = (root / file).read_text(encoding="utf-8")
        for n, why in sorted(check(root, file.as_posix(), text)):
            print(f"{file.as_posix()}:{n}: {why}")
            bad += 1
    print(f"tidy: {len(files)} files, {bad} faults")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))

"""it_readme.py BUILD-TREE - is the README true?

It runs the demo with the programs of the build tree and asks that every line of the
README's sample comes in its output, in that order; compiles its programs in C; asks
every command line it shows for its help; and looks for every file it names.
"""
import glob
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.environ["GG_SOURCE_DIR"]
BUILD = sys.argv[1]

# What differs from run to run and from machine to machine.
CHANGING = [
    (r"\b[0-9A-HJKMNP-TV-Z]{26}\b", "ID"),
    (r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME"),
    (r"\b(one|two)\b(?= +[-t]| *$)", "AGENT"),
    (r"kill -9 \d+ # agent \w+", "kill -9 PID # agent AGENT"),
    (r"^\d+\.\d+ s$", "N s"),
    (r"^[\w/-]+,\d+,\d+,.*", "ROW"),
    (r"exit status 74: package-report: .*", "exit status 74: package-report: TEXT"),
    (r"\s+", " "),
]


def normal(line):
    for pattern, word in CHANGING:
        line = re.sub(pattern, word, line)
    return line.strip()


def blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.M | re.S)


def check_sample(text):
    demo = subprocess.run(
        ["bash", f"{ROOT}/deploy/demo.sh", "--built", BUILD],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, timeout=100)
    if demo.returncode != 0:
        return [f"the demo ends with {demo.returncode}:\n{demo.stdout}"]
    printed = iter([normal(line) for line in demo.stdout.splitlines()])
    wanted = [line for line in blocks(text, "console")[0].splitlines() if line]
    assert len(wanted) > 30
    for line in wanted:
        if normal(line) not in printed: # Consumes `printed` up to that line.
            return [f"the demo does not print, in this place: {line}\n{demo.stdout}"]
    return []


def check_programs(text):
    faults = []
    for number, source in enumerate(blocks(text, "c")):
        with tempfile.NamedTemporaryFile("w", suffix=".c") as file:
            file.write(source)
            file.flush()
            done = subprocess.run(
                ["cc", "-std=c17", "-Wall", "-Wextra", "-Werror", "-fsyntax-only",
                 f"-I{ROOT}/client/include", f"-I{ROOT}/worker/include", file.name],
                stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            faults.append(f"program {number + 1} in C: {done.stderr}")
    return faults


def check_commands(text):
    """Each line's command and its options are among those that its help shows."""
    faults = []
    lines = blocks(text, "sh")[0].splitlines()
    assert len(lines) > 10
    lines += [line.strip() for line in text.splitlines()
              if line.startswith("    ganger key ")]
    for line in lines:
        line = line.split("  #")[0]
        words = []
        for word in line.split()[1:]:
            if not re.fullmatch(r"[a-z]+", word) or len(words) == 2:
                break
            words.append(word)
        for count in (2, 1):
            shown = subprocess.run(
                [f"{BUILD}/bin/ganger", *words[:count], "--help"],
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            if f"Usage: ganger {' '.join(words[:count])} " in shown.stdout:
                break
        else:
            faults.append(f"no such command: {line}")
        for option in re.findall(r"--[a-z-]+", line):
            if option not in shown.stdout:
                faults.append(f"no option {option}: {line}")
    return faults


def check_files(text):
    named = set(re.findall(r"\b(?:common|broker|worker|client|deploy|tests|\.ci)/"
                           r"[\w./*-]*[\w/]", text))
    faults = []
    for name in sorted(named):
        if not glob.glob(f"{ROOT}/{name}"):
            faults.append(f"no such file: {name}")
    return faults


def main():
    with open(f"{ROOT}/README.md", encoding="utf-8") as file:
        text = file.read()
    faults = (check_files(text) + check_programs(text) + check_commands(text) +
              check_sample(text))
    for fault in faults:
        print(f"README.md: {fault}")
    return 1 if faults else 0


sys.exit(main())

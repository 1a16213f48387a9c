"""The package says what the protocol's tables say, and nothing drifts."""
import pathlib
import re
import subprocess
import sys

from conftest import HERE, ROOT

from ganger import _tables, errors


def test_tables_say_nothing_else_than_the_protocol_page():
    """What the page has more is growth, which any peer skips; nothing else may differ."""
    made = subprocess.run(
        [sys.executable, "-B", HERE.parent / "tables.py", ROOT / "common/PROTOCOL.md"],
        check=True, capture_output=True, text=True).stdout
    kept = (HERE.parent / "ganger/_tables.py").read_text(encoding="utf-8")

    page, record, strange = set(), "", []
    for text, note in ((made, page.add), (kept, None)):
        for line in text.splitlines():
            record = line if not line.startswith("  ") else record
            record = line if re.match(r"    '\w+': {$", line) else record
            if note is not None:
                note((record, line))
            elif (record, line) not in page:
                strange.append(line)

    assert strange == [], "run: tables.py ../../common/PROTOCOL.md ganger/_tables.py"
    if made != kept:
        print("the page has grown; run: tables.py ../../common/PROTOCOL.md "
              "ganger/_tables.py")


def test_errors_are_those_of_err_h():
    text = (ROOT / "common/err.h").read_text(encoding="utf-8")
    rows = re.findall(r'X\(\w+,\s*(\d+), "(\w+)",\s*(\d+), "([^"]*)"\)', text)

    table = {int(n): (name, sentence, int(code)) for n, name, code, sentence in rows}

    assert len(table) > 40 and table == _tables.ERRORS


def test_every_error_says_what_to_do():
    names = {name for name, _, _ in _tables.ERRORS.values()} - {"ok"}

    assert set(errors.ADVICE) == names, "add a line to ADVICE in ganger/errors.py"


def test_an_error_of_a_newer_broker_is_a_refusal():
    error = errors.make(999, "something new")

    assert isinstance(error, errors.Refused)
    assert (error.number, error.text, error.exit_code) == (999, "something new", 70)


def test_version_is_that_of_the_project():
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    version = re.search(r"project\(ganger VERSION ([\d.]+)", text)[1]

    import ganger

    assert ganger.__version__ == version

"""The package says what the protocol's tables say, and nothing drifts."""
import difflib
import re
import subprocess
import sys

from conftest import HERE, ROOT

from ganger import _tables, errors
from ganger.unique import unique_key


def test_tables_are_made_from_the_protocol_page():
    made = subprocess.run(
        [sys.executable, "-B", HERE.parent / "tables.py", ROOT / "common/PROTOCOL.md"],
        check=True, capture_output=True, text=True).stdout
    kept = (HERE.parent / "ganger/_tables.py").read_text(encoding="utf-8")

    differs = list(difflib.unified_diff(kept.splitlines(), made.splitlines(), lineterm=""))

    assert differs == [], "run: tables.py ../../common/PROTOCOL.md ganger/_tables.py"


def test_errors_are_those_of_err_h():
    text = (ROOT / "common/err.h").read_text(encoding="utf-8")
    rows = re.findall(r'X\(\w+,\s*(\d+), "(\w+)",\s*(\d+), "([^"]*)"\)', text)

    table = {int(n): (name, sentence, int(code)) for n, name, code, sentence in rows}

    assert len(table) > 40 and table == _tables.ERRORS


def test_key_made_of_a_payload_is_the_one_of_every_language():
    data = bytes((i * i * 131 + i * 7 + (i >> 8) * 29) & 255 for i in range(1 << 20))
    rows = (ROOT / "tests/golden/unique.txt").read_text(encoding="utf-8").splitlines()
    keys = [line.split() for line in rows if not line.startswith("#")]

    assert len(keys) > 50
    for length, key in keys:
        assert unique_key(data[:int(length)]) == key, length


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

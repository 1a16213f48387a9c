"""The package builds and installs, offline, with Debian's tools."""
import os
import pathlib
import shutil
import subprocess
import sys
import zipfile

from conftest import HERE, PATIENCE_S

PACKAGE = HERE.parent


def pip(*words):
    return subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", *map(str, words)],
        check=True, timeout=2 * PATIENCE_S, capture_output=True, text=True)


def copy_to(folder):
    """A build writes beside its sources; they may be read-only."""
    wanted = shutil.ignore_patterns("__pycache__", "build", "*.egg-info", "tests")
    shutil.copytree(PACKAGE, folder, ignore=wanted)
    return folder


def test_wheel_has_everything_and_installs(tmp_path):
    source = copy_to(tmp_path / "source")
    pip("wheel", "--no-build-isolation", "--no-deps", "--no-index", "-w", tmp_path, source)
    (wheel,) = tmp_path.glob("ganger-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    for path in sorted((PACKAGE / "ganger").rglob("*")):
        if path.suffix in (".py", ".typed"):
            assert str(path.relative_to(PACKAGE)) in names

    pip("install", "--no-index", "--target", tmp_path / "site", "--no-deps", wheel)

    run = subprocess.run(
        [sys.executable, "-I", "-c",
         "import sys; sys.path.insert(0, sys.argv[1]); import ganger, ganger.aio, "
         "ganger.testing, ganger.worker; print(ganger.__file__)", tmp_path / "site"],
        check=True, capture_output=True, text=True, env=clean())
    assert pathlib.Path(run.stdout.strip()).is_relative_to(tmp_path)


def test_pip_install_of_the_folder(tmp_path):
    """As the README says, in an environment that sees Debian's packages."""
    source = copy_to(tmp_path / "source")
    subprocess.run([sys.executable, "-m", "venv", "--system-site-packages",
                    "--without-pip", tmp_path / "env"], check=True, timeout=PATIENCE_S)
    python = tmp_path / "env/bin/python"
    subprocess.run([python, "-m", "pip", "install", "--no-build-isolation", "--no-index",
                    source], check=True, timeout=2 * PATIENCE_S, capture_output=True)
    command = tmp_path / "env/bin/ganger-py-worker"
    assert subprocess.run([command, "--help"], env=clean(), capture_output=True,
                          timeout=PATIENCE_S).returncode == 0


def clean():
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

"""What a user gets who installs the wheel and has no clone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ("zpeer", "plugins", "config", "pyproject.toml", "README.md", "LICENSE")
CLUTTER = shutil.ignore_patterns("__pycache__", "*.egg-info", "build")
SHIPPED = ("centered_clip", "mean", "uniform", "closed", "sign_flip", "digits")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy: setuptools leaves a build folder where it builds."""
    copy = tmp_path_factory.mktemp("source")
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=CLUTTER)
        else:
            shutil.copy(source, copy)
    output = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(output), str(copy))
    (found,) = output.glob("zpeer-*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the wheel installed, outside the clone; dependencies come from elsewhere."""
    target = tmp_path_factory.mktemp("site")
    pip("install", "--no-deps", "--no-index", "--target", str(target), str(wheel))
    return target


def pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    subprocess.run(command, check=True, timeout=120)


def run_installed(installed: Path, *arguments: str) -> str:
    """Run zpeer from the installed wheel in a directory that is not the clone."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "zpeer", *arguments],
        cwd=installed.parent,
        env={**os.environ, "PYTHONPATH": str(installed), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_carries_plugins_licence_and_types(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"zpeer/py.typed", "zpeer_plugins/py.typed", "zpeer_plugins/README.md"} <= names
    assert "zpeer_templates/digits.toml" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not any(name.startswith(("tests/", "tools/", "plugins/")) for name in names)


def test_every_module_of_the_clone_is_in_the_wheel(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "zpeer").rglob("*.py")}
    plugins = (ROOT / "plugins").rglob("*.py")
    modules |= {str(Path("zpeer_plugins") / path.relative_to(ROOT / "plugins")) for path in plugins}
    assert modules - names == set()


def test_shipped_plugins_come_from_the_wheel_through_the_entry_point(installed: Path) -> None:
    listed = run_installed(installed, "plugins")
    for name in SHIPPED:
        assert name in listed
    where = "import zpeer, zpeer_plugins; print(zpeer.__file__, zpeer_plugins.__file__)"
    done = subprocess.run(
        [sys.executable, "-P", "-c", where],
        cwd=installed.parent,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.count(str(installed)) == 2


def test_a_template_is_found_by_its_name_without_a_clone(installed: Path, tmp_path: Path) -> None:
    run_installed(installed, "init", "--from", "digits", "--peers", "4", str(tmp_path / "run"))
    assert (tmp_path / "run" / "run.toml").is_file()

"""The package: what is in it, and that what was built runs where nothing else of ours is."""

from __future__ import annotations

import email
import email.message
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

import objlib
from tests.conftest import write_library

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "objlib"


@dataclass(frozen=True, slots=True)
class Built:
    """The two files that are published."""

    wheel: Path
    sdist: Path


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """An sdist of the repository, and a wheel of that sdist."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return Built(wheel, sdist)


def files_of_the_package() -> set[str]:
    """Every file below src/objlib, from `objlib/` on."""
    return {
        f"objlib/{path.relative_to(SOURCE).as_posix()}"
        for path in SOURCE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_wheel_holds_the_package_and_nothing_else(built: Built) -> None:
    """SQL, fault profiles, the mark that it is typed, the licence; no tests and no data."""
    with zipfile.ZipFile(built.wheel) as wheel:
        names = set(wheel.namelist())
    about = {name for name in names if name.startswith("objlib-")}
    assert names - about == files_of_the_package()
    assert {
        "objlib/py.typed",
        "objlib/catalog/sqlite/schema.sql",
        "objlib/filestore/schema.sql",
        "objlib/filestore/profiles/typical.toml",
    } <= names
    assert any(name.endswith("/licenses/LICENSE") for name in about)


def test_the_sdist_holds_what_it_takes_to_build(built: Built) -> None:
    """The wheel above was made of it."""
    with tarfile.open(built.sdist) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    package = {f"src/{name}" for name in files_of_the_package()}
    others = {".gitignore", "CHANGELOG.md", "LICENSE", "PKG-INFO", "README.md", "pyproject.toml"}
    assert names == package | others


def test_the_metadata_says_what_a_registry_shows(built: Built) -> None:
    """Name, version, licence, Python, extras, the README; and no extra is a must."""
    with zipfile.ZipFile(built.wheel) as wheel:
        (name,) = [name for name in wheel.namelist() if name.endswith("/METADATA")]
        metadata = email.message_from_bytes(wheel.read(name))
    assert metadata["Name"] == "objlib"
    assert metadata["Version"] == objlib.__version__
    assert re.fullmatch(r"\d+\.\d+\.\d+", objlib.__version__)
    assert metadata["License-Expression"] == "MIT"
    assert metadata["Requires-Python"] == ">=3.11"
    extras = set(metadata.get_all("Provides-Extra") or [])
    assert extras >= {"formats", "keyring", "otel", "semantic", "watch"}
    assert "# objlib" in description_of(metadata)
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert f"## {objlib.__version__}" in changelog


def description_of(metadata: email.message.Message) -> str:
    """The long description."""
    payload = metadata.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode("utf-8")


@pytest.fixture(scope="module")
def installed(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of an environment that has the wheel, and ours for its dependencies.

    The path file names our packages without the path files among them, so the checkout is not seen.
    """
    venv = tmp_path_factory.mktemp("installed") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    python = venv / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
    install = ["install", "--quiet", "--no-deps", "--no-index", str(built.wheel)]
    subprocess.run([*pip, *install], check=True, capture_output=True)
    (site_packages,) = venv.glob("lib/python*/site-packages")
    (site_packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python.parent


def test_what_was_built_runs_where_it_is_installed(installed: Path, tmp_path: Path) -> None:
    """The first steps of a new user, in a folder of their own."""
    write_library(tmp_path / "library", 3)

    def said(*command: str) -> str:
        return subprocess.run(
            [str(installed / command[0]), *command[1:]],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    where = said("python", "-c", "import objlib; print(objlib.__file__)")
    assert Path(where).is_relative_to(installed.parent)
    assert re.fullmatch(
        rf"objlib {re.escape(objlib.__version__)} \(Python [\d.]+\S*, google-genai [\d.]+\)\n",
        said("objlib", "--version"),
    )
    assert "fsm-upload" in said("objlib", "--help")
    assert "3 files" in said("objlib", "scan", "--library", "library")
    assert "Indexed 3 files" in said("objlib", "fsm-upload")
    assert "On beeswax.txt" in said("objlib", "search", "beeswax")

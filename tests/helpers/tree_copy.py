"""A copy of the installed folders, to which a test adds what a person would, and the command run in it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tests.helpers.oneblock_process import cache_folder, oneblock
from tests.layout.test_layout import FOLDERS, ROOT


def copied(folder: Path) -> Path:
    """The folders of the project within `folder`, under the name that they are imported by; with pyproject.toml.

    And with their bytecode, which goes by size and time of change, but for what a process is just writing of it: else
    each command compiles everything anew.
    """
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / "oneblock" / name, ignore=shutil.ignore_patterns("*.pyc.*"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def environment(tree: Path) -> dict[str, str]:
    """Where processes import the copy, and take turns with nobody else's."""
    return os.environ | {"PYTHONPATH": str(tree), "XDG_CACHE_HOME": cache_folder(), "TMPDIR": str(tree)}


def command(tree: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """`oneblock` of the copy."""
    return oneblock(environment(tree), *words, cwd=tree, timeout=600)


def exchanged(path: Path, *pieces: tuple[str, str]) -> None:
    """A piece of a file for another; each has to be there once."""
    text = path.read_text()
    for old, new in pieces:
        assert text.count(old) == 1, f"{path.name} says {old!r} {text.count(old)} times: the test adds nothing"
        text = text.replace(old, new)
    path.write_text(text)

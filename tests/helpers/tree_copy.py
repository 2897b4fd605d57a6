"""A copy of the installed folders, to which a test adds what a person would, and the command run in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.layout.test_layout import FOLDERS, ROOT


def copied(folder: Path) -> Path:
    """The folders of the project within `folder`, under the name that they are imported by; with pyproject.toml."""
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / "oneblock" / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def command(tree: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """`oneblock` of the copy."""
    env = os.environ | {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1", "XDG_CACHE_HOME": str(tree / "cache")}
    run = [sys.executable, "-m", "oneblock.bench", *words]
    return subprocess.run(run, env=env, cwd=tree, capture_output=True, text=True, check=False)


def exchanged(path: Path, *pieces: tuple[str, str]) -> None:
    """A piece of a file for another; each has to be there once."""
    text = path.read_text()
    for old, new in pieces:
        assert text.count(old) == 1, f"{path.name} says {old!r} {text.count(old)} times: the test adds nothing"
        text = text.replace(old, new)
    path.write_text(text)

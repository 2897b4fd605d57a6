"""Operators whose times others reported: a file each, and the directory is the list."""

from __future__ import annotations

import importlib
from pathlib import Path

from oneblock.bench.silicon.launches import Launches

_STEMS = sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py"))
OPERATORS: dict[str, type[Launches]] = {
    stem: importlib.import_module(f"oneblock.bench.silicon.operators.{stem}").LAUNCHES for stem in _STEMS
}

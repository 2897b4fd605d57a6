"""What options and arguments name, so that a shell completes it. Each Tab starts a process: none reads records."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from oneblock import backends, workloads
from oneblock.bench.cells.tiers import TIERS
from oneblock.bench.records.files import CERTIFICATES
from oneblock.bench.records.names import cell_of
from oneblock.compilers import chips
from oneblock.compilers.chips.chip import Chip
from oneblock.workloads import models
from oneblock.workloads._workload import Phase
from oneblock.workloads.ops.definitions import STEPS
from oneblock.workloads.ops.dtypes import DTYPES


class Name(click.types.StringParamType):
    """A name of something, which is looked up later: whoever does that says what is near to one that is not known."""

    def __init__(self, name: str, known: Callable[[], Iterable[str]]) -> None:
        self.name, self.known = name, known

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Those that begin so."""
        return [CompletionItem(str(name)) for name in self.known() if name.startswith(incomplete)]


class RecordName(click.types.StringParamType):
    """A record, by words of its cell's name or its file."""

    name = "record"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Cells and certificates of the folder of -o, by its files' names: that begin so, or else have these words."""
        found: list[str] = []
        directory: Any = ctx.params.get("directory") or Path("records")
        for folder in (directory, directory / CERTIFICATES):
            with suppress(OSError):
                found += sorted({cell_of(name) for name in os.listdir(folder) if name.endswith(".json")})
        first = [name for name in found if name.startswith(incomplete)]
        words = incomplete.split()
        return [CompletionItem(name) for name in first or found if all(word in name for word in words)]


def _forms() -> list[str]:
    from oneblock.bench.runs.forms import FORMS  # with all that decodes

    return [*FORMS]


def _terms() -> list[str]:
    from oneblock.bench.terminal.explain import names  # with all tables, which no other name needs

    return names()


BACKEND = Name("backend", backends.names)
CHIP = Name("chip", lambda: (*(chip.target for chip in chips.every(Chip)), "cpu"))
DTYPE = Name("dtype", lambda: DTYPES)
FORM = Name("form", _forms)
OPS_SET = Name("ops", backends.ops_sets)
PHASE = Name("phase", lambda: Phase)
PRESET = Name("preset", models.names)
RECORD = RecordName()
STEP = Name("step", lambda: STEPS)
TERM = Name("term", _terms)
TIER = Name("tier", lambda: TIERS)
WORKLOAD = Name("workload", workloads.names)

"""Budgets: the counts of a cell that were agreed on, by target and toolchain, as TOML files that people review.

ci/budgets/NAME.toml, of one cell:

    reason = "the first that was measured"
    cell = "block-llama-1b-prefill-B1-T2048-bfloat16-xla_tpu-plain-tpu_v5e"
    slack = 0.0                          # a share that each may grow by

    [toolchain]
    jax = "0.10.2"
    libtpu = "0.0.51"

    [figures.whole]
    scratch = 537640960

    [figures.attention]
    launches = 4
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field, ValidationError

from oneblock.bench.format.errors import Refused
from oneblock.bench.records.files import write_asked
from oneblock.bench.records.names import file_name
from oneblock.bench.records.reading import adapter
from oneblock.compilers.api.files import read_plain

LARGEST_BYTES = 2**20
Said = Annotated[str, Field(min_length=1)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]


@dataclass(frozen=True)
class Budget:
    """What one cell may come to: figures by step, "whole" among them, and why they are what they are."""

    __pydantic_config__: ClassVar[Any] = ConfigDict(extra="forbid")
    reason: Said
    cell: Said  # its name, without a release
    toolchain: dict[str, str]
    figures: dict[str, dict[str, Amount]]
    slack: Amount = 0.0

    @property
    def file(self) -> str:
        """The name of its file."""
        return f"{file_name(self.cell)}.toml"

    def toml(self) -> str:
        """Itself as TOML, whose strings JSON's are."""
        lines = [f"reason = {_text(self.reason)}", f"cell = {_text(self.cell)}", f"slack = {self.slack!r}"]
        lines += ["", "[toolchain]", *(f"{_text(name)} = {_text(of)}" for name, of in sorted(self.toolchain.items()))]
        for step, figures in self.figures.items():
            lines += ["", f"[figures.{_text(step)}]", *(f"{_text(n)} = {_number(v)}" for n, v in figures.items())]
        return "\n".join(lines) + "\n"


def budgets(folder: Path) -> dict[str, Budget]:
    """The budgets of a folder by their cells; Refused names a folder or file that is none, and two of one cell."""
    if not folder.is_dir():
        how = "--budgets names one, and `oneblock budget update --reason ...` writes it"
        raise Refused(f"{folder}: no budgets, as no folder is there: {how}")
    found: dict[str, Budget] = {}
    for path in sorted(folder.glob("*.toml")):
        one = read(path)
        if one.cell in found:
            raise Refused(f"{path}: {one.cell} has a budget already in {folder}: keep one of them")
        found[one.cell] = one
    return found


def read(path: Path) -> Budget:
    """One budget; Refused says what was expected and what came."""
    try:
        told: Mapping[str, Any] = tomllib.loads(read_plain(path, LARGEST_BYTES).decode())
        budget: Budget = adapter(Budget).validate_python(told)
    except OSError as error:
        raise Refused(f"{path}: cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise Refused(f"{path}: {where}: {first['msg']}; `oneblock budget update` writes one") from error
    except ValueError as error:  # TOML's own, and of what is no UTF-8
        raise Refused(f"{path}: not TOML: {error}; `oneblock budget update` writes one") from error
    return budget


def write(budget: Budget, folder: Path) -> Path:
    """Write a budget into a folder, over the one of its cell."""
    path = folder / budget.file
    write_asked(path, budget.toml().encode(), "--budgets")
    return path


def _text(value: str) -> str:
    return json.dumps(value)


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)

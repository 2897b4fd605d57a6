"""What a model needs of its target's memory, part by part: one column for each size that was looked at last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.text import Text

from oneblock.bench.format.units import size
from oneblock.bench.judge.model_memory import BY_COMPILER, ModelMemory
from oneblock.bench.terminal.fitted import Table
from oneblock.compilers.api.kind import Kind


def table(needs: Sequence[ModelMemory], axis: str) -> Table:
    """The sums of one model on one target, the largest that fits before the next."""
    first = needs[0].cell
    case, context = first.case, needs[0].context
    other = f"S={case.S}" if axis == "batch" else f"B={case.B}"
    where = f"{case.phase}, {other}, {first.dtype}, {first.target} by {first.backend} {first.ops_set}"
    title = f"fit of the model {case.config.name}   ({where}; {needs[0].layers} layers)"
    said = [f"{_sized(one, axis)}: {one.refused}" for one in needs if one.refused]
    if axis == "context" and context is not None:
        said.append(f"the model was trained on {context:,} positions")
    said += [f"available: {needs[0].available_by}"]
    found = Table(title=title, title_justify="left", title_style="bold", caption=Text("\n".join(said)),
                  caption_justify="left")  # fmt: skip
    found.add_column("what one chip holds")
    found.add_column("kind")
    for one in needs:
        ends = "fits" if one.fits else "does not fit"
        found.add_column(f"{_sized(one, axis)}\n{ends}", justify="right", no_wrap=True)
    for part in dict.fromkeys(part for one in needs for part in one.parts):
        kind = Kind.COMPILED if part in BY_COMPILER else Kind.MODELLED
        found.add_row(part, kind, *(size(one.parts[part]) if part in one.parts else "" for one in needs))
    found.add_section()
    found.add_row("sum", Kind.MODELLED, *(_gib(one.needed_bytes) for one in needs))
    found.add_row("available", "", *(_gib(one.available_bytes) for one in needs))
    return found


def data(needs: Sequence[ModelMemory]) -> list[dict[str, Any]]:
    """The same for other programs."""
    return [
        {
            "cell": one.cell, "layers": one.layers, "fits": one.fits, "parts_bytes": one.parts,
            "needed_bytes": one.needed_bytes, "available_bytes": one.available_bytes,
            "available_by": one.available_by, "refused": one.refused,
        }
        for one in needs
    ]  # fmt: skip


def _gib(nbytes: int) -> str:
    return f"{nbytes / 2**30:.3f} GiB"


def _sized(one: ModelMemory, axis: str) -> str:
    return f"B={one.cell.case.B}" if axis == "batch" else f"S={one.cell.case.S}"

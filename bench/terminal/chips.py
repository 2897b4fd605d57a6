"""Chips as people read them: one table of all, and of one every figure with who states it and who says otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any

from oneblock.bench.format.units import size
from oneblock.bench.terminal.fitted import Table
from oneblock.compilers.chips.attested import attested
from oneblock.compilers.chips.chip import Chip, Figure, Gpu
from oneblock.compilers.chips.consistency import equations, figures, unit

NONE = "–"  # of a figure that no source states


def _peak(*dtypes: str) -> Callable[[Chip], Figure[Any] | None]:
    """What reads the peak of the first of these that a chip states."""
    return lambda chip: next((chip.peaks[dtype] for dtype in dtypes if dtype in chip.peaks), None)


_COLUMNS: Mapping[str, tuple[Callable[[Chip], Figure[Any] | None], float]] = {
    "16 bits (TFLOP/s)": (_peak("bfloat16", "float16"), 1e12),
    "float8 (TFLOP/s)": (_peak("float8_e4m3fn", "float8_e4m3", "float8_e4m3fnuz"), 1e12),
    "float4 (TFLOP/s)": (_peak("float4_e2m1fn"), 1e12),
    "int8 (TOP/s)": (_peak("int8"), 1e12),
    "memory (GiB)": (attrgetter("memory_bytes"), 2**30),
    "bandwidth (GB/s)": (attrgetter("memory_bytes_per_s"), 1e9),
    "on chip (MiB)": (attrgetter("on_chip_bytes"), 2**20),
    "links (GB/s)": (attrgetter("link_bytes_per_s"), 1e9),
    "TDP (W)": (attrgetter("tdp_w"), 1),
    "chips per instance": (attrgetter("chips_per_instance"), 1),
}
_SCALES = {
    "FLOP/s": (1e12, "TFLOP/s"),
    "OP/s": (1e12, "TOP/s"),
    "B/s": (1e9, "GB/s"),
    "bit/s": (1e9, "Gbit/s"),
    "Hz": (1e9, "GHz"),
}


def table(told: Sequence[Chip]) -> Table:
    """A line a chip. Peaks are dense; of 16 bits bfloat16's, or float16's where there is none."""
    made = Table(leaves=("contradicted", "attested", "int8 (TOP/s)", "float4 (TFLOP/s)", "chips per instance"))
    made.add_column("target", no_wrap=True)
    for heading in (*_COLUMNS, "contradicted", "attested"):
        made.add_column(heading, justify="right", no_wrap=True)
    for chip in told:
        contradicted = sum(bool(figure.contradictions) for _, figure in figures(chip))
        columns = (_scaled(of(chip), scale) for of, scale in _COLUMNS.values())
        made.add_row(chip.target, *columns, str(contradicted), str(len(attested(chip))))
    return made


def _scaled(figure: Figure[Any] | None, scale: float) -> str:
    return NONE if figure is None else f"{figure.value / scale:,.5g}"


def amount(value: float, of: str) -> str:
    """A figure with its unit as people read it: "989.4 TFLOP/s", "80 GiB"; a count as it is."""
    if of == "B":
        return size(value)
    if isinstance(value, int) and of not in _SCALES:
        return f"{value:,} {of}".rstrip()
    scale, written = _SCALES.get(of, (1, of))
    return f"{value / scale:,.5g} {written}".rstrip()


def stated(chip: Chip) -> Table:
    """Every figure with its source, and below each what others state of it, with the first over the other."""
    made = Table(title=f"{chip.target}: {chip.name}", title_justify="left")
    for heading in ("figure", "value"):
        made.add_column(heading, no_wrap=True)
    made.add_column("stated by, and as of when")
    for name, figure in figures(chip):
        of = unit(name)
        made.add_row(name, amount(figure.value, of), str(figure.source))
        for other in figure.others:
            how = "  the same" if other.value == figure.value else f"  {figure.value / other.value:.3g} times this"
            made.add_row(how, amount(other.value, of), str(other.source))
    return made


def measured(machine: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> Table:
    """What this machine's processor reached at best, and by whom."""
    about = f"{machine['cores']} cores, {machine['threads']} threads, {machine['memory_gib']} GiB"
    made = Table(title=f"cpu: {machine['cpu']}, {about} (measured here, the best so far)", title_justify="left")
    for heading in ("figure", "value", "reached by"):
        made.add_column(heading, no_wrap=True)
    for row in rows:
        of_memory = row["of"] == "read"
        name, of = ("memory read", "B/s") if of_memory else (f"product of {row['of']}", "FLOP/s")
        made.add_row(name, amount(row["rate"], of), row["backend"] or "a read of our own")
    return made


def told_by_tools(chip: Chip) -> Table | None:
    """What compilers say of its architecture; None where none was asked."""
    found = attested(chip)
    if not found:
        return None
    made = Table(title=f"{chip.platform}:{chip.architecture}, by the word of tools", title_justify="left")
    for heading in ("attested", "value", "by"):
        made.add_column(heading, no_wrap=True)
    made.add_column("how it says so")
    for one in found:
        made.add_row(one.what, amount(one.value, one.unit), f"{one.tool} {one.version}", one.how)
    return made


def sentences(chip: Chip) -> Iterator[str]:
    """What its figures imply of one another, what others' figures look like, and why some are absent."""
    for one in equations(chip):
        if one.kind != "sources":
            yield f"{'holds' if one.holds else 'does not hold'}: {one}"
        elif not one.holds and one.looks_like:
            yield f"sources differ: {one}"
    if isinstance(chip, Gpu):
        of = chip.multiprocessor
        yield (
            f"multiprocessor: {of.warps} warps of {of.lanes}, {of.blocks} blocks, {size(of.shared_bytes)} shared, of a "
            f"block at most {size(of.shared_bytes_of_block)} ({of.source})"
        )
    for name, why in chip.absent.items():
        yield f"absent: {name}: {why}"


def plain(chip: Chip) -> dict[str, Any]:
    """All of it for JSON, in the units that each figure names: FLOP/s, B, B/s, W."""
    return {
        "target": chip.target, "name": chip.name,
        "figures": [{"name": name, "unit": unit(name), **_plain(figure)} for name, figure in figures(chip)],
        "absent": dict(chip.absent), "attested": [vars(one) for one in attested(chip)],
        "equations": [{**vars(one), "ratio": one.ratio, "holds": one.holds} for one in equations(chip)],
    }  # fmt: skip


def _plain(figure: Figure[Any]) -> dict[str, Any]:
    of = figure.source
    return {
        "value": figure.value, "source": of.title, "as_of": of.as_of, "others": [_plain(one) for one in figure.others]
    }  # fmt: skip

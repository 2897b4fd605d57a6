"""A trial of modelled times as people read it: a table of chips, the answer in a sentence, and shapes asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any

import numpy as np

from oneblock.bench.format.units import seconds
from oneblock.bench.silicon.launches import OPERATORS
from oneblock.bench.silicon.rows import DTYPES
from oneblock.bench.silicon.trial import COVERED, Tried
from oneblock.bench.terminal.fitted import Table

_FEW = 0.01  # of the rows: what is less is noise


def off(log: float) -> str:
    """A distance of logarithms as people say it: 0.095 is 10 %, 2.3 is 10 x."""
    return f"{np.expm1(log):.0%}" if log < np.log(2) else f"{np.exp(log):.2g} x"


def table(told: Sequence[Tried]) -> Table:
    """A line a chip: how far half of the held-out times lie from the model, in how wide a range, and how many in it."""
    made = Table(leaves=("chip left out: in range", "rows", "reported by"))
    for heading in (
        "target", "reported by", "rows", "off by", "90 % range", "lie in it", "roofline", "chip left out",
        "chip left out: in range",
    ):  # fmt: skip
        made.add_column(heading, no_wrap=True)
    for one in told:
        of, apart = one.rows.provenance, one.left_out
        made.add_row(
            one.target, f"{of.software} {of.version}", f"{len(one.rows):,}", off(one.held_out.median_log),
            f"{one.held_out.low:.2f} to {one.held_out.high:.2f}", f"{one.held_out.covered:.0%}",
            off(one.bare_median_log), "" if apart is None else off(apart.median_log),
            "" if apart is None else f"{apart.covered:.0%}",
        )  # fmt: skip
    return made


def sentences(told: Sequence[Tried], what: str) -> Iterator[str]:
    """The answer, and what is odd about rows."""
    medians, inside = [one.held_out.median_log for one in told], [one.held_out.covered for one in told]
    bare = off(median(one.bare_median_log for one in told))
    yield (
        f"{what}, shapes that were not fitted: half of the reported times lie within {off(median(medians))} of the "
        f"model (by chip {off(min(medians))} to {off(max(medians))}), and of the data sheet's roofline within {bare}; "
        f"{min(inside):.0%} to {max(inside):.0%} lie in the range that is to hold {COVERED:.0%}"
    )
    for one in told:
        if one.faster >= _FEW:
            yield (
                f"{one.target}, {one.rows.provenance.software}: {one.faster:.0%} of the times are shorter than the "
                "data sheet's roofline: operands lay in a cache"
            )


def shapes(told: Sequence[Tried], asked: Sequence[tuple[int, ...]], operator: str) -> list[dict[str, Any]]:
    """Of each shape on each chip the modelled median and range, and what was reported of that very shape."""
    made, of = [], OPERATORS[operator]
    for sizes in asked:
        for one in told:
            asked_for = of.one(sizes, DTYPES[one.rows.dtype])
            middle, low, high = (float(found[0]) for found in one.seconds(asked_for))
            same = one.rows.seconds[one.rows.launches.same(sizes)]
            made.append({
                "target": one.target, "operator": operator, "shape": "x".join(map(str, sizes)), "modelled_s": middle,
                "low_s": low, "high_s": high, "reported_s": float(np.median(same)) if len(same) else None,
                "by": f"{one.rows.provenance.software} {one.rows.provenance.version}",
            })  # fmt: skip
    return made


def shape(of: dict[str, Any]) -> str:
    """One of those, in words."""
    text = f"{of['shape']} on {of['target']}: {seconds(of['modelled_s'])} (modelled; 90 % range "
    text += f"{seconds(of['low_s'])} to {seconds(of['high_s'])})"
    if of["reported_s"] is None:
        return f"{text}; nobody reported this shape"
    return f"{text}; {seconds(of['reported_s'])} (reported, {of['by']})"

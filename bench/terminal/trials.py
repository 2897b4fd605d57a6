"""A trial of modelled times as people read it: a table of chips, the answer in a sentence, and shapes asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any

import numpy as np

from oneblock.bench.format.units import seconds
from oneblock.bench.silicon.calls import OwnTrial
from oneblock.bench.silicon.covers import Covered
from oneblock.bench.silicon.error import COVERED
from oneblock.bench.silicon.formats import FORMATS
from oneblock.bench.silicon.operators import OPERATORS
from oneblock.bench.silicon.static import Ranked
from oneblock.bench.silicon.trial import Faster, Tried
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
        apart, bare = one.left_out, one.bare_median_log
        model = ["no model", "", ""]
        if one.wrong is None:
            of = one.held_out
            model = [off(of.median_log), f"{of.low:.2f} to {of.high:.2f}", f"{of.covered:.0%}"]
        made.add_row(
            one.target, one.rows.by, f"{len(one.rows):,}", *model, "" if bare is None else off(bare),
            "" if apart is None else off(apart.median_log), "" if apart is None else f"{apart.covered:.0%}",
        )  # fmt: skip
    return made


def sentences(told: Sequence[Tried], what: str) -> Iterator[str]:
    """The answer, why some rows have no model, and what is odd about rows."""
    good = [one for one in told if one.wrong is None]
    if good:
        medians, inside = [one.held_out.median_log for one in good], [one.held_out.covered for one in good]
        bare = [one.bare_median_log for one in good if one.bare_median_log is not None]
        roofline = f", and of the data sheet's roofline within {off(median(bare))}" if bare else ""
        yield (
            f"{what}, shapes that were not fitted: half of the reported times lie within {off(median(medians))} of the "
            f"model (by chip {off(min(medians))} to {off(max(medians))}){roofline}; "
            f"{min(inside):.0%} to {max(inside):.0%} lie in the range that is to hold {COVERED:.0%}"
        )
    for one in told:
        if one.wrong is not None:
            yield f"{one.target}, {one.rows.by}: no model: {one.wrong}"
        elif one.bound:
            yield (
                f"{one.target}, {one.rows.by}: the fit takes {' and '.join(one.bound)}, though without that bound it "
                "would lie hardly nearer: read its times, not its shares"
            )
        if one.faster.part >= _FEW:
            yield f"{one.target}, {one.rows.by}: {_faster(one.faster)}"


def _faster(of: Faster) -> str:
    told = f"{of.part:.0%} of the times are shorter than the data sheet's roofline: "
    if of.in_cache == 1:
        return f"{told}all these operands fit in its L2, which was warm"
    if of.in_cache is None:
        return f"{told}what they read lay in a cache, or the rows are wrong"
    return (
        f"{told}the operands of {of.in_cache:.0%} of these fit in its L2, which was warm, and the others are in doubt"
    )


def static(ranks: Sequence[Ranked]) -> Iterator[str]:
    """The line of the model that ranks configurations, where it was tried."""
    if ranks:
        away, order = [one.median_log for one in ranks], [one.rank for one in ranks]
        yield (
            "the static model that ranks configurations, which nothing was fitted to: half of the times lie within "
            f"{off(median(away))} (by chip {off(min(away))} to {off(max(away))}), and its order of launches agrees "
            f"with the reported one by {min(order):.2f} to {max(order):.2f} (rank correlation)"
        )


def covers(told: Sequence[Covered]) -> Table:
    """A line a chip and phase: how much of a block's modelled time lies on reported launches, between, and outside."""
    made = Table()
    for heading in ("target", "phase", "modelled", "on rows", "between rows", "outside"):
        made.add_column(heading, no_wrap=True)
    for one in told:
        outside = 1 - one.on_rows - one.between
        made.add_row(
            one.target,
            one.phase,
            seconds(one.seconds),
            *(f"{part:.0%}" for part in (one.on_rows, one.between, abs(outside))),
        )
    return made


def covers_sentences(told: Sequence[Covered], model: str) -> Iterator[str]:
    """The answer, and what is not covered by name."""
    parts = [one.on_rows + one.between for one in told]
    yield (
        f"{model}: {min(parts):.0%} to {max(parts):.0%} of a block's time in products and attention lies on launches "
        "that were reported, or between such"
    )
    names = dict.fromkeys(name for one in told for name in one.outside)
    if names:
        yield f"outside of all rows: {', '.join(names)}"


def own(told: Sequence[OwnTrial]) -> Table:
    """A line a backend: how far half of the calls that were not fitted lie from the model."""
    made = Table()
    for heading in (
        "backend",
        "cells",
        "off by",
        "90 % range",
        "lie in it",
        "roofline",
        *told[0].numbers.told(told[0].limits),
    ):
        made.add_column(heading, no_wrap=True)
    for one in told:
        of = one.held_out
        made.add_row(
            str(one.way), str(one.cells), off(of.median_log), f"{of.low:.2f} to {of.high:.2f}", f"{of.covered:.0%}",
            off(one.bare_median_log), *one.numbers.told(one.limits).values(),
        )  # fmt: skip
    return made


def own_sentences(told: Sequence[OwnTrial]) -> Iterator[str]:
    """The answer."""
    for one in told:
        yield (
            f"{one.way}: half of the measured calls that were not fitted lie within {off(one.held_out.median_log)} of "
            f"the model, and of the machine's own roofline within {off(one.bare_median_log)}"
        )
        if one.bare_median_log <= one.held_out.median_log:
            yield f"{one.way}: most of these cells are so near to the roofline that the model tells no more"


def shapes(told: Sequence[Tried], asked: Sequence[tuple[int, ...]], operator: str) -> list[dict[str, Any]]:
    """Of each shape on each chip the modelled median and range, and what was reported of that very shape."""
    made, of = [], OPERATORS[operator]
    for sizes in asked:
        for one in told:
            asked_for = of.one(sizes, FORMATS[one.rows.dtype])
            modelled = [float(found[0]) for found in one.seconds(asked_for)] if one.wrong is None else [None] * 3
            same = one.rows.seconds[one.rows.launches.same(sizes)]
            made.append({
                "target": one.target, "operator": operator, "shape": "x".join(map(str, sizes)),
                **dict(zip(("modelled_s", "low_s", "high_s"), modelled, strict=True)), "no_model": one.wrong,
                "reported_s": float(np.median(same)) if len(same) else None, "by": one.rows.by,
            })  # fmt: skip
    return made


def shape(of: dict[str, Any]) -> str:
    """One of those, in words."""
    text = f"{of['shape']} on {of['target']}: "
    if of["no_model"] is not None:
        text += "no model"
    else:
        text += f"{seconds(of['modelled_s'])} (modelled; 90 % range "
        text += f"{seconds(of['low_s'])} to {seconds(of['high_s'])})"
    if of["reported_s"] is None:
        return f"{text}; nobody reported this shape"
    return f"{text}; {seconds(of['reported_s'])} (reported, {of['by']})"

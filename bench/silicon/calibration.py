"""What the last trial found, kept so that a plan needs no rows: the numbers of each chip and operator, and their range.

`python -m oneblock.bench.silicon.calibration` finds them anew; the session `silicon` holds what is kept against that.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from oneblock.bench.format.out import say
from oneblock.bench.silicon.links import Exchange
from oneblock.bench.silicon.operators import OPERATORS
from oneblock.bench.silicon.rows import reported_rows
from oneblock.bench.silicon.trial import Tried, range_of, together, trials

FILE = Path(__file__).with_name("assets") / "calibrations.json"
FRAMEWORK, DTYPE = "vllm", "bfloat16"  # whose kernels count
KEPT = ("product", "prefill", "decode", "all_reduce", "experts")


@dataclass(frozen=True)
class Calibration:
    """The model of an operator's launches on a chip, as far as rows tell."""

    operator: str
    dtype: str
    target: str | None  #: None: of a chip without rows, by those of all others
    numbers: Any  #: the Numbers of the operator's model
    low: float  #: of a time / the modelled one: nine tenths lie between
    high: float
    median_log: float  #: of held-out rows, |log(reported / modelled)|
    covered: tuple[float, float]  #: the least and the most of held-out rows that lie in the range, by chip
    by: str  #: whose kernels on which device; of None the chips that were left out in turn
    sha256: tuple[str, ...]  #: of the tables


@cache
def calibrations(dtype: str) -> Mapping[tuple[str | None, str], Calibration]:
    """Those that are kept of a dtype, by (target, operator)."""
    told = json.loads(FILE.read_text(encoding="utf-8"))
    found = [Calibration(**{**one, **_typed(one)}) for one in told if one["dtype"] == dtype]
    return {(one.target, one.operator): one for one in found}


def _typed(told: dict[str, Any]) -> dict[str, Any]:
    """What JSON has no types for."""
    numbers = OPERATORS[told["operator"]].model.numbers(**told["numbers"])
    return {"numbers": numbers, "covered": tuple(told["covered"]), "sha256": tuple(told["sha256"])}


def found_anew(operator: str, dtype: str = DTYPE) -> Iterator[Calibration]:
    """One trial's: of each chip that has a model, and for chips without rows."""
    told, _ = trials(reported_rows(operator, dtype, FRAMEWORK))
    able: dict[str, Tried] = {}  # of a chip's files that of the newest version, and of its kernels the nearest
    for one in sorted((one for one in told if one.wrong is None), key=_newest_and_nearest):
        able[one.target] = one
    for one in able.values():
        of, held = one.rows.provenance, one.held_out
        kernel = f" ({one.rows.kernel})" if one.rows.kernel else ""
        yield Calibration(
            operator, dtype, one.target, one.shares, held.low, held.high, held.median_log, (held.covered, held.covered),
            f"{of.software} {of.version} on {of.device}{kernel}", (one.rows.sha256,),
        )  # fmt: skip
    apart = [one for one in able.values() if one.apart is not None]
    if len(apart) > 1 and OPERATORS[operator].model is not Exchange:  # links are no share of what is stated
        yield _elsewhere(operator, dtype, apart)


def _newest_and_nearest(one: Tried) -> tuple[tuple[int, ...], float]:
    version = tuple(int(part) for part in one.rows.provenance.version.split(".") if part.isdigit())
    return version, -one.held_out.median_log


def _elsewhere(operator: str, dtype: str, told: list[Tried]) -> Calibration:
    """Of a chip without rows: all chips' numbers, and the range that nine tenths of chips left out lie in."""
    ratios = [one.apart for one in told if one.apart is not None]
    each = min(map(len, ratios))  # as many rows of every chip
    draw = np.random.default_rng(0)
    alike = np.concatenate([draw.choice(ratio, each, replace=False) for ratio in ratios])
    low, high = range_of(alike)
    inside = [float(np.mean((ratio >= low) & (ratio <= high))) for ratio in ratios]
    return Calibration(
        operator, dtype, None, together([one.half for one in told]), low, high, float(np.median(np.abs(np.log(alike)))),
        (min(inside), max(inside)), "each left out in turn: " + ", ".join(one.target for one in told),
        tuple(one.rows.sha256 for one in told),
    )  # fmt: skip


def main() -> None:
    """Write what is kept anew."""
    found = [one for operator in KEPT for one in found_anew(operator)]
    FILE.write_text(json.dumps([asdict(one) for one in found], indent=1) + "\n", encoding="utf-8")
    say(f"{FILE.name}: {len(found)} models of {', '.join(KEPT)}")


if __name__ == "__main__":
    main()

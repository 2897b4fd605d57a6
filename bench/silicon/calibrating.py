"""What is kept of a trial, found anew: `python -m oneblock.bench.silicon.calibrating` writes it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict

import numpy as np

from oneblock.bench.format.out import say
from oneblock.bench.silicon.calibration import DTYPE, FILE, Calibration
from oneblock.bench.silicon.error import range_of
from oneblock.bench.silicon.links import Exchange
from oneblock.bench.silicon.operators import OPERATORS
from oneblock.bench.silicon.rows import reported_rows
from oneblock.bench.silicon.trial import Tried, together, trials

FRAMEWORK = "vllm"  # whose kernels count
KEPT = ("product", "prefill", "decode", "all_reduce", "experts")


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

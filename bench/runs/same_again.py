"""A/A: a few cells measured again and again in new processes, which teaches how processes of the same differ here."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from time import monotonic

from oneblock.backends.api.target import Target
from oneblock.bench.cells.cell import Cell
from oneblock.bench.cells.tiers import tier
from oneblock.bench.records.disturbance import Spread
from oneblock.bench.records.record import Record, Status
from oneblock.bench.records.scratch import scratch
from oneblock.bench.records.store import Store
from oneblock.bench.runs.limits import CeilingCache
from oneblock.bench.runs.run import Run
from oneblock.bench.worker.watch import Bounds
from oneblock.workloads._workload import Case, Phase
from oneblock.workloads.models import preset

_ROUNDS = 6
_TOKENS = 64


@dataclass(frozen=True)
class Again:
    """What rounds of one cell came to."""

    backend: str
    medians_s: tuple[float, ...]
    disturbed: int  # rounds that gave no time
    reason: str | None  # of the last that gave none

    @property
    def spread(self) -> Spread | None:
        """Of these rounds alone; None where fewer than two gave a time."""
        if len(self.medians_s) < 2:
            return None
        logs = [math.log(median) for median in self.medians_s]
        return Spread(max(statistics.stdev(logs), 1e-6), len(logs) - 1)


def same_again(
    names: Iterable[str], ceilings: CeilingCache, bounds: Bounds, most_s: float, tell: Callable[[str], None]
) -> list[Again]:
    """Six rounds of a small MLP through each backend, or as many as fit into `most_s`; the cache learns of them."""
    cells = [Cell(_case(), "float32", name, "plain", Target("cpu")) for name in names]
    rounds: list[list[Record]] = []
    start, took_s = monotonic(), 0.0
    with scratch("machine") as folder:
        while len(rounds) < _ROUNDS and monotonic() - start + took_s < most_s:
            before = monotonic()
            tell(f"round {len(rounds) + 1} of {_ROUNDS}: {len(cells)} cells in processes of their own")
            rounds.append(Run(cells, tier("smoke"), Store(folder / str(len(rounds))), bounds).go(lambda _: None))
            took_s = monotonic() - before
    found = [_again(cell.backend, of) for cell, *of in zip(cells, *rounds, strict=True)]
    for one in found:
        ceilings.learn_spread(one.backend, one.medians_s)
    return found


def _again(backend: str, records: list[Record]) -> Again:
    timed = [one for one in records if one.status is Status.PASSED]
    without = [one for one in records if one.status is not Status.PASSED]
    medians = tuple(statistics.median(one.samples()[0]) for one in timed)
    return Again(backend, medians, len(without), without[-1].reason if without else None)


def _case() -> Case:
    return Case("mlp", preset("gpt2"), Phase.PREFILL, 1, _TOKENS, _TOKENS)

"""The launches of a cell that is not finished, kept until it is."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from oneblock.bench.records.reading import adapter
from oneblock.bench.records.store import Store
from oneblock.bench.worker.jobs import Outcome
from oneblock.bench.worker.measure_job import Measurement


@dataclass(frozen=True)
class Partial:
    """What one launch of an unfinished cell came to."""

    outcome: Outcome[Measurement]
    wrong_tried: int  # wrong answers that the check of its reference rejected


def partials(store: Store, identity: str, launches: int) -> dict[int, Partial]:
    """Those of a cell, by index; one that cannot be read, or is of another index than its name says, is not there."""
    found = {}
    for index, raw in store.partials(identity).items():
        with contextlib.suppress(ValueError):
            one: Partial = adapter(Partial).validate_json(raw)
            launch = one.outcome.result.launch if one.outcome.result is not None else None
            if launch is not None and launch.index == index < launches:
                found[index] = one
    return found

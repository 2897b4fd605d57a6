"""What a whole model needs of its target's memory: by formula what is kept, and what one block reads and writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from oneblock import workloads
from oneblock.bench.cells.cell import Cell
from oneblock.workloads import _parameters
from oneblock.workloads._workload import Case, Phase
from oneblock.workloads.models import Config, Model
from oneblock.workloads.ops.dtypes import dtype_of

BY_COMPILER = ("scratch of one block", "padding of layouts")  # read off its output; the other parts are formulas


@dataclass(frozen=True)
class ModelMemory:
    """What a model needs at one size, in bytes part by part, and what its target has."""

    cell: Cell
    layers: int
    context: int | None  # positions that it was trained on, where that is known
    parts: Mapping[str, int]
    available_bytes: int
    available_by: str  # who says so
    refused: str | None = None  # why it cannot be, whatever the sum

    @property
    def needed_bytes(self) -> int:
        """The sum of its parts."""
        return sum(self.parts.values())

    @property
    def fits(self) -> bool:
        """Whether there is room for it."""
        return self.refused is None and self.needed_bytes <= self.available_bytes


def kept(model: Model, case: Case, dtype: str) -> dict[str, int]:
    """By formula, in bytes of the dtype: weights, caches, logits, and what one block reads and writes.

    Caches: k and v (B, min(S, W), K, D) of each layer, or what its attention keeps in their place: a layer with a
    window W never sees what lies before it, and keeps a rolling cache. Of a prefill they are those that it leaves,
    S = T. They are written in place, and so counted once.
    Logits (B, V), of each sequence's last token. x and y (B, T, C) of one block, since the next reuses them, and its
    tables of RoPE.
    """
    itemsize = dtype_of(dtype).itemsize
    found = {part: count * itemsize for part, count in _parameters.of_model(model).items()}
    assert model.vocabulary is not None  # or it has no parameters
    found["caches"] = sum(_cache(case, config) * many for config, many in Counter(model.layers).items()) * itemsize
    found["logits"] = case.B * model.vocabulary * itemsize
    specs = workloads.load(case.workload).specs(case).values()
    tables = sum(prod(spec.shape) for spec in specs if spec.table is not None)
    found["x and y of one block"] = (2 * case.B * case.T * case.config.width + tables) * itemsize
    return found


def _cache(case: Case, config: Config) -> int:
    """The elements of a layer's cache: what a decode of its block is given beside x."""
    block = workloads.load(case.workload)
    decode = Case(case.workload, config, Phase.DECODE, case.B, 1, positions(case, config))
    specs = block.specs(decode).items()
    return sum(prod(spec.shape) for name, spec in specs if spec.is_input and name != block.main_input)


def positions(case: Case, config: Config) -> int:
    """How many a layer's cache has."""
    return case.S if config.window is None else min(case.S, config.window)

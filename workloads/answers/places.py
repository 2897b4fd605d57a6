"""Where a layer's arrays lie in a checkpoint: in a tensor of their own, or side by side with others in one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from oneblock.workloads._workload import Case, Workload
from oneblock.workloads.models import Tensors


@dataclass(frozen=True)
class Place:
    """Where one of our arrays lies: a tensor of the layer, as (I, O) with other parts, and which of its columns."""

    tensors: tuple[str, ...]  # less what the names of the layer's tensors begin with; of experts one each, stacked
    shape: tuple[int, ...]  # of the whole tensor, as (I, O) or (O,)
    columns: slice


def stored_shapes(workload: Workload, case: Case) -> dict[str, tuple[int, ...]]:
    """The shapes of the arrays that a checkpoint has."""
    specs = workload.specs(case).items()
    return {name: spec.shape for name, spec in specs if not spec.is_input and spec.table is None}


def places_of(naming: Tensors, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Place]:
    """Where arrays of these names and shapes lie; those that the family does not name are left out."""
    together: dict[str, list[str]] = {}
    found: dict[str, Place] = {}
    for part, theirs in naming.parts.items():
        for kind in ("weight", "bias"):
            if (name := f"{part}_{kind}") not in shapes:
                continue
            if "{}" in theirs:
                experts, *shape = shapes[name]
                tensors = tuple(f"{theirs.format(expert)}.{kind}" for expert in range(experts))
                found[name] = Place(tensors, tuple(shape), slice(0, shape[-1]))
            else:
                together.setdefault(f"{theirs}.{kind}", []).append(name)
    for tensor, names in together.items():
        ends = list(accumulate((shapes[name][-1] for name in names), initial=0))
        whole = (*shapes[names[0]][:-1], ends[-1])
        found |= {name: Place((tensor,), whole, slice(*ends[i : i + 2])) for i, name in enumerate(names)}
    return found


def part_of_heads(stored: np.ndarray, place: Place, heads: int) -> np.ndarray:
    """One of several parts of a tensor in which each head's lie side by side, (heads, parts, D, ...), as (..., O)."""
    width = place.columns.stop - place.columns.start
    by_head = stored.reshape(heads, place.shape[-1] // width, width // heads, *stored.shape[1:])
    part = by_head[:, place.columns.start // width]
    return np.asarray(part.reshape(width, *stored.shape[1:]).T)

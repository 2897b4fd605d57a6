"""Where a layer's arrays lie in a checkpoint: in a tensor of their own, or side by side with others in one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from oneblock.workloads._workload import Case, Workload
from oneblock.workloads.models import Config, Tensors


@dataclass(frozen=True)
class Place:
    """Where one of our arrays lies: a tensor of the layer, as (I, O) with other parts, and which of its columns."""

    tensors: tuple[str, ...]  # less what the names of the layer's tensors begin with; of experts one each, stacked
    shape: tuple[int, ...]  # of the whole tensor, as (I, O), (O,) or of experts in one (E, I, O)
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
    """One of several parts of a tensor in which each head's lie side by side, (heads * D, ...), as (..., O)."""
    by_head = stored.reshape(heads, place.shape[-1] // heads, *stored.shape[1:])
    part = by_head[:, place.columns.start // heads : place.columns.stop // heads]
    return np.asarray(part.reshape(-1, *stored.shape[1:]).T)


def halves_of_pairs(weight: np.ndarray, heads: int, config: Config) -> np.ndarray:
    """(..., O), D for each head, whose rotation pairs neighbours, as ours pairs halves: of what each head rotates the
    first of every pair, and then the second. Scores stay what they are, as queries and keys are both reordered.
    """
    by_head = weight.reshape(*weight.shape[:-1], heads, -1)
    start = 0 if config.latent is None else by_head.shape[-1] - config.rotated
    before, pairs, behind = np.split(by_head, [start, start + config.rotated], axis=-1)
    return np.concatenate([before, pairs[..., 0::2], pairs[..., 1::2], behind], axis=-1).reshape(weight.shape)

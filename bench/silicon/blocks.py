"""A model's launches, by the shapes of its weights: products, attention, and what only moves bytes.

Projections that read the same rows are one launch, as engines have them (q, k and v; gate and up); norms, rotations and
activations are one each. Axes: `batches`, sizes of a batch that are asked for at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np

from oneblock.bench.format.errors import Refused
from oneblock.workloads import _form
from oneblock.workloads._workload import Case, Phase
from oneblock.workloads.block import WORKLOAD
from oneblock.workloads.models import Config, Model

Array = np.ndarray
MOVE, ALL_REDUCE = "move", "all_reduce"
_OF_HEADS = ("rope", "qk_norm")  # steps that devices split with the heads


@dataclass(frozen=True)
class Launch:
    """One launch of a model, and how many of its kind the model has."""

    step: str
    operator: str  #: one of the tried model's, or "move", whose one size is its bytes
    sizes: tuple[Array, ...]  #: (batches,) each, in the order of the operator's form
    many: int


@dataclass(frozen=True)
class Asked:
    """What one call of a model is given: sequences B (batches,), of T new tokens each, and S they see at the end."""

    phase: Phase
    B: Array
    T: int
    S: int
    devices: int = 1  #: over which heads and feed-forward are split, as Megatron-LM does (Shoeybi et al. 2019)


def launches(model: Model, asked: Asked, itemsize: int) -> list[Launch]:
    """Those of one call of the whole model; Refused where a part of it has no model."""
    found: list[Launch] = []
    for config, many in Counter(model.layers).items():
        if why := untimed(config, asked.devices):
            raise Refused(f"{model.name}: {why}")
        found += [Launch(step, operator, sizes, many) for step, operator, sizes in of_block(config, asked, itemsize)]
    C = model.layers[-1].width
    assert model.vocabulary is not None, "a model whose memory was summed has one"
    head = (asked.B, _all(asked, model.vocabulary / asked.devices), _all(asked, C))
    rows = asked.B * asked.T * C * itemsize
    return [Launch("embedding", MOVE, (2 * rows,), 1), *found, Launch("head", MOVE, (2 * rows,), 1),
            Launch("head", "product", head, 1)]  # fmt: skip


def untimed(config: Config, devices: int) -> str | None:
    """Why launches of such a block have no model; None where they have."""
    if config.latent is not None:
        return "latent attention has no tried model: expected a model without"
    if config.heads % devices or (config.kv_heads % devices and devices % config.kv_heads):
        return f"{config.heads} heads of {config.kv_heads} of keys do not split over {devices} devices"
    return None


@dataclass(frozen=True)
class _Step:
    """A step of a block on one device, and its products (I, O)."""

    name: str
    products: tuple[tuple[int, int], ...]


@cache
def _steps(config: Config, phase: Phase, devices: int) -> tuple[_Step, ...]:
    """Of whatever sizes: a step's projections that read the same rows are one product."""
    case = Case("block", config, phase, 1, 1, 1)
    specs = WORKLOAD.specs(case)
    found = []
    for step in _form.form(WORKLOAD, case):
        together: dict[int, int] = {}  # by the width that is read the widths that are given
        for name in step.weights:
            if specs[name].projection:
                inside, out = _on_one(specs[name].shape, specs[name].split, devices)
                together[inside] = together.get(inside, 0) + out
        found.append(_Step(step.name, tuple(together.items())))
    return tuple(found)


@cache
def _moved(config: Config, phase: Phase, T: int, itemsize: int) -> dict[str, tuple[int, int]]:
    """(bytes of one sequence, of each further one) that a step moves at the least; of attention nobody asks it here."""
    S = T if phase is Phase.PREFILL else 1
    one, two = (WORKLOAD.costs(Case("block", config, phase, B, T, S), itemsize) for B in (1, 2))
    return {cost.step: (cost.bytes, more.bytes - cost.bytes) for cost, more in zip(one, two, strict=True)}


def of_block(config: Config, asked: Asked, itemsize: int) -> Iterator[tuple[str, str, tuple[Array, ...]]]:
    """(step, operator, sizes) of each of one block's launches, in their order."""
    rows, C = asked.B * asked.T, config.width
    each = _moved(config, asked.phase, asked.T, itemsize)
    moved = {step: first + (asked.B - 1) * more for step, (first, more) in each.items()}
    for step in _steps(config, asked.phase, asked.devices):
        for inside, out in step.products:
            yield step.name, "product", (rows, _all(asked, out), _all(asked, inside))
        if step.name == "attention":
            yield step.name, asked.phase, _attention(config, asked)
        elif step.name == "mlp":
            yield from ((step.name, *one) for one in _feed_forward(config, asked, itemsize))
        elif step.name in _OF_HEADS:
            yield step.name, MOVE, (moved[step.name] / asked.devices,)
        elif not step.products:  # with what a residual connection reads of x once more
            yield step.name, MOVE, (moved[step.name] + rows * C * itemsize,)
        if asked.devices > 1 and step.name in ("proj", "mlp"):
            yield step.name, ALL_REDUCE, (_all(asked, asked.devices), rows * C)


def _feed_forward(config: Config, asked: Asked, itemsize: int) -> Iterator[tuple[str, tuple[Array, ...]]]:
    """(operator, sizes) of what it has beside products: experts, all chosen as often, and activations."""
    rows, width = asked.B * asked.T, config.ffn_width
    if config.experts is not None:
        sizes = (config.width, width, config.experts_per_token or 0, config.experts, asked.devices, 1, 0)
        yield "experts", (rows, *(_all(asked, size) for size in sizes))
        width = config.shared_width or 0
    if width:
        yield MOVE, (rows * width / asked.devices * (2 + config.gated) * itemsize,)


def _on_one(shape: tuple[int, ...], split: tuple[str | None, ...], devices: int) -> tuple[int, int]:
    """(I, O) of a projection as one device has it."""
    inside, out = (
        size // devices if axis == "tp" else size for size, axis in zip(shape, split or (None, None), strict=True)
    )
    return inside, out


def _attention(config: Config, asked: Asked) -> tuple[Array, ...]:
    heads, kv_heads = config.heads // asked.devices, max(1, config.kv_heads // asked.devices)
    window = 0 if config.window is None or config.window >= asked.S else config.window
    return (asked.B, *(_all(asked, size) for size in (asked.S, heads, kv_heads, config.head_width, window)))


def _all(asked: Asked, size: float) -> Array:
    return np.full(asked.B.shape, float(size))

"""A model's launches, by the shapes of its weights: products, attention, and what only moves bytes.

Projections that read the same rows are one launch, as engines have them (q, k and v; gate and up); norms, rotations and
activations are one each. Axes: `calls`, those that are asked for at once.
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
    sizes: tuple[Array, ...]  #: (calls,) each, in the order of the operator's form
    many: int


@dataclass(frozen=True)
class Asked:
    """What calls of a model are given, each (calls,): sequences B, of T new tokens each, and S that these see."""

    phase: Phase
    B: Array
    T: Array
    S: Array
    devices: int = 1  #: over which heads and feed-forward are split, as Megatron-LM does (Shoeybi et al. 2019)

    @classmethod
    def one(cls, phase: Phase, B: int, T: int, S: int, devices: int = 1) -> Asked:
        """A single call."""
        sequences, new, seen = (np.array([float(size)]) for size in (B, T, S))
        return cls(phase, sequences, new, seen, devices)


def launches(model: Model, asked: Asked, itemsize: int) -> list[Launch]:
    """Those of calls of the whole model; Refused where a part of it has no model."""
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
def _bytes(config: Config, phase: Phase, itemsize: int) -> dict[str, tuple[int, int, int, int]]:
    """What a step moves at the least, of 1 or 2 sequences of 1 or 2 tokens; of attention nobody asks it here."""
    lengths = (1, 2) if phase is Phase.PREFILL else (1, 1)
    sizes = [(B, T) for T in lengths for B in (1, 2)]
    found = [WORKLOAD.costs(Case("block", config, phase, B, T, T), itemsize) for B, T in sizes]
    return {each[0].step: tuple(cost.bytes for cost in each) for each in zip(*found, strict=True)}


def _moved(config: Config, asked: Asked, itemsize: int) -> dict[str, Array]:
    """(calls,) by step: bytes grow evenly with sequences, and with tokens."""
    B, T = asked.B - 1, asked.T - 1
    return {
        step: one + B * (two - one) + T * ((longer - one) + B * (both - longer - two + one))
        for step, (one, two, longer, both) in _bytes(config, asked.phase, itemsize).items()
    }


def of_block(config: Config, asked: Asked, itemsize: int) -> Iterator[tuple[str, str, tuple[Array, ...]]]:
    """(step, operator, sizes) of each of one block's launches, in their order."""
    rows, C = asked.B * asked.T, config.width
    moved = _moved(config, asked, itemsize)
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
    window = np.zeros(asked.S.shape) if config.window is None else np.where(config.window < asked.S, config.window, 0.0)
    return (asked.B, asked.S, *(_all(asked, size) for size in (heads, kv_heads, config.head_width)), window)


def _all(asked: Asked, size: float) -> Array:
    return np.full(asked.B.shape, float(size))

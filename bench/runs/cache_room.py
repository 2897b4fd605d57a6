"""Whether a model's weights and caches have room in this machine's memory, by formula, before any of them is made."""

from __future__ import annotations

from math import prod

from oneblock.bench.format.errors import Refused
from oneblock.bench.format.units import size
from oneblock.workloads import _parameters, _slots
from oneblock.workloads._workload import Case, Phase
from oneblock.workloads.models import Config, Model

_AT_ONCE = 3  # times one layer's caches beside them all: as prompts gave them, joined, and on their way to the device


def available_bytes() -> int:
    """The memory that the system would give without swapping."""
    import psutil

    return int(psutil.virtual_memory().available)


def check_room(model: Model, itemsize: int, B: int, prompt: int, tokens: int, step: int, layers: int, had: int) -> None:
    """Refused where caches for B sequences of so many positions do not fit, with the tokens that would.

    Slots come in multiples of `step`; `layers` of the model have no weights here yet, and `had` bytes are given back.
    """
    slots = -(-(prompt + tokens) // step) * step
    weights = sum(_parameters.of_block(config) for config in model.layers[len(model.layers) - layers :]) * itemsize
    each = cache_bytes(model, B, itemsize) + _AT_ONCE * max(_cache(config, B) for config in model.layers) * itemsize
    free = available_bytes() + had
    if weights + slots * each <= free:
        return
    fit = max(0, (free - weights) // each // step * step - prompt)
    raise Refused(
        f"{model.name}: {size(free)} of memory are free, and caches of {slots:,} tokens for {B} sequence"
        f"{'' if B == 1 else 's'} take {size(slots * each)} beside weights of {size(weights)}: "
        + (f"ask for at most {fit:,} --tokens" if fit else "not one token fits; a 16-bit --dtype takes half")
    )


def check_logits(model: Model, prompts: int, tokens: int) -> None:
    """Refused where the exact logits (V,) of so many positions, which are kept in float64, do not fit."""
    assert model.vocabulary is not None
    each, free = prompts * model.vocabulary * 8, available_bytes()
    if each * tokens > free:
        raise Refused(
            f"{model.name}: {size(free)} of memory are free, and float64 logits of {prompts * tokens:,} positions, "
            f"which each backend is held against, take {size(each * tokens)}: ask for fewer --prompts, or at most "
            f"{free // each:,} --tokens"
        )


def cache_bytes(model: Model, B: int, itemsize: int) -> int:
    """Of one slot of all layers' caches."""
    return sum(_cache(config, B) for config in model.layers) * itemsize


def _cache(config: Config, B: int) -> int:
    """The elements of one slot of a layer."""
    shapes = _slots.outputs(Case("block", config, Phase.DECODE, B, 1, 1))
    return sum(prod(shape) for name, shape in shapes.items() if name != "y")

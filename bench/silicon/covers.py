"""How much of a block's time on a GPU lies on launches that were reported, or between those that were.

A launch lies between rows where each of its axes has a row's size below and above. Norms, activations and sums are no
operators of the tables, and are not counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from oneblock.bench.format.errors import Refused
from oneblock.bench.silicon.blocks import Asked, of_block
from oneblock.bench.silicon.formats import FORMATS
from oneblock.bench.silicon.trial import Tried
from oneblock.workloads._workload import Phase
from oneblock.workloads.models import Config

OPERATORS = ("product", "prefill", "decode")  # whose trials are asked
PREFILLS, DECODES = (128, 2048), (1, 16)  # tokens of a prompt; sequences, each of a cache
CACHE = 2048  # tokens that a decode sees, its own among them


@dataclass(frozen=True)
class Launch:
    """One of a block's."""

    step: str
    operator: str
    sizes: tuple[int, ...]


@dataclass(frozen=True)
class Covered:
    """What rows say of a block in one phase on one chip. Seconds are modelled."""

    target: str
    phase: str  #: "prefill T=128", "decode B=1"
    seconds: float
    on_rows: float  #: which part of these is of launches that were reported
    between: float  #: and of those that lie between
    outside: tuple[str, ...]  #: the others, in words


def launches(config: Config) -> dict[str, list[Launch]]:
    """A block's, by phase; Refused of a block that has others."""
    if config.latent is not None or config.experts is not None:
        raise Refused(f"--covers: expected a model of dense products and plain attention, got {config.name}")
    found = {}
    for phase, letter, many in ((Phase.PREFILL, "T", PREFILLS), (Phase.DECODE, "B", DECODES)):
        for size in many:
            B, T, S = (1, size, size) if phase is Phase.PREFILL else (size, 1, CACHE)
            of = of_block(config, Asked.one(phase, B, T, S), 2)
            found[f"{phase} {letter}={size}"] = [
                Launch(step, operator, tuple(int(size[0]) for size in sizes))
                for step, operator, sizes in of if operator in OPERATORS
            ]  # fmt: skip
    return found


def covered(config: Config, told: Mapping[str, Sequence[Tried]]) -> list[Covered]:
    """Of each chip that has a model of every operator, of the newest version of its rows."""
    models = {operator: {one.target: one for one in found if one.wrong is None} for operator, found in told.items()}
    targets = [target for target in models["product"] if all(target in models[one] for one in OPERATORS)]
    return [
        _of_phase(target, phase, asked, {name: models[name][target] for name in OPERATORS})
        for target in targets
        for phase, asked in launches(config).items()
    ]


def _of_phase(target: str, phase: str, asked: Sequence[Launch], models: Mapping[str, Tried]) -> Covered:
    seconds = {"row": 0.0, "between": 0.0, "outside": 0.0}
    outside = []
    for one in asked:
        model = models[one.operator]
        rows = model.rows.launches
        where = "row" if rows.same(one.sizes).any() else "between" if rows.between(one.sizes) else "outside"
        seconds[where] += float(model.seconds(rows.one(one.sizes, FORMATS[model.rows.dtype]))[0][0])
        if where == "outside":
            outside.append(f"{one.step} {'x'.join(map(str, one.sizes))}")
    whole = sum(seconds.values())
    return Covered(target, phase, whole, seconds["row"] / whole, seconds["between"] / whole, tuple(outside))

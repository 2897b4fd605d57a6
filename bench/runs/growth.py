"""A model's whole decode, compiled of a few of its layers, and what is foreseen of all from them.

Each further layer of one sort adds the same to a program, once a compiler knows both its neighbours: two programs tell
what it is, and a third one whether it is so. What a compiler counts is counted; only the sum is modelled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from time import perf_counter

import numpy as np

from oneblock import backends
from oneblock.backends.api.backend import Unavailable, Unsupported
from oneblock.backends.api.target import Target
from oneblock.bench.format.errors import Refused
from oneblock.compilers import Detail
from oneblock.compilers.api.facts import Facts
from oneblock.compilers.api.stages import Artifact
from oneblock.workloads._whole import Whole
from oneblock.workloads.models import Model
from oneblock.workloads.ops.dtypes import dtype_of

COUNTS: dict[str, Callable[[Facts], float | None]] = {
    "FLOPs": lambda facts: facts.flops,
    "HBM": lambda facts: facts.hbm_bytes,
    "arguments": lambda facts: facts.argument_bytes,
    "scratch": lambda facts: facts.scratch_bytes,
    "operations": lambda facts: sum(facts.operations.values()) or None,
}
ADDED = ("FLOPs", "HBM", "arguments")  # each layer adds to them; scratch is used again, and operations are fused anew
_FIRST = 3  # programs, of one period of layers each more than the one before


@dataclass(frozen=True)
class Program:
    """The decode of a model's first layers with its norm and head, compiled."""

    layers: int
    facts: Facts
    stages: tuple[Artifact, ...]
    compile_s: float

    def counts(self) -> dict[str, float | None]:
        """What is counted of it, by the names of `COUNTS`."""
        return {name: count(self.facts) for name, count in COUNTS.items()}


@dataclass(frozen=True)
class Asked:
    """What is compiled, and for what."""

    model: Model
    backend: str
    ops_set: str
    target: Target
    dtype: str
    B: int
    S: int

    def programs(self, check: int | None) -> Iterator[Program]:
        """Three that all is foreseen from, then the one that it is checked by; Refused where nothing can be."""
        period, N = _period(self.model), len(self.model.layers)
        first = [period * number for number in range(1, _FIRST + 1)]
        if first[-1] > N:
            raise Refused(
                f"{self.model.name}: its {N} layers repeat every {period}, and {_FIRST} times that are compiled to "
                "foresee the rest: there is no rest"
            )
        if check is not None and (check <= first[-1] or check > N or check % period):
            raise Refused(
                f"--check: expected more layers than the {first[-1]} that are compiled anyway and at most the model's "
                f"{N}" + (f", in multiples of {period}" if period > 1 else "") + f", got {check}"
            )
        for layers in [*first, *([] if check is None else [check])]:
            yield self._compiled(layers)

    def least_bytes(self, layers: int) -> int:
        """What a token reads at the least: every weight, and the caches with all their slots."""
        whole = Whole(self.model, self.B, self.S, layers)
        elements = sum(prod(spec.shape) for spec in whole.workload.specs(whole.case).values())
        return elements * dtype_of(self.dtype).itemsize

    def _compiled(self, layers: int) -> Program:
        backend, whole, dtype = backends.ours(self.backend), Whole(self.model, self.B, self.S, layers), self.dtype
        zeros = {n: np.zeros(s.shape, dtype_of(dtype)) for n, s in whole.workload.specs(whole.case).items()}
        arrays = zeros | whole.at(dtype_of(dtype), [self.S - 1] * self.B)
        try:
            if self.ops_set not in backend.ops_sets:
                raise Unsupported(f"expected one of its ops sets, {', '.join(backend.ops_sets)}; got {self.ops_set}")
            if self.target.platform not in backend.platforms:
                raise Unsupported(f"expected a target of {', '.join(backend.platforms)}; got {self.target}")
            backend.probe(self.target)
            start = perf_counter()
            compiled = backend.compile(whole.workload, whole.case, arrays, self.ops_set, self.target)
            took = perf_counter() - start
            lowering = compiled.capture(Detail.BRIEF)
        except (Unavailable, Unsupported) as error:
            hint = f"; {error.hint}" if isinstance(error, Unavailable) else ""
            raise Refused(f"{self.backend}: {error}{hint}") from error
        if lowering.facts is None or lowering.facts.flops is None:
            raise Refused(f"{self.backend} counts nothing of what it compiles: choose another --backend")
        return Program(layers, lowering.facts, tuple(lowering.artifacts), took)


def foreseen(programs: Sequence[Program], layers: int) -> dict[str, float | None]:
    """The counts of a program of so many layers, from the last two of the three first ones."""
    found: dict[str, float | None] = {}
    second, third = programs[_FIRST - 2 : _FIRST]
    for name, count in third.counts().items():
        before = second.counts()[name]
        if count is None or before is None:
            found[name] = None
        else:
            found[name] = count + (count - before) * (layers - third.layers) / (third.layers - second.layers)
    return found


def uneven(programs: Sequence[Program]) -> dict[str, float]:
    """By what share of the third program a count that layers add to grew otherwise from the second than to it."""
    first, second, third = programs[:_FIRST]
    grown = foreseen([first, first, second], third.layers)
    return {name: share for name, share in apart(grown, third).items() if name in ADDED}


def apart(foreseen: dict[str, float | None], counted: Program) -> dict[str, float]:
    """By what share of what was counted the foreseen counts are off, of those that both have."""
    pairs = {name: (foreseen[name], count) for name, count in counted.counts().items()}
    return {name: abs(a - b) / b for name, (a, b) in pairs.items() if a is not None and b}


def _period(model: Model) -> int:
    """After how many layers a model's sorts of layers repeat."""
    layers = model.layers
    return next(p for p in range(1, len(layers) + 1) if all(one == layers[i % p] for i, one in enumerate(layers)))

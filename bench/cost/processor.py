"""This machine's processor in a plan: whole calls of blocks, by the trial of its own records. Kind: modelled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import psutil

from oneblock.bench.cost.device import BATCHES
from oneblock.bench.judge.roofline import costs
from oneblock.bench.records.environment import default_threads, machine
from oneblock.bench.silicon.calls import Calls, OwnTrial, Way
from oneblock.bench.silicon.here import kept
from oneblock.workloads._workload import Case, Phase
from oneblock.workloads.models import Config, Model
from oneblock.workloads.ops.dtypes import dtype_of

Array = np.ndarray


@dataclass(frozen=True)
class Processor:
    """What a plan knows of it as of a chip: one device, this machine's memory, a power that nobody states."""

    target: ClassVar[str] = "cpu"
    tdp_w: ClassVar[None] = None
    name: str
    memory_bytes: int
    trials: Mapping[Way, OwnTrial] = field(hash=False)

    @classmethod
    def here(cls) -> Processor:
        """This one, with the trials that are kept of as many threads as a run has by default."""
        of = machine(default_threads())
        return cls(str(of["cpu"]), psutil.virtual_memory().total, kept(Way.digest_of(of)))

    def ways(self, model: Model, dtype: str) -> list[Processing]:
        """Each way that was tried in a dtype."""
        return [Processing(model, one) for way, one in self.trials.items() if way.dtype == dtype]


@dataclass(frozen=True)
class Processing:
    """A processor that computes a model, a block a call, by one way that was tried; its clock."""

    model: Model
    trial: OwnTrial
    own: ClassVar[bool] = True  #: it is tried by its own calls
    batches: Array = field(default_factory=lambda: BATCHES, compare=False, repr=False)
    _known: dict[tuple[Phase, int], dict[str, Array]] = field(default_factory=dict, compare=False, repr=False)

    def prompt_s(self, T: int) -> Array:
        """(range,) of one prompt of T tokens."""
        return np.asarray(sum(self._once(Phase.PREFILL, np.ones(1), T).values()))[:, 0]

    def step_s(self, S: int) -> Array:
        """(range, batches) of one token of each of `batches` sequences, which see S positions."""
        return np.asarray(sum(self._once(Phase.DECODE, self.batches, S).values()))

    def prepare(self, phase: Phase, sizes: Iterable[int]) -> None:
        """Nothing: one at a time is as quick."""

    def shares(self, phase: Phase, B: int, T: int, S: int) -> Mapping[str, float]:
        """Which part of a call's time blocks and head take, the larger first."""
        found = {name: float(s[0, 0]) for name, s in self._parts(phase, np.array([float(B)]), T, S).items()}
        whole = sum(found.values())
        return {name: s / whole for name, s in sorted(found.items(), key=lambda item: -item[1])}

    def _once(self, phase: Phase, B: Array, S: int) -> dict[str, Array]:
        key = phase, S
        if key not in self._known:
            self._known[key] = self._parts(phase, B, S if phase is Phase.PREFILL else 1, S)
        return self._known[key]

    def _parts(self, phase: Phase, B: Array, T: int, S: int) -> dict[str, Array]:
        """(range, batches) of all blocks, and of the head."""
        layers = Counter(self.model.layers).items()
        blocks = sum(many * self.trial.seconds(self._calls(config, phase, B, T, S)) for config, many in layers)
        return {"blocks": np.asarray(blocks), "head": self.trial.seconds(self._head(B))}

    def _calls(self, config: Config, phase: Phase, B: Array, T: int, S: int) -> Calls:
        """Of so many sequences: what a block has to do grows by as much with each."""
        one, two = (costs(Case("block", config, phase, b, T, S), self.trial.way.dtype) for b in (1, 2))
        flops, nbytes = (
            first + (B - 1) * (second - first)
            for first, second in ((one.flops, two.flops), (one.compulsory_bytes, two.compulsory_bytes))
        )
        return Calls(flops, nbytes, np.full(B.shape, float(len(one.steps))), np.arange(float(len(B))))

    def _head(self, B: Array) -> Calls:
        """The product of each sequence's last position with the vocabulary."""
        C, V = self.model.layers[-1].width, self.model.vocabulary
        assert V is not None, "a model whose memory was summed has one"
        nbytes = (C * V + B * (C + V)) * dtype_of(self.trial.way.dtype).itemsize
        return Calls(2.0 * B * C * V, nbytes, np.ones(B.shape), np.arange(float(len(B))))

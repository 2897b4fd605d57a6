"""What a workload is: one program, its arrays, and what it must cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from oneblock.workloads.models import LARGEST, PRESETS, Config
from oneblock.workloads.ops.definitions import STEPS, Array, Ops

Arrays = Mapping[str, np.ndarray]  # what crosses every boundary: NumPy arrays in the cell's dtype, by name


Outputs = dict[str, Array]


class Phase(StrEnum):
    """PREFILL reads a prompt of T tokens; DECODE reads one token against a cache of S positions."""

    PREFILL = "prefill"
    DECODE = "decode"


@dataclass(frozen=True, slots=True)
class Case:
    """A workload at one configuration, phase and size: everything that fixes its shapes.

    In prefill S = T. In decode T = 1, and the cache holds S slots, of which the last is the new token's.
    """

    workload: str
    config: Config
    phase: Phase
    B: int
    T: int
    S: int

    def __post_init__(self) -> None:
        for axis in ("B", "T", "S"):
            size = getattr(self, axis)
            if not 1 <= size <= LARGEST:
                bound = "at least 1" if size < 1 else f"at most {LARGEST:,}"
                raise ValueError(f"{axis}: expected {bound}, got {size}")
        if self.phase is Phase.DECODE and self.T != 1:
            raise ValueError(
                f"decode reads one token at a time: expected T=1, got T={self.T}; give the cache size as S"
            )
        if self.phase is Phase.PREFILL and self.S != self.T:
            raise ValueError(f"prefill reads all its own keys: expected S=T, got T={self.T}, S={self.S}")


Split = tuple[str | None, ...]  # for each axis of an array the axis of a mesh that it is split along, None along none


@dataclass(frozen=True)
class Common:
    """What a weight (I, heads * group * width) has in common with others: a share of its variance is of one stream.

    Queries and keys that are to be alike have it, in some rows and in some columns of each head: see answers/arrays.py.
    """

    stream: str
    share: float
    heads: int  #: of the stream, each of which a group of the array's heads has
    width: int  #: of each head of the array
    rows: int | None = None  #: the first so many; None: all
    columns: tuple[int, int | None] = (0, None)  #: of each head, from the first to before the second


@dataclass(frozen=True)
class Spec:
    """One array of a workload: its shape, where its numbers come from, and how it splits over devices.

    "dp" is the axis of data-, "tp" that of tensor-parallel devices, as in Megatron-LM (Shoeybi et al. 2019).
    """

    shape: tuple[int, ...]
    is_input: bool = False  #: an input changes from call to call; the rest are weights and tables
    is_state: bool = False  #: an input (..., S, D) of S slots that is written in place, and given back by its name
    std: float = 1.0
    mean: float = 0.0
    common: Common | None = None
    table: Callable[[Config, int, int], np.ndarray] | None = None  #: computed instead of drawn, from (config, T, S)
    projection: bool = False  #: the weight (I, O) of one, which a backend may keep in a layout of its own
    split: Split = ()  #: empty: whole on every device


@dataclass(frozen=True, slots=True)
class StepCost:
    """What one step must do at the least: FLOPs, and bytes if its operations were one kernel."""

    step: str
    flops: int  #: a multiply-add is 2
    bytes: int  #: every operand read once, every result written once


@dataclass(frozen=True)
class Workload:
    """One computation, stated once for every backend."""

    name: str
    program: Callable[[Ops, Case, Mapping[str, Array]], Outputs]
    specs: Callable[[Case], dict[str, Spec]]
    costs: Callable[[Case, int], list[StepCost]]  #: (case, bytes of an element) -> by step
    outputs: Callable[[Case], dict[str, tuple[int, ...]]]  #: the shape of each that the program returns
    main_input: str  #: the array that a do-nothing answer would copy
    phases: tuple[Phase, ...] = (Phase.PREFILL, Phase.DECODE)
    steps: tuple[str, ...] = STEPS  #: the names that its program gives to what a compiler's texts are told apart by

    def state(self, case: Case) -> tuple[str, ...]:
        """The arrays that the program writes in place.

        A call writes what its other arguments say where they say it, whatever stood there: the same call once more
        leaves the state as it is.
        """
        return tuple(name for name, spec in self.specs(case).items() if spec.is_state)


def wrong(workload: object, name: str) -> str | None:
    """The first thing that is wrong with what somebody calls a workload, tried at small cases; None if nothing is."""
    if not isinstance(workload, Workload):
        return f"names a {type(workload).__name__}: expected a Workload"
    try:
        return next(_faults(workload, name), None)
    except (Exception, SystemExit) as error:  # noqa: BLE001  a stranger's code may fail in any way: its reason is said
        return f"does not say its arrays, outputs and costs: {type(error).__name__}: {error}"


def _faults(workload: Workload, name: str) -> Iterator[str]:
    phases: object = workload.phases
    program: object = workload.program
    if workload.name != name:
        yield f"calls itself {workload.name!r}: expected {name!r}, under which it is registered"
    if not callable(program):
        yield f"has the program {program!r}: expected a function of (ops, case, arrays)"
    if not isinstance(phases, tuple) or not phases or not all(isinstance(one, Phase) for one in phases):
        yield f"has the phases {phases!r}: expected a tuple of some of {', '.join(map(str, Phase))}"
    for phase in workload.phases:
        case = Case(name, PRESETS["tiny"], phase, 1, 1 if phase is Phase.DECODE else 4, 4)
        yield from _faults_of_specs(workload, workload.specs(case))
        yield from _faults_of_outputs(workload.outputs(case))
        yield from _faults_of_state(workload, case)
        yield from _faults_of_costs(workload.costs(case, 4))


def _faults_of_specs(workload: Workload, specs: object) -> Iterator[str]:
    if not isinstance(specs, Mapping):
        yield f"has the arrays {specs!r}: expected a Spec by the name of each"
        return
    for name, spec in specs.items():
        table: object = getattr(spec, "table", None)
        if not isinstance(name, str) or not isinstance(spec, Spec):
            yield f"has the array {name!r}, {spec!r}: expected a Spec by the name of each"
        elif not _is_shape(spec.shape):
            yield f"has {name} of the shape {spec.shape!r}: expected a tuple of whole numbers from 1"
        elif not (table is None or callable(table)):
            yield f"has {name} computed by {table!r}: expected a function of (config, T, S)"
    if workload.main_input not in specs:
        yield f"has the main input {workload.main_input!r}: expected one of its arrays, {', '.join(specs)}"


def _faults_of_outputs(outputs: object) -> Iterator[str]:
    if not isinstance(outputs, Mapping) or not outputs or not all(map(_is_shape, outputs.values())):
        yield f"has the outputs {outputs!r}: expected a tuple of whole numbers from 1 by the name of each"


def _faults_of_state(workload: Workload, case: Case) -> Iterator[str]:
    specs, outputs = workload.specs(case), workload.outputs(case)
    for name in workload.state(case):
        shape = specs[name].shape
        if not specs[name].is_input or outputs.get(name) != shape or len(shape) < 2:
            yield f"has the state {name}: expected an input (..., S, D) that is an output of its name and shape as well"


def _faults_of_costs(costs: object) -> Iterator[str]:
    if not isinstance(costs, (list, tuple)) or not all(isinstance(cost, StepCost) for cost in costs):
        yield f"has the costs {costs!r}: expected a list of StepCost"
        return
    strange = [cost.step for cost in costs if cost.step not in STEPS]
    if strange:
        yield f"counts the steps {strange}: expected some of {', '.join(STEPS)}"
    if not all(_is_count(number) and number >= 0 for cost in costs for number in (cost.flops, cost.bytes)):
        yield f"has the costs {costs!r}: expected whole numbers of FLOPs and bytes"


def _is_shape(value: object) -> bool:
    return isinstance(value, tuple) and all(_is_count(side) and side > 0 for side in value)


def _is_count(value: object) -> bool:
    """Whole, NumPy's or Python's, and no truth value."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)

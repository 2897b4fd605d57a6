"""The seam: what a backend is, and what it makes of a workload."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from oneblock.backends.api.target import Target
from oneblock.compilers import Capture, Detail, Lowering
from oneblock.compilers.api.kind import Kind
from oneblock.compilers.api.passes import Passes
from oneblock.compilers.api.search import Search, TaskState, Tell
from oneblock.workloads._workload import Arrays, Case, Workload

TUNED = "tuned"  # the ops set whose programs a search has to be made for


class Unavailable(Exception):
    """The toolchain or the device is not here; `hint` is how to get it."""

    def __init__(self, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


class Unsupported(Exception):
    """It is here and cannot do this; raised instead of falling back to something else."""


def refuse(what: str | None) -> None:
    """Unsupported, where there is something that an operation does not do: see `Scores.beyond`."""
    if what is not None:
        raise Unsupported(f"{what}: this ops set's own has none of it")


@dataclass(frozen=True)
class Availability:
    """How this machine serves a target: the kind of evidence that it gives at best, and the device that gives it."""

    kind: Kind
    name: str  #: in words: "NVIDIA H100", "cpu"


class Executable(Protocol):
    """A compiled program on a device, in four verbs, and two services to whoever measures it."""

    timer: str  #: what `wait` makes the host's clock measure: "perf_counter", "perf_counter+cuda_synchronize"

    def put(self, arrays: Arrays) -> dict[str, Any]:
        """Copy to the device, in the memory layout that this executable reads best."""
        ...

    def call(self, args: MutableMapping[str, Any]) -> Any:
        """Start one run; may return before it ends; never compiles, and changes none of its arguments but the state.

        What came of that (`Workload.state`) is in `args` from then on, and in the answer, until the next call.
        """
        ...

    def wait(self, out: Any) -> None:
        """Block until every array of `out` is computed."""
        ...

    def get(self, out: Any) -> dict[str, np.ndarray]:
        """Copy to the host, in the dtype it was computed in."""
        ...

    def flush(self, nbytes: int) -> None:
        """Evict what caches hold of earlier runs, by writing `nbytes` of the device's memory."""
        ...

    def peak_bytes(self) -> int | None:
        """The most device memory in use since the executable was made; None where that is the host's own memory."""
        ...


@runtime_checkable
class DeviceClock(Protocol):
    """What an executable also has where the device tells how long it worked, the host's waiting left out."""

    def device_seconds(self, args: MutableMapping[str, Any], calls: int, flush_bytes: int) -> list[float]:
        """The device's own time of each of `calls` calls, each after a flush."""
        ...


@dataclass(frozen=True)
class Compiled:
    """A workload specialised to one target, one dtype and its shapes."""

    executable: Executable | None  #: None: compiled for a device that is not here
    capture: Capture  #: the lowering, made when it is asked for; asking twice may compile twice


@runtime_checkable
class Backend(Protocol):
    """One way to compile and run a workload. A file in backends/ defines one, as BACKEND."""

    name: str  #: the file's stem
    # Each set by its name, with the operations (workloads/ops/definitions.py) that it replaces; the others stay as the
    # text has them. "plain" replaces none and comes first; only a backend that is kernels of its own has no such
    # set. The last is the fastest without a search. TUNED takes one, and is run only where it is asked for.
    ops_sets: Mapping[str, tuple[str, ...]]
    dtypes: tuple[str, ...]
    platforms: tuple[str, ...]  #: of the targets it may be asked for; the first is its default

    def probe(self, target: Target) -> Availability:
        """The device for a target; Unavailable or Unsupported say why there is none."""
        ...

    def compile(self, workload: Workload, case: Case, arrays: Arrays, ops_set: str, target: Target) -> Compiled:
        """Compile fully, lazy compilers by a first call. `arrays` are the weights and inputs, in the cell's dtype.

        Where `probe` gives the kind COMPILED they have shapes and dtypes, and no data.
        """
        ...

    def compilations(self) -> int:
        """How many programs its compiler has compiled in this process so far; a call may add none."""
        ...


@dataclass(frozen=True)
class TuningResult:
    """The outcome of a search, by function or kernel."""

    kind: Kind  #: of its seconds: MEASURED here, or MODELLED by the formula that `how` names
    how: str
    tasks: tuple[TaskState, ...]
    folder: str | None = None  #: where it is kept for later runs; None where the next run would find the same at once


@runtime_checkable
class Tunable(Protocol):
    """What a backend also has whose programs can be searched for: schedules, configurations, block sizes."""

    def tune(
        self, workload: Workload, case: Case, arrays: Arrays, target: Target, asked: Search, tell: Tell
    ) -> TuningResult:
        """Search, telling the state of a task whenever it has changed; Unavailable and Unsupported as in `compile`.

        `arrays` have shapes and dtypes, and no data.
        """
        ...


@runtime_checkable
class Fingerprinted(Protocol):
    """What a backend also has whose outcomes depend on more than the versions of the distributions of its extra."""

    def fingerprint(self, ops_set: str) -> dict[str, str | None]:
        """That by name, without importing its toolchain: other versions, a hash of schedules that a search has kept."""
        ...


@runtime_checkable
class CompilesModels(Protocol):
    """What a backend also has that compiles a program otherwise where it is a layer of a whole model.

    There no program is compared with another, and a model's programs share weights, which lie as all of them read them:
    what TVM leaves unscheduled, to be searched, would keep a reader waiting.
    """

    def compile_layer(self, workload: Workload, case: Case, arrays: Arrays, ops_set: str, target: Target) -> Compiled:
        """As `compile`."""
        ...


@runtime_checkable
class Bisectable(Protocol):
    """What a backend also has whose compiler's passes can be switched off one by one."""

    def passes(self, workload: Workload, case: Case, arrays: Arrays, ops_set: str, target: Target) -> Passes:
        """The passes of a cell's program, found by compiling it; Unavailable and Unsupported as in `compile`."""
        ...


def no_lowering(detail: Detail) -> Lowering:
    """The capture of a backend that runs the program as it stands."""
    return Lowering()

"""The core that a kernel runs on: what it allocates, what it issues, and the registers between instructions."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Concatenate, ParamSpec

import numpy as np

from oneblock.compilers.chips.chip import Generation
from oneblock.compilers.chips.makers.neuron_cores import PARTITIONS, PSUM_BYTES
from oneblock.compilers.nki.elements import forget
from oneblock.compilers.nki.memory import (
    PRIVATE_HBM,
    PSUM,
    SBUF,
    WRITTEN,
    MemoryRegion,
    NkiTensor,
    Span,
    Storage,
    new_storage,
)
from oneblock.compilers.nki.rules import Place, RuleError, caller, instruction_being_issued, issuing, require

_P = ParamSpec("_P")
# Parameters that take a member of an enumeration, and since NKI 0.3 no bare number.
_ENUMERATED = {
    "engine": "engine", "dge_mode": "dge_mode", "oob_mode": "oob_mode", "reduce_cmd": "reduce_cmd",
    "perf_mode": "matmul_perf_mode",
}  # fmt: skip


@dataclass(frozen=True)
class Event:
    """One instruction, as it was issued."""

    index: int
    instruction: str  # "nc_matmul"
    engine: str  # "tensor", "vector", "scalar", "gpsimd" or "dma"
    place: Place
    cycles: float  # the engine's own, until it can take the next; 0 for DMA
    flops: int
    dma_bytes: int  # that crossed: the larger side, where a dtype is converted
    dma_runs: int  # contiguous runs of it in HBM
    reads: tuple[Span, ...]
    writes: tuple[Span, ...]


@dataclass
class Registers:
    """An engine's accumulators, one a lane; a partition's lane is its number."""

    engine: str
    values: np.ndarray | None = None  # [128, 1] in float32; None before the first reset, and after what spoils them

    def reset(self, value: float) -> None:
        """All lanes to a value."""
        self.values = np.full((PARTITIONS, 1), value, np.float32)

    def lanes(self, like: NkiTensor) -> np.ndarray:
        """Those of an operand's partitions, (P, 1); RuleError before a reset."""
        require(self.values is not None, f"registers of {self.engine}", "reset before they are used", "never reset")
        assert self.values is not None
        return self.values[like.partition : like.partition + like.shape[0]]


@dataclass
class Machine:
    """One run of one kernel on one generation."""

    generation: Generation
    events: list[Event] = field(default_factory=list)
    storages: list[Storage] = field(default_factory=list)
    registers: dict[str, Registers] = field(
        default_factory=lambda: {"scalar": Registers("ScalarE"), "vector": Registers("VectorE")}
    )

    def allocate(self, shape: Sequence[int], dtype: str, buffer: MemoryRegion, name: str = "") -> NkiTensor:
        """New memory (P, F) on the chip or (...) in HBM; RuleError where such a tensor cannot exist."""
        given, place = tuple(shape), caller()
        require(all(isinstance(n, int) and n > 0 for n in given), "shape", "positive integers", list(given))
        if buffer in (SBUF, PSUM):
            require(len(given) >= 2, "tensors on the chip have partitions", "two dimensions or more", list(given))
            require(given[0] <= PARTITIONS, "partitions", f"at most {PARTITIONS}", given[0], "tile the first dimension")
        made = new_storage(given, dtype, buffer, name, len(self.storages), place)
        limit = {SBUF: self.generation.sbuf_bytes, PSUM: PSUM_BYTES}.get(buffer)
        if limit is not None:
            what = f"bytes of a partition in {buffer.upper()}"
            require(made.storage.bytes <= limit, what, f"at most {limit} on {self.generation.name}", made.storage.bytes)
        self.storages.append(made.storage)
        return made

    def given(self, array: np.ndarray, name: str) -> NkiTensor:
        """An argument (...) of the kernel: memory in HBM that holds what the caller put there."""
        data = np.ascontiguousarray(array).view()
        data.flags.writeable = False
        state = np.full(data.shape, WRITTEN, np.uint8)
        state.flags.writeable = False  # a kernel is a function of its arguments, and leaves them as they are
        storage = Storage(
            len(self.storages), name, PRIVATE_HBM, data.dtype.name, data.size, caller(), data, state
        )  # fmt: skip
        self.storages.append(storage)
        return NkiTensor(storage, data, state)

    def forget(self) -> None:
        """Let go of all elements; what was issued and allocated stays."""
        for storage in self.storages:
            forget(storage)

    def issue(
        self,
        engine: str,
        reads: Sequence[NkiTensor],
        writes: Sequence[NkiTensor],
        cycles: float,
        *,
        flops: int = 0,
        dma_bytes: int = 0,
        dma_runs: int = 0,
    ) -> None:
        """Note an instruction down, whose operands are tiles (P, F) or lie in HBM as (...)."""
        issued = instruction_being_issued()
        assert issued is not None
        name, place = issued
        read, written = (tuple(one.span() for one in many) for many in (reads, writes))
        index = len(self.events)
        for span in (*read, *written):
            if span.storage.first is None:
                span.storage.first = index
            span.storage.last = index
        event = Event(index, name, engine, place, cycles, flops, dma_bytes, dma_runs, read, written)
        self.events.append(event)


_MACHINE: ContextVar[Machine | None] = ContextVar("machine", default=None)


def current() -> Machine:
    """The machine that the kernel runs on; RuleError outside of a kernel."""
    machine = _MACHINE.get()
    if machine is None:
        raise RuleError("instructions run in a kernel", "expected a call within a function under @nki.jit, got none")
    return machine


@contextmanager
def running(machine: Machine) -> Iterator[Machine]:
    """Within it instructions go to this machine."""
    token = _MACHINE.set(machine)
    try:
        yield machine
    finally:
        _MACHINE.reset(token)


def instruction(function: Callable[Concatenate[Machine, _P], None]) -> Callable[_P, None]:
    """A function of `nki.isa`: its first parameter, the machine, is not the kernel's to give."""
    name = function.__name__
    parameters = list(inspect.signature(function).parameters.values())[1:]
    signature = inspect.Signature(parameters)

    @functools.wraps(function)
    def issue(*args: _P.args, **kwargs: _P.kwargs) -> None:
        machine = current()
        kwargs.pop("name", None)  # a label, for the vendor's tools
        with issuing(f"nisa.{name}", caller()):
            try:
                signature.bind(*args, **kwargs)
            except TypeError as error:
                raise RuleError("signature", f"{error}; {name}{signature}", f"nisa.{name}") from None
            for role, value in kwargs.items():
                named = role in _ENUMERATED and isinstance(value, int)
                require(not named, role, f"a member of nisa.{_ENUMERATED.get(role)}", repr(value))
            function(machine, *args, **kwargs)

    issue.__signature__ = signature  # type: ignore[attr-defined]
    return issue

"""`nki.jit` of the interpreter: a kernel is checked, run over NumPy arrays, and its run kept to be read."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FunctionType
from typing import Any

import numpy as np

from oneblock.compilers.chips.chip import Generation
from oneblock.compilers.nki import machine as machines
from oneblock.compilers.nki import occupancy, restricted
from oneblock.compilers.nki.dtypes import FLOATS, INTEGERS
from oneblock.compilers.nki.elements import elements, states
from oneblock.compilers.nki.generations import generation, generations
from oneblock.compilers.nki.machine import Machine, running
from oneblock.compilers.nki.memory import SHARED_HBM, NkiTensor
from oneblock.compilers.nki.occupancy import Occupancy
from oneblock.compilers.nki.rules import NotInterpreted, Place, RuleError
from oneblock.compilers.nki.tensors import as_array, as_tensor, is_tensor

PLATFORM = "NEURON_PLATFORM_TARGET_OVERRIDE"  # the vendor's variable for the generation


@dataclass(frozen=True)
class Run:
    """What one run of a kernel came to."""

    outputs: tuple[np.ndarray, ...]
    machine: Machine
    occupancy: Occupancy


class Kernel:
    """A function under @nki.jit. Called over arrays or tensors it runs on the generation that the environment names."""

    def __init__(self, function: FunctionType) -> None:
        self.function = function
        self.__name__, self.__doc__ = function.__name__, function.__doc__
        self.__signature__ = inspect.signature(function)
        self.specialised: set[tuple[Any, ...]] = set()

    def __getitem__(self, cores: int) -> Kernel:
        if cores != 1:
            raise NotInterpreted(f"a kernel over {cores} cores (LNC)")
        return self

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run it, or become a part of the kernel that calls."""
        if machines._MACHINE.get() is not None:  # called by another kernel, which it becomes a part of
            return self.function(*args, **kwargs)
        named = os.environ.get(PLATFORM)
        if not named:
            place = Place(self.function.__code__.co_filename, self.function.__code__.co_firstlineno)
            known = " or ".join(name for names in generations().values() for name in names)
            raise RuleError("generation", f"expected {PLATFORM} to be {known}, got nothing: there is no default", None,
                            place)  # fmt: skip
        tensors = any(map(is_tensor, (*args, *kwargs.values())))
        args, kwargs = as_array(args), {name: as_array(value) for name, value in kwargs.items()}
        try:
            done = run(self, generation(named), *args, **kwargs)
        except Exception as error:
            _tell(self, args, kwargs, error)
            raise
        _tell(self, args, kwargs, done)
        outputs = tuple(map(as_tensor, done.outputs)) if tensors else done.outputs
        return outputs if len(outputs) > 1 else outputs[0]


def simulate(kernel: Kernel) -> Kernel:
    """The kernel to be called over arrays, as by AWS's simulator; who runs it here is this interpreter."""
    if not isinstance(kernel, Kernel):
        raise TypeError(f"nki.simulate: expected a kernel under @nki.jit, got a {type(kernel).__name__}")
    return kernel


def jit(fn: Callable[..., Any] | None = None, **kwargs: Any) -> Any:
    """Make a kernel of a function."""
    if kwargs:
        raise NotInterpreted(f"nki.jit({', '.join(kwargs)}=...); `mode` and `platform_target` are of an older NKI")
    return Kernel(fn) if isinstance(fn, FunctionType) else jit


def run(kernel: Kernel, on: Generation, *args: Any, **kwargs: Any) -> Run:
    """Run a kernel over NumPy arrays; RuleError for what the hardware or the language does not allow."""
    function = kernel.function
    bound = inspect.signature(function).bind(*args, **kwargs)
    bound.apply_defaults()
    _specialise(kernel, on, bound.arguments)
    machine = Machine(on)
    with running(machine):
        given = {name: _given(machine, name, value) for name, value in bound.arguments.items()}
        returned = function(**given)
    tensors = returned if isinstance(returned, tuple) else (returned,)
    place = Place(function.__code__.co_filename, function.__code__.co_firstlineno)
    outputs = tuple(_output(tensor, place) for tensor in tensors)
    return Run(outputs, machine, occupancy.check(machine))


_specialisations = 0
Listener = Callable[["Kernel", Sequence[Any], "Run | Exception"], None]
_watching: list[Listener] = []


def _tell(kernel: Kernel, args: Sequence[Any], kwargs: Mapping[str, Any], ended: Run | Exception) -> None:
    for listener in _watching:
        listener(kernel, (*args, *kwargs.values()), ended)


@contextmanager
def watched(by: Listener) -> Iterator[None]:
    """Within it every call of a kernel as a function is told: (kernel, arguments, its run or why there is none)."""
    _watching.append(by)
    try:
        yield
    finally:
        _watching.remove(by)


def specialisations() -> int:
    """How many kernels, each for its arguments' shapes and dtypes, were checked in this process so far."""
    return _specialisations


def _specialise(kernel: Kernel, on: Generation, values: dict[str, Any]) -> None:
    """Check what a compiler would, once for arguments of a kind."""
    global _specialisations
    restricted.arguments(kernel.function, values)
    key = (on.name, *(_kind(value) for value in values.values()))
    if key in kernel.specialised:
        return
    if not kernel.specialised:
        restricted.check(kernel.function)
    kernel.specialised.add(key)
    _specialisations += 1


def _kind(value: Any) -> Any:
    """What a compiled kernel depends on of an argument."""
    if isinstance(value, tuple):
        return tuple(map(_kind, value))
    return (value.dtype.name, value.shape) if isinstance(value, np.ndarray) else value


def _given(machine: Machine, name: str, value: Any) -> Any:
    if isinstance(value, np.ndarray):
        known = value.dtype.name in FLOATS | INTEGERS
        if not known:
            raise NotInterpreted(f"an argument {name} of {value.dtype}: expected one of {', '.join(FLOATS | INTEGERS)}")
        return machine.given(value, name)
    if isinstance(value, tuple):
        return tuple(_given(machine, f"{name}[{i}]", one) for i, one in enumerate(value))
    if value is None or isinstance(value, int | float | str):
        return value
    raise NotInterpreted(f"an argument {name} of type {type(value).__name__}: NumPy arrays, numbers, strings, tuples")


def _output(tensor: Any, place: Place) -> np.ndarray:
    if not isinstance(tensor, NkiTensor):
        raise RuleError("output", f"expected tensors, got {type(tensor).__name__}", None, place)
    if tensor.buffer != SHARED_HBM:
        raise RuleError("output", f"expected buffer=nl.shared_hbm, got {tensor!r}", None, place)
    if not states(tensor).all():
        missing = int((states(tensor) == 0).sum())
        said = f"expected every element written, got {missing} of {tensor.size} unwritten of {tensor!r}"
        raise RuleError("output", said, None, place)
    return np.array(elements(tensor))


def source(kernel: Kernel) -> str:
    """The text of the file that a kernel is in."""
    from pathlib import Path

    return Path(kernel.function.__code__.co_filename).read_text()

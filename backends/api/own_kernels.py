"""A kernel of somebody's own in the place of ours: which file it is in, and how it is called, checked and told.

A file is run in a worker's process alone, after the backend's toolchain; nothing beside it can be imported, so that the
hash of its text says all that it is.
"""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from traceback import extract_tb
from types import ModuleType
from typing import Any, Protocol, runtime_checkable

from oneblock.backends.api.backend import Compiled
from oneblock.backends.api.target import Target
from oneblock.workloads._workload import Arrays, Case, Workload

KERNELS = "kernels"  # the ops set in which one may stand
SUFFIX = ".py"  # of such a file: a record that somebody sent brings none along


class OwnKernelError(Exception):
    """What is wrong with a file or its kernel, as a sentence for who wrote it."""


@dataclass(frozen=True)
class OwnKernel:
    """A function of a file that stands for an operation."""

    operation: str
    path: str
    function: str
    sha256: str  # of the file's text

    @property
    def key(self) -> str:
        """What of it is identity: not where the file lies."""
        return f"{self.operation}={self.function}@{self.sha256[:16]}"

    @property
    def label(self) -> str:
        """It in a table, where two texts of one file must be told apart."""
        return f"{self.operation}={Path(self.path).name}:{self.function}@{self.sha256[:8]}"

    def __str__(self) -> str:
        return f"{self.operation}={self.path}:{self.function}"

    def text(self) -> bytes:
        """The file's; OwnKernelError where it is gone or another by now."""
        if not self.path.endswith(SUFFIX):
            raise OwnKernelError(f"{self}: expected a {SUFFIX} file")
        try:
            text = Path(self.path).read_bytes()
        except (OSError, ValueError) as error:
            said = error.strerror if isinstance(error, OSError) else error
            raise OwnKernelError(f"{self.path}: {said}; the file of the kernel lay there: put it there again") from None
        found = hashlib.sha256(text).hexdigest()
        if found != self.sha256:
            expected = f"expected SHA-256 {self.sha256[:16]}..., got {found[:16]}..."
            raise OwnKernelError(f"{self.path}: another text than it was: {expected}; put that one back")
        return text


@dataclass
class OwnKernels:
    """Those of a cell, by operation; of none by default, where every kernel is ours."""

    signatures: Mapping[str, str] = field(default_factory=dict)
    given: Sequence[OwnKernel] = ()
    found: dict[str, Callable[..., Any]] = field(default_factory=dict)
    called: set[str] = field(default_factory=set)

    def load(self, what: str = "a function", fits: Callable[[Any], bool] = callable) -> None:
        """Run the files, and take their kernels, each of which is `what` a backend runs; what they raise is theirs."""
        modules: dict[str, ModuleType] = {}
        for one in self.given:
            if one.path not in modules:
                modules[one.path] = _run(one, number=len(modules))
            kernel = getattr(modules[one.path], one.function, None)
            if not callable(kernel) or not fits(kernel):
                got = "nothing of that name" if kernel is None else f"a {type(kernel).__name__}"
                raise OwnKernelError(f"{one}: expected {what}, got {got}")
            self.found[one.operation] = kernel

    def __contains__(self, operation: str) -> bool:
        return operation in self.found

    def call(self, operation: str, ours: Any, *args: Any, by: Callable[..., Any] | None = None, **more: Any) -> Any:
        """The answer of the kernel that stands for an operation, run `by` whoever runs kernels, or by a plain call."""
        kernel = self.found.get(operation, ours)  # ours are never None where they are called
        if operation in self:
            self._check_signature(operation, kernel, args, more)
        answer = kernel(*args, **more) if by is None else by(kernel, *args, **more)
        if operation in self:
            self.called.add(operation)
            self._check_shape(operation, args, answer)
        return answer

    def check_called(self) -> None:
        """OwnKernelError where one was not: what was run had nothing of it."""
        for one in self.given:
            if one.operation not in self.called:
                raise OwnKernelError(
                    f"{one} was never called: this workload of this configuration has no {one.operation} here; "
                    "choose another --preset or workload, or leave it out"
                )

    def _name(self, operation: str) -> str:
        return next(str(one) for one in self.given if one.operation == operation)

    def _check_signature(
        self, operation: str, kernel: Callable[..., Any], args: Sequence[Any], more: Mapping[str, Any]
    ) -> None:
        try:
            signature = inspect.signature(kernel)
            signature.bind(*args, **more)
        except (TypeError, ValueError) as error:
            given = f"{len(args)} arguments" + (f" and {', '.join(more)}=" if more else "")
            raise OwnKernelError(
                f"{self._name(operation)}: expected the signature of ours, ({self.signatures[operation]}), which is "
                f"called with {given}: {error}"
            ) from None

    def _check_shape(self, operation: str, args: Sequence[Any], answer: Any) -> None:
        x, *others = [one for one in args if hasattr(one, "shape")]
        shape = tuple(x.shape)
        if operation == "linear":
            shape = (*shape[:-1], prod(others[0].shape) // shape[-1])
        got = tuple(answer.shape) if hasattr(answer, "shape") else f"a {type(answer).__name__}"
        if got != shape:
            raise OwnKernelError(f"{self._name(operation)}: expected an answer of the shape {shape}, got {got}")


OURS = OwnKernels()


@runtime_checkable
class TakesKernels(Protocol):
    """What a backend also has in whose ops set `kernels` a kernel of somebody's own may stand for ours."""

    signatures: Mapping[str, str]  #: of each operation that may be replaced, what its kernel is called with

    def compile_with(
        self, kernels: OwnKernels, workload: Workload, case: Case, arrays: Arrays, target: Target
    ) -> Compiled:
        """As `compile`, of the ops set `kernels`; it loads the kernels when its toolchain is there."""
        ...


def crashed_at(error: BaseException, kernels: Sequence[OwnKernel]) -> str | None:
    """Where in one of these files an error came from, with what it says; None where it did not come from there."""
    for one in _chain(error):
        for frame in reversed(extract_tb(one.__traceback__)):
            if frame.filename in {kernel.path for kernel in kernels}:
                line = f" ({frame.line})" if frame.line else ""
                return f"{frame.filename} line {frame.lineno}{line}: {type(error).__name__}: {error}"
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _run(one: OwnKernel, number: int) -> ModuleType:
    """The module that a file makes; toolchains read its text again by its path, as they do of any."""
    code = compile(one.text(), one.path, "exec", dont_inherit=True)
    module = ModuleType(f"own_kernel_{number}")
    module.__file__ = one.path
    sys.modules[module.__name__] = module  # where toolchains look for a function's
    exec(code, vars(module))  # nosec B102  what was asked for: see docs/security.md
    return module

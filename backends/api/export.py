"""Handing a program to another compiler: what the backend that writes it and the one that takes it also have."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from oneblock.backends.api.target import Target
from oneblock.compilers.api.export import ExportedModule, OperatorList, TrnSource
from oneblock.workloads._workload import Arrays, Case, Workload


@runtime_checkable
class Exporter(Protocol):
    """What a backend also has that writes a program in forms that others read, and can run what it wrote."""

    forms: tuple[str, ...]  #: some of `Form`

    def export(self, form: str, workload: Workload, case: Case, arrays: Arrays) -> ExportedModule:
        """The plain program for arrays (...) of shapes and dtypes, without data; Unsupported says what it is not."""
        ...

    def run_exported(self, form: str, files: Mapping[str, bytes]) -> Callable[[Sequence[np.ndarray]], list[np.ndarray]]:
        """What such files hold, compiled for the CPU, as a function of its parameters (...) in their order."""
        ...


@runtime_checkable
class ModuleTaker(Protocol):
    """What a backend also has whose compiler takes modules that others wrote."""

    def operators(self) -> OperatorList:
        """The operators that its compiler names; Unavailable where it is here and does not answer."""
        ...

    def compile_command(self, module: str, name: str, target: Target) -> str:
        """The line of a shell that compiles a module; Unsupported for a target that the compiler does not take."""
        ...


@runtime_checkable
class TrnEmitter(Protocol):
    """What a backend also has whose compiler emits source for Trainium, to be read."""

    def trn_source(self) -> TrnSource:
        """The source of one matrix product."""
        ...

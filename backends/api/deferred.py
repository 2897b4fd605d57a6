"""A backend that says what it offers without its toolchain, which is imported when more than that is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from oneblock.backends.api.backend import Availability, Compiled, TuningResult, Unavailable
from oneblock.backends.api.own_kernels import KERNELS, OwnKernels
from oneblock.backends.api.target import Target
from oneblock.compilers.api.export import ExportedModule
from oneblock.compilers.api.passes import Passes
from oneblock.compilers.api.search import Search, Tell
from oneblock.compilers.api.wheels import ELSEWHERE, here, left_out
from oneblock.workloads._workload import Arrays, Case, Workload


class Deferred:
    """A declaration, and the family that does what it declares: a subclass says which by `family`."""

    name: str
    ops_sets: Mapping[str, tuple[str, ...]]
    dtypes: tuple[str, ...]
    platforms: tuple[str, ...]

    def family(self) -> Any:
        """Import the toolchain; what it gives has the methods `probe`, `compile`, `compilations`, as `Backend` says."""
        raise NotImplementedError(f"{type(self).__name__} declares no family")

    @cached_property
    def loaded(self) -> Any:
        """The family; Unavailable says that the toolchain is not installed, or is and does not load."""
        extra = f"oneblock[{self.name.replace('_', '-')}]"  # pip before 23.3 finds extras by this spelling alone
        try:
            return self.family()
        except ModuleNotFoundError as error:
            if (error.name or "").startswith("oneblock"):
                raise  # a typo of ours must not look like a missing toolchain
            if (error.name or "").replace("_", "-") in left_out(self.name):
                raise Unavailable(f"{error.name} has no wheels for {here()}", ELSEWHERE) from error
            raise Unavailable(f"{error.name} is not installed", f"pip install '{extra}'") from error
        except (ImportError, OSError) as error:
            reason = f"its toolchain is installed and does not load: {error}"
            raise Unavailable(reason, f"pip install --force-reinstall '{extra}'") from error

    def probe(self, target: Target) -> Availability:
        found: Availability = self.loaded.probe(target)
        return found

    def compile(self, workload: Workload, case: Case, arrays: Arrays, ops_set: str, target: Target) -> Compiled:
        compiled: Compiled = self.loaded.compile(workload, case, arrays, ops_set, target)
        return compiled

    def compilations(self) -> int:
        count: int = self.loaded.compilations()
        return count


class Tunes(Deferred):
    """One whose family searches, too."""

    def tune(
        self, workload: Workload, case: Case, arrays: Arrays, target: Target, asked: Search, tell: Tell
    ) -> TuningResult:
        found: TuningResult = self.loaded.tune(workload, case, arrays, target, asked, tell)
        return found


class Bisects(Deferred):
    """One whose family can switch its compiler's passes off, too."""

    def passes(self, workload: Workload, case: Case, arrays: Arrays, ops_set: str, target: Target) -> Passes:
        passes: Passes = self.loaded.passes(workload, case, arrays, ops_set, target)
        return passes


class Replaces(Deferred):
    """One in whose family somebody's own kernels may stand for ours, too."""

    signatures: Mapping[str, str]

    def compile_with(
        self, kernels: OwnKernels, workload: Workload, case: Case, arrays: Arrays, target: Target
    ) -> Compiled:
        compiled: Compiled = self.loaded.compile(workload, case, arrays, KERNELS, target, kernels)
        return compiled


class Exports(Deferred):
    """One whose family writes programs in forms that others read, too."""

    forms: tuple[str, ...]

    def export(self, form: str, workload: Workload, case: Case, arrays: Arrays) -> ExportedModule:
        exported: ExportedModule = self.loaded.export(form, workload, case, arrays)
        return exported

    def run_exported(self, form: str, files: Mapping[str, bytes]) -> Callable[[Sequence[np.ndarray]], list[np.ndarray]]:
        run: Callable[[Sequence[np.ndarray]], list[np.ndarray]] = self.loaded.run_exported(form, files)
        return run

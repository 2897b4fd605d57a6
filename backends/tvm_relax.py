"""Apache TVM: the program traced into Relax, its functions as TVM leaves them or as a search has scheduled them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from oneblock.backends.api.backend import TUNED, Compiled, Unavailable
from oneblock.backends.api.deferred import Bisects, Tunes
from oneblock.backends.api.target import Target
from oneblock.compilers.api.export import TrnSource
from oneblock.compilers.tvm import pins, store
from oneblock.workloads._workload import Arrays, Case, Workload
from oneblock.workloads.ops.dtypes import DTYPES


class TvmRelax(Tunes, Bisects):
    """`tuned` is the plain text under schedules that a search has found."""

    name = "tvm_relax"
    ops_sets: Mapping[str, tuple[str, ...]] = {
        "plain": (),
        "tuned": (),
        "native": ("rms_norm", "layer_norm", "attention", "swiglu", "geglu", "gelu", "gelu_erf"),
    }
    dtypes = tuple(DTYPES)
    platforms = ("cpu", "cuda", "rocm", "opencl", "metal", "webgpu")

    def fingerprint(self, ops_set: str) -> dict[str, str | None]:
        return {"tuned_sha256": store.fingerprint()} if ops_set == TUNED else {}

    def compile_layer(self, workload: Workload, case: Case, arrays: Arrays, ops_set: str, target: Target) -> Compiled:
        compiled: Compiled = self.loaded.compile_layer(workload, case, arrays, ops_set, target)
        return compiled

    def trn_source(self) -> TrnSource:
        source: TrnSource = self.loaded.trn_source()
        return source

    def family(self) -> Any:
        wrong = pins.wrong()  # before the import, which a wrong companion would not survive
        if wrong is not None:
            raise Unavailable(*wrong)
        from oneblock.backends._relax.programs import Programs

        return Programs()


BACKEND = TvmRelax()

"""A backend of others that waits where they compile, and says in a file that it did: for fleets, without a chip."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

from oneblock.backends.api.backend import Availability, Compiled, TuningResult, Unavailable
from oneblock.backends.api.target import Target
from oneblock.compilers import Artifact, Detail, Stage
from oneblock.compilers.api.kind import Kind
from oneblock.compilers.api.search import Search, TaskState, Tell, Trial
from oneblock.compilers.api.stages import Lowering
from oneblock.workloads._workload import Arrays, Case, Workload


class Waits:
    """One that has a stage, of the sizes alone; a batch of 13 is never done, and one of 14 ends what does it."""

    name = "waits"
    ops_sets: Mapping[str, tuple[str, ...]] = {"plain": ()}
    dtypes = ("float32", "bfloat16")
    platforms = ("cuda",)

    def probe(self, target: Target) -> Availability:
        if os.environ.get("ONEBLOCK_WAITS_ABSENT"):
            raise Unavailable("waits is not installed on this node", "install it")
        return Availability(Kind.COMPILED, "elsewhere")

    def compile(self, workload: Workload, case: Case, arrays: Arrays, ops_set: str, target: Target) -> Compiled:
        if log := os.environ.get("ONEBLOCK_WAITS_LOG"):
            with Path(log).open("a") as file:
                file.write(f"{case.workload} B{case.B} T{case.T}\n")
        time.sleep(4242 if case.B == 13 else float(os.environ.get("ONEBLOCK_WAITS_S", "0")))
        if case.B == 14:
            os.abort()
        text = f"module {case.workload} {case.B} {case.T}\n" * 2000

        def capture(detail: Detail) -> Lowering:
            return Lowering((Artifact(Stage.GRAPH, "jaxpr", text), Artifact(Stage.LOWERED, "stablehlo", "the same\n")))

        return Compiled(None, capture)

    def tune(
        self, workload: Workload, case: Case, arrays: Arrays, target: Target, asked: Search, tell: Tell
    ) -> TuningResult:
        """Two ways, of which the second is quicker, whatever the seed."""
        time.sleep(float(os.environ.get("ONEBLOCK_WAITS_S", "0")))
        ways = (Trial(2.0, "slow"), Trial(1.0, "quick"))
        return TuningResult(Kind.MODELLED, "by nobody", (TaskState("norm", ("norm",), 1, None, ways),), "/nowhere")

    def compilations(self) -> int:
        return 0


BACKEND = Waits()

"""The job that exports a program: a module is written, and what was written is run and checked."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from oneblock import backends, workloads
from oneblock.backends.api.backend import Unsupported
from oneblock.backends.api.export import Exporter
from oneblock.bench.cells.cell import Cell
from oneblock.bench.records.record import Status
from oneblock.bench.worker.channel import emit
from oneblock.bench.worker.events import Phase
from oneblock.bench.worker.jobs import Job, Outcome
from oneblock.workloads.answers.arrays import abstract_arrays
from oneblock.workloads.answers.reference import ReferenceAnswer
from oneblock.workloads.answers.verdict import Check


@dataclass(frozen=True)
class HloModule:
    """An HLO module as it was written: what is in it, and what its answers are worth."""

    sha256: str
    nbytes: int
    computations: int
    opcodes: dict[str, int]
    parameters: dict[str, str]  # name and type, in their order
    outputs: tuple[str, ...]  # in the order of the result's tuple
    checks: tuple[Check, ...]  # one an input, of the written bytes run by XLA on the CPU


@dataclass(frozen=True)
class ExportJob(Job[HloModule]):
    """Write a cell's program as an HLO module, read it back, run it here and check what it answers."""

    cell: Cell
    reference: str
    module: str  # where to write it, and beside it its text
    text: str

    def do(self) -> Outcome[HloModule]:
        """Lower, write, read back, run and check; a module whose answers are wrong is a failure."""
        cell = self.cell
        emit(Phase("importing"))
        exporter = _exporter(cell)
        emit(Phase("lowering"))
        workload = workloads.load(cell.case.workload)
        arrays = abstract_arrays(workload, cell.case, cell.dtype)
        made = exporter.export(workload, cell.case, arrays)
        module = Path(self.module)
        module.write_bytes(made.encoded)
        Path(self.text).write_text(made.text, encoding="utf-8")
        emit(Phase("checking"))
        checks = verdicts(
            module.read_bytes(), made.parameters, made.outputs, cell, ReferenceAnswer.read(Path(self.reference))
        )
        written = HloModule(
            sha256=hashlib.sha256(made.encoded).hexdigest(),
            nbytes=len(made.encoded),
            computations=made.computations,
            opcodes=made.opcodes,
            parameters={name: f"{cell.dtype}{list(arrays[name].shape)}" for name in made.parameters},
            outputs=made.outputs,
            checks=checks,
        )
        outcome = Outcome(Status.PASSED, result=written)
        for i, check in enumerate(checks):
            if not check.passed:
                return replace(outcome, status=Status.FAILED, reason=f"input {i}: {check.why}")
        return outcome


def _exporter(cell: Cell) -> Exporter:
    backend = backends.load(cell.backend)
    if not isinstance(backend, Exporter):
        raise Unsupported(f"{cell.backend} writes no modules for another compiler")
    return backend


def verdicts(
    encoded: bytes, parameters: Sequence[str], outputs: Sequence[str], cell: Cell, expected: ReferenceAnswer
) -> tuple[Check, ...]:
    """The checks of a module's answers to each input that has a reference, run by XLA on the CPU."""
    run, workload = _exporter(cell).run_exported(encoded), workloads.load(cell.case.workload)
    weights = cell.weight_arrays(workload)
    expected.check_weights(weights)

    def verdict(i: int) -> Check:
        arrays = {**weights, **cell.input_arrays(workload, i)}
        return expected.check(dict(zip(outputs, run([arrays[name] for name in parameters]), strict=True)), i)

    return tuple(verdict(i) for i in range(len(expected.answers)))

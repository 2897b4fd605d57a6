"""The job that exports a program: its files are written, and what was written is run and checked."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field
from safetensors.numpy import save

from oneblock import backends, workloads
from oneblock.backends.api.backend import Unsupported
from oneblock.backends.api.export import Exporter
from oneblock.bench.cells.cell import Cell
from oneblock.bench.records.record import Bytes, Sha256, Status
from oneblock.bench.worker.channel import emit
from oneblock.bench.worker.events import Phase
from oneblock.bench.worker.jobs import Job, Outcome
from oneblock.compilers.api.export import Form
from oneblock.workloads.answers.arrays import abstract_arrays
from oneblock.workloads.answers.reference import ReferenceAnswer
from oneblock.workloads.answers.verdict import Check

Ending = Annotated[str, Field(pattern=r"^[a-z0-9]{1,20}(\.[a-z0-9]{1,20})?$")]  # of a file's name: no path
ARGUMENTS, ANSWERS = "arguments.safetensors", "answers.safetensors"


@dataclass(frozen=True)
class FileWritten:
    """A file as it was written."""

    sha256: Sha256
    nbytes: Bytes


@dataclass(frozen=True)
class Argument:
    """An array that a program takes or gives."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    is_input: bool = False  # it changes from call to call; the rest are weights and tables


@dataclass(frozen=True)
class ExportedProgram:
    """A program as it was written: what is in it, and what its answers are worth."""

    format: str
    files: dict[Ending, FileWritten]  # the first is the program, as its compiler takes it
    computations: int
    opcodes: dict[str, int]
    parameters: tuple[Argument, ...]  # in their order
    outputs: tuple[Argument, ...]  # in the order of the result
    checks: tuple[Check, ...]  # one an input, of the written bytes run on the CPU


@dataclass(frozen=True)
class ExportJob(Job[ExportedProgram]):
    """Write a cell's program in a form that others read, read it back, run it here and check what it answers."""

    cell: Cell
    form: Form
    reference: str
    folder: str  # where to write its files, each of the stem and an ending
    stem: str

    def do(self) -> Outcome[ExportedProgram]:
        """Lower, write, read back, run and check; a program whose answers are wrong is a failure."""
        cell = self.cell
        emit(Phase("importing"))
        exporter = _exporter(cell)
        emit(Phase("lowering"))
        workload = workloads.load(cell.case.workload)
        specs, shapes = workload.specs(cell.case), workload.outputs(cell.case)
        made = exporter.export(self.form, workload, cell.case, abstract_arrays(workload, cell.case, cell.dtype))
        for ending, encoded in made.files.items():
            self._path(ending).write_bytes(encoded)
        emit(Phase("checking"))
        expected = ReferenceAnswer.read(Path(self.reference))
        read = {ending: self._path(ending).read_bytes() for ending in made.files}
        checks = verdicts(self.form, read, made.parameters, made.outputs, cell, expected)
        endings = [*made.files]
        if self.form is not Form.NEURON:
            endings += self._write_arrays(expected)
        written = ExportedProgram(
            format=made.format,
            files={ending: _written(self._path(ending)) for ending in endings},
            computations=made.computations,
            opcodes=made.opcodes,
            parameters=tuple(
                Argument(name, cell.dtype, specs[name].shape, specs[name].is_input) for name in made.parameters
            ),
            outputs=tuple(Argument(name, cell.dtype, shapes[name]) for name in made.outputs),
            checks=checks,
        )
        outcome = Outcome(Status.PASSED, result=written)
        for i, check in enumerate(checks):
            if not check.passed:
                return replace(outcome, status=Status.FAILED, reason=f"input {i}: {check.why}")
        return outcome

    def _path(self, ending: str) -> Path:
        return Path(self.folder, f"{self.stem}.{ending}")

    def _write_arrays(self, expected: ReferenceAnswer) -> tuple[str, str]:
        """The arguments, in the cell's dtype, and the float64 answers to them; their endings."""
        workload = workloads.load(self.cell.case.workload)
        arguments = self.cell.weight_arrays(workload) | self.cell.input_arrays(workload)
        for ending, arrays in ((ARGUMENTS, arguments), (ANSWERS, expected.answers[0].reference)):
            # Of a transposed view safetensors would write the memory as it lies.
            encoded = save({name: np.ascontiguousarray(array) for name, array in arrays.items()})
            self._path(ending).write_bytes(encoded)
        return ARGUMENTS, ANSWERS


def _written(path: Path) -> FileWritten:
    with path.open("rb") as file:
        return FileWritten(hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size)


def _exporter(cell: Cell) -> Exporter:
    backend = backends.load(cell.backend)
    if not isinstance(backend, Exporter):
        raise Unsupported(f"{cell.backend} writes no programs for others")
    return backend


def verdicts(
    form: Form, files: Mapping[str, bytes], parameters: Sequence[str], outputs: Sequence[str], cell: Cell,
    expected: ReferenceAnswer,
) -> tuple[Check, ...]:  # fmt: skip
    """The checks of what a program's files answer to each input that has a reference, run on the CPU."""
    run, workload = _exporter(cell).run_exported(form, files), workloads.load(cell.case.workload)
    weights = cell.weight_arrays(workload)
    expected.check_weights(weights)

    def verdict(i: int) -> Check:
        arrays = {**weights, **cell.input_arrays(workload, i)}
        return expected.check(dict(zip(outputs, run([arrays[name] for name in parameters]), strict=True)), i)

    return tuple(verdict(i) for i in range(len(expected.answers)))

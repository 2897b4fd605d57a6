"""The job that computes the reference and shows its check wrong answers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from oneblock import workloads
from oneblock.bench.cells.cell import Cell
from oneblock.bench.records.record import Status
from oneblock.bench.worker.channel import emit
from oneblock.bench.worker.events import Count, Phase
from oneblock.bench.worker.jobs import Job, Outcome
from oneblock.workloads._workload import Workload
from oneblock.workloads.answers.arrays import Named, sha256_of
from oneblock.workloads.answers.checkpoint import unchanged
from oneblock.workloads.answers.reference import make_reference

_OTHERS = "choose another size or dtype, or seeded weights and inputs"


@dataclass(frozen=True)
class Proof:
    """That the reference is written, and of how many wrong answers its check rejected each."""

    wrong_tried: Count
    weights_sha256: str | None = None  # of a checkpoint's weights; None for seeded ones


@dataclass(frozen=True)
class ReferenceJob(Job[Proof]):
    """Compute the reference of a cell's subject and prove that its check bites."""

    cell: Cell
    path: str  # where to write it
    answers: int

    def do(self) -> Outcome[Proof]:
        """Invalid where the check accepts a wrong answer, or the outputs are not those that the workload states."""
        cell = self.cell
        workload = workloads.load(cell.case.workload)
        emit(Phase("computing the reference"))
        weights, sha256 = _weights(cell, workload)
        inputs = partial(cell.input_arrays, workload)
        expected = make_reference(workload, cell.case, cell.dtype, weights, cell.input_seed, self.answers, inputs)
        expected = replace(expected, weights_sha256=sha256)
        if expected.undecided:
            reason = f"rounding may turn which experts the tokens of {cell.subject} take: no answer can be judged"
            hint = "choose another --input-seed, more sequences, or float32"
            return Outcome(Status.INVALID, reason=reason, hint=hint)
        if expected.wrong_accepted:
            lets_pass = ", ".join(expected.wrong_accepted)
            reason = (
                f"the check of {cell.subject} accepts wrong answers ({lets_pass}), so its verdict would prove nothing"
            )
            return Outcome(Status.INVALID, reason=reason, hint=_OTHERS)
        gives, stated = (
            {name: y.shape for name, y in expected.answers[0].reference.items()},
            workload.outputs(cell.case),
        )
        if gives != stated:
            reason = f"{workload.name} states the outputs {stated}, by which its bytes are counted, and gives {gives}"
            return Outcome(Status.INVALID, reason=reason, hint="mend the workload's `outputs`")
        expected.save(Path(self.path))
        return Outcome(Status.PASSED, result=Proof(len(expected.wrong_tried), sha256))


def _weights(cell: Cell, workload: Workload) -> tuple[Named, str | None]:
    """(a cell's weights, their hash): of a checkpoint they are those of the hash that the cell names, or it is refused.

    Who reads them later on compares their own hash with the reference's, which costs less than that of the whole file.
    """
    if cell.weights is None:
        return cell.weight_arrays(workload), None
    with unchanged(Path(cell.weights.path), cell.weights.layer, cell.weights.sha256):
        weights = cell.weight_arrays(workload)
    return weights, sha256_of(weights)

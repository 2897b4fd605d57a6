"""The job that computes the reference and shows its check wrong answers."""

from __future__ import annotations

from pathlib import Path

from oneblock import workloads
from oneblock.bench.records.record import Status
from oneblock.bench.worker.channel import say
from oneblock.bench.worker.jobs import GoldenJob, Outcome
from oneblock.bench.worker.weights import _weights
from oneblock.workloads.answers.reference import make_golden


def _golden(job: GoldenJob) -> Outcome:
    cell = job.cell
    workload = workloads.load(cell.case.workload)
    say("phase", name="computing the reference")
    golden = make_golden(workload, cell.case, cell.dtype, _weights(workload, cell), cell.input_seed, job.answers)
    if golden.wrong_accepted:
        lets_pass = ", ".join(golden.wrong_accepted)
        reason = f"the check of {cell.subject} accepts wrong answers ({lets_pass}), so its verdict would prove nothing"
        return Outcome(Status.INVALID, reason=reason, hint="choose another size or dtype, or seeded weights")
    golden.save(Path(job.path))
    return Outcome(Status.PASSED, wrong_tried=len(golden.wrong_tried))

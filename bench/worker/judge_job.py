"""The job that judges answers, once the process that gave and timed them has ended: there was no reference in it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter

import numpy as np

from oneblock import workloads
from oneblock.bench.cells.cell import Cell
from oneblock.bench.records.record import Status
from oneblock.bench.worker.channel import emit
from oneblock.bench.worker.events import Count, Phase
from oneblock.bench.worker.jobs import Job, Outcome
from oneblock.bench.worker.trial import FIRST, LAST, read_answers
from oneblock.bench.worker.unseen import Unseen
from oneblock.workloads._workload import Workload
from oneblock.workloads.answers.arrays import Named
from oneblock.workloads.answers.overflow import overflow
from oneblock.workloads.answers.reference import ReferenceAnswer, check_weights
from oneblock.workloads.answers.routing import answered
from oneblock.workloads.answers.verdict import Check, check

_WITHIN_S = 0.25  # answers are judged for so long, and `least` of them however long it takes


@dataclass(frozen=True)
class Judgement:
    """The worst verdict, and of how many timed calls."""

    check: Check
    timed: Count


@dataclass(frozen=True)
class JudgeJob(Job[Judgement]):
    """Judge the answers that a measurement kept."""

    cell: Cell
    reference: str  # the file that a ReferenceJob wrote: of its first input, and of what each output may err by
    answers: str  # the file that the measurement wrote
    kept: tuple[tuple[str, Unseen], ...]  # which input each is the answer to, in the order in which they are judged
    least: int

    def do(self) -> Outcome[Judgement]:
        """Failed with the first answer that is wrong, and when; overflow where the dtype cannot hold what it asks."""
        emit(Phase("judging the answers"))
        answers, expected = read_answers(Path(self.answers)), ReferenceAnswer.read(Path(self.reference))
        workload = workloads.load(self.cell.case.workload)
        before = expected.check(answers[FIRST])
        if not before.passed:
            return self._wrong(before, 0, before.why, self.cell.input_arrays(workload))
        if LAST not in answers:
            return Outcome(Status.PASSED, result=Judgement(before, 0))
        worst, timed, place = self._timed(expected, workload, answers)
        if worst.passed:
            worst = expected.check(answers[LAST])
        if worst.passed:
            return Outcome(Status.PASSED, result=Judgement(worst, timed))
        why = "it is the answer to another input" if place and _is_anothers(place, answers) else worst.why
        inputs = self._inputs(workload, dict(self.kept)[place]) if place else self.cell.input_arrays(workload)
        return self._wrong(worst, timed, f"right before the timed loop and wrong in it: {why}", inputs)

    def _wrong(self, worst: Check, timed: int, reason: str, inputs: Named) -> Outcome[Judgement]:
        """Overflow where the answer is not finite and eager NumPy leaves the dtype's range on these inputs, too."""
        workload = workloads.load(self.cell.case.workload)
        found = None
        if not worst.finite:
            arrays = self.cell.weight_arrays(workload) | inputs
            found = overflow(workload, self.cell.case, arrays, self.cell.dtype)
        if found is None:
            return Outcome(Status.FAILED, reason=reason, result=Judgement(worst, timed))
        return Outcome(Status.OVERFLOW, reason=found.reason, hint=found.hint, result=Judgement(worst, timed))

    def _timed(
        self, expected: ReferenceAnswer, workload: Workload, answers: dict[str, Named]
    ) -> tuple[Check, int, str | None]:
        """(the first wrong verdict or the last, how many were judged, the place of the wrong answer)."""
        start = perf_counter()
        weights = self.cell.weight_arrays(workload)
        check_weights(weights, expected.weights_sha256)
        exact = {name: w.astype(np.float64) for name, w in weights.items()}
        verdict, timed = expected.check(answers[LAST]), 0
        for place, unseen in self.kept:
            if timed >= self.least and perf_counter() - start > _WITHIN_S:
                break
            verdict, timed = self._check(expected, workload, exact, unseen, answers[place]), timed + 1
            if not verdict.passed:
                return verdict, timed, place
        return verdict, timed, None

    def _inputs(self, workload: Workload, unseen: Unseen) -> Named:
        return unseen.arrays(workload, partial(self.cell.unseen_arrays, workload))

    def _check(self, expected: ReferenceAnswer, workload: Workload, exact: Named, unseen: Unseen, got: Named) -> Check:
        inputs = {name: x.astype(np.float64) for name, x in self._inputs(workload, unseen).items()}
        reference = answered(workload, self.cell.case, exact | inputs).decided(self.cell.case, expected.nearest_logits)
        return check(got, reference, expected.answers[0].allowances, self.cell.dtype)


def _is_anothers(place: str, answers: dict[str, Named]) -> bool:
    """Whether the same answer was given to another input."""
    own = answers[place]
    others = [other for of, other in answers.items() if of != place]
    return any(all(np.array_equal(own[name], other.get(name)) for name in own) for other in others)  # type: ignore[arg-type]

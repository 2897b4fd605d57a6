"""The job of `oneblock bisect`: each run compiled, checked or counted, and said as it is seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import unified_diff
from functools import partial
from pathlib import Path

from oneblock import backends, workloads
from oneblock.backends.api.backend import Bisectable, Executable, Unsupported
from oneblock.bench.cells.cell import Cell
from oneblock.bench.records.record import Status
from oneblock.bench.worker.admit import admit
from oneblock.bench.worker.channel import emit
from oneblock.bench.worker.events import Observation, PassesTried, Phase, Trying
from oneblock.bench.worker.jobs import Job, Outcome
from oneblock.bench.worker.pass_search import Ends, Finding, search
from oneblock.compilers.api.kind import Kind
from oneblock.compilers.api.passes import CannotRun, Passes
from oneblock.workloads._workload import Arrays
from oneblock.workloads.answers.arrays import Named, abstract_arrays
from oneblock.workloads.answers.reference import ReferenceAnswer
from oneblock.workloads.answers.verdict import Check
from oneblock.workloads.ops.nearest import unknown

NUMBERS = "numbers"
_DIFF_LINES = 40


@dataclass(frozen=True)
class BisectionResult:
    """What a search for a pass came to."""

    of: str
    finding: Finding
    how: str  # how passes are switched off, and what never is
    diff: tuple[str, ...]  # of what people read, without the found pass and with it
    diff_left_out: int  # lines of it beyond those
    good_by_hand: str | None  # how anyone has the run that is good
    bad_by_hand: str | None  # and the one that is bad


@dataclass(frozen=True)
class BisectJob(Job[BisectionResult]):
    """Search for the compiler's pass that changed a cell's numbers or a count of what was compiled."""

    cell: Cell
    of: str  # "numbers", or a count that the backend has
    reference: str | None  # the file that a ReferenceJob wrote; None for a count
    drift: float | None = None  # numbers are bad from this factor of the error without passes on; None: by the check
    left_out: tuple[str, ...] = ()  # passes that are off throughout
    linear: bool = False
    known: tuple[tuple[tuple[str, ...], Observation], ...] = ()  # what earlier workers saw, with which passes off

    def do(self) -> Outcome[BisectionResult]:
        """Find the passes, then the one of them."""
        cell = self.cell
        emit(Phase("importing"))
        backend, target = backends.load(cell.backend), cell.target
        if not isinstance(backend, Bisectable):
            raise Unsupported(f"{cell.backend} has no passes that can be switched off one by one")
        admit(backend, target, cell.ops_set, cell.dtype)
        kind, workload = backend.probe(target).kind, workloads.load(cell.case.workload)
        weights = cell.weight_arrays(workload)
        arrays: Arrays = {**weights, **cell.input_arrays(workload)}
        if kind is Kind.COMPILED:
            arrays = abstract_arrays(workload, cell.case, cell.dtype)
        emit(Phase("looking for the passes"))
        try:
            passes = backend.passes(workload, cell.case, arrays, cell.ops_set, target)
        except CannotRun as error:
            raise Unsupported(f"with every pass on it does not compile: {error}") from error
        _must_have(passes, self)
        emit(Phase("trying without passes"))
        judge = _Judge(self, passes, weights, arrays)
        names = [name for name in passes.names if name not in self.left_out]
        finding = search(names, judge.measure, partial(bad, self), linear=self.linear)
        return Outcome(Status.PASSED, kind, result=_told(self, passes, finding))


def _must_have(passes: Passes, job: BisectJob) -> None:
    """Unsupported offers what there is, of counts and of passes."""
    for name in job.left_out:
        if name not in passes.names:
            raise Unsupported(f"--off: {unknown('pass', name, list(passes.names))}")
    if job.of not in (NUMBERS, *passes.counts):
        raise Unsupported(f"--of: {unknown('count', job.of, [NUMBERS, *passes.counts])}")


def bad(job: BisectJob, seen: Observation, ends: Ends | None) -> bool | None:
    """Whether a run is bad: by the check, by its error against that without passes, or by its count.

    A count goes up and down from pass to pass, so it is bad where it is nearer to that with every pass than to that
    with none: the pass that is found is the one by which most of the change is made.
    """
    if job.of == NUMBERS and job.drift is None:
        return not seen.passed
    if ends is None:
        return None
    none, every = (one.value for one in ends)
    if seen.value is None or none is None:
        return seen.value is None
    if job.drift is not None:
        return seen.value > job.drift * none
    if every is None:
        return False
    return abs(seen.value - every) < abs(seen.value - none)


class _Judge:
    """What each run gives; what an earlier worker saw is not run again."""

    def __init__(self, job: BisectJob, passes: Passes, weights: Named, arrays: Arrays) -> None:
        self.job, self.passes, self.arrays = job, passes, arrays
        self.expected = None if job.reference is None else ReferenceAnswer.read(Path(job.reference))
        if self.expected is not None:
            self.expected.check_weights(weights)
        self.known = dict(job.known)

    def measure(self, what: str, off: tuple[str, ...]) -> Observation:
        if off in self.known:
            return self.known[off]
        emit(Trying(what, off))
        try:
            made = self.passes.make(ordered(self.passes, [*off, *self.job.left_out]))
            seen = (
                Observation(True, made.counts.get(self.job.of)) if self.expected is None else self._number(made.program)
            )
        except CannotRun as error:
            seen = Observation(False, why=str(error))
        emit(PassesTried(off, seen))
        return seen

    def _number(self, program: Executable | None) -> Observation:
        if program is None:
            counts = ", ".join(self.passes.counts)
            raise Unsupported(
                f"{self.job.cell.backend} compiles for {self.job.cell.target}, which is not here, so there are no "
                f"numbers to look at; name a count with --of: {counts}"
            )
        assert self.expected is not None, "numbers need a reference"
        try:
            out = program.call(program.put(self.arrays))
            program.wait(out)
            check = self.expected.check(program.get(out))
        except Exception as error:
            raise CannotRun(f"it fails as it runs: {type(error).__name__}: {error}"[:300]) from error
        return Observation(True, _error(check), check.passed, None if check.passed else check.why)


def _error(check: Check) -> float | None:
    """The largest relative L2 error against float64; None where an answer is not finite."""
    errors = [output.relative_l2 for output in check.outputs]
    return None if None in errors else max((e for e in errors if e is not None), default=None)


def ordered(passes: Passes, off: Sequence[str]) -> tuple[str, ...]:
    """Names in the passes' own order, each once."""
    return tuple(name for name in passes.names if name in set(off))


def _told(job: BisectJob, passes: Passes, finding: Finding) -> BisectionResult:
    """The finding with the difference that it makes, and the two runs by hand."""
    if not finding.found:
        return BisectionResult(job.of, finding, passes.how, (), 0, None, None)
    emit(Phase("comparing the program before and after"))
    last = finding.found[-1]
    good, with_found = (ordered(passes, [*off, *job.left_out]) for off in (finding.off_before, finding.off_after))
    without, with_it = (passes.make(off).text(last).splitlines() for off in (good, with_found))
    lines = list(unified_diff(without, with_it, "without", f"with {last}", n=1, lineterm=""))
    kept, left = tuple(line[:300] for line in lines[:_DIFF_LINES]), max(0, len(lines) - _DIFF_LINES)
    return BisectionResult(job.of, finding, passes.how, kept, left, passes.by_hand(good), passes.by_hand(with_found))

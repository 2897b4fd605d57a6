"""One launch of a cell: its reference, the process that measures it, and the verdict on what that answered."""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event

from oneblock.backends.api.target import Target
from oneblock.bench.cells.cell import Cell
from oneblock.bench.cells.tiers import Tier
from oneblock.bench.cells.tiers import tier as find_tier
from oneblock.bench.judge.roofline import reference_bytes
from oneblock.bench.records.disturbance import Pace, ignored
from oneblock.bench.records.environment import last_level_cache_bytes
from oneblock.bench.records.record import Status
from oneblock.bench.runs.partials import Partial
from oneblock.bench.worker.examiner import Examiner
from oneblock.bench.worker.jobs import Outcome
from oneblock.bench.worker.judge_job import JudgeJob, Judgement
from oneblock.bench.worker.launch import launch, no_room
from oneblock.bench.worker.measure_job import ANSWERED, MeasureJob, Measurement
from oneblock.bench.worker.reference_job import Proof, ReferenceJob
from oneblock.bench.worker.watch import Bounds, Listener
from oneblock.compilers import Detail

_LITTLE_BYTES = 16 * 2**20


@dataclass(frozen=True)
class Reference:
    """A reference: how computing it ended, and what its file held. No file has it while something is timed."""

    outcome: Outcome[Proof]
    content: bytes = b""

    @property
    def weights_sha256(self) -> str | None:
        """Of a checkpoint's weights, that it is of."""
        return None if self.outcome.result is None else self.outcome.result.weights_sha256


@dataclass
class References:
    """Those of the subjects of a run, for all backends."""

    bounds: Bounds
    found: dict[str, Reference] = field(default_factory=dict)

    def of(self, cell: Cell, folder: Path, listen: Listener) -> Reference:
        """The reference of a cell's subject, computed in that folder if it is not known.

        The folder is made where a backend has removed it: that is not the next one's fault.
        """
        try:
            folder.mkdir(exist_ok=True)
            if cell.reference_key not in self.found:
                self.found[cell.reference_key] = self._compute(cell, folder / f"{cell.reference_key}.npz", listen)
        except OSError as error:
            return Reference(no_room(f"{folder}: {error.strerror}", Outcome(Status.CRASHED)))
        return self.found[cell.reference_key]

    def _compute(self, cell: Cell, path: Path, listen: Listener) -> Reference:
        needed = reference_bytes(cell.case, cell.dtype)
        if needed > self.bounds.memory_bytes:
            reason = (
                f"the float64 reference alone needs {needed / 2**30:.1f} GiB, "
                f"and {self.bounds.memory_bytes / 2**30:.1f} GiB may be used"
            )
            return Reference(Outcome(Status.OUT_OF_MEMORY, reason=reason, hint="choose a smaller size"))
        outcome = launch(ReferenceJob(cell, str(path), answers=2), self.bounds, listen=listen)
        if outcome.result is None:
            return Reference(outcome)
        content = path.read_bytes()
        path.unlink()
        return Reference(outcome, content)


_NONE = Reference(Outcome(Status.PASSED, result=Proof(0)))  # of what is only compiled


@dataclass
class Measuring:
    """What the launches of a run share: its folder, compilers' caches and references in it, and where stages go."""

    tier: Tier
    bounds: Bounds
    records: Path
    folder: Path
    detail: Detail = Detail.DEFAULT
    stop: Event = field(default_factory=Event)
    references: References = field(init=False)

    def __post_init__(self) -> None:
        self.references = References(self.bounds)

    def launch(self, cell: Cell, index: int, *, here: bool, best: Pace | None, listen: Listener) -> Partial:
        """Launch `index` of a cell, which a device that is `here` runs, or which is only compiled."""
        reference = self.references.of(cell, self.folder, listen) if here else _NONE
        if reference.outcome.result is None:
            return Partial(reference.outcome.ending(), 0)
        caches = self.folder / cell.key
        cold = index < self.tier.processes  # the first round: nothing compiled before may help
        if cold:
            shutil.rmtree(caches, ignore_errors=True)
        job = MeasureJob(
            cell=cell,
            tier=self.tier.name,
            answers=str(self.folder / f"{cell.key}.answers.npz") if here else None,
            index=index,
            cold_compile=cold or not caches.exists(),
            flush_bytes=flush_bytes(cell.target),
            records=str(self.records.resolve()) if index == 0 else None,
            detail=self.detail,
            weights_sha256=reference.weights_sha256,
            best=best,
        )
        if here:
            outcome = measure(job, reference, self.bounds, caches, listen, self.stop)
        else:
            outcome = launch(job, self.bounds, caches, listen, self.stop)
        return Partial(outcome, reference.outcome.result.wrong_tried)


def flush_bytes(target: Target) -> int:
    """What is written to evict caches: twice what this machine's last holds, as flashinfer does of a GPU's.

    Of a device, and where the system does not say, at least what `triton.testing.do_bench` writes: 256 MiB. A little
    where nobody looks what disturbs: no verdict stands on such a time, and a server's caches hold half a gigabyte.
    """
    if ignored():
        return _LITTLE_BYTES
    own = 2 * last_level_cache_bytes()
    return own if own and target.platform == "cpu" else max(256 * 2**20, own)


def measure(
    job: MeasureJob, reference: Reference, bounds: Bounds, caches: Path, listen: Listener | None = None,
    stop: Event | None = None,
) -> Outcome[Measurement]:  # fmt: skip
    """Run a job that is to be timed in one process, and have its answers judged in another when that has ended."""
    assert job.answers is not None, "a job whose answers are to be judged says where it writes them"
    least = find_tier(job.tier).rechecks
    examiner = Examiner(least)
    answers, reference_file = Path(job.answers), Path(job.answers).with_suffix(".reference")
    try:
        outcome = launch(job, bounds, caches, listen, stop, examiner)
        if outcome.status not in ANSWERED or outcome.result is None:
            return outcome
        try:
            reference_file.unlink(missing_ok=True)  # whatever the backend laid there: a pipe would be waited for
            with reference_file.open("xb") as file:
                file.write(reference.content)
        except OSError as error:  # full, or taken away by the backend
            return no_room(
                f"{reference_file.parent}: {error.strerror}", Outcome(Status.CRASHED, reason="its answers were lost")
            )
        kept = tuple((str(place), unseen) for place, unseen in examiner.shuffled())
        judging = JudgeJob(job.cell, str(reference_file), job.answers, kept, least)
        return _with_verdict(outcome, launch(judging, bounds, listen=listen, stop=stop), examiner)
    finally:
        for path in (answers, reference_file):
            with suppress(OSError):  # a folder by now: it goes with the run's
                path.unlink()


def _with_verdict(
    outcome: Outcome[Measurement], judged: Outcome[Judgement], examiner: Examiner
) -> Outcome[Measurement]:
    assert outcome.result is not None
    if judged.result is None:  # the judge's fault, or that of the file that it was given
        return replace(judged.ending(), reason=f"its answers could not be judged: {judged.reason}")
    measured = replace(outcome.result, check=judged.result.check)
    if judged.status is not Status.PASSED:
        ended = replace(outcome, status=judged.status, reason=judged.reason, hint=judged.hint)
        return replace(ended, result=replace(measured, launch=None))
    if measured.launch is None:
        return replace(outcome, result=measured)
    in_hand = measured.launch.in_hand
    if in_hand is not None:
        in_hand = replace(in_hand, window_s=examiner.slow_clock)
    timed = replace(measured.launch, rechecked=judged.result.timed, in_hand=in_hand)
    return replace(outcome, result=replace(measured, launch=timed))

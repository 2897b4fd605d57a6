"""Running cells: in processes of their own, round robin in a seeded order, resumable after any interruption."""

from __future__ import annotations

import random
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from oneblock.backends.api.target import Target
from oneblock.bench.cells.cell import Cell
from oneblock.bench.cells.tiers import Tier
from oneblock.bench.judge.doubts import doubts
from oneblock.bench.judge.in_hand import refused
from oneblock.bench.judge.plausible import below_roofline
from oneblock.bench.judge.roofline import costs, stated_limits, too_fast
from oneblock.bench.records.dependence import software
from oneblock.bench.records.environment import environment, last_level_cache_bytes, now
from oneblock.bench.records.moments import moment
from oneblock.bench.records.record import ANSWERS, SCHEMA, Environment, Record, Status
from oneblock.bench.records.scratch import scratch
from oneblock.bench.records.store import Store, Unreadable, to_json
from oneblock.bench.runs.limits import LimitsBook
from oneblock.bench.runs.measuring import Reference, References, measure
from oneblock.bench.runs.partials import Partial, partials
from oneblock.bench.runs.probes import not_run_here
from oneblock.bench.runs.quiet import Quiet
from oneblock.bench.runs.turns import alone
from oneblock.bench.worker.events import Event, Phase
from oneblock.bench.worker.golden_job import Proof
from oneblock.bench.worker.jobs import Outcome
from oneblock.bench.worker.launch import launch
from oneblock.bench.worker.measure_job import Measured, MeasureJob
from oneblock.bench.worker.watch import Bounds, Listener
from oneblock.compilers import Detail

Tell = Callable[[str], None]  # what is being done, for people
_WHOLE = "the time must hold all the work: mend the backend, or measure again where nothing else runs"
_NONE = Reference(Outcome(Status.PASSED, result=Proof(0)))  # of what is only compiled


@dataclass
class Progress:
    """How far a run is; `launches` counts those done, of the `planned`."""

    planned: int
    launches: int = 0


class Run:
    """One run of some cells into one records directory."""

    def __init__(
        self, cells: list[Cell], tier: Tier, store: Store, bounds: Bounds, *, seed: int = 0, again: bool = False,
        detail: Detail = Detail.DEFAULT,
    ) -> None:  # fmt: skip
        self.cells, self.tier, self.store, self.bounds, self.seed, self.again = cells, tier, store, bounds, seed, again
        self.detail = detail
        self.environment: Environment = environment(bounds.threads)
        self.finished: dict[Cell, Record] = {}
        self.written: dict[Path, Record] = {}
        self.skipped: set[Cell] = set()
        self.progress = Progress(planned=len(cells) * tier.launches)
        self._references = References(bounds)
        self._quiet = Quiet()
        self._put_off: set[Cell] = set()  # to the end of the round, once: it may be quiet by then
        self._stop = threading.Event()  # what is compiled is of no use any more
        self._elsewhere: set[tuple[str, Target]] = set()  # (backend, target) that run nothing here

    def go(self, tell: Tell) -> list[Record]:
        """Measure every cell that has no record yet; the records of all of them, in the order of the cells."""
        self.store.check_writable()
        with scratch("run") as folder:
            book = LimitsBook(self.environment, self.bounds)
            named = self.store.named()  # once: a listing for each cell would be cells x records
            todo = [cell for cell in self.cells if not self._already_done(cell, named)]
            self._elsewhere = not_run_here(todo, self.bounds)
            self._compile_all([cell for cell in todo if self._is_elsewhere(cell)], folder, book, tell)
            todo = [cell for cell in todo if cell not in self.finished]
            with alone(self.bounds.timeout_s):
                needed = [(cell.target, cell.backend, cell.dtype) for cell in todo]
                book.learn(needed, lambda _: tell("measuring the machine's limits"))
            again = False
            while len(self.finished) < len(self.cells):  # another run took a launch and lost it, or it was put off
                for index, cell in [one for one in self._order() if not again or one[1] not in self.finished]:
                    if cell not in self.finished:
                        self._once(index, cell, folder, book, tell)
                    self.progress.launches = min(self.progress.launches + 1, self.progress.planned)
                again = True
        return [self.finished[cell] for cell in self.cells]

    def lost(self) -> list[Path]:
        """The records that this run wrote and that are not there any more, whole and with all their stages' texts."""
        return [path for path, record in self.written.items() if not self.store.holds(path, record)]

    def _is_elsewhere(self, cell: Cell) -> bool:
        return (cell.backend, cell.target) in self._elsewhere

    def _compile_all(self, cells: list[Cell], folder: Path, book: LimitsBook, tell: Tell) -> None:
        """Nothing of these is timed: as many at once as there are threads, and one process each."""

        def compile_one(cell: Cell) -> None:
            self._finish(cell, [self._launch(0, cell, folder, book, tell)], book)
            self.progress.launches += self.tier.launches

        pool = ThreadPoolExecutor(self.bounds.threads)
        try:
            for done in [pool.submit(compile_one, cell) for cell in cells]:
                done.result()
        except BaseException:  # Ctrl-C, or a disk that is full: what is queued is dropped, what compiles is ended
            self._stop.set()
            raise
        finally:
            pool.shutdown(cancel_futures=True)

    def _order(self) -> Iterator[tuple[int, Cell]]:
        """Round robin: each pass takes every cell once, in an order of its own that the seed fixes."""
        for index in range(self.tier.launches):
            cells = list(self.cells)
            random.Random(f"{self.seed}/{index}").shuffle(cells)
            yield from ((index, cell) for cell in cells)

    def _identity(self, cell: Cell) -> str:
        return cell.identity(self.tier.name, self.environment.facts(), software(cell))

    def _already_done(self, cell: Cell, named: Mapping[str, Sequence[Path]] | None = None) -> bool:
        """Whether an earlier or another run has the answer, in the files that were listed, or in those of now."""
        if self.again:
            return False
        record = self.store.done(self._identity(cell), named)
        if record is None or record.status not in ANSWERS:
            return False
        self.finished[cell] = record
        self.skipped.add(cell)
        return True

    def _once(self, index: int, cell: Cell, folder: Path, book: LimitsBook, tell: Tell) -> None:
        """One launch of a cell, unless it is there; and the record, if it was the last or failed."""
        key = self._identity(cell)
        tell(f"{cell.name}  waiting for another run")
        with alone(self.bounds.timeout_s):
            if self._already_done(cell):
                return
            if index not in partials(self.store, key, self.tier.launches):
                self._quiet.wait(lambda waiting: tell(f"{cell.name}  {waiting}"))
                launched = self._launch(index, cell, folder, book, tell)
                if launched.outcome.status is Status.DISTURBED and cell not in self._put_off:
                    self._put_off.add(cell)
                    self.progress.launches -= 1
                    return
                if launched.outcome.status is not Status.PASSED:
                    self._finish(cell, [launched], book)
                    return
                self.store.add_partial(key, index, to_json(launched))
            found = partials(self.store, key, self.tier.launches)
            if len(found) == self.tier.launches:
                self._finish(cell, [one for _, one in sorted(found.items())], book)

    def _launch(self, index: int, cell: Cell, folder: Path, book: LimitsBook, tell: Tell) -> Partial:
        elsewhere = self._is_elsewhere(cell)
        listen = _phases(cell.name, tell)
        folder.mkdir(exist_ok=True)  # a backend may have removed it: that is not the next one's fault
        reference = _NONE if elsewhere else self._references.of(cell, folder, listen)
        if reference.outcome.result is None:
            return Partial(reference.outcome.ending(), 0)
        caches = folder / self._identity(cell)
        cold = index < self.tier.processes  # the first round: nothing compiled before may help
        if cold:
            shutil.rmtree(caches, ignore_errors=True)
        job = MeasureJob(
            cell=cell,
            tier=self.tier.name,
            answers=None if elsewhere else str(folder / f"{cell.key}.answers.npz"),
            index=index,
            cold_compile=cold or not caches.exists(),
            flush_bytes=max(256 * 2**20, 2 * last_level_cache_bytes()),
            records=str(self.store.directory.resolve()) if index == 0 else None,
            detail=self.detail,
            weights_sha256=reference.weights_sha256,
            best=book.known.pace,
        )
        if elsewhere:
            outcome = launch(job, self.bounds, caches, listen, self._stop)
        else:
            outcome = measure(job, reference, self.bounds, caches, listen, self._stop)
        return Partial(outcome, reference.outcome.result.wrong_tried)

    def _finish(self, cell: Cell, launched: list[Partial], book: LimitsBook) -> None:
        first, measured = launched[0].outcome, launched[0].outcome.result or Measured()
        results = [one.outcome.result for one in launched]
        launches = tuple(one.launch for one in results if one is not None and one.launch is not None)
        book.saw(cell.backend, launches)
        reached = partial(book.limits, cell.target, cell.dtype, cell.backend)
        record = Record(
            schema=SCHEMA,
            created=moment(self.store.directory, now()),
            cell=cell,
            tier=self.tier.name,
            status=first.status,
            kind=first.kind,
            device=first.device,
            reason=first.reason,
            hint=first.hint,
            log_tail=first.log_tail,
            check=measured.check,
            wrong_answers_rejected=launched[0].wrong_tried,
            costs=costs(cell),
            limits=reached() if launches else stated_limits(cell) if measured.facts else None,
            launches=launches,
            doubts=tuple(doubts(launches, self.environment, self.tier)) if launches else (),
            artifacts=measured.artifacts,
            environment=replace(self.environment, software=software(cell)),
            order_seed=self.seed,
            compile_s=measured.compile_s,
            facts=measured.facts,
            memory=measured.memory,
            disturbance=measured.disturbance,
            family=cell.case.config.family,
            detail=self.detail,
        )
        record = record.with_doubts(below_roofline(record))
        if too_fast(record) is not None and book.doubt(cell.target, cell.backend, cell.dtype):
            record = replace(record, limits=reached())
        if (reason := refused(launches, cell.target.platform)) is not None:
            record = replace(record, status=Status.INVALID, reason=reason, hint=_WHOLE)
        elif (reason := too_fast(record)) is not None:
            hint = "the work was not done, or the limit was measured on a busy machine: see `oneblock doctor --limits`"
            record = replace(record, status=Status.INVALID, reason=reason, hint=hint)
        try:
            path = self.store.add(record)
        except Unreadable as error:
            record = record.crashed(f"answered what no record holds: {error}"[:500], "mend the backend")
            path = self.store.add(record)
        self.written[path] = record
        self.finished[cell] = record


def _phases(name: str, tell: Tell) -> Listener:
    """What tells a worker's phases under the name of its cell."""

    def listen(event: Event) -> None:
        if isinstance(event, Phase):
            tell(f"{name}  {event.name}")

    return listen

"""Running cells: in processes of their own, round robin in a seeded order, resumable after any interruption."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median

from oneblock.backends.api.target import Target
from oneblock.bench.cells.cell import Cell
from oneblock.bench.cells.tiers import Tier
from oneblock.bench.judge.doubts import doubts
from oneblock.bench.judge.plausible import judged
from oneblock.bench.judge.roofline import costs, stated_limits
from oneblock.bench.records.dependence import software
from oneblock.bench.records.environment import environment, now
from oneblock.bench.records.index import FEWEST, reader
from oneblock.bench.records.order import next_number
from oneblock.bench.records.reading import without_collection
from oneblock.bench.records.record import ANSWERS, SCHEMA, Environment, Record, Status
from oneblock.bench.records.scratch import scratch
from oneblock.bench.records.store import Store, read_record, to_json
from oneblock.bench.runs.limits import CeilingCache
from oneblock.bench.runs.measuring import Measuring
from oneblock.bench.runs.partials import Partial, partials
from oneblock.bench.runs.probes import Known, not_run_here, stated_by
from oneblock.bench.runs.quiet import Quiet
from oneblock.bench.runs.turns import alone
from oneblock.bench.worker.events import Event, Phase
from oneblock.bench.worker.measure_job import Measurement
from oneblock.bench.worker.watch import Bounds, Listener
from oneblock.compilers import Detail

Tell = Callable[[str], None]  # what is being done, for people
Finished = Callable[[Record], None]
Read = Callable[[Path], Record]


@dataclass
class Progress:
    """How far a run is; `launches` counts those done, of the `planned`."""

    planned: int
    launches: int = 0


class Run:
    """One run of some cells into one records directory."""

    def __init__(
        self, cells: list[Cell], tier: Tier, store: Store, bounds: Bounds, *, seed: int = 0, again: bool = False,
        detail: Detail = Detail.DEFAULT, indexed: bool = False, known: Known | None = None,
    ) -> None:  # fmt: skip
        """With an index, records that were there before may come in brief."""
        self.cells, self.tier, self.store, self.bounds, self.seed, self.again = cells, tier, store, bounds, seed, again
        self.detail, self.indexed = detail, indexed
        self.known = known
        self.environment: Environment = environment(bounds.threads) if known is None else known.environment
        self.finished: dict[Cell, Record] = {}
        self.written: dict[Path, Record] = {}
        self.skipped: set[Cell] = set()
        self.progress = Progress(planned=len(cells) * tier.launches)
        self._quiet = Quiet()
        self._put_off: set[Cell] = set()  # to the end of the round, once: it may be quiet by then
        self._elsewhere: set[tuple[str, Target]] = set()  # (backend, target) that run nothing here

    def go(self, tell: Tell, finished: Finished = lambda _: None) -> list[Record]:
        """Measure every cell that has no record yet; the records of all of them, in the order of the cells.

        `finished` hears each record that is made, as soon as it is.
        """
        self.store.check_writable()
        with scratch("run") as folder:
            ceilings = CeilingCache(self.environment, self.bounds)
            measuring = Measuring(self.tier, self.bounds, self.store.directory, folder, self.detail)
            todo = self._todo()
            self.progress.planned = len(todo) * self.tier.launches
            tell("asking what is here")
            pairs = ((cell.backend, cell.target) for cell in todo)
            self._elsewhere = {*self.known.elsewhere} if self.known is not None else not_run_here(pairs, self.bounds)
            elsewhere = [cell for cell in todo if self._is_elsewhere(cell)]
            self._compile_all(elsewhere, measuring, ceilings, tell, finished)
            todo = [cell for cell in todo if cell not in self.finished]
            if todo and not self._untimed:
                with alone(self.bounds.timeout_s):
                    needed = [(cell.target, cell.backend, cell.dtype) for cell in todo]
                    ceilings.measure_missing(needed, lambda _: tell("measuring the machine's limits"))
            again = False
            while len(self.finished) < len(self.cells):  # another run took a launch and lost it, or it was put off
                left = {cell for cell in todo if cell not in self.finished} if again else {*todo}
                for index, cell in [one for one in self._order() if one[1] in left]:
                    was = cell in self.finished
                    if not was:
                        self._once(index, cell, measuring, ceilings, tell)
                    self.progress.launches = min(self.progress.launches + 1, self.progress.planned)
                    if not was and cell in self.finished and cell not in self.skipped:
                        finished(self.finished[cell])
                again = True
        return [self.finished[cell] for cell in self.cells]

    def _todo(self) -> list[Cell]:
        """The cells that have no record yet."""
        named = self.store.named()  # once: a listing for each cell would be cells x records
        read = reader(self.store) if self.indexed and len(self.cells) >= FEWEST else read_record
        with without_collection():
            return [cell for cell in self.cells if not self._already_done(cell, named, read)]

    def lost(self) -> list[Path]:
        """The records that this run wrote and that are not there any more, whole and with all their stages' texts."""
        return [path for path, record in self.written.items() if not self.store.holds(path, record)]

    def _is_elsewhere(self, cell: Cell) -> bool:
        return (cell.backend, cell.target) in self._elsewhere

    def _compile_all(
        self, cells: list[Cell], measuring: Measuring, ceilings: CeilingCache, tell: Tell, finished: Finished
    ) -> None:
        """Nothing of these is timed: as many at once as there are threads, and one process each."""

        def compile_one(cell: Cell) -> None:
            launched = measuring.launch(cell, 0, here=False, best=None, listen=_phases(cell.name, tell))
            self._finish(cell, [launched], ceilings, tell)
            self.progress.launches += self.tier.launches
            finished(self.finished[cell])

        pool = ThreadPoolExecutor(self.bounds.threads)
        try:
            for done in [pool.submit(compile_one, cell) for cell in cells]:
                done.result()
        except BaseException:  # Ctrl-C, or a disk that is full: what is queued is dropped, what compiles is ended
            measuring.stop.set()
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
        return cell.identity(self.tier.name, self.environment.facts(), self._software(cell))

    def _software(self, cell: Cell) -> dict[str, str | None]:
        return software(cell, stated_by(cell.backend, cell.ops_set, self.bounds))

    @property
    def _untimed(self) -> bool:
        return self.known is not None and self.known.untimed

    def _already_done(
        self, cell: Cell, named: Mapping[str, Sequence[Path]] | None = None, read: Read = read_record
    ) -> bool:
        """Whether an earlier or another run has the answer, in the files that were listed, or in those of now."""
        if self.again:
            return False
        record = self.store.done(self._identity(cell), named, read)
        if record is None or record.status not in ANSWERS:
            return False
        self.finished[cell] = record
        self.skipped.add(cell)
        return True

    def _once(self, index: int, cell: Cell, measuring: Measuring, ceilings: CeilingCache, tell: Tell) -> None:
        """One launch of a cell, unless it is there; and the record, if it was the last or failed."""
        key = self._identity(cell)
        tell(f"{cell.name}  waiting for another run")
        with nullcontext() if self._untimed else alone(self.bounds.timeout_s):
            if self._already_done(cell):
                return
            if index not in partials(self.store, key, self.tier.launches):
                if not self._untimed:
                    self._quiet.wait(lambda waiting: tell(f"{cell.name}  {waiting}"))
                listen = _phases(cell.name, tell)
                launched = measuring.launch(cell, index, here=True, best=ceilings.known.pace, listen=listen)
                if launched.outcome.status is Status.DISTURBED and cell not in self._put_off:
                    self._put_off.add(cell)
                    self.progress.launches -= 1
                    return
                if launched.outcome.status is not Status.PASSED:
                    self._finish(cell, [launched], ceilings, tell)
                    return
                self.store.add_partial(key, index, to_json(launched))
            found = partials(self.store, key, self.tier.launches)
            if len(found) == self.tier.launches:
                self._finish(cell, [one for _, one in sorted(found.items())], ceilings, tell)

    def _finish(self, cell: Cell, launched: list[Partial], ceilings: CeilingCache, tell: Tell) -> None:
        first, measured = launched[0].outcome, launched[0].outcome.result or Measurement()
        results = [one.outcome.result for one in launched]
        launches = tuple(one.launch for one in results if one is not None and one.launch is not None)
        ceilings.saw(cell.backend, launches)
        call_s = median(sample for one in launches for sample in one.cold_s) if launches else None
        reached = partial(ceilings.limits, cell.target, cell.dtype, cell.backend, call_s)
        record = Record(
            schema=SCHEMA,
            created=now(),
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
            costs=costs(cell.case, cell.dtype),
            limits=reached() if launches else stated_limits(cell) if measured.facts else None,
            launches=launches,
            doubts=tuple(doubts(launches, self.environment, self.tier)) if launches else (),
            artifacts=measured.artifacts,
            environment=replace(self.environment, software=self._software(cell)),
            order_seed=self.seed,
            compile_s=measured.compile_s,
            facts=measured.facts,
            memory=measured.memory,
            disturbance=measured.disturbance,
            family=cell.case.config.family,
            detail=self.detail,
            number=next_number(self.store.directory),
        )
        again = partial(ceilings.remeasure, cell.target, cell.backend, cell.dtype, listen=_phases(cell.name, tell))
        record = judged(record, lambda by: reached() if again(by) else None)
        path, record = self.store.add_or_crashed(record)
        self.written[path] = record
        self.finished[cell] = record


def _phases(name: str, tell: Tell) -> Listener:
    """What tells a worker's phases under the name of its cell."""

    def listen(event: Event) -> None:
        if isinstance(event, Phase):
            tell(f"{name}  {event.name}")

    return listen

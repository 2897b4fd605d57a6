"""A search for a pass as its user sees it: workers, restarted where one died of a try, then what was found."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from oneblock.bench.records.record import Status
from oneblock.bench.terminal.going import going_on
from oneblock.bench.worker.bisect_job import BisectionResult, BisectJob
from oneblock.bench.worker.events import Event, Observation, PassesTried, Phase, Trying
from oneblock.bench.worker.jobs import Outcome
from oneblock.bench.worker.launch import launch
from oneblock.bench.worker.reference_job import ReferenceJob
from oneblock.bench.worker.watch import Bounds

_DEATHS = 40  # workers that may die of a try before it is given up


@dataclass
class Bisection:
    """One search. A try that ends the worker's process is one that does not run: another worker goes on after it."""

    job: BisectJob
    within: Bounds
    known: dict[tuple[str, ...], Observation] = field(default_factory=dict)
    trying: tuple[str, ...] | None = None

    def run(self, folder: Path, *, quiet: bool) -> Outcome[BisectionResult]:
        """How it ended; numbers are checked against a reference that is computed first."""
        with going_on("starting", quiet=quiet) as tell:

            def listen(event: Event) -> None:
                self.hear(event)
                if isinstance(event, Phase | Trying):
                    about = event.name if isinstance(event, Phase) else f"try {len(self.known) + 1}: {event.what}"
                    tell(f"{self.job.cell.name}  {about}")

            if self.job.of == "numbers":
                reference = ReferenceJob(self.job.cell, str(folder / "reference.npz"), 2)
                made = launch(reference, self.within, listen=listen)
                if made.status is not Status.PASSED:
                    return made.ending()
                self.job = replace(self.job, reference=reference.path)
            for _ in range(_DEATHS):
                outcome = launch(replace(self.job, known=tuple(self.known.items())), self.within, listen=listen)
                if outcome.status is not Status.CRASHED or self.trying is None:
                    return outcome
                self.known[self.trying] = Observation(False, why=f"the compiler's process ended: {outcome.reason}")
                self.trying = None
        return replace(outcome, reason=f"{_DEATHS} workers died, the last so: {outcome.reason}")

    def hear(self, event: Event) -> None:
        """Remember what is tried and what came of it."""
        if isinstance(event, Trying):
            self.trying = event.off
        elif isinstance(event, PassesTried):
            self.known[event.off] = event.seen
            self.trying = None

"""The job that measures the machine's limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from oneblock import backends
from oneblock.backends.api.target import Target
from oneblock.bench.records.disturbance import Pace
from oneblock.bench.records.record import Status
from oneblock.bench.worker import ceilings
from oneblock.bench.worker.channel import emit
from oneblock.bench.worker.events import Phase
from oneblock.bench.worker.jobs import Job, Outcome
from oneblock.bench.worker.surroundings import Surroundings
from oneblock.compilers.api.kind import Kind

Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]


@dataclass(frozen=True)
class ReachedRates:
    """What was reached while nobody else had the machine."""

    rates: dict[str, Rate]  # FLOP/s by dtype, or {"read": bytes/s}; what lacks is left out
    pace: Pace | None  # of the canary
    disturbed: bool  # whether anything lacks because others had the machine


@dataclass(frozen=True)
class LimitsJob(Job[ReachedRates]):
    """Find the fastest matrix product of a backend, by dtype; and with a None backend, how fast memory is read."""

    backend: str | None
    target: Target
    dtypes: tuple[str, ...]
    threads: int

    def do(self) -> Outcome[ReachedRates]:
        """The rates, of calls that nobody disturbed."""
        emit(Phase("measuring the machine's limits"))
        around = Surroundings(None)
        if self.backend is None:
            read = ceilings.host_read_bytes_per_s(self.threads, around)
            rates = {} if read is None else {"read": read}
            return Outcome(Status.PASSED, result=ReachedRates(rates, around.canary.pace(), read is None))
        backend, target = backends.load(self.backend), self.target
        device = backend.probe(target)
        known = [dtype for dtype in self.dtypes if dtype in backend.dtypes]
        measured = device.kind is Kind.MEASURED  # how fast an interpreter multiplies is nobody's limit
        rates, disturbed = ceilings.rates(backend, target, known, around) if measured else ({}, False)
        return Outcome(
            Status.PASSED, device.kind, device.name, result=ReachedRates(rates, around.canary.pace(), disturbed)
        )

"""The job that writes down what a compiler's target for Trainium makes of one matrix product."""

from __future__ import annotations

from dataclasses import dataclass

from oneblock import backends
from oneblock.backends.api.backend import Unsupported
from oneblock.backends.api.export import TrnEmitter
from oneblock.bench.records.record import Status
from oneblock.bench.worker.channel import emit
from oneblock.bench.worker.events import Phase
from oneblock.bench.worker.jobs import Job, Outcome
from oneblock.compilers.api.export import TrnSource


@dataclass(frozen=True)
class TrnJob(Job[TrnSource]):
    """Emit the source of one matrix product for Trainium, to be read."""

    backend: str

    def do(self) -> Outcome[TrnSource]:
        """What the backend's compiler emits, and what it refuses."""
        emit(Phase("emitting"))
        emitter = backends.load(self.backend)
        if not isinstance(emitter, TrnEmitter):
            raise Unsupported(f"{self.backend} emits no source for Trainium")
        return Outcome(Status.PASSED, result=emitter.trn_source())

"""The job that writes down what TVM's `trn` target makes of one matrix product."""

from __future__ import annotations

from dataclasses import dataclass

from oneblock.backends.api.backend import Unavailable
from oneblock.bench.records.record import Status
from oneblock.bench.worker.channel import emit
from oneblock.bench.worker.jobs import Job, Outcome


@dataclass(frozen=True)
class TrnSource:
    """What TVM's `trn` target makes of one matrix product, written in two ways, and of a plain loop."""

    tvm: str  # the version
    program: str  # TIRx
    source: str
    laid_out: str  # the source where TVM itself derives the accumulator's allocation from a layout
    refused: str  # what it says of a plain loop, as Relax and MetaSchedule make them


@dataclass(frozen=True)
class TrnJob(Job[TrnSource]):
    """Emit the source of one matrix product by TVM's `trn` target."""

    def do(self) -> Outcome[TrnSource]:
        """What TVM emits, and what it refuses."""
        emit("phase", name="importing")
        try:
            from oneblock.compilers.tvm import trn as tvm_trn
        except ModuleNotFoundError as error:
            raise Unavailable(f"{error.name} is not installed", "pip install 'oneblock[tvm-relax]'") from error
        emit("phase", name="emitting")
        source = TrnSource(
            tvm=tvm_trn.version(),
            program=tvm_trn.matmul(),
            source=tvm_trn.emitted(tvm_trn.matmul()),
            laid_out=tvm_trn.emitted(tvm_trn.matmul(laid_out=True)),
            refused=tvm_trn.refusal(),
        )
        return Outcome(Status.PASSED, result=source)

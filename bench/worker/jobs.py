"""What a worker process is asked and what it answers, as plain data that crosses a pipe."""

from __future__ import annotations

from dataclasses import dataclass

from oneblock.backends.api.backend import Found
from oneblock.bench.cells.cell import Cell
from oneblock.bench.records.record import Launch, Status
from oneblock.bench.worker.pass_search import Finding, Seen
from oneblock.compilers import Detail, Stage
from oneblock.compilers.api.facts import Facts, Memory
from oneblock.compilers.api.kind import Kind
from oneblock.compilers.api.search import Search
from oneblock.workloads.answers.verdict import Check


@dataclass(frozen=True)
class GoldenJob:
    """Compute the reference of a cell's subject and prove that its check bites."""

    cell: Cell
    path: str  # where to write it
    answers: int


@dataclass(frozen=True)
class MeasureJob:
    """Compile, check and time a cell once."""

    cell: Cell
    tier: str
    golden: str | None  # the file that a GoldenJob wrote; None for what is not run here
    index: int
    cold_compile: bool
    flush_bytes: int
    artifacts: str | None  # the folder to write the lowering stages to; None: they are not wanted
    detail: Detail = Detail.DEFAULT


@dataclass(frozen=True)
class LimitsJob:
    """Find the fastest matrix product of a backend, by dtype; and with a None backend, how fast memory is read."""

    backend: str | None
    target: str
    dtypes: tuple[str, ...]
    threads: int


@dataclass(frozen=True)
class ProbeJob:
    """Say of each backend and each of its platforms what there is; and of pairs (backend, target)."""

    backends: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class TuneJob:
    """Search for what makes a cell's program fast."""

    cell: Cell
    asked: Search


@dataclass(frozen=True)
class VersusJob:
    """Time several ops sets of a cell in turn, in one process, each checked first."""

    cell: Cell
    ops_sets: tuple[str, ...]
    golden: str
    rounds: int
    flush_bytes: int


@dataclass(frozen=True)
class BisectJob:
    """Search for the compiler's pass that changed a cell's numbers or a count of what was compiled."""

    cell: Cell
    of: str  # "numbers", or a count that the backend has
    golden: str | None  # the file that a GoldenJob wrote; None for a count
    drift: float | None = None  # numbers are bad from this factor of the error without passes on; None: by the check
    left_out: tuple[str, ...] = ()  # passes that are off throughout
    linear: bool = False
    known: tuple[tuple[tuple[str, ...], Seen], ...] = ()  # what earlier workers saw, with which passes off


@dataclass(frozen=True)
class ExportJob:
    """Write a cell's program as an HLO module, read it back, run it here and check what it answers."""

    cell: Cell
    golden: str
    module: str  # where to write it, and beside it its text
    text: str


@dataclass(frozen=True)
class TrnJob:
    """Emit the source of one matrix product by TVM's `trn` target."""


Job = GoldenJob | MeasureJob | LimitsJob | ProbeJob | TuneJob | VersusJob | BisectJob | ExportJob | TrnJob


JOBS = {job.__name__: job for job in Job.__args__}


@dataclass(frozen=True)
class StageFile:
    """One lowering stage that a worker wrote."""

    stage: Stage
    dialect: str
    path: str


@dataclass(frozen=True)
class HloModule:
    """An HLO module as it was written: what is in it, and what its answers are worth."""

    sha256: str
    nbytes: int
    computations: int
    opcodes: dict[str, int]
    parameters: dict[str, str]  # name and type, in their order
    outputs: tuple[str, ...]  # in the order of the result's tuple
    checks: tuple[Check, ...]  # one an input, of the written bytes run by XLA on the CPU


@dataclass(frozen=True)
class Bisected:
    """What a search for a pass came to."""

    of: str
    finding: Finding
    how: str  # how passes are switched off, and what never is
    diff: tuple[str, ...]  # of what people read, without the found pass and with it
    diff_left_out: int  # lines of it beyond those
    good_by_hand: str | None  # how anyone has the run that is good
    bad_by_hand: str | None  # and the one that is bad


@dataclass(frozen=True)
class TrnSource:
    """What TVM's `trn` target makes of one matrix product, written in two ways, and of a plain loop."""

    tvm: str  # the version
    program: str  # TIRx
    source: str
    laid_out: str  # the source where TVM itself derives the accumulator's allocation from a layout
    refused: str  # what it says of a plain loop, as Relax and MetaSchedule make them


@dataclass(frozen=True)
class Outcome:
    """How a job ended, and for a measurement what came of it."""

    status: Status
    kind: Kind | None = None
    device: str | None = None
    reason: str | None = None
    hint: str | None = None
    log_tail: tuple[str, ...] = ()
    check: Check | None = None
    launch: Launch | None = None
    stages: tuple[StageFile, ...] = ()
    wrong_tried: int = 0
    rates: dict[str, float] | None = None  # of a LimitsJob: FLOP/s by dtype, or {"read": bytes/s}
    compile_s: float | None = None  # of what is only compiled
    facts: Facts | None = None
    memory: Memory | None = None
    found: Found | None = None  # of a TuneJob
    seconds: dict[str, tuple[float, ...]] | None = None  # of a VersusJob: raw, by ops set
    bisected: Bisected | None = None  # of a BisectJob
    module: HloModule | None = None  # of an ExportJob
    trn: TrnSource | None = None  # of a TrnJob

"""The worker's part of an export: a module is written, and what was written is run and checked."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from oneblock import backends, workloads
from oneblock.backends.api.backend import Unavailable, Unsupported
from oneblock.bench.cells.cell import Cell
from oneblock.bench.records.record import Status
from oneblock.bench.worker.channel import say
from oneblock.bench.worker.jobs import ExportJob, HloModule, Outcome, TrnJob, TrnSource
from oneblock.compilers.hlo import parser as _hlo
from oneblock.compilers.hlo.proto import HloProtoError
from oneblock.workloads.answers.arrays import make_inputs, make_weights, without_data
from oneblock.workloads.answers.reference import Golden
from oneblock.workloads.answers.verdict import Check


def export(job: ExportJob) -> Outcome:
    """Lower, write, read back, run and check; a module whose answers are wrong is a failure."""
    cell = job.cell
    say("phase", name="importing")
    backends.load(cell.backend).compilations()  # which says what to install
    from oneblock.backends._jax.ops import JaxOps
    from oneblock.compilers.xla import export as neuron_hlo
    from oneblock.compilers.xla import lowering as xla

    say("phase", name="lowering")
    workload = workloads.load(cell.case.workload)
    arrays = without_data(workload, cell.case, cell.dtype)
    program = xla.named(workload.program, JaxOps(), cell.case, workload.name)
    try:
        made = neuron_hlo.export(program, {name: (a.shape, a.dtype) for name, a in arrays.items()})
    except HloProtoError as error:
        raise Unsupported(str(error)) from error
    module, text = Path(job.module), neuron_hlo.text(made.encoded)
    module.write_bytes(made.encoded)
    Path(job.text).write_text(text, encoding="utf-8")
    say("phase", name="checking")
    checks = verdicts(module.read_bytes(), made.parameters, made.outputs, cell, Golden.read(Path(job.golden)))
    parsed = _hlo.parse(text)
    written = HloModule(
        sha256=hashlib.sha256(made.encoded).hexdigest(),
        nbytes=len(made.encoded),
        computations=len(parsed.computations),
        opcodes=dict(Counter(i.opcode for c in parsed.computations.values() for i in c.instructions)),
        parameters={name: f"{cell.dtype}{list(arrays[name].shape)}" for name in made.parameters},
        outputs=made.outputs,
        checks=checks,
    )
    outcome = Outcome(Status.PASSED, check=checks[0], module=written)
    for i, check in enumerate(checks):
        if not check.passed:
            return replace(outcome, status=Status.FAILED, check=check, reason=f"input {i}: {check.why}")
    return outcome


def verdicts(
    encoded: bytes, parameters: Sequence[str], outputs: Sequence[str], cell: Cell, golden: Golden
) -> tuple[Check, ...]:
    """The checks of a module's answers to each input that has a reference, run by XLA on the CPU."""
    from oneblock.compilers.xla import export as neuron_hlo

    run, workload = neuron_hlo.on_cpu(encoded), workloads.load(cell.case.workload)
    weights = make_weights(workload, cell.case, cell.dtype, cell.weight_seed)

    def verdict(i: int) -> Check:
        arrays = {**weights, **make_inputs(workload, cell.case, cell.dtype, cell.input_seed + i)}
        return golden.check(dict(zip(outputs, run([arrays[name] for name in parameters]), strict=True)), i)

    return tuple(verdict(i) for i in range(len(golden.answers)))


def trn(job: TrnJob) -> Outcome:
    """What TVM emits, and what it refuses."""
    say("phase", name="importing")
    try:
        from oneblock.compilers.tvm import trn as tvm_trn
    except ModuleNotFoundError as error:
        raise Unavailable(f"{error.name} is not installed", "pip install 'oneblock[tvm-relax]'") from error
    say("phase", name="emitting")
    source = TrnSource(
        tvm=tvm_trn.version(),
        program=tvm_trn.matmul(),
        source=tvm_trn.emitted(tvm_trn.matmul()),
        laid_out=tvm_trn.emitted(tvm_trn.matmul(laid_out=True)),
        refused=tvm_trn.refusal(),
    )
    return Outcome(Status.PASSED, trn=source)

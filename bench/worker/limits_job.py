"""The job that measures the machine's limits."""

from __future__ import annotations

from oneblock import backends
from oneblock.backends.api.target import Target
from oneblock.bench.records.record import Status
from oneblock.bench.worker.channel import say
from oneblock.bench.worker.jobs import LimitsJob, Outcome
from oneblock.compilers.api.kind import Kind


def _limits(job: LimitsJob) -> Outcome:
    from oneblock.bench.worker import ceilings as _ceilings

    say("phase", name="measuring the machine's limits")
    if job.backend is None:
        return Outcome(Status.PASSED, rates={"read": _ceilings.host_read_bytes_per_s(job.threads)})
    backend = backends.load(job.backend)
    target = Target.parse(job.target)
    device = backend.probe(target)
    measured = device.kind is Kind.MEASURED  # how fast an interpreter multiplies is nobody's limit
    rates = _ceilings.rates(backend, target, [d for d in job.dtypes if d in backend.dtypes]) if measured else {}
    return Outcome(Status.PASSED, device.kind, device.name, rates=rates)

"""What a run looks for on the machine before its first cell, and what it need not."""

from __future__ import annotations

from typing import Any

import pytest

from oneblock.bench.runs import probes
from oneblock.bench.worker.jobs import Outcome
from oneblock.bench.worker.probe_job import ProbeJob
from oneblock.bench.worker.watch import Bounds

BOUNDS = Bounds(threads=1, timeout_s=60, memory_bytes=2**31)


@pytest.mark.parametrize(
    ("named", "targeted", "looked_for"),
    [
        (("reference",), False, ()),
        (("torch_eager", "reference"), False, ()),
        (("neuron_nki",), False, ("neuron_nki",)),  # of which it depends on the device what it is asked for
        (("reference", "neuron_nki"), False, ("neuron_nki",)),
        (("neuron_nki",), True, ()),
    ],
)
def test_only_what_a_run_cannot_know_is_looked_for(
    named: tuple[str, ...], targeted: bool, looked_for: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    launch = probes.launch

    def watched(job: ProbeJob, *args: Any, **options: Any) -> Outcome[Any]:
        asked.extend(job.backends)
        return launch(job, *args, **options)

    monkeypatch.setattr(probes, "launch", watched)
    found = probes.rows(named, targeted, BOUNDS)
    assert tuple(asked) == looked_for
    assert list(dict.fromkeys(row.backend for row in found)) == list(named), "in the order in which they are named"
    assert all(row.ops_sets and row.platform for row in found)


def test_who_is_unknown_is_a_mistake() -> None:
    with pytest.raises(LookupError, match="did you mean 'reference'"):
        probes.rows(("referense", "torch_eager"), True, BOUNDS)

"""The estimate that every target shares: for GPU, TPU and NeuronCore alike, above the roofline, with its range."""

from __future__ import annotations

from dataclasses import replace

import pytest

from oneblock.backends.api.target import Target
from oneblock.bench.cost.tried import TriedTime, estimates, time_of
from oneblock.bench.judge.estimates import METHODS, ROOFLINE, TRIED
from oneblock.bench.judge.roofline import costs, stated_limits
from oneblock.bench.records.record import Record
from oneblock.bench.terminal.programs import details
from oneblock.workloads._workload import Case, Phase
from oneblock.workloads.models import preset
from tests.bench.report.test_report_compiled import compiled

ALL = ["cuda:sm_90", "cuda:sm_100", "rocm:gfx942", "tpu:v5e", "tpu:v7x", "neuron:trn2"]


def of(target: str, workload: str = "block", phase: Phase = Phase.DECODE, dtype: str = "bfloat16") -> Record:
    T, S = (1, 512) if phase is Phase.DECODE else (128, 128)
    made = compiled(target)
    case = Case(workload, preset("llama-1b"), phase, 1, T, S)
    cell = replace(made.cell, case=case, dtype=dtype, target=Target.parse(target))
    return replace(made, cell=cell, costs=costs(case, dtype), limits=stated_limits(cell))


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("target", ALL)
def test_every_target_has_it_above_its_roofline_and_in_its_range(target: str, phase: Phase) -> None:
    found = estimates(of(target, phase=phase))
    tried = found[TRIED]
    assert isinstance(tried, TriedTime)
    assert tried.seconds is not None
    assert found[ROOFLINE].seconds is not None
    assert tried.seconds > found[ROOFLINE].seconds
    assert tried.low_s < tried.seconds < tried.high_s
    assert [*found] == [method for method in METHODS if method in found]


def test_the_block_takes_as_long_as_its_parts_and_half_a_chip_is_said() -> None:
    parts = [time_of(of("cuda:sm_90", workload)) for workload in ("attention", "mlp", "norm")]
    whole = time_of(of("cuda:sm_90"))
    assert whole is not None
    assert whole.seconds is not None
    times = [one.seconds for one in parts if one is not None and one.seconds is not None]
    assert whole.seconds == pytest.approx(sum(times) + times[-1], rel=1e-6)  # the second norm is as the first
    half = time_of(of("tpu:v7x"))
    assert half is not None
    assert "of half a chip" in half.how
    assert "half a chip" not in whole.how


@pytest.mark.parametrize("record", [of("cuda:sm_90", dtype="float32"), of("tpu:v5e:2x2@tp4")], ids=["float32", "tp4"])
def test_what_was_not_tried_has_none(record: Record) -> None:
    assert time_of(record) is None
    assert TRIED not in estimates(record)


def test_it_is_shown_with_what_it_is() -> None:
    said = "\n".join(details(of("tpu:v5e")))
    assert "estimate tried" in said
    assert "90 % range" in said
    assert "(modelled)" in said

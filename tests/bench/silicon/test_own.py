"""This machine's own trial, on records that a model made, with noise; too few and unclean ones are refused."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from oneblock.backends.api.target import Target
from oneblock.bench.cells.cell import Cell
from oneblock.bench.commands.plan import COMMAND as COMMAND_PLAN
from oneblock.bench.commands.trial import COMMAND
from oneblock.bench.cost.tried import time_of
from oneblock.bench.format.errors import Refused
from oneblock.bench.judge.roofline import costs
from oneblock.bench.judge.stats import centre
from oneblock.bench.records.doubt import Cause, Doubt
from oneblock.bench.records.environment import default_threads, machine
from oneblock.bench.records.record import Limits, Record, Status
from oneblock.bench.records.store import Store
from oneblock.bench.silicon.calls import CallNumbers
from oneblock.bench.silicon.here import keep, kept
from oneblock.bench.silicon.own import own_trials
from oneblock.bench.terminal.records import results
from oneblock.workloads import _parameters
from oneblock.workloads._workload import Case, Phase
from oneblock.workloads.models import preset, preset_model
from tests.bench.report.test_report import record
from tests.helpers.stage_records import run

TRUE = CallNumbers(flops_share=0.7, bandwidth_share=0.6, call_us=30.0, step_us=4.0, overlap=2.0)
PEAK, READ = 4e11, 1.4e10
PRESET = preset_model("llama-1b")
assert PRESET is not None


@pytest.fixture(autouse=True)
def nothing_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A cache folder of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    kept.cache_clear()
    yield
    kept.cache_clear()


def measured(noise: float = 0.03, backend: str = "torch_eager", dtype: str = "float32") -> Iterator[Record]:
    """A record of each of 64 cells on this machine, timed as the model has it."""
    draw = np.random.default_rng(0)
    for workload in ("mlp", "attention", "norm", "block"):
        for name in ("gpt2", "qwen2-0.5b"):
            for B in (1, 4):
                for T in (16, 64, 128, 256):
                    case = Case(workload, preset(name), Phase.PREFILL, B=B, T=T, S=T)
                    cost = costs(case, dtype)
                    work = (cost.flops / PEAK / TRUE.flops_share) ** TRUE.overlap
                    work += (cost.compulsory_bytes / READ / TRUE.bandwidth_share) ** TRUE.overlap
                    took = (TRUE.call_us + TRUE.step_us * len(cost.steps)) * 1e-6 + work ** (1 / TRUE.overlap)
                    timed = record(backend, cold_s=float(took * draw.lognormal(0, noise)))
                    cell = Cell(case, dtype, backend, "native", Target("cpu"))
                    here = replace(timed.environment, machine=machine(default_threads()))
                    yield replace(timed, cell=cell, costs=cost, limits=Limits(PEAK, backend, READ), environment=here)


def test_what_was_planted_is_found_on_cells_that_were_not_fitted() -> None:
    (found,), left = own_trials(measured())
    assert left == []
    assert found.cells == 64
    assert found.held_out.median_log <= 0.05
    assert found.bare_median_log > 3 * found.held_out.median_log
    assert found.numbers.bandwidth_share == pytest.approx(TRUE.bandwidth_share, rel=0.15)
    assert found.numbers.flops_share == pytest.approx(TRUE.flops_share, rel=0.15)


def test_a_backend_twice_as_slow_reaches_half_and_each_is_tried_alone() -> None:
    slow = [
        replace(one, launches=tuple(replace(x, cold_s=tuple(2 * s for s in x.cold_s)) for x in one.launches))
        for one in measured(backend="reference")
    ]
    fast, twice = own_trials([*measured(), *slow])[0]
    assert str(fast.way).startswith("torch_eager native float32 on")
    assert twice.numbers.bandwidth_share == pytest.approx(fast.numbers.bandwidth_share / 2, rel=0.1)


def test_what_is_unclean_wrong_or_of_another_device_is_no_row_and_says_so() -> None:
    every = list(measured())
    doubted = replace(every[0], doubts=(Doubt(Cause.CORES_SHARED, "the load average was 9"),))
    failed = replace(every[1], status=Status.FAILED, reason="wrong")
    unknown = replace(every[2], limits=None)
    (found,), left = own_trials([doubted, failed, unknown, *every[3:]])
    assert found.cells == 61
    assert [why.split(": ")[1] for why in left] == [
        "other work shared the cores (1 cell)", "failed, which is no number (1 cell)",
        "the machine's limits were not measured (1 cell)",
    ]  # fmt: skip


def test_too_few_cells_are_refused_with_what_to_run() -> None:
    few = r"5 clean cells, which are too few; expected 20 clean cells .*: oneblock run mlp attention norm block"
    with pytest.raises(Refused, match=few):
        own_trials(list(measured())[:5])
    busy = [replace(one, doubts=(Doubt(Cause.CORES_SHARED, "the load average was 9"),)) for one in measured()]
    with pytest.raises(
        Refused, match=r"other work shared the cores \(64 cells\); expected 20 .*nobody else has the machine"
    ):
        own_trials(busy)
    with pytest.raises(Refused, match="expected 20 clean cells of one backend"):
        own_trials([])


def test_the_command_tells_it(tmp_path: Path) -> None:
    store = Store(tmp_path / "records")
    for one in measured():
        store.add(one)
    code, shown = run(COMMAND, "--cpu", tmp_path / "records")
    assert code == 0, shown
    assert "torch_eager native float32 on" in shown
    assert "half of the measured calls that were not fitted lie within" in shown
    assert "kept" in shown
    code, told = run(COMMAND, "--cpu", tmp_path / "records", "--json")
    assert json.loads(told)["trials"][0]["held_out"]["median_log"] < 0.05


def test_a_cell_that_was_not_among_them_is_told_by_what_is_kept_and_one_of_another_machine_is_not() -> None:
    keep(own_trials(measured())[0])
    unseen = next(measured(noise=0.0))
    tried = time_of(unseen)
    assert tried is not None
    assert tried.seconds == pytest.approx(centre(unseen.samples("cold")), rel=0.1)
    assert tried.low_s < (tried.seconds or 0.0) < tried.high_s
    out = Console(file=io.StringIO(), width=250)
    for part in results([unseen]):
        out.print(part)
    assert isinstance(out.file, io.StringIO)
    assert str(tried) in out.file.getvalue()
    assert "times are measured medians; tried is modelled" in out.file.getvalue()
    elsewhere = replace(unseen.environment, machine=unseen.environment.machine | {"cores": 96})
    assert time_of(replace(unseen, environment=elsewhere)) is None
    assert time_of(replace(unseen, cell=replace(unseen.cell, dtype="float16"))) is None


def test_a_file_of_others_is_said_and_not_believed(capsys: pytest.CaptureFixture[str]) -> None:
    (path,) = keep(own_trials(measured())[0])
    told = json.loads(path.read_text())
    for wrong in ("{", json.dumps([*told, {**told[0], "cells": "many"}]), json.dumps({"way": 1})):
        path.write_text(wrong)
        kept.cache_clear()
        assert time_of(next(measured())) is None
        assert "expected the trials of this processor, got others" in capsys.readouterr().err


def test_a_plan_has_this_processor_once_its_calls_were_tried() -> None:
    asked = ("--preset", "llama-1b", "--target", "cpu", "--target", "cuda:sm_90", "--json")
    code, shown = run(COMMAND_PLAN, *asked)
    without = {one["target"]: one for one in json.loads(shown)["choices"]}["cpu"]
    assert not without["able"]
    assert "`oneblock trial --cpu RECORDS` makes one" in without["why"]
    keep(own_trials(measured(dtype="bfloat16"))[0])
    code, shown = run(COMMAND_PLAN, *asked)
    assert code == 0, shown
    cpu, gpu = ({one["target"]: one for one in json.loads(shown)["choices"]}[name] for name in ("cpu", "cuda:sm_90"))
    assert cpu["rows_of_this_chip"]
    assert cpu["itl_s"]["middle"] > 20 * gpu["itl_s"]["middle"]
    read = 2 * sum(_parameters.of_model(PRESET).values()) / READ
    assert cpu["step_s"]["middle"] > read  # no token is faster than its weights are read

"""Jobs cross the pipe as data, and what comes back must be what a job promises."""

from __future__ import annotations

import json
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import oneblock.bench.worker
from oneblock import backends
from oneblock.backends.api.backend import Unsupported
from oneblock.backends.api.target import Target
from oneblock.bench.cells.cell import Cell
from oneblock.bench.records.record import Status
from oneblock.bench.records.store import to_json
from oneblock.bench.worker import trn_job
from oneblock.bench.worker.admit import admit
from oneblock.bench.worker.export_job import verdicts
from oneblock.bench.worker.jobs import Job, Outcome
from oneblock.bench.worker.launch import read_outcome, to_data
from oneblock.bench.worker.limits_job import LimitsJob
from oneblock.bench.worker.main import read_job
from oneblock.bench.worker.measure_job import MeasureJob, Measurement
from oneblock.bench.worker.probe_job import ProbeJob
from oneblock.bench.worker.reference_job import Proof, ReferenceJob
from oneblock.bench.worker.trn_job import TrnJob
from oneblock.compilers import Detail
from oneblock.compilers.api.export import Form
from oneblock.compilers.api.kind import Kind
from oneblock.workloads._workload import Case, Phase
from oneblock.workloads.answers.arrays import sha256_of
from oneblock.workloads.answers.checkpoint_files import CheckpointError
from oneblock.workloads.answers.reference import ReferenceAnswer
from oneblock.workloads.answers.verdict import Allowance, Check, OutputCheck
from oneblock.workloads.models import preset

CELL = Cell(Case("norm", preset("tiny"), Phase.PREFILL, 1, 8, 8), "float32", "reference", "plain", Target("cpu"))
FILES = sorted(path.stem for path in Path(*oneblock.bench.worker.__path__).glob("*_job.py"))


def through_the_pipe(value: Any) -> Any:
    return json.loads(to_json(value))


@pytest.mark.parametrize("file", FILES)
def test_a_file_of_the_folder_defines_one_job_and_what_it_answers(file: str) -> None:
    module = import_module(f"oneblock.bench.worker.{file}")
    own = [one for one in vars(module).values() if isinstance(one, type) and one.__module__ == module.__name__]
    (job,) = (one for one in own if issubclass(one, Job))
    assert not job.__abstractmethods__
    with pytest.raises(ValueError, match="status"):  # what it promises is found, and nothing is no outcome
        read_outcome(object.__new__(job), {})


@pytest.mark.parametrize(
    "job",
    [
        MeasureJob(CELL, "smoke", None, 0, True, 0, None, Detail.ALL),
        ReferenceJob(CELL, "reference.npz", 2),
        LimitsJob(None, "cpu", ("read",), 2),
        ProbeJob(("reference",), (("xla_tpu", "tpu:v5e"),)),
    ],
)
def test_a_job_comes_out_of_the_pipe_as_it_went_in(job: Job[Any]) -> None:
    assert read_job(through_the_pipe(to_data(job))) == job


def test_an_outcome_comes_out_of_the_pipe_as_it_went_in() -> None:
    job, outcome = ReferenceJob(CELL, "reference.npz", 2), Outcome(Status.PASSED, result=Proof(7))
    assert read_outcome(job, through_the_pipe(outcome)) == outcome
    measured = Outcome(Status.COMPILED, reason="no device", result=Measurement(compile_s=1.5))
    assert read_outcome(MeasureJob(CELL, "smoke", None, 0, True, 0, None), through_the_pipe(measured)) == measured


@pytest.mark.parametrize(
    "wrong",
    [
        {"status": "passed", "result": {"wrong_tried": "many"}},
        {"status": "passed", "result": {"seconds": [1.0]}},  # of another job
        {"status": "splendid"},
        {"status": "failed", "kind": "reported", "reason": "others say so"},
        {"status": "passed", "launch": None},  # no field of an outcome
        ["passed"],
    ],
)
def test_what_no_reference_job_answers_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match="validation error"):
        read_outcome(ReferenceJob(CELL, "reference.npz", 2), wrong)


def a_check(*, passed: bool) -> Check:
    return Check((OutputCheck("y", passed, Allowance(1e-7, 1e-6, 1e-5)),))


@pytest.mark.parametrize(
    ("outcome", "says"),
    [
        (Outcome(Status.PASSED, Kind.MEASURED, "cpu"), "passed, and no launch"),
        (Outcome(Status.PASSED, Kind.MEASURED, result=Measurement()), "passed, and no launch"),
        (
            Outcome(Status.INTERPRETED, Kind.INTERPRETED, result=Measurement()),
            "interpreted, and no answers that could be",
        ),
        (
            Outcome(Status.SIMULATED, Kind.SIMULATED, result=Measurement(check=a_check(passed=True))),
            "simulated, and judged by itself",
        ),
        (Outcome(Status.COMPILED, Kind.MEASURED, result=Measurement()), "of the kind measured: expected compiled"),
    ],
)
def test_what_does_not_go_together_is_no_measurement(outcome: Outcome[Measurement], says: str) -> None:
    job = MeasureJob(CELL, "smoke", None, 0, True, 0, None)
    assert says in str(job.fault(outcome))
    assert job.fault(Outcome(Status.CRASHED, reason="it crashed")) is None
    assert job.fault(Outcome(Status.COMPILED, Kind.COMPILED, result=Measurement())) is None


def test_a_rate_is_a_number_of_this_world() -> None:
    limits = LimitsJob("reference", Target("cpu"), ("float32",), 1)
    for wrong in (float("nan"), float("inf"), 0.0, -1.0):
        with pytest.raises(ValueError, match="float32"):
            read_outcome(limits, {"status": "passed", "result": {"float32": wrong}})


def test_who_measures_with_other_weights_than_the_reference_is_of_is_refused() -> None:
    weights = {"a_weight": np.ones((2, 2), np.float32)}
    expected = ReferenceAnswer("float32", 1, (), (), (), sha256_of(weights))
    expected.check_weights({"a_weight": np.ones((2, 2), np.float32)})
    for other in (np.full((2, 2), 2, np.float32), np.ones(4, np.float32), np.ones((2, 2), np.float16)):
        with pytest.raises(CheckpointError, match="the weights are others"):
            expected.check_weights({"a_weight": other})


def test_an_outcome_says_how_it_ended_and_no_job_adds_to_that() -> None:
    assert len(fields(Outcome)) <= 7
    assert Outcome(Status.FAILED, reason="why", result=Proof(7)).ending() == Outcome(Status.FAILED, reason="why")


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ({"target": Target("cuda")}, r"reference has no target cuda \(it has cpu\)"),
        ({"ops_set": "kernels"}, r"reference has no kernels ops \(it has plain\)"),
        ({"dtype": "int4"}, r"reference does not compute in int4 \(but in float32"),
    ],
)
def test_what_a_backend_lacks_is_refused_with_what_it_has(wanted: dict[str, Any], says: str) -> None:
    backend, asked = backends.load("reference"), {"target": Target("cpu"), "ops_set": "plain", "dtype": "float32"}
    admit(backend, **asked)  # type: ignore[arg-type]
    with pytest.raises(Unsupported, match=says):
        admit(backend, **asked | wanted)


def test_what_a_backend_cannot_do_beside_running_is_refused_with_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Unsupported, match="reference writes no programs for others"):
        verdicts(Form.NEURON, {}, (), (), CELL, ReferenceAnswer("float32", 1, (), (), ()))
    monkeypatch.setattr(trn_job, "emit", lambda event, **more: None)
    with pytest.raises(Unsupported, match="reference emits no source for Trainium"):
        TrnJob("reference").do()


def test_a_job_of_no_file_or_class_is_no_job() -> None:
    data = to_data(ReferenceJob(CELL, "reference.npz", 2))
    with pytest.raises(ModuleNotFoundError):
        read_job(data | {"file": "nothing_job"})
    with pytest.raises(ValueError, match="path"):
        read_job(data | {"job": {key: value for key, value in data["job"].items() if key != "path"}})

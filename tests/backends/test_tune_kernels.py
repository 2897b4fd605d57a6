"""Tuning our own kernels: every way of each is ranked or refused with a reason, and the ordinary program stays."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from oneblock import backends, workloads
from oneblock.backends.api.backend import Backend, Tunable, TuningResult, Unavailable, Unsupported
from oneblock.backends.api.target import Target
from oneblock.compilers import Detail
from oneblock.compilers.api.gpu_kernel import GpuKernel
from oneblock.compilers.api.kind import Kind
from oneblock.compilers.api.search import Search, TaskState
from oneblock.compilers.api.stages import Lowering
from oneblock.workloads._workload import Arrays, Case
from oneblock.workloads.ops.dtypes import DTYPES
from tests.conftest import REQUIRED
from tests.helpers import triton_here
from tests.helpers.arrays import TOLERANCE, attention64, draw, qkv, usual, worst
from tests.helpers.cases import case

ASKED = Search(trials=1, seed=0, cost_model="random")
MLP, BLOCK = case("mlp"), case("block", n=256)
MI300X, V5E = Target("rocm", "gfx942"), Target("tpu", "v5e")


def nothing(c: Case) -> Arrays:
    zero = np.zeros((), DTYPES["bfloat16"])
    return {name: np.broadcast_to(zero, s.shape) for name, s in workloads.load(c.workload).specs(c).items()}


def search(backend: Backend, c: Case, target: Target) -> tuple[TuningResult, list[TaskState]]:
    assert isinstance(backend, Tunable)
    told: list[TaskState] = []
    return backend.tune(workloads.load(c.workload), c, nothing(c), target, ASKED, told.append), told


def lowered(backend: Backend, c: Case, target: Target) -> Lowering:
    made = backend.compile(workloads.load(c.workload), c, nothing(c), "kernels", target)
    return made.capture(Detail.BRIEF)


@dataclass(frozen=True)
class Tuned:
    """A search, with the program as it was compiled before it and after it."""

    backend: Backend
    found: TuningResult
    told: list[TaskState]
    before: Lowering
    after: Lowering


def tuned(backend: Backend, c: Case, target: Target) -> Tuned:
    seen: list[Lowering] = []
    searched: list[tuple[TuningResult, list[TaskState]]] = []
    for _ in range(2):  # compiled by one line of this file, which the compilers' texts name
        seen.append(lowered(backend, c, target))
        searched = searched or [search(backend, c, target)]
    return Tuned(backend, *searched[0], *seen)


def check(one: Tuned) -> None:
    """What holds of every search by a model."""
    assert one.found.kind is Kind.MODELLED
    assert one.found.folder is None
    assert {state.name: state for state in one.told} == {task.name: task for task in one.found.tasks}
    assert one.before.artifacts == one.after.artifacts, "a search changes nothing"
    for task in one.found.tasks:
        assert task.default == 0
        assert task.flops is not None
        for trial in task.trials:
            assert (trial.seconds is None) == (trial.why_not is not None)
            assert "\n" not in (trial.why_not or "")


# ---------------------------------------------------------------- Triton


@pytest.fixture(scope="module")
def triton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    with triton_here.cache_of_this_run(tmp_path_factory):
        yield triton_here.load()


@pytest.fixture(scope="module")
def launches(triton: Backend) -> Tuned:
    return tuned(triton, MLP, MI300X)


def test_every_configuration_of_every_launch_is_ranked_and_the_models_choice_is_the_best(
    launches: Tuned,
) -> None:
    check(launches)
    assert "launch_model.py" in launches.found.how
    assert [(task.name, task.calls) for task in launches.found.tasks] == [
        ("linear", 2), ("swiglu", 1), ("linear.2", 1),
    ]  # fmt: skip
    assert [len(task.trials) for task in launches.found.tasks] == [12, 3, 12]
    for task in launches.found.tasks:
        assert len({trial.config for trial in task.trials}) == len(task.trials)
        assert task.best is task.trials[0]
    assert launches.before.facts is not None
    chosen = {f"{k.name} {k.config}" for k in launches.before.facts.of(GpuKernel)}
    assert {task.trials[0].config for task in launches.found.tasks} == chosen, "which is what a compilation takes"


def test_the_ranking_is_that_of_the_choices(launches: Tuned) -> None:
    (choices,) = (a.text for a in launches.before.artifacts if a.dialect == "choices")
    tables = choices.strip().split("\n\n")
    assert len(tables) == len(launches.found.tasks)
    for table, task in zip(tables, launches.found.tasks, strict=True):
        rows = [re.split(r"\s{2,}", line) for line in table.splitlines()[2:]]
        assert [f"{kernel} {config}" for _, kernel, config, *_ in rows] == [trial.config for trial in task.trials]


def test_what_cannot_be_built_or_spills_where_another_does_not_says_why(launches: Tuned) -> None:
    why = {str(trial.config): trial.why_not for trial in launches.found.tasks[0].trials if trial.seconds is None}
    built = {config for config, reason in why.items() if str(reason).startswith("spills")}
    assert built
    assert all("linear_descriptor_kernel" in config for config in built)
    assert re.fullmatch(r"spills \d+ bytes a thread where another spills 0", str(why[min(built)]))
    assert why.keys() - built
    for config in why.keys() - built:
        assert "BM=128 BO=256" in config
        assert "out of resource: shared memory, Required: 98304" in str(why[config])


def test_on_a_device_times_are_measured_and_the_default_stays_the_models(
    triton: Backend, launches: Tuned, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The device is made up: the later in the model's ranking, the faster."""
    from oneblock.backends._triton import programs, tuning
    from oneblock.compilers.triton import choice as _gpu_choice

    def measured(one: Any) -> Any:
        places = {i: place for place, i in enumerate(_gpu_choice.rank(one.candidates))}
        times = ((c, None if c.modelled_s is None else 1.0 / (1 + places[i])) for i, c in enumerate(one.candidates))
        return replace(one, candidates=tuple(replace(c, measured_s=seconds) for c, seconds in times))

    monkeypatch.setattr(tuning, "measured", measured)
    workload = workloads.load(MLP.workload)
    gpu, recorder = programs._recorded(workload, MLP, nothing(MLP), MI300X, Kind.COMPILED)
    found = tuning.tune(recorder.started, gpu, Kind.MEASURED, lambda state: None)
    assert found.kind is Kind.MEASURED
    for task, modelled in zip(found.tasks, launches.found.tasks, strict=True):
        assert [t.config for t in task.trials] == [t.config for t in modelled.trials]
        assert (task.default, task.trials[0].seconds) == (0, 1.0)
        assert task.best is [trial for trial in task.trials if trial.seconds is not None][-1]


def test_an_interpreter_of_gpu_kernels_has_nothing_to_tune(triton: Backend) -> None:
    with pytest.raises(Unsupported, match="interpreter's time says nothing"):
        search(triton, MLP, Target("cpu"))


# ---------------------------------------------------------------- Pallas


@pytest.fixture(scope="module")
def pallas() -> Backend:
    try:
        loaded = backends.load("pallas_tpu")
        loaded.compilations()  # which imports its toolchain
    except Unavailable as error:
        absent(error)
        raise
    return loaded


def absent(error: Unavailable) -> None:
    sentence = f"pallas_tpu: {error}; {error.hint}"
    if "pallas_tpu" in REQUIRED:
        pytest.fail(f"required, and not here: {sentence}")
    pytest.skip(sentence)


@pytest.fixture(scope="module")
def tpu(pallas: Backend) -> Backend:
    try:
        pallas.probe(V5E)
    except Unavailable as error:
        absent(error)
    return pallas


@pytest.fixture(scope="module")
def blocks(tpu: Backend) -> Tuned:
    return tuned(tpu, BLOCK, V5E)


@pytest.mark.slow
def test_every_kernel_that_the_program_calls_is_a_task(blocks: Tuned) -> None:
    check(blocks)
    assert "static simulation" in blocks.found.how
    tasks = [(task.name, task.steps, task.calls) for task in blocks.found.tasks]
    assert tasks == [
        ("rms_matmul", ("norm1", "qkv"), 1),
        ("rms_matmul.2", ("norm1", "qkv"), 2),
        ("flash_attention", ("attention",), 1),
        ("rms_matmul.3", ("norm2", "mlp"), 2),
    ]
    assert blocks.before.facts is not None
    assert sum(calls for _, _, calls in tasks) == blocks.before.facts.custom_calls["tpu_custom_call"]


@pytest.mark.slow
def test_smaller_blocks_that_fetch_more_often_are_ranked_worse(blocks: Tuned) -> None:
    for task in blocks.found.tasks:
        own = task.trials[0]
        assert own.config in ("block=256", "rows=256 columns=128")
        (smaller,) = (trial for trial in task.trials if trial.config in ("block=128", "rows=128 columns=128"))
        assert own.seconds is not None
        assert smaller.seconds is not None
        assert smaller.seconds > own.seconds
        assert task.best is own


def test_a_block_that_does_not_fit_has_the_compilers_numbers(tpu: Backend) -> None:
    from oneblock.backends._pallas import tuning
    from oneblock.compilers.chips.topology import topology

    call = tuning.Call("rms_matmul", ((16, 8192), (8192,), (1024, 8192)), np.dtype(DTYPES["bfloat16"]), None)
    (task,) = tuning.tune([(call, ("mlp",))], topology("v5e", None), lambda state: None).tasks
    (large,) = (trial for trial in task.trials if trial.config == "rows=16 columns=512")
    assert large.seconds is None
    assert re.fullmatch(r"needs 1[6-9]\.\d MiB of vmem, and 1[5-6]\.\d MiB are there", str(large.why_not))
    assert task.trials[0].seconds is not None


def test_kernels_are_right_at_sizes_that_are_not_their_own(pallas: Backend) -> None:
    kernels = importlib.import_module("oneblock.backends._pallas.ops")
    q, k, v = qkv(1, 300, 300, 4, 2, 16)
    group = q.reshape(1, 300, 2, 2, 16).swapaxes(1, 2).reshape(1, 2, 600, 16)
    flash = importlib.import_module("oneblock.backends.kernels.pallas.flash_attention")
    got = flash.attend_by_group(group, k.swapaxes(1, 2), v.swapaxes(1, 2), usual(q), block=128, interpret=True)
    got = np.asarray(got).reshape(1, 2, 300, 2, 16).swapaxes(1, 2).reshape(1, 300, 4, 16)
    assert worst(got, attention64(q, k, v)) < TOLERANCE["float32"]
    by_head = k.swapaxes(1, 2), v.swapaxes(1, 2)
    got = kernels.cached_attention(q[:, -1:], *by_head, usual(q), page=64, interpret=True)
    assert worst(got, attention64(q, k, v)[:, -1:]) < TOLERANCE["float32"]
    x, weight, projection = draw(0, (40, 64)), draw(1, (64,)), draw(2, (300, 64))
    got = kernels.rms_matmul(x, weight, projection, 1e-5, blocks=(16, 128), interpret=True)
    wide = x.astype(np.float64)
    want = wide / np.sqrt((wide**2).mean(-1, keepdims=True) + 1e-5) * weight @ projection.astype(np.float64).T
    assert worst(got, want) < TOLERANCE["float32"]


@pytest.mark.parametrize(("target", "says"), [(Target("cpu"), "interpreter's time"), (Target("tpu", "v7x"), "clock")])
def test_a_target_without_a_time_has_nothing_to_tune(tpu: Backend, target: Target, says: str) -> None:
    with pytest.raises(Unsupported, match=says):
        search(tpu, BLOCK, target)

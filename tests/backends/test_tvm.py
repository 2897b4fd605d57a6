"""TVM: what it lowers to, what its search finds and keeps, and what a search survives."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from oneblock import workloads
from oneblock.backends.api.backend import Executable, Tunable, TuningResult, Unavailable, Unsupported
from oneblock.backends.api.target import Target
from oneblock.compilers import Detail
from oneblock.compilers.api.calls import TirCall
from oneblock.compilers.api.kind import Kind
from oneblock.compilers.api.search import Search, SearchStopped
from oneblock.workloads._workload import Phase
from oneblock.workloads.answers.arrays import abstract_arrays, make_inputs, make_weights
from oneblock.workloads.answers.reference import make_reference
from oneblock.workloads.models import PRESETS
from tests.helpers import triton_here
from tests.helpers.cases import case
from tests.helpers.oneblock_process import install, oneblock, orphans, start

TVM: Any = triton_here.load("tvm_relax")
try:
    TVM.probe(Target("cpu"))
except Unavailable as error:
    pytest.skip(f"tvm_relax: {error}; {error.hint}", allow_module_level=True)

import tvm  # noqa: E402
import tvm_ffi  # noqa: E402

from oneblock.backends._relax import programs  # noqa: E402
from oneblock.backends._relax.ops import trace  # noqa: E402
from oneblock.compilers.tvm import functions as tir_functions  # noqa: E402
from oneblock.compilers.tvm import lowering as relax  # noqa: E402
from oneblock.compilers.tvm import measure as tvm_measure  # noqa: E402
from oneblock.compilers.tvm import search as tvm_search  # noqa: E402
from oneblock.compilers.tvm import stages as relax_stages  # noqa: E402
from oneblock.compilers.tvm.measure import CandidateTimes, Measurer  # noqa: E402

MLP = case("mlp", n=16)
TRIALS = 8


def arrays(c: Any, dtype: str = "float32") -> Any:
    return abstract_arrays(workloads.load(c.workload), c, dtype)


def few() -> Any:
    """TVM's evolution at its smallest: to propose is nearly all that a search of few trials takes."""
    return tvm.s_tir.meta_schedule.search_strategy.EvolutionarySearch(population_size=16, init_min_unmeasured=4)


def tune(seed: int = 0, trials: int = TRIALS, rpc: str | None = None) -> TuningResult:
    assert isinstance(TVM, Tunable)
    asked = Search(trials, seed, "random", 2, rpc)
    with patch.object(tvm_search, "_strategy", few):
        return TVM.tune(workloads.load("mlp"), MLP, arrays(MLP), Target("cpu"), asked, lambda _: None)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TuningResult]:
    """A search that is done, whose schedules `tuned` takes."""
    folder = tmp_path_factory.mktemp("tuned")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ONEBLOCK_TUNED", str(folder))
        yield tune()


def compiled(ops_set: str, target: str = "cpu", c: Any = MLP, dtype: str = "float32") -> Any:
    return TVM.compile(workloads.load(c.workload), c, arrays(c, dtype), ops_set, Target.parse(target))


def dialects(ops_set: str, detail: Detail = Detail.DEFAULT, target: str = "cpu") -> list[str]:
    return [artifact.dialect for artifact in compiled(ops_set, target).capture(detail).artifacts]


# ---------------------------------------------------------------- what a program is lowered to


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("preset", ["gpt2", "llama-1b"])
def test_flops_are_the_formulas_and_every_call_has_its_step(preset: str, phase: Phase) -> None:
    """TVM counts the masked half of the scores, too, and an exponential's polynomial: so a little more."""
    c = case(config=PRESETS[preset], phase=phase, n=64)
    fused, _ = TVM.loaded._fused(workloads.load("block"), c, arrays(c), Target("cpu"), native=False)
    facts = tir_functions.facts(fused.module, fused.module, fused.calls, assembly="")  # building takes five seconds
    formula = sum(step.flops for step in workloads.load("block").costs(c, 4))
    assert facts.compiler_flops is not None
    assert 1.0 <= facts.compiler_flops / formula < 1.05
    assert facts.attributed == 1.0
    of = [call.steps for call in facts.of(TirCall) if "matmul" in call.name]
    assert ("mlp",) in of
    assert ("proj",) in of


@pytest.mark.slow
def test_the_same_function_called_in_two_steps_has_each(kept: TuningResult) -> None:
    facts = compiled("native", c=case(n=16)).capture(Detail.BRIEF).facts
    norms = [call.steps for call in facts.of(TirCall) if call.name == "rms_norm"]
    assert norms == [("norm1",), ("norm2",)]


def test_a_schedule_makes_loops_that_are_vectorised(kept: TuningResult) -> None:
    before, after = (compiled(ops_set).capture(Detail.DEFAULT) for ops_set in ("plain", "tuned"))
    assert all(call.vector_lanes is None for call in before.facts.of(TirCall))
    assert any((call.vector_lanes or 0) >= 4 for call in after.facts.of(TirCall))
    assert "traces" in [artifact.dialect for artifact in after.artifacts]


def test_every_pass_is_kept_with_its_time() -> None:
    found = compiled("plain").capture(Detail.ALL).artifacts
    table = next(artifact.text for artifact in found if artifact.dialect == "passes")
    changed = [line.split()[-1] for line in table.splitlines()[1:] if " yes " in line]
    assert {"LegalizeOps", "FuseOps", "FuseTIR"} <= set(changed)
    assert len([artifact for artifact in found if artifact.dialect.startswith("tvm:")]) == len(changed)


@pytest.mark.parametrize(
    ("target", "language"),
    [
        ("cuda:sm_90", "__global__"), ("cuda:sm_75", "__global__"), ("opencl", "__kernel"), ("metal", "kernel void"),
        ("webgpu", "@compute"), ("rocm:gfx942", "amdgpu_kernel"),
    ],
)  # fmt: skip
@pytest.mark.parametrize(("dtype", "workload"), [("float32", "mlp"), ("float16", "block")])
def test_gpus_that_are_not_here_are_compiled_for(target: str, language: str, dtype: str, workload: str) -> None:
    """A block in float16 has its sums and exponentials in float32, too: of float32 alone, a part will do."""
    try:
        assert TVM.probe(Target.parse(target)).kind is Kind.COMPILED
    except Unavailable as error:
        assert target.startswith("rocm")
        pytest.skip(f"{error}; {error.hint}")
    made = compiled("plain", target, c=case(workload, n=16), dtype=dtype)
    assert made.executable is None
    source = [a for a in made.capture(Detail.DEFAULT).artifacts if a.stage == "kernel"]
    assert language in source[0].text


def nvcc(folder: Path, script: str) -> None:
    """An nvcc that is first on the path: what it was asked for is in `asked`, its output is $out."""
    path = folder / "nvcc"
    loop = 'while [ $# -gt 0 ]; do [ "$1" = -o ] && out=$2; shift; done'
    path.write_text(f'#!/bin/sh\necho "$@" > {folder}/asked\n{loop}\n{script}\n')
    path.chmod(0o755)


@pytest.mark.parametrize(
    ("script", "ptx", "caveat"),
    [
        ("echo .visible .entry > $out", True, "TVM counts"),
        ("echo no such architecture; exit 1", False, "no PTX by nvcc: no such architecture"),
        (None, False, "takes NVRTC or nvcc"),
    ],
)
def test_ptx_is_what_nvcc_makes_of_the_source_or_a_caveat_says_why_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None, ptx: bool, caveat: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep if script else None)
    monkeypatch.setattr(relax_stages.importlib.util, "find_spec", lambda name: None)  # without NVRTC's bindings
    if script is not None:
        nvcc(tmp_path, script)
    made = compiled("plain", "cuda:sm_90").capture(Detail.DEFAULT)
    assert [a.text for a in made.artifacts if a.dialect == "ptx"] == ([".visible .entry\n"] if ptx else [])
    assert caveat in made.facts.caveats[-1]
    assert script is None or "--ptx" in (tmp_path / "asked").read_text().split()
    assert script is None or "sm_90" in (tmp_path / "asked").read_text().split()


@pytest.mark.parametrize(
    ("target", "error", "says"),
    [
        ("cuda", Unavailable, "GPU that is named"),
        ("cuda:sm_90:h300", Unsupported, "h200"),
        ("cpu@tp2", Unsupported, "one"),
    ],
)
def test_a_target_that_it_has_not_is_refused(target: str, error: Any, says: str) -> None:
    platform, _, rest = target.partition(":")
    asked = Target(platform, *rest.split(":")) if rest else Target.parse(target)
    with pytest.raises(error, match=says):
        TVM.probe(asked)


@pytest.mark.parametrize(
    ("asked", "kind"), [("cuda", Kind.MEASURED), ("cuda:sm_90", Kind.MEASURED), ("cuda:sm_80", Kind.COMPILED)]
)
def test_a_cuda_device_that_is_here_is_run_on(monkeypatch: pytest.MonkeyPatch, asked: str, kind: Kind) -> None:
    """No device is needed to ask: this one only says what it is."""
    monkeypatch.setattr(relax, "cuda_here", lambda: (object(), "sm_90", "NVIDIA H100"))
    found = TVM.probe(Target.parse(asked))
    assert found.kind is kind
    assert (found.name == "NVIDIA H100") == (kind is Kind.MEASURED)


def test_an_index_that_numpy_would_take_otherwise_is_refused() -> None:
    import dataclasses

    def program(ops: Any, c: Any, a: Any) -> Any:
        return {"y": a["x"][0]}

    wrong = dataclasses.replace(workloads.load("norm"), program=program)
    with pytest.raises(TypeError, match="slices"):
        trace(wrong, case("norm"), arrays(case("norm")), native=False)


# ---------------------------------------------------------------- what a search finds


def test_every_trial_is_told_and_kept(kept: TuningResult) -> None:
    assert sum(len(task.trials) for task in kept.tasks) == TRIALS
    assert kept.kind is Kind.MEASURED
    assert all(task.best is not None for task in kept.tasks)
    assert all(task.spent_s for task in kept.tasks)
    records = Path(str(kept.folder), "database_tuning_record.json").read_text().splitlines()
    assert len(records) == TRIALS


def test_the_winner_is_right(kept: TuningResult) -> None:
    workload = workloads.load("mlp")
    weights, inputs = make_weights(workload, MLP, "float32", 0), make_inputs(workload, MLP, "float32", 1)
    executable: Executable = TVM.compile(workload, MLP, {**weights, **inputs}, "tuned", Target("cpu")).executable
    out = executable.call(executable.put({**weights, **inputs}))
    assert make_reference(workload, MLP, "float32", weights, 1, 2).check(executable.get(out), 0).passed


def test_a_database_replayed_gives_the_same_schedules(kept: TuningResult) -> None:
    """And TVM's own reader of its format reads our files."""

    def scheduled(database: Any) -> int:
        fused, _ = TVM.loaded._fused(workloads.load("mlp"), MLP, arrays(MLP), Target("cpu"), native=False)
        return int(tvm_ffi.structural_hash(relax.schedule(fused, database)))

    def ours() -> Any:
        fused, _ = TVM.loaded._fused(workloads.load("mlp"), MLP, arrays(MLP), Target("cpu"), native=False)
        return TVM.loaded._tuned(fused, "")

    class Theirs:
        database = tvm.s_tir.meta_schedule.database.JSONDatabase(work_dir=str(kept.folder))

    hashes = {scheduled(ours()), scheduled(ours())}
    assert len(hashes) == 1
    assert scheduled(None) not in hashes
    # TVM's takes the least mean, ours the least sample, which a loaded machine disturbs less: two good ones may differ.
    assert len(Theirs.database) == TRIALS
    assert scheduled(Theirs()) != scheduled(None)


def test_a_search_that_is_done_measures_nothing_again(kept: TuningResult, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any) -> Any:
        raise AssertionError("measured again")

    monkeypatch.setattr(tvm_measure.Measurer, "measure", never)
    again = tune()
    assert {task.name: task.best for task in again.tasks} == {task.name: task.best for task in kept.tasks}


def test_what_no_search_has_found_is_refused_with_its_names(kept: TuningResult) -> None:
    with pytest.raises(Unavailable, match=r"no search has found a schedule for \d+ of \d+ functions") as error:
        compiled("tuned", c=case("mlp", n=17))
    assert error.value.hint.startswith("oneblock tune mlp --preset tiny --phase prefill -B 1 -T 17 --dtype float32")


def test_a_seed_proposes_the_same_again_and_another_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is timed here: every candidate takes a second."""
    proposed: list[str] = []

    def note(self: Any, module: str, *_: Any) -> CandidateTimes:
        proposed.append(module)
        return CandidateTimes((1.0,))

    monkeypatch.setattr(tvm_measure.Measurer, "measure", note)
    found = []
    for name, seed in (("first", 0), ("again", 0), ("other", 1)):
        monkeypatch.setenv("ONEBLOCK_TUNED", str(tmp_path / name))
        proposed.clear()
        tune(seed, trials=6)
        found.append(list(proposed))
    assert found[0] == found[1]
    assert found[0] != found[2]


# ---------------------------------------------------------------- what a search survives


PLANTED = """
@T.prim_func(s_tir=True)
def main(x: T.Buffer((16,), "float32"), y: T.Buffer((16,), "float32")):
    for i in range(16):
        with T.sblock("copy"):
            v = T.axis.spatial(16, i)
            {body}
"""
GOOD = "y[v] = x[v] + T.float32(1)"
CRASH = 'y[v] = x[v] + T.Cast("float32", T.call_extern("int32", "abort"))'
HANG = 'y[v] = x[v] + T.Cast("float32", T.call_extern("int32", "pause"))'


def planted(body: str) -> tuple[str, list[Any], dict[str, Any]]:
    module = tvm.script.from_source(PLANTED.format(body=body))
    module = module if isinstance(module, tvm.IRModule) else tvm.IRModule({"main": module})
    target = {name: tvm_search._plain(value) for name, value in relax.cpu_target(1).export().items()}
    return tvm.ir.save_json(module), [["float32", [16]], ["float32", [16]]], target


@pytest.fixture(scope="module")
def measurer() -> Iterator[Measurer]:
    """One for all: what one candidate leaves is what the next is measured by."""
    found = Measurer(1, limit_s=5.0)
    yield found
    found.close()


def test_a_candidate_that_kills_its_process_is_an_answer_and_the_next_is_measured(measurer: Measurer) -> None:
    crashed = measurer.measure(*planted(CRASH), None)
    assert crashed.seconds == ()
    assert "SIGABRT" in str(crashed.error)
    assert measurer.measure(*planted(GOOD), None).error is None


def test_a_process_that_does_not_start_is_nobodys_fault_and_stops_the_search(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "tvm.py").write_text("raise ImportError('libtvm.so: cannot open')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(SearchStopped, match=r"does not start.*libtvm.so: cannot open"):
        Measurer(1).measure(*planted(GOOD), None)


def test_crash_upon_crash_stops_the_search(measurer: Measurer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tvm_measure, "_DEATHS", 2)
    assert measurer.measure(*planted(CRASH), None).error
    with pytest.raises(SearchStopped, match="2 candidates in a row each killed its process by SIGABRT"):
        measurer.measure(*planted(CRASH), None)


@pytest.mark.slow
def test_a_candidate_without_an_end_is_an_answer(measurer: Measurer, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(tvm_measure, "_STUCK_S", 20.0)
        assert "no end" in str(measurer.measure(*planted(HANG), None).error)
    assert measurer.measure(*planted(GOOD), None).error is None


def test_a_candidate_that_is_not_built_is_an_answer_with_the_compilers_reason(measurer: Measurer) -> None:
    module, shapes, target = planted(GOOD)
    assert measurer.measure("{}", shapes, target, None).error
    assert measurer.measure(module, shapes[:1], target, None).error
    assert measurer.measure(module, shapes, target, None).seconds


def test_failed_candidates_are_kept_as_such_and_are_not_the_best(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONEBLOCK_TUNED", str(tmp_path))
    answers = iter(range(100))

    def odd_ones_crash(self: Any, *_: Any) -> CandidateTimes:
        n = next(answers)
        return CandidateTimes(error="killed its process by SIGSEGV") if n % 2 else CandidateTimes((1.0 + n,))

    monkeypatch.setattr(tvm_measure.Measurer, "measure", odd_ones_crash)
    trials = [trial for task in tune().tasks for trial in task.trials]
    assert [trial.why_not for trial in trials if trial.seconds is None] == ["killed its process by SIGSEGV"] * 4
    recalled = [trial.seconds for task in tune().tasks for trial in task.trials]
    assert sorted(recalled, key=str) == sorted((trial.seconds for trial in trials), key=str)


@pytest.mark.slow
def test_a_search_that_is_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    env = os.environ | {"ONEBLOCK_TUNED": str(tmp_path)}
    program = "from tests.backends import test_tvm; test_tvm.tune(trials=400)"
    process = subprocess.Popen([sys.executable, "-c", program], env=env, cwd=Path(__file__).parents[2])
    try:
        path = None
        while path is None or path.read_bytes().count(b"\n") < 3:
            assert process.poll() is None
            time.sleep(0.2)
            path = next(tmp_path.rglob("database_tuning_record.json"), None)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    before = path.read_bytes().rpartition(b"\n")[0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ONEBLOCK_TUNED", str(tmp_path))
        found = tune(trials=before.count(b"\n") + 3)
    assert path.read_bytes().startswith(before)
    assert sum(len(task.trials) for task in found.tasks) == before.count(b"\n") + 3


@pytest.mark.parametrize(("model", "needs"), [("xgb", "xgboost"), ("mlp", "torch")])
def test_a_cost_model_whose_library_is_absent_is_refused(
    monkeypatch: pytest.MonkeyPatch, model: str, needs: str
) -> None:
    import importlib.util

    real = importlib.util.find_spec
    absent = lambda name, *rest: None if name == needs else real(name, *rest)  # noqa: E731
    monkeypatch.setattr(programs.importlib.util, "find_spec", absent)
    with pytest.raises(Unavailable, match=f"needs {needs}") as error:
        TVM.tune(workloads.load("mlp"), MLP, arrays(MLP), Target("cpu"), Search(2, 0, model), lambda _: None)
    assert "--cost-model random" in error.value.hint


def test_a_target_that_is_not_here_is_not_searched_for() -> None:
    with pytest.raises(Unavailable, match="cuda:sm_90 is not here"):
        TVM.tune(
            workloads.load("mlp"), MLP, arrays(MLP), Target.parse("cuda:sm_90"), Search(2, 0, "random"), lambda _: None
        )


def test_a_damaged_database_is_told_by_the_cell(
    kept: TuningResult, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import shutil

    root = Path(str(kept.folder)).parents[2]
    shutil.copytree(root, tmp_path / "copy")
    monkeypatch.setenv("ONEBLOCK_TUNED", str(tmp_path / "copy"))
    path = next((tmp_path / "copy").rglob("database_tuning_record.json"))
    first, *rest = path.read_text().splitlines()
    path.write_text("\n".join([first[: len(first) // 2], *rest]) + "\n")
    with pytest.raises(Unavailable, match="expected a line of JSON"):
        compiled("tuned")


@pytest.mark.slow
def test_a_search_measures_on_another_host_by_tvms_tracker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other host is this one: a tracker and a server on the loopback."""
    from tvm.rpc.server import Server
    from tvm.rpc.tracker import Tracker

    monkeypatch.setenv("ONEBLOCK_TUNED", str(tmp_path))
    tracker = Tracker(host="127.0.0.1", port=9190, port_end=9290)
    where = f"127.0.0.1:{tracker.port}/loop"
    server = Server(host="127.0.0.1", port=9390, port_end=9490, tracker_addr=("127.0.0.1", tracker.port), key="loop")
    try:
        found = tune(trials=3, rpc=where)
        trials = [trial for task in found.tasks for trial in task.trials]
        assert len(trials) == 3
        assert all(trial.seconds for trial in trials), trials
    finally:
        server.terminate()
        tracker.terminate()


def test_a_host_that_does_not_answer_is_told_with_how_to_start_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(where: str) -> str:
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(tvm_measure, "remote_cpu", refused)
    asked = Search(3, 0, "random", rpc="10.0.0.2:9190/board")
    with pytest.raises(Unavailable, match=r"no host answers at 10.0.0.2:9190/board.*refused") as error:
        TVM.tune(workloads.load("mlp"), MLP, arrays(MLP), Target("cpu"), asked, lambda _: None)
    assert "rpc_tracker" in error.value.hint


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("preset", ["tiny", "gpt2", "llama-1b"])
def test_schedules_come_along_and_say_of_which_machine_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, preset: str, phase: Phase
) -> None:
    monkeypatch.setenv("ONEBLOCK_TUNED", str(tmp_path))
    monkeypatch.setattr(programs, "cpu_name", lambda: "another processor")
    size = {"tiny": (16, 64)}.get(preset, (128, 512))[phase is Phase.DECODE]
    c = case(config=PRESETS[preset], phase=phase, n=size)
    fused, _ = TVM.loaded._fused(workloads.load("block"), c, arrays(c), Target("cpu"), native=False)
    tuned = TVM.loaded._tuned(fused, "")
    assert tuned.missing == ()
    assert "and this is" in tuned.caveats[0]
    assert "another processor" in tuned.caveats[0]


@pytest.mark.parametrize("phase", Phase)
def test_schedules_that_come_along_give_the_right_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, phase: Phase
) -> None:
    """And the check that says so is shown an answer to another input first."""
    monkeypatch.setenv("ONEBLOCK_TUNED", str(tmp_path))
    c, workload = case(phase=phase, n=16 if phase is Phase.PREFILL else 64), workloads.load("block")
    weights, inputs = make_weights(workload, c, "float32", 0), make_inputs(workload, c, "float32", 1)
    expected = make_reference(workload, c, "float32", weights, 1, 2)
    executable = TVM.compile(workload, c, {**weights, **inputs}, "tuned", Target("cpu")).executable
    out = executable.get(executable.call(executable.put({**weights, **inputs})))
    assert not expected.check(out, 1).passed
    assert expected.check(out, 0).passed


def test_schedules_for_the_cpu_are_not_given_to_a_gpu() -> None:
    with pytest.raises(Unsupported, match="tuned is for the CPU"):
        compiled("tuned", "cuda:sm_90")


# ---------------------------------------------------------------- the command


WORDS = ("tune", "mlp", "--preset", "tiny", "-T", "16", "--threads", "1", "--tier", "smoke")


@pytest.mark.slow
def test_the_command_keeps_what_it_found_and_measures_the_program_with_it(tmp_path: Path) -> None:
    env = install(tmp_path) | {"ONEBLOCK_TUNED": str(tmp_path / "tuned")}
    done = oneblock(env, *WORDS, "--trials", "12", "--seeds", "2", "--json", timeout=600)
    said = json.loads(done.stdout)
    ended = {ops_set: (one["status"], one["reason"], one["log_tail"][-3:]) for ops_set, one in said["timed"].items()}
    assert {ops_set: status for ops_set, (status, *_) in ended.items()} == {"plain": "passed", "tuned": "passed"}, ended
    assert done.returncode == 0, [said["ended"], said["found"], done.stderr]
    assert set(said["found"]) == {"0", "1"}
    assert all(len(one["launches"][0]["cold_s"]) >= 5 for one in said["timed"].values())
    assert said["difference"]["verdict"] == "AMBIGUOUS", "nobody looks in a test"
    assert len(list((tmp_path / "tuned").rglob("database_tuning_record.json"))) == 2


@pytest.mark.slow
def test_the_command_that_is_interrupted_says_how_to_go_on(tmp_path: Path) -> None:
    env = install(tmp_path) | {"ONEBLOCK_TUNED": str(tmp_path / "tuned")}
    process = start(env, (*WORDS, "--trials", "4000"), tmp_path)
    while not any(path.stat().st_size for path in (tmp_path / "tuned").rglob("database_tuning_record.json")):
        assert process.poll() is None
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command goes on from here" in error
    assert orphans(env) == []

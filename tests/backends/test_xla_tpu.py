"""XLA:TPU through libtpu on a machine without a TPU: what the compiler is asked, says, and refuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from oneblock import backends, workloads
from oneblock.backends.api.backend import Backend, Compiled, Unavailable, Unsupported
from oneblock.backends.api.target import Target, architectures
from oneblock.compilers import Detail, Lowering, Stage
from oneblock.compilers.api.calls import TpuKernel
from oneblock.compilers.api.facts import Facts
from oneblock.compilers.api.kind import Kind
from oneblock.compilers.dialects import StageName
from oneblock.compilers.xla import tpu_env as _libtpu
from oneblock.workloads._workload import Case, Phase
from oneblock.workloads.models import PRESETS, Config
from oneblock.workloads.ops.definitions import STEPS
from tests.conftest import REQUIRED
from tests.helpers.cases import case, steps_of

GENERATIONS = architectures("tpu")
SMALL = Config("small", "llama", 512, 8, 8, 64, 1024, rope_theta=10_000.0)  # divides over eight devices


@pytest.fixture(scope="module")
def tpu() -> Backend:
    try:
        loaded = backends.load("xla_tpu")
        loaded.probe(Target("tpu", "v5e"))
    except Unavailable as error:
        if "xla_tpu" in REQUIRED:
            pytest.fail(f"required, and not here: {error}; {error.hint}")
        pytest.skip(f"xla_tpu: {error}; {error.hint}")
    return loaded


def compile_for(backend: Backend, c: Case, target: str, ops_set: str = "plain", dtype: str = "bfloat16") -> Compiled:
    workload = workloads.load(c.workload)
    kind = {"bfloat16": np.dtype(ml_dtypes.bfloat16), "float32": np.dtype(np.float32)}[dtype]
    arrays = {name: np.broadcast_to(np.zeros((), kind), spec.shape) for name, spec in workload.specs(c).items()}
    return backend.compile(workload, c, arrays, ops_set, Target.parse(target))


@cache
def lowering(c: Case, target: str, ops_set: str = "plain", detail: Detail = Detail.BRIEF) -> Lowering:
    return compile_for(backends.load("xla_tpu"), c, target, ops_set).capture(detail)


def facts(c: Case, target: str, ops_set: str = "plain") -> Facts:
    found = lowering(c, target, ops_set).facts
    assert found is not None
    return found


@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize("phase", Phase)
def test_every_generation_compiles_both_phases_and_its_operations_belong_to_steps(
    tpu: Backend, generation: str, phase: Phase
) -> None:
    assert tpu.probe(Target("tpu", generation)).kind is Kind.COMPILED
    compiled = compile_for(tpu, case(phase=phase, n=256), f"tpu:{generation}")
    assert compiled.executable is None
    made = compiled.capture(Detail.BRIEF)
    assert made.facts is not None
    assert made.facts.attributed is not None
    assert made.facts.attributed >= 0.9
    assert {step.step for step in made.facts.steps} >= set(steps_of(case())) - {"norm1", "norm2"}
    assert [a.dialect for a in made.artifacts] == ["jaxpr", "stablehlo", "hlo-before", "hlo"]
    assert "is_scheduled=true" in made.artifacts[-1].text.partition("\n")[0]


@pytest.mark.parametrize("config", [PRESETS["gpt2"], SMALL], ids=lambda c: c.name)
def test_flops_agree_with_the_compilers_own_count_and_with_the_formula(tpu: Backend, config: Config) -> None:
    c = case(config=config, n=128)
    found = facts(c, "tpu:v5e")
    formula = sum(step.flops for step in workloads.load("block").costs(c, 2))
    assert found.flops == pytest.approx(found.compiler_flops, rel=0.01)
    assert found.flops == pytest.approx(formula, rel=0.05)  # the text multiplies what the mask then hides


def test_hbm_traffic_of_a_decode_is_what_must_be_read_and_written(tpu: Backend) -> None:
    found = facts(case(config=PRESETS["gpt2"], phase=Phase.DECODE, n=512), "tpu:v5e")
    assert found.argument_bytes is not None
    assert found.output_bytes is not None
    assert found.hbm_bytes == pytest.approx(found.argument_bytes + found.output_bytes, rel=0.05)


def test_naive_attention_keeps_its_scores_in_hbm_once_they_outgrow_vmem(tpu: Backend) -> None:
    """B*N*T*T float32 twice, before and after exp (libtpu 0.0.42 does not reuse the buffer), and at most 0.1 % more."""
    T, c = 4096, PRESETS["gpt2"]
    found = facts(case("attention", config=c, n=T), "tpu:v5e")
    assert found.scratch_bytes is not None
    assert 2.0 <= found.scratch_bytes / (c.heads * T * T * 4) <= 2.0 * 1.001


def test_the_shipped_kernel_needs_no_scratch(tpu: Backend) -> None:
    found = facts(case("attention", config=PRESETS["gpt2"], n=2048), "tpu:v5e", "kernels")
    assert found.custom_calls["tpu_custom_call"] == 1
    plain = facts(case("attention", config=PRESETS["gpt2"], n=2048), "tpu:v5e")
    assert found.scratch_bytes is not None
    assert plain.scratch_bytes is not None
    assert found.scratch_bytes < plain.scratch_bytes / 4


@pytest.mark.parametrize(("target", "chips", "batch"), [("tpu:v5e:2x4@tp8", 8, 1), ("tpu:v5e:16x16@dp32,tp8", 256, 32)])
def test_tensor_parallel_blocks_sum_over_the_devices_exactly_twice(
    tpu: Backend, target: str, chips: int, batch: int
) -> None:
    found = facts(case(config=SMALL, B=batch, n=128), target)
    assert [one.kind for one in found.collectives] == ["all-reduce", "all-reduce"]
    assert [one.step for one in found.collectives] == ["proj", "mlp"]
    assert {one.group_size for one in found.collectives} == {8}
    one_sequence = facts(case(config=SMALL, n=128), "tpu:v5e")
    assert found.flops is not None
    assert one_sequence.flops is not None
    assert found.flops * chips == pytest.approx(one_sequence.flops * batch, rel=0.02)


@pytest.mark.parametrize(
    ("target", "ops_set", "says"),
    [
        ("tpu:v5e:3x5", "plain", "2x4"),
        ("tpu:v5e:2x4@tp4", "plain", "8 devices and the mesh 4"),
        ("tpu:v5e@tp3", "plain", "has 3 devices|over 3 devices"),
        ("tpu:v5e@dp2", "plain", "B=1 is not a multiple of 2"),
        ("tpu:v5e@tp8", "kernels", "not split over devices"),
    ],
)
def test_a_target_that_cannot_be_is_refused_in_words(tpu: Backend, target: str, ops_set: str, says: str) -> None:
    with pytest.raises(Unsupported, match=says):
        compile_for(tpu, case(config=SMALL, n=128), target, ops_set)


@pytest.mark.slow
def test_the_machines_level_is_dumped_and_a_simulation_that_aborts_is_a_reason(tpu: Backend) -> None:
    """v4's DMA has no model in the simulation, which ends the compiler or counts nothing: the bundles are there."""
    for generation, c in (("v5e", case("mlp", PRESETS["gpt2"], n=128)), ("v4", case(n=64))):
        made = lowering(c, f"tpu:{generation}", "plain", Detail.DEFAULT)
        assert made.facts is not None
        assert any(a.stage is Stage.MACHINE and "vmatmul" in a.text for a in made.artifacts) or generation == "v4"
        assert all(0 <= used <= 1 for kernel in made.facts.of(TpuKernel) for used in kernel.slots.values())
        llo = next(e for e in made.facts.estimates if e.name == "llo")
        if generation == "v5e":
            assert llo.seconds is not None
            assert all(set(kernel.steps) <= set(STEPS) and kernel.steps for kernel in made.facts.calls)
        else:
            assert llo.seconds is None
            assert "ended the compiler" in llo.how
    blind = lowering(case("mlp", PRESETS["gpt2"], n=128), "tpu:v4", "plain", Detail.DEFAULT)
    assert blind.facts is not None
    assert [e.how for e in blind.facts.estimates if e.name == "llo"] == [
        "the static simulation counts no cycles for TPU v4"
    ]


def test_everything_on_request_is_each_pass_in_order(tpu: Backend) -> None:
    made = lowering(case("norm", n=64), "tpu:v5e", "plain", Detail.ALL)
    passes = [a.dialect for a in made.artifacts if a.dialect.startswith("hlo:")]
    assert len(passes) > 20
    assert len(set(passes)) == len(passes)
    numbered = [one for one in map(StageName.parse, passes) if one.is_pass]
    assert len(numbered) > 20, "read as passes, though libtpu has the number of its build before theirs"
    assert sorted(numbers := [one.number or 0 for one in numbered]) == numbers
    assert any(a.dialect.startswith("bundles:") for a in made.artifacts), "what is kept by default is there by its name"
    stages = list(Stage)
    order = [stages.index(a.stage) for a in made.artifacts]
    assert order == sorted(order)


FULL = """
import resource, signal
from tests.backends.test_xla_tpu import lowering, case, compile_for, backends
from oneblock.compilers import Detail
compiled = compile_for(backends.load("xla_tpu"), case("norm", n=64), "tpu:v5e")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
print(compiled.capture(Detail.DEFAULT).facts.caveats)
"""


def test_a_folder_for_dumps_that_is_full_or_not_there_costs_the_dumps_and_not_the_cell(
    tpu: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = child(FULL)
    assert "no bundles" in full.stdout
    assert "set TMPDIR" in full.stdout, full.stderr
    compiled = compile_for(tpu, case("norm", n=64), "tpu:v5e")
    monkeypatch.setattr(tempfile, "tempdir", "/no/such/folder")
    found = compiled.capture(Detail.DEFAULT).facts
    assert found is not None
    assert found.hbm_bytes is not None
    assert "set TMPDIR" in found.caveats[0]


CODE = """
import sys, hashlib
from tests.backends.test_xla_tpu import lowering, case
print(hashlib.sha256(lowering(case(n=64), "tpu:v6e").artifacts[-1].text.encode()).hexdigest())
"""


def child(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, **environment}
    return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)


def test_two_processes_at_once_compile_the_same_text_and_in_silence(tpu: Backend, tmp_path: Path) -> None:
    started = [
        subprocess.Popen([sys.executable, "-c", CODE], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    answers = [process.communicate() for process in started]
    assert [error for _, error in answers] == ["", ""]
    assert answers[0][0] == answers[1][0]
    text = lowering(case(n=64), "tpu:v6e").artifacts[-1].text
    assert str(Path(__file__).parents[2]) not in text, "a machine's path makes the text its own"


def test_a_libtpu_that_does_not_fit_is_unavailable_with_the_line_that_mends_it(
    tpu: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = _libtpu.version
    monkeypatch.setattr(_libtpu, "version", lambda name: "0.0.99" if name == "libtpu" else real(name))
    with pytest.raises(Unavailable, match=r"libtpu 0\.0\.99 is installed") as caught:
        tpu.probe(Target("tpu", "v5e"))
    assert caught.value.hint.startswith("pip install 'jax[tpu]==")

    def absent(name: str) -> str:
        if name == "libtpu":
            raise _libtpu.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(_libtpu, "version", absent)
    with pytest.raises(Unavailable, match="not installed"):
        tpu.probe(Target("tpu", "v5e"))


def run(folder: Path, *words: str, **environment: str) -> tuple[int, list[dict[str, object]], str]:
    command = [sys.executable, "-m", "oneblock.bench", "run", *words, "-o", str(folder / "records"), "--json"]
    env = {**os.environ, **environment}
    done = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, json.loads(done.stdout) if done.stdout else [], done.stderr


TINY_CELL = ("norm", "--preset", "tiny", "-T", "64", "--phase", "prefill", "--backend", "xla_tpu", "--ops", "plain")


def test_a_program_that_does_not_fit_is_out_of_memory_in_numbers(tpu: Backend, tmp_path: Path) -> None:
    words = ("attention", "--preset", "gpt2", "--phase", "prefill", "-B", "64", "-T", "8192", "--dtype", "bfloat16")
    code, records, _ = run(tmp_path, *words, "--backend", "xla_tpu", "--ops", "plain", "--target", "tpu:v5e")
    (record,) = records
    assert (code, record["status"]) == (1, "out_of_memory")
    memory = record["memory"]
    assert isinstance(memory, dict)
    assert memory["needed_bytes"] > memory["available_bytes"] == 15.75 * 2**30
    assert memory["largest"]


def test_a_flag_that_the_compiler_does_not_know_is_told_and_the_run_goes_on(tpu: Backend, tmp_path: Path) -> None:
    words = (*TINY_CELL, "--target", "tpu:v5e", "--backend", "reference", "--target", "cpu", "--stages", "brief")
    code, records, _ = run(tmp_path, *words, LIBTPU_INIT_ARGS="--xla_no_such_flag=1")
    by = {(r["cell"]["backend"], r["cell"]["target"]): r for r in records}  # type: ignore[index]
    assert code == 1
    assert by["reference", "cpu"]["status"] == "passed"
    assert by["xla_tpu", "tpu:v5e"]["status"] == "crashed"
    assert "xla_no_such_flag" in str(by["xla_tpu", "tpu:v5e"]["reason"])
    assert by["xla_tpu", "cpu"]["status"] == "unsupported"
    assert by["reference", "tpu:v5e"]["status"] == "unsupported", by["reference", "tpu:v5e"]["reason"]
    assert by["reference", "tpu:v5e"]["limits"] is None, "nobody measures a TPU's limits with NumPy"


@pytest.mark.slow
def test_a_compiled_cell_reproduces_to_the_letter_and_another_text_does_not_pass_for_it(
    tpu: Backend, tmp_path: Path
) -> None:
    assert run(tmp_path, *TINY_CELL, "--target", "tpu:v5e", "--stages", "brief")[0] == 0
    (path,) = (tmp_path / "records").glob("*.json")
    command = [sys.executable, "-m", "oneblock.bench", "reproduce", str(path)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    record = json.loads(path.read_text())
    (final,) = (ref for ref in record["artifacts"] if ref["dialect"] == "hlo")
    final["sha256"] = "0" * 64
    path.write_text(json.dumps(record))
    altered = subprocess.run(command, capture_output=True, text=True, check=False)
    assert altered.returncode == 1
    assert "the texts of hlo differ" in altered.stdout


@pytest.mark.slow
def test_the_largest_that_fits_is_found_and_the_next_does_not_and_a_refused_target_stops_no_search(
    tpu: Backend, tmp_path: Path
) -> None:
    words = ("norm", "--preset", "llama-8b", "--phase", "prefill", "--dtype", "bfloat16", "--backend", "xla_tpu")
    size = ("--ops", "plain", "-T", "524288", "--fit", "batch", "--stages", "brief")
    code, records, _ = run(tmp_path, *words, *size, "--target", "tpu:v5e:3x5", "--target", "tpu:v5e")
    assert code == 1
    by = {(r["cell"]["target"], r["status"]): r["cell"]["case"]["B"] for r in records}  # type: ignore[index]
    assert by.keys() == {
        ("tpu:v5e:3x5", "unsupported"),
        ("tpu:v5e", "compiled"),
        ("tpu:v5e", "out_of_memory"),
    }
    fits = by["tpu:v5e", "compiled"]
    assert by["tpu:v5e", "out_of_memory"] == fits + 1
    needed = 2 * fits * 524288 * 4096 * 2  # what comes in and what goes out
    assert needed <= 15.75 * 2**30 < needed * (fits + 1) / fits


@pytest.mark.slow
def test_a_model_whose_weights_are_larger_than_the_chip_does_not_fit_though_its_block_does(
    tpu: Backend, tmp_path: Path
) -> None:
    words = (
        "block",
        "--preset",
        "llama-8b",
        "--phase",
        "decode",
        "-S",
        "4096",
        "--backend",
        "xla_tpu",
        "--ops",
        "plain",
    )
    code, answer, _ = run(tmp_path, *words, "--target", "tpu:v5e", "--fit", "batch")
    (sum_of_one,) = answer["fit"]  # type: ignore[call-overload]
    assert (code, answer["records"], sum_of_one["fits"]) == (1, [], False)  # type: ignore[call-overload]
    assert sum_of_one["available_bytes"] == 15.75 * 2**30
    assert sum_of_one["needed_bytes"] > 4 * 8_030_261_248


def test_a_mesh_of_virtual_cpus_gives_the_unsharded_answer(tmp_path: Path) -> None:
    try:
        backends.load("jax_xla").compilations()
    except Unavailable as error:
        pytest.skip(f"jax_xla: {error}; {error.hint}")
    size = ("--set", "heads=8", "--set", "kv_heads=8", "-B", "2", "-T", "48", "--phase", "prefill", "--ops", "plain")
    words = ("block", "--preset", "tiny", "--stages", "brief", *size, "--backend", "jax_xla", "--target", "cpu@dp2,tp4")
    code, records, errors = run(tmp_path, *words, "--target", "cpu@tp8")
    assert code == 0, errors
    assert {r["status"] for r in records} == {"interpreted"}
    for record in records:
        kinds = [one["kind"] for one in record["facts"]["collectives"]]  # type: ignore[index]
        assert kinds == ["all-reduce", "all-reduce"]
        assert record["launches"] == [], "eight devices that share the cores are not timed"

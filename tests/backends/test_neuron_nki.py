"""Our NKI kernels: right on every generation, held to the rules, counted, and never by less than what was said."""

from __future__ import annotations

import ast
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from oneblock import workloads
from oneblock.backends import neuron_nki
from oneblock.backends.api.backend import Executable, Unavailable, Unsupported
from oneblock.backends.api.target import Target
from oneblock.compilers import Detail
from oneblock.compilers import nki as _nki
from oneblock.compilers.api.calls import NeuronCall
from oneblock.compilers.api.kind import Kind
from oneblock.compilers.neuron import driver
from oneblock.workloads._workload import Case, Phase
from oneblock.workloads.answers.arrays import make_inputs, make_weights
from oneblock.workloads.answers.reference import make_reference
from oneblock.workloads.models import PRESETS
from oneblock.workloads.ops.definitions import Routing, Scores
from oneblock.workloads.ops.numpy_ops import NumpyOps
from tests.helpers import nki_here
from tests.helpers.cases import TINY, case, steps_of
from tests.helpers.fake_neuron import distribution, placeholder
from tests.helpers.oneblock_process import install, oneblock

nki_here.load()

from oneblock.backends._nki import ops  # noqa: E402
from oneblock.backends.kernels.nki import (  # noqa: E402
    activations,
    decode_attention,
    flash_attention,
    layer_norm,
    linear,
    rms_norm,
    rope,
    route,
    softmax,
    staged_linear,
)
from tests.helpers import nki_wrong_answers as wrong  # noqa: E402

KERNELS = Path(ops.__file__).parents[1] / "kernels" / "nki"
NKI = neuron_nki.BACKEND
STAGES = [staged_linear.linear_basic, staged_linear.linear_tiled, staged_linear.linear_hoisted,
          staged_linear.linear_blocked]  # fmt: skip
DTYPES = {"float32": (np.float32, 3e-6), "bfloat16": (ml_dtypes.bfloat16, 1.5e-2)}


def drawn(dtype: str, *shapes: tuple[int, ...]) -> list[np.ndarray]:
    rng = np.random.default_rng(len(shapes))
    return [rng.standard_normal(shape).astype(DTYPES[dtype][0]) for shape in shapes]


def agrees(kernel: Any, dtype: str, core: str, args: list[Any], exact: np.ndarray) -> None:
    """The kernel's answer is the float64 one, within what its dtype can do."""
    out = _nki.run(kernel, _nki.generation(core), *args).outputs[0]
    assert out.dtype == DTYPES[dtype][0]
    error = np.abs(out.astype(np.float64) - exact).max() / np.abs(exact).max()
    assert error < DTYPES[dtype][1], f"{kernel.__name__}: {error}"


# ---------------------------------------------------------------- kernels, one by one


@pytest.mark.parametrize("core", ["v2", "v3", "v4"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_kernels_of_rows_give_the_float64_answer_in_ragged_sizes(dtype: str, core: str) -> None:
    plain, eps = NumpyOps(), 1e-5
    x, w, b = drawn(dtype, (130, 1030), (1030,), (1030,))
    wide = [a.astype(np.float64) for a in (x, w, b)]
    agrees(rms_norm.rms_norm, dtype, core, [x, w, eps], plain.rms_norm(*wide[:2], eps))
    agrees(layer_norm.layer_norm, dtype, core, [x, w, b, eps], plain.layer_norm(*wide, eps))
    agrees(activations.gelu, dtype, core, [x], plain.gelu(wide[0]))
    agrees(activations.gelu_erf, dtype, core, [x], plain.gelu_erf(wide[0]))
    agrees(activations.swiglu, dtype, core, [x, x], plain.swiglu(wide[0], wide[0]))
    agrees(activations.geglu, dtype, core, [x, x], plain.geglu(wide[0], wide[0]))
    shifted = np.exp(wide[0] - wide[0].max(-1, keepdims=True))
    agrees(softmax.softmax, dtype, core, [x], shifted / shifted.sum(-1, keepdims=True))
    y, cos, sin = drawn(dtype, (2, 130, 3, 10), (130, 5), (130, 5))
    agrees(rope.rope, dtype, core, [y, cos, sin], plain.rope(*(a.astype(np.float64) for a in (y, cos, sin))))


@pytest.mark.parametrize("core", ["v2", "v3", "v4"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("M", "K", "N"), [(1, 1, 1), (3, 200, 513), (700, 129, 70)])
def test_products_give_the_float64_answer_in_ragged_sizes(dtype: str, core: str, M: int, K: int, N: int) -> None:
    x, w, b = drawn(dtype, (M, K), (K, N), (N,))
    exact = x.astype(np.float64) @ w.astype(np.float64)
    agrees(linear.linear, dtype, core, [x, w], exact)
    agrees(linear.linear_bias, dtype, core, [x, w, b], exact + b.astype(np.float64))
    for stage in STAGES:
        agrees(stage, dtype, core, [np.ascontiguousarray(x.T), w], exact)


@pytest.mark.parametrize("core", ["v2", "v3", "v4"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("T", "S", "how"),
    [
        (1, 1, Scores(0.2)), (130, 130, Scores(0.2)), (200, 650, Scores(0.2)), (1, 650, Scores(0.2)),
        (200, 650, Scores(0.2, window=40)), (650, 650, Scores(0.2, window=600)), (130, 130, Scores(0.3, 129, 2.0)),
        (1, 650, Scores(0.3, None, 1.5)),
    ],
)  # fmt: skip
def test_attention_gives_the_float64_answer_in_ragged_sizes(dtype: str, core: str, T: int, S: int, how: Scores) -> None:
    q, k, v = drawn(dtype, (2, T, 6, 20), (2, S, 3, 20), (2, S, 3, 20))
    exact = NumpyOps().attention(*(a.astype(np.float64) for a in (q, k, v)), how)
    words = [how.scale, how.window or 0, how.soft_cap or 0.0]
    agrees(flash_attention.flash_attention, dtype, core, [q, k, v, *words], exact)
    if T == 1:
        by_head = [np.ascontiguousarray(x.swapaxes(1, 2)) for x in (k, v)]
        agrees(decode_attention.decode_attention, dtype, core, [q, *by_head, words[0], words[2]], exact)


def test_a_window_that_is_off_by_a_key_is_rejected() -> None:
    q, k, v = drawn("float32", (1, 200, 2, 20), (1, 200, 1, 20), (1, 200, 1, 20))
    exact = NumpyOps().attention(*(a.astype(np.float64) for a in (q, k, v)), Scores(0.2, window=30))
    for window in (29, 31, 0):
        with pytest.raises(AssertionError, match="flash_attention"):
            agrees(flash_attention.flash_attention, "float32", "v2", [q, k, v, 0.2, window, 0.0], exact)


@pytest.mark.parametrize("core", ["v2", "v3", "v4"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("M", "E", "k"), [(130, 8, 2), (3, 60, 6), (1, 3, 3)])
def test_routing_is_right_and_of_equals_takes_the_first(dtype: str, core: str, M: int, E: int, k: int) -> None:
    (logits,) = drawn(dtype, (M, E))
    logits[M // 2] = logits[M // 2, 0]  # all alike
    for renormalised in (0, 1):
        exact = NumpyOps().route(logits.astype(np.float64), Routing(k, bool(renormalised)))
        agrees(route.route, dtype, core, [logits, k, renormalised], exact)
        for of, how in ((k - 1, renormalised), (k, 1 - renormalised)):
            if of and (of, how) != (E, 1 - renormalised):  # all experts sum to 1 anyway
                with pytest.raises(AssertionError, match="route"):
                    agrees(route.route, dtype, core, [logits, of, how], exact)


# ---------------------------------------------------------------- the laboratory's figure


@pytest.mark.slow
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("core", ["v2", "v3"])
def test_each_stage_of_the_product_is_modelled_faster_and_the_last_is_near_the_bound(core: str, dtype: str) -> None:
    n, on = 1024, _nki.generation(core)
    left, right = drawn(dtype, (n, n), (n, n))
    took, moved = [], []
    for stage in STAGES:
        done = _nki.run(stage, on, left, right).machine
        took.append(_nki.timeline(done).seconds)
        moved.append(sum(event.dma_bytes for event in done.events))
    assert took == sorted(took, reverse=True)
    assert len(set(took)) == len(STAGES)
    assert moved == sorted(moved, reverse=True)
    bound_s = 2 * n**3 / (2 * 128 * 128 * on.clock_hz["tensor"]) * (4 if dtype == "float32" else 1)
    assert bound_s < took[-1] <= 1.5 * bound_s
    assert moved[-1] == 3 * n * n * left.itemsize  # everything once


# ---------------------------------------------------------------- the block


def compiled(c: Case, dtype: str, target: str = "neuron:trn1") -> Any:
    workload = workloads.load(c.workload)
    arrays = {**make_weights(workload, c, dtype, 0), **make_inputs(workload, c, dtype, 1)}
    return NKI.compile(workload, c, arrays, "kernels", Target.parse(target))


@pytest.mark.parametrize("target", ["neuron:trn1", "neuron:trn2"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("preset", ["gpt2", "llama-1b"])
def test_one_head_group_of_a_real_model_passes_the_check(preset: str, dtype: str, target: str) -> None:
    real = PRESETS[preset]
    group = real.heads // real.kv_heads
    one = real.with_overrides({"heads": str(group), "kv_heads": "1"})
    c, workload = Case("attention", one, Phase.PREFILL, 1, 128, 128), workloads.load("attention")
    weights, inputs = make_weights(workload, c, dtype, 0), make_inputs(workload, c, dtype, 1)
    expected = make_reference(workload, c, dtype, weights, 1, 2)
    executable = compiled(c, dtype, target).executable
    verdict = expected.check(executable.get(executable.call(executable.put({**weights, **inputs}))), 0)
    assert verdict.passed, verdict.why


def answer_of(executable: Executable, c: Case, replaced: dict[str, Any]) -> Any:
    """The verdict on a block whose kernels were replaced by others."""
    workload = workloads.load(c.workload)
    weights, inputs = make_weights(workload, c, "float32", 0), make_inputs(workload, c, "float32", 1)
    expected = make_reference(workload, c, "float32", weights, 1, 2)
    with pytest.MonkeyPatch.context() as patch:
        for name, kernel in replaced.items():
            patch.setattr(ops, name, kernel)
        return expected.check(executable.get(executable.call(executable.put({**weights, **inputs}))), 0)


@pytest.mark.parametrize(
    "replaced",
    [
        {"linear": wrong.unaccumulated}, {"linear": wrong.zeros}, {"linear": wrong.other_way_round},
        {"flash_attention": wrong.diagonal_masked},
    ],
    ids=lambda replaced: next(iter(replaced.values())).__name__,
)  # fmt: skip
def test_wrong_kernels_that_the_hardware_would_run_are_rejected(replaced: dict[str, Any]) -> None:
    c = case(config=TINY, n=33)
    executable = compiled(c, "float32").executable
    assert answer_of(executable, c, {}).passed
    assert not answer_of(executable, c, replaced).passed


def test_counts_are_those_of_the_formulas_and_every_instruction_has_a_step() -> None:
    c = case(config=PRESETS["gpt2"], n=128)
    made = compiled(c, "float32").capture(Detail.ALL)
    facts = made.facts
    assert facts.attributed == 1.0
    assert {step for call in facts.calls for step in call.steps} == set(steps_of(c))
    by_formula = sum(cost.flops for cost in workloads.load("block").costs(c, 4))
    assert facts.flops == pytest.approx(by_formula, rel=0.02)
    mlp = [call for call in facts.of(NeuronCall) if call.steps == ("mlp",) and "linear" in call.name]
    assert [call.flops for call in mlp] == [pytest.approx(2 * 128 * 768 * 3072, rel=0.01)] * 2
    for call in facts.of(NeuronCall):
        assert call.timeline_s >= max(call.busy_s.values()) > 0
        assert 0 < call.sbuf_bytes <= call.sbuf_limit_bytes
    dialects = [artifact.dialect for artifact in made.artifacts]
    assert {"nki-calls", "nki:linear", "nki-trace", "perfetto:00-layer_norm"} <= set(dialects)
    trace = json.loads(made.artifacts[dialects.index("perfetto:00-layer_norm")].text)
    assert len([event for event in trace["traceEvents"] if event["ph"] == "X"]) == sum(
        facts.of(NeuronCall)[0].instructions.values()
    )
    source = made.artifacts[dialects.index("nki:linear")].text
    assert source == (KERNELS / "linear.py").read_text()


def test_kernel_files_are_of_todays_dialect_and_know_nothing_of_who_runs_them() -> None:
    ours = {path.stem for path in KERNELS.glob("[!_]*.py")}
    assert {"linear", "staged_linear", "flash_attention", "tiles"} <= ours
    for name in ours:
        tree = ast.parse((KERNELS / f"{name}.py").read_text())
        modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        modules |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert {m for m in modules if not m.startswith("oneblock.backends.kernels.nki")} <= {
            "math", "nki", "nki.isa", "nki.language",
        }  # fmt: skip


# ---------------------------------------------------------------- the ladder


def test_without_anything_kernels_are_interpreted_and_a_target_has_to_be_named() -> None:
    device = NKI.probe(Target.parse("neuron:trn3"))
    assert (device.kind, "v4" in device.name, "interpreter" in device.name) == (Kind.INTERPRETED, True, True)
    with pytest.raises(Unavailable, match="no Neuron device") as caught:
        NKI.probe(Target("neuron"))
    assert "--target neuron:trn2" in caught.value.hint
    with pytest.raises(Unsupported, match="one NeuronCore"):
        NKI.probe(Target.parse("neuron:trn2@tp2"))


def test_with_a_device_here_an_interpreter_is_not_enough(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "neuron0").touch()
    monkeypatch.setattr(driver, "DEVICE_FILES", tmp_path)
    monkeypatch.setattr(driver, "SYSFS", tmp_path)
    with pytest.raises(Unavailable, match="does not say what it is"):
        NKI.probe(Target.parse("neuron:trn1"))
    monkeypatch.setattr(driver, "architecture", lambda: "trn1")
    assert NKI.probe(Target.parse("neuron:trn2")).kind is Kind.INTERPRETED
    with pytest.raises(Unavailable, match=r"a Neuron device is here, and .*not installed") as caught:
        NKI.probe(Target.parse("neuron:trn1"))
    assert "nki==0.6.0" in caught.value.hint


SIMULATOR = """
import os, sys
from oneblock.compilers.nki import generation, isa, language
from oneblock.compilers.nki.kernel import PLATFORM, jit, run
sys.modules |= {"nki.isa": isa, "nki.language": language}

def simulate(kernel):
    def call(*args):
        return run(kernel, generation(os.environ[PLATFORM]), *args).outputs[0] * FACTOR
    return call
"""


KERNEL = """
import numpy as np, nki, nki.isa as nisa, nki.language as nl

@nki.jit
def copy(x):
    out = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.shared_hbm)
    tile = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.sbuf)
    nisa.dma_copy(dst=tile, src=x)
    nisa.dma_copy(dst=out, src=tile)
    return out

print(copy(np.ones((ROWS, 4), np.float32)).sum())
"""


def test_a_learners_script_is_run_and_counted_and_its_mistakes_are_named(tmp_path: Path) -> None:
    env, script = install(tmp_path), tmp_path / "mine.py"
    script.write_text(KERNEL.replace("ROWS", "128"))
    done = oneblock(env, "kernel", "mine.py", "--target=neuron:trn2", "--lines", "--perfetto=traces", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("512.0")
    assert "oneblock's interpreter" in done.stderr
    assert "mine.py:8" in done.stdout
    assert "modelled" in done.stdout
    assert json.loads((tmp_path / "traces" / "00-copy.json").read_text())["traceEvents"]
    script.write_text(KERNEL.replace("ROWS", "129"))
    done = oneblock(env, "kernel", "mine.py", "--target=neuron:trn2", cwd=tmp_path)
    assert done.returncode == 1
    assert "nl.ndarray at mine.py:7: partitions: expected at most 128, got 129" in done.stderr
    done = oneblock(env, "kernel", "mine.py", "--target=neuron", cwd=tmp_path)
    assert (done.returncode, "neuron:trn2" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("ending", "status", "shown", "said"),
    [
        ("import sys; sys.exit(0)", 0, "calls in order", ""),
        ("import sys; sys.exit('no')", 1, "calls in order", ""),
        ("raise KeyError('mine')", 1, "calls in order", "KeyError: 'mine'"),
        (
            "try: copy(np.ones((129, 4), np.float32))\nexcept Exception: print('caught')",
            1,
            "calls in order",
            "breaks a rule",
        ),
        ("print(nl.float8_e4m3, nl.gelu_dx)", 1, "calls in order", "gelu_dx"),
    ],
)
def test_however_a_script_ends_what_its_kernels_did_is_told(
    tmp_path: Path, ending: str, status: int, shown: str, said: str
) -> None:
    env = install(tmp_path)
    (tmp_path / "mine.py").write_text(KERNEL.replace("ROWS", "8") + ending + "\n")
    done = oneblock(env, "kernel", "mine.py", "--target=neuron:trn2", cwd=tmp_path)
    assert (done.returncode, shown in done.stdout) == (status, True), done.stderr
    assert said in done.stderr
    assert "fault of oneblock" not in done.stderr
    done = oneblock(env, "kernel", "mine.py", "--target=neuron:trn2", "--json", cwd=tmp_path)
    assert len(json.loads(done.stdout)["calls"]) == 1


@pytest.mark.parametrize(
    ("line", "said"),
    [("x._data[...] = 1.0", "got ._data"), ("helping.twice(tile)", "got a comprehension"),
     ("helping.Kept.twice(tile)", "got lambda")],
)  # fmt: skip
def test_nothing_is_done_behind_the_hardwares_back(tmp_path: Path, line: str, said: str) -> None:
    env = install(tmp_path)
    (tmp_path / "helping.py").write_text(
        "def twice(x):\n    return [x for _ in range(2)]\nclass Kept:\n    def twice(x):\n        return lambda: x\n"
    )
    text = "import helping\nfrom helping import Kept\n" + KERNEL.replace("ROWS", "8")
    text = text.replace("    return out", f"    {line}\n    return out").replace("helping.Kept", "Kept")
    (tmp_path / "mine.py").write_text(text)
    done = oneblock(env, "kernel", "mine.py", "--target=neuron:trn2", cwd=tmp_path)
    assert (done.returncode, said in done.stderr) == (1, True), done.stderr


def test_the_laboratory_runs_as_it_says(tmp_path: Path) -> None:
    lab = Path(ops.__file__).parents[2] / "labs" / "neuron_linear.py"
    done = oneblock(install(tmp_path), "kernel", str(lab), "--target=neuron:trn1", "--json", "256", "float32")
    took = [call["modelled_s"]["timeline"] for call in json.loads(done.stdout)["calls"]]
    assert len(took) == 4
    assert took[-1] < took[0]


@pytest.mark.parametrize(("factor", "status"), [(1, "simulated"), (0, "failed")])
def test_where_the_vendors_package_is_its_simulator_runs_the_same_files(
    tmp_path: Path, factor: int, status: str
) -> None:
    env = install(tmp_path)
    files = {"nki/__init__.py": SIMULATOR.replace("FACTOR", str(factor)), "nki/more.py": ""}
    distribution(tmp_path, "nki", "0.6.0", files)
    cell = ("norm", "--preset=tiny", "--backend=neuron_nki", "--target=neuron:trn2", "--phase=prefill")
    done = oneblock(env, "run", *cell, "-o", "records", "--json", cwd=tmp_path)
    (record,) = json.loads(done.stdout)
    assert (record["status"], record["kind"]) == (status, "simulated")
    assert "AWS's simulator" in record["device"]
    assert record["environment"]["software"]["nki"] == "0.6.0"
    assert "are interpreted" not in "".join(record["log_tail"])


def test_a_placeholder_is_no_simulator(tmp_path: Path) -> None:
    env = install(tmp_path)
    placeholder(tmp_path, "nki")
    code = (
        "from oneblock.backends.neuron_nki import BACKEND; from oneblock.backends.api.target import Target;"
        "print(BACKEND.probe(Target.parse('neuron:trn2')).kind)"
    )
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout == "interpreted\n"


def test_a_head_that_is_wider_than_the_partitions_is_refused() -> None:
    with pytest.raises(Unsupported, match="128 partitions"):
        compiled(case("attention", config=TINY.with_overrides({"head_width": str(2 * 128)}), n=4), "float32")


def test_a_record_says_interpreted_and_holds_no_time(tmp_path: Path) -> None:
    env = install(tmp_path)
    cell = ("block", "--preset=tiny", "-T", "16", "--phase=prefill", "--backend=neuron_nki", "--target=neuron:trn2")
    done = oneblock(env, "run", *cell, "-o", "records", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (record,) = json.loads(done.stdout)
    assert (record["status"], record["kind"], record["launches"]) == ("interpreted", "interpreted", [])
    assert record["check"]["outputs"][0]["passed"]
    assert record["facts"]["kind"] == "interpreted"
    assert [one["kind"] for one in record["facts"]["estimates"]] == ["modelled"]
    shown = oneblock(env, "show", "neuron_nki", "-o", "records", cwd=tmp_path)
    assert "times are modelled, none is measured" in " ".join(shown.stdout.split())
    assert math.isclose(sum(one["modelled_s"]["timeline"] for one in record["facts"]["calls"]),
                        record["facts"]["estimates"][0]["seconds"])  # fmt: skip

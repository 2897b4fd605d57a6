"""PyTorch's ways into XLA: what reaches the TPU's compiler, what they get wrong, and what they leave in the process."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from oneblock import workloads
from oneblock.backends.api.backend import Backend, Compiled, Unavailable, Unsupported
from oneblock.backends.api.target import Target
from oneblock.compilers import Detail, Lowering
from oneblock.workloads._workload import Case, Phase
from oneblock.workloads.answers.arrays import make_inputs, make_weights
from oneblock.workloads.answers.reference import make_reference
from oneblock.workloads.models import Config
from tests.conftest import load
from tests.helpers.cases import TINY, TINY_GPT2, case, steps_of

WAYS = ("torch_tpu", "torchxla", "torchtpu")


def compiled(backend: Backend, c: Case, target: str, ops_set: str = "plain") -> Compiled:
    workload = workloads.load(c.workload)
    arrays = {name: np.zeros(spec.shape, np.float32) for name, spec in workload.specs(c).items()}
    return backend.compile(workload, c, arrays, ops_set, Target.parse(target))


once = cache(compiled)  # for what several tests look at


def texts(lowering: Lowering) -> dict[str, str]:
    return {artifact.dialect: artifact.text for artifact in lowering.artifacts}


def product_flops(c: Case) -> float:
    """Of the matrix products of a llama block's prefill, by hand."""
    k: Config = c.config
    projections = 2 * k.width * k.head_width * (k.heads + k.kv_heads) + 3 * k.width * k.ffn_width
    return 2.0 * c.B * c.T * (projections + 2 * k.heads * k.head_width * c.S)


@pytest.mark.parametrize("ops_set", ["plain", "native"])
@pytest.mark.parametrize("way", WAYS)
def test_the_torch_block_goes_through_the_tpu_compiler(way: str, ops_set: str) -> None:
    c = case(n=64)
    found = once(load(way, "tpu:v5e"), c, "tpu:v5e", ops_set)
    assert found.executable is None, "nothing of it runs here"
    lowering = found.capture(Detail.BRIEF)
    stages = texts(lowering)
    for dialect in ("stablehlo", "hlo-before", "hlo"):
        assert [step for step in steps_of(c) if step not in stages[dialect]] == [], (
            f"steps that the {dialect} does not name"
        )
    facts = lowering.facts
    assert facts is not None
    assert facts.flops is not None
    assert facts.attributed is not None
    assert product_flops(c) <= facts.flops <= 1.15 * product_flops(c), "the products, and a tiny block's softmax"
    assert facts.attributed >= 0.9
    assert sum(facts.fusions.values()) > 0


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("way", WAYS)
def test_it_becomes_the_same_work_as_jaxs(way: str, phase: Phase) -> None:
    c = case(phase=phase, n=64)
    theirs = once(load(way, "tpu:v5e"), c, "tpu:v5e", "plain").capture(Detail.BRIEF).facts
    ours = once(load("xla_tpu", "tpu:v5e"), c, "tpu:v5e", "plain").capture(Detail.BRIEF).facts
    assert theirs is not None
    assert ours is not None
    assert theirs.flops == pytest.approx(ours.flops, rel=0.02)
    assert theirs.hbm_bytes == pytest.approx(ours.hbm_bytes, rel=0.05)


@pytest.mark.parametrize("way", WAYS)
def test_what_it_cannot_do_is_refused_in_a_sentence(way: str) -> None:
    backend = load(way, "tpu:v5e")
    with pytest.raises(Unavailable, match=r"no TPU here|frozen|run none") as unavailable:
        backend.probe(Target("tpu"))
    assert "--target tpu:v5e" in unavailable.value.hint
    with pytest.raises(Unsupported, match=r"3x3.*one of: 2x2"):
        compiled(backend, case(), "tpu:v5e:3x3")
    with pytest.raises(Unsupported, match="@tp3"):
        compiled(backend, case(), "tpu:v5e@tp3")


@pytest.mark.parametrize("way", WAYS)
def test_loading_it_leaves_the_environment_as_it_was(way: str) -> None:
    load(way, "tpu:v5e")
    code = (
        "import os; before = dict(os.environ); from oneblock import backends;"
        f"backends.load({way!r}).compilations(); changed = dict(before.items() ^ os.environ.items());"
        "quiet = __import__('oneblock.compilers.xla.tpu_env', fromlist=['_']).QUIET; print(*(changed.keys() - quiet))"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "", "what was set would be inherited by every child, and read by another toolchain"
    assert done.stderr == ""


def test_torchaxs_own_layer_norm_is_wrong_and_so_it_is_not_used() -> None:
    """When this fails, torchax is mended: let TorchaxNativeOps use it."""
    backend: Any = load("torch_tpu", "cpu")
    from oneblock.backends._jax import torch_functions

    workload, c = workloads.load("norm"), case("norm", TINY_GPT2)
    weights, inputs = make_weights(workload, c, "bfloat16", 0), make_inputs(workload, c, "bfloat16", 1)
    expected = make_reference(workload, c, "bfloat16", weights, 1, 2)

    def answer() -> Any:
        made = backend.compile(workload, c, {**weights, **inputs}, "native", Target("cpu")).executable
        return made.get(made.call(made.put({**weights, **inputs})))

    assert expected.check(answer(), 0).passed
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch_functions.TorchaxNativeOps, "layer_norm", torch_functions.TorchNativeOps.layer_norm)
        assert not expected.check(answer(), 0).passed


def test_torchxla_sums_a_float16_product_in_float16_and_so_declares_no_float16() -> None:
    backend = load("torchxla", "cpu")
    assert "float16" not in backend.dtypes
    import torch

    from oneblock.compilers.xla import lazy_tensor as torchxla

    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(shape, generator=generator).half() for shape in ((16, 768), (768, 768)))
    exact = a.double() @ b.double()
    args = {"a": a.to(torchxla.DEVICE), "b": b.to(torchxla.DEVICE)}
    y = torchxla.LazyProgram(lambda given: {"y": given["a"] @ given["b"]}, args).compile()(args)["y"].cpu()
    assert (y - exact).square().mean() > 100 * (exact.half() - exact).square().mean(), "mended: declare float16"


def test_torchxla_records_once_and_calls_record_nothing() -> None:
    backend = load("torchxla", "cpu")
    from torch_xla.debug import metrics

    workload, c = workloads.load("block"), case(n=31)
    arrays = {**make_weights(workload, c, "float32", 0), **make_inputs(workload, c, "float32", 1)}
    executable = backend.compile(workload, c, arrays, "plain", Target("cpu")).executable
    assert executable is not None
    args = executable.put(arrays)
    before = {name: metrics.counter_value(name) for name in ("xla::mm", "xla::bmm", "UncachedCompile", "CachedCompile")}
    assert before["xla::mm"] > 0
    for _ in range(3):
        executable.wait(executable.call(args))
    assert before == {name: metrics.counter_value(name) for name in before}


def test_torchxlas_texts_do_not_say_how_often_it_was_asked_or_where_it_is_installed() -> None:
    backend = load("torchxla", "cpu")
    first, second = (texts(compiled(backend, case(config=TINY), "cpu").capture(Detail.BRIEF)) for _ in range(2))
    assert first == second, "a scope is numbered by how often its name was used before"
    assert str(Path(__file__).parents[2]) not in "".join(first.values())


# ---------------------------------------------------------------- the light install of torch 2.9


@pytest.fixture
def light() -> ModuleType:
    if shutil.which("cc") is None or shutil.which("readelf") is None:
        pytest.skip("the light install needs cc and readelf")
    path = Path(__file__).parents[2] / "ci" / "light_torchxla.py"
    spec = importlib.util.spec_from_file_location("light_torchxla", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def shared(folder: Path, name: str, source: str, *flags: str) -> None:
    command = ["cc", "-shared", "-fPIC", "-x", "c", "-", "-o", name, "-Wl,-rpath,$ORIGIN", f"-Wl,-soname,{name}"]
    subprocess.run([*command, *flags], input=source, text=True, check=True, cwd=folder)


def test_a_stub_lets_a_library_load_whose_vendor_is_missing(light: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "versions").write_text("VENDOR_1 { global: vendor; };\n")
    shared(tmp_path, "libvendor.so.1", "int vendor(void) { return 7; }", "-Wl,--version-script=versions")
    shared(tmp_path, "libplain.so.1", "int plain(void) { return 7; }")
    source = "int vendor(void); int plain(void); int both(void) { return vendor() + plain(); }"
    shared(tmp_path, "libuser.so", source, "-x", "none", "-L.", "-l:libvendor.so.1", "-l:libplain.so.1")
    for name in ("libvendor.so.1", "libplain.so.1"):
        os.remove(tmp_path / name)
    with pytest.raises(OSError, match=r"cannot open shared object"):
        ctypes.CDLL(str(tmp_path / "libuser.so"))

    light.IMPORTED = ("libuser.so",)  # type: ignore[attr-defined]
    found, missing = light.loaded([tmp_path])
    assert missing == {"libvendor.so.1", "libplain.so.1"}
    for name, symbols in light.stubs(found, missing):
        light.build(tmp_path / name, symbols)
    assert ctypes.CDLL(str(tmp_path / "libuser.so")).both() == 2
    assert light.loaded([tmp_path])[1] == set(), "a second run finds nothing to do"


def test_a_stub_never_stands_in_for_what_python_or_the_system_defines(light: ModuleType) -> None:
    """libtorch_python wants Python's own symbols without naming a library: a stub of those kills the process."""
    user = light.SharedObject(["libgone.so"], set(), [("PyObject_Call", None, None), ("malloc", None, None)])
    assert list(light.stubs({"libuser.so": user}, {"libgone.so"})) == [("libgone.so", {})]

"""Inductor's code for GPUs: compiled for those that are not here, interpreted against float64, and nothing left."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from oneblock import backends, workloads
from oneblock.backends.api.backend import Backend, Compiled, Unavailable, Unsupported
from oneblock.backends.api.target import Target
from oneblock.compilers import Detail, Lowering
from oneblock.compilers.api.gpu_kernel import GpuKernel
from oneblock.compilers.api.kind import Kind
from oneblock.compilers.chips import load
from oneblock.compilers.chips.chip import Gpu
from oneblock.workloads._workload import Case, Phase
from oneblock.workloads.answers.arrays import make_inputs, make_weights
from oneblock.workloads.answers.reference import make_reference
from oneblock.workloads.ops.dtypes import DTYPES
from tests.conftest import REQUIRED
from tests.helpers.cases import RAGGED, TINY, TINY_GPT2, case, steps_of

H100 = load("cuda:sm_90", Gpu)


def absent(error: Unavailable | str) -> None:
    sentence = f"inductor_gpu: {error}; {getattr(error, 'hint', '')}"
    if "inductor_gpu" in REQUIRED:
        pytest.fail(f"required, and not here: {sentence}")
    pytest.skip(sentence)


@pytest.fixture(scope="module")
def backend() -> Backend:
    try:
        loaded = backends.load("inductor_gpu")
        loaded.probe(Target("cuda", "sm_90"))
    except Unavailable as error:
        absent(error)
    return loaded


@pytest.fixture(scope="module")
def interpreter(backend: Backend) -> None:
    try:
        backend.probe(Target("cpu"))
    except Unavailable as error:
        absent(error)


def compiled(
    backend: Backend, target: str = "cuda:sm_90", ops_set: str = "plain", c: Case | None = None, dtype: str = "bfloat16"
) -> Compiled:
    c = c or case("mlp")
    workload = workloads.load(c.workload)
    arrays = {name: np.empty(spec.shape, DTYPES[dtype]) for name, spec in workload.specs(c).items()}
    return backend.compile(workload, c, arrays, ops_set, Target.parse(target))


def texts(lowering: Lowering) -> dict[str, str]:
    return {artifact.dialect: artifact.text for artifact in lowering.artifacts}


# ---------------------------------------------------------------- compiled for a GPU that is not here


@pytest.mark.parametrize(("ops_set", "config"), [("plain", TINY), ("kernels", TINY_GPT2)])
def test_every_kernel_is_compiled_and_every_stage_is_there(backend: Backend, ops_set: str, config: Any) -> None:
    before = backend.compilations()
    found = compiled(backend, ops_set=ops_set, c=case(config=config))
    assert found.executable is None
    assert backend.compilations() > before
    lowering = found.capture(Detail.DEFAULT)
    facts, stages = lowering.facts, texts(lowering)
    assert facts is not None
    ours = [kernel for kernel in facts.of(GpuKernel) if kernel.kind == "inductor"]
    assert all(k.registers and k.grid and k.threads and k.occupancy and k.config and k.steps for k in ours)
    steps = steps_of(case(config=config))
    for dialect in ("fx", "fx-after", "scheduler", "launches"):
        assert [step for step in steps if step not in stages[dialect]] == [], f"steps that the {dialect} does not name"
    for kernel in {kernel.name for kernel in ours}:
        assert f"def {kernel}(" in stages["inductor"]
        for stage in ("ttir", "ttgir", "llir", "ptx", "sass"):
            assert stages[f"{stage}:{kernel}"].strip()
    assert "SchedulerNode" in stages["scheduler"]
    assert stages["scheduler"].count("# step: ") > stages["scheduler-fused"].count("# step: "), "nothing was fused"
    libraries = [kernel for kernel in facts.of(GpuKernel) if kernel.kind == "library"]
    products = 4 if config is TINY_GPT2 else 7
    assert len(libraries) == (0 if ops_set == "kernels" else products + 2), "projections, and two products of attention"
    assert any("a library's" in caveat for caveat in facts.caveats) == bool(libraries)
    assert facts.attributed == 1.0
    if ops_set == "kernels":
        assert any("wgmma" in name or "mma" in name for kernel in ours for name in kernel.instructions)
    brief = texts(found.capture(Detail.BRIEF))
    assert "fx" in brief
    assert "ttir" not in "".join(brief)


def test_the_texts_do_not_say_where_this_is_installed_and_come_out_the_same_again(backend: Backend) -> None:
    first, second = (texts(compiled(backend, c=case("norm")).capture(Detail.DEFAULT)) for _ in range(2))
    assert first == second
    import torch

    for place in (os.path.dirname(os.path.dirname(__file__)), os.path.dirname(torch.__file__), "/tmp/"):
        assert [dialect for dialect, text in first.items() if place in text] == []


def test_an_architecture_decides_what_is_generated(backend: Backend) -> None:
    old, new = (
        texts(compiled(backend, f"cuda:{name}", dtype="float16").capture(Detail.DEFAULT))
        for name in ("sm_75", "sm_100")
    )
    assert "cc=75" in old["inductor"]
    assert "multi_processor_count=148" in new["inductor"]
    assert ".target sm_100" in next(text for dialect, text in new.items() if dialect.startswith("ptx:"))


def test_attention_goes_to_the_kernel_that_pytorch_takes_on_that_gpu(backend: Backend) -> None:
    import torch

    from oneblock.compilers.inductor.sdpa_on_gpu import EFFICIENT, FLASH, choose

    half, single, plain = torch.float16, torch.float32, {"masked": False, "grouped": False}
    assert choose(H100, half, 64, 64, **plain) is FLASH
    assert choose(H100, half, 64, 64, masked=False, grouped=True) is FLASH
    assert choose(H100, single, 64, 64, **plain) is EFFICIENT
    assert choose(H100, single, 64, 64, masked=False, grouped=True) is None
    assert choose(H100, single, 10, 10, **plain) is None, "rows that are no multiple of 16 bytes"
    assert choose(load("cuda:sm_75", Gpu), half, 64, 64, **plain) is EFFICIENT
    assert choose(H100, half, 192, 128, **plain) is EFFICIENT, "flash attention has values as wide as keys alone"
    assert choose(H100, half, 192, 100, **plain) is None, "rows of values that are no multiple of 16 bytes"
    launches = texts(compiled(backend, ops_set="native", c=case("attention")).capture(Detail.DEFAULT))["launches"]
    assert "_scaled_dot_product_flash_attention" in launches


# ---------------------------------------------------------------- what is refused


def test_what_it_cannot_do_is_refused_in_a_sentence(backend: Backend) -> None:
    with pytest.raises(Unavailable, match="a GPU that is named") as unavailable:
        backend.probe(Target("cuda"))
    assert "torch_inductor" in unavailable.value.hint
    with pytest.raises(Unsupported, match="leave out @tp2"):
        compiled(backend, "cuda:sm_90@tp2")
    with pytest.raises(Unsupported, match=r"no specification of cuda:sm_86.*cuda:sm_90"):
        backend.probe(Target("cuda", "sm_86"))
    with pytest.raises(Unsupported, match=r"Tesla T4 has no bfloat16.*float16"):
        compiled(backend, "cuda:sm_75", dtype="bfloat16")
    with pytest.raises(Unsupported, match=r"Tesla T4 has 40 multiprocessors.*plain or native"):
        compiled(backend, "cuda:sm_75", "kernels", dtype="float16")


def test_a_kernel_that_does_not_build_is_refused_with_the_compilers_reason(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    from oneblock.compilers.triton import lowering as triton_gpu

    def build(source: Any) -> Any:
        raise triton_gpu.CannotBuild(f"{source.ast.name} for sm_90: out of resource: shared memory")

    monkeypatch.setattr(triton_gpu, "build", build)
    with pytest.raises(Unsupported, match=r"block|mlp.*triton_poi.*out of resource: shared memory"):
        compiled(backend)


# ---------------------------------------------------------------- interpreted


def answer(backend: Backend, c: Case, dtype: str, ops_set: str) -> tuple[Any, Any]:
    """(the executable, whether an executable's answer to the first inputs passes the check)"""
    workload = workloads.load(c.workload)
    weights, inputs = make_weights(workload, c, dtype, 0), make_inputs(workload, c, dtype, 1)
    expected = make_reference(workload, c, dtype, weights, 1, 2)
    executable = backend.compile(workload, c, {**weights, **inputs}, ops_set, Target("cpu")).executable
    assert executable is not None

    def passes(one: Any) -> bool:
        return expected.check(one.get(one.call(one.put({**weights, **inputs}))), 0).passed

    return executable, passes


@pytest.mark.usefixtures("interpreter")
def test_what_inductor_wrote_is_right_in_a_decode_of_two_bytes_too(backend: Backend) -> None:
    """The contract asks for both phases in float32, and for a prefill of heads that must be padded in bfloat16."""
    assert backend.probe(Target("cpu")).kind is Kind.INTERPRETED
    executable, passes = answer(backend, case(phase=Phase.DECODE), "bfloat16", "plain")
    assert passes(executable)


@pytest.mark.usefixtures("interpreter")
def test_heads_that_a_fused_attention_must_pad_are_right(backend: Backend) -> None:
    executable, passes = answer(backend, case("attention", RAGGED, B=2), "float16", "native")
    assert passes(executable)


@pytest.fixture(scope="module")
def written(backend: Backend, interpreter: None) -> Any:
    """What Inductor writes for an MLP, which gives the right answer as it is."""
    from oneblock.compilers.inductor import gpu as inductor_gpu

    found: list[Any] = []
    generate = inductor_gpu.generate

    def noted(*args: Any) -> Any:
        found.append(generate(*args))
        return found[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inductor_gpu, "generate", noted)
        executable, passes = answer(backend, case("mlp", TINY_GPT2), "float32", "plain")
    assert passes(executable)
    return found[0]


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("tmp0 + tmp1", "tmp0 - tmp1"), ("    tl.store(", "    pass  # tl.store("), ("mm(", "mm(-1 * ")],
    ids=["a sign", "a store that is missing", "a library's operand"],
)
def test_a_kernel_that_was_changed_is_found_out(
    backend: Backend, written: Any, right: str, wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from oneblock.compilers.inductor import gpu as inductor_gpu

    assert right in written.wrapper
    changed = replace(written, wrapper=written.wrapper.replace(right, wrong))
    monkeypatch.setattr(inductor_gpu, "generate", lambda *args: changed)
    executable, passes = answer(backend, case("mlp", TINY_GPT2), "float32", "plain")
    assert not passes(executable)


@pytest.mark.usefixtures("interpreter")
def test_what_the_interpreter_does_not_run_is_unsupported(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    from oneblock.compilers.triton import interpreter as triton_interpreter

    def run(*args: Any) -> None:
        raise NotImplementedError("inline assembly is not interpreted")

    monkeypatch.setattr(triton_interpreter, "run", run)
    executable, passes = answer(backend, case("norm"), "float32", "plain")
    with pytest.raises(Unsupported, match="does not run what Inductor wrote: inline assembly"):
        passes(executable)


# ---------------------------------------------------------------- nothing is left behind


def state() -> dict[str, Any]:
    import torch
    from torch._dynamo import device_interface
    from torch._inductor.utils import is_big_gpu
    from triton.runtime import driver

    return {
        "available": torch.cuda.is_available(), "count": torch.cuda.device_count(), "toolkit": torch.version.cuda,
        "driver": driver._active, "interfaces": dict(device_interface.device_interfaces),
        "properties": dict(device_interface.caching_worker_device_properties),
        "functions": [vars(torch.cuda)[name] for name in ("get_device_properties", "synchronize", "_exchange_device")],
        "interface": dict(vars(device_interface.CudaInterface)), "environment": dict(os.environ),
        "cached": is_big_gpu.cache_info().currsize,
        "attention": dict(torch.ops.aten.scaled_dot_product_attention.default.py_kernels),
    }  # fmt: skip


def test_nothing_is_left_of_the_gpu_that_was_pretended(backend: Backend) -> None:
    from oneblock.compilers.inductor.pretended_gpu import pretended

    with pretended(H100):
        pass  # what is done once in a process, as the listing of devices, is done now
    before = state()
    compiled(backend, ops_set="native", c=case("attention"))
    assert state() == before
    with pytest.raises(ZeroDivisionError), pretended(H100):
        _ = 1 / 0
    assert state() == before


def test_the_cpus_inductor_works_afterwards(backend: Backend) -> None:
    compiled(backend, c=case("norm"))
    workload, c = workloads.load("norm"), case("norm")
    weights, inputs = make_weights(workload, c, "float32", 0), make_inputs(workload, c, "float32", 1)
    made = backends.load("torch_inductor").compile(workload, c, {**weights, **inputs}, "plain", Target("cpu"))
    assert "cuda" not in "".join(a.text for a in made.capture(Detail.DEFAULT).artifacts if a.dialect == "fx")
    executable = made.executable
    assert executable is not None
    out = executable.get(executable.call(executable.put({**weights, **inputs})))
    assert make_reference(workload, c, "float32", weights, 1, 2).check(out, 0).passed


# ---------------------------------------------------------------- on a device


@pytest.mark.parametrize("config", [TINY, TINY_GPT2], ids=lambda config: config.name)
def test_a_device_gets_the_same_kernels(backend: Backend, config: Any) -> None:
    """Without what is decided by timing: nothing is padded, and no template is taken."""
    import re

    import torch

    try:
        backends.load("torch_inductor").probe(Target("cuda"))
    except Unavailable as error:
        pytest.skip(f"asks a real device: {error}; {error.hint}")
    major, minor = torch.cuda.get_device_capability()
    c, names = case(config=config, n=64), re.compile(r"^(triton_\w+) = async_compile", re.MULTILINE)
    workload = workloads.load(c.workload)
    weights, inputs = make_weights(workload, c, "bfloat16", 0), make_inputs(workload, c, "bfloat16", 1)
    real = backends.load("torch_inductor").compile(workload, c, {**weights, **inputs}, "plain", Target("cuda"))
    theirs = names.findall(texts(real.capture(Detail.DEFAULT))["inductor"])
    mine = names.findall(texts(compiled(backend, f"cuda:sm_{major}{minor}", c=c).capture(Detail.DEFAULT))["inductor"])
    assert sorted(mine) == sorted(theirs)

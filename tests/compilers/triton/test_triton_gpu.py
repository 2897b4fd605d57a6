"""Our Triton kernels for GPUs that are not here: built as a launch would build them, counted, chosen and refused."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from tests.helpers import triton_here

BACKEND = triton_here.load()

import torch  # noqa: E402
import triton  # noqa: E402
import triton.language as tl  # noqa: E402

from oneblock import workloads  # noqa: E402
from oneblock.backends._triton import ops as triton_ops  # noqa: E402
from oneblock.backends._triton.plan import PlannedLaunch, plan  # noqa: E402
from oneblock.backends._triton.runners import LaunchTracer, TracedLaunch, options  # noqa: E402
from oneblock.backends.api.backend import Unsupported  # noqa: E402
from oneblock.backends.api.target import Target  # noqa: E402
from oneblock.backends.kernels.triton.launch import KernelCall, Work, config  # noqa: E402
from oneblock.compilers import Detail  # noqa: E402
from oneblock.compilers.api.gpu_kernel import GpuKernel  # noqa: E402
from oneblock.compilers.api.kind import Kind  # noqa: E402
from oneblock.compilers.api.stages import Lowering  # noqa: E402
from oneblock.compilers.chips import load  # noqa: E402
from oneblock.compilers.chips.chip import Gpu  # noqa: E402
from oneblock.compilers.dialects import ptx as _ptx  # noqa: E402
from oneblock.compilers.triton import built as triton_built  # noqa: E402
from oneblock.compilers.triton import lowering as triton_gpu  # noqa: E402
from oneblock.compilers.triton.built import BuiltKernel  # noqa: E402
from oneblock.compilers.triton.lowering import CannotBuild  # noqa: E402
from oneblock.workloads._workload import Phase  # noqa: E402
from oneblock.workloads.models import PRESETS  # noqa: E402
from oneblock.workloads.ops.definitions import Scores  # noqa: E402
from tests.helpers.cases import TINY_GPT2, case  # noqa: E402
from tests.helpers.triton_first import First, first_alone  # noqa: E402

TENSOR_CORES = {
    "sm_75": None, "sm_80": "mma.sync", "sm_90": "wgmma", "sm_100": "tcgen05", "sm_120": "mma.sync", "gfx942": "mfma",
    "gfx950": "mfma",
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _caches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with triton_here.cache_of_this_run(tmp_path_factory):
        yield


def everything(recorder: LaunchTracer, dtype: torch.dtype) -> None:
    """All kernels, prefill and decode, with every epilogue, on shapes like llama-1b's."""
    ops = triton_ops.TritonOps(recorder)

    def array(*shape: int) -> torch.Tensor:
        return torch.empty(*shape, dtype=dtype, device="meta")

    x, up, down = array(1, 128, 2048), array(2048, 8192), array(8192, 2048)
    with recorder.listening(), torch.inference_mode():
        ops.rms_norm(x, array(2048), 1e-5)
        ops.layer_norm(x, array(2048), array(2048), 1e-5)
        ops.rope(array(1, 128, 32, 64), array(128, 32), array(128, 32))
        triton_ops.array(ops.gelu(ops.linear(x, up, array(8192))))
        x + ops.linear(array(1, 128, 8192), down)
        ops.swiglu(array(1, 128, 8192), array(1, 128, 8192))
        ops.gelu(array(1, 128, 8192))
        ops.attention(array(1, 128, 32, 64), array(1, 128, 8, 64), array(1, 128, 8, 64), Scores(64**-0.5))
        ops.attention(array(1, 1, 32, 64), array(1, 512, 8, 64), array(1, 512, 8, 64), Scores(64**-0.5))
        triton_ops.array(ops.linear(array(1, 1, 2048), up))


def gpu(architecture: str) -> Gpu:
    return load(f"{'rocm' if architecture.startswith('gfx') else 'cuda'}:{architecture}", Gpu)


def ways(one: PlannedLaunch, architecture: str) -> list[tuple[KernelCall, BuiltKernel]]:
    """All that a launch may be, built."""
    found = []
    for number, way in one.ways:
        call = one.started.alternatives[number]
        source = triton_gpu.as_launched(call.kernel, call.args(way), options(call, way), gpu(architecture))
        found.append((call, triton_gpu.build(source)))
    return found


EACH = [(architecture, torch.bfloat16) for architecture in TENSOR_CORES]
OTHERS = [("sm_75", torch.float16), ("sm_90", torch.float32), ("gfx942", torch.float32)]


@pytest.mark.parametrize(("architecture", "dtype"), EACH + OTHERS, ids=str)
def test_every_kernel_compiles_without_spills_and_products_use_the_generations_tensor_cores(
    architecture: str, dtype: torch.dtype
) -> None:
    recorder = First(100, tensor_cores=architecture != "sm_75")
    everything(recorder, dtype)
    assert len(recorder.started) == 11
    products = [one for one in recorder.started if any(call.matrix_units for call in one.alternatives)]
    assert len(products) > 2
    # Of the other dtypes the products alone, which are what a dtype decides.
    planned = plan(recorder.started if dtype == torch.bfloat16 else products, gpu(architecture))
    for one in planned[0], planned[-1]:  # of an architecture the disassembler reads all or nothing
        assert one.built is not None
        assert one.built.machine_instructions > 10
    for one in planned:
        assert one.built is not None
        assert one.built.spill_bytes == 0, f"{one.built.name} spills, and was chosen"
        for call, built in ways(one, architecture):
            assert built.registers > 0
            assert sum(built.instructions.values()) > 0
            assert 0 < built.occupancy.share <= 1
            expected = TENSOR_CORES[architecture] if dtype != torch.float32 or architecture == "gfx942" else None
            few = ("BM" in dict(one.config.sizes) and one.config["BM"] < 64) or built.name == "decode_part_kernel"
            if few and architecture in ("sm_90", "sm_100") and expected is not None:
                expected = "mma.sync"  # of a product with 16 rows: the others' have 64 at least
            classes = {name.split()[0].partition(".m")[0] for name in built.instructions}
            if call.matrix_units and expected is not None:
                assert any(name.startswith(expected) for name in built.instructions), f"{built.name}: {classes}"
            else:
                assert not built.matrix_units


def lowered(target: Target, detail: Detail, phase: Phase = Phase.PREFILL, **sizes: Any) -> Lowering:
    """Of a tiny block, with the first configuration of each kernel."""
    workload, c = workloads.load("block"), case(phase=phase, **sizes)
    arrays = {name: np.broadcast_to(np.zeros((), ml_dtypes.bfloat16), s.shape) for name, s in workload.specs(c).items()}
    with first_alone():
        compiled = BACKEND.compile(workload, c, arrays, "kernels", target)
    assert compiled.executable is None
    return compiled.capture(detail)


def test_the_launches_are_those_of_the_block_step_by_step() -> None:
    facts = lowered(Target("cuda", "sm_80"), Detail.DEFAULT, n=64).facts
    found = [
        ("+".join(kernel.steps), kernel.name.removesuffix("_kernel").partition("_")[0])
        for kernel in facts.of(GpuKernel)
    ]
    assert found == [
        ("norm1", "rms"), ("qkv", "linear"), ("qkv", "linear"), ("qkv", "linear"), ("rope", "rope"), ("rope", "rope"),
        ("attention", "flash"), ("proj", "linear"), ("norm2", "rms"), ("mlp", "linear"), ("mlp", "linear"),
        ("mlp", "swiglu"), ("mlp", "linear"),
    ]  # fmt: skip
    gpt2 = lowered(Target("cuda", "sm_80"), Detail.BRIEF, n=64, config=TINY_GPT2).facts
    assert len(gpt2.calls) == 9, "bias, GELU and residual are in the projections"
    assert facts.attributed == 1.0


def test_what_pytorch_launches_itself_is_counted_and_named() -> None:
    facts = lowered(Target("cuda", "sm_80"), Detail.BRIEF, Phase.DECODE, n=64).facts
    assert [k.name for k in facts.of(GpuKernel) if k.kind == "torch"] == ["aten::copy_", "aten::copy_"]
    assert any("aten::copy_" in caveat for caveat in facts.caveats)


@pytest.mark.parametrize(
    ("target", "last"), [(Target("cuda", "sm_80"), "sass"), (Target("rocm", "gfx942"), "amdgcn")], ids=str
)
def test_stages_go_from_the_launches_to_machine_code_and_passes_come_on_request(target: Target, last: str) -> None:
    environment = dict(os.environ)
    workload = lowered(target, Detail.ALL, n=64, config=replace(PRESETS["tiny"], rope_theta=None))
    dialects = [artifact.dialect.partition(":")[0] for artifact in workload.artifacts]
    order = list(dict.fromkeys(dialects))
    assert [d for d in order if d in ("launches", "ttir", "ttgir", "llir", "ptx", last)][:4] == [
        "launches", "ttir", "ttgir", "llir",
    ]  # fmt: skip
    assert last in dialects
    assert dialects.count("ttir") == dialects.count(last) > 3
    tables = [a.text for a in workload.artifacts if a.dialect.startswith("passes:")]
    assert len(tables) == dialects.count("ttir")
    for table in tables:
        timed = [int(line.split()[0]) for line in table.splitlines()[1:] if line.split()[0] != "-"]
        assert len(timed) > 20
        assert sum(timed) > 0
    after = [a for a in workload.artifacts if a.dialect.startswith("mlir:") and ".after." in a.dialect]
    assert all("tt." in a.text or "llvm." in a.text or "ttg." in a.text for a in after)
    assert len(after) > 30
    assert dict(os.environ) == environment
    print("still here", file=sys.stderr)


@triton.jit
def copied(x_ptr, y_ptr, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y_ptr + at, tl.load(x_ptr + at, mask=at < n), mask=at < n)


@triton.jit
def narrowed(x_ptr, y_ptr, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    tl.store(y_ptr + at, tl.load(x_ptr + at).to(tl.float8e4nv).to(tl.float32))


@triton.jit
def square(x_ptr, y_ptr, N: tl.constexpr):
    at = tl.arange(0, N)[:, None] * N + tl.arange(0, N)[None, :]
    x = tl.load(x_ptr + at)
    tl.store(y_ptr + at, tl.dot(x, x).to(tl.float16))


@triton.jit
def deep_product(x_ptr, y_ptr, N: tl.constexpr):
    few, many = tl.arange(0, 16), tl.arange(0, N)
    x = tl.load(x_ptr + few[:, None] * N + many[None, :])
    y = tl.load(x_ptr + many[:, None] * 16 + few[None, :])
    tl.store(y_ptr + few[:, None] * 16 + few[None, :], tl.dot(x, y).to(tl.float16))


def meta(*shape: int, dtype: torch.dtype = torch.float16) -> torch.Tensor:
    return torch.empty(*shape, dtype=dtype, device="meta")


LAUNCH = {"num_warps": 4, "num_stages": 2}


def build(kernel: Any, args: tuple[Any, ...], architecture: str = "sm_80", **given: int) -> BuiltKernel:
    return triton_gpu.build(triton_gpu.as_launched(kernel, args, LAUNCH | given, gpu(architecture)))


def test_a_kernel_is_specialised_by_the_very_arguments_of_the_launch() -> None:
    even, odd = (build(copied, (meta(n), meta(n), n), BLOCK=1024) for n in (4096, 4095))
    assert even.instructions["ld.global 128"] > 0, "16 divides the length: a thread's 8 elements are one load"
    assert "ld.global 128" not in odd.instructions
    offset = build(copied, (meta(4097)[1:], meta(4096), 4096), BLOCK=1024)
    assert offset.instructions.get("st.global 128")


@pytest.mark.parametrize(
    ("kernel", "shape", "constants", "says"),
    [
        (narrowed, (64,), {"BLOCK": 64}, "fp8e4nv not supported"),
        (deep_product, (16, 4096), {"N": 4096}, "shared memory"),
    ],
    ids=["float8 on sm_80", "too much shared memory"],
)
def test_what_cannot_be_built_is_refused_in_the_compilers_own_words(
    kernel: Any, shape: tuple[int, ...], constants: dict[str, int], says: str
) -> None:
    args = (meta(*shape), meta(*shape, dtype=torch.float16 if kernel is deep_product else torch.float32))
    with pytest.raises(CannotBuild, match=says):
        build(kernel, args, **constants)

    def work(_: Any) -> Work:
        return Work(1.0, 1.0, 1.0)

    call = KernelCall(kernel, (config(4, 2, **constants),), lambda _: args, lambda _: (1,), work)
    with pytest.raises(Unsupported, match=says):
        plan([TracedLaunch("mlp", (call,))], gpu("sm_80"))


def test_float8_is_built_where_the_gpu_has_it() -> None:
    assert build(narrowed, (meta(64, dtype=torch.float32), meta(64, dtype=torch.float32)), "sm_90", BLOCK=64).registers


def test_registers_and_spills_are_the_assemblers_own() -> None:
    built = build(square, (meta(128, 128), meta(128, 128)), N=128, num_warps=2)
    ptx = built.texts["ptx"]
    own = _ptx.resources(ptx, triton.knobs.nvidia.ptxas.path, ("--regAllocOptLevel=2",))
    assert own is not None
    assert (built.registers, built.spill_bytes) == (own.registers, own.spill_bytes)
    assert built.spill_bytes > 0, "128 x 128 results do not fit the registers of two warps"


def test_occupancy_is_what_llvm_says_for_an_amd_gpu() -> None:
    """LLVM counts waves on one of a compute unit's four SIMDs as registers alone allow."""
    for n in (32, 128):
        built = build(square, (meta(n, n), meta(n, n)), "gfx942", N=n)
        said = re.search(r"; Occupancy: (\d+)", triton_gpu_text(n))
        assert said is not None
        by_registers = replace(built, shared_bytes=0).occupancy
        assert by_registers.warps // 4 == int(said[1])


def triton_gpu_text(n: int) -> str:
    source = triton_gpu.as_launched(square, (meta(n, n), meta(n, n)), {"N": n} | LAUNCH, gpu("gfx942"))
    target = triton_gpu._gpu_target(gpu("gfx942"))
    text: str = triton.compile(source.ast, target=target, options=dict(source.options)).asm["amdgcn"]
    return text


def test_a_second_time_nothing_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    args = (meta(4096), meta(4096), 4096)
    first = build(copied, args, BLOCK=2048)
    before = triton_gpu.compilations()
    monkeypatch.setattr(triton_gpu.triton, "compile", lambda *_, **__: pytest.fail("compiled again"))
    again = build(copied, args, BLOCK=2048)
    assert again == first
    assert triton_gpu.compilations() == before + 1
    with pytest.raises(pytest.fail.Exception):
        build(copied, args, BLOCK=4096)


def test_a_kernel_is_disassembled_where_that_is_asked_for_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    tool = triton_built.disassembled
    monkeypatch.setattr(triton_built, "disassembled", lambda binary: asked.append(binary) or tool(binary))
    built = build(copied, (meta(4096), meta(4096), 4096), BLOCK=512)
    assert built.registers
    assert not asked, "of most configurations of a kernel nobody reads the machine code"
    text = built.text("sass")
    assert text is not None
    assert len(asked) == 1
    assert 10 < built.machine_instructions <= len(text.splitlines())
    triton_built._disassembled.cache_clear()
    assert built.text("sass") == text
    assert len(asked) == 1, "it is kept beside the kernel"


def test_the_choice_is_told_with_what_was_not_chosen_and_why() -> None:
    lowering = lowered(Target("cuda", "sm_80"), Detail.DEFAULT, n=64)
    (choices,) = (a.text for a in lowering.artifacts if a.dialect == "choices")
    assert "flash_attention_kernel" in choices
    assert choices.count("linear_descriptor_kernel") >= 3
    chosen = {k.config for k in lowering.facts.of(GpuKernel) if k.name.startswith("linear")}
    assert all(str(config) in choices for config in chosen)
    assert BACKEND.probe(Target("cuda", "sm_80")).kind is Kind.COMPILED


@pytest.mark.parametrize("target", [Target("rocm", "gfx90a"), Target("cuda", "sm_91"), Target("cuda", "sm_90", "B200")])
def test_a_gpu_that_is_not_known_is_refused(target: Target) -> None:
    with pytest.raises(Unsupported):
        BACKEND.probe(target)

"""XLA for NVIDIA GPUs that are not here: what is compiled, counted, refused, and said of what is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from oneblock import backends, workloads
from oneblock.backends.api.backend import Backend, Unavailable, Unsupported
from oneblock.backends.api.target import Target
from oneblock.compilers import Artifact, Detail, Lowering, Stage
from oneblock.compilers.api.errors import OutOfMemory
from oneblock.compilers.api.kind import Kind
from oneblock.compilers.chips import every, load
from oneblock.compilers.chips.chip import Gpu
from oneblock.compilers.dialects import ptx as _ptx
from oneblock.compilers.xla import gpu_env as _gpu_env
from oneblock.compilers.xla import gpu_thunks as _gpu_facts
from oneblock.compilers.xla.gpu_target import target_config
from oneblock.workloads._workload import Case
from oneblock.workloads.ops.definitions import STEPS
from tests.conftest import REQUIRED
from tests.helpers.cases import case

H100 = Target("cuda", "sm_90")


@pytest.fixture(scope="module")
def xla_gpu() -> Backend:
    try:
        loaded = backends.load("xla_gpu")
        loaded.probe(H100)
    except Unavailable as error:
        if "xla_gpu" in REQUIRED:
            pytest.fail(f"required, and not here: {error}; {error.hint}")
        pytest.skip(f"{error}; {error.hint}")
    return loaded


def lowering(of: Backend, target: Target, detail: Detail, c: Case, dtype: str = "float16") -> Lowering:
    workload = workloads.load(c.workload)
    shapes = {name: np.broadcast_to(np.zeros((), dtype), spec.shape) for name, spec in workload.specs(c).items()}
    return of.compile(workload, c, shapes, "plain", target).capture(detail)


@pytest.fixture(scope="module")
def lowered(xla_gpu: Backend) -> Lowering:
    """A prefill of the tiny block for an H100, with all that is dumped by default."""
    return lowering(xla_gpu, H100, Detail.DEFAULT, case())


def by_dialect(found: Lowering) -> dict[str, Artifact]:
    return {artifact.dialect: artifact for artifact in found.artifacts}


# ---------------------------------------------------------------- what is compiled


def test_each_launch_has_its_kernel_in_every_form_and_its_step(lowered: Lowering) -> None:
    texts = by_dialect(lowered)
    launches = _gpu_facts.thunks(texts["thunks"].text)
    ours = {launch.entry for launch in launches if launch.kind == "CustomKernel"}
    assert ours
    for entry in ours:
        assert f".entry {entry}(" in texts[f"ptx:{entry}"].text
        assert f"@{entry}(" in texts[f"llvm:{entry}"].text
    rows = texts["kernels"].text.splitlines()[1:]
    assert len(rows) == len(launches)
    assert {row.split()[1] for row in rows} <= set(STEPS)
    assert {row.split()[1] for row in rows} >= {"norm1", "qkv", "attention", "mlp"}


def test_the_registers_and_the_shared_memory_are_those_of_the_assembler(lowered: Lowering) -> None:
    """ptxas' own words on one kernel, asked by hand, against the table."""
    texts, ptxas = by_dialect(lowered), _gpu_env.ptxas()
    assert ptxas is not None
    row = next(row for row in texts["kernels"].text.splitlines() if "triton gemm" in row)
    entry = row.split()[0].replace(".", "_")
    said = subprocess.run(
        [ptxas, "-v", "-arch=sm_90a", "-o", os.devnull, "-"],
        input=texts[f"ptx:{entry}"].text, capture_output=True, text=True, check=True,
    ).stderr  # fmt: skip
    registers = int(said.partition("Used ")[2].split()[0])
    cells = [cell.strip() for cell in row.split("  ") if cell.strip()]
    assert cells[6] == str(registers)
    launch = next(one for one in _gpu_facts.thunks(texts["thunks"].text) if one.entry == entry)
    assert (cells[4], cells[5]) == (str(launch.threads), str(launch.shared_bytes))


def test_the_flops_are_those_of_the_formula(lowered: Lowering) -> None:
    assert lowered.facts is not None
    assert lowered.facts.flops is not None
    formula = sum(cost.flops for cost in workloads.load("block").costs(case(), 2))
    assert lowered.facts.flops == pytest.approx(formula, rel=0.2)  # a tiny block's norms and softmax weigh much
    assert lowered.facts.attributed == 1.0


def test_the_missing_autotuner_is_said_and_the_other_form_shown(lowered: Lowering) -> None:
    assert lowered.facts is not None
    assert any("no autotuner" in caveat for caveat in lowered.facts.caveats)
    assert "__cublas$lt$matmul" in by_dialect(lowered)["hlo-cublas"].text
    assert {estimate.name for estimate in lowered.facts.estimates} == {"xla-triton", "xla-cublas"}
    assert all(estimate.seconds is not None and "cost model" in estimate.how for estimate in lowered.facts.estimates)


@pytest.mark.parametrize(
    ("target", "mark"),
    [("cuda:sm_75", ".target sm_75"), ("cuda:sm_80", ".target sm_80"), ("cuda:sm_100", ".target sm_100a")],
)
def test_every_architecture_is_compiled_for(xla_gpu: Backend, target: str, mark: str) -> None:
    found = lowering(xla_gpu, Target.parse(target), Detail.DEFAULT, case(n=16))
    ptx = [artifact.text for artifact in found.artifacts if artifact.dialect.startswith("ptx:")]
    assert ptx
    assert all(mark in text for text in ptx)


def test_before_ampere_products_are_a_librarys_and_are_counted_all_the_same(xla_gpu: Backend) -> None:
    counted = {
        name: lowering(xla_gpu, Target("cuda", name), Detail.BRIEF, case(n=16)).facts for name in ("sm_75", "sm_90")
    }
    assert counted["sm_75"] is not None
    assert counted["sm_90"] is not None
    assert counted["sm_75"].custom_calls["__cublas$lt$matmul"] > 0
    assert counted["sm_75"].flops == pytest.approx(counted["sm_90"].flops, rel=0.1)
    assert not any("autotuner" in caveat for caveat in counted["sm_75"].caveats)


def test_two_products_of_one_architecture_differ_in_what_they_hold(xla_gpu: Backend) -> None:
    names = {xla_gpu.probe(Target("cuda", "sm_90", product)).name for product in (None, "h200")}
    assert names == {"NVIDIA H100 80GB HBM3", "NVIDIA H200"}
    big = case(n=16)
    big = replace(big, B=2**26)  # 8 GiB an array of B x T x C in float16: 100 GiB or so in all
    with pytest.raises(OutOfMemory, match=r"largest: .* temporaries") as caught:
        lowering(xla_gpu, H100, Detail.BRIEF, big)
    memory = caught.value.memory
    assert memory.available_bytes == load("cuda:sm_90", Gpu).memory_bytes.value
    assert memory.needed_bytes is not None
    assert memory.needed_bytes > memory.available_bytes


_DIGEST = """
import hashlib
from oneblock import backends
from oneblock.backends.api.target import Target
from oneblock.compilers import Detail
from tests.helpers.cases import case
from tests.backends.test_xla_gpu import lowering
found = lowering(backends.load("xla_gpu"), Target("cuda", "sm_90"), Detail.DEFAULT, case())
for artifact in found.artifacts:
    print(artifact.dialect, hashlib.sha256(artifact.text.encode()).hexdigest())
"""


def test_another_process_compiles_the_same_bytes_and_says_nothing(xla_gpu: Backend) -> None:
    runs = [subprocess.run([sys.executable, "-c", _DIGEST], capture_output=True, text=True, check=True) for _ in "ab"]
    assert runs[0].stdout == runs[1].stdout
    assert "ptx:" in runs[0].stdout
    assert [run.stderr for run in runs] == ["", ""]


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize("wrong", ["sm_90:h300", "sm_42", "sm_100:h200"])
def test_a_gpu_without_a_specification_is_refused_by_name(wrong: str) -> None:
    with pytest.raises(LookupError, match=rf"cuda:{wrong}: expected one of cuda:sm_75, .*cuda:sm_90:h200"):
        load(f"cuda:{wrong}", Gpu)


def test_what_it_cannot_compile_for_says_what_to_do(xla_gpu: Backend) -> None:
    with pytest.raises(Unavailable, match="only compiles") as caught:
        xla_gpu.probe(Target("cuda"))
    assert "jax_xla" in caught.value.hint
    with pytest.raises(Unsupported, match="leave out @tp8"):
        xla_gpu.probe(Target(f"{H100}@tp8"))
    assert xla_gpu.probe(H100).kind is Kind.COMPILED


def test_an_unknown_flag_is_an_answer_and_not_a_death(xla_gpu: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XLA_FLAGS", "--xla_gpu_no_such_flag=1")
    with pytest.raises(Unavailable, match="Unknown flag in XLA_FLAGS: --xla_gpu_no_such_flag=1"):
        xla_gpu.probe(H100)
    with pytest.raises(Unavailable, match="Unknown flag"):
        lowering(xla_gpu, H100, Detail.BRIEF, case())


def test_a_dump_that_cannot_be_made_is_a_caveat_and_the_rest_stays(
    xla_gpu: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    workload, c = workloads.load("norm"), case("norm")
    arrays = {name: np.zeros(spec.shape, "float16") for name, spec in workload.specs(c).items()}
    compiled = xla_gpu.compile(workload, c, arrays, "plain", H100)
    monkeypatch.setenv("XLA_FLAGS", "--xla_gpu_no_such_flag=1")  # kills the child alone: this process has read its own
    found = compiled.capture(Detail.DEFAULT)
    assert found.facts is not None
    assert any("no PTX" in caveat and "Unknown flag" in caveat for caveat in found.facts.caveats)
    assert "hlo" in by_dialect(found)


def test_kernels_whose_ptx_is_not_found_are_said(xla_gpu: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a release of XLA that writes it elsewhere, or only if it is asked to in other words."""
    monkeypatch.setattr(_ptx, "entry", lambda text: None)
    found = lowering(xla_gpu, H100, Detail.DEFAULT, case("norm"))
    assert found.facts is not None
    assert [one for one in found.facts.caveats if one.startswith("no PTX: XLA wrote none of ")]


def test_a_toolkit_that_lacks_cudnn_stands_in_no_compilers_way(
    xla_gpu: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plugin refuses to register where CUDA's runtime is and cuDNN is not, unless its check is skipped."""
    from oneblock.compilers.xla import gpu

    def absent() -> int:
        raise RuntimeError("cuDNN not found.")

    here = SimpleNamespace(cuda_runtime_get_version=lambda: 13000, cudnn_get_version=absent)
    monkeypatch.setattr(gpu, "cuda_versions", here)
    monkeypatch.setattr(os, "environ", dict[str, str]())
    gpu._let_it_register()
    assert os.environ == {"JAX_SKIP_CUDA_CONSTRAINTS_CHECK": "1"}
    here.cudnn_get_version = lambda: 91000
    monkeypatch.setattr(os, "environ", dict[str, str]())
    gpu._let_it_register()
    assert os.environ == {}, "where all is here, the plugin's own check is good"


@pytest.mark.parametrize(
    ("present", "reason", "line"),
    [
        ({"jax": "0.10.2"}, "is not installed", "pip install jax-cuda12-plugin==0.10.2 jax-cuda12-pjrt==0.10.2"),
        (
            {"jax": "0.10.2", "jax-cuda12-plugin": "0.9.0", "jax-cuda12-pjrt": "0.9.0"},
            "needs jax-cuda12-plugin 0.10.2, and what is installed is 0.9.0",
            "jax-cuda12-plugin==0.10.2",
        ),
        (
            {"jax": "0.10.2", "jax-cuda12-plugin": "0.10.2"},
            "needs jax-cuda12-pjrt 0.10.2, and what is installed is none",
            "jax-cuda12-pjrt==0.10.2",
        ),
        (
            {"jax": "0.10.2", "jax-cuda12-plugin": "0.10.2", "jax-cuda12-pjrt": "0.10.2"},
            "assembler ptxas",
            "nvidia-cuda-nvcc-cu12",
        ),
    ],
)
def test_a_missing_or_mismatched_part_is_named_with_the_line_that_mends_it(
    monkeypatch: pytest.MonkeyPatch, present: dict[str, str], reason: str, line: str
) -> None:
    def version(name: str) -> str:
        if name not in present:
            raise _gpu_env.PackageNotFoundError(name)
        return present[name]

    monkeypatch.setattr(_gpu_env, "version", version)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    found = _gpu_env.missing()
    assert found is not None
    assert reason in found[0]
    assert line in found[1]


# ---------------------------------------------------------------- what is read


def test_noise_of_a_missing_driver_is_dropped_and_all_else_passed_on(capfd: pytest.CaptureFixture[str]) -> None:
    with _gpu_env.quiet():
        os.write(2, b"I0000 cudart_stub.cc:31] Could not find cuda drivers\n")
        os.write(2, b"E0000 something that matters\n")
    os.write(2, b"and what comes later\n")
    assert capfd.readouterr().err == "E0000 something that matters\nand what comes later\n"


def test_instructions_are_classed_by_what_they_move_and_multiply() -> None:
    text = """
        @%p1 ld.global.v4.b32 { %r1, %r2, %r3, %r4 }, [ %rd1 ];
        mov.u32 %r5, 0x0; ld.global.nc.L1::evict_last.b16 { %r5 }, [ %rd2 ];
        st.global.v2.b64 [ %rd3 ], { %rd4, %rd5 };
        cp.async.cg.shared.global [ %r1 ], [ %rd1 ], 0x10;
        cp.async.commit_group;
        cp.async.wait_group 1;
        cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%r1], [%rd1, {%r2, %r3}], [%r4];
        mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 { %f1 }, { %r1 }, { %r2 }, { %f1 };
        wgmma.mma_async.sync.aligned.m64n128k16.f32.f16.f16 {%f1}, %rd1, %rd2, p, 1, 1, 0, 0;
        tcgen05.mma.cta_group::1.kind::f16 [%r1], %rd1, %rd2, %r2, p;
        // mma.sync in a comment; ld.shared.b32 %r1, [%r2];
    """
    assert _ptx.instructions(text) == {
        "cp.async": 1, "cp.async.bulk.tensor": 1, "ld.global 128": 1, "ld.global 16": 1, "mma.sync m16n8k16": 1,
        "st.global 128": 1, "tcgen05.mma": 1, "wgmma m64n128k16": 1,
    }  # fmt: skip


def test_a_line_that_is_no_launch_is_shown() -> None:
    (copy,) = _gpu_facts.thunks("001: kCopy           [source       | next=004 (3)] kCopy")
    assert (copy.kind, copy.grid) == ("Copy", None)
    with pytest.raises(ValueError, match="got 'nonsense'"):
        _gpu_facts.thunks("nonsense")


def test_every_gpu_is_described_with_all_that_sets_it_apart() -> None:
    gpus = [gpu for gpu in every(Gpu) if gpu.platform == "cuda"]
    configs = {gpu.target: target_config(gpu) for gpu in gpus}
    assert len(set(configs.values())) == len(gpus)
    for target, config in configs.items():
        architecture = target.split(":")[1]
        major, minor = architecture.removeprefix("sm_")[:-1], architecture[-1]
        assert f"major: {major} minor: {minor}" in config
        assert config.count("{") == config.count("}")


def test_stages_are_of_the_kinds_that_other_compilers_share(lowered: Lowering) -> None:
    texts = by_dialect(lowered)
    assert texts["hlo-before"].stage is Stage.LOWERED
    assert texts["hlo"].stage is Stage.OPTIMIZED
    assert {a.stage for name, a in texts.items() if name.startswith("llvm:")} == {Stage.KERNEL}
    assert {a.stage for name, a in texts.items() if name.startswith("ptx:")} == {Stage.MACHINE}

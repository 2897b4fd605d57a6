"""Lines of Triton's tables and of a kernel's stages: of the steps of its launches, and of no other kernel's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from oneblock import workloads
from oneblock.backends.api.target import Target
from oneblock.compilers import Detail
from oneblock.compilers.api.call import steps_of
from oneblock.compilers.api.facts import Facts
from oneblock.compilers.api.gpu_kernel import GpuKernel
from oneblock.compilers.dialects import Context, context, read
from oneblock.workloads._workload import Case, Phase
from oneblock.workloads.ops.definitions import STEPS
from oneblock.workloads.ops.dtypes import DTYPES
from tests.helpers import triton_here
from tests.helpers.cases import TINY_GPT2, case
from tests.helpers.lines import HOSTILE, Line, lines, share, shares

NONE = ()
QKV, BOTH = ("qkv",), ("norm1", "norm2")
KERNELS = {"norm_kernel": BOTH, "linear": QKV, "linear.2": ("mlp",)}

LAUNCHES = """\
number  step       kernel, grid, config
0       norm1      norm_kernel  (1,)  ROWS=64, 4 warps, 1 stages
1       qkv+rope   linear.2  (1, 4)  BM=64, 4 warps, 3 stages
2                  aten.cat.default (PyTorch's own)
3       proj       aten.mm.out (a library's)
"""
TTIR = """\
#loc = loc("backends/kernels/triton/rms_norm.py":14:1)
module {
  tt.func public @norm_kernel(%x_ptr: !tt.ptr<bf16> loc("x_ptr"(#loc))) {
    %row = tt.get_program_id x : i32 loc(#loc32)
    %0:2 = scf.for %i = %c0 to %c1 step %c1 iter_args(%a = %b, %c = %d) -> (i32, i32) {
      %scale_24 = "tt.reduce"(%scale) <{axis = 1 : i32}> ({
      ^bb0(%scale_42: f32 loc(unknown), %scale_43: f32 loc(unknown)):
        %scale_44 = arith.addf %scale_42, %scale_43 : f32 loc(#loc49)
        tt.reduce.return %scale_44 : f32 loc(#loc47)
      }) : (tensor<64xf32>) -> tensor<64xf32> loc(#loc47)
      scf.yield %a, %c : i32, i32
    }
    tt.store %p, %y : tensor<64x!tt.ptr<bf16>> loc(#loc50)
    tt.return loc(#loc51)
  } loc(#loc)
} loc(#loc)
"""
LLIR = """\
define ptx_kernel void @norm_kernel(ptr addrspace(1) %0) local_unnamed_addr {
  %9 = tail call i32 @llvm.nvvm.read.ptx.sreg.ctaid.x(), !dbg !13
  store <2 x half> %3, ptr addrspace(1) %4, align 4
  br label %20
20:
  ret void, !dbg !40
}
declare i32 @llvm.nvvm.read.ptx.sreg.ctaid.x()
"""
PTX = """\
.version 9.4
.visible .entry norm_kernel(
	.param .u64 .ptr .global .align 1 norm_kernel_param_0
)
{
	.reg .b32 	%r<235>;
	.loc	1 14 0                          // rms_norm.py:14:0
	ld.param.b64 	%rd10, [norm_kernel_param_0];
$L__tmp0:
	// begin inline asm
	@%p5 ld.global.v4.b32 { %r1, %r2, %r3, %r4 }, [ %rd1 + 0 ];
	// end inline asm
	@%p1 bra 	$L__tmp0;
	ret;
}
"""
SASS = """\
        .global         norm_kernel
norm_kernel:
        /*0000*/                   LDC R1, c[0x0][0x28] ;
        /*01a0*/               @P1 LDG.E.128 R20, desc[UR4][R8.64] ;
        /*01b0*/              @!PT EXIT ;
        /*01c0*/                   NOP;
"""
AMD = """\
	.text
norm_kernel:                            ; @norm_kernel
	s_load_dwordx2 s[2:3], s[0:1], 0x0
	v_mfma_f32_32x32x8_f16 a[0:15], v[0:1], v[2:3], a[0:15]
	s_endpgm
	.size	norm_kernel, 4
"""


def test_a_launch_is_of_its_step_and_one_without_of_none() -> None:
    found = lines("launches", LAUNCHES)
    title, *rows = found.values()
    assert title == Line(NONE, False)
    assert [row.steps for row in rows] == [("norm1",), ("qkv", "rope"), NONE, ("proj",)]
    assert all(row.operation for row in rows)
    assert share("launches", LAUNCHES) == 3 / 4


def test_the_table_of_kernels_has_its_steps_in_the_column_of_that_name() -> None:
    text = "kernel   step   kind\nlinear   qkv    triton\nmlp      -      Copy\nnorm1           loop\n"
    _, *rows = lines("kernels", text).values()
    assert rows == [Line(QKV, True), Line(NONE, True), Line(NONE, True)], "a kernel's name is no step"


def test_choices_are_of_their_launch_and_compute_nothing() -> None:
    ours = "launch 0, 8: norm1\n   kernel  config\n1  norm_kernel  ROWS=64\n\nlaunch 1: qkv\n1  linear  BM=64\n"
    found = lines("choices", ours)
    assert found["1  norm_kernel  ROWS=64"] == Line(("norm1",), False)
    assert found["1  linear  BM=64"] == Line(QKV, False)
    inductors = "linear\n  * XBLOCK=1, 2 warps: 13 registers\nother\n    XBLOCK=8\n"
    found = lines("choices", inductors, KERNELS)
    assert found["* XBLOCK=1, 2 warps: 13 registers"] == Line(QKV, False)
    assert found["XBLOCK=8"] == Line(NONE, False)
    assert share("choices", ours) is None


@pytest.mark.parametrize(
    ("dialect", "text", "operations"),
    [
        ("ttir", TTIR, ["tt.get_program_id", '"tt.reduce"(', "arith.addf", "tt.store"]),
        ("ttgir", TTIR, ["tt.get_program_id", '"tt.reduce"(', "arith.addf", "tt.store"]),
        ("llir", LLIR, ["ctaid.x(), !dbg", "store <2", "br label"]),
        ("ptx", PTX, ["ld.param", "ld.global", "bra"]),
        ("sass", SASS, ["LDC", "LDG"]),
        ("amdgcn", AMD, ["s_load", "v_mfma"]),
    ],
)
def test_a_kernels_text_is_of_the_steps_of_its_launches(dialect: str, text: str, operations: list[str]) -> None:
    found = lines(f"{dialect}:norm_kernel", text, KERNELS)
    assert {one.steps for one in found.values()} == {BOTH}
    counted = [line for line, one in found.items() if one.operation]
    assert len(counted) == len(operations)
    assert all(piece in line for piece, line in zip(operations, counted, strict=True))
    assert share(f"{dialect}:norm_kernel", text, KERNELS) == 1
    assert share(f"{dialect}:other_kernel", text, KERNELS) == 0, "of another kernel's steps nothing is taken"


def test_a_kernel_s_steps_are_given_to_its_lines_and_a_launch_names_its_own() -> None:
    for dialect, by in (("ttir:k", "kernel"), ("ptx:k", "kernel"), ("llvm:k", "kernel"), ("launches", "operation")):
        found = read(dialect, "x\n", Context(STEPS, {"k": ("mlp",)}))
        assert found is not None
        assert found.by == by


def test_a_pass_of_a_kernel_is_of_the_kernel() -> None:
    found = lines("mlir:linear.2:012.after.TritonGPUCoalesce", TTIR, KERNELS)
    assert found["tt.store %p, %y : tensor<64x!tt.ptr<bf16>> loc(#loc50)"] == Line(("mlp",), True)


def test_a_module_of_several_kernels_is_divided_at_their_entries() -> None:
    two = PTX + PTX.replace("norm_kernel", "linear_kernel").replace("%rd10", "%rd99")
    found = lines("ptx", two, {"norm": BOTH, "linear": QKV})
    assert found["ld.param.b64 	%rd10, [norm_kernel_param_0];"] == Line(BOTH, True)
    assert found["ld.param.b64 	%rd99, [linear_kernel_param_0];"] == Line(QKV, True)
    assert share("ptx", two, {"norm": BOTH, "linear": QKV}) == 1
    assert share("ptx", PTX, {"other": BOTH}) == 0


def test_kernels_of_one_name_are_told_apart_by_the_launches_or_else_share_their_steps() -> None:
    one = GpuKernel(name="linear", steps=("qkv",), kind="triton", entry="linear")
    other = GpuKernel(name="linear", steps=("mlp",), kind="triton", entry="linear")
    facts = Facts(calls=(one, other))
    told = (
        "number  step       kernel, grid, config\n0       qkv        linear  (1,)\n1       mlp        linear.2  (1,)\n"
    )
    known = context(facts, {"launches": told}, STEPS)
    assert (known.kernels["linear"], known.kernels["linear.2"]) == (QKV, ("mlp",))
    older = context(facts, {}, STEPS)
    assert older.kernels["linear"] == ("qkv", "mlp")
    assert lines("ptx:linear.2", PTX, older.kernels)["ret;"] == Line(("qkv", "mlp"), False)


def test_fused_launches_have_all_their_steps_and_what_is_none_of_the_blocks_has_none() -> None:
    kernels = [GpuKernel(name=name, steps=steps_of(step), kind="loop") for name, step in
               (("fusion.3", "qkv+rope"), ("warm", "warmup"), (HOSTILE, HOSTILE), ("none", None))]  # fmt: skip
    known = context(Facts(calls=tuple(kernels)), {}, STEPS)
    assert known.kernels == {"fusion.3": ("qkv", "rope"), "fusion_3": ("qkv", "rope")}


def test_hostile_names_are_names() -> None:
    assert lines(f"ptx:{HOSTILE}", PTX, {HOSTILE: QKV})["ret;"] == Line(QKV, False)
    assert lines("launches", LAUNCHES.replace("norm1", HOSTILE))[f"0       {HOSTILE}      norm_kernel  (1,)  ROWS=64, "
                                                                "4 warps, 1 stages"] == Line(NONE, True)  # fmt: skip
    assert share("ttir:linear", HOSTILE, KERNELS) is None


# ---------------------------------------------------------------- as Triton writes it here


@pytest.mark.parametrize(
    ("target", "c"),
    [("cuda:sm_90", case()), ("cuda:sm_90", case(config=TINY_GPT2, phase=Phase.DECODE)), ("rocm:gfx942", case("mlp"))],
    ids=["sm_90-tiny", "sm_90-gpt2-decode", "gfx942-mlp"],
)
def test_our_kernels_tell_the_step_of_each_operation(
    target: str, c: Case, tmp_path_factory: pytest.TempPathFactory
) -> None:
    backend: Any = triton_here.load("triton_kernels")
    workload = workloads.load(c.workload)
    arrays = {name: np.empty(spec.shape, DTYPES["bfloat16"]) for name, spec in workload.specs(c).items()}
    from tests.helpers.triton_first import first_alone  # where Triton is

    with triton_here.cache_of_this_run(tmp_path_factory), first_alone():
        lowering = backend.compile(workload, c, arrays, "kernels", Target.parse(target)).capture(Detail.DEFAULT)
    found = shares(lowering)
    machine = {"amdgcn"} if target.startswith("rocm") else {"ptx", "sass"}
    assert {"launches", "kernels", "ttir", "ttgir", "llir"} <= found.keys()
    assert machine & found.keys()
    assert min(found.values()) >= 0.9, found

"""Which step each line of TVM's texts is of, and those texts without their noise."""
# ruff: noqa: E501  IR has long lines

from __future__ import annotations

import re
from typing import Any

import pytest

from oneblock.compilers.dialects import Context, normalised, rows
from oneblock.compilers.dialects.llvm import machine_module
from oneblock.compilers.dialects.tir import told
from oneblock.compilers.tvm.calls import Call
from oneblock.compilers.tvm.step_comments import with_steps
from oneblock.workloads._workload import Phase
from oneblock.workloads.models import Config
from oneblock.workloads.ops.definitions import STEPS
from tests.helpers.cases import TINY, TINY_GPT2, case
from tests.helpers.lines_here import captured, counted, lines, of, shares

RELAX = """\
# from tvm.script import relax as R

@I.ir_module
class Module:
    @R.function
    def main(x: R.Tensor((1, 8), dtype="float32"), mlp_weight: R.Tensor((8,), dtype="float32")) -> R.Tuple(R.Tensor((1, 8), dtype="float32")):
        with R.dataflow():
            norm1_multiply: R.Tensor((1, 8), dtype="float32") = R.multiply(x, x)
            norm1_multiply1: R.Tensor((1, 8), dtype="float32") = R.multiply(norm1_multiply, mlp_weight)
            mlp_const: R.Tensor((), dtype="float32") = R.const(1.0, "float32")
            mlpish_add: R.Tensor((1, 8), dtype="float32") = R.add(norm1_multiply1, mlp_const)
            gv: R.Tuple(R.Tensor((1, 8), dtype="float32")) = (mlpish_add,)
            R.output(gv)
        return gv
"""
TIR = """\
@I.ir_module
class Module:
    @T.prim_func(private=True, s_tir=True)
    def fused_matmul2_add1(x: T.Buffer((T.int64(8),), "float32"), y_mlp: T.Buffer((T.int64(8),), "float32")):
        T.func_attr({"tirx.noalias": True})
        # with T.sblock("root"):
        lv = T.sblock_alloc_buffer((T.int64(8),))
        for ax0, ax1 in T.grid(T.int64(8), T.int64(1)):
            with T.sblock("T_<b>mlp</b>"):
                v_ax0, v_ax1 = T.axis.remap("SS", [ax0, ax1])
                T.reads(x[v_ax0])
                T.writes(y_mlp[v_ax0])
                with T.init():
                    y_mlp[v_ax0] = T.float32(0.0)
                y_mlp[v_ax0] = x[v_ax0] - lv[v_ax0]
        T.evaluate(0)

    @T.prim_func(private=True, s_tir=True)
    def lonely(z: T.Buffer((T.int64(8),), "float32")):
        z[0] = T.float32(0.0)

    @R.function
    def main(x: R.Tensor((8,), dtype="float32")) -> R.Tensor((8,), dtype="float32"):
        cls = Module
        with R.dataflow():
            lv = R.call_tir(cls.fused_matmul2_add1, (x,), out_ty=R.Tensor((8,), dtype="float32"))
            lv1 = R.call_tir(cls.fused_matmul2_add1, (lv,), out_ty=R.Tensor((8,), dtype="float32"))
            gv: R.Tensor((8,), dtype="float32") = lv1
            R.output(gv)
        return gv

# Metadata omitted.
"""
CALLS = (Call("fused_matmul2_add1", ("norm1", "qkv")), Call("fused_matmul2_add1", ("norm2",)))
MARKED = with_steps(TIR, CALLS)


@pytest.mark.parametrize(
    ("line", "steps", "operation"),
    [
        ("norm1_multiply: ", ("norm1",), True),
        ("norm1_multiply1: ", ("norm1",), True),  # which multiplies by a weight of another step
        ("mlp_const: ", ("mlp",), False),
        ("mlpish_add: ", (), True),
        ("gv: ", (), False),
        ("R.output(gv)", (), False),
        ("def main(", (), False),
    ],
)
def test_an_operation_of_relax_is_of_its_variable(line: str, steps: tuple[str, ...], operation: bool) -> None:
    assert of("relax", RELAX, line) == (steps, operation)


@pytest.mark.parametrize(
    ("line", "steps", "operation"),
    [
        ("def fused_matmul2_add1(", ("norm1", "qkv", "norm2"), False),
        ("for ax0, ax1", ("norm1", "qkv", "norm2"), False),
        ("T.reads(", ("norm1", "qkv", "norm2"), False),
        ("y_mlp[v_ax0] = T.float32", ("norm1", "qkv", "norm2"), True),
        ("y_mlp[v_ax0] = x", ("norm1", "qkv", "norm2"), True),
        ("T.evaluate(0)", ("norm1", "qkv", "norm2"), True),
        ("lv = R.call_tir", ("norm1", "qkv"), True),  # of two calls of one function, each has its own
        ("lv1 = R.call_tir", ("norm2",), True),
        ("z[0] = ", (), True),  # of a function that nobody calls
        ("gv: R.Tensor", (), False),
        ("class Module:", (), False),
        ("# Metadata omitted.", (), False),
    ],
)
def test_a_function_is_of_the_steps_that_are_told_above_it(line: str, steps: tuple[str, ...], operation: bool) -> None:
    assert of("tir", MARKED, line) == (steps, operation)
    assert of("tvm:012.after.FuseTIR", MARKED, line) == (steps, operation)


def test_comments_tell_and_add_nothing_else() -> None:
    assert (
        "    # steps: norm1, qkv, norm2\n    @T.prim_func(private=True, s_tir=True)\n    def fused_matmul2_add1("
        in MARKED
    )
    assert re.sub(r"^ +# steps?: .*\n|  # steps?: .*$", "", MARKED, flags=re.MULTILINE) == TIR.rstrip("\n")
    assert told("            lv = R.call_tir(cls.f, (x,))  # steps: norm1, qkv") == ("norm1", "qkv")
    assert told("    # step 3: nothing") == ()


def test_a_module_without_comments_is_of_the_steps_of_its_kernels() -> None:
    """As records of before have it."""
    assert set(lines("tir", TIR).steps) == {()}
    kernels = {"fused_matmul2_add1": ("norm1", "qkv", "norm2")}
    assert of("tir", TIR, "y_mlp[v_ax0] = x", kernels) == (("norm1", "qkv", "norm2"), True)
    assert of("tir", TIR, "lv1 = R.call_tir", kernels) == (("norm1", "qkv", "norm2"), True)
    assert of("tir", TIR, "z[0] = ", kernels) == ((), True)


def test_between_passes_a_function_is_of_the_steps_of_those_who_call_it() -> None:
    named = TIR.replace("lv = R.call_tir", "norm1_add = R.call_tir").replace("lv1 = R.call_tir", "mlp_add = R.call_tir")
    assert of("tvm:001.after.LegalizeOps", named, "y_mlp[v_ax0] = x") == (("norm1", "mlp"), True)


def test_a_call_that_another_function_makes_is_not_taken_for_it() -> None:
    """The calls are those of another program: nothing is told rather than something wrong."""
    marked = with_steps(TIR, (Call("lonely", ("mlp",)), *CALLS))
    assert told(next(line for line in marked.splitlines() if "lv = R.call_tir" in line)) == ()


# ---------------------------------------------------------------- machine code

KERNELS = {"matmul1": ("qkv",), "max": ("attention",), "fused_matmul1_add": ("proj",)}
LLVM = """\
%closure = type { ptr, ptr }
define dllexport i32 @__tvm_ffi_matmul1(ptr %args) #0 {
  %1 = call fastcc i32 @matmul1_compute_(ptr %args)
  call void @__tvm_set_raised_6(ptr %1)
  ret i32 %1
}
define internal fastcc i32 @matmul1_compute_(ptr %a) #3 !dbg !465 {
    #dbg_value(ptr %a, !467, !DIExpression(), !470)
  %1 = call i32 @launch(ptr @__tvm_parallel_lambda.76)
  ret i32 0
}
define private i32 @__tvm_parallel_lambda.76(i32 %task) #4 {
  %2 = fmul float %1, %1
  ret i32 0
}
define internal fastcc i32 @max_compute_(ptr %a) #3 {
  %3 = fadd float %1, %1
  call void @__tvm_set_raised_6(ptr %3)
  ret i32 0
}
define internal fastcc void @__tvm_set_raised_6(ptr %0) #1 {
  %4 = load ptr, ptr %0
  ret void
}
"""
ASSEMBLY = """\
\t.file\t"TVMMod"
\t.type\tmatmul1_compute_,@function
\t.type\t.L__tvm_parallel_lambda.76,@function
\t.type\tmax_compute_,@function
matmul1_compute_:
.Lfunc_begin0:
\t.loc\t1 0 0
\tleaq\t.L__tvm_parallel_lambda.76(%rip), %rdi
\tretq
.L__tvm_parallel_lambda.76:
\tvmulps\t%ymm0, %ymm1, %ymm2
.LBB0_7:
\tvmulps\t%ymm1, %ymm1, %ymm2
max_compute_:
\tvmaxps\t%ymm0, %ymm1, %ymm2
"""
SOURCES = {
    "cuda": """\
static inline __device__ half max(half a, half b) {
  return __hgt(a, b) ? a : b;
}
extern "C" __global__ void __launch_bounds__(128) matmul1_kernel(float* __restrict__ c);
extern "C" __global__ void __launch_bounds__(128) max_kernel(float* __restrict__ c) {
  __shared__ float tile[64];
  c[0] = tile[1];
  return;
}
extern "C" __global__ void __launch_bounds__(128) other_kernel(float* c) {
  c[0] = 1.0f;
}
""",
    "opencl": "__kernel void max_kernel(__global float* c) {\n  float tile[64];\n  c[0] = tile[1];\n}\n",
    "metal": "kernel void max_kernel(  device float* c [[ buffer(0) ]],\n  uint3 id\n) {\n  c[0] = tile[1];\n}\n",
    "webgpu": "@compute @workgroup_size(64, 1, 1)\nfn max_kernel(\n  @builtin(x) id : vec3<u32>\n) {\n  c[0i] = tile[1i];\n}\n",
}


@pytest.mark.parametrize(
    ("line", "steps"),
    [
        ("%1 = call fastcc", ("qkv",)),  # what checks the arguments
        ("@launch", ("qkv",)),
        ("%2 = fmul", ("qkv",)),  # a loop's body, which one function alone starts
        ("%3 = fadd", ("attention",)),
        ("%4 = load", ()),  # which functions of two steps call
    ],
)
def test_a_module_of_llvm_is_of_the_functions_that_its_functions_were(line: str, steps: tuple[str, ...]) -> None:
    assert of("llvm", LLVM, line, KERNELS) == (steps, True)


def test_what_frames_a_function_counts_as_nothing() -> None:
    assert of("llvm", LLVM, "#dbg_value", KERNELS) == (("qkv",), False)
    assert of("llvm", LLVM, "%closure", KERNELS) == ((), False)
    assert sum(lines("llvm", LLVM, KERNELS).operations) == 7
    assert [(row.split()[0], steps) for row, steps in counted("asm", ASSEMBLY, KERNELS)] == [
        ("leaq", ("qkv",)), ("vmulps", ("qkv",)), ("vmulps", ("qkv",)), ("vmaxps", ("attention",)),
    ]  # fmt: skip


def test_ptx_of_several_entries_is_of_each() -> None:
    ptx = ".version 8.0\n.visible .entry max_kernel(\n\t.param .u64 p\n)\n{\n\tmov.u32 %r1, 0;\n}\n.visible .entry lost_kernel(\n)\n{\n\tadd.f32 %f1;\n}\n"
    found = machine_module(ptx, Context(STEPS, KERNELS), lambda line: line.endswith(";"))
    assert [steps for steps, is_one in zip(found.steps, found.operations, strict=True) if is_one] == [
        ("attention",),
        (),
    ]
    assert found.steps[0] == ()


@pytest.mark.parametrize("dialect", SOURCES)
def test_a_kernel_s_source_is_of_its_function(dialect: str) -> None:
    assert of(dialect, SOURCES[dialect], "= tile[1", KERNELS) == (("attention",), True)
    assert set(lines(dialect, SOURCES[dialect]).steps) == {()}


def test_only_what_kernels_do_counts_in_a_source() -> None:
    cuda = SOURCES["cuda"]
    assert sum(lines("cuda", cuda, KERNELS).operations) == 2
    assert of("cuda", cuda, "c[0] = 1.0f;", KERNELS) == ((), True)
    assert of("cuda", cuda, "matmul1_kernel", KERNELS) == (("qkv",), False)


def test_a_trace_is_of_the_function_in_its_title() -> None:
    text = '# max, called 2 times: found for llvm on a "CPU"\nb0 = sch.get_sblock(name="mlp")\nsch.parallel(loop=l1)\n\n# other, called 1 times: x\nsch.fuse(l2)\n'
    assert of("traces", text, "b0 = ", KERNELS) == (("attention",), True)
    assert of("traces", text, "sch.fuse", KERNELS) == ((), True)


# ---------------------------------------------------------------- normalised


@pytest.mark.parametrize(
    ("dialect", "text", "numbers", "swap"),
    [
        ("relax", RELAX, [("norm1_multiply1", "norm1_multiply4")], ("R.add(norm1_multiply1, mlp_const)", "R.add(mlp_const, norm1_multiply1)")),
        ("tir", MARKED, [("matmul2_add1", "matmul5_add"), ("lv1", "lv7"), ("ax1", "ax3"), (r"  # steps?: .*", "")], ("x[v_ax0] - lv[v_ax0]", "lv[v_ax0] - x[v_ax0]")),
    ],
)  # fmt: skip
def test_a_program_with_other_numbers_is_the_same_and_one_with_other_operands_is_not(
    dialect: str, text: str, numbers: list[tuple[str, str]], swap: tuple[str, str]
) -> None:
    again = text
    for pattern, instead in numbers:
        again = re.sub(pattern, instead, again)
    assert again != text
    assert normalised(dialect, again) == normalised(dialect, text)
    assert swap[0] in text
    assert normalised(dialect, text.replace(*swap)) != normalised(dialect, text)
    assert len(rows(dialect, text)) == len(text.splitlines())


# ---------------------------------------------------------------- real blocks


@pytest.mark.parametrize(
    ("config", "phase", "ops_set"),  # every two of them together: a block takes seconds to build, and more to read
    [
        (TINY, Phase.PREFILL, "plain"), (TINY, Phase.DECODE, "native"),
        (TINY_GPT2, Phase.PREFILL, "native"), (TINY_GPT2, Phase.DECODE, "plain"),
    ],
    ids=lambda value: value.name if isinstance(value, Config) else str(value),
)  # fmt: skip
def test_nine_of_ten_operations_have_a_step_in_every_stage(config: Any, phase: Phase, ops_set: str) -> None:
    found = list(shares(captured("tvm_relax", case(config=config, phase=phase), ops_set)))
    assert {dialect for dialect, _ in found} == {"relax", "tir", "tir-scheduled", "llvm", "asm"}
    assert [(dialect, share) for dialect, share in found if share < 0.9] == []


@pytest.mark.parametrize("target", ["opencl", "webgpu"])
def test_a_gpu_s_kernels_have_their_steps(target: str) -> None:
    found = dict(shares(captured("tvm_relax", case(), "plain", target)))
    assert found[target] == 1.0

"""Lines of FX, of Inductor's scheduler and of its source: each with the step that it is of, and no other."""

from __future__ import annotations

import re
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from oneblock import workloads
from oneblock.backends.api.target import Target
from oneblock.compilers import Detail, Lowering
from oneblock.workloads._workload import Case, Phase
from oneblock.workloads.answers.arrays import make_inputs, make_weights
from oneblock.workloads.ops.dtypes import DTYPES
from tests.helpers import triton_here
from tests.helpers.cases import TINY, TINY_GPT2, case
from tests.helpers.lines import HOSTILE, Line, lines, share, shares

NORM1, MLP, NONE = ("norm1",), ("mlp",), ()

FX = """\
class GraphModule(torch.nn.Module):
    def forward(self, L_x_: "f32[2]", L_w_: "f32[2]"):
        l_x_ = L_x_
        # Annotation: {'step': 'norm1'} File: workloads/_ops.py:62 in rms_norm, code: scale = (w * w).mean(-1)
        mul: "f32[2]" = l_x_ * l_x_
        scale: "f32[2]" = mul + 1e-05;  mul = None

        # File: workloads/block.py:20 in program, code: x = x + y  # {'step': 'qkv'}
        both: "f32[2]" = l_x_ + scale

        # No stacktrace found for following nodes
        neg: "f32[2]" = torch.neg(scale)
        out: "f32[2]" = torch.neg(neg);  neg = None

        # Annotation: {'step': 'norm1'} File: workloads/ops/definitions.py:63 in rms_norm, code: sqrt
        sqrt: "f32[2]" = torch.sqrt(out)

        # Annotation: {'step': 'mlp'} File: workloads/ops/definitions.py:64 in mlp, code: exp
        exp: "f32[2]" = torch.exp(both)
        late: "f32[2]" = torch.exp(exp)  # step: proj
        return (sqrt, late)
"""


def test_an_fx_node_is_of_the_annotation_above_it() -> None:
    found = lines("fx", FX)
    assert found['mul: "f32[2]" = l_x_ * l_x_'] == Line(NORM1, True)
    assert found['scale: "f32[2]" = mul + 1e-05;  mul = None'] == Line(NORM1, True)
    assert found['exp: "f32[2]" = torch.exp(both)'] == Line(MLP, True)
    assert found['late: "f32[2]" = torch.exp(exp)  # step: proj'] == Line(("proj",), True)


def test_a_remark_that_names_no_step_leaves_the_annotation() -> None:
    found = lines("fx", FX.replace("l_x_ * l_x_", "l_x_ * l_x_  # noqa"))
    assert found['mul: "f32[2]" = l_x_ * l_x_  # noqa'] == Line(NORM1, True)


def test_what_stands_between_operations_of_one_step_is_of_it_and_what_joins_two_is_of_none() -> None:
    found = lines("fx", FX)
    assert found['out: "f32[2]" = torch.neg(neg);  neg = None'] == Line(NORM1, True)
    assert found['both: "f32[2]" = l_x_ + scale'] == Line(NONE, True), "a comment in the source is no annotation"
    joined = FX.replace("torch.neg(scale)", "torch.neg(exp_)").replace("l_x_ * l_x_", "exp_ + l_x_")
    assert lines("fx", joined)['neg: "f32[2]" = torch.neg(exp_)'] == Line(NONE, True), (
        "nothing comes to it that has one"
    )


def test_arguments_signatures_and_returns_of_fx_are_no_operations() -> None:
    found = lines("fx", FX)
    for line in ("class GraphModule(torch.nn.Module):", "l_x_ = L_x_", "return (sqrt, late)"):
        assert found[line] == Line(NONE, False)
    assert share("fx", FX) == 7 / 8


def test_a_step_that_the_block_has_not_is_none() -> None:
    assert lines("fx", FX.replace("'mlp'", "'warmup'"))['exp: "f32[2]" = torch.exp(both)'] == Line(NONE, True)
    assert lines("fx", FX.replace("'mlp'", f"'{HOSTILE}'"))['exp: "f32[2]" = torch.exp(both)'] == Line(NONE, True)


def test_fx_of_a_pytorch_without_annotations_is_read_and_has_no_steps() -> None:
    bare = "\n".join(line for line in FX.replace("  # step: proj", "").splitlines() if "Annotation" not in line)
    assert share("fx", bare) == 0
    assert share("fx", "") is None


def test_a_listing_of_aten_has_its_steps_in_comments() -> None:
    text = "%x : float32[2]\n%0 : float32[2] = aten.neg.default(%x)  # norm1\n%1 : f32[2] = aten.neg.default(%0)  # -\n"
    first, *others = lines("aten", text).values()
    assert first == Line(NONE, False)
    assert others == [Line(NORM1, True), Line(NONE, True)]


# ---------------------------------------------------------------- Inductor

CPU = """\
import torch

# step: qkv+rope
cpp_fused_mul_0 = async_compile.cpp_pybinding(['const float*', 'float*'], r'''
#include <torch/csrc/inductor/cpp_prefix.h>
extern "C"  void  kernel(const float* in_ptr0,
                       float* out_ptr0)
{
    std::atomic<int> inductor_cpu_integer_div_error{0};
    // step: qkv
    #pragma omp parallel
    {
        int tid = omp_get_thread_num();
        for(int64_t x0=static_cast<int64_t>(0L); x0<static_cast<int64_t>(2L); x0+=static_cast<int64_t>(1L))
        {
            float tmp_acc0 = 0;
            auto tmp0 = in_ptr0[x0];
        }
    }
    // step: rope
    {
        auto tmp1 = in_ptr0[1];
        out_ptr0[x0] = tmp1;
    }
    inductor_cpu_integer_div_error_flag = nullptr;
}
''')


async_compile.wait(globals())

class Runner:
    def call(self, args):
        arg0_1, = args
        assert_size_stride(arg0_1, (2, ), (1, ), 'input')
        buf0 = empty_strided_cpu((2, ), (1, ), torch.float32)
        # step: qkv+rope
        cpp_fused_mul_0(arg0_1, buf0)
        # Topologically Sorted Source Nodes: [y], Original ATen: [aten.mm]
        # step: mlp
        extern_kernels.mm(buf0, arg0_1, out=buf1)
        del arg0_1
        # step: none
        buf2 = torch.ops.aten.relu.default(buf1)
        extern_kernels.bmm(buf2, buf1, out=buf3)
        return (buf3, )
"""
GPU = """\
# Topologically Sorted Source Nodes: [w], Original ATen: [aten.mul]
triton_poi_fused_mul_0 = async_compile.triton('triton_poi_fused_mul_0', '''
import triton
@triton_heuristics.pointwise(
    size_hints={'x': 64},
)
@triton.jit
def triton_poi_fused_mul_0(in_ptr0, xnumel, XBLOCK : tl.constexpr):
    xnumel = 2112
    tmp0 = tl.load(in_ptr0 + (x0), xmask)
    tl.store(in_ptr0 + (x0), tmp0, xmask)
''', device_str='cuda')

def call(args):
    with torch.cuda._DeviceGuard(0):
        raw_stream0 = get_raw_stream(0)
        triton_poi_fused_mul_0.run(buf0, 2112, stream=raw_stream0)
"""


def test_a_loop_nest_of_a_cpu_kernel_is_of_its_own_step() -> None:
    found = lines("inductor", CPU)
    assert found["auto tmp0 = in_ptr0[x0];"] == Line(("qkv",), True)
    assert found["auto tmp1 = in_ptr0[1];"] == Line(("rope",), True)
    assert found["out_ptr0[x0] = tmp1;"] == Line(("rope",), True)
    assert found['extern "C"  void  kernel(const float* in_ptr0,'] == Line(("qkv", "rope"), False)


def test_a_kernel_that_another_step_calls_too_is_of_both_throughout() -> None:
    """Inductor writes equal kernels once, with the comments of the first."""
    again = CPU.replace(
        "        return (", "        # step: norm2\n        cpp_fused_mul_0(buf3, buf4)\n        return ("
    )
    found = lines("inductor", again)
    assert found["auto tmp0 = in_ptr0[x0];"] == Line(("qkv", "rope", "norm2"), True)
    assert found["cpp_fused_mul_0(arg0_1, buf0)"] == Line(("qkv", "rope"), True)
    assert found["cpp_fused_mul_0(buf3, buf4)"] == Line(("norm2",), True)


def test_a_call_of_a_library_is_of_the_comment_above_it_and_of_no_earlier_one() -> None:
    found = lines("inductor", CPU)
    assert found["extern_kernels.mm(buf0, arg0_1, out=buf1)"] == Line(MLP, True)
    assert found["buf2 = torch.ops.aten.relu.default(buf1)"] == Line(NONE, True)
    assert found["extern_kernels.bmm(buf2, buf1, out=buf3)"] == Line(NONE, True)


@pytest.mark.parametrize(
    "line",
    ["import torch", "#pragma omp parallel", "int tid = omp_get_thread_num();", "float tmp_acc0 = 0;", "arg0_1, = args",
     "buf0 = empty_strided_cpu((2, ), (1, ), torch.float32)", "del arg0_1", "return (buf3, )",
     "inductor_cpu_integer_div_error_flag = nullptr;"],
)  # fmt: skip
def test_what_neither_computes_nor_moves_is_no_operation(line: str) -> None:
    assert not lines("inductor", CPU)[line].operation


def test_a_triton_kernel_of_an_older_record_is_of_the_steps_that_its_facts_tell() -> None:
    found = lines("inductor", GPU, {"triton_poi_fused_mul_0": ("rope", "attention")})
    both = ("rope", "attention")
    assert found["tmp0 = tl.load(in_ptr0 + (x0), xmask)"] == Line(both, True)
    assert found["triton_poi_fused_mul_0.run(buf0, 2112, stream=raw_stream0)"] == Line(both, True)
    for line in ("xnumel = 2112", "size_hints={'x': 64},", "raw_stream0 = get_raw_stream(0)"):
        assert not found[line].operation
    assert share("inductor", GPU) == 0, "and without facts of none"
    assert lines("inductor", GPU, {"triton_poi_fused_mul_0": ("warmup",)})["tl.store(in_ptr0 + (x0), tmp0, xmask)"] == (
        Line(NONE, True)
    )


def test_a_hostile_name_is_only_a_name() -> None:
    assert share("inductor", CPU.replace("# step: mlp", f"# step: {HOSTILE}")) == 4 / 7, "of 5 that have one"
    assert lines("inductor", HOSTILE) == {HOSTILE: Line(NONE, False)}


def test_a_scheduled_node_is_of_the_comment_above_its_block() -> None:
    text = """\
# step: qkv+rope
op0_op1: FusedSchedulerNode(SchedulerNode,SchedulerNode)
op0: SchedulerNode(ComputedBuffer)
op0.writes = [MemoryDep('buf0', d0, {d0: 33})]
class op0_loop_body:
    def body(self, ops):
        get_index = self.get_index('index0')
        load = ops.load('arg0_1', get_index)
        return None

# step: none
op2: ExternKernelSchedulerNode(ExternKernelOut)
"""
    found = lines("scheduler-fused", text)
    assert found["load = ops.load('arg0_1', get_index)"] == Line(("qkv", "rope"), True)
    assert found["op0: SchedulerNode(ComputedBuffer)"] == Line(("qkv", "rope"), True)
    assert found["op2: ExternKernelSchedulerNode(ExternKernelOut)"] == Line(NONE, True)
    for line in ("op0_op1: FusedSchedulerNode(SchedulerNode,SchedulerNode)", "get_index = self.get_index('index0')"):
        assert not found[line].operation


# ---------------------------------------------------------------- as PyTorch writes it here


def captured(backend: Any, ops_set: str, target: str, c: Case) -> Lowering:
    workload = workloads.load(c.workload)
    arrays: dict[str, np.ndarray]
    if target == "cpu":
        arrays = {**make_weights(workload, c, "float32", 0), **make_inputs(workload, c, "float32", 1)}
    else:
        arrays = {name: np.empty(spec.shape, DTYPES["bfloat16"]) for name, spec in workload.specs(c).items()}
    compiled = backend.compile(workload, c, arrays, ops_set, Target.parse(target))
    lowering: Lowering = compiled.capture(Detail.DEFAULT)
    return lowering


@pytest.mark.parametrize(
    ("ops_set", "c"),
    [("plain", case(config=TINY)), ("native", case(config=TINY_GPT2, phase=Phase.DECODE))],
    ids=["plain-tiny-prefill", "native-gpt2-decode"],
)
@pytest.mark.slow
def test_inductor_on_the_cpu_tells_the_step_of_each_operation(
    ops_set: str, c: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))  # what an older oneblock left there says no steps
    lowering = captured(triton_here.load("torch_inductor"), ops_set, "cpu", c)
    found = shares(lowering)
    assert found.keys() == {"fx", "inductor"}
    assert min(found.values()) >= 0.9, found
    assert not any(str(Path(__file__).parents[3]) in artifact.text for artifact in lowering.artifacts)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "target"), [("torch_inductor", "cpu"), ("inductor_gpu", "cuda:sm_90")])
def test_telling_the_steps_changes_nothing_else(
    name: str, target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The source without the comments is what Inductor writes where nobody asks for them."""
    backend = triton_here.load(name)
    texts = []
    for number, way in enumerate((None, nullcontext)):
        monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / str(number)))
        if way is not None:
            monkeypatch.setattr("oneblock.compilers.inductor.steps.written", way)
        lowering = captured(backend, "plain", target, case("attention", n=29))
        texts.append(next(artifact.text for artifact in lowering.artifacts if artifact.dialect == "inductor"))
    said, silent = (re.sub(r"^# AOT ID: .*", "", text) for text in texts)
    comments = re.compile(r"^ *(?:#|//) step: .*\n", re.MULTILINE)
    assert len(comments.findall(said)) > 5
    assert "nest" not in said
    assert not comments.findall(silent)
    assert comments.sub("", said) == silent


@pytest.mark.parametrize(
    ("ops_set", "c"),
    [("plain", case(config=TINY)), ("native", case(config=TINY_GPT2)), ("kernels", case(phase=Phase.DECODE))],
    ids=["plain", "native-gpt2", "kernels-decode"],
)
def test_inductor_for_a_gpu_tells_the_step_of_each_operation(ops_set: str, c: Case) -> None:
    found = shares(captured(triton_here.load("inductor_gpu"), ops_set, "cuda:sm_90", c))
    wanted = {"fx", "fx-after", "scheduler", "scheduler-fused", "inductor", "launches", "ttir", "ttgir", "llir", "ptx"}
    assert wanted <= found.keys()
    assert min(found.values()) >= 0.9, found

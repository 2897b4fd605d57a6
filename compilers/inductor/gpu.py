"""Inductor's code for a GPU that is not here: from the program to the Triton source, as `torch.compile` has it there.

`torch.export` takes the program on arrays without data, its devices are rewritten to the GPU's, and then Inductor's
own `compile_fx` runs whole, until it would load the module that it wrote. Two things differ from a device that is
here, for they are timed there: no product is padded, and a GEMM template's configuration is picked by the caller.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import torch

from oneblock.compilers.api.traffic import Transfer
from oneblock.compilers.chips.chip import Gpu
from oneblock.compilers.inductor import sdpa_on_gpu
from oneblock.compilers.inductor import steps as inductor_steps
from oneblock.compilers.inductor import traffic as inductor_traffic
from oneblock.compilers.inductor.exported import Program, exported
from oneblock.compilers.inductor.gemm_templates import Pick
from oneblock.compilers.inductor.pretended_gpu import DEVICE, pretended

_generated: list[str] = []
_HOME = f"{Path(__file__).parent.parent.parent}/"  # the texts quote our source by its path
_OF_THIS_RUN = re.compile(r"^# (kernel path|AOT ID): .*\n", re.MULTILINE)


@dataclass(frozen=True)
class Launch:
    """One thing that the wrapper starts: a Triton kernel of Inductor's, or an operation of a library's."""

    name: str  # "triton_poi_fused_mul_0", "aten.mm.out"
    step: str | None  # several are joined by "+", in the program's order
    of_library: bool  # not compiled by Inductor


@dataclass
class GeneratedProgram:
    """What Inductor made of a program."""

    gpu: Gpu
    inputs: tuple[str, ...]  # the names of the arrays, in the wrapper's order
    outputs: tuple[str, ...]
    fx: str = ""  # before autograd: as exported
    fx_after: str = ""  # decomposed, and after every pass over the graph
    scheduled: str = ""  # before fusion
    fused: str = ""
    wrapper: str = ""
    launches: list[Launch] = field(default_factory=list)
    moved: list[Transfer] = field(default_factory=list)


def generations() -> int:
    """How many programs were generated in this process."""
    return len(_generated)


def generate(
    program: Program, args: Mapping[str, torch.Tensor], gpu: Gpu, templates: Pick | None = None
) -> GeneratedProgram:
    """Lower a program of tensors (...) by name for a GPU, perhaps on "meta". NotImplementedError: not for this GPU.

    With `templates`, which picks one of a template's configurations, products are Triton's and not a library's.
    """
    from torch._subclasses.fake_tensor import FakeTensorMode

    _must_do(gpu, args, templates)
    taken, outputs = exported(program, args)
    graph = taken.module(check_guards=False)
    _onto_device(graph)
    found = GeneratedProgram(gpu, tuple(args), outputs, fx=_readable(graph))
    with pretended(gpu), FakeTensorMode():
        arrays = [torch.empty(a.shape, dtype=a.dtype, device=DEVICE) for a in args.values()]
    with (
        pretended(gpu), sdpa_on_gpu.decided(gpu), _caught(found), inductor_steps.written(), _settings(templates),
        inductor_traffic.noted(found.moved), torch.no_grad(),
    ):  # fmt: skip
        from torch._inductor.compile_fx import compile_fx

        compile_fx(graph, arrays)
    _generated.append(gpu.name)
    return found


def _must_do(gpu: Gpu, args: Mapping[str, torch.Tensor], templates: Pick | None) -> None:
    """Refuse before anything is traced what Inductor would refuse, or do otherwise, later."""
    with pretended(gpu):
        from torch._inductor.utils import is_big_gpu

        if templates is not None and not is_big_gpu():
            raise NotImplementedError(
                f"Inductor takes its GEMM templates on larger GPUs alone: {gpu.name} has {gpu.sms.value} "
                "multiprocessors; ask for the plain or native ops, or for a larger GPU, e.g. cuda:sm_90"
            )
    if gpu.capability < (8, 0) and any(a.dtype == torch.bfloat16 for a in args.values()):
        raise NotImplementedError(
            f"{gpu.name} has no bfloat16, and Inductor compiles none for it; "
            "expected float16 or float32, or a GPU from cuda:sm_80 on"
        )


def _onto_device(graph: torch.fx.GraphModule) -> None:
    """Let a graph that was traced on the CPU make arrays of the GPU, and expect them."""
    for node in list(graph.graph.nodes):
        if node.target is torch.ops.aten._assert_tensor_metadata.default:
            graph.graph.erase_node(node)
        elif "device" in node.kwargs:
            node.update_kwarg("device", DEVICE)
    graph.recompile()


def _readable(graph: torch.fx.GraphModule) -> str:
    text: str = graph.print_readable(print_output=False)
    return text.replace(_HOME, "")


@contextmanager
def _settings(templates: Pick | None) -> Iterator[None]:
    from torch._inductor import config, select_algorithm

    settings: dict[str, Any] = {
        "force_disable_caches": True,  # a cached answer leaves no stages
        "compile_threads": 1,
        "shape_padding": False,  # decided by timing both
        "triton.cudagraphs": False,
    }
    functions = (cache := select_algorithm.get_algorithm_selector_cache()).preprocessing_fns
    if templates is not None:
        settings |= {"max_autotune_gemm": True, "max_autotune_gemm_backends": "TRITON"}
        functions = [*functions, templates]  # of one choice that is left nothing is timed
    with config.patch(settings), patch.object(cache, "preprocessing_fns", functions):
        yield


@contextmanager
def _caught(found: GeneratedProgram) -> Iterator[None]:
    """Note down what Inductor makes on its way, and stop where it would load the module that it wrote."""
    from torch._inductor import graph, ir, scheduler
    from torch._inductor.codegen.triton import TritonScheduling

    define, extern = TritonScheduling.define_kernel, scheduler.Scheduler.codegen_extern_call
    fuse = scheduler.Scheduler.fuse_nodes

    def define_kernel(self: Any, source: str, nodes: Any, kernel: Any) -> str:
        name: str = define(self, source, nodes, kernel)
        found.launches.append(Launch(name, inductor_steps.steps(nodes), of_library=False))
        return name

    def codegen_extern_call(self: Any, node: Any) -> None:
        if not isinstance(node.node, ir.MultiOutput):  # which only names one of several answers
            found.launches.append(Launch(_operation(node.node), inductor_steps.steps([node]), of_library=True))
        extern(self, node)

    def fuse_nodes(self: Any, nodes: Any) -> Any:
        found.scheduled = _text(nodes)
        return fuse(self, nodes)

    def load(self: Any) -> Any:
        found.fx_after = _readable(self.orig_gm)
        code, _ = self.codegen()
        found.fused = _text(self.scheduler.nodes)
        found.wrapper = _OF_THIS_RUN.sub("", code.value).replace(_HOME, "")
        return SimpleNamespace(call=_never, __file__=None)

    with ExitStack() as stack:
        stack.enter_context(patch.object(ir.IRNode, "get_stack_traces", lambda self: ()))  # our frames, by their paths
        stack.enter_context(patch.object(TritonScheduling, "define_kernel", define_kernel))
        stack.enter_context(patch.object(scheduler.Scheduler, "codegen_extern_call", codegen_extern_call))
        stack.enter_context(patch.object(scheduler.Scheduler, "fuse_nodes", fuse_nodes))
        stack.enter_context(patch.object(graph.GraphLowering, "_compile_to_module", load))
        yield


def _never(*args: Any) -> None:
    """In the place of the module's own: what Inductor wraps, where inputs are written, has to be there."""
    raise AssertionError("the program was written for a GPU that is not here")


def _text(nodes: Sequence[Any]) -> str:
    texts = (f"# step: {inductor_steps.steps([node]) or 'none'}\n{node.debug_str()}\n" for node in nodes)
    return "\n".join(texts).replace(_HOME, "")


def _operation(node: Any) -> str:
    return str(getattr(node, "op_overload", None) or getattr(node, "python_kernel_name", None) or type(node).__name__)

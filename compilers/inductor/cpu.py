"""TorchInductor: the FX graph that Dynamo traced, the source that Inductor wrote, and a count of both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch._dynamo.utils import counters

from oneblock.compilers.api.stages import Artifact, Capture, Detail, Lowering, Stage
from oneblock.compilers.api.traffic import Transfer
from oneblock.compilers.inductor import steps as inductor_steps
from oneblock.compilers.inductor import traffic as inductor_traffic

_HOME = f"{Path(__file__).parent.parent.parent}/"  # the texts quote our source by its path


def compilations() -> int:
    """How many graphs Dynamo has traced and compiled in this process."""
    return int(counters["stats"]["unique_graphs"])


def compile_and_capture(
    function: Callable[..., Any], *args: Any, reuse: bool = False
) -> tuple[Callable[..., Any], Capture]:
    """Compile for the very shapes of `args`, by a first call; a graph break is an error, not a slower program.

    By `reuse` what several loops read is computed once and kept: Inductor repeats what is cheap in each of them, which
    is not where every row of a product does.
    """
    from torch._inductor.compile_fx import compile_fx  # a second of imports that a probe can do without
    from torch._inductor.utils import run_and_get_code

    graphs: list[str] = []
    inputs: list[str] = []
    moved: list[Transfer] = []

    def inductor(graph: torch.fx.GraphModule, example_inputs: Sequence[Any]) -> Any:
        graphs.append(graph.print_readable(print_output=False).replace(_HOME, ""))
        inputs.extend(inductor_traffic.placed(one.name) for one in graph.graph.nodes if one.op == "placeholder")
        with inductor_steps.written(), inductor_traffic.noted(moved):
            return compile_fx(graph, example_inputs, config_patches={"realize_reads_threshold": 1} if reuse else None)

    compiled = torch.compile(function, backend=inductor, fullgraph=True, dynamic=False)
    _, sources = run_and_get_code(compiled, *args)

    def capture(detail: Detail) -> Lowering:
        fx = [Artifact(Stage.GRAPH, "fx", text) for text in graphs]
        stages = (*fx, *(Artifact(Stage.KERNEL, "inductor", text) for text in sources))
        return Lowering(stages, inductor_traffic.facts(moved, inputs))

    return compiled, capture

"""The step of each thing that Inductor writes: read off its scheduler's nodes, and written as a comment into its text.

Inductor says itself from which operations a kernel for a GPU and a call of a library come, and nothing of a kernel for
the CPU; of none it says the step. A cached answer of Inductor's holds the comments that were in it when it was written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

# A loop nest of a kernel for the CPU, until its kernel is known to be a new one: kernels are the same by their texts.
_NEST = re.compile(r"^ *// nest (\d+)\n", re.MULTILINE)


def steps(nodes: Sequence[Any]) -> str | None:
    """The steps of the operations from which scheduled nodes come, joined by "+" in the program's order."""
    origins = {origin for node in nodes for origin in _origins(node)}
    order = [node for node in next(iter(origins)).graph.nodes if node in origins] if origins else []
    return "+".join(dict.fromkeys(filter(None, map(_step, order)))) or None


@contextmanager
def written() -> Iterator[None]:
    """Let Inductor write `# step: rope+attention` above each kernel, each call of one, and each call of a library.

    In a kernel for the CPU that has loop nests of different steps, the step stands above each nest, too.
    """
    from torch._inductor import ir, scheduler
    from torch._inductor.codegen.cpp import CppScheduling, KernelGroup
    from torch._inductor.codegen.triton import TritonScheduling
    from torch._inductor.codegen.wrapper import PythonWrapperCodegen as Wrapper

    told = _StepCarrier()
    with ExitStack() as stack:
        for owner, name, wrapped in (
            (KernelGroup, "finalize_kernel", told.nest),
            (CppScheduling, "define_kernel", told.kernel),
            (TritonScheduling, "define_kernel", told.kernel),
            (Wrapper, "define_kernel", told.definition),
            (Wrapper, "generate_kernel_call", told.call),
            (scheduler.Scheduler, "codegen_extern_call", told.outside),
            (ir.ExternKernel, "codegen_comment", told.outside_call),
        ):
            stack.enter_context(patch.object(owner, name, wrapped(getattr(owner, name))))
        yield


class _StepCarrier:
    """Carries a node's step from Inductor's scheduler to its code writers; each method here wraps one of its."""

    def __init__(self) -> None:
        self.now: str | None = None  # of what is being written
        self.of: dict[str, str | None] = {}  # by kernel, of the call that follows its definition
        self.nests: list[str | None] = []  # of the kernel that is being written

    def nest(self, finalize: Callable[..., None]) -> Callable[..., None]:
        def finalize_kernel(group: Any, kernel: Any, nodes: Any) -> None:
            group.loops_code.writeline(f"// nest {len(self.nests)}")
            self.nests.append(steps(nodes))
            finalize(group, kernel, nodes)

        return finalize_kernel

    def kernel(self, define: Callable[..., str]) -> Callable[..., str]:
        def define_kernel(scheduling: Any, source: str, nodes: Any, *args: Any, **kwargs: Any) -> str:
            self.now = steps(nodes)
            name = define(scheduling, source, nodes, *args, **kwargs)
            self.of[name] = self.now
            self.nests.clear()
            return name

        return define_kernel

    def definition(self, define: Callable[..., None]) -> Callable[..., None]:
        def define_kernel(wrapper: Any, name: str, body: str, metadata: str | None = None, **kwargs: Any) -> None:
            said = [metadata] if metadata else []
            body = _NEST.sub(self._above, body)
            define(wrapper, name, body, metadata="\n".join([*said, _comment(wrapper, self.now)]), **kwargs)

        return define_kernel

    def _above(self, nest: re.Match[str]) -> str:
        """What stands above a loop nest: nothing where all of the kernel's are of the same steps."""
        if len(set(self.nests)) < 2:
            return ""
        return nest[0].replace(f"nest {nest[1]}", f"step: {self.nests[int(nest[1])] or 'none'}")

    def call(self, generate: Callable[..., None]) -> Callable[..., None]:
        def generate_kernel_call(wrapper: Any, name: str, *args: Any, **kwargs: Any) -> None:
            if name in self.of:
                wrapper.writeline(_comment(wrapper, self.of[name]))
            generate(wrapper, name, *args, **kwargs)

        return generate_kernel_call

    def outside(self, codegen: Callable[..., None]) -> Callable[..., None]:
        def codegen_extern_call(scheduler: Any, node: Any) -> None:
            self.now = steps([node])
            codegen(scheduler, node)

        return codegen_extern_call

    def outside_call(self, comment: Callable[..., None]) -> Callable[..., None]:
        def codegen_comment(node: Any, wrapper: Any, *args: Any, **kwargs: Any) -> None:
            comment(node, wrapper, *args, **kwargs)
            wrapper.make_comment(_comment(wrapper, self.now))

        return codegen_comment


def _comment(wrapper: Any, found: str | None) -> str:
    return f"{wrapper.comment} step: {found or 'none'}"


def _step(node: Any) -> str | None:
    found: str | None = node.meta.get("custom", {}).get("step")
    return found


def _origins(node: Any) -> set[Any]:
    """The operations of the graph that a scheduled node carries out."""
    if not hasattr(node, "get_nodes"):
        return set()  # a marker among the nodes of a kernel: where a reduction's loop ends
    found: set[Any] = set()
    for one in node.get_nodes():
        origins = set() if one.node is None else set(one.node.get_origins())
        if one.is_extern() or one.is_template():  # views of what it reads are another step's
            origin = one.node.get_origin_node()
            fallback = [
                candidate for candidate in origins if candidate.target is getattr(one.node, "op_overload", None)
            ]
            own = {candidate for candidate in (origin, *fallback) if candidate is not None and _step(candidate)}
            origins = own or origins
        found |= origins
    return found

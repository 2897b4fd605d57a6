"""The steps of a fused module's functions, written into its text as comments, which its dialect reads again.

FuseTIR leaves functions that are named after operators: "fused_matmul5_add4". So what each call computes is told beside
it, and what a function is called for is told above it.
"""

from __future__ import annotations

from collections.abc import Sequence

from oneblock.compilers.dialects.tir import CALLEE, DEFINITION
from oneblock.compilers.tvm.calls import Call


def with_steps(text: str, calls: Sequence[Call]) -> str:
    """A module whose "main" makes these calls: each with its steps behind it, each function below a line of them."""
    of: dict[str, dict[str, None]] = {}
    for call in calls:
        of.setdefault(call.function, {}).update(dict.fromkeys(call.steps))
    waiting = [call for call in calls if call.function in of]
    lines: list[str] = []
    inside = ""
    for line in text.splitlines():
        name = DEFINITION.match(line)
        if name:
            inside = name[1]
            if of.get(inside) and lines and lines[-1].lstrip().startswith("@"):
                lines.insert(len(lines) - 1, f"    {_comment(tuple(of[inside]))}")
        callee = CALLEE.search(line) if inside == "main" else None
        if callee and waiting and waiting[0].function == callee[1]:
            steps = waiting.pop(0).steps
            line = f"{line}  {_comment(steps)}" if steps else line
        lines.append(line)
    return "\n".join(lines)


def _comment(steps: tuple[str, ...]) -> str:
    return f"# step{'s' if len(steps) > 1 else ''}: {', '.join(steps)}"

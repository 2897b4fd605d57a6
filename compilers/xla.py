"""XLA through JAX: jaxpr, StableHLO and optimised HLO, and a count of what was compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

from oneblock.compilers._artifact import Artifact, Stage

_COMPILE_EVENT = "/jax/core/compile/backend_compile_duration"
_seen: list[str] = []


def _count(event: str, duration_s: float, **_: Any) -> None:
    if event == _COMPILE_EVENT:
        _seen.append(event)


jax.monitoring.register_event_duration_secs_listener(_count)


def compilations() -> int:
    """How many programs XLA has compiled in this process since this module was loaded."""
    return len(_seen)


def compile_and_capture(
    function: Callable[..., Any], *specs: Any
) -> tuple[jax.stages.Compiled, Callable[[], tuple[Artifact, ...]]]:
    """Compile for the shapes and devices of `specs` (ShapeDtypeStructs); the texts are made when they are asked for."""
    traced = jax.jit(function).trace(*specs)
    lowered = traced.lower()
    compiled = lowered.compile()

    def capture() -> tuple[Artifact, ...]:
        return (
            Artifact(Stage.GRAPH, "jaxpr", str(traced.jaxpr)),
            Artifact(Stage.LOWERED, "stablehlo", lowered.as_text(debug_info=True)),
            Artifact(Stage.OPTIMIZED, "hlo", compiled.as_text() or ""),
        )

    return compiled, capture

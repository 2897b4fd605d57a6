"""PyTorch/XLA: a program recorded with lazy tensors, compiled once by its own XLA:CPU, and its StableHLO for others.

Frozen upstream: 2.9.0 of November 2025 is its last release, tied to torch 2.9. It cannot reach a TPU's compiler without
a TPU; its StableHLO can, read and compiled by JAX's libraries, which are installed beside it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jaxlib.mlir import ir
from jaxlib.mlir.dialects import stablehlo

from oneblock.compilers.api.stages import Artifact, Stage
from oneblock.compilers.xla.tpu_env import while_loading

# By the second names of scopes, which are our steps, are in the metadata of HLO.
with while_loading(PJRT_DEVICE="CPU", XLA_HLO_DEBUG="1"):
    import torch
    import torch_xla
    from torch_xla import _XLAC
    from torch_xla.core import xla_builder
    from torch_xla.core.xla_model import wait_device_ops
    from torch_xla.debug import metrics

    DEVICE = torch_xla.device()  # makes the client, and so reads the environment
    # Where it is not said, a TPU multiplies float32 in bfloat16: that is not float32.
    _XLAC._xla_set_mat_mul_precision("highest")

_ROOT = re.escape(str(Path(__file__).parent.parent.parent))


def compilations() -> int:
    """How many programs its XLA has compiled in this process so far."""
    data = metrics.metric_data("CompileTime")
    return 0 if data is None else int(data[0])


@contextmanager
def scope(name: str) -> Iterator[None]:
    """Name what is recorded inside it."""
    pushed = _XLAC.profiler.scope_pusher(name)
    yield
    del pushed  # which ends it


def wait() -> None:
    """Block until everything that was started on the device is done, copies and cached programs among it."""
    wait_device_ops()


def placeholder(shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    """An argument (...) of that shape without data, to record a program with."""
    x: torch.Tensor = xla_builder.create_placeholder_tensor(shape, dtype)
    return x


class LazyProgram:
    """A program recorded once: a graph of lazy operations from named tensors to named tensors."""

    def __init__(self, program: Callable[[Any], Mapping[str, torch.Tensor]], args: Mapping[str, torch.Tensor]) -> None:
        with torch.no_grad():  # not inference mode: lazy tensors have no version counters there
            out = program(args)
        self.names, self.outs = list(out), list(out.values())
        names = {_XLAC._xla_get_tensor_id(x): name for name, x in args.items()}
        ids, values = _XLAC._get_tensors_xla_device_data_node(self.outs)
        # The graph's parameters in their order: an argument by its name, or a constant that PyTorch/XLA keeps as data.
        self.parameters = [names.get(i, value) for i, value in zip(ids, values, strict=True)]

    def compile(self) -> Callable[[Mapping[str, torch.Tensor]], dict[str, torch.Tensor]]:
        """The program compiled: arguments (...) by name -> outputs (...); it starts a run, and compiles nothing."""
        key = _XLAC._get_graph_hash(self.outs)
        _XLAC._xla_warm_up_cache(self.outs, [])

        def run(args: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
            given = [args[p] if isinstance(p, str) else p for p in self.parameters]
            return dict(zip(self.names, _XLAC._run_cached_graph(key, given), strict=True))

        return run

    def artifacts(self, steps: Sequence[str]) -> tuple[Artifact, ...]:
        """The recorded graph, the HLO it becomes, and the StableHLO that is made of that."""
        graph, hlo = _XLAC._get_xla_tensors_text(self.outs), _XLAC._get_xla_tensors_hlo(self.outs)
        return (
            Artifact(Stage.GRAPH, "lazy-ir", _plain(graph, steps)),
            Artifact(Stage.LOWERED, "hlo-before", _plain(hlo, steps)),
            Artifact(Stage.LOWERED, "stablehlo", _plain(self._stablehlo(), steps)),
        )

    def _stablehlo(self) -> str:
        """Its StableHLO as text that can be read back, with the names of scopes as its locations.

        PyTorch/XLA's own text of it has either no locations or unreadable ones, so its bytecode is read with jaxlib.
        """
        portable = _XLAC._get_stablehlo(self.outs, str(DEVICE), [], True)
        with ir.Context() as context:
            stablehlo.register_dialect(context)
            text = stablehlo.deserialize_portable_artifact(context, portable).operation.get_asm(enable_debug_info=True)
            named = re.sub(r'^(#loc\d* = loc\("[^"]+")\(#loc\d*\)\)$', r"\1)", text, flags=re.MULTILINE)
            return str(ir.Module.parse(named).operation.get_asm(enable_debug_info=True))


def _plain(text: str, steps: Sequence[str]) -> str:
    """The same text wherever oneblock is installed, and however often a step was named before ("attention.12")."""
    text = re.sub(rf"\b({'|'.join(steps)})\.\d+\b", r"\1", text)
    return re.sub(rf'(source_file=")(?:{_ROOT}|[^"]*/(?:site-packages|bin))/', r"\1", text)

"""TorchTPU: a program recorded from tensors without data, on a machine without a TPU, and its StableHLO for JAX's XLA.

It is Google's package torch-tpu. What runs and compiles there needs a TPU; its lowering does not, and is private to it,
so that one release is taken. Its StableHLO is read and compiled by JAX's libraries, which are installed beside it.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stderr
from types import FunctionType
from typing import Any

from jax._src.interpreters import mlir
from jaxlib.mlir import ir

from oneblock.compilers.api.stages import Artifact, Stage
from oneblock.compilers.xla import lowering as xla  # first: it tells libtpu to be silent
from oneblock.compilers.xla.tpu_env import while_loading

_STEP = "step"  # the file that frames of steps are said to be of


# It warns, prints, and sets variables.
with while_loading(), warnings.catch_warnings(action="ignore"), redirect_stderr(io.StringIO()):
    import torch
    import torch_tpu._loader
    from torch.overrides import TorchFunctionMode
    from torch_tpu._internal.compile import tpu_torch_compile as lowering
    from torch_tpu._internal.execution_mode import EagerMode, set_eager_mode
    from torch_tpu._internal.export.export import enable_tracebacks
    from torch_tpu._internal.precision import Precision, precision

    # It reads a version of three parts alone, as 0.0.50, and not JAX's 0.0.42.1. That is for what runs on a TPU.
    torch_tpu._loader._set_libtpu_version = lambda: None
    torch_tpu._loader._init_device("tpu")


class scope(TorchFunctionMode):  # type: ignore[misc]  # of a toolchain whose types are skipped
    """Name what is recorded inside it.

    TorchTPU takes no names, but notes the Python frames that each operation comes from. So each is called by a function
    of that name here, and the name is in its location.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.call = FunctionType(_call.__code__.replace(co_name=name, co_filename=_STEP), globals())

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return self.call(func, args, kwargs or {})


def _call(function: Any, args: Any, kwargs: Any) -> Any:
    return function(*args, **kwargs)


def record(
    program: Callable[[Mapping[str, Any]], Mapping[str, torch.Tensor]],
    shapes: Mapping[str, tuple[tuple[int, ...], torch.dtype]],
    name: str,
) -> tuple[Artifact, Artifact]:
    """A function of named arrays, for these (shape, dtype), as StableHLO and as HLO before XLA's passes.

    Its parameters are in the order of `shapes`. Where it is not said, a TPU multiplies float32 in bfloat16.
    """
    float32 = any(dtype == torch.float32 for _, dtype in shapes.values())
    with (
        warnings.catch_warnings(action="ignore"),  # of what is experimental, and that there is no TPU
        torch.no_grad(),
        set_eager_mode(EagerMode._INTERNAL_COMPILE_FX_GRAPH),  # without it the first operation ends the process
        precision(Precision.HIGHEST if float32 else Precision.DEFAULT),
        enable_tracebacks(),
    ):
        args = {array: lowering.placeholder(list(shape), dtype, False) for array, (shape, dtype) in shapes.items()}
        made = lowering.build_mlir([*program(args).values()], [*args.values()])
        encoded = lowering.serialize_mlir_bytecode(made)
    with mlir.make_ir_context():
        module = ir.Module.parse(encoded)
        module.operation.attributes["sym_name"] = ir.StringAttr.get(name)
        module.operation.walk(_named)
        text = module.operation.get_asm(enable_debug_info=True)
    return Artifact(Stage.LOWERED, "stablehlo", text), Artifact(Stage.LOWERED, "hlo-before", xla.hlo_of(text))


def _named(operation: ir.Operation) -> ir.WalkResult:
    """Say of an operation its steps and PyTorch's name of it, as "mlp/mm/mm", in place of where it was written."""
    location = operation.location
    if isinstance(location, ir.NameLoc):
        path = "/".join([*_steps(location.child_loc), location.name_str])
        operation.location = ir.Location.name(path)
    return ir.WalkResult.ADVANCE


def _steps(location: ir.Location) -> Iterator[str]:
    """The names of the steps among the frames of a location, the outermost step first, whose frame is the innermost."""
    if isinstance(location, ir.CallSiteLoc):
        yield from _steps(location.callee)
        yield from _steps(location.caller)
    elif isinstance(location, ir.NameLoc):
        inner = location.child_loc
        if isinstance(inner, ir.FileLineColLoc) and inner.filename == _STEP:
            yield location.name_str

"""A program as `torch.export` takes it down: for Inductor's own use, and as files, PyTorch's `.pt2` and ONNX.

The files say nothing of where they were made: stack traces, which hold paths, are left out. What a node of a `.pt2` has
in `meta["custom"]` is the step that it is of.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils._pytree import tree_unflatten

from oneblock.compilers.api.export import ExportedModule

Program = Callable[[Mapping[str, Any]], dict[str, Any]]


def exported(program: Program, args: Mapping[str, torch.Tensor]) -> tuple[Any, tuple[str, ...]]:
    """(a program of tensors (...) by name, exported over their values in order, the names of what it gives in order).

    Nothing of the tensors is in it but shapes and dtypes.
    """

    class Flat(torch.nn.Module):  # type: ignore[misc]
        def forward(self, *values: Any) -> dict[str, Any]:
            return program(dict(zip(args, values, strict=True)))

    nothing = tuple(torch.empty(a.shape, dtype=a.dtype) for a in args.values())
    with torch.no_grad():  # strict: Dynamo reads the program, as it does for torch.compile, and keeps the steps' names
        found = torch.export.export(Flat(), nothing, strict=True)
    found.example_inputs = None  # else memory that was never written would be in the file
    spec = found.call_spec.out_spec
    numbers: dict[str, int] = tree_unflatten(range(spec.num_leaves), spec)
    return found, tuple(sorted(numbers, key=lambda name: numbers[name]))


def as_pt2(program: Program, args: Mapping[str, torch.Tensor]) -> ExportedModule:
    """The program as a file that `torch.export.load` reads."""
    found, outputs = exported(program, args)
    for node in found.graph.nodes:
        node.meta.pop("stack_trace", None)
    file = io.BytesIO()
    torch.export.save(found, file)
    opcodes = Counter(str(node.target) for node in found.graph.nodes if node.op == "call_function")
    what = f"torch.export of PyTorch {torch.__version__}"
    return ExportedModule({"pt2": file.getvalue()}, what, tuple(args), outputs, 1, dict(opcodes))


def as_onnx(program: Program, args: Mapping[str, torch.Tensor]) -> ExportedModule:
    """The program as ONNX, by PyTorch; NotImplementedError for what could not be checked.

    Names are of one scope there: a cache that comes in as "k_cache" goes out as "k_cache_out".
    """
    if any(a.dtype == torch.bfloat16 for a in args.values()):
        raise NotImplementedError("ONNX Runtime has no product in bfloat16 on a CPU; expected float32 or float16")
    found, outputs = exported(program, args)
    own = [f"{name}_out" if name in args else name for name in outputs]
    made = torch.onnx.export(found, dynamo=True, input_names=list(args), output_names=own, verbose=False)
    for node in made.model.graph:
        node.metadata_props.clear()
    opcodes = Counter(node.op_type for node in made.model.graph)
    what = f"ONNX of opset {made.model.opset_imports['']}, by PyTorch {torch.__version__}"
    files = {"onnx": made.model_proto.SerializeToString()}
    return ExportedModule(files, what, tuple(args), outputs, 1 + len(made.model.functions), dict(opcodes))


def run_pt2(file: bytes) -> Callable[[Sequence[torch.Tensor]], list[torch.Tensor]]:
    """What a `.pt2` holds, as a function of tensors (...) in order."""
    loaded = torch.export.load(io.BytesIO(file)).module()

    def call(values: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        with torch.inference_mode():
            return list(loaded(*values).values())

    return call


def run_onnx(file: bytes) -> Callable[[Sequence[np.ndarray]], list[np.ndarray]]:
    """What an ONNX file holds, by ONNX Runtime on the CPU, as a function of arrays (...) in order."""
    import onnxruntime  # an extra's, which nothing else needs

    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_inputs()]
    return lambda arrays: list(session.run(None, dict(zip(names, arrays, strict=True))))

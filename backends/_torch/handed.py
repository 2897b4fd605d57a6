"""PyTorch's program handed to others, as a `.pt2` or as ONNX, and what was written run on the CPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec

import numpy as np

from oneblock.backends._torch.arrays import _to_numpy, _to_torch, meta_tensors
from oneblock.backends._torch.executable import Program
from oneblock.backends.api.backend import Unavailable, Unsupported
from oneblock.compilers.api.export import ExportedModule, Form
from oneblock.compilers.inductor import exported as written
from oneblock.workloads._workload import Arrays

_FOR_ONNX = ("onnx", "onnxscript", "onnxruntime")  # PyTorch writes by the first two, and the third runs what it wrote


def export(form: str, program: Program, arrays: Arrays) -> ExportedModule:
    """A program for arrays (...) of these shapes and dtypes, its arguments in the order of their names."""
    args = meta_tensors(dict(sorted(arrays.items())))
    if form == Form.TORCH:
        return written.as_pt2(program, args)
    for name in _FOR_ONNX:
        if find_spec(name) is None:
            raise Unavailable(f"{name} is not installed", "pip install 'oneblock[onnx]'")
    try:
        return written.as_onnx(program, args)
    except NotImplementedError as error:
        raise Unsupported(str(error)) from error


def on_cpu(form: str, files: Mapping[str, bytes]) -> Callable[[Sequence[np.ndarray]], list[np.ndarray]]:
    """A function of the program's arguments (...) in their order."""
    if form == Form.ONNX:
        return written.run_onnx(files["onnx"])
    run = written.run_pt2(files["pt2"])
    return lambda arrays: [_to_numpy(y) for y in run([_to_torch(array) for array in arrays])]

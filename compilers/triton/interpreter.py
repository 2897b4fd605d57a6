"""Triton's interpreter, one kernel at a time: in this process, right in bfloat16, and with nothing left behind.

Triton's own way is TRITON_INTERPRET=1 before the first import: for the whole process, which then compiles nothing
more. Here the language is patched only while a kernel runs, so that the very functions which compile for a GPU are
interpreted beside it. Written against `triton/runtime/interpreter.py` of 3.6 to 3.9; `interpreter_numerics.py` says
what it computes otherwise.
"""

from __future__ import annotations

import itertools
import threading
import types
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
import triton.language as tl
from triton.compiler import code_generator  # noqa: F401 - keeps functions of the language: not while they are patched
from triton.language.extra import libdevice
from triton.language.extra.cuda import libdevice as cuda_libdevice
from triton.language.semantic import TritonSemantic
from triton.runtime import interpreter
from triton.runtime.jit import JITFunction
from triton.tools.tensor_descriptor import TensorDescriptor

from oneblock.compilers.triton import interpreter_shapes
from oneblock.compilers.triton.interpreter_numerics import Builder, Span, dtype_of, reduce_by_halves, scan_by_slices

_BUILDER = Builder()
_SEMANTIC = TritonSemantic(_BUILDER)
_LOCK = threading.Lock()  # the language is patched for the whole process, so for one kernel at a time


def run(kernel: Any, grid: tuple[int, ...], args: Sequence[Any], constants: Mapping[str, Any]) -> None:
    """Run every program of a launch, one after the other, over CPU tensors.

    `kernel` is a function under @triton.jit; `args` are its arguments in order without the compile-time ones, which
    are `constants`. OutOfBounds for an access outside of the arguments, NotImplementedError for what is not
    interpreted; either says in which program.
    """
    names = [param.name for param in kernel.params if param.name not in constants]
    given = dict(zip(names, args, strict=True))
    grid = (*grid, 1, 1)[:3]
    with interpreting():
        _BUILDER.spans = [_span(arg) for arg in args if hasattr(arg, "data_ptr") or isinstance(arg, TensorDescriptor)]
        _BUILDER.set_grid_dim(*grid)
        function = _interpreted(kernel.fn)
        values = {name: interpreter._implicit_cvt(arg) for name, arg in given.items()} | dict(constants)
        for index in itertools.product(*map(range, grid)):
            _BUILDER.set_grid_idx(*index)
            try:
                function(**values)
            except Exception as error:
                error.add_note(f"in program {index} of {grid} of the kernel {kernel.fn.__name__}")
                raise


@contextmanager
def interpreting() -> Iterator[None]:
    """Within it Triton's language runs on NumPy; after it everything is as it was."""
    scope = interpreter._LangPatchScope()
    with _LOCK, np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN slice")  # a masked row: what comes of it is stored nowhere
        try:
            for owner, name, value in _patches():
                scope.set_attr(owner, name, value)
            yield
        finally:
            scope.restore()


@cache
def _patches() -> tuple[tuple[Any, str, Any], ...]:
    """What to put into Triton's language: (owner, name, value), found once, since to search its modules takes time."""
    scope = _Noting()
    try:
        _patch_interpreter(scope)
        _patch_language(scope)
    finally:
        scope.restore()
    return tuple((owner, name, value) for (_, name), (owner, value) in scope.noted.items())


class _Noting(interpreter._LangPatchScope):  # type: ignore[misc]
    """Notes down what it patches; of an attribute that is patched twice the last value."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: dict[tuple[int, str], tuple[Any, Any]] = {}

    def set_attr(self, obj: Any, name: str, value: Any) -> None:
        super().set_attr(obj, name, value)
        self.noted[id(obj), name] = obj, value


def _patch_interpreter(scope: Any) -> None:
    scope.set_attr(interpreter, "interpreter_builder", _BUILDER)
    scope.set_attr(interpreter, "interpreter_semantic", _SEMANTIC)
    scope.set_attr(interpreter, "_get_np_dtype", dtype_of)
    for operation, name, ours in (
        (interpreter.ReduceOps, "generic_reduce", reduce_by_halves),
        (interpreter.ScanOps, "generic_scan", scan_by_slices),
    ):
        scope.set_attr(operation, name, _with_combine(ours))


def _with_combine(ours: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, inputs: ours(self, inputs, _interpreted(self.combine_fn.fn))


def _patch_language(scope: Any) -> None:
    for language in (tl, tl.core):
        interpreter._patch_builtin(language, _BUILDER, scope)
        interpreter._patch_builtin(language.tensor, _BUILDER, scope)
        interpreter._patch_lang_tensor(language.tensor, scope)
        interpreter._patch_lang_core(language, scope)
    for module in (tl.math, tl.core.tensor_descriptor_base, cuda_libdevice):
        interpreter._patch_builtin(module, _BUILDER, scope)
    for name in vars(libdevice):  # names without a body, in whose place the compiler puts the target's
        if hasattr(cuda_libdevice, name) and not name.startswith("_"):
            scope.set_attr(libdevice, name, getattr(cuda_libdevice, name))
    scope.set_attr(tl.tensor, "__index__", _index)
    interpreter_shapes.patch(scope)
    scope.set_attr(JITFunction, "__call__", _call)  # a kernel calls its helpers, and the language its own: tl.sum


def _index(self: Any) -> int:
    """A scalar as the bound of a loop: 3.6 leaves it an array of one element, which NumPy 2.4 does not convert."""
    return int(self.handle.data.squeeze())


def _call(self: Any, *args: Any, **kwargs: Any) -> Any:
    return _interpreted(self.fn)(*args, **{name: value for name, value in kwargs.items() if name != "_semantic"})


@cache
def _interpreted(function: Callable[..., Any]) -> Callable[..., Any]:
    found: Callable[..., Any] = _Rewriter(function).rewrite_ast()
    return found


class _Rewriter(interpreter.FunctionRewriter):  # type: ignore[misc]
    """Triton's, which makes tensors of what is assigned; the function's own module is left as it is."""

    def _compile_and_exec(self, transformed_ast: Any) -> Callable[..., Any]:
        code = compile(transformed_ast, filename=self.filename, mode="exec")
        namespace = {**vars(interpreter), **self.fn.__globals__, "interpreter_semantic": _SEMANTIC}
        exec(code, namespace)  # the compiler's own text  # nosec B102
        found: types.FunctionType = namespace[self.fn.__name__]
        return found


def _span(arg: Any) -> Span:
    tensor = arg.base if isinstance(arg, TensorDescriptor) else arg
    start = tensor.data_ptr()
    elements = 1 + sum((n - 1) * stride for n, stride in zip(tensor.shape, tensor.stride(), strict=True))
    return start, start + (elements * tensor.element_size() if tensor.numel() else 0)

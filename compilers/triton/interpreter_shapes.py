"""The shapes of tensors while Triton is interpreted: each is made once, and not anew for every operation.

Triton 3.9 checks, wraps and prints a shape for each tensor and for each type of one. A compiler does so once a kernel;
an interpreter does it for every operation of every program, and a third of its time went there.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import triton.language as tl

_check_and_make = tl.block_type.__init__


class _Shape(NamedTuple):
    """A shape in the forms that Triton asks for, which nobody changes."""

    of_type: Any  # a tuple of Triton's
    of_tensor: Any  # the same of compile-time numbers
    elements: Any  # a compile-time number
    text: str


def patch(scope: Any) -> None:
    """Let tensors and their types share shapes, until the scope is restored."""
    scope.set_attr(tl.block_type, "__init__", _block_type)
    scope.set_attr(tl.tensor, "__init__", _tensor)


def _block_type(self: Any, element_ty: Any, shape: Any) -> None:
    known = _shape(*(shape if isinstance(shape, list) else shape.values))
    self.element_ty, self.shape, self.numel = element_ty, known.of_type, known.elements.value
    self.name = f"<{known.text}, {element_ty}>"


def _tensor(self: Any, handle: Any, type: Any) -> None:
    known = _shape(*type.shape.values) if type.is_block() else _SCALAR
    self.handle, self.type, self.dtype = handle, type, type.scalar
    self.shape, self.numel = known.of_tensor, known.elements


@cache
def _shape(*sizes: int) -> _Shape:
    made = object.__new__(tl.block_type)
    _check_and_make(made, tl.int1, list(sizes))  # ValueError or TypeError for what is no shape
    of_tensor = tl.tuple([tl.constexpr(size) for size in sizes])
    return _Shape(made.shape, of_tensor, tl.constexpr(made.numel), str(made.shape))


_SCALAR = _Shape(tl.tuple([]), tl.tuple([]), tl.constexpr(1), "")

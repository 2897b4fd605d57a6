"""Floating-point operations of HLO instructions, from their shapes: what is written, whatever a compiler reports."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

from oneblock.compilers.hlo.parser import Array, Computation, HloError, Instruction, arrays

_FLOATS = ("f", "b", "c")  # f32, bf16, c64 ... by first letter; booleans are spelt "pred"
_ELEMENTWISE = frozenset(
    """add subtract multiply divide maximum minimum abs negate power sqrt rsqrt cbrt exponential exponential-minus-one
    log log-plus-one logistic tanh tan sine cosine erf floor ceil round-nearest-even""".split()  # noqa: SIM905
)


def flops(instruction: Instruction, of: Mapping[str, Instruction]) -> int:
    """FLOPs of one instruction alone, without what it calls; a multiply-add is 2, any elementwise function 1.

    `of` finds its operands by name. A product counts 2 * output elements * contracted elements; a convolution counts
    only the taps that fall inside its input, because XLA:TPU writes batched products as padded convolutions. A
    kernel of one's own, into which nobody sees, counts what its author declares.
    """
    (out, *_) = arrays(instruction.shape) or (Array("token", ()),)
    if instruction.opcode == "dot":
        (lhs,) = arrays(of[instruction.operands[0]].shape)
        contracted = [lhs.dims[d] for d in _ints(instruction.attributes.get("lhs_contracting_dims", ""))]
        return 2 * out.elements * prod(contracted)
    if instruction.opcode == "convolution":
        return _convolution(instruction, out, of)
    if instruction.attributes.get("custom_call_target", "").strip('"').startswith("__cublas"):
        (lhs,) = arrays(of[instruction.operands[0]].shape)
        numbers = instruction.config["gemm_backend_config"]["dot_dimension_numbers"]
        return 2 * out.elements * prod(lhs.dims[int(d)] for d in numbers["lhs_contracting_dimensions"])
    if instruction.opcode == "custom-call":
        return instruction.declared.get("flops", 0)
    if instruction.opcode in ("reduce", "reduce-window"):
        return sum(a.elements for name in instruction.operands[:1] for a in arrays(of[name].shape) if _is_float(a))
    if instruction.opcode in _ELEMENTWISE and _is_float(out):
        return out.elements
    return 0


def _is_float(array: Array) -> bool:
    return array.dtype.startswith(_FLOATS)


def _ints(text: str) -> list[int]:
    return [int(word) for word in text.strip("{}").split(",") if word]


def _convolution(instruction: Instruction, out: Array, of: Mapping[str, Instruction]) -> int:
    """2 * batch * output features * input features of one group * taps inside the input, over all spatial positions."""
    lhs, rhs = (arrays(of[name].shape)[0] for name in instruction.operands[:2])
    left, _, rest = instruction.attributes["dim_labels"].partition("_")
    right, _, result = rest.partition("->")
    window = _window(instruction.attributes.get("window", "{}"))
    taps = 1
    for number, label in enumerate(sorted(c for c in left if c.isdigit())):
        taps *= _taps(
            lhs.dims[left.index(label)],
            out.dims[result.index(label)],
            rhs.dims[right.index(label)],
            {key: values[number] for key, values in window.items()},
        )
    inputs = rhs.dims[right.index("i")]  # of the kernel, and so of one group
    return 2 * out.dims[result.index("b")] * out.dims[result.index("f")] * inputs * taps


def _window(text: str) -> dict[str, list[tuple[int, ...]]]:
    """`{size=3x3 pad=1_1x1_1}` -> {"size": [(3,), (3,)], "pad": [(1, 1), (1, 1)]}."""
    pairs = (word.partition("=") for word in text.strip("{}").split())
    return {key: [tuple(int(n) for n in one.split("_")) for one in value.split("x")] for key, _, value in pairs}


def _taps(size_in: int, size_out: int, size_kernel: int, window: dict[str, tuple[int, ...]]) -> int:
    """How many (output position, kernel position) pairs meet an element of the input in one dimension.

    The input is spread by `lhs_dilate` (zeros between), the kernel by `rhs_dilate`; padding and those zeros cost
    nothing. Reversing the kernel permutes the pairs and leaves their number.
    """
    (stride,) = window.get("stride", (1,))
    low = window.get("pad", (0, 0))[0]
    (spread,) = window.get("lhs_dilate", (1,))
    (reach,) = window.get("rhs_dilate", (1,))
    if window.get("size", (size_kernel,)) != (size_kernel,):
        raise HloError(f"expected a window of the kernel's size {size_kernel}, got {window['size']}")
    found = 0
    for tap in range(size_kernel):
        at = tap * reach - low  # of output position 0
        found += sum(
            1
            for position in range(size_out)
            if (at + position * stride) % spread == 0 and 0 <= (at + position * stride) // spread < size_in
        )
    return found


def within(computation: Computation) -> int:
    """FLOPs of a computation's own instructions, without those that they call."""
    return sum(flops(instruction, computation.by_name) for instruction in computation.instructions)

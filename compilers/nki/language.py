"""What a kernel imports as `nki.language`: memory, sizes, and operators that are names and small functions at once."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from oneblock.compilers.chips.makers.neuron_cores import (
    BN_STATS_FREE,
    PARTITIONS,
    PSUM_BANK_BYTES,
    PSUM_BANKS,
    STATIONARY_FREE,
)
from oneblock.compilers.nki import isa
from oneblock.compilers.nki.dtypes import FLOATS, INTEGERS, NOT_INTERPRETED
from oneblock.compilers.nki.elements import elements
from oneblock.compilers.nki.isa_scalar import FUNCTIONS
from oneblock.compilers.nki.machine import current
from oneblock.compilers.nki.memory import MemoryRegion, NkiTensor
from oneblock.compilers.nki.operands import ARITHMETIC, BITS
from oneblock.compilers.nki.rules import SUCCESSORS, NotInterpreted, caller, issuing, require

sbuf, psum = MemoryRegion.sbuf, MemoryRegion.psum
hbm = private_hbm = MemoryRegion.private_hbm
shared_hbm = MemoryRegion.shared_hbm


class NKIObject:
    """Base of a kernel's own classes."""


class _TileSize:
    """Sizes of the hardware; those that differ ask the generation that the kernel runs on."""

    pmax = PARTITIONS
    gemm_stationary_fmax = STATIONARY_FREE
    bn_stats_fmax = BN_STATS_FREE
    psum_fmax = psum_bank_fmax = PSUM_BANK_BYTES // 4
    psum_bank_fmax_bytes = PSUM_BANK_BYTES
    psum_num_banks = PSUM_BANKS

    @property
    def gemm_moving_fmax(self) -> int:
        """Of a float32 product."""
        return current().generation.moving_free["float32"]

    @property
    def sbuf_fmax_bytes(self) -> int:
        """Of one partition."""
        return current().generation.sbuf_bytes

    @property
    def sbuf_size_bytes(self) -> int:
        """Of all partitions."""
        return PARTITIONS * self.sbuf_fmax_bytes


tile_size = _TileSize()


def ndarray(
    shape: Sequence[int], dtype: str, buffer: Any = sbuf, name: str = "", address: Any = None
) -> NkiTensor:  # fmt: skip
    """A new tensor (P, F) on the chip or (...) in HBM, which nobody has written."""
    if address is not None:
        raise NotInterpreted("nl.ndarray(address=...): the interpreter places tensors itself")
    machine = current()
    with issuing("nl.ndarray", caller()):
        require(isinstance(buffer, MemoryRegion), "buffer", "nl.sbuf, nl.psum, nl.hbm or nl.shared_hbm", repr(buffer))
        if dtype in NOT_INTERPRETED:
            raise NotInterpreted(f"dtype {dtype}: this interpreter has {', '.join([*FLOATS, *INTEGERS])}")
        require(dtype in FLOATS or dtype in INTEGERS, "dtype", ", ".join([*FLOATS, *INTEGERS]), repr(dtype))
        return machine.allocate(shape, dtype, buffer, name)


def full(shape: Sequence[int], fill_value: float, dtype: str, buffer: Any = sbuf, name: str = "") -> NkiTensor:
    """A new tensor (P, F) on the chip with one value everywhere."""
    made = ndarray(shape, dtype, buffer, name)
    isa.memset(made, fill_value)
    return made


def zeros(shape: Sequence[int], dtype: str, buffer: Any = sbuf, name: str = "") -> NkiTensor:
    """A new tensor (P, F) of zeros."""
    return full(shape, 0.0, dtype, buffer, name)


def ones(shape: Sequence[int], dtype: str, buffer: Any = sbuf, name: str = "") -> NkiTensor:
    """A new tensor (P, F) of ones."""
    return full(shape, 1.0, dtype, buffer, name)


def shared_identity_matrix(n: int, dtype: str = "uint8", dst: NkiTensor | None = None) -> NkiTensor:
    """The identity (N, N) in SBUF, N = n."""
    made = ndarray((n, n), dtype) if dst is None else dst
    isa.memset(made, 1.0)
    isa.affine_select(made, [[-1, n]], 1, made, 0.0, equal)
    return made


def ds(start: int, size: int) -> slice:
    """`size` elements from `start` on."""
    return slice(start, start + size)


def static_range(start: int, stop: int | None = None, step: int = 1) -> range:
    """A loop that is unrolled as the kernel is specialised, as all of Python's are."""
    return range(start) if stop is None else range(start, stop, step)


affine_range = sequential_range = static_range


def no_reorder() -> AbstractContextManager[None]:
    """Within it a compiler keeps the order of instructions, as the interpreter does everywhere."""
    return nullcontext()


def load(src: NkiTensor, dtype: str | None = None) -> NkiTensor:
    """A tile (P, F) in SBUF with what lies in HBM."""
    made = ndarray(src.shape, dtype or src.dtype)
    isa.dma_copy(made, src)
    return made


def store(dst: NkiTensor, value: NkiTensor) -> None:
    """Write a tile (P, F) to HBM."""
    isa.dma_copy(dst, value)


def program_id(axis: int = 0) -> int:
    """The number of this core among those that run the kernel: one core runs it."""
    return 0


def num_programs(axes: int = 0) -> int:
    """How many cores run the kernel."""
    return 1


def device_print(print_prefix: str, tensor: NkiTensor) -> None:
    """Print a tensor's elements (...), as they are when the instruction runs."""
    print(print_prefix, elements(tensor))


# Functions that are interpreted as an instruction's operator, and not as a call; and why.
NOT_CALLED = {"sin": "which reduces its argument's range; nisa.activation(op=nl.sin) does not"}


class Operator:
    """A function of nl: the name of an operator to an instruction, and itself a call of that instruction."""

    def __init__(self, name: str) -> None:
        self.operator_name = name

    def __repr__(self) -> str:
        return f"nl.{self.operator_name}"

    def __call__(self, x: NkiTensor, y: Any = None, dtype: str | None = None) -> NkiTensor:
        """The answer in a new tile in SBUF."""
        if self.operator_name in NOT_CALLED:
            raise NotInterpreted(f"{self!r}(...), {NOT_CALLED[self.operator_name]}")
        require(isinstance(x, NkiTensor), f"first argument of {self!r}", "a tile", type(x).__name__)
        made = ndarray(x.shape, dtype or x.dtype)
        if y is None:
            isa.activation(made, self, x)
        elif isinstance(y, NkiTensor):
            isa.tensor_tensor(made, x, y, self)
        else:
            isa.tensor_scalar(made, x, self, y)
        return made


_OPERATORS = {name: Operator(name) for name in (*ARITHMETIC, *BITS, *FUNCTIONS)}
equal = _OPERATORS["equal"]


def __getattr__(name: str) -> Any:
    if name in _OPERATORS:
        return _OPERATORS[name]
    if name in FLOATS or name in INTEGERS:
        return name
    if name.startswith("__"):
        raise AttributeError(name)
    raise NotInterpreted(f"nki.language.{name}: {SUCCESSORS.get(name, '`oneblock kernel --list` has what is')}")

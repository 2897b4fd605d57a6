"""What a kernel's wrapper says of a launch, whoever carries it out: an interpreter, a compiler or a GPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from oneblock.workloads.ops.definitions import Array


@dataclass(frozen=True)
class Config:
    """One way to build a kernel: its compile-time sizes, and how many warps and pipeline stages it gets."""

    sizes: tuple[tuple[str, int], ...]
    num_warps: int
    num_stages: int

    def __getitem__(self, name: str) -> int:
        return dict(self.sizes)[name]

    def __str__(self) -> str:
        sizes = " ".join(f"{name}={n}" for name, n in self.sizes)
        return f"{sizes}, {self.num_warps} warps, {self.num_stages} stages"


def config(num_warps: int, num_stages: int, **sizes: int) -> Config:
    """`config(8, 3, BM=128, BN=128, BK=64)`."""
    return Config(tuple(sizes.items()), num_warps, num_stages)


@dataclass(frozen=True)
class Work:
    """What one launch does at a config, by formula from its shapes; all of it is of the kind modelled."""

    flops: float  # of the tiles that are computed, padding and all; a multiply-add is 2
    asked_bytes: float  # what all programs together read and write, an operand counted as often as it is read
    in_flight_bytes: float  # what one program has asked for and not yet got, at a time: tile bytes x (stages - 1)


@dataclass(frozen=True)
class KernelCall:
    """A launch of one kernel, in every way that it may be built."""

    kernel: Any  # a function under @triton.jit
    configs: tuple[Config, ...]  # all give the same answer
    args: Callable[[Config], tuple[Any, ...]]  # in the kernel's order, without its compile-time ones
    grid: Callable[[Config], tuple[int, ...]]
    work: Callable[[Config], Work]
    constants: Mapping[str, Any] = field(default_factory=dict)  # compile-time arguments that every config shares
    matrix_units: bool = False  # whether its FLOPs are products that tensor cores compute


class Runner(Protocol):
    """Who carries launches out."""

    sms: int  # multiprocessors that programs are spread over
    tensor_cores: bool  # whether Triton has products of 2-byte numbers there computed by them

    def empty(self, shape: tuple[int, ...], like: Array) -> Array:
        """A contiguous array of the dtype and on the device of `like`, for a kernel to write."""
        ...

    def launch(self, *alternatives: KernelCall) -> None:
        """Carry out one of these, which all compute the same thing."""
        ...

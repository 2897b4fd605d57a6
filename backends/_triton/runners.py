"""Runners of our kernels' launches: interpret on the CPU, trace without data, or launch on the GPU."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
import triton
from torch.utils._python_dispatch import TorchDispatchMode

from oneblock.backends._triton.moves import ArrayNames, Move
from oneblock.backends.api.backend import Unavailable
from oneblock.backends.kernels.triton.launch import Config, KernelCall
from oneblock.compilers.triton import releases
from oneblock.workloads.ops.definitions import Array

# Operations of PyTorch that compute next to nothing, as pointwise ones do: what they move says how long they take.
_ONLY_MOVE = ("cat", "concat", "stack", "clone", "copy_", "_to_copy", "constant_pad_nd", "slice_scatter", "fill_")
# Those that start nothing on a device.
_NO_LAUNCH = ("empty", "empty_like", "new_empty", "empty_strided", "_unsafe_view", "detach", "_reshape_alias")


def options(call: KernelCall, config: Config) -> dict[str, Any]:
    """The keywords of a launch: compile-time arguments, warps and stages."""
    sizes = {**call.constants, **dict(config.sizes)}
    return {**sizes, "num_warps": config.num_warps, "num_stages": config.num_stages}


def fewest_programs(alternatives: tuple[KernelCall, ...]) -> tuple[KernelCall, Config]:
    """The first alternative, at the config in which an interpreter has the least to do."""
    call = alternatives[0]
    return call, min(call.configs, key=lambda config: prod(call.grid(config)))


def interpreter_fits() -> None:
    """Unavailable if the Triton that is installed has another interpreter than those mended here."""
    first, last = releases.FIRST, releases.LAST
    if not first <= releases.release(triton.__version__) <= last:
        raise Unavailable(
            f"Triton {triton.__version__} is installed, whose interpreter computes bfloat16 on bit patterns; those "
            f"that are mended here are of {first[0]}.{first[1]} to {last[0]}.{last[1]}",
            f"pip install 'triton>={first[0]}.{first[1]},<{last[0]}.{last[1] + 1}'",
        )


class InterpreterRunner:
    """Runs every program on the CPU, one after the other. What a kernel leaves unwritten stays NaN."""

    sms = 8  # of no device: enough for a persistent program to have several tiles, and keys several parts
    tensor_cores = True

    def empty(self, shape: tuple[int, ...], like: Array) -> Array:
        """Memory (...) of not-a-numbers: what was used before may hold an earlier answer, and a right one."""
        return torch.full(shape, float("nan"), dtype=like.dtype, device=like.device)

    def launch(self, *alternatives: KernelCall) -> None:
        """Run the one that takes the fewest programs."""
        from oneblock.compilers.triton import interpreter as triton_interpreter  # 0.6 s, and only without a GPU

        call, config = fewest_programs(alternatives)
        constants = {**call.constants, **dict(config.sizes)}
        triton_interpreter.run(call.kernel, call.grid(config), call.args(config), constants)


@dataclass(frozen=True)
class TracedLaunch:
    """One thing that a program starts on the device: a kernel of ours, in all its ways, or an operation of PyTorch."""

    step: str | None
    alternatives: tuple[KernelCall, ...] = ()
    operation: str | None = None  # "aten::cat"
    moves: tuple[Move, ...] = ()
    only_moves: bool = False  # of an operation of PyTorch: whether its time is that of its memory

    @property
    def bytes(self) -> int:
        """Of every array that it is given, each once."""
        return sum(move.bytes for move in self.moves)


class LaunchTracer:
    """Traces what a program over arrays without data (device "meta") would launch, in order."""

    def __init__(self, sms: int, *, tensor_cores: bool) -> None:
        self.sms, self.tensor_cores = sms, tensor_cores
        self.step: str | None = None
        self.started: list[TracedLaunch] = []
        self.arrays = ArrayNames()

    def empty(self, shape: tuple[int, ...], like: Array) -> Array:
        """An array (...) without data."""
        made = torch.empty(shape, dtype=like.dtype, device=like.device)
        self.arrays.allocated(made)
        return made

    def launch(self, *alternatives: KernelCall) -> None:
        """Note it down. What it moves is the same for every alternative: they compute the same thing."""
        first = alternatives[0]
        moves = self.arrays.launched(len(self.started), first.args(first.configs[0]))
        self.started.append(TracedLaunch(self.step, alternatives, moves=moves))

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Note down what PyTorch itself would launch, too: what no kernel of ours replaces."""
        recorder = self

        class Listener(TorchDispatchMode):  # type: ignore[misc]
            def __torch_dispatch__(
                self, operation: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
            ) -> Any:
                name, made = operation.name().partition(".")[0], operation(*args, **(kwargs or {}))
                if not operation.is_view and name.removeprefix("aten::") not in _NO_LAUNCH:
                    moves = recorder.arrays.launched(len(recorder.started), (args, kwargs), made)
                    simple = torch.Tag.pointwise in operation.tags or name.removeprefix("aten::") in _ONLY_MOVE
                    recorder.started.append(TracedLaunch(recorder.step, (), name, moves, simple))
                return made

        with Listener():
            yield


@dataclass(frozen=True)
class LaunchChoice:
    """How one launch is carried out."""

    call: int  # which of the alternatives
    config: Config


class DeviceRunner:
    """Launches on the device that is here, each as it was chosen when the program was compiled."""

    def __init__(self, choices: list[LaunchChoice], recorder: LaunchTracer) -> None:
        self.choices, self.next = choices, 0
        self.sms, self.tensor_cores = recorder.sms, recorder.tensor_cores

    def empty(self, shape: tuple[int, ...], like: Array) -> Array:
        """Uninitialised memory (...) of the device."""
        return torch.empty(shape, dtype=like.dtype, device=like.device)

    def launch(self, *alternatives: KernelCall) -> None:
        """Start the next; the program is the same in every call, and so is the order of its launches."""
        chosen = self.choices[self.next % len(self.choices)]
        self.next += 1
        call = alternatives[chosen.call]
        start(call, chosen.config)


def start(call: KernelCall, config: Config) -> None:
    """Launch a kernel at a config on the current device and stream."""
    call.kernel[call.grid(config)](*call.args(config), enable_fp_fusion=True, **options(call, config))

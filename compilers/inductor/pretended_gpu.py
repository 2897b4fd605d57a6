"""A GPU that is not here, as far as Inductor asks: its properties for the time of a `with`, and nothing left after it.

Inductor reads a GPU's name, limits and capability, and never touches it before a kernel runs. All that it reads is
replaced here and put back: torch.cuda's questions, Dynamo's interface to CUDA, Triton's driver, the environment, and
every cache in which an answer would stay, so that the CPU's compiler, or another GPU's, does not find it there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from oneblock.compilers.chips.chip import Gpu

DEVICE = torch.device("cuda", 0)
_TOOLKIT = "12.8"  # as compilers/xla/gpu_target.py has it for XLA
_KEPT = ("lazy_init",)  # registers patterns: emptied, it would register them once more


class Driver:
    """As much of Triton's driver as generating code asks for."""

    def __init__(self, capability: tuple[int, int]) -> None:
        self.capability = capability

    def get_current_target(self) -> Any:
        """The architecture to compile for."""
        from triton.backends.compiler import GPUTarget

        return GPUTarget("cuda", 10 * self.capability[0] + self.capability[1], 32)

    def get_active_torch_device(self) -> torch.device:
        """The one there is."""
        return DEVICE

    def get_current_device(self) -> int:
        """The one there is."""
        return 0

    def get_current_stream(self, device: int | None = None) -> int:
        """The default one."""
        return 0

    def get_device_interface(self) -> Any:
        """PyTorch's."""
        return torch.cuda


@contextmanager
def pretended(gpu: Gpu) -> Iterator[None]:
    """Inside, PyTorch believes that it has this GPU."""
    with ExitStack() as stack:
        stack.enter_context(patch.dict(os.environ))  # Inductor names Triton's cache there
        _initialise()
        stack.callback(_forget)
        _forget()
        for owner, answers in _answers(properties(gpu), gpu.capability):
            for name, answer in answers.items():
                stack.enter_context(patch.object(owner, name, answer))
        stack.enter_context(_inside())
        yield


def properties(gpu: Gpu) -> Any:
    """What `torch.cuda.get_device_properties` would say of it, where Inductor reads it."""
    own, (major, minor) = gpu.multiprocessor, gpu.capability
    return SimpleNamespace(
        name=gpu.name, major=major, minor=minor, multi_processor_count=gpu.sms.value,
        total_memory=gpu.memory_bytes.value, L2_cache_size=gpu.l2_bytes, warp_size=own.lanes,
        regs_per_multiprocessor=65536, max_threads_per_block=1024, max_threads_per_multi_processor=own.threads,
        shared_memory_per_block=49152,
        shared_memory_per_block_optin=own.shared_bytes_of_block, shared_memory_per_multiprocessor=own.shared_bytes,
        clock_rate=int(gpu.clock_hz.value / 1e3), gcnArchName="", is_integrated=0, is_multi_gpu_board=0, uuid="none",
    )  # fmt: skip


def _answers(found: Any, capability: tuple[int, int]) -> list[tuple[Any, dict[str, Any]]]:
    """Who is asked what, and what is answered; each may be asked with a device or without."""
    from torch._dynamo.device_interface import CudaInterface
    from torch._inductor.runtime import triton_helpers
    from triton.runtime import driver

    def always(value: Any) -> Any:
        return lambda *args, **kwargs: value

    shared = {
        "device_count": always(1), "current_device": always(0), "get_device_properties": always(found),
        "is_bf16_supported": always(capability >= (8, 0)), "set_device": always(None), "synchronize": always(None),
    }  # fmt: skip
    cuda = {
        "is_available": always(True), "is_initialized": always(False), "get_device_capability": always(capability),
        "get_device_name": always(found.name), "is_tf32_supported": always(capability >= (8, 0)),
        "get_arch_list": always([f"sm_{capability[0]}{capability[1]}"]), "_exchange_device": always(0),
        "_maybe_exchange_device": always(0),
        "get_rng_state": lambda *args: torch.zeros(16, dtype=torch.uint8), "set_rng_state": always(None),
    }  # fmt: skip
    interface = {
        "get_raw_stream": always(0), "exchange_device": always(0), "maybe_exchange_device": always(0),
        "memory_allocated": always(0),
    }  # fmt: skip
    return [
        (torch.cuda, shared | cuda),
        (CudaInterface, {name: staticmethod(answer) for name, answer in (shared | interface).items()}),
        (torch.version, {"cuda": _TOOLKIT, "hip": None}),
        (driver, {"_active": Driver(capability)}),
        (triton_helpers, {"set_driver_to_gpu": always(None)}),
        (torch.Tensor, {"copy_": _copied}),
    ]


def _copied(to: torch.Tensor, of: torch.Tensor, non_blocking: bool = False) -> torch.Tensor:
    """`Tensor.copy_` as an operation: the method asks for CUDA itself before it is one."""
    written: torch.Tensor = torch.ops.aten.copy_.default(to, of, non_blocking)
    return written


def _initialise() -> None:
    """Do what is done once in a process while it is still true: list the devices, and register Inductor's patterns.

    A pattern is a graph of operations, traced on some device; it says nothing of the device it was traced on.
    """
    from torch._dynamo.device_interface import get_registered_device_interfaces
    from torch._inductor.fx_passes import joint_graph, post_grad, pre_grad

    get_registered_device_interfaces()
    joint_graph.lazy_init(torch.device("cpu"))
    post_grad.lazy_init()
    pre_grad.lazy_init()


@contextmanager
def _inside() -> Iterator[None]:
    """Dynamo's tables name the device, constants are folded without it, and nothing is said of its settings."""
    from torch._dynamo import device_interface
    from torch._inductor import compile_fx
    from torch._inductor.fx_passes import fuse_attention, joint_graph

    class OnCpu(TorchDispatchMode):  # type: ignore[misc]
        def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            given = kwargs or {}
            return operation(*args, **(given | {"device": "cpu"} if "device" in given else given))

    run = joint_graph.UniformValueConstantFolder.run

    def fold(self: Any) -> Any:
        with OnCpu():
            return run(self)

    with (
        patch.dict(device_interface.caching_worker_device_properties, clear=True),
        patch.dict(device_interface.caching_worker_current_devices, clear=True),
        patch.dict(device_interface.device_interfaces, {f"{DEVICE}": device_interface.CudaInterface}),
        patch.object(joint_graph, "lazy_init", lambda *args: None),
        patch.object(joint_graph.UniformValueConstantFolder, "run", fold),
        patch.object(fuse_attention, "_warn_tf32_disabled", lambda: None),
        patch.object(compile_fx, "_warn_tf32_disabled", lambda: None),
    ):
        yield


def _forget() -> None:
    """Empty the caches in which an answer about the device would stay."""
    import torch.utils._triton
    from torch._inductor import compile_fx, utils
    from torch._inductor.codecache import CacheBase
    from torch._inductor.codegen.cuda import cuda_env
    from torch._inductor.runtime import hints
    from torch._inductor.template_heuristics import registry
    from torch._inductor.template_heuristics.triton import BaseHeuristicSingleton
    from torch._inductor.utils import clear_caches

    for owner in (torch.utils._triton, utils, compile_fx, cuda_env, hints, hints.DeviceProperties, CacheBase):
        for name in dir(owner):
            cached = getattr(owner, name)
            if hasattr(cached, "cache_clear") and name not in _KEPT:
                cached.cache_clear()
    registry._HEURISTIC_CACHE.clear()
    BaseHeuristicSingleton._instances.clear()
    clear_caches()  # what templates generated and algorithms were chosen
